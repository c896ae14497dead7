//! State machines, by a clock that is moved by hand.

use std::time::Duration;

use deathwatch::StateMachine as _;

use super::actors::light::*;
use super::actors::*;
use crate::support::solo_by_hand;

const SECOND: Duration = Duration::from_secs(1);

/// Leaving and entering, in order; what the old state held comes back; the same state anew is left and entered, too.
#[test]
fn leaving_and_entering() {
    let _dog = watchdog!();
    let runtime = runtime();
    let (light, said) = Light::on(&runtime, None);
    assert_eq!(said.next(), "enter Red from None");
    call(&light, |light, ctx| {
        assert_eq!(light.goto(Color::Green { cars: 3 }, ctx), Color::Red);
        light.say("between");
        assert_eq!(light.goto(Color::Green { cars: 0 }, ctx), Color::Green { cars: 3 });
    });
    assert_eq!(
        said.take(5),
        [
            "exit Red to Green { cars: 3 }",
            "enter Green { cars: 3 } from Some(Red)",
            "between",
            "exit Green { cars: 3 } to Green { cars: 0 }",
            "enter Green { cars: 0 } from Some(Green { cars: 3 })",
        ]
    );
}

/// On entering a state, another can be entered at once.
#[test]
fn entering_on_entering() {
    let _dog = watchdog!();
    let runtime = runtime();
    let (light, said) = Light::on(&runtime, None);
    call(&light, |light, ctx| {
        light.from_off = Some(Color::Red);
        assert_eq!(light.goto(Color::Off, ctx), Color::Red);
        assert_eq!(*light.state, Color::Red);
    });
    assert_eq!(
        said.take(5),
        [
            "enter Red from None",
            "exit Red to Off",
            "enter Off from Some(Red)",
            "exit Off to Red",
            "enter Red from Some(Off)"
        ]
    );
}

/// What is postponed is handled in the next state, before what is newer, replies and all.
#[test]
fn postponed_until_the_next_state() {
    let _dog = watchdog!();
    let runtime = runtime();
    let (light, _said) = Light::on(&runtime, None);
    let cars: Vec<_> = (0..3).map(|_| light.request(Car).no_timeout()).collect();
    assert_eq!(call(&light, |light, _| light.state.stash().len()), 3);
    let wedge = hold(&light);
    light
        .send(job(|light: &mut Light, ctx: &_| {
            light.goto(Color::Green { cars: 0 }, ctx);
        }))
        .unwrap();
    let late = light.request(Car).no_timeout();
    drop(wedge);
    let passed: Vec<_> = cars.into_iter().map(|car| car.wait().unwrap()).collect();
    assert_eq!((passed, late.wait()), (vec![1, 2, 3], Ok(4)));
}

/// R94: a state that is not left in time says so; one that was entered anew begins its time anew.
#[test]
fn a_timeout() {
    let _dog = watchdog!();
    let (runtime, clock) = solo_by_hand();
    let (light, said) = Light::on(&runtime, Some(10 * SECOND));
    let green = |cars| {
        call(&light, move |light, ctx| {
            light.goto(Color::Green { cars }, ctx);
        });
    };
    green(1);
    clock.advance(6 * SECOND);
    green(2);
    clock.advance(6 * SECOND);
    call(&light, |light, _| assert_eq!(*light.state, Color::Green { cars: 2 }));
    clock.advance(4 * SECOND);
    until(|| call(&light, |light, _| *light.state == Color::Red));
    let timeouts: Vec<_> = said.ready().into_iter().filter(|what| what.starts_with("timeout")).collect();
    assert_eq!(timeouts, ["timeout in Green { cars: 2 }"]);
    clock.advance(100 * SECOND);
    call(&light, |_, _| ());
    assert!(said.ready().iter().all(|what| !what.starts_with("timeout")));
}

/// R94: a timeout that stands in the mailbox when its state is left is never handled; neither is one that was replaced or
/// cancelled.
#[test]
fn a_timeout_that_comes_too_late() {
    let _dog = watchdog!();
    let (runtime, clock) = solo_by_hand();
    let (light, said) = Light::on(&runtime, Some(10 * SECOND));
    type Step = fn(&mut Light, &deathwatch::Context<Light>);
    let steps: [Step; 3] = [
        |light, ctx| {
            light.goto(Color::Off, ctx);
        },
        |light, ctx| light.state.set_timeout(1000 * SECOND, ctx),
        |light, _| light.state.cancel_timeout(),
    ];
    for step in steps {
        call(&light, |light, ctx| {
            light.goto(Color::Green { cars: 0 }, ctx);
        });
        let wedge = hold(&light);
        light.send(job(move |light: &mut Light, ctx: &_| step(light, ctx))).unwrap();
        clock.advance(10 * SECOND); // rings: behind the step
        drop(wedge);
        call(&light, |_, _| ());
        assert!(said.ready().iter().all(|what| !what.starts_with("timeout")));
    }
}

/// R94: in a state that has no timeout set, none comes; when the actor dies, its timeout goes with it.
#[test]
fn no_timeout() {
    let _dog = watchdog!();
    let (runtime, clock) = solo_by_hand();
    let (light, said) = Light::on(&runtime, Some(SECOND));
    call(&light, |light, ctx| {
        light.goto(Color::Off, ctx);
    });
    clock.advance(100 * SECOND);
    call(&light, |light, ctx| {
        assert_eq!(*light.state, Color::Off);
        light.goto(Color::Green { cars: 0 }, ctx);
    });
    crate::support::end(&light);
    clock.advance(100 * SECOND);
    drop(light);
    assert!(said.rest().iter().all(|what| !what.starts_with("timeout")));
}
