#![cfg(not(loom))]
#![allow(clippy::duplicate_mod, reason = "what is in `modes` is run in each mode")]
//! Beside other crates: actors as sinks and as services, deaths as streams, errors as errors. Each scenario is one text,
//! compiled for each mode. What needs the feature `tower` is run with `cargo test --features tower --test interop`.

#[macro_use]
#[path = "behaviour/support.rs"]
mod support;
#[macro_use]
#[path = "interop/clerk.rs"]
mod clerk;
#[path = "interop/errors.rs"]
mod errors;
#[path = "interop/pins.rs"]
mod pins;

/// With actors on the scheduler's threads for what blocks.
#[path = "interop/modes"]
mod task {
    clerk!(tasks, Blocking, async);
    #[cfg(feature = "tower")]
    mod services;
    mod sinks;
    mod streams;
}

/// With actors on threads of their own.
#[path = "interop/modes"]
mod thread {
    clerk!(threads, Thread,);
    #[cfg(feature = "tower")]
    mod services;
    mod sinks;
    mod streams;
}
