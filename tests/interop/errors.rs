//! Every error of the crate is an error for those who know only `std::error::Error`: one text, and what lies below.

use std::error::Error;
use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use deathwatch::prelude::*;
use deathwatch::supervisor::{ChildError, ChildId, SupervisorError};
use deathwatch::{
    ActorHandle, Group, LookupError, Monitors, Pool, PoolError, RegisterError, Registry, RequestError,
    Runtime, SendError, ShutdownError, StartError, StashFull,
};

use crate::clerk::Note;
use crate::support::{Idle, Ping};

/// An error upon an error: text and text below.
#[derive(Debug)]
struct Upper(io::Error);
impl std::fmt::Display for Upper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("no configuration")
    }
}
impl Error for Upper {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

fn upper() -> ExitReason {
    ExitReason::error(Upper(io::Error::other("no such file")))
}

/// The texts of an error and of all that lies below it.
fn chain(error: impl Error + Send + Sync + 'static) -> Vec<String> {
    let error: Box<dyn Error + Send + Sync> = error.into();
    std::iter::successors(Some(&*error as &dyn Error), |&error| error.source())
        .map(ToString::to_string)
        .collect()
}

fn dead() -> ActorRef<Idle> {
    let actor = Idle.start();
    actor.stop_with(upper());
    actor.wait_exit().wait();
    actor
}

/// What lies below the reason of a death lies below the error that tells of it; the reason's own text is part of the error's.
#[test]
fn below_a_death_lies_what_it_was_of() {
    let _dog = watchdog!();
    let actor = dead();
    let told = |text: &str| vec![text.to_owned(), "no such file".to_owned()];

    assert_eq!(chain(upper()), told("error: no configuration"));
    assert_eq!(
        chain(actor.send(Ping(0)).unwrap_err()),
        told("not sent: the actor is dead (error: no configuration)")
    );
    let sunk = futures::executor::block_on(futures::SinkExt::send(&mut actor.sink(), Ping(0)));
    assert_eq!(chain(sunk.unwrap_err()), told("not sent: the actor is dead (error: no configuration)"));
    assert_eq!(
        chain(actor.request(Ping(0)).wait().unwrap_err()),
        told("no reply: the actor died (error: no configuration)")
    );
    let handle: ActorHandle = actor.handle();
    assert_eq!(
        chain(Group::new().join(&handle).unwrap_err()),
        told("not joined: the actor is dead (error: no configuration)")
    );
    let Err(error) = <Registry>::new().register("interop: the dead", &actor) else { panic!("registered") };
    assert_eq!(
        chain(error),
        told("not registered as interop: the dead: the actor is dead (error: no configuration)")
    );
    let error = PoolError::Restarts { limit: 1, within: Duration::from_secs(2), last: upper() };
    assert_eq!(
        chain(error),
        told("workers died more than 1 times within 2s, at last of: error: no configuration")
    );
    let child = || ChildId::from("db");
    assert_eq!(
        chain(ChildError::Start { child: child(), reason: upper() }),
        told("the child db did not start (error: no configuration)")
    );
    let error = SupervisorError::Intensity {
        child: child(),
        reason: upper(),
        most: 3,
        within: Duration::from_secs(5),
    };
    assert_eq!(
        chain(error),
        told("more than 3 restarts within 5s, the last of db (error: no configuration)")
    );
}

/// The others tell everything themselves, or lead to the operating system's.
#[test]
fn the_others_lead_to_nothing_or_to_the_system() {
    let _dog = watchdog!();
    let alone = |error: Box<dyn Error>| {
        assert!(error.source().is_none(), "{error}");
        error.to_string()
    };
    let runtime = Runtime::builder().workers(1).build().unwrap();
    assert_eq!(alone(Box::new(SendError::Full { message: Note(1) })), "not sent: the mailbox is full");
    let ending = SendError::Closed { message: Note(1), reason: None };
    assert_eq!(alone(Box::new(ending)), "not sent: the actor is ending");
    assert_eq!(alone(Box::new(RequestError::Timeout)), "no reply within the time limit");
    assert_eq!(alone(Box::new(RequestError::Full)), "no reply: the mailbox was full");
    let nobody = Monitors::new().recv_timeout(Duration::ZERO).unwrap_err();
    assert_eq!(alone(Box::new(nobody)), "nothing is monitored any more");
    assert_eq!(alone(Box::new(LookupError::Unknown)), "nobody has this name");
    let names = <Registry>::new();
    let first = Idle.start();
    names.register("interop: the only", &first).unwrap();
    let taken = names.register("interop: the only", &Idle.start()).unwrap_err();
    assert!(matches!(&taken, RegisterError::Taken { holder, .. } if *holder == first.id()));
    let text = format!("the name interop: the only is taken, by {}", first.id());
    assert_eq!(alone(Box::new(taken)), text);
    assert_eq!(
        alone(Box::new(Pool::builder(|_| Idle).workers(0).start().map(drop).unwrap_err())),
        "a pool cannot have 0 workers"
    );
    assert_eq!(alone(Box::new(StashFull { message: Note(1) })), "not put aside: the stash is full");
    let child = ChildId::from("db");
    assert_eq!(alone(Box::new(ChildError::Unknown(child.clone()))), "there is no child db");
    let spec = SupervisorError::Spec(ChildError::Exists(child));
    assert_eq!(alone(Box::new(spec)), "there is a child db already");
    let stuck = ShutdownError { killed: 2, stuck: 1 };
    assert_eq!(
        alone(Box::new(stuck)),
        "actors that did not stop in time and were killed: 2; of these, stuck in a handler: 1"
    );
    runtime.shutdown(Duration::from_secs(10)).unwrap();
    assert_eq!(alone(Box::new(runtime.start(Idle).unwrap_err())), "the runtime has been shut down");

    let thread = || StartError::Thread(io::Error::other("too many"));
    assert_eq!(chain(thread()), ["a thread could not be started: too many", "too many"]);
    assert_eq!(
        chain(PoolError::from(thread())),
        ["a worker was not started: a thread could not be started: too many", "too many"]
    );
}

/// Nobody adds a type of error that is none: whatever is called so in `src` has its `impl` there.
#[test]
fn whatever_is_called_an_error_is_one() {
    fn texts(folder: &Path, into: &mut String) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                texts(&path, into);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                into.push_str(&fs::read_to_string(path).unwrap());
            }
        }
    }
    let mut src = String::new();
    texts(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut src);
    let mut found = Vec::new();
    for line in src.lines() {
        let Some(rest) = line.strip_prefix("pub enum ").or_else(|| line.strip_prefix("pub struct ")) else {
            continue;
        };
        let name = rest.split(|c: char| !c.is_alphanumeric()).next().unwrap();
        if name.ends_with("Error") || name == "StashFull" {
            assert!(src.contains(&format!("Error for {name}")), "{name} is no error");
            found.push(name);
        }
    }
    assert!(found.len() >= 12, "there were more: {found:?}");
}
