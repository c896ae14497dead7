//! What a recorder is told.

use std::time::Instant;

use deathwatch::{AliasUntil, Demonitor, Mailbox, Monitors, OnFull, Options, Pool, Runtime, census};

use crate::board::{Board, board};
use crate::doll::{Doll, Play, TaskDoll, in_both_modes};
use crate::support::{Idle, Note, begun, poll_once, solo};
use crate::turn;

in_both_modes! {
    lives
    deaths_that_are_told
    downs_that_overtake
    deaths_of_long_ago
    messages
    messages_that_are_refused
    messages_by_an_alias
    what_waits_to_be_freed
}

/// What has been added since the beginning of a test.
struct Since {
    board: &'static Board,
    counters: Vec<(&'static str, u64)>,
    samples: Vec<(&'static str, usize)>,
}

const COUNTERS: [&str; 9] = [
    "deathwatch_actor_starts_total",
    "deathwatch_actor_exits_total{reason=normal}",
    "deathwatch_actor_exits_total{reason=kill}",
    "deathwatch_actor_exits_total{reason=panic}",
    "deathwatch_downs_sent_total",
    "deathwatch_sends_rejected_total{reason=closed}",
    "deathwatch_sends_rejected_total{reason=full}",
    "deathwatch_sends_rejected_total{reason=displaced}",
    "deathwatch_sends_rejected_total{reason=no_alias}",
];
const SAMPLES: [&str; 5] = [
    "deathwatch_down_latency_seconds",
    "deathwatch_handler_seconds",
    "deathwatch_mailbox_wait_seconds",
    "deathwatch_mailbox_depth",
    "deathwatch_exit_seconds",
];

fn since() -> Since {
    let board = board();
    Since {
        board,
        counters: COUNTERS.iter().map(|name| (*name, board.counter(name))).collect(),
        samples: SAMPLES.iter().map(|name| (*name, board.samples(name).len())).collect(),
    }
}

impl Since {
    fn counted(&self, name: &str) -> u64 {
        let (_, before) =
            self.counters.iter().find(|(counter, _)| *counter == name).expect("it is in the list");
        self.board.counter(name) - before
    }

    /// Sends that were rejected for this reason.
    fn rejected(&self, why: &str) -> u64 {
        self.counted(&format!("deathwatch_sends_rejected_total{{reason={why}}}"))
    }

    fn sampled(&self, name: &str) -> Vec<f64> {
        let (_, before) = self.samples.iter().find(|(sample, _)| *sample == name).expect("it is in the list");
        let samples = self.board.samples(name).split_off(*before);
        assert!(samples.iter().all(|sample| (0.0..1e9).contains(sample)), "{name}: {samples:?}");
        samples
    }
}

/// Exits are told when they are over.
fn all_gone(runtime: &Runtime) {
    while runtime.live_actors() > 0 {
        std::thread::yield_now();
    }
}

/// R59: how many actors there are, how many have started, of what they died, and how long each exit took.
fn lives<D: Doll>() {
    let (_turn, since) = (turn(), since());
    let alive = since.board.gauge("deathwatch_actors_alive");
    let runtime = solo();
    let dolls: Vec<_> = (0..3).map(|_| D::on(&runtime).0).collect();
    dolls.iter().for_each(|doll| doll.call(|_, _| ()));
    assert_eq!(since.board.gauge("deathwatch_actors_alive"), alive + 3.0);
    assert_eq!(since.counted("deathwatch_actor_starts_total"), 3);
    dolls[0].kill();
    let _ = dolls[1].ask(|_, _| -> () { panic!("boom") }).wait();
    dolls[2].stop();
    all_gone(&runtime);
    assert_eq!(since.board.gauge("deathwatch_actors_alive"), alive);
    for reason in ["kill", "panic", "normal"] {
        assert_eq!(since.counted(&format!("deathwatch_actor_exits_total{{reason={reason}}}")), 1, "{reason}");
    }
    assert_eq!(since.sampled("deathwatch_exit_seconds").len(), 3);
}

/// R59: monitors, `Down`s, and how late these are handled.
fn deaths_that_are_told<D: Doll>() {
    let (_turn, since) = (turn(), since());
    let active = || since.board.gauge("deathwatch_monitors_active");
    let before = active();
    let runtime = solo();
    let ((target, _), (watcher, _)) = (D::on(&runtime), D::on(&runtime));
    let mut outside = Monitors::new();
    let taken_back = outside.monitor(&target);
    outside.monitor(&target);
    let at = target.clone();
    watcher.call(move |_, ctx| {
        (0..5).for_each(|_| _ = D::monitor(ctx, &at));
        D::monitor(ctx, &ctx.handle()); // of oneself: none
        ctx.link(&at);
        ctx.unlink(&at);
    });
    assert_eq!(active(), before + 7.0);
    assert!(matches!(outside.demonitor(taken_back), Demonitor::Cancelled));
    assert_eq!(active(), before + 6.0);
    target.kill();
    assert_eq!(outside.recv().expect("it was watched").target, target.id());
    while watcher.downs() < 5 {}
    assert_eq!(since.counted("deathwatch_downs_sent_total"), 6);
    assert_eq!(since.sampled("deathwatch_down_latency_seconds").len(), 6);
    assert_eq!(active(), before);
    // Of the dead, and flushed.
    let late = outside.monitor(&target);
    assert!(matches!(outside.demonitor(late), Demonitor::Flushed(_)));
    assert_eq!((active(), since.counted("deathwatch_downs_sent_total")), (before, 7));
    // A watcher takes its own with it.
    let (target, _) = D::on(&runtime);
    let at = target.clone();
    watcher.call(move |_, ctx| (0..3).for_each(|_| _ = D::monitor(ctx, &at)));
    assert_eq!(active(), before + 3.0);
    let end = begun(watcher.wait_exit());
    watcher.stop();
    end.wait();
    assert_eq!(active(), before);
}

/// A `Down` that overtakes is counted as any other.
fn downs_that_overtake<D: Doll>() {
    let (_turn, since) = (turn(), since());
    let before = since.board.gauge("deathwatch_monitors_active");
    let runtime = solo();
    let ((target, _), (watcher, _)) = (D::on(&runtime), D::on(&runtime));
    let at = target.clone();
    watcher.call(move |_, ctx| _ = D::monitor_priority(ctx, &at));
    assert_eq!(since.board.gauge("deathwatch_monitors_active"), before + 1.0);
    target.kill();
    while watcher.downs() < 1 {}
    assert_eq!(since.counted("deathwatch_downs_sent_total"), 1);
    assert_eq!(since.sampled("deathwatch_down_latency_seconds").len(), 1);
    assert_eq!(since.board.gauge("deathwatch_monitors_active"), before);
}

/// Who asks after a death of long ago is told late by no more than since it asked.
fn deaths_of_long_ago<D: Doll>() {
    let (_turn, since) = (turn(), since());
    let runtime = solo();
    let ((target, _), (watcher, _)) = (D::on(&runtime), D::on(&runtime));
    target.kill();
    target.wait_exit().wait();
    // This takes longer than it takes to look at the time when the `Down` has been handled.
    (0..100).for_each(|_| D::on(&runtime).0.call(|_, _| ()));
    let asked = Instant::now();
    watcher.call(move |_, ctx| _ = D::monitor(ctx, &target));
    while watcher.downs() < 1 {}
    let at_most = asked.elapsed().as_secs_f64();
    let late = since.sampled("deathwatch_down_latency_seconds");
    assert!(late.len() == 1 && late[0] <= at_most, "{late:?} of {at_most}");
}

/// How long messages wait and are handled, and how many an actor finds.
fn messages<D: Doll>() {
    for mailbox in [Mailbox::unbounded(), Mailbox::bounded(10, OnFull::DropOldest)] {
        messages_in::<D>(mailbox);
    }
}

fn messages_in<D: Doll>(mailbox: Mailbox) {
    let (_turn, since) = (turn(), since());
    let runtime = solo();
    let doll = D::new().0.start_with(Options::new().runtime(&runtime).mailbox(mailbox)).expect("it starts");
    let wedge = doll.wedge();
    (0..4).for_each(|n| D::note(&doll, n));
    drop(wedge);
    doll.call(|_, _| ());
    doll.kill();
    doll.wait_exit().wait();
    // The wedge's, the notes, and the call.
    assert_eq!(since.sampled("deathwatch_handler_seconds").len(), 6);
    assert_eq!(since.sampled("deathwatch_mailbox_wait_seconds").len(), 6);
    assert!(since.sampled("deathwatch_mailbox_depth").iter().any(|depth| *depth >= 4.0));
}

/// Refused, because the actor is dead, or its mailbox full; by the sender's leave or without.
fn messages_that_are_refused<D: Doll>() {
    let (_turn, since) = (turn(), since());
    let runtime = solo();
    for (on_full, full, displaced) in
        [(OnFull::Reject, 3, 0), (OnFull::DropNewest, 3, 0), (OnFull::DropOldest, 0, 3)]
    {
        let since = self::since();
        let mailbox = Mailbox::bounded(1, on_full);
        let doll =
            D::new().0.start_with(Options::new().runtime(&runtime).mailbox(mailbox)).expect("it starts");
        let wedge = doll.wedge();
        D::note(&doll, 0);
        (1..3).for_each(|n| _ = D::try_note(&doll, n));
        let asked = doll.ask(|_, _| ());
        assert_eq!(since.rejected("full"), full, "{on_full:?}");
        assert_eq!(since.rejected("displaced"), displaced, "{on_full:?}");
        drop((asked, wedge));
        doll.stop();
        doll.wait_exit().wait();
        assert!(!D::try_note(&doll, 3));
        assert!(doll.ask(|_, _| ()).wait().is_err());
        assert_eq!(since.rejected("closed"), 2, "{on_full:?}");
    }
    assert_eq!(since.rejected("closed"), 6);
}

/// What comes by an alias that is over.
fn messages_by_an_alias<D: Doll>() {
    let (_turn, since) = (turn(), since());
    let runtime = solo();
    let (doll, _) = D::on(&runtime);
    let alias = doll.call(|_, ctx| D::alias(ctx, AliasUntil::First));
    assert!(alias.send(Note(1)).is_ok());
    doll.call(|_, _| ());
    assert!(alias.send(Note(2)).is_err());
    assert_eq!(since.rejected("no_alias"), 1);
}

/// R59: entries that await reclamation: held back by a guard, and freed after it.
fn what_waits_to_be_freed<D: Doll>() {
    const MANY: usize = 1000;
    let _turn = turn();
    let awaiting = || board().gauge("deathwatch_entries_awaiting_reclamation");
    let runtime = solo();
    let (target, _) = D::on(&runtime);
    let mut monitors = Monitors::new();
    let guard = census::pinned();
    for _ in 0..MANY {
        let monitor = monitors.monitor(&target);
        monitors.demonitor(monitor);
    }
    assert!(awaiting() >= (MANY / 2) as f64, "{}", awaiting());
    drop(guard);
    while awaiting() >= (MANY / 4) as f64 {
        census::flush();
        let monitor = monitors.monitor(&target);
        monitors.demonitor(monitor);
    }
}

/// Who waits until there is room has not been refused, unless the actor dies before.
#[test]
fn senders_that_wait() {
    let _dog = watchdog!();
    let (_turn, since) = (turn(), since());
    let rejected = |why| since.rejected(why);
    let runtime = solo();
    let options = Options::new().runtime(&runtime).mailbox(Mailbox::bounded(1, OnFull::Wait));
    let doll = TaskDoll::new().0.start_with(options).expect("it starts");
    let wedge = doll.wedge();
    TaskDoll::note(&doll, 0);
    let mut sent = doll.send_wait(Note(1));
    assert!(poll_once(&mut sent).is_pending());
    drop(wedge);
    sent.wait().expect("it lives");
    assert_eq!((rejected("full"), rejected("closed")), (0, 0));
    doll.call(|_, _| ());
    let wedge = doll.wedge();
    TaskDoll::note(&doll, 2);
    let asked = doll.ask(|_, _| ());
    let mut sent = doll.send_wait(Note(3));
    assert!(poll_once(&mut sent).is_pending());
    doll.kill();
    drop(wedge);
    sent.wait().expect_err("it is dead");
    asked.wait().expect_err("it is dead");
    assert_eq!((rejected("full"), rejected("closed")), (0, 2));
}

/// Jobs that a pool does not take, or drops for newer ones.
#[test]
fn pools() {
    let _dog = watchdog!();
    let (_turn, since) = (turn(), since());
    let rejected = |why| since.rejected(why);
    let runtime = solo();
    let jobs = |on_full| {
        let pool = Pool::builder(|_| TaskDoll::new().0).workers(1).queue(Mailbox::bounded(1, on_full));
        let pool = pool.options(Options::new().runtime(&runtime)).start().expect("it starts");
        let wedge = crate::doll::wedge_by(|job| pool.send(job).map_err(|_| ()).expect("it has room"));
        (0..3).for_each(|n| _ = pool.send(Note(n)));
        drop(pool.request(Note(3)));
        drop(wedge);
        pool.kill();
        pool.wait_exit().wait();
        pool.send(Note(4)).expect_err("it is gone");
        pool.request(Note(5)).wait().expect_err("it is gone");
    };
    jobs(OnFull::Reject);
    assert_eq!((rejected("full"), rejected("displaced"), rejected("closed")), (3, 0, 2));
    jobs(OnFull::DropNewest);
    assert_eq!((rejected("full"), rejected("displaced"), rejected("closed")), (6, 0, 4));
    jobs(OnFull::DropOldest);
    assert_eq!((rejected("full"), rejected("displaced"), rejected("closed")), (6, 3, 6));
}

/// A recorder is told of types that handle nothing but `Note`s, too.
#[test]
fn plain_actors() {
    let _dog = watchdog!();
    let (_turn, since) = (turn(), since());
    let runtime = solo();
    let (puppet, _events) = crate::support::Puppet::on(&runtime);
    puppet.send(Note(1)).expect("it lives");
    let idle = runtime.start(Idle).expect("it starts");
    idle.stop();
    puppet.stop();
    all_gone(&runtime);
    assert_eq!(since.counted("deathwatch_actor_starts_total"), 2);
    assert!(since.sampled("deathwatch_handler_seconds").len() <= 1);
}
