//! XCLIENT: a proxy that is trusted (the rules set XCLIENT for its address) says for whom it speaks.
//!
//! The extension is Postfix's (its XCLIENT_README). What the rules allowed the proxy they did not allow
//! the client behind it: RELAYCLIENT goes, unless LOGIN says that the proxy has checked a login.

use std::net::IpAddr;

use wire::command::Next;

use super::{Hello, Session};
use crate::replies;

/// The most bytes of one value.
const VALUE_LIMIT: usize = 255;

/// An attribute and what it says; `None` for what the proxy does not know.
type Attribute = (Field, Option<Vec<u8>>);

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

impl Session {
    pub(super) fn xclient(&mut self, argument: &[u8]) -> Next {
        if !self.settings.terms.xclient {
            return self.bad(replies::NO_XCLIENT);
        }
        if self.is_in_transaction() {
            return self.bad(replies::IN_TRANSACTION);
        }
        let Some(attributes) = parse(argument) else {
            return self.bad(replies::BAD_XCLIENT);
        };
        self.begin_again();
        let client = &mut self.settings.client;
        (client.relay, client.info, client.login) = (None, None, None);
        for variable in ["RELAYCLIENT", "TCPREMOTEINFO", "RELAY_CTRL_USER"] {
            self.means.env.remove(variable);
        }
        let mut hello = Hello::default();
        // Who has logged in comes last: all else says where he is.
        let (logins, others): (Vec<_>, Vec<_>) = attributes
            .into_iter()
            .partition(|(field, _)| *field == Field::Login);
        for (field, value) in others.into_iter().chain(logins) {
            self.set_attribute(field, value, &mut hello);
        }
        self.hello = hello;
        self.log
            .event("xclient")
            .field("client", &self.settings.client.ip)
            .field("host", &self.settings.client.host)
            .say();
        self.greet();
        Next::Continue
    }

    fn set_attribute(&mut self, name: Field, value: Option<Vec<u8>>, hello: &mut Hello) {
        let client = &mut self.settings.client;
        let unknown = || b"unknown".to_vec();
        let (variable, place) = match name {
            Field::Addr => ("TCPREMOTEIP", &mut client.ip),
            Field::Host => ("TCPREMOTEHOST", &mut client.host),
            Field::Port => {
                match value {
                    Some(port) => self.means.env.set("TCPREMOTEPORT", &port),
                    None => self.means.env.remove("TCPREMOTEPORT"),
                }
                return;
            }
            Field::Proto => {
                hello.esmtp = value.is_some_and(|value| value.eq_ignore_ascii_case(b"ESMTP"));
                return;
            }
            Field::Helo => {
                hello.name = value;
                return;
            }
            Field::Login => {
                if let Some(user) = value {
                    self.enter(user);
                }
                return;
            }
        };
        match &value {
            Some(value) => self.means.env.set(variable, value),
            None => self.means.env.remove(variable),
        }
        *place = value.unwrap_or_else(unknown);
    }
}

/// All attributes of a command, or none if one of them is not understood.
fn parse(argument: &[u8]) -> Option<Vec<Attribute>> {
    let words = argument
        .split(|&byte| byte == b' ')
        .filter(|word| !word.is_empty());
    let attributes: Vec<Attribute> = words.map(attribute).collect::<Option<_>>()?;
    let is_twice = |(at, (field, _)): (usize, &Attribute)| {
        attributes[..at].iter().any(|(before, _)| before == field)
    };
    let twice = attributes.iter().enumerate().any(is_twice);
    (!attributes.is_empty() && !twice).then_some(attributes)
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
        _ if value.is_empty() || value.len() > VALUE_LIMIT => return None,
        _ => value,
    };
    Some((name, Some(value)))
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
