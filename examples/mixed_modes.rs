//! Both modes in one program: an actor with a thread of its own does what blocks, an async one monitors it, and the reverse.
//!
//! ```text
//! cargo run --example mixed_modes
//! ```
//!
//! What it prints, it also checks.

use std::sync::mpsc::{self, Sender};

use deathwatch::prelude::*;
use deathwatch::threads;

/// Blocks, and may: it has a thread of its own.
struct Disk;
impl threads::Actor for Disk {}

#[derive(Message)]
#[reply(usize)]
struct Read(&'static str);

impl threads::Handler<Read> for Disk {
    fn handle(&mut self, Read(path): Read, _: &Context<Self>) -> usize {
        std::fs::read(path).expect("the file is there").len()
    }
}

/// Async: thousands of these share a few threads. It asks the disk, and starts another when that dies.
struct Cache {
    disk: Option<ActorRef<Disk>>,
    tell: Sender<String>,
}

impl Actor for Cache {
    async fn started(&mut self, ctx: &Context<Self>) {
        self.disk = Some(ctx.spawn_monitored(Disk).0);
    }
}

#[derive(Message)]
#[reply(Result<usize, String>)]
struct Length(&'static str);

impl Handler<Length> for Cache {
    async fn handle(&mut self, Length(path): Length, _: &Context<Self>) -> Result<usize, String> {
        let disk = self.disk.as_ref().ok_or("there is no disk")?;
        disk.request(Read(path)).await.map_err(|error| error.to_string())
    }
}

impl Handler<Down> for Cache {
    async fn handle(&mut self, down: Down, ctx: &Context<Self>) {
        let _ = self.tell.send(format!("the cache lost its disk: {}", down.reason));
        self.disk = Some(ctx.spawn_monitored(Disk).0);
    }
}

/// A thread that watches an async actor: monitors do not care for the mode.
struct Guard {
    cache: ActorRef<Cache>,
    tell: Sender<String>,
}

impl threads::Actor for Guard {
    fn started(&mut self, ctx: &Context<Self>) {
        ctx.monitor(&self.cache);
    }
}

impl threads::Handler<Down> for Guard {
    fn handle(&mut self, down: Down, ctx: &Context<Self>) {
        let _ = self.tell.send(format!("the guard lost the cache: {}", down.reason));
        ctx.stop();
    }
}

const HERE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/mixed_modes.rs");

fn main() {
    let (tell, told) = mpsc::channel();
    let told = || {
        let line = told.recv().expect("somebody is left to tell");
        println!("{line}");
        line
    };
    let cache = Cache { disk: None, tell: tell.clone() }.start();
    let guard = threads::Actor::start(Guard { cache: cache.clone(), tell });

    let here = cache.request(Length(HERE)).wait().expect("the cache lives");
    println!("this file has {} bytes", here.clone().expect("the disk lives"));
    assert_eq!(here, Ok(include_str!("mixed_modes.rs").len()));

    // A panic of the thread is a death like any other: the request fails with its reason, and the cache is told.
    let gone = cache.request(Length("no such file")).wait().expect("the cache lives").unwrap_err();
    assert!(gone.starts_with("no reply: the actor died (panic: the file is there"), "{gone}");
    assert!(told().starts_with("the cache lost its disk: panic: the file is there"));
    assert_eq!(cache.request(Length(HERE)).wait().expect("the cache lives"), here);

    cache.kill();
    assert_eq!(told(), "the guard lost the cache: kill");
    assert_eq!(guard.wait_exit().wait(), ExitReason::Normal);
}
