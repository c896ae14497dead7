//! What the server tells the outside: `serve` prints it, `demo` counts it.

use std::sync::Arc;

use deathwatch::tasks::Actor;
use deathwatch::{ActorHandle, Context, Down};

pub enum Event {
    /// A client has connected.
    Connected { session: ActorHandle },
    /// A line of text was said in a room.
    Said,
    /// `watcher` was told that an actor it monitors is down.
    Told { watcher: String, down: Down },
    /// The directory has restarted a room.
    Restarted,
}

/// Takes the events, on whichever thread they happen.
#[derive(Clone)]
pub struct Report(Arc<dyn Fn(Event) + Send + Sync>);

impl Report {
    pub fn new(take: impl Fn(Event) + Send + Sync + 'static) -> Self {
        Self(Arc::new(take))
    }

    pub fn to_stderr() -> Self {
        Self::new(|event| match event {
            Event::Connected { .. } | Event::Said => {}
            Event::Told { watcher, down } => {
                let target = down.name.as_deref().unwrap_or("?");
                eprintln!("{watcher} was told: {target} is down ({})", down.reason);
            }
            Event::Restarted => eprintln!("directory has restarted it"),
        })
    }

    pub fn event(&self, event: Event) {
        (self.0)(event);
    }

    /// The actor of `ctx` was told that an actor is down.
    pub fn told<A: Actor>(&self, ctx: &Context<A>, down: &Down) {
        let watcher = ctx.name().unwrap_or("?").to_owned();
        self.event(Event::Told { watcher, down: down.clone() });
    }
}
