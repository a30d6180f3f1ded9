//! Opening mailboxes, and saying what is in them.

use std::fs::{self, File};
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::selection::{Access, Change, Flags, How, Open, Selection};
use crate::test_support::TestBox;

pub(super) const WAIT: Duration = Duration::from_secs(20);

/// The UIDVALIDITY that a mailbox gets where nothing says another.
pub(super) const VALIDITY: u32 = 1_700_000_000;

pub(super) fn with<T>(dir: &Path, access: Access, what: impl FnOnce(&Open<'_>) -> T) -> T {
    what(&Open {
        dir,
        access,
        wait: WAIT,
        account: None,
        new_validity: &|| Ok(VALIDITY),
    })
}

pub(super) fn select(dir: &Path) -> Selection {
    with(dir, Access::ReadWrite, Selection::open).expect("selected")
}

pub(super) fn examine(dir: &Path) -> Selection {
    with(dir, Access::ReadOnly, Selection::open).expect("examined")
}

/// A message whose unique name is `n.m.h`, which has this number as its time, too.
pub(super) fn put(test: &TestBox, n: u64, suffix: &str) {
    let name = match suffix {
        "" => format!("new/{n}.m.h"),
        _ => format!("cur/{n}.m.h{suffix}"),
    };
    fs::write(test.path(&name), format!("message {n}\n")).expect("written");
}

/// Makes the directories look as if they had not been changed for a while, so that what is read of
/// them is believed.
pub(super) fn rest(test: &TestBox) {
    for place in ["new", "cur"] {
        let dir = File::open(test.path(place)).expect("there");
        let then = SystemTime::now() - Duration::from_secs(60);
        // Another time than the last one: each call makes a difference.
        let then = then + Duration::from_nanos(rand());
        dir.set_modified(then).expect("dated");
    }
}

fn rand() -> u64 {
    let mut bytes = [0; 8];
    os::process::random(&mut bytes).expect("random");
    u64::from_le_bytes(bytes) % 1_000_000_000
}

/// UID and letters of each message that the client knows of, the expunged in brackets.
pub(super) fn shown(selection: &Selection) -> String {
    let mut all = Vec::new();
    for n in 0..selection.len() {
        let letters: Vec<u8> = selection.flags(n).letters().collect();
        let mut text = format!("{}{}", selection.uid(n), String::from_utf8_lossy(&letters));
        for &id in selection.keywords(n) {
            text.push('+');
            text.push_str(&String::from_utf8_lossy(selection.keyword_name(id)));
        }
        if selection.is_recent(n) {
            text.push('*');
        }
        if selection.is_gone(n) {
            text = format!("({text})");
        }
        all.push(text);
    }
    all.join(" ")
}

pub(super) fn change(how: How, letters: &str, keywords: &[&str]) -> Change {
    Change {
        how,
        flags: Flags::from_letters(letters.as_bytes()),
        keywords: keywords
            .iter()
            .map(|name| name.as_bytes().to_vec())
            .collect(),
    }
}

pub(super) fn add(letters: &str) -> Change {
    change(How::Add, letters, &[])
}

/// Looks around and takes all that is new.
pub(super) fn refresh(selection: &mut Selection) -> String {
    selection.sync().expect("synced");
    let news = selection.take_news(true);
    let _ = news;
    shown(selection)
}
