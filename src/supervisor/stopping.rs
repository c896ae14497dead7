//! The end of a supervisor: its children are stopped first.
//!
//! No message comes any more when this runs, and so no `Down` and no timer: the children's ends are awaited, each with its limit.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::{Either, select};

use super::children::Incarnation;
use super::policy::Shutdown;
use super::sleep::Sleep;
use super::spec::Plan;
use super::{Kind, Supervisor};
use crate::actor::context::Context;
use crate::cell::CellRef;
use crate::reason::ExitReason;

impl<K: Kind> Supervisor<K> {
    /// Stops all children, and waits until everybody has been told of their ends.
    pub(super) async fn stop_all(&mut self, ctx: &Context<Self>) {
        self.over = true;
        self.waiting.clear();
        let clock = ctx.address().cell();
        let children = self.children.take();
        if K::DYNAMIC {
            stop_together(children, clock).await;
        } else {
            for (plan, child) in children.into_iter().rev() {
                stop(plan.shutdown, child, clock).await;
            }
        }
        for end in std::mem::take(&mut self.leaving) {
            end.await;
        }
    }
}

/// Stops one child, and waits for its end.
async fn stop(how: Shutdown, mut child: Incarnation, clock: &CellRef) {
    ask(how, &child);
    if let Shutdown::After(limit) = how {
        if !is_over_within(&mut child, &mut Sleep::new(clock, limit)).await {
            child.handle().kill();
        }
    }
    over(child).await;
}

/// Stops all at the same time.
async fn stop_together(mut children: Vec<(Plan, Incarnation)>, clock: &CellRef) {
    // One time for all who have the same limit, which begins now for all of them.
    let mut times = BTreeMap::new();
    for (plan, child) in &children {
        ask(plan.shutdown, child);
        if let Shutdown::After(limit) = plan.shutdown {
            times.entry(limit).or_insert_with(|| Sleep::new(clock, limit));
        }
    }
    children.sort_by_key(|(plan, _)| match plan.shutdown {
        Shutdown::After(limit) => limit,
        Shutdown::Kill | Shutdown::Infinite => Duration::MAX,
    });
    for (plan, child) in &mut children {
        let Shutdown::After(limit) = plan.shutdown else { continue };
        let Some(time) = times.get_mut(&limit) else { continue };
        if !is_over_within(child, time).await {
            child.handle().kill();
        }
    }
    for (_, child) in children {
        over(child).await;
    }
}

fn ask(how: Shutdown, child: &Incarnation) {
    child.hide();
    match how {
        Shutdown::Kill => child.handle().kill(),
        Shutdown::After(_) | Shutdown::Infinite => child.handle().stop_with(ExitReason::Shutdown),
    }
}

/// Waits until the child has ended, and everybody has been told, or the time is over.
async fn is_over_within(child: &mut Incarnation, time: &mut Sleep) -> bool {
    matches!(select(child.end_mut(), time).await, Either::Left(_))
}

/// Waits until everybody has been told of the child's end.
async fn over(mut child: Incarnation) {
    child.end_mut().await;
    drop(child.end());
}
