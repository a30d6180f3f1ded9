//! services(5): names of ports.

use std::io;
use std::path::Path;

use super::{find_line, number, words};

const SERVICES: &str = "/etc/services";

/// The port of `name` (or of a service with that alias) for `protocol`, such as `tcp`.
pub fn service_port(name: &[u8], protocol: &[u8]) -> io::Result<Option<u16>> {
    service_in(Path::new(SERVICES), name, protocol)
}

/// [`service_port`] from a file of that layout.
pub fn service_in(path: &Path, name: &[u8], protocol: &[u8]) -> io::Result<Option<u16>> {
    find_line(path, |line| port_in_line(line, name, protocol))
}

fn port_in_line(line: &[u8], name: &[u8], protocol: &[u8]) -> Option<u16> {
    let mut fields = words(line);
    let official = fields.next()?;
    let mut target = fields.next()?.splitn(2, |&byte| byte == b'/');
    let port = number(target.next()?)?;
    if target.next()? != protocol {
        return None;
    }
    (official == name || fields.any(|alias| alias == name)).then_some(port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_found_by_name_and_alias_in_its_protocol_only() {
        let line = b"smtp\t\t25/tcp\t\tmail # the mail port";
        assert_eq!(port_in_line(line, b"smtp", b"tcp"), Some(25));
        assert_eq!(port_in_line(line, b"mail", b"tcp"), Some(25));
        assert_eq!(port_in_line(line, b"smtp", b"udp"), None);
        assert_eq!(port_in_line(line, b"port", b"tcp"), None);
    }

    #[test]
    fn a_line_without_a_proper_port_names_nothing() {
        for line in [
            "smtp",
            "smtp 25",
            "smtp x/tcp",
            "smtp 65536/tcp",
            "#smtp 25/tcp",
        ] {
            assert_eq!(
                port_in_line(line.as_bytes(), b"smtp", b"tcp"),
                None,
                "{line}"
            );
        }
    }
}
