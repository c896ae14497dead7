//! Why an actor died.

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::mem;
use std::ops::Deref;
use std::sync::Arc;

use crate::id::ActorId;

/// Why an actor died: what every observer of one death is told, the same for all.
///
/// Cheap to clone: a text or an error is shared, not copied.
///
/// ```
/// use deathwatch::ExitReason;
///
/// let reason = ExitReason::error("disk full");
/// assert!(reason.is_abnormal());
/// assert_eq!(reason.to_string(), "error: disk full");
/// assert_eq!(ExitReason::Normal.to_string(), "normal");
/// ```
#[doc(alias = "ActorStopReason")]
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ExitReason {
    /// It was asked to stop, or its last handle went and its mailbox was empty.
    Normal,
    /// Its runtime or its supervisor shut it down.
    Shutdown,
    /// It was killed, or dropped by its executor before it had ended.
    Kill,
    /// A hook or a handler panicked.
    Panic(PanicReport),
    /// It stopped itself, or was stopped, with an error.
    Error(ErrorReport),
    /// Nobody of that name or identity is known.
    NoProc,
    /// The connection to it was lost.
    NoConnection,
    /// An actor died that it was linked with.
    Link(LinkReport),
}

impl ExitReason {
    /// A reason that carries an error.
    ///
    /// ```
    /// use deathwatch::ExitReason;
    /// let reason = ExitReason::error(std::io::Error::other("cut off"));
    /// let ExitReason::Error(report) = &reason else { panic!() };
    /// assert!(report.downcast_ref::<std::io::Error>().is_some());
    /// ```
    pub fn error(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        ExitReason::Error(ErrorReport(Arc::new(error.into())))
    }

    /// Is it anything but [`Normal`](Self::Normal) and [`Shutdown`](Self::Shutdown)? Of a death over links, the
    /// [root cause](Self::root_cause) decides.
    pub fn is_abnormal(&self) -> bool {
        !matches!(self.root_cause(), ExitReason::Normal | ExitReason::Shutdown)
    }

    /// Why the first one died of those who brought each other down over links; of any other death, this reason itself. Never
    /// [`Link`](Self::Link). The same cost however long the chain.
    ///
    /// ```
    /// use deathwatch::{ActorId, prelude::*};
    /// struct Leaf;
    /// impl Actor for Leaf {
    ///     async fn started(&mut self, _: &Context<Self>) { panic!("out of paper") }
    /// }
    /// struct Parent;
    /// impl Actor for Parent {
    ///     async fn started(&mut self, ctx: &Context<Self>) {
    ///         ctx.spawn_linked(Leaf);
    ///     }
    /// }
    /// let parent = Parent.start();
    /// let reason = parent.wait_exit().wait();
    /// assert_eq!(reason.root_cause().to_string(), "panic: out of paper");
    /// let ExitReason::Link(report) = &reason else { panic!() };
    /// assert_eq!(report.reason(), reason.root_cause());
    /// assert!(report.from() > parent.id());
    /// ```
    pub fn root_cause(&self) -> &ExitReason {
        match self {
            ExitReason::Link(report) => report.root_cause(),
            reason => reason,
        }
    }

    /// What a panic payload says, as a reason. The payload itself is dropped here, and should that panic, forgotten.
    pub(crate) fn from_panic(payload: Box<dyn Any + Send>) -> Self {
        let message: Arc<str> = match payload.downcast::<&'static str>() {
            Ok(text) => Arc::from(*text),
            Err(payload) => match payload.downcast::<String>() {
                Ok(text) => Arc::from(*text),
                Err(payload) => {
                    crate::guard::drop_quietly(payload);
                    Arc::from("(not a text)")
                }
            },
        };
        ExitReason::Panic(PanicReport(Arc::new(message)))
    }

    /// This reason, unless a later panic says more: it replaces only the two orderly reasons.
    pub(crate) fn or_panic(self, panic: ExitReason) -> Self {
        if self.is_abnormal() { self } else { panic }
    }
}

impl PartialEq for ExitReason {
    /// The same kind, and the same text where it has one.
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (ExitReason::Panic(a), ExitReason::Panic(b)) => a.message() == b.message(),
            (ExitReason::Error(a), ExitReason::Error(b)) => {
                Arc::ptr_eq(&a.0, &b.0) || a.to_string() == b.to_string()
            }
            (ExitReason::Link(a), ExitReason::Link(b)) => a == b,
            _ => mem::discriminant(self) == mem::discriminant(other),
        }
    }
}

impl Eq for ExitReason {}

impl fmt::Display for ExitReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ExitReason::Normal => f.write_str("normal"),
            ExitReason::Shutdown => f.write_str("shutdown"),
            ExitReason::Kill => f.write_str("kill"),
            ExitReason::Panic(report) => write!(f, "panic: {}", report.message()),
            ExitReason::Error(report) => write!(f, "error: {report}"),
            ExitReason::NoProc => f.write_str("no such actor"),
            ExitReason::NoConnection => f.write_str("no connection"),
            ExitReason::Link(report) => fmt::Display::fmt(report, f),
        }
    }
}

impl Error for ExitReason {
    /// What is behind the error an actor died with, whose text is part of the reason's own; or why the actor died that it was
    /// linked with.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            ExitReason::Error(report) => report.source(),
            ExitReason::Link(report) => Some(report.reason()),
            _ => None,
        }
    }
}

/// What a panic said.
#[derive(Clone)]
pub struct PanicReport(Arc<Arc<str>>);

impl PanicReport {
    /// The panic's message; `(not a text)` for a payload that is neither `&str` nor `String`.
    pub fn message(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PanicReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.message(), f)
    }
}

/// The error an actor died with, shared by all who are told; dereferences to the error itself.
#[derive(Clone)]
pub struct ErrorReport(Arc<Box<dyn Error + Send + Sync>>);

impl Deref for ErrorReport {
    type Target = dyn Error + Send + Sync;

    fn deref(&self) -> &Self::Target {
        &**self.0
    }
}

impl fmt::Debug for ErrorReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for ErrorReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// Who died that an actor was linked with, and why; and why the first one did, if that died of a link in turn.
///
/// Shared, not copied, however long the chain. Its text names the two ends only.
#[derive(Clone)]
pub struct LinkReport(Arc<Linked>);

struct Linked {
    from: ActorId,
    name: Option<Arc<str>>,
    reason: ExitReason,
    /// How many have died of one another, this one included.
    length: usize,
    /// Who died first, and why.
    first: ActorId,
    root: ExitReason,
}

impl LinkReport {
    pub(crate) fn new(from: ActorId, name: Option<Arc<str>>, reason: ExitReason) -> Self {
        let (length, first, root) = match &reason {
            ExitReason::Link(LinkReport(behind)) => (behind.length + 1, behind.first, behind.root.clone()),
            reason => (1, from, reason.clone()),
        };
        LinkReport(Arc::new(Linked { from, name, reason, length, first, root }))
    }

    /// The actor that was linked with the one whose reason this is, and died.
    pub fn from(&self) -> ActorId {
        self.0.from
    }

    /// What it was called.
    pub fn name(&self) -> Option<&str> {
        self.0.name.as_deref()
    }

    /// Why it died; that may be of a link as well.
    pub fn reason(&self) -> &ExitReason {
        &self.0.reason
    }

    /// Over how many links it came: 1 if [`from`](Self::from) did not die of a link itself.
    pub fn length(&self) -> usize {
        self.0.length
    }

    /// Who died first.
    pub fn root(&self) -> ActorId {
        self.0.first
    }

    /// Why that one died; never [`ExitReason::Link`].
    pub fn root_cause(&self) -> &ExitReason {
        &self.0.root
    }
}

impl PartialEq for LinkReport {
    /// The same actor at either end, as many links between, and the same root cause.
    fn eq(&self, other: &Self) -> bool {
        let (a, b) = (&*self.0, &*other.0);
        Arc::ptr_eq(&self.0, &other.0)
            || (a.from, a.length, a.first, &a.root) == (b.from, b.length, b.first, &b.root)
    }
}

impl Eq for LinkReport {}

impl fmt::Display for LinkReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Linked { from, name, length, first, root, .. } = &*self.0;
        write!(f, "linked with {from}")?;
        if let Some(name) = name {
            write!(f, " \"{name}\"")?;
        }
        match length {
            1 => write!(f, ", which died ({root})"),
            _ => write!(f, ", and over {length} links with {first}, which died ({root})"),
        }
    }
}

impl fmt::Debug for LinkReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Linked { from, name, length, first, root, .. } = &*self.0;
        f.debug_struct("LinkReport")
            .field("from", from)
            .field("name", name)
            .field("length", length)
            .field("root", first)
            .field("root_cause", root)
            .finish_non_exhaustive()
    }
}

impl Drop for Linked {
    /// One after the other: a chain may be as long as there are actors.
    fn drop(&mut self) {
        let mut behind = mem::replace(&mut self.reason, ExitReason::Normal);
        while let ExitReason::Link(LinkReport(report)) = behind {
            let Some(mut report) = Arc::into_inner(report) else { return };
            behind = mem::replace(&mut report.reason, ExitReason::Normal);
        }
    }
}
