//! Tables, graphs, and what is serialized.

use std::fmt;

use deathwatch::{ExitReason, Options, Runtime, Snapshot};

use crate::support::{Puppet, Told, solo};

/// A name in which everything means something in one language or another.
const HOSTILE: &str = "a\"] --> b; \\\" <b>#quot;|x|\n%% } &lt;";

fn hostile() -> (Runtime, Snapshot, [u64; 2]) {
    let runtime = solo();
    let (bad, _events) = Puppet::with(Options::new().runtime(&runtime).name(HOSTILE));
    let (good, _events) = Puppet::with(Options::new().runtime(&runtime).registered("good"));
    let (target, linked) = (good.clone(), good.clone());
    bad.call(move |_, ctx| {
        ctx.monitor(&target);
        ctx.monitor(&target);
        ctx.link(&linked);
    });
    let snapshot = runtime.snapshot();
    let ids = [bad.id().get(), good.id().get()];
    (runtime, snapshot, ids)
}

#[test]
fn names_cannot_break_a_dot_graph() {
    let _dog = watchdog!();
    let (_runtime, snapshot, [bad, good]) = hostile();
    let expected = [
        "digraph actors {".to_owned(),
        "  node [shape=box];".to_owned(),
        format!(r##"  a{bad} [label="a\"] --> b; \\\" <b>#quot;|x|\\n%% }} &amp;lt;\nPuppet #{bad}"];"##),
        format!(r#"  a{good} [label="good\nPuppet #{good}"];"#),
        format!(r#"  a{bad} -> a{good} [style=solid, label="monitors 2 times"];"#),
        format!(r#"  a{bad} -> a{good} [dir=none, label="linked"];"#),
        "}".to_owned(),
    ];
    assert_eq!(snapshot.to_dot().lines().collect::<Vec<_>>(), expected);
}

#[test]
fn names_cannot_break_a_mermaid_chart() {
    let _dog = watchdog!();
    let (_runtime, snapshot, [bad, good]) = hostile();
    let chart = snapshot.to_mermaid();
    let lines: Vec<&str> = chart.lines().collect();
    assert_eq!(lines.len(), 5, "{chart}");
    let label =
        lines[1].strip_prefix(&format!("  a{bad}[\"")).and_then(|rest| rest.strip_suffix("\"]")).unwrap();
    assert!(!label.contains(['"', ']', '[', '|', '\\', '%', '}', '>']) || label.contains("<br/>"), "{label}");
    let unescaped = label.replace("<br/>", "");
    assert!(unescaped.chars().all(|c| c.is_alphanumeric() || " _#;".contains(c)), "{label}");
    assert!(label.starts_with("a#34;#93; #45;#45;#62; b"), "{label}");
    assert_eq!(
        lines[3..],
        [format!("  a{bad} -->|monitors 2 times| a{good}"), format!("  a{bad} ---|linked| a{good}")]
    );
}

#[test]
fn a_table_has_a_line_for_each() {
    let _dog = watchdog!();
    let (_runtime, snapshot, [bad, good]) = hostile();
    let table = snapshot.to_string();
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines.len(), 4, "{table}");
    assert_eq!(lines[0], "solo: 2 actors");
    assert!(lines[1].starts_with("id") && lines[1].ends_with("parent"), "{table}");
    assert!(lines[2].starts_with(&format!("#{bad} ")) && lines[2].contains("|x|\\n%%"), "{table}");
    assert!(lines[3].starts_with(&format!("#{good} ")) && lines[3].contains("good"), "{table}");
    let column = |line: &str| line.find("Puppet");
    assert!(column(lines[3]).is_some() && column(lines[2]) == column(lines[3]), "{table}");
    assert_eq!(Snapshot::default().to_string().lines().count(), 2);
}

#[cfg(feature = "serde")]
#[test]
fn it_can_be_serialized() {
    let _dog = watchdog!();
    let runtime = Runtime::builder().workers(1).keep_deaths(1).build().expect("one worker");
    let (dead, _events) = Puppet::on(&runtime);
    dead.kill();
    dead.wait_exit().wait();
    while runtime.live_actors() > 0 {
        std::thread::yield_now();
    }
    let (puppet, _events) = Puppet::with(Options::new().runtime(&runtime).name(HOSTILE));
    let json = serde_json::to_string(&runtime.snapshot()).expect("it is plain data");
    let value: serde_json::Value = serde_json::from_str(&json).expect("it is JSON");
    let actor = &value["actors"][0];
    assert_eq!(actor["id"], puppet.id().get());
    assert_eq!(actor["name"], HOSTILE);
    assert_eq!((&actor["mode"], &actor["backend"]), (&"tasks".into(), &"scheduler".into()));
    assert_eq!(actor["uptime_seconds"].is_f64(), cfg!(feature = "introspection"));
    let death = &value["deaths"][0];
    assert_eq!((&death["id"], &death["reason"]), (&dead.id().get().into(), &"kill".into()));
    assert!(death["age_seconds"].is_f64() && death["exit_seconds"].is_f64());
}

/// Says how far it comes, and fails.
#[derive(Debug)]
struct Speechless;
impl fmt::Display for Speechless {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("well, ")?;
        Err(fmt::Error)
    }
}
impl std::error::Error for Speechless {}

/// The text of a reason is the user's, whose mistakes are not those of who looks.
#[test]
fn a_reason_that_cannot_be_told() {
    let _dog = watchdog!();
    let runtime = Runtime::builder().workers(1).keep_deaths(1).build().expect("one worker");
    let (puppet, _events) = Puppet::on(&runtime);
    puppet.stop_with(ExitReason::error(Speechless));
    while runtime.live_actors() > 0 {
        std::thread::yield_now();
    }
    let snapshot = runtime.snapshot();
    let table = snapshot.to_string();
    assert!(table.trim_end().ends_with("well,"), "{table}");
    #[cfg(feature = "serde")]
    assert!(serde_json::to_string(&snapshot).expect("it is plain data").contains("well, "));
}
