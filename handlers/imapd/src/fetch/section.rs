//! BODY[...] (RFC 3501 section 6.4.5): finding a section in a message and writing it.

use std::ops::Range;

use imap::command::SectionText;
use imap::write;
use mime::header::{Field, fields, header_end};
use mime::walk::{Structure, wire_size};

use super::crlf::Window;
use super::writer::{Drain, Writer};

/// What a section is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Found<'s> {
    /// The message does not have it.
    Nothing,
    /// Bytes of the message.
    Bytes(Range<usize>),
    /// Fields of the header that stands there.
    Fields {
        header: Range<usize>,
        names: &'s [Vec<u8>],
        /// Those with other names.
        not: bool,
    },
}

/// Writes a section as a literal. `structure` is that of the message; it may be missing for a section
/// without part numbers.
pub(super) fn write<D: Drain>(
    message: &[u8],
    structure: Option<&Structure<'_>>,
    part: &[u32],
    text: &SectionText,
    partial: Option<(u64, u64)>,
    out: &mut Writer<D>,
) -> Result<(), D::Error> {
    match find(message, structure, part, text) {
        Found::Nothing => write::literal_head(&mut out.buffer, 0),
        Found::Bytes(range) => {
            let bytes = message.get(range).unwrap_or_default();
            let mut window = Window::new(wire_size(bytes).0, partial);
            write::literal_head(&mut out.buffer, window.octets());
            window.push(bytes, out)?;
        }
        Found::Fields { header, names, not } => {
            let header = message.get(header).unwrap_or_default();
            let wanted = || {
                fields(header).filter(move |field| names.iter().any(|name| field.is(name)) != not)
            };
            // Ends in an empty line, whatever there is, and the last field in its own line end.
            let end = |field: &Field<'_>| !field.raw.ends_with(b"\n");
            let octets = wanted().map(|field| wire_size(field.raw).0 + 2 * u64::from(end(&field)));
            let mut window = Window::new(octets.sum::<u64>() + 2, partial);
            write::literal_head(&mut out.buffer, window.octets());
            for field in wanted() {
                window.push(field.raw, out)?;
                if end(&field) {
                    window.push(b"\r\n", out)?;
                }
            }
            window.push(b"\r\n", out)?;
        }
    }
    Ok(())
}

/// Where a section is.
fn find<'s>(
    message: &[u8],
    structure: Option<&Structure<'_>>,
    part: &[u32],
    text: &'s SectionText,
) -> Found<'s> {
    let (header, body) = match part {
        [] => {
            let end = header_end(message);
            (0..end, end..message.len())
        }
        path => {
            let Some(structure) = structure else {
                return Found::Nothing;
            };
            let Some(index) = structure.section(path) else {
                return Found::Nothing;
            };
            // MIME and the part itself are of the part, all else of the message inside.
            let index = match text {
                SectionText::All | SectionText::Mime => Some(index),
                _ => structure.inner(index),
            };
            match index.and_then(|index| structure.parts.get(index)) {
                Some(part) => (part.header.clone(), part.body.clone()),
                None => return Found::Nothing,
            }
        }
    };
    match text {
        SectionText::All if part.is_empty() => Found::Bytes(0..message.len()),
        SectionText::All | SectionText::Text => Found::Bytes(body),
        SectionText::Header | SectionText::Mime => Found::Bytes(header),
        SectionText::Fields(names) => Found::Fields {
            header,
            names,
            not: false,
        },
        SectionText::FieldsNot(names) => Found::Fields {
            header,
            names,
            not: true,
        },
    }
}
