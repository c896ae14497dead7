//! Timers: an entry of the actor that set it, an alarm of its clock, and a message node, all in one block.
//!
//! # Rules
//!
//! 1. The word ([`Tick`]) decides: the turn that opens the node, a cancel, and the actor's end each ask it, and of a message
//!    there is one handling or none.
//! 2. References: one of the list and one of the state, as for any entry; one of the clock's, lent with the alarm; one of
//!    the handle; one of the node, while it stands in the mailbox; one of whoever takes the alarm back, until the clock knows.
//! 3. Who ends it, in whatever way, cancels the entry, unless the actor's end does it; and takes the alarm back unless it has
//!    rung for the last time.
//! 4. The block has two nodes: that of the entry, by which the actor's end goes through what it fires, and one that stands in
//!    the mailbox. The clock may be about to push when the end comes.
//! 5. The content is dropped by the one who owns it (see [`Tick`]), before he gives up his references. The alarm refers to its
//!    actor weakly, as every entry does: a timer keeps nobody running.

use std::io;
use std::mem::{ManuallyDrop, offset_of};
use std::ptr::NonNull;
use std::time::Duration;

use super::tick::{Cancelled, Rung, Tick, Turn};
use super::{Deliver, Entry, EntryPtr, EntryVtable, fire, give_up};
use crate::cell::{Address, CellRef};
use crate::clock::{Clock, NotSet};
use crate::guard;
use crate::id::ActorId;
use crate::mailbox::node::{Node, NodeVtable, Unopened};
use crate::mailbox::parcel::Letter;
use crate::reclaim::pin;
use crate::structs::alarm::{Alarm, AlarmRef, AlarmVtable, Recall, Recallable, Ring};
use crate::structs::future::SlotFuture;
use crate::structs::list::Push;
use crate::structs::pool;
use crate::sync::{UnsafeCell, limit};

/// What becomes of the ringings of an interval that come while its last message is not handled yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Missed {
    /// They are left out; the next one comes when it would have come anyway.
    Skip,
    /// They are counted, and handled one after the other, as many as there were.
    CatchUp,
}

/// The shortest period, in nanoseconds: the clock is to do other things as well.
const SHORTEST: u64 = limit(1_000, 1) as u64;

/// How a timer rings.
#[derive(Clone, Copy)]
enum Rhythm {
    Once,
    Every(u64, Missed),
}

/// The block, as far as it does not depend on the content.
#[repr(C)]
struct Timer {
    entry: Entry,
    alarm: Recallable,
    /// Stands in the mailbox.
    node: Node,
    tick: Tick,
    rhythm: Rhythm,
    actor: ActorId,
    drop_content: unsafe fn(EntryPtr),
}

#[repr(C)]
struct TimerOf<C> {
    timer: Timer,
    /// Owned as rule 5 says; gone before the block is.
    content: UnsafeCell<ManuallyDrop<C>>,
}

/// What a timer that was cancelled had done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimerCancel {
    /// It was taken back: from now on no handling of its message begins. It would have rung in so long; zero if it had, and its
    /// message stood in the mailbox, which is dropped unseen.
    Cancelled(Duration),
    /// It rang, and its message is handled or being handled. (Called from another thread than the actor's own, this may
    /// return just before the first line of the handler runs.)
    Fired,
    /// It was cancelled before, or its actor is dead.
    Unknown,
}

/// The handle of a timer: one reference.
pub struct Handle(EntryPtr);

// SAFETY: a counted reference to a block whose content may be sent; shared references change it by its word only.
unsafe impl Send for Handle {}
// SAFETY: as above.
unsafe impl Sync for Handle {}

type Open = unsafe fn(NonNull<Node>, NonNull<()>) -> SlotFuture<'static>;

const fn node_vtable(open: Open) -> NodeVtable {
    NodeVtable { open, discard, counted: false, slot: None }
}

const fn vtable<C>() -> EntryVtable {
    EntryVtable {
        node: NodeVtable { open: never_open, discard: discard_fired, counted: false, slot: None },
        deliver: Deliver::Call(deliver),
        drop_payload: None,
        free: free::<C>,
        turn: super::Turn::Second,
        asked_as: None,
    }
}

/// A timer that is the actor's, and whose alarm is not set; `None` in its place when the actor is dying, and it is over.
pub type Unset = (Handle, Option<AlarmRef>);

/// Makes a timer that rings once: the one allocation.
pub fn once<S: 'static, L: Letter<S>>(of: &Address<S>, when: u64, letter: L) -> Unset {
    make(of, when, Rhythm::Once, letter, const { &node_vtable(open_once::<S, L>) })
}

/// Makes one that rings every so many nanoseconds, with what `make_one` makes each time.
pub fn every<S, L, F>(of: &Address<S>, period: u64, missed: Missed, make_one: F) -> Unset
where
    S: 'static,
    L: Letter<S>,
    F: FnMut() -> L + Send + 'static,
{
    let period = period.max(SHORTEST);
    let when = of.cell().clock().map_or(period, |clock| clock.nanos().saturating_add(period));
    let node = const { &node_vtable(open_every::<S, L, F>) };
    make(of, when, Rhythm::Every(period, missed), make_one, node)
}

fn make<C: Send + 'static, S: 'static>(
    of: &Address<S>,
    when: u64,
    rhythm: Rhythm,
    content: C,
    node: &'static NodeVtable,
) -> Unset {
    // References: list, state, clock, handle.
    let entry: EntryPtr = pool::new_block(TimerOf {
        timer: Timer {
            entry: Entry::new(const { &vtable::<C>() }, None, 4, (None, of.cell())),
            alarm: Recallable::new(when, &ALARM),
            node: Node::new(node),
            tick: Tick::new(),
            rhythm,
            actor: of.cell().id,
            drop_content: drop_content::<C>,
        },
        content: UnsafeCell::new(ManuallyDrop::new(content)),
    })
    .cast();
    let handle = Handle(entry);
    // SAFETY: the clock's reference.
    let alarm = unsafe { AlarmRef::from_raw(alarm_of(entry).cast()) };
    let pinned = pin();
    // SAFETY: alive by its references; freed through the epoch after it was taken out; lists hold entries only.
    let linked = unsafe { of.cell().watchers.push(entry) };
    drop(pinned);
    if linked == Push::Linked {
        return (handle, Some(alarm));
    }
    // SAFETY: the list refused it, so its reference is ours, and nobody else settles the state. The handle's keeps it.
    unsafe {
        let won = entry.as_ref().state().cancel(0);
        debug_assert!(won, "nobody else knows the entry");
        let _over = end(entry);
        give_up(entry, 2, pin());
    }
    (handle, None)
}

/// Sets a timer that was made.
///
/// # Errors
///
/// When the clock has no thread and cannot have one. (If it is stopped, the actor is dead, or will be in a moment: then the
/// timer is over.)
pub fn set((handle, alarm): Unset) -> io::Result<Handle> {
    let Some(alarm) = alarm else { return Ok(handle) };
    // SAFETY: alive by the handle's reference.
    let target = unsafe { hold_target(handle.0) };
    let clock = target.as_ref().and_then(|target| target.clock());
    let error = match clock.map(|clock| clock.set(alarm)) {
        Some(Ok(())) => return Ok(handle),
        Some(Err(NotSet { error, .. })) => Some(error),
        None => None,
    };
    let _over = handle.cancel();
    match error {
        Some(error) if error.kind() != io::ErrorKind::NotConnected => Err(error),
        _ => Ok(handle),
    }
}

/// The alarm of a timer.
fn alarm_of(entry: EntryPtr) -> NonNull<Recallable> {
    // SAFETY: stays within the block; the pointer is to the whole of it.
    unsafe { entry.byte_add(offset_of!(Timer, alarm)).cast() }
}

/// The timer of an alarm.
fn of_alarm(alarm: NonNull<Alarm>) -> EntryPtr {
    // SAFETY: alarms of this vtable are lent with pointers that `alarm_of` derived from the block's.
    unsafe { alarm.byte_sub(offset_of!(Timer, alarm)).cast() }
}

/// The node of a timer that stands in the mailbox.
fn node_of(entry: EntryPtr) -> NonNull<Node> {
    // SAFETY: stays within the block; the pointer is to the whole of it.
    unsafe { entry.byte_add(offset_of!(Timer, node)).cast() }
}

/// The timer of a node that came out of a mailbox.
fn of_node(node: NonNull<Node>) -> EntryPtr {
    // SAFETY: nodes of these vtables are pushed as `node_of` derives them.
    unsafe { node.byte_sub(offset_of!(Timer, node)).cast() }
}

/// # Safety
///
/// `entry` is the front of a `Timer`, and alive for as long as the result is used.
unsafe fn timer<'a>(entry: EntryPtr) -> &'a Timer {
    // SAFETY: by the contract.
    let timer = unsafe { entry.cast::<Timer>().as_ref() };
    timer.entry.tracked.touch();
    timer
}

impl Timer {
    /// Will it ring no more because it has rung for the last time?
    fn has_rung_out(&self, queued: bool) -> bool {
        matches!(self.rhythm, Rhythm::Once) && queued
    }
}

/// # Safety
///
/// The caller owns the content of `entry`, a `TimerOf<C>`, and does this once.
unsafe fn take_content<C>(entry: EntryPtr) -> C {
    // SAFETY: by the contract.
    unsafe { entry.cast::<TimerOf<C>>().as_ref() }
        .content
        .with_mut(|content| unsafe { ManuallyDrop::take(&mut *content) })
}

/// # Safety
///
/// As for [`take_content`].
unsafe fn drop_content<C>(entry: EntryPtr) {
    // SAFETY: by the contract.
    guard::drop_quietly(unsafe { take_content::<C>(entry) });
}

/// # Safety
///
/// `entry` is the front of a `TimerOf<C>` that nobody holds any more, whose content is gone.
unsafe fn free<C>(entry: EntryPtr) {
    // SAFETY: by the contract; made by `set` with this type.
    unsafe { pool::take_block(entry.cast::<TimerOf<C>>()) }.timer.entry.end();
}

/// Holds the actor of a timer; `None` when the timer is over.
///
/// Its actor's end is one way of being over, and comes before that gives up its last reference: so while the timer is not over, the
/// actor is there for who looks under a guard, as it is while an entry is armed.
///
/// # Safety
///
/// `entry` is a timer, alive by a reference of the caller's.
unsafe fn hold_target(entry: EntryPtr) -> Option<CellRef> {
    let pinned = pin();
    // SAFETY: by the contract; see above.
    unsafe {
        let this = timer(entry);
        if this.tick.is_over() { None } else { this.entry.target.try_hold(&pinned) }
    }
}

/// Ends a timer, unless it is over. What it is to ring is left to the caller, and so is the entry.
///
/// # Safety
///
/// `entry` is a timer, alive by a reference of the caller's.
unsafe fn end(entry: EntryPtr) -> Cancelled {
    // SAFETY: by the contract. The actor is held before the timer is over: afterwards it may go.
    let (this, target) = unsafe { (timer(entry), hold_target(entry)) };
    let cancelled = this.tick.cancel();
    if let Cancelled::Now { content, queued } = cancelled {
        if content {
            // SAFETY: it is ours, by the word.
            unsafe { (this.drop_content)(entry) };
        }
        if !this.has_rung_out(queued) {
            if let Some(clock) = target.as_ref().and_then(|target| target.clock()) {
                this.entry.state.hold();
                // SAFETY: the reference just made; who ends a timer does so once.
                clock.recall(unsafe { Recall::from_raw(alarm_of(entry)) });
            }
        }
    }
    cancelled
}

/// Takes the entry of a timer that is over out of its actor's list, unless the actor's end does.
///
/// # Safety
///
/// `entry` is a timer, alive by a reference of the caller's.
unsafe fn leave(entry: EntryPtr) {
    // SAFETY: alive by the contract; the state's reference is given up if we win it.
    drop(unsafe { fire::cancel(entry, 1, pin()) });
}

impl Handle {
    /// Takes the timer back.
    pub fn cancel(&self) -> TimerCancel {
        // SAFETY: alive by our reference.
        unsafe {
            let target = hold_target(self.0);
            let cancelled = end(self.0);
            match cancelled {
                Cancelled::Handled => return TimerCancel::Fired,
                Cancelled::Before => return TimerCancel::Unknown,
                Cancelled::Now { .. } => {}
            }
            let this = timer(self.0);
            let clock = target.as_ref().and_then(|target| target.clock());
            let now = clock.map_or(u64::MAX, Clock::nanos);
            leave(self.0);
            TimerCancel::Cancelled(Duration::from_nanos(this.alarm.when().saturating_sub(now)))
        }
    }

    /// Whose it is.
    pub fn actor(&self) -> ActorId {
        // SAFETY: alive by our reference.
        unsafe { timer(self.0) }.actor
    }

    /// Is it over?
    pub fn is_over(&self) -> bool {
        // SAFETY: alive by our reference.
        unsafe { timer(self.0) }.tick.is_over()
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: our reference, given up once.
        unsafe { give_up(self.0, 1, pin()) };
    }
}

/// The actor has died.
///
/// # Safety
///
/// The caller has fired `entry`, a timer; the state's reference is his.
unsafe fn deliver(entry: EntryPtr, _watcher: Option<&CellRef>) {
    // SAFETY: by the contract.
    unsafe {
        let _over = end(entry);
        give_up(entry, 1, pin());
    }
}

/// The entry's own node stands in no mailbox.
unsafe fn never_open(_node: NonNull<Node>, _stage: NonNull<()>) -> SlotFuture<'static> {
    unreachable!("the entry of a timer is not its message")
}

/// # Safety
///
/// The node is that of a timer's entry that was fired and not delivered.
unsafe fn discard_fired(node: NonNull<Node>, _why: Unopened) {
    // SAFETY: by the contract.
    unsafe { deliver(node.cast(), None) };
}

/// # Safety
///
/// See [`NodeVtable::discard`]; the node is a timer's. The actor is dying.
unsafe fn discard(node: NonNull<Node>, _why: Unopened) {
    let entry = of_node(node);
    // SAFETY: the node's reference.
    unsafe {
        let _over = end(entry);
        give_up(entry, 1, pin());
    }
}

/// # Safety
///
/// See [`NodeVtable::open`]; the node is that of a `TimerOf<L>` that rings once.
unsafe fn open_once<S: 'static, L: Letter<S>>(
    node: NonNull<Node>,
    stage: NonNull<()>,
) -> SlotFuture<'static> {
    let entry = of_node(node);
    // SAFETY: alive by the node's reference, which is given up here; the content is ours if the word says so; the stage is
    // an S, borrowed for as long as the future lives.
    unsafe {
        let letter = match timer(entry).tick.open(true) {
            Turn::Unseen => None,
            Turn::Handle { .. } => {
                let letter = take_content::<L>(entry);
                leave(entry);
                Some(letter)
            }
        };
        give_up(entry, 1, pin());
        match letter {
            Some(letter) => letter.open(&mut *stage.cast::<S>().as_ptr()),
            None => SlotFuture::ready(),
        }
    }
}

/// # Safety
///
/// See [`NodeVtable::open`]; the node is that of a `TimerOf<F>` that rings again and again.
unsafe fn open_every<S, L, F>(node: NonNull<Node>, stage: NonNull<()>) -> SlotFuture<'static>
where
    S: 'static,
    L: Letter<S>,
    F: FnMut() -> L + Send + 'static,
{
    let entry = of_node(node);
    // SAFETY: alive by the node's reference, which is handed on or given up here; the content is lent to us until `close`; the
    // stage as in `open_once`.
    unsafe {
        let this = timer(entry);
        let Turn::Handle { again } = this.tick.open(false) else {
            give_up(entry, 1, pin());
            return SlotFuture::ready();
        };
        let closing = Closing { entry, again };
        let content = &entry.cast::<TimerOf<F>>().as_ref().content;
        let letter = content.with_mut(|make| (*make)());
        drop(closing);
        letter.open(&mut *stage.cast::<S>().as_ptr())
    }
}

/// The message of one ringing is being made, or that panicked.
struct Closing {
    entry: EntryPtr,
    again: bool,
}

impl Drop for Closing {
    fn drop(&mut self) {
        // SAFETY: the node's reference is ours; so is the content, if the word says so. Queued again, the node takes the
        // reference along; the mailbox is that of its own stage.
        unsafe {
            let this = timer(self.entry);
            if this.tick.close() {
                (this.drop_content)(self.entry);
            }
            // It is our own actor, in the middle of its turn.
            let target = this.entry.target.try_hold(&pin());
            if !(self.again && target.is_some_and(|target| target.push(node_of(self.entry)))) {
                give_up(self.entry, 1, pin());
            }
        }
    }
}

static ALARM: AlarmVtable = AlarmVtable { ring, is_done, release: release_alarm, recallable: true };

/// # Safety
///
/// See [`AlarmVtable::ring`].
unsafe fn ring(alarm: NonNull<Alarm>, why: Ring) -> Option<u64> {
    let Ring::Due(now) = why else { return None };
    let entry = of_alarm(alarm);
    // SAFETY: the clock owns a reference. The actor is held before anything is decided: afterwards it may go.
    let (this, target) = unsafe { (timer(entry), hold_target(entry)?) };
    let due = this.alarm.when();
    let (rung, next) = match this.rhythm {
        Rhythm::Once => (this.tick.ring(0), None),
        Rhythm::Every(period, missed) => {
            let extra = now.saturating_sub(due) / period;
            let rung = match missed {
                Missed::Skip => this.tick.ring_or_skip(),
                Missed::CatchUp => this.tick.ring(extra),
            };
            (rung, Some(due.saturating_add(period.saturating_mul(extra.saturating_add(1)))))
        }
    };
    match rung {
        Rung::Over => None,
        Rung::Noted => next,
        Rung::Queue => {
            this.entry.state.hold(); // the node's
            // SAFETY: the node is in no mailbox, by the word, and was made for this cell's stage.
            if !unsafe { target.push(node_of(entry)) } {
                // SAFETY: the node's reference.
                unsafe { give_up(entry, 1, pin()) };
                return None; // the actor is ending, and ends the timer
            }
            next
        }
    }
}

/// # Safety
///
/// See [`AlarmVtable::is_done`].
unsafe fn is_done(alarm: NonNull<Alarm>) -> bool {
    // SAFETY: the clock owns a reference.
    unsafe { timer(of_alarm(alarm)) }.tick.is_over()
}

/// # Safety
///
/// See [`AlarmVtable::release`].
unsafe fn release_alarm(alarm: NonNull<Alarm>) {
    // SAFETY: a reference that was lent with the alarm, or with its recall.
    unsafe { give_up(of_alarm(alarm), 1, pin()) };
}
