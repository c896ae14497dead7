//! What the derives refuse.

use deathwatch::prelude::*;

#[derive(Message)]
#[reply]
struct NoType;

#[derive(Message)]
#[reply(u32)]
#[reply(u32)]
struct Twice;

#[derive(Message)]
#[reply(1 + 1)]
struct Sum;

#[derive(Actor)]
#[deathwatch(path = elsewhere)]
struct Elsewhere;

#[derive(Message)]
struct Borrows<'a>(&'a str);

fn send(to: ActorRef<Elsewhere>, text: &str) {
    let _ = to.send(Borrows(text));
}

fn main() {}
