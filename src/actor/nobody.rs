//! Cells without a life: their death is all there is to them.

use crate::cell::body::observer;
use crate::cell::{CellRef, Consumer, Erased, Host, Runnable};
use crate::clock::Clock;
use crate::exit::{self, Death};
use crate::reason::ExitReason;

/// The host of such a cell.
pub struct NoHost;

impl Host for NoHost {
    type Death = Death;

    fn wake(&self, _cell: &CellRef) {}

    fn schedule(&self, _runnable: Runnable) {
        unreachable!("what has no life is never queued");
    }

    fn clock(&self) -> Option<&Clock> {
        None
    }

    fn death(&self, reason: ExitReason) -> Death {
        Death::new(reason)
    }

    fn retire(&self, consumer: &mut Consumer<Erased>, death: &mut Death) -> bool {
        exit::retire(consumer, death)
    }
}

/// Somebody who never was, for whoever asks for an actor that nobody knows.
pub fn nobody() -> CellRef {
    let mut consumer = observer::<Erased, _>(NoHost);
    let mut death = Death::new(ExitReason::NoProc);
    while !exit::retire(&mut consumer, &mut death) {}
    consumer.cell().clone()
}
