//! What happens, and in what order.

use proptest::collection::vec;
use proptest::prelude::*;

use crate::script::{How, Last, Step};

/// Scripts of up to so many steps, which begin with a few actors.
pub fn steps(most: usize) -> impl Strategy<Value = Vec<Step>> {
    let start = || {
        let room = prop::option::weighted(0.4, (0..3_u8, any::<bool>()));
        (any::<u8>(), any::<bool>(), prop::bool::weighted(0.2), room)
            .prop_map(|(runtime, thread, grieves, room)| Step::Start { runtime, thread, grieves, room })
    };
    let how = prop_oneof![Just(How::Plainly), Just(How::WithAMessage), Just(How::ByAGuard)];
    let last = prop_oneof![Just(Last::Stop), any::<u8>().prop_map(Last::Error), Just(Last::Panic)];
    let step = prop_oneof![
        3 => start(),
        1 => Just(Step::Plain),
        12 => (any::<u8>(), any::<u8>(), how)
            .prop_map(|(watcher, target, how)| Step::Monitor { watcher, target, how }),
        2 => (any::<u8>(), any::<bool>(), any::<bool>())
            .prop_map(|(watcher, thread, stillborn)| Step::SpawnMonitored { watcher, thread, stillborn }),
        5 => (prop::option::weighted(0.2, any::<u8>()), any::<u16>())
            .prop_map(|(by, monitor)| Step::Demonitor { by, monitor }),
        2 => any::<u8>().prop_map(|plain| Step::Receive { plain }),
        3 => any::<u8>().prop_map(|to| Step::Note { to }),
        1 => any::<u8>().prop_map(|of| Step::Ask { of }),
        2 => (any::<u8>(), prop::option::of(any::<u8>()), any::<bool>())
            .prop_map(|(actor, error, from_inside)| Step::Stop { actor, error, from_inside }),
        1 => (any::<u8>(), any::<u8>(), last)
            .prop_map(|(actor, to, how)| Step::LastWords { actor, to, how }),
        2 => any::<u8>().prop_map(|actor| Step::Kill { actor }),
        1 => any::<u8>().prop_map(|actor| Step::Panic { actor }),
        4 => any::<u8>().prop_map(|actor| Step::Hold { actor }),
        2 => any::<u8>().prop_map(|actor| Step::LetGo { actor }),
        1 => (any::<u8>(), any::<bool>()).prop_map(|(part, detach)| Step::Forget { part, detach }),
        1 => any::<u8>().prop_map(|actor| Step::Wait { actor }),
        1 => (any::<u8>(), any::<bool>())
            .prop_map(|(runtime, in_order)| Step::EndRuntime { runtime, in_order }),
    ];
    (vec(start(), 2..5), vec(step, 0..=most)).prop_map(|(mut script, more)| {
        script.extend(more);
        script
    })
}
