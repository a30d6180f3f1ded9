//! A command line as verb and argument, and the table of verbs.
//!
//! The split is that of qmail's servers (observed on notqmail's qmail-smtpd): the verb is what
//! stands before the first space, in any case; the argument is the rest after skipping spaces. A
//! tab is no space. What the argument means is the verb's own business.

/// What a session does after a verb has run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Read the next command.
    Continue,
    /// End the conversation; its replies are still to be flushed.
    Close,
}

/// One row of a table of verbs: the word, and the function of session `S` that answers it.
pub struct Verb<S> {
    /// The word in capitals.
    pub word: &'static str,
    /// Takes the argument as it was sent, without the spaces before it.
    pub run: fn(&mut S, &[u8]) -> Next,
}

impl<S> std::fmt::Debug for Verb<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Verb").field(&self.word).finish()
    }
}

/// Takes a line (without its line end) apart.
pub fn split(line: &[u8]) -> (&[u8], &[u8]) {
    let Some(space) = memchr::memchr(b' ', line) else {
        return (line, b"");
    };
    let (verb, rest) = line.split_at(space);
    let blanks = rest.iter().take_while(|&&byte| byte == b' ').count();
    (verb, &rest[blanks..])
}

/// The row for `verb`, in any case.
pub fn find<'t, S>(table: &'t [Verb<S>], verb: &[u8]) -> Option<&'t Verb<S>> {
    table
        .iter()
        .find(|row| row.word.as_bytes().eq_ignore_ascii_case(verb))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_verb_ends_at_the_first_space_and_the_argument_begins_after_the_last_of_them() {
        assert_eq!(
            split(b"MAIL   FROM:<a b>"),
            (&b"MAIL"[..], &b"FROM:<a b>"[..])
        );
        assert_eq!(split(b"QUIT"), (&b"QUIT"[..], &b""[..]));
        assert_eq!(split(b"QUIT  "), (&b"QUIT"[..], &b""[..]));
    }

    #[test]
    fn a_tab_is_no_space() {
        assert_eq!(split(b"HELO\tx y"), (&b"HELO\tx"[..], &b"y"[..]));
    }

    #[test]
    fn an_empty_line_has_an_empty_verb() {
        assert_eq!(split(b""), (&b""[..], &b""[..]));
        assert_eq!(split(b" x"), (&b""[..], &b"x"[..]));
    }

    #[test]
    fn verbs_are_found_in_any_case_and_only_whole() {
        fn one(seen: &mut Vec<u8>, argument: &[u8]) -> Next {
            seen.extend_from_slice(argument);
            Next::Close
        }
        let table = [Verb {
            word: "NOOP",
            run: one,
        }];
        let mut seen = Vec::new();
        let verb = find(&table, b"noOp").expect("the row");
        assert_eq!((verb.run)(&mut seen, b"x"), Next::Close);
        assert_eq!(seen, b"x");
        assert!(find(&table, b"NOO").is_none());
        assert!(find(&table, b"NOOPS").is_none());
        assert!(find(&table, b"").is_none());
    }
}
