//! The argument of MAIL and RCPT.
//!
//! As observed on qmail-smtpd, which is generous: the address begins behind the first `<` wherever
//! that is (the words FROM: and TO: are not looked at), or else behind the first `:`; a source
//! route is dropped; quotes and backslashes are removed, so the envelope carries the unquoted form;
//! a missing `>` is no error. What is not let through is what could do harm further on: control
//! bytes and overlong addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::texts;

/// An address must be shorter than this, unquoted.
pub const ADDRESS_BYTES: usize = 900;

/// An address, and what stands behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Argument<'a> {
    /// Unquoted; empty for `<>` and where there is none.
    pub address: Vec<u8>,
    /// The ESMTP parameters, as sent.
    pub parameters: &'a [u8],
}

/// Why an argument is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The address has [`ADDRESS_BYTES`] or more.
    TooLong,
    /// The address has a control byte.
    Control,
    /// SIZE= is followed by no number.
    Size,
    /// BODY= is followed by what is not known (RFC 5321 section 4.1.1.11): the text would not be what
    /// the sender thinks.
    Body,
}

/// Reads the argument of MAIL or RCPT.
pub fn parse(argument: &[u8]) -> Result<Argument<'_>, Fault> {
    let (mut rest, terminator) = match position(argument, b'<') {
        Some(open) => (&argument[open + 1..], b'>'),
        None => {
            let behind = position(argument, b':').map_or(argument.len(), |colon| colon + 1);
            let rest = &argument[behind..];
            let blanks = rest.iter().take_while(|&&byte| byte == b' ').count();
            (&rest[blanks..], b' ')
        }
    };
    if rest.first() == Some(&b'@') {
        let behind = position(rest, b':').map_or(rest.len(), |colon| colon + 1);
        rest = &rest[behind..];
    }
    let mut address = Vec::new();
    let (mut quoted, mut escaped) = (false, false);
    let mut end = rest.len();
    for (at, &byte) in rest.iter().enumerate() {
        if escaped {
            escaped = false;
        } else if byte == terminator && !quoted {
            end = at;
            break;
        } else if byte == b'\\' {
            escaped = true;
            continue;
        } else if byte == b'"' {
            quoted = !quoted;
            continue;
        }
        address.push(byte);
    }
    if address.len() >= ADDRESS_BYTES {
        return Err(Fault::TooLong);
    }
    if address.iter().any(|&byte| byte < b' ' || byte == 0x7f) {
        return Err(Fault::Control);
    }
    Ok(Argument {
        address,
        parameters: rest.get(end + 1..).unwrap_or_default(),
    })
}

fn position(bytes: &[u8], wanted: u8) -> Option<usize> {
    bytes.iter().position(|&byte| byte == wanted)
}

/// What MAIL says beside the sender.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MailParameters {
    /// SIZE= (RFC 1870). A number that is too large for 64 bits is as large as they allow: it is over
    /// any limit.
    pub size: Option<u64>,
    /// BODY=8BITMIME (RFC 6152).
    pub eight_bit: bool,
    /// SMTPUTF8 (RFC 6531).
    pub utf8: bool,
}

/// Reads the parameters of MAIL; those that are not known are left alone.
pub fn mail_parameters(parameters: &[u8]) -> Result<MailParameters, Fault> {
    let mut read = MailParameters::default();
    for word in parameters.split(|&byte| byte == b' ') {
        let equals = position(word, b'=').unwrap_or(word.len());
        let (name, value) = (&word[..equals], word.get(equals + 1..));
        if name.eq_ignore_ascii_case(b"SIZE")
            && let Some(value) = value
        {
            if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
                return Err(Fault::Size);
            }
            let size = accounts::control::digits(value).unwrap_or(u64::MAX);
            read.size.get_or_insert(size);
        } else if name.eq_ignore_ascii_case(b"BODY") {
            let value = value.unwrap_or_default();
            if value.eq_ignore_ascii_case(b"8BITMIME") {
                read.eight_bit = true;
            } else if !value.eq_ignore_ascii_case(b"7BIT") {
                return Err(Fault::Body);
            }
        } else if name.eq_ignore_ascii_case(b"SMTPUTF8") && value.is_none() {
            read.utf8 = true;
        }
    }
    Ok(read)
}

/// Puts `localiphost` in the place of a domain that is an address of this host in brackets
/// (`[192.0.2.1]`, `[IPv6:2001:db8::1]`). `local` is the address that the client connected to;
/// loopback and unspecified addresses are this host's everywhere.
pub fn replace_own_literal(address: &mut Vec<u8>, local: Option<IpAddr>, localiphost: &[u8]) {
    let (user, Some(domain)) = accounts::address::split(address) else {
        return;
    };
    let Some(literal) = domain
        .strip_prefix(b"[")
        .and_then(|rest| rest.strip_suffix(b"]"))
        .and_then(parse_literal)
    else {
        return;
    };
    let literal = literal.to_canonical();
    let is_own = literal.is_loopback()
        || literal.is_unspecified()
        || local.is_some_and(|local| local.to_canonical() == literal);
    if is_own {
        let keep = user.len() + 1;
        address.truncate(keep);
        address.extend_from_slice(localiphost);
    }
}

fn parse_literal(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?;
    let (tag, rest) = text.split_at_checked(5).unwrap_or(("", text));
    if tag.eq_ignore_ascii_case("IPv6:") {
        rest.parse::<Ipv6Addr>().ok().map(IpAddr::V6)
    } else {
        text.parse::<Ipv4Addr>().ok().map(IpAddr::V4)
    }
}

/// An address in the form of RFC 5321: its local part is quoted where it is no dot-string.
pub fn quote(address: &[u8]) -> Vec<u8> {
    let (local, domain) = accounts::address::split(address);
    let mut out = Vec::with_capacity(address.len() + 2);
    if is_dot_string(local) || (local.is_empty() && domain.is_none()) {
        out.extend_from_slice(local);
    } else {
        out.push(b'"');
        for &byte in local {
            if matches!(byte, b'"' | b'\\') {
                out.push(b'\\');
            }
            out.push(printable(byte));
        }
        out.push(b'"');
    }
    if let Some(domain) = domain {
        out.push(b'@');
        out.extend(domain.iter().map(|&byte| domain_byte(byte)));
    }
    out
}

/// Atoms with single dots between them (RFC 5321 section 4.1.2, RFC 6531 section 3.3).
fn is_dot_string(text: &[u8]) -> bool {
    let is_atom_byte = |&byte: &u8| {
        byte.is_ascii_alphanumeric() || byte >= 0x80 || b"!#$%&'*+-/=?^_`{|}~".contains(&byte)
    };
    text.split(|&byte| byte == b'.')
        .all(|atom| !atom.is_empty() && atom.iter().all(is_atom_byte))
}

/// A line must stay one line, whatever an address holds.
fn printable(byte: u8) -> u8 {
    if byte < b' ' || byte == 0x7f {
        b'_'
    } else {
        byte
    }
}

/// Nor may a domain, which is never quoted, end the brackets around the address or begin something new.
fn domain_byte(byte: u8) -> u8 {
    let plain = byte.is_ascii_alphanumeric() || byte >= 0x80 || b"-._:[]".contains(&byte);
    if plain { byte } else { b'_' }
}

/// Reads the argument of MAIL: the sender and the parameters, or the reply that refuses it.
pub fn mail_argument(argument: &[u8]) -> Result<(Vec<u8>, MailParameters), &'static str> {
    parse(argument)
        .and_then(|read| Ok((read.address, mail_parameters(read.parameters)?)))
        .map_err(reply_to)
}

/// Reads the argument of RCPT: the recipient, or the reply that refuses it.
pub fn rcpt_argument(argument: &[u8]) -> Result<Vec<u8>, &'static str> {
    match parse(argument) {
        Ok(read) if read.address.is_empty() => Err(texts::BAD_ADDRESS),
        Ok(read) => Ok(read.address),
        Err(fault) => Err(reply_to(fault)),
    }
}

fn reply_to(fault: Fault) -> &'static str {
    match fault {
        Fault::TooLong => texts::SYNTAX,
        Fault::Control => texts::BAD_ADDRESS,
        Fault::Size => texts::BAD_SIZE,
        Fault::Body => texts::BAD_BODY,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(argument: &str) -> String {
        let parsed = parse(argument.as_bytes()).expect("no fault");
        String::from_utf8(parsed.address).expect("ASCII")
    }

    #[test]
    fn the_address_stands_behind_the_first_angle_bracket() {
        assert_eq!(address("FROM:<joe@h>"), "joe@h");
        assert_eq!(address("x <joe@h> y"), "joe@h");
        assert_eq!(address("FROM: Joe <joe@h>"), "joe@h");
        assert_eq!(address("FROM:<<joe@h>>"), "<joe@h");
        assert_eq!(address("FROM:<joe@h"), "joe@h");
    }

    #[test]
    fn without_bracket_it_stands_behind_the_first_colon() {
        assert_eq!(address("FROM:joe@h SIZE=5"), "joe@h");
        assert_eq!(address("FROM:  joe@h"), "joe@h");
        assert_eq!(address("TO:\"a b\"@h x"), "a b@h");
    }

    #[test]
    fn a_missing_argument_is_the_empty_address() {
        for argument in ["", "FROM", "FROM:", "FROM: ", "FROM:<>", "joe@h"] {
            assert_eq!(address(argument), "", "{argument:?}");
        }
    }

    #[test]
    fn a_source_route_is_dropped() {
        assert_eq!(address("TO:<@a,@b:joe@h>"), "joe@h");
        assert_eq!(address("TO:<@a>"), "");
        assert_eq!(address("TO:@a:joe@h"), "joe@h");
    }

    #[test]
    fn quotes_and_backslashes_are_removed() {
        assert_eq!(address("TO:<\"joe blow\"@h>"), "joe blow@h");
        assert_eq!(address("TO:<\"a>b\"@h>"), "a>b@h");
        assert_eq!(address("TO:<a\\ b@h>"), "a b@h");
        assert_eq!(address("TO:<a\\>b\\\\@h>"), "a>b\\@h");
        assert_eq!(address("TO:<\"a\\\"b\"@h>"), "a\"b@h");
        assert_eq!(address("TO:<joe@h\\"), "joe@h");
    }

    #[test]
    fn an_address_of_899_bytes_passes_and_one_of_900_does_not() {
        let with = |length: usize| parse_owned(format!("TO:<{}>", "a".repeat(length)));
        assert_eq!(with(ADDRESS_BYTES - 1), Ok(ADDRESS_BYTES - 1));
        assert_eq!(with(ADDRESS_BYTES), Err(Fault::TooLong));
        // The limit is for the unquoted form.
        let quoted = format!("TO:<\"{}\">", "a".repeat(ADDRESS_BYTES - 1));
        assert_eq!(parse_owned(quoted), Ok(ADDRESS_BYTES - 1));
    }

    fn parse_owned(argument: String) -> Result<usize, Fault> {
        parse(argument.as_bytes()).map(|parsed| parsed.address.len())
    }

    #[test]
    fn control_bytes_are_refused_wherever_they_are() {
        for byte in (0..32).chain([127]) {
            for argument in [
                vec![b'<', b'a', byte, b'@', b'h', b'>'],
                vec![b'<', b'"', b'a', byte, b'"', b'@', b'h', b'>'],
                vec![b'<', b'a', b'\\', byte, b'@', b'h', b'>'],
                vec![b':', b'a', byte],
            ] {
                assert_eq!(parse(&argument), Err(Fault::Control), "{byte}");
            }
        }
        assert!(parse(b"<\xe4@h>").is_ok());
    }

    #[test]
    fn the_size_is_found_among_the_parameters() {
        let size = |argument: &str| {
            let argument = parse(argument.as_bytes()).expect("no fault");
            Ok(mail_parameters(argument.parameters)?.size)
        };
        assert_eq!(size("FROM:<a> SIZE=123"), Ok(Some(123)));
        assert_eq!(size("FROM:<a> BODY=8BITMIME size=0"), Ok(Some(0)));
        assert_eq!(size("FROM:a SIZE=5"), Ok(Some(5)));
        assert_eq!(size("FROM:<a> X-SIZE=5 SIZ=5 SIZE"), Ok(None));
        assert_eq!(size("FROM:<SIZE=5>"), Ok(None));
        assert_eq!(
            size("FROM:<a> SIZE=99999999999999999999"),
            Ok(Some(u64::MAX))
        );
        for wrong in ["SIZE=", "SIZE=x", "SIZE=-1", "SIZE=1k"] {
            assert_eq!(
                size(&format!("FROM:<a> {wrong}")),
                Err(Fault::Size),
                "{wrong}"
            );
        }
    }

    #[test]
    fn body_and_smtputf8_are_found_among_the_parameters() {
        let read = |argument: &str| {
            let argument = parse(argument.as_bytes()).expect("no fault");
            let read = mail_parameters(argument.parameters).expect("no fault");
            (read.eight_bit, read.utf8)
        };
        assert_eq!(read("FROM:<a> body=8bitmime smtputf8"), (true, true));
        assert_eq!(read("FROM:<a> BODY=7BIT SMTPUTF8=1"), (false, false));
        assert_eq!(read("FROM:<a> AUTH=<> X=8BITMIME"), (false, false));
        let binary = parse(b"FROM:<a> BODY=BINARYMIME").expect("no fault");
        assert_eq!(mail_parameters(binary.parameters), Err(Fault::Body));
    }

    fn replaced(text: &str) -> String {
        let mut address = text.as_bytes().to_vec();
        let local = "192.0.2.1".parse().expect("an address");
        replace_own_literal(&mut address, Some(local), b"me");
        String::from_utf8(address).expect("ASCII")
    }

    #[test]
    fn an_address_of_this_host_in_brackets_means_its_name() {
        for own in ["[192.0.2.1]", "[127.0.0.1]", "[0.0.0.0]", "[IPv6:::1]"] {
            assert_eq!(replaced(&format!("a@b@{own}")), "a@b@me", "{own}");
        }
        assert_eq!(replaced("a@[ipv6:::ffff:192.0.2.1]"), "a@me");
    }

    #[test]
    fn other_literals_stay() {
        for other in [
            "a@[192.0.2.2]",
            "a@192.0.2.1",
            "a@[192.0.2.1].x",
            "a@[::1]",
            "[127.0.0.1]",
        ] {
            assert_eq!(replaced(other), other);
        }
    }

    fn text(bytes: Vec<u8>) -> String {
        String::from_utf8(bytes).expect("ASCII")
    }

    #[test]
    fn a_local_part_that_needs_it_is_quoted_again() {
        let cases = [
            ("joe blow@s", "\"joe blow\"@s"),
            ("a>b@h", "\"a>b\"@h"),
            ("a@b@h", "\"a@b\"@h"),
            ("a\"\\b@h", "\"a\\\"\\\\b\"@h"),
            (".a@h", "\".a\"@h"),
            ("a..b@h", "\"a..b\"@h"),
            ("a.@h", "\"a.\"@h"),
            ("@h", "\"\"@h"),
            ("a@b>c d<(e", "a@b_c_d__e"),
            ("\u{fc}@h", "\u{fc}@h"),
        ];
        for (address, quoted) in cases {
            assert_eq!(text(quote(address.as_bytes())), quoted);
        }
    }

    #[test]
    fn what_is_wrong_with_an_argument_is_told_by_its_reply() {
        let read = mail_argument(b"FROM:<s@x> SIZE=5").expect("a sender");
        assert_eq!((read.0, read.1.size), (b"s@x".to_vec(), Some(5)));
        assert_eq!(mail_argument(b"FROM:<> SIZE=x"), Err(texts::BAD_SIZE));
        assert_eq!(mail_argument(b"FROM:<> BODY=x"), Err(texts::BAD_BODY));
        assert_eq!(mail_argument(b"FROM:<a\x01b>"), Err(texts::BAD_ADDRESS));
        assert_eq!(rcpt_argument(b"TO:<joe>"), Ok(b"joe".to_vec()));
        assert_eq!(rcpt_argument(b"TO:<>"), Err(texts::BAD_ADDRESS));
        let long = [b"TO:<", &[b'x'; ADDRESS_BYTES][..], b">"].concat();
        assert_eq!(rcpt_argument(&long), Err(texts::SYNTAX));
        let longest = [b"TO:<", &[b'x'; ADDRESS_BYTES - 1][..], b">"].concat();
        assert!(rcpt_argument(&longest).is_ok());
    }
}
