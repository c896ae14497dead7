//! Looking at a runtime: all its live actors, what they are about, and how they hang together.
//!
//! [`Runtime::snapshot`](crate::Runtime::snapshot) makes a [`Snapshot`], which is plain data: it can be kept, searched, printed as a table,
//! drawn ([`Snapshot::to_dot`], [`Snapshot::to_mermaid`]), and serialized with the feature `serde`.
//!
//! # What is promised
//!
//! Nobody is stopped, locked or sent anything for it: it reads words that are there anyway, while the actors go on. So it shows no single
//! moment, and this is what holds:
//!
//! - Every actor that is alive during the whole call is in it, once. One that starts or dies meanwhile may be in it or not.
//! - Each number and each state was true at some moment during the call, each at a moment of its own. (`high_water` is as of the last
//!   time that the actor looked into its mailbox.)
//! - An edge is in it if it was there during the whole call. It may lead to who is not in the list: who has died meanwhile, belongs to
//!   another runtime, or is plain code.
//! - An actor leaves the list when its value has been dropped, a moment before it counts as dead and its death is told.
//! - From the beginning of the runtime's end on the list is empty.
//!
//! A walk over all actors, and one over the monitors of each, holds back the freeing of memory in the process for as long as it takes.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::deaths::{Deaths, Obituary};
use super::options::Backend;
use super::shared::Shared;
use super::start::{Placed, current_if_started};
use crate::cell::{CellRef, Stance};
use crate::clock::real_now;
use crate::id::ActorId;
use crate::monitor::entry::{links, monitored_by, monitors, tied_to};
use crate::reason::ExitReason;

mod draw;
mod rings;
#[cfg(feature = "serde")]
mod serial;
mod table;

/// A runtime at work, as plain data. See the [module](self) for what is promised of it.
///
/// ```
/// use deathwatch::{Options, Runtime, prelude::*};
/// # struct Db; impl Actor for Db {}
/// # struct Ping; impl Message for Ping { type Reply = (); }
/// # impl Handler<Ping> for Db { async fn handle(&mut self, _: Ping, _: &Context<Self>) {} }
/// let runtime = Runtime::builder().workers(1).keep_deaths(10).build()?;
/// let db = Db.start_with(Options::new().runtime(&runtime).name("db"))?;
/// db.request(Ping).wait()?;
///
/// let snapshot = runtime.snapshot();
/// let found = snapshot.actor(db.id()).unwrap();
/// assert_eq!(found.name.as_deref(), Some("db"));
/// assert!(found.actor.ends_with("Db"));
/// println!("{snapshot}");
///
/// db.kill();
/// db.wait_exit().wait();
/// while runtime.live_actors() > 0 {
///     std::thread::yield_now();
/// }
/// let snapshot = runtime.snapshot();
/// assert!(snapshot.actors.is_empty());
/// assert_eq!((snapshot.deaths[0].id, &snapshot.deaths[0].reason), (db.id(), &ExitReason::Kill));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Snapshot {
    /// What the runtime's threads are called.
    pub runtime: String,
    /// The live actors, by their identities: the oldest first. Supervisors are among them; what feeds an actor from a stream is not.
    pub actors: Vec<ActorInfo>,
    /// The last deaths, the latest first: as many as [`RuntimeBuilder::keep_deaths`](crate::RuntimeBuilder::keep_deaths) said.
    pub deaths: Vec<DeathInfo>,
}

/// What there is to be said of one actor.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct ActorInfo {
    /// Who it is.
    pub id: ActorId,
    /// Its type, with the path, as [`std::any::type_name`] spells it.
    pub actor: &'static str,
    /// What it is called: [`Options::name`](crate::Options::name).
    pub name: Option<String>,
    /// The names under which it is registered with its runtime, in alphabetical order.
    pub registered: Vec<String>,
    /// How it is written.
    pub mode: Mode,
    /// Where it runs.
    pub backend: Backend,
    /// What it was about.
    pub state: ActorState,
    /// Its mailbox.
    pub mailbox: MailboxInfo,
    /// For how long it has been there. (Serialized: in seconds.) This and what follows with the feature `introspection` only.
    #[cfg_attr(
        feature = "serde",
        serde(serialize_with = "serial::maybe_seconds", rename = "uptime_seconds")
    )]
    pub uptime: Option<Duration>,
    /// How many messages it has handled, [`Down`](crate::Down)s and timers included.
    pub handled: Option<u64>,
    /// The type of the message that it handles, or has handled last.
    pub last_message: Option<&'static str>,
    /// Whose replies it waits for, in a [`Request`](crate::Request) that it has polled or waits for: four at most are seen at a time. Of
    /// a request to a pool, the pool.
    pub waits_for: Vec<ActorId>,
    /// Whom it monitors: once for each monitor, in ascending order.
    pub monitors: Vec<ActorId>,
    /// Who monitors it, actors and plain code: once for each monitor, in ascending order.
    pub monitored_by: Vec<ActorId>,
    /// Whom it is linked with, in ascending order.
    pub links: Vec<ActorId>,
    /// The supervisor whose child it is.
    pub supervisor: Option<ActorId>,
}

/// How an actor is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Mode {
    /// With `async` hooks and handlers, as in [`tasks`](crate::tasks).
    Tasks,
    /// With plain ones, as in [`threads`](crate::threads).
    Threads,
}

/// What an actor was about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum ActorState {
    /// Its `started` hook is not over. (Without the feature `introspection` this is seen only while it awaits something there; otherwise
    /// it is `Queued` or `Running`.)
    Starting,
    /// It waits for messages.
    Idle,
    /// It is to be run as soon as there is a thread for it.
    Queued,
    /// It runs: in a hook, in a handler, or between two messages.
    Running,
    /// It awaits something in a handler.
    Waiting,
    /// It was asked to stop or killed, or is in its `stopped` hook.
    Stopping,
    /// It is dead, and those who watch are being told.
    Exiting,
}

/// A mailbox in numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct MailboxInfo {
    /// How many messages wait in it. `None`: nobody counts, which is so of unbounded mailboxes without the feature `introspection`.
    pub depth: Option<usize>,
    /// The most that its actor ever found there at once, [`Down`](crate::Down)s and timers included.
    pub high_water: usize,
    /// How many messages it takes, if it is bounded.
    pub capacity: Option<usize>,
}

/// One death.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct DeathInfo {
    /// Who died.
    pub id: ActorId,
    /// Its type.
    pub actor: &'static str,
    /// What it was called.
    pub name: Option<String>,
    /// Why it died. (Serialized, this is its text.)
    pub reason: ExitReason,
    /// How long before the snapshot its exit was over. (Serialized: in seconds.)
    #[cfg_attr(feature = "serde", serde(serialize_with = "serial::seconds", rename = "age_seconds"))]
    pub age: Duration,
    /// How long the exit took, from the moment at which its value had been dropped: to drop what was left in the mailbox, tell everybody,
    /// and take its own monitors back. (Serialized: in seconds.)
    #[cfg_attr(feature = "serde", serde(serialize_with = "serial::seconds", rename = "exit_seconds"))]
    pub exit: Duration,
    /// How many monitors were told, with the feature `introspection`.
    pub told: Option<usize>,
}

impl Snapshot {
    /// Of the runtime that the calling actor runs on; elsewhere of the default one. If that has not been started yet, there is nothing
    /// in it.
    ///
    /// ```
    /// use deathwatch::{Snapshot, prelude::*};
    /// # struct Idle; impl Actor for Idle {}
    /// let idle = Idle.start();
    /// assert!(Snapshot::current().actor(idle.id()).is_some());
    /// ```
    pub fn current() -> Self {
        current_if_started().map_or_else(Snapshot::default, |shared| shared.snapshot())
    }

    /// What there is about this actor.
    pub fn actor(&self, id: ActorId) -> Option<&ActorInfo> {
        let at = self.actors.binary_search_by_key(&id, |actor| actor.id).ok()?;
        self.actors.get(at)
    }

    /// The children of this supervisor, the oldest first.
    pub fn children(&self, supervisor: ActorId) -> impl Iterator<Item = &ActorInfo> {
        self.actors.iter().filter(move |actor| actor.supervisor == Some(supervisor))
    }
}

impl ActorInfo {
    /// Its name, or one under which it is registered.
    pub fn called(&self) -> Option<&str> {
        self.name.as_deref().or_else(|| self.registered.first().map(String::as_str))
    }

    /// Its type without any path.
    ///
    /// ```
    /// use deathwatch::{Snapshot, prelude::*};
    /// # struct Cache<T>(T); impl Actor for Cache<Vec<u8>> {}
    /// let cache = Cache(vec![1, 2, 3]).start();
    /// assert_eq!(Snapshot::current().actor(cache.id()).unwrap().short_type(), "Cache<Vec<u8>>");
    /// ```
    pub fn short_type(&self) -> String {
        short(self.actor)
    }

    fn of(cell: &CellRef) -> Option<Self> {
        let placed = cell.host().downcast_ref::<Placed>().filter(|placed| !placed.place.feeds())?;
        let sorted = |mut ids: Vec<ActorId>| {
            ids.sort_unstable();
            ids
        };
        let look = cell.observed.look();
        let starting = look.as_ref().is_some_and(|look| !look.started);
        let counted = look.as_ref().map(|look| look.depth);
        Some(ActorInfo {
            id: cell.id,
            actor: (placed.kind.actor)(),
            name: cell.name().map(|name| name.to_string()),
            registered: Vec::new(),
            mode: placed.kind.mode,
            backend: placed.place.backend(),
            state: state(cell, starting),
            mailbox: MailboxInfo {
                depth: cell.bound().map(|bound| bound.depth()).or(counted),
                high_water: cell.inbox.high_water(),
                capacity: cell.bound().map(|bound| bound.capacity()),
            },
            uptime: look.as_ref().map(|look| look.uptime),
            handled: look.as_ref().map(|look| look.handled),
            last_message: look.as_ref().and_then(|look| look.last),
            waits_for: look.map_or(Vec::new(), |look| look.waits_for),
            monitors: sorted(monitors(cell).into_iter().map(|(_, target)| target).collect()),
            monitored_by: sorted(monitored_by(cell)),
            links: sorted(links(cell)),
            supervisor: None,
        })
    }
}

/// A type's name without any path.
fn short(path: &str) -> String {
    let (mut short, mut word) = (String::new(), 0);
    for c in path.chars() {
        short.push(c);
        if short.ends_with("::") {
            short.truncate(word);
        } else if !(c.is_alphanumeric() || c == '_' || c == ':') {
            word = short.len();
        }
    }
    short
}

fn state(cell: &CellRef, starting: bool) -> ActorState {
    match cell.stance() {
        Stance::Dead => ActorState::Exiting,
        Stance::Ending => ActorState::Stopping,
        _ if starting => ActorState::Starting,
        Stance::Running => ActorState::Running,
        Stance::Queued => ActorState::Queued,
        Stance::Parked => ActorState::Idle,
        // Who has never taken a message out, nor waited for one, cannot be in a handler.
        Stance::Suspended if cell.inbox.high_water() == 0 => ActorState::Starting,
        Stance::Suspended => ActorState::Waiting,
    }
}

impl DeathInfo {
    fn of(death: &Obituary, now: Instant) -> Self {
        DeathInfo {
            id: death.id,
            actor: death.actor,
            name: death.name.as_ref().map(|name| name.to_string()),
            reason: death.reason.clone().unwrap_or(ExitReason::NoProc),
            age: now.saturating_duration_since(death.at),
            exit: death.took,
            told: death.told,
        }
    }
}

impl Shared {
    pub(super) fn snapshot(&self) -> Snapshot {
        let mut cells = tied_to(&self.root);
        cells.sort_unstable_by_key(|cell| cell.id);
        let mut actors: Vec<ActorInfo> = cells.iter().filter_map(ActorInfo::of).collect();
        let places: HashMap<ActorId, usize> =
            actors.iter().enumerate().map(|(at, actor)| (actor.id, at)).collect();
        for supervisor in &cells {
            for child in tied_to(supervisor) {
                // What feeds an actor is tied to it as well, and is none itself.
                if let Some(child) = places.get(&child.id).and_then(|at| actors.get_mut(*at)) {
                    child.supervisor = Some(supervisor.id);
                }
            }
        }
        for (name, holder) in self.names.registry.names() {
            if let Some(holder) = places.get(&holder).and_then(|at| actors.get_mut(*at)) {
                holder.registered.push(name.to_string());
            }
        }
        actors.iter_mut().for_each(|actor| actor.registered.sort_unstable());
        let now = real_now();
        let latest = |deaths: &Deaths| deaths.latest(|death| DeathInfo::of(death, now));
        Snapshot {
            runtime: self.name.clone(),
            actors,
            deaths: self.deaths.as_ref().map(latest).unwrap_or_default(),
        }
    }
}
