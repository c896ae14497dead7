//! What a message is opened with: the actor's value and its context.

use super::context::Context;
use crate::cell::{Address, CellRef};
use crate::monitor::entry::Station;

/// The actor on its stage. Owned by its life, lent to one handler after the other.
pub struct Stage<A> {
    pub(crate) actor: A,
    pub(crate) ctx: Context<A>,
}

impl<A> Stage<A> {
    /// The stage of the cell with this address.
    pub fn new(actor: A, address: &Address<Self>) -> Self {
        Stage { actor, ctx: Context::own(address.clone()) }
    }
}

impl<A: 'static> Station for Stage<A> {
    fn cell(&self) -> &CellRef {
        self.ctx.address().cell()
    }
}
