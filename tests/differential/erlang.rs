//! An Erlang node that plays scripts, for as long as there are any.

use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

pub struct Erlang {
    node: Child,
    scripts: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

/// The first that has monitors with tags.
const OLDEST: u32 = 24;

impl Erlang {
    /// `None`, and why, where there is no Erlang.
    pub fn start() -> Result<Self, String> {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/differential/processes.escript");
        let node = Command::new("escript").arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut node = match node {
            Ok(node) => node,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err("there is no Erlang (`escript`) here".to_owned());
            }
            Err(error) => panic!("Erlang does not start: {error}"),
        };
        let scripts = node.stdin.take();
        let answers = BufReader::new(node.stdout.take().expect("piped"));
        let mut erlang = Erlang { node, scripts, answers };
        let ready = erlang.line();
        let release = ready.strip_prefix("ready ").and_then(|release| release.parse::<u32>().ok());
        match release {
            Some(release) if release < OLDEST => {
                Err(format!("Erlang/OTP {release} is here, {OLDEST} is needed"))
            }
            Some(_) => Ok(erlang),
            None => panic!("Erlang began with {ready:?}"),
        }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        let length = self.answers.read_line(&mut line).expect("Erlang answers in text");
        assert!(length > 0, "Erlang has ended");
        line.truncate(line.trim_end().len());
        line
    }

    /// A line for each step.
    pub fn play(&mut self, script: &[String]) -> Vec<String> {
        let mut line = script.join(";");
        line.push('\n');
        self.scripts.as_mut().expect("it plays").write_all(line.as_bytes()).expect("Erlang has ended");
        std::iter::from_fn(|| Some(self.line()).filter(|line| !line.is_empty())).collect()
    }
}

impl Drop for Erlang {
    /// It ends when there are no more scripts.
    fn drop(&mut self) {
        drop(self.scripts.take());
        let _ = self.node.wait();
    }
}
