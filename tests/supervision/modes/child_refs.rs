//! What stands for a child across its restarts.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use deathwatch::Monitors;
use deathwatch::supervisor::{Backoff, ChildError, ChildSpec, ChildWait, Restart, Supervisor};

use crate::parts::*;
use crate::support::{Idle, Tally, begun, poll_once, solo_by_hand, waker_of};

in_both_modes! {
    before_and_after
    in_the_gap
    gone_for_good
    stopped_and_started_again
    monitored_by_incarnation
    of_a_whole_branch
    given_to_a_sibling
    found_by_its_name
    waits_that_are_given_up
    keeps_nobody_running
}

/// R19: it is there before the child is, and stays the same across restarts, with another identity each time.
fn before_and_after<P: Part>() {
    let (runtime, _clock) = solo_by_hand();
    let (board, _told) = Board::new();
    let spec = P::spec("a", &board);
    let a = spec.child_ref();
    assert!(a.get().is_none());
    let mut early = a.ready();
    assert!(poll_once(&mut early).is_pending(), "somebody may start it");
    let _supervisor = start(Supervisor::one_for_one().intensity(10, SECOND).child(spec), &runtime);
    let mut seen = vec![early.wait().unwrap().id()];
    for how in ENDS {
        end(&ready(&a), how);
        let next = ready(&a);
        assert_eq!(P::hello(&next), "a");
        assert!(!seen.contains(&next.id()));
        seen.push(next.id());
    }
    assert_eq!(
        format!("{a:?}"),
        format!("ChildRef {{ child: ChildId(a), present: Some({:?}) }}", seen.last().unwrap())
    );
}

/// R19: between two incarnations there is nobody: who does not want to wait is told at once, who does gets the next one.
fn in_the_gap<P: Part>() {
    let (runtime, clock) = solo_by_hand();
    let (board, _told) = Board::new();
    let backoff = Backoff::constant(SECOND);
    let supervisor = Supervisor::one_for_one().backoff(backoff).child(P::spec("a", &board));
    let supervisor = start(supervisor, &runtime);
    let a = supervisor.find_child::<P>("a").wait().unwrap().unwrap();
    let first = ready(&a);
    end(&first, End::Panic);
    words(&supervisor);
    assert!(a.get().is_none());
    let (woken, mut waits) = (Tally::default(), [a.ready(), a.ready()]);
    let waker = {
        let woken = woken.clone();
        waker_of(move || woken.add())
    };
    for wait in &mut waits {
        let polled = Pin::new(wait).poll(&mut Context::from_waker(&waker));
        assert!(polled.is_pending());
    }
    clock.advance(SECOND);
    while woken.count() < 2 {
        std::thread::yield_now();
    }
    for wait in waits {
        assert_ne!(wait.wait().unwrap().id(), first.id());
    }
    // From a thread that is blocked meanwhile.
    end(&ready(&a), End::Panic);
    words(&supervisor);
    let waiting = std::thread::spawn({
        let a = a.clone();
        move || ready(&a).id()
    });
    clock.advance(SECOND);
    assert_eq!(waiting.join().unwrap(), ready(&a).id());
}

/// R19: who waits for a child that nobody is about to start is told at once, whether it ended or its supervisor did.
fn gone_for_good<P: Part>() {
    let (runtime, _clock) = solo_by_hand();
    let (board, _told) = Board::new();
    let specs = [P::spec("a", &board).restart(Restart::Temporary), P::spec("b", &board)];
    let [a, b] = specs.each_ref().map(ChildSpec::child_ref);
    let supervisor = start(specs.into_iter().fold(Supervisor::one_for_one(), Supervisor::child), &runtime);
    supervisor.ready().wait().unwrap();
    end(&ready(&a), End::Normal);
    assert_eq!(a.ready().wait(), Err(ChildError::Gone("a".into())));
    let last = ready(&b);
    supervisor.kill();
    begun(last.wait_exit()).wait();
    supervisor.wait_exit().wait();
    assert_eq!(b.ready().wait().unwrap_err().to_string(), "the child b is gone");
    // Of a spec that was never used, and is dropped while somebody waits.
    let spec = P::spec("c", &board);
    let mut waits = spec.child_ref().ready();
    assert!(poll_once(&mut waits).is_pending());
    drop(spec);
    assert_eq!(poll_once(&mut waits), Poll::Ready(Err(ChildError::Gone("c".into()))));
}

/// R19: stopped by hand it is gone, and back when it is restarted.
fn stopped_and_started_again<P: Part>() {
    let (runtime, _clock) = solo_by_hand();
    let (board, _told) = Board::new();
    let spec = P::spec("a", &board);
    let a = spec.child_ref();
    let supervisor = start(Supervisor::one_for_one().child(spec), &runtime);
    ready(&a);
    supervisor.stop_child(&a).wait().unwrap().unwrap();
    assert!(a.ready().wait().is_err());
    supervisor.restart_child(&a).wait().unwrap().unwrap();
    assert_eq!(P::hello(&ready(&a)), "a");
}

/// R19: a monitor is of one incarnation, and of that only.
fn monitored_by_incarnation<P: Part>() {
    let (runtime, _clock) = solo_by_hand();
    let (board, _told) = Board::new();
    let spec = P::spec("a", &board);
    let a = spec.child_ref();
    let _supervisor = start(Supervisor::one_for_one().child(spec), &runtime);
    let first = ready(&a);
    let mut monitors = Monitors::new();
    monitors.monitor(&first);
    end(&first, End::Kill);
    let down = monitors.recv().unwrap();
    assert_eq!((down.target, down.name.as_deref()), (first.id(), Some("a")));
    end(&ready(&a), End::Kill);
    ready(&a);
    assert!(monitors.is_empty(), "no monitor is left");
}

/// R19: it stays the same when the supervisor itself is restarted, by the one above.
fn of_a_whole_branch<P: Part>() {
    let (runtime, _clock) = solo_by_hand();
    let (board, told) = Board::new();
    let leaf = P::spec("a", &board);
    let a = leaf.child_ref();
    let branch = ChildSpec::new("branch", move || Supervisor::one_for_one().child(leaf.clone()));
    let found = branch.child_ref();
    let tree = start(Supervisor::one_for_one().child(branch), &runtime);
    let (first, branch) = (ready(&a), ready(&found));
    branch.kill();
    let second = loop {
        // The leaf is killed after its supervisor; until then it is found.
        let next = ready(&a);
        if next.id() != first.id() {
            break next;
        }
    };
    assert_eq!(P::hello(&second), "a");
    assert_ne!(ready(&found).id(), branch.id());
    told.is(&["+a", "+a"]);
    tree.stop();
    tree.wait_exit().wait();
    assert!(a.ready().wait().is_err() && found.ready().wait().is_err());
}

/// R19: a sibling is given it before either is started.
fn given_to_a_sibling<P: Part>() {
    let (runtime, _clock) = solo_by_hand();
    let (board, told) = Board::new();
    let store = P::spec("store", &board);
    let found = store.child_ref();
    let client = {
        let board = board.clone();
        P::made_by("client", move || {
            let store = found.get().ok_or("the store is up before")?;
            board.tell(format!("with {}", store.name().unwrap_or_default()));
            Ok(P::made("client", &board))
        })
    };
    let supervisor = start(Supervisor::rest_for_one().child(store).child(client), &runtime);
    supervisor.ready().wait().unwrap();
    told.is(&["+store", "with store", "+client"]);
    let store = supervisor.find_child::<P>("store").wait().unwrap().unwrap();
    end(&ready(&store), End::Kill);
    told.is(&["-client", "+store", "with store", "+client"]);
}

/// R19: a running supervisor gives it by the child's name, to whoever knows the type.
fn found_by_its_name<P: Part>() {
    let (runtime, _clock) = solo_by_hand();
    let (board, _told) = Board::new();
    let supervisor = start(Supervisor::one_for_one().child(P::spec("a", &board)), &runtime);
    let a = supervisor.find_child::<P>("a").wait().unwrap().unwrap();
    assert_eq!(P::hello(&ready(&a)), "a");
    assert_eq!(
        supervisor.find_child::<Idle>("a").wait().unwrap().unwrap_err(),
        ChildError::WrongType("a".into())
    );
    assert_eq!(supervisor.find_child::<P>("b").wait().unwrap().unwrap_err(), ChildError::Unknown("b".into()));
}

/// R19: a wait that is dropped is not woken, and leaves nothing behind; one that was polled by another waker wakes the last one.
fn waits_that_are_given_up<P: Part>() {
    let (runtime, _clock) = solo_by_hand();
    let (board, _told) = Board::new();
    let spec = P::spec("a", &board);
    let a = spec.child_ref();
    let [given_up, replaced, kept] = [(); 3].map(|()| Tally::default());
    let waker = |tally: &Tally| {
        let (tally, held) = (tally.clone(), tally.one());
        waker_of(move || {
            let _ = &held;
            tally.add();
        })
    };
    let poll = |wait: &mut ChildWait<P>, tally: &Tally| {
        let waker = waker(tally);
        assert!(Pin::new(wait).poll(&mut Context::from_waker(&waker)).is_pending());
    };
    let mut wait = a.ready();
    poll(&mut wait, &given_up);
    assert_eq!(given_up.count(), 0);
    drop(wait);
    assert_eq!(given_up.count(), 1, "its waker is dropped");
    let mut wait = a.ready();
    poll(&mut wait, &replaced);
    poll(&mut wait, &kept);
    assert_eq!(replaced.count(), 1, "its waker is dropped");
    let _supervisor = start(Supervisor::one_for_one().child(spec), &runtime);
    while kept.count() < 2 {
        std::thread::yield_now(); // woken, and dropped
    }
    wait.wait().unwrap();
    assert_eq!((given_up.count(), replaced.count()), (1, 1), "woken was the last one only");
}

/// R12, R19: it keeps neither the child nor its supervisor running, and sends to nobody when nobody is there.
fn keeps_nobody_running<P: Part>() {
    let (runtime, _clock) = solo_by_hand();
    let (board, _told) = Board::new();
    let spec = P::spec("a", &board);
    let a = spec.child_ref();
    assert!(a.get().is_none());
    let supervisor = start(Supervisor::one_for_one().child(spec), &runtime);
    ready(&a);
    let gone = begun(supervisor.wait_exit());
    drop(supervisor);
    gone.wait();
    assert!(a.get().is_none());
    while runtime.live_actors() > 0 {
        std::thread::yield_now();
    }
}
