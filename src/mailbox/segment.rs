//! Many messages in one block.
//!
//! Whoever sends faster than anybody handles would pay, for each message, for a block, for a link, and for memory that has left the cache
//! when it is looked at again. So a thread that finds its own last message at the newest end of a mailbox puts the next into a *segment*: one
//! node with room for several letters of one type, which it goes on filling for as long as that is the newest node there.
//!
//! # Rules
//!
//! 1. A segment is filled by the thread that made it, and by no other. That thread remembers it ([`Open`]) and is one of its two
//!    owners; the other is who has the node: the mailbox, then its consumer.
//! 2. A letter is added only when the mailbox's word has just been seen to hold this very segment. It stands in a mailbox once, and is
//!    not freed meanwhile, so it can be seen there neither at another time nor in another mailbox.
//! 3. The letter is written first, then the count is raised. The consumer closes the segment when it has taken the node out of the
//!    word, by a bit of the same word as the count: that tells it how many letters there are. A raise that meets `CLOSED` came too late, and
//!    the letter is still the sender's.
//! 4. Each owner leaves by a bit of that word; the second frees the block.
//!
//! # Order
//!
//! What one sender sends stays in its order, also when it moves from thread to thread. Of two messages, let the first be sent, and then
//! the second; whoever sends the second sees the word as the first has left it, or newer. If the second goes into a node of its
//! own, that is pushed on top of what holds the first. If it is added to a segment, that was the word when it was looked at, so it is newer than
//! the first's node, or the same; and a letter that is added later stands behind. The same holds for a `Down`, which comes on top
//! of whatever its actor has sent, and for what is closed when it is taken.

use std::alloc::Layout;
use std::any::TypeId;
use std::cell::Cell as PerThread;
use std::mem::MaybeUninit;
use std::ptr::{self, NonNull};

use super::node::{Node, NodeVtable, Unopened};
use super::parcel::Letter;
use crate::observe;
use crate::structs::future::SlotFuture;
use crate::structs::pool;
use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::sync::{Tracked, UnsafeCell, limit, per_thread};

/// The consumer has taken it: nothing is added any more.
const CLOSED: usize = 1 << (usize::BITS - 1);
/// Its sender has left.
const SENDER: usize = CLOSED >> 1;
/// Its consumer has.
const CONSUMER: usize = CLOSED >> 2;
/// The rest of the word: how many letters have been added.
const COUNT: usize = CONSUMER - 1;

/// So many letters go into the first segment of a sender that runs ahead; into each further one twice as many, up to [`MOST`].
const FIRST: usize = 4;
/// The most bytes of a segment.
const MOST: usize = 1016;
/// The largest letter, in bytes: a larger one has a block of its own.
const LARGEST: usize = 64;

/// The front of a segment; the letters stand behind it.
#[repr(C)]
pub struct Segment {
    node: Node,
    /// The count, and who has left.
    state: AtomicUsize,
    /// How many letters fit in.
    room: usize,
    rest: UnsafeCell<Rest>,
    tracked: Tracked,
}

/// The consumer's.
#[derive(Clone, Copy)]
struct Rest {
    /// How many letters there are, once it is closed.
    end: u32,
    /// So many have been handed out, to be opened one after the other.
    handed: u32,
    /// So many have been.
    opened: u32,
}

/// Where a letter stands.
type Slot<L> = UnsafeCell<MaybeUninit<L>>;

/// What became of a letter.
#[must_use]
pub enum Added<L> {
    /// It is in.
    In,
    /// There is nothing to add it to: it goes alone.
    Alone(L),
    /// It stands in a segment of its own now, which is to be pushed; it remembers what for.
    First(Fresh<L>),
}

/// A segment with one letter, which nobody has seen.
pub struct Fresh<L> {
    segment: NonNull<Segment>,
    letter: std::marker::PhantomData<L>,
}

/// Where the letters begin.
const fn front(slot: Layout) -> usize {
    size_of::<Segment>().next_multiple_of(slot.align())
}

/// The most letters that go into one.
const fn most(slot: Layout) -> usize {
    MOST.saturating_sub(front(slot)) / if slot.size() == 0 { 8 } else { slot.size() }
}

fn layout(slot: Layout, room: usize) -> Layout {
    // SAFETY: the alignment is a power of two, at least that of the front, and `room` is at most `most`.
    unsafe {
        Layout::from_size_align_unchecked(
            front(slot) + room * slot.size(),
            align_of::<Segment>().max(slot.align()),
        )
    }
}

/// Adds a letter to the newest message in a mailbox, if that can be.
pub fn add<S: 'static, L: Letter<S>>(newest: NonNull<Node>, letter: L) -> Added<L> {
    if observe::STAMPS || size_of::<L>() > LARGEST || align_of::<L>() > pool::ALIGN {
        return Added::Alone(letter);
    }
    let vtable = const {
        &NodeVtable {
            open: open::<S, L>,
            discard: discard::<S, L>,
            counted: L::COUNTED,
            slot: Some(Layout::new::<Slot<L>>()),
        }
    };
    let open: NonNull<Segment> = newest.cast();
    let Ok(ours) = OPEN.try_with(|mine| mine.has(open)) else { return Added::Alone(letter) };
    if !ours {
        let runs_ahead = OPEN.with(|mine| mine.pushed(newest, TypeId::of::<L>()));
        return if runs_ahead {
            Added::First(Fresh::with(vtable, FIRST, letter))
        } else {
            Added::Alone(letter)
        };
    }
    // SAFETY: remembered, so we own it; `vtable` is constant.
    let this = unsafe { open.as_ref() };
    this.tracked.touch();
    let (letter, why) = if ptr::eq(this.node.vtable(), vtable) {
        // SAFETY: it is for such letters, and we fill it.
        match unsafe { Segment::put(open, letter) } {
            Ok(()) => return Added::In,
            Err(back) => back,
        }
    } else {
        (letter, Not::Closed)
    };
    let room = this.room;
    let _ = OPEN.try_with(|mine| mine.forget(open));
    // SAFETY: we own it, and have forgotten it.
    unsafe { Segment::leave(open, SENDER) };
    match why {
        Not::Full => Added::First(Fresh::with(vtable, room * 2, letter)),
        Not::Closed => Added::Alone(letter),
    }
}

/// Why a letter was not added.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Not {
    /// It has been taken, or is for others.
    Closed,
    Full,
}

impl<L> Fresh<L> {
    fn with(vtable: &'static NodeVtable, room: usize, letter: L) -> Self {
        let slot = Layout::new::<Slot<L>>();
        let room = room.min(const { most(Layout::new::<Slot<L>>()) }).min(limit(usize::MAX, 2));
        let segment = pool::alloc(layout(slot, room)).cast::<Segment>();
        // SAFETY: fresh, and large enough.
        unsafe {
            segment.write(Segment {
                node: Node::new(vtable),
                state: AtomicUsize::new(1),
                room,
                rest: UnsafeCell::new(Rest { end: 0, handed: 0, opened: 0 }),
                tracked: Tracked::new(),
            });
            Segment::write(segment, 0, letter);
        }
        Fresh { segment, letter: std::marker::PhantomData }
    }

    /// To be pushed.
    pub fn node(&self) -> NonNull<Node> {
        self.segment.cast()
    }

    /// It is about to be pushed: more may be added from then on.
    pub fn remember(&self) {
        let displaced = OPEN.try_with(|mine| mine.remember(self.segment)).unwrap_or(Some(self.segment));
        if let Some(other) = displaced {
            // SAFETY: ours, and not remembered any more.
            unsafe { Segment::leave(other, SENDER) };
        }
    }

    /// It was refused.
    pub fn into_letter(self) -> L {
        let _ = OPEN.try_with(|mine| mine.forget(self.segment));
        // SAFETY: nobody else has seen it; it holds one letter, which is moved out.
        unsafe {
            let letter = Segment::read::<L>(self.segment, 0);
            Segment::free(self.segment);
            letter
        }
    }
}

impl Segment {
    fn is_closed(&self) -> bool {
        self.tracked.touch();
        // ORDERING: Relaxed: a look, for the choice of what to give up.
        self.state.load(Ordering::Relaxed) & CLOSED != 0
    }

    /// # Safety
    ///
    /// The block is a segment for such letters with more than so many places.
    unsafe fn slot<L>(this: NonNull<Self>, at: usize) -> NonNull<Slot<L>> {
        // SAFETY: within the block by the contract.
        unsafe { this.cast::<u8>().add(const { front(Layout::new::<Slot<L>>()) }).cast::<Slot<L>>().add(at) }
    }

    /// Writes a letter.
    ///
    /// # Safety
    ///
    /// As for [`slot`](Self::slot), and nothing stands there that anybody looks at.
    unsafe fn write<L>(this: NonNull<Self>, at: usize, letter: L) {
        // SAFETY: by the contract.
        unsafe {
            let slot = Self::slot::<L>(this, at);
            slot.write(UnsafeCell::new(MaybeUninit::uninit()));
            slot.as_ref().with_mut(|slot| (*slot).write(letter));
        }
    }

    /// Moves a letter out.
    ///
    /// # Safety
    ///
    /// As for [`slot`](Self::slot); one was written there, and is moved out once.
    unsafe fn read<L>(this: NonNull<Self>, at: usize) -> L {
        // SAFETY: by the contract.
        unsafe { Self::slot::<L>(this, at).as_ref().with_mut(|slot| (*slot).assume_init_read()) }
    }

    /// # Safety
    ///
    /// The caller is its sender, and has seen it in the word of its mailbox; it is for such letters.
    #[inline]
    unsafe fn put<L>(this: NonNull<Self>, letter: L) -> Result<(), (L, Not)> {
        // SAFETY: we own it.
        let segment = unsafe { this.as_ref() };
        // ORDERING: Relaxed: only we raise the count.
        let state = segment.state.load(Ordering::Relaxed);
        if state & CLOSED != 0 {
            return Err((letter, Not::Closed));
        }
        let at = state & COUNT;
        if at == segment.room {
            return Err((letter, Not::Full));
        }
        // SAFETY: there is room, and the consumer does not look beyond the count.
        unsafe { Self::write(this, at, letter) };
        // ORDERING: Release pairs with the Acquire in `close`: the letters that it counts are written.
        if segment.state.fetch_add(1, Ordering::Release) & CLOSED == 0 {
            return Ok(());
        }
        // SAFETY: not counted, so it is still ours.
        Err((unsafe { Self::read(this, at) }, Not::Closed))
    }

    /// Nothing is added any more. How many letters there are.
    ///
    /// # Safety
    ///
    /// The caller is the consumer, and has just taken it out of the word.
    pub unsafe fn close(node: NonNull<Node>) -> usize {
        let this: NonNull<Self> = node.cast();
        // SAFETY: owned by the contract.
        let this = unsafe { this.as_ref() };
        this.tracked.touch();
        // ORDERING: Acquire pairs with the Release in `put`.
        let count = this.state.fetch_or(CLOSED, Ordering::Acquire) & COUNT;
        // SAFETY: the consumer's, which we are.
        this.rest.with_mut(|rest| unsafe { (*rest).end = count as u32 });
        count
    }

    /// Hands out one letter more. True: that was the last.
    ///
    /// # Safety
    ///
    /// The caller is the consumer, has closed it, and has not handed out the last one.
    pub unsafe fn hand(node: NonNull<Node>) -> bool {
        let this: NonNull<Self> = node.cast();
        // SAFETY: as in `close`.
        unsafe { this.as_ref() }.rest.with_mut(|rest| unsafe {
            (*rest).handed += 1;
            (*rest).handed == (*rest).end
        })
    }

    /// Takes out the oldest letter.
    ///
    /// # Safety
    ///
    /// The caller is the consumer, and was handed it; it is for such letters.
    unsafe fn take<L>(node: NonNull<Node>) -> L {
        let this: NonNull<Self> = node.cast();
        // SAFETY: by the contract: fewer are opened than were handed out. Each is moved out once.
        unsafe {
            this.as_ref().tracked.touch();
            let (at, last) = this.as_ref().rest.with_mut(|rest| {
                (*rest).opened += 1;
                ((*rest).opened as usize - 1, (*rest).opened == (*rest).end)
            });
            let letter = Self::read::<L>(this, at);
            if last {
                Self::leave(this, CONSUMER);
            }
            letter
        }
    }

    /// # Safety
    ///
    /// The caller is that owner, and does not touch it any more.
    unsafe fn leave(this: NonNull<Self>, who: usize) {
        // SAFETY: owned by the contract.
        // ORDERING: AcqRel: whatever the first to leave has done comes before the block is freed by the second.
        let before = unsafe { this.as_ref() }.state.fetch_or(who, Ordering::AcqRel);
        if before & (SENDER | CONSUMER) != 0 {
            // SAFETY: both have left.
            unsafe { Self::free(this) };
        }
    }

    /// # Safety
    ///
    /// Nobody else has it, and no letter is in it.
    unsafe fn free(this: NonNull<Self>) {
        // SAFETY: by the contract; the layout is that of the making.
        unsafe {
            let segment = this.read();
            segment.tracked.end();
            let slot = segment.node.vtable().slot.unwrap_unchecked();
            pool::free(this.cast(), layout(slot, segment.room));
        }
    }
}

/// # Safety
///
/// See [`NodeVtable::open`].
unsafe fn open<S: 'static, L: Letter<S>>(node: NonNull<Node>, stage: NonNull<()>) -> SlotFuture<'static> {
    // SAFETY: the block is a segment of L (it carries this very function); the stage as in `parcel`.
    unsafe { Segment::take::<L>(node).open(&mut *stage.cast::<S>().as_ptr()) }
}

/// # Safety
///
/// See [`NodeVtable::discard`].
unsafe fn discard<S, L: Letter<S>>(node: NonNull<Node>, why: Unopened) {
    // SAFETY: the block is a segment of L (it carries this very function).
    unsafe { Segment::take::<L>(node) }.discard(why);
}

// LOOM: one of each, since the addresses that choose are not the same whenever a model is replayed, and that one makes room for
// the next.
const SETS: usize = limit(64, 1);
const WAYS: usize = limit(4, 1);

/// The segments that a thread may still fill. Some are closed by now, and make room first.
struct Open {
    sets: [[PerThread<*mut Segment>; WAYS]; SETS],
    /// Whose turn it is to make room.
    next: PerThread<usize>,
    /// Nodes that it has pushed lately, each on a message that was there, and what is in them. A hint, which may be wrong: they may be
    /// long gone.
    pushed: [PerThread<(*mut Node, Option<TypeId>)>; SETS],
}

per_thread! {
    static OPEN: Open = const { Open::new() };
}

/// Where among the sets.
#[inline]
fn place_of(address: usize) -> usize {
    let spread = (address as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (spread >> 32) as usize & (SETS - 1)
}

/// A thread has pushed a letter alone, on a message that was there.
#[inline]
pub fn pushed<L: 'static>(node: NonNull<Node>) {
    let hint = (node.as_ptr(), Some(TypeId::of::<L>()));
    let _ = OPEN.try_with(|mine| mine.pushed[place_of(node.as_ptr().addr())].set(hint));
}

impl Open {
    const fn new() -> Self {
        Open {
            sets: [const { [const { PerThread::new(ptr::null_mut()) }; WAYS] }; SETS],
            next: PerThread::new(0),
            pushed: [const { PerThread::new((ptr::null_mut(), None)) }; SETS],
        }
    }

    #[inline]
    fn set(&self, segment: *mut Segment) -> &[PerThread<*mut Segment>; WAYS] {
        &self.sets[place_of(segment.addr())]
    }

    /// Is this message one of its own, of this type? Models always run ahead.
    #[inline]
    fn pushed(&self, newest: NonNull<Node>, letter: TypeId) -> bool {
        let hint = self.pushed[place_of(newest.as_ptr().addr())].get();
        limit(0, 1) == 1 || hint == (newest.as_ptr(), Some(letter))
    }

    #[inline]
    fn has(&self, segment: NonNull<Segment>) -> bool {
        self.set(segment.as_ptr()).iter().any(|place| place.get() == segment.as_ptr())
    }

    fn forget(&self, segment: NonNull<Segment>) {
        for place in self.set(segment.as_ptr()) {
            if place.get() == segment.as_ptr() {
                place.set(ptr::null_mut());
            }
        }
    }

    /// What has to make room for it.
    fn remember(&self, segment: NonNull<Segment>) -> Option<NonNull<Segment>> {
        let set = self.set(segment.as_ptr());
        if let Some(free) = set.iter().find(|place| place.get().is_null()) {
            free.set(segment.as_ptr());
            return None;
        }
        let used = set.iter().find(|place| {
            // SAFETY: remembered, so we own it.
            NonNull::new(place.get()).is_some_and(|segment| unsafe { segment.as_ref() }.is_closed())
        });
        let next = self.next.get();
        self.next.set(next.wrapping_add(1));
        NonNull::new(used.unwrap_or(&set[next & (WAYS - 1)]).replace(segment.as_ptr()))
    }

    fn leave_all(&self) {
        for place in self.sets.as_flattened() {
            if let Some(segment) = NonNull::new(place.replace(ptr::null_mut())) {
                // SAFETY: ours, and not remembered any more.
                unsafe { Segment::leave(segment, SENDER) };
            }
        }
    }
}

/// Leaves all segments of the calling thread.
#[allow(dead_code, reason = "for models, whose threads do so before they end")]
pub fn leave_all() {
    let _ = OPEN.try_with(Open::leave_all);
}

impl Drop for Open {
    fn drop(&mut self) {
        self.leave_all();
    }
}
