//! What a plugin prints: one command a line, told by its first letter. Values in, values out.
//!
//! | line | meaning |
//! |---|---|
//! | `A` | no plugin is asked any more in this session |
//! | `N` | no further plugin is asked about this command |
//! | `O` | the same, and our own checks are left out too |
//! | `E`text | the command is refused with text |
//! | `R`text | the same, and the session ends |
//! | `D` | the session ends without a word |
//! | `LM`text, `LR`text, `LD`text | the next MAIL, RCPT or DATA is refused with text |
//! | `P`text | a line of the reply that comes before ours |
//! | `H`text | a header field for the message |
//! | `C`address | the address that the client gave is to be this one |
//! | `S`name`=`value, `U`name | a variable for the programs that follow |
//!
//! What comes behind one of the first six counts no more, and a line with another letter says nothing.
//! A text of refusal is a reply with its code. Where the code is missing, or refuses nothing, it is 451:
//! a script that fails in the middle may print anything.

use crate::sanitize;

/// The most bytes of an address: one byte more is too long for MAIL and RCPT too.
const ADDRESS_LIMIT: usize = smtp::address::ADDRESS_BYTES - 1;

/// The most bytes of a header line (RFC 5322 section 2.1.1).
const HEADER_LIMIT: usize = 998;

/// The most bytes of a variable, name and value.
const VARIABLE_LIMIT: usize = 4096;

/// What is said where a plugin refuses without a word.
const REFUSED: &str = "refused (#4.7.1)";

/// A command that may stand beside others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A line of a header, without its end.
    Header(Vec<u8>),
    /// The new address.
    Address(Vec<u8>),
    /// Name and value.
    Set(String, Vec<u8>),
    /// A name.
    Unset(String),
    /// A line of a reply that is not its last: `220-text`.
    Print(String),
    /// When, and with which reply.
    Later(Stage, String),
}

/// Where a later error is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// At MAIL.
    Mail,
    /// At RCPT.
    Rcpt,
    /// At DATA.
    Data,
}

/// The command that comes last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Last {
    /// `A`.
    AcceptAll,
    /// `N`.
    Accept,
    /// `O`.
    AcceptUnchecked,
    /// `E`: the reply.
    Refuse(String),
    /// `R`: the reply.
    Reject(String),
    /// `D`.
    Drop,
}

/// All that a plugin has said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Output {
    /// In their order.
    pub changes: Vec<Change>,
    /// The last word, if it had one.
    pub last: Option<Last>,
    /// What of it cannot be done and is left out, a sentence each.
    pub faults: Vec<String>,
}

/// Takes apart what was printed. An error is a sentence: then nothing of it is to be done.
pub fn parse(text: &[u8]) -> Result<Output, String> {
    let mut output = Output::default();
    for line in text.split(|&byte| byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let Some((letter, rest)) = line.split_first() else {
            continue;
        };
        let last = match letter {
            b'A' => Last::AcceptAll,
            b'N' => Last::Accept,
            b'O' => Last::AcceptUnchecked,
            b'E' => Last::Refuse(refusal(rest)),
            b'R' => Last::Reject(refusal(rest)),
            b'D' => Last::Drop,
            b'C' => {
                output.changes.push(Change::Address(address(rest)?));
                continue;
            }
            letter => {
                match change(*letter, rest) {
                    Some(Ok(change)) => output.changes.push(change),
                    Some(Err(fault)) => output.faults.push(fault.to_owned()),
                    None => {}
                }
                continue;
            }
        };
        output.last = Some(last);
        break;
    }
    Ok(output)
}

/// What a line means that changes something; `None` where it says nothing.
fn change(letter: u8, rest: &[u8]) -> Option<Result<Change, &'static str>> {
    Some(match letter {
        b'H' if is_header(rest) => Ok(Change::Header(rest.to_vec())),
        b'H' => Err("it printed a header field that is none"),
        b'S' => match assignment(rest) {
            Some((name, value)) => Ok(Change::Set(name, value)),
            None => Err("it printed a variable that cannot be set"),
        },
        b'U' => match name(rest) {
            Some(name) => Ok(Change::Unset(name)),
            None => Err("it printed a variable that cannot be unset"),
        },
        b'P' => match print(rest) {
            Some(line) => Ok(Change::Print(line)),
            None => Err("it printed a line that no reply can begin with"),
        },
        b'L' => {
            let (stage, text) = rest.split_first()?;
            let stage = match stage {
                b'M' => Stage::Mail,
                b'R' => Stage::Rcpt,
                b'D' => Stage::Data,
                _ => return None,
            };
            Ok(Change::Later(stage, refusal(text)))
        }
        _ => return None,
    })
}

/// The reply that a text of refusal makes.
fn refusal(text: &[u8]) -> String {
    sanitize::refusal(text).unwrap_or_else(|| {
        let line = sanitize::line(text);
        format!("451 {}", line.as_deref().unwrap_or(REFUSED))
    })
}

fn address(text: &[u8]) -> Result<Vec<u8>, String> {
    if text.len() > ADDRESS_LIMIT || text.iter().any(|&byte| byte < b' ' || byte == 0x7f) {
        return Err("it printed an address that cannot be one".to_owned());
    }
    Ok(text.to_vec())
}

/// Whether it is a header field, or goes on with the one before: anything else would end the header.
fn is_header(line: &[u8]) -> bool {
    let can_be = |byte: &u8| *byte == b'\t' || (*byte >= b' ' && *byte != 0x7f);
    if line.len() > HEADER_LIMIT || !line.iter().all(can_be) {
        return false;
    }
    if continues(line) {
        return !line.trim_ascii().is_empty();
    }
    let colon = line.iter().position(|&byte| byte == b':').unwrap_or(0);
    colon > 0 && line[..colon].iter().all(u8::is_ascii_graphic)
}

/// Whether a line of a header goes on with the one before.
pub(super) fn continues(line: &[u8]) -> bool {
    matches!(line.first(), Some(b' ' | b'\t'))
}

fn assignment(text: &[u8]) -> Option<(String, Vec<u8>)> {
    let equals = text.iter().position(|&byte| byte == b'=')?;
    let value = &text[equals + 1..];
    (text.len() <= VARIABLE_LIMIT && !value.contains(&0))
        .then(|| Some((name(&text[..equals])?, value.to_vec())))?
}

/// A name of a variable.
fn name(text: &[u8]) -> Option<String> {
    let can_be = |byte: &u8| byte.is_ascii_graphic() && *byte != b'=';
    let is_name = !text.is_empty() && text.len() <= VARIABLE_LIMIT && text.iter().all(can_be);
    is_name.then(|| String::from_utf8_lossy(text).into_owned())
}

/// A line that a reply of ours can follow on; any other one would be a reply by itself, and the
/// client would take it for the answer to its command and ours for the answer to the next.
fn print(text: &[u8]) -> Option<String> {
    let line = sanitize::line(text)?;
    let (code, rest) = line.split_at_checked(3)?;
    (code.bytes().all(|byte| byte.is_ascii_digit()) && rest.starts_with('-')).then_some(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn last(text: &str) -> Option<Last> {
        parse(text.as_bytes()).expect("usable").last
    }

    fn changes(text: &str) -> Vec<Change> {
        let output = parse(text.as_bytes()).expect("usable");
        assert_eq!(output.faults, Vec::<String>::new(), "{text:?}");
        output.changes
    }

    #[test]
    fn the_last_word_ends_what_is_said() {
        assert_eq!(last(""), None);
        assert_eq!(last("\n\nhello\nXyz\n"), None);
        assert_eq!(last("A\n"), Some(Last::AcceptAll));
        assert_eq!(last("N"), Some(Last::Accept));
        assert_eq!(last("O\r\n"), Some(Last::AcceptUnchecked));
        assert_eq!(last("D\n"), Some(Last::Drop));
        let output = parse(b"Sa=1\nN\nSb=2\nE550 no\n").expect("usable");
        assert_eq!(output.last, Some(Last::Accept));
        assert_eq!(output.changes, [Change::Set("a".to_owned(), b"1".to_vec())]);
    }

    #[test]
    fn a_refusal_is_a_reply_that_refuses() {
        let refuse = |text: &str| Some(Last::Refuse(text.to_owned()));
        assert_eq!(last("E550 no (#5.1.1)\n"), refuse("550 no (#5.1.1)"));
        assert_eq!(last("E421-bye\n"), refuse("421 bye"));
        // Mail that the client believes to be taken would be lost.
        assert_eq!(last("E250 ok\n"), refuse("451 250 ok"));
        assert_eq!(
            last("Error: no database\n"),
            refuse("451 rror: no database")
        );
        assert_eq!(last("E\n"), refuse("451 refused (#4.7.1)"));
        assert_eq!(last("E550 a\x1bb\n"), refuse("550 a?b"));
        let reject = Some(Last::Reject("554 go away".to_owned()));
        assert_eq!(last("R554 go away\n"), reject);
    }

    #[test]
    fn changes_are_told_in_their_order() {
        let all = "HX-Spam: yes\nH\tmore\nCjoe@h\nSa=b=c\nSempty=\nUa\nP220-hello\nLM550 m\nLR550 r\nLD550 d";
        assert_eq!(
            changes(all),
            [
                Change::Header(b"X-Spam: yes".to_vec()),
                Change::Header(b"\tmore".to_vec()),
                Change::Address(b"joe@h".to_vec()),
                Change::Set("a".to_owned(), b"b=c".to_vec()),
                Change::Set("empty".to_owned(), Vec::new()),
                Change::Unset("a".to_owned()),
                Change::Print("220-hello".to_owned()),
                Change::Later(Stage::Mail, "550 m".to_owned()),
                Change::Later(Stage::Rcpt, "550 r".to_owned()),
                Change::Later(Stage::Data, "550 d".to_owned()),
            ]
        );
        assert_eq!(changes("L\nLX550 x\nLmx"), []);
    }

    #[test]
    fn a_line_that_would_end_the_header_is_none_of_it() {
        for line in [
            "H",
            "Hno colon",
            "H: x",
            "Ha b: x",
            "H ",
            "Ha: \x01",
            "Ha\u{e9}: x",
        ] {
            let output = parse(line.as_bytes()).expect("usable");
            assert_eq!(
                (output.changes.len(), output.faults.len()),
                (0, 1),
                "{line:?}"
            );
        }
        for (length, changes) in [(HEADER_LIMIT, 1), (HEADER_LIMIT + 1, 0)] {
            let line = format!("Ha:{}", "x".repeat(length - 2));
            assert_eq!(
                parse(line.as_bytes()).expect("usable").changes.len(),
                changes
            );
        }
        assert_eq!(changes("Ha: \u{e9}").len(), 1);
    }

    #[test]
    fn an_address_that_cannot_be_one_is_an_error() {
        for (length, is_one) in [(ADDRESS_LIMIT, true), (ADDRESS_LIMIT + 1, false)] {
            let line = format!("C{}", "x".repeat(length));
            assert_eq!(parse(line.as_bytes()).is_ok(), is_one, "{length}");
        }
        for line in ["Ca\0b", "Ca\tb", "Ca\rb", "Ca\x7f"] {
            assert!(parse(line.as_bytes()).is_err(), "{line:?}");
        }
    }

    #[test]
    fn a_variable_has_a_name_and_no_nul() {
        for line in ["S", "S=x", "Sx", "Sa b=x", "Sa=\0", "U", "Ua=b", "U a"] {
            let output = parse(line.as_bytes()).expect("usable");
            assert_eq!(
                (output.changes.len(), output.faults.len()),
                (0, 1),
                "{line:?}"
            );
        }
        for (length, count) in [(VARIABLE_LIMIT, 1), (VARIABLE_LIMIT + 1, 0)] {
            let line = format!("Sa={}", "x".repeat(length - 2));
            assert_eq!(parse(line.as_bytes()).expect("usable").changes.len(), count);
        }
    }

    #[test]
    fn only_a_line_that_a_reply_goes_on_after_is_printed() {
        for line in ["P", "P250 ok", "Phello", "P25-x", "P250"] {
            let output = parse(line.as_bytes()).expect("usable");
            assert_eq!(
                (output.changes.len(), output.faults.len()),
                (0, 1),
                "{line:?}"
            );
        }
    }
}
