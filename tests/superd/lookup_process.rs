//! The look-up process as part of a service: who it is, when it is started, what happens when it
//! dies. Needs root, as the name servers of the tests do.

use std::time::{Duration, Instant};

use kit::dns::{Answer, Dns, PTR, reverse};
use kit::server::{Builder, Report};
use kit::{DEADLINE, Run, Server, address, as_root, bin, place, signal};

/// The pid of the child of `server` that acts as look-up process.
fn lookup_process(server: &Server) -> Option<u32> {
    let children = format!("/proc/{0}/task/{0}/children", server.pid());
    let mut found = std::fs::read_to_string(children).expect("a running server");
    // A child belongs to the thread that started it; the loop is the first.
    found.retain(|letter| !letter.is_control());
    found
        .split(' ')
        .filter_map(|pid| pid.parse().ok())
        .find(|pid: &u32| {
            let words = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            words.starts_with(b"superd-lookup")
        })
}

/// A server that looks the names of its clients up in `dns`.
fn looking_up(dns: &Dns) -> Builder {
    Server::under_name(bin("superd"))
        .options(["-v", "-Rl0"])
        .env("DNSCACHEIP", dns.server())
}

fn status_of(pid: u32, field: &str) -> String {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("a process");
    let line = status
        .lines()
        .find(|line| line.starts_with(field))
        .expect("the field");
    line[field.len()..]
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}

#[test]
fn it_is_not_started_where_nothing_is_to_be_looked_up() {
    let server = Server::under_name(bin("superd"))
        .options(["-v", "-HRl0"])
        .start();
    server.talk();
    assert_eq!(lookup_process(&server), None);
}

#[test]
fn while_superd_stays_root_the_process_that_reads_the_network_is_nobody_without_any_privilege() {
    if !as_root("the look-up process") {
        return;
    }
    let dns = Dns::start(&[]);
    let server = looking_up(&dns).start();
    server.talk();
    assert_eq!(status_of(server.pid(), "Uid:"), "0 0 0 0");
    let lookup = lookup_process(&server).expect("a look-up process");
    let nobody = Run::new("id").args(["-u", "nobody"]).done().out();
    let nobody = nobody.trim();
    assert_eq!(
        status_of(lookup, "Uid:"),
        format!("{nobody} {nobody} {nobody} {nobody}")
    );
    for group in status_of(lookup, "Groups:").split(' ') {
        assert_ne!(group, "0");
    }
    for set in ["CapInh:", "CapPrm:", "CapEff:"] {
        assert_eq!(status_of(lookup, set), "0000000000000000", "{set}");
    }
    assert_eq!(status_of(lookup, "NoNewPrivs:"), "1");
}

#[test]
fn it_holds_no_descriptor_that_superd_was_started_with() {
    if !as_root("the look-up process") {
        return;
    }
    let dns = Dns::start(&[]);
    let server = looking_up(&dns).after("exec 9</etc/passwd").start();
    server.talk();
    let lookup = lookup_process(&server).expect("a look-up process");
    let open = |pid: u32| -> Vec<String> {
        let entries = std::fs::read_dir(format!("/proc/{pid}/fd")).expect("descriptors");
        let target = |entry: std::io::Result<std::fs::DirEntry>| {
            let path = entry.expect("an entry").path();
            std::fs::read_link(path)
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned()
        };
        entries.map(target).collect()
    };
    assert!(open(server.pid()).contains(&"/etc/passwd".to_owned()));
    assert!(!open(lookup).contains(&"/etc/passwd".to_owned()));
}

#[test]
fn superd_itself_has_no_socket_of_the_network_but_its_listener() {
    if !as_root("the look-up process") {
        return;
    }
    let silent = address();
    // Nobody answers there, so the connection waits for its name while we look.
    let dns = Dns::start(&[(&reverse(silent), PTR, Answer::Silence)]);
    let server = looking_up(&dns).start();
    let _waiting = server.connect_from(silent);
    server.wait_for("status: 1/40");
    let deadline = Instant::now() + DEADLINE;
    while dns.asked().is_empty() {
        assert!(Instant::now() < deadline, "nothing was asked");
        std::thread::sleep(Duration::from_millis(10));
    }
    let udp = std::fs::read_to_string("/proc/net/udp").expect("the table");
    let udp_inodes: Vec<&str> = udp
        .lines()
        .filter_map(|line| line.split_whitespace().nth(9))
        .collect();
    for entry in std::fs::read_dir(format!("/proc/{}/fd", server.pid())).expect("descriptors") {
        let target = std::fs::read_link(entry.expect("an entry").path()).unwrap_or_default();
        let target = target.to_string_lossy();
        if let Some(inode) = target.strip_prefix("socket:[") {
            let inode = inode.trim_end_matches(']');
            assert!(!udp_inodes.contains(&inode), "superd holds a UDP socket");
        }
    }
}

#[test]
fn the_local_name_is_asked_for_once() {
    if !as_root("names") {
        return;
    }
    let local = address();
    let dns = Dns::start(&[(&reverse(local), PTR, Answer::name("local.example.org"))]);
    let server = Server::under_name(bin("superd"))
        .options(["-v", "-R"])
        .host(local)
        .env("DNSCACHEIP", dns.server())
        .start();
    for _ in 0..3 {
        let report = Report::read(&server.talk_from(address()));
        assert_eq!(
            report.env("TCPLOCALHOST").as_deref(),
            Some("local.example.org")
        );
    }
    let asked = dns.asked();
    let local_questions = asked
        .iter()
        .filter(|(name, _)| *name == reverse(local))
        .count();
    assert_eq!(local_questions, 1, "{asked:?}");
    assert_eq!(asked.len(), 4, "and each client's name: {asked:?}");
}

#[test]
fn when_it_is_killed_another_is_started_and_asked_for_the_clients_that_wait() {
    if !as_root("the look-up process") {
        return;
    }
    let (silent, known) = (address(), address());
    let dns = Dns::start(&[
        (&reverse(silent), PTR, Answer::Silence),
        (&reverse(known), PTR, Answer::name("two.example.org")),
    ]);
    let server = looking_up(&dns).start();
    let waiting = server.connect_from(silent);
    let deadline = Instant::now() + DEADLINE;
    let first = loop {
        if let Some(pid) = lookup_process(&server).filter(|_| !dns.asked().is_empty()) {
            break pid;
        }
        assert!(Instant::now() < deadline, "no look-up process");
        std::thread::sleep(Duration::from_millis(10));
    };
    signal(first, "KILL");
    assert_eq!(Report::read(&waiting.text()).env("TCPREMOTEHOST"), None);
    server.wait_for("warning: the look-up process ended with status 9");
    // A new one is not started within a second of the last.
    std::thread::sleep(Duration::from_millis(1100));
    let report = Report::read(&server.talk_from(known));
    assert_eq!(
        report.env("TCPREMOTEHOST").as_deref(),
        Some("two.example.org")
    );
    assert!(
        !server
            .log()
            .iter()
            .any(|line| line.contains(&format!("end {first} ")))
    );
}

/// The look-up process of the server, once it is another one than `before`.
fn next_lookup_process(server: &Server, before: Option<u32>) -> u32 {
    let deadline = Instant::now() + DEADLINE;
    loop {
        if let Some(pid) = lookup_process(server).filter(|&pid| Some(pid) != before) {
            return pid;
        }
        assert!(Instant::now() < deadline, "no look-up process");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_client_whose_name_is_denied_is_denied_also_where_the_process_is_killed_over_it() {
    if !as_root("the look-up process") {
        return;
    }
    let (bad, good) = (address(), address());
    let dns = Dns::start(&[
        (&reverse(bad), PTR, Answer::name("client.bad.example")),
        (&reverse(good), PTR, Answer::name("client.good.example")),
    ]);
    let house = kit::smtp::House::new();
    let rules = house.rules("=.bad.example:deny\n:allow\n");
    let server = looking_up(&dns).options(["-x"]).options([&rules]).start();
    server.talk_from(good);
    let first = next_lookup_process(&server, None);
    signal(first, "STOP");
    let client = server.connect_from(bad);
    let deadline = Instant::now() + DEADLINE;
    while server
        .log()
        .iter()
        .filter(|line| line.ends_with("status: 1/40"))
        .count()
        < 2
    {
        assert!(Instant::now() < deadline, "{:?}", server.log());
        std::thread::sleep(Duration::from_millis(5));
    }
    signal(first, "KILL");
    assert_eq!(client.text(), "", "{:?}", server.log());
    let line = server.wait_for("superd: deny ");
    assert!(line.contains("client.bad.example"), "{line}");
}

#[test]
fn a_client_whose_name_nobody_lives_to_tell_is_not_let_in_by_rules_about_names() {
    if !as_root("the look-up process") {
        return;
    }
    let silent = address();
    let dns = Dns::start(&[(&reverse(silent), PTR, Answer::Silence)]);
    let house = kit::smtp::House::new();
    let rules = house.rules("=.bad.example:deny\n:allow\n");
    let server = looking_up(&dns).options(["-x"]).options([&rules]).start();
    let client = server.connect_from(silent);
    let mut before = None;
    for _ in 0..3 {
        let pid = next_lookup_process(&server, before);
        before = Some(pid);
        // It has the question now, or will have died of it all the same.
        signal(pid, "KILL");
    }
    assert_eq!(client.text(), "", "{:?}", server.log());
    server.wait_for(
        "superd: warning: dropping connection, unable to look up names: the look-up process does not answer",
    );
}

#[test]
fn as_root_and_without_an_unprivileged_user_superd_refuses_to_start() {
    if !as_root("the unprivileged user") {
        return;
    }
    let start = |user: &str| {
        Run::new(bin("superd"))
            .args(["127.0.0.1", "0"])
            .arg(place::probe())
            .env("SUPERD_UNPRIV", user)
            .done()
    };
    let done = start("no-such-user-here");
    assert_eq!(done.code, Some(111));
    assert_eq!(
        done.err(),
        "superd: fatal: no such user: no-such-user-here ($SUPERD_UNPRIV)\n"
    );
    let done = start("root");
    assert_eq!(done.code, Some(111));
    assert!(done.err().contains("uid 0"), "{}", done.err());
}

#[test]
fn nobody_but_superd_starts_it() {
    let lookup = place::private_dir(0o755);
    let link = lookup.path().join("superd-lookup");
    std::os::unix::fs::symlink(bin("superd"), &link).expect("a link");
    let done = Run::new(&link).done();
    assert_eq!(done.code, Some(100));
    assert!(
        done.err().starts_with("superd-lookup: fatal: "),
        "{}",
        done.err()
    );
}
