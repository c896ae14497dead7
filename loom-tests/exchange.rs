//! A question and its answer.

use std::task::{Context, Poll, Waker};

use deathwatch::ExitReason;
use deathwatch::internals::mailbox::exchange::{Answerer, Asker, NoAnswer, Respond, ask};
use deathwatch::internals::mailbox::parcel::Parcel;
use deathwatch::internals::structs::alarm::Ring;
use deathwatch::internals::structs::future::SlotFuture;

use crate::fixture::{Desk, Party, Token, poll_now, spawn};
use crate::harness::{Bound, model};

struct Question(#[expect(dead_code, reason = "it is there to be dropped")] Token);
struct Answer(u32, #[expect(dead_code, reason = "it is there to be dropped")] Token);

/// Answers at once.
struct Prompt;

impl Respond<Desk> for Prompt {
    type Question = Question;
    type Answer = Answer;

    fn respond<'a>(
        question: Question,
        answerer: Answerer<Question, Answer>,
        _: &'a mut Desk,
    ) -> SlotFuture<'a> {
        drop(question);
        answerer.answer(Answer(7, Token::new()));
        SlotFuture::ready()
    }
}

/// Goes without an answer.
struct Silent;

impl Respond<Desk> for Silent {
    type Question = Question;
    type Answer = Answer;

    fn respond<'a>(
        question: Question,
        answerer: Answerer<Question, Answer>,
        _: &'a mut Desk,
    ) -> SlotFuture<'a> {
        drop((question, answerer));
        SlotFuture::ready()
    }
}

fn question<T: Respond<Desk, Question = Question, Answer = Answer>>()
-> (Asker<Question, Answer>, Parcel<Desk>) {
    ask::<Desk, T>(Question(Token::new()))
}

fn wait(mut asker: Asker<Question, Answer>) -> Result<u32, NoAnswer> {
    loom::future::block_on(std::future::poll_fn(|cx| asker.poll(cx))).map(|answer| answer.0)
}

/// The asker gets the answer, and is woken for it.
#[test]
fn answer_vs_wait() {
    model("answer_vs_wait", Bound::Unbounded, 1_500, || {
        let mut party = Party::new();
        let (asker, parcel) = question::<Prompt>();
        let answering = spawn(move || {
            poll_now(parcel.open(&mut party.desk));
            party
        });
        assert_eq!(wait(asker), Ok(7));
        answering.join().unwrap().end();
    });
}

/// The asker leaves while it is answered: the answer is dropped once, by one of the two.
#[test]
fn answer_vs_asker_leaving() {
    model("answer_vs_asker_leaving", Bound::Unbounded, 370, || {
        let mut party = Party::new();
        let (mut asker, parcel) = question::<Prompt>();
        let answering = spawn(move || {
            poll_now(parcel.open(&mut party.desk));
            party
        });
        if let Poll::Ready(answer) = asker.poll(&mut Context::from_waker(Waker::noop())) {
            assert_eq!(answer.map(|answer| answer.0), Ok(7));
        }
        drop(asker);
        answering.join().unwrap().end();
    });
}

/// The time limit is over while the answer comes: the asker has one of the two, and is woken for it, and the answer is dropped
/// once if it is not taken.
#[test]
fn answer_vs_alarm() {
    model("answer_vs_alarm", Bound::Preemptions(3), 28_000, || {
        let mut party = Party::new();
        let (mut asker, parcel) = question::<Prompt>();
        let alarm = asker.lend_alarm(1);
        let ringing = spawn(move || assert_eq!(alarm.ring(Ring::Due(1)), None));
        let answering = spawn(move || {
            poll_now(parcel.open(&mut party.desk));
            party
        });
        let answer = loom::future::block_on(std::future::poll_fn(|cx| match asker.poll(cx) {
            Poll::Pending if asker.is_expired() => Poll::Ready(None),
            other => other.map(|answer| answer.ok().map(|answer| answer.0)),
        }));
        assert!(matches!(answer, Some(7) | None));
        drop(asker);
        ringing.join().unwrap();
        answering.join().unwrap().end();
    });
}

/// The answering side goes without an answer: the asker hears so.
#[test]
fn abandoned_vs_wait() {
    model("abandoned_vs_wait", Bound::Unbounded, 3_800, || {
        let mut party = Party::new();
        let (asker, parcel) = question::<Silent>();
        let answering = spawn(move || {
            poll_now(parcel.open(&mut party.desk));
            party
        });
        assert_eq!(wait(asker), Err(NoAnswer::Abandoned));
        answering.join().unwrap().end();
    });
}

/// A question in the mailbox of an actor that dies: answered, or the asker hears that it will not be. It never hangs.
#[test]
fn ask_vs_exit() {
    model("ask_vs_exit", Bound::Preemptions(3), 590, || {
        let mut party = Party::new();
        let to = party.address();
        let (asker, parcel) = question::<Prompt>();
        let exit = spawn(move || {
            party.handle_all();
            party.die(ExitReason::Kill)
        });
        drop(to.push_parcel(parcel));
        let outcome = wait(asker);
        assert!(matches!(outcome, Ok(7) | Err(NoAnswer::Abandoned)));
        exit.join().unwrap();
    });
}
