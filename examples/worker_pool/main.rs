//! A pool of workers that hashes all files of a folder, and survives one of them.
//!
//! ```text
//! cargo run --release --example worker_pool                 # this crate's own source, then exits
//! cargo run --release --example worker_pool -- FOLDER       # another folder
//! ```
//!
//! ```text
//!   walk ──paths──►  one queue  ◄──pull── Hasher, Hasher, Hasher, Hasher
//!     ▲ waits while it is full                 │
//!     └────────────── digests ◄────────────────┘
//! ```
//!
//! The workers take from one queue, so that none waits behind a large file; the queue is bounded, and whoever fills it waits. In the
//! middle of it one worker dies on purpose. Its file is asked for again, since its request has failed with the worker's
//! reason; everything else is done by the others, and by the one that takes its place. At the end the digest is compared with
//! that of a plain loop.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::hash::{DefaultHasher, Hasher as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use deathwatch::threads::prelude::*;
use deathwatch::{Mailbox, OnFull, Pool, Request, RequestError, SharedQueue};

/// What is known of a file.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Digest {
    hash: u64,
    bytes: usize,
    lines: usize,
}

fn digest(content: &[u8]) -> Digest {
    let mut hasher = DefaultHasher::new();
    hasher.write(content);
    let lines = content.iter().filter(|&&byte| byte == b'\n').count();
    Digest { hash: hasher.finish(), bytes: content.len(), lines }
}

/// Reads and hashes files, on a thread of its own.
struct Hasher {
    number: usize,
    files: usize,
    /// The file that is one too many for the first who opens it.
    poison: Arc<Poison>,
}

struct Poison {
    file: PathBuf,
    spent: AtomicBool,
}

impl Actor for Hasher {
    fn stopped(&mut self, reason: &ExitReason, _: &Context<Self>) {
        println!("  hasher {}: {} files, {reason}", self.number, self.files);
    }
}

struct Hash(PathBuf);
impl Message for Hash {
    type Reply = std::io::Result<Digest>;
}
impl Handler<Hash> for Hasher {
    fn handle(&mut self, Hash(path): Hash, _: &Context<Self>) -> std::io::Result<Digest> {
        if path == self.poison.file && !self.poison.spent.swap(true, Ordering::Relaxed) {
            panic!("cannot stomach {}", path.display());
        }
        self.files += 1;
        Ok(digest(&fs::read(path)?))
    }
}

fn main() -> ExitCode {
    let folder = std::env::args_os()
        .nth(1)
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), PathBuf::from);
    match run(&folder) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("worker_pool: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(folder: &Path) -> Result<(), Box<dyn Error>> {
    let mut files = Vec::new();
    walk(folder, &mut files)?;
    let Some(file) = files.get(files.len() / 2) else { return Err("no files there".into()) };
    let poison = Arc::new(Poison { file: file.clone(), spent: AtomicBool::new(false) });
    println!("{} files in {}", files.len(), folder.display());

    std::panic::set_hook(Box::new(|_| ())); // what panics is told by the reasons
    let begun = Instant::now();
    let pool = Pool::builder(move |number| Hasher { number, files: 0, poison: Arc::clone(&poison) })
        .workers(4)
        .shared_queue()
        .queue(Mailbox::bounded(16, OnFull::Wait))
        .start()?;
    let (digests, again) = hash_all(&pool, &files)?;
    // The one that died is replaced at once, but not before that.
    while pool.stats().workers + pool.stats().restarts < 5 && begun.elapsed() < Duration::from_secs(30) {
        std::thread::yield_now();
    }
    let stats = pool.stats();
    let end = pool.drain(Duration::from_secs(10)).wait();
    let took = begun.elapsed();
    let _ = std::panic::take_hook();

    let total = total(&digests);
    let (bytes, lines) =
        digests.values().fold((0, 0), |(bytes, lines), one| (bytes + one.bytes, lines + one.lines));
    println!("{total:016x}: {bytes} bytes, {lines} lines in {took:.1?}; {again} asked for again; {stats:?}");
    let mut plain = BTreeMap::new();
    for path in files {
        plain.insert(path.clone(), digest(&fs::read(path)?));
    }
    if digests != plain {
        return Err("this is not what a plain loop makes of them".into());
    }
    if (end.clone(), stats.restarts, stats.lost, again) != (ExitReason::Normal, 1, 1, 1) {
        return Err(format!("one worker was to die: {end}, {stats:?}").into());
    }
    println!("the same as from a plain loop; one worker died, and nothing was lost");
    Ok(())
}

/// Hashes all files; and how many of them had to be asked for again.
fn hash_all(
    pool: &Pool<Hasher, SharedQueue>,
    files: &[PathBuf],
) -> Result<(BTreeMap<PathBuf, Digest>, usize), Box<dyn Error>> {
    let mut digests = BTreeMap::new();
    let mut again = 0;
    let mut asked: Vec<(&PathBuf, Request<Hash>)> = Vec::new();
    let mut next = files.iter();
    loop {
        // As many as are queued and worked on, and not all at once: their replies would wait in memory.
        while asked.len() < 20 {
            let Some(path) = next.next() else { break };
            asked.push((path, pool.request(Hash(path.clone()))));
        }
        if asked.is_empty() {
            return Ok((digests, again));
        }
        let (path, request) = asked.remove(0);
        match request.wait() {
            Ok(found) => _ = digests.insert(path.clone(), found?),
            Err(RequestError::Exited(reason)) if again < 3 => {
                println!("  {reason}: once more");
                again += 1;
                asked.push((path, pool.request(Hash(path.clone()))));
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// One digest of all, which does not depend on who was first.
fn total(digests: &BTreeMap<PathBuf, Digest>) -> u64 {
    let mut hasher = DefaultHasher::new();
    digests.values().for_each(|one| hasher.write_u64(one.hash));
    hasher.finish()
}

/// All files under a folder, sorted.
fn walk(folder: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    let mut entries =
        fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>()?;
    entries.sort();
    for path in entries {
        if path.is_dir() {
            walk(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}
