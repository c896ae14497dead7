//! Everything that makes up a server: the runtime, the three permanent actors, and how they stop.

use std::error::Error;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use async_io::{Async, Timer};
use deathwatch::prelude::*;
use deathwatch::{ActorHandle, Group, Monitors, Options, Registry, Runtime, ShutdownError};

use super::directory::Directory;
use super::lobby::{Connected, Lobby};
use super::report::Report;
use super::session::Nicks;

/// How long the goodbyes may take: more than two writes to a client that does not read.
const STOP_LIMIT: Duration = Duration::from_secs(10);

pub struct Server {
    runtime: Runtime,
    address: SocketAddr,
    acceptor: ActorRef<Acceptor>,
    lobby: ActorRef<Lobby>,
    directory: ActorRef<Directory>,
    nicks: Nicks,
}

impl Server {
    pub fn start(listener: TcpListener, report: Report) -> Result<Self, Box<dyn Error>> {
        let listener = Async::new(listener)?;
        let address = listener.get_ref().local_addr()?;

        let runtime = Runtime::builder().workers(2).name("chat").build()?;
        let nicks = Nicks::new();
        // The label is for those who are told of a death, the name for those who look somebody up.
        let named = |name: &str| Options::new().name(name).registered(name).runtime(&runtime);
        let directory = Directory::new(report.clone()).start_with(named("directory"))?;
        let lobby = Lobby::new(nicks.clone(), report).start_with(named("lobby"))?;
        let acceptor = Acceptor { listener, lobby: lobby.clone() }.start_with(named("acceptor"))?;
        acceptor.send(Accept)?;

        Ok(Self { runtime, address, acceptor, lobby, directory, nicks })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The names of the actors, the nicks, and the sessions.
    pub fn names(&self) -> (Registry, Nicks, Group) {
        let sessions = self.runtime.groups().group("sessions");
        (self.runtime.registry().clone(), self.nicks.clone(), sessions)
    }

    pub fn acceptor(&self) -> ActorHandle {
        self.acceptor.handle()
    }

    /// The actors that are there as long as the server is.
    pub fn permanent_actors(&self) -> [ActorHandle; 3] {
        [self.acceptor.handle(), self.lobby.handle(), self.directory.handle()]
    }

    /// Blocks until one of the permanent actors is down.
    pub fn wait_for_a_permanent_actor(&self) -> Down {
        let mut monitors = Monitors::new();
        for actor in self.permanent_actors() {
            monitors.monitor(&actor);
        }
        monitors.recv().expect("three actors are monitored")
    }

    /// Takes no more connections and says goodbye on those there are. `Ok` means that every actor
    /// has come to its end in time.
    pub fn stop(self) -> Result<(), ShutdownError> {
        // The acceptor waits inside its handler, where a stop would not reach it. A kill does.
        self.acceptor.kill();
        self.runtime.shutdown(STOP_LIMIT)
    }
}

/// Hands the connections to the lobby, as they come.
pub struct Acceptor {
    listener: Async<TcpListener>,
    lobby: ActorRef<Lobby>,
}

impl Actor for Acceptor {}

struct Accept;

impl Message for Accept {
    type Reply = ();
}

impl Handler<Accept> for Acceptor {
    async fn handle(&mut self, _: Accept, _: &Context<Self>) {
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    if self.lobby.send(Connected(stream)).is_err() {
                        return; // no lobby, no server
                    }
                }
                Err(error) => {
                    // Most likely out of file descriptors: leave the clients time to go.
                    eprintln!("cannot accept a connection: {error}");
                    Timer::after(Duration::from_millis(200)).await;
                }
            }
        }
    }
}
