//! Reading one command from the connection: lines, literals, and messages of APPEND, which go to the
//! disk as they come.
//!
//! A refused command is read to its end, literals and all. Only a synchronizing literal is never sent
//! once the command was answered.

use imap::append::{AppendHead, Head, append_head};
use imap::command::Command;
use imap::flag::Flag;
use imap::frame::{Frame, Limits, Literal, Next};
use imap::parse;
use maildir::quota::{Account, Fit, Usage};
use maildir::selection::{StageWriter, Staged, stage};
use maildir::tree::{Tree, Wire};
use wire::conn::FLOOD_LIMIT;
use wire::{Conn, Trouble};

use crate::answer::Answer;
use crate::messages::no_target;

/// Octets of a command that are thrown away without any use, before the conversation ends: a client
/// that sends a message that is too large is told so after it.
const SKIP_LIMIT: u64 = 1024 * 1024 * 1024;

/// The messages of one APPEND together may have so many times the octets that one may have: they are on
/// the disk, all of them, before the first is a message.
const STAGED_TOGETHER: u64 = 4;

/// What a command needs while it is read.
#[derive(Debug)]
pub struct Input<'s> {
    /// The connection.
    pub conn: &'s mut Conn,
    /// The mailboxes, of which APPEND names one.
    pub tree: &'s Tree,
    /// The account that they are of, with its quota.
    pub account: &'s Account,
    /// What names are on the wire.
    pub wire: &'s Wire,
    /// The most octets of a message.
    pub append_limit: u64,
}

/// A command that was read.
#[derive(Debug)]
pub enum Received {
    /// It can be run.
    Command {
        /// Its tag.
        tag: Vec<u8>,
        /// What it is.
        command: Command,
        /// The messages of APPEND.
        messages: Vec<Staged>,
        /// Whether they count for a quota.
        counts: bool,
    },
    /// It cannot.
    Refused {
        /// Its tag, or `*`.
        tag: Vec<u8>,
        /// What the client hears.
        answer: Answer,
        /// What the log hears, if anything.
        reason: Option<String>,
    },
}

/// Why a message is not taken, and what the log hears of it.
struct Refusal {
    answer: Answer,
    reason: Option<String>,
}

impl From<Answer> for Refusal {
    fn from(answer: Answer) -> Refusal {
        Refusal {
            answer,
            reason: None,
        }
    }
}

/// Reads the next command.
pub fn receive(input: &mut Input<'_>) -> Result<Received, Trouble> {
    let mut frame = Frame::new(Limits::default());
    let mut messages: Vec<Staged> = Vec::new();
    let mut announced = Announced::default();
    let mut refusal: Option<Refusal> = None;
    let mut skipped: u64 = 0;
    loop {
        match read_line(input.conn, &mut frame)? {
            Next::Done => break,
            Next::Close => {
                input.conn.reply(b"* BYE That literal has no end.\r\n");
                input.conn.flush()?;
                return Err(Trouble::Flood);
            }
            Next::Skip(octets) => skip(input.conn, octets, &mut skipped)?,
            Next::Literal(literal) if literal.message && refusal.is_none() => {
                match begin(input, &frame, &literal, &mut announced) {
                    Err(why) => {
                        // Of all or none, it is none.
                        messages.clear();
                        refusal = Some(why);
                        if refuse(input.conn, &mut frame, literal, &mut skipped)? {
                            break;
                        }
                    }
                    Ok(mut writer) => {
                        go_ahead(input.conn, &literal);
                        match take_message(input.conn, &mut writer, literal.octets)? {
                            None => match writer.finish() {
                                Ok(staged) => messages.push(staged),
                                Err(error) => refusal = Some(unwritten(&error)),
                            },
                            Some(error) => refusal = Some(unwritten(&error)),
                        }
                        if refusal.is_some() {
                            messages.clear();
                        }
                        frame.elsewhere();
                    }
                }
            }
            Next::Literal(literal) if refusal.is_some() => {
                if refuse(input.conn, &mut frame, literal, &mut skipped)? {
                    break;
                }
            }
            Next::Literal(literal) => {
                go_ahead(input.conn, &literal);
                take_literal(input.conn, &mut frame, literal.octets)?;
            }
        }
    }
    let parsed = parse::parse(&frame);
    let tag = parsed.tag;
    if let Some(Refusal { answer, reason }) = refusal {
        return Ok(Received::Refused {
            tag,
            answer,
            reason,
        });
    }
    Ok(match parsed.command {
        Ok(command) => Received::Command {
            tag,
            command,
            messages,
            counts: announced.counts == Some(true),
        },
        Err(fault) => Received::Refused {
            tag,
            answer: Answer::bad(fault.to_string()),
            reason: None,
        },
    })
}

/// Reads the rest of a line into the frame.
fn read_line(conn: &mut Conn, frame: &mut Frame) -> Result<Next, Trouble> {
    // A CR at the end of what has come may be the line end's.
    let mut has_cr = false;
    let mut length = 0;
    loop {
        let bytes = conn.data()?;
        length += bytes.len();
        if length > FLOOD_LIMIT {
            return Err(Trouble::Flood);
        }
        let found = memchr::memchr(b'\n', bytes);
        let piece = &bytes[..found.unwrap_or(bytes.len())];
        let used = piece.len() + usize::from(found.is_some());
        if has_cr && !piece.is_empty() {
            frame.part(b"\r");
        }
        has_cr &= piece.is_empty();
        let text = match piece {
            [text @ .., b'\r'] => {
                has_cr = true;
                text
            }
            _ => piece,
        };
        let next = match found {
            Some(_) => Some(frame.line(text)),
            None => {
                frame.part(text);
                None
            }
        };
        conn.consume(used);
        if let Some(next) = next {
            return Ok(next);
        }
    }
}

/// Lets the client send a literal.
fn go_ahead(conn: &mut Conn, literal: &Literal) {
    if literal.sync {
        conn.reply(b"+ Go ahead.\r\n");
    }
}

/// Refuses a literal; whether that was the end of the command.
fn refuse(
    conn: &mut Conn,
    frame: &mut Frame,
    literal: Literal,
    skipped: &mut u64,
) -> Result<bool, Trouble> {
    match frame.refuse(literal) {
        Next::Skip(octets) => {
            skip(conn, octets, skipped)?;
            Ok(false)
        }
        Next::Close => {
            conn.reply(b"* BYE That literal has no end.\r\n");
            conn.flush()?;
            Err(Trouble::Flood)
        }
        Next::Done | Next::Literal(_) => Ok(true),
    }
}

/// Throws octets away.
fn skip(conn: &mut Conn, mut octets: u64, skipped: &mut u64) -> Result<(), Trouble> {
    *skipped = skipped.saturating_add(octets);
    if *skipped > SKIP_LIMIT {
        return Err(Trouble::Flood);
    }
    while octets > 0 {
        let there = conn.data()?.len();
        let count = there.min(usize::try_from(octets).unwrap_or(usize::MAX));
        conn.consume(count);
        octets -= count as u64;
    }
    Ok(())
}

fn take_literal(conn: &mut Conn, frame: &mut Frame, mut octets: u64) -> Result<(), Trouble> {
    while octets > 0 {
        let bytes = conn.data()?;
        let count = bytes
            .len()
            .min(usize::try_from(octets).unwrap_or(usize::MAX));
        frame.literal(&bytes[..count]);
        conn.consume(count);
        octets -= count as u64;
    }
    Ok(())
}

/// What an APPEND has announced so far.
#[derive(Debug, Default)]
struct Announced {
    /// All its messages.
    octets: u64,
    /// Those that count for a quota.
    usage: Usage,
    /// Whether there is a quota; None while nobody has looked.
    counts: Option<bool>,
}

/// Whether a message can be taken, and where it goes to meanwhile.
fn begin(
    input: &Input<'_>,
    frame: &Frame,
    literal: &Literal,
    announced: &mut Announced,
) -> Result<StageWriter, Refusal> {
    let Head::Message(AppendHead {
        mailbox, message, ..
    }) = append_head(frame)
    else {
        return Err(Answer::bad("A message was expected.").into());
    };
    let name = input
        .wire
        .parse(&mailbox)
        .map_err(|bad| Answer::no("CANNOT", bad.to_string()))?;
    if !input.tree.exists(&name) {
        return Err(no_target().into());
    }
    if literal.octets == 0 {
        // RFC 3502 section 6.3.11: a client takes its APPEND back by it.
        return Err(Answer::no("CANNOT", "A message of no octets is none.").into());
    }
    if literal.octets > input.append_limit {
        return Err(Answer::no("TOOBIG", "That message is too large.").into());
    }
    announced.octets = announced.octets.saturating_add(literal.octets);
    if announced.octets > input.append_limit.saturating_mul(STAGED_TOGETHER) {
        return Err(Answer::no("LIMIT", "That is too much for one command.").into());
    }
    let is_trashed = message.flags.contains(&Flag::Deleted);
    if !input.tree.counts(&name) {
        announced.counts = Some(false);
    } else if announced.counts != Some(false) && !is_trashed {
        announced.usage = announced.usage.plus(Usage {
            bytes: literal.octets,
            messages: 1,
        });
        let fit = input.account.fits(announced.usage).map_err(|error| {
            let (inbox, why) = (input.account.inbox().display(), os::reason(&error));
            Refusal {
                answer: Answer::of_system(&error),
                reason: Some(format!("unable to count what is in {inbox}: {why}")),
            }
        })?;
        announced.counts = Some(fit != Fit::NoQuota);
        if fit == Fit::Full {
            let mailbox = input.tree.path(&name);
            return Err(Refusal {
                answer: Answer::over_quota(),
                reason: Some(format!(
                    "unable to add to {}: over the quota",
                    mailbox.display()
                )),
            });
        }
    }
    stage(&input.tree.path(&name)).map_err(|error| unwritten(&error))
}

fn unwritten(error: &std::io::Error) -> Refusal {
    let answer = match error.kind() {
        std::io::ErrorKind::InvalidData => Answer::no("CANNOT", "A message cannot have a NUL."),
        _ => Answer::of_system(error),
    };
    let is_clients = error.kind() == std::io::ErrorKind::InvalidData;
    let reason = format!("unable to write a message: {}", os::reason(error));
    Refusal {
        answer,
        reason: (!is_clients).then_some(reason),
    }
}

/// Takes a message to the disk. After a fault of the disk the rest is read all the same.
fn take_message(
    conn: &mut Conn,
    writer: &mut StageWriter,
    mut octets: u64,
) -> Result<Option<std::io::Error>, Trouble> {
    let mut fault = None;
    while octets > 0 {
        let bytes = conn.data()?;
        let count = bytes
            .len()
            .min(usize::try_from(octets).unwrap_or(usize::MAX));
        if fault.is_none() {
            fault = match memchr::memchr(0, &bytes[..count]) {
                Some(_) => Some(std::io::ErrorKind::InvalidData.into()),
                None => writer.write(&bytes[..count]).err(),
            };
        }
        conn.consume(count);
        octets -= count as u64;
    }
    Ok(fault)
}
