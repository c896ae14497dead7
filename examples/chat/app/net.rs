//! Lines from and to a socket.

use std::io;
use std::mem;
use std::net::{Shutdown, TcpStream};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use async_io::{Async, Timer};
use futures::future::{Either, select};
use futures::{AsyncReadExt, AsyncWriteExt};

use super::protocol::MAX_LINE;

/// How long a client may take to accept a line before it counts as gone.
const PATIENCE: Duration = Duration::from_secs(3);

/// Splits a connection into its two directions.
pub fn split(stream: Async<TcpStream>) -> (LineReader, LineWriter) {
    let stream = Arc::new(stream);
    let reader = LineReader { stream: stream.clone(), buffer: Vec::new(), skipping: false };
    (reader, LineWriter { stream })
}

pub struct LineReader {
    stream: Arc<Async<TcpStream>>,
    /// What has been read and is not part of a line yet.
    buffer: Vec<u8>,
    /// In the middle of a line that is too long.
    skipping: bool,
}

impl LineReader {
    /// The next line without its line end; `None` at the end of the stream. A line that is too
    /// long or no text is read to its end, and the inner result says what is wrong with it.
    pub async fn next(&mut self) -> io::Result<Option<Result<String, String>>> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let rest = self.buffer.split_off(end + 1);
                let line = mem::replace(&mut self.buffer, rest);
                return Ok(Some(self.check(&line[..end])));
            }
            if self.buffer.len() > MAX_LINE {
                self.skipping = true;
                self.buffer.clear();
            }
            let mut chunk = [0; 2048];
            match (&*self.stream).read(&mut chunk).await? {
                0 if self.buffer.is_empty() => return Ok(None),
                0 => self.buffer.push(b'\n'), // the last line has no line end
                read => self.buffer.extend_from_slice(&chunk[..read]),
            }
        }
    }

    fn check(&mut self, line: &[u8]) -> Result<String, String> {
        if mem::take(&mut self.skipping) || line.len() > MAX_LINE {
            return Err(format!("a line is at most {MAX_LINE} bytes"));
        }
        let line = std::str::from_utf8(line).map_err(|_| "a line is UTF-8 text")?;
        // Without control characters: whoever reads the line has a terminal to lose.
        Ok(line.replace(char::is_control, ""))
    }
}

/// Shuts the connection down when dropped. However the actor that owns it ends, be it by a panic
/// or a kill, the client notices, and so does the [`LineReader`] of this connection.
pub struct LineWriter {
    stream: Arc<Async<TcpStream>>,
}

impl LineWriter {
    pub async fn write(&mut self, line: &str) -> io::Result<()> {
        let line = format!("{line}\n");
        let mut stream = &*self.stream;
        let write = pin!(stream.write_all(line.as_bytes()));
        match select(write, Timer::after(PATIENCE)).await {
            Either::Left((written, _)) => written,
            Either::Right(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "the client does not read")),
        }
    }
}

impl Drop for LineWriter {
    fn drop(&mut self) {
        // Fails if the client was faster. Fine: it is gone either way.
        let _ = self.stream.get_ref().shutdown(Shutdown::Both);
    }
}
