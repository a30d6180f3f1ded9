//! The header of a message or of a part, cut into its fields (RFC 5322 section 2.2).

use std::borrow::Cow;
use std::ops::Range;

use memchr::memchr;

/// One field, as it stands in the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    /// What stands before the colon, without the white space at its end. Empty for a line that has
    /// no colon, or that begins with white space and has nothing to continue.
    pub name: &'a [u8],
    /// What stands behind the colon, with its folding and without its last line end: see [`unfold`].
    pub value: &'a [u8],
    /// The whole field with its line ends.
    pub raw: &'a [u8],
    /// Where `raw` begins in the bytes that [`fields`] was given.
    pub start: usize,
}

impl Field<'_> {
    /// Whether this is its name; case is ignored. No line without a name is anything.
    pub fn is(&self, name: &[u8]) -> bool {
        !name.is_empty() && self.name.eq_ignore_ascii_case(name)
    }

    /// Where the whole field stands in the bytes that [`fields`] was given.
    pub fn range(&self) -> Range<usize> {
        self.start..self.start + self.raw.len()
    }
}

/// The fields of a header, in order, up to the empty line or the end of `bytes`, which may be a
/// header or a whole message. A line that is no field is one without a name, so that nothing that
/// stands in a header is passed over; mbox's `From ` line and stray lines come out like that, as
/// they do in Dovecot.
///
/// ```
/// let message = b"Subject: one\r\n two\r\nTo: me\r\n\r\nbody: none\r\n";
/// let names: Vec<_> = mime::header::fields(message).map(|field| field.name).collect();
/// assert_eq!(names, [&b"Subject"[..], b"To"]);
/// ```
pub fn fields(bytes: &[u8]) -> Fields<'_> {
    Fields { bytes, at: 0 }
}

/// The iterator behind [`fields`].
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Iterator for Fields<'a> {
    type Item = Field<'a>;

    fn next(&mut self) -> Option<Field<'a>> {
        let start = self.at;
        let rest = self.bytes.get(start..)?;
        if rest.is_empty() || is_empty_line(rest) {
            return None;
        }
        let mut end = line_end(rest);
        let first = end;
        while matches!(rest.get(end), Some(b' ' | b'\t')) {
            end += line_end(&rest[end..]);
        }
        self.at = start + end;
        let raw = &rest[..end];
        let value_end = without_line_end(raw).len();
        let colon = match raw[0] {
            b' ' | b'\t' => None,
            _ => memchr(b':', &raw[..first]),
        };
        let (name, value) = match colon {
            Some(colon) => (
                raw[..colon].trim_ascii_end(),
                &raw[(colon + 1).min(value_end)..value_end],
            ),
            None => (&raw[..0], &raw[..value_end]),
        };
        Some(Field {
            name,
            value,
            raw,
            start,
        })
    }
}

/// Where the body begins: behind the first line that is empty, which belongs to the header. There
/// is no other end: a message without an empty line is all header, one that begins with an empty
/// line has nothing else in its header, and lines that are no fields do not end it. So Dovecot has
/// it, and POP3's TOP here.
pub fn header_end(bytes: &[u8]) -> usize {
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        at += line_end(rest);
        if is_empty_line(rest) {
            return at;
        }
    }
    bytes.len()
}

/// The first field of that name.
pub fn first<'a>(bytes: &'a [u8], name: &[u8]) -> Option<Field<'a>> {
    fields(bytes).find(|field| field.is(name))
}

/// The value on one line: the line ends go, the white space behind them stays (RFC 5322 section
/// 2.2.3), and none is left at either end. A CR that ends no line stays, and so does NUL.
pub fn unfold(value: &[u8]) -> Cow<'_, [u8]> {
    let value = value.trim_ascii();
    let Some(first) = memchr(b'\n', value) else {
        return Cow::Borrowed(value);
    };
    let mut out = Vec::with_capacity(value.len());
    let (mut rest, mut end) = (value, Some(first));
    while let Some(at) = end {
        let line = &rest[..at];
        out.extend_from_slice(line.strip_suffix(b"\r").unwrap_or(line));
        rest = &rest[at + 1..];
        end = memchr(b'\n', rest);
    }
    out.extend_from_slice(rest);
    Cow::Owned(out)
}

/// How long the first line is, its end included.
pub(crate) fn line_end(bytes: &[u8]) -> usize {
    memchr(b'\n', bytes).map_or(bytes.len(), |at| at + 1)
}

/// Whether the first line is there and empty.
pub(crate) fn is_empty_line(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\n") || bytes.starts_with(b"\r\n")
}

/// Without the CRLF or LF at the end.
pub(crate) fn without_line_end(line: &[u8]) -> &[u8] {
    match line.strip_suffix(b"\n") {
        Some(line) => line.strip_suffix(b"\r").unwrap_or(line),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &str) -> Vec<(&str, &str, &str)> {
        let text = |bytes| std::str::from_utf8(bytes).unwrap();
        fields(bytes.as_bytes())
            .map(|field| {
                assert_eq!(&bytes.as_bytes()[field.range()], field.raw);
                (text(field.name), text(field.value), text(field.raw))
            })
            .collect()
    }

    #[test]
    fn a_field_is_its_name_its_value_and_its_line_ends() {
        assert_eq!(
            read("A: b\r\nC:\n d\r\n\te\n\nF: g\n"),
            [
                ("A", " b", "A: b\r\n"),
                ("C", "\n d\r\n\te", "C:\n d\r\n\te\n")
            ]
        );
        assert_eq!(read("A : b"), [("A", " b", "A : b")]);
        assert_eq!(read("A:\n"), [("A", "", "A:\n")]);
        assert_eq!(read("A:"), [("A", "", "A:")]);
        assert_eq!(read("A: b\n "), [("A", " b\n ", "A: b\n ")]);
    }

    #[test]
    fn a_line_that_is_no_field_is_one_without_a_name() {
        assert_eq!(
            read(" x: y\nno field\n z:\nA: b\n"),
            [
                ("", " x: y", " x: y\n"),
                ("", "no field\n z:", "no field\n z:\n"),
                ("A", " b", "A: b\n")
            ]
        );
        assert_eq!(read(": x\n"), [("", " x", ": x\n")]);
        assert!(fields(b"no field\n").all(|field| !field.is(b"")));
    }

    #[test]
    fn the_fields_together_are_the_header() {
        for header in [
            "",
            "\n",
            "\r\n",
            "a\n\nb",
            "A: b\n c\n\r\nd",
            "\r",
            " \n\n",
            "A\r\n\r\r\n\n",
            "a:b",
        ] {
            let end = header_end(header.as_bytes());
            let all: String = read(header).iter().map(|field| field.2).collect();
            let (fields, empty) = header[..end].split_at(all.len());
            assert_eq!(fields, all);
            assert!(matches!(empty, "" | "\n" | "\r\n"), "{header:?}");
            assert!(!empty.is_empty() || end == header.len());
        }
    }

    #[test]
    fn the_first_field_of_a_name_is_found_in_any_case_before_the_body() {
        let message = b"A: 1\nSUBJECT: 2\nSubject: 3\n\nB: 4\n";
        assert_eq!(
            first(message, b"subject").map(|field| field.value),
            Some(&b" 2"[..])
        );
        assert_eq!(first(message, b"b"), None);
        assert_eq!(header_end(message), 28);
    }

    #[test]
    fn unfolding_takes_line_ends_away_and_nothing_else() {
        assert_eq!(unfold(b" a\r\n b\n\tc \r\n"), &b"a b\tc"[..]);
        assert_eq!(unfold(b"a\rb\r\r\n c\0"), &b"a\rb\r c\0"[..]);
        assert!(matches!(unfold(b"  a b "), Cow::Borrowed(b"a b")));
        assert_eq!(unfold(b" \r\n "), &b""[..]);
    }
}
