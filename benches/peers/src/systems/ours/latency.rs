//! Rows L and Lt: both modes.

use std::sync::Arc;

use deathwatch::{ActorHandle, ActorRef, Starts};

use super::{Stage, messages};
use crate::rows::LOAD_PAIRS;
use crate::tools::{Deaths, Dying, Latch, Measured, Outcome, latencies};

/// The actors of one mode. They differ in `async`.
macro_rules! actors {
    ($mode:ident, $prelude:path $(, $asynchronous:tt)?) => {
        mod $mode {
            use super::{ActorHandle, Arc, Deaths, Dying, Latch, Watch};
            use $prelude::*;

            pub struct Mortal {
                _end: Dying,
            }
            impl Actor for Mortal {}

            pub struct Watcher {
                pub me: usize,
                pub deaths: Arc<Deaths>,
                pub told: Option<Latch>,
            }
            impl Actor for Watcher {}

            impl Handler<Down> for Watcher {
                $($asynchronous)? fn handle(&mut self, _: Down, _: &Context<Self>) {
                    self.deaths.told(self.me);
                    if let Some(latch) = self.told.take() {
                        latch.hit();
                    }
                }
            }
            impl Handler<Watch> for Watcher {
                $($asynchronous)? fn handle(&mut self, watch: Watch, ctx: &Context<Self>) {
                    self.told = Some(watch.told);
                    ctx.monitor(&watch.target);
                    watch.ready.hit();
                }
            }

            pub fn mortal(deaths: Arc<Deaths>) -> Mortal {
                Mortal { _end: Dying(deaths) }
            }
            pub fn watcher(deaths: Arc<Deaths>, me: usize) -> Watcher {
                Watcher { me, deaths, told: None }
            }
            pub fn watch(watcher: &ActorRef<Watcher>, target: ActorHandle, told: Latch, ready: Latch) {
                watcher.send(Watch { target, told, ready }).expect("it lives");
            }
        }
    };
}

pub struct Watch {
    target: ActorHandle,
    told: Latch,
    ready: Latch,
}
impl deathwatch::Message for Watch {
    type Reply = ();
}

actors!(on_workers, deathwatch::tasks::prelude, async);
actors!(on_threads, deathwatch::threads::prelude);

/// Watchers of one mode, and what lets a target of that mode die before them.
fn crowd<T, W, K>(
    stage: &'static Stage,
    deaths: &Arc<Deaths>,
    size: usize,
    target: fn(Arc<Deaths>) -> T,
    watcher: fn(Arc<Deaths>, usize) -> W,
    watch: fn(&ActorRef<W>, ActorHandle, Latch, Latch),
) -> Box<dyn FnMut()>
where
    T: Starts<K> + 'static,
    W: Starts<K> + 'static,
{
    let deaths = Arc::clone(deaths);
    let watchers: Vec<_> = (0..size).map(|me| stage.start(watcher(Arc::clone(&deaths), me))).collect();
    Box::new(move || {
        let target = stage.start(target(Arc::clone(&deaths)));
        let (told, ready) = (Latch::new(size as u64), Latch::new(size as u64));
        for watcher in &watchers {
            watch(watcher, target.handle(), told.clone(), ready.clone());
        }
        ready.wait();
        target.stop();
        told.wait();
    })
}

pub fn run(stage: &'static Stage, row: &str, n: u64) -> Measured {
    let load = || {
        for _ in 0..LOAD_PAIRS {
            messages::ring(stage, 2, u64::MAX, &Latch::new(1));
        }
    };
    let outcome: Outcome = match row {
        "L" => latencies(
            n,
            &[1, 10, 1_000, 100_000],
            |deaths, size| {
                let (target, watcher) = (on_workers::mortal, on_workers::watcher);
                crowd(stage, &deaths, size, target, watcher, on_workers::watch)
            },
            load,
        ),
        "Lt" => latencies(
            n,
            &[1, 10, 1_000],
            |deaths, size| {
                let (target, watcher) = (on_threads::mortal, on_threads::watcher);
                crowd(stage, &deaths, size, target, watcher, on_threads::watch)
            },
            load,
        ),
        _ => return Err("no such row"),
    };
    Ok(outcome)
}
