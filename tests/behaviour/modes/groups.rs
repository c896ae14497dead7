//! Groups and topics: who is in them, who is told, and that the dead are in none.

use std::collections::HashSet;
use std::sync::mpsc;

use deathwatch::{
    ActorId, ActorRef, ExitReason, Group, Groups, JoinError, Mailbox, Monitors, OnFull, Options, Topic,
};

use super::deaths::{Scene, ways};
use crate::doll::{Doll, Play, in_all_combinations, in_both_modes};
use crate::support::{Event, Events, Note, Tally, corpse, duo, end, solo};

in_all_combinations! {
    every_way_of_dying_leaves_the_groups
    who_comes_and_goes
    broadcasts
    topics
}

in_both_modes! {
    once_in_each_group
    of_the_dead
    watcher_and_member
    a_watcher_that_stops_watching
    bounded_mailboxes
    by_key
    a_group_that_is_forgotten
    what_is_told_comes_to_what_is
}

/// R18, R94: whatever it dies of, it is in no group and no subscriber any more when anybody is told.
fn every_way_of_dying_leaves_the_groups<W: Doll, T: Doll>() {
    for way in ways::<T>() {
        println!("{}", way.name);
        let (stand, stage) = (solo(), solo());
        let (group, topic) = (Group::new(), Topic::<Note>::new());
        let (watcher, heard) = W::new();
        let (tell, told) = mpsc::channel();
        let seen = (group.clone(), topic.clone());
        let watcher = watcher.at_down(move |_| tell.send((seen.0.len(), seen.1.len())).unwrap());
        let watcher = watcher.start_with(Options::new().runtime(&stand)).unwrap();
        let (victim, _) = T::new();
        let victim = (way.make)(victim).start_with(Options::new().runtime(&stage)).unwrap();
        assert_eq!((group.join(&victim), T::subscribe(&topic, &victim)), (Ok(true), Ok(true)));
        W::monitor(&watcher.context(), &victim);
        let wedge = victim.wedge();
        let left = (way.end)(Scene { stage, victim, wedge });
        assert_eq!(heard.down().reason.to_string(), way.reason, "{}", way.name);
        assert_eq!(told.recv(), Ok((0, 0)), "{}", way.name);
        assert_eq!((group.members(), topic.subscribers(), topic.publish(Note(1))), (vec![], vec![], 0));
        drop(left);
    }
}

/// R94: joining twice is joining once, and leaving ends it.
fn once_in_each_group<D: Doll>() {
    let runtime = solo();
    let (group, other) = (Group::new(), Group::new());
    let ((doll, _), (second, _)) = (D::on(&runtime), D::on(&runtime));
    assert_eq!((group.join(&doll), group.join(&doll.handle())), (Ok(true), Ok(false)));
    assert_eq!(other.join(&doll.downgrade()), Ok(true));
    assert_eq!(group.join(&second), Ok(true));
    let ids = |group: &Group| group.members().iter().map(|member| member.id()).collect::<HashSet<_>>();
    assert_eq!(ids(&group), [doll.id(), second.id()].into());
    assert_eq!((group.len(), other.members_of::<D>()), (2, vec![doll.clone()]));
    assert!(group.leave(&doll));
    assert!(!group.leave(&doll), "not twice");
    assert!(!group.contains(&doll) && other.contains(&doll) && group.contains(&second));
    assert_eq!(group.join(&doll), Ok(true));
    assert_eq!((doll.monitored_by(), doll.monitors()), (vec![], vec![]), "a membership is no monitor");
    end(&doll);
    assert_eq!((ids(&group), other.is_empty()), ([second.id()].into(), true));

    // Being a member keeps nobody alive.
    let weak = second.downgrade();
    drop(second);
    assert_eq!(weak.wait_exit().wait(), ExitReason::Normal);
    assert_eq!(group.members(), []);
}

/// R13, R94: the dead are refused, with what they died of; who is ending is not dead.
fn of_the_dead<D: Doll>() {
    let runtime = solo();
    let group = Group::new();
    let (doll, _) = D::new();
    let (mine, (tell, told)) = (group.clone(), mpsc::channel());
    let doll = doll.at_stop(move |ctx| tell.send(mine.join(&ctx.actor_ref())).unwrap());
    let doll = doll.start_with(Options::new().runtime(&runtime)).unwrap();
    end(&doll);
    assert_eq!((told.recv(), group.len()), (Ok(Ok(true)), 0));
    let error: JoinError = group.join(&doll).unwrap_err();
    assert_eq!(error.to_string(), "not joined: the actor is dead (normal)");
    let error = D::subscribe(&Topic::new(), &doll).unwrap_err();
    assert_eq!(error.reason, ExitReason::Normal);
    assert_eq!(group.join(&corpse(ExitReason::Kill)).unwrap_err().reason, ExitReason::Kill);
    assert!(group.is_empty());
}

/// The next change that is told.
fn change(heard: &Events) -> (HashSet<ActorId>, HashSet<ActorId>) {
    match heard.next() {
        Event::Change(change) => {
            (change.joined.iter().map(|member| member.id()).collect(), change.left.into_iter().collect())
        }
        other => panic!("a change expected, not {other:?}"),
    }
}

/// R94: a watcher is told of those who are there, of who comes, who leaves and who dies; of a death before its `Down`.
fn who_comes_and_goes<W: Doll, T: Doll>() {
    let (stand, stage) = (solo(), solo());
    let group = Group::new();
    let (one, _) = T::on(&stage);
    let (two, _) = T::on(&stage);
    group.join(&one).unwrap();
    let (watcher, heard) = W::on(&stand);
    let ctx = watcher.context();
    let monitor = W::monitor_group(&ctx, &group);
    let Event::Change(first) = heard.next() else { panic!("a change expected") };
    assert_eq!((first.monitor_ref, first.group), (monitor, group.clone()));
    assert_eq!((first.joined, first.left), (vec![one.handle()], vec![]));
    group.join(&two).unwrap();
    assert_eq!(change(&heard), ([two.id()].into(), [].into()));
    assert!(group.leave(&one));
    assert_eq!(change(&heard), ([].into(), [one.id()].into()));
    W::monitor(&ctx, &two);
    two.kill();
    assert_eq!(change(&heard), ([].into(), [two.id()].into()));
    assert_eq!(heard.down().target, two.id());

    // What comes and goes before the watcher looks is not told at all.
    let wedge = watcher.wedge();
    group.join(&one).unwrap();
    group.leave(&one);
    drop(wedge);
    assert_eq!(watcher.downs(), 1);
    assert!(heard.ready().is_none());
    assert_eq!(ctx.monitors(), [], "it is no monitor of an actor");
}

/// R94: a watcher of a group can be a member of it, and is told of itself. When it dies, the others are told, and nothing is
/// left of it.
fn watcher_and_member<D: Doll>() {
    let runtime = duo();
    let group = Group::new();
    let ((one, ones), (two, twos)) = (D::on(&runtime), D::on(&runtime));
    for doll in [&one, &two] {
        D::monitor_group(&doll.context(), &group);
    }
    let both = [one.id(), two.id()].into();
    for doll in [&one, &two] {
        let mine = group.clone();
        assert_eq!(doll.call(move |_, ctx| mine.join(&ctx.handle())), Ok(true));
    }
    for heard in [&ones, &twos] {
        let mut known = HashSet::new();
        while known != both {
            known.extend(change(heard).0);
        }
    }
    one.kill();
    assert_eq!(change(&twos), ([].into(), [one.id()].into()));
    end(&two);
    assert_eq!(
        (group.len(), ones.until_gone(), twos.until_gone()),
        (0, vec!["dropped".to_owned()], vec!["stopped normal".to_owned(), "dropped".to_owned()])
    );
}

/// R29, R94: taken back, no change is told any more, also if one is on its way.
fn a_watcher_that_stops_watching<D: Doll>() {
    let (stand, stage) = (solo(), solo());
    let group = Group::new();
    let ((watcher, heard), (member, _)) = (D::on(&stand), D::on(&stage));
    let ctx = watcher.context();
    let (first, second) = (D::monitor_group(&ctx, &group), D::monitor_group(&ctx, &group));
    assert_ne!(first, second);
    let wedge = watcher.wedge();
    group.join(&member).unwrap();
    assert!(ctx.demonitor_group(&group, first));
    assert!(!ctx.demonitor_group(&group, first), "not twice");
    assert!(!member.context().demonitor_group(&group, second), "it is not its own");
    assert!(!ctx.demonitor_group(&Group::new(), second), "it is of another group");
    drop(wedge);
    let Event::Change(told) = heard.next() else { panic!("a change expected") };
    assert_eq!((told.monitor_ref, watcher.downs()), (second, 0));
    assert!(heard.ready().is_none());
}

/// R94: a broadcast reaches each member of the type that handles it once, and says how many.
fn broadcasts<W: Doll, T: Doll>() {
    let runtime = solo();
    let group = Group::new();
    let members: Vec<(ActorRef<W>, Events)> = (0..3).map(|_| W::on(&runtime)).collect();
    let (other, others) = T::on(&runtime);
    for (member, _) in &members {
        group.join(member).unwrap();
    }
    group.join(&other).unwrap();
    let same = W::THREAD == T::THREAD;
    assert_eq!(W::broadcast(&group, 1), if same { 4 } else { 3 });
    assert_eq!(T::broadcast(&group, 2), if same { 4 } else { 1 });
    for (_, heard) in &members {
        assert_eq!(heard.label(), "note 1");
    }
    let expected: &[&str] = if same { &["note 1", "note 2"] } else { &["note 2"] };
    expected.iter().for_each(|label| assert_eq!(others.label(), *label));
}

/// R94: what is published reaches subscribers of either mode once, in order, until they unsubscribe or die.
fn topics<W: Doll, T: Doll>() {
    let runtime = solo();
    let topic = Topic::new();
    let ((one, ones), (two, twos)) = (W::on(&runtime), T::on(&runtime));
    assert_eq!((W::subscribe(&topic, &one), W::subscribe(&topic, &one)), (Ok(true), Ok(false)));
    assert_eq!(T::subscribe(&topic, &two), Ok(true));
    assert_eq!((topic.publish(Note(1)), topic.publish(Note(2))), (2, 2));
    for heard in [&ones, &twos] {
        assert_eq!([heard.label(), heard.label()], ["note 1", "note 2"]);
    }
    assert!(topic.unsubscribe(&one));
    assert!(!topic.unsubscribe(&one));
    assert_eq!((topic.publish(Note(3)), topic.subscribers()), (1, vec![two.handle()]));
    assert_eq!(twos.label(), "note 3");
    two.kill();
    two.wait_exit().wait();
    assert_eq!((topic.publish(Note(4)), topic.subscribers()), (0, vec![]));
    one.call(|_, _| ());
    assert!(ones.ready().is_none());
}

/// R21, R94: a full mailbox does not count as reached, and stands in nobody's way; that somebody came is told all the same.
fn bounded_mailboxes<D: Doll>() {
    let runtime = duo();
    let (group, topic) = (Group::new(), Topic::new());
    let options = || Options::new().runtime(&runtime).mailbox(Mailbox::bounded(1, OnFull::Reject));
    let (full, heard) = D::new();
    let full = full.start_with(options()).unwrap();
    let (free, _) = D::on(&runtime);
    for doll in [&full, &free] {
        group.join(doll).unwrap();
        D::subscribe(&topic, doll).unwrap();
    }
    let ctx = full.context();
    let wedge = full.wedge();
    D::note(&full, 0);
    assert_eq!((D::broadcast(&group, 1), topic.publish(Note(2))), (1, 1));
    D::monitor_group(&ctx, &group);
    drop(wedge);
    assert_eq!(heard.label(), "note 0");
    assert_eq!(heard.label(), "+2 -0");

    // It took no place there, and so gave none back.
    full.call(|_, _| ());
    let wedge = full.wedge();
    assert_eq!((D::try_note(&full, 1), D::try_note(&full, 2)), (true, false));
    drop(wedge);
}

/// R94: the groups of a runtime, and of one's own; a group and a topic of one key are two things.
fn by_key<D: Doll>() {
    let (here, there) = (solo(), solo());
    let (doll, _) = D::on(&here);
    here.groups().group("all").join(&doll).unwrap();
    let joined =
        doll.call(|_, ctx| (ctx.groups().group("all").contains(&ctx.handle()), Groups::current().len()));
    assert_eq!(joined, (true, 1));
    assert!(there.groups().group("all").is_empty() && Groups::current().group("all").is_empty());
    assert!(here.groups().topic::<Note>("all").is_empty());
    assert_eq!(here.groups().group("all").name(), Some("all"));
    assert_eq!(format!("{:?}", here.groups().group("all")), "Group { name: Some(\"all\"), len: 1 }");

    let rooms: Groups<(u8, char)> = Groups::new();
    let room = rooms.group((1, 'a'));
    assert_eq!((room == rooms.group((1, 'a')), room == rooms.group((1, 'b'))), (true, false));
    assert_eq!(room.name(), Some("(1, 'a')"));
    D::subscribe(&rooms.topic((1, 'a')), &doll).unwrap();
    assert_eq!(rooms.topic::<Note>((1, 'a')).publish(Note(1)), 1);
}

/// R94: a group is there for as long as it has a member, a watcher or a handle, and then it is forgotten.
fn a_group_that_is_forgotten<D: Doll>() {
    let runtime = solo();
    let groups: Groups = Groups::new();
    assert!(groups.group("handle").is_empty());
    assert!(groups.is_empty(), "the handle is gone");
    let ((member, _), (watcher, heard)) = (D::on(&runtime), D::on(&runtime));
    groups.group("member").join(&member).unwrap();
    D::monitor_group(&watcher.context(), &groups.group("watcher"));
    D::subscribe(&groups.topic("topic"), &member).unwrap();
    assert_eq!(groups.len(), 3);
    groups.group("watcher").join(&member).unwrap();
    assert_eq!(heard.label(), "+1 -0");
    end(&member);
    assert_eq!(heard.label(), "+0 -1");
    watcher.call(|_, _| ());
    assert_eq!(groups.len(), 1);
    end(&watcher);
    assert!(groups.is_empty());
    let (member, _) = D::on(&runtime);
    let group = groups.group("left");
    group.join(&member).unwrap();
    group.leave(&member);
    drop(group);
    assert!(groups.is_empty());
}

/// R94: many come, leave and die at the same time, and another watcher comes in between: what each was told comes to what is.
fn what_is_told_comes_to_what_is<D: Doll>() {
    let (stand, stage) = (duo(), duo());
    let group = Group::new();
    let rounds = if D::THREAD { 30 } else { 300 };
    let (early, earlys) = D::on(&stand);
    D::monitor_group(&early.context(), &group);
    let (late, lates) = D::on(&stand);
    let stayed = Tally::default();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for round in 0..rounds {
                    let (doll, _) = D::on(&stage);
                    group.join(&doll).unwrap();
                    match round % 3 {
                        0 => doll.kill(),
                        1 => assert!(group.leave(&doll)),
                        _ => {
                            stayed.add();
                            doll.detach();
                        }
                    }
                }
            });
        }
        D::monitor_group(&late.context(), &group);
    });
    // The last change of all is one that both are told of.
    let (last, _) = D::on(&stage);
    group.join(&last).unwrap();
    for (watcher, heard) in [(&early, earlys), (&late, lates)] {
        let mut known = HashSet::new();
        let there = || group.members().iter().map(|member| member.id()).collect::<HashSet<_>>();
        while known != there() || !known.contains(&last.id()) {
            let (joined, left) = change(&heard);
            assert!(known.is_disjoint(&joined), "told twice");
            assert!(known.is_superset(&left), "told of somebody it was not told of");
            known.extend(joined);
            known.retain(|member| !left.contains(member));
        }
        watcher.call(|_, _| ());
        assert!(known.len() > stayed.count());
    }
    let mut monitors = Monitors::new();
    group.members().iter().for_each(|member| {
        monitors.monitor(member);
        member.kill();
    });
    assert_eq!(monitors.iter().count(), stayed.count() + 1);
    assert!(group.is_empty());
}
