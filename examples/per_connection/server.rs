//! The server: one actor accepts and knows who is there, and one is each connection.

use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::Sender;

use async_io::Async;
use deathwatch::MonitorRef;
use deathwatch::prelude::*;
use futures::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, ReadHalf, WriteHalf};
use futures::{StreamExt, stream};

/// Accepts connections, and is told when one ends.
pub struct Server {
    listener: Option<Async<TcpListener>>,
    /// Who is there. The handles are the only ones: they keep the connections running.
    connections: HashMap<MonitorRef, (ActorRef<Connection>, SocketAddr)>,
    ended: Sender<(SocketAddr, ExitReason)>,
}

impl Server {
    /// Listens at a free port, and says at which.
    pub fn bind(ended: Sender<(SocketAddr, ExitReason)>) -> io::Result<(Server, SocketAddr)> {
        let listener = Async::<TcpListener>::bind(([127, 0, 0, 1], 0))?;
        let address = listener.get_ref().local_addr()?;
        Ok((Server { listener: Some(listener), connections: HashMap::new(), ended }, address))
    }
}

#[derive(Message)]
pub struct Accepted(io::Result<(Async<TcpStream>, SocketAddr)>);

impl Actor for Server {
    async fn started(&mut self, ctx: &Context<Self>) {
        if let Some(listener) = self.listener.take() {
            ctx.attach(stream::unfold(listener, |listener| async move {
                Some((Accepted(listener.accept().await), listener))
            }));
        }
    }
}

impl Handler<Accepted> for Server {
    async fn handle(&mut self, Accepted(accepted): Accepted, ctx: &Context<Self>) {
        match accepted {
            Ok((stream, peer)) => {
                let (connection, monitor) = ctx.spawn_monitored(Connection::new(stream));
                self.connections.insert(monitor, (connection, peer));
            }
            Err(error) => ctx.stop_with(ExitReason::error(error)),
        }
    }
}

impl Handler<Down> for Server {
    async fn handle(&mut self, down: Down, _: &Context<Self>) {
        if let Some((_, peer)) = self.connections.remove(&down.monitor_ref) {
            let _ = self.ended.send((peer, down.reason));
        }
    }
}

/// One connection. However it ends, the socket is closed and the server is told.
pub struct Connection {
    read: Option<ReadHalf<Async<TcpStream>>>,
    write: WriteHalf<Async<TcpStream>>,
}

impl Connection {
    fn new(stream: Async<TcpStream>) -> Self {
        let (read, write) = stream.split();
        Connection { read: Some(read), write }
    }
}

#[derive(Message)]
pub struct Line(io::Result<String>);

#[derive(Message)]
pub struct HungUp;

impl Actor for Connection {
    async fn started(&mut self, ctx: &Context<Self>) {
        if let Some(read) = self.read.take() {
            // At most 8 lines wait to be answered: a client that does not read is not read from.
            ctx.attach_with(BufReader::new(read).lines().map(Line), 8, |_| HungUp);
        }
    }
}

impl Handler<Line> for Connection {
    async fn handle(&mut self, Line(line): Line, ctx: &Context<Self>) {
        let written = match line {
            Ok(line) => self.write.write_all(answer(&line).as_bytes()).await,
            Err(error) => Err(error),
        };
        if let Err(error) = written {
            ctx.stop_with(ExitReason::error(error));
        }
    }
}

impl Handler<HungUp> for Connection {
    async fn handle(&mut self, _: HungUp, ctx: &Context<Self>) {
        ctx.stop();
    }
}

/// Divides. By zero as well: a bug, as any program has one.
fn answer(line: &str) -> String {
    let numbers = line.split_once('/').map(|(a, b)| (a.trim().parse::<u32>(), b.trim().parse::<u32>()));
    match numbers {
        Some((Ok(a), Ok(b))) => format!("{}\n", a / b),
        _ => "two numbers, please\n".to_owned(),
    }
}
