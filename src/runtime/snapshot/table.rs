//! A snapshot as a table.

use std::fmt::{self, Write};

use super::{ActorInfo, ActorState, MailboxInfo, Mode, Snapshot, short};
use crate::id::ActorId;
use crate::runtime::Backend;

/// As a table for people: a line for each actor, and one for each death. The columns may change with any version.
impl fmt::Display for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = [
            "id", "name", "type", "mode", "runs on", "state", "mailbox", "monitors", "watched", "links",
            "parent",
        ];
        let lines = self.actors.iter().map(line);
        write!(f, "{}: {} actors", clean(&self.runtime), self.actors.len())?;
        table(f, &head, lines.collect())?;
        for ring in self.wait_rings() {
            let ring: Vec<String> = ring.iter().map(ActorId::to_string).collect();
            write!(f, "\nwait for one another: {}", ring.join(" "))?;
        }
        if self.deaths.is_empty() {
            return Ok(());
        }
        write!(f, "\nthe last {} deaths", self.deaths.len())?;
        let lines = self.deaths.iter().map(|death| {
            vec![
                death.id.to_string(),
                clean(death.name.as_deref().unwrap_or("-")),
                short(death.actor),
                format!("{:.1?} ago", death.age),
                format!("{:.1?}", death.exit),
                death.told.map_or("-".to_owned(), |told| told.to_string()),
                clean(&text_of(&death.reason)),
            ]
        });
        table(f, &["id", "name", "type", "died", "exit", "told", "reason"], lines.collect())
    }
}

fn line(actor: &ActorInfo) -> Vec<String> {
    vec![
        actor.id.to_string(),
        clean(actor.called().unwrap_or("-")),
        actor.short_type(),
        actor.mode.to_string(),
        backend(actor.backend).to_owned(),
        actor.state.to_string(),
        actor.mailbox.to_string(),
        actor.monitors.len().to_string(),
        actor.monitored_by.len().to_string(),
        actor.links.len().to_string(),
        actor.supervisor.as_ref().map_or("-".to_owned(), ActorId::to_string),
    ]
}

/// Each column as wide as it needs to be; the last one not filled up.
fn table(f: &mut fmt::Formatter<'_>, head: &[&str], lines: Vec<Vec<String>>) -> fmt::Result {
    let all: Vec<Vec<String>> =
        std::iter::once(head.iter().map(ToString::to_string).collect()).chain(lines).collect();
    let width = |column: usize| all.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    for line in &all {
        let mut text = String::new();
        for (cell, width) in line.iter().zip(&widths) {
            text.push_str(&format!("{cell:width$}  "));
        }
        write!(f, "\n{}", text.trim_end())?;
    }
    Ok(())
}

/// What it says. Of the user's `Display` that fails, what it had said until then.
pub(super) fn text_of(it: &impl fmt::Display) -> String {
    let mut text = String::new();
    let _ = write!(text, "{it}");
    text
}

/// In one line, and nothing in it that moves the cursor.
pub(super) fn clean(text: &str) -> String {
    let mut clean = String::new();
    for c in text.chars() {
        if c.is_control() { clean.extend(c.escape_default()) } else { clean.push(c) }
    }
    clean
}

pub(super) fn backend(backend: Backend) -> &'static str {
    match backend {
        Backend::Scheduler => "scheduler",
        Backend::Blocking => "blocking",
        Backend::Thread => "thread",
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Mode::Tasks => "tasks",
            Mode::Threads => "threads",
        })
    }
}

impl fmt::Display for ActorState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ActorState::Starting => "starting",
            ActorState::Idle => "idle",
            ActorState::Queued => "queued",
            ActorState::Running => "running",
            ActorState::Waiting => "waiting",
            ActorState::Stopping => "stopping",
            ActorState::Exiting => "exiting",
        })
    }
}

impl fmt::Display for MailboxInfo {
    /// How many wait, of how many that it takes, and the most there ever were: `3/64, max 10`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.depth, self.capacity) {
            (Some(depth), Some(capacity)) => write!(f, "{depth}/{capacity}")?,
            (Some(depth), None) => write!(f, "{depth}")?,
            (None, _) => f.write_str("-")?,
        }
        write!(f, ", max {}", self.high_water)
    }
}
