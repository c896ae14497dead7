//! A monitor that ends with a value.

use crate::cell::CellRef;
use crate::id::MonitorRef;
use crate::monitor::Demonitor;
use crate::monitor::entry::demonitor;

/// A monitor that is taken back when this is dropped.
///
/// ```
/// use deathwatch::prelude::*;
/// # struct Idle; impl Actor for Idle {}
/// struct Watcher(ActorRef<Idle>);
/// impl Actor for Watcher {
///     async fn started(&mut self, ctx: &Context<Self>) {
///         let guard = ctx.monitor_guard(&self.0);
///         assert_eq!(ctx.monitors(), [(guard.monitor_ref(), self.0.id())]);
///         drop(guard);
///         assert!(ctx.monitors().is_empty());
///         ctx.stop();
///     }
/// }
/// impl Handler<Down> for Watcher {
///     async fn handle(&mut self, _: Down, _: &Context<Self>) { unreachable!() }
/// }
/// assert_eq!(Watcher(Idle.start()).start().wait_exit().wait(), ExitReason::Normal);
/// ```
#[must_use = "the monitor is taken back when the guard is dropped"]
#[derive(Debug)]
pub struct MonitorGuard {
    /// `None`: the monitor is kept.
    watcher: Option<Watcher>,
    monitor: MonitorRef,
}

struct Watcher(CellRef);

impl std::fmt::Debug for Watcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.id.fmt(f)
    }
}

impl MonitorGuard {
    pub(crate) fn new(watcher: CellRef, monitor: MonitorRef) -> Self {
        MonitorGuard { watcher: Some(Watcher(watcher)), monitor }
    }

    /// The monitor's reference.
    pub fn monitor_ref(&self) -> MonitorRef {
        self.monitor
    }

    /// Takes the monitor back now, and says what became of it.
    pub fn demonitor(mut self) -> Demonitor {
        self.end()
    }

    /// Keeps the monitor when the guard goes.
    pub fn forget(mut self) -> MonitorRef {
        self.watcher = None;
        self.monitor
    }

    fn end(&mut self) -> Demonitor {
        match self.watcher.take() {
            Some(Watcher(watcher)) => demonitor(&watcher, self.monitor),
            None => Demonitor::Unknown,
        }
    }
}

impl Drop for MonitorGuard {
    fn drop(&mut self) {
        let _ = self.end();
    }
}
