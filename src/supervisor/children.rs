//! The children of a supervisor, in the order in which they are started.

use std::collections::{BTreeMap, HashMap};
use std::ops::RangeBounds;
use std::sync::Arc;
use std::time::Instant;

use super::child_ref::Slot;
use super::errors::ChildError;
use super::policy::{AutoShutdown, Restart};
use super::spec::{ChildId, Described, Plan};
use super::{ChildCounts, ChildInfo, ChildState, Kind};
use crate::actor::exit_wait::ExitWait;
use crate::actor::handle::{ActorHandle, cell_of};
use crate::actor::timer::TimerRef;
use crate::guard;
use crate::id::ActorId;

/// What somebody waits for who has asked for a child to be started or stopped.
pub type Reply = Box<dyn FnOnce(Result<(), ChildError>) + Send>;

/// An actor that is a child, until it has ended.
pub struct Incarnation {
    handle: ActorHandle,
    /// Over when everybody has been told of its end. Begun before the actor ran.
    end: ExitWait,
    slot: Arc<Slot>,
    ended: bool,
}

impl Incarnation {
    pub fn new(handle: ActorHandle, end: ExitWait, slot: Arc<Slot>) -> Self {
        Incarnation { handle, end, slot, ended: false }
    }

    pub fn handle(&self) -> &ActorHandle {
        &self.handle
    }

    pub fn id(&self) -> ActorId {
        self.handle.id()
    }

    /// Who looks for the child finds this.
    pub fn show(&self) {
        self.slot.fill(cell_of(&self.handle));
    }

    /// Who looks for the child does not find this any more.
    pub fn hide(&self) {
        self.slot.vacate(cell_of(&self.handle));
    }

    pub fn end_mut(&mut self) -> &mut ExitWait {
        &mut self.end
    }

    /// It has ended. What is over when everybody has been told comes back.
    pub fn end(mut self) -> ExitWait {
        self.ended = true;
        std::mem::replace(&mut self.end, self.handle.wait_exit())
    }
}

impl Drop for Incarnation {
    /// A supervisor that is dropped in the middle, because it was killed, leaves nobody behind.
    fn drop(&mut self) {
        self.hide();
        if !self.ended {
            self.handle.kill();
        }
    }
}

/// What comes of a child that has been stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// It is started again with the others.
    Start,
    /// Nothing, until somebody asks for it.
    Stay,
}

/// How a child is.
pub enum State {
    /// It is to be started when its turn comes.
    Due,
    /// It is to be started when some time has passed: by the message with this ticket.
    Delayed {
        ticket: u64,
        timer: Option<TimerRef>,
    },
    /// It is in its `started` hook.
    Starting,
    Running,
    /// It was asked to stop, and is killed when the timer rings.
    Stopping {
        then: Then,
        timer: Option<TimerRef>,
    },
    /// It has ended by itself, and is not to be restarted alone.
    Ended,
    /// It was stopped by hand.
    Stopped,
}

impl State {
    /// Is it there, or about to come?
    pub fn is_expected(&self) -> bool {
        !matches!(self, State::Ended | State::Stopped)
    }
}

/// One child.
pub struct Child<K: Kind> {
    pub spec: Arc<dyn Described<K>>,
    state: State,
    /// There is one while it is starting, running or stopping.
    pub incarnation: Option<Incarnation>,
    /// It was added while the supervisor ran, and has not started yet: if it does not, it is forgotten.
    pub fresh: bool,
    /// How often it was restarted.
    pub restarts: u64,
    /// How often in a row.
    pub streak: u32,
    /// Since when it is up.
    pub since: Option<Instant>,
    /// Who waits for its start.
    pub starting: Option<Reply>,
    /// Who wait for its stop.
    pub stopping: Vec<Reply>,
}

impl<K: Kind> Child<K> {
    pub fn id(&self) -> &ChildId {
        self.spec.id()
    }

    pub fn plan(&self) -> Plan {
        *self.spec.plan()
    }

    pub fn state(&self) -> &State {
        &self.state
    }

    /// Changes how it is, and with that the number of significant ones that are expected. The state before comes back.
    fn change(&mut self, state: State, significant: &mut usize) -> State {
        if state.is_expected() && !self.state.is_expected() {
            self.spec.slot().open();
        }
        if self.plan().significant {
            *significant -= usize::from(self.state.is_expected());
            *significant += usize::from(state.is_expected());
        }
        std::mem::replace(&mut self.state, state)
    }

    /// Is this its present incarnation?
    pub fn is(&self, actor: ActorId) -> bool {
        self.incarnation.as_ref().is_some_and(|present| present.id() == actor)
    }

    fn info(&self) -> ChildInfo {
        ChildInfo {
            id: self.id().clone(),
            state: match self.state {
                State::Due | State::Delayed { .. } => ChildState::Waiting,
                State::Starting => ChildState::Starting,
                State::Running => ChildState::Running,
                State::Stopping { .. } => ChildState::Stopping,
                State::Ended | State::Stopped => ChildState::Stopped,
            },
            actor: self.incarnation.as_ref().map(|present| present.handle().clone()),
            restart: self.plan().restart,
            is_supervisor: self.spec.is_supervisor(),
            restarts: self.restarts,
        }
    }
}

/// All of them.
pub struct Children<K: Kind> {
    /// By keys that grow: the order in which they are started.
    all: BTreeMap<u64, Child<K>>,
    /// Where names are unique.
    names: HashMap<Arc<str>, u64>,
    next: u64,
    /// How many significant ones are expected.
    significant: usize,
}

impl<K: Kind> Children<K> {
    pub fn new() -> Self {
        Children { all: BTreeMap::new(), names: HashMap::new(), next: 1, significant: 0 }
    }

    /// The key of the next one.
    pub fn next_key(&self) -> u64 {
        self.next
    }

    /// One more, which is due.
    pub fn add(&mut self, spec: Arc<dyn Described<K>>) -> Result<u64, ChildError> {
        let key = self.next;
        if !K::DYNAMIC {
            let name = &spec.id().name;
            if self.names.contains_key(name) {
                return Err(ChildError::Exists(spec.id().clone()));
            }
            self.names.insert(Arc::clone(name), key);
        }
        self.next += 1;
        self.significant += usize::from(spec.plan().significant);
        spec.slot().open();
        let child = Child {
            spec,
            state: State::Due,
            incarnation: None,
            fresh: false,
            restarts: 0,
            streak: 0,
            since: None,
            starting: None,
            stopping: Vec::new(),
        };
        self.all.insert(key, child);
        Ok(key)
    }

    /// Whose plan makes no sense?
    pub fn flaw(&self, auto: AutoShutdown) -> Option<ChildError> {
        self.all.values().find_map(|child| check(&child.plan(), child.id(), auto).err())
    }

    pub fn find(&self, id: &ChildId) -> Option<u64> {
        match id.number {
            0 => self.names.get(&id.name).copied(),
            number => self.all.get(&number).filter(|child| child.id() == id).map(|_| number),
        }
    }

    pub fn get(&mut self, key: u64) -> Option<&mut Child<K>> {
        self.all.get_mut(&key)
    }

    /// The child, if that is its present incarnation.
    pub fn present(&mut self, key: u64, actor: ActorId) -> Option<&mut Child<K>> {
        self.get(key).filter(|child| child.is(actor))
    }

    /// Changes how a child is. The state before comes back.
    pub fn set(&mut self, key: u64, state: State) -> Option<State> {
        let child = self.all.get_mut(&key)?;
        Some(child.change(state, &mut self.significant))
    }

    /// Forgets a child, entirely.
    pub fn remove(&mut self, key: u64) {
        let Some(child) = self.all.remove(&key) else { return };
        if !K::DYNAMIC {
            self.names.remove(&child.id().name);
        }
        if child.plan().significant {
            self.significant -= usize::from(child.state.is_expected());
        }
        child.spec.slot().close();
        if let Some(reply) = child.starting {
            reply(Err(ChildError::Stopped(child.spec.id().clone())));
        }
        for reply in child.stopping {
            reply(Ok(()));
        }
        guard::drop_quietly(child.spec); // with the user's factory
    }

    /// How many significant ones are there, or about to come.
    pub fn significant(&self) -> usize {
        self.significant
    }

    /// The last one in the range that is there.
    pub fn last_there(&self, range: impl RangeBounds<u64>) -> Option<(u64, &Child<K>)> {
        self.all
            .range(range)
            .rev()
            .find(|(_, child)| child.incarnation.is_some())
            .map(|(key, child)| (*key, child))
    }

    /// The first one from there on that is due.
    pub fn first_due(&self, from: u64) -> Option<u64> {
        self.all.range(from..).find(|(_, child)| matches!(child.state, State::Due)).map(|(key, _)| *key)
    }

    /// Those who have ended by themselves are to be started with the others from there on.
    pub fn revive(&mut self, from: u64) {
        for child in self.all.range_mut(from..).map(|(_, child)| child) {
            if matches!(child.state, State::Ended) {
                child.change(State::Due, &mut self.significant);
            }
        }
    }

    /// Whoever is there, in the order in which they were started; nobody is left.
    pub fn take(&mut self) -> Vec<(Plan, Incarnation)> {
        let all = std::mem::take(&mut self.all).into_values();
        let there = all.filter_map(|child| {
            let plan = child.plan();
            // Its slot stays open: this may be a branch that is started anew, with a clone of the spec.
            guard::drop_quietly(child.spec); // with the user's factory
            Some((plan, child.incarnation?))
        });
        there.collect()
    }

    pub fn infos(&self) -> Vec<ChildInfo> {
        self.all.values().map(Child::info).collect()
    }

    pub fn counts(&self) -> ChildCounts {
        let mut counts = ChildCounts { specs: self.all.len(), ..ChildCounts::default() };
        for child in self.all.values() {
            counts.active += usize::from(child.incarnation.is_some());
            counts.waiting += usize::from(matches!(child.state, State::Due | State::Delayed { .. }));
            counts.supervisors += usize::from(child.spec.is_supervisor());
        }
        counts.workers = counts.specs - counts.supervisors;
        counts
    }
}

impl<K: Kind> Drop for Children<K> {
    /// One by one: each factory is the user's, and may panic.
    fn drop(&mut self) {
        std::mem::take(&mut self.all).into_values().for_each(guard::drop_quietly);
    }
}

/// Does the plan make sense?
pub fn check(plan: &Plan, id: &ChildId, auto: AutoShutdown) -> Result<(), ChildError> {
    let may = auto != AutoShutdown::Never && plan.restart != Restart::Permanent;
    if plan.significant && !may { Err(ChildError::Significant(id.clone())) } else { Ok(()) }
}
