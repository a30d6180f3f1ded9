//! A session that is killed at any instant (SIGKILL), again and again: what it had reported is there,
//! no UID ever means another message, and the next session goes on as if nothing had been.

use std::collections::{BTreeSet, HashMap};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use maildir::Maildir;
use maildir::selection::{
    Access, Appended, Change, Flags, How, Open, Selection, append, check_journal, stage,
};

/// Says to this program that it is the one to be killed, and where the mailboxes are.
const CHILD: &str = "SUPERD_TEST_KILLED";

const BOXES: [&str; 2] = ["one", "two"];

fn open(dir: &Path) -> Open<'_> {
    Open {
        dir,
        access: Access::ReadWrite,
        wait: Duration::from_secs(30),
        account: None,
        new_validity: &|| Ok(1_700_000_000),
    }
}

fn random(below: u64) -> u64 {
    let mut bytes = [0; 8];
    os::process::random(&mut bytes).expect("random");
    u64::from_le_bytes(bytes) % below
}

/// Appends, changes and moves messages for as long as it lives, and tells what it has done.
fn work(root: &Path) {
    let dirs = BOXES.map(|name| root.join(name));
    let mut selections = dirs
        .each_ref()
        .map(|dir| Selection::open(&open(dir)).expect("selected"));
    loop {
        let at = random(2) as usize;
        let id = random(u64::MAX);
        let mut writer = stage(&dirs[at]).expect("begun");
        writer
            .write(format!("id {id}\r\n").as_bytes())
            .expect("written");
        let message = Appended {
            staged: writer.finish().expect("finished"),
            flags: Flags::SEEN,
            keywords: vec![format!("word{}", random(30)).into_bytes()],
            date: None,
        };
        append(&open(&dirs[at]), vec![message]).expect("appended");
        // println would be kept back by the test's harness.
        writeln!(std::io::stdout(), "\nhas {id}").expect("told");
        let selection = &mut selections[at];
        selection.sync().expect("synced");
        selection.take_news(true);
        let count = selection.len() as u64;
        let which: Vec<usize> = (0..count as usize).filter(|_| random(4) == 0).collect();
        let change = Change {
            how: if random(2) == 0 {
                How::Add
            } else {
                How::Remove
            },
            flags: Flags::FLAGGED,
            keywords: vec![format!("word{}", random(40)).into_bytes()],
        };
        selection.store(&which, &change, None).expect("stored");
        let which: Vec<usize> = (0..count as usize).filter(|_| random(8) == 0).collect();
        selection
            .move_to(&which, &open(&dirs[1 - at]))
            .expect("moved");
        // Duplicates that a kill during a move left would only grow: of two, one goes.
        selection.sync().expect("synced");
        selection.take_news(true);
        let mut seen = BTreeSet::new();
        let twice: Vec<usize> = (0..selection.len())
            .filter(|&n| !seen.insert(id_of(selection, n)))
            .collect();
        selection.remove(&twice).expect("removed");
    }
}

fn id_of(selection: &mut Selection, n: usize) -> String {
    let mut text = String::new();
    let mut file = selection.open_message(n).expect("there");
    file.read_to_string(&mut text).expect("read");
    text.trim_end()
        .strip_prefix("id ")
        .expect("whole")
        .to_owned()
}

#[test]
fn killed() {
    // Without the word it is none of the tests.
    if let Some(root) = std::env::var_os(CHILD) {
        work(Path::new(&root));
    }
}

#[test]
fn what_a_killed_session_had_reported_is_there_and_uids_keep_their_meaning() {
    kill(12);
}

#[test]
fn soak_killed_sessions_lose_nothing_for_minutes() {
    if std::env::var_os("SUPERD_SOAK").is_some_and(|value| value == "1") {
        kill(400);
    }
}

/// A lock that the dead left is waited for: most rounds take two seconds.
fn kill(rounds: usize) {
    let root = tempfile::tempdir().expect("a directory");
    for name in BOXES {
        Maildir::at(root.path().join(name)).create().expect("made");
    }
    let mut reported: BTreeSet<String> = BTreeSet::new();
    let mut meaning: HashMap<(usize, u32), String> = HashMap::new();
    let mut highest = [0; 2];
    for round in 0..rounds {
        let mut child = Command::new(std::env::current_exe().expect("a path"))
            .args(["--exact", "killed", "--nocapture"])
            .env(CHILD, root.path())
            .stdout(Stdio::piped())
            .spawn()
            .expect("started");
        let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let mut killed = false;
        for line in lines.map_while(Result::ok) {
            let Some(id) = line.strip_prefix("has ") else {
                continue;
            };
            reported.insert(id.to_owned());
            if !killed {
                std::thread::sleep(Duration::from_micros(random(20_000)));
                child.kill().expect("killed");
                killed = true;
            }
        }
        child.wait().expect("ended");
        let mut found = BTreeSet::new();
        for (at, name) in BOXES.into_iter().enumerate() {
            let dir = root.path().join(name);
            if let Ok(journal) = std::fs::read(dir.join("superd-journal")) {
                assert!(check_journal(&journal).is_some(), "round {round}");
            }
            let mut selection = Selection::open(&open(&dir)).expect("selected");
            assert!(selection.highest_modseq() >= highest[at]);
            highest[at] = selection.highest_modseq();
            for n in 0..selection.len() {
                let (uid, id) = (selection.uid(n), id_of(&mut selection, n));
                let known = meaning.entry((at, uid)).or_insert_with(|| id.clone());
                assert_eq!(*known, id, "round {round}, UID {uid} of {name}");
                found.insert(id);
            }
            let again = Selection::open(&open(&dir)).expect("selected");
            assert_eq!(again.len(), selection.len());
            for n in 0..again.len() {
                assert_eq!(again.uid(n), selection.uid(n));
                assert_eq!(again.flags(n), selection.flags(n));
                assert_eq!(again.keywords(n), selection.keywords(n));
            }
        }
        let lost: Vec<_> = reported.difference(&found).collect();
        assert!(lost.is_empty(), "round {round}: {lost:?}");
    }
    assert!(reported.len() >= rounds, "{}", reported.len());
}
