//! A message in its block, on the way from the sender to the consumer's stage.

use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ptr::NonNull;

use super::node::{Discard, Node, NodeVtable, Unopened};
use crate::guard;
use crate::observe::Stamp;
use crate::structs::future::SlotFuture;
use crate::structs::pool;
use crate::sync::Tracked;

/// What can be put into a mailbox whose consumer has a stage `S`: the message together with what is to be done.
pub trait Letter<S>: Send + Sized + 'static {
    /// Does it take a place in a bounded mailbox?
    const COUNTED: bool;

    /// Begins what the letter asks for, and goes on with it up to where it has to wait for something.
    fn open<'a>(self, stage: &'a mut S) -> SlotFuture<'a>;

    /// Is not to be opened.
    fn discard(self, why: Unopened) {
        let _ = why;
        drop(self);
    }
}

/// A block that holds a letter.
#[repr(C)]
struct Envelope<L> {
    node: Node,
    letter: ManuallyDrop<L>,
    tracked: Tracked,
}

/// An owned block for a mailbox whose consumer has a stage `S`.
#[must_use = "a parcel that is dropped is discarded"]
pub struct Parcel<S> {
    node: NonNull<Node>,
    stage: PhantomData<fn(&mut S)>,
}

// SAFETY: what can be made a parcel is Send: letters by their trait, entries and exchanges by their own construction.
unsafe impl<S> Send for Parcel<S> {}
// SAFETY: shared references give access to the vtable only, which is constant.
unsafe impl<S> Sync for Parcel<S> {}

impl<S: 'static> Parcel<S> {
    /// Puts a letter into a block: the one allocation of a message.
    pub fn seal<L: Letter<S>>(letter: L) -> Sealed<S, L> {
        let envelope = pool::new_block(Envelope {
            node: Node::new(
                const {
                    &NodeVtable {
                        open: open::<S, L>,
                        discard: discard::<S, L>,
                        counted: L::COUNTED,
                        slot: None,
                    }
                },
            ),
            letter: ManuallyDrop::new(letter),
            tracked: Tracked::new(),
        });
        // SAFETY: the node is the first field of the block, which belongs to the parcel now and was made for S.
        Sealed { parcel: unsafe { Parcel::from_raw(envelope.cast()) }, letter: PhantomData }
    }

    /// Begins what the parcel's letter asks for.
    pub fn open(self, stage: &mut S) -> SlotFuture<'_> {
        let node = self.into_raw();
        // SAFETY: the block is ours and was made for S; the future borrows the stage for as long as it lives.
        unsafe { (node.as_ref().vtable().open)(node, NonNull::from(stage).cast()) }
    }

    /// Does it take a place in a bounded mailbox?
    pub fn is_counted(&self) -> bool {
        // SAFETY: the block is ours.
        unsafe { self.node.as_ref() }.vtable().counted
    }

    /// When it was made, for whoever observes.
    pub fn stamp(&self) -> Stamp {
        // SAFETY: the block is ours.
        unsafe { self.node.as_ref() }.stamp()
    }
}

impl<S> Parcel<S> {
    /// Hands the block over.
    pub fn into_raw(self) -> NonNull<Node> {
        ManuallyDrop::new(self).node
    }

    /// Discards it; a panic of the user's `Drop` is caught.
    pub fn discard(self, why: Unopened) {
        guard::drop_quietly(Discard(self.into_raw(), why));
    }

    /// # Safety
    ///
    /// The caller owns the block and hands it over; the block was made for a stage of type S.
    pub unsafe fn from_raw(node: NonNull<Node>) -> Self {
        Parcel { node, stage: PhantomData }
    }
}

impl<S> Drop for Parcel<S> {
    fn drop(&mut self) {
        drop(Discard(self.node, Unopened::Dying)); // the block is ours: `into_raw` keeps this from running
    }
}

/// A parcel that still knows which letter is in it, so that a refused message can be given back.
#[must_use = "a parcel that is dropped is discarded"]
pub struct Sealed<S, L> {
    parcel: Parcel<S>,
    letter: PhantomData<L>,
}

impl<S, L> Sealed<S, L> {
    /// Forgets which letter it is.
    pub fn into_parcel(self) -> Parcel<S> {
        self.parcel
    }

    /// Hands the block over.
    pub fn into_raw(self) -> NonNull<Node> {
        self.parcel.into_raw()
    }

    /// # Safety
    ///
    /// As for [`Parcel::from_raw`], and the block is one that [`Parcel::seal`] made for an `L`.
    pub unsafe fn from_raw(node: NonNull<Node>) -> Self {
        // SAFETY: by the contract.
        Sealed { parcel: unsafe { Parcel::from_raw(node) }, letter: PhantomData }
    }

    /// Takes the letter out again.
    pub fn into_letter(self) -> L {
        // SAFETY: the block is ours, and was sealed with an L.
        unsafe { unseal(self.parcel.into_raw()) }
    }
}

/// Takes the letter out and frees the block.
///
/// # Safety
///
/// The block is an `Envelope<L>`, owned by the caller and used up by this call.
unsafe fn unseal<L>(node: NonNull<Node>) -> L {
    let envelope: NonNull<Envelope<L>> = node.cast();
    // SAFETY: by the contract. The letter is moved out once, and the block is freed without dropping it again.
    unsafe {
        let envelope = pool::take_block(envelope);
        envelope.tracked.end();
        ManuallyDrop::into_inner(envelope.letter)
    }
}

/// # Safety
///
/// See [`NodeVtable::open`].
unsafe fn open<S: 'static, L: Letter<S>>(node: NonNull<Node>, stage: NonNull<()>) -> SlotFuture<'static> {
    // SAFETY: the block is an envelope of L (it carries this very function), and the stage is an S, borrowed
    // exclusively for as long as the future lives: `Parcel::open` ties the two together again.
    unsafe { unseal::<L>(node).open(&mut *stage.cast::<S>().as_ptr()) }
}

/// # Safety
///
/// See [`NodeVtable::discard`].
unsafe fn discard<S, L: Letter<S>>(node: NonNull<Node>, why: Unopened) {
    // SAFETY: the block is an envelope of L (it carries this very function).
    unsafe { unseal::<L>(node) }.discard(why);
}
