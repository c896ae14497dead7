//! Waiting for time to pass, where no message of a timer can come any more.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::cell::CellRef;
use crate::clock;
use crate::mailbox::exchange::{self, Answerer, Asker, Respond};
use crate::mailbox::parcel::Parcel;
use crate::structs::future::SlotFuture;

/// Ready when so much time has passed by an actor's clock: a question that nobody is asked, so that only its time limit answers.
pub struct Sleep {
    asker: Asker<(), ()>,
    _unasked: Parcel<()>,
    /// There is a clock that will ring.
    rings: bool,
}

struct Nobody;

impl Respond<()> for Nobody {
    type Question = ();
    type Answer = ();

    fn respond<'a>((): (), _: Answerer<(), ()>, (): &'a mut ()) -> SlotFuture<'a> {
        SlotFuture::ready()
    }
}

impl Sleep {
    /// Begins now. Where there is no clock, or it has stopped, the time is over at once.
    pub fn new(actor: &CellRef, limit: Duration) -> Self {
        let (mut asker, unasked) = exchange::ask::<(), Nobody>(());
        let rings = !limit.is_zero()
            && actor.clock().is_some_and(|clock| asker.set_alarm(clock, clock::nanos(limit)));
        Sleep { asker, _unasked: unasked, rings }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.asker.register(cx);
        if !self.rings || self.asker.is_expired() { Poll::Ready(()) } else { Poll::Pending }
    }
}
