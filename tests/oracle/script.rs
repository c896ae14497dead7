//! What can happen.

/// Numbers are taken modulo what there is.
#[derive(Clone, Debug)]
pub enum Step {
    Start {
        runtime: u8,
        thread: bool,
        grieves: bool,
        /// How many messages its mailbox holds, and whether what does not fit is dropped or refused.
        room: Option<(u8, bool)>,
    },
    /// A watcher that is no actor.
    Plain,
    Monitor {
        watcher: u8,
        target: u8,
        how: How,
    },
    SpawnMonitored {
        watcher: u8,
        thread: bool,
        stillborn: bool,
    },
    Demonitor {
        by: Option<u8>,
        monitor: u16,
    },
    Receive {
        plain: u8,
    },
    Note {
        to: u8,
    },
    Ask {
        of: u8,
    },
    Stop {
        actor: u8,
        error: Option<u8>,
        from_inside: bool,
    },
    /// It sends another a note, and ends in the same turn.
    LastWords {
        actor: u8,
        to: u8,
        how: Last,
    },
    Kill {
        actor: u8,
    },
    Panic {
        actor: u8,
    },
    Hold {
        actor: u8,
    },
    LetGo {
        actor: u8,
    },
    /// The last handle goes, and the actor with it, unless it is detached; or plain code gives up all its monitors.
    Forget {
        part: u8,
        detach: bool,
    },
    /// One more waits for its death.
    Wait {
        actor: u8,
    },
    EndRuntime {
        runtime: u8,
        in_order: bool,
    },
}

#[derive(Clone, Copy, Debug)]
pub enum How {
    Plainly,
    WithAMessage,
    ByAGuard,
}

/// How an actor ends by itself.
#[derive(Clone, Copy, Debug)]
pub enum Last {
    Stop,
    Error(u8),
    Panic,
}
