//! The command line of `peers run` and `peers report`.

use std::path::PathBuf;

use crate::rows::{self, ROWS, SYSTEMS};

pub struct Options {
    pub quick: bool,
    pub rounds: usize,
    pub workers: usize,
    /// How small a part of the work is done: 1 is all of it.
    pub part: u64,
    pub systems: Vec<String>,
    /// Which rows; none: all.
    rows: Vec<String>,
    /// Where what is measured goes.
    pub results: PathBuf,
    /// Where tables and charts go.
    pub report: PathBuf,
}

pub const USAGE: &str = "\
peers run [OPTIONS]      measures, and writes tables and charts
peers report [OPTIONS]   writes tables and charts of what was measured before
peers row SYSTEM ROW N WORKERS   measures once, and prints a line

  --rounds N       how often each row of each system is measured (5)
  --workers N      how many workers (2)
  --part N         only 1/N of the work, to see whether all is well
  --rows A,B       only these rows
  --systems A,B    only these systems; the first two are compared
  --results FILE   where the measurements are (docs/bench/results.txt)
  --report FOLDER  where tables and charts go (docs/bench)
  --quick          little of everything, once, deathwatch and tokio only, into a temporary folder;
                   fails if one of their rows does not run";

impl Options {
    pub fn parse(arguments: &[String]) -> Result<Self, String> {
        let docs = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/bench");
        let quick = arguments.iter().any(|argument| argument == "--quick");
        let folder = if quick { std::env::temp_dir().join("deathwatch-peers-quick") } else { docs };
        let systems = if quick { &SYSTEMS[..2] } else { SYSTEMS };
        let mut options = Options {
            quick,
            rounds: 5,
            workers: 2,
            part: 1,
            systems: systems.iter().map(|&system| system.to_owned()).collect(),
            rows: Vec::new(),
            results: folder.join("results.txt"),
            report: folder,
        };
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            if argument == "--quick" {
                continue;
            }
            let value = rest.next().ok_or_else(|| format!("{argument}?\n{USAGE}"))?;
            let number =
                || value.parse::<usize>().ok().filter(|n| *n > 0).ok_or(format!("{argument} {value}?"));
            let list = || value.split(',').map(str::to_owned).collect::<Vec<_>>();
            match argument.as_str() {
                "--rounds" => options.rounds = number()?,
                "--workers" => options.workers = number()?,
                "--part" => options.part = number()? as u64,
                "--rows" => options.rows = list(),
                "--systems" => options.systems = list(),
                "--results" => options.results = value.into(),
                "--report" => options.report = value.into(),
                _ => return Err(format!("{argument}?\n{USAGE}")),
            }
        }
        if let Some(unknown) = options.systems.iter().find(|system| !SYSTEMS.contains(&system.as_str())) {
            return Err(format!("no such system: {unknown} (of {})", SYSTEMS.join(", ")));
        }
        if let Some(unknown) = options.rows.iter().find(|id| rows::find(id).is_none()) {
            let all: Vec<_> = ROWS.iter().map(|row| row.id).collect();
            return Err(format!("no such row: {unknown} (of {})", all.join(", ")));
        }
        Ok(options)
    }

    pub fn has_row(&self, id: &str) -> bool {
        self.rows.is_empty() || self.rows.iter().any(|row| row == id)
    }

    pub fn mode(&self) -> &'static str {
        if self.quick { "quick" } else { "full" }
    }
}
