#![cfg(shuttle)]
//! The same code with more threads than loom can bear, and schedules drawn by lot:
//! `RUSTFLAGS="--cfg shuttle" cargo test --test shuttle`. Half of them are random, half are drawn by PCT, which changes
//! between threads at few places, so that one can be held up for long.
//!
//! - `DW_SHUTTLE=n`: so many schedules of each kind for each model (2,000);
//! - `DW_SHUTTLE_SEED=n`: which ones. A run prints its seed; the same seed gives the same schedules;
//! - `DW_SHUTTLE_REPLAY=text`: the one schedule that a failure has printed.

mod crew;
mod fixture;

use std::collections::HashMap;
use std::io::Write;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use deathwatch::internals::cell::{Birth, CellRef};
use deathwatch::internals::monitor::entry::{Wait, monitored_by, monitors};
use deathwatch::internals::sync::model;
use deathwatch::internals::{mailbox::parcel::Parcel, reclaim};
use deathwatch::{Demonitor, ExitReason, MonitorRef};
use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler};
use shuttle::{Config, Runner};

use crew::{Log, Pool, ended, note, send};
use fixture::{Heard, JoinHandle, Note, Party, monitor, spawn, took_back};

/// How often PCT changes to another thread that could not go on otherwise.
const DEPTH: usize = 3;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

/// Past the capture of the test harness: seeds and rates belong into every log.
fn log(line: &str) {
    std::io::stderr().write_all(line.as_bytes()).expect("stderr is there");
}

fn check(name: &str, f: impl Fn() + Send + Sync + Clone + 'static) {
    let iteration = move || {
        model::begin();
        reclaim::begin();
        f();
        model::end();
    };
    if let Ok(schedule) = std::env::var("DW_SHUTTLE_REPLAY") {
        return shuttle::replay(iteration, &schedule);
    }
    let schedules = number("DW_SHUTTLE").unwrap_or(2_000) as usize;
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is right").as_nanos() as u64;
    let seed = number("DW_SHUTTLE_SEED").unwrap_or_else(now);
    let run = |kind: &str, scheduler: Box<dyn Scheduler + Send>| {
        log(&format!("model {name}: {schedules} {kind} schedules of DW_SHUTTLE_SEED={seed}\n"));
        let (begun, mut config) = (Instant::now(), Config::new());
        config.silence_warnings = true; // of orderings: they are loom's business
        Runner::new(scheduler, config).run(iteration.clone());
        let rate = schedules as f64 / begun.elapsed().as_secs_f64();
        log(&format!("model {name}: {kind}, {rate:.0} a second\n"));
    };
    run("random", Box::new(RandomScheduler::new_from_seed(seed, schedules)));
    run("PCT", Box::new(PctScheduler::new_from_seed(seed, DEPTH, schedules)));
}

fn join<T>(threads: impl IntoIterator<Item = JoinHandle<T>>) -> Vec<T> {
    threads.into_iter().map(|thread| thread.join().unwrap()).collect()
}

/// How often each monitor was told, and that it was told nothing else.
fn told(heard: &[Heard], reason: &ExitReason) -> HashMap<MonitorRef, usize> {
    let mut told = HashMap::new();
    for one in heard {
        if let Heard::Down(key, why) = one {
            assert_eq!(why, reason);
            *told.entry(*key).or_default() += 1;
        }
    }
    told
}

/// What became of the monitors of a watcher that lives: each was told once, or taken back once, and not both.
fn settled(watcher: Party, keys: &[MonitorRef], taken: &[MonitorRef], reason: &ExitReason) {
    let told = told(&watcher.end(), reason);
    for key in keys {
        let back = taken.iter().filter(|taken| *taken == key).count();
        assert_eq!(told.get(key).copied().unwrap_or(0) + back, 1, "told or taken back, once");
    }
    assert!(told.keys().all(|key| keys.contains(key)), "nobody hears what he did not ask for");
}

/// Takes monitors back, in this order; those that were there.
fn take_back(cell: &CellRef, keys: Vec<MonitorRef>) -> JoinHandle<Vec<MonitorRef>> {
    let cell = cell.clone();
    spawn(move || keys.into_iter().filter(|key| took_back(&cell, *key)).collect())
}

/// Two targets and three watchers, each watching both: the targets die, one watcher dies, one handles, and monitors are
/// taken back by two at once, made by others, and looked at. Ten threads.
#[test]
fn all_at_once() {
    check("all_at_once", || {
        let targets = [Party::new(), Party::new()];
        let cells = [targets[0].cell(), targets[1].cell()];
        let watch = |watcher: &Party| [0, 1].map(|n| monitor(&watcher.address(), &cells[n]));
        let (mut handles, rests, dies) = (Party::new(), Party::new(), Party::new());
        let [keys, rests_keys, dies_keys] = [&handles, &rests, &dies].map(watch);
        let (cell, rests_cell, dies_cell) = (handles.cell(), rests.cell(), dies.cell());

        let exits = targets.map(|target| spawn(move || target.die(ExitReason::Kill)));
        let death = spawn(move || {
            let mut dies = dies;
            dies.handle_all();
            dies.die(ExitReason::Normal)
        });
        let takers = [
            take_back(&cell, keys.to_vec()),
            take_back(&cell, keys.iter().rev().copied().collect()),
            take_back(&rests_cell, vec![rests_keys[1]]),
            take_back(&dies_cell, vec![dies_keys[0]]),
        ];
        let late = spawn({
            let (address, target) = (rests.address(), cells[0].clone());
            move || monitor(&address, &target)
        });
        let fickle = spawn({
            let (address, target) = (handles.address(), cells[1].clone());
            move || {
                let key = monitor(&address, &target);
                (key, took_back(address.cell(), key))
            }
        });
        let looks = spawn({
            let (target, watcher) = (cells[0].clone(), rests_cell.clone());
            let known = [cell.id, rests_cell.id, dies_cell.id];
            move || {
                assert!(monitored_by(&target).iter().all(|id| known.contains(id)));
                assert!(monitors(&watcher).len() <= 3);
            }
        });
        handles.handle_all();

        join(exits);
        let [taken, again, rests_taken, dies_taken] = join(takers).try_into().expect("four");
        let (late, (fickle, fickle_taken)) = (late.join().unwrap(), fickle.join().unwrap());
        looks.join().unwrap();
        let dead = told(&death.join().unwrap(), &ExitReason::Kill);
        assert!(dies_keys.iter().all(|key| dead.get(key).copied().unwrap_or(0) <= 1));
        assert!(dies_taken.iter().all(|key| !dead.contains_key(key)));

        let mut all_taken = [taken, again].concat();
        all_taken.extend(fickle_taken.then_some(fickle));
        settled(handles, &[&keys[..], &[fickle]].concat(), &all_taken, &ExitReason::Kill);
        settled(rests, &[&rests_keys[..], &[late]].concat(), &rests_taken, &ExitReason::Kill);
    });
}

/// Four that monitor each other die at the same time, while four others take their monitors back.
#[test]
fn all_watch_all_and_die() {
    check("all_watch_all_and_die", || {
        let parties = [(); 4].map(|()| Party::new());
        let cells: Vec<CellRef> = parties.iter().map(Party::cell).collect();
        let mut keys = vec![Vec::new(); 4];
        for (n, party) in parties.iter().enumerate() {
            keys[n] = cells.iter().map(|cell| monitor(&party.address(), cell)).collect();
        }
        let takers: Vec<_> =
            cells.iter().zip(&keys).map(|(cell, keys)| take_back(cell, keys.clone())).collect();
        let deaths: Vec<_> = parties
            .into_iter()
            .map(|mut party| {
                spawn(move || {
                    party.handle_all();
                    party.die(ExitReason::Kill)
                })
            })
            .collect();
        for ((heard, taken), keys) in join(deaths).iter().zip(join(takers)).zip(keys) {
            let told = told(heard, &ExitReason::Kill);
            assert!(keys.iter().all(|key| told.get(key).copied().unwrap_or(0) <= 1));
            assert!(taken.iter().all(|key| !told.contains_key(key)), "told and taken back");
        }
    });
}

/// One target, four watchers that sleep until they are told, two that cancel and sweep, one that waits: everybody is told,
/// after the target's last words.
#[test]
fn everybody_is_woken() {
    check("everybody_is_woken", || {
        let (target, gone) = (Party::new(), [Party::new(), Party::new()]);
        let cell = target.cell();
        let gone_keys = [0, 1].map(|n| monitor(&gone[n].address(), &cell));
        let watchers = [(); 4].map(|()| Party::new());
        let addresses: Vec<_> = watchers.iter().map(Party::address).collect();
        let sleepers: Vec<_> = watchers
            .into_iter()
            .map(|mut watcher| {
                let cell = cell.clone();
                spawn(move || {
                    let key = monitor(&watcher.address(), &cell);
                    watcher.hear(2);
                    assert_eq!(watcher.desk.heard, [Heard::Note(1), Heard::Down(key, ExitReason::Kill)]);
                    watcher.end();
                })
            })
            .collect();
        let takers = [0, 1].map(|n| take_back(&gone[n].cell(), vec![gone_keys[n]]));
        let waits = spawn({
            let mut wait = Wait::new(cell.clone());
            move || {
                let reason = shuttle::future::block_on(std::future::poll_fn(|cx| wait.poll(cx)));
                assert_eq!(reason, ExitReason::Kill);
            }
        });
        let exit = spawn(move || {
            for address in addresses {
                assert!(address.push(Parcel::seal(Note::new(1))).is_ok());
            }
            target.die(ExitReason::Kill)
        });
        exit.join().unwrap();
        join(sleepers);
        waits.join().unwrap();
        for ((watcher, key), taken) in gone.into_iter().zip(gone_keys).zip(join(takers)) {
            settled(watcher, &[key], &taken, &ExitReason::Kill);
        }
    });
}

/// An actor with a life: three senders, two threads that run it, two that monitor it and one that monitors it in passing. It
/// ends when its last handle goes, having handled everything, and those who monitor it still are told.
#[test]
fn life_of_an_actor() {
    check("life_of_an_actor", || {
        let (pool, log) = (Pool::new(), Log::new());
        let actor = pool.sleeper(Birth::default());
        let cell = actor.cell().clone();
        let runners = [(); 2].map(|()| {
            let pool = pool.clone();
            spawn(move || pool.run())
        });
        let senders = [1, 2, 3].map(|n| {
            let (actor, log) = (actor.clone(), log.clone());
            spawn(move || {
                assert!(send(&actor, note(&log, n)));
                assert!(send(&actor, note(&log, n + 10)));
            })
        });
        drop(actor);
        let watchers = [(); 2].map(|()| {
            let cell = cell.clone();
            spawn(move || {
                let watcher = Party::new();
                let key = monitor(&watcher.address(), &cell);
                (watcher, key)
            })
        });
        let undone = spawn({
            let cell = cell.clone();
            move || {
                let watcher = Party::new();
                let key = monitor(&watcher.address(), &cell);
                let taken = took_back(&watcher.cell(), key);
                assert_eq!(
                    deathwatch::internals::monitor::entry::demonitor(&watcher.cell(), key),
                    Demonitor::Unknown
                );
                settled(watcher, &[key], &[key], &ExitReason::Normal);
                assert!(taken, "nobody else has the reference, and nobody handles");
            }
        });
        join(senders);
        join(runners);
        let watchers = join(watchers);
        undone.join().unwrap();
        assert_eq!(ended(&pool, &cell), ExitReason::Normal);
        assert_eq!(log.sorted(), [1, 2, 3, 11, 12, 13]);
        for (watcher, key) in watchers {
            settled(watcher, &[key], &[], &ExitReason::Normal);
        }
    });
}
