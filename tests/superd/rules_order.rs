//! Rules: which record decides, unreadable files, odd records; and the traps of the two programs
//! beside the server. What the compiler accepts line by line is in the suites of superd-rules.

use std::fs;
use std::net::Ipv4Addr;
use std::path::PathBuf;

use kit::dns::{Answer, Dns, PTR, reverse};
use kit::ident::Ident;
use kit::log::normalise;
use kit::server::Report;
use kit::{Done, Run, Server, Side, address, as_root, both, cdb, compile, ours, private_dir};

/// Rules compiled by the compiler of one side.
struct Rules {
    dir: tempfile::TempDir,
    cdb: PathBuf,
}

impl Rules {
    fn compile(side: Side, text: &str) -> Rules {
        let rules = Rules::none();
        compile(side, rules.dir.path(), "rules.cdb", text);
        rules
    }

    fn of_bytes(bytes: &[u8]) -> Rules {
        let rules = Rules::none();
        fs::write(&rules.cdb, bytes).unwrap();
        rules
    }

    fn none() -> Rules {
        let dir = private_dir(0o755);
        let cdb = dir.path().join("rules.cdb");
        Rules { dir, cdb }
    }

    fn path(&self) -> &str {
        self.cdb.to_str().unwrap()
    }

    /// What tcprulescheck says about a client.
    fn check(&self, side: Side, client: &[(&str, &str)]) -> Done {
        let mut run = Run::new(side.program("tcprulescheck")).arg(&self.cdb);
        for (name, value) in client {
            run = run.env(name, value);
        }
        run.done()
    }
}

/// One rule for every key that could match the client below, each with its own mark.
const ALL: [&str; 13] = [
    "joe@1.2.3.4",
    "joe@=mail.example.org",
    "1.2.3.4",
    "=mail.example.org",
    "1.2.3.",
    "1.2.",
    "1.",
    "=.example.org",
    "=.org",
    "=",
    "",
    "joe@1.2.3.",
    "joe@=.org",
];

const CLIENT: [(&str, &str); 3] = [
    ("TCPREMOTEIP", "1.2.3.4"),
    ("TCPREMOTEHOST", "mail.example.org"),
    ("TCPREMOTEINFO", "joe"),
];

#[test]
fn keys_are_tried_in_this_order_and_the_first_found_wins() {
    // Taking the winner away each time shows the next. The last two can match nothing.
    for first in 0..=11 {
        let mut text = String::new();
        for key in ALL[first..].iter().rev() {
            text.push_str(&format!("{key}:allow,KEY=\"{key}\"\n"));
        }
        let expected = match ALL.get(first) {
            Some(key) if first < 11 => {
                format!("rule {key}:\nset environment variable KEY={key}\nallow connection\n")
            }
            _ => "default:\nallow connection\n".to_owned(),
        };
        both((Some(0), expected), |side| {
            let done = Rules::compile(side, &text).check(side, &CLIENT);
            (done.code, done.out())
        });
    }
}

#[test]
fn the_server_tries_the_same_keys_in_the_same_order() {
    if !as_root("rules by name and ident") {
        return;
    }
    for skipped in 0..=11 {
        both(true, |side| {
            let source = address();
            let [a, b, c, d] = source.octets();
            let keys = [
                format!("joe@{source}"),
                "joe@=mail.example.org".to_owned(),
                source.to_string(),
                "=mail.example.org".to_owned(),
                format!("{a}.{b}.{c}."),
                format!("{a}.{b}."),
                format!("{a}."),
                "=.example.org".to_owned(),
                "=.org".to_owned(),
                "=".to_owned(),
                String::new(),
            ];
            assert!(d > 0);
            let text: String = keys[skipped.min(11)..]
                .iter()
                .rev()
                .map(|key| format!("{key}:allow,KEY=\"{key}\"\n"))
                .collect();
            let rules = Rules::compile(side, &text);
            let dns = Dns::start(&[(&reverse(source), PTR, Answer::name("mail.example.org"))]);
            let _ident = Ident::start(source, Some(b"{q} : USERID : UNIX : joe\r\n"));
            let server = Server::of(side)
                .env("DNSCACHEIP", dns.server())
                .options(["-l0", "-x", rules.path()])
                .start();
            Report::read(&server.talk_from(source)).env("KEY") == keys.get(skipped).cloned()
        });
    }
}

#[test]
fn an_empty_ident_answer_consults_the_rules_with_nothing_before_the_at() {
    both("rule @1.2.3.4:\ndeny connection\n".to_owned(), |side| {
        let rules = Rules::compile(side, "@1.2.3.4:deny\n");
        rules
            .check(side, &[("TCPREMOTEIP", "1.2.3.4"), ("TCPREMOTEINFO", "")])
            .out()
    });
    both("default:\nallow connection\n".to_owned(), |side| {
        Rules::compile(side, "@1.2.3.4:deny\n")
            .check(side, &[("TCPREMOTEIP", "1.2.3.4")])
            .out()
    });
}

#[test]
fn prefixes_are_text_up_to_a_dot_and_nothing_else() {
    for (rule, matches) in [
        ("127.", true),
        ("127", false),
        ("127.0", false),
        ("127.0.", true),
        ("127.0.0.1.", false),
        ("12", false),
        ("127.0.0.", true),
    ] {
        both((rule, matches), |side| {
            let rules = Rules::compile(side, &format!("{rule}:deny\n"));
            let server = Server::of(side)
                .options(["-HRl0", "-x", rules.path()])
                .start();
            (rule, server.talk().is_empty())
        });
    }
}

#[test]
fn without_a_name_no_rule_with_a_name_matches() {
    both("default:\nallow connection\n".to_owned(), |side| {
        Rules::compile(side, "=:deny\n=.org:deny\n")
            .check(side, &[("TCPREMOTEIP", "1.2.3.4")])
            .out()
    });
    both("rule =:\ndeny connection\n".to_owned(), |side| {
        let client = [("TCPREMOTEIP", "1.2.3.4"), ("TCPREMOTEHOST", "")];
        Rules::compile(side, "=:deny\n").check(side, &client).out()
    });
}

#[test]
fn names_are_compared_byte_by_byte() {
    both("default:\nallow connection\n".to_owned(), |side| {
        let client = [
            ("TCPREMOTEIP", "1.2.3.4"),
            ("TCPREMOTEHOST", "mail.example.org"),
        ];
        Rules::compile(side, "=Mail.Example.ORG:deny\n")
            .check(side, &client)
            .out()
    });
}

#[test]
fn an_address_block_beats_a_domain_and_a_name_beats_a_block() {
    both(vec!["rule 1.2.3.:", "rule =mail.example.org:"], |side| {
        let one = Rules::compile(side, "=.example.org:deny\n1.2.3.:allow\n")
            .check(side, &CLIENT)
            .out();
        let two = Rules::compile(side, "1.2.3.:allow\n=mail.example.org:deny\n")
            .check(side, &CLIENT)
            .out();
        [one, two]
            .iter()
            .map(|said| {
                if said.starts_with("rule 1.2.3.:\n") {
                    "rule 1.2.3.:"
                } else if said.starts_with("rule =mail.example.org:\n") {
                    "rule =mail.example.org:"
                } else {
                    "other"
                }
            })
            .collect()
    });
}

#[test]
fn without_any_rule_that_matches_a_client_is_allowed() {
    both(true, |side| {
        let rules = Rules::compile(side, "10.:deny\n");
        Server::of(side)
            .options(["-HRl0", "-x", rules.path()])
            .start()
            .talk()
            .contains("env PROTO=TCP")
    });
    both(true, |side| {
        let rules = Rules::compile(side, "");
        assert_eq!(fs::metadata(&rules.cdb).unwrap().len(), 2048);
        Server::of(side)
            .options(["-HRl0", "-x", rules.path()])
            .start()
            .talk()
            .contains("env PROTO=TCP")
    });
}

// Files that are no rules

/// What a client gets (a byte or none) and what is logged, with the rules file's path as F.
fn drops(side: Side, rules: &Rules, options: &[&str]) -> (String, Vec<String>) {
    let server = Server::of(side)
        .options(["-HRl0", "-x", rules.path()])
        .options(options)
        .shell("echo hello")
        .start();
    let said = server.talk();
    (
        said,
        server
            .stop()
            .1
            .iter()
            .map(|line| line.replace(rules.path(), "F"))
            .collect(),
    )
}

fn warning(reason: &str) -> Vec<String> {
    vec![format!(
        "tcpserver: warning: dropping connection, unable to read F: {reason}"
    )]
}

#[test]
fn trap_05_capital_x_covers_a_missing_file_and_nothing_else() {
    both((String::new(), warning("file does not exist")), |side| {
        drops(side, &Rules::none(), &[])
    });
    both(("hello\n".to_owned(), Vec::new()), |side| {
        drops(side, &Rules::none(), &["-X"])
    });
    for options in [&[] as &[&str], &["-X"]] {
        both((String::new(), warning("invalid argument")), |side| {
            drops(side, &Rules::of_bytes(b""), options)
        });
        both((String::new(), warning("protocol error")), |side| {
            drops(side, &Rules::of_bytes(&[0xff; 3000]), options)
        });
        both((String::new(), warning("protocol error")), |side| {
            drops(side, &Rules::of_bytes(b"garbage"), options)
        });
    }
}

#[test]
fn a_truncated_file_drops_everybody() {
    let whole = cdb::make(&[(b"127.", b"D\0"), (b"", b"")]);
    for length in [1, 2047, whole.len() - 40] {
        both((String::new(), warning("protocol error")), |side| {
            drops(side, &Rules::of_bytes(&whole[..length]), &[])
        });
    }
}

#[test]
fn a_file_that_may_not_be_read_drops_everybody() {
    if !as_root("a rules file that may not be read") {
        return;
    }
    both((String::new(), warning("access denied")), |side| {
        let rules = Rules::compile(side, "");
        fs::set_permissions(
            &rules.cdb,
            std::os::unix::fs::PermissionsExt::from_mode(0o600),
        )
        .unwrap();
        drops(side, &rules, &["-u65534", "-g65534", "-X"])
    });
}

#[test]
fn ours_takes_a_directory_for_an_unreadable_file_where_the_original_dies() {
    let rules = Rules::none();
    fs::create_dir(&rules.cdb).unwrap();
    assert_eq!(
        ours(|side| drops(side, &rules, &[])),
        (String::new(), warning("is a directory"))
    );
    let done = ours(|side| rules.check(side, &[]));
    let said = format!(
        "tcprulescheck: fatal: unable to read {}: is a directory\n",
        rules.path()
    );
    assert_eq!((done.code, done.err()), (Some(111), said));
}

#[test]
fn ours_keeps_the_last_good_rules_when_a_broken_file_takes_their_place() {
    let rules = ours(|side| Rules::compile(side, "127.:allow,WHICH=\"good\"\n"));
    let server = ours(|side| {
        Server::of(side)
            .options(["-HRl0", "-x", rules.path()])
            .start()
    });
    assert_eq!(server.report().env("WHICH").as_deref(), Some("good"));
    let broken = rules.dir.path().join("broken");
    fs::write(&broken, b"garbage").unwrap();
    fs::rename(&broken, &rules.cdb).unwrap();
    for _ in 0..3 {
        assert_eq!(server.report().env("WHICH").as_deref(), Some("good"));
    }
    let lines = server
        .log()
        .iter()
        .filter(|line| line.contains(rules.path()))
        .count();
    assert_eq!(lines, 1, "one line a minute: {:?}", server.log());
    // A good file is taken again.
    ours(|side| {
        compile(
            side,
            rules.dir.path(),
            "rules.cdb",
            "127.:allow,WHICH=\"new\"\n",
        )
    });
    assert_eq!(server.report().env("WHICH").as_deref(), Some("new"));
}

#[test]
fn a_file_that_goes_missing_drops_everybody_until_it_is_back() {
    both((String::new(), "hello\n".to_owned()), |side| {
        let rules = Rules::compile(side, "");
        let server = Server::of(side)
            .options(["-HRl0", "-x", rules.path()])
            .shell("echo hello")
            .start();
        assert_eq!(server.talk(), "hello\n");
        let aside = rules.dir.path().join("aside");
        fs::rename(&rules.cdb, &aside).unwrap();
        let without = server.talk();
        fs::rename(&aside, &rules.cdb).unwrap();
        (without, server.talk())
    });
}

// Odd records

/// What a record does: denied, or the values of A and B.
type Effect = Option<(Option<String>, Option<String>)>;

/// The effect of one record on a client.
fn effect(side: Side, data: &[u8]) -> Effect {
    let rules = Rules::of_bytes(&cdb::make(&[(b"", data)]));
    let said = Server::of(side)
        .options(["-HRl0", "-x", rules.path()])
        .start()
        .talk();
    let report = Report::read(&said);
    (!said.is_empty()).then(|| (report.env("A"), report.env("B")))
}

#[test]
fn records_are_read_item_by_item() {
    let value = |text: &str| Some(text.to_owned());
    let allowed =
        |a: Option<&str>, b: Option<&str>| Some((a.map(str::to_owned), b.map(str::to_owned)));
    let cases: [(&[u8], Effect); 13] = [
        (b"", allowed(None, None)),
        (b"D\0", None),
        (b"Dxx\0", None),
        (b"+A=1\0D\0", None),
        (b"D\0+A=1\0", None),
        (b"D", allowed(None, None)),
        (b"+A=1", allowed(None, None)),
        (b"+A=1\0+B=2", allowed(Some("1"), None)),
        (b"+A=1=2\0+B=\0", allowed(Some("1=2"), Some(""))),
        (b"+A\0+B=2\0", allowed(None, Some("2"))),
        (b"x\0+B=2\0", allowed(None, Some("2"))),
        (b"\0\0+B=2\0", allowed(None, Some("2"))),
        (b"+A=1\0+A=2\0", Some((value("2"), None))),
    ];
    for (data, expected) in cases {
        both((data.to_vec(), expected), |side| {
            (data.to_vec(), effect(side, data))
        });
    }
}

// The programs beside the server

#[test]
fn trap_07_the_empty_rule_and_no_rule_are_told_apart() {
    both(
        ["rule :\nallow connection\n", "default:\nallow connection\n"].map(str::to_owned),
        |side| {
            let client = [("TCPREMOTEIP", "1.2.3.4")];
            [":allow\n", ""].map(|text| Rules::compile(side, text).check(side, &client).out())
        },
    );
}

#[test]
fn trap_08_without_an_address_the_checker_takes_0_0_0_0() {
    both("rule 0.0.0.0:\ndeny connection\n".to_owned(), |side| {
        Rules::compile(side, "0.0.0.0:deny\n")
            .check(side, &[])
            .out()
    });
}

#[test]
fn trap_09_a_line_without_a_colon_is_accepted_and_means_nothing() {
    both("default:\nallow connection\n".to_owned(), |side| {
        Rules::compile(side, "1.2.3.4 deny\n   \nnonsense\n")
            .check(side, &[("TCPREMOTEIP", "1.2.3.4")])
            .out()
    });
}

#[test]
fn trap_10_of_two_rules_for_one_address_the_first_wins_ranges_included() {
    both(vec![false, false, true], |side| {
        let text = "127.0.0.1:allow\n127.0.0.1:deny\n127.0.0.2-9:allow\n127.0.0.1-20:deny\n";
        let rules = Rules::compile(side, text);
        let server = Server::of(side)
            .options(["-HRl0", "-x", rules.path()])
            .start();
        let denied = |last| server.talk_from(Ipv4Addr::new(127, 0, 0, last)).is_empty();
        vec![denied(1), denied(5), denied(15)]
    });
}

#[test]
fn trap_11_ours_leaves_no_temporary_file_behind_where_the_original_does() {
    let leftover = |side: Side| {
        let rules = Rules::compile(side, ":allow\n");
        let before = fs::read(&rules.cdb).unwrap();
        let tmp = rules.dir.path().join("tmp");
        let done = Run::new(side.program("tcprules"))
            .arg(&rules.cdb)
            .arg(&tmp)
            .input("1.2.3.4:denied\n")
            .done();
        assert_eq!(done.code, Some(100));
        assert_eq!(fs::read(&rules.cdb).unwrap(), before);
        tmp.exists()
    };
    if kit::place::original("tcprules").is_some() {
        assert!(leftover(Side::Original));
    }
    assert!(!ours(leftover));
}

#[test]
fn trap_12_a_line_that_cannot_be_parsed_is_exit_code_100() {
    both(
        (
            Some(100),
            "tcprules: fatal: unable to parse this line: 1.2.3.4:denied\n".to_owned(),
        ),
        |side| {
            let rules = Rules::none();
            let done = Run::new(side.program("tcprules"))
                .arg(&rules.cdb)
                .arg(rules.dir.path().join("tmp"))
                .input("1.2.3.4:denied  \n")
                .done();
            let err = done.err();
            // Ours may say more on lines of its own; the first is the original's.
            (
                done.code,
                err.lines()
                    .next()
                    .map(|line| format!("{line}\n"))
                    .unwrap_or_default(),
            )
        },
    );
}

#[test]
fn a_denied_client_gets_no_byte_and_the_verdict_is_logged() {
    both(
        (
            String::new(),
            "tcpserver: deny PID 0:127.0.0.1:PORT :127.0.0.1::PORT".to_owned(),
        ),
        |side| {
            let rules = Rules::compile(side, "127.0.0.1:deny\n:allow\n");
            let server = Server::of(side)
                .options(["-vHRl0", "-x", rules.path()])
                .shell("echo hello")
                .start();
            let said = server.talk();
            (said, normalise(&server.wait_for(": deny ")))
        },
    );
}
