//! Actors that are state machines.

use std::fmt;
use std::ops::Deref;
use std::time::Duration;

use super::context::Context;
use super::message::{Message, SentTo, handle};
use super::stage::Stage;
use super::stash::Stash;
use super::timer::TimerRef;
use crate::guard;
use crate::mailbox::parcel::Letter;
use crate::structs::future::SlotFuture;

/// An actor that is in one of several states, for either mode.
///
/// The states are an `enum`, of which the actor holds a [`States`], and its handlers `match` on it. A state is left and another
/// entered by [`goto`](Self::goto), in this order: [`exit`](Self::exit), the timeout of the old state is cancelled, the state
/// changes, what was [postponed](crate::tasks::Handler::postpone) is let go, [`enter`](Self::enter).
///
/// ```
/// use std::time::Duration;
/// use deathwatch::{ManualClock, Runtime, Stash, StateMachine, StateTimeout, States, prelude::*};
///
/// /// A turnstile that lets one pass for a coin, and locks again if nobody does.
/// struct Turnstile { state: States<Self>, passed: u32 }
/// #[derive(Debug, PartialEq)]
/// enum State { Locked, Unlocked }
///
/// impl StateMachine for Turnstile {
///     type State = State;
///     fn states(&mut self) -> &mut States<Self> {
///         &mut self.state
///     }
///     fn enter(&mut self, _from: Option<&State>, ctx: &Context<Self>) {
///         if *self.state == State::Unlocked {
///             self.state.set_timeout(Duration::from_secs(10), ctx);
///         }
///     }
/// }
/// impl Actor for Turnstile {
///     fn stash(&mut self) -> Option<&mut Stash<Self>> {
///         Some(self.state.stash())
///     }
/// }
/// impl Handler<StateTimeout> for Turnstile {
///     async fn handle(&mut self, _: StateTimeout, ctx: &Context<Self>) {
///         self.goto(State::Locked, ctx);
///     }
/// }
///
/// struct Coin; impl Message for Coin { type Reply = (); }
/// impl Handler<Coin> for Turnstile {
///     fn postpone(&self, _: &Coin) -> bool {
///         *self.state == State::Unlocked // a second coin is for the next one
///     }
///     async fn handle(&mut self, _: Coin, ctx: &Context<Self>) {
///         self.goto(State::Unlocked, ctx);
///     }
/// }
///
/// struct Push; impl Message for Push { type Reply = u32; }
/// impl Handler<Push> for Turnstile {
///     async fn handle(&mut self, _: Push, ctx: &Context<Self>) -> u32 {
///         if *self.state == State::Unlocked {
///             self.passed += 1;
///             self.goto(State::Locked, ctx);
///         }
///         self.passed
///     }
/// }
///
/// let clock = ManualClock::new();
/// let runtime = Runtime::builder().clock(&clock).build()?;
/// let turnstile = runtime.start(Turnstile { state: States::with_stash(State::Locked, 8), passed: 0 })?;
/// turnstile.send(Coin)?;
/// turnstile.send(Coin)?; // postponed
/// assert_eq!(turnstile.request(Push).wait()?, 1);
/// assert_eq!(turnstile.request(Push).wait()?, 2);
/// assert_eq!(turnstile.request(Push).wait()?, 2); // locked
/// turnstile.request(Coin).wait()?;
/// clock.advance(Duration::from_secs(10));
/// assert_eq!(turnstile.request(Push).wait()?, 2); // too late
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "gen_statem")]
#[doc(alias = "FSM")]
pub trait StateMachine: Sized + Send + 'static {
    /// The states.
    type State: Send + 'static;

    /// Where the actor holds its state.
    fn states(&mut self) -> &mut States<Self>;

    /// A state was entered, from that one; `None` when this is the first (see [`begin`](Self::begin)).
    fn enter(&mut self, from: Option<&Self::State>, ctx: &Context<Self>) {
        let _ = (from, ctx);
    }

    /// The state is about to be left for that one.
    fn exit(&mut self, to: &Self::State, ctx: &Context<Self>) {
        let _ = (to, ctx);
    }

    /// Enters the first state: to be called in `started`, where [`enter`](Self::enter) is to be called for that one, too.
    fn begin(&mut self, ctx: &Context<Self>) {
        self.enter(None, ctx);
    }

    /// Leaves the state for another, which may be the same one anew; the one that was left comes back, with whatever it
    /// holds. May be called in any handler and hook, also in [`enter`](Self::enter).
    fn goto(&mut self, next: Self::State, ctx: &Context<Self>) -> Self::State {
        self.exit(&next, ctx);
        let left = self.states().change(next);
        self.enter(Some(&left), ctx);
        left
    }
}

/// The state that a [`StateMachine`] is in, with its timeout, and a [`Stash`] for what is postponed until the next one.
/// Dereferences to the state.
pub struct States<A: StateMachine> {
    current: A::State,
    timeout: Option<TimerRef>,
    stash: Stash<A>,
}

impl<A: StateMachine> States<A> {
    /// In this state, without a stash: nothing can be postponed.
    pub fn new(first: A::State) -> Self {
        Self::with_stash(first, 0)
    }

    /// In this state, with a stash for so many messages, which the actor is to return from its `stash`.
    pub fn with_stash(first: A::State, capacity: usize) -> Self {
        States { current: first, timeout: None, stash: Stash::bounded(capacity) }
    }

    /// What the state holds, to be changed. (Assigning another state here would leave out all that belongs to a change.)
    pub fn get_mut(&mut self) -> &mut A::State {
        &mut self.current
    }

    /// What is postponed.
    pub fn stash(&mut self) -> &mut Stash<A> {
        &mut self.stash
    }

    /// Has a [`StateTimeout`] come if the actor is still in this state when so much time has passed. It replaces an earlier one of
    /// this state. When the state is left, it is cancelled: no [`StateTimeout`] of one state is ever handled in another,
    /// also if it stood in the mailbox. It cannot be postponed.
    ///
    /// # Panics
    ///
    /// As [`Context::send_after`].
    #[track_caller]
    pub fn set_timeout<K: 'static>(&mut self, delay: Duration, ctx: &Context<A>)
    where
        StateTimeout: SentTo<A, K>,
    {
        self.cancel_timeout();
        let letter = Punctual::<K>(std::marker::PhantomData);
        self.timeout = Some(TimerRef::after(ctx, delay, letter));
    }

    /// Cancels the timeout of this state, if there is one.
    pub fn cancel_timeout(&mut self) {
        if let Some(timeout) = self.timeout.take() {
            timeout.cancel();
        }
    }

    fn change(&mut self, next: A::State) -> A::State {
        self.cancel_timeout();
        self.stash.unstash_all();
        std::mem::replace(&mut self.current, next)
    }
}

impl<A: StateMachine> Deref for States<A> {
    type Target = A::State;

    fn deref(&self) -> &A::State {
        &self.current
    }
}

impl<A: StateMachine<State: fmt::Debug>> fmt::Debug for States<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("States")
            .field("current", &self.current)
            .field("postponed", &self.stash.len())
            .finish_non_exhaustive()
    }
}

/// A [`StateMachine`] was in its state for so long as was [said](States::set_timeout).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StateTimeout;

impl Message for StateTimeout {
    type Reply = ();
}

/// A timeout, which is never put aside: in another state it would be wrong.
struct Punctual<K>(std::marker::PhantomData<fn(K)>);

impl<A: Send + 'static, K: 'static> Letter<Stage<A>> for Punctual<K>
where
    StateTimeout: SentTo<A, K>,
{
    const COUNTED: bool = false;

    fn open<'a>(self, stage: &'a mut Stage<A>) -> SlotFuture<'a> {
        handle(StateTimeout, stage, guard::drop_quietly)
    }
}
