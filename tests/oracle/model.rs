//! What monitors promise, for one thing at a time.

/// Why an actor is dead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    Normal,
    /// Stopped with this error.
    Error(u8),
    Panic,
    Kill,
    Shutdown,
    /// It was told of a death, and cannot live with that.
    Grief,
}

/// What has become of a monitor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It will be told.
    Active,
    /// Its `Down` stands in the watcher's mailbox.
    Queued,
    /// Told, cancelled, or without a watcher, or of oneself: nothing more comes of it.
    Over,
}

#[derive(Clone, Copy, Debug)]
pub struct Monitor {
    pub watcher: usize,
    pub target: usize,
    /// A message of the watcher's own comes in place of the `Down`. A griever can bear that.
    pub softened: bool,
    pub fate: Fate,
}

#[derive(Clone, Debug, Default)]
pub struct Actor {
    pub runtime: usize,
    /// It ends when it is told of a death.
    pub grieves: bool,
    /// It is stuck in a handler: what comes stands in its mailbox. Plain code counts as stuck until it receives.
    pub held: bool,
    /// How many messages find room in its mailbox, if that is limited.
    pub room: Option<usize>,
    /// What is to end it when it is let go.
    pub pending: Option<Cause>,
    pub dead: Option<Cause>,
    /// What it has handled since somebody looked, in order.
    pub told: Vec<Told>,
    /// What stands in its mailbox, in order. A `Down` that was taken back stands there still.
    pub queued: Vec<Told>,
}

/// What an actor is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// That of this monitor.
    Down(usize),
    Note(usize),
}

/// What a cancel answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cancel {
    Cancelled,
    Flushed,
    Unknown,
}

#[derive(Debug, Default)]
pub struct Model {
    pub actors: Vec<Actor>,
    pub monitors: Vec<Monitor>,
}

impl Model {
    pub fn start(&mut self, actor: Actor) -> usize {
        self.actors.push(actor);
        self.actors.len() - 1
    }

    /// A reference of its own. Of oneself, or by the dead: nothing. Of the dead: one `Down` at once.
    pub fn monitor(&mut self, watcher: usize, target: usize, softened: bool) {
        let never = watcher == target || self.actors[watcher].dead.is_some();
        let fate = if never { Fate::Over } else { Fate::Active };
        self.monitors.push(Monitor { watcher, target, softened, fate });
        if fate == Fate::Active && self.actors[target].dead.is_some() {
            self.tell(self.monitors.len() - 1);
        }
    }

    /// Only the owner cancels; a `Down` that was not handled is taken back.
    pub fn demonitor(&mut self, by: usize, monitor: usize) -> Cancel {
        let found = &mut self.monitors[monitor];
        if found.watcher != by {
            return Cancel::Unknown;
        }
        match std::mem::replace(&mut found.fate, Fate::Over) {
            Fate::Active => Cancel::Cancelled,
            Fate::Queued => Cancel::Flushed,
            Fate::Over => Cancel::Unknown,
        }
    }

    /// Who is held up keeps the first cause, unless a kill comes.
    pub fn end(&mut self, actor: usize, cause: Cause) {
        let this = &mut self.actors[actor];
        if this.dead.is_some() {
        } else if !this.held {
            self.die(actor, cause);
        } else if cause == Cause::Kill {
            this.pending = Some(Cause::Kill);
        } else {
            this.pending.get_or_insert(cause);
        }
    }

    /// The last handle goes, or plain code gives up all its monitors.
    pub fn leave(&mut self, part: usize) {
        self.actors[part].held = false;
        self.end(part, Cause::Normal);
    }

    pub fn hold(&mut self, actor: usize) {
        self.actors[actor].held = true;
    }

    /// A cause that waits comes before what stands in the mailbox.
    pub fn let_go(&mut self, actor: usize) {
        self.actors[actor].held = false;
        if let Some(cause) = self.actors[actor].pending {
            return self.die(actor, cause);
        }
        self.receive(actor);
    }

    /// Everything that is queued is handled, in order, unless it dies of it.
    pub fn receive(&mut self, actor: usize) {
        for told in std::mem::take(&mut self.actors[actor].queued) {
            match told {
                _ if self.actors[actor].dead.is_some() => {}
                Told::Note(_) => self.actors[actor].told.push(told),
                Told::Down(monitor) if self.monitors[monitor].fate == Fate::Queued => self.handle(monitor),
                Told::Down(_) => {}
            }
        }
    }

    /// Is it taken in? Not by the dead, nor by who is held up and has no room.
    pub fn note(&mut self, actor: usize, note: usize) -> bool {
        let this = &mut self.actors[actor];
        let waiting = this.queued.iter().filter(|told| matches!(told, Told::Note(_))).count();
        let full = this.held && this.room.is_some_and(|room| waiting >= room);
        if this.dead.is_some() || full {
            return false;
        }
        if this.held { &mut this.queued } else { &mut this.told }.push(Told::Note(note));
        true
    }

    /// Its own monitors end; everybody who monitors it is told, each once.
    pub fn die(&mut self, actor: usize, cause: Cause) {
        self.actors[actor].dead = Some(cause);
        self.actors[actor].held = false;
        for monitor in &mut self.monitors {
            if monitor.watcher == actor {
                monitor.fate = Fate::Over;
            }
        }
        for monitor in 0..self.monitors.len() {
            let Monitor { target, fate, .. } = self.monitors[monitor];
            if target == actor && fate == Fate::Active {
                self.tell(monitor);
            }
        }
    }

    fn tell(&mut self, monitor: usize) {
        let watcher = &mut self.actors[self.monitors[monitor].watcher];
        if watcher.held {
            self.monitors[monitor].fate = Fate::Queued;
            watcher.queued.push(Told::Down(monitor));
        } else {
            self.handle(monitor);
        }
    }

    fn handle(&mut self, monitor: usize) {
        let watcher = self.monitors[monitor].watcher;
        self.monitors[monitor].fate = Fate::Over;
        self.actors[watcher].told.push(Told::Down(monitor));
        if self.actors[watcher].grieves && !self.monitors[monitor].softened {
            self.die(watcher, Cause::Grief);
        }
    }

    /// Who is alive on a runtime.
    pub fn alive_on(&self, runtime: usize) -> Vec<usize> {
        let here = |at: &usize| self.actors[*at].runtime == runtime && self.actors[*at].dead.is_none();
        (0..self.actors.len()).filter(here).collect()
    }

    /// All these die at once, and none of them is told of another.
    pub fn die_together(&mut self, doomed: &[(usize, Cause)]) {
        for monitor in &mut self.monitors {
            if doomed.iter().any(|(actor, _)| monitor.watcher == *actor) {
                monitor.fate = Fate::Over;
            }
        }
        for &(actor, cause) in doomed {
            self.die(actor, cause);
        }
    }
}
