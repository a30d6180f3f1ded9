//! Who reads the network, and who a session is: as /proc tells it, not as the code says.

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::post::{HOST, JOE, Office, PASSWORD, POST_GROUP, Pop3, with_system_users};
use crate::support::{Client, DEADLINE, Server, is_null};

/// A process as /proc shows it.
#[derive(Debug, PartialEq, Eq)]
pub struct Process {
    pub pid: u32,
    /// Real, effective, saved and file system user.
    pub users: Vec<u32>,
    pub groups: Vec<u32>,
    /// The group list.
    pub list: BTreeSet<u32>,
    pub capabilities: String,
    pub no_new_privileges: bool,
}

impl Process {
    pub fn of(pid: u32) -> Option<Process> {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.unwrap_or_else(|| panic!("no {name} in {status}"))
                .trim()
                .to_owned()
        };
        let numbers = |name: &str| -> Vec<u32> {
            let words = field(name);
            words
                .split_whitespace()
                .map(|word| word.parse().unwrap())
                .collect()
        };
        Some(Process {
            pid,
            users: numbers("Uid:"),
            groups: numbers("Gid:"),
            list: numbers("Groups:").into_iter().collect(),
            capabilities: field("CapEff:"),
            no_new_privileges: field("NoNewPrivs:") == "1",
        })
    }

    pub fn is_root(&self) -> bool {
        self.users.contains(&0)
    }

    /// What its descriptor `number` is open on.
    fn descriptor(&self, number: i32) -> String {
        let link = fs::read_link(format!("/proc/{}/fd/{number}", self.pid));
        link.map(|link| link.display().to_string())
            .unwrap_or_default()
    }

    /// All that it has open.
    pub fn descriptors(&self) -> Vec<(i32, String)> {
        let Ok(entries) = fs::read_dir(format!("/proc/{}/fd", self.pid)) else {
            return vec![];
        };
        let number = |entry: fs::DirEntry| entry.file_name().to_str()?.parse().ok();
        let mut all: Vec<(i32, String)> = entries
            .flatten()
            .filter_map(number)
            .map(|number| (number, self.descriptor(number)))
            .collect();
        all.sort();
        all
    }

    /// What it waits for, where it waits in a system call that reads or polls; `None` where it does
    /// anything else.
    pub fn waits_for(&self) -> Option<String> {
        let text = fs::read_to_string(format!("/proc/{}/syscall", self.pid)).ok()?;
        let words: Vec<&str> = text.split_whitespace().collect();
        let argument = |at: usize| {
            let text = words.get(at)?.trim_start_matches("0x");
            u64::from_str_radix(text, 16).ok()
        };
        // The numbers of x86_64: read, recvfrom, recvmsg; poll, ppoll.
        let number = match *words.first()? {
            "0" | "45" | "47" => i32::try_from(argument(1)?).ok()?,
            "7" | "271" => {
                assert_eq!(argument(2), Some(1), "one descriptor is polled: {text}");
                let memory = fs::File::open(format!("/proc/{}/mem", self.pid)).ok()?;
                let mut first = [0; 4];
                memory.read_exact_at(&mut first, argument(1)?).ok()?;
                i32::from_le_bytes(first)
            }
            _ => return None,
        };
        Some(self.descriptor(number))
    }
}

/// The server's end of a client's connection, as descriptors name it.
pub fn connection(server: &Server, client: &Client) -> String {
    let hex = |address: SocketAddr| {
        let SocketAddr::V4(address) = address else {
            panic!("{address} is not of IPv4")
        };
        format!(
            "{:08X}:{:04X}",
            u32::from_le_bytes(address.ip().octets()),
            address.port()
        )
    };
    let (local, remote) = (hex(server.address()), hex(client.address()));
    let table = fs::read_to_string("/proc/net/tcp").unwrap();
    let row = table
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .find(|words| words.get(1) == Some(&&*local) && words.get(2) == Some(&&*remote));
    let row = row.unwrap_or_else(|| panic!("no {local} {remote} in {table}"));
    format!("socket:[{}]", row[9])
}

/// All processes that have it open, but for the server itself.
pub fn holders(connection: &str, server: &Server) -> Vec<Process> {
    let pids = fs::read_dir("/proc").unwrap().flatten();
    let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|&pid: &u32| pid != server.pid())
        .filter_map(Process::of)
        .filter(|process| {
            process
                .descriptors()
                .iter()
                .any(|(_, open)| open == connection)
        })
        .collect()
}

/// Waits until what `found` gives is to be accepted.
pub fn eventually<T>(mut found: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + DEADLINE;
    loop {
        if let Some(value) = found() {
            return value;
        }
        assert!(Instant::now() < deadline, "it never became so");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn before_login_nobody_who_reads_the_network_is_root() {
    if !with_system_users("before login nobody is root: popup") {
        return;
    }
    let office = Office::new();
    for checker in ["checkpassword", "checkpw", "checkapoppw", "selectcheckpw"] {
        let server = office.pop3(checker).start();
        let mut client = server.connect();
        client.line();
        let connection = connection(&server, &client);
        for line in ["NOOP", "CAPA", "USER joe"] {
            client.say(line);
        }
        let (root, others): (Vec<Process>, Vec<Process>) = eventually(|| {
            let all = holders(&connection, &server);
            let wait = |process: &Process| process.waits_for().is_some();
            (all.len() == 2 && all.iter().all(wait))
                .then(|| all.into_iter().partition(Process::is_root))
        });
        let [reader] = &others[..] else {
            panic!("one process without privileges: {others:?}")
        };
        assert_eq!(
            reader.waits_for().as_deref(),
            Some(&*connection),
            "it reads the network"
        );
        assert!(reader.no_new_privileges);
        assert_eq!(reader.capabilities, "0000000000000000");
        let nobody = reader.users[0];
        assert!(
            reader
                .users
                .iter()
                .all(|&user| user == nobody && user != JOE)
        );
        assert!(
            reader
                .groups
                .iter()
                .all(|&group| group == reader.groups[0] && group != 0)
        );
        assert!(
            !reader.list.contains(&0) && reader.list.len() <= 1,
            "{reader:?}"
        );
        // Whoever has privileges holds the connection for later, and waits for the other one.
        let [keeper] = &root[..] else {
            panic!("one process of root: {root:?}")
        };
        let waits_for = keeper.waits_for().unwrap();
        assert_ne!(waits_for, connection);
        assert!(waits_for.starts_with("socket:["), "{waits_for}");
    }
}

#[test]
fn after_login_the_session_is_the_user_with_his_groups_and_nothing_else() {
    if !with_system_users("after login the session is the user") {
        return;
    }
    let office = Office::new();
    for (checker, password) in [
        ("checkpw", PASSWORD),
        ("checkpassword", crate::post::SYSTEM_PASSWORD),
    ] {
        let server = office.pop3(checker).start();
        let mut client = server.connect();
        client.line();
        let connection = connection(&server, &client);
        let reply = client.login("joe", password);
        assert!(reply.starts_with("+OK"), "{reply} {:?}", server.log());
        assert!(client.ask("NOOP").starts_with("+OK"));
        let session = eventually(|| {
            let mut all = holders(&connection, &server);
            (all.len() == 1).then(|| all.remove(0))
        });
        assert_eq!(session.users, [JOE; 4]);
        assert_eq!(session.groups, [JOE; 4]);
        assert_eq!(session.list, BTreeSet::from([JOE, POST_GROUP]));
        assert_eq!(session.capabilities, "0000000000000000");
        assert_eq!(session.waits_for().as_deref(), Some(&*connection));
        // Nothing of the way there is left open: no shadow file, no socket to the other side.
        let log = session.descriptor(2);
        // What superd was started with passes to its programs, as under the original.
        let inherited = Process::of(server.pid()).unwrap().descriptors();
        for (number, open) in session.descriptors() {
            let expected = open == connection
                || open == log
                || inherited
                    .iter()
                    .any(|(_, theirs)| *theirs == open && open.starts_with("pipe:"))
                || is_null(&open)
                || Path::new(&open).starts_with(office.path("joe"));
            assert!(expected, "descriptor {number} is open on {open}");
        }
        let cwd = fs::read_link(format!("/proc/{}/cwd", session.pid)).unwrap();
        assert!(cwd.starts_with(office.path("joe")), "{cwd:?}");
    }
}

#[test]
fn a_session_ends_when_the_one_who_reads_the_network_dies() {
    if !with_system_users("the death of popup's reader") {
        return;
    }
    let office = Office::new();
    let server = office.pop3("checkpw").start();
    let mut client = server.connect();
    client.line();
    let connection = connection(&server, &client);
    let reader = eventually(|| {
        holders(&connection, &server)
            .into_iter()
            .find(|one| !one.is_root())
    });
    crate::support::signal(reader.pid, "KILL");
    assert_eq!(client.rest(), b"");
    server.wait_for_ends(1);
}

#[test]
fn after_a_login_ps_shows_the_program_that_serves_and_no_longer_the_front() {
    let office = Office::new();
    for (front, session) in [("popup", "pop3d"), ("imapup", "imapd")] {
        for options in [&[][..], &["--exec"]] {
            let words = [front, HOST, "checkpw", session, "Maildir"];
            let server = office.serve(&words).options(options).start();
            let mut client = server.connect();
            client.line();
            let connection = connection(&server, &client);
            let names = || -> BTreeSet<String> {
                let all = holders(&connection, &server).into_iter();
                let name = |process: Process| {
                    fs::read_to_string(format!("/proc/{}/comm", process.pid)).ok()
                };
                all.filter_map(name).collect()
            };
            assert_eq!(names(), BTreeSet::from([format!("{front}\n")]));
            let reply = match front {
                "popup" => client.login("joe", PASSWORD),
                _ => {
                    client.say(&format!("a LOGIN joe \"{PASSWORD}\""));
                    client.line()
                }
            };
            assert!(reply.contains("OK"), "{reply} {:?}", server.log());
            eventually(|| (names() == BTreeSet::from([format!("{session}\n")])).then_some(()));
        }
    }
}
