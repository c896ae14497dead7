//! Why those died who died of a link.

use std::error::Error;

use deathwatch::ExitReason;

use crate::doll::{Doll, Play, in_all_combinations};
use crate::support::solo;

in_all_combinations! {
    a_chain
}

/// R74: three died of one another: each says of whose death, and all of the first cause.
fn a_chain<A: Doll, B: Doll>() {
    let runtime = solo();
    let (first, second, third) = (A::on(&runtime).0, B::on(&runtime).0, A::on(&runtime).0);
    let (to_first, to_second) = (first.clone(), second.clone());
    second.call(move |ctx| ctx.link(&to_first));
    third.call(move |ctx| ctx.link(&to_second));
    first.stop_with(ExitReason::error(std::io::Error::other("disk full")));
    let reason = third.wait_exit().wait();

    let ExitReason::Link(report) = &reason else { panic!("it dies of a link, and not of {reason}") };
    assert_eq!((report.from(), report.length(), report.root()), (second.id(), 2, first.id()));
    let ExitReason::Link(behind) = report.reason() else { panic!("so did the one before") };
    assert_eq!((behind.from(), behind.length(), behind.root()), (first.id(), 1, first.id()));
    assert_eq!(behind.reason(), &first.exit_reason().expect("dead"));
    assert_eq!(second.exit_reason().as_ref(), Some(report.reason()));

    let ExitReason::Error(cause) = reason.root_cause() else { panic!("the first cause is an error") };
    assert!(cause.downcast_ref::<std::io::Error>().is_some());
    assert_eq!(report.root_cause(), reason.root_cause());
    let (from, root) = (second.id(), first.id());
    assert_eq!(
        reason.to_string(),
        format!("linked with {from}, and over 2 links with {root}, which died (error: disk full)")
    );

    // Behind an error are those it came from.
    let chain: Vec<String> =
        std::iter::successors(reason.source(), |&error| error.source()).map(ToString::to_string).collect();
    assert_eq!(
        chain,
        [format!("linked with {}, which died (error: disk full)", first.id()), "error: disk full".to_owned()]
    );

    assert_eq!(reason, reason.clone());
    assert_ne!(&reason, report.reason());
    assert!(format!("{reason:?}").contains("disk full"));
}
