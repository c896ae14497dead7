//! Random scripts in which actors of both modes link and unlink each other and die, against a model that does one thing at a time.

use std::collections::{BTreeMap, BTreeSet};

use deathwatch::{ActorRef, ExitReason, Runtime};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::doll::{Doll, Events, Play, TaskDoll, ThreadDoll, dies};
use crate::support::solo;

const ACTORS: usize = 5;

#[derive(Clone, Copy, Debug)]
enum Step {
    Link(usize, usize),
    Unlink(usize, usize),
    Trap(usize, bool),
    End(usize, End),
}

#[derive(Clone, Copy, Debug)]
enum End {
    Stop,
    Shutdown,
    Error,
    Kill,
}

impl End {
    fn reason(self) -> ExitReason {
        match self {
            End::Stop => ExitReason::Normal,
            End::Shutdown => ExitReason::Shutdown,
            End::Error => ExitReason::error("full"),
            End::Kill => ExitReason::Kill,
        }
    }
}

fn step() -> impl Strategy<Value = Step> {
    let actor = || 0..ACTORS;
    prop_oneof![
        6 => (actor(), actor()).prop_map(|(a, b)| Step::Link(a, b)),
        3 => (actor(), actor()).prop_map(|(a, b)| Step::Unlink(a, b)),
        2 => (actor(), any::<bool>()).prop_map(|(a, on)| Step::Trap(a, on)),
        2 => (actor(), prop_oneof![Just(End::Stop), Just(End::Shutdown), Just(End::Error), Just(End::Kill)])
            .prop_map(|(a, end)| Step::End(a, end)),
    ]
}

/// What the promises say, when each death is through before the next step.
#[derive(Default)]
struct Model {
    links: BTreeSet<(usize, usize)>,
    traps: [bool; ACTORS],
    /// Why each died, to the root.
    dead: BTreeMap<usize, ExitReason>,
    /// Of whom each was told by a message since it was last asked, and the root of why.
    told: [Vec<(usize, String)>; ACTORS],
}

fn pair(a: usize, b: usize) -> (usize, usize) {
    (a.min(b), a.max(b))
}

impl Model {
    fn lives(&self, actor: usize) -> bool {
        !self.dead.contains_key(&actor)
    }

    fn signal(&mut self, to: usize, from: usize, root: &ExitReason) {
        if !self.lives(to) {
        } else if self.traps[to] {
            self.told[to].push((from, root.to_string()));
        } else if *root != ExitReason::Normal {
            self.dies(to, root.clone());
        }
    }

    /// Everybody dies of one cause, in whichever order: so what each is told is the same.
    fn dies(&mut self, actor: usize, root: ExitReason) {
        self.dead.insert(actor, root.clone());
        let peers: Vec<usize> = (0..ACTORS).filter(|peer| self.links.remove(&pair(actor, *peer))).collect();
        for peer in peers {
            self.signal(peer, actor, &root);
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Link(a, b) if self.lives(a) && a != b && self.lives(b) => {
                self.links.insert(pair(a, b));
            }
            Step::Link(a, b) if self.lives(a) && a != b => self.signal(a, b, &ExitReason::NoProc),
            Step::Unlink(a, b) if self.lives(a) => {
                self.links.remove(&pair(a, b));
            }
            Step::Trap(a, on) if self.lives(a) => self.traps[a] = on,
            Step::End(a, end) if self.lives(a) => self.dies(a, end.reason()),
            _ => {}
        }
    }
}

/// An actor of either mode.
enum Player {
    Task(ActorRef<TaskDoll>, Events),
    Thread(ActorRef<ThreadDoll>, Events),
}

/// Does the same with an actor of whichever mode.
macro_rules! with {
    ($player:expr, |$actor:ident, $events:ident| $work:expr) => {
        match $player {
            Player::Task($actor, $events) => $work,
            Player::Thread($actor, $events) => $work,
        }
    };
}

fn act<D: Doll>(actor: &ActorRef<D>, step: Step, players: &[Player]) {
    match step {
        Step::Link(_, b) => with!(&players[b], |peer, _events| {
            let peer = peer.clone();
            actor.tell(move |ctx| ctx.link(&peer));
        }),
        Step::Unlink(_, b) => with!(&players[b], |peer, _events| {
            let peer = peer.clone();
            actor.tell(move |ctx| ctx.unlink(&peer));
        }),
        Step::Trap(_, on) => actor.tell(move |ctx| {
            D::trap_exit(ctx, on);
        }),
        Step::End(_, End::Kill) => actor.kill(),
        Step::End(_, end) => actor.stop_with(end.reason()),
    }
}

fn play(script: &[Step], runtime: &Runtime) {
    let mut model = Model::default();
    let players: Vec<Player> = (0..ACTORS)
        .map(|n| {
            if n % 2 == 0 {
                let (actor, events) = TaskDoll::on(runtime);
                Player::Task(actor, events)
            } else {
                let (actor, events) = ThreadDoll::on(runtime);
                Player::Thread(actor, events)
            }
        })
        .collect();
    let id = |n: usize| with!(&players[n], |actor, _events| actor.id());
    for step in script {
        let (Step::Link(who, _) | Step::Unlink(who, _) | Step::Trap(who, _) | Step::End(who, _)) = *step;
        let before: BTreeSet<usize> = model.dead.keys().copied().collect();
        if before.contains(&who) {
            continue;
        }
        model.step(*step);
        // Whoever dies of this step has told everybody before the next.
        let ends: Vec<_> = (0..ACTORS)
            .filter(|n| !before.contains(n) && !model.lives(*n))
            .map(|n| with!(&players[n], |actor, _events| crate::support::begun(actor.wait_exit())))
            .collect();
        with!(&players[who], |actor, _events| act(actor, *step, &players));
        ends.into_iter().for_each(|end| drop(end.wait()));
        // Who lives has done the step, and then looked at what came of it.
        for n in [who].into_iter().chain(0..ACTORS).filter(|n| model.lives(*n)) {
            with!(&players[n], |actor, _events| actor.lives());
        }
        for (n, player) in players.iter().enumerate() {
            let alive = model.lives(n);
            let (reason, exits, links) = with!(player, |actor, events| {
                let links = if alive { actor.call(|ctx| ctx.links()) } else { Vec::new() };
                (actor.exit_reason(), events.exits_among(), links)
            });
            assert_eq!(
                reason.as_ref().map(|reason| reason.root_cause()),
                model.dead.get(&n),
                "why {n} died, after {step:?}"
            );
            let mut told: Vec<_> = model.told[n].drain(..).map(|(from, root)| (id(from), root)).collect();
            let mut exits: Vec<_> =
                exits.into_iter().map(|exit| (exit.from, exit.reason.root_cause().to_string())).collect();
            told.sort();
            exits.sort();
            if alive {
                assert_eq!(exits, told, "what {n} was told, after {step:?}");
            }
            let mut links = links;
            let mut expected: Vec<_> =
                (0..ACTORS).filter(|peer| model.links.contains(&pair(n, *peer))).map(id).collect();
            links.sort();
            expected.sort();
            assert_eq!(links, expected, "whom {n} is linked with, after {step:?}");
        }
    }
    for player in &players {
        with!(player, |actor, _events| {
            if actor.is_alive() {
                dies(actor, ActorRef::kill);
            }
        });
    }
}

/// R71, R72, R73, R74, R75, R76: whatever is linked, unlinked, trapped and ended, in whichever order.
#[test]
fn agrees_with_a_model_of_one_thread() {
    let runtime = solo();
    let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::default() });
    let outcome = runner.run(&proptest::collection::vec(step(), 1..40), |script| {
        let _dog = watchdog!();
        play(&script, &runtime);
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}
