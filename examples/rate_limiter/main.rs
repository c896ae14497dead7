//! A rate limiter: a token bucket that an interval fills, and clients that may do something only for a token.
//!
//! ```text
//! cargo run --example rate_limiter
//! ```
//!
//! ```text
//!   Client ──acquire──►  Limiter  ◄──Refill── an interval of its own
//!   Client ──acquire──►  (bucket, line of those who wait)
//!   ...
//! ```
//!
//! The bucket holds `BURST` tokens and gets `PER_REFILL` more with each tick. Who finds it empty stands in line: the limiter keeps the
//! promise of a reply and gives it when there is a token again. Some of the clients have no patience, and are gone when
//! their turn comes: their tokens are not lost.
//!
//! It goes by a clock that is moved by hand, so that a minute takes no time, and every number can be told beforehand; at the end all
//! of them are checked. Then the same limiter, for a moment, by the real time.

use std::collections::VecDeque;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use deathwatch::prelude::*;
use deathwatch::{ManualClock, Missed, Runtime};
use futures::channel::oneshot;

/// So many tokens fit into the bucket.
const BURST: u32 = 10;
/// So many come with each tick.
const PER_REFILL: u32 = 2;
const PERIOD: Duration = Duration::from_secs(1);

struct Limiter {
    period: Duration,
    tokens: u32,
    line: VecDeque<oneshot::Sender<Token>>,
    granted: u32,
    refills: u32,
}

/// The right to do it once.
struct Token;

impl Limiter {
    fn new(period: Duration) -> Self {
        Limiter { period, tokens: BURST, line: VecDeque::new(), granted: 0, refills: 0 }
    }

    /// Gives tokens to those in line who are still there.
    fn serve(&mut self) {
        while self.tokens > 0 {
            let Some(first) = self.line.pop_front() else { return };
            if first.send(Token).is_ok() {
                self.tokens -= 1;
                self.granted += 1;
            }
        }
    }
}

impl Actor for Limiter {
    async fn started(&mut self, ctx: &Context<Self>) {
        // Caught up: a limiter that was held up owes the tokens all the same.
        ctx.send_interval(self.period, || Refill, Missed::CatchUp);
    }
}

struct Refill;
impl Message for Refill {
    type Reply = ();
}
impl Handler<Refill> for Limiter {
    async fn handle(&mut self, _: Refill, _: &Context<Self>) {
        self.refills += 1;
        self.tokens = (self.tokens + PER_REFILL).min(BURST);
        self.serve();
    }
}

/// Asks for a token; what comes back is the place in line.
struct Acquire;
impl Message for Acquire {
    type Reply = oneshot::Receiver<Token>;
}
impl Handler<Acquire> for Limiter {
    async fn handle(&mut self, _: Acquire, _: &Context<Self>) -> oneshot::Receiver<Token> {
        let (place, token) = oneshot::channel();
        self.line.push_back(place);
        self.serve();
        token
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct State {
    tokens: u32,
    waiting: usize,
    granted: u32,
    refills: u32,
}

struct Look;
impl Message for Look {
    type Reply = State;
}
impl Handler<Look> for Limiter {
    async fn handle(&mut self, _: Look, _: &Context<Self>) -> State {
        let waiting = self.line.iter().filter(|place| !place.is_canceled()).count();
        State { tokens: self.tokens, waiting, granted: self.granted, refills: self.refills }
    }
}

/// Does its work whenever it gets a token, until it is done.
struct Client {
    limiter: ActorRef<Limiter>,
    left: u32,
    done: Arc<AtomicUsize>,
}

impl Client {
    /// The token comes as a message, so that the client can do other things meanwhile.
    async fn ask(&self, ctx: &Context<Self>) {
        if let Ok(place) = self.limiter.request(Acquire).await {
            ctx.pipe(place, |token| Go(token.ok()));
        }
    }
}

impl Actor for Client {
    async fn started(&mut self, ctx: &Context<Self>) {
        self.ask(ctx).await;
    }
}

struct Go(Option<Token>);
impl Message for Go {
    type Reply = ();
}
impl Handler<Go> for Client {
    async fn handle(&mut self, Go(token): Go, ctx: &Context<Self>) {
        if token.is_none() {
            return ctx.stop_with(ExitReason::error("the limiter is gone"));
        }
        self.done.fetch_add(1, Ordering::SeqCst);
        self.left -= 1;
        if self.left == 0 { ctx.stop() } else { self.ask(ctx).await }
    }
}

fn main() -> ExitCode {
    match by_hand().and_then(|()| by_real_time()) {
        Ok(()) => {
            println!("all as it must be");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn by_hand() -> Outcome {
    let clock = ManualClock::new();
    let runtime = Runtime::builder().workers(2).clock(&clock).build()?;
    let limiter = runtime.start(Limiter::new(PERIOD))?;
    let look = || limiter.request(Look).no_timeout().wait();

    // Twelve at once: the bucket is good for ten.
    let mut places = Vec::new();
    for _ in 0..12 {
        places.push(limiter.request(Acquire).no_timeout().wait()?);
    }
    check("after a burst", look()?, State { tokens: 0, waiting: 2, granted: 10, refills: 0 })?;

    // Not a moment before its time.
    clock.advance(PERIOD - Duration::from_nanos(1));
    check("just before a tick", look()?, State { tokens: 0, waiting: 2, granted: 10, refills: 0 })?;
    clock.advance(Duration::from_nanos(1));
    check("a tick", look()?, State { tokens: 0, waiting: 0, granted: 12, refills: 1 })?;
    for mut place in places {
        let Some(Token) = place.try_recv()? else { return Err("a token is missing".into()) };
    }

    // A minute of rest fills the bucket, and no more than that.
    clock.advance(60 * PERIOD);
    wait_for(|| Ok(look()?.refills == 61))?; // one tick after the other, others in between
    check("a minute later", look()?, State { tokens: 10, waiting: 0, granted: 12, refills: 61 })?;

    // Five clients that want eight tokens each, and three who are gone before their turn.
    let done = Arc::new(AtomicUsize::new(0));
    let clients: Vec<_> = (0..5)
        .map(|_| runtime.start(Client { limiter: limiter.clone(), left: 8, done: Arc::clone(&done) }))
        .collect::<Result<_, _>>()?;
    wait_for(|| Ok(look()?.waiting == 5))?;
    for _ in 0..3 {
        drop(limiter.request(Acquire).no_timeout().wait()?);
    }
    // Ten tokens are gone at once, and thirty to come, two with each tick: fifteen ticks.
    for tick in 1..=15 {
        let granted = 22 + tick * PER_REFILL;
        clock.advance(PERIOD);
        wait_for(|| Ok(look()?.granted == granted && done.load(Ordering::SeqCst) as u32 == granted - 12))?;
        // Whoever has been served stands in line again, unless that was all it wanted.
        let alive = || clients.iter().filter(|client| client.is_alive()).count();
        wait_for(|| Ok(look()?.waiting == alive() && look()?.tokens == 0))?;
    }
    for client in clients {
        let end = client.wait_exit().wait();
        if end != ExitReason::Normal {
            return Err(format!("a client: {end}").into());
        }
    }
    check("five clients", look()?, State { tokens: 0, waiting: 0, granted: 52, refills: 76 })?;
    runtime.shutdown(Duration::from_secs(10))?;
    Ok(())
}

/// Thirty tokens by the real time: ten at once, twenty with ten ticks.
fn by_real_time() -> Outcome {
    let period = Duration::from_millis(5);
    let runtime = Runtime::builder().workers(2).build()?;
    let begun = Instant::now();
    let limiter = runtime.start(Limiter::new(period))?;
    let done = Arc::new(AtomicUsize::new(0));
    let client = runtime.start(Client { limiter: limiter.clone(), left: 30, done: Arc::clone(&done) })?;
    let end = client.wait_exit().wait(); // not `join`: a token that is to come keeps nobody running
    let took = begun.elapsed();
    println!("thirty tokens by the real time: {took:?}");
    if end != ExitReason::Normal || done.load(Ordering::SeqCst) != 30 || took < 10 * period {
        return Err(format!("{end}, {} done, in {took:?}", done.load(Ordering::SeqCst)).into());
    }
    Ok(())
}

/// What depends on more than one actor comes about in a moment.
fn wait_for(mut what: impl FnMut() -> Result<bool, Box<dyn std::error::Error>>) -> Outcome {
    let limit = Instant::now() + Duration::from_secs(30);
    while !what()? {
        if Instant::now() > limit {
            return Err("it does not come about".into());
        }
        std::thread::yield_now();
    }
    Ok(())
}

fn check(when: &str, is: State, should: State) -> Outcome {
    println!("{when}: {is:?}");
    if is == should { Ok(()) } else { Err(format!("{when}: {should:?} expected").into()) }
}
