//! What ends the whole process, by design: no actor outlives it, so there is nobody to tell. Each happens in a process of
//! its own: this test program again, with one test.
#![cfg(target_os = "linux")] // for `ulimit` and the names of signals

use std::hint::black_box;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output};

use deathwatch::Monitors;

use crate::doll::{Doll, Play, in_both_modes};
use crate::support::*;

const SIGABRT: i32 = 6;

in_both_modes! {
    a_stack_overflow
    no_memory_for_a_handler
}

/// Runs this very test again with no more than that much memory in all: what came of it. Nothing, if this is that process.
fn in_a_process_of_its_own(kibibytes: usize) -> Option<Output> {
    if std::env::var_os("DW_ALONE").is_some() {
        return None;
    }
    let test = std::thread::current().name().expect("a test's thread has its name").to_owned();
    let limits = format!("ulimit -c 0; ulimit -v {kibibytes}; exec \"$0\" \"$@\"");
    let child = Command::new("sh")
        .args(["-c", &limits, std::env::current_exe().unwrap().to_str()?])
        .args([&test, "--exact", "--nocapture"])
        .env("DW_ALONE", "1")
        .output()
        .unwrap();
    Some(child)
}

#[track_caller]
fn aborted(child: Output, saying: &str) {
    let said = String::from_utf8_lossy(&child.stdout) + String::from_utf8_lossy(&child.stderr);
    assert_eq!(child.status.signal(), Some(SIGABRT), "{:?}: {said}", child.status);
    assert!(said.contains(saying), "{said}");
    assert!(!said.contains("survived"), "{said}");
}

/// Kibibytes that are enough for whoever wants no more and more.
const PLENTY: usize = 4 << 20;
const SCARCE: usize = 1 << 20;

#[allow(unconditional_recursion, reason = "on purpose")]
fn deeper(depth: u64) -> u64 {
    black_box(depth) + black_box(deeper as fn(u64) -> u64)(depth + 1)
}

/// A handler that overflows the stack, of a worker or of the actor's own thread: the process aborts, whoever watches.
fn a_stack_overflow<D: Doll>() {
    if let Some(child) = in_a_process_of_its_own(PLENTY) {
        return aborted(child, "has overflowed its stack");
    }
    let runtime = solo();
    let (actor, _) = D::on(&runtime);
    let mut monitors = Monitors::new();
    monitors.monitor(&actor);
    actor.tell(|_, _| {
        deeper(0);
    });
    monitors.recv();
    println!("survived");
}

/// A handler that is given no more memory: the process aborts, whoever watches.
fn no_memory_for_a_handler<D: Doll>() {
    if let Some(child) = in_a_process_of_its_own(SCARCE) {
        return aborted(child, "memory allocation of");
    }
    let runtime = solo();
    let (actor, _) = D::on(&runtime);
    let mut monitors = Monitors::new();
    monitors.monitor(&actor);
    actor.tell(|_, _| {
        let mut hoard = Vec::new();
        loop {
            hoard.push(black_box(vec![0_u8; 1 << 20]));
        }
    });
    monitors.recv();
    println!("survived");
}

/// No memory for a monitor: that aborts the process as well, in the call that makes it.
#[test]
fn no_memory_for_a_monitor() {
    let _dog = watchdog!();
    if let Some(child) = in_a_process_of_its_own(SCARCE) {
        return aborted(child, "memory allocation of");
    }
    let runtime = solo();
    let (actor, _) = Puppet::on(&runtime);
    let mut monitors = Monitors::new();
    for _ in 0..100_000_000 {
        monitors.monitor(&actor);
    }
    println!("survived");
}
