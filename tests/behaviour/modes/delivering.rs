//! Downs arrive.

use std::sync::mpsc;

use deathwatch::{ExitReason, Mailbox, Monitors, OnFull, Options};

use crate::doll::{Doll, Play, in_all_combinations, pair};
use crate::support::{Event, solo};

in_all_combinations! {
    once_and_complete
    the_same_reason_for_all
    last_words_first
    the_target_is_gone
    restarted
    to_a_dead_watcher
    to_a_namesake
    past_a_full_mailbox
    a_panic_in_the_handler
    past_those_who_are_stuck
    retold
    many_watchers
}

/// R14, R15, R28: one Down, of the right name, identity and reason, with nothing else going on.
fn once_and_complete<W: Doll, T: Doll>() {
    let (stand, stage) = (solo(), solo());
    let (watcher, heard) = W::on(&stand);
    let (target, _) = T::new();
    let target = target.start_with(Options::new().runtime(&stage).name("target")).unwrap();
    let monitor = W::monitor(&watcher.context(), &target);
    target.stop();
    let down = heard.down();
    assert_eq!((down.monitor_ref, down.target, down.reason), (monitor, target.id(), ExitReason::Normal));
    assert_eq!(down.name.as_deref(), Some("target"));
    target.wait_exit().wait();
    assert_eq!(watcher.downs(), 1);
}

/// R16: all who ask are given the same reason, and share it.
fn the_same_reason_for_all<W: Doll, T: Doll>() {
    let pair = pair::<W, T>();
    pair.monitor();
    let mut plain = Monitors::new();
    plain.monitor(&pair.target);
    let wedge = pair.target.wedge();
    let asked = pair.target.ask(|_, _| ());
    pair.target.stop_with(ExitReason::error("x".repeat(100_000)));
    drop(wedge);
    let reason = pair.target.wait_exit().wait();
    let texts = [
        pair.heard.down().reason.to_string(),
        plain.recv().unwrap().reason.to_string(),
        pair.target.exit_reason().unwrap().to_string(),
        format!("error: {}", "x".repeat(100_000)),
    ];
    assert!(texts.iter().all(|text| *text == reason.to_string()));
    drop(asked);
}

/// R17: what the target sent its watcher, up to its drop, comes before the Down.
fn last_words_first<W: Doll, T: Doll>() {
    let (stand, stage) = (solo(), solo());
    let (watcher, heard) = W::on(&stand);
    let (target, _) = T::new();
    let (at_stop, at_drop) = (watcher.clone(), watcher.clone());
    let target = target.at_stop(move |_| W::note(&at_stop, 2)).at_drop(move || W::note(&at_drop, 3));
    let target = target.start_with(Options::new().runtime(&stage)).unwrap();
    W::monitor(&watcher.context(), &target);
    let to = watcher.clone();
    target.tell(move |_, ctx| {
        W::note(&to, 1);
        ctx.stop();
    });
    let labels: Vec<_> = (0..4).map(|_| heard.label()).collect();
    assert_eq!(labels, ["note 1", "note 2", "note 3", "down normal"]);
}

/// R18: when the Down is handled, the target's stop hook has ended, its value is dropped, and it counts as dead.
fn the_target_is_gone<W: Doll, T: Doll>() {
    let (stand, stage) = (solo(), solo());
    let (target, seen) = T::on(&stage);
    let (watcher, heard) = W::new();
    let (tell, told) = mpsc::channel();
    let dead = target.downgrade();
    let watcher = watcher.at_down(move |_| {
        let gone = (seen.labels(), dead.is_alive(), dead.exit_reason());
        tell.send(gone).unwrap();
    });
    let watcher = watcher.start_with(Options::new().runtime(&stand)).unwrap();
    W::monitor(&watcher.context(), &target);
    target.stop();
    let (labels, alive, reason) = told.recv().unwrap();
    assert_eq!(labels, ["stopped normal", "dropped"]);
    assert_eq!((alive, reason), (false, Some(ExitReason::Normal)));
    drop(heard);
}

/// R19: a watcher starts the dead target anew, under the same name: that is another one, with a Down of its own.
fn restarted<W: Doll, T: Doll>() {
    let (stand, stage) = (solo(), solo());
    let options = Options::new().runtime(&stage).name("target");
    let first = T::new().0.start_with(options.clone()).unwrap();
    let (restart, restarted) = mpsc::channel();
    let mut times = 0;
    let (watcher, heard) = W::new();
    let watcher = watcher.at_down(move |ctx| {
        times += 1;
        if times == 1 {
            let again = T::new().0.start_with(options.clone()).unwrap();
            restart.send((W::monitor(ctx, &again), again)).unwrap();
        }
    });
    let watcher = watcher.start_with(Options::new().runtime(&stand)).unwrap();
    let (bystander, heard_beside) = W::on(&stand);
    let monitor = W::monitor(&watcher.context(), &first);
    W::monitor(&bystander.context(), &first);
    first.kill();
    let down = heard.down();
    assert_eq!((down.monitor_ref, down.target), (monitor, first.id()));
    let (monitor, second) = restarted.recv().unwrap();
    assert_ne!(second.id(), first.id());
    assert!(second.is_alive() && !first.is_alive());
    second.stop();
    let down = heard.down();
    assert_eq!((down.monitor_ref, down.target, down.reason), (monitor, second.id(), ExitReason::Normal));
    assert_eq!(down.name.as_deref(), Some("target"));
    assert_eq!(first.exit_reason(), Some(ExitReason::Kill));
    assert_eq!(heard_beside.down().target, first.id());
    assert_eq!(bystander.downs(), 1);
}

/// R20: a Down for a dead watcher vanishes; others are told.
fn to_a_dead_watcher<W: Doll, T: Doll>() {
    let pair = pair::<W, T>();
    pair.monitor();
    let mut plain = Monitors::new();
    plain.monitor(&pair.target);
    let wedge = pair.target.wedge();
    pair.target.stop();
    pair.watcher.kill();
    pair.watcher.wait_exit().wait();
    drop(wedge);
    assert_eq!(plain.recv().map(|down| down.reason), Some(ExitReason::Normal));
    assert_eq!(pair.heard.until_gone(), ["dropped"]);
}

/// R23: a Down for a dead watcher does not reach the one that was started after it, under its name.
fn to_a_namesake<W: Doll, T: Doll>() {
    let (stand, stage) = (solo(), solo());
    let (target, _) = T::on(&stage);
    let options = Options::new().runtime(&stand).name("watcher");
    let (first, _) = W::new();
    let first = first.start_with(options.clone()).unwrap();
    W::monitor(&first.context(), &target);
    first.stop();
    first.wait_exit().wait();
    let (second, _) = W::new();
    let second = second.start_with(options).unwrap();
    let mut after = Monitors::new();
    after.monitor(&target);
    target.stop();
    assert!(after.recv().is_some());
    assert_eq!(second.downs(), 0);
}

/// R21, R26: a full mailbox neither refuses a Down nor delays the target's end.
fn past_a_full_mailbox<W: Doll, T: Doll>() {
    for policy in [OnFull::Reject, OnFull::Wait, OnFull::DropNewest, OnFull::DropOldest] {
        let (stand, stage) = (solo(), solo());
        let (watcher, heard) = W::new();
        let options = Options::new().runtime(&stand).mailbox(Mailbox::bounded(1, policy));
        let watcher = watcher.start_with(options).unwrap();
        let (target, _) = T::on(&stage);
        W::monitor(&watcher.context(), &target);
        let wedge = watcher.wedge();
        W::note(&watcher, 1); // fills it
        target.stop();
        assert_eq!(target.wait_exit().wait(), ExitReason::Normal);
        drop(wedge);
        assert_eq!([heard.label(), heard.label()], ["note 1", "down normal"]);
    }
}

/// R24: a panic in the handler of a Down is a panic in a handler; the other Downs of that death are told.
fn a_panic_in_the_handler<W: Doll, T: Doll>() {
    let (stand, stage) = (solo(), solo());
    let (target, _) = T::on(&stage);
    let (weak_nerves, _) = W::new();
    let weak_nerves = weak_nerves.at_down(|_| panic!("too much"));
    let weak_nerves = weak_nerves.start_with(Options::new().runtime(&stand)).unwrap();
    let (calm, heard) = W::on(&stand);
    W::monitor(&weak_nerves.context(), &target);
    W::monitor(&calm.context(), &target);
    target.stop();
    assert_eq!(weak_nerves.wait_exit().wait().to_string(), "panic: too much");
    assert_eq!(heard.down().reason, ExitReason::Normal);
}

/// R26: who is stuck delays nobody else's Down.
fn past_those_who_are_stuck<W: Doll, T: Doll>() {
    let pair = pair::<W, T>();
    let other_stand = solo();
    let (other, heard) = W::on(&other_stand);
    pair.monitor();
    W::monitor(&other.context(), &pair.target);
    let wedge = pair.watcher.wedge();
    pair.stop();
    assert_eq!(heard.down().target, pair.target.id());
    assert!(pair.heard.ready().is_none());
    drop(wedge);
    assert_eq!(pair.heard.down().target, pair.target.id());
}

/// R51: a message of one's own in place of the Down, also of the dead, never after a cancel.
fn retold<W: Doll, T: Doll>() {
    let pair = pair::<W, T>();
    let cancelled = W::monitor_retold(&pair.ctx, &pair.target);
    let kept = W::monitor_retold(&pair.ctx, &pair.target);
    pair.ctx.demonitor(cancelled);
    pair.stop();
    let Event::Retold(down) = pair.heard.next() else { panic!("a retold Down expected") };
    assert_eq!(down.monitor_ref, kept);
    let late = W::monitor_retold(&pair.ctx, &pair.target);
    let Event::Retold(down) = pair.heard.next() else { panic!("a retold Down expected") };
    assert_eq!(down.monitor_ref, late);
    assert_eq!(pair.watcher.downs(), 0);
    assert!(pair.heard.ready().is_none());
}

/// R14, R63: 600 watchers of one target, and 600 targets of one watcher.
fn many_watchers<W: Doll, T: Doll>() {
    const MANY: usize = 600;
    let builder = || deathwatch::Runtime::builder().workers(1).stack_size(64 * 1024).build().unwrap();
    let (stand, stage) = (builder(), builder());
    let (target, _) = T::on(&stage);
    let watchers: Vec<_> = (0..MANY).map(|_| W::on(&stand)).collect();
    for (watcher, _) in &watchers {
        W::monitor(&watcher.context(), &target);
    }
    target.stop();
    for (watcher, heard) in &watchers {
        assert_eq!(heard.down().target, target.id());
        assert_eq!(watcher.downs(), 1);
    }
    let targets: Vec<_> = (0..MANY).map(|_| T::on(&stage).0).collect();
    let (watcher, heard) = &watchers[0];
    let ctx = watcher.context();
    for target in &targets {
        W::monitor(&ctx, target);
    }
    targets.iter().for_each(|target| target.kill());
    let mut told: Vec<_> = targets.iter().map(|_| heard.down().target).collect();
    let mut expected: Vec<_> = targets.iter().map(|target| target.id()).collect();
    told.sort();
    expected.sort();
    assert_eq!(told, expected);
}
