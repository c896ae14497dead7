//! A subscriber that keeps all it is told.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Mutex, OnceLock};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_core::span::Current;

#[derive(Default)]
pub struct Journal(Mutex<Pages>);

#[derive(Default)]
struct Pages {
    spans: Vec<Span>,
    events: Vec<Told>,
}

#[derive(Clone, Debug)]
pub struct Span {
    pub id: u64,
    pub name: &'static str,
    pub root: bool,
    pub fields: BTreeMap<&'static str, String>,
    pub follows: Vec<u64>,
    /// How often it was entered.
    pub entered: usize,
    /// How many hold it; none: it is closed.
    pub held: usize,
    metadata: &'static Metadata<'static>,
}

#[derive(Clone, Debug)]
pub struct Told {
    pub level: Level,
    pub fields: BTreeMap<&'static str, String>,
    /// In which span it was told.
    pub within: Option<u64>,
}

thread_local! {
    static ENTERED: RefCell<Vec<u64>> = const { RefCell::new(Vec::new()) };
}

/// The one that is installed.
pub fn journal() -> &'static Journal {
    static JOURNAL: OnceLock<Journal> = OnceLock::new();
    let mut first = false;
    let journal = JOURNAL.get_or_init(|| {
        first = true;
        Journal::default()
    });
    if first {
        tracing::subscriber::set_global_default(Written(journal)).expect("there is no other");
    }
    journal
}

impl Journal {
    fn with<R>(&self, f: impl FnOnce(&mut Pages) -> R) -> R {
        f(&mut self.0.lock().expect("nobody panics here"))
    }

    /// Spans of this name with this field.
    pub fn spans(&self, name: &str, field: &str, value: &str) -> Vec<Span> {
        let is = |span: &&Span| span.name == name && span.fields.get(field).is_some_and(|is| is == value);
        self.with(|pages| pages.spans.iter().filter(is).cloned().collect())
    }

    /// Events with this message and this field.
    pub fn events(&self, message: &str, field: &str, value: &str) -> Vec<Told> {
        let has =
            |told: &Told, field: &str, value: &str| told.fields.get(field).is_some_and(|is| is == value);
        let is = |told: &&Told| has(told, "message", message) && has(told, field, value);
        self.with(|pages| pages.events.iter().filter(is).cloned().collect())
    }
}

/// An actor of this name makes it panic.
pub const UNSPEAKABLE: &str = "the unspeakable";

struct Written(&'static Journal);

struct Fields(BTreeMap<&'static str, String>);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }
}

impl Written {
    fn span(&self, id: &Id, f: impl FnOnce(&mut Span)) {
        self.0.with(|pages| f(&mut pages.spans[id.into_u64() as usize - 1]));
    }
}

impl Subscriber for Written {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "deathwatch"
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        let mut fields = Fields(BTreeMap::new());
        attributes.record(&mut fields);
        assert_ne!(fields.0.get("name").map(|name| &**name), Some(UNSPEAKABLE));
        self.0.with(|pages| {
            let id = pages.spans.len() as u64 + 1;
            pages.spans.push(Span {
                id,
                name: attributes.metadata().name(),
                root: attributes.is_root(),
                fields: fields.0,
                follows: Vec::new(),
                entered: 0,
                held: 1,
                metadata: attributes.metadata(),
            });
            Id::from_u64(id)
        })
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, span: &Id, follows: &Id) {
        self.span(span, |span| span.follows.push(follows.into_u64()));
    }

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields(BTreeMap::new());
        event.record(&mut fields);
        let within = ENTERED.with_borrow(|entered| entered.last().copied()).filter(|_| event.is_contextual());
        let told = Told { level: *event.metadata().level(), fields: fields.0, within };
        self.0.with(|pages| pages.events.push(told));
    }

    fn enter(&self, span: &Id) {
        ENTERED.with_borrow_mut(|entered| entered.push(span.into_u64()));
        self.span(span, |span| span.entered += 1);
    }

    fn exit(&self, span: &Id) {
        let left = ENTERED.with_borrow_mut(Vec::pop);
        assert_eq!(left, Some(span.into_u64()), "left in the order in which they were entered");
    }

    fn clone_span(&self, span: &Id) -> Id {
        self.span(span, |span| span.held += 1);
        span.clone()
    }

    fn try_close(&self, span: Id) -> bool {
        let mut closed = false;
        self.span(&span, |span| {
            span.held -= 1;
            closed = span.held == 0;
        });
        closed
    }

    fn current_span(&self) -> Current {
        let Some(id) = ENTERED.with_borrow(|entered| entered.last().copied()) else { return Current::none() };
        let metadata = self.0.with(|pages| pages.spans[id as usize - 1].metadata);
        Current::new(Id::from_u64(id), metadata)
    }
}
