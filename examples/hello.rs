//! The smallest program: an actor that is asked something.
use deathwatch::prelude::*;

#[derive(Actor)]
struct Greeter;

#[derive(Message)]
#[reply(String)]
struct Greet(&'static str);

impl Handler<Greet> for Greeter {
    async fn handle(&mut self, Greet(whom): Greet, _: &Context<Self>) -> String {
        format!("Hello, {whom}!")
    }
}

fn main() {
    let reply = Greeter.start().request(Greet("world")).wait().unwrap();
    println!("{reply}");
    assert_eq!(reply, "Hello, world!");
}
