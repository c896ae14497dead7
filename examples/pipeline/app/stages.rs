//! The three stages: plain functions that block.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use deathwatch::threads::prelude::*;

use super::faults::{Fault, Faults, Stage};
use super::lines::{Line, Lines};

/// Reads lines and hands them to the digester it was told of.
pub struct Reader {
    files: Vec<PathBuf>,
    faults: Faults,
    feed: Option<(Lines, ActorRef<Digester>)>,
    /// Is there a `More` in the mailbox?
    going: bool,
}

/// To the reader: go on from this line, with that digester.
pub struct Feed {
    pub from: u64,
    pub to: ActorRef<Digester>,
}

/// From the reader to itself. Between two lines it is open to a new `Feed`.
struct More;

/// After the last line.
pub struct End {
    lines: u64,
}

impl Message for Feed {
    type Reply = ();
}
impl Message for More {
    type Reply = ();
}
impl Message for Line {
    type Reply = ();
}
impl Message for End {
    type Reply = ();
}

impl Reader {
    pub fn new(files: &[PathBuf], faults: &Faults) -> Self {
        Reader { files: files.to_vec(), faults: faults.clone(), feed: None, going: false }
    }

    fn go_on(&mut self, ctx: &Context<Self>) {
        self.going = ctx.send(More).is_ok();
    }

    /// Hands on one line. False when there is nothing to do until the next `Feed`.
    fn step(&mut self, ctx: &Context<Self>) -> io::Result<bool> {
        let Some((lines, digester)) = &mut self.feed else { return Ok(false) };
        let Some(line) = lines.read()? else {
            let _ = digester.send_wait(End { lines: lines.number() }).wait();
            return Ok(false);
        };
        match self.faults.strike(Stage::Reader, line.number) {
            Some(Fault::Error) => return Err(io::Error::other("the disk is tired")),
            Some(Fault::Kill) => ctx.handle().kill(),
            Some(Fault::Panic | Fault::Tear) => panic!("cannot read line {}", line.number),
            None => {}
        }
        // Refused: the digester is dead. The line is not lost: the next `Feed` begins with the first that was not written.
        Ok(digester.send_wait(line).wait().is_ok())
    }
}

impl Actor for Reader {}

impl Handler<Feed> for Reader {
    fn handle(&mut self, Feed { from, to }: Feed, ctx: &Context<Self>) {
        match Lines::starting(&self.files, from) {
            Ok(lines) => self.feed = Some((lines, to)),
            Err(error) => return ctx.stop_with(ExitReason::error(error)),
        }
        if !self.going {
            self.go_on(ctx);
        }
    }
}

impl Handler<More> for Reader {
    fn handle(&mut self, More: More, ctx: &Context<Self>) {
        self.going = false;
        match self.step(ctx) {
            Ok(true) => self.go_on(ctx),
            Ok(false) => self.feed = None,
            Err(error) => ctx.stop_with(ExitReason::error(error)),
        }
    }
}

/// Makes a row of each line.
pub struct Digester {
    faults: Faults,
    writer: ActorRef<Writer>,
}

/// To the digester: this is the writer from now on.
pub struct Rewire(pub ActorRef<Writer>);

/// A digest, and the number of its line.
struct Row {
    number: u64,
    text: String,
}

impl Message for Rewire {
    type Reply = ();
}
impl Message for Row {
    type Reply = ();
}

impl Digester {
    pub fn new(writer: ActorRef<Writer>, faults: &Faults) -> Self {
        Digester { faults: faults.clone(), writer }
    }
}

impl Actor for Digester {}

impl Handler<Rewire> for Digester {
    fn handle(&mut self, Rewire(writer): Rewire, _: &Context<Self>) {
        self.writer = writer;
    }
}

impl Handler<Line> for Digester {
    fn handle(&mut self, line: Line, ctx: &Context<Self>) {
        match self.faults.strike(Stage::Digester, line.number) {
            Some(Fault::Kill) => return ctx.handle().kill(),
            Some(_) => panic!("cannot digest line {}", line.number),
            None => {}
        }
        // Refused: the writer is dead, and what it has not written will come again.
        let _ = self.writer.send_wait(Row { number: line.number, text: line.row() }).wait();
    }
}

impl Handler<End> for Digester {
    fn handle(&mut self, end: End, _: &Context<Self>) {
        let _ = self.writer.send_wait(end).wait();
    }
}

/// Writes the rows, each once and in order, and stops when all are there.
pub struct Writer {
    file: File,
    /// The number of the next row; those before are on disk.
    next: u64,
    faults: Faults,
}

/// To the writer: which row is the next?
pub struct Position;
impl Message for Position {
    type Reply = u64;
}

impl Writer {
    /// Takes up the work where the file ends. A row that is torn is cut off: it will come again.
    pub fn open(path: &Path, faults: &Faults) -> io::Result<Self> {
        let mut file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
        let (mut next, mut whole, mut row) = (0, 0, Vec::new());
        let mut reader = BufReader::new(&mut file);
        while reader.read_until(b'\n', &mut row)? > 0 && row.ends_with(b"\n") {
            next += 1;
            whole += row.len() as u64;
            row.clear();
        }
        file.set_len(whole)?;
        file.seek(SeekFrom::End(0))?;
        Ok(Writer { file, next, faults: faults.clone() })
    }

    fn write(&mut self, text: &str, ctx: &Context<Self>) {
        match self.file.write_all(text.as_bytes()) {
            Ok(()) => self.next += 1,
            Err(error) => ctx.stop_with(ExitReason::error(error)),
        }
    }
}

impl Actor for Writer {}

impl Handler<Position> for Writer {
    fn handle(&mut self, Position: Position, _: &Context<Self>) -> u64 {
        self.next
    }
}

impl Handler<Row> for Writer {
    fn handle(&mut self, row: Row, ctx: &Context<Self>) {
        if row.number != self.next {
            return; // from before a crash: written already, or behind a gap from which the reader will go on
        }
        match self.faults.strike(Stage::Writer, row.number) {
            Some(Fault::Tear) => {
                let half = row.text.len() / 2;
                self.file.write_all(&row.text.as_bytes()[..half]).expect("the half of it");
                panic!("row {} is torn", row.number);
            }
            Some(_) => panic!("cannot write row {}", row.number),
            None => self.write(&row.text, ctx),
        }
    }
}

impl Handler<End> for Writer {
    fn handle(&mut self, End { lines }: End, ctx: &Context<Self>) {
        if lines == self.next {
            ctx.stop();
        }
    }
}
