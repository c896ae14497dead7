//! Handles, contexts, messages: one of each, for both modes.

pub mod actor_ref;
pub mod alias;
pub mod blocking;
mod common;
pub mod context;
pub mod exit_wait;
pub mod handle;
pub mod message;
pub mod monitor_guard;
pub mod monitors;
pub mod nobody;
pub mod post;
pub mod recipient;
pub mod request;
pub mod send_wait;
pub mod stage;
pub mod stash;
pub mod states;
pub mod timer;
