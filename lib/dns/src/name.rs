//! Domain names: as a DNS message holds them, and as text.
//!
//! The text form is that of the original's environment variables, observed on tcpserver 0.88:
//! lower case; letters, digits, `-` and `_` stand for themselves; every other byte of a label is a
//! backslash and three octal digits; labels are joined by dots, with none at the end; the root
//! alone is a single dot. So a label can never bring in a colon, a blank, a dot of its own or a
//! control byte. [`DnsName::parse`] reads the same form back.

use std::fmt;
use std::net::IpAddr;

use domain::base::name::{Name, NameBuilder, ParsedName, ToName};

/// The longest text that a name can have: 250 bytes of labels, each escaped, and three dots. (255
/// bytes on the wire, RFC 1035 section 2.3.4, less four length bytes and the root.)
pub const TEXT_LIMIT: usize = 250 * 4 + 3;

/// An absolute domain name in lower case.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct DnsName(Name<Vec<u8>>);

/// A text that is no domain name: a label over 63 bytes, a name over 255, a broken escape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadName;

impl fmt::Display for BadName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("this is not a domain name")
    }
}

impl DnsName {
    /// Reads a name as people write it. Dots separate labels, empty labels are passed over (so a
    /// dot at the end changes nothing), `\` and one to three octal digits stand for a byte, `\`
    /// and any other byte for that byte; all of this as the original does.
    pub fn parse(text: &[u8]) -> Result<DnsName, BadName> {
        let mut builder = NameBuilder::new_vec();
        let mut bytes = text.iter().copied().peekable();
        while let Some(byte) = bytes.next() {
            let byte = match byte {
                b'.' => {
                    builder.end_label();
                    continue;
                }
                b'\\' => match bytes.next().ok_or(BadName)? {
                    digit @ b'0'..=b'7' => {
                        let mut value = u32::from(digit - b'0');
                        for _ in 0..2 {
                            let Some(digit) = bytes.next_if(|byte| matches!(byte, b'0'..=b'7'))
                            else {
                                break;
                            };
                            value = value * 8 + u32::from(digit - b'0');
                        }
                        u8::try_from(value).map_err(|_| BadName)?
                    }
                    other => other,
                },
                other => other,
            };
            builder
                .push(byte.to_ascii_lowercase())
                .map_err(|_| BadName)?;
        }
        builder.into_name().map(DnsName).map_err(|_| BadName)
    }

    /// The name under which the name of `address` is found: in `in-addr.arpa` (RFC 1035 section
    /// 3.5) or `ip6.arpa` (RFC 3596).
    pub fn reverse_of(address: IpAddr) -> DnsName {
        let mut name: Name<Vec<u8>> =
            Name::reverse_from_addr(address).expect("the longest reverse name has 74 bytes");
        // The crate writes hexadecimal digits in upper case.
        name.make_canonical();
        DnsName(name)
    }

    /// The name under which the list `base` has `address`: its bytes in decimal or, of IPv6, its
    /// hexadecimal digits, the last one first, before the name of the list (RFC 5782 sections 2.1
    /// and 2.4). `base` is read by [`DnsName::parse`].
    pub fn listed_under(address: IpAddr, base: &[u8]) -> Result<DnsName, BadName> {
        let mut text = String::new();
        match address {
            IpAddr::V4(address) => {
                for byte in address.octets().iter().rev() {
                    text.push_str(&format!("{byte}."));
                }
            }
            IpAddr::V6(address) => {
                for byte in address.octets().iter().rev() {
                    text.push_str(&format!("{:x}.{:x}.", byte & 15, byte >> 4));
                }
            }
        }
        DnsName::parse(&[text.as_bytes(), base].concat())
    }

    /// From a name in a message.
    pub(crate) fn from_parsed<Octets: AsRef<[u8]>>(parsed: &ParsedName<Octets>) -> DnsName {
        let mut name: Name<Vec<u8>> = parsed.to_vec();
        name.make_canonical();
        DnsName(name)
    }

    pub(crate) fn as_domain(&self) -> &Name<Vec<u8>> {
        &self.0
    }

    /// The text form; at most [`TEXT_LIMIT`] bytes.
    pub fn to_text(&self) -> Vec<u8> {
        if self.0.is_root() {
            return b".".to_vec();
        }
        let mut text = Vec::with_capacity(self.0.len());
        for label in self.0.iter().filter(|label| !label.is_root()) {
            if !text.is_empty() {
                text.push(b'.');
            }
            for &byte in label.as_slice() {
                if is_plain(byte) {
                    text.push(byte);
                } else {
                    let digits = [
                        b'0' + (byte >> 6),
                        b'0' + (byte >> 3 & 7),
                        b'0' + (byte & 7),
                    ];
                    text.push(b'\\');
                    text.extend(digits);
                }
            }
        }
        text
    }
}

impl fmt::Debug for DnsName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DnsName({})", self.to_text().escape_ascii())
    }
}

fn is_plain(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_')
}

/// Whether `text` is something that [`DnsName::to_text`] can give.
pub fn is_text(text: &[u8]) -> bool {
    if text.len() > TEXT_LIMIT {
        return false;
    }
    // Exact, because a name has one text only.
    DnsName::parse(text).is_ok_and(|name| name.to_text() == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text_of(text: &[u8]) -> Vec<u8> {
        DnsName::parse(text).expect("a name").to_text()
    }

    #[test]
    fn letters_are_lowered_and_digits_hyphens_and_underscores_stand_for_themselves() {
        assert_eq!(text_of(b"MiXed-1.Exa_mple.ORG"), b"mixed-1.exa_mple.org");
    }

    #[test]
    fn other_bytes_come_out_as_a_backslash_and_three_octal_digits() {
        assert_eq!(
            text_of(b"we:rd na\\056me.\xff\0\x7f"),
            b"we\\072rd\\040na\\056me.\\377\\000\\177"
        );
    }

    #[test]
    fn a_dot_at_the_end_and_empty_labels_change_nothing() {
        assert_eq!(text_of(b".abs..test."), b"abs.test");
    }

    #[test]
    fn the_root_is_a_single_dot() {
        assert_eq!(text_of(b""), b".");
        assert_eq!(text_of(b".."), b".");
    }

    #[test]
    fn an_escape_has_one_to_three_octal_digits_and_fits_a_byte() {
        assert_eq!(text_of(b"a\\0568.\\7x.\\y"), b"a\\0568.\\007x.y");
        assert_eq!(DnsName::parse(b"\\400"), Err(BadName));
        assert_eq!(DnsName::parse(b"a\\"), Err(BadName));
    }

    #[test]
    fn a_label_of_63_bytes_passes_and_one_of_64_does_not() {
        assert!(DnsName::parse(&[b'x'; 63]).is_ok());
        assert_eq!(DnsName::parse(&[b'x'; 64]), Err(BadName));
    }

    #[test]
    fn a_name_of_255_bytes_on_the_wire_passes_and_one_of_256_does_not() {
        let labels = |last: usize| {
            let long = [b'%'; 63];
            [&long[..], b".", &long, b".", &long, b".", &long[..last]].concat()
        };
        let name = DnsName::parse(&labels(61)).expect("just short enough");
        assert_eq!(name.to_text().len(), TEXT_LIMIT);
        assert!(is_text(&name.to_text()));
        assert_eq!(DnsName::parse(&labels(62)), Err(BadName));
    }

    #[test]
    fn addresses_are_looked_up_backwards() {
        let name = DnsName::reverse_of("192.0.2.71".parse().expect("an address"));
        assert_eq!(name.to_text(), b"71.2.0.192.in-addr.arpa");
        let name = DnsName::reverse_of("2001:db8::567:89ab".parse().expect("an address"));
        let nibbles = b"b.a.9.8.7.6.5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa";
        assert_eq!(name.to_text(), nibbles);
    }

    #[test]
    fn a_list_has_addresses_backwards_before_its_name() {
        let text = |address: &str, base: &[u8]| {
            let address = address.parse().expect("an address");
            DnsName::listed_under(address, base).map(|name| name.to_text())
        };
        assert_eq!(
            text("192.0.2.71", b"List.test."),
            Ok(b"71.2.0.192.list.test".to_vec())
        );
        let nibbles = b"b.a.9.8.7.6.5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.x";
        assert_eq!(text("2001:db8::567:89ab", b"x"), Ok(nibbles.to_vec()));
        assert_eq!(text("192.0.2.71", &[b'x'; 64]), Err(BadName));
    }

    #[test]
    fn only_the_one_form_of_a_name_is_a_text() {
        for good in [&b"mx.example.org"[..], b".", b"a\\056b.c", b"_x"] {
            assert!(is_text(good), "{}", good.escape_ascii());
        }
        let bad: [&[u8]; 9] = [
            b"", b"A.b", b"a..b", b"a.", b".a", b"a:b", b"a\\7", b"a\\141", b"a\n",
        ];
        for bad in bad {
            assert!(!is_text(bad), "{}", bad.escape_ascii());
        }
    }
}
