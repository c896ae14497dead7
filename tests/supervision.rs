#![cfg(not(loom))]
//! Supervisors, as users see them. Each scenario is written once, and run with children that are async actors and with children
//! that have threads. Nothing sleeps: time is moved by hand, and a test waits for what it is told.

#[path = "behaviour/support.rs"]
#[macro_use]
mod support;

#[path = "supervision/parts.rs"]
#[macro_use]
mod parts;

#[path = "supervision/modes/mod.rs"]
mod modes;

#[path = "supervision/model.rs"]
mod model;
#[path = "supervision/oracle.rs"]
mod oracle;
#[path = "supervision/pins.rs"]
mod pins;
