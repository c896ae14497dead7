//! The command line.

mod client;
mod demo;
mod directory;
mod lobby;
mod net;
mod protocol;
mod report;
mod room;
mod server;
mod session;

use std::error::Error;
use std::net::TcpListener;
use std::process::ExitCode;

use deathwatch::ExitReason;

use self::report::Report;
use self::server::Server;

const USAGE: &str = "\
usage: chat                 start a server and some clients, let them die in various ways, check
       chat serve ADDR      serve on ADDR (such as 127.0.0.1:4000) until SIGINT or SIGTERM
       chat connect ADDR    talk to the server on ADDR";

/// Picks what to do from the command line.
pub fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments[..] {
        [] => demo::run(),
        ["serve", address] => serve(address),
        ["connect", address] => client::run(address),
        ["-h" | "--help"] => {
            println!("{USAGE}");
            Ok(())
        }
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("chat: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Serves on `address` until a signal arrives or the server itself breaks.
fn serve(address: &str) -> Result<(), Box<dyn Error>> {
    let listener =
        TcpListener::bind(address).map_err(|error| format!("cannot listen on {address}: {error}"))?;
    let server = Server::start(listener, Report::to_stderr())?;
    println!("listening on {}; Ctrl-C ends", server.address());

    // Stopping starts with the acceptor, so a signal kills just that one ...
    let acceptor = server.acceptor();
    ctrlc::set_handler(move || acceptor.kill())?;

    // ... and the main thread goes on as soon as any of the permanent actors is down.
    let down = server.wait_for_a_permanent_actor();
    server.stop()?;
    match down.reason {
        ExitReason::Kill => {
            println!("stopped");
            Ok(())
        }
        reason => Err(format!("the {} is down: {reason}", down.name.as_deref().unwrap_or("?")).into()),
    }
}
