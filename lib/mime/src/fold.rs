//! Comparing text without regard to case.
//!
//! Each character is put in upper case and that in lower case, by the full mappings of Unicode, so
//! that sharp s is `ss`, the final sigma is a sigma and the Kelvin sign a k. RFC 5051's
//! i;unicode-casemap besides takes characters apart into letter and accent; that is not done, so the
//! two ways to write an accented letter are different, as letters with and without one are.

use memchr::memmem;

/// The text in a form in which what differs by case alone is the same.
pub fn fold(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    fold_onto(text, &mut out);
    out
}

fn fold_onto(text: &str, out: &mut String) {
    if text.is_ascii() {
        let start = out.len();
        out.push_str(text);
        out[start..].make_ascii_lowercase();
        return;
    }
    for char in text.chars() {
        if char.is_ascii() {
            out.push(char.to_ascii_lowercase());
        } else {
            out.extend(char.to_uppercase().flat_map(char::to_lowercase));
        }
    }
}

/// What is searched for, folded once.
#[derive(Clone, Debug)]
pub struct Needle(memmem::Finder<'static>);

impl Needle {
    /// Of this text.
    pub fn new(text: &str) -> Needle {
        Needle(memmem::Finder::new(fold(text).as_bytes()).into_owned())
    }

    /// Whether there is nothing to search for, which is found everywhere.
    pub fn is_empty(&self) -> bool {
        self.0.needle().is_empty()
    }
}

/// How much is folded at once.
const PIECE: usize = 16 * 1024;

/// Whether `needle` is somewhere in `haystack`, case ignored.
///
/// ```
/// use mime::fold::{Needle, contains_folded};
/// assert!(contains_folded("Die STRASSE", &Needle::new("stra\u{df}e")));
/// ```
pub fn contains_folded(haystack: &str, needle: &Needle) -> bool {
    let mut search = Search::new(needle);
    search.feed(haystack)
}

/// A search in text that is fed in pieces; where it is cut makes no difference.
#[derive(Debug)]
pub struct Search<'n> {
    needle: &'n Needle,
    /// The end of what was fed, folded, in which the needle may begin.
    text: String,
    found: bool,
}

impl<'n> Search<'n> {
    /// For this needle.
    pub fn new(needle: &'n Needle) -> Search<'n> {
        Search {
            needle,
            text: String::new(),
            found: needle.is_empty(),
        }
    }

    /// Whether the needle has been found, up to and with this piece.
    pub fn feed(&mut self, piece: &str) -> bool {
        let mut rest = piece;
        while !self.found && !rest.is_empty() {
            let (now, later) = rest.split_at(rest.floor_char_boundary(PIECE.min(rest.len())));
            rest = later;
            fold_onto(now, &mut self.text);
            self.found = self.needle.0.find(self.text.as_bytes()).is_some();
            let keep = self.needle.0.needle().len().saturating_sub(1);
            let from = self.text.len().saturating_sub(keep);
            self.text.drain(..self.text.floor_char_boundary(from));
        }
        self.found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(haystack: &str, needle: &str) -> bool {
        contains_folded(haystack, &Needle::new(needle))
    }

    #[test]
    fn case_does_not_count_in_any_script() {
        assert!(found("Hello World", "O wOR"));
        assert!(found("J\u{d6}RG", "j\u{f6}rg"));
        assert!(found(
            "\u{39f}\u{394}\u{39f}\u{3a3}",
            "\u{3bf}\u{3b4}\u{3bf}\u{3c2}"
        ));
        assert!(found(
            "\u{41f}\u{420}\u{418}\u{412}\u{415}\u{422}",
            "\u{43f}\u{440}\u{438}"
        ));
        assert!(found("\u{212a}elvin", "KELVIN"));
        assert!(!found("Jorg", "j\u{f6}rg"));
        assert!(!found("Hello", "Hello!"));
    }

    #[test]
    fn nothing_is_found_everywhere() {
        assert!(found("", ""));
        assert!(found("a", ""));
        assert!(!found("", "a"));
    }

    #[test]
    fn where_the_text_is_cut_makes_no_difference() {
        let needle = Needle::new("B\u{f6}\u{1f600}se");
        let text = "ab\u{d6}\u{1f600}b\u{d6}\u{1f600}SEx";
        for cut in (0..=text.len()).filter(|&cut| text.is_char_boundary(cut)) {
            let mut search = Search::new(&needle);
            search.feed(&text[..cut]);
            assert!(search.feed(&text[cut..]), "{cut}");
        }
        for before in PIECE - 20..PIECE + 20 {
            assert!(found(
                &format!("{}{text}", "\u{e9}".repeat(before / 2)),
                "b\u{f6}\u{1f600}se"
            ));
            assert!(found(
                &format!("{}{text}", "x".repeat(before)),
                "b\u{f6}\u{1f600}se"
            ));
        }
    }
}
