//! Actors that wait for one another.

use std::collections::{HashMap, HashSet};

use super::Snapshot;
use crate::id::ActorId;

impl Snapshot {
    /// Rings of actors each of which waits for the reply of the next, and the last for that of the first: where each is in a handler
    /// meanwhile, none of them goes on before a time limit is over. Each ring once, from its oldest actor on; of several
    /// with the same oldest, one.
    ///
    /// It is a hint, not a proof. Seen at different moments, those of a ring need not have waited at the same time (look again: a ring
    /// that stays is one), and who waits for several at once, or beside its handler ([`Context::pipe`](crate::Context::pipe) is not seen
    /// at all), may go on all the same. With the feature `introspection`; without, nobody is seen to wait.
    pub fn wait_rings(&self) -> Vec<Vec<ActorId>> {
        let waits: HashMap<ActorId, &[ActorId]> =
            self.actors.iter().map(|actor| (actor.id, &*actor.waits_for)).collect();
        let mut rings = Vec::new();
        // From each actor, only over younger ones: so a ring is found once, from its oldest.
        for first in self.actors.iter().map(|actor| actor.id) {
            let mut seen = HashSet::new();
            let mut path = vec![(first, waits.get(&first).copied().unwrap_or_default())];
            while let Some((_, left)) = path.last_mut() {
                let Some((next, rest)) = left.split_first() else {
                    path.pop();
                    continue;
                };
                *left = rest;
                if *next == first {
                    rings.push(path.iter().map(|(id, _)| *id).collect());
                    break;
                }
                if *next > first && seen.insert(*next) {
                    path.push((*next, waits.get(next).copied().unwrap_or_default()));
                }
            }
        }
        rings
    }
}
