//! A room passes on what its members say. It monitors them, so that a member who vanishes does
//! not stay in the room.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use deathwatch::prelude::*;
use deathwatch::{ActorHandle, ActorId, MonitorRef, Recipient, SendError};

use super::report::{Event, Report};

pub struct Room {
    name: String,
    report: Report,
    members: HashMap<ActorId, Member>,
}

struct Member {
    nick: String,
    session: ActorHandle,
    output: Recipient<Deliver>,
    monitor: MonitorRef,
}

/// A line for a client.
#[derive(Clone)]
pub struct Deliver(pub Arc<str>);

impl Message for Deliver {
    type Reply = ();
}

impl Room {
    pub fn new(name: &str, report: Report) -> Self {
        Self { name: name.to_owned(), report, members: HashMap::new() }
    }

    fn nick(&self, id: ActorId) -> &str {
        self.members.get(&id).map_or("somebody", |member| &member.nick)
    }

    fn nicks(&self) -> String {
        let mut nicks: Vec<&str> = self.members.values().map(|member| &*member.nick).collect();
        nicks.sort_unstable();
        nicks.join(", ")
    }

    /// Tells all members but one.
    fn tell_others(&self, one: ActorId, line: &str) {
        self.tell(line, |id| id != one);
    }

    fn tell_all(&self, line: &str) {
        self.tell(line, |_| true);
    }

    fn tell(&self, line: &str, to: impl Fn(ActorId) -> bool) {
        let line: Arc<str> = line.into();
        for (_, member) in self.members.iter().filter(|(id, _)| to(**id)) {
            // `Closed` needs no action: the `Down` of that member is on its way.
            if let Err(SendError::Full { .. }) = member.output.send(Deliver(line.clone())) {
                // Does not keep up, probably stuck in a write: a stop would have to wait for that.
                member.session.kill();
            }
        }
    }
}

impl Actor for Room {}

/// A session comes in. The reply lists who is there.
pub struct Join {
    pub nick: String,
    pub session: ActorHandle,
    pub output: Recipient<Deliver>,
}

impl Message for Join {
    type Reply = String;
}

impl Handler<Join> for Room {
    async fn handle(&mut self, join: Join, ctx: &Context<Self>) -> String {
        let Join { nick, session, output } = join;
        self.tell_all(&format!("* {nick} joins"));
        let monitor = ctx.monitor(&session);
        self.members.insert(session.id(), Member { nick, session, output, monitor });
        self.nicks()
    }
}

/// A session goes, in good order.
pub struct Leave(pub ActorId);

impl Message for Leave {
    type Reply = ();
}

impl Handler<Leave> for Room {
    async fn handle(&mut self, Leave(id): Leave, ctx: &Context<Self>) {
        if let Some(member) = self.members.remove(&id) {
            let _ = ctx.demonitor(member.monitor); // if it just died: left is left
            self.tell_all(&format!("* {} leaves", member.nick));
        }
    }
}

/// A session is down, and with it the member.
impl Handler<Down> for Room {
    async fn handle(&mut self, down: Down, ctx: &Context<Self>) {
        self.report.told(ctx, &down);
        if let Some(member) = self.members.remove(&down.target) {
            self.tell_all(&format!("* {} is gone ({})", member.nick, down.reason));
        }
    }
}

pub struct Say {
    pub from: ActorId,
    pub text: String,
}

impl Message for Say {
    type Reply = ();
}

impl Handler<Say> for Room {
    async fn handle(&mut self, Say { from, text }: Say, _: &Context<Self>) {
        self.report.event(Event::Said);
        self.tell_others(from, &format!("<{}> {text}", self.nick(from)));
    }
}

pub struct Rename {
    pub from: ActorId,
    pub nick: String,
}

impl Message for Rename {
    type Reply = ();
}

impl Handler<Rename> for Room {
    async fn handle(&mut self, Rename { from, nick }: Rename, _: &Context<Self>) {
        self.tell_others(from, &format!("* {} is now {nick}", self.nick(from)));
        if let Some(member) = self.members.get_mut(&from) {
            member.nick = nick;
        }
    }
}

pub struct Who;

impl Message for Who {
    type Reply = String;
}

impl Handler<Who> for Room {
    async fn handle(&mut self, _: Who, _: &Context<Self>) -> String {
        format!("in #{}: {}", self.name, self.nicks())
    }
}

/// Rolls dice such as `2d6` for everybody to see.
pub struct Roll {
    pub from: ActorId,
    pub dice: String,
}

impl Message for Roll {
    type Reply = ();
}

impl Handler<Roll> for Room {
    async fn handle(&mut self, Roll { from, dice }: Roll, _: &Context<Self>) {
        // The bug of this example: a room must not trust its members like this. `/roll lots`
        // crashes the room, and the directory restarts it.
        let (count, sides) = dice.split_once('d').expect("dice look like 2d6");
        let count: u8 = count.parse().expect("a small number of dice");
        let sides: u8 = sides.parse().expect("a small number of sides");

        let random = RandomState::new();
        let roll = |die| random.hash_one(die) % u64::from(sides) + 1;
        let sum: u64 = (0..count).map(roll).sum();
        self.tell_all(&format!("* {} rolls {dice}: {sum}", self.nick(from)));
    }
}
