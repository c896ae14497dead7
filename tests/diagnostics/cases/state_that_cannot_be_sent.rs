//! An actor whose state must stay on one thread.

use std::rc::Rc;

use deathwatch::prelude::*;

#[derive(Actor)]
struct Worker(#[allow(dead_code)] Rc<u32>);

fn main() {}
