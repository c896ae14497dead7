//! Why an actor died.

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

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

    /// Is it anything but [`Normal`](Self::Normal) and [`Shutdown`](Self::Shutdown)?
    pub fn is_abnormal(&self) -> bool {
        !matches!(self, ExitReason::Normal | ExitReason::Shutdown)
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
            _ => std::mem::discriminant(self) == std::mem::discriminant(other),
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
        }
    }
}

impl Error for ExitReason {
    /// The error an actor died with; its text is part of the reason's own.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            ExitReason::Error(report) => report.source(),
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
