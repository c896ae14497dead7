//! A handler that keeps something across an `.await` that must stay on one thread.

use std::rc::Rc;

use deathwatch::prelude::*;

#[derive(Actor)]
struct Worker;
#[derive(Message)]
struct Work;
impl Handler<Work> for Worker {
    async fn handle(&mut self, _: Work, _: &Context<Self>) {
        let counter = Rc::new(1);
        std::future::ready(()).await;
        drop(counter);
    }
}

fn main() {}
