//! With the feature `tokio`, handlers await what tokio makes, wherever the actor runs and whoever drives.
#![cfg(not(any(loom, shuttle)))]

use std::future::{Future, pending, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use deathwatch::{Backend, Monitors, Options, Runtime, StartError, prelude::*, threads};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Handle};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

/// Does what it is told to, in its own handler.
#[derive(Actor)]
struct Doer;

type Work = Box<dyn FnOnce() -> std::pin::Pin<Box<dyn Future<Output = String> + Send>> + Send>;

#[derive(Message)]
#[reply(String)]
struct Do(Work);

impl Do {
    fn new<F: Future<Output = String> + Send + 'static>(work: impl FnOnce() -> F + Send + 'static) -> Self {
        Do(Box::new(move || Box::pin(work())))
    }
}

impl Handler<Do> for Doer {
    async fn handle(&mut self, Do(work): Do, _: &Context<Self>) -> String {
        work().await
    }
}

fn multi() -> tokio::runtime::Runtime {
    Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("threads")
}

/// Waits for a time, spawns, blocks and talks over TCP.
async fn everything() -> String {
    assert!(timeout(Duration::from_millis(1), pending::<()>()).await.is_err());
    let spawned = tokio::spawn(async { 1 }).await.expect("it is driven");
    let blocked = tokio::task::spawn_blocking(|| 2).await.expect("it is driven");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await?;
        let mut word = [0; 4];
        stream.read_exact(&mut word).await?;
        stream.write_all(&word).await
    });
    let mut stream = TcpStream::connect(address).await.expect("it listens");
    stream.write_all(b"echo").await.expect("it reads");
    let mut word = [0; 4];
    stream.read_exact(&mut word).await.expect("it writes");
    server.await.expect("it ends").expect("it read and wrote");
    format!("{spawned} {blocked} {}", String::from_utf8_lossy(&word))
}

fn does_everything(runtime: &Runtime) {
    for backend in [Backend::Scheduler, Backend::Blocking, Backend::Thread] {
        let doer = Doer.start_with(Options::new().runtime(runtime).backend(backend)).expect("starts");
        assert_eq!(doer.request(Do::new(everything)).wait().as_deref(), Ok("1 2 echo"), "{backend:?}");
    }
}

#[test]
fn with_a_given_runtime() {
    let tokio = multi();
    let runtime = Runtime::builder().workers(1).tokio(tokio.handle().clone()).build().expect("starts");
    does_everything(&runtime);
}

#[test]
fn inside_of_a_runtime_with_threads_it_is_that_one() {
    let tokio = multi();
    let runtime = tokio.block_on(async { Runtime::new() }).expect("starts");
    let id = || async { format!("{:?}", Handle::current().id()) };
    let doer = runtime.start(Doer).expect("starts");
    assert_eq!(doer.request(Do::new(id)).wait(), Ok(format!("{:?}", tokio.handle().id())));
    does_everything(&runtime);
}

#[test]
fn without_any_one_is_started() {
    let runtime = Runtime::new().expect("starts");
    does_everything(&runtime);
    let id = || Do::new(|| async { format!("{:?}", Handle::current().id()) });
    let of_ours = runtime.start(Doer).expect("starts").request(id()).wait();
    // The default runtime has the same.
    assert_eq!(Doer.start().request(id()).wait(), of_ours);
}

/// Nobody drives it while its only thread does something else, such as this.
#[tokio::test]
async fn inside_of_a_runtime_of_one_thread_it_is_another() {
    let runtime = Runtime::new().expect("starts");
    does_everything(&runtime);
    let given = Runtime::builder().tokio(Handle::current()).build();
    assert!(matches!(given, Err(StartError::CurrentThread)), "{given:?}");
    assert!(given.unwrap_err().to_string().contains("block_on"));
}

/// Actors of threads mode, and iterators, are inside as well: whatever they call may spawn.
#[test]
fn plain_handlers_are_inside_as_well() {
    struct Spawner(Option<oneshot::Sender<u32>>);
    impl threads::Actor for Spawner {
        fn started(&mut self, ctx: &Context<Self>) {
            let tell = self.0.take().expect("once");
            tokio::spawn(async move { tell.send(7) });
            ctx.stop();
        }
    }
    let (tell, told) = oneshot::channel();
    let spawner = threads::Actor::start(Spawner(Some(tell)));
    assert_eq!(told.blocking_recv(), Ok(7));
    assert_eq!(spawner.join().wait(), ExitReason::Normal);
}

#[test]
fn a_kill_drops_what_is_awaited() {
    struct Told(Option<oneshot::Sender<()>>);
    impl Drop for Told {
        fn drop(&mut self) {
            let _ = self.0.take().expect("once").send(());
        }
    }
    let (begun, has_begun) = oneshot::channel();
    let (dropped, was_dropped) = oneshot::channel();
    let runtime = Runtime::new().expect("starts");
    let doer = runtime.start(Doer).expect("starts");
    let told = Told(Some(dropped));
    let asked = doer.request(Do::new(move || async move {
        let _told = told;
        begun.send(()).expect("the test listens");
        let _ = timeout(Duration::from_secs(3600), pending::<()>()).await;
        String::new()
    }));
    has_begun.blocking_recv().expect("it begins");
    doer.kill();
    assert_eq!(was_dropped.blocking_recv(), Ok(()));
    assert!(asked.wait().is_err());
    assert_eq!(doer.exit_reason(), Some(ExitReason::Kill));
}

/// The order of ending: ours first, and then hooks that stop still have all of tokio.
#[test]
fn stop_hooks_still_have_tokio() {
    struct Farewell(Arc<AtomicUsize>);
    impl Actor for Farewell {
        async fn stopped(&mut self, _: &ExitReason, _: &Context<Self>) {
            assert_eq!(everything().await, "1 2 echo");
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    let tokio = multi();
    let runtime = Runtime::builder().tokio(tokio.handle().clone()).build().expect("starts");
    let said = Arc::new(AtomicUsize::new(0));
    runtime.start(Farewell(said.clone())).expect("starts").detach();
    runtime.shutdown(Duration::from_secs(60)).expect("all stop");
    drop(tokio);
    assert_eq!(said.load(Ordering::Relaxed), 1);
}

/// The other way round, who awaits what is gone panics, and that is told like any panic.
#[test]
fn a_runtime_that_ends_too_early_is_a_panic() {
    let tokio = multi();
    let runtime = Runtime::builder().tokio(tokio.handle().clone()).build().expect("starts");
    let doer = runtime.start(Doer).expect("starts");
    let mut monitors = Monitors::new();
    monitors.monitor(&doer);
    let (begun, has_begun) = oneshot::channel();
    doer.send(Do::new(move || async move {
        let mut waiting = pin!(timeout(Duration::from_secs(3600), pending::<()>()));
        let mut begun = Some(begun);
        let _ = poll_fn(|cx| {
            let polled = waiting.as_mut().poll(cx);
            if let Some(begun) = begun.take() {
                begun.send(()).expect("the test listens");
            }
            polled
        })
        .await;
        pending().await
    }))
    .expect("it lives");
    has_begun.blocking_recv().expect("it begins");
    drop(tokio);
    let down = monitors.recv().expect("one");
    assert!(
        matches!(&down.reason, ExitReason::Panic(report) if report.message().contains("shut")),
        "{down:?}"
    );
}

/// tokio makes who has taken 128 messages in a row give way; an actor gives way after so many messages of its own.
#[test]
fn tokios_budget_has_no_say() {
    let runtime = Runtime::new().expect("starts");
    let doer = runtime.start(Doer).expect("starts");
    let (to, mut from) = mpsc::unbounded_channel();
    (0..1_000).for_each(|number| to.send(number).expect("it is open"));
    drop(to);
    let polls = doer.request(Do::new(move || async move {
        let mut polls = 0;
        let mut all = pin!(async move {
            let mut sum = 0;
            while let Some(number) = from.recv().await {
                sum += number;
            }
            sum
        });
        let sum = poll_fn(|cx| {
            polls += 1;
            all.as_mut().poll(cx)
        })
        .await;
        format!("{sum} in {polls}")
    }));
    assert_eq!(polls.wait().as_deref(), Ok("499500 in 1"));
}

/// What is made in one place may be awaited in the other: requests in tokio's tasks, tokio's futures in handlers.
#[test]
fn requests_are_awaited_in_tasks_of_tokio() {
    let tokio = multi();
    let runtime = Runtime::builder().tokio(tokio.handle().clone()).build().expect("starts");
    let doer = runtime.start(Doer).expect("starts");
    let (tell, told) = oneshot::channel::<String>();
    let asked =
        tokio.spawn(async move { doer.request(Do::new(|| async { told.await.expect("told") })).await });
    let other = runtime.start(Doer).expect("starts");
    other
        .send(Do::new(move || async move {
            tell.send("both ways".to_owned()).expect("it listens");
            String::new()
        }))
        .expect("it lives");
    let answer = tokio.block_on(asked).expect("no panic");
    assert_eq!(answer.as_deref(), Ok("both ways"));
}
