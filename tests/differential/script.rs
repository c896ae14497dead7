//! What can happen, as both sides understand it: text, one line for a script, steps separated by `;`.
//!
//! Actors and monitors are counted from 0 in the order of the steps that make them, whether or not a step could be played. A
//! step that makes no sense when its turn comes (one who is dead or held up is to act) is skipped by both sides.
//!
//! The answer to each step is a line of four parts, separated by `|`: what came of the step; who died in it, with the reason;
//! what each actor was told, in the order in which it was told; and for each that is alive whom it monitors and who
//! monitors it, as far as those are alive.

use proptest::collection::vec;
use proptest::prelude::*;

/// Numbers choose among what there is.
#[derive(Clone, Debug)]
pub enum Step {
    Start {
        thread: bool,
        grieves: bool,
    },
    Spawn {
        watcher: u8,
        thread: bool,
        stillborn: bool,
    },
    Monitor {
        watcher: u8,
        target: u8,
        tagged: bool,
    },
    /// By the owner, or by anybody.
    Demonitor {
        by: Option<u8>,
        monitor: u8,
        flush: bool,
        inside: bool,
    },
    Note {
        to: u8,
    },
    Say {
        from: u8,
        to: u8,
    },
    /// Says something and ends, in one turn.
    LastWords {
        from: u8,
        to: u8,
        error: Option<u8>,
    },
    Exit {
        actor: u8,
        error: Option<u8>,
    },
    Stop {
        actor: u8,
        error: Option<u8>,
    },
    Kill {
        actor: u8,
    },
    Panic {
        actor: u8,
    },
    Hold {
        actor: u8,
    },
    LetGo {
        actor: u8,
    },
}

fn reason(error: Option<u8>) -> String {
    error.map_or("normal".to_owned(), |error| error.to_string())
}

/// What the steps up to now have probably led to, so that most steps make sense. Nothing depends on it being true.
#[derive(Default)]
struct Guess {
    dead: Vec<bool>,
    held: Vec<bool>,
    /// Monitors of which something may still come.
    open: Vec<bool>,
}

/// One of `count`: three times in four one that is likely.
fn pick(number: u8, count: usize, likely: impl Fn(usize) -> bool) -> usize {
    let number = usize::from(number);
    let all: Vec<_> = (0..count).filter(|&at| number % 4 == 0 || likely(at)).collect();
    all.get(number / 4 % all.len().max(1)).copied().unwrap_or(number % count)
}

impl Guess {
    fn any(&self, number: u8) -> usize {
        pick(number, self.dead.len(), |at| !self.dead[at])
    }

    fn free(&self, number: u8) -> usize {
        pick(number, self.dead.len(), |at| !self.dead[at] && !self.held[at])
    }

    fn starts(&mut self, dead: bool) {
        self.dead.push(dead);
        self.held.push(false);
    }

    fn dies(&mut self, at: usize) -> usize {
        self.dead[at] |= !self.held[at];
        at
    }

    fn text(&mut self, step: &Step) -> Option<String> {
        let mode = |thread| if thread { "thread" } else { "task" };
        Some(match *step {
            Step::Start { thread, grieves } => {
                self.starts(false);
                format!("start {} {}", mode(thread), if grieves { "grieves" } else { "calm" })
            }
            Step::Spawn { watcher, thread, stillborn } => {
                let watcher = self.free(watcher);
                self.starts(stillborn);
                self.open.push(true);
                format!("spawn {watcher} {} {}", mode(thread), if stillborn { "stillborn" } else { "born" })
            }
            Step::Monitor { watcher, target, tagged } => {
                self.open.push(true);
                let (watcher, target) = (self.any(watcher), self.any(target));
                format!("monitor {watcher} {target} {}", if tagged { "tagged" } else { "plain" })
            }
            Step::Demonitor { by, monitor, flush, inside } => {
                let by = by.map_or("owner".to_owned(), |by| self.any(by).to_string());
                if self.open.is_empty() {
                    return None;
                }
                let monitor = pick(monitor, self.open.len(), |at| self.open[at]);
                self.open[monitor] &= by != "owner";
                let how = if flush { "flush" } else { "look" };
                format!("demonitor {by} {monitor} {how} {}", if inside { "inside" } else { "outside" })
            }
            Step::Note { to } => format!("note {}", self.any(to)),
            Step::Say { from, to } => format!("say {} {}", self.free(from), self.any(to)),
            Step::LastWords { from, to, error } => {
                let (from, to) = (self.free(from), self.any(to));
                format!("last_words {} {to} {}", self.dies(from), reason(error))
            }
            Step::Exit { actor, error } => {
                let actor = self.free(actor);
                format!("exit {} {}", self.dies(actor), reason(error))
            }
            Step::Stop { actor, error } => {
                let actor = self.any(actor);
                format!("stop {} {}", self.dies(actor), reason(error))
            }
            Step::Kill { actor } => {
                let actor = self.any(actor);
                format!("kill {}", self.dies(actor))
            }
            Step::Panic { actor } => {
                let actor = self.free(actor);
                format!("panic {}", self.dies(actor))
            }
            Step::Hold { actor } => {
                let actor = self.free(actor);
                self.held[actor] = true;
                format!("hold {actor}")
            }
            Step::LetGo { actor } => {
                let actor = pick(actor, self.held.len(), |at| self.held[at]);
                self.held[actor] = false;
                format!("let_go {actor}")
            }
        })
    }
}

/// The steps as text.
pub fn text(steps: &[Step]) -> Vec<String> {
    let mut guess = Guess::default();
    steps.iter().filter_map(|step| guess.text(step)).collect()
}

/// Scripts of up to eighty steps, which begin with a few actors.
pub fn steps() -> impl Strategy<Value = Vec<Step>> {
    let start = || {
        (any::<bool>(), prop::bool::weighted(0.3))
            .prop_map(|(thread, grieves)| Step::Start { thread, grieves })
    };
    let actor = any::<u8>;
    let error = || prop::option::of(any::<u8>());
    let step = prop_oneof![
        3 => start(),
        2 => (actor(), any::<bool>(), prop::bool::weighted(0.3))
            .prop_map(|(watcher, thread, stillborn)| Step::Spawn { watcher, thread, stillborn }),
        24 => (actor(), actor(), prop::bool::weighted(0.3))
            .prop_map(|(watcher, target, tagged)| Step::Monitor { watcher, target, tagged }),
        10 => (prop::option::weighted(0.1, actor()), any::<u8>(), prop::bool::weighted(0.2), any::<bool>())
            .prop_map(|(by, monitor, flush, inside)| Step::Demonitor { by, monitor, flush, inside }),
        2 => actor().prop_map(|to| Step::Note { to }),
        2 => (actor(), actor()).prop_map(|(from, to)| Step::Say { from, to }),
        2 => (actor(), actor(), error()).prop_map(|(from, to, error)| Step::LastWords { from, to, error }),
        1 => (actor(), error()).prop_map(|(actor, error)| Step::Exit { actor, error }),
        2 => (actor(), error()).prop_map(|(actor, error)| Step::Stop { actor, error }),
        1 => actor().prop_map(|actor| Step::Kill { actor }),
        1 => actor().prop_map(|actor| Step::Panic { actor }),
        6 => actor().prop_map(|actor| Step::Hold { actor }),
        4 => actor().prop_map(|actor| Step::LetGo { actor }),
    ];
    (vec(start(), 3..6), vec(step, 0..80)).prop_map(|(mut script, more)| {
        script.extend(more);
        script
    })
}
