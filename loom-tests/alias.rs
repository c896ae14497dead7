//! Aliases that end with a monitor, or by hand, while messages come by them.

use deathwatch::ExitReason;
use deathwatch::internals::actor::alias::{AliasUntil, State};
use deathwatch::internals::cell::Address;
use deathwatch::internals::mailbox::parcel::Letter;
use deathwatch::internals::monitor::entry::Station;
use deathwatch::internals::structs::future::SlotFuture;
use deathwatch::internals::sync::Arc;

use crate::fixture::{Desk, Heard, Note, Party, is_down, monitor, spawn, took_back};
use crate::harness::{Bound, model};

/// A note that comes by an alias.
struct ByAlias(Arc<State>, Note);

impl Letter<Desk> for ByAlias {
    const COUNTED: bool = true;

    fn open<'a>(self, desk: &'a mut Desk) -> SlotFuture<'a> {
        if !self.0.admits(desk.cell()) {
            return SlotFuture::ready();
        }
        self.1.open(desk)
    }
}

/// Sends a note by it; false: the alias has ended, or who has it is dead.
fn send(to: &Address<Desk>, alias: &Arc<State>, number: u32) -> bool {
    alias.is_active(to.cell()) && to.push_letter(ByAlias(alias.clone(), Note::new(number))).is_ok()
}

/// R53: an answer and a death, while the asker handles: the answer is handled, or the death told, and never both.
#[test]
fn reply_vs_exit_vs_handling() {
    model("alias_reply_vs_exit_vs_handling", Bound::NoMoreThan(2, 2), 15_000, || {
        let (mut asker, target) = (Party::new(), Party::new());
        let key = monitor(&asker.address(), &target.cell());
        let alias = Arc::new(State::new(AliasUntil::Reply(key)));
        let to = asker.address();
        let answerer = spawn(move || send(&to, &alias, 1));
        let exit = spawn(move || target.die(ExitReason::Kill));
        asker.hear(1);
        let sent = answerer.join().unwrap();
        exit.join().unwrap();
        let heard = asker.end();
        assert!(sent && heard == [Heard::Note(1)] || is_down(&heard, key, &ExitReason::Kill), "{heard:?}");
    });
}

/// R53: an answer, a death, and the monitor is taken back: one of the three, whoever handles it.
#[test]
fn reply_vs_demonitor_vs_exit() {
    model("alias_reply_vs_demonitor_vs_exit", Bound::Preemptions(2), 2_600, || {
        let (mut asker, target) = (Party::new(), Party::new());
        let key = monitor(&asker.address(), &target.cell());
        let alias = Arc::new(State::new(AliasUntil::Reply(key)));
        assert!(send(&asker.address(), &alias, 1));
        let cell = asker.cell();
        let other = spawn(move || took_back(&cell, key));
        let exit = spawn(move || target.die(ExitReason::Kill));
        asker.handle_all();
        let prevented = other.join().unwrap();
        exit.join().unwrap();
        let heard = asker.end();
        match prevented {
            true => assert_eq!(heard, []),
            false => assert!(heard == [Heard::Note(1)] || is_down(&heard, key, &ExitReason::Kill)),
        }
    });
}

/// R53: its actor ends it while others send by it: what was handled was handled before, and who looks after it was said sees it.
#[test]
fn unalias_vs_sends() {
    model("alias_unalias_vs_sends", Bound::Preemptions(3), 2_700, || {
        let mut owner = Party::new();
        let alias = Arc::new(State::new(AliasUntil::Unalias));
        let senders = [1, 2].map(|number| {
            let (to, alias) = (owner.address(), alias.clone());
            spawn(move || send(&to, &alias, number))
        });
        owner.handle_all();
        let before = owner.desk.heard.len();
        assert!(alias.switch_off());
        assert!(!alias.is_active(&owner.cell()) && !send(&owner.address(), &alias, 3));
        let sent = senders.map(|sender| sender.join().unwrap());
        let heard = owner.end();
        assert_eq!(heard.len(), before);
        assert!(sent.into_iter().filter(|sent| *sent).count() >= before);
    });
}
