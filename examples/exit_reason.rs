//! Every way for an actor to die, and what each observer sees of it: a watcher that monitors it,
//! somebody who waits for its end, somebody with a request in its mailbox, and whoever looks at a
//! handle later. Then, what `demonitor` does before and after a death.
//!
//! ```text
//! cargo run --example exit_reason
//! ```
//!
//! What it prints, it also checks.

use std::panic;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::Duration;

use deathwatch::prelude::*;
use deathwatch::{ActorHandle, Demonitor, MonitorRef, Options, RequestError, Runtime, WeakActorRef};
use futures::channel::oneshot;

/// What is waited for takes no time; this is for the day on which something is wrong.
const LIMIT: Duration = Duration::from_secs(10);

fn main() {
    silence_panics_of_actors();
    let (tell, told) = mpsc::channel();
    let tour = Tour { watcher: Watcher { tell }.start(), told };

    print_row("way to die", ["Down", "join", "request", "exit_reason()"]);
    tour.orderly();
    tour.panics();
    tour.kill_and_shutdown();
    tour.several_monitors();
    tour.demonitor();
    println!("\nall as it must be");
}

/// The panics below are the point of this example, and told to those who monitor. Only the main
/// thread, which runs no actor, goes on to report its own: a failed check.
fn silence_panics_of_actors() {
    let default_hook = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if thread::current().name() == Some("main") {
            default_hook(info);
        }
    }));
}

// ---- the actor that dies ------------------------------------------------------------------

#[derive(Default)]
struct Victim {
    panics_in_started: bool,
    panics_in_stopped: bool,
}

impl Actor for Victim {
    async fn started(&mut self, _: &Context<Self>) {
        if self.panics_in_started {
            panic!("in started");
        }
    }

    async fn stopped(&mut self, _: &ExitReason, _: &Context<Self>) {
        if self.panics_in_stopped {
            panic!("in stopped");
        }
    }
}

/// Its handler says that it is entered, then waits until the gate opens.
struct Busy {
    entered: Sender<()>,
    gate: oneshot::Receiver<()>,
}

impl Message for Busy {
    type Reply = ();
}

impl Handler<Busy> for Victim {
    async fn handle(&mut self, Busy { entered, gate }: Busy, _: &Context<Self>) {
        let _ = entered.send(());
        let _ = gate.await;
    }
}

/// Its handler does this.
struct Order(fn(&Context<Victim>));

impl Message for Order {
    type Reply = ();
}

impl Handler<Order> for Victim {
    async fn handle(&mut self, Order(act): Order, ctx: &Context<Self>) {
        act(ctx);
    }
}

struct Ping;

impl Message for Ping {
    type Reply = &'static str;
}

impl Handler<Ping> for Watcher {
    async fn handle(&mut self, _: Ping, _: &Context<Self>) -> &'static str {
        "pong"
    }
}

impl Handler<Ping> for Victim {
    async fn handle(&mut self, _: Ping, _: &Context<Self>) -> &'static str {
        "pong"
    }
}

// ---- the actor that watches ---------------------------------------------------------------

/// Passes on every [`Down`] it gets.
struct Watcher {
    tell: Sender<Down>,
}

impl Actor for Watcher {}

impl Handler<Down> for Watcher {
    async fn handle(&mut self, down: Down, _: &Context<Self>) {
        self.tell.send(down).expect("the tour lasts longer than the watcher");
    }
}

/// Starts and monitors in one step: whatever happens to the victim, the watcher is told.
struct Start(Victim, Options);

impl Message for Start {
    type Reply = ActorRef<Victim>;
}

impl Handler<Start> for Watcher {
    async fn handle(&mut self, Start(victim, options): Start, ctx: &Context<Self>) -> ActorRef<Victim> {
        let (victim, _) = ctx.spawn_monitored_with(victim, options).expect("a runtime that runs");
        victim
    }
}

struct Monitor(ActorHandle);

impl Message for Monitor {
    type Reply = MonitorRef;
}

impl Handler<Monitor> for Watcher {
    async fn handle(&mut self, Monitor(target): Monitor, ctx: &Context<Self>) -> MonitorRef {
        ctx.monitor(&target)
    }
}

struct EndMonitor(MonitorRef);

impl Message for EndMonitor {
    type Reply = Demonitor;
}

impl Handler<EndMonitor> for Watcher {
    async fn handle(&mut self, EndMonitor(monitor): EndMonitor, ctx: &Context<Self>) -> Demonitor {
        ctx.demonitor(monitor)
    }
}

/// Monitors the target, kills it, waits until it is dead, and demonitors: all in one handler, so
/// the `Down` is in the mailbox but not handled.
struct KillAndEndMonitor(ActorHandle);

impl Message for KillAndEndMonitor {
    type Reply = Demonitor;
}

impl Handler<KillAndEndMonitor> for Watcher {
    async fn handle(
        &mut self,
        KillAndEndMonitor(target): KillAndEndMonitor,
        ctx: &Context<Self>,
    ) -> Demonitor {
        let monitor = ctx.monitor(&target);
        target.kill();
        target.wait_exit().await;
        ctx.demonitor(monitor)
    }
}

// ---- the tour -----------------------------------------------------------------------------

struct Tour {
    watcher: ActorRef<Watcher>,
    told: Receiver<Down>,
}

/// How the victim comes to die.
enum Cause<'a> {
    /// By itself.
    Itself,
    /// It handles this order.
    Order(fn(&Context<Victim>)),
    /// Somebody does this while it is inside a handler that awaits.
    Deed(&'a dyn Fn(&ActorRef<Victim>)),
    /// Its last handle goes while it is inside a handler that awaits.
    LetGo,
}

impl Tour {
    fn orderly(&self) {
        self.die(
            "ctx.stop()",
            Victim::default(),
            Cause::Order(|ctx| ctx.stop()),
            ["normal", "normal", "exited: normal", "normal"],
        );
        self.die(
            "ctx.stop_with(error)",
            Victim::default(),
            Cause::Order(|ctx| ctx.stop_with(ExitReason::error("disk full"))),
            ["error: disk full", "error: disk full", "exited: error: disk full", "error: disk full"],
        );
        self.die(
            "stop()",
            Victim::default(),
            Cause::Deed(&|victim| victim.stop()),
            ["normal", "normal", "exited: normal", "normal"],
        );
        self.die(
            "last handle dropped",
            Victim::default(),
            Cause::LetGo,
            ["normal", "normal", "answered: pong", "normal"],
        );
    }

    fn panics(&self) {
        self.die(
            "panic in started",
            Victim { panics_in_started: true, ..Victim::default() },
            Cause::Itself,
            ["panic: in started", "panic: in started", "exited: panic: in started", "panic: in started"],
        );
        self.die(
            "panic in a handler",
            Victim::default(),
            Cause::Order(|_| panic!("boom")),
            ["panic: boom", "panic: boom", "exited: panic: boom", "panic: boom"],
        );
        self.die(
            "panic in stopped",
            Victim { panics_in_stopped: true, ..Victim::default() },
            Cause::Order(|ctx| ctx.stop()),
            ["panic: in stopped", "panic: in stopped", "exited: panic: in stopped", "panic: in stopped"],
        );
        self.die(
            "the same after an error",
            Victim { panics_in_stopped: true, ..Victim::default() },
            Cause::Order(|ctx| ctx.stop_with(ExitReason::error("disk full"))),
            ["error: disk full", "error: disk full", "exited: error: disk full", "error: disk full"],
        );
    }

    fn kill_and_shutdown(&self) {
        self.die(
            "kill() cuts into an await",
            Victim::default(),
            Cause::Deed(&|victim| victim.kill()),
            ["kill", "kill", "exited: kill", "kill"],
        );

        let runtime = Runtime::new().expect("threads to start");
        let victim = self.start(Victim::default(), Options::new().runtime(&runtime));
        let join = victim.wait_exit();
        runtime.shutdown(LIMIT).expect("nobody in the way");
        let request = victim.request(Ping);
        self.check(
            "runtime.shutdown()",
            [self.down(), join.wait().to_string(), answer(request.wait()), reason(&victim.downgrade())],
            ["shutdown", "shutdown", "exited: shutdown", "shutdown"],
        );
    }

    fn several_monitors(&self) {
        let victim = Victim::default().start();
        let first = self.ask(Monitor(victim.handle()));
        let second = self.ask(Monitor(victim.handle()));
        assert_ne!(first, second);
        victim.kill();
        let mut downs = [self.told(), self.told()];
        downs.sort_by_key(|down| down.monitor_ref != first);
        assert_eq!(downs.each_ref().map(|down| down.monitor_ref), [first, second]);
        self.check(
            "two monitors",
            [
                format!("{} + {}", downs[0].reason, downs[1].reason),
                victim.wait_exit().wait().to_string(),
                answer(victim.request(Ping).wait()),
                reason(&victim.downgrade()),
            ],
            ["kill + kill", "kill", "exited: kill", "kill"],
        );

        self.ask(Monitor(victim.handle()));
        self.check(
            "a monitor of the dead",
            [
                self.down(),
                victim.wait_exit().wait().to_string(),
                answer(victim.request(Ping).wait()),
                reason(&victim.downgrade()),
            ],
            ["kill", "kill", "exited: kill", "kill"],
        );
    }

    fn demonitor(&self) {
        println!("\n{:<28}{:<20}and then", "demonitor", "returns");
        let row = |what, returned: Demonitor, expected| {
            let returned = match returned {
                Demonitor::Cancelled => "Cancelled".to_owned(),
                Demonitor::Flushed(down) => format!("Flushed({})", down.reason),
                Demonitor::Unknown => "Unknown".to_owned(),
            };
            println!("{what:<28}{returned:<20}silence");
            assert_eq!(returned, expected, "{what}");
        };

        let victim = Victim::default().start();
        let monitor = self.ask(Monitor(victim.handle()));
        row("before the death", self.ask(EndMonitor(monitor)), "Cancelled");
        row("a second time", self.ask(EndMonitor(monitor)), "Unknown");
        victim.kill();
        victim.wait_exit().wait();
        self.silence();

        let victim = Victim::default().start();
        row("dead, Down not yet handled", self.ask(KillAndEndMonitor(victim.handle())), "Flushed(kill)");
        self.silence();

        let victim = Victim::default().start();
        let monitor = self.ask(Monitor(victim.handle()));
        victim.kill();
        assert_eq!(self.told().monitor_ref, monitor);
        row("Down handled", self.ask(EndMonitor(monitor)), "Unknown");
        self.silence();
    }

    /// Starts a victim, has it die, and checks what the four observers see.
    fn die(&self, way: &str, victim: Victim, cause: Cause, expected: [&str; 4]) {
        let victim = self.start(victim, Options::new());
        let (join, weak) = (victim.wait_exit(), victim.downgrade());

        // While the victim is busy, the cause and a request meet in its mailbox. Errors mean that
        // it is dead already, which is what the observers are about to report.
        let (entered, is_busy) = mpsc::channel();
        let (open, gate) = oneshot::channel();
        let _ = victim.send(Busy { entered, gate });
        let _ = is_busy.recv();
        if let Cause::Order(order) = cause {
            let _ = victim.send(Order(order));
        }
        let request = victim.request(Ping);
        if let Cause::Deed(deed) = cause {
            deed(&victim);
        }
        if let Cause::LetGo = cause {
            drop(victim);
        }
        let _ = open.send(());

        let seen = [self.down(), join.wait().to_string(), answer(request.wait()), reason(&weak)];
        self.check(way, seen, expected);
    }

    fn start(&self, victim: Victim, options: Options) -> ActorRef<Victim> {
        self.ask(Start(victim, options))
    }

    fn ask<M: Message>(&self, message: M) -> M::Reply
    where
        Watcher: Handler<M>,
    {
        self.watcher.request(message).wait().expect("the watcher lives and answers")
    }

    fn told(&self) -> Down {
        self.told.recv_timeout(LIMIT).expect("a Down comes")
    }

    fn down(&self) -> String {
        self.told().reason.to_string()
    }

    /// The watcher has handled all it has got, and no `Down` was among it.
    fn silence(&self) {
        self.ask(Ping);
        assert!(self.told.try_recv().is_err(), "a Down too many");
    }

    fn check(&self, way: &str, seen: [String; 4], expected: [&str; 4]) {
        print_row(way, seen.each_ref().map(String::as_str));
        assert_eq!(seen, expected, "{way}");
        self.silence();
    }
}

fn answer(answer: Result<&'static str, RequestError>) -> String {
    match answer {
        Ok(reply) => format!("answered: {reply}"),
        Err(RequestError::Exited(reason)) => format!("exited: {reason}"),
        Err(error) => error.to_string(),
    }
}

fn reason(victim: &WeakActorRef<Victim>) -> String {
    victim.exit_reason().map_or("alive".to_owned(), |reason| reason.to_string())
}

fn print_row(way: &str, [down, join, request, reason]: [&str; 4]) {
    println!("{way:<28}{down:<20}{join:<20}{request:<28}{reason}");
}
