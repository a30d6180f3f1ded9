//! Ident: -r and -t.

use std::io::Write;
use std::net::{IpAddr, TcpStream};
use std::time::Duration;

use lookup::settings::Settings;
use lookup::{Name, Request};

use crate::support::dns::Dns;
use crate::support::ident::Ident;
use crate::support::{AT_ONCE, Caller, hurried, request, settings};

fn asks(last: u8, time: Duration) -> Request {
    Request {
        remote_name: false,
        ident: Some(time),
        ..request(u64::from(last), &format!("127.0.0.{last}"))
    }
}

fn caller(ident_port: u16) -> Caller {
    Caller::start(Settings {
        ident_port,
        ..settings(&[])
    })
}

fn info_from(
    answer: impl Fn(u8, &mut TcpStream) + Send + Sync + 'static,
    time: Duration,
) -> (Option<Vec<u8>>, Duration) {
    let ident = Ident::start(answer);
    let (answer, taken) = caller(ident.port).look_up(&asks(9, time));
    (answer.info, taken)
}

const LONG: Duration = Duration::from_secs(10);

fn says(reply: &'static [u8]) -> Option<Vec<u8>> {
    info_from(
        move |_, stream| stream.write_all(reply).expect("sent"),
        LONG,
    )
    .0
}

#[test]
fn the_question_goes_out_from_the_local_address_with_both_ports() {
    let ident = Ident::start(|_, stream| {
        stream
            .write_all(b"50559 , 2525 : USERID : UNIX : jo e\tx\r\n")
            .expect("sent");
    });
    let local = "127.0.0.77:2525".parse().expect("an address");
    let (answer, _) = caller(ident.port).look_up(&Request {
        local,
        ..asks(9, LONG)
    });
    assert_eq!(answer.info, Some(b"joex".to_vec()));
    assert_eq!(
        (answer.local_name, answer.remote_name),
        (Name::NotAsked, Name::NotAsked)
    );
    let seen = ident.seen();
    assert_eq!(
        seen[0].from,
        "127.0.0.77".parse::<IpAddr>().expect("an address")
    );
    assert_eq!(seen[0].question, b"50559 , 2525\r\n");
}

#[test]
fn an_error_reply_is_set_and_empty() {
    assert_eq!(
        says(b"50559 , 2525 : ERROR : NO-USER\r\n"),
        Some(Vec::new())
    );
    assert_eq!(says(b"what?\n"), Some(Vec::new()));
}

#[test]
fn a_reply_without_the_end_of_the_line_is_none() {
    assert_eq!(says(b"50559 , 2525 : USERID : UNIX : joe"), None);
    assert_eq!(says(b""), None);
}

#[test]
fn the_information_ends_at_257_bytes() {
    let reply =
        |count: usize, end: &[u8]| [&b"1,2:USERID:UNIX:"[..], &vec![b'a'; count], end].concat();
    for (count, end, expected) in [
        (257, &b""[..], Some(257)),
        (258, b"\n", Some(257)),
        (256, b"\n", Some(256)),
        (256, b"", None),
    ] {
        let reply = reply(count, end);
        let (info, _) = info_from(
            move |_, stream| stream.write_all(&reply).expect("sent"),
            LONG,
        );
        assert_eq!(info.map(|info| info.len()), expected, "{count}");
    }
}

#[test]
fn a_reply_that_comes_byte_by_byte_is_read() {
    let slowly = |_, stream: &mut TcpStream| {
        stream.set_nodelay(true).expect("set");
        for byte in b"50559 , 2525 : USERID : UNIX : slow\r\n" {
            stream.write_all(&[*byte]).expect("sent");
            std::thread::sleep(Duration::from_millis(5));
        }
    };
    assert_eq!(info_from(slowly, LONG).0, Some(b"slow".to_vec()));
}

#[test]
fn the_time_is_that_of_the_whole_exchange() {
    let for_ever = |_, stream: &mut TcpStream| {
        while stream.write_all(b" ").is_ok() {
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    let time = Duration::from_millis(500);
    let (info, taken) = info_from(for_ever, time);
    assert_eq!(info, None);
    assert!(taken >= time, "{taken:?}");
    assert!(taken < time + Duration::from_millis(400), "{taken:?}");
}

#[test]
fn no_time_at_all_gives_nothing_at_once() {
    let (info, taken) = info_from(|_, _| std::thread::sleep(LONG), Duration::ZERO);
    assert_eq!(info, None);
    assert!(taken < AT_ONCE, "{taken:?}");
}

#[test]
fn a_reply_that_never_comes_to_the_point_is_cut_off() {
    let flood = |_, stream: &mut TcpStream| while stream.write_all(&[b'x'; 1_000]).is_ok() {};
    let (info, taken) = info_from(flood, LONG);
    assert_eq!(info, None);
    assert!(taken < Duration::from_secs(5), "{taken:?}");
}

#[test]
fn where_nobody_listens_or_can_be_reached_there_is_none_at_once() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").expect("a listener");
    let port = closed.local_addr().expect("bound").port();
    drop(closed);
    let caller = caller(port);
    let foreign = "192.0.2.1:25".parse().expect("an address");
    let six = "[2001:db8::1]:25".parse().expect("an address");
    for local in ["127.0.0.1:25".parse().expect("an address"), foreign, six] {
        let (answer, taken) = caller.look_up(&Request {
            local,
            ..asks(9, LONG)
        });
        assert_eq!(answer.info, None);
        assert!(taken < AT_ONCE, "{local}: {taken:?}");
    }
}

#[test]
fn names_and_ident_are_asked_for_at_the_same_time() {
    let pause = Duration::from_millis(400);
    let ident = Ident::start(move |_, stream| {
        std::thread::sleep(pause);
        stream.write_all(b"1,2:USERID:UNIX:joe\r\n").expect("sent");
    });
    let dns = Dns::start(move |query| {
        std::thread::sleep(pause);
        vec![query.says_name(b"mx.test")]
    });
    let caller = Caller::start(Settings {
        ident_port: ident.port,
        ..settings(&[dns.address])
    });
    let (answer, taken) = caller.look_up(&Request {
        remote_name: true,
        ..asks(9, LONG)
    });
    assert_eq!(answer.info, Some(b"joe".to_vec()));
    assert_eq!(answer.remote_name, Name::Known(b"mx.test".to_vec()));
    assert!(taken < pause * 2, "{taken:?}");
}

#[test]
fn an_ident_server_that_takes_longer_than_the_names_may_is_waited_for() {
    let ident = Ident::start(move |_, stream| {
        std::thread::sleep(Duration::from_millis(1_400));
        stream.write_all(b"1,2:USERID:UNIX:joe\r\n").expect("sent");
    });
    let silent = Dns::start(|_| Vec::new());
    let caller = Caller::start(Settings {
        ident_port: ident.port,
        ..hurried(&[silent.address])
    });
    let (answer, _) = caller.look_up(&Request {
        remote_name: true,
        ..asks(9, LONG)
    });
    assert_eq!(
        (answer.info, answer.remote_name),
        (Some(b"joe".to_vec()), Name::Failed)
    );
}

#[test]
fn a_mapped_ipv4_address_is_asked_as_ipv4() {
    let ident = Ident::start(|_, stream| {
        stream.write_all(b"1,2:USERID:UNIX:joe\r\n").expect("sent");
    });
    let request = Request {
        local: "[::ffff:127.0.0.1]:2525".parse().expect("an address"),
        remote: "[::ffff:127.0.0.9]:50559".parse().expect("an address"),
        ..asks(9, LONG)
    };
    let (answer, _) = caller(ident.port).look_up(&request);
    assert_eq!(answer.info, Some(b"joe".to_vec()));
    assert_eq!(
        ident.seen()[0].from,
        "127.0.0.1".parse::<IpAddr>().expect("an address")
    );
}
