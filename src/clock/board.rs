//! Where alarms are laid down for the clock, and the agreement when it looks. No time in here but numbers.

use crossbeam_utils::CachePadded;

use super::DRAIN;
use crate::structs::alarm::{AlarmRef, AlarmStack, Alarms, Batch, Pushed, Recall, RecallStack, Recalls};
use crate::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering, fence};

/// The clock is awake, and looks at everything before it sleeps.
const AWAKE: u64 = 0;
/// The first time there is: nothing is earlier.
pub const FIRST: u64 = 1;
/// The clock sleeps until it is woken.
pub const NEVER: u64 = u64::MAX;

/// The board. See the [module documentation](super).
pub struct Board {
    /// What has a deadline.
    stack: CachePadded<AlarmStack>,
    /// What has none yet: one for each worker.
    desks: Box<[CachePadded<AlarmStack>]>,
    look: CachePadded<Look>,
    /// How many were put on the stack.
    posted: CachePadded<AtomicUsize>,
    /// What is taken back.
    recalled: CachePadded<RecallStack>,
}

/// What those who lay something down read, and the clock writes.
struct Look {
    /// When it looks next (rule 3).
    next: AtomicU64,
    /// It looks at the desks, and at what is taken back, every now and then.
    watching: AtomicBool,
}

/// What the one who laid something down owes now.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owed {
    /// Nothing.
    Nothing,
    /// To wake the clock.
    Wake,
}

impl Board {
    /// With so many desks. The clock looks at `first_look`, or is awake.
    pub fn new(desks: usize, first_look: Option<u64>) -> Self {
        Board {
            stack: CachePadded::new(AlarmStack::new()),
            desks: (0..desks).map(|_| CachePadded::new(AlarmStack::new())).collect(),
            look: CachePadded::new(Look {
                next: AtomicU64::new(first_look.unwrap_or(AWAKE)),
                watching: AtomicBool::new(false),
            }),
            posted: CachePadded::new(AtomicUsize::new(0)),
            recalled: CachePadded::new(RecallStack::new()),
        }
    }

    /// Lays down an alarm that has its deadline.
    ///
    /// # Errors
    ///
    /// Gives it back when the board is closed.
    pub fn post(&self, alarm: AlarmRef) -> Result<Owed, AlarmRef> {
        let when = alarm.when();
        let _ = self.stack.push(alarm)?;
        Ok(self.posted(when, 1))
    }

    /// Lays down several, of which the earliest rings at `earliest`.
    ///
    /// # Errors
    ///
    /// Gives them back when the board is closed.
    pub fn post_all(&self, batch: Batch, earliest: u64) -> Result<Owed, Alarms> {
        let many = batch.len();
        let _ = self.stack.push_all(batch)?;
        Ok(self.posted(earliest, many))
    }

    fn posted(&self, when: u64, many: usize) -> Owed {
        // ORDERING: Relaxed; a count by which now and then one of those who post is told to wake the clock.
        let before = self.posted.fetch_add(many, Ordering::Relaxed);
        let enough = before / DRAIN != before.wrapping_add(many) / DRAIN;
        // ORDERING: the poster's half of the Dekker pair told in the module documentation; partner is the fence in `rest`.
        fence(Ordering::SeqCst);
        self.owed(|next| when < next || enough)
    }

    /// Is the clock to be woken, if that depends on when it looks next? After the fence.
    fn owed(&self, too_late: impl FnOnce(u64) -> bool) -> Owed {
        // ORDERING: Relaxed after the fence; a stale time would have to be older than a look that saw what was laid down.
        let next = self.look.next.load(Ordering::Relaxed);
        if next == AWAKE || !too_late(next) {
            return Owed::Nothing;
        }
        // ORDERING: Relaxed; only one is to wake, and the waking is what orders. Should the clock have published another
        // time meanwhile, it has looked after our fence.
        let won = self.look.next.compare_exchange(next, AWAKE, Ordering::Relaxed, Ordering::Relaxed);
        if won.is_ok() { Owed::Wake } else { Owed::Nothing }
    }

    /// Lays down an alarm that has no deadline yet, on the caller's own desk.
    ///
    /// # Errors
    ///
    /// Gives it back when the board is closed.
    #[inline]
    pub fn lay(&self, desk: usize, alarm: AlarmRef) -> Result<Owed, AlarmRef> {
        match self.desks[desk].push(alarm)? {
            Pushed::OnOthers => Ok(Owed::Nothing),
            Pushed::OnEmpty => Ok(self.opened()),
        }
    }

    /// There is something on a desk that was empty, or the first to be taken back.
    fn opened(&self) -> Owed {
        // ORDERING: the other half is the fence in `rest`, as for `post`.
        fence(Ordering::SeqCst);
        // ORDERING: Relaxed after the fence: if the clock's fence was first, this reads what it had written before, or later.
        if self.look.watching.load(Ordering::Relaxed) {
            return Owed::Nothing; // it looks before it gives that up
        }
        self.owed(|_| true)
    }

    /// Takes what is on a desk: by its owner, or by the clock.
    pub fn clear(&self, desk: usize) -> Alarms {
        self.desks[desk].take()
    }

    /// Is there nothing on that desk?
    pub fn is_clear(&self, desk: usize) -> bool {
        self.desks[desk].is_empty()
    }

    /// How many desks there are.
    pub fn desks(&self) -> usize {
        self.desks.len()
    }

    /// Takes an alarm back that was posted: it is done.
    pub fn recall(&self, recall: Recall) -> Owed {
        if self.recalled.push(recall) { self.opened() } else { Owed::Nothing }
    }

    /// What is taken back; the clock's.
    pub fn recalled(&self) -> Recalls {
        self.recalled.take()
    }

    /// Takes what was posted; the clock's.
    pub fn take(&self) -> Alarms {
        self.stack.take()
    }

    /// The clock is about to sleep until `next`, and meanwhile watches or does not. False when there is something
    /// to look at: it must not sleep.
    pub fn rest(&self, next: u64, watching: bool) -> bool {
        // ORDERING: Relaxed, both, before the fence, which is the clock's half of the Dekker pair told in the module
        // documentation; partners are the fences in `posted` and `opened`.
        self.look.watching.store(watching, Ordering::Relaxed);
        self.look.next.store(next, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        self.stack.is_empty() && (watching || !self.is_worth_watching())
    }

    /// Is there something on a desk, or taken back?
    pub fn is_worth_watching(&self) -> bool {
        !self.recalled.is_empty() || self.desks.iter().any(|desk| !desk.is_empty())
    }

    /// The clock is awake.
    pub fn rise(&self) {
        // ORDERING: Relaxed; says only that a look follows, and the next publishing is fenced again.
        self.look.next.store(AWAKE, Ordering::Relaxed);
    }

    /// What is posted from now on comes back. All that was laid down goes to `left`.
    pub fn close(&self, mut left: impl FnMut(Alarms)) {
        left(self.stack.close());
        drop(self.recalled.close());
        self.desks.iter().for_each(|desk| left(desk.close()));
    }
}
