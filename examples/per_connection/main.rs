//! A TCP server with an actor for each connection, all monitored, and real clients; the program of the book's tutorial.
//!
//! ```text
//! cargo run --example per_connection
//! ```
//!
//! What it prints, it also checks.

#[cfg(not(loom))]
mod server;

#[cfg(not(loom))]
fn main() -> std::io::Result<()> {
    use std::io::{BufRead, BufReader, Write};
    use std::net::TcpStream;
    use std::sync::mpsc;

    use deathwatch::prelude::*;

    let (tell, told) = mpsc::channel();
    let (server, address) = server::Server::bind(tell)?;
    let server = server.start();

    /// Says something, and reads what comes back; nothing, when the server has hung up.
    fn ask(client: &mut BufReader<TcpStream>, line: &str) -> std::io::Result<String> {
        client.get_mut().write_all(format!("{line}\n").as_bytes())?;
        let mut reply = String::new();
        client.read_line(&mut reply)?;
        println!("{line:8} -> {}", reply.trim_end());
        Ok(reply)
    }
    let connect = || TcpStream::connect(address).map(BufReader::new);
    let (mut polite, mut unlucky, mut patient) = (connect()?, connect()?, connect()?);

    assert_eq!(ask(&mut polite, "100 / 4")?, "25\n");
    assert_eq!(ask(&mut patient, "one / 2")?, "two numbers, please\n");

    // The connection that divides by zero dies, and nobody else does.
    assert_eq!(ask(&mut unlucky, "1 / 0")?, "");
    let (peer, reason) = told.recv().expect("the server lives");
    assert_eq!(peer, unlucky.get_ref().local_addr()?);
    assert_eq!(reason.to_string(), "panic: attempt to divide by zero");

    // One that hangs up ends in an orderly way.
    drop(polite);
    let (_, reason) = told.recv().expect("the server lives");
    assert_eq!(reason, ExitReason::Normal);
    assert_eq!(ask(&mut patient, "9 / 3")?, "3\n");

    // The server is the only one who holds on to its connections: they end when it does.
    server.stop();
    assert_eq!(server.wait_exit().wait(), ExitReason::Normal);
    assert_eq!(patient.read_line(&mut String::new())?, 0);
    println!("the server has gone, and its last connection with it");
    Ok(())
}

/// `cargo test` builds every example, also for the models, where the sockets of this one do not exist.
#[cfg(loom)]
fn main() {}
