//! A `Down` that overtakes.

use std::thread;

use deathwatch::{ActorRef, Demonitor, ExitReason, MonitorRef, Options};

use crate::doll::{Doll, Pair, Play, in_all_combinations, pair};
use crate::support::{end, solo};

in_all_combinations! {
    overtakes_what_stands_in_the_mailbox
    keeps_the_order_of_its_kind
    of_the_dead
    taken_back
    beside_an_ordinary_one
    the_watcher_dies_with_it
    the_rest_keeps_its_order
    is_seen_as_a_monitor
    wakes_the_watcher
}

impl<W: Doll, T: Doll> Pair<W, T> {
    fn monitor_priority(&self) -> MonitorRef {
        W::monitor_priority(&self.ctx, &self.target)
    }
}

/// While a handler is kept, whose thread may not wait itself.
fn end_meanwhile<T: Doll>(targets: &[ActorRef<T>]) {
    thread::scope(|scope| scope.spawn(|| targets.iter().for_each(end)).join()).expect("they end");
}

/// R54: what the target, and others, have sent before comes after it.
fn overtakes_what_stands_in_the_mailbox<W: Doll, T: Doll>() {
    let pair = pair::<W, T>();
    pair.monitor_priority();
    let wedge = pair.watcher.wedge();
    for n in 0..100 {
        W::note(&pair.watcher, n);
    }
    let watcher = pair.watcher.clone();
    pair.target.call(move |_, _| W::note(&watcher, 100));
    pair.stop();
    drop(wedge);
    assert_eq!(pair.heard.down().reason, ExitReason::Normal);
    assert_eq!(pair.watcher.downs(), 1);
    let notes: Vec<String> = (0..=100).map(|n| format!("note {n}")).collect();
    assert_eq!(pair.heard.labels(), notes);
}

/// R54: those of several deaths come in the order of the deaths, also when some have overtaken and are not handled yet.
fn keeps_the_order_of_its_kind<W: Doll, T: Doll>() {
    let (stand, stage) = (solo(), solo());
    let targets: Vec<_> = (0..9).map(|_| T::on(&stage).0).collect();
    let mut rest = targets[3..].to_vec();
    let (watcher, heard) = W::new();
    // The second and the third stand in front when the others die.
    let watcher = watcher.at_down(move |_| end_meanwhile(&std::mem::take(&mut rest)));
    let watcher = watcher.start_with(Options::new().runtime(&stand)).expect("the runtime runs");
    let ctx = watcher.context();
    for target in &targets {
        W::monitor_priority(&ctx, target);
    }
    let wedge = watcher.wedge();
    W::note(&watcher, 1);
    targets[..3].iter().for_each(end);
    drop(wedge);
    for target in &targets {
        assert_eq!(heard.down().target, target.id());
    }
    assert_eq!(heard.label(), "note 1");
}

/// R54: monitored when it is dead already: the Down overtakes as well.
fn of_the_dead<W: Doll, T: Doll>() {
    let pair = pair::<W, T>();
    pair.stop();
    let wedge = pair.watcher.wedge();
    W::note(&pair.watcher, 1);
    pair.monitor_priority();
    drop(wedge);
    assert_eq!(pair.heard.label(), "down normal");
    assert_eq!(pair.heard.label(), "note 1");
}

/// R29, R54: cancelled before the death; flushed when it has overtaken and is not handled.
fn taken_back<W: Doll, T: Doll>() {
    let pair = pair::<W, T>();
    let (cancelled, flushed) = (pair.monitor_priority(), pair.monitor_priority());
    assert_eq!(pair.ctx.demonitor(cancelled), Demonitor::Cancelled);
    let wedge = pair.watcher.wedge();
    pair.stop();
    let Demonitor::Flushed(down) = pair.ctx.demonitor(flushed) else { panic!("it has come") };
    assert_eq!((down.monitor_ref, down.target), (flushed, pair.target.id()));
    assert_eq!(pair.ctx.demonitor(flushed), Demonitor::Unknown);
    drop(wedge);
    assert_eq!(pair.watcher.downs(), 0);
    assert!(pair.heard.ready().is_none());
}

/// R17, R54: without the option a Down stays where it came.
fn beside_an_ordinary_one<W: Doll, T: Doll>() {
    let pair = pair::<W, T>();
    let (ordinary, priority) = (pair.monitor(), pair.monitor_priority());
    let wedge = pair.watcher.wedge();
    W::note(&pair.watcher, 1);
    pair.stop();
    drop(wedge);
    assert_eq!(pair.heard.down().monitor_ref, priority);
    assert_eq!(pair.heard.label(), "note 1");
    assert_eq!(pair.heard.down().monitor_ref, ordinary);
    assert_eq!(pair.watcher.downs(), 2);
}

/// R41, R54: nothing is handled of what has overtaken when the watcher ends.
fn the_watcher_dies_with_it<W: Doll, T: Doll>() {
    let pair = pair::<W, T>();
    pair.monitor_priority();
    let wedge = pair.watcher.wedge();
    pair.stop();
    let Pair { watcher, ctx, heard, .. } = pair;
    watcher.kill();
    drop((wedge, ctx, watcher));
    assert_eq!(heard.until_gone(), ["dropped"]);
}

/// R14, R54: the messages of others stay in order around it.
fn the_rest_keeps_its_order<W: Doll, T: Doll>() {
    let pair = pair::<W, T>();
    pair.monitor_priority();
    let wedge = pair.watcher.wedge();
    let targets = [pair.target.clone()];
    W::note(&pair.watcher, 1);
    pair.watcher.tell(move |_, _| end_meanwhile(&targets));
    W::note(&pair.watcher, 2);
    W::note(&pair.watcher, 3);
    drop(wedge);
    assert_eq!(pair.watcher.downs(), 1);
    assert_eq!(pair.heard.labels(), ["note 1", "down normal", "note 2", "note 3"]);
}

/// R57, R54: both sides show it.
fn is_seen_as_a_monitor<W: Doll, T: Doll>() {
    let pair = pair::<W, T>();
    let key = pair.monitor_priority();
    assert_eq!(pair.ctx.monitors(), [(key, pair.target.id())]);
    assert_eq!(pair.target.handle().monitored_by(), [pair.watcher.id()]);
    pair.stop();
    assert_eq!(pair.watcher.downs(), 1);
    assert_eq!(pair.ctx.monitors(), []);
}

/// R54: it comes to a watcher that has nothing else to do.
fn wakes_the_watcher<W: Doll, T: Doll>() {
    let pair = pair::<W, T>();
    pair.monitor_priority();
    pair.watcher.call(|_, _| ());
    pair.target.kill();
    assert_eq!(pair.heard.down().reason, ExitReason::Kill);
}
