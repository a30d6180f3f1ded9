//! From an endpoint to a connection: the addresses of a name, each tried in turn.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use dns::client::Client;
use dns::{DnsName, Found, Kind, Question, Trouble};

use crate::transport::Endpoint;

const HOSTS: &str = "/etc/hosts";

/// The most addresses of a name that are tried.
const ADDRESSES: usize = 16;

/// Connects until `limit` has passed at the latest. The descriptor is non-blocking and
/// close-on-exec; the error is what to say behind "unable to connect to ...: ".
pub(crate) fn dial(
    endpoint: &Endpoint,
    dns: &dns::settings::Settings,
    limit: Duration,
) -> Result<OwnedFd, String> {
    let now = Instant::now();
    let deadline = now.checked_add(limit).unwrap_or(now);
    match endpoint {
        Endpoint::Unix(path) => os::socket::connect_unix_until(path, deadline)
            .map_err(|error| os::reason(&error).into_owned()),
        Endpoint::Tcp { host, port } => {
            let addresses = addresses(Path::new(HOSTS), host, dns, deadline)?;
            connect(&addresses, *port, deadline)
        }
    }
}

/// The addresses of `host`: itself where it is one, else the one of the hosts file, else those of
/// DNS, IPv4 first.
fn addresses(
    hosts: &Path,
    host: &[u8],
    dns: &dns::settings::Settings,
    deadline: Instant,
) -> Result<Vec<IpAddr>, String> {
    if let Ok(literal) = String::from_utf8_lossy(host).parse() {
        return Ok(vec![literal]);
    }
    let name = host.strip_suffix(b".").unwrap_or(host);
    let known = os::names::hosts::address_in(hosts, name);
    match known {
        Ok(Some(address)) => return Ok(vec![address]),
        Ok(None) => {}
        Err(error) => {
            return Err(format!(
                "unable to read {}: {}",
                hosts.display(),
                os::reason(&error)
            ));
        }
    }
    let mut found = ask(name, dns, deadline)
        .map_err(|trouble| format!("unable to find its address: {trouble}"))?;
    if found.is_empty() {
        return Err("it has no address".to_owned());
    }
    found.sort_by_key(IpAddr::is_ipv6);
    found.truncate(ADDRESSES);
    Ok(found)
}

/// Both families at once. What one of them has is enough, whatever becomes of the other.
fn ask(
    name: &[u8],
    dns: &dns::settings::Settings,
    deadline: Instant,
) -> Result<Vec<IpAddr>, Trouble> {
    let name = DnsName::parse(name).map_err(|_| Trouble::Protocol)?;
    let now = Instant::now();
    let mut settings = dns.clone();
    settings.deadline = settings
        .deadline
        .min(deadline.saturating_duration_since(now));
    let mut client = Client::new(&settings).map_err(|error| Trouble::from(&error))?;
    for kind in [Kind::Ipv4, Kind::Ipv6] {
        let name = name.clone();
        client.ask(Question { name, kind }, (), now);
    }
    let (mut found, mut trouble) = (Vec::new(), None);
    loop {
        match client.next_outcome() {
            Ok(Some(((), outcome))) => match &*outcome {
                Ok(Found::Addresses(list)) => found.extend_from_slice(list),
                Ok(_) => trouble = Some(Trouble::Protocol),
                Err(told) => trouble = Some(*told),
            },
            Ok(None) => break,
            Err(error) => {
                trouble = Some(Trouble::from(&error));
                break;
            }
        }
    }
    match trouble {
        Some(trouble) if found.is_empty() => Err(trouble),
        _ => Ok(found),
    }
}

/// The first of `addresses` that takes the connection. Each has its share of the time that is
/// left, so that one which stays silent does not cost the others theirs.
fn connect(addresses: &[IpAddr], port: u16, deadline: Instant) -> Result<OwnedFd, String> {
    let mut told = Vec::new();
    for (at, &address) in addresses.iter().enumerate() {
        let left = deadline.saturating_duration_since(Instant::now());
        let remaining = u32::try_from(addresses.len() - at).unwrap_or(u32::MAX);
        let share = left / remaining;
        let tried = if share.is_zero() {
            Err(io::ErrorKind::TimedOut.into())
        } else {
            TcpStream::connect_timeout(&SocketAddr::new(address, port), share)
        };
        match tried.and_then(prepare) {
            Ok(fd) => return Ok(fd),
            Err(error) if addresses.len() == 1 => return Err(os::reason(&error).into_owned()),
            Err(error) => told.push(format!("{address}: {}", os::reason(&error))),
        }
    }
    Err(told.join(", "))
}

fn prepare(stream: TcpStream) -> io::Result<OwnedFd> {
    stream.set_nonblocking(true)?;
    let fd = OwnedFd::from(stream);
    // A command is one write, and so is the last piece of a message: nothing is to wait for more.
    os::socket::set_nodelay(fd.as_fd())?;
    Ok(fd)
}

#[cfg(test)]
#[path = "dial_tests.rs"]
mod tests;
