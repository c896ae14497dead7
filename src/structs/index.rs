//! Maps that anybody reads without waiting: the one place that names `papaya`.
//!
//! Nothing here is ours but the names. A model build cannot look inside `papaya`, so it gets a map of its own that grants
//! the same happens-before edge (an insertion to whoever finds its value) and no other: see `model`.
//!
//! The keys are the user's: their `Hash` and `Eq` run inside each operation, and so must not run under a guard of
//! `reclaim`. A key or value that was removed is dropped when no reader is at it any more, on some thread that uses the
//! map, or with the map at the latest: values must not hold on to much.

use std::borrow::Borrow;
use std::fmt;
use std::hash::{Hash, Hasher};

#[cfg(dw_loom)]
use model::HashMap;
use papaya::Equivalent;
#[cfg(not(dw_loom))]
use papaya::HashMap;

/// What keys of type `K` can be found by: themselves, and what they can be borrowed as, `str` for strings. Implemented for
/// all of these.
pub trait Query<K>: Hash {
    #[doc(hidden)]
    fn is(&self, key: &K) -> bool;
}

impl<Q: Hash + Eq + ?Sized, K: Borrow<Q>> Query<K> for Q {
    fn is(&self, key: &K) -> bool {
        self == key.borrow()
    }
}

/// A query in the words of `papaya`.
struct By<'a, Q: ?Sized>(&'a Q);

impl<Q: Hash + ?Sized> Hash for By<'_, Q> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl<Q: Query<K> + ?Sized, K> Equivalent<K> for By<'_, Q> {
    fn equivalent(&self, key: &K) -> bool {
        self.0.is(key)
    }
}

/// A map from keys to values that are shared.
pub struct Index<K, V>(HashMap<K, V>);

impl<K: Hash + Eq + Clone, V: Clone + PartialEq> Index<K, V> {
    /// Nothing.
    pub fn new() -> Self {
        Index(HashMap::new())
    }

    /// What stands there.
    pub fn get(&self, key: &(impl Query<K> + ?Sized)) -> Option<V> {
        self.0.pin().get(&By(key)).cloned()
    }

    /// Calls `f` with what stands there.
    pub fn read<R>(&self, key: &(impl Query<K> + ?Sized), f: impl FnOnce(&V) -> R) -> Option<R> {
        self.0.pin().get(&By(key)).map(f)
    }

    /// Puts a value there unless there is one; false then.
    #[must_use]
    pub fn insert(&self, key: &K, value: V) -> bool {
        self.0.pin().try_insert(key.clone(), value).is_ok()
    }

    /// Takes out this value, if it is what stands there.
    pub fn remove(&self, key: &(impl Query<K> + ?Sized), value: &V) -> bool {
        matches!(self.0.pin().remove_if(&By(key), |_, stands| stands == value), Ok(Some(_)))
    }

    /// Calls `each` for every key and value. What comes or goes meanwhile may be met or not.
    pub fn for_each(&self, mut each: impl FnMut(&K, &V)) {
        self.0.pin().iter().for_each(|(key, value)| each(key, value));
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.0.pin().len()
    }
}

impl<K: Hash + Eq + Clone, V: Clone + PartialEq> Default for Index<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: Hash + Eq + Clone, V: Clone + PartialEq> fmt::Debug for Index<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Index").field("len", &self.len()).finish()
    }
}

/// What stands in for `papaya` in a model build.
///
/// LOOM: the map sits behind a lock of `std`, which loom does not see; why that is sound is said in `queue`. Each change
/// raises a version, and a look answers as of the version that it has read, which may be a stale one: the atomic is
/// `Relaxed` and orders nothing. What is promised, and all that is, is that an insertion comes before whatever is done by
/// who finds its value: each value carries that edge.
#[cfg(dw_loom)]
mod model {
    use std::cell::Cell;
    use std::sync::{Mutex, MutexGuard, PoisonError};

    use super::Equivalent;
    use crate::sync::atomic::{AtomicUsize, Ordering};
    use crate::sync::model::Edge;

    /// A value, and in which versions it stands there.
    struct Stay<K, V> {
        key: K,
        value: V,
        inserted: Edge,
        from: usize,
        until: Cell<usize>,
    }

    /// Values stay where they are, for those who look at an older version, until the map goes.
    pub(super) struct HashMap<K, V> {
        stays: Mutex<Vec<Box<Stay<K, V>>>>,
        version: AtomicUsize,
    }

    /// An operation.
    pub(super) struct Pinned<'a, K, V>(&'a HashMap<K, V>);

    impl<K: Eq, V: Clone> HashMap<K, V> {
        pub(super) fn new() -> Self {
            HashMap { stays: Mutex::new(Vec::new()), version: AtomicUsize::new(0) }
        }

        pub(super) fn pin(&self) -> Pinned<'_, K, V> {
            Pinned(self)
        }

        fn stays(&self) -> MutexGuard<'_, Vec<Box<Stay<K, V>>>> {
            self.stays.lock().unwrap_or_else(PoisonError::into_inner)
        }
    }

    impl<'a, K: Eq, V: Clone> Pinned<'a, K, V> {
        fn find(&self, key: &impl Equivalent<K>, version: usize) -> Option<&'a Stay<K, V>> {
            let stays = self.0.stays();
            let stay = stays.iter().find(|stay| {
                key.equivalent(&stay.key) && stay.from <= version && version < stay.until.get()
            })?;
            // SAFETY: boxed, and not dropped before the map is; `until` is read and written with the lock only.
            let stay = unsafe { &*std::ptr::from_ref::<Stay<K, V>>(stay) };
            stay.inserted.acquire();
            Some(stay)
        }

        pub(super) fn get(&self, key: &impl Equivalent<K>) -> Option<&'a V> {
            // ORDERING: Relaxed, here and in all that follows: see the `LOOM:` note.
            let version = self.0.version.load(Ordering::Relaxed);
            self.find(key, version).map(|stay| &stay.value)
        }

        pub(super) fn try_insert(&self, key: K, value: V) -> Result<(), ()> {
            // ORDERING: as in `get`; a read-modify-write, so that it is the newest version that is changed.
            let before = self.0.version.fetch_add(1, Ordering::Relaxed);
            if self.find(&key, before).is_some() {
                return Err(());
            }
            let stay = Stay {
                key,
                value,
                inserted: Edge::release(),
                from: before + 1,
                until: Cell::new(usize::MAX),
            };
            self.0.stays().push(Box::new(stay));
            Ok(())
        }

        pub(super) fn remove_if(
            &self,
            key: &impl Equivalent<K>,
            mut is_meant: impl FnMut(&K, &V) -> bool,
        ) -> Result<Option<(&'a K, &'a V)>, ()> {
            // ORDERING: as in `try_insert`.
            let before = self.0.version.fetch_add(1, Ordering::Relaxed);
            let Some(found) = self.find(key, before) else { return Ok(None) };
            if !is_meant(&found.key, &found.value) {
                return Err(());
            }
            let _locked = self.0.stays();
            found.until.set(before + 1);
            Ok(Some((&found.key, &found.value)))
        }

        pub(super) fn iter(&self) -> impl Iterator<Item = (&'a K, &'a V)> {
            // ORDERING: as in `get`.
            let version = self.0.version.load(Ordering::Relaxed);
            let stays = self.0.stays();
            let there = stays.iter().filter(|stay| stay.from <= version && version < stay.until.get());
            let found: Vec<_> = there
                .map(|stay| {
                    stay.inserted.acquire();
                    // SAFETY: as in `find`.
                    unsafe { &*std::ptr::from_ref::<Stay<K, V>>(stay) }
                })
                .collect();
            found.into_iter().map(|stay| (&stay.key, &stay.value))
        }

        pub(super) fn len(&self) -> usize {
            self.iter().count()
        }
    }
}
