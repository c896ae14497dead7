//! How much one may bring before it is used up.

use std::future::poll_fn;

use deathwatch::internals::structs::credit::Account;
use deathwatch::internals::sync::Arc;
use deathwatch::internals::sync::atomic::{AtomicUsize, Ordering};
use loom::future::block_on;

use crate::fixture::spawn;
use crate::harness::{Bound, model};

/// One brings three things, of which two may be there at a time, and waits until all are used up; they are used by two others. It
/// is woken whenever there is room, brings no more than it may, and sees what was done with the things before.
#[test]
fn bringing_vs_using() {
    model("credit_bringing_vs_using", Bound::Preemptions(3), 40_000, || {
        let account = Account::new(2);
        let used = Arc::new(AtomicUsize::new(0));
        let bring = || block_on(poll_fn(|cx| Account::poll(&account, cx)));
        let (first, second) = (bring(), bring());
        let users = [first, second].map(|credit| {
            let used = used.clone();
            spawn(move || {
                used.fetch_add(1, Ordering::Relaxed);
                drop(credit);
            })
        });
        let third = bring();
        assert!(used.load(Ordering::Relaxed) >= 1);
        drop(third);
        block_on(poll_fn(|cx| Account::poll_all(&account, 2, cx)));
        assert_eq!(used.load(Ordering::Relaxed), 2);
        users.into_iter().for_each(|user| user.join().unwrap());
    });
}
