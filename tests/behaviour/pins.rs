//! What the compiler is held to.

use std::error::Error;
use std::mem::size_of;
use std::panic::{RefUnwindSafe, UnwindSafe};

use deathwatch::{
    ActorHandle, ActorId, ActorRef, Attachment, Backend, Context, Demonitor, Down, Downs, ErrorReport,
    ExitReason, ExitWait, Group, GroupChange, Groups, IntoDowns, JoinError, LookupError, Mailbox,
    ManualClock, Missed, MonitorGuard, MonitorRef, Monitors, OnFull, Options, PanicReport, Recipient,
    RecvTimeoutError, RegisterError, Registry, Request, RequestError, Resolved, Runtime, RuntimeBuilder,
    SendError, SendWait, ShutdownError, StartError, StreamEnd, TimerCancel, TimerRef, Topic, WeakActorRef,
};

use crate::support::{Idle, Ping};

/// May be sent, but not shared.
#[derive(Clone)]
struct SendOnly(#[allow(dead_code, reason = "for its type")] std::cell::Cell<u32>);
impl deathwatch::Message for SendOnly {
    type Reply = SendOnly;
}
impl deathwatch::tasks::Actor for SendOnly {}
impl deathwatch::tasks::Handler<SendOnly> for SendOnly {
    async fn handle(&mut self, message: SendOnly, _: &Context<Self>) -> SendOnly {
        message
    }
}

fn send<T: Send>() {}
fn sync<T: Sync>() {}
fn unpin<T: Unpin>() {}
fn all<T: Send + Sync + Unpin>() {}
fn error<T: Error + Send + Sync + Unpin + 'static>() {}
fn debug<T: std::fmt::Debug>() {}

type Sending<A, M> = SendWait<A, M, deathwatch::tasks::Tasks>;

/// Every public type can be sent to, shared with and moved on other threads, whatever the actor and the message are.
#[test]
fn threads() {
    all::<ActorRef<SendOnly>>();
    all::<WeakActorRef<SendOnly>>();
    all::<ActorHandle>();
    all::<Recipient<SendOnly>>();
    all::<Context<SendOnly>>();
    all::<MonitorGuard>();
    all::<ExitWait>();
    all::<Options>();
    all::<Mailbox>();
    all::<OnFull>();
    all::<Runtime>();
    all::<RuntimeBuilder>();
    all::<ActorId>();
    all::<MonitorRef>();
    all::<Down>();
    all::<Demonitor>();
    all::<ExitReason>();
    all::<ErrorReport>();
    all::<PanicReport>();
    all::<Backend>();
    all::<ManualClock>();
    all::<TimerRef>();
    all::<TimerCancel>();
    all::<Missed>();
    all::<Attachment>();
    all::<StreamEnd>();
    all::<StartError>();
    all::<RequestError>();
    all::<SendError<Ping>>();
    all::<Registry>();
    all::<Registry<(u8, String)>>();
    all::<Resolved>();
    all::<LookupError>();
    all::<RegisterError>();
    all::<Group>();
    all::<GroupChange>();
    all::<Groups>();
    all::<JoinError>();
    all::<Topic<SendOnly>>();
    send::<Monitors>();
    unpin::<Monitors>();
    send::<Downs<'_>>();
    send::<IntoDowns>();
    send::<Request<SendOnly>>();
    sync::<Request<SendOnly>>();
    unpin::<Request<SendOnly>>();
    send::<Sending<SendOnly, SendOnly>>();
    unpin::<Sending<SendOnly, SendOnly>>();
}

/// The errors are errors that can be boxed and sent, whatever the message is.
#[test]
fn errors() {
    error::<SendError<Ping>>();
    error::<RequestError>();
    error::<StartError>();
    error::<RegisterError>();
    error::<LookupError>();
    error::<JoinError>();
    error::<ShutdownError>();
    error::<RecvTimeoutError>();
    send::<SendError<SendOnly>>();
    fn boxed(error: impl Into<Box<dyn Error + Send + Sync>>) -> Box<dyn Error + Send + Sync> {
        error.into()
    }
    for text in [
        boxed(RequestError::Timeout).to_string(),
        boxed(RequestError::Full).to_string(),
        boxed(RequestError::Exited(ExitReason::Kill)).to_string(),
        boxed(StartError::ShutDown).to_string(),
        boxed(StartError::Capacity(0)).to_string(),
        boxed(StartError::Workers(0)).to_string(),
        boxed(RecvTimeoutError::Empty).to_string(),
        boxed(RecvTimeoutError::Timeout).to_string(),
    ] {
        assert!(text.starts_with(char::is_lowercase) && !text.ends_with('.'), "{text}");
    }
}

/// Handles are one pointer wide, and so are their `Option`s.
#[test]
fn sizes() {
    const POINTER: usize = size_of::<usize>();
    assert_eq!(size_of::<ActorRef<SendOnly>>(), POINTER);
    assert_eq!(size_of::<Option<ActorRef<SendOnly>>>(), POINTER);
    assert_eq!(size_of::<WeakActorRef<SendOnly>>(), POINTER);
    assert_eq!(size_of::<Option<WeakActorRef<SendOnly>>>(), POINTER);
    assert_eq!(size_of::<ActorHandle>(), POINTER);
    assert_eq!(size_of::<Option<ActorHandle>>(), POINTER);
    assert_eq!(size_of::<Recipient<SendOnly>>(), POINTER);
    assert_eq!(size_of::<Option<Recipient<SendOnly>>>(), POINTER);
    assert_eq!(size_of::<Option<ActorId>>(), 8);
    assert_eq!(size_of::<Option<MonitorRef>>(), 8);
    assert!(size_of::<ExitReason>() <= 2 * POINTER);
}

/// `Debug` asks nothing of the actor or the message.
#[test]
fn debug_without_bounds() {
    debug::<ActorRef<SendOnly>>();
    debug::<WeakActorRef<SendOnly>>();
    debug::<Recipient<SendOnly>>();
    debug::<Context<SendOnly>>();
    debug::<Request<SendOnly>>();
    debug::<SendError<SendOnly>>();
    debug::<Sending<SendOnly, SendOnly>>();
    debug::<Monitors>();
    debug::<MonitorGuard>();
    debug::<ExitWait>();
    debug::<Runtime>();
    debug::<RuntimeBuilder>();
    debug::<Options>();
    debug::<Down>();
    debug::<Demonitor>();
    debug::<Registry<(u8, String)>>();
    debug::<Resolved>();
    debug::<Groups<(u8, String)>>();
    debug::<Group>();
    debug::<Topic<SendOnly>>();
    debug::<ManualClock>();
    debug::<TimerRef>();
    debug::<TimerCancel>();
    debug::<Missed>();
    debug::<Attachment>();
    debug::<StreamEnd>();
}

/// Identities and handles go into tables.
#[test]
fn keys() {
    fn key<T: Eq + std::hash::Hash>() {}
    fn ordered<T: Copy + Ord>() {}
    key::<ActorRef<SendOnly>>();
    key::<ActorHandle>();
    key::<ActorId>();
    key::<MonitorRef>();
    ordered::<ActorId>();
    ordered::<MonitorRef>();
}

/// R10, R96: an actor without a handler for a Down, or for a message, is refused by the compiler. This compiles only as long
/// as `Idle` has neither: a handler would make both implementations apply, and the call ambiguous. (The documentation
/// of `monitor` and `send` has the same as examples that fail.)
#[test]
fn who_has_no_handler_is_refused() {
    use deathwatch::{SentTo, tasks::Tasks, threads::Threads};
    trait Ambiguous<X> {
        fn call() {}
    }
    enum InTasks {}
    enum InThreads {}
    impl<A, M> Ambiguous<()> for (A, M) {}
    impl<A, M: SentTo<A, Tasks>> Ambiguous<InTasks> for (A, M) {}
    impl<A, M: SentTo<A, Threads>> Ambiguous<InThreads> for (A, M) {}
    <(Idle, Down) as Ambiguous<_>>::call();
    <(Idle, SendOnly) as Ambiguous<_>>::call();
}

/// What tells of a death may cross a caught panic.
#[test]
fn unwinding() {
    fn unwind<T: UnwindSafe + RefUnwindSafe>() {}
    unwind::<ActorId>();
    unwind::<MonitorRef>();
    unwind::<Mailbox>();
    unwind::<RecvTimeoutError>();
    unwind::<ShutdownError>();
}

/// Handlers and hooks of an actor that cannot be shared compile, and so do all kinds of use.
#[test]
fn an_actor_that_cannot_be_shared() {
    let _dog = watchdog!();
    use deathwatch::tasks::Actor;
    let actor = SendOnly(std::cell::Cell::new(1)).start();
    let recipient: Recipient<SendOnly> = actor.recipient();
    let reply = recipient.request(SendOnly(std::cell::Cell::new(7))).no_timeout().wait().unwrap();
    assert_eq!(reply.0.get(), 7);
    let idle = Idle.start();
    assert_eq!(idle.request(Ping(3)).no_timeout().wait(), Ok(3));
}
