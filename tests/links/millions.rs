//! Great numbers: nothing grows but with the number of links, and nothing recurses.

use deathwatch::prelude::*;
use deathwatch::{Exit, Runtime};

use crate::doll::dies;
use crate::support::duo;

const MANY: usize = 100_000;

struct Knot;
impl Actor for Knot {}

struct LinkWith(ActorRef<Knot>);
impl Message for LinkWith {
    type Reply = ();
}
impl Handler<LinkWith> for Knot {
    async fn handle(&mut self, LinkWith(peer): LinkWith, ctx: &Context<Self>) {
        ctx.link(&peer);
    }
}

struct Links;
impl Message for Links {
    type Reply = usize;
}
impl Handler<Links> for Knot {
    async fn handle(&mut self, _: Links, ctx: &Context<Self>) -> usize {
        ctx.links().len()
    }
}

fn knots(runtime: &Runtime, many: usize) -> Vec<ActorRef<Knot>> {
    (0..many).map(|_| runtime.start(Knot).expect("the runtime runs")).collect()
}

/// R71, R74: a chain of actors die of one another, one link after the other; their reasons hang together, and go without recursion.
#[test]
fn a_chain() {
    let _dog = watchdog!();
    let runtime = duo();
    let knots = knots(&runtime, MANY);
    for pair in knots.windows(2) {
        pair[1].send(LinkWith(pair[0].clone())).expect("it lives");
    }
    let last = knots.last().expect("there are some").clone();
    assert_eq!(last.request(Links).no_timeout().wait(), Ok(1));
    // All have linked themselves by now, or do so before they look at a signal: the last is the last of them to be asked.
    for knot in &knots {
        knot.request(Links).no_timeout().wait().expect("it lives");
    }
    knots[0].stop_with(ExitReason::error("the first"));
    let reason = last.wait_exit().wait();
    assert_eq!(reason.root_cause().to_string(), "error: the first");
    let ExitReason::Link(report) = &reason else { panic!("it dies of a link") };
    assert_eq!((report.length(), report.root()), (MANY - 1, knots[0].id()));
    assert!(reason.to_string().len() < 200 && format!("{reason:?}").len() < 400, "{reason}");
    drop(knots);
    drop(last);
    drop(runtime);
    let short =
        std::thread::Builder::new().stack_size(64 << 10).spawn(move || drop(reason)).expect("a thread");
    short.join().expect("its stack is enough");
}

/// R71, R74: one in the middle of many dies, and they all do.
#[test]
fn a_star_whose_middle_dies() {
    let _dog = watchdog!();
    let runtime = duo();
    let (knots, middle) = (knots(&runtime, MANY), runtime.start(Knot).expect("the runtime runs"));
    for knot in &knots {
        middle.send(LinkWith(knot.clone())).expect("it lives");
    }
    assert_eq!(middle.request(Links).no_timeout().wait(), Ok(MANY));
    middle.kill();
    for knot in &knots {
        assert_eq!(knot.wait_exit().wait().root_cause(), &ExitReason::Kill);
    }
}

/// R74, R75: many die around one in the middle, which is told of each.
#[test]
fn a_star_around_one_that_traps() {
    struct Middle {
        told: usize,
    }
    impl Actor for Middle {
        async fn started(&mut self, ctx: &Context<Self>) {
            ctx.trap_exit(true);
        }
    }
    struct Around(Vec<ActorRef<Knot>>);
    impl Message for Around {
        type Reply = ();
    }
    impl Handler<Around> for Middle {
        async fn handle(&mut self, Around(knots): Around, ctx: &Context<Self>) {
            knots.iter().for_each(|knot| ctx.link(knot));
        }
    }
    impl Handler<Exit> for Middle {
        async fn handle(&mut self, exit: Exit, ctx: &Context<Self>) {
            assert_eq!(exit.reason, ExitReason::Normal);
            self.told += 1;
            if self.told == MANY {
                assert_eq!(ctx.links(), []);
                ctx.stop();
            }
        }
    }

    let _dog = watchdog!();
    let runtime = duo();
    let knots = knots(&runtime, MANY);
    let middle = runtime.start(Middle { told: 0 }).expect("the runtime runs");
    middle.request(Around(knots.clone())).no_timeout().wait().expect("it lives");
    let reason = dies(&middle, |_| knots.iter().for_each(ActorRef::stop));
    assert_eq!(reason, ExitReason::Normal);
}
