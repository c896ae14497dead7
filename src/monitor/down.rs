//! What a watcher is told.

use std::sync::Arc;

use crate::id::{ActorId, MonitorRef};
use crate::reason::ExitReason;

/// The death of a monitored actor, as told to the one who monitored it.
///
/// Exactly one `Down` comes for each monitor that was not taken back, behind everything that the target sent to the
/// watcher before it died. It is sent when the target is gone completely: its stop hook has ended, its value is
/// dropped, its mailbox is closed.
///
/// No order is promised between the `Down`s of one death to different watchers.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Down {
    /// What [`Context::monitor`](crate::Context::monitor) returned.
    pub monitor_ref: MonitorRef,
    /// Who died.
    pub target: ActorId,
    /// What it was called, if it had a name.
    pub name: Option<Arc<str>>,
    /// Why it died.
    pub reason: ExitReason,
}

/// What [`Context::demonitor`](crate::Context::demonitor) did. After `Cancelled` and `Flushed` that [`Down`] is never
/// handled.
#[derive(Clone, Debug, PartialEq)]
pub enum Demonitor {
    /// The monitor is gone; no `Down` was sent.
    Cancelled,
    /// The target was dead already and its `Down` on the way. It was taken back, and here it is.
    Flushed(Down),
    /// There is no such monitor: its `Down` was handled, or its turn has come (called from another thread, this may
    /// return just before the first line of the handler runs), or it was taken back before, or it is somebody else's.
    Unknown,
}

/// The death of an actor that was linked with one that traps exits: what comes in place of dying.
///
/// It comes behind everything that the other sent before it died, for every reason, [`Normal`](ExitReason::Normal) too. See
/// [`Context::trap_exit`](crate::Context::trap_exit).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Exit {
    /// Who died.
    pub from: ActorId,
    /// What it was called, if it had a name.
    pub name: Option<Arc<str>>,
    /// Why it died; [`NoProc`](ExitReason::NoProc) if it was dead when the link was made.
    pub reason: ExitReason,
}
