//! Reading the files of many messages: headers or all of them, on two threads, in order.
//!
//! What takes time is opening, reading and looking at small files, and a second processor halves it.
//! Memory is bounded: a worker has one message at hand, and results are taken a batch at a time.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::mpsc;
use std::thread;

use maildir::selection::Selection;

use crate::fetch::message::{self, Buffer, Content};
use crate::fetch::Need;

/// How many messages are worth a second thread.
const WORTH_A_THREAD: usize = 64;

/// Messages that a worker takes at once.
const BATCH: usize = 128;

/// Batches that may wait for the other worker's.
const AHEAD: usize = 2;

/// How many workers.
const WORKERS: usize = 2;

/// Nothing here needs much: the parsers do not recurse.
const STACK_BYTES: usize = 256 * 1024;

/// Gives `use_it` the bytes of a message's file, or of its beginning with the header.
fn with_bytes<T>(
    file: &std::fs::File,
    need: Need,
    buffer: &mut Buffer,
    use_it: impl FnOnce(&[u8]) -> T,
) -> std::io::Result<T> {
    let content = match message::read(file, need, buffer)? {
        Some(bytes) => Content::Read(bytes),
        None => message::map(file)?,
    };
    Ok(use_it(content.bytes()))
}

/// Calls `work` with the bytes of each message of `which` (None for one that is gone or cannot be
/// read), on several threads, and `take` with what came of it, in the order of `which`.
pub fn each<T: Send, E>(
    selection: &mut Selection,
    which: &[usize],
    need: Need,
    work: &(dyn Fn(usize, Option<&[u8]>) -> T + Sync),
    take: &mut dyn FnMut(usize, T) -> Result<(), E>,
) -> Result<(), E> {
    let mut buffer = Buffer::default();
    if which.len() < WORTH_A_THREAD {
        for &n in which {
            let result = read_found(selection, n, need, &mut buffer, work);
            take(n, result)?;
        }
        return Ok(());
    }
    // A batch: its messages with their paths, and where the results go.
    type Batch<T> = (Vec<(usize, PathBuf)>, mpsc::SyncSender<Vec<Option<T>>>);
    thread::scope(|scope| {
        let mut workers = Vec::new();
        for _ in 0..WORKERS {
            let (to_worker, batches) = mpsc::sync_channel::<Batch<T>>(AHEAD);
            let worker = move || {
                let mut buffer = Buffer::default();
                for (batch, results) in batches {
                    let made: Vec<Option<T>> = batch
                        .iter()
                        .map(|(n, path)| {
                            let file = os::file::open_unfollowed(path).ok()?;
                            with_bytes(&file, need, &mut buffer, |bytes| work(*n, Some(bytes))).ok()
                        })
                        .collect();
                    // Nobody waits for them where the client has gone.
                    let _ = results.send(made);
                }
            };
            let builder = thread::Builder::new().stack_size(STACK_BYTES);
            // Where there can be no thread, everything is read here.
            if builder.spawn_scoped(scope, worker).is_ok() {
                workers.push(to_worker);
            }
        }
        let mut waiting = VecDeque::new();
        let mut batches = which.chunks(BATCH).enumerate();
        loop {
            while waiting.len() < WORKERS * AHEAD
                && let Some((number, batch)) = batches.next()
            {
                let (results, come) = mpsc::sync_channel(1);
                let paths = batch.iter().map(|&n| (n, selection.path(n))).collect();
                // A worker that is gone has panicked; its scope tells.
                if let Some(worker) = workers.get(number % WORKERS) {
                    let _ = worker.send((paths, results));
                }
                waiting.push_back((batch, come));
            }
            let Some((batch, come)) = waiting.pop_front() else {
                return Ok(());
            };
            let made = come.recv().unwrap_or_default();
            let mut made = made.into_iter();
            for &n in batch {
                let result = match made.next().flatten() {
                    Some(result) => result,
                    // It was renamed, or is gone.
                    None => read_found(selection, n, need, &mut buffer, work),
                };
                take(n, result)?;
            }
        }
    })
}

/// Reads a message under the name that it has now.
fn read_found<T>(
    selection: &mut Selection,
    n: usize,
    need: Need,
    buffer: &mut Buffer,
    work: &(dyn Fn(usize, Option<&[u8]>) -> T + Sync),
) -> T {
    let read = selection
        .open_message(n)
        .and_then(|file| with_bytes(&file, need, buffer, |bytes| work(n, Some(bytes))));
    read.unwrap_or_else(|_| work(n, None))
}
