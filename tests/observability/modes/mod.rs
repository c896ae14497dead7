//! What must hold in either mode, and between actors of different modes.

mod actors;
mod deaths;
mod edges;
