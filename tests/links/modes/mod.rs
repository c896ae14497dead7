//! What must hold in either mode, and between actors of different modes: each scenario is written once, and run for every
//! combination.

mod linking;
mod reasons;
mod signals;
mod trapping;
