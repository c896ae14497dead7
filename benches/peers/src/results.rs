//! What was measured, read back from the file of results.

use std::collections::HashMap;
use std::path::Path;

pub type Fields = HashMap<String, String>;

/// `key=value` pairs of a line.
pub fn fields(line: &str) -> Fields {
    let pairs = line.split_whitespace().filter_map(|pair| pair.split_once('='));
    pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

/// The middle of several measurements, and the ends.
#[derive(Clone, Copy)]
pub struct Figure {
    pub median: f64,
    pub min: f64,
    pub max: f64,
}

impl Figure {
    fn of(mut all: Vec<f64>) -> Option<Self> {
        all.retain(|value| value.is_finite());
        all.sort_by(f64::total_cmp);
        let (min, max) = (*all.first()?, *all.last()?);
        let (low, high) = (all[(all.len() - 1) / 2], all[all.len() / 2]);
        Some(Figure { median: (low + high) / 2.0, min, max })
    }
}

pub struct Results {
    pub machine: Fields,
    lines: Vec<Fields>,
}

fn is(line: &Fields, key: &str, value: &str) -> bool {
    line.get(key).is_some_and(|is| is == value)
}

impl Results {
    pub fn read(path: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let mut lines = text.lines().map(fields);
        let machine =
            lines.next().filter(|line| line.contains_key("machine")).ok_or("no results in there")?;
        Ok(Results { machine, lines: lines.collect() })
    }

    /// A line of the pilot is no measurement.
    fn lines(&self, pass: &str, system: &str, row: &str) -> impl Iterator<Item = &Fields> {
        self.lines.iter().filter(move |line| {
            is(line, "pass", pass)
                && is(line, "system", system)
                && is(line, "row", row)
                && !is(line, "round", "0")
        })
    }

    pub fn systems(&self) -> Vec<&str> {
        let mut all: Vec<&str> = crate::rows::SYSTEMS.to_vec();
        all.retain(|system| self.lines.iter().any(|line| is(line, "system", system)));
        all
    }

    pub fn figure(&self, pass: &str, system: &str, row: &str, key: &str) -> Option<Figure> {
        let values = self.lines(pass, system, row).filter_map(|line| line.get(key)?.parse().ok());
        Figure::of(values.collect())
    }

    /// How many items that was.
    pub fn n(&self, pass: &str, system: &str, row: &str) -> Option<u64> {
        self.lines(pass, system, row).find_map(|line| line.get("n")?.parse().ok())
    }

    /// What part of the work was done.
    pub fn part(&self) -> u64 {
        self.machine.get("part").and_then(|part| part.parse().ok()).unwrap_or(1)
    }

    /// The median of how many times longer ten times as much takes, or how many times more bytes it leaves.
    pub fn growth(&self, system: &str, row: &str, n: u64) -> Option<f64> {
        let of = |n: u64| {
            let n = n.to_string();
            let lines = self.lines("growth", system, row).filter(move |line| is(line, "n", &n));
            let cost = |line: &Fields| {
                let number = |key: &str| line.get(key)?.parse::<f64>().ok();
                number("seconds").or_else(|| number("value"))
            };
            Figure::of(lines.filter_map(cost).collect()).map(|figure| figure.median)
        };
        Some(of(10 * n)? / of(n)?)
    }

    /// Why systems have no figure, each reason with its rows.
    pub fn reasons(&self) -> Vec<(String, String, Vec<&str>)> {
        let mut all: Vec<(String, String, Vec<&str>)> = Vec::new();
        for line in &self.lines {
            let (Some(system), Some(row), Some(none)) =
                (line.get("system"), line.get("row"), line.get("none"))
            else {
                continue;
            };
            let reason = none.replace('_', " ");
            match all.iter_mut().find(|(s, r, _)| s == system && *r == reason) {
                Some((_, _, rows)) if rows.contains(&row.as_str()) => {}
                Some((_, _, rows)) => rows.push(row),
                None => all.push((system.clone(), reason, vec![row])),
            }
        }
        all.sort_by_key(|(system, ..)| crate::rows::SYSTEMS.iter().position(|known| known == system));
        all
    }
}
