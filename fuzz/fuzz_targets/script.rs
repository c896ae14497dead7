//! Bytes as a script, played beside the model of `tests/oracle.rs`, which this shares: the same stage, the same model. Where
//! that draws its scripts at random, here the fuzzer looks for those that reach code which no other has reached.
#![no_main]
#![allow(unused_macros, reason = "of the harness, not everything is needed here")]

#[path = "../../tests/behaviour/doll.rs"]
mod doll;
#[macro_use]
#[path = "../../tests/behaviour/support.rs"]
mod support;

#[path = "../../tests/oracle/model.rs"]
mod model;
#[path = "../../tests/oracle/script.rs"]
mod script;
#[path = "../../tests/oracle/stage.rs"]
mod stage;

use std::sync::Once;

use deathwatch::census::{Kind, alive, flush};
use libfuzzer_sys::fuzz_target;

use crate::script::{How, Last, Step};
use crate::stage::Stage;

/// Longer scripts take longer and reach nothing new.
const MOST: usize = 200;

/// Reads a script byte by byte; whatever the bytes are, they mean something.
struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    /// Two switches and a number, in one byte.
    fn switches(&mut self) -> (bool, bool, u8) {
        let byte = self.byte();
        (byte & 1 != 0, byte & 2 != 0, byte >> 2)
    }

    fn step(&mut self) -> Option<Step> {
        if self.0.is_empty() {
            return None;
        }
        Some(match self.byte() % 25 {
            0 | 1 => {
                let (thread, grieves, more) = self.switches();
                let room = (more & 2 != 0).then_some((more >> 3 & 3, more & 4 != 0));
                Step::Start { runtime: more & 1, thread, grieves, room }
            }
            2 => Step::Plain,
            3..=7 => {
                let (watcher, target) = (self.byte(), self.byte());
                let how = [How::Plainly, How::WithAMessage, How::ByAGuard][usize::from(self.byte()) % 3];
                Step::Monitor { watcher, target, how }
            }
            8 => {
                let (thread, stillborn, _) = self.switches();
                Step::SpawnMonitored { watcher: self.byte(), thread, stillborn }
            }
            9..=11 => {
                let by = if self.byte() % 5 == 0 { Some(self.byte()) } else { None };
                Step::Demonitor { by, monitor: u16::from_le_bytes([self.byte(), self.byte()]) }
            }
            12 => Step::Receive { plain: self.byte() },
            13 => Step::Note { to: self.byte() },
            14 => Step::Ask { of: self.byte() },
            15 => {
                let (from_inside, fails, error) = self.switches();
                Step::Stop { actor: self.byte(), error: fails.then_some(error), from_inside }
            }
            16 => Step::Kill { actor: self.byte() },
            17 => Step::Panic { actor: self.byte() },
            18 | 19 => Step::Hold { actor: self.byte() },
            20 => Step::LetGo { actor: self.byte() },
            21 => {
                let (detach, ..) = self.switches();
                Step::Forget { part: self.byte(), detach }
            }
            22 => Step::Wait { actor: self.byte() },
            23 => {
                let (fails, panics, error) = self.switches();
                let last = if panics { Last::Panic } else { Last::Stop };
                let how = if fails { Last::Error(error) } else { last };
                Step::LastWords { actor: self.byte(), to: self.byte(), how }
            }
            _ => {
                let (in_order, runtime, _) = self.switches();
                Step::EndRuntime { runtime: u8::from(runtime), in_order }
            }
        })
    }
}

/// Every panic but those that a script asks for is a find. (The fuzzer's own hook knows of no others.)
fn listen() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        std::panic::set_hook(Box::new(|info| {
            let said = info.payload().downcast_ref::<&str>();
            if !said.is_some_and(|said| ["as it was told", "not for this world"].contains(said)) {
                eprintln!("{info}");
                std::process::abort();
            }
        }));
    });
}

/// What is left in this process. The profile has debug assertions on, so that it is counted.
fn left() -> [usize; 2] {
    flush();
    [Kind::Cell, Kind::Entry].map(|kind| alive(kind).expect("built with debug assertions"))
}

fuzz_target!(|bytes: &[u8]| {
    listen();
    let before = left();
    let mut bytes = Bytes(bytes);
    let script: Vec<_> = std::iter::from_fn(|| bytes.step()).take(MOST).collect();
    if std::env::var_os("SCRIPT").is_some() {
        println!("{script:#?}");
    }
    let mut stage = Stage::new();
    for (at, step) in script.iter().enumerate() {
        stage.play(step);
        stage.check(&format!("after step {at}, {step:?}"));
    }
    drop(stage);
    // The last thread of an ended runtime may still be letting go. What never goes is found by the fuzzer's time limit.
    while left() != before {
        std::thread::yield_now();
    }
});
