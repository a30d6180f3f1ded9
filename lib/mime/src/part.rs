//! What a message is made of (RFC 2045, RFC 2046): a flat list of its parts.

use std::borrow::Cow;
use std::ops::Range;

/// How much structure is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How many multiparts and messages may stand in each other.
    pub depth: usize,
    /// How many parts there may be, 1 at least.
    pub parts: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            depth: 100,
            parts: 10_000,
        }
    }
}

/// What a part may have inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Nothing but its content.
    Leaf,
    /// Parts, one at least.
    Multipart,
    /// One part, which is the message inside (message/rfc822).
    Message,
}

/// A name and its value; the name as it was written, the value with its quotes undone.
/// Pieces and encodings of RFC 2231 are left as they are.
pub type Parameter<'a> = (Cow<'a, [u8]>, Cow<'a, [u8]>);

/// Content-Disposition (RFC 2183).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disposition<'a> {
    /// `inline`, `attachment`, as it was written.
    pub kind: Cow<'a, [u8]>,
    /// Its parameters.
    pub parameters: Vec<Parameter<'a>>,
}

/// A part, the message itself being the first. Ranges count bytes of the message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part<'a> {
    /// The part that this one is in: a multipart or a message.
    pub parent: Option<usize>,
    /// Its place there, from 1.
    pub number: u32,
    /// The part behind it in the same multipart.
    pub next: Option<usize>,
    /// What it may have inside.
    pub kind: Kind,
    /// Its header, with the empty line behind it if there is one; the body begins where it ends.
    pub header: Range<usize>,
    /// Its content. The line end before a boundary belongs to the boundary.
    pub body: Range<usize>,
    /// The media type, as it was written or by default.
    pub type_: Cow<'a, [u8]>,
    /// The subtype.
    pub subtype: Cow<'a, [u8]>,
    /// The parameters of Content-Type, those that were written.
    pub parameters: Vec<Parameter<'a>>,
    /// Content-ID, unfolded.
    pub id: Option<Cow<'a, [u8]>>,
    /// Content-Description, unfolded.
    pub description: Option<Cow<'a, [u8]>>,
    /// Content-Transfer-Encoding, the word alone.
    pub encoding: Option<Cow<'a, [u8]>>,
    /// Content-MD5, unfolded.
    pub md5: Option<Cow<'a, [u8]>>,
    /// Content-Disposition.
    pub disposition: Option<Disposition<'a>>,
    /// Content-Language (RFC 3282), its tags.
    pub languages: Vec<Cow<'a, [u8]>>,
    /// Content-Location (RFC 2557), unfolded.
    pub location: Option<Cow<'a, [u8]>>,
    /// The octets of the body with CRLF line ends: an LF that no CR precedes counts for two. A last
    /// line without a line end gets none.
    pub octets_crlf: u64,
    /// The line ends in the body.
    pub lines: u64,
}

impl Part<'_> {
    /// Whether it is of this type; case is ignored.
    pub fn is(&self, type_: &str, subtype: &str) -> bool {
        self.type_.eq_ignore_ascii_case(type_.as_bytes())
            && self.subtype.eq_ignore_ascii_case(subtype.as_bytes())
    }

    /// The first parameter of Content-Type of this name; case is ignored.
    pub fn parameter(&self, name: &str) -> Option<&[u8]> {
        self.parameters
            .iter()
            .find(|(of, _)| of.eq_ignore_ascii_case(name.as_bytes()))
            .map(|(_, value)| &value[..])
    }

    /// Its transfer encoding.
    pub fn transfer(&self) -> crate::decode::Encoding {
        crate::decode::Encoding::of(self.encoding.as_deref())
    }
}

/// The parts of a message, each before what is inside it, in the order of the message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Structure<'a> {
    /// The parts; the first is the message itself, so there is always one.
    pub parts: Vec<Part<'a>>,
}

impl Structure<'_> {
    /// The parts in a multipart, or the one in a message, by their indices.
    pub fn children(&self, index: usize) -> impl Iterator<Item = usize> + '_ {
        let first = Some(index + 1).filter(|&first| {
            self.parts
                .get(first)
                .is_some_and(|part| part.parent == Some(index))
        });
        std::iter::successors(first, |&at| self.parts[at].next)
    }

    /// The message inside a part of kind [`Kind::Message`]: its header and body are those of
    /// `BODY[n.HEADER]` and `BODY[n.TEXT]`.
    pub fn inner(&self, index: usize) -> Option<usize> {
        let part = self.parts.get(index)?;
        self.children(index)
            .next()
            .filter(|_| part.kind == Kind::Message)
    }

    /// The part that IMAP's section numbers mean (RFC 3501 section 6.4.5), by its index. `path` is
    /// `[1, 2]` for `BODY[1.2]`; the empty path is the message itself.
    ///
    /// The numbers count the parts of a multipart. What is no multipart, be it the message itself or
    /// one inside, has its body as part 1. Through a part of kind [`Kind::Message`] they go on with
    /// the message inside.
    pub fn section(&self, path: &[u32]) -> Option<usize> {
        // The header that the next number is about: that of the message itself or of one inside.
        let mut at = 0;
        let mut inside = Some(0);
        for &number in path {
            let of = inside?;
            at = if self.parts[of].kind == Kind::Multipart {
                self.children(of)
                    .nth(usize::try_from(number).ok()?.checked_sub(1)?)?
            } else if number == 1 {
                of
            } else {
                return None;
            };
            inside = match self.parts[at].kind {
                Kind::Leaf => None,
                Kind::Multipart => Some(at),
                Kind::Message => self.inner(at),
            };
        }
        Some(at)
    }

    /// The section numbers of a part: those with which [`Structure::section`] finds it. Those of the
    /// message itself, and of one that is inside and a multipart, are its parent's, or none.
    pub fn path(&self, index: usize) -> Vec<u32> {
        let mut path = Vec::new();
        let mut at = index;
        while let Some(part) = self.parts.get(at) {
            let in_multipart = part
                .parent
                .is_some_and(|parent| self.parts[parent].kind == Kind::Multipart);
            if in_multipart || part.kind != Kind::Multipart {
                path.push(part.number);
            }
            match part.parent {
                Some(parent) => at = parent,
                None => break,
            }
        }
        path.reverse();
        path
    }
}
