//! Message identifiers, as RFC 5256 section 3 compares them.

use crate::words::{comment, is_space, quoted};

/// How many identifiers of one field are kept: the last ones, for the nearest ancestors stand at the
/// end of References.
pub const MOST: usize = 1000;

/// The identifiers in Message-ID, In-Reply-To or References, without their `<>`. Equal ones are equal
/// bytes: quotes that need not be there are undone, white space and comments inside are none of it.
/// What else stands in the field is passed over, and so is what has no `@` with something on both of
/// its sides.
///
/// ```
/// let ids = mime::msgid::all(b"Your mail of Monday <\"a\"@x.example>\r\n <b @x.example>");
/// assert_eq!(ids, [b"a@x.example", b"b@x.example"]);
/// ```
pub fn all(value: &[u8]) -> Vec<Vec<u8>> {
    let mut ids = Vec::new();
    let mut at = 0;
    while let Some(id) = next(value, &mut at) {
        ids.push(id);
        if ids.len() >= 2 * MOST {
            ids.drain(..MOST);
        }
    }
    ids.drain(..ids.len().saturating_sub(MOST));
    ids
}

/// The first identifier: the one of Message-ID, and of In-Reply-To the one that counts.
pub fn first(value: &[u8]) -> Option<Vec<u8>> {
    next(value, &mut 0)
}

/// The next identifier from `at` on, which moves behind it.
fn next(value: &[u8], at: &mut usize) -> Option<Vec<u8>> {
    loop {
        *at += memchr::memchr(b'<', value.get(*at..)?)? + 1;
        if let Some(id) = identifier(value, at) {
            return Some(id);
        }
    }
}

/// What stands from `at` to the next `>`; None if that is no identifier. `at` moves to where the next
/// one may begin.
fn identifier(value: &[u8], at: &mut usize) -> Option<Vec<u8>> {
    let mut id = Vec::new();
    let mut sign = None;
    loop {
        let byte = *value.get(*at)?;
        match byte {
            b'<' => return None,
            b'>' => {
                *at += 1;
                let sign: usize = sign?;
                return (sign > 0 && sign + 1 < id.len()).then_some(id);
            }
            b'"' if sign.is_none() => {
                let Some((text, end)) = within(quoted, value, *at) else {
                    *at += 1;
                    continue;
                };
                id.extend_from_slice(&text);
                *at = end;
                continue;
            }
            b'(' => {
                if let Some((_, end)) = within(comment, value, *at) {
                    *at = end;
                    continue;
                }
            }
            b'@' => {
                sign = Some(id.len());
                id.push(byte);
            }
            byte if is_space(byte) => {}
            byte => id.push(byte),
        }
        *at += 1;
    }
}

/// How long a quoted-string or comment inside of an identifier may be, so that those that nothing
/// closes cost no more time than others.
const MOST_INSIDE: usize = 256;

type Found<'a> = Option<(std::borrow::Cow<'a, [u8]>, usize)>;

fn within<'a>(read: fn(&'a [u8], usize) -> Found<'a>, value: &'a [u8], at: usize) -> Found<'a> {
    let end = value.len().min(at + MOST_INSIDE);
    read(&value[at..end], 0).map(|(text, length)| (text, at + length))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(value: &str) -> Vec<String> {
        all(value.as_bytes())
            .into_iter()
            .map(|id| String::from_utf8(id).unwrap())
            .collect()
    }

    #[test]
    fn quotes_make_no_difference() {
        assert_eq!(
            ids("<\"01KF8JCEOCBS0045PS\"@xxx.yyy.com>"),
            ids("<01KF8JCEOCBS0045PS@xxx.yyy.com>")
        );
        assert_eq!(ids(r#"<"a\"b>"@c>"#), [r#"a"b>@c"#]);
    }

    #[test]
    fn case_does() {
        assert_ne!(ids("<A@b>"), ids("<a@b>"));
    }

    #[test]
    fn references_are_read_across_folds_in_their_order() {
        assert_eq!(
            ids("<a@b>\r\n\t<c@d><e@f>,<g@[1.2.3.4]>"),
            ["a@b", "c@d", "e@f", "g@[1.2.3.4]"]
        );
    }

    #[test]
    fn what_is_no_identifier_is_passed_over() {
        assert_eq!(ids("Re: <a> b@c <@d> <e@> <<f@g>> <h"), ["f@g"]);
        assert_eq!(ids("<a<b@c>"), ["b@c"]);
        assert_eq!(
            first(b"message of 1 Jan, <x@y> <z@y>"),
            Some(b"x@y".to_vec())
        );
        assert_eq!(first(b""), None);
    }

    #[test]
    fn of_too_many_the_last_are_kept() {
        let many: String = (0..=2 * MOST)
            .map(|number| format!("<{number}@x> "))
            .collect();
        let ids = ids(&many);
        assert_eq!(ids.len(), MOST);
        assert_eq!(ids[0], format!("{}@x", MOST + 1));
        assert_eq!(ids[MOST - 1], format!("{}@x", 2 * MOST));
    }
}
