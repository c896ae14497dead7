#![cfg(not(all(dw_loom, doctest)))]
//! Actors that are told, exactly once and for certain, when another actor dies.
//!
//! An actor, or plain code, *monitors* another and gets one [`Down`] with its identity and [`ExitReason`] when it dies,
//! also if it was dead already. [`demonitor`](Context::demonitor) means silence. A monitor is one allocation: no task, no
//! thread, no lock; whichever side dies first, nothing is left behind.
//!
//! ```
//! use deathwatch::{Monitors, prelude::*};
//!
//! #[derive(Actor)]
//! struct Worker;
//!
//! #[derive(Message)]
//! #[reply(u32)]
//! struct Job(u32);
//!
//! impl Handler<Job> for Worker {
//!     async fn handle(&mut self, Job(n): Job, _: &Context<Self>) -> u32 {
//!         100 / n
//!     }
//! }
//!
//! let worker = Worker.start();
//! let mut monitors = Monitors::new();
//! monitors.monitor(&worker);
//!
//! assert_eq!(worker.request(Job(4)).wait(), Ok(25));
//! assert!(worker.request(Job(0)).wait().is_err());
//! assert_eq!(monitors.recv().unwrap().reason.to_string(), "panic: attempt to divide by zero");
//! ```
//!
//! # Where to look
//!
//! [`tasks`] holds the traits to implement; [`ActorRef`] and [`Context`] are what one works with; [`Monitors`] is for
//! plain code; [`Runtime`] for choosing threads and for ending everything in an orderly way. A [`Registry`] finds actors by
//! name, a [`Group`] holds several of them, and a [`Topic`] has messages sent to whoever wants them. A
//! [`Supervisor`](supervisor::Supervisor) restarts them when they fail.
//!
//! # Features
//!
//! - `macros` (on): the derives. Whatever they write can be written by hand, in a line or three.
//! - `tokio`: handlers may await what tokio makes; see `RuntimeBuilder::tokio`.
//! - `tower`: an actor as a `Service` of tower's; see `ActorRef::service`.
//! - `introspection`: a [`Snapshot`] shows what actors have handled, and who waits for whom.
//! - `serde`: a [`Snapshot`] can be serialized.
//! - `metrics`, `tracing`: what happens is told to a recorder, or a subscriber, of the crate of that name.
//!
//! # `panic = "abort"`
//!
//! A program that is compiled to abort on panic ends with the first panicking handler: nothing can be observed then.
#![warn(missing_docs)]
#![cfg_attr(docsrs, feature(doc_cfg))]
// The rooms are public to the models only.
#![cfg_attr(dw_loom, allow(missing_docs, clippy::len_without_is_empty, clippy::new_without_default))]
#![deny(unsafe_code)]

mod actor;
#[allow(unsafe_code)]
mod cell;
mod clock;
mod exit;
mod groups;
mod guard;
mod id;
#[allow(unsafe_code)]
mod mailbox;
mod monitor;
mod observe;
mod pool;
mod reason;
#[allow(unsafe_code)]
mod reclaim;
mod registry;
mod runtime;
#[allow(unsafe_code)]
mod scheduler;
#[allow(unsafe_code)]
mod structs;
pub mod supervisor;
#[allow(unsafe_code)]
mod sync;
pub mod tasks;
pub mod threads;
mod turn;

pub use actor::actor_ref::{ActorRef, WeakActorRef};
pub use actor::alias::{Alias, AliasUntil};
pub use actor::context::Context;
pub use actor::exit_wait::ExitWait;
pub use actor::handle::{ActorHandle, Target};
pub use actor::message::{Message, SendError, SentTo};
pub use actor::monitor_guard::MonitorGuard;
pub use actor::monitors::{Downs, IntoDowns, Monitors, RecvTimeoutError};
pub use actor::recipient::Recipient;
pub use actor::request::{Request, RequestError};
pub use actor::send_wait::SendWait;
#[cfg(feature = "tower")]
#[cfg_attr(docsrs, doc(cfg(feature = "tower")))]
pub use actor::service::ActorService;
pub use actor::sink::ActorSink;
pub use actor::stash::{Stash, StashFull};
pub use actor::states::{StateMachine, StateTimeout, States};
pub use actor::timer::TimerRef;
pub use clock::ManualClock;
pub use groups::{Group, GroupChange, Groups, JoinError, Topic};
pub use id::{ActorId, MonitorRef};
pub use mailbox::bound::OnFull;
pub use monitor::entry::timer::{Missed, TimerCancel};
pub use monitor::{Demonitor, Down, Exit};
pub use pool::{OwnQueues, Pool, PoolBuilder, PoolError, PoolSend, PoolStats, SharedQueue};
pub use reason::{ErrorReport, ExitReason, LinkReport, PanicReport};
pub use registry::{Key, LookupError, Query, RegisterError, Registry, Resolved};
pub use runtime::attach::{Attachment, StreamEnd};
pub use runtime::snapshot::{self, Snapshot};
pub use runtime::{
    ActorFuture, Backend, Mailbox, Options, Runtime, RuntimeBuilder, ShutdownError, StartError, Starts,
};

/// What most programs need.
///
/// ```
/// use deathwatch::prelude::*;
/// ```
pub mod prelude {
    pub use crate::tasks::prelude::*;
}

/// The rooms below the public interface, for the models in `loom-tests`.
#[cfg(dw_loom)]
#[doc(hidden)]
pub mod internals {
    pub mod actor {
        pub use crate::actor::*;
    }
    pub mod cell {
        pub use crate::cell::*;
    }
    pub mod clock {
        pub use crate::clock::*;
    }
    pub mod exit {
        pub use crate::exit::*;
    }
    pub mod groups {
        pub use crate::groups::*;
    }
    pub mod mailbox {
        pub use crate::mailbox::*;
    }
    pub mod monitor {
        pub use crate::monitor::*;
    }
    pub mod pool {
        pub use crate::pool::*;
    }
    pub mod reclaim {
        pub use crate::reclaim::*;
    }
    pub mod scheduler {
        pub use crate::scheduler::*;
    }
    pub mod structs {
        pub use crate::structs::*;
    }
    pub mod sync {
        pub use crate::sync::*;
    }
    pub mod turn {
        pub use crate::turn::*;
    }
}

/// How many blocks of each kind are alive, and what frees them: for tests of the crate itself.
#[doc(hidden)]
pub mod census {
    pub use crate::reclaim::flush;
    pub use crate::sync::census::{Kind, alive};

    /// Holds back all reclamation until what comes is dropped.
    pub fn pinned() -> impl Sized {
        crate::reclaim::pin()
    }
}

/// The examples of the README, compiled and run.
#[cfg(all(doctest, not(dw_loom)))]
#[doc = include_str!("../README.md")]
pub struct Readme;

/// The examples of the guide.
#[cfg(all(doctest, not(dw_loom)))]
#[doc = include_str!("../docs/guide/names.md")]
pub struct GuideToNames;

/// As above.
#[cfg(all(doctest, not(dw_loom)))]
#[doc = include_str!("../docs/guide/groups.md")]
pub struct GuideToGroups;

/// What must not compile, held to that.
#[cfg(all(doctest, not(dw_loom)))]
#[doc = include_str!("../docs/refused.md")]
pub struct Refused;

/// The guide, chapter by chapter, compiled and run.
#[cfg(all(doctest, not(dw_loom)))]
mod guide {
    #[doc = include_str!("../docs/guide/timers.md")]
    struct Timers;
    #[doc = include_str!("../docs/guide/streams.md")]
    struct Streams;
    #[doc = include_str!("../docs/guide/options.md")]
    struct Options;
    #[doc = include_str!("../docs/guide/links.md")]
    struct Links;
    #[doc = include_str!("../docs/guide/pools.md")]
    struct Pools;
    #[doc = include_str!("../docs/guide/state_machines.md")]
    struct StateMachines;
    #[doc = include_str!("../docs/guide/erlang.md")]
    struct Erlang;
    #[doc = include_str!("../docs/guide/supervision.md")]
    struct Supervision;
    #[doc = include_str!("../docs/guide/observability.md")]
    struct Observability;
    #[doc = include_str!("../docs/guide/tokio.md")]
    struct Tokio;
    #[doc = include_str!("../docs/guide/monitors.md")]
    struct Monitors;
    #[doc = include_str!("../docs/guide/interop.md")]
    struct Interop;
}

/// What the book (docs/SUMMARY.md) has beside the guide.
#[cfg(all(doctest, not(dw_loom)))]
mod book {
    #[doc = include_str!("../docs/README.md")]
    struct Introduction;
    #[doc = include_str!("../docs/book/tutorial.md")]
    struct Tutorial;
    #[doc = include_str!("../docs/book/modes.md")]
    struct Modes;
    #[doc = include_str!("../docs/book/testing.md")]
    struct Testing;
    #[doc = include_str!("../docs/book/from_actix.md")]
    struct FromActix;
    #[doc = include_str!("../docs/book/from_kameo.md")]
    struct FromKameo;
    #[doc = include_str!("../docs/book/from_ractor.md")]
    struct FromRactor;
    #[doc = include_str!("../docs/book/from_spawned.md")]
    struct FromSpawned;
    #[doc = include_str!("../docs/book/from_tokio.md")]
    struct FromTokio;
}

/// The chapter about a feature.
#[cfg(all(doctest, feature = "tower"))]
mod featured {
    #[doc = include_str!("../docs/guide/tower.md")]
    struct Tower;
}
