//! Targets die while their monitors are taken back and their `Down`s handled: every monitor is a race of the three.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::time::Duration;

use deathwatch::prelude::*;
use deathwatch::{Demonitor, MonitorRef, Runtime};

use crate::harness::{Numbers, Report, monitors, pause, spin_until, watch_until};
use crate::steer::Lead;

/// R14, R32, R39: one target with some hundred monitors dies while they are taken back, in every fourth round by two at once, each
/// of them trying every one.
pub fn exit_demonitor_and_handling() -> Report {
    race(Shape { watchers: 1, targets: 1, monitors: 256, taker: Taker::Outside })
}

/// R14, R32: many targets of one watcher die at once while it takes its monitors back itself, some in each turn.
pub fn storm_of_targets() -> Report {
    race(Shape { watchers: 1, targets: 256, monitors: 1, taker: Taker::Watcher })
}

/// R14, R32: one target of many watchers dies.
pub fn storm_of_watchers() -> Report {
    race(Shape { watchers: 128, targets: 1, monitors: 2, taker: Taker::Outside })
}

/// R14, R32: several targets of several watchers die.
pub fn several_watchers_of_several_targets() -> Report {
    race(Shape { watchers: 4, targets: 4, monitors: 16, taker: Taker::Outside })
}

const WORKERS: usize = 3;

struct Shape {
    watchers: usize,
    targets: usize,
    /// Of each target by each watcher.
    monitors: usize,
    taker: Taker,
}

#[derive(Clone, Copy, PartialEq)]
enum Taker {
    /// A plain thread, and now and then an actor beside it.
    Outside,
    /// The watcher in its own turns.
    Watcher,
}

/// How a monitor ended, as counts in one word; any other word than one of these is wrong.
const HANDLED: u32 = 1;
const CANCELLED: u32 = 1 << 10;
const FLUSHED: u32 = 1 << 20;

/// What the parties of a round share.
struct Field {
    /// How each monitor of this round has ended.
    ends: Vec<AtomicU32>,
    round: AtomicU32,
    /// Ends that came after their round, and Downs with a wrong reason.
    late: AtomicUsize,
    untrue: AtomicUsize,
    /// How many of the parties have come to the line, and how many are through.
    at_line: AtomicUsize,
    settled: AtomicUsize,
    /// How many monitors were taken back so far, or found to be gone; whether all are killed. By these the parties keep step.
    taken: AtomicUsize,
    handled: AtomicUsize,
    hold: AtomicUsize,
    killed: AtomicBool,
    unknown: AtomicUsize,
    planted: crate::planted::Race,
}

impl Field {
    fn new(monitors: usize) -> Self {
        Field {
            ends: (0..monitors).map(|_| AtomicU32::new(0)).collect(),
            round: AtomicU32::new(0),
            late: AtomicUsize::new(0),
            untrue: AtomicUsize::new(0),
            at_line: AtomicUsize::new(0),
            settled: AtomicUsize::new(0),
            taken: AtomicUsize::new(0),
            handled: AtomicUsize::new(0),
            hold: AtomicUsize::new(0),
            killed: AtomicBool::new(false),
            unknown: AtomicUsize::new(0),
            planted: crate::planted::Race::default(),
        }
    }

    /// Waits for the others, and then until so many were taken back.
    fn wait_for(&self, parties: usize, taken: usize) {
        self.at_line.fetch_add(1, Ordering::AcqRel);
        watch_until(|| self.at_line.load(Ordering::Acquire) >= parties);
        watch_until(|| self.taken.load(Ordering::Acquire) >= taken);
    }

    /// Waits until all are killed, and for so long after.
    fn wait_for_the_deaths(&self, after: usize) {
        watch_until(|| self.killed.load(Ordering::Acquire));
        pause(after);
    }

    /// Waits until so many were handled, or for some time if there are not so many to be handled.
    fn wait_for_handling(&self, many: usize) {
        let looks = Cell::new(0);
        watch_until(|| {
            looks.replace(looks.get() + 1) > 20_000 || self.handled.load(Ordering::Acquire) >= many
        });
    }

    fn ended(&self, n: usize, round: u32, how: u32) {
        if self.round.load(Ordering::Relaxed) != round {
            self.late.fetch_add(1, Ordering::Relaxed);
        }
        self.planted.write();
        self.ends[n].fetch_add(how, Ordering::Relaxed);
    }

    fn taken_back(&self, n: usize, round: u32, outcome: &Demonitor) {
        match outcome {
            Demonitor::Cancelled => self.ended(n, round, CANCELLED),
            Demonitor::Flushed(_) => self.ended(n, round, FLUSHED),
            Demonitor::Unknown => drop(self.unknown.fetch_add(1, Ordering::Relaxed)),
        }
    }
}

struct Idle;
impl Actor for Idle {}

/// Whose monitors they are.
struct Watcher(Arc<Field>);
impl Actor for Watcher {}

/// What a `Down` is turned into.
struct Told {
    down: Down,
    n: u32,
    round: u32,
}
impl Message for Told {
    type Reply = ();
}
impl Handler<Told> for Watcher {
    async fn handle(&mut self, Told { down, n, round }: Told, _: &Context<Self>) {
        if down.reason != ExitReason::Kill {
            self.0.untrue.fetch_add(1, Ordering::Relaxed);
        }
        self.0.ended(n as usize, round, HANDLED);
        self.0.handled.fetch_add(1, Ordering::Release);
        let hold = self.0.hold.load(Ordering::Relaxed);
        watch_until(|| self.0.taken.load(Ordering::Acquire) >= hold);
    }
}

/// What is arranged for a round.
#[derive(Clone, Copy)]
struct Plan {
    round: u32,
    parties: usize,
    /// They die when so many were taken back. Below zero: taking back begins so long after they have died.
    lead: isize,
    /// The watchers handle the first and then nothing before so many were taken back; or, when the watcher does it itself, it
    /// takes back so many in one turn. Below zero: once they are dead, nothing is taken back before so many were handled.
    hold: isize,
}

impl Plan {
    /// Begins to take back.
    fn begin(&self, field: &Field) {
        field.wait_for(self.parties, 0);
        if self.lead < 0 {
            field.wait_for_the_deaths(self.lead.unsigned_abs());
        }
    }
}

/// Everything that was sent before this has been handled.
struct Settle;
impl Message for Settle {
    type Reply = ();
}
impl Handler<Settle> for Watcher {
    async fn handle(&mut self, _: Settle, _: &Context<Self>) {
        self.0.settled.fetch_add(1, Ordering::Release);
    }
}

/// To take monitors back, in this order; by the watcher in several turns.
struct TakeBack {
    monitors: Vec<(usize, MonitorRef)>,
    plan: Plan,
    begun: bool,
    waited: bool,
}
impl TakeBack {
    fn new(plan: Plan, monitors: Vec<(usize, MonitorRef)>) -> Self {
        TakeBack { monitors, plan, begun: false, waited: false }
    }

    fn take(&mut self, many: usize, field: &Field, demonitor: impl Fn(usize, MonitorRef) -> Demonitor) {
        if !std::mem::replace(&mut self.begun, true) {
            self.plan.begin(field);
        }
        for (n, monitor) in self.monitors.drain(..many.min(self.monitors.len())) {
            field.taken_back(n, self.plan.round, &demonitor(n, monitor));
            field.taken.fetch_add(1, Ordering::Release);
            if self.plan.hold < 0 && !self.waited && field.killed.load(Ordering::Acquire) {
                self.waited = true;
                field.wait_for_handling(self.plan.hold.unsigned_abs());
            }
        }
    }
}
impl Message for TakeBack {
    type Reply = ();
}
impl Handler<TakeBack> for Watcher {
    async fn handle(&mut self, mut back: TakeBack, ctx: &Context<Self>) {
        let in_one_turn = back.plan.hold.max(1) as usize;
        back.take(in_one_turn, &self.0, |_, monitor| ctx.demonitor(monitor));
        if back.monitors.is_empty() {
            self.0.settled.fetch_add(1, Ordering::Release);
        } else {
            ctx.send(back).expect("it runs");
        }
    }
}

/// Kills, or takes back beside the thread that does.
struct Helper(Arc<Field>, Vec<Context<Watcher>>);
impl Actor for Helper {}

struct Kill {
    targets: Vec<ActorRef<Idle>>,
    plan: Plan,
}
impl Message for Kill {
    type Reply = ();
}
impl Handler<Kill> for Helper {
    async fn handle(&mut self, Kill { targets, plan }: Kill, _: &Context<Self>) {
        self.0.wait_for(plan.parties, plan.lead.max(0) as usize);
        targets.iter().for_each(ActorRef::kill);
        self.0.killed.store(true, Ordering::Release);
    }
}
impl Handler<TakeBack> for Helper {
    async fn handle(&mut self, mut back: TakeBack, _: &Context<Self>) {
        let each = self.0.ends.len() / self.1.len();
        back.take(usize::MAX, &self.0, |n, monitor| self.1[n / each].demonitor(monitor));
        self.0.settled.fetch_add(1, Ordering::Release);
    }
}

struct ContextOf;
impl Message for ContextOf {
    type Reply = Context<Watcher>;
}
impl Handler<ContextOf> for Watcher {
    async fn handle(&mut self, _: ContextOf, ctx: &Context<Self>) -> Context<Self> {
        ctx.clone()
    }
}

/// In an order that differs from round to round: as they were made, the other way round, or all over the place.
fn in_order(round: u32, all: usize) -> impl Fn(usize) -> usize {
    move |n| match round % 3 {
        0 => n,
        1 => all - 1 - n,
        _ => n * 7_919 % all,
    }
}

fn race(shape: Shape) -> Report {
    let Shape { watchers, targets, monitors: each, taker } = shape;
    let size = watchers * targets * each;
    let runtime = Runtime::builder().workers(WORKERS).slow_handler(Duration::MAX).build().unwrap();
    let field = Arc::new(Field::new(size));
    let actors: Vec<_> = (0..watchers).map(|_| runtime.start(Watcher(field.clone())).unwrap()).collect();
    let contexts: Vec<_> =
        actors.iter().map(|actor| actor.request(ContextOf).no_timeout().wait().unwrap()).collect();
    let [killer, second] = [0; 2].map(|_| runtime.start(Helper(field.clone(), contexts.clone())).unwrap());
    let living = runtime.live_actors();

    let mut report = Report::default();
    let (mut outcomes, mut rounds, mut contested, mut tries) = ([0; 3], 0, 0, 0);
    let mut numbers = Numbers::new();
    let mut lead = Lead::between(-20_000, size as isize);
    let mut hold = Lead::between(-(size as isize), size as isize);
    for round in 1..=u32::try_from(monitors().div_ceil(size)).expect("so many rounds are not meant") {
        field.round.store(round, Ordering::Relaxed);
        field.at_line.store(0, Ordering::Relaxed);
        field.settled.store(0, Ordering::Relaxed);
        field.taken.store(0, Ordering::Relaxed);
        field.handled.store(0, Ordering::Relaxed);
        field.killed.store(false, Ordering::Relaxed);
        let doomed: Vec<_> = (0..targets).map(|_| runtime.start(Idle).unwrap()).collect();
        let watch = |n: usize| {
            let (watcher, target) = (n / (targets * each), n / each % targets);
            let told = move |down| Told { down, n: n as u32, round };
            (n, contexts[watcher].monitor_with(&doomed[target], told))
        };
        let made: Vec<_> = (0..size).map(watch).collect();
        let order = in_order(round, size);
        let made: Vec<_> = (0..size).map(|n| made[order(n)]).collect();

        let takers = usize::from(taker == Taker::Outside && round % 4 == 0) + 1;
        let (lead_now, hold_now) = (lead.next(&mut numbers), hold.next(&mut numbers));
        let plan = Plan { round, parties: 1 + takers, lead: lead_now, hold: hold_now };
        let hold_there = if taker == Taker::Outside { hold_now.max(0) as usize } else { 0 };
        field.hold.store(hold_there, Ordering::Relaxed);
        if takers == 2 {
            second.send(TakeBack::new(plan, made.iter().rev().copied().collect())).unwrap();
        }
        let mut back = TakeBack::new(plan, made);
        killer.send(Kill { targets: doomed, plan }).unwrap();
        tries += size * takers;
        let to_settle = match taker {
            Taker::Watcher => {
                actors[0].send(back).unwrap();
                1
            }
            Taker::Outside => {
                back.take(size, &field, |n, monitor| contexts[n / (targets * each)].demonitor(monitor));
                takers - 1
            }
        };

        // Gone completely, so that every Down has been sent; then all that was sent is handled.
        spin_until(|| runtime.live_actors() == living);
        spin_until(|| field.settled.load(Ordering::Acquire) == to_settle);
        actors.iter().for_each(|actor| actor.send(Settle).unwrap());
        spin_until(|| field.settled.load(Ordering::Acquire) == to_settle + watchers);

        let mut ended = [0; 3];
        for end in &field.ends {
            match end.swap(0, Ordering::Relaxed) {
                HANDLED => ended[0] += 1,
                CANCELLED => ended[1] += 1,
                FLUSHED => ended[2] += 1,
                0 => report.lost += 1,
                _ => report.doubled += 1,
            }
        }
        rounds += 1;
        contested += usize::from(ended.iter().filter(|count| **count > 0).count() > 1);
        (0..3).for_each(|n| outcomes[n] += ended[n]);
        let [handled, cancelled, flushed] = ended;
        lead.learn(cancelled, size, 1.0 / 3.0);
        hold.learn(flushed, handled + flushed, 0.5);
    }
    drop((contexts, killer, second));
    drop(actors);
    drop(runtime);

    let late = field.late.load(Ordering::Relaxed);
    report.doubled += late;
    assert_eq!(field.untrue.load(Ordering::Relaxed), 0, "Downs with a wrong reason");
    let [handled, cancelled, flushed] = outcomes;
    report.made = rounds * size;
    let unknown = field.unknown.load(Ordering::Relaxed);
    if report.lost + report.doubled == 0 {
        assert_eq!(handled + cancelled + flushed, report.made, "each ended in exactly one way");
        assert_eq!(unknown, tries - cancelled - flushed, "who did not get it was told so");
    }
    report.shares = vec![
        ("handled", handled, report.made),
        ("cancelled", cancelled, report.made),
        ("flushed", flushed, report.made),
        ("of the rounds with more than one outcome", contested, rounds),
    ];
    report.notes.push(format!("head starts {:.0} and {:.0} at last", lead.value(), hold.value()));
    report
}
