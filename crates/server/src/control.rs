//! A running server's door for commands of the same machine: a socket named `control` in its data directory.
//!
//! Whoever may read the directory has everything in it already, so the file system says who comes in; beside
//! that, only the server's own user and root are answered. A client writes a line, `export`, and gets frames of a
//! length (u32, little endian) and bytes; a frame of length 0 ends them, and a line says how it went.

use std::io::{self, BufRead as _, BufReader, BufWriter, Read as _, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use disk::Beside;
use store::export::export;
use tokio::net::UnixListener;
use tokio::task::JoinHandle;

use crate::door::Door;
use crate::log;

/// The socket's name.
pub const NAME: &str = "control";
/// The one command there is.
const EXPORT: &str = "export";
/// A client that neither writes nor reads for this long is given up: what is exported is held on the disk.
const PATIENCE: Duration = Duration::from_secs(60);
/// Bytes of a frame at most, by far: a chunk of an export, one message over its limit.
const LONGEST: usize = 16 << 20;
/// How the last line begins when all went well; otherwise it says what went wrong.
const DONE: &str = "done ";

/// The socket, while it is open.
#[derive(Debug)]
pub struct Control {
    path: PathBuf,
    accepting: JoinHandle<()>,
}

impl Control {
    /// Opens it in a directory whose lock this process holds.
    pub fn open(data: &Path, door: Arc<Door>) -> io::Result<Control> {
        let path = data.join(NAME);
        // Left by a process that was killed.
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(&path)?;
        let data = data.to_owned();
        let accepting = tokio::spawn(async move { accept(&listener, &door, &data).await });
        Ok(Control { path, accepting })
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        self.accepting.abort();
        let _ = std::fs::remove_file(&self.path);
    }
}

async fn accept(listener: &UnixListener, door: &Arc<Door>, data: &Path) {
    // One at a time: an export holds files, and memory for what is not in files.
    let busy = Arc::new(AtomicBool::new(false));
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                log::warn("a command could not be accepted", &[("why", &error)]);
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let is_ours = stream.peer_cred().is_ok_and(|peer| is_welcome(peer.uid()));
        let Some(stream) = stream.into_std().ok().filter(|_| is_ours) else { continue };
        let (door, data, busy) = (door.clone(), data.to_owned(), busy.clone());
        // A thread that a stop does not wait for: its client then lacks the last line, and knows.
        let served = thread::Builder::new().name("sluice-export".to_owned());
        let spawned = served.spawn(move || serve(stream, &door, &data, &busy));
        if let Err(error) = spawned {
            log::warn("a command could not be served", &[("why", &error)]);
        }
    }
}

fn is_welcome(uid: u32) -> bool {
    uid == 0 || uid == rustix::process::geteuid().as_raw()
}

fn serve(stream: UnixStream, door: &Door, data: &Path, busy: &AtomicBool) {
    // What the client does not see because it is gone needs no word.
    let _ = try_serve(stream, door, data, busy);
}

fn try_serve(stream: UnixStream, door: &Door, data: &Path, busy: &AtomicBool) -> io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut line = String::new();
    BufReader::new((&stream).take(100)).read_line(&mut line)?;
    let mut out = BufWriter::new(stream);
    let end = match line.trim_end() {
        EXPORT if busy.swap(true, Ordering::SeqCst) => "another export is going on".to_owned(),
        EXPORT => {
            let exported = send_export(&mut out, door, data);
            busy.store(false, Ordering::SeqCst);
            log::info("exported", &[("messages", &exported.as_ref().map_or(0, |count| *count))]);
            exported.map_or_else(|error| error.to_string(), |messages| format!("{DONE}{messages}"))
        }
        _ => "this server knows no such command".to_owned(),
    };
    frame(&mut out, &[])?;
    writeln!(out, "{end}")?;
    out.flush()
}

fn send_export(out: &mut impl Write, door: &Door, data: &Path) -> io::Result<u64> {
    let whole = door.look(|node| node.whole());
    let whole = whole.ok_or_else(|| io::Error::other("nothing is on disk"))?;
    // Nothing is let out that a crash might take back.
    while !door.look(|node| node.is_durable(whole.messages.lsn())) {
        thread::sleep(Duration::from_millis(1));
    }
    let mut reader = whole.messages.reader(Beside::open(data)?);
    let load = |ask| reader.load(ask).map_err(io::Error::other);
    export(whole.origin, whole.rows, load, |bytes| frame(out, bytes))
}

fn frame(out: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    out.write_all(&(bytes.len() as u32).to_le_bytes())?;
    out.write_all(bytes)
}

/// Takes an export from the server that has this directory. The number of messages.
pub fn export_of_running(data: &Path, out: &mut impl Write) -> Result<u64, String> {
    let path = data.join(NAME);
    let asked = UnixStream::connect(&path).and_then(|mut stream| {
        stream.write_all(format!("{EXPORT}\n").as_bytes())?;
        Ok(stream)
    });
    let stream = asked.map_err(|error| {
        format!("The process that has {} does not answer at its socket {NAME}: {error}.", data.display())
    })?;
    let mut stream = BufReader::new(stream);
    let broken = |error| format!("The server stopped before the export was whole: {error}.");
    while let Some(bytes) = read_frame(&mut stream).map_err(broken)? {
        out.write_all(&bytes).map_err(|error| format!("The export could not be written: {error}."))?;
    }
    let mut end = String::new();
    stream.read_line(&mut end).map_err(broken)?;
    let messages = end.strip_prefix(DONE).and_then(|count| count.trim_end().parse().ok());
    messages.ok_or_else(|| match end.trim_end() {
        "" => "The server stopped before the export was whole.".to_owned(),
        why => format!("The server could not export: {why}."),
    })
}

fn read_frame(stream: &mut impl io::Read) -> io::Result<Option<Vec<u8>>> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let length = u32::from_le_bytes(length) as usize;
    if length > LONGEST {
        return Err(io::Error::other("this is not what an export looks like"));
    }
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes)?;
    Ok(Some(bytes).filter(|bytes| !bytes.is_empty()))
}
