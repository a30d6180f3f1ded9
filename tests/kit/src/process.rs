//! Processes, as /proc shows them.

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use crate::{Client, DEADLINE, Server};

/// A process as /proc shows it.
#[derive(Debug, PartialEq, Eq)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// Real, effective, saved and file system user.
    pub users: Vec<u32>,
    /// Real, effective, saved and file system group.
    pub groups: Vec<u32>,
    /// The group list.
    pub list: BTreeSet<u32>,
    /// The effective capabilities, in hexadecimal.
    pub capabilities: String,
    /// Whether exec can give it no more rights.
    pub no_new_privileges: bool,
}

impl Process {
    /// The process of this number; `None` where it has ended.
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

    /// Whether it is root in any way.
    pub fn is_root(&self) -> bool {
        self.users.contains(&0)
    }

    /// What its descriptor `number` is open on.
    pub fn descriptor(&self, number: i32) -> String {
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

/// All processes below `pid`, and itself.
pub fn family(pid: u32) -> Vec<u32> {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task"));
    let threads = threads.into_iter().flatten().flatten();
    let children = threads.flat_map(|thread| {
        let list = std::fs::read_to_string(thread.path().join("children")).unwrap_or_default();
        let pids = list.split_whitespace().map(|word| word.parse().unwrap());
        pids.collect::<Vec<u32>>()
    });
    let below = children.flat_map(family);
    std::iter::once(pid).chain(below).collect()
}

/// The forkers of a server, once all of them wait.
pub fn forkers(server: &Server) -> Vec<u32> {
    let deadline = Instant::now() + DEADLINE;
    loop {
        let mut all = family(server.pid());
        all.retain(|&pid| name(pid) == "superd-forker");
        if all.len() == 4 {
            return all;
        }
        assert!(Instant::now() < deadline, "{all:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The name of a process, as ps shows it.
pub fn name(pid: u32) -> String {
    let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    name.trim_end().to_owned()
}
