//! A type that is no message, in a handler and sent.

use deathwatch::prelude::*;

struct Plain;

#[derive(Actor)]
struct Worker;
impl Handler<Plain> for Worker {
    async fn handle(&mut self, _: Plain, _: &Context<Self>) {}
}

#[derive(Actor)]
struct Other;

fn main() {
    let _ = Other.start().send(Plain);
}
