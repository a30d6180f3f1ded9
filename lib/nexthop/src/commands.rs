//! The lines that are sent, pure: what is in them cannot begin a line of its own.

use smtp::address::MailParameters;

use crate::capabilities::Capabilities;
use crate::transport::Protocol;

/// Why a line cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unspeakable {
    /// The address has a byte that no address can have where it is.
    Address,
    /// The address is empty.
    NoAddress,
    /// What is needed is not offered: SMTPUTF8.
    Utf8,
    /// Our own name is no word.
    Name,
}

/// EHLO or LHLO.
pub fn hello(protocol: Protocol, name: &[u8]) -> Result<Vec<u8>, Unspeakable> {
    let verb = match protocol {
        Protocol::Smtp => "EHLO",
        Protocol::Lmtp => "LHLO",
    };
    greeting(verb, name)
}

/// HELO, for a server that knows nothing else.
pub fn old_hello(name: &[u8]) -> Result<Vec<u8>, Unspeakable> {
    greeting("HELO", name)
}

fn greeting(verb: &str, name: &[u8]) -> Result<Vec<u8>, Unspeakable> {
    if name.is_empty() || !name.iter().all(u8::is_ascii_graphic) {
        return Err(Unspeakable::Name);
    }
    Ok([verb.as_bytes(), b" ", name, b"\r\n"].concat())
}

/// MAIL, with those parameters that are offered. `sender` is in the form of the envelope; empty
/// for a bounce.
pub fn mail(
    sender: &[u8],
    wanted: &MailParameters,
    offered: &Capabilities,
) -> Result<Vec<u8>, Unspeakable> {
    let utf8 = wanted.utf8 || !sender.is_ascii();
    if utf8 && !offered.smtputf8 {
        return Err(Unspeakable::Utf8);
    }
    let mut line = b"MAIL FROM:<".to_vec();
    if !sender.is_empty() {
        line.append(&mut path(sender)?);
    }
    line.push(b'>');
    if let Some(size) = wanted.size.filter(|_| offered.size.is_some()) {
        line.extend_from_slice(format!(" SIZE={size}").as_bytes());
    }
    // RFC 6531 section 3.6: SMTPUTF8 comes with 8BITMIME.
    if (wanted.eight_bit || utf8) && offered.eight_bit_mime {
        line.extend_from_slice(b" BODY=8BITMIME");
    }
    if utf8 {
        line.extend_from_slice(b" SMTPUTF8");
    }
    line.extend_from_slice(b"\r\n");
    Ok(line)
}

/// RCPT. `utf8` says whether MAIL had SMTPUTF8.
pub fn rcpt(recipient: &[u8], utf8: bool) -> Result<Vec<u8>, Unspeakable> {
    if recipient.is_empty() {
        return Err(Unspeakable::NoAddress);
    }
    if !utf8 && !recipient.is_ascii() {
        return Err(Unspeakable::Utf8);
    }
    Ok([b"RCPT TO:<", path(recipient)?.as_slice(), b">\r\n"].concat())
}

/// An address between its brackets. What [`smtp::address::quote`] would have to change is refused:
/// it would be another address.
fn path(address: &[u8]) -> Result<Vec<u8>, Unspeakable> {
    if address.iter().any(u8::is_ascii_control) || std::str::from_utf8(address).is_err() {
        return Err(Unspeakable::Address);
    }
    let quoted = smtp::address::quote(address);
    let at = address.iter().rposition(|&byte| byte == b'@');
    let domain = at.map_or(&b""[..], |at| &address[at..]);
    if domain.len() == 1 || !quoted.ends_with(domain) {
        return Err(Unspeakable::Address);
    }
    Ok(quoted)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Capabilities = Capabilities {
        size: Some(None),
        eight_bit_mime: true,
        smtputf8: true,
        starttls: false,
        auth_plain: false,
        auth_login: false,
    };

    fn shown(line: Result<Vec<u8>, Unspeakable>) -> String {
        let line = String::from_utf8(line.expect("it can be said")).expect("UTF-8");
        line.strip_suffix("\r\n").expect("a line").to_owned()
    }

    #[test]
    fn the_greeting_is_a_word_or_nothing() {
        assert_eq!(shown(hello(Protocol::Smtp, b"me.test")), "EHLO me.test");
        assert_eq!(shown(hello(Protocol::Lmtp, b"[::1]")), "LHLO [::1]");
        assert_eq!(shown(old_hello(b"me")), "HELO me");
        for wrong in [&b""[..], b"a b", b"a\r\nMAIL", b"a\x80"] {
            assert_eq!(hello(Protocol::Smtp, wrong), Err(Unspeakable::Name));
        }
    }

    #[test]
    fn only_parameters_that_are_offered_are_sent() {
        let wanted = MailParameters {
            size: Some(123),
            eight_bit: true,
            utf8: false,
        };
        let line = "MAIL FROM:<a@b.test> SIZE=123 BODY=8BITMIME";
        assert_eq!(shown(mail(b"a@b.test", &wanted, &ALL)), line);
        let nothing = Capabilities::default();
        let line = "MAIL FROM:<a@b.test>";
        assert_eq!(shown(mail(b"a@b.test", &wanted, &nothing)), line);
        let nothing_wanted = MailParameters::default();
        assert_eq!(shown(mail(b"", &nothing_wanted, &ALL)), "MAIL FROM:<>");
    }

    #[test]
    fn smtputf8_that_is_needed_is_never_left_out() {
        let needed = MailParameters {
            utf8: true,
            ..MailParameters::default()
        };
        let line = "MAIL FROM:<a@b> BODY=8BITMIME SMTPUTF8";
        assert_eq!(shown(mail(b"a@b", &needed, &ALL)), line);
        let line = "MAIL FROM:<\u{fc}@b> BODY=8BITMIME SMTPUTF8";
        let by_address = MailParameters::default();
        assert_eq!(shown(mail("\u{fc}@b".as_bytes(), &by_address, &ALL)), line);
        let nothing = Capabilities::default();
        assert_eq!(mail(b"a@b", &needed, &nothing), Err(Unspeakable::Utf8));
        let sender = "\u{fc}@b".as_bytes();
        assert_eq!(mail(sender, &by_address, &nothing), Err(Unspeakable::Utf8));
        assert_eq!(rcpt(sender, false), Err(Unspeakable::Utf8));
        assert_eq!(shown(rcpt(sender, true)), "RCPT TO:<\u{fc}@b>");
    }

    #[test]
    fn addresses_are_quoted_again() {
        assert_eq!(
            shown(rcpt(b"joe blow@h", false)),
            "RCPT TO:<\"joe blow\"@h>"
        );
        assert_eq!(shown(rcpt(b"a>b@h", false)), "RCPT TO:<\"a>b\"@h>");
        assert_eq!(shown(rcpt(b"postmaster", false)), "RCPT TO:<postmaster>");
        assert_eq!(
            shown(rcpt(b"a@[IPv6:::1]", false)),
            "RCPT TO:<a@[IPv6:::1]>"
        );
        let parameters = MailParameters::default();
        assert_eq!(
            shown(mail(b"a b@h", &parameters, &ALL)),
            "MAIL FROM:<\"a b\"@h>"
        );
    }

    #[test]
    fn an_address_that_could_say_something_else_is_refused() {
        for wrong in [
            "a@h> SIZE=1",
            "a@h\r\nDATA",
            "a\0b@h",
            "a\x7f@h",
            "a@",
            "a@h h",
            "a@h\"",
            "\n",
        ] {
            let refused = rcpt(wrong.as_bytes(), false);
            assert_eq!(refused, Err(Unspeakable::Address), "{wrong:?}");
            let refused = mail(wrong.as_bytes(), &MailParameters::default(), &ALL);
            assert_eq!(refused, Err(Unspeakable::Address), "{wrong:?}");
        }
        assert_eq!(rcpt(b"", false), Err(Unspeakable::NoAddress));
        // With SMTPUTF8 an address is UTF-8.
        assert_eq!(rcpt(b"\xfc@h", true), Err(Unspeakable::Address));
    }
}
