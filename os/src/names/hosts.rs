//! hosts(5): addresses of names without DNS.

use std::io;
use std::net::IpAddr;
use std::path::Path;

use super::{find_line, words};

const HOSTS: &str = "/etc/hosts";

/// The first IPv4 address that the hosts file gives for `name`, else the first IPv6 one.
pub fn host_address(name: &[u8]) -> io::Result<Option<IpAddr>> {
    address_in(Path::new(HOSTS), name)
}

/// [`host_address`] from a file of that layout.
pub fn address_in(path: &Path, name: &[u8]) -> io::Result<Option<IpAddr>> {
    let mut v6 = None;
    let v4 = find_line(path, |line| match address_in_line(line, name)? {
        v4 @ IpAddr::V4(_) => Some(v4),
        other => {
            v6 = v6.or(Some(other));
            None
        }
    })?;
    Ok(v4.or(v6))
}

fn address_in_line(line: &[u8], name: &[u8]) -> Option<IpAddr> {
    let mut fields = words(line);
    let address = std::str::from_utf8(fields.next()?).ok()?.parse().ok()?;
    fields
        .any(|word| word.eq_ignore_ascii_case(name))
        .then_some(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ipv4_is_preferred_and_case_does_not_matter() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), "::1 Here\n127.0.0.2 x here # y\n").expect("written");
        let found = address_in(file.path(), b"HERE").expect("readable");
        assert_eq!(found, Some("127.0.0.2".parse().expect("an address")));
        assert_eq!(address_in(file.path(), b"y").expect("readable"), None);
    }
}
