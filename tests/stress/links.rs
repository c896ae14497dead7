//! Links are made and ended from both sides, and their ends die meanwhile.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context as TaskContext, Waker};
use std::time::Duration;

use deathwatch::prelude::*;
use deathwatch::{ActorId, Exit, Runtime};

use crate::harness::{Numbers, Report, monitors, spin_until, watch_until};
use crate::steer::Lead;

const WORKERS: usize = 3;
const SPOKES: usize = 256;

struct Spoke;
impl Actor for Spoke {}

/// What the parties of a round share.
#[derive(Default)]
struct Field {
    at_line: AtomicUsize,
    unlinked: AtomicUsize,
    settled: AtomicUsize,
}

/// How a link ended, for the one in the middle.
#[derive(Clone, Copy, PartialEq)]
enum Fate {
    Linked,
    Told,
    /// Unlinked when the spoke lived still.
    InTime,
    /// Unlinked when it was dead: its signal was on its way, or its exit stood in the mailbox.
    Late,
}

/// Linked with all spokes, and told of those that it has not unlinked in time.
struct Hub {
    field: Arc<Field>,
    spokes: Vec<ActorRef<Spoke>>,
    numbers: HashMap<ActorId, usize>,
    fates: Vec<Fate>,
    /// Exits that came after their unlink, or twice, or of no spoke.
    wrong: usize,
}

impl Actor for Hub {
    async fn started(&mut self, ctx: &Context<Self>) {
        ctx.trap_exit(true);
    }
}

impl Handler<Exit> for Hub {
    async fn handle(&mut self, exit: Exit, _: &Context<Self>) {
        let fate = self.numbers.get(&exit.from).map(|n| &mut self.fates[*n]);
        match fate {
            Some(fate) if *fate == Fate::Linked && exit.reason == ExitReason::Kill => *fate = Fate::Told,
            _ => self.wrong += 1,
        }
    }
}

struct Round(Vec<ActorRef<Spoke>>);
impl Message for Round {
    type Reply = ();
}
impl Handler<Round> for Hub {
    async fn handle(&mut self, Round(spokes): Round, ctx: &Context<Self>) {
        spokes.iter().for_each(|spoke| ctx.link(spoke));
        self.numbers = spokes.iter().enumerate().map(|(n, spoke)| (spoke.id(), n)).collect();
        self.fates = vec![Fate::Linked; spokes.len()];
        self.spokes = spokes;
    }
}

/// Unlinks those from `next` on, so many in each turn.
struct Unlink {
    next: usize,
    in_one_turn: usize,
    step: usize,
}
impl Message for Unlink {
    type Reply = ();
}
impl Handler<Unlink> for Hub {
    async fn handle(&mut self, mut what: Unlink, ctx: &Context<Self>) {
        if what.next == 0 {
            self.field.wait_for_the_other();
        }
        for _ in 0..what.in_one_turn.min(SPOKES - what.next) {
            let n = what.next * what.step % SPOKES;
            let lives = self.spokes[n].is_alive();
            ctx.unlink(&self.spokes[n]);
            if self.fates[n] == Fate::Linked {
                self.fates[n] = if lives { Fate::InTime } else { Fate::Late };
            }
            what.next += 1;
            self.field.unlinked.fetch_add(1, Ordering::Release);
        }
        if what.next < SPOKES {
            ctx.send(what).expect("it runs");
        } else {
            self.field.settled.fetch_add(1, Ordering::Release);
        }
    }
}

/// Once it is handled, the signals that had come before are in the mailbox.
struct Look;
impl Message for Look {
    type Reply = ();
}
impl Handler<Look> for Hub {
    async fn handle(&mut self, _: Look, _: &Context<Self>) {}
}

/// How the links of the round ended, and how many exits were wrong.
struct Fates;
impl Message for Fates {
    type Reply = (Vec<Fate>, usize);
}
impl Handler<Fates> for Hub {
    async fn handle(&mut self, _: Fates, ctx: &Context<Self>) -> (Vec<Fate>, usize) {
        assert_eq!(ctx.links(), []);
        self.spokes.clear();
        (std::mem::take(&mut self.fates), std::mem::take(&mut self.wrong))
    }
}

impl Field {
    fn wait_for_the_other(&self) {
        self.at_line.fetch_add(1, Ordering::AcqRel);
        watch_until(|| self.at_line.load(Ordering::Acquire) >= 2);
    }
}

/// R73, R74: many actors die while the one that is linked with all of them unlinks them: each is told of, or unlinked.
pub fn exits_and_unlinks() -> Report {
    let runtime = Runtime::builder().workers(WORKERS).slow_handler(Duration::MAX).build().unwrap();
    let field = Arc::new(Field::default());
    let hub = Hub {
        field: field.clone(),
        spokes: Vec::new(),
        numbers: HashMap::new(),
        fates: Vec::new(),
        wrong: 0,
    };
    let hub = runtime.start(hub).unwrap();
    let living = runtime.live_actors();
    let (mut report, mut numbers) = (Report::default(), Numbers::new());
    let (mut outcomes, mut rounds, mut contested) = ([0; 3], 0, 0);
    let mut lead = Lead::between(-20_000, SPOKES as isize);
    let mut hold = Lead::between(1, SPOKES as isize);
    for round in 0..monitors().div_ceil(SPOKES) {
        field.at_line.store(0, Ordering::Relaxed);
        field.unlinked.store(0, Ordering::Relaxed);
        field.settled.store(0, Ordering::Relaxed);
        let spokes: Vec<_> = (0..SPOKES).map(|_| runtime.start(Spoke).unwrap()).collect();
        hub.request(Round(spokes.clone())).no_timeout().wait().unwrap();
        let (lead_now, hold_now) = (lead.next(&mut numbers), hold.next(&mut numbers));
        let step = [1, 255, 77][round % 3];
        let begin = || hub.send(Unlink { next: 0, in_one_turn: hold_now.max(1) as usize, step }).unwrap();
        if lead_now < 0 {
            // They die first, by so much.
            spokes.iter().for_each(ActorRef::kill);
            crate::harness::pause(lead_now.unsigned_abs());
            begin();
            field.wait_for_the_other();
        } else {
            begin();
            field.wait_for_the_other();
            watch_until(|| field.unlinked.load(Ordering::Acquire) >= lead_now as usize);
            spokes.iter().for_each(ActorRef::kill);
        }
        drop(spokes);
        spin_until(|| field.settled.load(Ordering::Acquire) == 1);
        // Gone completely, so that every signal has been brought; the first asks for a look at them, the second for the exits.
        spin_until(|| runtime.live_actors() == living);
        hub.request(Look).no_timeout().wait().unwrap();
        let (fates, wrong) = hub.request(Fates).no_timeout().wait().unwrap();
        let ended = [Fate::Told, Fate::InTime, Fate::Late]
            .map(|fate| fates.iter().filter(|there| **there == fate).count());
        report.lost += SPOKES - ended.iter().sum::<usize>();
        report.doubled += wrong;
        rounds += 1;
        contested += usize::from(ended.iter().filter(|count| **count > 0).count() > 1);
        (0..3).for_each(|n| outcomes[n] += ended[n]);
        let [told, in_time, late] = ended;
        lead.learn(in_time, SPOKES, 1.0 / 3.0);
        hold.learn(late, told + late, 0.5);
    }
    drop(hub);
    drop(runtime);
    report.made = rounds * SPOKES;
    let [told, in_time, late] = outcomes;
    report.shares = vec![
        ("told", told, report.made),
        ("unlinked in time", in_time, report.made),
        ("unlinked when dead", late, report.made),
        ("of the rounds with more than one outcome", contested, rounds),
    ];
    report.notes.push(format!("head starts {:.0} and {:.0} at last", lead.value(), hold.value()));
    report
}

/// One of two that link and unlink each other.
struct Twin;
impl Actor for Twin {}

/// Links and unlinks so often, as these bits say; then says whom it is linked with.
struct Dance(ActorRef<Twin>, u64);
impl Message for Dance {
    type Reply = ();
}
impl Handler<Dance> for Twin {
    async fn handle(&mut self, Dance(peer, bits): Dance, ctx: &Context<Self>) {
        for n in 0..16 {
            if bits >> n & 1 == 1 { ctx.link(&peer) } else { ctx.unlink(&peer) }
        }
    }
}
struct LinkedWith;
impl Message for LinkedWith {
    type Reply = Vec<ActorId>;
}
impl Handler<LinkedWith> for Twin {
    async fn handle(&mut self, _: LinkedWith, ctx: &Context<Self>) -> Vec<ActorId> {
        ctx.links()
    }
}

/// R71, R73: two link and unlink each other at the same time; then they are linked, as both say, and die together, or neither
/// is hurt by the other's death.
pub fn links_from_both_sides() -> Report {
    let runtime = Runtime::builder().workers(WORKERS).slow_handler(Duration::MAX).build().unwrap();
    let (mut report, mut numbers) = (Report::default(), Numbers::new());
    let (mut linked, mut apart) = (0, 0);
    // Sixteen links, or ends of links, by either.
    for _ in 0..monitors().div_ceil(32) {
        let twins = [0; 2].map(|_| runtime.start(Twin).unwrap());
        let dances = [0, 1].map(|n| {
            let peer = twins[1 - n].clone();
            twins[n].request(Dance(peer, numbers.below(1 << 16) as u64)).no_timeout()
        });
        dances.into_iter().for_each(|dance| dance.wait().unwrap());
        let says = [0, 1].map(|n| {
            let links = twins[n].request(LinkedWith).no_timeout().wait().unwrap();
            assert!(links.is_empty() || links == [twins[1 - n].id()]);
            !links.is_empty()
        });
        report.lost += usize::from(says[0] != says[1]);
        let first = numbers.below(2);
        let mut end = twins[first].wait_exit();
        let _ = Pin::new(&mut end).poll(&mut TaskContext::from_waker(Waker::noop())); // begun: over when all have been told
        twins[first].kill();
        end.wait();
        let other = &twins[1 - first];
        if says[0] {
            linked += 1;
            report.lost += usize::from(other.wait_exit().wait().root_cause() != &ExitReason::Kill);
        } else {
            apart += 1;
            // It lives, and has looked at whatever has come.
            report.doubled += usize::from(other.request(LinkedWith).no_timeout().wait() != Ok(Vec::new()));
        }
        report.made += 32;
    }
    drop(runtime);
    report.shares = vec![("linked", linked, linked + apart), ("not linked", apart, linked + apart)];
    report
}
