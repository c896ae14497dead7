//! Watchers and targets die together.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use deathwatch::prelude::*;
use deathwatch::{Runtime, WeakActorRef};

use crate::harness::{Report, monitors, spin_until};

const NODES: usize = 100;
/// Twice each; from an odd one, the first three lead to one that dies.
const STEPS: [usize; 4] = [1, 7, 99, 2];

/// How the monitors ended.
#[derive(Default)]
struct Fates {
    made: AtomicUsize,
    told: AtomicUsize,
    /// Ended because the watcher did.
    gone: AtomicUsize,
    /// Of these, where the target was dying as well: it was still alive, or dead already.
    watcher_first: AtomicUsize,
    target_first: AtomicUsize,
}

/// Goes with a monitor and notes how it ended, which is once.
struct Fate {
    target: WeakActorRef<Node>,
    /// The two die at the same time.
    together: bool,
    fates: Arc<Fates>,
    told: bool,
}

impl Drop for Fate {
    fn drop(&mut self) {
        let more = |count: &AtomicUsize| count.fetch_add(1, Ordering::Relaxed);
        more(if self.told { &self.fates.told } else { &self.fates.gone });
        if self.together && !self.told {
            more(if self.target.is_alive() { &self.fates.watcher_first } else { &self.fates.target_first });
        }
    }
}

struct Node {
    told: usize,
    fates: Arc<Fates>,
}
impl Actor for Node {}

struct Meet(WeakActorRef<Node>, bool);
impl Message for Meet {
    type Reply = ();
}
impl Handler<Meet> for Node {
    async fn handle(&mut self, Meet(other, together): Meet, ctx: &Context<Self>) {
        for _ in 0..2 {
            self.fates.made.fetch_add(1, Ordering::Relaxed);
            let fate = Fate { target: other.clone(), together, fates: self.fates.clone(), told: false };
            ctx.monitor_with(&other, |down| Lost(down, fate));
        }
    }
}

struct Lost(Down, Fate);
impl Message for Lost {
    type Reply = ();
}
impl Handler<Lost> for Node {
    async fn handle(&mut self, Lost(down, mut fate): Lost, _: &Context<Self>) {
        // A wrong reason is one Down too few.
        self.told += usize::from(down.reason == ExitReason::Kill);
        fate.told = true;
    }
}

struct Count;
impl Message for Count {
    type Reply = usize;
}
impl Handler<Count> for Node {
    async fn handle(&mut self, _: Count, _: &Context<Self>) -> usize {
        self.told
    }
}

/// R43, R44, R45: of rings of actors that monitor each other, every other one dies, killed from both ends at once. Each
/// survivor handles exactly the Downs of its dead neighbours. What the dead monitored, alive or dying as well, is gone.
pub fn watchers_and_targets_die_together() -> Report {
    let runtime = Runtime::builder().workers(2).build().unwrap();
    let fates = Arc::new(Fates::default());
    for round in 0..monitors().div_ceil(2 * STEPS.len() * NODES) {
        let node = || runtime.start(Node { told: 0, fates: fates.clone() }).unwrap();
        let ring: Vec<_> = (0..NODES).map(|_| node()).collect();
        for (n, node) in ring.iter().enumerate() {
            for step in STEPS {
                node.send(Meet(ring[(n + step) % NODES].downgrade(), step % 2 == 0)).unwrap();
            }
        }
        // All have met when the last has answered: a node meets its neighbours before it counts.
        ring.iter().for_each(|node| assert_eq!(node.request(Count).no_timeout().wait(), Ok(0)));
        std::thread::scope(|scope| {
            let forwards = || ring.iter().step_by(2).for_each(ActorRef::kill);
            let backwards = || ring.iter().step_by(2).rev().for_each(ActorRef::kill);
            // Who is first may be through before the other has begun.
            if round % 2 == 0 {
                scope.spawn(forwards);
                scope.spawn(backwards);
            } else {
                scope.spawn(backwards);
                scope.spawn(forwards);
            }
        });
        // Gone completely, so that every Down has been sent.
        spin_until(|| runtime.live_actors() == NODES / 2);
        for node in ring.iter().skip(1).step_by(2) {
            assert_eq!(node.request(Count).no_timeout().wait(), Ok(6));
            assert_eq!(node.monitors().len(), 2, "the survivor two steps on");
            assert_eq!(node.monitored_by().len(), 2, "the survivor two steps back");
        }
        if round % 2 == 0 {
            ring.iter().for_each(ActorRef::kill);
        } else {
            ring.iter().rev().for_each(ActorRef::kill);
        }
        spin_until(|| runtime.live_actors() == 0);
    }
    drop(runtime);
    let get = |count: &AtomicUsize| count.load(Ordering::Relaxed);
    let [made, told, gone, watcher_first, target_first] =
        [&fates.made, &fates.told, &fates.gone, &fates.watcher_first, &fates.target_first].map(get);
    let together = watcher_first + target_first;
    Report {
        made,
        lost: made.saturating_sub(told + gone),
        doubled: (told + gone).saturating_sub(made),
        shares: vec![
            ("told", told, made),
            ("of those that die together the watcher first", watcher_first, together),
            ("the target first", target_first, together),
        ],
        notes: Vec::new(),
    }
}
