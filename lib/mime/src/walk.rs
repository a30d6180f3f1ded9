//! The structure of a message (RFC 2045, RFC 2046), as a flat list of its parts.

pub use crate::part::{Disposition, Kind, Limits, Parameter, Part, Structure};

/// The structure of a message, with its default [`Limits`] or others.
///
/// A part is what stands behind a boundary line; it has a header even if that has no field. A header
/// ends with its empty line, or where the next boundary is; if there is nothing between the two, the
/// empty line is the line end before the boundary, and not part of the header. After its last boundary a multipart has
/// no more parts, and what follows belongs to nothing inside of it. What a Content-Type says:
///
/// - none, or one that is not two words with a slash: text/plain, but message/rfc822 in a
///   multipart/digest if there is none;
/// - multipart without a boundary: text/plain, for its text is readable as it is;
/// - multipart without a part: it gets one, text/plain, that has no bytes;
/// - message/rfc822: the message is looked into, whatever the Content-Transfer-Encoding (there must
///   not be one);
/// - a multipart or message beyond [`Limits::depth`]: a leaf, application/octet-stream.
///
/// The last part that [`Limits::parts`] allows is a leaf with all that is left of the message.
pub fn structure(message: &[u8], limits: Limits) -> Structure<'_> {
    crate::parse::structure(message, limits)
}

/// The message itself as a part, by its header alone: the body is not looked at, so nothing is
/// counted, and a multipart or message has nothing inside yet.
pub fn top(message: &[u8]) -> Part<'_> {
    crate::parse::top(message)
}

/// The octets of these bytes with CRLF line ends, and the line ends in them: as in [`Part`].
pub fn wire_size(bytes: &[u8]) -> (u64, u64) {
    let (lines, bare) = crate::parse::count_lines(bytes);
    (bytes.len() as u64 + bare, lines)
}

#[cfg(test)]
#[path = "walk_tests.rs"]
mod tests;
