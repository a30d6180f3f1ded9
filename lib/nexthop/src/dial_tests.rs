use super::*;
use std::net::{TcpListener, UdpSocket};

use dns::servers::Source;
use dns::settings::{ROUNDS, Settings};

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

fn asking(server: SocketAddr) -> Settings {
    Settings {
        servers: Source::Fixed(vec![server.ip()]),
        port: server.port(),
        rounds: ROUNDS,
        deadline: Duration::from_secs(10),
    }
}

/// A DNS server that gives every name these addresses of the family it is asked for, until the test
/// has ended; `None` is an answer that the server cannot answer.
fn server(v4: Option<&'static [[u8; 4]]>, v6: Option<&'static [[u8; 16]]>) -> Settings {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let address = socket.local_addr().expect("an address");
    std::thread::spawn(move || {
        let mut buffer = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            let query = &buffer[..length];
            let kind = query[length - 3];
            let records: Option<Vec<&[u8]>> = match kind {
                1 => v4.map(|list| list.iter().map(<[u8; 4]>::as_slice).collect()),
                _ => v6.map(|list| list.iter().map(<[u8; 16]>::as_slice).collect()),
            };
            let mut answer = query.to_vec();
            answer[2] |= 0x80;
            match records {
                None => answer[3] = 2,
                Some(records) => {
                    answer[7] = u8::try_from(records.len()).expect("few");
                    for record in records {
                        answer.extend(b"\xc0\x0c\0");
                        answer.push(kind);
                        answer.extend(b"\0\x01\0\0\0\x3c\0");
                        answer.push(u8::try_from(record.len()).expect("short"));
                        answer.extend(record);
                    }
                }
            }
            let _ = socket.send_to(&answer, from);
        }
    });
    asking(address)
}

/// Nobody answers there.
fn nobody() -> Settings {
    let closed = UdpSocket::bind("127.0.0.1:0").expect("a port");
    asking(closed.local_addr().expect("an address"))
}

fn addresses_of(host: &str, dns: &Settings) -> Result<Vec<IpAddr>, String> {
    let hosts = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(hosts.path(), "127.0.0.7 known.test other\n").expect("written");
    addresses(hosts.path(), host.as_bytes(), dns, soon())
}

fn list(texts: &[&str]) -> Vec<IpAddr> {
    texts
        .iter()
        .map(|text| text.parse().expect("an address"))
        .collect()
}

const V6: [u8; 16] = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];

#[test]
fn addresses_and_names_of_the_hosts_file_need_no_dns() {
    let dns = nobody();
    for literal in ["127.0.0.1", "::1"] {
        assert_eq!(addresses_of(literal, &dns), Ok(list(&[literal])));
    }
    for known in ["known.test", "KNOWN.test.", "other"] {
        assert_eq!(addresses_of(known, &dns), Ok(list(&["127.0.0.7"])));
    }
}

#[test]
fn other_names_have_the_addresses_of_dns_with_ipv4_first() {
    let dns = server(Some(&[[127, 0, 0, 2], [127, 0, 0, 3]]), Some(&[V6]));
    let all = list(&["127.0.0.2", "127.0.0.3", "2001:db8::1"]);
    assert_eq!(addresses_of("mx.test", &dns), Ok(all));
}

#[test]
fn one_family_is_enough_whatever_becomes_of_the_other() {
    let dns = server(None, Some(&[V6]));
    assert_eq!(addresses_of("mx.test", &dns), Ok(list(&["2001:db8::1"])));
    let dns = server(Some(&[[127, 0, 0, 2]]), Some(&[]));
    assert_eq!(addresses_of("mx.test", &dns), Ok(list(&["127.0.0.2"])));
}

#[test]
fn a_name_without_address_is_told_from_one_that_nobody_could_look_up() {
    let error = addresses_of("mx.test", &server(Some(&[]), Some(&[])));
    assert_eq!(error, Err("it has no address".to_owned()));
    let error = addresses_of("mx.test", &server(None, Some(&[])));
    assert_eq!(
        error,
        Err("unable to find its address: temporary failure".to_owned())
    );
}

#[test]
fn servers_that_stay_silent_are_waited_for_until_the_deadline() {
    let silent = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let dns = asking(silent.local_addr().expect("an address"));
    let endpoint = Endpoint::Tcp {
        host: b"mx.test".to_vec(),
        port: 25,
    };
    let start = Instant::now();
    let error = dial(&endpoint, &dns, Duration::from_millis(200)).expect_err("no address");
    assert_eq!(error, "unable to find its address: timed out");
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[test]
fn addresses_are_tried_in_turn_until_one_answers() {
    let listener = TcpListener::bind("127.0.0.2:0").expect("a port");
    let port = listener.local_addr().expect("bound").port();
    connect(&list(&["127.0.0.3", "127.0.0.2"]), port, soon()).expect("the second answers");
    let error = connect(&list(&["127.0.0.3", "127.0.0.4"]), port, soon()).expect_err("nobody");
    let both = "127.0.0.3: connection refused, 127.0.0.4: connection refused";
    assert_eq!(error, both);
    let error = connect(&list(&["127.0.0.3"]), port, soon()).expect_err("nobody");
    assert_eq!(error, "connection refused");
}

#[test]
fn an_address_that_stays_silent_leaves_the_others_their_time() {
    // The queue of the first one is full: what comes after that is not answered.
    let full = TcpListener::bind("127.0.0.5:0").expect("a port");
    let at = full.local_addr().expect("bound");
    let mut held = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&at, Duration::from_millis(200)) {
        held.push(stream);
        if held.len() > 10_000 {
            return;
        }
    }
    let _other = TcpListener::bind(("127.0.0.6", at.port())).expect("a port");
    let start = Instant::now();
    let deadline = start + Duration::from_secs(2);
    connect(&list(&["127.0.0.5", "127.0.0.6"]), at.port(), deadline).expect("the other");
    assert!(
        start.elapsed() >= Duration::from_millis(900),
        "{:?}",
        start.elapsed()
    );
    let late = Instant::now();
    let error = connect(&list(&["127.0.0.6"]), at.port(), late).expect_err("no time");
    assert_eq!(error, "timed out");
}
