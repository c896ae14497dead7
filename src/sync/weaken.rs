//! Breaks one atomic operation on purpose, to see whether the models notice.
//!
//! A site is the place of an operation in the source, `file:line:column`. Two switches of the environment, both only
//! in builds for models:
//!
//! - `DW_WEAKEN=site=to` lowers the ordering there. `to` is an ordering in lower case, `failure-relaxed` for what a
//!   failed exchange reads, or `gone` to leave out a fence;
//! - `DW_SITES=file` appends to the file, for each model, which sites it came by, and which exchanges failed there.
//!
//! `loom-tests/mutants/run` uses the second to know what there is to weaken and the first to do it, one at a time.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::panic::Location;
use std::sync::OnceLock;
use std::sync::atomic::Ordering;

struct Weakened {
    site: String,
    to: String,
}

struct Switches {
    weakened: Option<Weakened>,
    sites: bool,
}

fn switches() -> &'static Switches {
    static SWITCHES: OnceLock<Switches> = OnceLock::new();
    SWITCHES.get_or_init(|| {
        let weakened = std::env::var("DW_WEAKEN").ok().map(|asked| {
            let (site, to) = asked.split_once('=').expect("DW_WEAKEN is site=to");
            Weakened { site: site.to_owned(), to: to.to_owned() }
        });
        Switches { weakened, sites: std::env::var_os("DW_SITES").is_some() }
    })
}

thread_local! {
    /// All threads of a model are coroutines of one real thread.
    static SITES: RefCell<BTreeSet<String>> = const { RefCell::new(BTreeSet::new()) };
}

/// What the models of this thread came by since it was last asked, one line each: `site ordering failure`, and `site failed -` for
/// an exchange that failed.
pub fn take_sites() -> Vec<String> {
    SITES.take().into_iter().collect()
}

/// The weakening asked for at `site`, if any.
#[inline]
fn look(site: &'static Location<'static>, now: impl FnOnce() -> String) -> Option<&'static str> {
    let switches = switches();
    if switches.sites {
        let mut line = site.to_string();
        write!(line, " {}", now()).expect("a string takes all");
        SITES.with_borrow_mut(|sites| sites.insert(line));
    }
    let weakened = switches.weakened.as_ref()?;
    (weakened.site == site.to_string()).then_some(&weakened.to)
}

/// The ordering to use where `ordering` stands.
#[track_caller]
pub(super) fn at(ordering: Ordering) -> Ordering {
    match look(Location::caller(), || format!("{ordering:?} -")) {
        Some(to) => named(to),
        None => ordering,
    }
}

/// The orderings to use where an exchange has these.
#[track_caller]
pub(super) fn exchange(success: Ordering, failure: Ordering) -> (Ordering, Ordering) {
    match look(Location::caller(), || format!("{success:?} {failure:?}")) {
        // ORDERING: what the mutant asked for.
        Some("failure-relaxed") => (success, Ordering::Relaxed),
        Some(to) => (named(to), failure),
        None => (success, failure),
    }
}

/// How an exchange ended.
#[track_caller]
pub(super) fn ended<T>(result: Result<T, T>) -> Result<T, T> {
    if result.is_err() && switches().sites {
        let line = format!("{} failed -", Location::caller());
        SITES.with_borrow_mut(|sites| sites.insert(line));
    }
    result
}

/// A fence, or what is left of it.
#[track_caller]
pub fn fence(ordering: Ordering) {
    match look(Location::caller(), || format!("{ordering:?} fence")) {
        Some("gone") => (),
        Some(to) => loom::sync::atomic::fence(named(to)),
        None => loom::sync::atomic::fence(ordering),
    }
}

fn named(ordering: &str) -> Ordering {
    // ORDERING: names only.
    match ordering {
        "relaxed" => Ordering::Relaxed,
        "acquire" => Ordering::Acquire,
        "release" => Ordering::Release,
        "acqrel" => Ordering::AcqRel,
        _ => panic!("DW_WEAKEN knows no {ordering}"),
    }
}
