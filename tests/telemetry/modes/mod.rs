//! What must hold in either mode.

mod metering;
mod tracing;
