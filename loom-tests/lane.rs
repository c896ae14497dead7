//! Workers that take jobs from a queue, and the gate of that.

use std::num::NonZeroUsize;
use std::sync::Arc as StdArc;

use deathwatch::internals::cell::{Birth, Strong};
use deathwatch::internals::mailbox::bound::OnFull;
use deathwatch::internals::pool::gate::Gate;
use deathwatch::internals::pool::lane::{Admit, Job, Lane as LaneOf};
use deathwatch::internals::pool::manager::Hub;
use deathwatch::internals::sync::Arc;

use crate::crew::{Deck, Log, Pool, Sailor, note};
use crate::fixture::spawn;
use crate::harness::{Bound, model};

type Lane = LaneOf<Sailor>;

fn lane(limit: Option<(usize, OnFull)>) -> Arc<Lane> {
    let limit = limit.map(|(capacity, policy)| (NonZeroUsize::new(capacity).unwrap(), policy));
    Arc::new(Lane::new(limit, &StdArc::<Hub<Sailor>>::default()))
}

/// A worker that has found nothing to do.
fn idler(pool: &Pool, lane: &Arc<Lane>) -> Strong<Deck> {
    let worker = pool.sleeper(Birth::default());
    Lane::employ(lane, &worker);
    pool.run();
    worker
}

/// Puts a job in; false when the lane is closed.
fn put(lane: &Arc<Lane>, log: &Log, number: u32) -> bool {
    match lane.admit() {
        Admit::Push { placed } => {
            Lane::push(lane, Job { parcel: note(log, number), taker: None, placed });
            true
        }
        Admit::Closed => false,
        Admit::Drop | Admit::Full => unreachable!("there is room"),
    }
}

/// A job that comes while the worker finds nothing to do.
#[test]
fn job_vs_rest() {
    model("lane_job_vs_rest", Bound::Preemptions(4), 1_000, || {
        let (pool, lane, log) = (Pool::new(), lane(None), Log::new());
        let worker = pool.sleeper(Birth::default());
        Lane::employ(&lane, &worker); // it is about to look
        let other = spawn({
            let (lane, log) = (lane.clone(), log.clone());
            move || assert!(put(&lane, &log, 1))
        });
        pool.run();
        other.join().unwrap();
        pool.run();
        assert_eq!((log.read(), lane.inside()), (vec![1], 0));
        drop(worker);
        pool.run();
        Lane::sweep(&lane);
    });
}

/// Two jobs of two senders, for one worker that is idle: both are done.
#[test]
fn two_jobs_vs_the_idle() {
    model("lane_two_jobs_vs_the_idle", Bound::Preemptions(4), 4_600, || {
        let (pool, lane, log) = (Pool::new(), lane(None), Log::new());
        let worker = idler(&pool, &lane);
        let other = spawn({
            let (lane, log) = (lane.clone(), log.clone());
            move || assert!(put(&lane, &log, 1))
        });
        assert!(put(&lane, &log, 2));
        pool.run();
        other.join().unwrap();
        pool.run();
        assert_eq!((log.sorted(), lane.inside()), (vec![1, 2], 0));
        drop(worker);
        pool.run();
        Lane::sweep(&lane);
    });
}

/// The worker that a job was to wake is killed meanwhile: the other one is woken.
#[test]
fn job_vs_kill() {
    model("lane_job_vs_kill", Bound::Preemptions(4), 1_700, || {
        let (pool, lane, log) = (Pool::new(), lane(None), Log::new());
        let (first, second) = (idler(&pool, &lane), idler(&pool, &lane));
        let other = spawn({
            let (lane, log) = (lane.clone(), log.clone());
            move || assert!(put(&lane, &log, 1))
        });
        first.cell().kill();
        pool.run();
        other.join().unwrap();
        pool.run();
        assert_eq!((log.read(), lane.inside()), (vec![1], 0));
        drop((first, second));
        pool.run();
        Lane::sweep(&lane);
    });
}

/// Tidying up after a dead worker while a job comes for the one that lives.
#[test]
fn job_vs_sweep() {
    model("lane_job_vs_sweep", Bound::Unbounded, 2_400, || {
        let (pool, lane, log) = (Pool::new(), lane(None), Log::new());
        let (living, dead) = (idler(&pool, &lane), idler(&pool, &lane));
        dead.cell().kill();
        pool.run();
        let other = spawn({
            let (lane, log) = (lane.clone(), log.clone());
            move || assert!(put(&lane, &log, 1))
        });
        Lane::sweep(&lane);
        other.join().unwrap();
        pool.run();
        assert_eq!((log.read(), lane.inside()), (vec![1], 0));
        drop((living, dead));
        pool.run();
        Lane::sweep(&lane);
    });
}

/// The lane is closed while a job comes: it is refused, or done; and the lane counts as drained then and not before.
#[test]
fn job_vs_close() {
    model("lane_job_vs_close", Bound::Unbounded, 17, || {
        let (pool, lane, log) = (Pool::new(), lane(None), Log::new());
        let worker = idler(&pool, &lane);
        let other = spawn({
            let (lane, log) = (lane.clone(), log.clone());
            move || put(&lane, &log, 1)
        });
        lane.close();
        let drained = lane.is_drained();
        let before = log.read();
        let taken = other.join().unwrap();
        assert!(!drained || before.len() == usize::from(taken), "drained with a job to come");
        pool.run();
        assert_eq!((log.read().len(), lane.is_drained()), (usize::from(taken), true));
        drop(worker);
        pool.run();
        Lane::sweep(&lane);
    });
}

/// The pool is over while a job comes: it is done, or dropped; none is left in the lane.
#[test]
fn job_vs_shut() {
    model("lane_job_vs_shut", Bound::Unbounded, 38, || {
        let (lane, log) = (lane(None), Log::new());
        let other = spawn({
            let (lane, log) = (lane.clone(), log.clone());
            move || put(&lane, &log, 1)
        });
        lane.shut();
        other.join().unwrap();
        assert_eq!((log.read().len(), lane.queued(), lane.inside()), (0, 0, 0));
    });
}

/// A queue of one that drops its oldest, and two jobs for the worker: what is not done was dropped, and the last one is done.
#[test]
fn jobs_that_displace() {
    model("lane_jobs_that_displace", Bound::Preemptions(4), 740, || {
        let (pool, lane, log) = (Pool::new(), lane(Some((1, OnFull::DropOldest))), Log::new());
        let worker = idler(&pool, &lane);
        let other = spawn({
            let (lane, log) = (lane.clone(), log.clone());
            move || {
                assert!(put(&lane, &log, 1));
                assert!(put(&lane, &log, 2));
            }
        });
        pool.run();
        other.join().unwrap();
        pool.run();
        let log = log.read();
        assert!(log == [1, 2] || log == [2], "{log:?}");
        assert_eq!(lane.inside(), 0);
        drop(worker);
        pool.run();
        Lane::sweep(&lane);
    });
}

/// Of two that leave while the gate is closed, one learns that it was the last, or who closes it that nobody is inside; whoever comes
/// too late is refused.
#[test]
fn leaving_vs_closing() {
    model("gate_leaving_vs_closing", Bound::Unbounded, 980, || {
        let gate = Arc::new(Gate::new());
        let others = [gate.clone(), gate.clone()].map(|gate| {
            spawn(move || {
                let inside = gate.enter();
                (inside, gate.leave())
            })
        });
        let empty = gate.close();
        let told = others.map(|other| other.join().unwrap());
        // Who was refused and leaves may be told as well.
        let entered = told.iter().filter(|(inside, _)| *inside).count();
        assert!(empty || told.iter().any(|(_, last)| *last), "nobody knows that it is drained");
        assert!(gate.is_deserted() && entered <= 2);
    });
}
