//! One test for each bug of superd's that was found after it was written.

use std::time::{Duration, Instant};

use kit::dns::{Answer, Dns, PTR, reverse};
use kit::server::Report;
use kit::{
    Client, Run, Server, address, as_root, bin, both, compile, ours, private_dir, signal,
    start_fails,
};

/// Five threads with std's stacks did not fit under the limits that softlimit sets for qmail.
#[test]
fn it_starts_under_the_memory_limit_of_a_small_service() {
    let server = Server::under_name(bin("superd"))
        .options(["-HRl0"])
        .after("ulimit -d 4000")
        .shell("echo served")
        .start();
    assert_eq!(server.talk(), "served\n");
}

/// A look-up in the old tables over new bytes found no rule, and no rule allows.
#[test]
fn rules_that_are_written_over_in_place_with_garbage_let_nobody_in() {
    let dir = private_dir(0o755);
    let cdb = ours(|side| compile(side, dir.path(), "r.cdb", ":deny\n"));
    let server = Server::under_name(bin("superd"))
        .options(["-v", "-HRl0", "-x", &cdb])
        .shell("echo let in")
        .start();
    assert_eq!(server.talk(), "");
    let good = std::fs::read(&cdb).expect("the rules");
    std::fs::write(&cdb, vec![0xff; good.len()]).expect("written");
    assert_eq!(server.talk(), "");
    server.wait_for("warning: dropping connection, unable to read");
    std::fs::write(&cdb, &good).expect("written");
    assert_eq!(server.talk(), "");
    server.wait_for_nth(2, "deny ");
}

/// Rules that could not be loaded for want of descriptors were taken for seen, and never tried
/// again.
#[test]
fn new_rules_count_as_soon_as_they_can_be_read_again() {
    let dir = private_dir(0o755);
    let cdb = ours(|side| compile(side, dir.path(), "r.cdb", ":allow\n"));
    let server = Server::under_name(bin("superd"))
        .options(["-v", "-HRl0", "-x", &cdb])
        .shell("echo let in")
        .start();
    assert_eq!(server.talk(), "let in\n");
    let limit = |words: &str| {
        let limit = format!("--nofile={words}");
        let pid = server.pid().to_string();
        let done = Run::new("prlimit").args(["--pid", &pid, &limit]).done();
        assert_eq!(done.code, Some(0), "{}", done.err());
    };
    // Ours has some dozen descriptors; the next number is free for the connection, none for rules.
    let open = std::fs::read_dir(format!("/proc/{}/fd", server.pid())).expect("descriptors");
    let numbers: Vec<u32> = open
        .filter_map(|entry| entry.expect("an entry").file_name().to_str()?.parse().ok())
        .collect();
    let free = (0..)
        .find(|number| !numbers.contains(number))
        .expect("a number");
    limit(&format!("{}:4096", free + 1));
    ours(|side| compile(side, dir.path(), "r.cdb", ":deny\n"));
    assert_eq!(server.talk(), "let in\n", "the old rules are in force");
    server.wait_for("the rules read before stay in force");
    // Longer than the time in which a new file is looked at twice anyway.
    std::thread::sleep(Duration::from_millis(2500));
    assert_eq!(server.talk(), "let in\n");
    limit("4096:4096");
    assert_eq!(server.talk(), "");
}

/// A fifo in the place of the rules held the loop up, and TERM with it.
#[test]
fn a_fifo_in_the_place_of_the_rules_holds_nobody_up() {
    let dir = private_dir(0o755);
    let fifo = dir.path().join("r.cdb");
    let done = Run::new("mkfifo").arg(&fifo).done();
    assert_eq!(done.code, Some(0), "{}", done.err());
    let server = Server::under_name(bin("superd"))
        .options(["-v", "-HRl0", "-x"])
        .options([&fifo])
        .start();
    assert_eq!(server.talk(), "");
    let (code, log) = server.stop();
    assert_eq!(code, Some(0));
    assert!(
        log.iter()
            .any(|line| line.ends_with("r.cdb: invalid argument")),
        "{log:?}"
    );
}

/// Programs that were started during the end of superd had no line in the log.
#[test]
fn every_program_that_is_served_while_term_comes_is_in_the_log() {
    let server = Server::under_name(bin("superd"))
        .options(["-v", "-HRl0", "-c", "1000", "-b", "1000"])
        .shell("echo served")
        .start();
    let clients: Vec<Client> = (0..150).map(|_| server.connect()).collect();
    let (code, log) = server.stop();
    assert_eq!(code, Some(0));
    let served = clients
        .into_iter()
        .map(Client::text)
        .filter(|text| text == "served\n")
        .count();
    let told = log.iter().filter(|line| line.contains(": ok ")).count();
    assert_eq!(served, told);
}

/// Each client of a service whose look-up process hangs waited seven seconds, for ever.
#[test]
fn a_look_up_process_that_hangs_is_replaced() {
    if !as_root("names") {
        return;
    }
    let known = address();
    let dns = Dns::start(&[(&reverse(known), PTR, Answer::name("two.example.org"))]);
    let server = Server::under_name(bin("superd"))
        .options(["-v", "-Rl0"])
        .env("DNSCACHEIP", dns.server())
        .start();
    server.talk();
    let children = format!("/proc/{0}/task/{0}/children", server.pid());
    let lookup = std::fs::read_to_string(children).expect("children");
    let lookup = lookup
        .split_whitespace()
        .next()
        .expect("a child")
        .parse()
        .expect("a pid");
    signal(lookup, "STOP");
    server.talk();
    server.wait_for(&format!(
        "superd: warning: process {lookup} was stopped, and is ended"
    ));
    server.wait_for("superd: warning: the look-up process ended with status 9");
    let begin = Instant::now();
    std::thread::sleep(Duration::from_millis(1100));
    let report = Report::read(&server.talk_from(known));
    assert_eq!(
        report.env("TCPREMOTEHOST").as_deref(),
        Some("two.example.org")
    );
    assert!(begin.elapsed() < Duration::from_secs(5));
}

/// -q silenced what the original says about a wrong command line.
#[test]
fn a_wrong_command_line_is_told_even_under_q() {
    let usage = "usage: tcpserver [ -1UXpPhHrRoOdDqQv ]";
    both((Some(100), true), |side| {
        let (code, said) = start_fails(side, &["-q", "-Z"]);
        (
            code,
            said.contains("illegal option -- Z") && said.contains(usage),
        )
    });
}

/// `--links` put a link in the place of a program of somebody else's.
#[test]
fn links_replace_links_only() {
    let dir = private_dir(0o755);
    let theirs = dir.path().join("smtpd");
    std::fs::write(&theirs, "somebody else's").expect("written");
    let done = Run::new(bin("superd"))
        .arg("--links")
        .arg(dir.path())
        .done();
    assert_eq!(done.code, Some(111));
    assert!(
        done.err().contains("smtpd: it is no link"),
        "{}",
        done.err()
    );
    assert_eq!(std::fs::read(&theirs).expect("there"), b"somebody else's");
}
