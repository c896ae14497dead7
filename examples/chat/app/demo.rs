//! The show: a server, client processes that talk and die, and a check of who was told what.
//!
//! Nothing here waits for time to pass. A client has done something when a line of another client
//! proves it, and an actor is down when those who monitor it have been told.

use std::collections::HashMap;
use std::error::Error;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::panic;
use std::process::{self, Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use deathwatch::{ActorHandle, ActorId, Down, ExitReason, Monitors};

use super::protocol::MAX_LINE;
use super::report::{Event, Report};
use super::server::Server;

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// The show takes a second; if it hangs, something is wrong.
const WATCHDOG: Duration = Duration::from_secs(60);

pub fn run() -> Outcome {
    thread::spawn(|| {
        thread::sleep(WATCHDOG);
        eprintln!("chat: still not done after {WATCHDOG:?}");
        process::exit(3);
    });
    silence_panics_of_actors();

    let (report, events) = mpsc::channel();
    let report = Report::new(move |event| {
        let _ = report.send(event); // nobody listens when the show has failed
    });
    let server = Server::start(TcpListener::bind("127.0.0.1:0")?, report)?;
    let mut told = Told::new(events);
    let mut core = Monitors::new();
    for actor in server.permanent_actors() {
        core.monitor(&actor);
    }

    scene("Four clients meet in #rust and talk");
    let mut alice = Client::start("alice", server.address())?;
    let mut bob = Client::start("bob", server.address())?;
    let mut carol = Client::start("carol", server.address())?;
    let mut dave = Client::start("dave", server.address())?;
    for client in [&mut alice, &mut bob, &mut carol, &mut dave] {
        client.enter("rust")?;
    }
    talk(&mut [&mut alice, &mut bob, &mut carol, &mut dave])?;

    scene("Bob writes to dave alone, alice to all; names find them");
    bob.types("/msg dave psst")?;
    dave.shows("<bob, to you> psst")?;
    alice.types("/shout hello")?;
    for client in [&mut alice, &mut bob, &mut carol, &mut dave] {
        client.shows("<alice, to all> hello")?;
    }
    carol.types("/users")?;
    carol.shows("* 4 connected: alice, bob, carol, dave")?;

    scene("Lines that are wrong get an answer, nothing dies");
    alice.types("/dance")?;
    alice.shows("error: there is no command /dance, try /help")?;
    alice.types("/nick bob")?;
    alice.shows("error: bob is taken")?;
    alice.types([0xff, 0xfe])?;
    alice.shows("error: a line is UTF-8 text")?;
    alice.types("x".repeat(64 * MAX_LINE))?;
    alice.shows("error: a line is at most 1024 bytes")?;
    told.expect([])?;

    scene("Carol's process is killed");
    carol.process.kill()?;
    told.expect([
        ("session 3", "reader 3", "error: hung up without /quit"),
        ("lobby", "session 3", "error: hung up without /quit"),
        ("room rust", "session 3", "error: hung up without /quit"),
    ])?;
    for client in [&mut alice, &mut bob, &mut dave] {
        client.shows("* carol is gone (error: hung up without /quit)")?;
    }
    alice.types("/msg carol are you there?")?;
    alice.shows("error: nobody is called carol")?;
    alice.types("/users")?;
    alice.shows("* 3 connected: alice, bob, dave")?;

    scene("dave types `/color mauve`: a handler of his session panics");
    dave.types("/color mauve")?;
    dave.shows("* sorry, this connection has crashed")?;
    told.expect([
        ("lobby", "session 4", "panic: a color is a number up to 255"),
        ("room rust", "session 4", "panic: a color is a number up to 255"),
    ])?;
    check("dave's client fails", dave.ends()?.success(), false)?;

    scene("bob types `/quit`");
    bob.types("/quit")?;
    told.expect([("lobby", "session 2", "normal"), ("room rust", "session 2", "normal")])?;
    check("bob's client succeeds", bob.ends()?.success(), true)?;

    scene("erin joins; alice types `/roll lots`: the room panics, the directory restarts it");
    let mut erin = Client::start("erin", server.address())?;
    erin.enter("rust")?;
    alice.types("/roll lots")?;
    told.expect([
        ("directory", "room rust", "panic: dice look like 2d6"),
        ("session 1", "room rust", "panic: dice look like 2d6"),
        ("session 5", "room rust", "panic: dice look like 2d6"),
    ])?;
    alice.shows("* you are back in #rust")?;
    erin.shows("* you are back in #rust")?;
    alice.types("/who")?;
    alice.shows("* in #rust: alice, erin")?;
    talk(&mut [&mut alice, &mut erin])?;

    scene("erin quits, alice leaves: nobody is in the room any more, so it ends");
    erin.types("/quit")?;
    told.expect([("lobby", "session 5", "normal"), ("room rust", "session 5", "normal")])?;
    check("erin's client succeeds", erin.ends()?.success(), true)?;
    alice.types("/leave")?;
    alice.shows("* you are not in #rust any more")?;
    told.expect([("directory", "room rust", "normal")])?;

    scene("alice quits as well");
    alice.types("/quit")?;
    told.expect([("lobby", "session 1", "normal")])?;
    check("alice's client succeeds", alice.ends()?.success(), true)?;

    scene("The server stops");
    let permanent = server.permanent_actors();
    for actor in &permanent {
        check("monitors of an idle actor", actor.monitors().len(), 0)?;
    }
    let (names, nicks, sessions) = server.names();
    check("names of actors", names.len(), 3)?;
    server.stop()?;
    for down in &mut core {
        told.note("main thread", down);
    }
    told.expect([
        ("main thread", "acceptor", "kill"),
        ("main thread", "lobby", "shutdown"),
        ("main thread", "directory", "shutdown"),
    ])?;

    let all = permanent.iter().chain(&told.sessions);
    let left = all.map(|actor| actor.monitors().len() + actor.monitored_by().len()).sum();
    let left_in_names = names.len() + nicks.len() + sessions.len();
    told.summary(left, left_in_names)
}

fn scene(title: &str) {
    println!("\n{title}");
}

fn check<T: PartialEq + std::fmt::Debug>(what: &str, is: T, must_be: T) -> Outcome {
    if is == must_be { Ok(()) } else { Err(format!("{what}: is {is:?}, must be {must_be:?}").into()) }
}

/// Each says something, all others read it.
fn talk(clients: &mut [&mut Client]) -> Outcome {
    for speaker in 0..clients.len() {
        let name = clients[speaker].name;
        let text = format!("{name} was here");
        clients[speaker].types(&text)?;
        for (reader, client) in clients.iter_mut().enumerate() {
            if reader != speaker {
                client.reads(&format!("<{name}> {text}"))?;
            }
        }
        println!("  <{name}> {text}");
    }
    Ok(())
}

/// The panics of the show are expected, and told to those who monitor. Only the main thread, which
/// runs no actor, goes on to report its own.
fn silence_panics_of_actors() {
    let default_hook = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if thread::current().name() == Some("main") {
            default_hook(info);
        }
    }));
}

/// A process of its own that runs `chat connect`.
struct Client {
    name: &'static str,
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Client {
    fn start(name: &'static str, address: SocketAddr) -> Outcome<Self> {
        let mut process = Command::new(std::env::current_exe()?)
            .args(["connect", &address.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let input = process.stdin.take().expect("is piped");
        let output = BufReader::new(process.stdout.take().expect("is piped"));
        let mut client = Self { name, process, input, output };
        client.types(format!("/nick {name}"))?;
        client.reads(&format!("* you are now {name}"))?;
        Ok(client)
    }

    fn enter(&mut self, room: &str) -> Outcome {
        self.types(format!("/join {room}"))?;
        self.reads_start(&format!("* you are in #{room} with: "))
    }

    fn types(&mut self, line: impl AsRef<[u8]>) -> Outcome {
        self.input.write_all(&[line.as_ref(), b"\n"].concat())?;
        Ok(())
    }

    /// Waits until the client has read this line.
    fn reads(&mut self, line: &str) -> Outcome {
        self.reads_until(line, |read| read == line)
    }

    /// The same, for all to see.
    fn shows(&mut self, line: &str) -> Outcome {
        self.reads(line)?;
        println!("  {} reads: {line}", self.name);
        Ok(())
    }

    fn reads_start(&mut self, start: &str) -> Outcome {
        self.reads_until(start, |read| read.starts_with(start))
    }

    fn reads_until(&mut self, expected: &str, found: impl Fn(&str) -> bool) -> Outcome {
        let mut seen = String::new();
        loop {
            let start = seen.len();
            if self.output.read_line(&mut seen)? == 0 {
                let name = self.name;
                return Err(format!("{name} must read {expected:?} but has only read:\n{seen}").into());
            }
            if found(seen[start..].trim_end()) {
                return Ok(());
            }
        }
    }

    /// Waits until the process has ended.
    fn ends(&mut self) -> Outcome<ExitStatus> {
        Ok(self.process.wait()?)
    }
}

/// Whatever goes wrong, no process is left behind.
impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Collects what the server reports, above all who was told that somebody is down.
struct Told {
    events: Receiver<Event>,
    /// Who was told what since the last [`expect`](Self::expect).
    news: Vec<(String, Down)>,
    downs: usize,
    deaths: HashMap<ActorId, ExitReason>,
    sessions: Vec<ActorHandle>,
    messages: usize,
    restarts: usize,
}

impl Told {
    fn new(events: Receiver<Event>) -> Self {
        Self {
            events,
            news: Vec::new(),
            downs: 0,
            deaths: HashMap::new(),
            sessions: Vec::new(),
            messages: 0,
            restarts: 0,
        }
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Connected { session } => self.sessions.push(session),
            Event::Said => self.messages += 1,
            Event::Restarted => self.restarts += 1,
            Event::Told { watcher, down } => self.note(&watcher, down),
        }
    }

    fn note(&mut self, watcher: &str, down: Down) {
        self.downs += 1;
        self.deaths.insert(down.target, down.reason.clone());
        self.news.push((watcher.to_owned(), down));
    }

    /// Waits until as many have been told, and checks that it is these (watcher, target, start of
    /// the reason) and no others.
    fn expect<const N: usize>(&mut self, mut expected: [(&str, &str, &str); N]) -> Outcome {
        while self.news.len() < N {
            let event = self.events.recv()?;
            self.take(event);
        }
        while let Ok(event) = self.events.try_recv() {
            self.take(event);
        }

        let name = |down: &Down| down.name.as_deref().unwrap_or("?").to_owned();
        let mut news: Vec<(String, String, String)> = self
            .news
            .drain(..)
            .map(|(watcher, down)| (name(&down), watcher, down.reason.to_string()))
            .collect();
        news.sort();
        expected.sort_by_key(|(watcher, target, _)| (*target, *watcher));

        let same = news.len() == N
            && news.iter().zip(expected).all(|(is, must_be)| {
                (&*is.1, &*is.0) == (must_be.0, must_be.1) && is.2.starts_with(must_be.2)
            });
        if !same {
            return Err(format!("told was {news:#?}, must be {expected:#?}").into());
        }
        for death in news.chunk_by(|one, other| one.0 == other.0) {
            let (target, _, reason) = &death[0];
            let watchers: Vec<&str> = death.iter().map(|(_, watcher, _)| &**watcher).collect();
            println!("  {target} is down ({reason})");
            println!("    told: {}", watchers.join(", "));
        }
        Ok(())
    }

    /// Prints and checks the totals.
    fn summary(&self, entries_left: usize, names_left: usize) -> Outcome {
        let deaths = |is: fn(&ExitReason) -> bool| self.deaths.values().filter(|r| is(r)).count();
        let rows = [
            ("connections", self.sessions.len(), 5),
            ("messages", self.messages, 6),
            ("deaths, normal", deaths(|reason| matches!(reason, ExitReason::Normal)), 4),
            ("deaths, error", deaths(|reason| matches!(reason, ExitReason::Error(_))), 2),
            ("deaths, panic", deaths(|reason| matches!(reason, ExitReason::Panic(_))), 2),
            ("deaths, kill", deaths(|reason| matches!(reason, ExitReason::Kill)), 1),
            ("deaths, shutdown", deaths(|reason| matches!(reason, ExitReason::Shutdown)), 2),
            ("Downs", self.downs, 17),
            ("rooms restarted", self.restarts, 1),
            ("entries left", entries_left, 0),
            ("names left", names_left, 0),
        ];
        println!();
        for (what, is, _) in rows {
            println!("{what:<18}{is:>4}");
        }
        for (what, is, must_be) in rows {
            check(what, is, must_be)?;
        }
        Ok(())
    }
}
