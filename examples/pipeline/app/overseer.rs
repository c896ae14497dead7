//! Who monitors the stages.

use std::path::PathBuf;
use std::sync::mpsc::Sender;

use deathwatch::prelude::*;
use deathwatch::{Mailbox, OnFull, Options, StartError, Starts};

use super::faults::{Faults, Stage};
use super::stages::{Digester, Feed, Position, Reader, Rewire, Writer};

/// How many lines or rows may wait in front of a stage.
const ROOM: usize = 64;

/// How many restarts are too many.
const MOST_RESTARTS: usize = 100;

/// What to do.
pub struct Job {
    pub input: Vec<PathBuf>,
    pub output: PathBuf,
    pub faults: Faults,
}

/// A stage died, and its successor goes on from that line.
pub struct Restart {
    pub stage: Stage,
    pub reason: ExitReason,
    pub from: u64,
}

/// Starts the stages, restarts those that crash, and stops when the writer has.
pub struct Overseer {
    job: Job,
    stages: Option<Stages>,
    /// Who died, for whom the work has not been taken up again.
    fallen: Vec<(Stage, ExitReason)>,
    restarts: usize,
    report: Sender<Restart>,
}

struct Stages {
    reader: ActorRef<Reader>,
    digester: ActorRef<Digester>,
    writer: ActorRef<Writer>,
}

impl Overseer {
    pub fn new(job: Job, report: Sender<Restart>) -> Self {
        Overseer { job, stages: None, fallen: Vec::new(), restarts: 0, report }
    }

    fn reader(&self, ctx: &Context<Self>) -> Result<ActorRef<Reader>, ExitReason> {
        start(ctx, Stage::Reader, Reader::new(&self.job.input, &self.job.faults), Mailbox::unbounded())
    }

    fn digester(&self, ctx: &Context<Self>, to: &ActorRef<Writer>) -> Result<ActorRef<Digester>, ExitReason> {
        let digester = Digester::new(to.clone(), &self.job.faults);
        start(ctx, Stage::Digester, digester, Mailbox::bounded(ROOM, OnFull::Wait))
    }

    fn writer(&self, ctx: &Context<Self>) -> Result<ActorRef<Writer>, ExitReason> {
        let writer = Writer::open(&self.job.output, &self.job.faults).map_err(ExitReason::error)?;
        start(ctx, Stage::Writer, writer, Mailbox::bounded(ROOM, OnFull::Wait))
    }

    fn start_all(&self, ctx: &Context<Self>) -> Result<Stages, ExitReason> {
        let writer = self.writer(ctx)?;
        let digester = self.digester(ctx, &writer)?;
        Ok(Stages { reader: self.reader(ctx)?, digester, writer })
    }

    /// Starts another in place of the dead one.
    fn restart(&mut self, stage: Stage, ctx: &Context<Self>) -> Result<(), ExitReason> {
        self.restarts += 1;
        if self.restarts > MOST_RESTARTS {
            return Err(ExitReason::error("the stages do nothing but crash"));
        }
        let Some(mut stages) = self.stages.take() else { return Ok(()) };
        match stage {
            Stage::Reader => stages.reader = self.reader(ctx)?,
            Stage::Digester => stages.digester = self.digester(ctx, &stages.writer)?,
            Stage::Writer => stages.writer = self.writer(ctx)?,
        }
        self.stages = Some(stages);
        Ok(())
    }

    /// Has the work go on with the first row that is not on disk. If a stage dies meanwhile, its own `Down` brings us here
    /// again.
    async fn resume(&mut self) {
        let Some(Stages { reader, digester, writer }) = &self.stages else { return };
        let Ok(from) = writer.request(Position).no_timeout().await else { return };
        if digester.send_wait(Rewire(writer.clone())).await.is_err() {
            return;
        }
        if reader.send(Feed { from, to: digester.clone() }).is_err() {
            return;
        }
        for (stage, reason) in self.fallen.drain(..) {
            let _ = self.report.send(Restart { stage, reason, from });
        }
    }

    fn who(&self, down: &Down) -> Option<Stage> {
        let Stages { reader, digester, writer } = self.stages.as_ref()?;
        [(Stage::Reader, reader.id()), (Stage::Digester, digester.id()), (Stage::Writer, writer.id())]
            .into_iter()
            .find_map(|(stage, id)| (id == down.target).then_some(stage))
    }
}

/// Starts and monitors a stage: one step, so that it cannot die unseen.
fn start<A: Starts<K>, K>(
    ctx: &Context<Overseer>,
    stage: Stage,
    actor: A,
    mailbox: Mailbox,
) -> Result<ActorRef<A>, ExitReason> {
    let options = Options::new().name(stage.to_string()).mailbox(mailbox);
    let started: Result<_, StartError> = ctx.spawn_monitored_with(actor, options);
    started.map(|(actor, _)| actor).map_err(ExitReason::error)
}

impl Actor for Overseer {
    async fn started(&mut self, ctx: &Context<Self>) {
        match self.start_all(ctx) {
            Ok(stages) => self.stages = Some(stages),
            Err(reason) => return ctx.stop_with(reason),
        }
        self.resume().await;
    }
}

impl Handler<Down> for Overseer {
    async fn handle(&mut self, down: Down, ctx: &Context<Self>) {
        let Some(stage) = self.who(&down) else { return };
        if stage == Stage::Writer && !down.reason.is_abnormal() {
            return ctx.stop(); // all is written
        }
        self.fallen.push((stage, down.reason));
        match self.restart(stage, ctx) {
            Ok(()) => self.resume().await,
            Err(reason) => ctx.stop_with(reason),
        }
    }
}
