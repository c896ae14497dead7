//! Tables of what was measured, in Markdown, beside the charts.

use std::fmt::Write;
use std::path::Path;

use crate::charts;
use crate::results::{Figure, Results};
use crate::rows::{ROWS, Row, SYSTEMS, Unit};

pub use crate::results::fields;

const OURS: &str = SYSTEMS[0];
const RIVAL: &str = SYSTEMS[1];
const ERLANG: &str = "erlang";

/// A figure as one reads it.
pub fn show(unit: Unit, value: f64) -> String {
    let digits = |value: f64| -> usize {
        match value.abs() {
            ..10.0 => 2,
            ..100.0 => 1,
            _ => 0,
        }
    };
    match unit {
        Unit::Rate if value >= 1e6 => format!("{:.*} M/s", digits(value / 1e6), value / 1e6),
        Unit::Rate => format!("{:.*} k/s", digits(value / 1e3), value / 1e3),
        Unit::Nanos if value >= 1e6 => format!("{:.*} ms", digits(value / 1e6), value / 1e6),
        Unit::Nanos if value >= 1e3 => format!("{:.*} µs", digits(value / 1e3), value / 1e3),
        Unit::Nanos => format!("{:.*} ns", digits(value), value),
        Unit::Bytes => format!("{:.*} B", digits(value), value),
        Unit::Threads => format!("{value:.0}"),
    }
}

fn cell(unit: Unit, figure: Option<Figure>) -> String {
    figure.map_or("–".into(), |figure| show(unit, figure.median))
}

fn spread(unit: Unit, figure: Option<Figure>) -> String {
    let Some(Figure { median, min, max }) = figure else { return "–".into() };
    if min == max {
        return show(unit, median);
    }
    let plain = |value| {
        let text = show(unit, value);
        text.split_once(' ').map_or(text.clone(), |(number, _)| number.to_owned())
    };
    // The ends in the unit of the middle, if that is the same.
    let unit_of = |value| show(unit, value).split_once(' ').map(|(_, unit)| unit.to_owned());
    if [min, max].iter().all(|end| unit_of(*end) == unit_of(median)) {
        format!("{} ({}–{})", show(unit, median), plain(min), plain(max))
    } else {
        format!("{} ({}–{})", show(unit, median), show(unit, min), show(unit, max))
    }
}

/// How many times better ours is.
fn times(row: &Row, ours: Option<Figure>, theirs: Option<Figure>) -> String {
    let (Some(ours), Some(theirs)) = (ours, theirs) else { return "–".into() };
    let ratio =
        if row.unit == Unit::Rate { ours.median / theirs.median } else { theirs.median / ours.median };
    if ours.median <= 0.0 || theirs.median <= 0.0 {
        return "–".into();
    }
    if ratio >= 10.0 { format!("{ratio:.0} ×") } else { format!("{ratio:.2} ×") }
}

/// The published crate with the best median.
fn best<'a>(results: &Results, systems: &[&'a str], pass: &str, row: &Row) -> Option<(&'a str, Figure)> {
    // The rival may be there in several variants, which are no crates.
    let crates =
        systems.iter().filter(|system| ![OURS, ERLANG].contains(system) && !system.starts_with(RIVAL));
    let figures = crates.filter_map(|&system| Some((system, results.figure(pass, system, row.id, "value")?)));
    figures.reduce(|one, other| if row.is_better(other.1.median, one.1.median) { other } else { one })
}

fn line(text: &mut String, cells: &[String]) {
    let _ = writeln!(text, "| {} |", cells.join(" | "));
}

fn head(text: &mut String, titles: &[&str]) {
    line(text, &titles.iter().map(|&title| title.to_owned()).collect::<Vec<_>>());
    line(text, &vec!["---".to_owned(); titles.len()]);
}

fn measured(results: &Results, pass: &str) -> Vec<&'static Row> {
    let latency = |row: &&Row| row.id.starts_with('L');
    let systems = results.systems();
    let has = |row: &&Row| systems.iter().any(|one| results.figure(pass, one, row.id, "value").is_some());
    ROWS.iter().filter(|row| !latency(row) && has(row)).collect()
}

fn compared(text: &mut String, results: &Results, pass: &str) {
    let systems = results.systems();
    head(text, &["row", "what", OURS, RIVAL, "× tokio", "best crate", "× best crate", "Erlang", "× Erlang"]);
    for row in measured(results, pass) {
        let of = |system: &str| results.figure(pass, system, row.id, "value");
        let (ours, rival, erlang) = (of(OURS), of(RIVAL), of(ERLANG));
        let best = best(results, &systems, pass, row);
        let named =
            best.map_or("–".into(), |(name, figure)| format!("{} {name}", spread(row.unit, Some(figure))));
        line(
            text,
            &[
                row.id.into(),
                row.what.into(),
                format!("**{}**", spread(row.unit, ours)),
                spread(row.unit, rival),
                times(row, ours, rival),
                named,
                times(row, ours, best.map(|(_, figure)| figure)),
                spread(row.unit, erlang),
                times(row, ours, erlang),
            ],
        );
    }
}

fn everybody(text: &mut String, results: &Results, pass: &str) {
    let systems = results.systems();
    head(text, &[&["row", "n"], systems.as_slice()].concat());
    for row in measured(results, pass) {
        let n = systems.iter().filter_map(|system| results.n(pass, system, row.id)).max().unwrap_or(row.n);
        let mut cells = vec![row.id.to_owned(), n.to_string()];
        for system in &systems {
            let mut shown = cell(row.unit, results.figure(pass, system, row.id, "value"));
            match results.n(pass, system, row.id) {
                Some(less) if less < n && shown != "–" => _ = write!(shown, " (n = {less})"),
                _ => {}
            }
            cells.push(shown);
        }
        line(text, &cells);
    }
}

/// Second figures of some rows.
fn details(text: &mut String, results: &Results) {
    let systems = results.systems();
    let mebibytes =
        |figure: Option<Figure>| figure.map_or("–".into(), |f| format!("{:.0} MiB", f.median / 1048576.0));
    head(text, &[&["what"], systems.as_slice()].concat());
    let all = [
        ("M6 without others, a pair", "M6", "none_others", Unit::Nanos),
        ("M6d with a tenth of the monitors", "M6d", "at_a_tenth", Unit::Nanos),
        ("M7 from one watcher to n targets", "M7", "of_pairs", Unit::Bytes),
    ];
    for (what, row, key, unit) in all {
        let mut cells = vec![what.to_owned()];
        cells.extend(systems.iter().map(|system| cell(unit, results.figure("many", system, row, key))));
        line(text, &cells);
    }
    for row in ["M1", "M3", "W1", "W2", "W7", "W7t"] {
        let mut cells = vec![format!("{row}: peak resident memory")];
        cells.extend(systems.iter().map(|system| mebibytes(results.figure("many", system, row, "peak_rss"))));
        line(text, &cells);
    }
}

fn grown(text: &mut String, results: &Results) {
    head(text, &["row", "from n to 10 n", OURS, RIVAL]);
    for row in ROWS.iter().filter(|row| row.grow > 0) {
        let n = (row.grow / results.part()).max(1_000.min(row.grow));
        let of = |system: &str| results.growth(system, row.id, n);
        if of(OURS).is_none() && of(RIVAL).is_none() {
            continue;
        }
        let shown = |system: &str| match of(system) {
            Some(ratio) if ratio.is_finite() => format!("{ratio:.1} ×"),
            _ => "–".into(),
        };
        let what = if row.unit == Unit::Bytes { ", bytes" } else { "" };
        line(text, &[format!("{}{what}", row.id), n.to_string(), shown(OURS), shown(RIVAL)]);
    }
}

/// The crowds, states and shares of the rows of latencies.
pub const CROWDS: [&str; 4] = ["1", "10", "1000", "100000"];
pub const STATES: [&str; 2] = ["idle", "load"];
pub const SHARES: [(&str, &str); 3] = [("p50", "p50"), ("p99", "p99"), ("p999", "p99.9")];
/// Who has rows of latencies.
pub const WAITING: [(&str, &str, &str); 3] =
    [(OURS, "L", "deathwatch"), (OURS, "Lt", "deathwatch, threads"), (RIVAL, "L", "tokio")];

fn latencies(text: &mut String, results: &Results) {
    head(text, &["system", "state", "watchers", "p50", "p99", "p99.9"]);
    for (system, row, name) in WAITING {
        for state in STATES {
            for crowd in CROWDS {
                let of =
                    |share: &str| results.figure("many", system, row, &format!("{share}_{state}_{crowd}"));
                if of("p50").is_none() {
                    continue;
                }
                let mut cells = vec![name.to_owned(), state.to_owned(), crowd.to_owned()];
                cells.extend(SHARES.iter().map(|(share, _)| cell(Unit::Nanos, of(share))));
                line(text, &cells);
            }
        }
    }
}

/// Writes `README.md` and the charts into that folder.
pub fn write(results: &Path, folder: &Path) -> Result<(), String> {
    let results = Results::read(results)?;
    std::fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let charts = charts::draw(&results, folder)?;
    let about =
        |key: &str| results.machine.get(key).map_or("unknown".into(), |value| value.replace('_', " "));
    let mut text = String::new();
    let t = &mut text;
    let _ = writeln!(
        t,
        "# Side by side\n\n\
         Written by `cargo run --release -- report` in `benches/peers` from `results.txt`, which `cargo run --release -- run` \
         measures; [what is compared](../../benches/peers/README.md).\n\n\
         {}, {} processors, {}, {}, commit {}. Medians, with the least and the most where they differ; each measurement is a \
         process of its own, the systems in turn. A figure of two workers repeats badly where work is fine-grained: differences \
         below 1.5 × mean nothing there, and the table of one core tells more.\n",
        about("cpu"),
        about("processors"),
        about("kernel"),
        about("rustc"),
        about("commit"),
    );
    for chart in &charts {
        let _ = writeln!(t, "![{chart}]({chart}.svg)\n");
    }
    for (pass, title) in
        [("many", format!("{} workers", about("workers"))), ("one", "One worker on one core".to_owned())]
    {
        if measured(&results, pass).is_empty() {
            continue;
        }
        let _ = writeln!(t, "## {title}\n\n`×`: how many times better deathwatch is.\n");
        compared(t, &results, pass);
        let _ = writeln!(t, "\n### Everybody, {title}\n");
        everybody(t, &results, pass);
        let _ = writeln!(t);
    }
    let _ = writeln!(t, "## More of these rows\n");
    details(t, &results);
    let _ = writeln!(t, "\n## Growth\n\nHow many times more ten times the work costs, on one core.\n");
    grown(t, &results);
    let _ = writeln!(t, "\n## From a death to the handling of its Down\n");
    latencies(t, &results);
    let _ = writeln!(t, "\n## Without a figure\n");
    for (system, reason, rows) in results.reasons() {
        let _ = writeln!(t, "- {system}, {}: {reason}", rows.join(" "));
    }
    std::fs::write(folder.join("README.md"), text).map_err(|error| error.to_string())
}
