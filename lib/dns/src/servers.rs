//! Which DNS servers are asked.
//!
//! Those of `$DNSCACHEIP`; else those of the `nameserver` lines of resolv.conf(5), which is read
//! again when it has become another file, looked at every 2 s at most; else 127.0.0.1, as
//! in the original. At most [`SERVERS_LIMIT`] count. `$DNSCACHEIP` holds addresses apart by blanks
//! or commas; the original (observed) wants a dot between IPv4 addresses (`127.0.0.1.127.0.0.2`),
//! which is read too. The options of resolv.conf (`timeout`, `attempts`) have no meaning here: the
//! time belongs to the client that waits.

use std::fs::File;
use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV6};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use os::file::Identity;

/// The most servers that are asked.
pub const SERVERS_LIMIT: usize = 16;

/// The system's list.
pub const RESOLV_CONF: &str = "/etc/resolv.conf";

/// How often at most resolv.conf is looked at.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// The most bytes of a configuration file that are read.
const FILE_LIMIT: u64 = 64 * 1024;

/// Where the list of servers comes from.
#[derive(Clone, Debug)]
pub enum Source {
    /// These addresses, for good.
    Fixed(Vec<IpAddr>),
    /// A file in the form of resolv.conf.
    File(PathBuf),
}

impl Source {
    /// The servers in `dnscacheip`, the value of `$DNSCACHEIP`, if there are any; else those of
    /// /etc/resolv.conf.
    pub fn of_variable(dnscacheip: Option<&[u8]>) -> Source {
        match dnscacheip.map(parse_dnscacheip) {
            Some(list) if !list.is_empty() => Source::Fixed(list),
            _ => Source::File(RESOLV_CONF.into()),
        }
    }
}

/// The list as it is now.
#[derive(Debug)]
pub struct Servers {
    source: Source,
    port: u16,
    list: Vec<SocketAddr>,
    looked: Option<Instant>,
    identity: Option<Identity>,
}

impl Servers {
    /// Those of `source`; a file is read when it is first asked for.
    pub fn new(source: Source, port: u16) -> Servers {
        let list = match &source {
            Source::Fixed(list) => list
                .iter()
                .map(|&address| SocketAddr::new(address, port))
                .collect(),
            Source::File(_) => Vec::new(),
        };
        let mut servers = Servers {
            source,
            port,
            list,
            looked: None,
            identity: None,
        };
        servers.settle();
        servers
    }

    /// The servers, first choice first; never none.
    pub fn current(&mut self, now: Instant) -> &[SocketAddr] {
        let is_due = self.looked.is_none_or(|looked| now >= looked + LOOK_AGAIN);
        if is_due && let Source::File(path) = &self.source {
            self.looked = Some(now);
            // A file that cannot be read leaves the servers as they are: it may be just being
            // replaced, or descriptors have run out.
            if let Ok(file) = File::open(path)
                && let Ok(meta) = file.metadata()
                && self.identity != Some(Identity::of(&meta))
                && let Ok(text) = read_bounded(file)
            {
                self.identity = Some(Identity::of(&meta));
                self.list = parse_resolv_conf(&text, self.port);
                self.settle();
            }
        }
        &self.list
    }

    fn settle(&mut self) {
        self.list.truncate(SERVERS_LIMIT);
        if self.list.is_empty() {
            self.list
                .push(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), self.port));
        }
    }
}

/// The start of the file at `path`, up to a bound that no sane one reaches.
pub fn read_file(path: &Path) -> std::io::Result<Vec<u8>> {
    read_bounded(File::open(path)?)
}

fn read_bounded(file: File) -> std::io::Result<Vec<u8>> {
    let mut text = Vec::new();
    file.take(FILE_LIMIT).read_to_end(&mut text)?;
    Ok(text)
}

/// The addresses in the value of `$DNSCACHEIP`; what is no address is passed over.
fn parse_dnscacheip(value: &[u8]) -> Vec<IpAddr> {
    let mut list = Vec::new();
    for word in value.split(|byte| byte.is_ascii_whitespace() || *byte == b',') {
        let Ok(word) = std::str::from_utf8(word) else {
            continue;
        };
        if let Ok(address) = word.parse() {
            list.push(address);
            continue;
        }
        let parts: Vec<&str> = word.split('.').collect();
        for four in parts.chunks_exact(4) {
            list.extend(four.join(".").parse::<Ipv4Addr>().map(IpAddr::V4));
        }
    }
    list
}

/// The servers that the `nameserver` lines of `text` name.
fn parse_resolv_conf(text: &[u8], port: u16) -> Vec<SocketAddr> {
    words_after(text, b"nameserver")
        .filter_map(|mut words| words.next())
        .filter_map(|word| parse_server(std::str::from_utf8(word).ok()?, port))
        .collect()
}

/// The words of each line of `text` that begins with `keyword` and a blank.
pub fn words_after<'a>(
    text: &'a [u8],
    keyword: &'a [u8],
) -> impl Iterator<Item = impl Iterator<Item = &'a [u8]>> {
    text.split(|&byte| byte == b'\n').filter_map(move |line| {
        let rest = line.strip_prefix(keyword)?;
        let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r');
        rest.first().filter(|byte| is_blank(byte))?;
        Some(
            rest.split(move |byte| is_blank(byte))
                .filter(|word| !word.is_empty()),
        )
    })
}

/// An address of either family; a link-local one has its interface behind a percent sign.
fn parse_server(word: &str, port: u16) -> Option<SocketAddr> {
    let Some((address, interface)) = word.split_once('%') else {
        return Some(SocketAddr::new(word.parse().ok()?, port));
    };
    let scope = interface
        .parse()
        .ok()
        .or_else(|| interface_index(interface))?;
    Some(SocketAddrV6::new(address.parse().ok()?, port, 0, scope).into())
}

fn interface_index(name: &str) -> Option<u32> {
    if name.contains('/') || name.starts_with('.') {
        return None;
    }
    let path = Path::new("/sys/class/net").join(name).join("ifindex");
    std::str::from_utf8(&read_file(&path).ok()?)
        .ok()?
        .trim()
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(texts: &[&str]) -> Vec<IpAddr> {
        texts
            .iter()
            .map(|text| text.parse().expect("an address"))
            .collect()
    }

    fn server(text: &str) -> SocketAddr {
        text.parse().expect("an address with a port")
    }

    #[test]
    fn the_variable_holds_addresses_apart_by_blanks_commas_or_dots() {
        let both = addresses(&["127.0.0.1", "127.0.0.2"]);
        assert_eq!(parse_dnscacheip(b"127.0.0.1 127.0.0.2"), both);
        assert_eq!(parse_dnscacheip(b" 127.0.0.1,127.0.0.2 "), both);
        assert_eq!(parse_dnscacheip(b"127.0.0.1.127.0.0.2"), both);
        assert_eq!(
            parse_dnscacheip(b"x 127.0.0.1 ::1"),
            addresses(&["127.0.0.1", "::1"])
        );
        assert_eq!(parse_dnscacheip(b"1.2.3.400 1.2.3"), addresses(&[]));
    }

    #[test]
    fn resolv_conf_names_servers_of_both_families_in_its_order() {
        let text = b"# x\nsearch a b\nnameserver 192.0.2.1 # y\nnameserver\t::1\r\n\
            nameserver fe80::1%7\nnameserver fe80::1%lo\nnameservers 9.9.9.9\n nameserver 8.8.8.8\n\
            nameserver x\nnameserver";
        let expected = [
            "192.0.2.1:53",
            "[::1]:53",
            "[fe80::1%7]:53",
            "[fe80::1%1]:53",
        ]
        .map(server)
        .to_vec();
        assert_eq!(parse_resolv_conf(text, 53), expected);
    }

    #[test]
    fn an_interface_name_cannot_lead_elsewhere() {
        for name in ["../../../etc", ".", "..", "no-such-interface"] {
            assert_eq!(interface_index(name), None);
        }
    }

    #[test]
    fn sixteen_servers_count_and_no_more() {
        for (count, kept) in [(16, 16), (17, 16)] {
            let list = vec!["192.0.2.1".parse().expect("an address"); count];
            let mut servers = Servers::new(Source::Fixed(list), 53);
            assert_eq!(servers.current(Instant::now()).len(), kept);
        }
    }

    #[test]
    fn without_any_server_the_local_host_is_asked() {
        let now = Instant::now();
        let local = [server("127.0.0.1:53")];
        assert_eq!(
            Servers::new(Source::Fixed(Vec::new()), 53).current(now),
            local
        );
        let missing = Source::File("/no/such/file".into());
        assert_eq!(Servers::new(missing, 53).current(now), local);
    }

    #[test]
    fn a_changed_file_is_read_again_but_not_at_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("resolv.conf");
        std::fs::write(&path, "nameserver 192.0.2.1\n").expect("written");
        let mut servers = Servers::new(Source::File(path.clone()), 53);
        let now = Instant::now();
        assert_eq!(servers.current(now), [server("192.0.2.1:53")]);
        std::fs::write(&path, "nameserver 192.0.2.22\n").expect("written");
        let almost = now + LOOK_AGAIN - Duration::from_nanos(1);
        assert_eq!(servers.current(almost), [server("192.0.2.1:53")]);
        assert_eq!(servers.current(now + LOOK_AGAIN), [server("192.0.2.22:53")]);
        std::fs::remove_file(&path).expect("removed");
        assert_eq!(
            servers.current(now + 3 * LOOK_AGAIN),
            [server("192.0.2.22:53")]
        );
    }
}
