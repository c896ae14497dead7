//! Monitors by hand. The target keeps a map from monitor to watcher until it dies, then its reason; the watcher keeps a map
//! from monitor to target. Either is cleaned up when the other side dies, also by a panic.

use std::collections::HashMap;
use std::hash::{BuildHasher, DefaultHasher, Hasher, RandomState};
use std::mem::replace;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use tokio::sync::mpsc::UnboundedSender;

/// The standard library's hash, if the maps are to have that.
static STD: OnceLock<RandomState> = OnceLock::new();

/// From now on maps hash as they do when nobody chooses a hash.
pub fn hash_as_std() {
    STD.get_or_init(RandomState::new);
}

/// Numbers that we give out ourselves need no protection against attackers.
pub enum Spread {
    Multiplied(u64),
    Std(DefaultHasher),
}

impl Hasher for Spread {
    fn finish(&self) -> u64 {
        match self {
            Spread::Multiplied(hash) => *hash,
            Spread::Std(hasher) => hasher.finish(),
        }
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("only numbers are hashed");
    }

    fn write_u64(&mut self, number: u64) {
        match self {
            Spread::Multiplied(hash) => *hash = number.wrapping_mul(0x9E37_79B9_7F4A_7C15),
            Spread::Std(hasher) => hasher.write_u64(number),
        }
    }
}

#[derive(Default)]
pub struct Build;

impl BuildHasher for Build {
    type Hasher = Spread;

    fn build_hasher(&self) -> Spread {
        STD.get().map_or(Spread::Multiplied(0), |keys| Spread::Std(keys.build_hasher()))
    }
}

type Map<V> = HashMap<u64, V, Build>;

#[derive(Clone)]
pub enum Reason {
    Normal,
    Panic,
}

pub struct Down {
    pub monitor: u64,
    pub reason: Reason,
}

/// An actor as others see it, `M` being the messages of those that monitor it.
pub struct Vital<M>(Mutex<State<M>>);

enum State<M> {
    Alive(Map<UnboundedSender<M>>),
    Dead(Reason),
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

static NEXT: AtomicU64 = AtomicU64::new(0);

impl<M: From<Down>> Vital<M> {
    pub fn new() -> Arc<Self> {
        Arc::new(Vital(Mutex::new(State::Alive(Map::default()))))
    }

    fn die(&self, reason: Reason) {
        let state = replace(&mut *lock(&self.0), State::Dead(reason.clone()));
        if let State::Alive(watchers) = state {
            for (monitor, watcher) in watchers {
                let _ = watcher.send(Down { monitor, reason: reason.clone() }.into());
            }
        }
    }

    fn forget(&self, monitor: u64) {
        if let State::Alive(watchers) = &mut *lock(&self.0) {
            watchers.remove(&monitor);
        }
    }
}

/// Whom an actor monitors.
pub struct Watching<M>(Mutex<Map<Arc<Vital<M>>>>);

impl<M: From<Down>> Watching<M> {
    pub fn new() -> Self {
        Watching(Mutex::new(Map::default()))
    }

    pub fn monitor(&self, own: &UnboundedSender<M>, target: &Arc<Vital<M>>) -> u64 {
        let monitor = NEXT.fetch_add(1, Ordering::Relaxed);
        lock(&self.0).insert(monitor, Arc::clone(target));
        match &mut *lock(&target.0) {
            State::Alive(watchers) => {
                watchers.insert(monitor, own.clone());
            }
            State::Dead(reason) => {
                let _ = own.send(Down { monitor, reason: reason.clone() }.into());
            }
        }
        monitor
    }

    /// Was it still to come?
    pub fn demonitor(&self, monitor: u64) -> bool {
        let Some(target) = lock(&self.0).remove(&monitor) else { return false };
        target.forget(monitor);
        true
    }

    /// Is this `Down` to be handled?
    pub fn take(&self, down: &Down) -> bool {
        lock(&self.0).remove(&down.monitor).is_some()
    }

    fn clear(&self) {
        for (monitor, target) in std::mem::take(&mut *lock(&self.0)) {
            target.forget(monitor);
        }
    }
}

/// Both sides of one actor, in its task. When that ends, however it does, those who monitor it are told.
pub struct Life<M: From<Down>> {
    pub vital: Arc<Vital<M>>,
    pub watching: Arc<Watching<M>>,
}

impl<M: From<Down>> Life<M> {
    pub fn new() -> Self {
        Life { vital: Vital::new(), watching: Arc::new(Watching::new()) }
    }
}

impl<M: From<Down>> Drop for Life<M> {
    fn drop(&mut self) {
        self.vital.die(if std::thread::panicking() { Reason::Panic } else { Reason::Normal });
        self.watching.clear();
    }
}
