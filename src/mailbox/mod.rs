//! Mailboxes: what stands in them ([`node`], [`parcel`], [`exchange`]), the queue itself ([`inbox`]) and its limit
//! ([`bound`]).

pub mod bound;
pub mod exchange;
pub mod inbox;
pub mod node;
pub mod parcel;
pub mod segment;
pub mod shelf;
