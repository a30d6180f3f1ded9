//! FETCH: what messages are asked for, read and written as replies have it (RFC 3501 sections 6.4.5
//! and 7.4.2).
//!
//! It promises:
//! - a literal has the octets that it says it has, and lines on the wire end in CRLF, however they end
//!   in the file;
//! - memory does not depend on the size of a message: small ones are read into a buffer that is used
//!   again, large ones are mapped (and one that somebody cuts off meanwhile ends the conversation);
//! - no more is read than is asked for: nothing for flags, the beginning of a file for its header;
//! - what is said of a message that is gone is what is known without it: its flags, never an empty
//!   body.
//!
//! Where the RFC leaves a choice the reply is Dovecot's, so that a client that comes from there has
//! nothing to fetch again: a section that a message does not have is empty, not NIL; NUL, which no
//! literal may have, is sent as the octet 0x80; an address without a domain has MISSING_DOMAIN.
//!
//! The rooms: [`plan`] says what has to be read; [`view`] writes what is known without reading;
//! [`envelope`], [`structure`] and [`section`] write what is in a message, as functions of its bytes;
//! [`crlf`] makes line ends; [`message`] reads files; [`pipeline`] does it for many at once.

mod crlf;
mod envelope;
pub(crate) mod message;
mod pipeline;
mod plan;
mod section;
mod structure;
mod text;
mod view;
mod writer;

#[cfg(test)]
mod tests;

use maildir::selection::Selection;

pub use plan::{Need, Plan};
pub use view::{write_date, write_flag_list};

use message::{Buffer, Content};
use writer::{Passed, Writer};

/// From so many messages on that have to be read, it is done by several threads.
const MANY: usize = 64;

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The messages that could not be read, by their index: gone, or unreadable. What is known of
    /// them without reading was told.
    pub missed: Vec<usize>,
    /// Why, for those of them that are there: a sentence each, at most [`FAULTS`].
    pub faults: Vec<String>,
}

/// The message with this UID was shortened while it was passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut(pub u32);

impl std::fmt::Display for Cut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "the message with UID {} was cut off while it was sent",
            self.0
        )
    }
}

impl std::error::Error for Cut {}

/// How many faults of one command are told.
pub const FAULTS: usize = 10;

impl Outcome {
    fn miss(&mut self, n: usize, fault: Option<String>) {
        self.missed.push(n);
        self.faults
            .extend(fault.filter(|_| self.faults.len() < FAULTS));
    }
}

/// Writes a `* n FETCH (...)` reply for each of these messages (indices from 0), in this order and in
/// pieces of some 32 KiB, to `out`. \Seen is not set here: [`Plan::sets_seen`] says whether to.
///
/// `out` fails when the client is gone; nothing more is read then. A message that somebody cuts off while
/// it is passed on is an error, too: what was announced cannot follow any more.
pub fn run<E: From<Cut>>(
    selection: &mut Selection,
    which: &[usize],
    plan: &Plan,
    out: &mut dyn FnMut(&[u8]) -> Result<(), E>,
) -> Result<Outcome, E> {
    if plan.has_facts() {
        selection.facts(which);
    }
    let mut out = Writer::new(Passed(out));
    let mut outcome = Outcome::default();
    match plan.need() {
        Need::View | Need::Facts => {
            for &n in which {
                if view::write(selection, n, plan, &mut out.buffer) {
                    out.buffer.extend_from_slice(b")\r\n");
                }
                if view::lacks_facts(selection, n, plan) {
                    outcome.miss(n, None);
                }
                out.make_room()?;
            }
        }
        Need::Header | Need::Whole if which.len() >= MANY => {
            pipeline::run(selection, which, plan, &mut out, &mut outcome)?;
        }
        Need::Header | Need::Whole => {
            one_by_one(selection, which, plan, &mut out, &mut outcome)?;
        }
    }
    out.finish()?;
    Ok(outcome)
}

/// Messages that are read, without threads.
fn one_by_one<E: From<Cut>>(
    selection: &mut Selection,
    which: &[usize],
    plan: &Plan,
    out: &mut Writer<Passed<'_, E>>,
    outcome: &mut Outcome,
) -> Result<(), E> {
    let mut buffer = Buffer::default();
    for &n in which {
        let has_items = view::write(selection, n, plan, &mut out.buffer);
        let read = match selection.open_message(n) {
            Ok(file) => {
                message::read(&file, plan.need(), &mut buffer).and_then(|read| match read {
                    Some(bytes) => Ok(Content::Read(bytes)),
                    None => message::map(&file),
                })
            }
            Err(error) => Err(error),
        };
        match read {
            Ok(content) => {
                message::write(content.bytes(), has_items, n, plan, out)?;
                if content.is_cut() {
                    return Err(Cut(selection.uid(n)).into());
                }
            }
            Err(error) => {
                if has_items {
                    out.buffer.extend_from_slice(b")\r\n");
                }
                outcome.miss(n, message::fault(selection.uid(n), &error));
            }
        }
        out.make_room()?;
    }
    Ok(())
}
