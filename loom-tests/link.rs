//! Links: whoever makes, ends or breaks them, there is a whole link or none, and each death brings one signal or none.
//!
//! Most models are run twice: what is decided in the table of the lower of two may go wrong for the higher only.

use deathwatch::internals::cell::{Birth, CellRef};
use deathwatch::internals::monitor::entry::{link, links, unlink};
use deathwatch::internals::sync::Arc;
use deathwatch::internals::sync::atomic::{AtomicBool, Ordering};
use deathwatch::{ActorId, ExitReason};

use crate::crew::{Log, Pool, ended, note, send};
use crate::fixture::{Heard, Note, Party, spawn};
use crate::harness::{Bound, model};

/// Who calls, and the other; the first is the lower, or the higher.
fn two(caller_is_lower: bool) -> (Party, Party) {
    let (one, other) = (Party::new(), Party::new());
    if caller_is_lower { (one, other) } else { (other, one) }
}

fn linked(caller_is_lower: bool) -> (Party, Party) {
    let (a, b) = two(caller_is_lower);
    link(&a.cell(), &b.cell());
    (a, b)
}

/// Is this the signal of that one's death, which was of a kill? (Or of that it was dead before.)
fn is_signal(of: ActorId, reason: &ExitReason) -> bool {
    let ExitReason::Link(report) = reason else { panic!("died of {reason} and not of a link") };
    assert_eq!(report.from(), of);
    match report.reason() {
        ExitReason::Kill => true,
        ExitReason::NoProc => false,
        reason => panic!("it did not die of {reason}"),
    }
}

/// Nothing of a link is in its table.
fn is_free(cell: &CellRef) -> bool {
    links(cell).is_empty() && cell.table.len() == 0
}

/// Whether the two are linked, which both must say.
fn are_linked(a: &Party, b: &Party) -> bool {
    let linked = !links(&a.cell()).is_empty();
    assert_eq!(a.cell().table.len(), usize::from(linked));
    assert_eq!(b.cell().table.len(), usize::from(linked), "half a link");
    assert_eq!(links(&b.cell()).len(), usize::from(linked), "half a link");
    linked
}

/// Nothing is left in either list, of two that are not linked. What was cancelled before it was in its list is found by the next sweep
/// only, so there is another link, and an end of that.
fn comes_to_nothing(a: &Party, b: &Party) {
    let cells = [a.cell(), b.cell()];
    link(&cells[0], &cells[1]);
    unlink(&cells[0], &cells[1]);
    for cell in cells {
        assert_eq!((cell.watchers.stale(), cell.watchers.is_empty()), (0, true));
    }
}

/// One dies, and the other has its signal, or none if they were not linked. Then nothing is left.
fn is_told(mut a: Party, b: Party, linked: bool) {
    let id = b.cell().id;
    b.die(ExitReason::Kill);
    match a.look() {
        Some(reason) => assert!(linked && is_signal(id, &reason)),
        None => assert!(!linked),
    }
    assert_eq!(a.look(), None);
    assert!(is_free(&a.cell()));
    a.end();
}

fn peer_dies(caller_is_lower: bool) {
    let (mut a, b) = two(caller_is_lower);
    let (caller, peer, id) = (a.cell(), b.cell(), b.cell().id);
    let exit = spawn(move || b.die(ExitReason::Kill));
    link(&caller, &peer);
    exit.join().unwrap();
    is_signal(id, &a.look().expect("it hears of the death"));
    assert_eq!(a.look(), None);
    assert!(is_free(&caller));
    a.end();
}

/// R71, R72: somebody is linked who dies: one signal, with the true reason, or with `NoProc` if it was dead before.
#[test]
fn link_vs_exit_of_the_peer() {
    model("link_vs_exit_of_the_peer", Bound::Preemptions(3), 410, || peer_dies(true));
    model("link_vs_exit_of_the_lower_peer", Bound::Preemptions(3), 150, || peer_dies(false));
}

fn caller_dies(caller_is_lower: bool) {
    let (a, mut b) = two(caller_is_lower);
    let (caller, peer, id) = (a.cell(), b.cell(), a.cell().id);
    let exit = spawn(move || a.die(ExitReason::Kill));
    link(&caller, &peer);
    exit.join().unwrap();
    if let Some(reason) = b.look() {
        assert!(is_signal(id, &reason));
    }
    assert!(is_free(&peer));
    b.end();
}

/// R71: who links dies meanwhile: the other is told the true reason, or they were not linked; nothing is left.
#[test]
fn link_vs_exit_of_the_caller() {
    model("link_vs_exit_of_the_caller", Bound::Preemptions(3), 85, || caller_dies(true));
    model("link_vs_exit_of_the_higher_caller", Bound::Preemptions(3), 300, || caller_dies(false));
}

/// R71: both link each other at once: there is one link.
#[test]
fn link_vs_link() {
    model("link_vs_link", Bound::Preemptions(3), 4_100, || {
        let (a, b) = two(true);
        let (one, other) = (a.cell(), b.cell());
        let theirs = spawn(move || link(&other, &one));
        link(&a.cell(), &b.cell());
        theirs.join().unwrap();
        assert!(are_linked(&a, &b));
        is_told(a, b, true);
    });
}

fn linked_twice_and_dies(caller_is_lower: bool) {
    let (mut a, b) = two(caller_is_lower);
    let (one, other, id) = (a.cell(), b.cell(), b.cell().id);
    let theirs = spawn(move || link(&other, &one));
    let (caller, peer) = (a.cell(), b.cell());
    let exit = spawn(move || b.die(ExitReason::Kill));
    link(&caller, &peer);
    theirs.join().unwrap();
    exit.join().unwrap();
    is_signal(id, &a.look().expect("it hears of the death"));
    assert_eq!(a.look(), None, "once");
    assert!(is_free(&caller));
    a.end();
}

/// R71, R72: both link each other at once, and one dies.
#[test]
fn link_vs_link_vs_exit() {
    model("link_vs_link_vs_exit", Bound::NoMoreThan(1, 2), 490, || linked_twice_and_dies(true));
    model("link_vs_link_vs_exit_of_the_lower", Bound::NoMoreThan(1, 2), 630, || linked_twice_and_dies(false));
}

fn dead_is_linked_twice(caller_is_lower: bool) {
    let (mut a, b) = two(caller_is_lower);
    let (caller, dead) = (a.cell(), b.cell());
    b.die(ExitReason::Kill);
    let again = spawn({
        let (caller, dead) = (caller.clone(), dead.clone());
        move || link(&caller, &dead)
    });
    link(&caller, &dead);
    again.join().unwrap();
    assert!(!is_signal(dead.id, &a.look().expect("it hears that nobody is there")));
    assert_eq!(a.look(), None, "once");
    assert!(is_free(&caller));
    a.end();
}

/// R72: two threads link an actor with the same dead one: one signal.
#[test]
fn two_links_to_the_dead() {
    model("two_links_to_the_dead", Bound::Preemptions(3), 1_400, || dead_is_linked_twice(true));
    model("two_links_to_the_lower_dead", Bound::Preemptions(3), 100, || dead_is_linked_twice(false));
}

fn unlinked_while_peer_dies(caller_is_lower: bool) {
    let (mut a, b) = linked(caller_is_lower);
    let (caller, peer) = (a.cell(), b.cell());
    let exit = spawn(move || b.die(ExitReason::Kill));
    unlink(&caller, &peer);
    assert_eq!(a.look(), None);
    exit.join().unwrap();
    assert_eq!(a.look(), None, "unlinked is unlinked");
    assert!(is_free(&caller));
    a.end();
}

/// R73: an actor unlinks one that dies: nothing comes of that.
#[test]
fn unlink_vs_exit_of_the_peer() {
    model("unlink_vs_exit_of_the_peer", Bound::Preemptions(3), 3_100, || unlinked_while_peer_dies(true));
    model("unlink_vs_exit_of_the_lower_peer", Bound::Preemptions(3), 2_000, || {
        unlinked_while_peer_dies(false)
    });
}

fn unlinked_while_caller_dies(caller_is_lower: bool) {
    let (a, mut b) = linked(caller_is_lower);
    let (caller, peer, id) = (a.cell(), b.cell(), a.cell().id);
    let exit = spawn(move || a.die(ExitReason::Kill));
    unlink(&caller, &peer);
    exit.join().unwrap();
    // Called by another thread than its own: the death may have been first.
    if let Some(reason) = b.look() {
        assert!(is_signal(id, &reason));
    }
    assert!(is_free(&peer));
    b.end();
}

/// R73: who unlinks dies meanwhile.
#[test]
fn unlink_vs_exit_of_the_caller() {
    model("unlink_vs_exit_of_the_caller", Bound::Preemptions(3), 1_600, || unlinked_while_caller_dies(true));
    model("unlink_vs_exit_of_the_higher_caller", Bound::Preemptions(3), 3_000, || {
        unlinked_while_caller_dies(false);
    });
}

fn unlinked_while_looking(caller_is_lower: bool) {
    let (mut a, b) = linked(caller_is_lower);
    let (caller, peer, id) = (a.cell(), b.cell(), b.cell().id);
    let unlinked = Arc::new(AtomicBool::new(false));
    let exit = spawn(move || b.die(ExitReason::Kill));
    let looker = spawn({
        let unlinked = unlinked.clone();
        move || {
            let before = unlinked.load(Ordering::Acquire);
            let died = a.look();
            if let Some(reason) = &died {
                assert!(is_signal(id, reason) && !before, "after the unlink");
            }
            a
        }
    });
    unlink(&caller, &peer);
    unlinked.store(true, Ordering::Release);
    exit.join().unwrap();
    let mut a = looker.join().unwrap();
    assert_eq!(a.look(), None, "unlinked is unlinked");
    assert!(is_free(&caller));
    a.end();
}

/// R73: another thread unlinks while the peer dies and the actor looks: its look comes to something, or the unlink was first.
#[test]
fn unlink_vs_exit_vs_looking() {
    model("unlink_vs_exit_vs_looking", Bound::Preemptions(2), 3_400, || unlinked_while_looking(true));
    model("unlink_vs_exit_vs_looking_of_the_higher", Bound::Preemptions(2), 5_200, || {
        unlinked_while_looking(false);
    });
}

/// R71, R73: one links while the other unlinks: a whole link or none. (Which of the two is which makes no difference to either.)
#[test]
fn unlink_vs_link() {
    model("unlink_vs_link", Bound::Preemptions(3), 8_000, || {
        let (a, b) = two(true);
        let (one, other) = (a.cell(), b.cell());
        let ending = spawn(move || unlink(&one, &other));
        link(&a.cell(), &b.cell());
        ending.join().unwrap();
        let linked = are_linked(&a, &b);
        is_told(a, b, linked);
    });
}

fn dead_is_linked_and_unlinked(caller_is_lower: bool) {
    let (mut a, b) = two(caller_is_lower);
    let (caller, dead) = (a.cell(), b.cell());
    b.die(ExitReason::Kill);
    let ending = spawn({
        let (caller, dead) = (caller.clone(), dead.clone());
        move || unlink(&caller, &dead)
    });
    link(&caller, &dead);
    ending.join().unwrap();
    if let Some(reason) = a.look() {
        assert!(!is_signal(dead.id, &reason));
        assert_eq!(a.look(), None);
    }
    assert!(is_free(&caller));
    let third = Party::new();
    comes_to_nothing(&a, &third);
    third.end();
    a.end();
}

/// R72, R73: one thread links a dead actor while another unlinks it: one signal or none, and nothing left in the list of who lives.
#[test]
fn unlink_vs_link_to_the_dead() {
    model("unlink_vs_link_to_the_dead", Bound::Preemptions(3), 220, || dead_is_linked_and_unlinked(true));
    model("unlink_vs_link_to_the_lower_dead", Bound::Preemptions(3), 960, || {
        dead_is_linked_and_unlinked(false);
    });
}

fn linked_and_unlinked_while_one_dies(caller_is_lower: bool) {
    let (mut a, b) = two(caller_is_lower);
    let (caller, peer, id) = (a.cell(), b.cell(), b.cell().id);
    let exit = spawn(move || b.die(ExitReason::Kill));
    let ending = spawn({
        let (caller, peer) = (caller.clone(), peer.clone());
        move || unlink(&caller, &peer)
    });
    link(&caller, &peer);
    exit.join().unwrap();
    ending.join().unwrap();
    if let Some(reason) = a.look() {
        is_signal(id, &reason);
        assert_eq!(a.look(), None);
    }
    assert!(is_free(&caller));
    let third = Party::new();
    comes_to_nothing(&a, &third);
    third.end();
    a.end();
}

/// R71, R73: the same while the peer dies: one signal or none, and nothing left.
#[test]
fn unlink_vs_link_vs_exit() {
    model("unlink_vs_link_vs_exit", Bound::NoMoreThan(1, 2), 1_500, || {
        linked_and_unlinked_while_one_dies(true)
    });
    model("unlink_vs_link_vs_exit_of_the_lower", Bound::NoMoreThan(1, 2), 2_100, || {
        linked_and_unlinked_while_one_dies(false);
    });
}

fn unlinked_twice_while_one_dies(caller_is_lower: bool) {
    let (mut a, b) = linked(caller_is_lower);
    let (caller, peer) = (a.cell(), b.cell());
    let theirs = spawn({
        let (caller, peer) = (caller.clone(), peer.clone());
        move || unlink(&peer, &caller)
    });
    let exit = spawn(move || b.die(ExitReason::Kill));
    unlink(&caller, &peer);
    assert_eq!(a.look(), None, "unlinked is unlinked, and be it that another is in the middle of that");
    exit.join().unwrap();
    assert_eq!(a.look(), None, "unlinked is unlinked");
    theirs.join().unwrap();
    assert!(is_free(&caller));
    a.end();
}

/// R73: both unlink at once, and one dies: who has unlinked hears nothing, and be it that the other thread is in the middle of it.
#[test]
fn unlink_vs_unlink_vs_exit() {
    model("unlink_vs_unlink_vs_exit", Bound::NoMoreThan(1, 2), 1_600, || unlinked_twice_while_one_dies(true));
    model("unlink_vs_unlink_vs_exit_of_the_lower", Bound::NoMoreThan(1, 2), 900, || {
        unlinked_twice_while_one_dies(false);
    });
}

/// R73: both unlink at once: no link, and nothing left of it in either list.
#[test]
fn unlink_vs_unlink() {
    model("unlink_vs_unlink", Bound::Preemptions(2), 7_100, || {
        let (a, b) = linked(true);
        let (one, other) = (a.cell(), b.cell());
        let theirs = spawn(move || unlink(&other, &one));
        unlink(&a.cell(), &b.cell());
        theirs.join().unwrap();
        assert!(!are_linked(&a, &b));
        comes_to_nothing(&a, &b);
        is_told(a, b, false);
    });
}

/// One links while the other unlinks and links.
fn a_late_maker(caller_is_lower: bool) {
    let (a, b) = two(caller_is_lower);
    let (other, one) = (b.cell(), a.cell());
    let theirs = spawn(move || {
        unlink(&other, &one);
        link(&other, &one);
    });
    link(&a.cell(), &b.cell());
    theirs.join().unwrap();
    assert!(are_linked(&a, &b), "no unlinking came after the last linking");
    is_told(a, b, true);
}

/// R71: the higher links while the lower unlinks and links. Whoever is late, they are linked at the end, and the death is told.
#[test]
fn link_vs_unlink_and_link_by_the_lower() {
    model("link_vs_unlink_and_link_by_the_lower", Bound::NoMoreThan(1, 2), 1_300, || a_late_maker(false));
}

/// R71: the lower links while the higher unlinks and links: the same.
#[test]
fn link_vs_unlink_and_link_by_the_higher() {
    model("link_vs_unlink_and_link_by_the_higher", Bound::NoMoreThan(1, 2), 1_200, || a_late_maker(true));
}

/// R71, R73: both unlink at once, and a third thread links them: a whole link or none, and nothing left of the other.
#[test]
fn unlink_vs_unlink_vs_link() {
    model("unlink_vs_unlink_vs_link", Bound::NoMoreThan(1, 2), 27_000, || {
        let (a, b) = linked(true);
        let (one, other) = (a.cell(), b.cell());
        let theirs = spawn(move || unlink(&other, &one));
        let (one, other) = (a.cell(), b.cell());
        let ours = spawn(move || unlink(&one, &other));
        link(&a.cell(), &b.cell());
        theirs.join().unwrap();
        ours.join().unwrap();
        are_linked(&a, &b);
        unlink(&a.cell(), &b.cell());
        comes_to_nothing(&a, &b);
        is_told(a, b, false);
    });
}

/// R71, R46: both of a link die.
#[test]
fn both_exit() {
    model("both_ends_exit", Bound::Preemptions(3), 17_000, || {
        let (a, b) = linked(true);
        let cells = [a.cell(), b.cell()];
        let exit = spawn(move || b.die(ExitReason::Kill));
        a.die(ExitReason::Kill);
        exit.join().unwrap();
        assert!(cells.iter().all(is_free));
    });
}

/// R71, R46: the same while they are being linked by a third thread.
#[test]
fn both_exit_while_linked() {
    model("both_ends_exit_while_linked", Bound::Preemptions(2), 14_000, || {
        let (a, b) = two(true);
        let cells = [a.cell(), b.cell()];
        let exits = [a, b].map(|party| spawn(move || party.die(ExitReason::Kill)));
        link(&cells[0], &cells[1]);
        exits.into_iter().for_each(|exit| assert!(exit.join().unwrap().is_empty()));
        assert!(cells.iter().all(is_free));
    });
}

fn linked_anew(caller_is_lower: bool) {
    let (mut a, b) = linked(caller_is_lower);
    let (caller, peer, id) = (a.cell(), b.cell(), b.cell().id);
    let exit = spawn(move || b.die(ExitReason::Kill));
    let first = a.look();
    if let Some(reason) = &first {
        assert!(is_signal(id, reason));
        link(&caller, &peer); // whose exit may not be through
    }
    exit.join().unwrap();
    let second = a.look().expect("one signal for each link");
    assert_ne!(is_signal(id, &second), first.is_some(), "no such actor, when it was linked anew");
    assert_eq!(a.look(), None);
    assert!(is_free(&caller));
    a.end();
}

/// R72, R73: an actor that has looked at a signal links the dead one anew, whose exit is not through.
#[test]
fn relink_vs_exit() {
    model("relink_vs_exit", Bound::Preemptions(3), 210, || linked_anew(true));
    model("relink_vs_exit_of_the_lower", Bound::Preemptions(3), 550, || linked_anew(false));
}

/// R73, R74: unlinked and linked anew at once while the peer dies: the new link brings one signal, and the old one none.
#[test]
fn unlink_and_link_vs_exit() {
    model("unlink_and_link_vs_exit", Bound::Preemptions(3), 10_000, || {
        let (mut a, b) = linked(true);
        let (caller, peer, id) = (a.cell(), b.cell(), b.cell().id);
        let exit = spawn(move || b.die(ExitReason::Kill));
        unlink(&caller, &peer);
        link(&caller, &peer);
        exit.join().unwrap();
        is_signal(id, &a.look().expect("of the new link"));
        assert_eq!(a.look(), None);
        assert!(is_free(&caller));
        a.end();
    });
}

/// R74, R17: what the peer sent before it died is handled before its `Exit`, and an `Exit` that stands in the mailbox is taken
/// back by an unlink.
#[test]
fn trapped_exit_vs_unlink() {
    model("trapped_exit_vs_unlink", Bound::Preemptions(2), 4_700, || {
        let (mut a, b) = linked(true);
        a.trap_exit();
        let (caller, peer, id) = (a.cell(), b.cell(), b.cell().id);
        let address = a.address();
        let exit = spawn(move || {
            assert!(address.push_parcel(Note::parcel(1)).is_ok());
            b.die(ExitReason::Kill)
        });
        let ours = spawn(move || {
            unlink(&caller, &peer);
        });
        assert_eq!(a.look(), None, "it traps");
        a.handle_all();
        exit.join().unwrap();
        ours.join().unwrap();
        assert_eq!(a.look(), None);
        let cell = a.cell();
        let heard = a.end();
        match &heard[..] {
            [Heard::Note(1)] => {}
            [Heard::Note(1), Heard::Exit(from, ExitReason::Kill)] => assert_eq!(*from, id),
            other => panic!("{other:?}"),
        }
        assert!(is_free(&cell));
    });
}

/// R74: exits that have come, one after the other, while the actor's exit closes its signals.
#[test]
fn signal_vs_exit_of_who_is_told() {
    model("signal_vs_exit_of_who_is_told", Bound::NoMoreThan(1, 2), 410, || {
        let (a, b, c) = (Party::new(), Party::new(), Party::new());
        link(&a.cell(), &b.cell());
        link(&c.cell(), &a.cell());
        let cell = a.cell();
        let exits = [b, c].map(|party| spawn(move || party.die(ExitReason::Kill)));
        assert!(a.die(ExitReason::Normal).is_empty());
        exits.into_iter().for_each(|exit| assert!(exit.join().unwrap().is_empty()));
        assert!(is_free(&cell));
    });
}

/// R71, R75: an actor with a life is linked with one that dies: it ends, or lives on after a normal exit, however its run and the
/// signal fall together.
#[test]
fn signal_vs_end_of_run() {
    model("signal_vs_end_of_run", Bound::Preemptions(3), 750, || {
        let (pool, log) = (Pool::new(), Log::new());
        let (actor, peer) = (pool.sleeper(Birth::default()), Party::new());
        link(actor.cell(), &peer.cell());
        let id = peer.cell().id;
        let exit = spawn(move || peer.die(ExitReason::Kill));
        assert!(send(&actor, note(&log, 1)));
        pool.run_one();
        exit.join().unwrap();
        let cell = actor.cell().clone();
        assert!(is_signal(id, &ended(&pool, &cell)));
        assert!(log.read().len() <= 1);
        assert!(is_free(&cell));
    });
}

/// R75: two signals, of which one is of a normal exit: that does not hide the other.
#[test]
fn signals_vs_run() {
    model("signals_vs_run", Bound::Preemptions(2), 8_200, || {
        let pool = Pool::new();
        let (actor, normal, killed) = (pool.sleeper(Birth::default()), Party::new(), Party::new());
        link(actor.cell(), &normal.cell());
        link(actor.cell(), &killed.cell());
        let id = killed.cell().id;
        let exits =
            [spawn(move || normal.die(ExitReason::Normal)), spawn(move || killed.die(ExitReason::Kill))];
        pool.run_one();
        exits.into_iter().for_each(|exit| assert!(exit.join().unwrap().is_empty()));
        let cell = actor.cell().clone();
        assert!(is_signal(id, &ended(&pool, &cell)));
        assert!(is_free(&cell));
    });
}

/// R76, R77: a signal and a kill at once: the actor dies of one of the two.
#[test]
fn signal_vs_kill_vs_run() {
    model("signal_vs_kill_vs_run", Bound::Preemptions(2), 700, || {
        let pool = Pool::new();
        let (actor, peer) = (pool.sleeper(Birth::default()), Party::new());
        link(actor.cell(), &peer.cell());
        let (cell, id) = (actor.cell().clone(), peer.cell().id);
        let exit = spawn(move || peer.die(ExitReason::Kill));
        let kill = spawn({
            let cell = cell.clone();
            move || cell.kill()
        });
        pool.run_one();
        exit.join().unwrap();
        kill.join().unwrap();
        match ended(&pool, &cell) {
            ExitReason::Kill => {}
            reason => assert!(is_signal(id, &reason)),
        }
        assert!(is_free(&cell));
    });
}
