//! What can happen, and in what order.

use proptest::collection::vec;
use proptest::prelude::*;

/// Numbers are taken modulo what there is.
#[derive(Clone, Debug)]
pub enum Step {
    Start {
        runtime: u8,
        thread: bool,
        grieves: bool,
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
        monitor: u8,
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
    /// The last handle goes.
    Forget {
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

/// Scripts of up to sixty steps, which begin with a few actors.
pub fn steps() -> impl Strategy<Value = Vec<Step>> {
    let start = || {
        (any::<u8>(), any::<bool>(), prop::bool::weighted(0.2))
            .prop_map(|(runtime, thread, grieves)| Step::Start { runtime, thread, grieves })
    };
    let how = prop_oneof![Just(How::Plainly), Just(How::WithAMessage), Just(How::ByAGuard)];
    let step = prop_oneof![
        3 => start(),
        1 => Just(Step::Plain),
        12 => (any::<u8>(), any::<u8>(), how)
            .prop_map(|(watcher, target, how)| Step::Monitor { watcher, target, how }),
        2 => (any::<u8>(), any::<bool>(), any::<bool>())
            .prop_map(|(watcher, thread, stillborn)| Step::SpawnMonitored { watcher, thread, stillborn }),
        5 => (prop::option::weighted(0.2, any::<u8>()), any::<u8>())
            .prop_map(|(by, monitor)| Step::Demonitor { by, monitor }),
        2 => any::<u8>().prop_map(|plain| Step::Receive { plain }),
        2 => any::<u8>().prop_map(|to| Step::Note { to }),
        1 => any::<u8>().prop_map(|of| Step::Ask { of }),
        2 => (any::<u8>(), prop::option::of(any::<u8>()), any::<bool>())
            .prop_map(|(actor, error, from_inside)| Step::Stop { actor, error, from_inside }),
        2 => any::<u8>().prop_map(|actor| Step::Kill { actor }),
        1 => any::<u8>().prop_map(|actor| Step::Panic { actor }),
        4 => any::<u8>().prop_map(|actor| Step::Hold { actor }),
        2 => any::<u8>().prop_map(|actor| Step::LetGo { actor }),
        1 => any::<u8>().prop_map(|actor| Step::Forget { actor }),
        1 => (any::<u8>(), any::<bool>())
            .prop_map(|(runtime, in_order)| Step::EndRuntime { runtime, in_order }),
    ];
    (vec(start(), 2..5), vec(step, 0..60)).prop_map(|(mut script, more)| {
        script.extend(more);
        script
    })
}
