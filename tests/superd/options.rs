//! The command line of superd: every option of tcpserver, how options are written, what is
//! refused and with which words and exit codes. Options that ask name servers are in
//! superd_lookups.rs, rules files in superd_rules_order.rs.

use std::time::Duration;

use kit::{
    Client, Run, Server, Side, as_root, both, compile, ours, place, private_dir, probe,
    start_fails, start_fails_as_somebody,
};

const USAGE: &str = "tcpserver: usage: tcpserver [ -1UXpPhHrRoOdDqQv ] [ -c limit ] [ -x rules.cdb ] \
[ -B banner ] [ -g gid ] [ -u uid ] [ -b backlog ] [ -l localname ] [ -t timeout ] host port program\n";

// -q, -Q, -v

#[test]
fn without_an_option_only_warnings_are_logged() {
    both(("".to_owned(), vec!["tcpserver: warning: dropping connection, unable to run /nonexist/prog: file does not exist".to_owned()]), |side| {
        let server = Server::of(side).options(["-HRl0"]).handler(["/nonexist/prog"]).start();
        let said = server.talk();
        (said, server.stop().1)
    });
}

#[test]
fn q_silences_warnings_but_not_the_programs_own_words() {
    both(vec!["mine".to_owned()], |side| {
        let server = Server::of(side)
            .options(["-qHRl0"])
            .shell("echo mine >&2")
            .start();
        server.talk();
        server.stop().1
    });
}

#[test]
fn q_silences_fatal_messages_too() {
    both((Some(111), String::new()), |side| {
        start_fails(side, &["-q", "127.0.0.1", "no-such-service", "true"])
    });
}

#[test]
fn the_last_of_q_and_v_wins() {
    both(true, |side| {
        let server = Server::of(side).options(["-qQvHRl0"]).start();
        server.wait_for("tcpserver: status: 0/40") == "tcpserver: status: 0/40"
    });
    both(Vec::<String>::new(), |side| {
        let server = Server::of(side).options(["-vqHRl0"]).start();
        server.talk();
        server.stop().1
    });
}

// -c

#[test]
fn c_is_the_limit_that_the_status_line_shows() {
    both("tcpserver: status: 0/7".to_owned(), |side| {
        Server::of(side)
            .options(["-vHRl0", "-c", "7"])
            .start()
            .wait_for("status")
    });
}

#[test]
fn at_the_limit_a_client_waits_silently_and_is_served_when_a_slot_is_free() {
    both("second".to_owned(), |side| {
        let server = Server::of(side)
            .options(["-HRl0", "-c1"])
            .shell("read line; echo \"$line\"")
            .start();
        let mut first = server.connect();
        let mut second = server.connect();
        second.say("second");
        assert!(second.is_silent_for(Duration::from_millis(300)));
        first.say("first");
        assert_eq!(first.line(), "first");
        second.line()
    });
}

// -x is in superd_rules_order.rs, but for how often it is read and given.

#[test]
fn the_last_x_wins() {
    both("two".to_owned(), |side| {
        let dir = private_dir(0o755);
        let one = compile(side, dir.path(), "one.cdb", ":allow,WHICH=\"one\"\n");
        let two = compile(side, dir.path(), "two.cdb", ":allow,WHICH=\"two\"\n");
        let server = Server::of(side)
            .options(["-HRl0", "-x", &one, "-x", &two])
            .start();
        server.report().env("WHICH").unwrap()
    });
}

#[test]
fn a_new_rules_file_is_in_force_for_the_next_connection() {
    both(
        vec!["one".to_owned(), "two".to_owned(), "three".to_owned()],
        |side| {
            let dir = private_dir(0o755);
            let cdb = compile(side, dir.path(), "rules.cdb", ":allow,WHICH=\"one\"\n");
            let server = Server::of(side).options(["-HRl0", "-x", &cdb]).start();
            let mut seen = vec![server.report().env("WHICH").unwrap()];
            for which in ["two", "three"] {
                compile(
                    side,
                    dir.path(),
                    "rules.cdb",
                    &format!(":allow,WHICH=\"{which}\"\n"),
                );
                seen.push(server.report().env("WHICH").unwrap());
            }
            seen
        },
    );
}

// -B

#[test]
fn the_banner_is_sent_as_it_stands_before_the_program_speaks() {
    both("220 \\n%s 100%hello\n".to_owned(), |side| {
        let server = Server::of(side)
            .options(["-HRl0", "-B", "220 \\n%s 100%"])
            .shell("echo hello")
            .start();
        server.talk()
    });
}

#[test]
fn an_empty_banner_is_none() {
    both("hello\n".to_owned(), |side| {
        Server::of(side)
            .options(["-HRl0", "-B", ""])
            .shell("echo hello")
            .start()
            .talk()
    });
}

// -g, -u, -U

#[test]
fn u_and_g_give_the_program_that_user_and_that_group_alone() {
    if !as_root("-u and -g") {
        return;
    }
    both(
        ["54321 54321 54321", "54322 54322 54322", "54322"].map(str::to_owned),
        |side| {
            let server = Server::of(side)
                .options(["-HRl0", "-u54321", "-g", "54322"])
                .start();
            let report = server.report();
            [report.one("uid"), report.one("gid"), report.one("groups")]
        },
    );
}

#[test]
fn capital_u_takes_both_from_the_environment_and_leaves_them_there() {
    if !as_root("-U") {
        return;
    }
    both(
        [
            "54321 54321 54321",
            "54322 54322 54322",
            "54322",
            "54321",
            "54322",
        ]
        .map(str::to_owned),
        |side| {
            let server = Server::of(side)
                .options(["-UHRl0"])
                .env("UID", "54321")
                .env("GID", "54322")
                .start();
            let report = server.report();
            let variable = |name| report.env(name).unwrap();
            [
                report.one("uid"),
                report.one("gid"),
                report.one("groups"),
                variable("UID"),
                variable("GID"),
            ]
        },
    );
}

#[test]
fn ours_refuses_capital_u_without_a_user_where_the_original_stays_root() {
    for value in [None, Some(""), Some("x"), Some("12x")] {
        let mut run = Run::new(ours(|side| side.program("tcpserver")));
        run = run.args(["-U", "127.0.0.1", "0", "true"]);
        if let Some(value) = value {
            run = run.env("UID", value);
        }
        let done = run.done();
        assert_eq!(done.code, Some(100), "{value:?}: {}", done.err());
        assert!(
            done.err().starts_with("tcpserver: fatal: "),
            "{value:?}: {}",
            done.err()
        );
        assert!(done.err().contains("UID"), "{value:?}: {}", done.err());
    }
}

#[test]
fn trap_13_ours_drops_groups_with_u_alone_where_the_original_keeps_roots() {
    if !as_root("-u alone") {
        return;
    }
    let identity = |side| {
        let server = Server::of(side)
            .launcher(["setpriv", "--groups", "54001,54002", "--"])
            .options(["-HRl0", "-u", "65534"])
            .start();
        let report = server.report();
        (report.one("uid"), report.one("gid"), report.one("groups"))
    };
    if place::original("tcpserver").is_some() {
        let (uid, gid, groups) = identity(Side::Original);
        assert_eq!(
            (uid.as_str(), gid.as_str(), groups.as_str()),
            ("65534 65534 65534", "0 0 0", "54001 54002")
        );
    }
    let (uid, gid, groups) = ours(identity);
    let primary = Run::new("id")
        .args(["-g", "nobody"])
        .done()
        .out()
        .trim()
        .to_owned();
    assert_eq!(uid, "65534 65534 65534");
    assert_eq!(gid, format!("{primary} {primary} {primary}"));
    assert!(groups.is_empty() || groups == primary, "{groups}");
}

#[test]
fn without_privileges_u_and_g_fail() {
    both(
        (
            Some(111),
            "tcpserver: fatal: unable to set gid: permission denied\n".to_owned(),
        ),
        |side| start_fails_as_somebody(side, &["-g", "54323", "127.0.0.1", "0", "true"]),
    );
    // Ours drops the groups also with -u alone, so it may fail one step earlier.
    both((Some(111), true), |side| {
        let (code, said) =
            start_fails_as_somebody(side, &["-u", "65534", "127.0.0.1", "0", "true"]);
        let steps = ["uid", "gid"]
            .map(|step| format!("tcpserver: fatal: unable to set {step}: permission denied\n"));
        (code, steps.contains(&said))
    });
}

// -1

#[test]
fn one_tells_the_port_and_then_closes_descriptor_1() {
    // Server::start reads to the end of descriptor 1: that it returns at all is the second half.
    both("hello\n".to_owned(), |side| {
        Server::of(side)
            .options(["-HRl0"])
            .shell("echo hello")
            .start()
            .talk()
    });
}

// -b

#[test]
fn the_backlog_is_as_given() {
    // A queue of one takes two on Linux, beside the one that is served.
    both(3, |side| {
        let server = Server::of(side)
            .options(["-HRl0", "-c1", "-b1"])
            .shell("echo here; read line")
            .start();
        let mut served = server.connect();
        assert_eq!(served.line(), "here");
        let more =
            (0..4).map(|_| Client::attempt(None, server.address(), Duration::from_millis(400)));
        let waiting: Vec<Client> = more.filter_map(Result::ok).collect();
        1 + waiting.len()
    });
}

// -d, -D, -o, -O

#[test]
fn nagle_is_left_on_unless_capital_d_is_given() {
    for (options, nodelay) in [
        ("-HRl0", "0"),
        ("-dHRl0", "0"),
        ("-DHRl0", "1"),
        ("-DdHRl0", "0"),
    ] {
        both(nodelay.to_owned(), |side| {
            Server::of(side)
                .options([options])
                .start()
                .report()
                .one("nodelay")
        });
    }
}

#[test]
fn source_route_options_may_be_kept_or_dropped_and_keepalive_stays_off() {
    for option in ["-o", "-O"] {
        both(["0", "0"].map(str::to_owned), |side| {
            let report = Server::of(side).options(["-HRl0", option]).start().report();
            [report.one("keepalive"), report.one("tos")]
        });
    }
}

// How options are written

#[test]
fn letters_may_be_joined_and_an_argument_attached_or_apart() {
    both(
        vec![
            "name".to_owned(),
            "name".to_owned(),
            "-v".to_owned(),
            String::new(),
        ],
        |side| {
            let local = |words: &[&str]| {
                let report = Server::of(side).options(words).start().report();
                report.env("TCPLOCALHOST").unwrap()
            };
            vec![
                local(&["-vHRlname"]),
                local(&["-HR", "-l", "name"]),
                local(&["-HRl", "-v"]),
                local(&["-HRl", ""]),
            ]
        },
    );
}

#[test]
fn options_end_at_the_first_word_that_is_none() {
    both("arg -v".to_owned(), |side| {
        let server = Server::of(side)
            .options(["-HRl0"])
            .handler(["/bin/echo", "arg", "-v"])
            .start();
        server.talk().trim_end().to_owned()
    });
}

#[test]
fn a_lone_hyphen_is_an_operand() {
    // It is taken for the host, which no name server knows.
    both(
        (
            Some(111),
            "tcpserver: fatal: unable to figure out port number for x\n".to_owned(),
        ),
        |side| start_fails(side, &["-", "x", "true"]),
    );
}

#[test]
fn an_unknown_letter_is_told_with_the_usage() {
    both(
        (
            Some(100),
            format!("tcpserver: illegal option -- Z\n{USAGE}"),
        ),
        |side| start_fails(side, &["-vZ", "127.0.0.1", "0", "true"]),
    );
}

#[test]
fn a_missing_argument_is_told_with_the_usage() {
    both(
        (
            Some(100),
            format!("tcpserver: option requires an argument -- x\n{USAGE}"),
        ),
        |side| start_fails(side, &["-vx"]),
    );
}

#[test]
fn too_few_words_give_the_usage() {
    for words in [&[] as &[&str], &["-v"], &["0"], &["0", "25"], &["--"]] {
        both((Some(100), USAGE.to_owned()), |side| {
            start_fails(side, words)
        });
    }
}

#[test]
fn ours_refuses_an_unknown_long_option_where_the_original_swallows_it() {
    let (code, said) =
        ours(|side| start_fails(side, &["--no-such-option", "127.0.0.1", "0", "true"]));
    assert_eq!(code, Some(100));
    assert!(said.contains("no-such-option"), "{said}");
}

#[test]
fn the_program_gets_its_words_as_they_are() {
    both(
        vec![
            probe().to_str().unwrap().to_owned(),
            "a b".to_owned(),
            String::new(),
            "-v".to_owned(),
        ],
        |side| {
            let words = [probe().to_str().unwrap(), "a b", "", "-v"];
            Server::of(side)
                .options(["-HRl0"])
                .handler(words)
                .start()
                .report()
                .all("arg")
        },
    );
}
