//! What an actor is about, for those who only look.

use super::Cell;

/// What an actor was about, at some moment of a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stance {
    /// Its reason is published.
    Dead,
    /// It was asked to stop or killed, or its loop is over.
    Ending,
    /// A thread runs it.
    Running,
    /// It waits for a thread.
    Queued,
    /// It waits for messages.
    Parked,
    /// It waits for something else: in a handler, or in a hook.
    Suspended,
}

impl Cell {
    /// Looks, without any consequence for the actor.
    pub fn stance(&self) -> Stance {
        // Looked at on both sides of the life: who parks does so while it runs, and who is sent a message is queued just after.
        let parked = self.inbox.is_parked();
        let life = self.life.read();
        if self.reason().is_some() {
            Stance::Dead
        } else if life.ending() || life.stop() || life.kill() {
            Stance::Ending
        } else if life.running() {
            Stance::Running
        } else if life.notified() {
            Stance::Queued
        } else if parked || self.inbox.is_parked() {
            Stance::Parked
        } else {
            Stance::Suspended
        }
    }
}
