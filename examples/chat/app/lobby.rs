//! The lobby knows every connection: it starts their sessions and monitors them. It also keeps
//! the nicks apart.

use std::collections::HashMap;
use std::net::TcpStream;

use async_io::Async;
use deathwatch::prelude::*;
use deathwatch::{ActorId, Mailbox, OnFull, Options};

use super::directory::Directory;
use super::report::{Event, Report};
use super::session::Session;

/// How many lines may wait for a client that reads slower than the others write.
const BACKLOG: usize = 1024;

pub struct Lobby {
    directory: ActorRef<Directory>,
    report: Report,
    connections: u64,
    /// The nicks in use, and the sessions that use them.
    nicks: HashMap<String, ActorId>,
}

impl Lobby {
    pub fn new(directory: ActorRef<Directory>, report: Report) -> Self {
        Self { directory, report, connections: 0, nicks: HashMap::new() }
    }
}

impl Actor for Lobby {}

/// A client has connected.
pub struct Connected(pub Async<TcpStream>);

impl Message for Connected {
    type Reply = ();
}

impl Handler<Connected> for Lobby {
    async fn handle(&mut self, Connected(stream): Connected, ctx: &Context<Self>) {
        self.connections += 1;
        let number = self.connections;
        let nick = format!("guest{number}");
        let session = Session::new(
            number,
            nick.clone(),
            stream,
            ctx.actor_ref(),
            self.directory.clone(),
            self.report.clone(),
        );
        // `Reject`: a room never waits for one of its members, see `Room::tell`.
        let options = Options::new()
            .name(format!("session {number}"))
            .mailbox(Mailbox::bounded(BACKLOG, OnFull::Reject));
        match ctx.spawn_monitored_with(session, options) {
            Ok((session, _)) => {
                self.nicks.insert(nick, session.id());
                self.report.event(Event::Connected { session: session.handle() });
            }
            Err(error) => eprintln!("cannot start a session: {error}"),
        }
    }
}

/// A session asks for a nick. The reply is whether it may have it; if so, its old one is free.
pub struct ClaimNick {
    pub nick: String,
    pub session: ActorId,
}

impl Message for ClaimNick {
    type Reply = bool;
}

impl Handler<ClaimNick> for Lobby {
    async fn handle(&mut self, ClaimNick { nick, session }: ClaimNick, _: &Context<Self>) -> bool {
        let free = !nick.starts_with("guest") && !self.nicks.contains_key(&nick);
        if free {
            self.nicks.retain(|_, owner| *owner != session);
            self.nicks.insert(nick, session);
        }
        free
    }
}

impl Handler<Down> for Lobby {
    async fn handle(&mut self, down: Down, ctx: &Context<Self>) {
        self.report.told(ctx, &down);
        self.nicks.retain(|_, owner| *owner != down.target);
    }
}
