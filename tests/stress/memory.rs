//! What memory does on a long-lived target, and while the collector is held up.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use deathwatch::census;
use deathwatch::prelude::*;
use deathwatch::{Demonitor, Monitors, Options, Runtime};

use crate::harness::{Report, alive, monitors, quiet, spin_until};

struct Idle;
impl Actor for Idle {}

/// The list of a target keeps so many cancelled entries at the most, or as many as it has live ones.
const KEPT: usize = 64;

/// A living thread keeps so many retired ones to itself.
const BAG: usize = 64;

/// R46, R60: two watchers monitor and demonitor one long-lived target for all they are worth, while others come and die.
pub fn churn_on_one_target() -> Report {
    let runtime = Runtime::builder().workers(2).build().unwrap();
    let target = Idle.start_with(Options::new().runtime(&runtime).name("target")).unwrap();
    let before = quiet();
    let each = monitors() / 2;
    let lost: usize = std::thread::scope(|scope| {
        let churn = || {
            let mut monitors = Monitors::new();
            let mut lost = 0;
            for _ in 0..each {
                let monitor = monitors.monitor(&target);
                lost += usize::from(!matches!(monitors.demonitor(monitor), Demonitor::Cancelled));
            }
            assert!(monitors.is_empty() && monitors.try_recv().is_none());
            lost
        };
        let churning = [0; 2].map(|_| scope.spawn(churn));
        scope.spawn(|| {
            for _ in 0..each / 500 {
                let mut brief = Monitors::new();
                (0..10).for_each(|_| _ = brief.monitor(&target));
            }
        });
        churning.map(|thread| thread.join().unwrap()).iter().sum()
    });
    assert!(target.monitored_by().is_empty());
    let kept = kept_since(before);
    assert!(kept.is_none_or(|kept| kept <= KEPT), "{kept:?} entries on a target that nobody watches");
    let notes =
        vec![format!("{} entries kept", kept.map_or("an unknown number of".into(), |kept| kept.to_string()))];
    Report { made: 2 * each + each / 500 * 10, lost, notes, ..Report::default() }
}

/// How many more entries there are, when the collector has done what it can.
fn kept_since(before: Option<[usize; 2]>) -> Option<usize> {
    let before = before?[1];
    // Threads that have just ended hand their garbage on a little later.
    (0..1_000)
        .map(|_| quiet().map_or(0, |now| now[1] - before))
        .find(|kept| *kept <= KEPT)
        .or_else(|| Some(quiet()?[1] - before))
}

/// R46, R60: one watcher monitors and demonitors a target that others watch as well. The list never keeps more cancelled
/// entries than live ones, or than 64, and the memory of the process stays as large as it was after the first tenth.
pub fn memory_of_a_churned_target() -> Report {
    let runtime = Runtime::builder().workers(1).build().unwrap();
    let target = runtime.start(Idle).unwrap();
    let before = quiet();
    let mut watchers = Monitors::new();
    let (mut made, mut most) = (0, Grown::default());
    let parts = 10;
    for part in 0..parts {
        // As many live ones as make a difference to the limit, from the second part on.
        while part == 1 && watchers.monitors().len() < 200 {
            watchers.monitor(&target);
            made += 1;
        }
        let mut monitors_here = Monitors::new();
        for _ in 0..monitors() / parts {
            let monitor = monitors_here.monitor(&target);
            assert!(matches!(monitors_here.demonitor(monitor), Demonitor::Cancelled));
            made += 1;
        }
        if part == 0 {
            most = Grown::begin();
        } else {
            most.look();
        }
        if let (Some(now), Some(before)) = (quiet(), before) {
            let live = target.monitored_by().len();
            let cancelled = now[1] - before[1] - live;
            assert!(cancelled <= KEPT.max(live), "{cancelled} cancelled entries beside {live} live ones");
        }
    }
    drop(watchers);
    let grown = most.kib();
    assert!(grown.is_none_or(|kib| kib <= 1_024), "grown by {grown:?} KiB");
    let notes = vec![grown.map_or("memory not looked at".into(), |kib| format!("memory grown by {kib} KiB"))];
    Report { made, notes, ..Report::default() }
}

/// How much larger the process got.
#[derive(Default)]
struct Grown {
    begin: Option<usize>,
    most: usize,
}

impl Grown {
    fn begin() -> Self {
        Grown { begin: resident(), most: 0 }
    }

    fn look(&mut self) {
        if let (Some(begin), Some(now)) = (self.begin, resident()) {
            self.most = self.most.max(now.saturating_sub(begin));
        }
    }

    fn kib(&self) -> Option<usize> {
        self.begin.map(|_| self.most)
    }
}

/// The resident memory in KiB; `None` where nobody says, and under tools that keep what was freed.
fn resident() -> Option<usize> {
    if cfg!(any(dw_sanitize, not(target_os = "linux"))) {
        return None;
    }
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// R46: a thread is asleep under a guard. Downs are told all the same; what is retired meanwhile stays, and is all freed after.
pub fn a_thread_asleep_under_a_guard() -> Report {
    let runtime = Runtime::builder().workers(1).build().unwrap();
    let target = runtime.start(Idle).unwrap();
    let before = quiet();
    let [pinned, wake_up] = [0; 2].map(|_| Arc::new(AtomicBool::new(false)));
    let sleeper = std::thread::spawn({
        let (pinned, wake_up) = (pinned.clone(), wake_up.clone());
        move || {
            let guard = census::pinned();
            pinned.store(true, Ordering::Release);
            while !wake_up.load(Ordering::Acquire) {
                std::thread::park();
            }
            drop(guard);
        }
    });
    spin_until(|| pinned.load(Ordering::Acquire));

    let (mut made, mut lost) = (0, 0);
    let mut watcher = Monitors::new();
    for _ in 0..100 {
        let brief = runtime.start(Idle).unwrap();
        (0..100).for_each(|_| _ = watcher.monitor(&brief));
        made += 100;
        brief.kill();
        lost += 100 - (&mut watcher).into_iter().filter(|down| down.reason == ExitReason::Kill).count();
    }
    for _ in 0..10_000 {
        let monitor = watcher.monitor(&target);
        assert!(matches!(watcher.demonitor(monitor), Demonitor::Cancelled));
        made += 1;
    }
    let held_back = quiet().zip(before).map(|(now, before)| now[1] - before[1]);
    assert!(held_back.is_none_or(|held| held >= made), "{held_back:?} entries: the guard holds nothing back");

    wake_up.store(true, Ordering::Release);
    sleeper.thread().unpark();
    sleeper.join().unwrap();
    let left = kept_since(before);
    assert!(left.is_none_or(|left| left <= KEPT + BAG), "{left:?} entries stay after the guard has gone");
    let notes = held_back.map(|held| format!("{held} entries held back, {} after", left.unwrap_or(0)));
    drop((watcher, target, runtime));
    assert!(alive().is_none_or(|[_, entries]| entries <= made), "the count has gone wrong");
    Report { made, lost, notes: notes.into_iter().collect(), ..Report::default() }
}
