//! Monitoring without a handler for `Down`: an actor with no handler, with one, with several.

use deathwatch::{ActorHandle, prelude::*};

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

fn deaf(ctx: &Context<Deaf>, target: &ActorHandle) {
    ctx.monitor(target);
}

fn single(ctx: &Context<Single>, target: &ActorHandle) {
    ctx.monitor(target);
}

fn several(ctx: &Context<Several>, target: &ActorHandle) {
    ctx.monitor(target);
    ctx.spawn_monitored(Deaf);
}

fn main() {}
