//! Streams, iterators and futures that bring an actor messages.
//!
//! What is attached is driven by a *feeder*: a cell of its own beside the actor, whose life polls it. The feeder is tied to the
//! actor by an entry in the actor's list, as every actor is to its runtime: the actor's end kills it. It holds the actor weakly.

use std::fmt;
use std::future::{Future, poll_fn};
use std::marker::PhantomData;
use std::pin::{Pin, pin};
use std::sync::Arc as StdArc;
use std::task::{Context as TaskContext, Poll};

use futures::{FutureExt, Stream};

use super::shared::Shared;
use super::snapshot::Mode;
use super::start::{Described, Place, Placed};
use crate::actor::context::Context;
use crate::actor::message::{SentTo, handle, unless_postponed};
use crate::actor::stage::Stage;
use crate::cell::{self, Address, Birth, CellRef, Consumer, Erased, Runnable};
use crate::guard;
use crate::id::ActorId;
use crate::mailbox::parcel::{Letter, Parcel};
use crate::monitor::entry::Tie;
use crate::reason::ExitReason;
use crate::structs::credit::{Account, Credit};
use crate::structs::future::SlotFuture;
use crate::sync::Arc;

/// How many items of a stream may be unhandled before it is polled no further, unless told otherwise.
const LIMIT: usize = 16;

/// How many items are brought in one go before others may run.
const BUDGET: usize = 64;

/// Something that was attached to an actor, by which it can be detached. Dropping this does not detach it.
pub struct Attachment {
    account: Arc<Account>,
    feeder: Option<CellRef>,
    actor: ActorId,
}

impl Attachment {
    /// Detaches it, from any thread. When this returns, no handling of any of its messages begins, its end among them, and what
    /// of them stands in the mailbox is dropped unseen; the stream or future itself is dropped soon, an iterator when it returns
    /// from what it is doing. False if that was done before, or if it had ended and its last message was handled.
    pub fn detach(&self) -> bool {
        let first = self.account.close();
        let lives = self.is_attached();
        if let Some(feeder) = &self.feeder {
            feeder.kill();
        }
        first && lives
    }

    /// Is there more to come? False when it has ended (or was detached, or the actor is dead) and all that it brought is handled.
    pub fn is_attached(&self) -> bool {
        self.feeder.as_ref().is_some_and(|feeder| feeder.reason().is_none())
    }

    /// What it is attached to.
    pub fn actor(&self) -> ActorId {
        self.actor
    }
}

impl fmt::Debug for Attachment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attachment")
            .field("actor", &self.actor)
            .field("attached", &self.is_attached())
            .finish_non_exhaustive()
    }
}

/// Why a stream brings no more.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StreamEnd {
    /// It was at its end.
    Done,
    /// It panicked, in its `poll_next` or `next`, or in its `Drop`: this is what it said, as the reason that it would have been
    /// in a handler.
    Panicked(ExitReason),
}

/// A message that was brought. The credit is given back when it is handled, or dropped.
struct Brought<M, K> {
    message: M,
    credit: Credit,
    mode: PhantomData<fn(K)>,
}

impl<A: Send + 'static, K: 'static, M: SentTo<A, K>> Letter<Stage<A>> for Brought<M, K> {
    /// There are no more of them than credits.
    const COUNTED: bool = false;

    fn open<'a>(self, stage: &'a mut Stage<A>) -> SlotFuture<'a> {
        if self.credit.account().is_closed() {
            guard::drop_quietly(self.message);
            return SlotFuture::ready();
        }
        let Some(Brought { message, credit, .. }) = unless_postponed(self, |brought| &brought.message, stage)
        else {
            return SlotFuture::ready();
        };
        handle(message, stage, move |reply| {
            guard::drop_quietly(reply);
            drop(credit);
        })
    }
}

/// Where a feeder brings messages.
struct Bin<A, K> {
    to: Address<Stage<A>>,
    account: Arc<Account>,
    limit: usize,
    mode: PhantomData<fn(K)>,
}

impl<A: Send + 'static, K: 'static> Bin<A, K> {
    /// False when the actor takes no more.
    fn put<M: SentTo<A, K>>(&self, message: M, credit: Credit) -> bool {
        self.to.push(Parcel::seal(Brought { message, credit, mode: PhantomData })).is_ok()
    }

    /// Until all that was brought is handled.
    async fn emptied(&self) {
        poll_fn(|cx| Account::poll_all(&self.account, self.limit, cx)).await;
    }

    /// The actor is stopped for a panic that nobody would hear of.
    fn fail(&self, panic: ExitReason) {
        if !self.account.is_closed() {
            self.to.cell().stop(panic);
        }
    }
}

/// Brings what a stream gives until that has ended; `None` when the actor takes no more.
async fn bring<S, A, K>(stream: S, bin: &Bin<A, K>) -> Option<StreamEnd>
where
    S: Stream<Item: SentTo<A, K>>,
    A: Send + 'static,
    K: 'static,
{
    let mut stream = pin!(Some(stream));
    let mut budget = BUDGET;
    let mut credit = None;
    let end = poll_fn(|cx| {
        loop {
            if credit.is_none() {
                match Account::poll(&bin.account, cx) {
                    Poll::Ready(one) => credit = Some(one),
                    Poll::Pending => return Poll::Pending,
                }
            }
            if budget == 0 || bin.account.is_closed() {
                budget = BUDGET;
                cx.waker().wake_by_ref(); // and a kill is seen
                return Poll::Pending;
            }
            budget -= 1;
            let Some(live) = stream.as_mut().as_pin_mut() else { return Poll::Ready(Some(StreamEnd::Done)) };
            match guard::catch(|| live.poll_next(cx)) {
                Ok(Poll::Pending) => return Poll::Pending,
                Ok(Poll::Ready(None)) => return Poll::Ready(Some(StreamEnd::Done)),
                Err(panic) => return Poll::Ready(Some(StreamEnd::Panicked(panic))),
                Ok(Poll::Ready(Some(item))) => {
                    let Some(one) = credit.take() else { continue };
                    if !bin.put(item, one) {
                        return Poll::Ready(None);
                    }
                }
            }
        }
    })
    .await;
    drop(credit);
    let dropped = guard::catch(|| stream.set(None));
    match (end, dropped) {
        (Some(StreamEnd::Done), Err(panic)) => Some(StreamEnd::Panicked(panic)),
        (end, _) => end,
    }
}

/// The life of a feeder.
async fn bring_all<S, A, K>(stream: S, bin: Bin<A, K>)
where
    S: Stream<Item: SentTo<A, K>>,
    A: Send + 'static,
    K: 'static,
{
    if let Some(StreamEnd::Panicked(panic)) = bring(stream, &bin).await {
        bin.fail(panic);
    }
    bin.emptied().await;
}

/// The same of one that tells the end, behind all else.
async fn bring_all_and_tell<S, A, K, E>(stream: S, bin: Bin<A, K>, end: impl FnOnce(StreamEnd) -> E)
where
    S: Stream<Item: SentTo<A, K>>,
    A: Send + 'static,
    K: 'static,
    E: SentTo<A, K>,
{
    if let Some(why) = bring(stream, &bin).await {
        let credit = poll_fn(|cx| Account::poll(&bin.account, cx)).await;
        match guard::catch(|| end(why)) {
            Ok(message) => _ = bin.put(message, credit),
            Err(panic) => bin.fail(panic),
        }
    }
    bin.emptied().await;
}

/// An iterator, whose `next` may block.
struct Iterated<I>(I);

// Nobody's `next` asks for a pin.
impl<I> Unpin for Iterated<I> {}

impl<I: Iterator> Stream for Iterated<I> {
    type Item = I::Item;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut TaskContext<'_>) -> Poll<Option<I::Item>> {
        Poll::Ready(self.0.next())
    }
}

/// Streams, iterators and futures that bring this actor messages.
///
/// Each item is a message, handled like any other, in the order in which they come. What is attached belongs to the actor whose
/// context attached it, ends with it, and keeps it running no more than a timer does (see
/// [`detach`](crate::ActorRef::detach)). It is driven beside the actor, on the runtime's scheduler, in both modes;
/// iterators on the threads for what blocks.
///
/// A stream is not polled further while 16 of its items (or as many as was said) are unhandled: in the mailbox, or in the handler.
/// So none of them are counted by a bounded mailbox, or refused.
impl<A: Send + 'static> Context<A> {
    /// Attaches a stream. When it ends, nothing is told; when it panics, this actor stops with that panic as its reason, as if a
    /// handler had. [`attach_with`](Self::attach_with) tells both.
    ///
    /// ```
    /// use deathwatch::prelude::*;
    /// use futures::stream;
    ///
    /// struct Sum(u32);
    /// struct Number(u32);
    /// impl Message for Number { type Reply = (); }
    /// impl Actor for Sum {
    ///     async fn started(&mut self, ctx: &Context<Self>) {
    ///         ctx.attach(stream::iter((1..=4).map(Number)));
    ///     }
    /// }
    /// impl Handler<Number> for Sum {
    ///     async fn handle(&mut self, Number(n): Number, ctx: &Context<Self>) {
    ///         self.0 += n;
    ///         if self.0 == 10 {
    ///             ctx.stop();
    ///         }
    ///     }
    /// }
    /// let sum = Sum(0).start();
    /// assert_eq!(sum.wait_exit().wait(), ExitReason::Normal);
    /// ```
    #[doc(alias = "add_stream")]
    #[doc(alias = "add_message_stream")]
    #[doc(alias = "attach_stream")]
    #[doc(alias = "StreamHandler")]
    pub fn attach<S, K>(&self, stream: S) -> Attachment
    where
        S: Stream<Item: SentTo<A, K>> + Send + 'static,
        K: 'static,
    {
        self.feed(LIMIT, Feed::Stream, |bin: Bin<A, K>| bring_all(stream, bin))
    }

    /// As [`attach`](Self::attach), with so many items unhandled at a time, at least one; and when the stream has ended,
    /// what `end` makes of that comes as the last message, behind all items.
    ///
    /// ```
    /// use deathwatch::{StreamEnd, prelude::*};
    /// use futures::stream;
    ///
    /// struct Sum(u32);
    /// struct Number(u32);
    /// struct Ended(StreamEnd);
    /// impl Message for Number { type Reply = (); }
    /// impl Message for Ended { type Reply = (); }
    /// impl Actor for Sum {
    ///     async fn started(&mut self, ctx: &Context<Self>) {
    ///         ctx.attach_with(stream::iter((1..=100).map(Number)), 4, Ended);
    ///     }
    /// }
    /// impl Handler<Number> for Sum {
    ///     async fn handle(&mut self, Number(n): Number, _: &Context<Self>) { self.0 += n; }
    /// }
    /// impl Handler<Ended> for Sum {
    ///     async fn handle(&mut self, Ended(why): Ended, ctx: &Context<Self>) {
    ///         assert_eq!((why, self.0), (StreamEnd::Done, 5_050));
    ///         ctx.stop();
    ///     }
    /// }
    /// let sum = Sum(0).start();
    /// assert_eq!(sum.wait_exit().wait(), ExitReason::Normal);
    /// ```
    pub fn attach_with<S, E, K>(
        &self,
        stream: S,
        limit: usize,
        end: impl FnOnce(StreamEnd) -> E + Send + 'static,
    ) -> Attachment
    where
        S: Stream<Item: SentTo<A, K>> + Send + 'static,
        E: SentTo<A, K>,
        K: 'static,
    {
        self.feed(limit, Feed::Stream, |bin: Bin<A, K>| bring_all_and_tell(stream, bin, end))
    }

    /// Attaches an iterator, whose `next` may block: it is called on a thread for that. Otherwise as [`attach`](Self::attach).
    ///
    /// ```
    /// use deathwatch::threads::prelude::*;
    ///
    /// struct Lines(Vec<String>);
    /// struct Line(String);
    /// impl Message for Line { type Reply = (); }
    /// impl Actor for Lines {
    ///     fn started(&mut self, ctx: &Context<Self>) {
    ///         let (say, said) = std::sync::mpsc::channel();
    ///         ctx.attach_iter(said.into_iter().map(Line));
    ///         std::thread::spawn(move || ["to", "be"].map(|word| say.send(word.to_owned()).unwrap()));
    ///     }
    /// }
    /// impl Handler<Line> for Lines {
    ///     fn handle(&mut self, Line(line): Line, ctx: &Context<Self>) {
    ///         self.0.push(line);
    ///         if self.0 == ["to", "be"] {
    ///             ctx.stop();
    ///         }
    ///     }
    /// }
    /// assert_eq!(Lines(Vec::new()).start().wait_exit().wait(), ExitReason::Normal);
    /// ```
    pub fn attach_iter<I, K>(&self, iterator: I) -> Attachment
    where
        I: IntoIterator<Item: SentTo<A, K>, IntoIter: Send + 'static>,
        K: 'static,
    {
        let iterated = Iterated(iterator.into_iter());
        self.feed(LIMIT, Feed::Iterator, |bin: Bin<A, K>| bring_all(iterated, bin))
    }

    /// As [`attach_iter`](Self::attach_iter), with a limit and an end as in [`attach_with`](Self::attach_with).
    pub fn attach_iter_with<I, E, K>(
        &self,
        iterator: I,
        limit: usize,
        end: impl FnOnce(StreamEnd) -> E + Send + 'static,
    ) -> Attachment
    where
        I: IntoIterator<Item: SentTo<A, K>, IntoIter: Send + 'static>,
        E: SentTo<A, K>,
        K: 'static,
    {
        let iterated = Iterated(iterator.into_iter());
        self.feed(limit, Feed::Iterator, |bin: Bin<A, K>| bring_all_and_tell(iterated, bin, end))
    }

    /// Runs a future beside this actor; what `into_message` makes of its output comes as a message. A panic of either stops this
    /// actor, as if a handler had panicked.
    ///
    /// ```
    /// use deathwatch::prelude::*;
    ///
    /// struct Squarer;
    /// impl Actor for Squarer {}
    /// struct Square(u64);
    /// impl Message for Square { type Reply = u64; }
    /// impl Handler<Square> for Squarer {
    ///     async fn handle(&mut self, Square(n): Square, _: &Context<Self>) -> u64 { n * n }
    /// }
    ///
    /// struct Asker(ActorRef<Squarer>);
    /// struct Answer(u64);
    /// impl Message for Answer { type Reply = (); }
    /// impl Actor for Asker {
    ///     async fn started(&mut self, ctx: &Context<Self>) {
    ///         // Handles other messages meanwhile.
    ///         ctx.pipe(self.0.request(Square(12)), |answer| Answer(answer.unwrap()));
    ///     }
    /// }
    /// impl Handler<Answer> for Asker {
    ///     async fn handle(&mut self, Answer(n): Answer, ctx: &Context<Self>) {
    ///         assert_eq!(n, 144);
    ///         ctx.stop();
    ///     }
    /// }
    /// assert_eq!(Asker(Squarer.start()).start().wait_exit().wait(), ExitReason::Normal);
    /// ```
    #[doc(alias = "pipe_to_self")]
    #[doc(alias = "into_actor")]
    pub fn pipe<F, M, K>(
        &self,
        future: F,
        into_message: impl FnOnce(F::Output) -> M + Send + 'static,
    ) -> Attachment
    where
        F: Future + Send + 'static,
        M: SentTo<A, K>,
        K: 'static,
    {
        self.attach(future.map(into_message).into_stream())
    }

    /// Sends this actor a message when a future is ready. Otherwise as [`pipe`](Self::pipe).
    pub fn send_message_on<F, M, K>(&self, future: F, message: M) -> Attachment
    where
        F: Future + Send + 'static,
        M: SentTo<A, K>,
        K: 'static,
    {
        self.pipe(future, move |_| message)
    }

    fn feed<K, L>(&self, limit: usize, feed: Feed, life: impl FnOnce(Bin<A, K>) -> L) -> Attachment
    where
        L: Future<Output = ()> + Send + 'static,
    {
        let actor = self.address().cell();
        let account = Account::new(limit);
        let bin = Bin { to: self.address().clone(), account: Arc::clone(&account), limit, mode: PhantomData };
        let home = actor.home().and_then(|home| home.downcast::<Shared>().ok());
        let feeder = home.and_then(|shared| start(shared, actor, feed, life(bin)));
        Attachment { account, feeder, actor: actor.id }
    }
}

/// What is driven by polling, and what blocks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Feed {
    Stream,
    Iterator,
}

/// Starts a feeder, unless the actor is dead.
fn start<L>(shared: StdArc<Shared>, actor: &CellRef, feed: Feed, life: L) -> Option<CellRef>
where
    L: Future<Output = ()> + Send + 'static,
{
    shared.one_more_feeder();
    let seat = if feed == Feed::Stream { shared.seat() } else { None };
    let place = match feed {
        Feed::Stream => Place::Stream(seat.clone()),
        Feed::Iterator => Place::Iterator,
    };
    let host = Placed {
        shared: StdArc::clone(&shared),
        place,
        kind: const { &Described { actor: std::any::type_name::<L>, mode: Mode::Tasks } },
    };
    let mut tied = false;
    // On somebody else's executor its end may have to be brought about, after that of the actor.
    let judge = seat.is_some().then(|| StdArc::clone(&shared));
    let strong = cell::spawn(Birth::default(), host, |consumer: Consumer<Erased>| {
        let tie = Tie::new(consumer.cell(), actor, |feeder| feeder.kill());
        let judged = judge.and_then(|judge| {
            let root = shared.root.clone();
            Tie::new(consumer.cell(), &root, move |feeder| judge.condemn(feeder.clone()))
        });
        tied = tie.is_some();
        life.map(move |()| {
            drop((consumer, tie, judged));
            ExitReason::Normal
        })
    });
    let first = Runnable::first(&strong);
    let feeder = strong.cell().clone();
    if !tied {
        drop(first); // ends it on the spot
        return None;
    }
    drop(strong);
    first.submit();
    shared.invite(seat, feeder.clone());
    Some(feeder)
}
