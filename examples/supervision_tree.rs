//! A supervision tree, parts of which are made to fail: who is restarted, who is not, and what happens when that does not help.
//!
//! ```text
//! cargo run --example supervision_tree
//! ```
//!
//! ```text
//!   app ── one for one
//!   ├── store            waits before it is restarted
//!   ├── import ── rest for one
//!   │   ├── reader
//!   │   ├── parser       on a thread of its own
//!   │   └── writer
//!   └── sessions ── dynamic
//!       └── session ...  temporary: forgotten when they end
//! ```
//!
//! It goes by a clock that is moved by hand. What it prints, it also checks.

use std::panic;
use std::time::Duration;

use deathwatch::prelude::*;
use deathwatch::supervisor::{
    Backoff, ChildError, ChildRef, ChildSpec, ChildState, DynamicSupervisor, Kind, Supervisor,
    SupervisorError,
};
use deathwatch::{ManualClock, Options, Runtime, threads};

const SECOND: Duration = Duration::from_secs(1);

/// Says what it is, and fails when it is told to.
struct Part;

struct Fail(&'static str);
impl Message for Fail {
    type Reply = ();
}

impl Actor for Part {}
impl Handler<Fail> for Part {
    async fn handle(&mut self, Fail(why): Fail, _: &Context<Self>) {
        panic!("{why}");
    }
}

/// The same on a thread of its own.
struct Parser;
impl threads::Actor for Parser {}
impl threads::Handler<Fail> for Parser {
    fn handle(&mut self, Fail(why): Fail, ctx: &Context<Self>) {
        ctx.stop_with(ExitReason::error(why));
    }
}

/// What stands for the parts, whichever incarnation of them is there.
struct Parts {
    store: ChildRef<Part>,
    reader: ChildRef<Part>,
    parser: ChildRef<Parser>,
    writer: ChildRef<Part>,
    import: ChildRef<Supervisor>,
    sessions: ChildRef<DynamicSupervisor>,
}

fn tree() -> (Supervisor, Parts) {
    let store = ChildSpec::new("store", || Part)
        .backoff(Backoff::exponential(SECOND, 60 * SECOND))
        .options(Options::new().registered("store"));
    let (reader, writer) = (ChildSpec::new("reader", || Part), ChildSpec::new("writer", || Part));
    let parser = ChildSpec::new("parser", || Parser);
    let sessions = ChildSpec::new("sessions", DynamicSupervisor::new);
    let found = (reader.child_ref(), parser.child_ref(), writer.child_ref());
    let import = ChildSpec::new("import", move || {
        let import = Supervisor::rest_for_one().intensity(2, 10 * SECOND);
        import.child(reader.clone()).child(parser.clone()).child(writer.clone())
    });
    let parts = Parts {
        store: store.child_ref(),
        reader: found.0,
        parser: found.1,
        writer: found.2,
        import: import.child_ref(),
        sessions: sessions.child_ref(),
    };
    let app = Supervisor::one_for_one().intensity(2, 10 * SECOND);
    (app.child(store).child(import).child(sessions), parts)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    silence_panics_of_actors();
    let clock = ManualClock::new();
    let runtime = Runtime::builder().clock(&clock).build()?;
    let (app, parts) = tree();
    let app = app.start_with(Options::new().runtime(&runtime).name("app"))?;
    app.ready().wait()?;
    let sessions = parts.sessions.ready().wait()?;
    let session = || sessions.start_child(ChildSpec::once("session", Part)).wait();
    let (first, _second) = (session()??, session()??);
    show("all is well", &app)?;
    assert_eq!(count(&app)?, 8);

    // A session ends, and is forgotten: nobody else is concerned.
    fail(&first)?;
    assert!(first.ready().wait().is_err(), "nobody is about to come");
    show("a session has failed", &app)?;
    assert_eq!(count(&app)?, 7);

    // The parser fails. What comes after it is restarted with it; what came before stays.
    let (reader, writer) = (parts.reader.ready().wait()?, parts.writer.ready().wait()?);
    let parser = parts.parser.ready().wait()?;
    parser.send(Fail("a line that is none"))?;
    other_than(&writer, &parts.writer)?;
    show("the parser has failed", &app)?;
    assert_eq!(parts.reader.ready().wait()?.id(), reader.id());
    assert_ne!(parts.parser.ready().wait()?.id(), parser.id());

    // The store fails, and waits for a second before it is back, under the same name.
    fail(&parts.store)?;
    while !app.which_children().wait()?.iter().any(|child| child.state == ChildState::Waiting) {}
    show("the store has failed", &app)?;
    assert!(parts.store.get().is_none());
    assert!(runtime.registry().handle("store").is_none());
    clock.advance(SECOND);
    let store = parts.store.ready().wait()?;
    show("a second later", &app)?;
    assert_eq!(runtime.registry().lookup::<Part>("store"), Ok(store.clone()));

    // The reader fails again and again: its supervisor gives up, and is restarted with all that is below.
    let import = parts.import.ready().wait()?;
    for _ in 0..2 {
        fail(&parts.reader)?;
    }
    other_than(&import, &parts.import)?;
    show("the import was given up, and begun anew", &app)?;
    assert_eq!(parts.store.ready().wait()?.id(), store.id());

    // And once more: now the one above gives up as well. There is nobody above that.
    for _ in 0..3 {
        fail(&parts.reader)?;
    }
    let reason = app.wait_exit().wait();
    println!("\napp has given up:\n    {reason}");
    let mut levels = Vec::new();
    let mut why = Some(reason);
    while let Some(ExitReason::Error(report)) = why.take() {
        if let Some(SupervisorError::Intensity { child, reason, .. }) = report.downcast_ref() {
            levels.push(child.name().to_owned());
            why = Some(reason.clone());
        }
    }
    assert_eq!(levels, ["import", "reader"]);
    assert!(parts.sessions.get().is_none() && parts.store.get().is_none());
    runtime.shutdown(SECOND)?; // nobody is left
    println!("\nall as expected");
    Ok(())
}

/// Has a part fail, and waits until it has.
fn fail(part: &ChildRef<Part>) -> Result<(), Box<dyn std::error::Error>> {
    let actor = part.ready().wait()?;
    actor.send(Fail("by request"))?;
    actor.wait_exit().wait();
    Ok(())
}

/// Waits until there is another incarnation than that.
fn other_than<A: 'static>(actor: &ActorRef<A>, part: &ChildRef<A>) -> Result<(), ChildError> {
    actor.wait_exit().wait();
    while part.ready().wait()?.id() == actor.id() {}
    Ok(())
}

fn show(what: &str, app: &ActorRef<Supervisor>) -> Result<(), Box<dyn std::error::Error>> {
    println!("\n{what}");
    walk(app, 1, &mut |depth, line| println!("{:depth$}{line}", "", depth = 4 * depth))
}

/// How many there are in the tree, the one at the top left out.
fn count(app: &ActorRef<Supervisor>) -> Result<usize, Box<dyn std::error::Error>> {
    let mut count = 0;
    walk(app, 0, &mut |_, _| count += 1)?;
    Ok(count)
}

/// Goes through a supervisor's children, and theirs.
fn walk<K: Kind>(
    supervisor: &ActorRef<Supervisor<K>>,
    depth: usize,
    each: &mut dyn FnMut(usize, &str),
) -> Result<(), Box<dyn std::error::Error>> {
    for child in supervisor.which_children().wait()? {
        let id = child.actor.as_ref().map(|actor| actor.id().to_string()).unwrap_or_default();
        let line =
            format!("{:<12}{:<10}{id:<7}restarts: {}", child.id.to_string(), child.state, child.restarts);
        each(depth, &line);
        let Some(actor) = child.actor.filter(|_| child.is_supervisor) else { continue };
        match actor.downcast::<Supervisor>() {
            Ok(fixed) => walk(&fixed, depth + 1, each)?,
            Err(other) => {
                if let Ok(dynamic) = other.downcast::<DynamicSupervisor>() {
                    walk(&dynamic, depth + 1, each)?;
                }
            }
        }
    }
    Ok(())
}

/// The panics here are on purpose; those of `main` are not.
fn silence_panics_of_actors() {
    let hook = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if std::thread::current().name() == Some("main") {
            hook(info);
        }
    }));
}
