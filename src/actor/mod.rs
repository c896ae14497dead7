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
pub mod reservation;
pub mod send_wait;
#[cfg(feature = "tower")]
pub mod service;
pub mod sink;
pub mod stage;
pub mod stash;
pub mod states;
pub mod timer;
