use std::collections::HashSet;

use super::*;

#[test]
fn monitor_keys_are_unique_across_threads() {
    const EACH: usize = 10_000;
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let keys = || (0..EACH).map(|_| next_monitor_key()).collect::<Vec<_>>();
            thread::spawn("keys".into(), None, keys).unwrap()
        })
        .collect();
    let mut all = HashSet::new();
    for thread in threads {
        all.extend(thread.join().unwrap());
    }
    assert_eq!(all.len(), 4 * EACH);
    assert!(all.iter().all(|key| key.get() < 1 << 62));
}

#[test]
fn actor_ids_are_unique() {
    let ids: HashSet<_> = (0..1000).map(|_| next_actor_id()).collect();
    assert_eq!(ids.len(), 1000);
}

#[test]
fn the_facade_costs_no_memory() {
    assert_eq!(size_of::<Tracked>(), 0);
    assert_eq!(size_of::<UnsafeCell<u64>>(), size_of::<u64>());
}

#[test]
fn spawn_gives_the_thread_its_name() {
    let name = || thread::current().name().map(str::to_owned);
    let thread = thread::spawn("watcher".into(), Some(1 << 20), name).unwrap();
    assert_eq!(thread.join().unwrap().as_deref(), Some("watcher"));
}

#[test]
fn a_block_gives_back_what_was_put_in() {
    let block = new_block(String::from("last words"));
    // SAFETY: the block is ours and used once.
    assert_eq!(unsafe { take_block(block) }, "last words");
}
