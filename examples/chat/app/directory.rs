//! The directory finds a room by its name. It starts the rooms, monitors them, and restarts one
//! that crashes.

use std::collections::HashMap;

use deathwatch::prelude::*;
use deathwatch::{MonitorRef, Options, StartError, WeakActorRef};

use super::report::{Event, Report};
use super::room::Room;

pub struct Directory {
    report: Report,
    rooms: HashMap<String, Entry>,
}

struct Entry {
    /// Weak: a room is there as long as somebody is in it. The sessions of its members hold it,
    /// and when the last of them lets go, the room is down for the reason `Normal`.
    room: WeakActorRef<Room>,
    monitor: MonitorRef,
    /// Nobody is in a restarted room yet: this holds it until the first member is back.
    hold: Option<ActorRef<Room>>,
}

impl Directory {
    pub fn new(report: Report) -> Self {
        Self { report, rooms: HashMap::new() }
    }

    fn start_room(&mut self, name: &str, ctx: &Context<Self>) -> Result<ActorRef<Room>, StartError> {
        let room = Room::new(name, self.report.clone());
        let options = Options::new().name(format!("room {name}"));
        let (room, monitor) = ctx.spawn_monitored_with(room, options)?;
        let entry = Entry { room: room.downgrade(), monitor, hold: None };
        self.rooms.insert(name.to_owned(), entry);
        Ok(room)
    }

    fn restart_room(&mut self, name: &str, ctx: &Context<Self>) {
        // Let go of a room that was restarted earlier and has not seen its members again.
        for entry in self.rooms.values_mut() {
            entry.hold = None;
        }
        match self.start_room(name, ctx) {
            Ok(room) => self.rooms.get_mut(name).expect("just started").hold = Some(room),
            Err(error) => eprintln!("cannot restart room {name}: {error}"),
        }
    }
}

impl Actor for Directory {}

/// Asks for the room of this name, which is started if there is none.
pub struct Open {
    pub name: String,
}

impl Message for Open {
    type Reply = Result<ActorRef<Room>, StartError>;
}

impl Handler<Open> for Directory {
    async fn handle(
        &mut self,
        Open { name }: Open,
        ctx: &Context<Self>,
    ) -> Result<ActorRef<Room>, StartError> {
        if let Some(entry) = self.rooms.get_mut(&name) {
            // The room may be down already, and its `Down` on the way to us.
            let room = entry.room.upgrade().filter(ActorRef::is_alive);
            entry.hold = None;
            if let Some(room) = room {
                return Ok(room);
            }
        }
        self.start_room(&name, ctx)
    }
}

impl Handler<Down> for Directory {
    async fn handle(&mut self, down: Down, ctx: &Context<Self>) {
        self.report.told(ctx, &down);
        let crashed = down.reason.is_abnormal();
        let entry = self.rooms.iter().find(|(_, entry)| entry.monitor == down.monitor_ref);
        // There is none if `Open` was faster and has replaced it.
        if let Some(name) = entry.map(|(name, _)| name.clone()) {
            self.rooms.remove(&name);
            if crashed {
                self.restart_room(&name, ctx);
            }
        }
        if crashed {
            self.report.event(Event::Restarted);
        }
    }
}
