//! Actors on somebody else's executor: what is promised elsewhere holds, whatever the executor does with what it was given.
#![cfg(not(any(loom, shuttle)))]

#[path = "behaviour/support.rs"]
#[macro_use]
mod support;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context as TaskContext, Waker};
use std::thread;
use std::time::Duration;

use async_executor::Executor;
use deathwatch::{
    ActorFuture, Backend, ManualClock, Monitors, Options, RequestError, Runtime, ShutdownError, StreamEnd,
    prelude::*, threads,
};
use futures::channel::oneshot;
use futures::executor::block_on;
use futures::stream::{self, StreamExt};

use support::{Events, Idle, Note, Ping, Puppet, Tally, Told, end, poll_once, solo};

const LONG: Duration = Duration::from_secs(60);

/// What an actor can do at all, on this runtime.
fn does_everything(runtime: &Runtime) {
    let idle = runtime.start(Idle).unwrap();
    assert_eq!(idle.request(Ping(7)).wait(), Ok(7));
    let (watcher, heard) = Puppet::on(runtime);
    // A Down, and none that was taken back.
    let targets: Vec<_> = (0..3).map(|_| runtime.start(Idle).unwrap()).collect();
    let watched = targets.clone();
    watcher.call(move |_, ctx| {
        ctx.monitor(&watched[0]);
        let second = ctx.monitor(&watched[1]);
        ctx.demonitor(second);
        ctx.monitor(&watched[2]);
    });
    targets[0].stop();
    assert_eq!(heard.down().target, targets[0].id());
    end(&targets[1]);
    targets[2].kill();
    assert_eq!(heard.down().reason, ExitReason::Kill);
    // A timer, a stream, a child.
    watcher.call(|_, ctx| {
        ctx.send_after(Duration::from_millis(1), Note(1));
    });
    assert_eq!(heard.label(), "note 1");
    watcher.call(|_, ctx| {
        ctx.attach(stream::iter((2..100).map(Note)));
    });
    let notes: Vec<_> = (2..100).map(|_| heard.label()).collect();
    assert_eq!(notes, (2..100).map(|n| format!("note {n}")).collect::<Vec<_>>());
    let (child, _) = watcher.call(|_, ctx| ctx.spawn_monitored(Idle));
    assert_eq!(runtime.live_actors(), 3, "the child is here as well");
    drop(child);
    assert_eq!(heard.down().reason, ExitReason::Normal);
    // A panic is its own.
    let panics = watcher.call(|_, ctx| ctx.spawn_monitored(Faulty).0);
    panics.send(Note(0)).unwrap();
    assert!(matches!(heard.down().reason, ExitReason::Panic(_)));
    // A flood, from here and from there.
    let senders: Vec<_> = (0..2)
        .map(|_| {
            let watcher = watcher.clone();
            thread::spawn(move || (0..1_000).for_each(|n| watcher.send(Note(n)).unwrap()))
        })
        .collect();
    senders.into_iter().for_each(|sender| sender.join().unwrap());
    (0..2_000).for_each(|_| drop(heard.next()));
    end(&watcher);
    end(&idle);
}

struct Faulty;
impl Actor for Faulty {}
impl Handler<Note> for Faulty {
    async fn handle(&mut self, _: Note, _: &Context<Self>) {
        panic!("on purpose");
    }
}

#[test]
fn on_tokio_with_threads() {
    let _dog = watchdog!();
    let tokio = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    let handle = tokio.handle().clone();
    let runtime = Runtime::on(move |life| drop(handle.spawn(life))).unwrap();
    does_everything(&runtime);
    assert_eq!(runtime.shutdown(LONG), Ok(()));
}

#[test]
fn on_tokio_with_one_thread() {
    let _dog = watchdog!();
    let tokio = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let handle = tokio.handle().clone();
    let runtime = Runtime::on(move |life| drop(handle.spawn(life))).unwrap();
    let (done, driven) = oneshot::channel();
    let driver = thread::spawn(move || tokio.block_on(driven));
    does_everything(&runtime);
    assert_eq!(runtime.shutdown(LONG), Ok(()));
    done.send(()).unwrap();
    driver.join().unwrap().unwrap();
}

#[test]
fn on_the_executor_of_smol() {
    let _dog = watchdog!();
    let executor = Arc::new(Executor::new());
    let (done, driven) = oneshot::channel::<()>();
    let driver = thread::spawn({
        let executor = Arc::clone(&executor);
        move || block_on(executor.run(driven))
    });
    let runtime = Runtime::on({
        let executor = Arc::clone(&executor);
        move |life| executor.spawn(life).detach()
    })
    .unwrap();
    does_everything(&runtime);
    assert_eq!(runtime.shutdown(LONG), Ok(()));
    done.send(()).unwrap();
    driver.join().unwrap().unwrap();
    assert!(executor.is_empty(), "each future has come to its end");
}

/// One thread for each actor, by another way than that of threads mode.
#[test]
fn on_a_thread_for_each() {
    let _dog = watchdog!();
    let runtime = Runtime::on(|life| drop(thread::spawn(|| block_on(life)))).unwrap();
    does_everything(&runtime);
    drop(runtime);
}

/// Actors with threads of their own are not the executor's.
#[test]
fn other_backends() {
    struct Plain;
    impl threads::Actor for Plain {}
    impl threads::Handler<Ping> for Plain {
        fn handle(&mut self, Ping(n): Ping, _: &Context<Self>) -> u32 {
            n
        }
    }
    let _dog = watchdog!();
    let runtime = Runtime::on(|_| panic!("not asked")).unwrap();
    let options = || Options::new().runtime(&runtime);
    let plain = threads::Actor::start_with(Plain, options()).unwrap();
    assert_eq!(plain.request(Ping(1)).wait(), Ok(1));
    for backend in [Backend::Blocking, Backend::Thread] {
        let idle = Idle.start_with(options().backend(backend)).unwrap();
        assert_eq!(idle.request(Ping(2)).wait(), Ok(2));
    }
}

/// An executor that does what the test says.
#[derive(Clone, Default)]
struct ByHand(Arc<Mutex<Vec<ActorFuture>>>);

impl ByHand {
    fn runtime(&self) -> Runtime {
        let this = self.clone();
        Runtime::on(move |life| this.0.lock().unwrap().push(life)).unwrap()
    }

    /// Polls all of them, until so many are left that are not ready.
    fn poll(&self) -> usize {
        let lives = std::mem::take(&mut *self.0.lock().unwrap());
        let mut cx = TaskContext::from_waker(Waker::noop());
        let left: Vec<_> = lives
            .into_iter()
            .filter_map(|mut life| life.as_mut().poll(&mut cx).is_pending().then_some(life))
            .collect();
        let mut lives = self.0.lock().unwrap();
        lives.extend(left);
        lives.len()
    }

    /// Drops all.
    fn clear(&self) {
        let lives = std::mem::take(&mut *self.0.lock().unwrap());
        drop(lives);
    }
}

/// A puppet of that executor, and somebody who monitors it, of another.
fn watched(by_hand: &Runtime, elsewhere: &Runtime) -> (ActorRef<Puppet>, Events, Events) {
    let (target, seen) = Puppet::on(by_hand);
    let (watcher, heard) = Puppet::on(elsewhere);
    let watched = target.clone();
    watcher.call(move |_, ctx| ctx.monitor(&watched));
    watcher.detach();
    (target, seen, heard)
}

/// The future is dropped while the actor has nothing to do: it dies, and who monitors it is told.
#[test]
fn dropped_when_idle() {
    let _dog = watchdog!();
    let (executor, elsewhere) = (ByHand::default(), solo());
    let runtime = executor.runtime();
    let (target, seen, heard) = watched(&runtime, &elsewhere);
    assert_eq!(executor.poll(), 1);
    executor.clear();
    assert_eq!(heard.down().reason, ExitReason::Kill);
    assert_eq!(target.exit_reason(), Some(ExitReason::Kill));
    assert_eq!(seen.labels(), ["dropped"], "a kill runs no hook");
    assert_eq!(runtime.live_actors(), 0);
}

/// It is dropped before it was ever polled, with messages in the mailbox; a request fails at once.
#[test]
fn dropped_when_queued() {
    let _dog = watchdog!();
    let (executor, elsewhere) = (ByHand::default(), solo());
    let runtime = executor.runtime();
    let (target, seen, heard) = watched(&runtime, &elsewhere);
    target.send(Note(1)).unwrap();
    let mut request = target.request(support::call(|_, _| ()));
    assert!(poll_once(&mut request).is_pending());
    executor.clear();
    assert_eq!(heard.down().reason, ExitReason::Kill);
    assert_eq!(request.wait(), Err(RequestError::Exited(ExitReason::Kill)));
    assert_eq!(seen.labels(), ["dropped"]);
}

/// It is dropped by the one who was to take it.
#[test]
fn not_taken() {
    let _dog = watchdog!();
    let runtime = Runtime::on(drop).unwrap();
    let idle = runtime.start(Idle).unwrap();
    assert_eq!(idle.exit_reason(), Some(ExitReason::Kill));
    let mut monitors = Monitors::new();
    monitors.monitor(&idle);
    assert_eq!(monitors.recv().unwrap().reason, ExitReason::Kill);
}

/// It is dropped in the middle of a handler, whose future is dropped with it.
#[test]
fn dropped_in_a_handler() {
    let _dog = watchdog!();
    let (executor, elsewhere) = (ByHand::default(), solo());
    let runtime = executor.runtime();
    let (target, seen, heard) = watched(&runtime, &elsewhere);
    let tally = Tally::default();
    let counted = tally.one();
    let stays = support::act(move |_, _| {
        Box::pin(async move {
            let _counted = counted;
            std::future::pending::<()>().await;
        })
    });
    target.send(stays).unwrap();
    executor.poll();
    assert_eq!(tally.count(), 0);
    executor.clear();
    assert_eq!(heard.down().reason, ExitReason::Kill);
    assert_eq!((tally.count(), seen.labels().len()), (1, 1));
}

/// What feeds an actor ends with the runtime as well, also when it waits to be polled then.
#[test]
fn the_runtime_is_dropped_with_streams() {
    let _dog = watchdog!();
    let executor = ByHand::default();
    let runtime = executor.runtime();
    let (puppet, _seen) = Puppet::on(&runtime);
    let tally = Tally::default();
    let (polled, queued) = (tally.one(), tally.one());
    let attaches = |counted: support::Counted| {
        support::call(move |_, ctx: &Context<Puppet>| {
            ctx.attach(stream::pending::<Note>().map(move |note| {
                let _counted = &counted;
                note
            }));
        })
    };
    puppet.send(attaches(polled)).unwrap();
    executor.poll();
    executor.poll();
    puppet.send(attaches(queued)).unwrap();
    executor.poll();
    assert_eq!(runtime.shutdown(Duration::ZERO).map_err(|error| error.stuck), Err(0));
    assert_eq!(tally.count(), 2);
    assert_eq!(executor.poll(), 0);
}

/// The runtime is dropped on the thread that would have to poll: nobody waits for anybody, and what is left is ready.
#[test]
fn the_runtime_is_dropped() {
    let _dog = watchdog!();
    let executor = ByHand::default();
    let runtime = executor.runtime();
    let (queued, seen) = Puppet::on(&runtime);
    let (idle, seen_too) = Puppet::on(&runtime);
    executor.poll();
    queued.send(Note(1)).unwrap();
    drop(runtime);
    for (actor, seen) in [(queued, seen), (idle, seen_too)] {
        assert_eq!(actor.exit_reason(), Some(ExitReason::Kill));
        assert_eq!(seen.labels(), ["dropped"]);
    }
    assert_eq!(executor.poll(), 0);
}

/// The same: the executor is told that its futures are ready, and keeps none.
#[test]
fn what_is_ready_is_not_kept() {
    let _dog = watchdog!();
    let executor = Arc::new(Executor::new());
    let this = Arc::clone(&executor);
    let runtime = Runtime::on(move |life| this.spawn(life).detach()).unwrap();
    let idle = runtime.start(Idle).unwrap();
    while executor.try_tick() {}
    drop(runtime);
    assert_eq!(idle.exit_reason(), Some(ExitReason::Kill));
    while executor.try_tick() {}
    assert!(executor.is_empty());
}

/// The time limit of a shutdown is over, and the executor has done nothing: all are killed, and none is stuck.
#[test]
fn shut_down_in_vain() {
    let _dog = watchdog!();
    let executor = ByHand::default();
    let runtime = executor.runtime();
    let actors: Vec<_> = (0..3).map(|_| runtime.start(Idle).unwrap()).collect();
    executor.poll();
    assert_eq!(runtime.shutdown(Duration::ZERO), Err(ShutdownError { killed: 3, stuck: 0 }));
    assert!(actors.iter().all(|actor| actor.exit_reason() == Some(ExitReason::Kill)));
    assert!(matches!(runtime.start(Idle), Err(deathwatch::StartError::ShutDown)));
    assert_eq!(executor.poll(), 0);
}

/// Shut down in order, while the executor works.
#[test]
fn shut_down_in_order() {
    let _dog = watchdog!();
    let executor = ByHand::default();
    let runtime = Arc::new(executor.runtime());
    let (_puppet, seen) = Puppet::on(&runtime);
    executor.poll();
    let ending = thread::spawn({
        let runtime = Arc::clone(&runtime);
        move || runtime.shutdown(LONG)
    });
    while executor.poll() > 0 {
        thread::yield_now();
    }
    assert_eq!(ending.join().unwrap(), Ok(()));
    assert_eq!(seen.until_gone(), ["stopped shutdown", "dropped"]);
}

/// A long row of links breaks at the end of a runtime, when each death ends the next on the spot: no deep recursion.
#[test]
fn a_long_row_of_links() {
    const ROW: usize = 20_000;
    let _dog = watchdog!();
    let executor = ByHand::default();
    let runtime = executor.runtime();
    struct Linked(Option<ActorRef<Linked>>);
    impl Actor for Linked {
        async fn started(&mut self, ctx: &Context<Self>) {
            if let Some(next) = &self.0 {
                ctx.link(next);
            }
        }
    }
    let mut row = vec![runtime.start(Linked(None)).unwrap()];
    for _ in 1..ROW {
        row.push(runtime.start(Linked(row.last().cloned())).unwrap());
    }
    executor.poll();
    drop(runtime);
    assert!(row.iter().all(|actor| actor.exit_reason().is_some()));
    assert_eq!(executor.poll(), 0);
}

/// The same, of actors that wait in a handler, and so have been asked to stop and are idle when the time is over.
#[test]
fn a_long_row_of_links_that_wait() {
    const ROW: usize = 20_000;
    let _dog = watchdog!();
    let executor = ByHand::default();
    let runtime = Arc::new(executor.runtime());
    struct Waits(Option<ActorRef<Waits>>);
    impl Actor for Waits {
        async fn started(&mut self, ctx: &Context<Self>) {
            if let Some(next) = &self.0 {
                ctx.link(next);
            }
            std::future::pending::<()>().await;
        }
    }
    let mut row = vec![runtime.start(Waits(None)).unwrap()];
    for _ in 1..ROW {
        row.push(runtime.start(Waits(row.last().cloned())).unwrap());
    }
    executor.poll();
    let ending = thread::spawn({
        let runtime = Arc::clone(&runtime);
        move || runtime.shutdown(Duration::from_millis(200))
    });
    while !ending.is_finished() {
        executor.poll();
    }
    let error = ending.join().unwrap().unwrap_err();
    assert_eq!((error.killed, error.stuck), (ROW, 0));
    assert!(row.iter().all(|actor| actor.exit_reason().is_some()));
}

/// Who is ended on the spot is still inside of its runtime: its value may end that, and does not wait for itself.
#[test]
fn ends_its_own_runtime() {
    type Told = std::sync::mpsc::Sender<Result<(), ShutdownError>>;
    struct Owns(Arc<Runtime>, Told);
    impl Actor for Owns {}
    impl Drop for Owns {
        fn drop(&mut self) {
            self.1.send(self.0.shutdown(Duration::ZERO)).unwrap();
        }
    }
    let _dog = watchdog!();
    let executor = ByHand::default();
    let runtime = Arc::new(executor.runtime());
    let (told, heard) = std::sync::mpsc::channel();
    let owns = runtime.start(Owns(Arc::clone(&runtime), told)).unwrap();
    executor.poll();
    drop(runtime);
    executor.clear();
    assert_eq!(owns.exit_reason(), Some(ExitReason::Kill));
    assert_eq!(heard.recv().unwrap(), Err(ShutdownError { killed: 1, stuck: 0 }));
}

/// An executor that nobody drives, and the runtime on it: dropped, nothing is left of either.
#[test]
fn both_are_dropped() {
    let _dog = watchdog!();
    let executor = Arc::new(Executor::new());
    let weak = Arc::downgrade(&executor);
    let runtime = Runtime::on(move |life| executor.spawn(life).detach()).unwrap();
    let idle = runtime.start(Idle).unwrap();
    drop(runtime);
    drop(idle);
    assert!(weak.upgrade().is_none());
}

/// Actors of one runtime run an executor, and on it those of another: who starts something there starts it on the inner one.
#[test]
fn one_inside_of_another() {
    struct Starts;
    impl Actor for Starts {}
    #[derive(Message)]
    #[reply(usize)]
    struct Start;
    impl Handler<Start> for Starts {
        async fn handle(&mut self, _: Start, _: &Context<Self>) -> usize {
            Idle.start().detach();
            1
        }
    }
    let _dog = watchdog!();
    let (executor, outer) = (ByHand::default(), solo());
    let inner = executor.runtime();
    let starts = inner.start(Starts).unwrap();
    let mut asked = starts.request(Start);
    assert!(poll_once(&mut asked).is_pending());
    let (puppet, _seen) = Puppet::on(&outer);
    let this = executor.clone();
    puppet.call(move |_, _| this.poll());
    assert_eq!(asked.wait(), Ok(1));
    assert_eq!((inner.live_actors(), outer.live_actors()), (2, 1));
}

/// To block in an async handler would block the executor's thread, as it would a worker.
#[test]
fn waiting_in_a_handler_is_refused() {
    let _dog = watchdog!();
    let executor = ByHand::default();
    let runtime = executor.runtime();
    let (puppet, _seen) = Puppet::on(&runtime);
    let waits = support::call(|_, ctx: &Context<Puppet>| {
        let _ = ctx.actor_ref().wait_exit().wait();
    });
    puppet.send(waits).unwrap();
    while executor.poll() > 0 && puppet.exit_reason().is_none() {}
    let reason = puppet.exit_reason().unwrap();
    assert!(reason.to_string().contains("use `.await`"), "{reason}");
}

/// Timers go by the runtime's clock.
#[test]
fn by_a_clock_of_ones_own() {
    let _dog = watchdog!();
    let (executor, clock) = (ByHand::default(), ManualClock::new());
    let this = executor.clone();
    let builder = Runtime::builder().spawner(move |life| this.0.lock().unwrap().push(life)).clock(&clock);
    let runtime = builder.build().unwrap();
    let (puppet, seen) = Puppet::on(&runtime);
    puppet
        .send(support::call(|_, ctx: &Context<Puppet>| {
            ctx.send_after(Duration::from_secs(3_600), Note(1));
        }))
        .unwrap();
    executor.poll();
    assert!(seen.labels().is_empty());
    clock.advance(Duration::from_secs(3_600));
    executor.poll();
    assert_eq!(seen.labels(), ["note 1"]);
}

/// What feeds an actor is driven by the same executor, and ends with the actor.
#[test]
fn streams() {
    let _dog = watchdog!();
    let executor = ByHand::default();
    let runtime = executor.runtime();
    let (puppet, seen) = Puppet::on(&runtime);
    puppet
        .send(support::call(|_, ctx: &Context<Puppet>| {
            ctx.attach(stream::pending::<Note>());
            ctx.attach_with(stream::iter([Note(1)]), 1, |_: StreamEnd| Note(2));
        }))
        .unwrap();
    for _ in 0..9 {
        executor.poll();
    }
    assert_eq!(seen.labels(), ["note 1", "note 2"]);
    assert_eq!((executor.poll(), runtime.live_actors()), (2, 1));
    puppet.stop();
    while executor.poll() > 0 {}
    assert_eq!(seen.until_gone(), ["stopped normal", "dropped"]);
}

/// A panic of the one who is given the futures comes out of whatever starts the actor, or attaches the stream: that is killed, or
/// dropped, and nothing is left of it. In a handler it is the handler's.
#[test]
fn a_spawner_that_panics() {
    let _dog = watchdog!();
    let (executor, broken) = (ByHand::default(), Arc::new(AtomicBool::new(false)));
    let (this, is_broken) = (executor.clone(), broken.clone());
    let runtime = Runtime::on(move |life| {
        assert!(!is_broken.load(Ordering::SeqCst), "no more of that");
        this.0.lock().unwrap().push(life);
    })
    .unwrap();
    let fails = |options: Options| {
        let (puppet, events) = Puppet::new();
        // It is dropped in the course of a panic, and so a second one must not get out.
        let puppet = puppet.at_drop(|| panic!("and another"));
        let options = options.runtime(&runtime);
        assert!(catch_unwind(AssertUnwindSafe(|| puppet.start_with(options))).is_err());
        assert_eq!(events.until_gone(), ["dropped"], "a kill runs no hook");
    };
    let parents: Vec<_> = (0..2).map(|_| Puppet::on(&runtime)).collect();
    assert_eq!(executor.poll(), 2);
    broken.store(true, Ordering::SeqCst);
    fails(Options::new());
    fails(Options::new().registered("name"));
    assert_eq!((runtime.live_actors(), runtime.registry().len()), (2, 0));

    let tally = Tally::default();
    let (in_child, in_stream) = (tally.one(), tally.one());
    let starts = support::call(move |_, ctx: &Context<Puppet>| {
        let (mut child, _) = Puppet::new();
        child.luggage.push(Box::new(in_child));
        ctx.spawn_monitored(child);
    });
    let attaches = support::call(move |_, ctx: &Context<Puppet>| {
        let notes = stream::pending::<Note>().map(move |note| {
            let _held = &in_stream;
            note
        });
        ctx.attach(notes);
    });
    parents[0].0.send(starts).unwrap();
    parents[1].0.send(attaches).unwrap();
    while executor.poll() > 0 {}
    for (parent, seen) in &parents {
        assert_eq!(parent.exit_reason().unwrap().to_string(), "panic: no more of that");
        assert_eq!(seen.labels(), ["stopped panic: no more of that", "dropped"]);
    }
    assert_eq!((tally.count(), runtime.live_actors()), (2, 0));

    // It thinks better of it.
    broken.store(false, Ordering::SeqCst);
    let idle = Idle.start_with(Options::new().runtime(&runtime).registered("name")).unwrap();
    let mut asked = idle.request(Ping(1));
    assert!(poll_once(&mut asked).is_pending());
    assert_eq!(executor.poll(), 1);
    assert_eq!(asked.wait(), Ok(1));
    drop(idle);
    executor.poll();
    assert_eq!((runtime.shutdown(LONG), executor.poll()), (Ok(()), 0));
}
