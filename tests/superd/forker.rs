//! Programs of ours are served by copies of a running process: nothing of that may show, but in
//! speed, and in ps.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::{Duration, Instant};

use kit::desk::Desk;
use kit::log::pid_of;
use kit::pop3::{HOST, Office, PASSWORD, Pop3};
use kit::server::Report;
use kit::smtp::House;
use kit::{Client, DEADLINE, Run, Server, Side, bin, compile, private_dir, probe, signal};

/// A process as /proc shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Process {
    pid: u32,
    name: String,
    state: String,
    parent: u32,
}

impl Process {
    fn of(pid: u32) -> Option<Process> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let (front, rest) = stat.rsplit_once(") ")?;
        let mut words = rest.split(' ');
        Some(Process {
            pid,
            name: front.split_once('(')?.1.to_owned(),
            state: words.next()?.to_owned(),
            parent: words.next()?.parse().ok()?,
        })
    }

    /// The words that it was executed with.
    fn words(&self) -> Vec<String> {
        let bytes = fs::read(format!("/proc/{}/cmdline", self.pid)).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        text.split_terminator('\0').map(str::to_owned).collect()
    }

    /// The numbers of its open descriptors.
    fn descriptors(&self) -> BTreeSet<i32> {
        let entries = fs::read_dir(format!("/proc/{}/fd", self.pid)).unwrap();
        let number = |entry: fs::DirEntry| entry.file_name().to_str()?.parse().ok();
        entries.flatten().filter_map(number).collect()
    }

    fn descriptor(&self, number: i32) -> String {
        let link = fs::read_link(format!("/proc/{}/fd/{number}", self.pid)).unwrap();
        link.display().to_string()
    }
}

/// The children of a process.
fn children(pid: u32) -> Vec<Process> {
    let pids = fs::read_dir("/proc").unwrap().flatten();
    let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let mut all: Vec<Process> = pids
        .filter_map(Process::of)
        .filter(|process| process.parent == pid)
        .collect();
    all.sort_by_key(|process| process.pid);
    all
}

/// The forkers of a server, once they wait. It tells its port before.
fn forkers(server: &Server) -> Vec<u32> {
    let waiting = || {
        let all = children(server.pid()).into_iter();
        let all = all.filter(|process| process.name == "superd-forker");
        all.map(|process| process.pid).collect::<Vec<u32>>()
    };
    eventually("four forkers", || waiting().len() == 4);
    waiting()
}

/// The one child that came after `before`.
fn newcomer(server: &Server, before: &[u32]) -> Process {
    let all = children(server.pid()).into_iter();
    let mut new: Vec<Process> = all
        .filter(|process| !before.contains(&process.pid))
        .collect();
    assert_eq!(new.len(), 1, "{new:?}");
    new.remove(0)
}

fn greeted(server: &Server) -> Client {
    let mut client = server.connect();
    assert!(client.line().starts_with("+OK"));
    client
}

/// Waits until what `found` says is so.
fn eventually(what: &str, found: impl Fn() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !found() {
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_connection_is_served_by_a_child_of_the_server_under_the_programs_name() {
    let office = Office::new();
    let server = office.pop3("checkpw").start();
    let before = forkers(&server);
    let mut client = greeted(&server);
    let process = newcomer(&server, &before);
    assert_eq!(process.name, "popup");
    // It was not executed: it has the words of a forker.
    let forker = Process::of(before[0]).unwrap();
    assert_eq!(process.words(), forker.words());
    let ok = server.wait_for("superd: ok ");
    assert_eq!(pid_of(&ok), process.pid);
    assert_eq!(pid_of(&server.wait_for("superd: pid ")), process.pid);
    client.ask("QUIT");
    server.wait_for_ends(1);
    let end = format!("superd: end {} status 0", process.pid);
    assert_eq!(server.wait_for("superd: end "), end);
}

#[test]
fn with_exec_it_is_executed() {
    let office = Office::new();
    let server = office.pop3("checkpw").options(["--exec"]).start();
    let mut client = greeted(&server);
    let process = newcomer(&server, &[]);
    assert_eq!(
        process.words(),
        ["popup", HOST, "checkpw", "pop3d", "Maildir"]
    );
    assert!(client.login("joe", PASSWORD).starts_with("+OK"));
    client.ask("QUIT");
    server.wait_for_ends(1);
    let end = format!("superd: end {} status 0", process.pid);
    assert_eq!(server.wait_for("superd: end "), end);
}

#[test]
fn the_end_line_has_the_status_of_each_end() {
    let office = Office::new();
    let server = office.pop3("checkpw").start();
    let before = forkers(&server);
    let ends = |what: &str, status: u32, end: &dyn Fn(Client, &Process)| {
        let client = greeted(&server);
        let process = newcomer(&server, &before);
        end(client, &process);
        let line = format!("superd: end {} status {status}", process.pid);
        eventually(what, || server.log().contains(&line));
        eventually(what, || children(server.pid()).len() == before.len());
    };
    ends("QUIT", 0, &|mut client, _| drop(client.ask("QUIT")));
    ends("a session", 0, &|mut client, _| {
        assert!(client.login("joe", PASSWORD).starts_with("+OK"));
        client.ask("QUIT");
    });
    ends("a client that goes away", 256, &|client, _| drop(client));
    ends("a signal", 9, &|client, process| {
        signal(process.pid, "KILL");
        client.rest();
    });
    ends("a usual end after a signal's", 0, &|mut client, _| {
        client.ask("QUIT");
    });
}

/// What the reporting program says as popup's checker: all that popup was given reaches it.
fn report(server: &Server) -> Report {
    let mut client = greeted(server);
    client.send("USER joe\r\nPASS x\r\n");
    Report::read(&client.text())
}

/// Its variables, but for ports and the number of the session, which are of one connection each.
fn variables(report: &Report) -> BTreeMap<String, String> {
    let all = report.all("env");
    let pairs = all.iter().map(|entry| entry.split_once('=').unwrap());
    pairs
        .filter(|(name, _)| !["TCPLOCALPORT", "TCPREMOTEPORT", "SUPERD_SESSION"].contains(name))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

#[test]
fn what_a_program_is_given_is_the_same_as_if_it_were_executed() {
    let office = Office::new();
    let dir = private_dir(0o755);
    let text = "127.:allow,TEXT=\"a=b c\",EMPTY=\"\",TCPINFO=\"mine\",PATH=\"/nowhere\",SUPERD_HOME=\"/else\"\n";
    let rules = compile(Side::Ours, dir.path(), "rules", text);
    let probe = probe().display().to_string();
    let facts = |options: &[&str]| {
        let server = office
            .serve(&["popup", HOST, &probe])
            .options(["-lhost.test", "-x", &rules])
            .options(options)
            .env("OF_THE_SERVER", "yes")
            .after("trap '' USR1; umask 027");
        // The launcher that `after` replaces is not needed: the checker is a foreign one.
        let server = server.start();
        let report = report(&server);
        let number = |fact: &String| fact.split(' ').next().unwrap().parse().unwrap();
        let mut numbers: Vec<u32> = report.all("fd").iter().map(number).collect();
        numbers.sort_unstable();
        let kinds = [
            "ignored",
            "blocked",
            "nonblocking",
            "uid",
            "gid",
            "groups",
            "nodelay",
            "keepalive",
            "arg",
        ];
        let others: Vec<Vec<String>> = kinds.iter().map(|kind| report.all(kind)).collect();
        // Fails where one is there twice.
        for name in ["TEXT", "PATH", "SUPERD_HOME", "TCPREMOTEIP", "AUTH"] {
            assert!(report.env(name).is_some(), "{name}");
        }
        (variables(&report), numbers, others)
    };
    let (copied, executed) = (facts(&[]), facts(&["--exec"]));
    assert_eq!(copied, executed);
    // The checker's record is 3; all others are what whoever runs the tests has left open.
    let before = Report::read(&Run::new(&probe).done().out()).all("fd");
    let number = |fact: &String| fact.split(' ').next().unwrap().parse().unwrap();
    let mut expected: BTreeSet<u32> = before.iter().map(number).collect();
    expected.insert(3);
    assert_eq!(copied.1, Vec::from_iter(expected));
    let value = |name: &str| copied.0.get(name).map(String::as_str);
    assert_eq!(value("TEXT"), Some("a=b c"));
    assert_eq!(value("EMPTY"), Some(""));
    assert_eq!(value("PATH"), Some("/nowhere"));
    assert_eq!(value("TCPREMOTEIP"), Some("127.0.0.1"));
    assert_eq!(value("TCPLOCALHOST"), Some("host.test"));
    assert_eq!(value("OF_THE_SERVER"), Some("yes"));
    assert_eq!(value("PROTO"), Some("TCP"));
}

#[test]
fn the_variables_of_one_connection_are_none_of_the_next() {
    let office = Office::new();
    let dir = private_dir(0o755);
    let text = "127.0.0.2:allow,SECRET=\"of two\"\n:allow\n";
    let rules = compile(Side::Ours, dir.path(), "rules", text);
    let probe = probe().display().to_string();
    let server = office
        .serve(&["popup", HOST, &probe])
        .options(["-x", &rules])
        .start();
    // More often than there are forkers, so that one of them has served both.
    for _ in 0..5 {
        for (last, expected) in [(2, Some("of two")), (1, None)] {
            let source = std::net::Ipv4Addr::new(127, 0, 0, last);
            let mut client = server.connect_from(source);
            client.line();
            client.send("USER joe\r\nPASS x\r\n");
            let report = Report::read(&client.text());
            assert_eq!(report.env("SECRET").as_deref(), expected);
            assert_eq!(report.env("TCPREMOTEIP"), Some(source.to_string()));
        }
    }
}

#[test]
fn on_a_unix_socket_a_program_finds_its_own_pid() {
    let office = Office::new();
    let probe = probe().display().to_string();
    for options in [&[][..], &["--exec"]] {
        let desk = Desk::start(&office, options, &["popup", HOST, &probe], &[]);
        let text = desk.talk("USER joe\r\nPASS x\r\n");
        let report = Report::read(&text);
        let own = report.env("UNIXLOCALPID").expect("a pid");
        let path = report.env("UNIXLOCALPATH").expect("a path");
        assert_eq!(Path::new(&path), desk.path);
        assert_eq!(
            report.env("UNIXREMOTEPID"),
            Some(std::process::id().to_string())
        );
        let line = desk.wait_for("superd: ok ");
        assert_eq!(pid_of(&line).to_string(), own);
    }
}

#[test]
fn more_variables_than_a_copy_can_be_told_are_no_reason_not_to_serve() {
    let office = Office::new();
    let dir = private_dir(0o755);
    let long = "x".repeat(20_000);
    let text = format!(
        "127.0.0.2:allow,A=\"{long}\",B=\"{long}\",C=\"{long}\",D=\"{long}\"\n:allow,A=\"{long}\",B=\"{long}\"\n"
    );
    let rules = compile(Side::Ours, dir.path(), "rules", &text);
    let probe = probe().display().to_string();
    let server = office
        .serve(&["popup", HOST, &probe])
        .options(["-x", &rules])
        .start();
    let before = forkers(&server);
    for (last, names, copied) in [(1, "AB", true), (2, "ABCD", false), (1, "AB", true)] {
        let mut client = server.connect_from(std::net::Ipv4Addr::new(127, 0, 0, last));
        client.line();
        let process = newcomer(&server, &before);
        let forker = Process::of(before[0]).unwrap();
        assert_eq!(process.words() == forker.words(), copied, "{names}");
        client.send("USER joe\r\nPASS x\r\n");
        let report = Report::read(&client.text());
        for name in ["A", "B", "C", "D"] {
            let expected = names.contains(name).then_some(&*long);
            assert_eq!(report.env(name).as_deref(), expected, "{name} of {names}");
        }
        let line = format!("superd: end {} status 0", process.pid);
        eventually(&line, || server.log().contains(&line));
    }
    let log = server.log();
    assert!(!log.iter().any(|line| line.contains("warning")), "{log:?}");
}

#[test]
fn forkers_that_die_are_told_of_and_their_connections_are_served() {
    let office = Office::new();
    let server = office.pop3("checkpw").start();
    let all = forkers(&server);
    for forker in &all {
        signal(*forker, "KILL");
    }
    eventually("they are reaped", || children(server.pid()).is_empty());
    for number in 1..=12 {
        let mut client = greeted(&server);
        assert!(client.login("joe", PASSWORD).starts_with("+OK"));
        client.ask("QUIT");
        server.wait_for_ends(number);
    }
    let warning = server.wait_for("warning: a forker does not answer");
    assert!(warning.starts_with("superd: "), "{warning}");
    let log = server.log();
    // Each is told of once, and none of them counts as a connection.
    let warnings = log
        .iter()
        .filter(|line| line.contains("a forker does not answer"))
        .count();
    assert!(warnings <= all.len(), "{log:?}");
    let deaths = log
        .iter()
        .filter(|line| line.contains("a forker ended with status 9"));
    assert_eq!(deaths.count(), all.len(), "{log:?}");
    for forker in &all {
        let end = format!("superd: end {forker} ");
        assert!(!log.iter().any(|line| line.starts_with(&end)), "{log:?}");
    }
    assert!(
        log.last().unwrap().starts_with("superd: status: 0/"),
        "{log:?}"
    );
}

#[test]
fn a_link_that_leads_elsewhere_is_executed() {
    let office = Office::new();
    let libexec = office.path("libexec");
    fs::create_dir(&libexec).unwrap();
    symlink(probe(), libexec.join("popup")).unwrap();
    let server = office
        .serve(&["popup", "one", "two"])
        .env("SUPERD_LIBEXEC", &libexec)
        .start();
    let report = server.report();
    assert_eq!(report.all("arg"), ["popup", "one", "two"]);
    // So is a program of ours that is named with a slash, whatever it leads to.
    let path = bin("popup").display().to_string();
    let server = office
        .serve(&[&path, HOST, "checkpw", "pop3d", "Maildir"])
        .start();
    let _client = greeted(&server);
    assert_eq!(newcomer(&server, &[]).words()[0], path);
}

#[test]
fn nothing_is_left_of_a_connection_that_is_over() {
    let office = Office::new();
    let server = office.pop3("checkpw").start();
    let before = forkers(&server);
    let clients: Vec<Client> = (0..20).map(|_| server.connect()).collect();
    for (number, mut client) in clients.into_iter().enumerate() {
        client.line();
        match number % 3 {
            0 => drop(client.ask("QUIT")),
            1 => client.reset(),
            _ => drop(client),
        }
    }
    server.wait_for_ends(20);
    eventually("only the forkers are left", || {
        let all = children(server.pid());
        all.iter()
            .map(|process| process.pid)
            .eq(before.iter().copied())
    });
    for process in children(server.pid()) {
        assert_ne!(process.state, "Z", "{process:?}");
        // And they keep nothing of them: the one socket is theirs to the server.
        let open = process
            .descriptors()
            .into_iter()
            .map(|number| process.descriptor(number));
        let sockets: BTreeSet<String> = open.filter(|open| open.starts_with("socket:")).collect();
        assert_eq!(sockets.len(), 1, "{process:?} {sockets:?}");
    }
    let pids: BTreeSet<u32> = (server.log().iter())
        .filter(|line| line.starts_with("superd: end "))
        .map(|line| pid_of(line))
        .collect();
    assert_eq!(
        pids.len(),
        20,
        "each has a pid of its own: {:?}",
        server.log()
    );
}

#[test]
fn a_program_has_the_descriptors_that_it_has_when_it_is_executed() {
    let house = House::new();
    let open = |options: &[&str]| {
        let server = house.smtp().options(options).handler(["smtpd"]).start();
        let before = if options.is_empty() {
            forkers(&server)
        } else {
            vec![]
        };
        let mut client = server.connect();
        client.expect("220 ");
        let process = newcomer(&server, &before);
        assert_eq!(process.descriptor(0), process.descriptor(1));
        assert!(process.descriptor(0).starts_with("socket:"));
        let log = Process::of(server.pid()).unwrap().descriptor(2);
        assert_eq!(process.descriptor(2), log);
        for number in process
            .descriptors()
            .into_iter()
            .filter(|&number| number > 2)
        {
            // It may duplicate its connection; the forker's way to the server is not among them.
            let open = process.descriptor(number);
            let is_socket = open.starts_with("socket:");
            assert!(
                !is_socket || open == process.descriptor(0),
                "{number}: {open}"
            );
        }
        process.descriptors()
    };
    assert_eq!(open(&[]), open(&["--exec"]));
}

#[test]
fn many_at_once_are_each_served_by_a_process_of_their_own() {
    let office = Office::new();
    let server = office.pop3("checkpw").options(["-c", "40"]).start();
    let before = forkers(&server);
    let mut clients: Vec<Client> = (0..40).map(|_| server.connect()).collect();
    for client in &mut clients {
        assert!(client.line().starts_with("+OK"));
    }
    assert_eq!(children(server.pid()).len(), before.len() + 40);
    for client in &mut clients {
        assert_eq!(client.ask("QUIT"), "+OK ");
    }
    server.wait_for_ends(40);
    assert_eq!(server.wait_for("status: 40/40"), "superd: status: 40/40");
}

#[test]
fn sessions_outlive_the_server_and_forkers_do_not() {
    let office = Office::new();
    let server = office.pop3("checkpw").start();
    let before = forkers(&server);
    let mut client = greeted(&server);
    server.signal("TERM");
    eventually("the forkers end", || {
        let gone = |pid: &u32| Process::of(*pid).is_none_or(|process| process.state == "Z");
        before.iter().all(gone)
    });
    assert!(client.login("joe", PASSWORD).starts_with("+OK"));
    assert!(client.ask("STAT").starts_with("+OK 0 "));
}

#[test]
fn a_forker_is_not_to_be_started_by_hand() {
    let dir = private_dir(0o755);
    let link = dir.path().join("superd-forker");
    symlink(bin("superd"), &link).unwrap();
    let done = Run::new(&link).done();
    assert_eq!(done.code, Some(100));
    assert!(
        done.err().contains("not to be started by hand"),
        "{}",
        done.err()
    );
    // It is none of the programs that are installed.
    assert!(!kit::libexec().join("superd-forker").exists());
}
