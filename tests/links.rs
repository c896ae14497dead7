#![cfg(not(loom))]
//! Links and exit signals: what users see, in both modes and between them; a sequential model; great numbers.
//!
//! Nothing here sleeps. When a death was waited for, its signals have been brought, and a doll that answers has looked at them.

#[path = "behaviour/support.rs"]
#[macro_use]
mod support;
#[path = "links/doll.rs"]
mod doll;
#[path = "links/millions.rs"]
mod millions;
#[path = "links/modes/mod.rs"]
mod modes;
#[path = "links/oracle.rs"]
mod oracle;
#[path = "links/tasks.rs"]
mod tasks;
