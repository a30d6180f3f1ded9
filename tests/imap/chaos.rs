//! Many at once on one mailbox: sessions that store, append and expunge, deliveries, a foreign
//! program that renames, and sessions that are killed. No flag may be lost, no UID may mean two
//! messages, nothing may vanish that nobody deleted, nothing may be there twice.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::house::{Home, House, Whose, both, simple};
use kit::imap::{Imap, Value, fetched};
use kit::place::files;
use kit::{DEADLINE, soak};

/// What all threads share.
#[derive(Debug, Default)]
struct Known {
    /// Which message a UID is.
    uids: Mutex<BTreeMap<u64, u64>>,
    /// Messages that were written, whoever did.
    written: Mutex<BTreeSet<u64>>,
    /// Messages that a session deleted.
    deleted: Mutex<BTreeSet<u64>>,
    /// Flags that a session set for ever: (message, flag).
    flags: Mutex<BTreeSet<(u64, String)>>,
    next: AtomicU64,
    over: AtomicBool,
}

impl Known {
    fn number(&self) -> u64 {
        let number = self.next.fetch_add(1, Ordering::Relaxed) + 1;
        self.written.lock().unwrap().insert(number);
        number
    }
}

/// Numbers that differ from thread to thread and not from run to run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// What a session knows of the mailbox, by what it was told.
struct View {
    client: Imap,
    count: u64,
}

impl View {
    fn open(house: &House) -> View {
        let mut view = View {
            client: house.session(),
            count: 0,
        };
        let told = view.client.ok("SELECT INBOX");
        view.hear(&told);
        view
    }

    /// Follows EXISTS and EXPUNGE; what cannot be is an error.
    fn hear(&mut self, told: &[String]) {
        for line in told {
            let mut words = line.split(' ');
            let number = words.next().and_then(|word| word.parse::<u64>().ok());
            match (number, words.next()) {
                (Some(number), Some("EXISTS")) => {
                    assert!(number >= self.count, "{line} after {}", self.count);
                    self.count = number;
                }
                (Some(number), Some("EXPUNGE")) => {
                    assert!(
                        (1..=self.count).contains(&number),
                        "{line} of {}",
                        self.count
                    );
                    self.count -= 1;
                }
                (Some(number), Some("FETCH")) => {
                    assert!(
                        (1..=self.count).contains(&number),
                        "{line} of {}",
                        self.count
                    );
                }
                _ => {}
            }
        }
    }

    /// A command; that it fails because others have deleted is no error.
    fn run(&mut self, command: &str) -> Vec<String> {
        let reply = self.client.run(command);
        assert!(
            !reply.status.starts_with("BAD"),
            "{command}: {reply:?} of {}",
            self.count
        );
        self.hear(&reply.untagged);
        reply.untagged
    }

    /// UIDs and message numbers of all, checked against what everybody knows.
    fn look(&mut self, known: &Known) -> BTreeMap<u64, u64> {
        let told = self.run("UID FETCH 1:* (UID BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])");
        let mut found = BTreeMap::new();
        for items in fetched(&told).values() {
            let Some(header) = items.get("BODY[HEADER.FIELDS (MESSAGE-ID)]") else {
                continue;
            };
            let uid: u64 = items["UID"].text().parse().unwrap();
            let Some((_, rest)) = header.text().split_once("Message-ID: <") else {
                continue;
            };
            let message: u64 = rest.split('@').next().unwrap().parse().unwrap();
            found.insert(uid, message);
            let before = known.uids.lock().unwrap().insert(uid, message);
            assert!(
                before.is_none_or(|before| before == message),
                "UID {uid} is {before:?} and {message}"
            );
        }
        found
    }
}

fn session(house: &House, known: &Known, seed: u64) {
    let mut random = Random(seed * 7919 + 1);
    let mut view = View::open(house);
    while !known.over.load(Ordering::Relaxed) {
        let seen = view.look(known);
        let all: Vec<(u64, u64)> = seen.into_iter().collect();
        if all.is_empty() {
            continue;
        }
        let (uid, message) = all[usize::try_from(random.below(all.len() as u64)).unwrap()];
        match random.below(6) {
            0 => {
                let number = known.number();
                let reply = view
                    .client
                    .append("INBOX", simple(number).replace('\n', "\r\n"));
                assert!(reply.is_ok(), "{reply:?}");
                view.hear(&reply.untagged);
            }
            1 if message % 5 == seed % 5 => {
                known.deleted.lock().unwrap().insert(message);
                view.run(&format!("UID STORE {uid} +FLAGS.SILENT (\\Deleted)"));
                view.run(&format!("UID EXPUNGE {uid}"));
            }
            2 => {
                // The foreign program changes that one, so nobody counts on it.
                view.run(&format!("UID STORE {uid} -FLAGS (\\Draft)"));
            }
            3 => {
                view.run("NOOP");
            }
            _ => {
                let flag = ["\\Answered", "\\Seen", "$Label1", "Work"]
                    [usize::try_from(random.below(4)).unwrap()];
                let reply = view.client.run(&format!("UID STORE {uid} +FLAGS ({flag})"));
                let done = fetched(&reply.untagged).values().any(|items| {
                    items
                        .get("UID")
                        .is_some_and(|value| value.text() == uid.to_string())
                });
                view.hear(&reply.untagged);
                if reply.is_ok() && done {
                    known
                        .flags
                        .lock()
                        .unwrap()
                        .insert((message, flag.to_owned()));
                }
            }
        }
    }
}

/// Delivers, as qmail-local does.
fn deliveries(home: &Home, known: &Known) {
    while !known.over.load(Ordering::Relaxed) {
        let number = known.number();
        home.deliver(
            "",
            &format!("{}.M{number}P2.host", 1_700_000_000 + number),
            simple(number),
        );
        std::thread::sleep(Duration::from_millis(15));
    }
}

/// Renames messages to have \Draft, as a mail reader on the same machine does: it looks, and renames.
fn foreigner(home: &Home, known: &Known) {
    let mut random = Random(4711);
    while !known.over.load(Ordering::Relaxed) {
        let all = files(&home.mail("cur"));
        if all.is_empty() {
            continue;
        }
        let path = &all[usize::try_from(random.below(all.len() as u64)).unwrap()];
        let name = path.to_str().unwrap();
        if let Some((base, flags)) = name.split_once(":2,")
            && !flags.contains('D')
        {
            // Somebody may have renamed it before; then this has seen something old, and gives up.
            let _ = fs::rename(path, format!("{base}:2,D{flags}"));
        }
        std::thread::sleep(Duration::from_millis(7));
    }
}

fn chaos(house: &House, time: Duration, sessions: u64) {
    let known = Known::default();
    for _ in 0..20 {
        let number = known.number();
        house.home.put("", number, simple(number));
    }
    std::thread::scope(|scope| {
        let known = &known;
        for seed in 1..=sessions {
            scope.spawn(move || session(house, known, seed));
        }
        scope.spawn(|| deliveries(&house.home, known));
        scope.spawn(|| foreigner(&house.home, known));
        std::thread::sleep(time);
        known.over.store(true, Ordering::Relaxed);
    });
    settled(house, &known);
}

/// When all is quiet, every session sees the same, and it is what must be there.
fn settled(house: &House, known: &Known) {
    let mut views = [View::open(house), View::open(house)];
    let end = Instant::now() + DEADLINE;
    let found = loop {
        for view in &mut views {
            view.run("NOOP");
        }
        let [first, second] = views.each_mut().map(|view| view.look(known));
        if first == second && first.len() == files(&house.home.mail("cur")).len() {
            break first;
        }
        assert!(
            Instant::now() < end,
            "two sessions see different things: {first:?} {second:?}"
        );
        std::thread::sleep(Duration::from_millis(50));
    };
    let messages: Vec<u64> = found.values().copied().collect();
    let there: BTreeSet<u64> = messages.iter().copied().collect();
    assert_eq!(messages.len(), there.len(), "a message is there twice");
    let mut wanted = known.written.lock().unwrap().clone();
    for number in known.deleted.lock().unwrap().iter() {
        wanted.remove(number);
    }
    let lost: Vec<&u64> = wanted.difference(&there).collect();
    assert!(lost.is_empty(), "lost: {lost:?}");
    let back: Vec<&u64> = there.difference(&wanted).collect();
    assert!(back.is_empty(), "deleted, and there again: {back:?}");
    let flags = fetched(&views[0].run("FETCH 1:* (UID FLAGS)"));
    let flags: BTreeMap<u64, BTreeSet<String>> = flags
        .values()
        .map(|items| {
            let Value::List(flags) = &items["FLAGS"] else {
                panic!("{items:?}");
            };
            let uid: u64 = items["UID"].text().parse().unwrap();
            (
                found[&uid],
                flags.iter().map(|flag| flag.text().to_owned()).collect(),
            )
        })
        .collect();
    for (message, flag) in known.flags.lock().unwrap().iter() {
        if let Some(flags) = flags.get(message) {
            assert!(
                flags.contains(flag),
                "message {message} has lost {flag}: {flags:?}"
            );
        }
    }
}

#[test]
fn many_at_once_lose_and_double_nothing() {
    both(|_| {}, |house| chaos(house, Duration::from_secs(4), 3));
}

#[test]
fn soak_many_at_once_lose_and_double_nothing_for_minutes() {
    if !soak() {
        return;
    }
    if let Some(house) = House::of(Home::new(), Whose::Ours) {
        chaos(&house, Duration::from_secs(180), 8);
    }
}

#[test]
fn sessions_that_are_killed_leave_the_old_state_or_the_new_one() {
    let Some(house) = House::of(Home::new(), Whose::Ours) else {
        return;
    };
    let known = Known::default();
    let mut random = Random(31);
    for round in 0..40_u64 {
        let mut client = house.session();
        client.ok("SELECT INBOX");
        // Much at once, and then an end in the middle of it.
        let mut all = String::new();
        for _ in 0..5 {
            let number = known.next.fetch_add(1, Ordering::Relaxed) + 1;
            let text = simple(number).replace('\n', "\r\n");
            all.push_str(&format!(
                "a{number} APPEND INBOX (\\Flagged) {{{}+}}\r\n{text}\r\n",
                text.len()
            ));
        }
        all.push_str("s STORE 1:* +FLAGS (\\Answered)\r\nc UID COPY 1 INBOX\r\n");
        let _ = client.try_send(all.as_bytes());
        let kill = Instant::now() + Duration::from_micros(random.below(12_000));
        let mut done = BTreeSet::new();
        while let Some(line) = client.try_response(kill.saturating_duration_since(Instant::now())) {
            done.extend(confirmed(&line));
        }
        client.child().kill().unwrap();
        drop(client);
        known.written.lock().unwrap().extend(&done);
        // Whatever was confirmed is there.
        let mut view = View::open(&house);
        let seen: BTreeSet<u64> = view.look(&known).into_values().collect();
        for number in known.written.lock().unwrap().iter() {
            assert!(
                seen.contains(number),
                "round {round}: {number} was confirmed and is lost"
            );
        }
    }
    // Nothing half is left where mail is.
    for path in files(&house.home.mail("cur")) {
        let text = fs::read_to_string(&path).unwrap();
        assert!(
            text.replace("\r\n", "\n").ends_with("second line\n"),
            "{path:?}: {text:?}"
        );
    }
}

/// The number in the tag of `a12 OK ...`.
fn confirmed(line: &str) -> Option<u64> {
    let (number, rest) = line.strip_prefix('a')?.split_once(' ')?;
    rest.starts_with("OK").then(|| number.parse().ok())?
}
