//! Monitoring from plain code.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::Stream;

use super::blocking;
use super::handle::{Target, asked_as, cell_of};
use super::nobody::NoLife;
use crate::cell::body::observer;
use crate::cell::{CellRef, Consumer};
use crate::exit::{self, Death};
use crate::id::{ActorId, MonitorRef};
use crate::monitor::entry::{Notice, Rank, Station, demonitor, monitors, watch};
use crate::monitor::{Demonitor, Down};
use crate::reason::ExitReason;
use crate::structs::future::SlotFuture;

/// Monitors actors from plain code: [`Down`]s are received by blocking, by `.await`, as a [`Stream`], or in a `for` loop.
///
/// The same guarantees as for an actor that monitors: exactly one [`Down`] for each monitor, and silence after
/// [`demonitor`](Self::demonitor). Dropping it takes all its monitors back.
///
/// ```
/// use deathwatch::{Monitors, prelude::*};
/// # struct Idle; impl Actor for Idle {}
/// let (a, b) = (Idle.start(), Idle.start());
/// let mut monitors = Monitors::new();
/// let first = monitors.monitor(&a);
/// monitors.monitor(&b);
/// a.kill();
///
/// let down = monitors.recv().unwrap();
/// assert_eq!((down.monitor_ref, down.target, down.reason), (first, a.id(), ExitReason::Kill));
///
/// b.stop();
/// for down in monitors { // ends when nothing is monitored any more
///     assert_eq!(down.reason, ExitReason::Normal);
/// }
/// ```
///
/// # Cancel safety
///
/// A [`recv_async`](Self::recv_async), or a stream's `next`, that is dropped has taken nothing out.
#[doc(alias = "watch")]
pub struct Monitors {
    consumer: Consumer<Desk>,
    desk: Desk,
}

/// Where a plain watcher's messages are opened.
struct Desk {
    cell: CellRef,
    down: Option<Down>,
}

impl Station for Desk {
    fn cell(&self) -> &CellRef {
        &self.cell
    }
}

/// Lays the `Down` on the desk.
struct Lay;

impl Notice<Desk> for Lay {
    fn notify<'a>(self, down: Down, desk: &'a mut Desk) -> SlotFuture<'a> {
        desk.down = Some(down);
        SlotFuture::ready()
    }
}

impl Default for Monitors {
    fn default() -> Self {
        Self::new()
    }
}

impl Monitors {
    /// A watcher that monitors nobody yet.
    pub fn new() -> Self {
        let consumer = observer(NoLife::default());
        let desk = Desk { cell: Consumer::cell(&consumer).clone(), down: None };
        Monitors { consumer, desk }
    }

    /// Monitors an actor; see [`Context::monitor`](crate::Context::monitor).
    #[doc(alias = "watch")]
    pub fn monitor(&mut self, target: &impl Target) -> MonitorRef {
        watch(self.consumer.address(), cell_of(target), Lay, Rank::Ordinary, asked_as(target))
    }

    /// Takes a monitor back; see [`Context::demonitor`](crate::Context::demonitor).
    #[doc(alias = "unwatch")]
    #[doc(alias = "unmonitor")]
    pub fn demonitor(&mut self, monitor: MonitorRef) -> Demonitor {
        demonitor(&self.desk.cell, monitor)
    }

    /// Whom this monitors at present.
    pub fn monitors(&self) -> Vec<(MonitorRef, ActorId)> {
        monitors(&self.desk.cell)
    }

    /// Has every monitor been told of or taken back?
    pub fn is_empty(&self) -> bool {
        self.desk.cell.table.len() == 0
    }

    /// The next [`Down`] that is there already.
    pub fn try_recv(&mut self) -> Option<Down> {
        loop {
            let mut opened = self.consumer.pop()?.open(&mut self.desk);
            // Ready at once: what is opened here only lays a Down on the desk, or nothing.
            let _ = Pin::new(&mut opened).poll(&mut Context::from_waker(std::task::Waker::noop()));
            drop(opened);
            if let Some(down) = self.desk.down.take() {
                return Some(down);
            }
        }
    }

    /// Blocks the calling thread until the next [`Down`]; `None` when nothing is monitored any more.
    ///
    /// # Panics
    ///
    /// On a worker of a scheduler, when there is nothing yet: the actors that run there would wait, too. The same holds for
    /// [`recv_timeout`](Self::recv_timeout) and the iterators.
    #[track_caller]
    pub fn recv(&mut self) -> Option<Down> {
        blocking::block_on(std::future::poll_fn(|cx| self.poll(cx)))
    }

    /// Blocks the calling thread until the next [`Down`], or for at most `limit`.
    ///
    /// # Errors
    ///
    /// [`RecvTimeoutError::Timeout`] when the time is over, [`RecvTimeoutError::Empty`] when nothing is monitored any
    /// more.
    #[track_caller]
    pub fn recv_timeout(&mut self, limit: Duration) -> Result<Down, RecvTimeoutError> {
        match blocking::block_on_timeout(std::future::poll_fn(|cx| self.poll(cx)), limit) {
            Some(Some(down)) => Ok(down),
            Some(None) => Err(RecvTimeoutError::Empty),
            None => Err(RecvTimeoutError::Timeout),
        }
    }

    /// Waits for the next [`Down`]; `None` when nothing is monitored any more.
    ///
    /// ```
    /// use deathwatch::{Monitors, prelude::*};
    /// # struct Idle; impl Actor for Idle {}
    /// # futures::executor::block_on(async {
    /// let actor = Idle.start();
    /// let mut monitors = Monitors::new();
    /// monitors.monitor(&actor);
    /// actor.kill();
    /// assert_eq!(monitors.recv_async().await.unwrap().reason, ExitReason::Kill);
    /// assert_eq!(monitors.recv_async().await, None);
    /// # });
    /// ```
    pub async fn recv_async(&mut self) -> Option<Down> {
        std::future::poll_fn(|cx| self.poll(cx)).await
    }

    /// Iterates over what comes, blocking the calling thread, until nothing is monitored any more. (`Monitors` itself is no
    /// iterator: it is a stream, whose methods have the same names.)
    pub fn iter(&mut self) -> Downs<'_> {
        Downs { monitors: self }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Down>> {
        loop {
            if let Some(down) = self.try_recv() {
                return Poll::Ready(Some(down));
            }
            if self.is_empty() {
                return Poll::Ready(None);
            }
            self.desk.cell.register(cx);
            if self.consumer.park() {
                return Poll::Pending;
            }
        }
    }
}

/// Why [`Monitors::recv_timeout`] has no [`Down`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecvTimeoutError {
    /// The time was over.
    Timeout,
    /// Nothing is monitored any more.
    Empty,
}

impl fmt::Display for RecvTimeoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            RecvTimeoutError::Timeout => "no actor died within the time limit",
            RecvTimeoutError::Empty => "nothing is monitored any more",
        })
    }
}

impl std::error::Error for RecvTimeoutError {}

/// Iterates over the [`Down`]s of a [`Monitors`], by blocking; see [`Monitors::iter`].
#[derive(Debug)]
pub struct Downs<'a> {
    monitors: &'a mut Monitors,
}

impl Iterator for Downs<'_> {
    type Item = Down;

    #[track_caller]
    fn next(&mut self) -> Option<Down> {
        self.monitors.recv()
    }
}

/// As [`Downs`], of a [`Monitors`] that it owns.
#[derive(Debug)]
pub struct IntoDowns {
    monitors: Monitors,
}

impl Iterator for IntoDowns {
    type Item = Down;

    #[track_caller]
    fn next(&mut self) -> Option<Down> {
        self.monitors.recv()
    }
}

impl<'a> IntoIterator for &'a mut Monitors {
    type Item = Down;
    type IntoIter = Downs<'a>;

    fn into_iter(self) -> Downs<'a> {
        self.iter()
    }
}

impl IntoIterator for Monitors {
    type Item = Down;
    type IntoIter = IntoDowns;

    fn into_iter(self) -> IntoDowns {
        IntoDowns { monitors: self }
    }
}

impl Stream for Monitors {
    type Item = Down;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Down>> {
        self.poll(cx)
    }
}

impl Unpin for Monitors {}

impl Drop for Monitors {
    fn drop(&mut self) {
        let mut death = Death::new(ExitReason::Normal);
        while !exit::retire(&mut self.consumer, &mut death) {}
    }
}

impl fmt::Debug for Monitors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Monitors").field("monitors", &self.monitors()).finish()
    }
}
