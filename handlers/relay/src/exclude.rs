//! Addresses that are never opened: behind one of them may be many who have not logged in (the outside of a
//! network address translation, a proxy, a VPN).
//!
//! One a line: an address, a network (`192.0.2.0/24`, `2001:db8::/32`), or the beginning of an IPv4
//! address up to a dot, as in rules (`192.0.2.`). Blanks around it, empty lines and lines that begin with `#`
//! do not count.

use std::net::IpAddr;

use relay_store::Address;

/// A list of addresses and networks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exclude(Vec<Network>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Network {
    ip: IpAddr,
    length: u32,
}

impl Exclude {
    /// Reads a list; the error is the number of the first line, counted from 1, that is none of the above.
    pub fn parse(text: &[u8]) -> Result<Exclude, usize> {
        let mut list = Vec::new();
        for (line, number) in text.split(|&byte| byte == b'\n').zip(1_usize..) {
            let line = line.trim_ascii();
            if line.is_empty() || line[0] == b'#' {
                continue;
            }
            list.push(network(line).ok_or(number)?);
        }
        Ok(Exclude(list))
    }

    /// Whether `address` is on the list.
    pub fn covers(&self, address: &Address) -> bool {
        let ip = address.ip();
        self.0.iter().any(|network| network.contains(ip))
    }
}

impl Network {
    fn contains(self, ip: IpAddr) -> bool {
        match (self.ip, ip) {
            (IpAddr::V4(own), IpAddr::V4(ip)) => {
                let different = own.to_bits() ^ ip.to_bits();
                different.leading_zeros() >= self.length
            }
            (IpAddr::V6(own), IpAddr::V6(ip)) => {
                let different = own.to_bits() ^ ip.to_bits();
                different.leading_zeros() >= self.length
            }
            _ => false,
        }
    }
}

fn network(word: &[u8]) -> Option<Network> {
    let (address, length) = match word.iter().position(|&byte| byte == b'/') {
        Some(slash) => (&word[..slash], Some(&word[slash + 1..])),
        None => (word, None),
    };
    let Some(plain) = Address::from_text(address) else {
        return if length.is_none() { prefix(word) } else { None };
    };
    let ip = plain.ip();
    let most = if ip.is_ipv4() { 32 } else { 128 };
    let length = match length {
        None => most,
        // A network of IPv4 addresses inside IPv6 would have to be cut down; nobody needs it.
        Some(_) if ip.is_ipv4() && address.contains(&b':') => return None,
        Some(digits) if digits.iter().all(u8::is_ascii_digit) => {
            std::str::from_utf8(digits).ok()?.parse().ok()?
        }
        Some(_) => return None,
    };
    (length <= most).then_some(Network { ip, length })
}

/// `10.`, `10.1.`, `10.1.2.`
fn prefix(word: &[u8]) -> Option<Network> {
    let parts = word.iter().filter(|&&byte| byte == b'.').count();
    if !word.ends_with(b".") || !(1..=3).contains(&parts) {
        return None;
    }
    let mut whole = word.to_vec();
    whole.extend_from_slice(&b"0.0.0"[..2 * (3 - parts) + 1]);
    let ip = Address::from_text(&whole)?.ip();
    let length = u32::try_from(8 * parts).ok()?;
    Some(Network { ip, length })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covers(list: &[u8], address: &[u8]) -> bool {
        let list = Exclude::parse(list).expect("a list");
        list.covers(&Address::from_text(address).expect("an address"))
    }

    #[test]
    fn addresses_networks_and_prefixes_are_covered_to_their_edges() {
        let list = b"# gateways\n192.0.2.1\n\n 10.1.\t\n172.16.0.0/12\r\n2001:db8::/33\n";
        for inside in [
            &b"192.0.2.1"[..],
            b"::ffff:192.0.2.1",
            b"10.1.0.0",
            b"10.1.255.255",
            b"172.31.255.255",
            b"2001:db8:7fff::1",
        ] {
            assert!(covers(list, inside), "{}", inside.escape_ascii());
        }
        for outside in [
            &b"192.0.2.2"[..],
            b"10.2.0.0",
            b"10.0.255.255",
            b"172.32.0.0",
            b"2001:db8:8000::1",
            b"::1",
        ] {
            assert!(!covers(list, outside), "{}", outside.escape_ascii());
        }
        assert!(covers(b"0.0.0.0/0", b"255.255.255.255"));
        assert!(covers(b"::/0", b"::1"));
        assert!(!covers(b"::/0", b"1.2.3.4"));
        assert!(!covers(b"", b"1.2.3.4"));
    }

    #[test]
    fn a_line_that_is_none_of_these_is_told_by_its_number() {
        for wrong in [
            &b"10.1"[..],
            b"10.1.2.3.",
            b".",
            b"1..",
            b"example.org",
            b"10.0.0.0/33",
            b"10.0.0.0/",
            b"10.0.0.0/+8",
            b"2001:db8::/129",
            b"::ffff:10.0.0.0/104",
            b"10./8",
            b"1.2.3.4 # no",
        ] {
            let text = [b"1.2.3.4\n", wrong].concat();
            assert_eq!(Exclude::parse(&text), Err(2), "{}", wrong.escape_ascii());
        }
    }
}
