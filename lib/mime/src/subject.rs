//! The base subject, by which SORT and THREAD compare (RFC 5256 section 2.1).

/// A subject without the marks of replies and forwards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Base {
    /// What is left, in the case in which it was written.
    pub text: String,
    /// Whether one of those marks was there. The names of lists in brackets are none.
    pub reply_or_forward: bool,
}

/// The base of a subject that is decoded: see [`crate::encoded_word::header_text`].
///
/// ```
/// let base = mime::subject::base("Re: [list] Fwd: a   question (fwd)");
/// assert_eq!((base.text.as_str(), base.reply_or_forward), ("a question", true));
/// ```
pub fn base(subject: &str) -> Base {
    // Step 1, but for the decoding.
    let mut text = String::with_capacity(subject.len());
    for word in subject
        .split([' ', '\t', '\r', '\n'])
        .filter(|word| !word.is_empty())
    {
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(word);
    }
    let mut rest = text.as_str();
    let mut marked = false;
    loop {
        // Step 2.
        loop {
            rest = rest.trim_end_matches(' ');
            let Some(before) = strip_end(rest, "(fwd)") else {
                break;
            };
            rest = before;
            marked = true;
        }
        // Steps 3 to 5.
        loop {
            rest = rest.trim_start_matches(' ');
            let behind = behind_blobs(rest);
            if let Some(subject) = behind_mark(behind.unwrap_or(rest)) {
                rest = subject;
                marked = true;
                continue;
            }
            // No mark follows the blobs, so none follows when one of them is gone: all of them go,
            // but for the last if nothing else would be left.
            rest = match behind {
                Some("") => last_blob(rest),
                Some(subject) => subject,
                None => rest,
            };
            break;
        }
        // Step 6.
        let inside = strip_start(rest, "[fwd:").and_then(|rest| rest.strip_suffix(']'));
        let Some(inside) = inside else {
            break;
        };
        rest = inside;
        marked = true;
    }
    Base {
        text: rest.to_owned(),
        reply_or_forward: marked,
    }
}

/// Behind all blobs (`[list] `) that stand at the beginning, if there is one.
fn behind_blobs(text: &str) -> Option<&str> {
    let mut rest = blob(text)?;
    while let Some(behind) = blob(rest) {
        rest = behind;
    }
    Some(rest)
}

/// Behind the blob that stands at the beginning and the blanks behind it.
fn blob(text: &str) -> Option<&str> {
    let inside = text.strip_prefix('[')?;
    let end = inside.find(['[', ']'])?;
    let behind = inside[end..].strip_prefix(']')?;
    Some(behind.trim_start_matches(' '))
}

/// The last one of a text of nothing but blobs.
fn last_blob(text: &str) -> &str {
    text.rfind('[').map_or(text, |at| &text[at..])
}

/// Behind `re:`, `fw:` or `fwd:`, with blanks or a blob before the colon.
fn behind_mark(text: &str) -> Option<&str> {
    let rest = strip_start(text, "re")
        .or_else(|| strip_start(text, "fwd"))
        .or_else(|| strip_start(text, "fw"))?
        .trim_start_matches(' ');
    blob(rest).unwrap_or(rest).strip_prefix(':')
}

fn strip_start<'a>(text: &'a str, start: &str) -> Option<&'a str> {
    let (found, rest) = text.split_at_checked(start.len())?;
    found.eq_ignore_ascii_case(start).then_some(rest)
}

fn strip_end<'a>(text: &'a str, end: &str) -> Option<&'a str> {
    let (rest, found) = text.split_at_checked(text.len().checked_sub(end.len())?)?;
    found.eq_ignore_ascii_case(end).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_marks_of_replies_and_forwards_go() {
        for subject in [
            "Re: a b",
            "RE: a b",
            "re : a b",
            "Re[2]: a b",
            "re [2] : a b",
            "Fw: a b",
            "FWD: a b",
            "a b (fwd)",
            "a b(FWD)  (fwd) ",
            "[fwd: a b]",
            "[Fwd:  Re: a b (fwd)]",
            "Re: Fwd: re: a \t b",
            "[list] Re: [other][more] a b",
            "Re: [list] [Fwd: a b]",
            "  re:a b",
            "[x] re[y]: a b",
            "Re: a b (fwd) (fwd)",
        ] {
            let base = base(subject);
            assert_eq!(
                (base.text.as_str(), base.reply_or_forward),
                ("a b", true),
                "{subject}"
            );
        }
    }

    #[test]
    fn the_names_of_lists_go_and_mark_nothing() {
        for subject in ["a b", "[list] a b", "[list][x]  a\r\n b ", "[] a b"] {
            let base = base(subject);
            assert_eq!(
                (base.text.as_str(), base.reply_or_forward),
                ("a b", false),
                "{subject}"
            );
        }
    }

    #[test]
    fn what_would_leave_nothing_stays() {
        for (subject, text, mark) in [
            ("", "", false),
            ("  \t ", "", false),
            ("Re:", "", true),
            ("(fwd)", "", true),
            ("[fwd:]", "", true),
            ("[list]", "[list]", false),
            ("[a] [b]", "[b]", false),
            ("Re: [a][b]", "[b]", true),
            ("[a] Re:", "", true),
        ] {
            let base = base(subject);
            assert_eq!(
                (base.text.as_str(), base.reply_or_forward),
                (text, mark),
                "{subject}"
            );
        }
    }

    #[test]
    fn what_only_looks_like_a_mark_stays() {
        for subject in [
            "Reply: a",
            "a Re: b",
            "re",
            "fwdx: a",
            "[a[b] c",
            "[fwd: a",
            "a (fwd) b",
            "AW: a",
            "Re\u{df}: a",
            "[a",
        ] {
            let base = base(subject);
            assert_eq!(
                (base.text.as_str(), base.reply_or_forward),
                (subject, false),
                "{subject}"
            );
        }
    }

    #[test]
    fn no_subject_takes_more_than_linear_time() {
        for piece in [
            "[a]", "[", "[fwd:", "re[", "re[a]", "(fwd)", "re:", "[a]re:",
        ] {
            let subject = piece.repeat(1 << 15);
            let start = std::time::Instant::now();
            base(&subject);
            base(&(subject + "]"));
            assert!(start.elapsed().as_secs() < 10, "{piece}");
        }
    }
}
