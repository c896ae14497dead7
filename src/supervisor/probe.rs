//! How a supervisor learns that a child has started: by a letter in the child's mailbox, which is opened after the `started` hook,
//! and before anything else.

use std::any::Any;

use super::messages::Up;
use super::{Dynamic, Fixed, Kind, Supervisor};
use crate::actor::message::{SentTo, handle};
use crate::actor::stage::Stage;
use crate::cell::Address;
use crate::mailbox::parcel::{Letter, Parcel};
use crate::structs::future::SlotFuture;
use crate::tasks::Tasks;

/// Lays the letter into the mailbox of a child that does not run yet.
pub fn lay<A: Send + 'static, K: Kind>(
    child: &Address<Stage<A>>,
    to: &Address<Stage<Supervisor<K>>>,
    key: u64,
) {
    let up = Up { key, child: child.cell().id };
    // Refused, the child is dead, which is told otherwise.
    let _ = child.push(Parcel::seal(Probe { to: to.clone(), up }));
}

struct Probe<K: Kind> {
    to: Address<Stage<Supervisor<K>>>,
    up: Up,
}

impl<A: Send + 'static, K: Kind> Letter<Stage<A>> for Probe<K> {
    const COUNTED: bool = false;

    fn open<'a>(self, stage: &'a mut Stage<A>) -> SlotFuture<'a> {
        let tell = move || post(&self.to, self.up);
        // A supervisor has started when its children have.
        let actor: &mut dyn Any = &mut stage.actor;
        if let Some(supervisor) = actor.downcast_mut::<Supervisor<Fixed>>() {
            supervisor.when_up(tell);
        } else if let Some(supervisor) = actor.downcast_mut::<Supervisor<Dynamic>>() {
            supervisor.when_up(tell);
        } else {
            tell();
        }
        SlotFuture::ready()
    }
}

/// Sends a supervisor a message of its own, which takes no place in a bounded mailbox.
pub fn post<K: Kind, M: SentTo<Supervisor<K>, Tasks>>(to: &Address<Stage<Supervisor<K>>>, message: M) {
    // Refused, it is ending.
    let _ = to.push(Parcel::seal(Own(message)));
}

struct Own<M>(M);

impl<K: Kind, M: SentTo<Supervisor<K>, Tasks>> Letter<Stage<Supervisor<K>>> for Own<M> {
    const COUNTED: bool = false;

    fn open<'a>(self, stage: &'a mut Stage<Supervisor<K>>) -> SlotFuture<'a> {
        handle(self.0, stage, drop)
    }
}
