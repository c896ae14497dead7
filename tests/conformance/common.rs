//! What the suites have in common.

use deathwatch::{ActorHandle, ActorRef, Alias, ExitReason};

use crate::doll::{Doll, Pair, Play};
use crate::support::{Event, Note, begun};

/// Compiles only for what is no [`Target`](deathwatch::Target): `<u64 as NoTarget<_>>::no_target()`. With an implementation, it would
/// be ambiguous which is meant.
pub trait NoTarget<Marker> {
    fn no_target() {}
}

pub struct IsTarget;

impl<T: ?Sized> NoTarget<()> for T {}
impl<T: ?Sized + deathwatch::Target> NoTarget<IsTarget> for T {}

/// Ends an actor with this reason; everybody has been told when this returns.
pub fn dies<A>(actor: &ActorRef<A>, reason: &ExitReason) {
    let end = begun(actor.wait_exit());
    actor.stop_with(reason.clone());
    assert_eq!(&end.wait(), reason);
}

/// The handle that knows whose it is.
pub fn typed<D: Doll>(handle: ActorHandle) -> ActorRef<D> {
    handle.downcast().expect("it is one of these")
}

/// Has an actor send notes by an alias. Were they taken?
pub fn say<D: Doll, const N: usize>(by: &ActorRef<D>, alias: &Alias<Note>, notes: [u32; N]) -> [bool; N] {
    let alias = alias.clone();
    by.call(move |_, _| notes.map(|number| alias.send(Note(number)).is_ok()))
}

/// How many `Down`s it has handled. It has looked at all signals that had come, and told of those that it traps.
pub fn quiet<D: Doll>(doll: &ActorRef<D>) -> usize {
    doll.call(|_, _| ());
    doll.downs() // an exit is handled behind what was in the mailbox
}

impl<W: Doll, T: Doll> Pair<W, T> {
    /// Both are linked, and the watcher traps exits.
    pub fn link(&self) {
        W::trap_exit(&self.ctx, true);
        self.ctx.link(&self.target);
    }

    /// What the watcher is told of the death of the target by a monitor and by a link, in no particular order.
    #[track_caller]
    pub fn told(&self, monitor: deathwatch::MonitorRef) -> ExitReason {
        let (down, exit) = match (self.heard.next(), self.heard.next()) {
            (Event::Down(down), Event::Exit(exit)) | (Event::Exit(exit), Event::Down(down)) => (down, exit),
            other => panic!("a Down and an Exit expected, not {other:?}"),
        };
        let target = self.target.id();
        assert_eq!((down.monitor_ref, down.target, exit.from), (monitor, target, target));
        assert_eq!(exit.reason, down.reason);
        down.reason
    }

    /// Nothing more has come to the watcher.
    #[track_caller]
    pub fn silence(&self) {
        quiet(&self.watcher);
        assert_eq!(self.heard.labels(), [""; 0]);
    }
}
