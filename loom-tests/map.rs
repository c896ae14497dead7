//! The watcher's table alone, with entries that do nothing else.

use std::ptr::NonNull;

use deathwatch::internals::reclaim::{Guard, pin};
use deathwatch::internals::structs::map::{Hook, Insert, Map};
use deathwatch::internals::structs::map_slot::MapSlot;
use deathwatch::internals::sync::{Arc, new_block, take_block};

use crate::fixture::spawn;
use crate::harness::{Bound, model};

/// An entry that is nothing but its hook, named by its hash.
#[derive(Clone, Copy)]
struct Item(NonNull<Hook>, u64);
// SAFETY: a hook is shared between threads by its map.
unsafe impl Send for Item {}

impl Item {
    fn new(hash: u64) -> Self {
        Item(new_block(Hook::new(hash)), hash)
    }

    fn insert(self, slot: &MapSlot) -> bool {
        // SAFETY: alive, in no map; freed through the epoch after it was removed.
        unsafe { slot.insert(self.0, &pin()).is_ok() }
    }

    fn free(self) {
        // SAFETY: memory stays readable for the whole iteration; freed once, or the life cell objects.
        unsafe { take_block(self.0) }.end();
    }

    /// Retires what came out of a map. Gives back its hash.
    fn retire(hook: NonNull<Hook>, guard: &Guard) -> u64 {
        // SAFETY: alive until the guard ends.
        let item = Item(hook, unsafe { hook.as_ref() }.hash());
        // SAFETY: the map has given it to us, and gives it once.
        unsafe { guard.defer(move || { item }.free()) };
        item.1
    }
}

fn remove(slot: &MapSlot, hash: u64) -> bool {
    let guard = pin();
    slot.remove(hash, &guard).map(|hook| Item::retire(hook, &guard)) == Some(hash)
}

/// Closes the slot; the hashes that this took out.
fn close(slot: &MapSlot) -> Vec<u64> {
    let guard = pin();
    let mut out = Vec::new();
    slot.close(&guard, |hook| out.push(Item::retire(hook, &guard)));
    out
}

fn slot_of(hashes: &[u64]) -> Arc<MapSlot> {
    let slot = Arc::new(MapSlot::new());
    hashes.iter().for_each(|hash| assert!(Item::new(*hash).insert(&slot)));
    slot
}

// Neighbours in the root's bucket, in the order of the list; however far the map grows in a model, they stay there.
const A: u64 = 1 << 32;
const B: u64 = 2 << 32;
const C: u64 = 4 << 32;
/// Sorted: the order is that of the reversed bits.
const FIRST: u64 = C;
const MIDDLE: u64 = B;
const LAST: u64 = A;

/// Each bucket's own.
const EVEN: u64 = 0;
const ODD: u64 = 1;
const ODD_TOO: u64 = 3;

#[test]
fn the_neighbours_are_in_order() {
    model("map_order", Bound::Unbounded, 1, || {
        let slot = slot_of(&[LAST, FIRST, MIDDLE]);
        assert_eq!(close(&slot), [FIRST, MIDDLE, LAST]);
    });
}

/// Two neighbours are removed, and one comes in between them.
#[test]
fn insert_vs_remove_vs_remove() {
    model("map_insert_vs_remove_vs_remove", Bound::Preemptions(2), 6_300, || {
        let slot = slot_of(&[FIRST, LAST]);
        let others = [FIRST, LAST].map(|hash| {
            let slot = slot.clone();
            spawn(move || assert!(remove(&slot, hash)))
        });
        assert!(Item::new(MIDDLE).insert(&slot));
        others.into_iter().for_each(|other| other.join().unwrap());
        assert_eq!(slot.len(), 1);
        assert_eq!(close(&slot), [MIDDLE]);
    });
}

/// Two neighbours are removed.
#[test]
fn remove_vs_remove() {
    model("map_remove_vs_remove", Bound::Unbounded, 190, || {
        let slot = slot_of(&[FIRST, MIDDLE, LAST]);
        let other = spawn({
            let slot = slot.clone();
            move || assert!(remove(&slot, FIRST))
        });
        assert!(remove(&slot, MIDDLE));
        other.join().unwrap();
        assert_eq!(close(&slot), [LAST]);
    });
}

/// One entry, two that remove it: one does.
#[test]
fn remove_vs_remove_of_the_same() {
    model("map_remove_vs_remove_of_the_same", Bound::Unbounded, 44, || {
        let slot = slot_of(&[FIRST, LAST]);
        let other = spawn({
            let slot = slot.clone();
            move || remove(&slot, LAST)
        });
        let here = remove(&slot, LAST);
        assert!(other.join().unwrap() != here);
        assert_eq!(close(&slot), [FIRST]);
    });
}

/// Each entry comes out once: by its remover or by the closer; what comes too late is refused.
#[test]
fn close_vs_remove_vs_insert() {
    model("map_close_vs_remove_vs_insert", Bound::Preemptions(3), 4_800, || {
        let slot = slot_of(&[FIRST, LAST]);
        let (inserter, remover) = (slot.clone(), slot.clone());
        let inserter = spawn(move || {
            let item = Item::new(MIDDLE);
            let inserted = item.insert(&inserter);
            if !inserted {
                item.free();
            }
            inserted
        });
        let remover = spawn(move || remove(&remover, LAST));
        let mut closed = close(&slot);
        let mut expected = vec![FIRST];
        if inserter.join().unwrap() {
            expected.push(MIDDLE);
        }
        if !remover.join().unwrap() {
            expected.push(LAST);
        }
        closed.sort_by_key(|hash| hash.reverse_bits());
        assert_eq!(closed, expected);
        assert!(!Item(NonNull::dangling(), 0).insert(&slot), "closed for good");
    });
}

/// An entry that is removed while the map closes stays linked behind frozen links: a walk that begins later must not
/// get there (rule 5).
#[test]
fn close_vs_remove_vs_late_walk() {
    model("map_close_vs_remove_vs_late_walk", Bound::Preemptions(3), 6_000, || {
        let slot = slot_of(&[FIRST, MIDDLE, LAST]);
        let (remover, walker) = (slot.clone(), slot.clone());
        let remover = spawn(move || remove(&remover, MIDDLE));
        let walker = spawn(move || {
            let mut seen = 0;
            walker.for_each(&pin(), |_| seen += 1);
            assert!(seen <= 3);
            remove(&walker, LAST)
        });
        let closed = close(&slot).len();
        let removed = [remover, walker].map(|other| usize::from(other.join().unwrap()));
        assert_eq!(closed + removed[0] + removed[1], 3);
    });
}

fn insert_into(map: &Map, hash: u64) {
    // SAFETY: as in `Item::insert`.
    assert_eq!(unsafe { map.insert(Item::new(hash).0, &pin()) }, Insert::Inserted);
}

fn remove_from(map: &Map, hash: u64) -> bool {
    let guard = pin();
    map.remove(hash, &guard).map(|hook| Item::retire(hook, &guard)) == Some(hash)
}

/// One puts an entry in and closes the map, while another removes one, and then walks past it.
fn late_walk(map: &Arc<Map>, new: u64, old: u64, beside: u64) {
    let closer = map.clone();
    let closer = spawn(move || {
        insert_into(&closer, new);
        let guard = pin();
        let mut out = Vec::new();
        closer.close(&guard, |hook| out.push(Item::retire(hook, &guard)));
        out
    });
    let removed = remove_from(map, old);
    assert!(!remove_from(map, beside));
    let closed = closer.join().unwrap();
    assert_eq!(closed, if removed { vec![new] } else { vec![new, old] });
}

/// The same, when the remover and the walk start from different sentinels: the remover from the root, because its own
/// bucket's sentinel is claimed by somebody slow, and the walk, of another key, from a sentinel right before the entry, whose
/// link the closing comes to last.
#[test]
fn close_vs_remove_vs_late_walk_of_another_bucket() {
    const SECOND: usize = 2; // a quarter of the way; the claimed bucket 1 is at half the way
    const NEW: u64 = 2;
    const BESIDE: u64 = 6;
    model("map_close_vs_remove_vs_late_walk_of_another_bucket", Bound::Unbounded, 17_000, || {
        let map = Arc::new(Map::new());
        // Grown to four buckets by two that go again; the second quarter's sentinel is in, the half's is not.
        [ODD, A, B].into_iter().for_each(|hash| insert_into(&map, hash));
        assert_eq!(map.buckets(), 4);
        map.claim(1);
        assert!(!remove_from(&map, SECOND as u64));
        assert!(remove_from(&map, A) && remove_from(&map, B));
        late_walk(&map, NEW, ODD, BESIDE);
    });
}

/// The same once more, where the remover does not get to the root either: it stops at the frozen sentinel of another bucket.
#[test]
fn close_vs_remove_from_a_sentinel_vs_late_walk() {
    const STARTS_AT: u64 = 1; // the two between are claimed
    const WALKED_FROM: u64 = 5;
    const REMOVED: u64 = 7;
    const BESIDE: u64 = 13;
    model("map_close_vs_remove_from_a_sentinel_vs_late_walk", Bound::Preemptions(3), 440, || {
        let map = Arc::new(Map::new());
        // Grown to eight buckets by some that go again.
        insert_into(&map, REMOVED);
        let others: Vec<_> = (1..)
            .map(|n| n << 32)
            .take_while(|&n| {
                map.buckets() < 8 && {
                    insert_into(&map, n);
                    true
                }
            })
            .collect();
        [3, 7].into_iter().for_each(|bucket| map.claim(bucket));
        assert!(!remove_from(&map, STARTS_AT) && !remove_from(&map, WALKED_FROM));
        assert!(others.into_iter().all(|hash| remove_from(&map, hash)));
        late_walk(&map, WALKED_FROM, REMOVED, BESIDE);
    });
}

/// The second bucket's sentinel is linked by an insertion and a removal at once.
#[test]
fn growth_vs_remove() {
    model("map_growth_vs_remove", Bound::Preemptions(3), 25_000, || {
        let slot = slot_of(&[ODD]);
        let remover = slot.clone();
        let remover = spawn(move || assert!(remove(&remover, ODD)));
        assert!(Item::new(ODD_TOO).insert(&slot));
        remover.join().unwrap();
        assert!(Item::new(EVEN).insert(&slot));
        assert_eq!(close(&slot), [EVEN, ODD_TOO]);
    });
}

/// The same with one more that comes in where the sentinel goes.
#[test]
fn growth_vs_insert_vs_remove() {
    model("map_growth_vs_insert_vs_remove", Bound::NoMoreThan(1, 2), 150_000, || {
        let slot = slot_of(&[ODD]);
        let (inserter, remover) = (slot.clone(), slot.clone());
        let inserter = spawn(move || assert!(Item::new(EVEN).insert(&inserter)));
        let remover = spawn(move || assert!(remove(&remover, ODD)));
        assert!(Item::new(ODD_TOO).insert(&slot));
        inserter.join().unwrap();
        remover.join().unwrap();
        assert_eq!(close(&slot), [EVEN, ODD_TOO]);
    });
}

/// Two link the same sentinel.
#[test]
fn growth_by_two() {
    model("map_growth_by_two", Bound::Preemptions(3), 46_000, || {
        let slot = slot_of(&[EVEN]);
        // Grown to two buckets, the second one not linked yet.
        assert!(Item::new(EVEN + A).insert(&slot));
        let other = spawn({
            let slot = slot.clone();
            move || assert!(Item::new(ODD).insert(&slot))
        });
        assert!(Item::new(ODD_TOO).insert(&slot));
        other.join().unwrap();
        assert!(remove(&slot, ODD));
        assert!(remove(&slot, ODD_TOO));
        assert_eq!(close(&slot), [EVEN, EVEN + A]);
    });
}

/// A sentinel is linked while the map closes.
#[test]
fn growth_vs_close() {
    model("map_growth_vs_close", Bound::Preemptions(3), 59, || {
        let slot = slot_of(&[EVEN, EVEN + A]);
        let other = spawn({
            let slot = slot.clone();
            move || {
                let item = Item::new(ODD);
                let inserted = item.insert(&slot);
                if !inserted {
                    item.free();
                }
                inserted
            }
        });
        let closed = close(&slot).len();
        assert_eq!(closed, 2 + usize::from(other.join().unwrap()));
    });
}

/// Two put the first entries in: there is one map, and both are in it.
#[test]
fn first_insert_vs_first_insert() {
    model("map_first_insert_vs_first_insert", Bound::Unbounded, 28_000, || {
        let slot = slot_of(&[]);
        let other = spawn({
            let slot = slot.clone();
            move || assert!(Item::new(FIRST).insert(&slot))
        });
        assert!(Item::new(LAST).insert(&slot));
        assert!(remove(&slot, LAST));
        other.join().unwrap();
        assert!(remove(&slot, FIRST));
    });
}

/// One that walks while entries come and go: it meets what stays.
#[test]
fn walk_vs_insert_vs_remove() {
    model("map_walk_vs_insert_vs_remove", Bound::Preemptions(3), 3_500, || {
        let slot = slot_of(&[FIRST, LAST]);
        let (walker, remover) = (slot.clone(), slot.clone());
        let remover = spawn(move || assert!(remove(&remover, FIRST)));
        let walker = spawn(move || assert!(walk(&walker) & LAST != 0));
        assert!(Item::new(MIDDLE).insert(&slot));
        walker.join().unwrap();
        remover.join().unwrap();
        assert_eq!(close(&slot), [MIDDLE, LAST]);
    });
}

/// A map that has grown and is empty again is replaced, while one comes in: it is found in the new one.
#[test]
fn replacement_vs_insert() {
    model("map_replacement_vs_insert", Bound::Preemptions(3), 33, || {
        let slot = slot_of(&[EVEN, ODD]);
        assert!(remove(&slot, EVEN));
        let other = spawn({
            let slot = slot.clone();
            move || assert!(remove(&slot, ODD))
        });
        assert!(Item::new(EVEN).insert(&slot));
        assert!(!remove(&slot, ODD_TOO));
        other.join().unwrap();
        assert!(remove(&slot, EVEN));
        assert_eq!(slot.len(), 0);
        assert!(close(&slot).is_empty());
    });
}

/// The same while the slot closes for good.
#[test]
fn replacement_vs_insert_vs_close() {
    model("map_replacement_vs_insert_vs_close", Bound::Preemptions(2), 150, || {
        let slot = slot_of(&[EVEN, ODD]);
        assert!(remove(&slot, EVEN));
        let (inserter, remover) = (slot.clone(), slot.clone());
        let remover = spawn(move || remove(&remover, ODD));
        let inserter = spawn(move || {
            let item = Item::new(ODD_TOO);
            let inserted = item.insert(&inserter);
            if !inserted {
                item.free();
            }
            inserted
        });
        let mut closed = close(&slot);
        let mut expected = Vec::new();
        if !remover.join().unwrap() {
            expected.push(ODD);
        }
        if inserter.join().unwrap() {
            expected.push(ODD_TOO);
        }
        closed.sort_unstable();
        assert_eq!(closed, expected);
    });
}

/// Adds up what a walk meets.
fn walk(slot: &MapSlot) -> u64 {
    let mut sum = 0;
    // SAFETY: alive, since it is met under the guard.
    slot.for_each(&pin(), |hook| sum |= unsafe { hook.as_ref() }.hash());
    sum
}

/// A walk comes to entries that were made by another thread, and has nothing but the links to see them whole: in front, where
/// the root points to it, and further down.
#[test]
fn walk_vs_inserts() {
    model("map_walk_vs_inserts", Bound::Unbounded, 7, || {
        let slot = slot_of(&[MIDDLE]);
        let walker = spawn({
            let slot = slot.clone();
            move || assert!(walk(&slot) & MIDDLE != 0)
        });
        assert!(Item::new(LAST).insert(&slot));
        assert!(Item::new(FIRST).insert(&slot));
        walker.join().unwrap();
        assert_eq!(close(&slot), [FIRST, MIDDLE, LAST]);
    });
}

/// A removed entry is unlinked by somebody who comes past it, and a walk gets to the one behind it by that link alone.
#[test]
fn walk_vs_insert_vs_unlinked_by_another() {
    model("map_walk_vs_insert_vs_unlinked_by_another", Bound::Preemptions(3), 33_000, || {
        let slot = slot_of(&[FIRST, LAST]);
        let (walker, passer) = (slot.clone(), slot.clone());
        let passer = spawn(move || assert!(remove(&passer, LAST)));
        let walker = spawn(move || assert_eq!(walk(&walker) & !(FIRST | MIDDLE | LAST), 0));
        assert!(Item::new(MIDDLE).insert(&slot));
        assert!(remove(&slot, FIRST));
        walker.join().unwrap();
        passer.join().unwrap();
        assert_eq!(close(&slot), [MIDDLE]);
    });
}
