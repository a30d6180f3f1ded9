//! XCLIENT: what a proxy says about the client behind it, and when it may. Values in, values out.
//!
//! The extension is Postfix's (its XCLIENT_README). A proxy that has more to say than one line holds says
//! it in several commands, and the one with ADDR is the last of them: so it is there, and so it is here.
//! What comes behind that one is the client's own word, who must never be able to say who he is.

use std::net::IpAddr;

use crate::replies;

/// The attributes as EHLO announces them.
pub(crate) const ANNOUNCED: &str = "XCLIENT NAME ADDR PORT PROTO HELO LOGIN";

/// The most bytes of one value.
const VALUE_LIMIT: usize = 255;

/// The attributes that are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Host,
    Addr,
    Port,
    Proto,
    Helo,
    Login,
}

/// An attribute and what it says; `None` for what the proxy does not know.
type Attribute = (Field, Option<Vec<u8>>);

/// A client as a proxy describes it. What it did not tell, or does not know, is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Introduced {
    /// The address, without a tag.
    pub(crate) ip: Option<Vec<u8>>,
    /// The name of that address.
    pub(crate) host: Option<Vec<u8>>,
    /// The port.
    pub(crate) port: Option<Vec<u8>>,
    /// What the client calls itself.
    pub(crate) helo: Option<Vec<u8>>,
    /// It has said EHLO.
    pub(crate) esmtp: bool,
    /// Whose password the proxy has checked.
    pub(crate) login: Option<Vec<u8>>,
}

impl Introduced {
    fn of(attributes: Vec<Attribute>) -> Introduced {
        let mut client = Introduced::default();
        for (field, value) in attributes {
            match field {
                Field::Host => client.host = value,
                Field::Addr => client.ip = value,
                Field::Port => client.port = value,
                Field::Helo => client.helo = value,
                Field::Login => client.login = value,
                Field::Proto => {
                    client.esmtp = value.is_some_and(|word| word.eq_ignore_ascii_case(b"ESMTP"));
                }
            }
        }
        client
    }
}

/// Whether a session may still be told for whom it is. It goes one way: once it is over nothing opens it
/// again, not even a link that is encrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Introduction(State);

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    /// The peer is no proxy.
    Unwanted,
    /// The peer is a proxy, and has not said yet whom it speaks for.
    Awaited,
    /// It has begun to.
    Begun(Vec<Attribute>),
    /// It has said so, or has begun to send mail of its own.
    Over,
}

/// What an XCLIENT command comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// More of them follow.
    More,
    /// All is said.
    Whole(Introduced),
    /// It is not for this peer, who goes on as itself: a reply.
    Refused(&'static str),
    /// It cannot be done, and whoever sent it must not go on: the rights that it would have are those of the
    /// proxy, or of the client that was introduced before. A reply.
    Fatal(&'static str),
}

impl Introduction {
    /// Of a session that begins; `trusted` is whether the rules know the peer as a proxy.
    pub(crate) fn new(trusted: bool) -> Introduction {
        Introduction(if trusted {
            State::Awaited
        } else {
            State::Unwanted
        })
    }

    /// Whether XCLIENT is to be announced.
    pub(crate) fn is_awaited(&self) -> bool {
        self.0 == State::Awaited
    }

    /// Whether it is still open for whom the session is: what cannot be read may be a proxy's word then.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.0, State::Awaited | State::Begun(_))
    }

    /// A command is about to be answered that is not XCLIENT; `verb` in capitals, or a word for one
    /// that is not known. An error is the reply that it gets instead.
    pub(crate) fn before(&mut self, verb: &str) -> Result<(), &'static str> {
        match (&self.0, verb) {
            (State::Unwanted | State::Over, _) | (State::Begun(_), "QUIT") => Ok(()),
            (State::Begun(_), _) => Err(replies::WANT_ADDR),
            // What a proxy may have to say first.
            (State::Awaited, "EHLO" | "HELO" | "STARTTLS" | "NOOP" | "RSET" | "QUIT") => Ok(()),
            (State::Awaited, _) => {
                self.0 = State::Over;
                Ok(())
            }
        }
    }

    /// XCLIENT with this argument.
    pub(crate) fn hear(&mut self, argument: &[u8]) -> Heard {
        let mut said = match std::mem::replace(&mut self.0, State::Over) {
            State::Unwanted => {
                self.0 = State::Unwanted;
                return Heard::Refused(replies::NO_XCLIENT);
            }
            State::Over => return Heard::Fatal(replies::LATE_XCLIENT),
            State::Awaited => Vec::new(),
            State::Begun(said) => said,
        };
        let Some(mut attributes) = parse(argument) else {
            return Heard::Fatal(replies::BAD_XCLIENT);
        };
        said.append(&mut attributes);
        if has_twice(&said) {
            return Heard::Fatal(replies::BAD_XCLIENT);
        }
        if said.iter().any(|(field, _)| *field == Field::Addr) {
            return Heard::Whole(Introduced::of(said));
        }
        self.0 = State::Begun(said);
        Heard::More
    }
}

fn has_twice(attributes: &[Attribute]) -> bool {
    let is_known = |(at, (field, _)): (usize, &Attribute)| {
        attributes[..at].iter().any(|(known, _)| known == field)
    };
    attributes.iter().enumerate().any(is_known)
}

/// All attributes of a command, or none if one of them is not understood.
fn parse(argument: &[u8]) -> Option<Vec<Attribute>> {
    let words = argument
        .split(|&byte| byte == b' ')
        .filter(|word| !word.is_empty());
    let attributes: Vec<Attribute> = words.map(attribute).collect::<Option<_>>()?;
    (!attributes.is_empty() && !has_twice(&attributes)).then_some(attributes)
}

fn attribute(word: &[u8]) -> Option<Attribute> {
    let equals = word.iter().position(|&byte| byte == b'=')?;
    let value = decode(&word[equals + 1..])?;
    let name = match word[..equals].to_ascii_uppercase().as_slice() {
        b"NAME" => Field::Host,
        b"ADDR" => Field::Addr,
        b"PORT" => Field::Port,
        b"PROTO" => Field::Proto,
        b"HELO" => Field::Helo,
        b"LOGIN" => Field::Login,
        _ => return None,
    };
    if matches!(value.as_slice(), b"[UNAVAILABLE]" | b"[TEMPUNAVAIL]") {
        return Some((name, None));
    }
    let value = match name {
        Field::Addr => address(&value)?,
        Field::Port => port(value)?,
        // As superd writes names: rules are compared byte by byte.
        Field::Host if is_text(&value) => value.to_ascii_lowercase(),
        Field::Proto | Field::Helo | Field::Login if is_text(&value) => value,
        _ => return None,
    };
    Some((name, Some(value)))
}

fn is_text(value: &[u8]) -> bool {
    !value.is_empty() && value.len() <= VALUE_LIMIT
}

fn port(value: Vec<u8>) -> Option<Vec<u8>> {
    std::str::from_utf8(&value).ok()?.parse::<u16>().ok()?;
    Some(value)
}

fn address(value: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(value).ok()?;
    let (tag, rest) = text.split_at_checked(5).unwrap_or(("", text));
    let is_tagged = tag.eq_ignore_ascii_case("IPV6:");
    let address: IpAddr = if is_tagged { rest } else { text }.parse().ok()?;
    (address.is_ipv6() == is_tagged).then(|| address.to_canonical().to_string().into_bytes())
}

/// xtext (RFC 3461 section 4): `+` and two hexadecimal digits for what cannot stand for itself. What
/// could not be a part of a command does not come in this way, either.
fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, behind)) = rest.split_first() {
        rest = behind;
        if byte != b'+' {
            out.push(byte);
            continue;
        }
        let (digits, behind) = rest.split_at_checked(2)?;
        let digits = std::str::from_utf8(digits).ok()?;
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        out.push(u8::from_str_radix(digits, 16).ok()?);
        rest = behind;
    }
    (!out.iter().any(|&byte| byte < b' ' || byte == 0x7f)).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn awaited() -> Introduction {
        Introduction::new(true)
    }

    #[test]
    fn the_command_with_the_address_is_the_last_one() {
        let mut introduction = awaited();
        assert_eq!(
            introduction.hear(b"HELO=their.helo PROTO=ESMTP"),
            Heard::More
        );
        assert!(!introduction.is_awaited());
        assert_eq!(introduction.before("MAIL"), Err(replies::WANT_ADDR));
        assert_eq!(introduction.before("EHLO"), Err(replies::WANT_ADDR));
        assert_eq!(introduction.before("QUIT"), Ok(()));
        let Heard::Whole(client) = introduction.hear(b"NAME=a.example ADDR=192.0.2.7") else {
            panic!("all is said");
        };
        assert_eq!(client.ip.as_deref(), Some(&b"192.0.2.7"[..]));
        assert_eq!(client.helo.as_deref(), Some(&b"their.helo"[..]));
        assert!(client.esmtp && client.login.is_none());
        for more in ["LOGIN=joe", "ADDR=192.0.2.8", "", "X=y"] {
            let heard = introduction.hear(more.as_bytes());
            assert_eq!(heard, Heard::Fatal(replies::LATE_XCLIENT), "{more}");
        }
        assert_eq!(introduction.before("MAIL"), Ok(()));
    }

    #[test]
    fn an_attribute_is_said_once_in_all_commands_together() {
        let mut introduction = awaited();
        assert_eq!(introduction.hear(b"LOGIN=joe"), Heard::More);
        let heard = introduction.hear(b"LOGIN=ann ADDR=192.0.2.7");
        assert_eq!(heard, Heard::Fatal(replies::BAD_XCLIENT));
        let heard = introduction.hear(b"ADDR=192.0.2.7");
        assert_eq!(heard, Heard::Fatal(replies::LATE_XCLIENT));
    }

    #[test]
    fn a_proxy_greets_and_encrypts_before_and_whoever_sends_mail_is_no_proxy_any_more() {
        let mut introduction = awaited();
        for verb in ["EHLO", "HELO", "STARTTLS", "NOOP", "RSET", "QUIT"] {
            assert_eq!(introduction.before(verb), Ok(()));
            assert!(introduction.is_awaited(), "{verb}");
        }
        for verb in [
            "MAIL", "AUTH", "RCPT", "DATA", "BDAT", "VRFY", "HELP", "other",
        ] {
            let mut introduction = awaited();
            assert_eq!(introduction.before(verb), Ok(()));
            let heard = introduction.hear(b"ADDR=192.0.2.7");
            assert_eq!(heard, Heard::Fatal(replies::LATE_XCLIENT), "{verb}");
        }
    }

    #[test]
    fn who_is_no_proxy_stays_none() {
        let mut introduction = Introduction::new(false);
        assert!(!introduction.is_awaited());
        for _ in 0..2 {
            let heard = introduction.hear(b"ADDR=192.0.2.7");
            assert_eq!(heard, Heard::Refused(replies::NO_XCLIENT));
        }
    }

    #[test]
    fn attributes_are_read_and_unknown_ones_refuse_all() {
        let read = parse(b"NAME=a.example addr=192.0.2.7 PORT=25 HELO=[UNAVAILABLE]");
        let expected = vec![
            (Field::Host, Some(b"a.example".to_vec())),
            (Field::Addr, Some(b"192.0.2.7".to_vec())),
            (Field::Port, Some(b"25".to_vec())),
            (Field::Helo, None),
        ];
        assert_eq!(read, Some(expected));
        for wrong in [
            "",
            "NAME",
            "NAME=",
            "X=y",
            "NAME=a X=y",
            "LOGIN=a LOGIN=b",
            "PORT=70000",
            "ADDR=x",
        ] {
            assert_eq!(parse(wrong.as_bytes()), None, "{wrong}");
        }
    }

    #[test]
    fn an_address_of_ipv6_has_its_tag() {
        assert_eq!(address(b"IPV6:2001:db8::1"), Some(b"2001:db8::1".to_vec()));
        assert_eq!(
            address(b"ipv6:::ffff:192.0.2.1"),
            Some(b"192.0.2.1".to_vec())
        );
        for wrong in ["2001:db8::1", "IPV6:192.0.2.1", "192.0.2"] {
            assert_eq!(address(wrong.as_bytes()), None, "{wrong}");
        }
    }

    #[test]
    fn xtext_brings_in_nothing_that_a_command_could_not_have() {
        assert_eq!(decode(b"a+2Bb+20c"), Some(b"a+b c".to_vec()));
        for wrong in ["+0A", "+00", "+7F", "+", "+2", "+zz", "++1"] {
            assert_eq!(decode(wrong.as_bytes()), None, "{wrong}");
        }
    }
}
