//! Reading the files of many messages: headers or all of them, on several threads, in order.
//!
//! What takes time is opening and reading small files, and a second processor halves it. Memory is
//! bounded: a worker has one message at hand, and what comes of them is taken a batch at a time.

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, Builder};

use maildir::selection::Selection;

use crate::fetch::Need;
use crate::fetch::message::{self, Buffer, Content};

/// From so many messages on other threads are worth it.
const MANY: usize = 64;

/// Messages that a worker takes at once.
const BATCH: usize = 128;

/// Batches that a worker has, or that wait for it.
const AHEAD: usize = 2;

/// How many workers.
const WORKERS: usize = 2;

/// Nothing here needs much: the parsers do not recurse, and search keys stand in each other a hundred
/// deep at most.
const STACK_BYTES: usize = 256 * 1024;

/// A message for a worker.
struct Job<C> {
    /// What is known of it without its file.
    known: C,
    path: PathBuf,
}

/// What is done with each message.
pub struct Reading<'a, C, T> {
    /// How much of a file is read.
    pub need: Need,
    /// Makes something of what is known of a message and of the bytes of its file, which may be more
    /// than those that are needed. None for a message that is gone or cannot be read.
    pub work: &'a (dyn Fn(&C, Option<&[u8]>) -> T + Sync),
}

/// Reads messages, and calls `take` with the place in the mailbox of each and what came of it, in the
/// order of `which`. An error of `take` ends it. `know` says what is known of a message without its
/// file.
pub fn each<C: Send, T: Send, E>(
    selection: &mut Selection,
    which: &[usize],
    know: &dyn Fn(&mut Selection, usize) -> C,
    reading: &Reading<'_, C, T>,
    take: &mut dyn FnMut(usize, T) -> Result<(), E>,
) -> Result<(), E> {
    let mut buffer = Buffer::default();
    if which.len() < MANY {
        return here(selection, which, know, reading, &mut buffer, take);
    }
    thread::scope(|scope| {
        let mut workers = Vec::new();
        for _ in 0..WORKERS {
            let (to_worker, jobs) = sync_channel(AHEAD);
            let (done, results) = sync_channel(AHEAD);
            let worker = move || run(&jobs, &done, reading);
            let builder = Builder::new().stack_size(STACK_BYTES);
            if builder.spawn_scoped(scope, worker).is_ok() {
                workers.push((to_worker, results));
            }
        }
        if workers.is_empty() {
            return here(selection, which, know, reading, &mut buffer, take);
        }
        let batches = || which.chunks(BATCH);
        // Batches go to the workers in turn, and each has so many of them at the most.
        let ahead = AHEAD * workers.len();
        for at in 0..batches().len() + ahead {
            let (worker, results) = &workers[at % workers.len()];
            if let Some(batch) = at.checked_sub(ahead).and_then(|at| batches().nth(at)) {
                // A worker that is gone has panicked; its scope passes that on.
                let mut made = results.recv().unwrap_or_default().into_iter();
                for &n in batch {
                    let result = match made.next().flatten() {
                        Some(result) => result,
                        // It was renamed, or is gone.
                        None => look(selection, n, know, reading, &mut buffer),
                    };
                    take(n, result)?;
                }
            }
            if let Some(batch) = batches().nth(at) {
                let jobs = batch.iter().map(|&n| Job {
                    known: know(selection, n),
                    path: selection.path(n),
                });
                let _ = worker.send(jobs.collect());
            }
        }
        Ok(())
    })
}

/// [`each`] without workers.
fn here<C, T, E>(
    selection: &mut Selection,
    which: &[usize],
    know: &dyn Fn(&mut Selection, usize) -> C,
    reading: &Reading<'_, C, T>,
    buffer: &mut Buffer,
    take: &mut dyn FnMut(usize, T) -> Result<(), E>,
) -> Result<(), E> {
    which
        .iter()
        .try_for_each(|&n| take(n, look(selection, n, know, reading, buffer)))
}

/// What a worker does until there is nothing more to do, or nobody to do it for.
fn run<C, T>(
    jobs: &Receiver<Vec<Job<C>>>,
    done: &SyncSender<Vec<Option<T>>>,
    reading: &Reading<'_, C, T>,
) {
    let mut buffer = Buffer::default();
    for batch in jobs {
        let made = batch.iter().map(|job| {
            let file = os::file::open_unfollowed(&job.path).ok()?;
            let content = content(&file, reading.need, &mut buffer).ok()?;
            let result = (reading.work)(&job.known, Some(content.bytes()));
            (!content.is_cut()).then_some(result)
        });
        if done.send(made.collect()).is_err() {
            return;
        }
    }
}

/// One message, under the name that it has now.
fn look<C, T>(
    selection: &mut Selection,
    n: usize,
    know: &dyn Fn(&mut Selection, usize) -> C,
    reading: &Reading<'_, C, T>,
    buffer: &mut Buffer,
) -> T {
    let file = selection.open_message(n);
    let known = know(selection, n);
    let content = match &file {
        Ok(file) => content(file, reading.need, buffer).ok(),
        Err(_) => None,
    };
    let result = (reading.work)(&known, content.as_ref().map(Content::bytes));
    match content.is_some_and(|content| content.is_cut()) {
        true => (reading.work)(&known, None),
        false => result,
    }
}

/// The bytes of a file, or of its beginning with the header.
fn content<'b>(file: &File, need: Need, buffer: &'b mut Buffer) -> io::Result<Content<'b>> {
    match message::read(file, need, buffer)? {
        Some(bytes) => Ok(Content::Read(bytes)),
        None => message::map(file),
    }
}

#[cfg(test)]
#[path = "reading_tests.rs"]
mod tests;
