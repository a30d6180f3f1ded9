//! Whether lists in the DNS have a client: what rblsmtpd and smtpd share.
//!
//! [`verdict`] says what the answers come to and asks nobody; [`lookups`] asks: all sources at
//! once, under one deadline, in this process or, for root, in a child that is somebody else. No
//! thread is made, so whoever asks can fork afterwards.

pub mod lookups;
pub mod record;
pub mod verdict;

use std::net::IpAddr;

/// The client's address; one of IPv4 in the form of IPv6 is what it is, and the interface of a
/// link-local one is not looked up. `None` where `value`, that of `$TCPREMOTEIP`, is none.
pub fn address(value: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(value).ok()?;
    let address = text.split_once('%').map_or(text, |(address, _)| address);
    Some(address.parse::<IpAddr>().ok()?.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_that_of_the_client_whatever_its_form() {
        let read = |text: &str| address(text.as_bytes()).map(|address| address.to_string());
        assert_eq!(read("192.0.2.1").as_deref(), Some("192.0.2.1"));
        assert_eq!(read("::ffff:192.0.2.1").as_deref(), Some("192.0.2.1"));
        assert_eq!(read("2001:DB8::1").as_deref(), Some("2001:db8::1"));
        assert_eq!(read("fe80::1%eth0").as_deref(), Some("fe80::1"));
        for none in ["", "x", "192.0.2", "192.0.2.1 ", "[::1]"] {
            assert_eq!(read(none), None, "{none}");
        }
    }
}
