//! Names and ident: what is asked, what the answers do to the program's variables, and how long a
//! silent server can hold a client. Needs root, for the tests' own servers stand on ports 53
//! and 113 of loopback addresses.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use kit::dns::{A, Answer, Dns, PTR, reverse};
use kit::ident::Ident;
use kit::log::normalise;
use kit::server::{Builder, Report};
use kit::{Client, Server, Side, address, as_root, both, ours};

/// A server that uses the name server of the test.
fn with_dns(side: Side, dns: &Dns, options: &[&str]) -> Builder {
    Server::of(side)
        .env("DNSCACHEIP", dns.server())
        .options(["-v"])
        .options(options)
}

/// A name server that knows the name of one address.
fn knows(ip: Ipv4Addr, name: &str) -> Dns {
    Dns::start(&[(&reverse(ip), PTR, Answer::name(name))])
}

// Names

#[test]
fn the_clients_name_is_looked_up() {
    if !as_root("names") {
        return;
    }
    for options in [&["-Rl0"] as &[&str], &["-HhRl0"]] {
        both(Some("two.example.org".to_owned()), |side| {
            let source = address();
            let dns = knows(source, "two.example.org");
            let server = with_dns(side, &dns, options).start();
            Report::read(&server.talk_from(source)).env("TCPREMOTEHOST")
        });
    }
}

#[test]
fn with_capital_h_and_a_local_name_nothing_is_asked() {
    if !as_root("names") {
        return;
    }
    both((None, Vec::new()), |side| {
        let source = address();
        let dns = knows(source, "two.example.org");
        let server = with_dns(side, &dns, &["-HRl0"]).start();
        (
            Report::read(&server.talk_from(source)).env("TCPREMOTEHOST"),
            dns.asked(),
        )
    });
}

#[test]
fn a_name_is_asked_for_by_its_reverse() {
    if !as_root("names") {
        return;
    }
    both(true, |side| {
        let source = address();
        let dns = knows(source, "two.example.org");
        with_dns(side, &dns, &["-Rl0"]).start().talk_from(source);
        dns.asked() == [(reverse(source), PTR)]
    });
}

#[test]
fn a_name_that_does_not_exist_or_cannot_be_had_is_unset() {
    if !as_root("names") {
        return;
    }
    both(None, |side| {
        let dns = Dns::start(&[]);
        let server = with_dns(side, &dns, &["-Rl0"])
            .env("TCPREMOTEHOST", "inherited")
            .start();
        server.report().env("TCPREMOTEHOST")
    });
    // The original asks for 11 seconds before it gives up.
    both(None, |side| {
        let source = address();
        let dns = Dns::start(&[(&reverse(source), PTR, Answer::ServerFailure)]);
        let server = with_dns(side, &dns, &["-Rl0"])
            .env("TCPREMOTEHOST", "inherited")
            .start();
        Report::read(&server.talk_from(source)).env("TCPREMOTEHOST")
    });
}

#[test]
fn names_are_lower_cased_and_strange_bytes_written_in_octal() {
    if !as_root("names") {
        return;
    }
    // The backslash itself is shown by the reporting handler as an octal number.
    both(
        Some("we\\134072ird\\134045name.a-b_c9.org".to_owned()),
        |side| {
            let source = address();
            let labels = vec![b"We:ird%NAME".to_vec(), b"A-b_C9".to_vec(), b"ORG".to_vec()];
            let dns = Dns::start(&[(&reverse(source), PTR, Answer::Name(labels))]);
            Report::read(&with_dns(side, &dns, &["-Rl0"]).start().talk_from(source))
                .env("TCPREMOTEHOST")
        },
    );
}

#[test]
fn names_stand_in_the_log_line() {
    if !as_root("names") {
        return;
    }
    both(true, |side| {
        let (source, host) = (address(), address());
        let dns = Dns::start(&[
            (&reverse(source), PTR, Answer::name("two.example.org")),
            (&reverse(host), PTR, Answer::name("local.example.org")),
        ]);
        let server = with_dns(side, &dns, &["-R"]).host(host).start();
        server.talk_from(source);
        let line = normalise(&server.wait_for(": ok "));
        line == format!(
            "tcpserver: ok PID local.example.org:{host}:PORT two.example.org:{source}::PORT"
        )
    });
}

#[test]
fn the_local_name_is_looked_up_unless_l_is_given() {
    if !as_root("names") {
        return;
    }
    both((Some("local.example.org".to_owned()), true), |side| {
        let host = address();
        let dns = knows(host, "local.example.org");
        let server = with_dns(side, &dns, &["-HR"]).host(host).start();
        (
            server.report().env("TCPLOCALHOST"),
            dns.asked() == [(reverse(host), PTR)],
        )
    });
    both(None, |side| {
        let dns = Dns::start(&[]);
        with_dns(side, &dns, &["-HR"])
            .host(address())
            .start()
            .report()
            .env("TCPLOCALHOST")
    });
}

#[test]
fn p_keeps_a_name_whose_addresses_have_the_clients() {
    if !as_root("names") {
        return;
    }
    both(Some("two.example.org".to_owned()), |side| {
        let source = address();
        let dns = Dns::start(&[
            (&reverse(source), PTR, Answer::name("two.example.org")),
            (
                "two.example.org",
                A,
                Answer::Addresses(vec![address(), source, address()]),
            ),
        ]);
        Report::read(&with_dns(side, &dns, &["-pRl0"]).start().talk_from(source))
            .env("TCPREMOTEHOST")
    });
}

#[test]
fn p_removes_a_name_that_does_not_lead_back_and_refuses_nobody() {
    if !as_root("names") {
        return;
    }
    for addresses in [vec![], vec![address()]] {
        both((None, true), |side| {
            let source = address();
            let mut table = vec![(reverse(source), PTR, Answer::name("two.example.org"))];
            if !addresses.is_empty() {
                table.push((
                    "two.example.org".to_owned(),
                    A,
                    Answer::Addresses(addresses.clone()),
                ));
            }
            let table: Vec<(&str, u16, Answer)> = table
                .iter()
                .map(|(name, kind, answer)| (name.as_str(), *kind, answer.clone()))
                .collect();
            let dns = Dns::start(&table);
            let report = Report::read(&with_dns(side, &dns, &["-pRl0"]).start().talk_from(source));
            (
                report.env("TCPREMOTEHOST"),
                report.env("TCPREMOTEIP") == Some(source.to_string()),
            )
        });
    }
}

#[test]
fn capital_p_turns_the_check_off_again() {
    if !as_root("names") {
        return;
    }
    both(Some("two.example.org".to_owned()), |side| {
        let source = address();
        let dns = knows(source, "two.example.org");
        Report::read(&with_dns(side, &dns, &["-pPRl0"]).start().talk_from(source))
            .env("TCPREMOTEHOST")
    });
}

#[test]
fn of_two_name_servers_the_second_answers_for_a_silent_first() {
    if !as_root("names") {
        return;
    }
    both(Some("two.example.org".to_owned()), |side| {
        let source = address();
        let silent = Dns::start(&[(&reverse(source), PTR, Answer::Silence)]);
        let speaking = knows(source, "two.example.org");
        // Old dnscache lists join addresses by dots.
        let servers = format!("{}.{}", silent.server(), speaking.server());
        let server = Server::of(side)
            .env("DNSCACHEIP", servers)
            .options(["-Rl0"])
            .start();
        Report::read(&server.talk_from(source)).env("TCPREMOTEHOST")
    });
}

#[test]
fn ours_gives_up_on_a_silent_name_server_long_before_the_originals_minute() {
    if !as_root("names") {
        return;
    }
    let source = address();
    let dns = Dns::start(&[(&reverse(source), PTR, Answer::Silence)]);
    let server = ours(|side| with_dns(side, &dns, &["-Rl0"]).start());
    let started = Instant::now();
    let report = Report::read(&server.talk_from(source));
    assert!(
        started.elapsed() < Duration::from_secs(15),
        "{:?}",
        started.elapsed()
    );
    assert_eq!(report.env("TCPREMOTEHOST"), None);
    assert_eq!(report.env("TCPREMOTEIP"), Some(source.to_string()));
}

#[test]
fn a_client_that_waits_for_its_name_does_not_hold_up_others() {
    if !as_root("names") {
        return;
    }
    both(true, |side| {
        let (slow, quick) = (address(), address());
        let dns = Dns::start(&[
            (&reverse(slow), PTR, Answer::Silence),
            (&reverse(quick), PTR, Answer::name("quick.example.org")),
        ]);
        let server = with_dns(side, &dns, &["-Rl0"]).start();
        let mut waiting = server.connect_from(slow);
        let report = Report::read(&server.talk_from(quick));
        assert_eq!(
            report.env("TCPREMOTEHOST").as_deref(),
            Some("quick.example.org")
        );
        waiting.is_silent_for(Duration::from_millis(100))
    });
}

// Ident

/// What TCPREMOTEINFO is when the client's ident server says `answer`.
fn info(side: Side, answer: &[u8]) -> Option<String> {
    let source = address();
    let _ident = Ident::start(source, Some(answer));
    let server = Server::of(side)
        .options(["-Hl0"])
        .env("TCPREMOTEINFO", "inherited")
        .start();
    Report::read(&server.talk_from(source)).env("TCPREMOTEINFO")
}

#[test]
fn the_clients_ident_server_is_asked() {
    if !as_root("ident") {
        return;
    }
    both(Some("joe".to_owned()), |side| {
        info(side, b"{q} : USERID : UNIX : joe\r\n")
    });
}

#[test]
fn the_question_is_the_two_ports_from_the_clients_view() {
    if !as_root("ident") {
        return;
    }
    both(true, |side| {
        let source = address();
        let ident = Ident::start(source, Some(b"{q} : USERID : UNIX : joe\r\n"));
        let server = Server::of(side).options(["-Hl0"]).start();
        let client = server.connect_from(source);
        let expected = format!(
            "{} , {}\r\n",
            client.address().port(),
            server.address().port()
        );
        client.text();
        ident.asked() == [expected]
    });
}

#[test]
fn capital_r_asks_nobody() {
    if !as_root("ident") {
        return;
    }
    both((None, Vec::new()), |side| {
        let source = address();
        let ident = Ident::start(source, Some(b"{q} : USERID : UNIX : joe\r\n"));
        let server = Server::of(side).options(["-Hl0", "-rR"]).start();
        (
            Report::read(&server.talk_from(source)).env("TCPREMOTEINFO"),
            ident.asked(),
        )
    });
}

#[test]
fn blanks_and_returns_are_dropped_from_an_ident_answer() {
    if !as_root("ident") {
        return;
    }
    both(Some("joex".to_owned()), |side| {
        info(side, b"{q} : USERID : UNIX : jo e\tx\r\nmore\r\n")
    });
}

#[test]
fn colons_behind_the_third_belong_to_the_answer() {
    if !as_root("ident") {
        return;
    }
    both(Some("a:b".to_owned()), |side| {
        info(side, b"{q}:USERID:UNIX:a:b\n")
    });
}

#[test]
fn trap_03_an_ident_error_is_set_and_empty() {
    if !as_root("ident") {
        return;
    }
    both(Some(String::new()), |side| {
        info(side, b"{q} : ERROR : NO-USER\r\n")
    });
}

#[test]
fn a_refused_ident_question_leaves_it_unset() {
    if !as_root("ident") {
        return;
    }
    // Nobody listens on port 113 of this client.
    both(None, |side| {
        let server = Server::of(side)
            .options(["-Hl0"])
            .env("TCPREMOTEINFO", "inherited")
            .start();
        Report::read(&server.talk_from(address())).env("TCPREMOTEINFO")
    });
}

#[test]
fn t_bounds_the_whole_ident_exchange() {
    if !as_root("ident") {
        return;
    }
    both((None, true), |side| {
        let source = address();
        let _ident = Ident::start(source, None);
        let server = Server::of(side).options(["-Hl0", "-t2"]).start();
        let started = Instant::now();
        let said = Report::read(&server.talk_from(source)).env("TCPREMOTEINFO");
        let took = started.elapsed();
        (
            said,
            took > Duration::from_millis(1800) && took < Duration::from_secs(8),
        )
    });
}

#[test]
fn a_long_ident_answer_is_cut_at_257_bytes() {
    if !as_root("ident") {
        return;
    }
    let answer = [b"{q} : USERID : UNIX : ".as_slice(), &[b'x'; 300], b"\r\n"].concat();
    both(257, |side| info(side, &answer).unwrap().len());
}

#[test]
fn ident_stands_in_the_log_line_cleaned() {
    if !as_root("ident") {
        return;
    }
    both(true, |side| {
        let source = address();
        let _ident = Ident::start(source, Some(b"{q} : USERID : UNIX : j%o:e\x01\r\n"));
        let server = Server::of(side).options(["-vHl0"]).start();
        server.talk_from(source);
        normalise(&server.wait_for(": ok "))
            == format!("tcpserver: ok PID 0:127.0.0.1:PORT :{source}:j?o?e?:PORT")
    });
}

#[test]
fn a_client_that_leaves_during_a_lookup_takes_no_slot_for_long() {
    if !as_root("ident") {
        return;
    }
    both(true, |side| {
        let source = address();
        let _ident = Ident::start(source, None);
        let server = Server::of(side).options(["-vHl0", "-t2", "-c1"]).start();
        drop(Client::connect_from(source, server.address()));
        server.wait_for_ends(1);
        server.talk_from(address()).contains("env PROTO=TCP")
    });
}
