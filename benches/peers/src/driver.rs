//! Measures: each row of each system in a process of its own, the systems in turn, round after round. What the processes
//! print goes into one file, line by line; `report` makes tables and charts of it.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::options::Options;
use crate::report;
use crate::rows::{self, ROWS, Row, Unit};

/// What no process may take longer than.
const LIMIT: Duration = Duration::from_secs(120);
/// A system that is slower than this at a row gets less to do.
const LONG: f64 = 10.0;
const QUICK_LIMIT: Duration = Duration::from_secs(20);
const ONE_CORE_ROUNDS: usize = 3;
const GROWTH_ROUNDS: usize = 3;

/// Where processes run.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pass {
    /// As many workers as asked for.
    Many,
    /// One worker, pinned to one processor.
    One,
    /// As `One`, at ten times as much.
    Growth,
}

impl Pass {
    fn name(self) -> &'static str {
        match self {
            Pass::Many => "many",
            Pass::One => "one",
            Pass::Growth => "growth",
        }
    }
}

struct Driver<'a> {
    options: &'a Options,
    results: File,
    /// Where the Erlang program was compiled to, if that is possible here.
    erlang: Option<PathBuf>,
    /// The processor for passes on one, if pinning is possible here.
    pin: Option<String>,
    /// How much to do, where that is less than the row says.
    less: HashMap<(String, &'static str), u64>,
    started: Instant,
}

fn runs(program: &str, argument: &str) -> bool {
    let quiet = Command::new(program).arg(argument).stdout(Stdio::null()).stderr(Stdio::null()).status();
    quiet.is_ok_and(|status| status.success())
}

/// The first processor that this process may use.
fn processor() -> Option<String> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?;
    let first: String = list.trim().chars().take_while(char::is_ascii_digit).collect();
    (runs("taskset", "--version") && !first.is_empty()).then_some(first)
}

fn compile_erlang() -> Option<PathBuf> {
    let folder = std::env::temp_dir().join(format!("deathwatch-peers-{}", std::process::id()));
    std::fs::create_dir_all(&folder).ok()?;
    std::fs::write(folder.join("peers.erl"), include_str!("../erlang/peers.erl")).ok()?;
    let done = Command::new("erlc").arg("-o").arg(&folder).arg(folder.join("peers.erl")).status();
    done.is_ok_and(|status| status.success()).then_some(folder)
}

/// Runs it; what it printed last, or why it printed nothing.
fn last_line(mut command: Command, limit: Duration) -> Result<String, String> {
    let spawned = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
    let mut child = spawned.map_err(|error| format!("cannot be run: {error}"))?;
    let start = Instant::now();
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if start.elapsed() < limit => sleep(Duration::from_millis(5)),
            _ => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("not done within {} s", limit.as_secs()));
            }
        }
    };
    let mut printed = String::new();
    if let Some(mut stdout) = child.stdout.take() {
        let _ = stdout.read_to_string(&mut printed);
    }
    match printed.lines().rfind(|line| line.starts_with("system=")) {
        Some(line) if status.success() => Ok(line.to_owned()),
        _ => Err(format!("ended with {status}")),
    }
}

impl Driver<'_> {
    fn command(&self, system: &str, row: &str, n: u64, pass: Pass) -> Command {
        let workers = if pass == Pass::Many { self.options.workers } else { 1 };
        let mut command = match (&self.pin, pass) {
            (Some(processor), Pass::One | Pass::Growth) => {
                let mut command = Command::new("taskset");
                command.args(["-c", processor]);
                command.arg(if system == "erlang" { Path::new("erl").into() } else { own_path() });
                command
            }
            _ if system == "erlang" => Command::new("erl"),
            _ => Command::new(own_path()),
        };
        if let ("erlang", Some(folder)) = (system, &self.erlang) {
            command
                .args(["+S", &format!("{workers}:{workers}"), "+P", "4000000", "-noshell", "-pa"])
                .arg(folder);
            command.args(["-run", "peers", "main", row, &n.to_string()]);
        } else {
            command.args(["row", system, row, &n.to_string(), &workers.to_string()]);
        }
        command
    }

    /// One process, and its line in the file of results. Answers how long it took, or why there is no figure.
    fn measure(&mut self, system: &str, row: &Row, n: u64, pass: Pass, round: usize) -> Result<f64, String> {
        let limit = if self.options.quick { QUICK_LIMIT } else { LIMIT };
        let start = Instant::now();
        let line = last_line(self.command(system, row.id, n, pass), limit);
        let took = start.elapsed().as_secs_f64();
        let workers = if pass == Pass::Many { self.options.workers } else { 1 };
        let line = line.unwrap_or_else(|reason| {
            format!(
                "system={system} row={} n={n} workers={workers} none={}",
                row.id,
                reason.replace(' ', "_")
            )
        });
        writeln!(self.results, "pass={} round={round} {line}", pass.name()).expect("the file can be written");
        let fields = report::fields(&line);
        let figure = match (fields.get("none"), fields.get("value")) {
            (Some(none), _) => Err(none.replace('_', " ")),
            (None, Some(value)) => Ok(value.parse::<f64>().unwrap_or(f64::NAN)),
            (None, None) => Err("printed no figure".to_owned()),
        };
        let shown = match &figure {
            Ok(value) => report::show(row.unit, *value),
            Err(reason) => format!("– ({reason})"),
        };
        eprintln!(
            "{:6.0} s  {:6} {round}  {:4} {system:10} n={n:<8} {shown}",
            self.started.elapsed().as_secs_f64(),
            pass.name(),
            row.id
        );
        figure.map(|_| took)
    }

    /// Leaves out what cannot be, and gives systems that would take long less to do.
    fn pilot(&mut self, cells: &mut Vec<(&'static Row, String)>, most: &HashMap<&str, u64>) {
        cells.retain(|(row, system)| {
            let n = most[row.id];
            let first = (n / 20).max(1_000).min(n);
            match self.measure(system, row, first, Pass::Many, 0) {
                Ok(took) if row.unit == Unit::Rate => {
                    let fits = [1, 2, 5, 10, 20, 50, 100].map(|part| n / part).into_iter();
                    let mut fits = fits.filter(|n| took * *n as f64 / first as f64 <= LONG);
                    self.less
                        .insert((system.clone(), row.id), fits.next().unwrap_or(n / 100).max(1_000).min(n));
                    true
                }
                Ok(_) => true,
                Err(_) => false,
            }
        });
    }
}

/// So much of it, and enough to have something of each kind.
fn part(options: &Options, n: u64) -> u64 {
    (n / options.part).max(1_000.min(n))
}

/// This program itself, which also measures single rows.
fn own_path() -> PathBuf {
    std::env::current_exe().expect("a path")
}

fn machine() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let of =
        |key: &str| text.lines().find_map(|line| Some(line.strip_prefix(key)?.split_once(':')?.1.trim()));
    let processors = std::thread::available_parallelism().map_or(0, usize::from);
    let first = |program: &str, arguments: &[&str]| -> String {
        let output = Command::new(program).args(arguments).stderr(Stdio::null()).output();
        let text = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
        text.unwrap_or_default()
    };
    let cpu = of("model name").unwrap_or("unknown").to_owned();
    let (kernel, rustc) = (first("uname", &["-sr"]), first("rustc", &["-V"]));
    let commit = first("git", &["rev-parse", "--short=12", "HEAD"]);
    let all = [("cpu", cpu), ("processors", processors.to_string()), ("kernel", kernel), ("rustc", rustc)];
    let all = all.into_iter().chain([("commit", commit)]);
    all.fold("machine=1".to_owned(), |line, (key, value)| format!("{line} {key}={}", value.replace(' ', "_")))
}

/// All passes. Fails when a row of the first two systems has no figure, in the quick mode.
pub fn run(options: &Options) -> Result<(), String> {
    let out = |error: std::io::Error| format!("{}: {error}", options.results.display());
    if let Some(folder) = options.results.parent() {
        std::fs::create_dir_all(folder).map_err(out)?;
    }
    let mut results = File::create(&options.results).map_err(out)?;
    writeln!(
        results,
        "{} mode={} workers={} part={}",
        machine(),
        options.mode(),
        options.workers,
        options.part
    )
    .map_err(out)?;
    let mut driver = Driver {
        options,
        results,
        erlang: options.systems.iter().any(|system| system == "erlang").then(compile_erlang).flatten(),
        pin: processor(),
        less: HashMap::new(),
        started: Instant::now(),
    };
    let systems: Vec<&String> =
        options.systems.iter().filter(|system| *system != "erlang" || driver.erlang.is_some()).collect();
    let chosen: Vec<&'static Row> = ROWS.iter().filter(|row| options.has_row(row.id)).collect();
    let most: HashMap<&str, u64> = chosen
        .iter()
        .map(|row| (row.id, if options.quick { row.quick } else { part(options, row.n) }))
        .collect();
    let mut cells: Vec<(&'static Row, String)> = Vec::new();
    for row in &chosen {
        cells.extend(systems.iter().map(|system| (*row, (*system).clone())));
    }
    let mut missing = Vec::new();
    if options.quick {
        for (row, system) in &cells {
            let figure = driver.measure(system, row, most[row.id], Pass::Many, 1);
            if let (Err(reason), true) = (figure, rows::must_run(system, row.id)) {
                missing.push(format!("{system} {}: {reason}", row.id));
            }
        }
    } else {
        driver.pilot(&mut cells, &most);
        rounds(&mut driver, &cells, &most);
        growth(&mut driver, &cells);
    }
    if let Some(folder) = &driver.erlang {
        let _ = std::fs::remove_dir_all(folder);
    }
    driver.results.flush().map_err(out)?;
    if missing.is_empty() { Ok(()) } else { Err(format!("without a figure:\n{}", missing.join("\n"))) }
}

fn rounds(driver: &mut Driver, cells: &[(&'static Row, String)], most: &HashMap<&str, u64>) {
    let n = |driver: &Driver, row: &Row, system: &str| {
        driver.less.get(&(system.to_owned(), row.id)).copied().unwrap_or(most[row.id])
    };
    for round in 1..=driver.options.rounds {
        for (row, system) in cells {
            let n = n(driver, row, system);
            let _ = driver.measure(system, row, n, Pass::Many, round);
        }
    }
    if driver.pin.is_none() {
        eprintln!("no pass on one core: taskset is not there");
        return;
    }
    for round in 1..=driver.options.rounds.min(ONE_CORE_ROUNDS) {
        for (row, system) in cells.iter().filter(|(row, _)| matches!(row.unit, Unit::Rate | Unit::Nanos)) {
            let n = n(driver, row, system);
            let _ = driver.measure(system, row, n, Pass::One, round);
        }
    }
}

/// What ten times as much costs, ours and the first rival's.
fn growth(driver: &mut Driver, cells: &[(&'static Row, String)]) {
    for round in 1..=driver.options.rounds.min(GROWTH_ROUNDS) {
        for (row, system) in cells {
            if row.grow > 0 && rows::must_run(system, row.id) {
                let n = part(driver.options, row.grow);
                for n in [n, 10 * n] {
                    let _ = driver.measure(system, row, n, Pass::Growth, round);
                }
            }
        }
    }
}
