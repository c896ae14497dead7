//! Aliases.

use std::sync::mpsc::{self, Sender};

use deathwatch::prelude::*;
use deathwatch::{Alias, AliasUntil, Demonitor, Mailbox, OnFull, Options, SendError, Stash};

use crate::doll::{Doll, Play, TaskDoll, in_all_combinations, in_both_modes, pair};
use crate::support::{Note, end, solo};

in_both_modes! {
    until_it_is_taken_back
    until_the_first_message
    somebody_elses
    keeps_nobody_running
    goes_with_its_actor
    of_a_monitor_that_is_over
}

in_all_combinations! {
    until_the_monitor_is_taken_back
    until_the_down_is_handled
    the_reply_takes_the_monitor_back
    the_reply_or_the_down
    taken_back_alone_the_monitor_stays
}

/// Not sent, for the alias is over; the message is there.
#[track_caller]
fn is_over(alias: &Alias<Note>) {
    assert!(!alias.is_active());
    let error = alias.send(Note(999)).unwrap_err();
    assert!(matches!(error, SendError::NoAlias { .. }), "{error}");
    assert_eq!(error.to_string(), "not sent: the alias is not active any more");
    assert_eq!(error.into_message(), Note(999));
}

/// R53: many messages, until it is taken back; what stands in the mailbox then is dropped as well.
fn until_it_is_taken_back<D: Doll>() {
    let runtime = solo();
    let (doll, heard) = D::on(&runtime);
    let ctx = doll.context();
    let alias = D::alias(&ctx, AliasUntil::Unalias);
    let (other, clone) = (D::alias(&ctx, AliasUntil::Unalias), alias.clone());
    alias.send(Note(1)).unwrap();
    clone.send(Note(2)).unwrap();
    doll.call(|_, _| ());
    assert_eq!(heard.labels(), ["note 1", "note 2"]);
    let wedge = doll.wedge();
    alias.send(Note(3)).unwrap();
    D::note(&doll, 4);
    other.send(Note(5)).unwrap();
    assert!(alias.is_active() && clone.is_active());
    assert!(ctx.unalias(&clone));
    assert!(!ctx.unalias(&alias), "once");
    is_over(&alias);
    drop(wedge);
    doll.call(|_, _| ());
    assert_eq!(heard.labels(), ["note 4", "note 5"]);
}

/// R53: one message, the first that is handled.
fn until_the_first_message<D: Doll>() {
    let runtime = solo();
    let (doll, heard) = D::on(&runtime);
    let alias = D::alias(&doll.context(), AliasUntil::First);
    let wedge = doll.wedge();
    alias.send(Note(1)).unwrap();
    alias.send(Note(2)).unwrap();
    drop(wedge);
    doll.call(|_, _| ());
    assert_eq!(heard.labels(), ["note 1"]);
    is_over(&alias);
}

/// R53: only the actor itself takes an alias back.
fn somebody_elses<D: Doll>() {
    let runtime = solo();
    let [(one, heard), (other, _)] = [D::on(&runtime), D::on(&runtime)];
    let alias = D::alias(&one.context(), AliasUntil::Unalias);
    assert!(!other.context().unalias(&alias));
    assert_eq!(alias.id(), one.id());
    alias.send(Note(1)).unwrap();
    one.call(|_, _| ());
    assert_eq!(heard.labels(), ["note 1"]);
}

/// An alias is no handle: without others, its actor stops.
fn keeps_nobody_running<D: Doll>() {
    let runtime = solo();
    let (doll, heard) = D::on(&runtime);
    let alias = doll.call(|_, ctx| D::alias(ctx, AliasUntil::Unalias));
    alias.send(Note(1)).unwrap();
    drop(doll);
    assert_eq!(heard.until_gone(), ["note 1", "stopped normal", "dropped"]);
    assert!(!alias.is_active() || alias.send(Note(2)).is_err());
}

/// The actor is dead: the message comes back, with the reason.
fn goes_with_its_actor<D: Doll>() {
    let runtime = solo();
    let (doll, _heard) = D::on(&runtime);
    let alias = D::alias(&doll.context(), AliasUntil::First);
    end(&doll);
    assert!(!alias.is_active());
    let error = alias.send(Note(1)).unwrap_err();
    assert_eq!(error.reason(), Some(&ExitReason::Normal));
    assert_eq!(error.into_message(), Note(1));
}

/// R53: bound to a monitor that is over, or that is somebody else's, it is never active.
fn of_a_monitor_that_is_over<D: Doll>() {
    let runtime = solo();
    let [(doll, _a), (other, _b), (target, _c)] = [(); 3].map(|()| D::on(&runtime));
    let (ctx, others) = (doll.context(), other.context());
    let (over, foreign) = (D::monitor(&ctx, &target), D::monitor(&others, &target));
    assert_eq!(ctx.demonitor(over), Demonitor::Cancelled);
    for monitor in [over, foreign] {
        is_over(&D::alias(&ctx, AliasUntil::Demonitor(monitor)));
        is_over(&D::alias(&ctx, AliasUntil::Reply(monitor)));
    }
    assert!(D::alias(&others, AliasUntil::Reply(foreign)).is_active());
}

/// R53: many messages while the monitor is on.
fn until_the_monitor_is_taken_back<W: Doll, T: Doll>() {
    let pair = pair::<W, T>();
    let monitor = pair.monitor();
    let alias = W::alias(&pair.ctx, AliasUntil::Demonitor(monitor));
    alias.send(Note(1)).unwrap();
    alias.send(Note(2)).unwrap();
    assert_eq!(pair.watcher.downs(), 0);
    assert_eq!(pair.heard.labels(), ["note 1", "note 2"]);
    let wedge = pair.watcher.wedge();
    alias.send(Note(3)).unwrap();
    assert_eq!(pair.ctx.demonitor(monitor), Demonitor::Cancelled);
    is_over(&alias);
    drop(wedge);
    assert_eq!(pair.watcher.downs(), 0);
    assert_eq!(pair.heard.labels(), [""; 0]);
}

/// R53: what came before the Down is handled, what comes after it is not.
fn until_the_down_is_handled<W: Doll, T: Doll>() {
    let pair = pair::<W, T>();
    let monitor = pair.monitor();
    let alias = W::alias(&pair.ctx, AliasUntil::Demonitor(monitor));
    let wedge = pair.watcher.wedge();
    alias.send(Note(1)).unwrap();
    pair.stop();
    assert!(alias.is_active(), "the Down is not handled");
    alias.send(Note(2)).unwrap();
    drop(wedge);
    assert_eq!(pair.watcher.downs(), 1);
    assert_eq!(pair.heard.labels(), ["note 1", "down normal"]);
    is_over(&alias);
}

/// R53: the first message takes the monitor back, also when the Down stands behind it already.
fn the_reply_takes_the_monitor_back<W: Doll, T: Doll>() {
    for dies_first in [false, true] {
        let pair = pair::<W, T>();
        let monitor = pair.monitor();
        let alias = W::alias(&pair.ctx, AliasUntil::Reply(monitor));
        let wedge = pair.watcher.wedge();
        alias.send(Note(1)).unwrap();
        alias.send(Note(2)).unwrap();
        if dies_first {
            pair.stop();
        }
        drop(wedge);
        assert_eq!(pair.watcher.downs(), 0);
        assert_eq!(pair.heard.labels(), ["note 1"]);
        assert_eq!(pair.ctx.demonitor(monitor), Demonitor::Unknown);
        assert_eq!(pair.ctx.monitors(), []);
        is_over(&alias);
        pair.stop();
        assert_eq!(pair.watcher.downs(), 0, "no Down comes through");
    }
}

/// R53: the Down was first: a reply that comes later is dropped.
fn the_reply_or_the_down<W: Doll, T: Doll>() {
    let pair = pair::<W, T>();
    let alias = W::alias(&pair.ctx, AliasUntil::Reply(pair.monitor()));
    let wedge = pair.watcher.wedge();
    pair.stop();
    alias.send(Note(1)).unwrap();
    drop(wedge);
    assert_eq!(pair.watcher.downs(), 1);
    assert_eq!(pair.heard.labels(), ["down normal"]);
    is_over(&alias);
}

/// R53: the alias is over, and the Down comes.
fn taken_back_alone_the_monitor_stays<W: Doll, T: Doll>() {
    let pair = pair::<W, T>();
    let alias = W::alias(&pair.ctx, AliasUntil::Reply(pair.monitor()));
    let wedge = pair.watcher.wedge();
    alias.send(Note(1)).unwrap();
    assert!(pair.ctx.unalias(&alias));
    drop(wedge);
    pair.stop();
    assert_eq!(pair.watcher.downs(), 1);
    assert_eq!(pair.heard.labels(), ["down normal"]);
}

/// Postpones notes until it is opened.
struct Clerk {
    open: bool,
    stash: Stash<Self>,
    told: Sender<u32>,
}

impl Actor for Clerk {
    fn stash(&mut self) -> Option<&mut Stash<Self>> {
        Some(&mut self.stash)
    }
}

impl Handler<Note> for Clerk {
    fn postpone(&self, _: &Note) -> bool {
        !self.open
    }

    async fn handle(&mut self, Note(number): Note, _: &Context<Self>) {
        self.told.send(number).unwrap();
    }
}

#[derive(Message)]
struct Open;

impl Handler<Open> for Clerk {
    async fn handle(&mut self, Open: Open, _: &Context<Self>) {
        self.open = true;
        self.stash.unstash_all();
    }
}

#[derive(Message)]
#[reply(Alias<Note>)]
struct AliasOf(AliasUntil);

impl Handler<AliasOf> for Clerk {
    async fn handle(&mut self, AliasOf(until): AliasOf, ctx: &Context<Self>) -> Alias<Note> {
        ctx.alias(until)
    }
}

#[derive(Message)]
#[reply(bool)]
struct Unalias(Alias<Note>);

impl Handler<Unalias> for Clerk {
    async fn handle(&mut self, Unalias(alias): Unalias, ctx: &Context<Self>) -> bool {
        ctx.unalias(&alias)
    }
}

/// R53: a message that was put aside is not handled either, if its alias was taken back meanwhile; of two to an alias for one, one is.
#[test]
fn postponed() {
    let (told, heard) = mpsc::channel();
    let clerk = Clerk { open: false, stash: Stash::bounded(9), told }.start();
    let ask = |until| clerk.request(AliasOf(until)).wait().unwrap();
    let [kept, gone, once] = [AliasUntil::Unalias, AliasUntil::Unalias, AliasUntil::First].map(ask);
    for (alias, number) in [(&kept, 1), (&gone, 2), (&once, 3), (&once, 4), (&kept, 5)] {
        alias.send(Note(number)).unwrap();
    }
    assert_eq!(clerk.request(Unalias(gone)).wait(), Ok(true));
    clerk.request(Open).wait().unwrap();
    drop(clerk); // it handles what it has let go, and stops
    assert_eq!(heard.iter().collect::<Vec<_>>(), [1, 3, 5]);
}

/// R53: a message whose alias is over takes no place among those that are put aside.
#[test]
fn not_postponed() {
    let (told, heard) = mpsc::channel();
    let clerk = Clerk { open: false, stash: Stash::bounded(1), told }.start();
    let alias = clerk.request(AliasOf(AliasUntil::Unalias)).wait().unwrap();
    let other = clerk.request(AliasOf(AliasUntil::Unalias)).wait().unwrap();
    // In one mailbox, behind one another: taken back, then a message that came before that was known.
    let settle = || drop(clerk.request(AliasOf(AliasUntil::First)).wait().unwrap());
    clerk.send(UnaliasThen(alias.clone(), Note(1))).unwrap();
    settle();
    other.send(Note(2)).unwrap();
    settle();
    assert!(heard.try_recv().is_err(), "there is room for the second");
    clerk.request(Open).wait().unwrap();
    drop(clerk);
    assert_eq!(heard.iter().collect::<Vec<_>>(), [2]);
}

/// Sends by the alias, and takes it back.
#[derive(Message)]
struct UnaliasThen(Alias<Note>, Note);

impl Handler<UnaliasThen> for Clerk {
    async fn handle(&mut self, UnaliasThen(alias, note): UnaliasThen, ctx: &Context<Self>) {
        alias.send(note).unwrap();
        assert!(ctx.unalias(&alias));
    }
}

/// A bounded mailbox is full for an alias as for anybody.
#[test]
fn in_a_bounded_mailbox() {
    let runtime = solo();
    let options = Options::new().runtime(&runtime).mailbox(Mailbox::bounded(2, OnFull::Reject));
    let (doll, heard) = TaskDoll::new();
    let doll = Doll::start_with(doll, options).unwrap();
    let alias = TaskDoll::alias(&doll.context(), AliasUntil::Unalias);
    let wedge = doll.wedge();
    alias.send(Note(1)).unwrap();
    alias.send(Note(2)).unwrap();
    let error = alias.send(Note(3)).unwrap_err();
    assert!(error.is_full());
    assert_eq!(error.into_message(), Note(3));
    drop(wedge);
    assert_eq!((heard.label(), heard.label()), ("note 1".into(), "note 2".into()));
}
