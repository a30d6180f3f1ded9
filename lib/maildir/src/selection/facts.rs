//! Sizes and dates of messages, which cost a look at each file, and are kept in the journal.

use std::path::PathBuf;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use super::lock::Lock;
use super::op::{NO_DATE, NO_SIZE, Op};
use super::view::mark;
use super::{Selection, Writing};
use crate::scan::now;
use crate::sizes::{Measured, measure_one};

/// Messages that a thread takes at a time.
const BATCH: usize = 64;

/// How many threads look.
const THREADS: usize = 2;

const STACK_BYTES: usize = 128 * 1024;

/// What a thread reads at once.
const READ_BYTES: usize = 64 * 1024;
const FEW_READ_BYTES: usize = 8 * 1024;

/// A file that was modified within so many nanoseconds may still be growing: somebody copies into
/// `cur` by hand.
const SETTLING: i64 = 5_000_000_000;

const SECOND: i64 = 1_000_000_000;

/// When so much was found out, it is written at once.
const SAVE_AT_ONCE: usize = 128;

/// How long the lock is waited for to write it: it can be found out again.
const SAVE_WAIT: Duration = Duration::from_millis(50);

/// How many facts go into one operation of the journal.
const FACTS: usize = 8 * 1024;

impl Selection {
    /// Finds out the sizes and dates of these messages, as far as they are not known.
    pub fn facts(&mut self, which: &[usize]) {
        let missing = self.measure(which);
        if !missing.is_empty() && self.sync().is_ok() {
            let missing = self.measure(&missing);
            if !missing.is_empty() && self.sync_with_lock(true).is_ok() {
                self.measure(&missing);
            }
        }
        if self.view.learnt >= SAVE_AT_ONCE {
            self.save();
        }
    }

    /// The octets of message `n` with CRLF line ends; a last line that has no end does not get one
    /// ([`crate::WireSize::unended`]). None if that is not known: it is gone, or
    /// cannot be read.
    pub fn size(&mut self, n: usize) -> Option<u64> {
        self.know(n);
        let size = self.message(n)?.size;
        (size != NO_SIZE).then_some(size)
    }

    /// When it was received, in seconds since the epoch: the time of modification of its file. None
    /// as above.
    pub fn date(&mut self, n: usize) -> Option<i64> {
        self.know(n);
        let date = self.message(n)?.date;
        (date != NO_DATE).then_some(date)
    }

    fn know(&mut self, n: usize) {
        if !self.measure(&[n]).is_empty() && self.sync().is_ok() {
            self.measure(&[n]);
        }
    }

    /// Tells that the whole of message `n` was read and has so many octets, which its name denied.
    pub fn correct_size(&mut self, n: usize, size: u64) {
        if let Some(message) = self.message(n)
            && message.size != size
        {
            let date = message.date;
            self.view.learn(n, size, date, false);
        }
    }

    /// Looks at the files of messages of which too little is known. Returns those that are not where
    /// they should be.
    fn measure(&mut self, which: &[usize]) -> Vec<usize> {
        let is_unknown = |&&n: &&usize| {
            self.message(n)
                .is_some_and(|message| message.size == NO_SIZE && !message.is(mark::GONE))
        };
        let unknown: Vec<usize> = which.iter().filter(is_unknown).copied().collect();
        if unknown.is_empty() {
            return unknown;
        }
        let read_bytes = match unknown.len() > BATCH {
            true => READ_BYTES,
            false => FEW_READ_BYTES,
        };
        let (view, dir) = (&self.view, &self.dir);
        let batches = Mutex::new(unknown.chunks(BATCH));
        let results = Mutex::new(Vec::with_capacity(unknown.len()));
        let work = || {
            let mut buffer = vec![0; read_bytes];
            let mut path = PathBuf::new();
            let mut measured = Vec::with_capacity(BATCH);
            loop {
                let batch = match batches.lock() {
                    Ok(mut batches) => batches.next(),
                    // Another thread has panicked; the scope passes that on.
                    Err(_) => None,
                };
                let Some(batch) = batch else {
                    return;
                };
                for &n in batch {
                    let message = &view.messages[n];
                    view.path(message, dir, &mut path);
                    measured.push((n, measure_one(&path, view.unique(message), &mut buffer)));
                }
                if let Ok(mut results) = results.lock() {
                    results.append(&mut measured);
                }
            }
        };
        let helpers = THREADS.min(unknown.len().div_ceil(BATCH)) - 1;
        thread::scope(|scope| {
            for _ in 0..helpers {
                let builder = thread::Builder::new().stack_size(STACK_BYTES);
                // Without a helper the work takes longer, that is all.
                if builder.spawn_scoped(scope, work).is_err() {
                    break;
                }
            }
            work();
        });
        let settled = now() - SETTLING;
        let mut missing = Vec::new();
        for (n, measured) in results.into_inner().unwrap_or_default() {
            match measured {
                Measured::Exactly {
                    modified, unended, ..
                } => {
                    let date = modified.div_euclid(SECOND);
                    self.view.learn(n, unended, date, modified > settled);
                }
                Measured::Guessed { modified, size } => {
                    let date = modified.div_euclid(SECOND);
                    self.view.learn(n, size, date, true);
                }
                Measured::Missing | Measured::NoMessage => missing.push(n),
            }
        }
        missing
    }

    /// Writes down what was found out, if that can be done at once. Done at the end, too.
    pub fn save(&mut self) {
        if self.view.learnt == 0 {
            return;
        }
        let learnt: Vec<(u32, u64, i64)> = self
            .view
            .living()
            .filter(|(_, message)| message.is(mark::LEARNT))
            .map(|(_, message)| (message.uid, message.size, message.date))
            .collect();
        if learnt.is_empty() || self.writing != Writing::Works || self.is_private {
            return;
        }
        // Others may have found out the same; but what they have done comes first.
        let Ok(lock) = Lock::take(&self.dir, SAVE_WAIT) else {
            return;
        };
        if self.poll().is_ok_and(|is_fine| is_fine) {
            self.read_the_rest();
            let ops = learnt.chunks(FACTS).map(|facts| Op::Facts(facts.to_vec()));
            let ops = ops.collect();
            self.commit(ops);
            self.view.learnt = 0;
            self.checkpoint();
        }
        drop(lock);
    }
}
