//! What must hold in either mode, and between actors of different modes: each scenario is written once, and run for every
//! combination.

mod cancelling;
mod cleaning_up;
mod creating;
mod deaths;
mod delivering;
mod faults;
mod groups;
mod names;
mod requests;
mod runtimes;
mod streams;
mod timers;
