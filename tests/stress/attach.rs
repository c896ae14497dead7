//! Targets die while they are being monitored.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use deathwatch::prelude::*;
use deathwatch::{Demonitor, MonitorRef, Monitors, Runtime};

use crate::harness::{Numbers, Report, monitors, pause, spin_until, watch_until};
use crate::steer::Lead;

/// So many monitors are made of each target by each of the two.
const EACH: usize = 128;

/// What the parties of a round share.
#[derive(Default)]
struct Field {
    at_line: AtomicUsize,
    attached: AtomicUsize,
    killed: AtomicBool,
    settled: AtomicUsize,
    /// Monitors made while the target lived, when it was dead, and those of which that is not known.
    early: AtomicUsize,
    late: AtomicUsize,
    between: AtomicUsize,
    taken_back: AtomicUsize,
    lost: AtomicUsize,
    doubled: AtomicUsize,
    untrue: AtomicUsize,
}

const PARTIES: usize = 3;

impl Field {
    fn line(&self) {
        self.at_line.fetch_add(1, Ordering::AcqRel);
        watch_until(|| self.at_line.load(Ordering::Acquire) >= PARTIES);
    }
}

fn count(count: &AtomicUsize, more: usize) {
    count.fetch_add(more, Ordering::Relaxed);
}

struct Idle;
impl Actor for Idle {}

/// Who monitors: from plain code, on a thread of its own or within an actor.
struct Attacher {
    field: Arc<Field>,
    monitors: Monitors,
    awaited: Vec<MonitorRef>,
}

impl Attacher {
    fn new(field: &Arc<Field>) -> Self {
        Attacher { field: field.clone(), monitors: Monitors::new(), awaited: Vec::new() }
    }

    /// Monitors the target again and again; every eighth monitor is taken back at once. Below zero, `lead` is how long after
    /// the death this begins.
    fn attach(&mut self, target: &ActorRef<Idle>, lead: isize) {
        let field = &*self.field;
        field.line();
        if lead < 0 {
            watch_until(|| field.killed.load(Ordering::Acquire));
            pause(lead.unsigned_abs());
        }
        let [mut early, mut late, mut between, mut taken_back] = [0; 4];
        for n in 0..EACH {
            let dead = !target.is_alive();
            let monitor = self.monitors.monitor(target);
            *(if dead {
                &mut late
            } else if target.is_alive() {
                &mut early
            } else {
                &mut between
            }) += 1;
            if n % 8 != 7 {
                self.awaited.push(monitor);
            } else if matches!(self.monitors.demonitor(monitor), Demonitor::Unknown) {
                count(&field.lost, 1); // nobody else can have had it
            } else {
                taken_back += 1;
            }
            field.attached.fetch_add(1, Ordering::Release);
        }
        count(&field.early, early);
        count(&field.late, late);
        count(&field.between, between);
        count(&field.taken_back, taken_back);
    }

    /// The target is gone: exactly the Downs that are awaited are there.
    fn check(&mut self) {
        let mut told = Vec::with_capacity(EACH);
        while let Some(down) = self.monitors.try_recv() {
            count(&self.field.untrue, usize::from(down.reason != ExitReason::Kill));
            told.push(down.monitor_ref);
        }
        told.sort();
        self.awaited.sort();
        if told != self.awaited {
            let lost = self.awaited.iter().filter(|monitor| !told.contains(monitor)).count();
            count(&self.field.lost, lost);
            count(&self.field.doubled, told.len() + lost - self.awaited.len());
        }
        if !self.monitors.is_empty() {
            count(&self.field.lost, 1);
        }
        self.awaited.clear();
        self.field.settled.fetch_add(1, Ordering::Release);
    }
}

impl Actor for Attacher {}
struct Attach(ActorRef<Idle>, isize);
impl Message for Attach {
    type Reply = ();
}
impl Handler<Attach> for Attacher {
    async fn handle(&mut self, Attach(target, lead): Attach, _: &Context<Self>) {
        self.attach(&target, lead);
    }
}
struct Check;
impl Message for Check {
    type Reply = ();
}
impl Handler<Check> for Attacher {
    async fn handle(&mut self, _: Check, _: &Context<Self>) {
        self.check();
    }
}

struct Killer(Arc<Field>);
impl Actor for Killer {}
struct Kill(ActorRef<Idle>, isize);
impl Message for Kill {
    type Reply = ();
}
impl Handler<Kill> for Killer {
    async fn handle(&mut self, Kill(target, lead): Kill, _: &Context<Self>) {
        self.0.line();
        watch_until(|| self.0.attached.load(Ordering::Acquire) >= lead.max(0) as usize);
        target.kill();
        self.0.killed.store(true, Ordering::Release);
    }
}

/// R4, R14: plain code and an actor monitor while the target dies; each gets exactly one Down for each monitor.
pub fn attach_against_exit() -> Report {
    let runtime = Runtime::builder().workers(2).slow_handler(Duration::MAX).build().unwrap();
    let field = Arc::new(Field::default());
    let mut here = Attacher::new(&field);
    let there = runtime.start(Attacher::new(&field)).unwrap();
    let killer = runtime.start(Killer(field.clone())).unwrap();
    let living = runtime.live_actors();
    let mut numbers = Numbers::new();
    let mut lead = Lead::between(-20_000, 2 * EACH as isize);
    let get = |count: &AtomicUsize| count.load(Ordering::Relaxed);
    let (mut rounds, mut contested, mut early) = (0, 0, 0);
    while rounds * 2 * EACH < monitors() {
        rounds += 1;
        [&field.at_line, &field.attached, &field.settled]
            .iter()
            .for_each(|word| word.store(0, Ordering::Relaxed));
        field.killed.store(false, Ordering::Relaxed);
        let target = runtime.start(Idle).unwrap();
        let now = lead.next(&mut numbers);
        there.send(Attach(target.clone(), now)).unwrap();
        killer.send(Kill(target.clone(), now)).unwrap();
        here.attach(&target, now);
        drop(target);
        spin_until(|| runtime.live_actors() == living);
        there.send(Check).unwrap();
        here.check();
        spin_until(|| field.settled.load(Ordering::Acquire) == 2);
        let so_far = get(&field.early);
        contested += usize::from((1..2 * EACH).contains(&(so_far - early)));
        lead.learn(so_far - early, 2 * EACH, 0.5);
        early = so_far;
    }
    drop((here, there, killer));
    drop(runtime);
    assert_eq!(get(&field.untrue), 0, "Downs with a wrong reason");
    let made = rounds * 2 * EACH;
    let between = get(&field.between) + get(&field.taken_back);
    Report {
        made,
        lost: get(&field.lost),
        doubled: get(&field.doubled),
        shares: vec![
            ("before the death", get(&field.early), made),
            ("after it", get(&field.late), made),
            ("of the rounds with both", contested, rounds),
        ],
        notes: vec![format!("{} in between or taken back", between)],
    }
}
