//! Starting: numbers, ports and hosts as they are typed, and what can be in the way.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::Duration;

use kit::dns::{A, Answer, Dns};
use kit::server::Report;
use kit::{
    Client, DEADLINE, Run, Server, address, as_root, both, note_left_out, ours, start_fails,
    start_fails_as_somebody,
};

// Numbers

#[test]
fn ours_refuses_numbers_that_are_none_where_the_original_reads_what_it_can() {
    for words in [
        ["-c", "3x"],
        ["-c", "x"],
        ["-c", ""],
        ["-c", "-1"],
        ["-c", "0"],
        ["-c", "18446744073709551617"],
        ["-b", "abc"],
        ["-b", ""],
        ["-t", "2s"],
        ["-t", ""],
        ["-u", "12x"],
        ["-g", ""],
    ] {
        let (code, said) =
            ours(|side| start_fails(side, &[words[0], words[1], "127.0.0.1", "0", "true"]));
        assert_eq!(code, Some(100), "{words:?}: {said}");
        assert!(said.starts_with("tcpserver: "), "{words:?}: {said}");
        assert!(said.contains(words[1]), "{words:?}: {said}");
    }
}

#[test]
fn ours_refuses_ports_that_are_no_port_number_where_the_original_wraps() {
    for port in ["", "65536", "72679", "99999999999999999999"] {
        let (code, said) = ours(|side| start_fails(side, &["127.0.0.1", port, "true"]));
        assert_eq!(code, Some(100), "{port}: {said}");
        assert!(
            said.starts_with("tcpserver: fatal: ") && said.contains(port),
            "{said}"
        );
    }
}

// Port

#[test]
fn a_port_may_be_a_service_name() {
    let services = fs::read_to_string("/etc/services").unwrap_or_default();
    let found = services.lines().find_map(|line| {
        let mut words = line.split_ascii_whitespace();
        let (name, port) = (words.next()?, words.next()?.strip_suffix("/tcp")?);
        let port: u16 = port.parse().ok()?;
        (port > 1024 && !name.starts_with('#')).then(|| (name.to_owned(), port))
    });
    let Some((name, port)) = found else {
        note_left_out("port by service name", "/etc/services has no high port");
        return;
    };
    both(port, |side| {
        Server::of(side)
            .host(address())
            .port(&name)
            .options(["-HRl0"])
            .start()
            .address()
            .port()
    });
}

#[test]
fn an_unknown_service_name_is_fatal() {
    both(
        (
            Some(111),
            "tcpserver: fatal: unable to figure out port number for no-such-service\n".to_owned(),
        ),
        |side| start_fails(side, &["127.0.0.1", "no-such-service", "true"]),
    );
}

// Host

#[test]
fn host_0_and_an_empty_host_are_all_of_ipv4() {
    for host in ["0", ""] {
        both("127.88.77.66".to_owned(), |side| {
            let server = Server::of(side).host(host).options(["-HRl0"]).start();
            let everywhere =
                SocketAddr::from((Ipv4Addr::new(127, 88, 77, 66), server.address().port()));
            Report::read(&Client::connect(everywhere).text())
                .env("TCPLOCALIP")
                .unwrap()
        });
    }
}

#[test]
fn a_numeric_host_is_the_only_address_it_listens_on() {
    both(true, |side| {
        let host = address();
        let server = Server::of(side).host(host).options(["-HRl0"]).start();
        assert_eq!(server.report().env("TCPLOCALIP"), Some(host.to_string()));
        let other = SocketAddr::from((address(), server.address().port()));
        Client::attempt(None, other, Duration::from_secs(5)).is_err()
    });
}

#[test]
fn a_host_name_is_looked_up_and_one_of_its_addresses_taken() {
    if !as_root("host names") {
        return;
    }
    // Of several the original takes one by an order of its own, and always the same.
    for count in [1, 3] {
        both(1, |side| {
            let addresses: Vec<Ipv4Addr> = (0..count).map(|_| address()).collect();
            let dns = Dns::start(&[("some.example.org", A, Answer::Addresses(addresses.clone()))]);
            let server = Server::of(side)
                .host("some.example.org")
                .env("DNSCACHEIP", dns.server());
            let port = server.options(["-HRl0"]).start();
            let there = |ip: &Ipv4Addr| SocketAddr::from((*ip, port.address().port()));
            let answers = addresses
                .iter()
                .filter(|ip| Client::attempt(None, there(ip), DEADLINE).is_ok());
            answers.count()
        });
    }
}

#[test]
fn a_host_name_without_an_address_is_fatal() {
    if !as_root("host names") {
        return;
    }
    both(
        (
            Some(111),
            "tcpserver: fatal: no IP address for none.example.org\n".to_owned(),
        ),
        |side| {
            let dns = Dns::start(&[]);
            let done = Run::new(side.program("tcpserver"))
                .args(["none.example.org", "0", "true"])
                .env("DNSCACHEIP", dns.server())
                .done();
            (done.code, done.err())
        },
    );
}

#[test]
fn ours_knows_localhost_from_the_hosts_file_where_the_original_asks_dns_alone() {
    let hosts = fs::read_to_string("/etc/hosts").unwrap_or_default();
    let known = hosts.lines().any(|line| {
        let mut words = line.split_ascii_whitespace();
        words.next() == Some("127.0.0.1") && words.any(|word| word == "localhost")
    });
    if !known {
        note_left_out("localhost", "/etc/hosts does not have it");
        return;
    }
    let server = ours(|side| {
        Server::of(side)
            .host("localhost")
            .options(["-HRl0"])
            .start()
    });
    assert_eq!(
        server.report().env("TCPLOCALIP").as_deref(),
        Some("127.0.0.1")
    );
}

// What can go wrong at start

#[test]
fn an_address_in_use_is_fatal() {
    both(
        (
            Some(111),
            "tcpserver: fatal: unable to bind: address already used\n".to_owned(),
        ),
        |side| {
            let host = address();
            let listener = TcpListener::bind((host, 0)).unwrap();
            let port = listener.local_addr().unwrap().port().to_string();
            start_fails(side, &[&host.to_string(), &port, "true"])
        },
    );
}

#[test]
fn an_address_of_another_machine_is_fatal() {
    // 192.0.2.0/24 is for documentation and belongs to nobody; binding sends nothing.
    both(
        (
            Some(111),
            "tcpserver: fatal: unable to bind: address not available\n".to_owned(),
        ),
        |side| start_fails(side, &["192.0.2.1", "0", "true"]),
    );
}

#[test]
fn a_low_port_without_privileges_is_fatal() {
    let first = fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start").unwrap();
    if first.trim().parse::<u16>().unwrap() < 2 {
        note_left_out(
            "a low port without privileges",
            "this system has no low ports",
        );
        return;
    }
    both(
        (
            Some(111),
            "tcpserver: fatal: unable to bind: access denied\n".to_owned(),
        ),
        |side| start_fails_as_somebody(side, &[&address().to_string(), "1", "true"]),
    );
}
