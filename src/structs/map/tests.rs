//! The map against a plain one, and under many threads.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::reclaim::pin;

/// Entries of a test: boxed, so that they stay in place; freed when the test ends.
#[expect(clippy::vec_box, reason = "an entry must stay in place")]
fn entries(hashes: impl IntoIterator<Item = u64>) -> Vec<Box<Hook>> {
    hashes.into_iter().map(|hash| Box::new(Hook::new(hash))).collect()
}

fn insert(map: &Map, entry: &Hook) -> Insert {
    // SAFETY: entries outlive the map in these tests, and each hash is inserted once.
    unsafe { map.insert(NonNull::from(entry), &pin()) }
}

fn hashes(map: &Map) -> BTreeSet<u64> {
    let mut found = BTreeSet::new();
    // SAFETY: entries outlive the map.
    map.for_each(&pin(), |entry| assert!(found.insert(unsafe { entry.as_ref() }.hash()), "met twice"));
    found
}

#[test]
fn hash_survives_the_order() {
    for hash in [0, 1, 2, 3, (1 << 62) - 1, 0x2AAA_AAAA_AAAA_AAAA] {
        assert_eq!(Hook::new(hash).hash(), hash);
    }
}

#[test]
fn agrees_with_a_set() {
    let mut random = 0x0123_4567_89AB_CDEF_u64;
    let mut next = move || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random
    };
    let all = entries((0..3000).map(|n: u64| n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 2));
    let map = Map::new();
    let mut set = BTreeSet::new();
    for entry in &all {
        assert_eq!(insert(&map, entry), Insert::Inserted);
        set.insert(entry.hash());
        if next() % 3 == 0 {
            let victim = all[next() as usize % all.len()].hash();
            assert_eq!(map.remove(victim, &pin()).is_some(), set.remove(&victim));
        }
        assert_eq!(map.len(), set.len());
    }
    assert!(map.buckets() >= set.len() / LOAD / 2, "it has grown: {}", map.buckets());
    assert_eq!(hashes(&map), set);
    for hash in &set {
        let entry = map.remove(*hash, &pin()).expect("in the set");
        // SAFETY: entries outlive the map.
        assert_eq!(unsafe { entry.as_ref() }.hash(), *hash);
        assert!(map.remove(*hash, &pin()).is_none(), "removed once");
    }
    assert_eq!((map.len(), hashes(&map).len()), (0, 0));
}

#[test]
fn close_gives_everything_once_and_refuses_from_then_on() {
    let all = entries(1..500);
    let map = Map::new();
    for entry in &all[..400] {
        assert_eq!(insert(&map, entry), Insert::Inserted);
    }
    assert!(map.remove(7, &pin()).is_some());
    let mut closed = BTreeSet::new();
    // SAFETY: entries outlive the map.
    map.close(&pin(), |entry| assert!(closed.insert(unsafe { entry.as_ref() }.hash())));
    assert_eq!(closed, (1..401).filter(|hash| *hash != 7).collect());
    assert_eq!(insert(&map, &all[450]), Insert::Closed);
    assert!(map.remove(9, &pin()).is_none());
    assert_eq!((map.len(), hashes(&map).len()), (0, 0));
}

#[test]
fn only_an_empty_map_is_superseded() {
    let all = entries(1..3);
    let map = Map::new();
    assert_eq!(insert(&map, &all[0]), Insert::Inserted);
    assert!(!map.close_if_empty());
    assert!(map.remove(1, &pin()).is_some());
    assert!(map.close_if_empty());
    assert!(!map.close_if_empty(), "true for one caller");
    assert_eq!(insert(&map, &all[1]), Insert::Superseded);
}

#[test]
fn threads_lose_nothing_and_get_nothing_twice() {
    const THREADS: u64 = 4;
    const EACH: u64 = 20_000;
    let all = entries((0..THREADS * EACH).map(|n| n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 2));
    let map = Map::new();
    let removed = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (map, all, removed) = (&map, &all, &removed);
            scope.spawn(move || {
                let mine = &all[(thread * EACH) as usize..((thread + 1) * EACH) as usize];
                for (n, entry) in mine.iter().enumerate() {
                    assert_eq!(insert(map, entry), Insert::Inserted);
                    // Its own, and one that a neighbour may have or get: whoever is first gets it.
                    let theirs = &all[(n as u64 + (thread + 1) % THREADS * EACH) as usize];
                    for hash in [mine[n / 2].hash(), theirs.hash()] {
                        if map.remove(hash, &pin()).is_some() {
                            removed.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                }
            });
        }
    });
    let left = hashes(&map);
    assert_eq!(left.len(), map.len());
    assert_eq!(
        left.len() + removed.load(Ordering::Relaxed),
        all.len(),
        "each is either there or was removed once"
    );
}
