//! BODY and BODYSTRUCTURE (RFC 3501 section 7.4.2): the parts of a message.

use mime::walk::{Disposition, Kind, Parameter, Part, Structure};

use super::envelope;
use super::text::{nstring, string};
use super::writer::{Drain, Writer};

/// Writes the structure of a message, with extension data or without.
pub(super) fn write<D: Drain>(
    message: &[u8],
    structure: &Structure<'_>,
    extended: bool,
    out: &mut Writer<D>,
) -> Result<(), D::Error> {
    // Each part stands before what is inside it, so what is open is all that a part can be inside of.
    let mut open: Vec<usize> = Vec::new();
    for (index, part) in structure.parts.iter().enumerate() {
        while let Some(&last) = open.last() {
            if part.parent == Some(last) {
                break;
            }
            close(&structure.parts[last], extended, &mut out.buffer);
            open.pop();
        }
        begin(message, structure, index, &mut out.buffer);
        match part.kind {
            Kind::Leaf => close(part, extended, &mut out.buffer),
            Kind::Multipart | Kind::Message => open.push(index),
        }
        out.make_room()?;
    }
    while let Some(last) = open.pop() {
        close(&structure.parts[last], extended, &mut out.buffer);
    }
    Ok(())
}

/// What stands before the parts inside.
fn begin(message: &[u8], structure: &Structure<'_>, index: usize, out: &mut Vec<u8>) {
    let part = &structure.parts[index];
    out.push(b'(');
    if part.kind == Kind::Multipart {
        return;
    }
    string(out, &part.type_);
    out.push(b' ');
    string(out, &part.subtype);
    out.push(b' ');
    let is_text = part.type_.eq_ignore_ascii_case(b"text");
    // RFC 2046 section 4.1.2.
    let charset = (is_text && part.parameter("charset").is_none()).then_some("us-ascii");
    parameters(out, &part.parameters, charset);
    out.push(b' ');
    nstring(out, part.id.as_deref());
    out.push(b' ');
    nstring(out, part.description.as_deref());
    out.push(b' ');
    match part.encoding.as_deref() {
        // RFC 2045 section 6.1.
        None | Some([]) => out.extend_from_slice(b"\"7bit\""),
        Some(encoding) => string(out, encoding),
    }
    out.push(b' ');
    imap::write::number(out, part.octets_crlf);
    if is_text {
        out.push(b' ');
        imap::write::number(out, part.lines);
    }
    if part.kind == Kind::Message {
        let inner = structure
            .inner(index)
            .and_then(|inner| structure.parts.get(inner));
        let header = inner.and_then(|inner| message.get(inner.header.clone()));
        out.push(b' ');
        envelope::write(header.unwrap_or_default(), out);
        out.push(b' ');
    }
}

/// What stands behind them.
fn close(part: &Part<'_>, extended: bool, out: &mut Vec<u8>) {
    match part.kind {
        Kind::Leaf => {}
        Kind::Message => {
            out.push(b' ');
            imap::write::number(out, part.lines);
        }
        Kind::Multipart => {
            out.push(b' ');
            string(out, &part.subtype);
        }
    }
    if extended {
        out.push(b' ');
        match part.kind {
            Kind::Multipart => parameters(out, &part.parameters, None),
            Kind::Leaf | Kind::Message => nstring(out, part.md5.as_deref()),
        }
        out.push(b' ');
        disposition(out, part.disposition.as_ref());
        out.push(b' ');
        languages(out, part);
        out.push(b' ');
        nstring(out, part.location.as_deref());
    }
    out.push(b')');
}

fn parameters(out: &mut Vec<u8>, parameters: &[Parameter<'_>], charset: Option<&str>) {
    let written = parameters
        .iter()
        .map(|(name, value)| (&name[..], &value[..]));
    let default = charset.map(|charset| (&b"charset"[..], charset.as_bytes()));
    let start = out.len();
    for (name, value) in written.chain(default) {
        out.push(if out.len() == start { b'(' } else { b' ' });
        string(out, name);
        out.push(b' ');
        string(out, value);
    }
    match out.len() == start {
        true => out.extend_from_slice(b"NIL"),
        false => out.push(b')'),
    }
}

fn disposition(out: &mut Vec<u8>, disposition: Option<&Disposition<'_>>) {
    let Some(disposition) = disposition else {
        out.extend_from_slice(b"NIL");
        return;
    };
    out.push(b'(');
    string(out, &disposition.kind);
    out.push(b' ');
    parameters(out, &disposition.parameters, None);
    out.push(b')');
}

/// A list also where there is one: the grammar allows a string, Dovecot sends a list.
fn languages(out: &mut Vec<u8>, part: &Part<'_>) {
    let start = out.len();
    for language in &part.languages {
        out.push(if out.len() == start { b'(' } else { b' ' });
        string(out, language);
    }
    match out.len() == start {
        true => out.extend_from_slice(b"NIL"),
        false => out.push(b')'),
    }
}
