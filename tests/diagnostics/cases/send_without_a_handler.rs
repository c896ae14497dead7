//! A message that the actor has no handler for: an actor with no handler, with one, with several.

use deathwatch::prelude::*;

#[derive(Message)]
struct Unknown;
#[derive(Message)]
struct One;
#[derive(Message)]
struct Two;

#[derive(Actor)]
struct Deaf;

#[derive(Actor)]
struct Single;
impl Handler<One> for Single {
    async fn handle(&mut self, _: One, _: &Context<Self>) {}
}

#[derive(Actor)]
struct Several;
impl Handler<One> for Several {
    async fn handle(&mut self, _: One, _: &Context<Self>) {}
}
impl Handler<Two> for Several {
    async fn handle(&mut self, _: Two, _: &Context<Self>) {}
}

fn main() {
    let _ = Deaf.start().send(Unknown);
    let _ = Single.start().send(Unknown);
    let _ = Several.start().send(Unknown);
    let _ = Several.start().request(Unknown);
}
