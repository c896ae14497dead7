//! The input: the lines of some files, one after the other, numbered from 0.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A line, and where it stands.
pub struct Line {
    pub number: u64,
    pub file: Arc<Path>,
    pub in_file: u64,
    pub bytes: Vec<u8>,
}

impl Line {
    /// What the pipeline makes of it.
    pub fn row(&self) -> String {
        let mut hasher = DefaultHasher::new();
        self.bytes.hash(&mut hasher);
        format!("{:016x} {}:{}\n", hasher.finish(), self.file.display(), self.in_file)
    }
}

/// The lines of files, in order.
pub struct Lines {
    files: VecDeque<PathBuf>,
    open: Option<(Arc<Path>, BufReader<File>, u64)>,
    next: u64,
}

impl Lines {
    /// From the line `from` on.
    pub fn starting(files: &[PathBuf], from: u64) -> io::Result<Self> {
        let mut lines = Lines { files: files.iter().cloned().collect(), open: None, next: 0 };
        while lines.next < from {
            if lines.read()?.is_none() {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the input has become shorter"));
            }
        }
        Ok(lines)
    }

    /// The next line; `None` when there is no more.
    pub fn read(&mut self) -> io::Result<Option<Line>> {
        loop {
            if let Some((file, reader, in_file)) = &mut self.open {
                let mut bytes = Vec::new();
                if reader.read_until(b'\n', &mut bytes)? > 0 {
                    *in_file += 1;
                    let line = Line { number: self.next, file: Arc::clone(file), in_file: *in_file, bytes };
                    self.next += 1;
                    return Ok(Some(line));
                }
            }
            let Some(file) = self.files.pop_front() else { return Ok(None) };
            let opened = File::open(&file).map_err(|error| {
                io::Error::new(error.kind(), format!("cannot open {}: {error}", file.display()))
            })?;
            let reader = BufReader::new(opened);
            self.open = Some((file.into(), reader, 0));
        }
    }

    /// How many there have been.
    pub fn number(&self) -> u64 {
        self.next
    }
}

/// What a plain loop makes of the files.
pub fn digest_all(files: &[PathBuf]) -> io::Result<String> {
    let mut rows = String::new();
    let mut lines = Lines::starting(files, 0)?;
    while let Some(line) = lines.read()? {
        rows += &line.row();
    }
    Ok(rows)
}

/// All files under `folder`, sorted.
pub fn files_under(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut entries = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    entries.sort();
    let mut files = Vec::new();
    for path in entries {
        if path.is_dir() { files.extend(files_under(&path)?) } else { files.push(path) }
    }
    Ok(files)
}
