//! Groups: whoever watches one is told who is there, whatever happens at the same time.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::future::{Future, ready};
use std::sync::Arc;

use deathwatch::internals::cell::Birth;
use deathwatch::internals::groups::change::Watch;
use deathwatch::internals::groups::core::Core;
use deathwatch::{ActorId, Context, ExitReason, GroupChange, SentTo};

use crate::crew::{Plain, Pool, Sailor};
use crate::fixture::{Party, monitor, spawn};
use crate::harness::{Bound, model};

thread_local! {
    /// Whom the watcher of a model knows. All threads of a model are one to the standard library.
    static KNOWN: RefCell<BTreeSet<ActorId>> = const { RefCell::new(BTreeSet::new()) };
}

impl SentTo<Sailor, Plain> for GroupChange {
    fn call<'a>(self, _: &'a mut Sailor, _: &'a Context<Sailor>) -> impl Future<Output = ()> + Send + 'a
    where
        Sailor: 'a,
    {
        KNOWN.with_borrow_mut(|known| {
            for member in &self.joined {
                assert!(known.insert(member.id()), "told twice");
            }
            for member in &self.left {
                assert!(known.remove(member), "told of somebody it was not told of");
            }
        });
        ready(())
    }
}

fn known() -> Vec<ActorId> {
    KNOWN.with_borrow_mut(std::mem::take).into_iter().collect()
}

/// R94: Somebody joins while somebody becomes a watcher.
#[test]
fn join_vs_watch() {
    model("join_vs_watch", Bound::Preemptions(3), 7_500, || {
        let (core, pool) = (Core::<()>::new(), Pool::new());
        let (watcher, member) = (pool.sleeper(Birth::default()), pool.sleeper(Birth::default()));
        let names = Party::new();
        let key = monitor(&names.address(), member.cell());
        let joins = spawn({
            let (core, cell) = (Arc::clone(&core), member.cell().clone());
            move || assert_eq!(core.join(&cell, ()), Ok(true))
        });
        core.watch(key, watcher.cell(), Watch::new::<Sailor, Plain>());
        pool.run();
        joins.join().unwrap();
        pool.run();
        assert_eq!(known(), [member.cell().id]);
        drop((names.end(), core, watcher, member));
        pool.run();
    });
}

/// R94: A member dies while the watcher looks who is there: it is told in the end, and only of whom it was told.
#[test]
fn death_vs_look() {
    model("death_vs_look", Bound::Preemptions(3), 3_900, || {
        let (core, pool) = (Core::<()>::new(), Pool::new());
        let (watcher, member, stays) = (pool.sleeper(Birth::default()), Party::new(), Party::new());
        let key = monitor(&member.address(), watcher.cell());
        core.join(&stays.cell(), ()).unwrap();
        core.join(&member.cell(), ()).unwrap();
        core.watch(key, watcher.cell(), Watch::new::<Sailor, Plain>());
        let exit = spawn(move || member.die(ExitReason::Kill));
        pool.run();
        exit.join().unwrap();
        pool.run();
        assert_eq!(known(), [stays.cell().id]);
        assert!(core.watchers.take_back(&key, watcher.cell()));
        drop((core, watcher, stays.end()));
        pool.run();
    });
}
