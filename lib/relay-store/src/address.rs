//! The address of a client as the name of a file.

use std::fmt;
use std::net::IpAddr;

/// An IPv4 or IPv6 address, never an IPv4 one in the clothes of IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address(IpAddr);

impl Address {
    /// Any address; `::ffff:a.b.c.d` is a.b.c.d.
    pub fn of(ip: IpAddr) -> Address {
        Address(ip.to_canonical())
    }

    /// An address in any of its texts, as it stands in TCPREMOTEIP. No blanks, no zone, no octal.
    pub fn from_text(text: &[u8]) -> Option<Address> {
        let text = std::str::from_utf8(text).ok()?;
        text.parse().ok().map(Address::of)
    }

    /// An address from the name of its file: only the one text that [`fmt::Display`] gives.
    pub fn from_name(name: &[u8]) -> Option<Address> {
        let address = Address::from_text(name)?;
        (address.to_string().as_bytes() == name).then_some(address)
    }

    /// The address for the network library.
    pub fn ip(&self) -> IpAddr {
        self.0
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &[u8]) -> Option<String> {
        Address::from_text(text).map(|address| address.to_string())
    }

    #[test]
    fn an_address_has_one_text() {
        assert_eq!(text(b"192.0.2.1").as_deref(), Some("192.0.2.1"));
        assert_eq!(text(b"2001:DB8:0:0::1").as_deref(), Some("2001:db8::1"));
        assert_eq!(text(b"::ffff:192.0.2.1").as_deref(), Some("192.0.2.1"));
        assert_eq!(text(b"::FFFF:c000:201").as_deref(), Some("192.0.2.1"));
    }

    #[test]
    fn an_address_that_only_begins_as_one_of_ipv4_does_stays_what_it_is() {
        for own in ["::ffff:8", "::ffff", "::ffff:0:0:1", "::ffff:0:c000:201"] {
            assert_eq!(text(own.as_bytes()).as_deref(), Some(own));
            assert_eq!(text(own.to_uppercase().as_bytes()).as_deref(), Some(own));
            let address = Address::from_name(own.as_bytes()).expect("its own name");
            assert!(address.ip().is_ipv6(), "{own}");
        }
    }

    #[test]
    fn what_the_original_takes_for_an_address_and_is_none_is_refused() {
        let wrong: [&[u8]; 14] = [
            b"",
            b"..",
            b"...",
            b"999.999.999.999.9",
            b"1.2.3",
            b"1.2.3.256",
            b"01.2.3.4",
            b"1.2.3.4\n",
            b" 1.2.3.4",
            b"1.2.3.4/../5",
            b"../1.2.3.4",
            b"fe80::1%eth0",
            b"1.2.3.4\0",
            b"\xff",
        ];
        for wrong in wrong {
            assert_eq!(text(wrong), None, "{}", wrong.escape_ascii());
        }
    }

    #[test]
    fn only_the_canonical_text_is_a_name() {
        assert!(Address::from_name(b"192.0.2.1").is_some());
        assert!(Address::from_name(b"2001:db8::1").is_some());
        for other in [
            &b"::ffff:192.0.2.1"[..],
            b"2001:DB8::1",
            b"2001:db8:0::1",
            b".lock",
        ] {
            assert!(
                Address::from_name(other).is_none(),
                "{}",
                other.escape_ascii()
            );
        }
    }
}
