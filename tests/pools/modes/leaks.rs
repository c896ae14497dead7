//! What is left over.

use std::time::Duration;

use deathwatch::census::flush;
use deathwatch::{ExitReason, Mailbox, OnFull, Pool};

use super::actors::*;
use crate::Turn;
use crate::support::{Idle, Tally, begun, end, poll_once};

/// Pools that drain, that are stopped, killed, dropped, that fail, with queues of each kind that are full, and with workers
/// that die.
#[test]
fn pools() {
    let turn = Turn::take();
    let _dog = watchdog!();
    let tally = Tally::default();
    let mut made = 0;
    let queues = [
        Mailbox::unbounded(),
        Mailbox::bounded(3, OnFull::Reject),
        Mailbox::bounded(3, OnFull::Wait),
        Mailbox::bounded(3, OnFull::DropNewest),
        Mailbox::bounded(3, OnFull::DropOldest),
    ];
    for queue in queues {
        for how in 0..6 {
            for shared in [false, true] {
                let runtime = runtime();
                let builder = builder(&runtime)
                    .workers(3)
                    .queue(queue)
                    .restarts(if how == 5 { 0 } else { 100 }, Duration::from_secs(60));
                if shared {
                    made += use_up(builder.shared_queue().start().unwrap(), how, &tally);
                } else {
                    made += use_up(builder.start().unwrap(), how, &tally);
                }
                drop(runtime);
            }
        }
    }
    assert_eq!(tally.count(), made);
    turn.end();
}

fn use_up<Q>(pool: Pool<Worker, Q>, how: u32, tally: &Tally) -> usize {
    let counted = || {
        let one = tally.one();
        job(move |_: &mut Worker, _: &_| drop(one))
    };
    let (wedge, _held) = occupy(&pool);
    let _ = pool.send(job(|_: &mut Worker, _| boom()));
    let mut sends: Vec<_> = (0..10).map(|_| pool.send_wait(counted())).collect();
    let mut requests: Vec<_> = (0..10).map(|_| pool.request(counted())).collect();
    sends.iter_mut().for_each(|send| drop(poll_once(send)));
    requests.iter_mut().for_each(|request| drop(poll_once(request)));
    sends.truncate(7);
    requests.truncate(7);
    pool.resize(2).unwrap();
    pool.resize(4).unwrap();
    let end = begun(pool.wait_exit());
    match how {
        0 => drop(begun(pool.drain(Duration::from_secs(60)))),
        1 => pool.stop(),
        2 => pool.kill(),
        3 => drop(begun(pool.drain(Duration::ZERO))),
        4 => {}
        _ => drop(pool.send(job(|_: &mut Worker, _| boom()))),
    }
    drop(wedge);
    if how < 4 {
        end.wait();
    }
    drop((sends, requests, pool));
    20
}

/// Workers that die while they are idle, and nobody sends anything: the dead are forgotten all the same.
#[test]
fn the_idle_who_die() {
    let turn = Turn::take();
    let _dog = watchdog!();
    let runtime = runtime();
    let builder = builder(&runtime).workers(20).restarts(1_000, Duration::from_secs(60));
    let pool = builder.shared_queue().start().unwrap();
    until(|| pool.stats().workers == 20);
    let before = Turn::count()[0];
    for round in 1..=5 {
        let mut workers = Vec::new();
        while workers.len() < 20 {
            let request =
                pool.request(job(|_: &mut Worker, ctx: &deathwatch::Context<Worker>| ctx.actor_ref()));
            let worker = request.no_timeout().wait().unwrap();
            if !workers.contains(&worker) {
                workers.push(worker);
            }
        }
        until(|| pool.stats().running == 0);
        workers.iter().for_each(|worker| worker.kill());
        until(|| pool.stats().restarts == 20 * round && pool.stats().workers == 20);
        drop(workers);
        while Turn::count()[0] > before {
            flush();
            std::thread::yield_now();
        }
    }
    assert_eq!(pool.stats().lost, 0);
    drop((pool, runtime));
    turn.end();
}

/// Stashes that are let go, that are cleared, that die with their actor, with requests, `Down`s, and what was taken back.
#[test]
fn stashes() {
    let turn = Turn::take();
    let _dog = watchdog!();
    let runtime = runtime();
    for how in 0..5 {
        for _ in 0..20 {
            let (keeper, said) = Keeper::on(&runtime, 30);
            let target = runtime.start(Idle).unwrap();
            let handle = target.handle();
            let monitors = call(&keeper, move |_, ctx| {
                let plain = ctx.monitor(&handle);
                [plain, ctx.monitor_with(&handle, |_| Note(1)), ctx.monitor(&handle)]
            });
            end(&target);
            (0..5).for_each(|n| keeper.send(Note(n)).unwrap());
            let mut requests: Vec<_> = (0..5).map(|n| keeper.request(Echo(n))).collect();
            until(|| call(&keeper, |keeper, _| keeper.stash.len()) == 13);
            requests.truncate(3);
            call(&keeper, move |_, ctx| drop(ctx.demonitor(monitors[2])));
            match how {
                0 => assert_eq!(open(&keeper), 13),
                1 => keeper.kill(),
                2 => end(&keeper),
                3 => call(&keeper, |keeper, _| keeper.stash.clear()),
                _ => call(&keeper, |keeper, _| {
                    assert!(keeper.stash.unstash_one());
                    keeper.open = true;
                }),
            }
            let end = begun(keeper.wait_exit());
            drop(keeper);
            end.wait();
            assert!(said.rest().len() <= 12);
            drop(requests);
        }
    }
    assert_eq!(runtime.shutdown(Duration::from_secs(60)), Ok(()));
    drop(runtime);
    turn.end();
}

/// The `Down`s of a stash in an actor that lives long: nothing is left of those that were handled or taken back.
#[test]
fn downs_that_come_and_go() {
    let turn = Turn::take();
    let _dog = watchdog!();
    let runtime = runtime();
    let (keeper, said) = Keeper::on(&runtime, 4);
    for round in 0..500 {
        let target = runtime.start(Idle).unwrap();
        let handle = target.handle();
        target.stop_with(ExitReason::error("a reason with a block of its own"));
        let monitor = call(&keeper, move |keeper, ctx| {
            keeper.open = false;
            ctx.monitor(&handle)
        });
        until(|| call(&keeper, |keeper, _| keeper.stash.len()) == 1);
        if round % 2 == 0 {
            call(&keeper, move |_, ctx| drop(ctx.demonitor(monitor)));
        }
        open(&keeper);
    }
    call(&keeper, |_, _| ());
    assert_eq!(said.ready().len(), 250);
    drop((keeper, runtime));
    turn.end();
}
