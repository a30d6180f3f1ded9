//! The life of the server itself: what it keeps of what it was started with, how it ends, what
//! happens at its limits, and what can not stop it.

use std::os::unix::process::ExitStatusExt;
use std::time::{Duration, Instant};

use kit::log::{normalise_all, pid_of};
use kit::{
    Client, DEADLINE, Run, Server, Side, as_root, bin, both, ours, private_dir, probe, signal,
};

// The order of things

#[test]
fn trap_01_the_status_line_comes_before_the_pid_line_and_counts_what_is_not_yet_checked() {
    both(
        [
            "tcpserver: status: 1/40",
            "tcpserver: pid PID from 127.0.0.1",
        ]
        .map(str::to_owned)
        .to_vec(),
        |side| {
            let server = Server::of(side).options(["-vHRl0"]).start();
            server.talk();
            server.wait_for_ends(1);
            normalise_all(&server.log())[1..3].to_vec()
        },
    );
}

#[test]
fn the_slot_is_free_when_the_program_has_ended_even_where_a_grandchild_holds_the_connection() {
    both("still here\n".to_owned(), |side| {
        let server = Server::of(side)
            .options(["-vHRl0", "-c1"])
            .shell("(read line; echo still here) <&0 & exit 0")
            .start();
        let mut client = server.connect();
        server.wait_for_ends(1);
        client.say("go");
        client.text()
    });
}

// Ending

#[test]
fn term_ends_the_server_with_0_at_once_and_leaves_its_children_alone() {
    both((Some(0), "still here".to_owned()), |side| {
        let mut server = Server::of(side)
            .options(["-HRl0"])
            .shell("echo hello; read line; echo still here")
            .start();
        let mut client = server.connect();
        assert_eq!(client.line(), "hello");
        server.signal("TERM");
        let code = server.wait().code();
        assert!(Client::attempt(None, server.address(), Duration::from_secs(5)).is_err());
        client.say("go");
        (code, client.line())
    });
}

#[test]
fn term_ends_the_server_with_0_also_at_its_limit() {
    both(Some(0), |side| {
        let mut server = Server::of(side)
            .options(["-HRl0", "-c1"])
            .shell("echo hello; read line")
            .start();
        let mut client = server.connect();
        assert_eq!(client.line(), "hello");
        let _waiting = server.connect();
        server.signal("TERM");
        server.wait().code()
    });
}

#[test]
fn term_is_not_logged() {
    both(vec!["tcpserver: status: 0/40".to_owned()], |side| {
        let server = Server::of(side).options(["-vHRl0"]).start();
        server.wait_for("status");
        server.stop().1
    });
}

#[test]
fn term_ends_the_server_also_where_it_was_started_with_term_ignored() {
    both(Some(0), |side| {
        let mut server = Server::of(side)
            .after("trap '' TERM")
            .options(["-HRl0"])
            .start();
        server.signal("TERM");
        server.wait().code()
    });
}

#[test]
fn int_ends_the_server_by_the_signal() {
    both(Some(2), |side| {
        // Whoever runs the tests in the background has it ignored.
        let launcher = [probe().to_str().unwrap(), "--default", "2", "--"];
        let mut server = Server::of(side)
            .launcher(launcher)
            .options(["-HRl0"])
            .start();
        server.signal("INT");
        server.wait().signal()
    });
}

#[test]
fn an_ignored_int_stays_ignored() {
    both("hello\n".to_owned(), |side| {
        let server = Server::of(side)
            .after("trap '' INT")
            .options(["-HRl0"])
            .shell("echo hello")
            .start();
        server.signal("INT");
        server.talk()
    });
}

#[test]
fn a_broken_pipe_does_not_end_the_server() {
    both("hello\n".to_owned(), |side| {
        let server = Server::of(side)
            .options(["-HRl0"])
            .shell("echo hello")
            .start();
        server.signal("PIPE");
        server.talk()
    });
}

// What is inherited

#[test]
fn a_child_from_before_is_reaped_and_logged_and_does_not_unbalance_the_count() {
    both(
        [
            "tcpserver: status: 0/40",
            "tcpserver: end PID status 1792",
            "tcpserver: status: 0/40",
            "tcpserver: status: 1/40",
        ]
        .map(str::to_owned)
        .to_vec(),
        |side| {
            let server = Server::of(side)
                .after("(sleep 0.3; exit 7) & true")
                .options(["-vHRl0"])
                .start();
            server.wait_for("end");
            server.talk();
            server.wait_for_nth(2, "end");
            normalise_all(&server.log())[..4].to_vec()
        },
    );
}

#[test]
fn trap_16_descriptors_from_before_reach_the_program_and_none_of_the_servers_own() {
    // What the tests themselves were started with is known from a direct run of the probe.
    let before = kit::server::Report::read(&Run::new(kit::probe()).done().out());
    let mut expected: Vec<String> = before
        .all("fd")
        .into_iter()
        .filter(|fd| !is_standard(fd))
        .collect();
    expected.retain(|fd| !fd.starts_with("7 ") && !fd.starts_with("198 "));
    expected.extend(["7 /dev/null".to_owned(), "198 /dev/zero".to_owned()]);
    expected.sort();
    both(expected, |side| {
        // dash knows only one-digit descriptors.
        let open = "exec bash -c 'exec 7</dev/null 198</dev/zero; exec \"$@\"' bash \"$@\"";
        let server = Server::of(side)
            .launcher(["/bin/sh", "-c", open, "sh"])
            .options(["-HRl0", "-x", "/nonexistent", "-X"])
            .start();
        let mut others = server.report().all("fd");
        others.retain(|fd| !is_standard(fd));
        others.sort();
        others
    });
}

fn is_standard(fd: &str) -> bool {
    ["0 ", "1 ", "2 "]
        .iter()
        .any(|number| fd.starts_with(number))
}

#[test]
fn ours_serves_when_started_with_descriptors_0_1_and_2_closed_where_the_original_spins() {
    let host = kit::address();
    for closed in ["<&-", "2>&-", "<&- 2>&-"] {
        let server = ours(|side| {
            let text = format!("exec \"$@\" {closed}");
            Server::of(side)
                .launcher(["/bin/sh", "-c", &text, "sh"])
                .host(host)
                .options(["-HRl0"])
                .start()
        });
        let report = server.report();
        assert!(
            report.all("fd").iter().any(|fd| fd.starts_with("0 socket")),
            "{closed}"
        );
        assert!(
            report.all("fd").iter().any(|fd| fd.starts_with("1 socket")),
            "{closed}"
        );
        let idle = server.cpu();
        std::thread::sleep(Duration::from_millis(500));
        assert!(
            server.cpu() - idle < Duration::from_millis(100),
            "{closed}: spins"
        );
    }
}

// Limits

#[test]
fn at_the_limit_the_handshake_is_done_and_nobody_is_refused() {
    both(
        vec!["tcpserver: status: 0/1", "tcpserver: status: 1/1"],
        |side| {
            let server = Server::of(side)
                .options(["-vHRl0", "-c1"])
                .shell("echo hello; read line")
                .start();
            let mut first = server.connect();
            assert_eq!(first.line(), "hello");
            let mut waiting: Vec<Client> = (0..5).map(|_| server.connect()).collect();
            for client in &mut waiting {
                assert!(client.is_silent_for(Duration::from_millis(50)));
            }
            let log = server.log();
            let status: Vec<&String> = log.iter().filter(|line| line.contains("status:")).collect();
            assert_eq!(status.len(), 2);
            status
                .iter()
                .map(|line| {
                    if line.contains("0/1") {
                        "tcpserver: status: 0/1"
                    } else {
                        "tcpserver: status: 1/1"
                    }
                })
                .collect()
        },
    );
}

#[test]
fn no_more_programs_than_the_limit_run_at_once() {
    both((20, true), |side| {
        let server = Server::of(side)
            .options(["-vHRl0", "-c3", "-b50"])
            .shell("sleep 0.02; echo hello")
            .start();
        let clients: Vec<Client> = (0..20).map(|_| server.connect()).collect();
        let served = clients
            .into_iter()
            .filter(|_| true)
            .map(Client::text)
            .filter(|said| said == "hello\n")
            .count();
        server.wait_for_ends(20);
        let counts = server
            .log()
            .iter()
            .filter(|line| line.contains("status: "))
            .map(|line| line.as_bytes()[19])
            .max();
        (served, counts == Some(b'3'))
    });
}

#[test]
fn when_no_process_can_be_started_the_connection_is_dropped_with_a_warning() {
    if !as_root("no process can be started") {
        return;
    }
    // Nobody else has this user, so the limit on processes is reached as soon as it is set.
    both(
        (
            String::new(),
            "tcpserver: warning: dropping connection, unable to fork: temporary failure".to_owned(),
            "hello\n".to_owned(),
        ),
        |side| {
            let user = match side {
                Side::Original => "54391",
                Side::Ours => "54392",
            };
            let server = Server::of(side)
                .options(["-vHRl0", "-u", user, "-g", user])
                .shell("echo hello")
                .start();
            assert_eq!(server.talk(), "hello\n");
            server.wait_for_ends(1);
            // As that user: raising a limit of another's process needs more than being root in a container.
            let limit = |value: &str| {
                let done = Run::new("setpriv")
                    .args([
                        "--reuid",
                        user,
                        "--regid",
                        user,
                        "--clear-groups",
                        "prlimit",
                    ])
                    .args([
                        format!("--pid={}", server.pid()),
                        format!("--nproc={value}:"),
                    ])
                    .done();
                assert_eq!(done.code, Some(0), "{}", done.err());
            };
            limit("1");
            let dropped = server.talk();
            let warning = server.wait_for("warning");
            limit("100");
            let said = server.talk();
            (dropped, warning, said)
        },
    );
}

#[test]
fn ours_waits_and_says_so_when_it_is_out_of_descriptors_where_the_original_spins() {
    let server = ours(|side| {
        Server::of(side)
            .options(["-vHRl0"])
            .shell("echo hello")
            .start()
    });
    assert_eq!(server.talk(), "hello\n");
    server.wait_for_ends(1);
    let in_use = |fd: &u32| {
        std::path::Path::new(&format!("/proc/{}/fd/{fd}", server.pid()))
            .symlink_metadata()
            .is_ok()
    };
    let first_free = (0..).find(|fd| !in_use(fd)).unwrap();
    let limit = |value: &str| {
        let done = Run::new("prlimit")
            .args([
                format!("--pid={}", server.pid()),
                format!("--nofile={value}:"),
            ])
            .done();
        assert_eq!(done.code, Some(0), "{}", done.err());
    };
    limit(&first_free.to_string());
    let waiting = server.connect();
    let before = server.cpu();
    let started = Instant::now();
    while server
        .log()
        .iter()
        .all(|line| !line.contains("too many open files"))
    {
        assert!(
            started.elapsed() < Duration::from_secs(10),
            "says nothing: {:?}",
            server.log()
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    std::thread::sleep(Duration::from_secs(1));
    assert!(server.cpu() - before < Duration::from_millis(200), "spins");
    let lines = server
        .log()
        .iter()
        .filter(|line| line.contains("too many open files"))
        .count();
    assert!(lines <= 20, "{lines} lines in a second");
    limit("1024");
    assert_eq!(waiting.text(), "hello\n");
}

#[test]
fn ours_serves_on_when_nobody_reads_the_log_where_the_original_stops() {
    let (reader, writer) = std::io::pipe().unwrap();
    let server = ours(|side| {
        Server::of(side)
            .options(["-vHRl0"])
            .stderr(writer.try_clone().unwrap())
            .shell("echo hello")
            .start()
    });
    drop(writer);
    // A pipe holds 64 KiB; each connection logs about 150 bytes.
    for number in 0..1000 {
        assert_eq!(server.talk(), "hello\n", "connection {number}");
    }
    drop(server);
    drop(reader);
}

#[test]
fn a_log_that_is_closed_does_not_end_the_server() {
    both("hello\n".to_owned(), |side| {
        let (reader, writer) = std::io::pipe().unwrap();
        let server = Server::of(side)
            .options(["-vHRl0"])
            .stderr(writer)
            .shell("echo hello")
            .start();
        drop(reader);
        server.talk();
        server.talk()
    });
}

#[test]
fn ended_programs_are_reaped_at_once() {
    both(0, |side| {
        let server = Server::of(side).options(["-vHRl0"]).shell("exit 0").start();
        for _ in 0..10 {
            server.talk();
        }
        server.wait_for_ends(10);
        let log = server.log();
        let pids = log
            .iter()
            .filter(|line| line.contains(": pid "))
            .map(|line| pid_of(line));
        pids.filter(|pid| std::path::Path::new(&format!("/proc/{pid}")).exists())
            .count()
    });
}

#[test]
fn a_program_killed_by_hand_frees_its_slot() {
    both("tcpserver: status: 0/40".to_owned(), |side| {
        let server = Server::of(side)
            .options(["-vHRl0"])
            .handler(["/bin/cat"])
            .start();
        let _client = server.connect();
        let pid = pid_of(&server.wait_for(": ok "));
        signal(pid, "KILL");
        server.wait_for(&format!("end {pid} status 9"));
        server.wait_for_nth(2, "status: 0/40")
    });
}

#[test]
fn a_log_at_the_limit_of_file_sizes_stops_neither_the_service_nor_its_count_of_lost_lines() {
    let dir = private_dir(0o755);
    let log = dir.path().join("log");
    let file = || {
        let mut options = std::fs::File::options();
        options.append(true).create(true).open(&log).unwrap()
    };
    let server = Server::under_name(bin("superd"))
        .options(["-vHRl0"])
        .after("ulimit -f 1")
        .stderr(file())
        .start();
    for _ in 0..20 {
        // The program has the signal as superd was started with it.
        let report = server.talk();
        assert!(!report.contains("ignored 25\n"), "{report}");
    }
    let size = std::fs::metadata(&log).unwrap().len();
    assert!((1..=1024).contains(&size), "{size}");
    file().set_len(0).unwrap();
    let deadline = Instant::now() + DEADLINE;
    loop {
        server.talk();
        let text = std::fs::read_to_string(&log).unwrap();
        let told = text
            .lines()
            .find(|line| line.ends_with("could not be written"));
        if let Some(line) = told {
            assert!(line.starts_with("superd: warning: "), "{line}");
            let count: u32 = line.split(' ').nth(2).unwrap().parse().unwrap();
            assert!(count > 20, "{line}");
            break;
        }
        assert!(Instant::now() < deadline, "{text}");
        file().set_len(0).unwrap();
    }
}

#[test]
fn a_file_size_signal_that_was_ignored_at_the_start_stays_ignored() {
    both(true, |side| {
        let server = Server::of(side)
            .after("trap '' XFSZ")
            .options(["-HRl0"])
            .start();
        server.talk().contains("ignored 25\n")
    });
}

#[test]
fn hup_and_usr1_mean_nothing_and_are_told_once_a_minute() {
    let server = Server::under_name(bin("superd")).options(["-HRl0"]).start();
    for name in ["HUP", "USR1", "HUP", "USR1"] {
        server.signal(name);
        let report = server.talk();
        for number in [1, 10] {
            assert!(!report.contains(&format!("ignored {number}\n")), "{report}");
            assert!(!report.contains(&format!("blocked {number}\n")), "{report}");
        }
    }
    let lines = |name: &str| {
        format!("superd: warning: SIG{name} is ignored: it means nothing to this program")
    };
    for name in ["HUP", "USR1"] {
        server.wait_for(&lines(name));
    }
    server.talk();
    let mut expected = vec![lines("HUP"), lines("USR1")];
    let mut told = server.log();
    told.sort();
    expected.sort();
    assert_eq!(told, expected);
}

#[test]
fn programs_of_ours_are_still_copied_after_a_hup_to_all_of_a_service() {
    let server = Server::under_name(bin("superd"))
        .options(["-vHRl0"])
        .handler(["popup", "h", "checkpw", "pop3d", "Maildir"])
        .env("SUPERD_LIBEXEC", kit::libexec())
        .start();
    for pid in kit::process::forkers(&server) {
        signal(pid, "HUP");
    }
    server.signal("HUP");
    assert!(server.connect().line().starts_with("+OK"));
    let log = server.log();
    assert!(!log.iter().any(|line| line.contains("forker")), "{log:?}");
}

#[test]
fn that_clients_wait_because_of_the_limit_is_said_once_a_minute_and_only_where_one_does() {
    let server = Server::under_name(bin("superd"))
        .options(["-HRl0", "-c1"])
        .shell("echo hello; read line")
        .start();
    let mut first = server.connect();
    assert_eq!(first.line(), "hello");
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(server.log(), Vec::<String>::new());
    let mut waiting = [server.connect(), server.connect()];
    let line = "superd: full: 1/1; clients wait";
    server.wait_for(line);
    first.say("");
    for client in &mut waiting {
        assert_eq!(client.line(), "hello");
        client.say("");
    }
    assert_eq!(server.log(), [line]);
}

#[test]
fn no_program_of_ours_dies_of_a_log_at_the_limit_of_file_sizes() {
    let dir = private_dir(0o755);
    let log = dir.path().join("log");
    for words in [
        "popup",
        "popup h checkpw pop3d Maildir",
        "imapup h checkpw imapd Maildir",
        "pop3d /nowhere",
        "imapd /nowhere",
        "smtpd",
        "lmtpd",
        "lmtpd too much",
        "rblsmtpd -z",
        "recordio",
        "authd",
        "authd checkpw",
        "checkpw",
        "check-via /nowhere true",
        "relay-ctrl-allow",
        "splogger a b c d e",
        "superd",
        "superd 192.0.2.1 1 true",
    ] {
        std::fs::write(&log, "x".repeat(512)).unwrap();
        let text = format!(
            "ulimit -f 1; \"$LIBEXEC\"/{words} 2>>{}; echo \" ended with $?\"",
            log.display()
        );
        let mut libexec = kit::libexec();
        if words.starts_with("superd") {
            libexec = bin("superd").parent().unwrap().to_owned();
        }
        let done = Run::new("/bin/sh")
            .args(["-c", &text])
            .env("LIBEXEC", libexec)
            .env("RBLSMTPD", "-not you")
            .input("QUIT\r\n")
            .done();
        // 128 and the number of SIGXFSZ.
        let out = done.out();
        assert!(
            out.contains(" ended with ") && !out.contains("ended with 153"),
            "{words}: {out}"
        );
    }
}
