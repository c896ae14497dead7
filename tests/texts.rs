#![cfg(not(loom))]
//! What handles, references, reasons and errors say of themselves, in logs and to whoever walks down the sources of an error.

use std::error::Error;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use deathwatch::prelude::*;
use deathwatch::supervisor::{Backoff, ChildId};
use deathwatch::{
    ActorHandle, AliasUntil, Backend, Exit, Groups, Mailbox, ManualClock, Monitors, OnFull, Options, Pool,
    Registry, RequestError, Runtime, SendError, ShutdownError, StartError, Stash, StateMachine, States,
    Topic, threads,
};

/// Does nothing, in either mode, and has none of the hooks.
struct Idle;
impl Actor for Idle {}
struct IdleThread;
impl threads::Actor for IdleThread {}

struct Ping;
impl Message for Ping {
    type Reply = ();
}
impl Handler<Ping> for Idle {
    async fn handle(&mut self, _: Ping, _: &Context<Self>) {}
}
impl threads::Handler<Ping> for IdleThread {
    fn handle(&mut self, _: Ping, _: &Context<Self>) {}
}
impl Handler<Down> for Idle {
    async fn handle(&mut self, _: Down, _: &Context<Self>) {}
}

/// Never replies.
struct Stuck(futures::channel::oneshot::Receiver<()>);
impl Actor for Stuck {}
impl Handler<Ping> for Stuck {
    async fn handle(&mut self, _: Ping, _: &Context<Self>) {
        let _ = (&mut self.0).await;
    }
}

/// An error upon an error.
#[derive(Debug)]
struct Upper(std::io::Error);
impl fmt::Display for Upper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no configuration")
    }
}
impl Error for Upper {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

fn upper() -> ExitReason {
    ExitReason::error(Upper(std::io::Error::other("no such file")))
}

#[test]
fn handles_show_whom_they_are_of() {
    let runtime = Runtime::builder().workers(1).build().unwrap();
    let actor = Idle.start_with(Options::new().runtime(&runtime).name("jeeves")).unwrap();
    let (id, number) = (actor.id(), actor.id().get());
    assert_eq!((format!("{id}"), format!("{id:?}")), (format!("#{number}"), format!("ActorId({number})")));
    let whole = |handle: &str| format!("{handle} {{ id: ActorId({number}), name: Some(\"jeeves\") }}");
    assert_eq!(format!("{actor:?}"), whole("ActorRef"));
    assert_eq!(format!("{:?}", actor.handle()), whole("ActorHandle"));
    let of = |handle: &str| format!("{handle} {{ id: ActorId({number}) }}");
    assert_eq!(format!("{:?}", actor.downgrade()), of("WeakActorRef"));
    let recipient = actor.recipient::<Ping, _>();
    assert_eq!(format!("{recipient:?}"), of("Recipient"));
    assert_eq!(recipient.handle(), actor.handle());
    assert_eq!(format!("{:?}", actor.wait_exit()), format!("ExitWait {{ target: ActorId({number}) }}"));
    let request = actor.request(Ping);
    assert_eq!(format!("{request:?}"), format!("Request {{ target: ActorId({number}), .. }}"));
    assert_eq!(request.wait(), Ok(()));
    let mut sending = actor.send_wait(Ping);
    assert_eq!(format!("{sending:?}"), format!("SendWait {{ to: ActorId({number}), sent: false }}"));
    assert!(futures::executor::block_on(&mut sending).is_ok());
    assert_eq!(format!("{sending:?}"), format!("SendWait {{ to: ActorId({number}), sent: true }}"));
    assert_eq!(format!("{runtime:?}"), "Runtime { live_actors: 1, .. }");
    let options = Options::new().name("jeeves").mailbox(Mailbox::bounded(3, OnFull::Reject));
    assert_eq!(
        format!("{options:?}"),
        "Options { name: Some(\"jeeves\"), mailbox: Mailbox { limit: Some((3, Reject)) }, .. }"
    );
}

#[test]
fn monitors_show_whom_they_watch() {
    let target = Idle.start();
    let mut monitors = Monitors::default();
    let monitor = monitors.monitor(&target);
    assert_eq!(format!("{monitor:?}"), format!("MonitorRef({})", monitor.get()));
    assert_eq!(
        format!("{monitors:?}"),
        format!("Monitors {{ monitors: [({monitor:?}, {:?})] }}", target.id())
    );
    target.stop();
    let told: Vec<_> = (&mut monitors).into_iter().map(|down| down.monitor_ref).collect();
    assert_eq!(told, [monitor], "it ends when nobody is left");

    struct Watcher(ActorHandle, std::sync::mpsc::Sender<String>);
    impl Actor for Watcher {
        async fn started(&mut self, ctx: &Context<Self>) {
            let guard = ctx.monitor_guard(&self.0);
            let me = format!("Context {{ id: {:?}, name: None, .. }}", ctx.id());
            assert_eq!(format!("{ctx:?}"), me);
            let (id, monitor) = (ctx.id(), guard.monitor_ref());
            let all = format!("MonitorGuard {{ watcher: Some({id:?}), monitor: {monitor:?} }}");
            assert_eq!(format!("{guard:?}"), all);
            self.1.send("as expected".to_owned()).unwrap();
        }
    }
    impl Handler<Down> for Watcher {
        async fn handle(&mut self, _: Down, _: &Context<Self>) {}
    }
    let (say, said) = std::sync::mpsc::channel();
    let _watcher = Watcher(Idle.start().handle(), say).start();
    assert_eq!(said.recv().as_deref(), Ok("as expected"));
}

/// A word for whoever has subscribed.
#[derive(Clone)]
struct News;
impl Message for News {
    type Reply = ();
}

#[test]
fn names_and_groups_show_whom_they_lead_to() {
    let actor = Idle.start();
    let names = Registry::<String>::new();
    names.register("jeeves", &actor).unwrap();
    let resolved = names.resolve("jeeves");
    assert_eq!(resolved.name(), "jeeves");
    assert_eq!(format!("{resolved:?}"), format!("Resolved {{ name: \"jeeves\", id: {:?} }}", actor.id()));

    let groups = Groups::<String>::new();
    let (papers, same) = (groups.topic::<News>("papers"), groups.topic::<News>("papers"));
    assert_eq!(papers, same);
    assert_ne!(papers, Topic::default(), "which is nobody else's");
    assert_eq!((papers.name(), Topic::<News>::new().name()), (Some("papers"), None));
    assert_eq!(format!("{papers:?}"), "Topic { name: Some(\"papers\"), len: 0 }");
    assert_eq!(format!("{groups:?}"), "Groups { len: 1 }");
}

#[test]
fn clocks_show_their_time() {
    let clock = ManualClock::default();
    clock.advance(Duration::from_secs(2));
    let same = ManualClock::from(&clock);
    same.advance(Duration::from_secs(1));
    assert_eq!(format!("{clock:?}"), "ManualClock { advanced: 3s }");
}

#[test]
fn delays_are_what_they_were_asked_to_be() {
    const SECOND: Duration = Duration::from_secs(1);
    let backoff = Backoff::exponential(SECOND, 100 * SECOND).factor(3.0);
    assert_eq!([0, 1, 2, 9].map(|n| backoff.delay(n)), [1, 3, 9, 100].map(|n| n * SECOND));
    let shorter = Backoff::exponential(SECOND, 100 * SECOND).factor(0.5);
    assert_eq!(shorter.delay(9), SECOND, "no delay is shorter than the one before");
    let drawn = Backoff::constant(8 * SECOND).jitter(0.5);
    assert!((0..100).all(|n| (4 * SECOND..=8 * SECOND).contains(&drawn.delay(n))));
    assert_eq!(Backoff::constant(SECOND).jitter(-1.0).delay(0), SECOND);
}

/// Has two states.
struct Lamp(States<Lamp>);
impl StateMachine for Lamp {
    type State = bool;
    fn states(&mut self) -> &mut States<Self> {
        &mut self.0
    }
}
impl Actor for Lamp {}

#[test]
fn what_an_actor_keeps_shows_how_much_it_is() {
    let mut lamp = Lamp(States::new(false));
    assert_eq!(format!("{:?}", lamp.states()), "States { current: false, postponed: 0, .. }");

    let mut stash = Stash::<Idle>::bounded(1);
    stash.push(Ping).unwrap();
    assert_eq!(format!("{stash:?}"), "Stash { len: 1, capacity: 1 }");
    let full = stash.push(Ping).unwrap_err();
    assert_eq!(format!("{full:?}"), "StashFull { .. }");
    let Ping = full.into_message();

    let builder = Pool::builder(|_| Idle).workers(2).name("the staff");
    let shown = format!("{builder:?}");
    assert!(shown.starts_with("PoolBuilder { workers: 2, queue: "), "{shown}");
    let pool = builder.start().unwrap();
    assert_eq!(pool.handle().name(), Some("the staff"));

    assert_eq!(ChildId::from("a".to_owned()), ChildId::from("a"));
    assert_eq!(ChildId::from(&ChildId::from("a")), ChildId::from("a"));
}

/// Is linked, and says of what it is told, and what its alias looks like.
struct Kin(ActorHandle, std::sync::mpsc::Sender<String>);
impl Actor for Kin {
    async fn started(&mut self, ctx: &Context<Self>) {
        let alias = ctx.alias::<Exit, _>(AliasUntil::Unalias);
        let shown = format!("Alias {{ id: {:?}, until: Unalias, active: true }}", ctx.id());
        assert_eq!(format!("{alias:?}"), shown);
        let stream = ctx.attach(futures::stream::pending::<Exit>());
        assert!(format!("{stream:?}").starts_with("Attachment { actor: "), "{stream:?}");
        ctx.trap_exit(true);
        ctx.link(&self.0);
        self.1.send(String::new()).unwrap();
    }
}
impl Handler<Exit> for Kin {
    async fn handle(&mut self, exit: Exit, _: &Context<Self>) {
        let ExitReason::Link(report) = &exit.reason else { panic!("{exit:?}") };
        let (name, reason) = (report.name(), report.reason());
        self.1.send(format!("{} {name:?} {reason} {}", report.from(), report.length())).unwrap();
    }
}

/// Dies of a link.
struct Middle(ActorHandle, std::sync::mpsc::Sender<String>);
impl Actor for Middle {
    async fn started(&mut self, ctx: &Context<Self>) {
        ctx.link(&self.0);
        self.1.send(String::new()).unwrap();
    }
}

#[test]
fn a_death_over_links_tells_where_it_began() {
    let runtime = Runtime::new().unwrap();
    let first = Idle.start_with(Options::new().runtime(&runtime).name("the first")).unwrap();
    let (say, said) = std::sync::mpsc::channel();
    let middle = Middle(first.handle(), say.clone()).start_with(Options::new().runtime(&runtime)).unwrap();
    let _last = Kin(middle.handle(), say).start_with(Options::new().runtime(&runtime)).unwrap();
    assert_eq!([said.recv(), said.recv()], [Ok(String::new()), Ok(String::new())], "all are linked");
    first.stop_with(upper());
    let told = format!("{} Some(\"the first\") error: no configuration 1", first.id());
    assert_eq!(said.recv(), Ok(told));
}

#[test]
fn reasons_say_why_and_lead_to_what_lies_below() {
    let texts = [
        (ExitReason::Normal, "normal"),
        (ExitReason::Shutdown, "shutdown"),
        (ExitReason::Kill, "kill"),
        (ExitReason::NoProc, "no such actor"),
        (ExitReason::NoConnection, "no connection"),
        (upper(), "error: no configuration"),
    ];
    for (reason, text) in texts {
        assert_eq!(reason.to_string(), text);
        let below = reason.source().map(ToString::to_string);
        assert_eq!(below.as_deref(), matches!(reason, ExitReason::Error(_)).then_some("no such file"));
    }
    let ExitReason::Error(report) = upper() else { panic!("an error") };
    assert!(report.downcast_ref::<Upper>().is_some());
    assert!(format!("{report:?}").starts_with("Upper("), "{report:?}");

    struct Panics;
    impl Actor for Panics {
        async fn started(&mut self, _: &Context<Self>) {
            std::panic::resume_unwind(Box::new("as it was told"));
        }
    }
    let reason = Panics.start().wait_exit().wait();
    assert_eq!(format!("{reason:?}"), "Panic(\"as it was told\")");
    assert_eq!(reason.to_string(), "panic: as it was told");
}

#[test]
fn errors_say_what_went_wrong() {
    let actor = Idle.start();
    actor.stop_with(upper());
    actor.wait_exit().wait();
    let error = actor.send(Ping).unwrap_err();
    assert_eq!(error.to_string(), "not sent: the actor is dead (error: no configuration)");
    assert!(format!("{error:?}").starts_with("Closed { reason: Some(Error("), "{error:?}");
    let error = SendError::Closed { message: Ping, reason: None };
    assert_eq!(error.to_string(), "not sent: the actor is ending");
    let error = SendError::Full { message: Ping };
    assert_eq!(
        (error.to_string(), format!("{error:?}")),
        ("not sent: the mailbox is full".into(), "Full { .. }".into())
    );

    let error = actor.request(Ping).wait().unwrap_err();
    assert_eq!(error.to_string(), "no reply: the actor died (error: no configuration)");
    assert_eq!(error.source().map(ToString::to_string).as_deref(), Some("no such file"));
    assert!(RequestError::Timeout.source().is_none());
    assert_eq!(RequestError::Timeout.to_string(), "no reply within the time limit");
    assert_eq!(RequestError::Full.to_string(), "no reply: the mailbox was full");

    assert_eq!(
        ShutdownError { killed: 2, stuck: 1 }.to_string(),
        "actors that did not stop in time and were killed: 2; of these, stuck in a handler: 1"
    );
    let refused = StartError::Thread(std::io::Error::other("too many"));
    assert_eq!(refused.to_string(), "a thread could not be started: too many");
    assert_eq!(refused.source().map(ToString::to_string).as_deref(), Some("too many"));
    assert!(StartError::ShutDown.source().is_none());
    let refused = threads::Actor::start_with(IdleThread, Options::new().backend(Backend::Scheduler));
    let refused = refused.map(drop).unwrap_err();
    assert_eq!(refused.to_string(), "an actor of this mode cannot run on Scheduler");
}

/// The limit of a request that began to be awaited goes on when it is then waited for.
#[test]
fn a_time_limit_survives_a_change_of_the_way_of_waiting() {
    let (_keep, never) = futures::channel::oneshot::channel();
    let stuck = Stuck(never).start();
    let mut request = stuck.request(Ping).timeout(Duration::from_millis(1));
    let began = Instant::now();
    assert!(futures::FutureExt::now_or_never(&mut request).is_none());
    assert_eq!(request.wait(), Err(RequestError::Timeout));
    assert!(began.elapsed() >= Duration::from_millis(1), "not before its time");
    stuck.kill();
}

/// An actor that needs no hook, on a thread of its own.
#[test]
fn a_thread_without_hooks() {
    let actor = threads::Actor::start(IdleThread);
    assert_eq!(actor.request(Ping).wait(), Ok(()));
    assert_eq!(actor.join().wait(), ExitReason::Normal);
}

/// Where `start` cannot answer with an error, it panics and says which.
#[test]
fn start_panics_where_it_cannot_start() {
    /// Waits in its stop hook until its runtime takes nobody any more, and says what `start` then says, for both modes.
    struct Last(std::sync::mpsc::Sender<[String; 3]>);
    impl Actor for Last {
        async fn stopped(&mut self, _: &ExitReason, ctx: &Context<Self>) {
            let said = |start: &dyn Fn()| {
                let caught = catch_unwind(AssertUnwindSafe(start)).expect_err("it is shut down");
                caught.downcast_ref::<String>().cloned().unwrap_or_default()
            };
            let all = [
                said(&|| drop(Idle.start())),
                said(&|| drop(threads::Actor::start(IdleThread))),
                said(&|| drop(ctx.spawn_monitored(Idle))),
            ];
            self.0.send(all).expect("the test waits for it");
        }
    }
    impl Handler<Down> for Last {
        async fn handle(&mut self, _: Down, _: &Context<Self>) {}
    }
    let noisy = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let said = info.payload().downcast_ref::<String>();
        if !said.is_some_and(|said| said.starts_with("cannot start an actor")) {
            noisy(info);
        }
    }));
    let runtime = Runtime::builder().workers(1).build().unwrap();
    let (say, said) = std::sync::mpsc::channel();
    let _last = runtime.start(Last(say)).unwrap();
    runtime.shutdown(Duration::from_secs(3_600)).unwrap();
    let refused = "cannot start an actor: the runtime has been shut down";
    assert_eq!(said.recv().unwrap(), [refused; 3]);
}
