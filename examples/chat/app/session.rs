//! One connection. Two actors, because there are two things to wait for: the reader waits for the
//! next line of the client, the session for the next message, be it such a line or one of the room.
//!
//! How a session ends:
//!
//! * `/quit`: it stops, reason `Normal`;
//! * the client vanishes: the reader fails, the session is told and ends for the same reason;
//! * a handler panics: reason `Panic`, and the connection closes;
//! * the client does not read: the write fails, or the room kills the session.

use std::net::TcpStream;

use async_io::Async;
use deathwatch::prelude::*;
use deathwatch::{Group, MonitorRef, Options, Registry, RequestError, Topic};

use super::directory::{Directory, Open};
use super::net::{self, LineReader, LineWriter};
use super::protocol::{Command, HELP};
use super::report::Report;
use super::room::{Deliver, Join, Leave, Rename, Roll, Room, Say, Who};

/// Who has which nick.
pub type Nicks = Registry<String>;

/// All that are connected.
pub fn sessions(ctx: &Context<Session>) -> Group {
    ctx.groups().group("sessions")
}

/// What is said to all that are connected.
fn shouts(ctx: &Context<Session>) -> Topic<Deliver> {
    ctx.groups().topic("shouts")
}

pub struct Session {
    number: u64,
    nick: String,
    /// The terminal color of what others say.
    color: Option<u8>,
    room: Option<Joined>,
    /// Until it goes to the reader.
    input: Option<LineReader>,
    output: LineWriter,
    nicks: Nicks,
    report: Report,
}

/// The room this session is in.
struct Joined {
    name: String,
    room: ActorRef<Room>,
    monitor: MonitorRef,
}

/// What the client gets to read: information or an error, if anything.
type Answer = Result<Option<String>, String>;

fn info(text: impl Into<String>) -> Answer {
    Ok(Some(text.into()))
}

impl Session {
    pub fn new(number: u64, nick: String, stream: Async<TcpStream>, nicks: Nicks, report: Report) -> Self {
        let (input, output) = net::split(stream);
        let input = Some(input);
        Self { number, nick, color: None, room: None, input, output, nicks, report }
    }

    async fn write(&mut self, line: &str, ctx: &Context<Self>) {
        if let Err(error) = self.output.write(line).await {
            ctx.stop_with(ExitReason::error(error));
        }
    }

    async fn obey(&mut self, command: Command, ctx: &Context<Self>) -> Answer {
        match command {
            Command::Nick(nick) => self.rename(nick, ctx).await,
            Command::Join(name) => {
                self.leave(ctx).await;
                let nicks = self.join(&name, ctx).await?;
                info(format!("you are in #{name} with: {nicks}"))
            }
            Command::Leave => match self.leave(ctx).await {
                Some(name) => info(format!("you are not in #{name} any more")),
                None => Err("you are in no room".to_owned()),
            },
            Command::Who => {
                let who = self.room()?.request(Who).await;
                info(who.map_err(|error| failed("the room", error))?)
            }
            Command::Users => {
                let mut nicks: Vec<String> = self.nicks.names().into_iter().map(|(nick, _)| nick).collect();
                nicks.sort_unstable();
                info(format!("{} connected: {}", sessions(ctx).len(), nicks.join(", ")))
            }
            Command::Message(to, text) => {
                let line = format!("<{}, to you> {text}", self.nick);
                let session: ActorRef<Session> =
                    self.nicks.lookup(&to).map_err(|_| format!("nobody is called {to}"))?;
                session.send(Deliver(line.into())).map_err(|error| format!("{to}: {error}"))?;
                Ok(None)
            }
            Command::Shout(text) => {
                shouts(ctx).publish(Deliver(format!("<{}, to all> {text}", self.nick).into()));
                Ok(None)
            }
            Command::Say(text) => {
                let say = Say { from: ctx.id(), text };
                let said = self.room()?.request(say).await;
                said.map_err(|error| failed("the room", error))?;
                Ok(None)
            }
            Command::Roll(dice) => {
                let roll = Roll { from: ctx.id(), dice };
                let rolled = self.room()?.request(roll).await;
                rolled.map_err(|error| failed("the room", error))?;
                Ok(None)
            }
            Command::Color(number) => {
                // The other bug of this example: `/color mauve` crashes the session.
                self.color = Some(number.parse().expect("a color is a number up to 255"));
                Ok(None)
            }
            Command::Nothing => Ok(None),
            Command::Help => info(HELP),
            Command::Quit => {
                ctx.stop();
                Ok(None)
            }
        }
    }

    fn room(&self) -> Result<&ActorRef<Room>, String> {
        let joined = self.room.as_ref().ok_or("you are in no room, try /join ROOM")?;
        Ok(&joined.room)
    }

    async fn rename(&mut self, nick: String, ctx: &Context<Self>) -> Answer {
        // Of two that want it at the same time, one gets it.
        if nick.starts_with("guest") || self.nicks.register(nick.clone(), &ctx.handle()).is_err() {
            return Err(format!("{nick} is taken"));
        }
        let before = std::mem::replace(&mut self.nick, nick.clone());
        self.nicks.unregister(&before, &ctx.handle());
        if let Ok(room) = self.room() {
            let renamed = room.request(Rename { from: ctx.id(), nick: nick.clone() }).await;
            renamed.map_err(|error| failed("the room", error))?;
        }
        info(format!("you are now {nick}"))
    }

    /// Enters a room and monitors it. Who else is in there?
    async fn join(&mut self, name: &str, ctx: &Context<Self>) -> Result<String, String> {
        let open = Open { name: name.to_owned() };
        let directory: ActorRef<Directory> =
            ctx.registry().lookup("directory").map_err(|error| format!("the directory: {error}"))?;
        let room = directory.request(open).await;
        let room =
            room.map_err(|error| failed("the directory", error))?.map_err(|error| error.to_string())?;
        let monitor = ctx.monitor_with(&room, RoomDown);
        let join =
            Join { nick: self.nick.clone(), session: ctx.handle(), output: ctx.actor_ref().recipient() };
        let joined = room.request(join).await;
        // In any case: should the room be down by now, `RoomDown` is next and we join once more.
        self.room = Some(Joined { name: name.to_owned(), room, monitor });
        joined.map_err(|error| failed("the room", error))
    }

    /// Leaves the room, if in one. Which one was it?
    async fn leave(&mut self, ctx: &Context<Self>) -> Option<String> {
        let Joined { name, room, monitor } = self.room.take()?;
        // From here on we are not told that the room is down, not even if it just went.
        let _ = ctx.demonitor(monitor);
        // An error means that the room is down: left as well.
        let _ = room.request(Leave(ctx.id())).await;
        Some(name)
    }
}

fn failed(who: &str, error: RequestError) -> String {
    match error {
        RequestError::Exited(reason) => format!("{who} is down ({reason})"),
        error => format!("{who} does not answer: {error}"),
    }
}

impl Actor for Session {
    async fn started(&mut self, ctx: &Context<Self>) {
        self.write(&format!("* welcome, {}; /help lists the commands", self.nick), ctx).await;
        for joined in [sessions(ctx).join(&ctx.handle()), shouts(ctx).subscribe(&ctx.actor_ref())] {
            joined.expect("it lives");
        }
        let Some(input) = self.input.take() else { return };
        let reader = Reader { input, session: ctx.actor_ref() };
        let options = Options::new().name(format!("reader {}", self.number));
        match ctx.spawn_monitored_with(reader, options) {
            Ok((reader, _)) => {
                let _ = reader.send(ReadLines); // cannot fail, we would be told
                reader.detach(); // the end of the stream is the end of the reader
            }
            Err(error) => ctx.stop_with(ExitReason::error(error)),
        }
    }

    /// After `/quit`, after a panic, in a shutdown: say goodbye.
    async fn stopped(&mut self, reason: &ExitReason, _: &Context<Self>) {
        let goodbye = match reason {
            ExitReason::Normal => "* bye",
            ExitReason::Shutdown => "* the server stops",
            ExitReason::Panic(_) => "* sorry, this connection has crashed",
            _ => return,
        };
        let _ = self.output.write(goodbye).await;
    }
}

/// What the client has typed, or why it is no proper line.
struct Line(Result<String, String>);

impl Message for Line {
    type Reply = ();
}

impl Handler<Line> for Session {
    async fn handle(&mut self, Line(line): Line, ctx: &Context<Self>) {
        let answer = match line.and_then(|line| line.parse()) {
            Ok(command) => self.obey(command, ctx).await,
            Err(complaint) => Err(complaint),
        };
        match answer {
            Ok(None) => {}
            Ok(Some(info)) => self.write(&format!("* {info}"), ctx).await,
            Err(error) => self.write(&format!("error: {error}"), ctx).await,
        }
    }
}

/// The room has a line for the client.
impl Handler<Deliver> for Session {
    async fn handle(&mut self, Deliver(line): Deliver, ctx: &Context<Self>) {
        match self.color {
            Some(color) => self.write(&format!("\x1b[38;5;{color}m{line}\x1b[0m"), ctx).await,
            None => self.write(&line, ctx).await,
        }
    }
}

/// The reader is down, and with it the connection.
impl Handler<Down> for Session {
    async fn handle(&mut self, down: Down, ctx: &Context<Self>) {
        self.report.told(ctx, &down);
        ctx.stop_with(down.reason);
    }
}

/// The room is down. A message of its own, so that it is not taken for the end of the reader.
struct RoomDown(Down);

impl Message for RoomDown {
    type Reply = ();
}

impl Handler<RoomDown> for Session {
    async fn handle(&mut self, RoomDown(down): RoomDown, ctx: &Context<Self>) {
        self.report.told(ctx, &down);
        let Some(Joined { name, .. }) = self.room.take() else { return };
        self.write(&format!("* #{name} is down ({})", down.reason), ctx).await;
        match self.join(&name, ctx).await {
            Ok(_) => self.write(&format!("* you are back in #{name}"), ctx).await,
            Err(error) => self.write(&format!("error: {error}"), ctx).await,
        }
    }
}

/// Reads the lines of the client, each when the session is done with the one before: a client
/// that floods the server fills its own socket, not our memory.
struct Reader {
    input: LineReader,
    session: ActorRef<Session>,
}

impl Actor for Reader {}

struct ReadLines;

impl Message for ReadLines {
    type Reply = ();
}

impl Handler<ReadLines> for Reader {
    async fn handle(&mut self, _: ReadLines, ctx: &Context<Self>) {
        loop {
            match self.input.next().await {
                Ok(Some(line)) => {
                    // No limit: a session takes as long as its client takes to read.
                    match self.session.request(Line(line)).no_timeout().await {
                        Ok(()) => {}
                        Err(RequestError::Exited(_)) => return ctx.stop(), // nobody cares any more
                        Err(error) => return ctx.stop_with(ExitReason::error(error)),
                    }
                }
                Ok(None) => return ctx.stop_with(ExitReason::error("hung up without /quit")),
                Err(error) => return ctx.stop_with(ExitReason::error(error)),
            }
        }
    }
}
