//! The client: lines from standard input to the server, lines from the server to standard output.

use std::error::Error;
use std::io::{self, BufRead, BufReader, Write};
use std::net::TcpStream;
use std::thread;

pub fn run(address: &str) -> Result<(), Box<dyn Error>> {
    let server =
        TcpStream::connect(address).map_err(|error| format!("cannot connect to {address}: {error}"))?;

    let mut to_server = server.try_clone()?;
    thread::spawn(move || {
        // If the server is gone, the loop below says so.
        if io::copy(&mut io::stdin(), &mut to_server).is_ok() {
            let _ = to_server.write_all(b"\n/quit\n");
        }
    });

    let mut from_server = BufReader::new(server);
    let mut said_goodbye = false;
    let mut line = Vec::new();
    while from_server.read_until(b'\n', &mut line).unwrap_or(0) > 0 {
        io::stdout().write_all(&line)?;
        said_goodbye = line == b"* bye\n";
        line.clear();
    }
    if said_goodbye { Ok(()) } else { Err("the server has closed the connection".into()) }
}
