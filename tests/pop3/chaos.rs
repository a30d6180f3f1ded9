//! A mailbox that is never still: deliveries, other mail programs that set flags and move messages,
//! several sessions at once, and sessions that are killed. Nothing may be lost, nothing shown twice,
//! and nothing come back that was deleted.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kit::place::files;
use kit::pop3::{Office, PASSWORD};
use kit::{Client, Server, signal, soak};

/// What became of messages, as clients know it.
#[derive(Debug, Default)]
struct Ledger {
    /// Deleted, and QUIT was answered with +OK.
    deleted: BTreeSet<u32>,
    /// Deleted, and the answer to QUIT never came: gone or not.
    uncertain: BTreeSet<u32>,
}

/// A generator of numbers that look random and are the same in each run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

/// The number that a message has in its Subject.
fn number_of(text: &str) -> u32 {
    let line = text.lines().find_map(|line| line.strip_prefix("Subject: "));
    line.expect("a subject").trim().parse().expect("a number")
}

fn deliver(office: &Office, number: u32) {
    let body = "a line\n.\n..dots\r\nCRLF\r\n".repeat(usize::try_from(number % 40).unwrap());
    let name = format!("{}.M{number}P1Q{number}.host", 1_700_000_000 + number);
    office.deliver("joe", &name, format!("Subject: {number}\n\n{body}"));
}

/// What another mail program does: sets flags, moves from new to cur, in no order.
fn rearrange(maildir: &std::path::Path, dice: &mut Dice) {
    for dir in ["new", "cur"] {
        for path in files(&maildir.join(dir)) {
            if dice.roll(3) != 0 {
                continue;
            }
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            let unique = name.split(':').next().unwrap();
            let flags = ["", "S", "RS", "F"][usize::try_from(dice.roll(4)).unwrap()];
            // Gone meanwhile: then somebody else was faster, and that is the point.
            let _ = fs::rename(
                &path,
                maildir.join("cur").join(format!("{unique}:2,{flags}")),
            );
        }
    }
}

/// One session: reads all, deletes some, and quits, or is cut off.
fn session(server: &Server, dice: &mut Dice, ledger: &Mutex<Ledger>) {
    let mut client = server.connect();
    // A session may be killed at any point, and then the connection just ends.
    if client.try_line().is_none() {
        return;
    }
    let Some(replies) = try_session(&mut client, dice) else {
        return;
    };
    let (deleted, answered) = replies;
    let mut ledger = ledger.lock().unwrap();
    if answered {
        ledger.deleted.extend(deleted);
    } else {
        ledger.uncertain.extend(deleted);
    }
}

/// The reply's first line; `None` where the connection has ended.
fn ask(client: &mut Client, line: &str) -> Option<String> {
    client.try_say(line)?;
    client.try_line()
}

fn try_session(client: &mut Client, dice: &mut Dice) -> Option<(Vec<u32>, bool)> {
    ask(client, "USER joe")?;
    let reply = ask(client, &format!("PASS {PASSWORD}"))?;
    assert!(reply.starts_with("+OK"), "{reply}");
    let stat = ask(client, "STAT")?;
    let count: usize = stat.split(' ').nth(1)?.parse().ok()?;
    if !ask(client, "UIDL")?.starts_with("+OK") {
        return None;
    }
    let lines = client.try_body()?;
    assert_eq!(lines.len(), count);
    let ids: BTreeSet<&str> = lines
        .iter()
        .filter_map(|line| line.split(' ').nth(1))
        .collect();
    assert_eq!(ids.len(), count, "two messages with one UIDL: {lines:?}");
    let mut seen = BTreeMap::new();
    let mut marked = Vec::new();
    for number in 1..=count {
        let size = ask(client, &format!("LIST {number}"))?;
        let size: usize = size.split(' ').nth(2)?.parse().ok()?;
        let reply = ask(client, &format!("RETR {number}"))?;
        if reply.starts_with("-ERR") {
            // Another session has deleted it since.
            continue;
        }
        let lines = client.try_body()?;
        let octets: usize = lines.iter().map(|line| line.len() + 2).sum();
        assert_eq!(octets, size, "LIST and RETR of {number}");
        let text = lines.join("\n");
        let id = number_of(&text);
        if let Some(before) = seen.insert(id, number) {
            panic!("message {id} is shown twice, as {before} and {number}");
        }
        if dice.roll(3) == 0 && ask(client, &format!("DELE {number}"))?.starts_with("+OK") {
            marked.push(id);
        }
    }
    if dice.roll(5) == 0 {
        // Cut off without QUIT: nothing is deleted.
        return None;
    }
    let reply = ask(client, "QUIT");
    Some((marked, reply.is_some_and(|reply| reply.starts_with("+OK"))))
}

/// Kills a session, if there is one.
fn kill_one(server: &Server, dice: &mut Dice) -> bool {
    let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", server.pid()));
    let children = children.unwrap_or_default();
    let pids = children.split_whitespace();
    let pids = pids.filter_map(|pid| pid.parse().ok());
    // Other children of superd's are what it makes sessions of, and are none.
    let sessions: Vec<u32> = pids
        .filter(|pid| {
            let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
            matches!(name.trim_end(), "popup" | "pop3d")
        })
        .collect();
    if sessions.is_empty() {
        return false;
    }
    let pid = sessions[usize::try_from(dice.roll(sessions.len() as u64)).unwrap()];
    // It may have ended by itself.
    std::panic::catch_unwind(|| signal(pid, "KILL")).is_ok()
}

fn chaos(deliveries: u32) {
    let office = Arc::new(Office::new());
    let server = Arc::new(office.pop3("checkpw").start());
    let ledger = Arc::new(Mutex::new(Ledger::default()));
    let over = Arc::new(AtomicBool::new(false));
    let mut workers = Vec::new();
    for seed in 1..=3_u64 {
        let (server, ledger, over) = (Arc::clone(&server), Arc::clone(&ledger), Arc::clone(&over));
        workers.push(std::thread::spawn(move || {
            let mut dice = Dice(seed + 0x9E37_79B9_7F4A_7C15);
            while !over.load(Ordering::Relaxed) {
                session(&server, &mut dice, &ledger);
            }
        }));
    }
    let (maildir, ended) = (office.maildir("joe"), Arc::clone(&over));
    workers.push(std::thread::spawn(move || {
        let mut dice = Dice(77);
        while !ended.load(Ordering::Relaxed) {
            rearrange(&maildir, &mut dice);
            std::thread::sleep(Duration::from_millis(dice.roll(4)));
        }
    }));
    let (victim, ended) = (Arc::clone(&server), Arc::clone(&over));
    let kills = Arc::new(AtomicU32::new(0));
    let killed = Arc::clone(&kills);
    workers.push(std::thread::spawn(move || {
        let mut dice = Dice(99);
        while !ended.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(30 + dice.roll(60)));
            if kill_one(&victim, &mut dice) {
                killed.fetch_add(1, Ordering::Relaxed);
            }
        }
    }));
    for number in 0..deliveries {
        deliver(&office, number);
        std::thread::sleep(Duration::from_millis(2));
    }
    over.store(true, Ordering::Relaxed);
    for worker in workers {
        worker.join().expect("no worker saw anything wrong");
    }
    let ledger = ledger.lock().unwrap();
    let mut left: BTreeMap<u32, PathBuf> = BTreeMap::new();
    for dir in ["new", "cur"] {
        for path in files(&office.maildir("joe").join(dir)) {
            let number = number_of(&fs::read_to_string(&path).unwrap());
            if let Some(twin) = left.insert(number, path.clone()) {
                panic!("message {number} is there twice: {twin:?} and {path:?}");
            }
        }
    }
    for number in 0..deliveries {
        let (there, deleted) = (left.contains_key(&number), ledger.deleted.contains(&number));
        assert!(
            !(there && deleted),
            "message {number} was deleted and is there"
        );
        assert!(
            there || deleted || ledger.uncertain.contains(&number),
            "message {number} is lost: {:?}",
            server.log()
        );
    }
    assert!(!ledger.deleted.is_empty(), "no session came to its end");
    assert_ne!(kills.load(Ordering::Relaxed), 0, "no session was killed");
}

#[test]
fn nothing_is_lost_or_doubled_while_everything_moves() {
    chaos(300);
}

#[test]
fn soak_a_mailbox_that_is_never_still() {
    if soak() {
        chaos(10_000);
    }
}
