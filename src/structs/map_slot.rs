//! A place for a [`Map`] that exists only while it is needed.

use std::ptr::{self, NonNull};

use super::map::{Hook, Insert, Map, Order};
use super::pool::{new_block, take_block};
use crate::reclaim::{Guard, pin};
use crate::sync::atomic::{AtomicPtr, Ordering};
use crate::sync::limit;

/// A map with more buckets than this is given back when it has become empty.
const KEEP_BUCKETS: usize = limit(8, 1);

/// The word: null (no map), a map, or `CLOSED` for good.
///
/// | from | to | by |
/// |---|---|---|
/// | null | map | `insert`, when there is none |
/// | map | null | whoever finds a map that was closed empty (`close_if_empty`); retires it |
/// | null, map | `CLOSED` | `close`; retires the map after taking all out |
pub struct MapSlot {
    word: AtomicPtr<Map>,
}

const CLOSED: usize = 1;

fn closed() -> *mut Map {
    ptr::without_provenance_mut(CLOSED)
}

/// The slot was closed; nothing was put in.
#[derive(Debug, PartialEq, Eq)]
pub struct Closed;

impl Default for MapSlot {
    fn default() -> Self {
        Self::new()
    }
}

impl MapSlot {
    /// A slot without a map: one word.
    pub fn new() -> Self {
        MapSlot { word: AtomicPtr::new(ptr::null_mut()) }
    }

    fn map<'a>(&'a self, _guard: &'a Guard) -> Option<&'a Map> {
        // ORDERING: Acquire pairs with the Release in `current`: who sees the map sees it made.
        let map = self.word.load(Ordering::Acquire);
        // SAFETY: neither null nor CLOSED, so it is a map, and it is retired through the epoch only.
        (!map.is_null() && map != closed()).then(|| unsafe { &*map })
    }

    /// The map to insert into, made if there is none.
    fn current<'a>(&'a self, _guard: &'a Guard) -> Result<&'a Map, Closed> {
        // ORDERING: as in `map`.
        let mut map = self.word.load(Ordering::Acquire);
        if map.is_null() {
            let made = new_block(Map::new()).as_ptr();
            // ORDERING: Release publishes the new map; Acquire on failure as in `map`.
            match self.word.compare_exchange(map, made, Ordering::Release, Ordering::Acquire) {
                Ok(_) => map = made,
                Err(now) => {
                    // SAFETY: made above and never shared.
                    unsafe { free(made) };
                    map = now;
                }
            }
        }
        if map == closed() {
            return Err(Closed);
        }
        if map.is_null() {
            return self.current(_guard); // replaced meanwhile: somebody else made progress
        }
        // SAFETY: as in `map`.
        Ok(unsafe { &*map })
    }

    /// Puts an entry in, unless the slot is closed.
    ///
    /// # Safety
    ///
    /// As for [`Map::insert`].
    pub unsafe fn insert(&self, entry: NonNull<Hook>, guard: &Guard) -> Result<(), Closed> {
        loop {
            let map = self.current(guard)?;
            // SAFETY: by the contract of this function.
            match unsafe { map.insert(entry, guard) } {
                Insert::Inserted => return Ok(()),
                Insert::Closed => return Err(Closed),
                Insert::Superseded => self.replace(map, guard),
                Insert::Occupied(_) => unreachable!("not asked for"),
            }
        }
    }

    /// Puts an entry in, unless there is one of the same order, which is the answer then, or the slot is closed.
    ///
    /// # Safety
    ///
    /// As for [`Map::insert_if_none`].
    pub unsafe fn insert_if_none(
        &self,
        entry: NonNull<Hook>,
        guard: &Guard,
    ) -> Result<Option<NonNull<Hook>>, Closed> {
        loop {
            let map = self.current(guard)?;
            // SAFETY: by the contract of this function.
            match unsafe { map.insert_if_none(entry, guard) } {
                Insert::Inserted => return Ok(None),
                Insert::Occupied(other) => return Ok(Some(other)),
                Insert::Closed => return Err(Closed),
                Insert::Superseded => self.replace(map, guard),
            }
        }
    }

    /// The entry that belongs there, which stays.
    pub fn get(&self, order: Order, guard: &Guard) -> Option<NonNull<Hook>> {
        self.map(guard)?.get(order, guard)
    }

    /// Takes this very entry out; false when it is not there (any more). At most one caller gets it.
    ///
    /// # Safety
    ///
    /// As for [`Map::remove_this`].
    pub unsafe fn remove_this(&self, entry: NonNull<Hook>, guard: &Guard) -> bool {
        let Some(map) = self.map(guard) else { return false };
        // SAFETY: by the contract.
        let removed = unsafe { map.remove_this(entry, guard) };
        if removed {
            self.shrink(map, guard);
        }
        removed
    }

    /// Takes the entry out that belongs there, if it is there. At most one caller gets it.
    pub fn remove(&self, order: impl Into<Order>, guard: &Guard) -> Option<NonNull<Hook>> {
        let map = self.map(guard)?;
        let entry = map.remove(order, guard)?;
        self.shrink(map, guard);
        Some(entry)
    }

    /// Gives back a map that has grown and become empty.
    fn shrink(&self, map: &Map, guard: &Guard) {
        if map.buckets() > KEEP_BUCKETS && map.len() == 0 && map.close_if_empty() {
            self.replace(map, guard);
        }
    }

    /// Takes an empty, superseded map out of the slot.
    fn replace(&self, map: &Map, guard: &Guard) {
        let map = ptr::from_ref(map).cast_mut();
        // ORDERING: Relaxed: null publishes nothing, and of the map nothing is read; the epoch orders its freeing.
        // What comes out is the pointer that came from `new_block`, which may be used for more than the map.
        if let Ok(map) =
            self.word.compare_exchange(map, ptr::null_mut(), Ordering::Relaxed, Ordering::Relaxed)
        {
            // SAFETY: taken out of the slot by us alone; guards that saw it are pinned.
            unsafe { retire(map, guard) };
        }
    }

    /// Calls `each` for every entry.
    pub fn for_each(&self, guard: &Guard, each: impl FnMut(NonNull<Hook>)) {
        if let Some(map) = self.map(guard) {
            map.for_each(guard, each);
        }
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.map(&pin()).map_or(0, Map::len)
    }

    /// Closes the slot for good and takes all entries out; `each` gets those that this call removed.
    pub fn close(&self, guard: &Guard, each: impl FnMut(NonNull<Hook>)) {
        // ORDERING: Acquire pairs with the Release in `current`. Who finds CLOSED reads nothing more.
        let map = self.word.swap(closed(), Ordering::Acquire);
        if map.is_null() || map == closed() {
            return;
        }
        // SAFETY: taken out of the slot by us alone.
        unsafe {
            (*map).close(guard, each);
            retire(map, guard);
        }
    }
}

/// # Safety
///
/// `map` was taken out of its slot by the caller, and came from `new_block`.
unsafe fn retire(map: *mut Map, guard: &Guard) {
    let map = SendMap(map);
    // SAFETY: no new guard can find the map; the block is freed once.
    unsafe {
        guard.defer(move || {
            let SendMap(map) = { map };
            free(map);
        });
    }
}

/// # Safety
///
/// `map` came from `new_block`, and nobody else has it or will have it.
unsafe fn free(map: *mut Map) {
    // SAFETY: by the contract; what comes from `new_block` is not null.
    drop(unsafe { take_block(NonNull::new_unchecked(map)) });
}

struct SendMap(*mut Map);
// SAFETY: a map is Send (atomics only); the pointer is its sole owner.
unsafe impl Send for SendMap {}

impl Drop for MapSlot {
    fn drop(&mut self) {
        // ORDERING: Relaxed: `&mut self` means that every other access happened before.
        let map = self.word.load(Ordering::Relaxed);
        if !map.is_null() && map != closed() {
            // SAFETY: nobody else can reach the slot any more, and the map came from `new_block`.
            unsafe { free(map) };
        }
    }
}
