//! The last deaths of a runtime.

use std::sync::Arc as StdArc;
use std::time::{Duration, Instant};

use crate::guard;
use crate::id::ActorId;
use crate::reason::ExitReason;
use crate::structs::index::Index;
use crate::structs::queue::Queue;
use crate::sync::atomic::{AtomicU64, Ordering, fence};

/// A ring of so many deaths, which anybody reads and nobody waits for: what is kept is found by its number, and who writes one takes out
/// the one that is so many before.
///
/// Two cases, where the one before is not there yet when it is to be taken out: its writer looks at the count behind a fence, after it
/// has put it in, and then finds that it is too old, and takes it out itself. Either that look comes after the raise of the count, or
/// the other's look comes after the insertion.
pub(super) struct Deaths {
    most: u64,
    next: AtomicU64,
    kept: Index<u64, Kept>,
    late: StdArc<Late>,
}

/// Reasons of deaths that are kept no more. They may hold errors of the user's, and what they stood in is dropped by whoever uses the
/// index next, under a guard of its.
struct Late(Queue<ExitReason>);

impl Late {
    fn drop_all(&self) {
        while let Some(reason) = self.0.pop() {
            guard::drop_quietly(reason);
        }
    }
}

impl Drop for Late {
    fn drop(&mut self) {
        self.drop_all();
    }
}

/// One death.
pub(super) struct Obituary {
    pub id: ActorId,
    pub actor: &'static str,
    pub name: Option<StdArc<str>>,
    /// `None` only while it is dropped.
    pub reason: Option<ExitReason>,
    /// When it was over.
    pub at: Instant,
    /// How long the exit took.
    pub took: Duration,
    pub told: Option<usize>,
}

/// What the index has of it: the same if it is the same death.
#[derive(Clone)]
struct Kept(StdArc<Entry>);

struct Entry {
    death: Obituary,
    late: StdArc<Late>,
}

impl Drop for Entry {
    fn drop(&mut self) {
        if let Some(reason) = self.death.reason.take() {
            self.late.0.push(reason);
        }
    }
}

impl PartialEq for Kept {
    fn eq(&self, other: &Self) -> bool {
        StdArc::ptr_eq(&self.0, &other.0)
    }
}

impl Deaths {
    /// Keeps so many; nothing at all if that is none.
    pub(super) fn keeping(most: usize) -> Option<Self> {
        let late = StdArc::new(Late(Queue::new()));
        (most > 0).then(|| Deaths { most: most as u64, next: AtomicU64::new(0), kept: Index::new(), late })
    }

    pub(super) fn note(&self, death: Obituary) {
        // ORDERING: Relaxed: gives each its number; the fence below is what orders.
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let fresh = Kept(StdArc::new(Entry { death, late: StdArc::clone(&self.late) }));
        let _ = self.kept.insert(&number, fresh.clone()); // nobody else has the number
        // ORDERING: the count was raised, and ours was put in, before the two looks; it pairs with the same one of who writes the
        // death that is so many before or after.
        fence(Ordering::SeqCst);
        if let Some(old) = number.checked_sub(self.most) {
            if let Some(death) = self.kept.get(&old) {
                self.kept.remove(&old, &death);
            }
        }
        // ORDERING: Relaxed: ordered by the fence.
        if self.next.load(Ordering::Relaxed) - number > self.most {
            self.kept.remove(&number, &fresh);
        }
        self.late.drop_all();
    }

    /// How many are kept, wanted or not.
    #[cfg(all(test, not(dw_loom)))]
    pub(super) fn len(&self) -> usize {
        self.kept.len()
    }

    /// What there is of the last ones, the latest first.
    pub(super) fn latest<R>(&self, mut of: impl FnMut(&Obituary) -> R) -> Vec<R> {
        let mut found = Vec::new();
        self.kept.for_each(|number, Kept(entry)| found.push((*number, StdArc::clone(entry))));
        found.sort_by_key(|(number, _)| std::cmp::Reverse(*number));
        found.truncate(usize::try_from(self.most).unwrap_or(usize::MAX));
        found.iter().map(|(_, entry)| of(&entry.death)).collect()
    }
}
