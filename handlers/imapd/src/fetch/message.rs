//! One message: its file, read as far as needed, and the items that are in it.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use mime::header::header_end;
use mime::walk::{self, Limits};
use os::map::Map;

use super::plan::{Item, Need, Plan};
use super::view;
use super::writer::{Drain, Writer};
use super::{envelope, section, structure};

/// How much is read of a file for its header, at first: nearly all headers are in it.
const HEADER_BYTES: usize = 4 * 1024;

/// And for all of it.
const FIRST_BYTES: usize = 16 * 1024;

/// A message or a header that is longer is mapped.
const SMALL_BYTES: usize = 128 * 1024;

/// What small messages are read into, one after the other.
#[derive(Debug, Default)]
pub(crate) struct Buffer(Vec<u8>);

/// The bytes of a message, or its beginning with the header.
#[derive(Debug)]
pub(crate) enum Content<'a> {
    Read(&'a [u8]),
    Mapped(Map),
}

impl Content<'_> {
    /// Whether somebody has shortened the file while it was read, so that the bytes were not what they
    /// should have been.
    pub(crate) fn is_cut(&self) -> bool {
        matches!(self, Content::Mapped(map) if map.is_cut())
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Content::Read(bytes) => bytes,
            Content::Mapped(map) => map.as_slice(),
        }
    }
}

/// Reads what is needed of a file; None if that is much, and the file has to be mapped.
pub(crate) fn read<'b>(
    file: &File,
    need: Need,
    buffer: &'b mut Buffer,
) -> io::Result<Option<&'b [u8]>> {
    let buffer = &mut buffer.0;
    let mut filled = 0;
    let mut wanted = match need {
        // All that is there already, so that a second look is rare.
        Need::Whole => FIRST_BYTES.max(buffer.len()),
        _ => HEADER_BYTES,
    };
    loop {
        if buffer.len() < wanted {
            buffer.resize(wanted, 0);
        }
        let is_whole = fill(file, &mut buffer[..wanted], &mut filled)?;
        if is_whole || (need != Need::Whole && has_header(&buffer[..filled])) {
            return Ok(Some(&buffer[..filled]));
        }
        if wanted > SMALL_BYTES {
            return Ok(None);
        }
        // One byte more, so that a full buffer is a large message.
        wanted = SMALL_BYTES + 1;
    }
}

/// Reads on until the buffer is full, or, which is true then, the file at its end. A regular file
/// gives less than it is asked for at its end only.
fn fill(file: &File, buffer: &mut [u8], filled: &mut usize) -> io::Result<bool> {
    while *filled < buffer.len() {
        match file.read_at(&mut buffer[*filled..], *filled as u64) {
            Ok(count) => {
                *filled += count;
                return Ok(*filled < buffer.len());
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(false)
}

/// Whether the empty line behind the header has been read.
fn has_header(bytes: &[u8]) -> bool {
    let header = &bytes[..header_end(bytes)];
    let Some(before) = header.strip_suffix(b"\n") else {
        return false;
    };
    let before = before.strip_suffix(b"\r").unwrap_or(before);
    before.is_empty() || before.ends_with(b"\n")
}

/// A large message.
pub(crate) fn map<'a>(file: &File) -> io::Result<Content<'a>> {
    Ok(Content::Mapped(Map::of(file)?))
}

/// Why a message could not be read, for the log; None if it is gone.
pub(super) fn fault(uid: u32, error: &io::Error) -> Option<String> {
    match error.kind() {
        io::ErrorKind::NotFound => None,
        _ => Some(format!(
            "unable to read the message with UID {uid}: {}",
            os::reason(error)
        )),
    }
}

/// Writes the items that are in a message, and ends its reply; `begun` if [`view::write`] has
/// written the beginning.
pub(super) fn write<D: Drain>(
    message: &[u8],
    begun: bool,
    n: usize,
    plan: &Plan,
    out: &mut Writer<D>,
) -> Result<(), D::Error> {
    if !begun {
        view::head(n, &mut out.buffer);
    }
    let parts = plan
        .needs_structure()
        .then(|| walk::structure(message, Limits::default()));
    for (index, item) in plan.items.iter().enumerate() {
        if begun || index > 0 {
            out.buffer.push(b' ');
        }
        match item {
            Item::Envelope => {
                out.buffer.extend_from_slice(b"ENVELOPE ");
                envelope::write(message, &mut out.buffer);
            }
            Item::Structure { extended } => {
                out.buffer.extend_from_slice(match extended {
                    true => b"BODYSTRUCTURE ",
                    false => b"BODY ",
                });
                if let Some(parts) = &parts {
                    structure::write(message, parts, *extended, out)?;
                }
            }
            Item::Section {
                label,
                part,
                text,
                partial,
            } => {
                out.buffer.extend_from_slice(label);
                section::write(message, parts.as_ref(), part, text, *partial, out)?;
            }
        }
        out.make_room()?;
    }
    out.buffer.extend_from_slice(b")\r\n");
    Ok(())
}
