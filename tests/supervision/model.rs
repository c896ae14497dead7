//! What a supervisor does, told one thing after the other: the rules, without anything that happens at the same time.

use std::collections::VecDeque;

use deathwatch::supervisor::{Restart, Strategy};

use crate::parts::{Begin, End};

/// A child as the model knows it.
#[derive(Clone, Debug)]
pub struct Child {
    pub name: &'static str,
    pub restart: Restart,
    pub state: State,
    /// What its next incarnations do at the beginning.
    pub begin: VecDeque<Begin>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Up,
    /// Is to be started.
    Due,
    Ended,
    Stopped,
}

/// Why it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Over {
    Start(&'static str),
    Intensity(&'static str),
}

pub struct Model {
    strategy: Strategy,
    most: usize,
    within: u64,
    now: u64,
    restarts: Vec<u64>,
    pub children: Vec<Child>,
    /// What its children's hooks have told.
    pub told: Vec<String>,
    pub over: Option<Over>,
    /// Its first children have started.
    up: bool,
}

impl Model {
    pub fn new(strategy: Strategy, most: usize, within: u64, children: Vec<Child>) -> Self {
        let mut model = Model {
            strategy,
            most,
            within,
            now: 0,
            restarts: Vec::new(),
            children,
            told: Vec::new(),
            over: None,
            up: false,
        };
        model.start_due(0);
        model.up = true;
        model
    }

    pub fn words(&self) -> Vec<String> {
        let word = |child: &Child| match child.state {
            State::Up => format!("{} running", child.name),
            State::Due => unreachable!("quiet"),
            State::Ended | State::Stopped => format!("{} stopped", child.name),
        };
        self.children.iter().map(word).collect()
    }

    pub fn find(&self, name: &str) -> Option<usize> {
        self.children.iter().position(|child| child.name == name)
    }

    pub fn pass(&mut self, time: u64) {
        self.now += time;
    }

    /// A child that is up ends.
    pub fn end(&mut self, at: usize, how: End) {
        if how != End::Kill {
            self.told.push(format!("-{}", self.children[at].name));
        }
        let failed = !matches!(how, End::Normal | End::Shutdown);
        self.ended(at, failed);
    }

    /// One that was up is not any more.
    fn ended(&mut self, at: usize, failed: bool) {
        match self.children[at].restart {
            Restart::Temporary => drop(self.children.remove(at)),
            Restart::Transient if !failed => self.children[at].state = State::Ended,
            _ => self.restart(at),
        }
    }

    fn restart(&mut self, at: usize) {
        self.children[at].state = State::Due;
        let name = self.children[at].name;
        self.restarts.push(self.now);
        let since = self.now.saturating_sub(self.within);
        if self.restarts.iter().filter(|then| **then >= since).count() > self.most {
            self.children[at].state = State::Ended;
            return self.give_up(Over::Intensity(name));
        }
        let from = match self.strategy {
            Strategy::OneForOne => return self.start(at),
            Strategy::OneForAll => 0,
            Strategy::RestForOne => at,
        };
        for other in (from..self.children.len()).rev() {
            if self.children[other].state == State::Up {
                self.told.push(format!("-{}", self.children[other].name));
                self.children[other].state = State::Due;
                if self.children[other].restart == Restart::Temporary {
                    self.children.remove(other);
                }
            } else if self.children[other].state == State::Ended {
                self.children[other].state = State::Due;
            }
        }
        self.start_due(from);
    }

    /// Starts those who are due, from there on, until one does not start.
    fn start_due(&mut self, from: usize) {
        let due =
            |model: &Self| (from..model.children.len()).find(|at| model.children[*at].state == State::Due);
        while let (None, Some(at)) = (&self.over, due(self)) {
            self.start(at);
        }
    }

    /// One runs its start hook, which tells so: who it is, and what that comes to.
    fn begin(&mut self, at: usize) -> (&'static str, Begin) {
        let child = &mut self.children[at];
        let (name, begin) = (child.name, child.begin.pop_front().unwrap_or(Begin::Well));
        self.told.push(format!("+{name}"));
        if matches!(begin, Begin::Fail | Begin::Stop) {
            self.told.push(format!("-{name}"));
        }
        (name, begin)
    }

    fn start(&mut self, at: usize) {
        let (name, begin) = self.begin(at);
        match begin {
            Begin::Well => self.children[at].state = State::Up,
            Begin::Stop => self.ended(at, false),
            Begin::Panic | Begin::Fail if !self.up => {
                self.children[at].state = State::Ended;
                self.give_up(Over::Start(name));
            }
            // Not again, if it is temporary: but then it is never started again.
            Begin::Panic | Begin::Fail => self.restart(at),
            Begin::Hang => unreachable!("not in these scripts"),
        }
    }

    fn give_up(&mut self, why: Over) {
        self.over = Some(why);
        for child in self.children.drain(..).rev() {
            if child.state == State::Up {
                self.told.push(format!("-{}", child.name));
            }
        }
    }

    pub fn stop(&mut self, at: usize) {
        if self.children[at].state == State::Up {
            self.told.push(format!("-{}", self.children[at].name));
            if self.children[at].restart == Restart::Temporary {
                self.children.remove(at);
                return;
            }
        }
        self.children[at].state = State::Stopped;
    }

    /// Starts one by hand: whether it started.
    fn by_hand(&mut self, at: usize, fresh: bool) -> bool {
        let (_, begin) = self.begin(at);
        match begin {
            Begin::Well => self.children[at].state = State::Up,
            Begin::Stop => self.ended(at, false),
            _ => {
                self.children[at].state = State::Stopped;
                if fresh {
                    self.children.remove(at);
                }
                return false;
            }
        }
        true
    }

    pub fn restart_by_hand(&mut self, at: usize) -> bool {
        self.children[at].state != State::Up && self.by_hand(at, false)
    }

    pub fn add(&mut self, child: Child) -> bool {
        if self.find(child.name).is_some() {
            return false;
        }
        self.children.push(child);
        self.by_hand(self.children.len() - 1, true)
    }

    pub fn delete(&mut self, at: usize) -> bool {
        let stopped = self.children[at].state != State::Up;
        if stopped {
            self.children.remove(at);
        }
        stopped
    }
}
