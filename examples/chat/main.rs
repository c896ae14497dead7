//! A chat server: one actor per connection, rooms that monitor their members, a directory that
//! monitors the rooms and restarts one that crashes, a lobby that monitors the connections.
//!
//! ```text
//! cargo run --release --example chat                            # shows itself, then exits
//! cargo run --release --example chat -- serve 127.0.0.1:4000    # serves until Ctrl-C
//! cargo run --release --example chat -- connect 127.0.0.1:4000  # a client; `nc` does as well
//! ```
//!
//! Who watches whom (an arrow is a one-way monitor):
//!
//! ```text
//!   Lobby ────► Session ────► Reader      one Session and one Reader for each connection
//!                ▲   │
//!                │   ▼
//!   Directory ─► Room                     a Room for each name somebody has joined
//! ```
//!
//! Nobody polls, nobody times out: a client that vanishes ends its reader, which ends its session,
//! and whoever held something on behalf of that session (its place in a room) is told. Its nick is a
//! name: free again, and found no more, before anybody is told; `/msg` finds sessions by it. `/shout` is
//! a topic that every session subscribes to, and `/users` counts the group of all sessions.
//!
//! In `app`:
//!
//! * `server`, `lobby`, `directory`, `room`, `session`: the actors, best read in this order
//! * `protocol`, `net`: what a line means, and how it gets from and to a socket
//! * `client`, `demo`: the other end, and the scripted show that runs without arguments

#[cfg(not(loom))]
mod app;

#[cfg(not(loom))]
fn main() -> std::process::ExitCode {
    app::main()
}

/// `cargo test` builds every example, also for the models, where the sockets of this one do not exist.
#[cfg(loom)]
fn main() {}
