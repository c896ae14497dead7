//! The body of a cell: the actor's life, and running it.

use std::alloc::Layout;
use std::any::{Any, TypeId};
use std::future::Future;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::pin::Pin;
use std::ptr::NonNull;
use std::sync::Arc;
use std::task::{Context, Poll, RawWaker, RawWakerVTable, Waker};
use std::time::Duration;

use super::life::{End, Notify};
use super::{Address, Birth, Cell, CellRef, Consumer, Erased, Strong, drop_in_place_quietly};
use crate::clock::{Clock, real_now};
use crate::guard;
use crate::observe;
use crate::reason::ExitReason;
use crate::reclaim::pin;
use crate::structs::pool;
use crate::sync::UnsafeCell;

/// What a cell can be asked to do, made for the type of its body.
pub(super) struct Vtable {
    /// Makes the consumer look again.
    pub(super) wake: unsafe fn(&CellRef),
    /// Gives a `Runnable` to the host.
    pub(super) schedule: unsafe fn(&CellRef, Runnable),
    pub(super) register: unsafe fn(&CellRef, &Context<'_>),
    pub(super) clock: unsafe fn(&CellRef) -> Option<&Clock>,
    pub(super) home: unsafe fn(&CellRef) -> Option<Arc<dyn Any + Send + Sync>>,
    pub(super) recall: unsafe fn(&CellRef),
    host: unsafe fn(&CellRef) -> &dyn Any,
    /// What its messages are opened with.
    pub(super) stage: fn() -> TypeId,
    run: unsafe fn(&CellRef, bool) -> Run,
    /// Drops what is in the block, and retires the block.
    pub(super) end: unsafe fn(NonNull<Cell>),
}

/// Where a cell runs, and what is done at its end: the seam to everything above.
pub trait Host: Send + Sync + 'static {
    /// What is left to do for an actor whose life is over.
    type Death: Send + 'static;

    /// Makes the consumer of the cell look again.
    fn wake(&self, cell: &CellRef) {
        if cell.life.notify() == Notify::Queue {
            self.schedule(Runnable::new(cell));
        }
    }

    /// Exit signals have come: does the actor end by one, and for which reason? Asked on the thread that runs the cell.
    fn heed(&self, cell: &CellRef) -> Option<ExitReason>;

    /// Where there is no life that is queued: notes whom to wake.
    fn register(&self, _cx: &Context<'_>) {}

    /// Runs it some time, on any thread. Dropping it instead kills the actor on the spot.
    fn schedule(&self, runnable: Runnable);

    /// The clock for time limits, if there is one.
    fn clock(&self) -> Option<&Clock>;

    /// Whom the host belongs to, for those above who know the type.
    fn home(&self) -> Option<Arc<dyn Any + Send + Sync>> {
        None
    }

    /// Ends the cell if it has been killed and waits to be run by somebody who may never do so.
    fn recall(&self) {}

    /// In debug builds, and where somebody observes it: the life has run for so long without awaiting.
    fn note_run(&self, took: Duration) {
        let _ = took;
    }

    /// The life is over; its value is dropped.
    fn death(&self, reason: ExitReason) -> Self::Death;

    /// Goes on with what is left to do, for a bounded time; true when all is done.
    fn retire(&self, consumer: &mut Consumer<Erased>, death: &mut Self::Death) -> bool;
}

enum Body<F, D> {
    Alive(F),
    Dying(D),
    Gone,
}

#[repr(C)]
struct CellOf<F, H: Host> {
    cell: Cell,
    host: H,
    body: UnsafeCell<Body<F, H::Death>>,
}

const fn vtable<S: 'static, F: Future<Output = ExitReason> + 'static, H: Host>() -> Vtable {
    Vtable {
        stage: TypeId::of::<S>,
        wake: wake::<F, H>,
        schedule: schedule::<F, H>,
        register: register::<F, H>,
        clock: clock::<F, H>,
        home: home::<F, H>,
        recall: recall::<F, H>,
        host: host::<F, H>,
        run: run::<F, H>,
        end: end::<F, H>,
    }
}

/// Bodies up to this size, in bytes, stand in the cell's own block. Larger ones get a block of their own, so that a
/// handle to a dead actor keeps no more than a small record.
const INLINE: usize = 1024;

/// Makes a cell. `life` gets the right to its messages and becomes its body. The caller owes its first `Runnable`
/// ([`Runnable::first`]).
pub fn spawn<S, F, H>(birth: Birth, host: H, life: impl FnOnce(Consumer<S>) -> F) -> Strong<S>
where
    S: 'static,
    F: Future<Output = ExitReason> + Send + 'static,
    H: Host,
{
    if size_of::<F>() <= INLINE {
        build(birth, host, life)
    } else {
        build(birth, host, |consumer| Box::pin(life(consumer)))
    }
}

fn build<S, F, H>(birth: Birth, host: H, life: impl FnOnce(Consumer<S>) -> F) -> Strong<S>
where
    S: 'static,
    F: Future<Output = ExitReason> + Send + 'static,
    H: Host,
{
    let vtable = const { &vtable::<S, F, H>() };
    let block = new_block::<F, H>(Cell::new(vtable, birth, true), host);
    let address = Address { cell: CellRef(block.cast()), stage: PhantomData };
    let strong = Strong::revive(&address);
    // The life's own reference, which keeps the block until its last run is over (see `Runnable`).
    std::mem::forget(address.cell.clone());
    // SAFETY: the cell is not shared with any thread that could run it: its first `Runnable` is not made yet. What is
    // written over is `Gone`, which has nothing to drop.
    unsafe { block.as_ref() }
        .body
        .with_mut(|slot| unsafe { slot.write(Body::Alive(life(Consumer { address }))) });
    strong
}

/// The block of a cell whose body is `Gone`. Written field by field: most of it is room for a life that is not there.
fn new_block<F, H: Host>(cell: Cell, host: H) -> NonNull<CellOf<F, H>> {
    let block = pool::alloc(Layout::new::<CellOf<F, H>>()).cast::<CellOf<F, H>>();
    let this = block.as_ptr();
    // SAFETY: the block is fresh, ours, and made for a `CellOf<F, H>`, of which these are all fields.
    unsafe {
        (&raw mut (*this).cell).write(cell);
        (&raw mut (*this).host).write(host);
        (&raw mut (*this).body).write(UnsafeCell::new(Body::Gone));
    }
    block
}

/// A cell without a body, for plain code that takes the messages itself. Never queued.
pub fn observer<S: 'static, H: Host>(host: H) -> Consumer<S> {
    type NoLife = std::future::Pending<ExitReason>;
    let vtable = const { &vtable::<S, NoLife, H>() };
    let block = new_block::<NoLife, H>(Cell::new(vtable, Birth::default(), false), host);
    Consumer { address: Address { cell: CellRef(block.cast()), stage: PhantomData } }
}

/// The cell is queued, and this is the one ticket to run it.
///
/// It stands for the reference that every life has to its own block from its making on, whether it is queued, runs or is
/// idle. The run that is its last gives that up; so queueing and running count nothing.
pub struct Runnable {
    cell: ManuallyDrop<CellRef>,
}

enum Run {
    /// It may be run again.
    Again,
    /// It is over.
    Over,
}

impl Runnable {
    /// To be made by whoever brought the lifecycle word to *queued*.
    pub(super) fn new(cell: &CellRef) -> Self {
        let this = Runnable { cell: ManuallyDrop::new(CellRef(cell.0)) };
        this.accept();
        this
    }

    /// The caller has it, alone (rule 4 of the cell).
    ///
    /// LOOM: a write of nothing, so that each way to hand it over has to bring its own order. Without it the lifecycle word,
    /// which orders the runs as well, would stand in for a queue that brings none.
    #[inline]
    fn accept(&self) {
        self.cell.ticket.with_mut(|_| ());
    }

    /// The ticket that the maker of a cell owes; to be made once.
    pub fn first<S>(strong: &Strong<S>) -> Self {
        Runnable::new(strong.cell())
    }

    /// Gives it to the host of its cell.
    pub fn submit(self) {
        let cell = CellRef::clone(&self.cell); // the run may be over, and the block gone, before `schedule` has returned
        // SAFETY: the vtable belongs to this block.
        unsafe { (cell.vtable.schedule)(&cell, self) };
    }

    /// Runs the cell. What comes back is to be queued, behind everything else.
    pub fn run(self) -> Option<Runnable> {
        // Not dropped by an unwind, which would begin a run within this one. (Nothing unwinds but for a bug of ours.)
        let mut this = ManuallyDrop::new(self);
        this.accept();
        this.cell.life.begin();
        // SAFETY: the vtable belongs to this block; we hold the ticket, and `begin` made us the running thread.
        let run = unsafe { (this.cell.vtable.run)(&this.cell, false) };
        match run {
            // Idle, the block may be gone as soon as `end` has said so: somebody else may have queued and run it.
            Run::Again => (this.cell.life.end() == End::Queue).then(|| ManuallyDrop::into_inner(this)),
            Run::Over => {
                // SAFETY: the life's own reference, given up once: `this` is not dropped, and no other `Runnable` will be
                // made.
                unsafe { ManuallyDrop::drop(&mut this.cell) };
                None
            }
        }
    }

    /// As a plain pointer, for a slot that is one word.
    pub fn into_raw(self) -> NonNull<()> {
        ManuallyDrop::new(self).cell.0.cast()
    }

    /// # Safety
    ///
    /// `raw` came from [`into_raw`](Self::into_raw) and is not used again.
    pub unsafe fn from_raw(raw: NonNull<()>) -> Self {
        Runnable { cell: ManuallyDrop::new(CellRef(raw.cast())) }
    }
}

impl Drop for Runnable {
    /// Nobody will run it: the actor is killed here and now.
    fn drop(&mut self) {
        self.accept();
        self.cell.life.begin();
        // SAFETY: as in `run`; the life's reference is given up once, when it is over.
        unsafe {
            while let Run::Again = (self.cell.vtable.run)(&self.cell, true) {}
            ManuallyDrop::drop(&mut self.cell);
        }
    }
}

impl CellRef {
    /// The cell as an address, if its messages are opened with an S.
    pub fn address<S: 'static>(&self) -> Option<Address<S>> {
        let same = (self.vtable.stage)() == TypeId::of::<S>();
        same.then(|| Address { cell: self.clone(), stage: PhantomData })
    }

    /// Polls with the waker of its life. The waker is lent: it owns no reference of its own, and its clones do.
    #[inline]
    pub fn with_context<R>(&self, poll: impl FnOnce(&mut Context<'_>) -> R) -> R {
        // SAFETY: the functions below fulfil the contract of `RawWakerVTable`; they are thread-safe, since cells are. We hold the
        // cell until it is gone, and it is not dropped.
        let waker = ManuallyDrop::new(unsafe { Waker::from_raw(raw_waker(self.0)) });
        poll(&mut Context::from_waker(&waker))
    }

    /// Where it runs, for those above who know the type.
    pub fn host(&self) -> &dyn Any {
        // SAFETY: the vtable belongs to this block.
        unsafe { (self.vtable.host)(self) }
    }

    /// The cell as an address to which nothing can be sent.
    pub fn anonymous(&self) -> Address<Erased> {
        Address { cell: self.clone(), stage: PhantomData }
    }
}

/// # Safety
///
/// `cell` is the front of a `CellOf<F, H>`. (The same holds for the functions below.)
unsafe fn of<F, H: Host>(cell: &CellRef) -> &CellOf<F, H> {
    // SAFETY: by the contract; `cell` keeps the block alive, and its pointer was made for the whole block.
    unsafe { cell.0.cast().as_ref() }
}

unsafe fn wake<F, H: Host>(cell: &CellRef) {
    // SAFETY: by the contract.
    unsafe { of::<F, H>(cell) }.host.wake(cell);
}

unsafe fn schedule<F, H: Host>(cell: &CellRef, runnable: Runnable) {
    // SAFETY: by the contract.
    unsafe { of::<F, H>(cell) }.host.schedule(runnable);
}

unsafe fn register<F, H: Host>(cell: &CellRef, cx: &Context<'_>) {
    // SAFETY: by the contract.
    unsafe { of::<F, H>(cell) }.host.register(cx);
}

unsafe fn clock<F: 'static, H: Host>(cell: &CellRef) -> Option<&Clock> {
    // SAFETY: by the contract.
    unsafe { of::<F, H>(cell) }.host.clock()
}

unsafe fn home<F, H: Host>(cell: &CellRef) -> Option<Arc<dyn Any + Send + Sync>> {
    // SAFETY: by the contract.
    unsafe { of::<F, H>(cell) }.host.home()
}

unsafe fn recall<F, H: Host>(cell: &CellRef) {
    // SAFETY: by the contract.
    unsafe { of::<F, H>(cell) }.host.recall();
}

unsafe fn host<F: 'static, H: Host>(cell: &CellRef) -> &dyn Any {
    // SAFETY: by the contract.
    &unsafe { of::<F, H>(cell) }.host
}

/// One run: polls the life, or goes on with the end.
///
/// The caller is the running thread.
unsafe fn run<F: Future<Output = ExitReason>, H: Host>(cell: &CellRef, abandoned: bool) -> Run {
    // SAFETY: by the contract.
    let this = unsafe { of::<F, H>(cell) };
    this.body.with_mut(|body| {
        // SAFETY: the running thread is the only one to touch the body (rule 1 of `cell`).
        let body = unsafe { &mut *body };
        if let Body::Alive(life) = body {
            let reason = match cut_off(&this.host, cell, abandoned) {
                Some(reason) => {
                    cell.life.mark_ending(); // seen by the `Drop` of what is in the body
                    reason
                }
                // SAFETY: the body is not moved until it is dropped in place below.
                None => match timed(&this.host, || poll(cell, unsafe { Pin::new_unchecked(life) })) {
                    // A kill in the course of this very run was before the end of the life.
                    Poll::Ready(reason) => killed(cell, false).unwrap_or(reason),
                    Poll::Pending => return Run::Again,
                },
            };
            // In place: the actor's value, if it is still there, and the future of an unfinished handler.
            let _ = guard::catch(|| *body = Body::Gone);
            *body = Body::Dying(this.host.death(reason));
        }
        if let Body::Dying(death) = body {
            let mut consumer = Consumer { address: Address { cell: cell.clone(), stage: PhantomData } };
            if !this.host.retire(&mut consumer, death) {
                let _ = cell.life.notify(); // running: our own `end` queues it
                return Run::Again;
            }
            *body = Body::Gone;
        }
        Run::Over
    })
}

/// Does the actor end where it is, and for which reason?
fn cut_off(host: &impl Host, cell: &CellRef, abandoned: bool) -> Option<ExitReason> {
    if !abandoned && !cell.life.read().cut() {
        return None;
    }
    killed(cell, abandoned).or_else(|| host.heed(cell))
}

/// Was the actor killed, and so dies for which reason?
fn killed(cell: &CellRef, abandoned: bool) -> Option<ExitReason> {
    let life = cell.life.read();
    if !abandoned && !life.kill() {
        return None;
    }
    // A panic that was already being answered by the `stopped` hook stays the reason: it was first.
    let panicked = cell.cause.get().filter(|_| life.panicked());
    Some(panicked.cloned().unwrap_or(ExitReason::Kill))
}

/// Runs `f`; in debug builds, and where somebody observes it, tells the host how long it took.
fn timed<R>(host: &impl Host, f: impl FnOnce() -> R) -> R {
    if !cfg!(debug_assertions) && !observe::TIMES_RUNS {
        return f();
    }
    // The real time, whatever the runtime's clock shows: it is about a thread that is kept.
    let begun = real_now();
    let result = f();
    host.note_run(real_now().saturating_duration_since(begun));
    result
}

fn poll<F: Future<Output = ExitReason>>(cell: &CellRef, life: Pin<&mut F>) -> Poll<ExitReason> {
    let _entered = cell.observed.enter();
    match guard::catch(|| cell.with_context(|cx| life.poll(cx))) {
        Ok(poll) => poll,
        Err(panic) => Poll::Ready(panic),
    }
}

unsafe fn end<F: 'static, H: Host>(cell: NonNull<Cell>) {
    let block = cell.cast::<CellOf<F, H>>();
    // SAFETY: the last reference is gone, so all but what rule 5 names is ours alone. None of it under a guard: it runs the
    // user's code.
    unsafe {
        drop_in_place_quietly(&raw mut (*block.as_ptr()).body);
        drop_in_place_quietly(&raw mut (*block.as_ptr()).host);
        Cell::empty(cell);
    }
    let block = Retired(block);
    // SAFETY: who finds the cell by an entry does so under a guard that began before this: the entry left *armed* before the
    // cell could come to its end. Retired once; what is dropped there is the checker's.
    unsafe { pin().defer(move || block.free()) };
}

struct Retired<F, H: Host>(NonNull<CellOf<F, H>>);

// SAFETY: the sole owner of a block that has nothing in it any more.
unsafe impl<F, H: Host> Send for Retired<F, H> {}

impl<F, H: Host> Retired<F, H> {
    fn free(self) {
        // SAFETY: the block is ours alone now; it came from `new_block` with this very type.
        unsafe {
            let tracked = &raw mut (*self.0.as_ptr()).cell.tracked;
            (*tracked).end();
            tracked.drop_in_place();
            pool::free(self.0.cast(), Layout::new::<CellOf<F, H>>());
        }
    }
}

fn raw_waker(cell: NonNull<Cell>) -> RawWaker {
    static VTABLE: RawWakerVTable =
        RawWakerVTable::new(clone_waker, wake_waker, wake_waker_by_ref, drop_waker);
    RawWaker::new(cell.as_ptr().cast_const().cast(), &VTABLE)
}

/// # Safety
///
/// `data` is the data of a waker made by `raw_waker`. (The same holds for the functions below.)
unsafe fn borrow(data: *const ()) -> ManuallyDrop<CellRef> {
    // SAFETY: by the contract it is a cell, kept alive by the waker's reference, or by who lent it (`with_context`).
    ManuallyDrop::new(CellRef(unsafe { NonNull::new_unchecked(data.cast_mut().cast()) }))
}

unsafe fn clone_waker(data: *const ()) -> RawWaker {
    // SAFETY: by the contract.
    let cell = ManuallyDrop::new(unsafe { borrow(data) }.clone());
    raw_waker(cell.0)
}

unsafe fn wake_waker(data: *const ()) {
    // SAFETY: by the contract; this waker's reference goes here.
    unsafe {
        wake_waker_by_ref(data);
        drop_waker(data);
    }
}

unsafe fn wake_waker_by_ref(data: *const ()) {
    // SAFETY: by the contract.
    unsafe { borrow(data) }.wake();
}

unsafe fn drop_waker(data: *const ()) {
    // SAFETY: by the contract; this waker's reference goes here.
    drop(ManuallyDrop::into_inner(unsafe { borrow(data) }));
}
