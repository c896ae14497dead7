//! What is lent to actors under a key, and given back when they die: names, places in groups.
//!
//! A ledger is to keys what a watcher's table is to references: the key goes into the ledger before the entry goes into the
//! list of the actor (rule 1), and whoever takes the entry out of its berth owns the outcome (rule 2): the actor's exit, or
//! who gives it back before. That reference of the entry takes the place of the table's (rule 4).

use std::hash::Hash;
use std::marker::PhantomData;
use std::ptr::{self, NonNull};
use std::sync::{Arc as StdArc, Weak};

use super::{
    Deliver, Entry, EntryPtr, EntryVtable, Turn, drop_payload, fire, free, give_up, payload_dropper,
    take_payload,
};
use crate::cell::{CellPtr, CellRef};
use crate::guard;
use crate::id::ActorId;
use crate::mailbox::node::{Node, NodeVtable, Unopened};
use crate::reclaim::pin;
use crate::structs::future::SlotFuture;
use crate::structs::index::{Index, Query};
use crate::structs::list::Push;
use crate::sync::Arc;
use crate::sync::atomic::{AtomicPtr, Ordering};

/// What keys must be.
pub trait Key: Clone + Eq + Hash + Send + Sync + 'static {}
impl<K: Clone + Eq + Hash + Send + Sync + 'static> Key for K {}

/// What stands beside a key; dropping it runs no code of the user's.
pub trait Beside: Clone + Send + Sync + 'static {}
impl<X: Clone + Send + Sync + 'static> Beside for X {}

/// What goes along with what is lent, until it is given or taken back.
pub trait Along: Send + 'static {
    /// The holder has died, and nobody has what it had.
    fn given_back(self);
}

impl Along for () {
    fn given_back(self) {}
}

/// Who was lent what. Dropped, everything is given back.
pub struct Ledger<K: Key, X: Beside, P: Along = ()> {
    along: PhantomData<fn(P)>,
    index: Index<K, Berth<X>>,
}

/// Nothing was lent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Somebody else has it, who lives.
    Taken(ActorId),
    /// Who is to have it is dead.
    Dead,
}

/// Where an entry stands in a ledger. Readers find it here under a guard; once taken out, it never comes back.
struct Place<X> {
    entry: AtomicPtr<Entry>,
    beside: X,
}

/// A place, shared by the ledger and the entry that stands there. (What was removed from the ledger is dropped some time,
/// and by then holds on to nothing.)
struct Berth<X>(Arc<Place<X>>);

impl<X> Clone for Berth<X> {
    fn clone(&self) -> Self {
        Berth(Arc::clone(&self.0))
    }
}

impl<X> PartialEq for Berth<X> {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl<X> Berth<X> {
    fn new(beside: X) -> Self {
        Berth(Arc::new(Place { entry: AtomicPtr::new(ptr::null_mut()), beside }))
    }

    /// Puts the entry there, before the berth is shared.
    fn put(&self, entry: EntryPtr) {
        // ORDERING: Relaxed: published with the berth, by the ledger's index or by the push of the entry.
        self.0.entry.store(entry.as_ptr(), Ordering::Relaxed);
    }

    /// Takes the entry out. Who gets it owns the ledger's reference to it.
    #[must_use]
    fn take(&self) -> Option<EntryPtr> {
        // ORDERING: Relaxed: atomicity decides, and what is reached was published with the berth.
        NonNull::new(self.0.entry.swap(ptr::null_mut(), Ordering::Relaxed))
    }

    /// Who has it, maybe dead already. Not to be dropped under a guard (rule 9).
    fn holder(&self) -> Option<CellRef> {
        let pinned = pin();
        // ORDERING: Relaxed: as in `take`.
        let entry = NonNull::new(self.0.entry.load(Ordering::Relaxed))?;
        // SAFETY: found under the guard, so it is there, and it was armed then or has fired: who cancels takes it out before. So its
        // target may be followed (rule 8).
        unsafe {
            let entry = entry.as_ref();
            entry.tracked.touch();
            entry.target.try_hold(&pinned)
        }
    }

    /// Does the entry stand there that was lent to this one?
    fn is_lent_to(&self, target: &CellRef) -> bool {
        let _pinned = pin();
        // ORDERING: Relaxed: as in `take`.
        let entry = NonNull::new(self.0.entry.load(Ordering::Relaxed));
        // SAFETY: found under the guard; a constant of the entry, which is compared only.
        entry.is_some_and(|entry| unsafe { entry.as_ref() }.target == CellPtr::of(target))
    }
}

/// The payload of an entry: where to give back.
struct Lent<K: Key, X: Beside, P: Along> {
    ledger: Weak<Ledger<K, X, P>>,
    key: K,
    berth: Berth<X>,
    along: P,
}

const fn vtable<K: Key, X: Beside, P: Along>() -> EntryVtable {
    EntryVtable {
        node: NodeVtable { open: never_open, discard: discard::<K, X, P>, counted: false, slot: None },
        deliver: Deliver::Call(deliver::<K, X, P>),
        drop_payload: payload_dropper::<Lent<K, X, P>>(),
        free: free::<Lent<K, X, P>>,
        turn: Turn::First,
        asked_as: None,
    }
}

/// An entry that is not to go into the list after all: another has the key, or the user's code panicked on the way. (In the
/// latter case it may be in the ledger already.)
struct Unlinked<K: Key, X: Beside, P: Along> {
    entry: Option<EntryPtr>,
    berth: Berth<X>,
    payload: PhantomData<Lent<K, X, P>>,
}

impl<K: Key, X: Beside, P: Along> Drop for Unlinked<K, X, P> {
    fn drop(&mut self) {
        let Some(entry) = self.entry.take() else { return };
        let ours = self.berth.take().is_some();
        // SAFETY: the list's reference is ours, so the entry is alive; the ledger's if we took it out, the state's and the
        // payload if we win it.
        unsafe {
            let won = entry.as_ref().state().cancel(0);
            if won {
                drop_payload::<Lent<K, X, P>>(entry);
            }
            give_up(entry, 1 + usize::from(ours) + usize::from(won), pin());
        }
    }
}

impl<K: Key, X: Beside, P: Along> Ledger<K, X, P> {
    /// Nothing is lent yet.
    pub fn new() -> StdArc<Self> {
        StdArc::new(Ledger { along: PhantomData, index: Index::new() })
    }

    /// Lends what `key` stands for to `target` until it dies.
    ///
    /// Who finds it from now on finds `target`; when it has died, nobody does, and it can be lent anew.
    ///
    /// # Errors
    ///
    /// [`Refused`]; nothing is left behind then.
    pub fn lend(self: &StdArc<Self>, key: &K, target: &CellRef, beside: X, along: P) -> Result<(), Refused> {
        if target.reason().is_some() {
            return Err(Refused::Dead);
        }
        let berth = Berth::new(beside);
        let lent = Lent { ledger: StdArc::downgrade(self), key: key.clone(), berth: berth.clone(), along };
        // References: ledger, list, state.
        let entry: EntryPtr =
            Entry::create(const { &vtable::<K, X, P>() }, None, 3, (None, target), lent).cast();
        berth.put(entry);
        let mut unlinked = Unlinked::<K, X, P> { entry: Some(entry), berth, payload: PhantomData };
        self.claim(key, &unlinked.berth).map_err(Refused::Taken)?;
        unlinked.entry = None;
        target.life.mark_lent();
        let pinned = pin();
        // SAFETY: alive by its references; freed through the epoch after it was taken out; lists hold entries only.
        let linked = unsafe { target.watchers.push(entry) };
        drop(pinned);
        if linked == Push::Closed {
            // SAFETY: the list's reference is still ours, since it refused the entry.
            unsafe { fire::late(entry, None, target) };
            return Err(Refused::Dead);
        }
        Ok(())
    }

    /// Puts the berth into the index, in place of one whose holder is dead if there is such a one. The error is the holder
    /// that lives.
    fn claim(&self, key: &K, berth: &Berth<X>) -> Result<(), ActorId> {
        while !self.index.insert(key, berth.clone()) {
            let Some(stands) = self.index.get(key) else { continue };
            if let Some(holder) = stands.holder().filter(|holder| holder.reason().is_none()) {
                return Err(holder.id);
            }
            // Dead, and its exit has not come to give it back; or somebody is about to remove it.
            if let Some(entry) = stands.take() {
                // SAFETY: the ledger's reference. The exit settles the state.
                unsafe { give_up(entry, 1, pin()) };
            }
            self.index.remove(key, &stands);
        }
        Ok(())
    }

    /// Calls `f` with who has what `key` stands for, if that lives.
    pub fn find<R>(&self, key: &(impl Query<K> + ?Sized), f: impl FnOnce(&CellRef, &X) -> R) -> Option<R> {
        let (holder, beside) =
            self.index.read(key, |berth| Some((berth.holder()?, berth.0.beside.clone())))??;
        holder.reason().is_none().then(|| f(&holder, &beside))
    }

    /// Takes back what `key` stands for, if `target` has it; from any thread.
    pub fn take_back(&self, key: &(impl Query<K> + ?Sized), target: &CellRef) -> bool {
        let Some(berth) = self.index.get(key) else { return false };
        if !berth.is_lent_to(target) {
            return false;
        }
        let Some(entry) = berth.take() else { return false };
        self.index.remove(key, &berth);
        // SAFETY: the ledger's reference, since we took it out of its berth; who does that is the one who may cancel.
        unsafe { fire::abandon(entry) };
        true
    }

    /// Who has what at present, of those who live.
    pub fn all(&self) -> Vec<(K, CellRef, X)> {
        let mut held = Vec::new();
        self.index.for_each(|key, berth| {
            held.extend(berth.holder().map(|holder| (key.clone(), holder, berth.0.beside.clone())));
        });
        held.retain(|(_, holder, _)| holder.reason().is_none());
        held
    }

    /// How many keys there are, also of the dead whose exit is not over.
    pub fn len(&self) -> usize {
        self.index.len()
    }
}

impl<K: Key, X: Beside, P: Along> Drop for Ledger<K, X, P> {
    fn drop(&mut self) {
        let mut left = Vec::new();
        self.index.for_each(|_, berth| left.extend(berth.take()));
        for entry in left {
            // SAFETY: the ledger's reference, since we took it out of its berth; who does that is the one who may cancel.
            unsafe { fire::abandon(entry) };
        }
    }
}

/// Gives back what was lent to an actor that has died, unless somebody else has.
///
/// # Safety
///
/// The caller has fired `entry`, a `Full<Lent<K, X, P>>`.
unsafe fn deliver<K: Key, X: Beside, P: Along>(entry: EntryPtr, _watcher: Option<&CellRef>) {
    // SAFETY: the winner owns payload and the state's reference; the ledger's is ours if we take the entry out.
    let (lent, ours) = unsafe {
        let lent = take_payload::<Lent<K, X, P>>(entry);
        let ours = lent.berth.take().is_some();
        give_up(entry, 1 + usize::from(ours), pin());
        (lent, ours)
    };
    // The key is the user's: its `Hash`, its `Drop`.
    let removed = guard::catch(move || {
        if let Some(ledger) = lent.ledger.upgrade() {
            ledger.index.remove(&lent.key, &lent.berth);
        }
        if ours {
            lent.along.given_back();
        }
    });
    guard::drop_quietly(removed);
}

/// Such entries never stand in a mailbox.
unsafe fn never_open(_node: NonNull<Node>, _stage: NonNull<()>) -> SlotFuture<'static> {
    unreachable!("what was lent is not a message")
}

/// # Safety
///
/// The node is that of a `Full<Lent<K, X, P>>` that was fired and not delivered.
unsafe fn discard<K: Key, X: Beside, P: Along>(node: NonNull<Node>, _why: Unopened) {
    // SAFETY: by the contract.
    unsafe { deliver::<K, X, P>(node.cast(), None) };
}
