//! deathwatch side by side with hand-written tokio, published actor crates and Erlang. See `README.md` beside `Cargo.toml`.

mod charts;
mod counting;
mod driver;
mod options;
mod report;
mod results;
mod rows;
mod systems;
mod tools;

use std::io::Write;
use std::process::exit;

use options::{Options, USAGE};

/// Measures once, in this process, and prints one line.
fn row(arguments: &[String]) -> Result<(), String> {
    let [system, id, n, workers] = arguments else {
        return Err(USAGE.into());
    };
    let row = rows::find(id).ok_or("no such row")?;
    let n: u64 = n.parse().map_err(|_| "N is not a number")?;
    let workers: usize = workers.parse().map_err(|_| "WORKERS is not a number")?;
    tools::now();
    if row.unit == rows::Unit::Bytes {
        counting::start();
    }
    let mut line = format!("system={system} row={id} n={n} workers={workers}");
    match systems::run(system, id, n, workers) {
        Ok(outcome) => {
            for (key, value) in outcome.0 {
                line += &format!(" {key}={value}");
            }
            line += &format!(" peak_rss={} threads={}", tools::status("VmHWM"), tools::threads());
        }
        Err(reason) => line += &format!(" none={}", reason.replace(' ', "_")),
    }
    println!("{line}");
    std::io::stdout().flush().map_err(|error| error.to_string())?;
    // What the row made is left to the system: its end is not part of the row.
    exit(0)
}

fn run(arguments: &[String]) -> Result<(), String> {
    let options = Options::parse(arguments)?;
    driver::run(&options)?;
    report::write(&options.results, &options.report)?;
    println!("tables and charts: {}", options.report.display());
    Ok(())
}

fn report(arguments: &[String]) -> Result<(), String> {
    let options = Options::parse(arguments)?;
    report::write(&options.results, &options.report)
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match arguments.split_first() {
        Some((command, rest)) if command == "row" => row(rest),
        Some((command, rest)) if command == "run" => run(rest),
        Some((command, rest)) if command == "report" => report(rest),
        _ => Err(USAGE.into()),
    };
    if let Err(error) = done {
        eprintln!("{error}");
        exit(1);
    }
}
