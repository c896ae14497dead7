//! The lobby knows every connection: it starts their sessions and monitors them.

use std::net::TcpStream;

use async_io::Async;
use deathwatch::prelude::*;
use deathwatch::{Mailbox, OnFull, Options};

use super::report::{Event, Report};
use super::session::{Nicks, Session};

/// How many lines may wait for a client that reads slower than the others write.
const BACKLOG: usize = 1024;

pub struct Lobby {
    nicks: Nicks,
    report: Report,
    connections: u64,
}

impl Lobby {
    pub fn new(nicks: Nicks, report: Report) -> Self {
        Self { nicks, report, connections: 0 }
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
        let session = Session::new(number, nick.clone(), stream, self.nicks.clone(), self.report.clone());
        // `Reject`: a room never waits for one of its members, see `Room::tell`.
        let options = Options::new()
            .name(format!("session {number}"))
            .registered_in(&self.nicks, nick) // free again when it dies, whatever it dies of
            .mailbox(Mailbox::bounded(BACKLOG, OnFull::Reject));
        match ctx.spawn_monitored_with(session, options) {
            Ok((session, _)) => self.report.event(Event::Connected { session: session.handle() }),
            Err(error) => eprintln!("cannot start a session: {error}"),
        }
    }
}

impl Handler<Down> for Lobby {
    async fn handle(&mut self, down: Down, ctx: &Context<Self>) {
        self.report.told(ctx, &down);
    }
}
