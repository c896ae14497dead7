//! What must hold of children of either mode.

mod by_hand;
mod chaos;
mod child_refs;
mod dynamic;
mod intensity;
mod matrix;
mod restarts;
mod significant;
mod stopping;
mod unlinked;
