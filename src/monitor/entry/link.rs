//! Links: two actors that hear of each other's death, and die of it unless they trap exits.
//!
//! A link is two entries, its *ends*, in one block: each like a monitor of the one by the other, with its key in the
//! watcher's table and its place in the target's list. What is said of entries in [`super`] holds of each end for itself.
//! The *lower* of the pair is the one with the lower identity, the *low* end the one whose watcher that is.
//!
//! # Rules
//!
//! 1. The key of an end is the identity of its target, so that there is one at most in a table. The low end goes in first: in
//!    the table of the lower the pair decides which of several links that are made at once there is. The others are given up.
//! 2. Who finds the place of the low end taken has met a link that is on, and leaves it at that; unless the caller is the higher,
//!    whose end has fired and has no key any more: that one is over, and only the exit of the lower is not through. In the place of
//!    the high end, while the low one is in, there can only be one that is over; and if the low one is not in any more, one that
//!    is on: ours was ended meanwhile. Whoever meets one that is over ends it (rule 3) and
//!    tries again. (One that is being ended counts as on: then the linking was before the unlinking.)
//! 3. Whoever ends a link first cancels both ends, then takes both keys out, of these very ends. Nothing else is owed to who
//!    comes too late for one of the four: the table's reference goes with the key, the state's with the cancelling.
//! 4. The maker gives up a reference to the high end when its key is in. Who ends the link has cancelled the high end before (the
//!    maker sees that, and takes the key out), or comes after it (and finds the key).
//! 5. What was cancelled and counted as stale goes into the list all the same, so that the count comes to nothing.
//! 6. An end that has fired is a signal. Its key stays until the watcher's own run looks at it, or opens the message that was made
//!    of it: who removes the key decides, as for a `Down`. So after an unlink a signal that is on its way is nothing.
//! 7. Whoever makes or ends a link holds both actors.

use std::ptr::NonNull;

use super::{Deliver, Entry, EntryPtr, EntryVtable, Station, Turn, fire, give_up, hook_of, of_hook, signal};
use crate::cell::{Address, Cell, CellPtr, CellRef};
use crate::id::ActorId;
use crate::mailbox::node::{Node, NodeVtable, Unopened};
use crate::monitor::down::Exit;
use crate::reason::{ExitReason, LinkReport};
use crate::reclaim::{Guard, pin};
use crate::structs::future::SlotFuture;
use crate::structs::list::Push;
use crate::structs::map::{Hook, Order};
use crate::structs::pool;
use crate::sync::atomic::{AtomicUsize, Ordering};

/// A block with the two ends of a link.
#[repr(C)]
struct Pair {
    low: Entry,
    high: Entry,
    /// How many of the ends have not been freed; the block goes with the last.
    ends: AtomicUsize,
    /// One of the two was dead before the link was made: the other is told so, and not why.
    late: bool,
}

type PairPtr = NonNull<Pair>;

/// References: table, list, state.
const LOW: usize = 3;
/// One more, of the maker (rule 4).
const HIGH: usize = 4;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Low,
    High,
}

const fn vtable<const SIDE: bool>() -> EntryVtable {
    EntryVtable {
        node: NodeVtable { open, discard, counted: false, slot: None },
        deliver: Deliver::Call(signal::bring),
        drop_payload: None,
        free: free::<SIDE>,
        turn: Turn::Second,
        asked_as: None,
    }
}

impl Side {
    fn other(self) -> Self {
        if self == Side::Low { Side::High } else { Side::Low }
    }

    const fn offset(self) -> usize {
        match self {
            Side::Low => std::mem::offset_of!(Pair, low),
            Side::High => std::mem::offset_of!(Pair, high),
        }
    }

    /// An end of a pair.
    fn of(self, pair: PairPtr) -> EntryPtr {
        // SAFETY: stays within the block.
        unsafe { pair.byte_add(self.offset()).cast() }
    }

    /// The pair of this end.
    ///
    /// # Safety
    ///
    /// `end` is one of this side.
    unsafe fn pair(self, end: EntryPtr) -> PairPtr {
        // SAFETY: by the contract; ends are put into lists and tables with pointers derived from the block's.
        unsafe { end.byte_sub(self.offset()).cast() }
    }
}

/// Two actors whom the caller holds (rule 7).
struct Couple<'a> {
    low: &'a CellRef,
    high: &'a CellRef,
}

/// What became of an end that was to go into its table.
#[derive(PartialEq, Eq)]
enum Entered {
    In,
    /// There is a link that is on.
    Linked,
    /// The watcher is dead.
    Closed,
}

impl<'a> Couple<'a> {
    fn of(one: &'a CellRef, other: &'a CellRef) -> Self {
        if one.id < other.id { Couple { low: one, high: other } } else { Couple { low: other, high: one } }
    }

    fn watcher(&self, side: Side) -> &'a CellRef {
        if side == Side::Low { self.low } else { self.high }
    }

    fn target(&self, side: Side) -> &'a CellRef {
        self.watcher(side.other())
    }

    fn order(&self, side: Side) -> Order {
        Order::other(self.target(side).id.place())
    }

    fn create(&self, late: bool) -> PairPtr {
        let end = |side, vtable, references| {
            Entry::at(vtable, self.order(side), references, (Some(self.watcher(side)), self.target(side)))
        };
        pool::new_block(Pair {
            low: end(Side::Low, const { &vtable::<false>() }, LOW),
            high: end(Side::High, const { &vtable::<true>() }, HIGH),
            ends: AtomicUsize::new(2),
            late,
        })
    }

    /// Puts the key of an end into its watcher's table, unless there is one there of a link that is not over.
    ///
    /// # Safety
    ///
    /// The end is alive, in no table, and made for these two.
    unsafe fn enter(&self, end: EntryPtr, side: Side, is_over: impl Fn(PairPtr, &Guard) -> bool) -> Entered {
        loop {
            let pinned = pin();
            // SAFETY: by the contract; freed through the epoch after it was removed.
            let met = match unsafe { self.watcher(side).table.insert_if_none(hook_of(end), &pinned) } {
                Ok(None) => return Entered::In,
                Err(_) => return Entered::Closed,
                Ok(Some(met)) => met,
            };
            // SAFETY: keys of this kind and order are those of ends of this side, between these two; found under the guard.
            unsafe {
                let met = side.pair(of_hook(met));
                if !is_over(met, &pinned) {
                    return Entered::Linked;
                }
                self.end(met, pinned);
            }
        }
    }

    /// Has the higher looked at the signal of the lower's death (rule 2)?
    ///
    /// # Safety
    ///
    /// The pair is one of these two, and was found under the guard.
    unsafe fn is_over(&self, pair: PairPtr, pinned: &Guard) -> bool {
        let high = Side::High.of(pair);
        // SAFETY: by the contract.
        let state = unsafe { high.as_ref() }.state();
        // In this order: an end has its key before it fires.
        !state.is_armed()
            && !state.is_cancelled()
            && self.high.table.get(self.order(Side::High), pinned) != Some(hook_of(high))
    }

    /// Ends a link (rule 3).
    ///
    /// # Safety
    ///
    /// The pair is one of these two, and was found under the guard.
    unsafe fn end(&self, pair: PairPtr, pinned: Guard) {
        // SAFETY: by the contract.
        let (cancelled, removed) = unsafe {
            (
                [Side::Low, Side::High].map(|side| side.of(pair).as_ref().state().cancel(0)),
                [Side::Low, Side::High]
                    .map(|side| self.watcher(side).table.remove_this(hook_of(side.of(pair)), &pinned)),
            )
        };
        drop(pinned);
        for (side, (cancelled, removed)) in
            [Side::Low, Side::High].into_iter().zip(cancelled.into_iter().zip(removed))
        {
            // SAFETY: the target is held (rule 7). The state's reference is ours if we cancelled, the table's if we removed the
            // key.
            unsafe {
                if cancelled {
                    fire::note_stale(CellPtr::of(self.target(side)), pin());
                }
                match usize::from(cancelled) + usize::from(removed) {
                    0 => {}
                    references => give_up(side.of(pair), references, pin()),
                }
            }
        }
    }

    /// Puts an end into its target's list, or has it fire, if the target is dead.
    ///
    /// # Safety
    ///
    /// The caller owns the list's reference, which is given up here.
    unsafe fn attach(&self, pair: PairPtr, side: Side) {
        let end = side.of(pair);
        // Pinned, so that the head that is read cannot come back as another entry at the same place.
        let pinned = pin();
        // SAFETY: alive by its reference; lists of watchers hold entries only.
        let pushed = unsafe { self.target(side).watchers.push(end) };
        drop(pinned);
        if pushed == Push::Closed {
            // SAFETY: refused, so the reference is still ours; the end was made for these two.
            unsafe { fire::late(end, Some(self.watcher(side)), self.target(side)) };
        }
    }
}

/// Gives up an end that is in no table and in no list.
///
/// # Safety
///
/// Nobody else knows the pair; the caller owns so many references, which are all.
unsafe fn undo(end: EntryPtr, references: usize) {
    // SAFETY: by the contract.
    unsafe {
        let won = end.as_ref().state().cancel(0);
        debug_assert!(won, "nobody else knows the pair");
        give_up(end, references, pin());
    }
}

/// Links two actors, unless they are linked: when one dies, the other has a signal. If `peer` is dead, `caller` has one at once.
///
/// Nothing is linked when the caller links itself, or is at its own end.
pub fn link(caller: &CellRef, peer: &CellRef) {
    if caller == peer || caller.life.read().ending() {
        return;
    }
    let couple = Couple::of(caller, peer);
    let pair = couple.create(peer.reason().is_some());
    let [low, high] = [Side::Low, Side::High].map(|side| side.of(pair));
    // SAFETY: made for these two; each reference is given up once; what is found was found under the guard.
    unsafe {
        let by_the_higher = caller == couple.high;
        let is_over = |met: PairPtr, pinned: &Guard| by_the_higher && couple.is_over(met, pinned);
        let low_is_in = match couple.enter(low, Side::Low, is_over) {
            Entered::In => true,
            Entered::Closed if by_the_higher => {
                undo(low, LOW); // before anybody knows the pair
                false
            }
            Entered::Linked | Entered::Closed => {
                undo(low, LOW);
                return undo(high, HIGH);
            }
        };
        // Our low key holds the pair's place, if nobody has taken it out: then what stands in the high place is over. Otherwise it
        // may be another link, which is on.
        let is_over = |_: PairPtr, pinned: &Guard| {
            low_is_in && couple.low.table.get(couple.order(Side::Low), pinned) == Some(hook_of(low))
        };
        match couple.enter(high, Side::High, is_over) {
            Entered::In => {
                if high.as_ref().state().published() {
                    let pinned = pin();
                    if couple.high.table.remove_this(hook_of(high), &pinned) {
                        give_up(high, 1, pinned);
                    }
                }
                couple.attach(pair, Side::High);
            }
            // The higher is dead, and will not hear of the lower; or somebody has ended the link, and the two are linked anew, or the
            // lower is dead. Who has ended it has cancelled the end, which was counted (rule 5).
            Entered::Linked | Entered::Closed if low_is_in => {
                if high.as_ref().state().cancel(0) {
                    give_up(high, HIGH, pin());
                } else {
                    give_up(high, 2, pin()); // the table's and ours
                    couple.attach(pair, Side::High);
                }
            }
            Entered::Linked | Entered::Closed => return undo(high, HIGH),
        }
        if low_is_in {
            couple.attach(pair, Side::Low);
        }
    }
}

/// Ends the link of two actors, if there is one: after that, neither hears of the other's death by it.
pub fn unlink(one: &CellRef, other: &CellRef) {
    if one == other {
        return;
    }
    let couple = Couple::of(one, other);
    // In both tables: what somebody else is just ending may be left in one of them.
    for side in [Side::Low, Side::High] {
        let pinned = pin();
        if let Some(hook) = couple.watcher(side).table.get(couple.order(side), &pinned) {
            // SAFETY: as in `enter`.
            unsafe { couple.end(side.pair(of_hook(hook)), pinned) };
        }
    }
}

/// Whom an actor is linked with at present.
pub fn links(actor: &CellRef) -> Vec<ActorId> {
    let (mut found, pinned) = (Vec::new(), pin());
    actor.table.for_each(&pinned, |hook: NonNull<Hook>| {
        // SAFETY: reached under the guard, and armed, so its target is there (rule 8 of entries).
        unsafe {
            let end = of_hook(hook).as_ref();
            if end.hook.order().is_other() && end.state().is_armed() {
                found.push(end.target.id(&pinned));
            }
        }
    });
    found
}

/// What a stage does with an exit that it traps.
pub trait Trap<S>: 'static {
    /// Begins to handle it.
    fn tell(exit: Exit, stage: &mut S) -> SlotFuture<'_>;
}

/// Has exits made messages for `T`, or no longer. Was it so before?
pub fn trap<S: Station, T: Trap<S>>(actor: &Address<S>, on: bool) -> bool {
    let how = const { &NodeVtable { open: open_trapped::<S, T>, discard, counted: false, slot: None } };
    actor.cell().signals.trap(how, on)
}

/// What the signal of a link does to an actor that does not trap exits: the reason to die of at once, if it is one.
///
/// # Safety
///
/// The end has fired, and the caller owns the state's reference; `watcher` is whom it was made for, and who calls.
pub(super) unsafe fn suffer(end: EntryPtr, watcher: &CellRef) -> Option<ExitReason> {
    // SAFETY: by the contract.
    let Exit { from, name, reason, .. } = unsafe { accept(end, watcher) }?;
    match reason {
        ExitReason::Normal => {}
        reason if reason.is_abnormal() => return Some(ExitReason::Link(LinkReport::new(from, name, reason))),
        orderly => watcher.stop(ExitReason::Link(LinkReport::new(from, name, orderly))),
    }
    None
}

/// What a signal says, if its link was not ended meanwhile (rule 6). It is used up.
///
/// # Safety
///
/// The end has fired, and the caller owns the state's reference; `watcher` is whom it was made for, and who calls.
unsafe fn accept(end: EntryPtr, watcher: &CellRef) -> Option<Exit> {
    let pinned = pin();
    // SAFETY: by the contract; the state's reference, and the table's if we removed the key.
    unsafe {
        let removed = watcher.table.remove_this(hook_of(end), &pinned);
        let exit = removed.then(|| tell(end, watcher));
        give_up(end, 1 + usize::from(removed), pinned);
        exit
    }
}

/// # Safety
///
/// As for [`accept`].
unsafe fn tell(end: EntryPtr, watcher: &CellRef) -> Exit {
    // SAFETY: by the contract; a fired entry owns a reference to its target.
    let target: &Cell = unsafe { end.as_ref().target.get() };
    let side = if watcher.id < target.id { Side::Low } else { Side::High };
    // SAFETY: the end is one of this side, and alive.
    let late = unsafe { side.pair(end).as_ref() }.late;
    let reason = target.reason().filter(|_| !late).cloned();
    Exit { from: target.id, name: target.name().cloned(), reason: reason.unwrap_or(ExitReason::NoProc) }
}

/// The actor's turn has come to a message that was made of a signal.
///
/// # Safety
///
/// See [`NodeVtable::open`]; the node is that of an end.
unsafe fn open(node: NonNull<Node>, stage: NonNull<()>) -> SlotFuture<'static> {
    let end: EntryPtr = node.cast();
    // SAFETY: the watcher is whose turn it is, so somebody holds it; what opens messages was made for its stage.
    unsafe {
        let how = end.as_ref().watcher.and_then(|watcher| watcher.get().signals.how());
        match how {
            Some(how) => (how.open)(node, stage),
            None => unreachable!("a signal becomes a message where exits are trapped"),
        }
    }
}

/// # Safety
///
/// As for [`open`]; the stage is an S.
unsafe fn open_trapped<S: Station, T: Trap<S>>(
    node: NonNull<Node>,
    stage: NonNull<()>,
) -> SlotFuture<'static> {
    // SAFETY: borrowed for as long as the future lives; the state's reference came with the node.
    unsafe {
        let stage = &mut *stage.cast::<S>().as_ptr();
        match accept(node.cast(), stage.cell()) {
            Some(exit) => T::tell(exit, stage),
            None => SlotFuture::ready(),
        }
    }
}

/// # Safety
///
/// See [`NodeVtable::discard`]; the node is that of an end.
unsafe fn discard(node: NonNull<Node>, _why: Unopened) {
    // SAFETY: the state's reference came with the node.
    unsafe { give_up(node.cast(), 1, pin()) };
}

/// # Safety
///
/// `end` is an end of this side that nobody holds any more; to be called once.
unsafe fn free<const SIDE: bool>(end: EntryPtr) {
    let side = if SIDE { Side::High } else { Side::Low };
    // SAFETY: by the contract; the block is there until both ends have come here.
    unsafe {
        let pair = side.pair(end);
        // ORDERING: AcqRel: all that was done with the other end is before the freeing.
        if pair.as_ref().ends.fetch_sub(1, Ordering::AcqRel) == 1 {
            let pair = pool::take_block(pair);
            pair.low.end();
            pair.high.end();
        }
    }
}
