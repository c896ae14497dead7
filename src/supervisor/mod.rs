//! Supervisors: actors that start others, watch them, restart them when they fail, and stop them in order.
//!
//! A [`Supervisor`] has children that are described by [`ChildSpec`]s, and a [`Strategy`]. It starts them one after the other,
//! monitors them, and restarts whoever fails, as [`Restart`] says; when that does not help, and there are too many restarts
//! within some time, it stops its children and dies itself, of a [`SupervisorError`]. It may be the child of another supervisor,
//! which then restarts it with all that is below: a tree. A [`DynamicSupervisor`] begins without children, and gets any number of
//! them while it runs.
//!
//! ```
//! use std::time::Duration;
//! use deathwatch::prelude::*;
//! use deathwatch::supervisor::{ChildSpec, Restart, Supervisor};
//!
//! struct Store;
//! impl Actor for Store {}
//! struct Web;
//! impl Actor for Web {}
//!
//! let store = ChildSpec::new("store", || Store);
//! let found = store.child_ref();
//! let tree = Supervisor::rest_for_one()
//!     .intensity(3, Duration::from_secs(5))
//!     .child(store)
//!     .child(ChildSpec::new("web", || Web).restart(Restart::Transient))
//!     .start();
//!
//! tree.ready().wait()?; // both have started
//! let first = found.ready().wait()?;
//! first.kill();
//! first.wait_exit().wait();
//! assert_ne!(found.ready().wait()?.id(), first.id()); // another one, and another `Web`
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Children may be of either mode. They are watched by monitors, as anybody could. Besides, each is tied to its supervisor as
//! every actor is to its runtime: a supervisor that is killed takes its children with it.

use std::fmt;

use crate::actor::handle::ActorHandle;

mod actor;
mod child_ref;
mod children;
mod course;
mod errors;
mod messages;
mod policy;
mod probe;
mod sleep;
mod spec;
mod stopping;

pub use actor::Supervisor;
pub use child_ref::{ChildRef, ChildWait};
pub use errors::{ChildError, SupervisorError};
pub use messages::{
    CountChildren, DeleteChild, FindChild, Ready, RestartChild, StartChild, StopChild, WhichChildren,
};
pub use policy::{AutoShutdown, Backoff, Restart, Shutdown, Strategy};
pub use spec::{ChildId, ChildSpec};

/// What kind of supervisor it is: [`Fixed`] or [`Dynamic`].
pub trait Kind: sealed::Sealed + Send + 'static {
    #[doc(hidden)]
    const DYNAMIC: bool;
}

/// A supervisor with children that are known by their names, and have an order.
#[derive(Debug)]
pub enum Fixed {}

/// A supervisor with children that come and go, and have neither.
#[derive(Debug)]
pub enum Dynamic {}

impl Kind for Fixed {
    const DYNAMIC: bool = false;
}

impl Kind for Dynamic {
    const DYNAMIC: bool = true;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Fixed {}
    impl Sealed for super::Dynamic {}
}

/// A supervisor of any number of children that come and go, each restarted by itself.
///
/// What is different from a [`Supervisor`]: it begins without children, they need no names of their own, they are stopped all at
/// the same time, and who has ended for good, or was stopped, is forgotten. Starting, ending and stopping one costs the same
/// however many there are (the logarithm of that, to be exact).
///
/// ```
/// use deathwatch::prelude::*;
/// use deathwatch::supervisor::{ChildSpec, DynamicSupervisor};
///
/// struct Session { user: u32 }
/// impl Actor for Session {}
///
/// let sessions = DynamicSupervisor::new().start();
/// let session = sessions.start_child(ChildSpec::once("session", Session { user: 7 })).wait()??;
/// assert_eq!(sessions.count_children().wait()?.active, 1);
/// sessions.stop_child(&session).wait()??;
/// assert_eq!(sessions.count_children().wait()?.specs, 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub type DynamicSupervisor = Supervisor<Dynamic>;

/// How a child is, and who it is at present.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ChildInfo {
    /// Which child.
    pub id: ChildId,
    /// How it is.
    pub state: ChildState,
    /// The actor, while it is starting, running or stopping.
    pub actor: Option<ActorHandle>,
    /// When it is restarted.
    pub restart: Restart,
    /// Is it a supervisor itself?
    pub is_supervisor: bool,
    /// How often it was restarted because it had failed; not counted is when others had.
    pub restarts: u64,
}

/// How a child is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ChildState {
    /// It is to be started: when its turn comes, or after its [`Backoff`].
    Waiting,
    /// It is in its `started` hook.
    Starting,
    /// It is up.
    Running,
    /// It was asked to stop.
    Stopping,
    /// It was stopped, or has ended by itself, and may be [restarted](crate::ActorRef::restart_child) or
    /// [deleted](crate::ActorRef::delete_child).
    Stopped,
}

impl fmt::Display for ChildState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            ChildState::Waiting => "waiting",
            ChildState::Starting => "starting",
            ChildState::Running => "running",
            ChildState::Stopping => "stopping",
            ChildState::Stopped => "stopped",
        })
    }
}

/// How many children there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChildCounts {
    /// All of them, in whatever state.
    pub specs: usize,
    /// Those that are starting, running or stopping.
    pub active: usize,
    /// Those that are to be started.
    pub waiting: usize,
    /// Those that are supervisors themselves, in whatever state.
    pub supervisors: usize,
    /// The others.
    pub workers: usize,
}
