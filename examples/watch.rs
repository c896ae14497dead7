//! Watching a worker die, and why.
use deathwatch::{Monitors, prelude::*};

#[derive(Actor)]
struct Worker;

#[derive(Message)]
struct Divide(u32);

impl Handler<Divide> for Worker {
    async fn handle(&mut self, Divide(by): Divide, _: &Context<Self>) {
        println!("100 / {by} = {}", 100 / by);
    }
}

fn main() {
    let worker = Worker.start();
    let mut monitors = Monitors::new();
    monitors.monitor(&worker);
    worker.send(Divide(4)).unwrap();
    worker.send(Divide(0)).unwrap();
    let down = monitors.recv().unwrap();
    println!("{} died: {}", down.target, down.reason);
    assert_eq!(down.reason.to_string(), "panic: attempt to divide by zero");
}
