//! Many messages: they are opened in order here, read and written out as text by helper threads, and
//! passed on in order here again.
//!
//! A batch goes to each helper in turn, and what each makes comes back by a channel of its own, so the
//! order is kept without sorting. Channels hold few pieces: memory is bounded, and a client that
//! reads slowly slows everything down.

use std::fs::File;
use std::ops::Range;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::Builder;

use maildir::selection::Selection;

use super::message::{self, Buffer};
use super::plan::Plan;
use super::view;
use super::writer::{Drain, PIECE_BYTES, Passed, Writer};
use super::{Cut, Outcome, one_by_one};

/// How many helpers there are.
const HELPERS: usize = 2;

/// Messages of a batch.
const BATCH: usize = 16;

/// Batches that a helper has or that wait for it. Their files are open.
const AHEAD: usize = 2;

/// Pieces of text of a helper that wait.
const PIECES: usize = 4;

/// Nothing here needs much: the parsers do not recurse.
const STACK_BYTES: usize = 256 * 1024;

/// A message for a helper.
#[derive(Debug)]
struct Job {
    n: usize,
    /// None if it could not be opened.
    file: Option<File>,
    /// The beginning of its reply, in the text of the batch; empty if there is none.
    begin: Range<usize>,
}

#[derive(Debug, Default)]
struct Batch {
    text: Vec<u8>,
    jobs: Vec<Job>,
}

/// What comes back, in order.
#[derive(Debug)]
enum Piece {
    /// To be passed on.
    Text(Vec<u8>),
    /// A message that is large, and is passed on while it is read, not here and there; or one that
    /// could not be read, for which there may have been too many open files. It is done without help.
    Alone(usize),
    /// The end of a batch.
    Done,
}

/// As [`super::run`], for messages that have to be read.
pub(super) fn run<E: From<Cut>>(
    selection: &mut Selection,
    which: &[usize],
    plan: &Plan,
    out: &mut Writer<Passed<'_, E>>,
    outcome: &mut Outcome,
) -> Result<(), E> {
    std::thread::scope(|scope| {
        let mut helpers = Vec::new();
        for _ in 0..HELPERS {
            let (batches, todo) = sync_channel::<Batch>(AHEAD);
            let (done, pieces) = sync_channel::<Piece>(PIECES);
            let helper = move || help(&todo, done, plan);
            let builder = Builder::new().stack_size(STACK_BYTES);
            if builder.spawn_scoped(scope, helper).is_ok() {
                helpers.push((batches, pieces));
            }
        }
        if helpers.is_empty() {
            return one_by_one(selection, which, plan, out, outcome);
        }
        let chunks = which.chunks(BATCH);
        let last = chunks.len();
        let mut sent = 0;
        for chunk in chunks {
            // A helper that has panicked takes nothing; the scope passes that on.
            let (batches, _) = &helpers[sent % helpers.len()];
            let _ = batches.send(open(selection, chunk, plan));
            sent += 1;
            if let Some(oldest) = sent.checked_sub(AHEAD * helpers.len()) {
                let (_, pieces) = &helpers[oldest % helpers.len()];
                take(selection, pieces, plan, out, outcome)?;
            }
        }
        let taken = (sent + 1).saturating_sub(AHEAD * helpers.len());
        for oldest in taken..last {
            let (_, pieces) = &helpers[oldest % helpers.len()];
            take(selection, pieces, plan, out, outcome)?;
        }
        Ok(())
    })
}

fn open(selection: &mut Selection, chunk: &[usize], plan: &Plan) -> Batch {
    let mut batch = Batch::default();
    for &n in chunk {
        let start = batch.text.len();
        view::write(selection, n, plan, &mut batch.text);
        batch.jobs.push(Job {
            n,
            file: selection.open_message(n).ok(),
            begin: start..batch.text.len(),
        });
    }
    batch
}

/// Passes on what a helper made of a batch.
fn take<E: From<Cut>>(
    selection: &mut Selection,
    pieces: &Receiver<Piece>,
    plan: &Plan,
    out: &mut Writer<Passed<'_, E>>,
    outcome: &mut Outcome,
) -> Result<(), E> {
    for piece in pieces {
        match piece {
            Piece::Text(text) => {
                out.finish()?;
                out.buffer = text;
                out.finish()?;
            }
            Piece::Alone(n) => one_by_one(selection, &[n], plan, out, outcome)?,
            Piece::Done => return Ok(()),
        }
    }
    Ok(())
}

/// Nobody takes what a helper makes any more.
#[derive(Clone, Copy, Debug)]
struct Abandoned;

/// To the channel of a helper.
struct Sent(SyncSender<Piece>);

impl Sent {
    fn send(&self, piece: Piece) -> Result<(), Abandoned> {
        self.0.send(piece).map_err(|_| Abandoned)
    }
}

impl Drain for &Sent {
    type Error = Abandoned;

    fn drain(&mut self, buffer: &mut Vec<u8>) -> Result<(), Abandoned> {
        // The next is likely to be as long.
        let next = Vec::with_capacity(PIECE_BYTES + PIECE_BYTES / 2);
        self.send(Piece::Text(std::mem::replace(buffer, next)))
    }
}

/// What a helper does until there is nothing more to do, or nobody to do it for.
fn help(todo: &Receiver<Batch>, done: SyncSender<Piece>, plan: &Plan) {
    let sent = Sent(done);
    let mut buffer = Buffer::default();
    let mut out = Writer::new(&sent);
    for batch in todo {
        if help_with(batch, &mut buffer, plan, &sent, &mut out).is_err() {
            return;
        }
    }
}

fn help_with(
    batch: Batch,
    buffer: &mut Buffer,
    plan: &Plan,
    sent: &Sent,
    out: &mut Writer<&Sent>,
) -> Result<(), Abandoned> {
    for Job { n, file, begin } in batch.jobs {
        let read = match &file {
            Some(file) => message::read(file, plan.need(), buffer).ok().flatten(),
            None => None,
        };
        match read {
            Some(bytes) => {
                let begun = !begin.is_empty();
                out.buffer.extend_from_slice(&batch.text[begin]);
                message::write(bytes, begun, n, plan, out)?;
                out.make_room()?;
            }
            None => {
                out.finish()?;
                sent.send(Piece::Alone(n))?;
            }
        }
    }
    out.finish()?;
    sent.send(Piece::Done)
}
