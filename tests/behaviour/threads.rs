//! Threads mode and the backends: the same promises where an actor owns a thread, or may block one.

use std::sync::mpsc;
use std::time::Duration;

use deathwatch::threads::prelude::*;
use deathwatch::{Backend, Monitors, OnFull, Options, RequestError, StartError, tasks};

use crate::support::{Note, Puppet, Told, settle, solo};

/// A thread actor that does what its messages say.
#[derive(Default)]
struct Blunt {
    tell: Option<mpsc::Sender<String>>,
    panics_in: Option<&'static str>,
}

impl Blunt {
    fn telling() -> (Self, mpsc::Receiver<String>) {
        let (tell, told) = mpsc::channel();
        (Blunt { tell: Some(tell), panics_in: None }, told)
    }

    fn say(&self, what: impl ToString) {
        if let Some(tell) = &self.tell {
            let _ = tell.send(what.to_string());
        }
    }

    fn hook(&self, hook: &'static str) {
        self.say(hook);
        assert!(self.panics_in != Some(hook), "in {hook}");
    }
}

impl Actor for Blunt {
    fn started(&mut self, _: &Context<Self>) {
        self.hook("started");
    }

    fn stopped(&mut self, reason: &ExitReason, _: &Context<Self>) {
        self.say(format!("stopping: {reason}"));
        self.hook("stopped");
    }
}

impl Drop for Blunt {
    fn drop(&mut self) {
        self.say("dropped");
    }
}

struct Do<F>(F);
impl<F: Send + 'static> Message for Do<F> {
    type Reply = ();
}
impl<F: FnOnce(&mut Blunt, &Context<Blunt>) + Send + 'static> Handler<Do<F>> for Blunt {
    fn handle(&mut self, Do(f): Do<F>, ctx: &Context<Self>) {
        f(self, ctx);
    }
}

fn act(
    f: impl FnOnce(&mut Blunt, &Context<Blunt>) + Send + 'static,
) -> Do<impl FnOnce(&mut Blunt, &Context<Blunt>) + Send> {
    Do(f)
}

impl Handler<Down> for Blunt {
    fn handle(&mut self, down: Down, _: &Context<Self>) {
        self.say(format!("down {}", down.reason));
    }
}

struct Double(u32);
impl Message for Double {
    type Reply = u32;
}
impl Handler<Double> for Blunt {
    fn handle(&mut self, Double(n): Double, _: &Context<Self>) -> u32 {
        2 * n
    }
}

fn threads_of_this_process() -> usize {
    std::fs::read_dir("/proc/self/task").map_or(0, Iterator::count)
}

/// R25 and R79 in threads mode: each way of dying, what the hooks see of it and what a watcher is told.
#[test]
fn every_way_of_dying() {
    let _dog = watchdog!();
    type End = fn(ActorRef<Blunt>);
    let panics = |hook| Some(hook);
    let ways: [(Option<&'static str>, End, &str, &[&str]); 8] = [
        (None, |it| it.stop(), "normal", &["started", "stopping: normal", "stopped", "dropped"]),
        (
            None,
            |it| it.stop_with(ExitReason::error("full")),
            "error: full",
            &["started", "stopping: error: full", "stopped", "dropped"],
        ),
        (None, drop, "normal", &["started", "stopping: normal", "stopped", "dropped"]),
        (
            None,
            |it| it.send(act(|_, ctx| ctx.stop())).unwrap(),
            "normal",
            &["started", "stopping: normal", "stopped", "dropped"],
        ),
        (
            None,
            |it| it.send(act(|_, _| panic!("boom"))).unwrap(),
            "panic: boom",
            &["started", "stopping: panic: boom", "stopped", "dropped"],
        ),
        (
            None,
            |it| {
                let kill = it.handle();
                it.send(act(move |_, _| kill.kill())).unwrap()
            },
            "kill",
            &["started", "dropped"],
        ),
        (panics("started"), drop, "panic: in started", &["started", "dropped"]),
        (
            panics("stopped"),
            |it| it.stop(),
            "panic: in stopped",
            &["started", "stopping: normal", "stopped", "dropped"],
        ),
    ];
    for (panics_in, end, reason, seen) in ways {
        let (mut blunt, told) = Blunt::telling();
        blunt.panics_in = panics_in;
        let actor = blunt.start();
        let mut monitors = Monitors::new();
        let monitor = monitors.monitor(&actor);
        let (id, wait) = (actor.id(), actor.wait_exit());
        if panics_in.is_none() {
            actor.request(act(|_, _| ())).wait().unwrap(); // its `started` is over
        }
        end(actor);
        let down = monitors.recv().unwrap();
        assert_eq!((down.monitor_ref, down.target, down.reason.to_string().as_str()), (monitor, id, reason));
        assert_eq!(wait.wait().to_string(), reason);
        assert_eq!(told.iter().collect::<Vec<_>>(), seen);
    }
}

/// R11: a task actor monitors a thread actor, the reverse, and plain code both; requests go in all directions.
#[test]
fn modes_mix() {
    let _dog = watchdog!();
    let runtime = solo();
    let thread = runtime.start(Blunt::default()).unwrap();
    let (task, events) = Puppet::on(&runtime);
    // The task monitors the thread and asks it.
    let target = thread.clone();
    task.call(move |_, ctx| ctx.monitor(&target));
    // The thread monitors the task and waits for it.
    let (watcher, told) = Blunt::telling();
    let watcher = runtime.start(watcher).unwrap();
    let target = task.clone();
    watcher
        .request(act(move |blunt, ctx| {
            ctx.monitor(&target);
            blunt.say(target.call(|_, _| 7));
        }))
        .wait()
        .unwrap();
    let mut plain = Monitors::new();
    plain.monitor(&thread);
    plain.monitor(&task);

    assert_eq!(thread.request(Double(21)).wait(), Ok(42));
    assert_eq!(futures::executor::block_on(thread.request(Double(4))), Ok(8));
    thread.send(act(|_, _| panic!("cut"))).unwrap();
    assert_eq!(events.down().reason.to_string(), "panic: cut");
    assert_eq!(plain.recv().unwrap().reason.to_string(), "panic: cut");
    task.kill();
    assert_eq!(plain.recv().unwrap().reason, ExitReason::Kill);
    let said: Vec<_> = told.iter().take(3).collect();
    assert_eq!(said, ["started", "7", "down kill"]);
}

/// R7 across modes: a thread actor starts a task actor and a thread actor, monitored from their first moment.
#[test]
fn starts_of_either_mode_are_monitored() {
    let _dog = watchdog!();
    struct Stillborn;
    impl tasks::Actor for Stillborn {
        async fn started(&mut self, _: &Context<Self>) {
            panic!("task");
        }
    }
    let (parent, told) = Blunt::telling();
    let parent = parent.start();
    parent
        .request(act(|_, ctx| {
            ctx.spawn_monitored(Stillborn);
            ctx.spawn_monitored(Blunt { panics_in: Some("started"), tell: None });
        }))
        .wait()
        .unwrap();
    let mut said: Vec<_> = told.iter().take(3).collect();
    said.sort();
    assert_eq!(said, ["down panic: in started", "down panic: task", "started"]);
}

/// R48: 10,000 monitors on thread-backed targets, and as many from a thread-backed watcher, start no thread.
#[test]
fn monitors_start_no_threads() {
    let _dog = watchdog!();
    // Other tests start threads at the same time.
    if in_a_process_of_its_own("threads::monitors_start_no_threads", "").is_some() {
        return;
    }
    let runtime = solo();
    let targets: Vec<_> = (0..10).map(|_| runtime.start(Blunt::default()).unwrap()).collect();
    let watcher = runtime.start(Blunt::default()).unwrap();
    for target in &targets {
        target.request(Double(1)).wait().unwrap();
    }
    watcher.request(Double(1)).wait().unwrap();
    let before = threads_of_this_process();
    let mut monitors = Monitors::new();
    for n in 0..10_000 {
        monitors.monitor(&targets[n % 10]);
    }
    let watched = targets.clone();
    watcher
        .request(act(move |_, ctx| {
            for n in 0..10_000 {
                ctx.monitor(&watched[n % 10]);
            }
        }))
        .wait()
        .unwrap();
    assert_eq!(targets[0].monitored_by().len(), 2_000);
    assert_eq!(threads_of_this_process(), before);
    targets.iter().for_each(ActorRef::kill);
    assert_eq!(monitors.into_iter().count(), 10_000);
}

/// R63: 1,000 thread actors die, and all their Downs arrive.
#[test]
fn a_thousand_threads_die() {
    let _dog = watchdog!();
    let runtime = deathwatch::Runtime::builder().workers(1).stack_size(64 * 1024).build().unwrap();
    let actors: Vec<_> = (0..1_000).map(|_| runtime.start(Blunt::default()).unwrap()).collect();
    let mut monitors = Monitors::new();
    let mut awaited: std::collections::HashSet<_> =
        actors.iter().map(|actor| monitors.monitor(actor)).collect();
    for (n, actor) in actors.iter().enumerate() {
        if n % 2 == 0 { actor.stop() } else { actor.kill() }
    }
    for down in monitors {
        assert!(awaited.remove(&down.monitor_ref), "told twice");
    }
    assert!(awaited.is_empty());
}

/// R50: the end of a runtime ends thread actors, blocking actors and their threads, in order or at once.
#[test]
fn runtimes_end_with_all_their_threads() {
    let _dog = watchdog!();
    for in_order in [true, false] {
        let runtime = solo();
        let (blunt, told) = Blunt::telling();
        let thread = runtime.start(blunt).unwrap();
        let blocking = Options::new().runtime(&runtime).backend(Backend::Blocking);
        let (task, _) = Puppet::with(blocking);
        thread.request(Double(1)).wait().unwrap();
        task.call(|_, _| ());
        let (threads, tasks) = (thread.wait_exit(), task.wait_exit());
        let expected = if in_order { ExitReason::Shutdown } else { ExitReason::Kill };
        if in_order {
            runtime.shutdown(Duration::from_secs(30)).unwrap();
            assert_eq!(runtime.live_actors(), 0);
        }
        drop(runtime);
        assert_eq!((threads.wait(), tasks.wait()), (expected.clone(), expected));
        assert!(told.iter().any(|said| said == "dropped"));
    }
}

/// An async actor on the blocking backend, or on a thread of its own, may block; one on the scheduler may not, and is told
/// so, with the place.
#[test]
fn blocking_where_it_is_allowed() {
    let _dog = watchdog!();
    let runtime = solo();
    let other = runtime.start(Blunt::default()).unwrap();
    for backend in [Backend::Blocking, Backend::Thread] {
        let (task, _) = Puppet::with(Options::new().runtime(&runtime).backend(backend));
        let other = other.clone();
        assert_eq!(task.call(move |_, _| other.request(Double(3)).wait()), Ok(6));
    }
    let (task, _) = Puppet::on(&runtime);
    // The one worker is busy asking: the reply cannot be there yet.
    let (asked, _) = Puppet::on(&runtime);
    let refused = task.request(crate::support::call(move |_, _| asked.request(Note(1)).wait())).wait();
    let Err(RequestError::Exited(ExitReason::Panic(report))) = refused else { panic!("{refused:?}") };
    assert!(report.message().contains("would block a worker"), "{}", report.message());
    // The dead need no waiting for: that is never refused.
    other.kill();
    other.wait_exit().wait();
    let (task, _) = Puppet::on(&runtime);
    assert_eq!(task.call(move |_, _| other.wait_exit().wait()), ExitReason::Kill);
}

/// The blocking backend has a thread for each actor that blocks.
#[test]
fn the_blocking_pool_grows() {
    let _dog = watchdog!();
    const ACTORS: usize = 20;
    let runtime = solo();
    let barrier = std::sync::Arc::new(std::sync::Barrier::new(ACTORS));
    let all: Vec<_> = (0..ACTORS)
        .map(|_| {
            let (task, _) = Puppet::with(Options::new().runtime(&runtime).backend(Backend::Blocking));
            let barrier = barrier.clone();
            task.send(crate::support::call(move |_, ctx: &Context<Puppet>| {
                barrier.wait(); // all of them at once, or never
                ctx.stop();
            }))
            .unwrap();
            task
        })
        .collect();
    for task in all {
        assert_eq!(task.wait_exit().wait(), ExitReason::Normal);
    }
}

/// A sender that waits for room in the mailbox of a thread actor blocks until there is some.
#[test]
fn bounded_mailboxes_of_threads() {
    let _dog = watchdog!();
    let runtime = solo();
    let mailbox = deathwatch::Mailbox::bounded(1, OnFull::Wait);
    let slow = Blunt::default().start_with(Options::new().runtime(&runtime).mailbox(mailbox)).unwrap();
    let (open, gate) = mpsc::channel::<()>();
    let (entered, inside) = mpsc::channel();
    slow.send(act(move |_, _| {
        entered.send(()).unwrap();
        let _ = gate.recv();
    }))
    .unwrap();
    inside.recv().unwrap();
    slow.send(act(|_, _| ())).unwrap();
    assert!(slow.send(act(|_, _| ())).unwrap_err().is_full());
    let waiting = slow.send_wait(act(|_, ctx| ctx.stop()));
    let sender = std::thread::spawn(move || waiting.wait().is_ok());
    drop(open);
    assert!(sender.join().unwrap());
    assert_eq!(slow.wait_exit().wait(), ExitReason::Normal);
}

/// R13: options that make no sense, and a runtime that is gone, are errors.
#[test]
fn refused_starts() {
    let _dog = watchdog!();
    let runtime = solo();
    let refused = Blunt::default().start_with(Options::new().runtime(&runtime).backend(Backend::Scheduler));
    assert!(matches!(refused, Err(StartError::Backend(Backend::Scheduler))));
    settle(&runtime);
    runtime.shutdown(Duration::from_secs(30)).unwrap();
    let (blunt, told) = Blunt::telling();
    assert!(matches!(blunt.start_with(Options::new().runtime(&runtime)), Err(StartError::ShutDown)));
    assert_eq!(told.iter().collect::<Vec<_>>(), ["dropped"]);
}

/// Runs a test again, in a process of its own that a shell prepares: what it printed, on both outputs.
fn in_a_process_of_its_own(test: &str, prepare: &str) -> Option<String> {
    if std::env::var_os("DW_ALONE").is_some() {
        return None;
    }
    let child = std::process::Command::new("sh")
        .args(["-c", &format!("{prepare} exec \"$0\" \"$@\""), std::env::current_exe().unwrap().to_str()?])
        .args([test, "--exact", "--test-threads=1", "--nocapture"])
        .env("DW_ALONE", "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout) + String::from_utf8_lossy(&child.stderr);
    assert!(child.status.success(), "{said}");
    assert!(said.contains("1 passed"), "{said}");
    Some(said.into_owned())
}

/// R13: the system refuses a thread: that is an error for the one who starts, and the actor is dropped without having run.
/// Everybody else goes on; when others are gone, there is room again.
#[test]
#[cfg(target_os = "linux")] // for `ulimit -v`
fn the_system_refuses_threads() {
    let _dog = watchdog!();
    const STACK: usize = 256 << 20;
    let limit = format!("ulimit -v {};", (4_usize << 30) / 1024);
    if in_a_process_of_its_own("threads::the_system_refuses_threads", &limit).is_some() {
        return;
    }
    let runtime = deathwatch::Runtime::builder().workers(1).stack_size(STACK).build().unwrap();
    let (watcher, seen) = Puppet::on(&runtime);
    let mut actors = Vec::new();
    let (refused, told) = loop {
        let (blunt, told) = Blunt::telling();
        match runtime.start(blunt) {
            Ok(actor) => actors.push(actor),
            Err(error) => break (error, told),
        }
        assert!(actors.len() < 1_000, "the limit has no effect");
    };
    assert!(matches!(refused, StartError::Thread(_)), "{refused}");
    assert_eq!(told.iter().collect::<Vec<_>>(), ["dropped"]);
    assert_eq!(runtime.live_actors(), actors.len() + 1);

    // Nor can one be started and monitored, and the monitor is not there either.
    let none = watcher.call(|_, ctx| {
        matches!(ctx.spawn_monitored_with(Blunt::default(), Options::new()), Err(StartError::Thread(_)))
            && ctx.monitors().is_empty()
    });
    assert!(none);
    // Nor another runtime with as many workers; what it had started of them is gone again.
    let more = deathwatch::Runtime::builder().workers(64).stack_size(STACK).build();
    assert!(matches!(more, Err(StartError::Thread(_))));
    // An actor that is to block has no thread to do it on, and is killed.
    let blocking = Options::new().runtime(&runtime).backend(Backend::Blocking);
    let (stranded, _) = Puppet::with(blocking.clone());
    assert_eq!(stranded.wait_exit().wait(), ExitReason::Kill);

    for actor in &actors {
        assert_eq!(actor.request(Double(4)).wait(), Ok(8));
    }
    let watched = actors[0].clone();
    watcher.call(move |_, ctx| ctx.monitor(&watched));
    actors.iter().for_each(ActorRef::stop);
    assert_eq!(seen.down().reason, ExitReason::Normal);
    // A thread gives its stack back a moment after its actor has ended.
    let again = std::iter::repeat_with(|| runtime.start(Blunt::default())).find_map(Result::ok).unwrap();
    assert_eq!(again.request(Double(5)).wait(), Ok(10));
}

/// A handler that keeps a worker for longer than the limit is reported, once for each type of actor; never on a thread that
/// is meant for it.
#[test]
fn slow_handlers_are_reported() {
    let _dog = watchdog!();
    struct Sluggish;
    impl tasks::Actor for Sluggish {}
    impl tasks::Handler<Double> for Sluggish {
        async fn handle(&mut self, Double(n): Double, _: &Context<Self>) -> u32 {
            2 * n
        }
    }
    if let Some(said) = in_a_process_of_its_own("threads::slow_handlers_are_reported", "") {
        let reported = |actor: &str| said.lines().filter(|line| line.contains(actor)).count();
        let expected = usize::from(cfg!(debug_assertions));
        assert_eq!(
            (reported("Sluggish has kept a worker"), reported("Puppet has kept a worker")),
            (expected, expected),
            "{said}"
        );
        assert_eq!(reported("kept a worker"), 2 * expected, "{said}");
        return;
    }
    let strict = deathwatch::Runtime::builder().workers(1).slow_handler(Duration::ZERO).build().unwrap();
    let patient = deathwatch::Runtime::builder().workers(1).slow_handler(Duration::MAX).build().unwrap();
    for _ in 0..3 {
        let sluggish = strict.start(Sluggish).unwrap();
        assert_eq!(sluggish.request(Double(1)).wait(), Ok(2));
        assert_eq!(strict.start(Blunt::default()).unwrap().request(Double(1)).wait(), Ok(2));
        let blocking = Options::new().runtime(&strict).backend(Backend::Blocking);
        let blocking = tasks::Actor::start_with(Gentle, blocking).unwrap();
        assert_eq!(blocking.request(Double(1)).wait(), Ok(2));
        let gentle = patient.start(Gentle).unwrap();
        assert_eq!(gentle.request(Double(1)).wait(), Ok(2));
        assert_eq!(Puppet::on(&strict).0.call(|_, _| 7), 7);
    }
}

/// Nobody reads the standard error output, so that the report of a slow handler fails: that is nobody's trouble.
#[test]
fn slow_handlers_when_nobody_listens() {
    let _dog = watchdog!();
    if std::env::var_os("DW_ALONE").is_some() {
        let strict = deathwatch::Runtime::builder().workers(1).slow_handler(Duration::ZERO).build().unwrap();
        let (puppet, _) = Puppet::on(&strict);
        let mut monitors = Monitors::new();
        monitors.monitor(&puppet);
        assert_eq!([puppet.call(|_, _| 7), puppet.call(|_, _| 8)], [7, 8]);
        puppet.stop();
        assert_eq!(monitors.recv().unwrap().reason, ExitReason::Normal);
        return;
    }
    let mut child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["threads::slow_handlers_when_nobody_listens", "--exact", "--test-threads=1", "--nocapture"])
        .env("DW_ALONE", "1")
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stderr.take());
    assert!(child.wait().unwrap().success());
}

/// An async actor that is given time.
struct Gentle;
impl tasks::Actor for Gentle {}
impl tasks::Handler<Double> for Gentle {
    async fn handle(&mut self, Double(n): Double, _: &Context<Self>) -> u32 {
        2 * n
    }
}
