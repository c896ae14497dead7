//! Who waits for whom.

use std::time::Duration;

use deathwatch::{ActorId, ActorRef, Context, Message, Runtime, Snapshot};

use crate::doll::{Doll, Play, TaskDoll, ThreadDoll};
use crate::support::{poll_once, solo_by_hand};

/// The time limit of each request.
const SECOND: Duration = Duration::from_secs(1);

/// Asks the next one, and that one the next; the reply is how many there are behind.
struct Ask(Vec<Asked>);
impl Message for Ask {
    type Reply = usize;
}

#[derive(Clone)]
enum Asked {
    Task(ActorRef<AsTask>),
    Thread(ActorRef<AsThread>),
}

impl Asked {
    fn id(&self) -> ActorId {
        match self {
            Asked::Task(one) => one.id(),
            Asked::Thread(one) => one.id(),
        }
    }

    fn on(runtime: &Runtime, thread: bool) -> Self {
        if thread {
            Asked::Thread(runtime.start(AsThread).expect("it starts"))
        } else {
            Asked::Task(runtime.start(AsTask).expect("it starts"))
        }
    }

    fn ask(&self, path: &[Asked]) {
        let rest = Ask(path.to_vec());
        match self {
            Asked::Task(one) => one.send(rest).map_err(|_| ()).expect("it lives"),
            Asked::Thread(one) => one.send(rest).map_err(|_| ()).expect("it lives"),
        }
    }
}

struct AsTask;
impl deathwatch::tasks::Actor for AsTask {}
impl deathwatch::tasks::Handler<Ask> for AsTask {
    async fn handle(&mut self, Ask(path): Ask, _: &Context<Self>) -> usize {
        let Some((first, rest)) = path.split_first() else { return 0 };
        let rest = Ask(rest.to_vec());
        match first {
            Asked::Task(one) => one.request(rest).timeout(SECOND).await.map_or(0, |n| n + 1),
            Asked::Thread(one) => one.request(rest).timeout(SECOND).await.map_or(0, |n| n + 1),
        }
    }
}

struct AsThread;
impl deathwatch::threads::Actor for AsThread {}
impl deathwatch::threads::Handler<Ask> for AsThread {
    fn handle(&mut self, Ask(path): Ask, _: &Context<Self>) -> usize {
        let Some((first, rest)) = path.split_first() else { return 0 };
        let rest = Ask(rest.to_vec());
        match first {
            Asked::Task(one) => one.request(rest).timeout(SECOND).wait().map_or(0, |n| n + 1),
            Asked::Thread(one) => one.request(rest).timeout(SECOND).wait().map_or(0, |n| n + 1),
        }
    }
}

fn until(runtime: &Runtime, so: impl Fn(&Snapshot) -> bool) -> Snapshot {
    loop {
        let snapshot = runtime.snapshot();
        if so(&snapshot) {
            return snapshot;
        }
        std::thread::yield_now();
    }
}

/// A ring of three, of both modes: it is seen, in its order, as long as it is there, and no longer.
#[test]
fn a_ring_is_seen() {
    let _dog = watchdog!();
    for threads in [[false, false, false], [true, true, true], [false, true, false]] {
        let (runtime, clock) = solo_by_hand();
        let all: Vec<Asked> = threads.iter().map(|thread| Asked::on(&runtime, *thread)).collect();
        let [a, b, c] = &all[..] else { unreachable!() };
        a.ask(&[b.clone(), c.clone(), a.clone()]);
        let ring = [a.id(), b.id(), c.id()];
        let snapshot = until(&runtime, |snapshot| !snapshot.wait_rings().is_empty());
        assert_eq!(snapshot.wait_rings(), [ring]);
        assert_eq!(snapshot.actor(c.id()).expect("lives").waits_for, [a.id()]);
        assert!(
            snapshot
                .to_string()
                .contains(&format!("wait for one another: {} {} {}", ring[0], ring[1], ring[2]))
        );
        assert!(snapshot.to_dot().contains(&format!("a{} -> a{} [style=dotted", c.id().get(), a.id().get())));
        clock.advance(SECOND);
        until(&runtime, |snapshot| snapshot.wait_rings().is_empty());
    }
}

/// A chain is no ring, and over when the reply is there.
#[test]
fn a_chain_is_no_ring() {
    let _dog = watchdog!();
    let runtime = Runtime::builder().workers(1).build().expect("one worker");
    let (a, b) = (Asked::on(&runtime, true), Asked::on(&runtime, false));
    let (doll, _) = ThreadDoll::on(&runtime);
    let wedge = doll.wedge();
    let target = doll.clone();
    // Asked beside the handler: who pipes does not wait.
    let (watcher, _) = TaskDoll::on(&runtime);
    watcher.tell(move |_, ctx| {
        let asked = target.ask(|_, _| ());
        ctx.pipe(asked, |_| crate::support::Note(1));
    });
    a.ask(std::slice::from_ref(&b));
    let snapshot = until(&runtime, |snapshot| snapshot.actor(a.id()).is_some_and(|a| a.handled == Some(1)));
    assert!(snapshot.wait_rings().is_empty());
    assert!(snapshot.actor(a.id()).expect("lives").waits_for.is_empty(), "it has its reply");
    assert!(snapshot.actor(watcher.id()).expect("lives").waits_for.is_empty(), "it does not wait itself");
    drop(wedge);
}

/// A request that is dropped, or was never polled, is waited for by nobody; nor is one of plain code.
#[test]
fn who_has_left_does_not_wait() {
    let _dog = watchdog!();
    let runtime = Runtime::builder().workers(1).build().expect("one worker");
    let (stuck, _) = ThreadDoll::on(&runtime);
    let wedge = stuck.wedge();
    let mut outside = stuck.ask(|_, _| ());
    assert!(poll_once(&mut outside).is_pending());
    let (asker, _) = TaskDoll::on(&runtime);
    let target = stuck.clone();
    let seen = asker.call(move |_, ctx| {
        let waits = || Snapshot::current().actor(ctx.id()).expect("lives").waits_for.clone();
        let mut requests: Vec<_> = (0..6).map(|_| target.ask(|_, _| ())).collect();
        let before = waits();
        requests.iter_mut().for_each(|request| assert!(poll_once(request).is_pending()));
        let during = waits();
        drop(requests);
        (before, during, waits())
    });
    assert_eq!(seen, (vec![], vec![stuck.id(); 4], vec![]));
    drop(wedge);
}
