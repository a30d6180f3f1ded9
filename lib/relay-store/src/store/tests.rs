use super::*;
use std::os::unix::fs::symlink;

const IP: &[u8] = b"192.0.2.7";

fn expiry() -> Expiry {
    Expiry::new(900).expect("positive")
}

fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(folder.path(), expiry()).expect("there");
    (folder, store)
}

fn address(text: &[u8]) -> Address {
    Address::from_text(text).expect("an address")
}

fn who(user: &str) -> Entry {
    Entry {
        user: user.into(),
        ..Entry::default()
    }
}

/// A time with whole seconds, so that "exactly" means something.
fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds(SystemTime::now()).unsigned_abs())
}

fn after(seconds: u64) -> SystemTime {
    now() + Duration::from_secs(seconds)
}

fn names(folder: &tempfile::TempDir) -> Vec<String> {
    let items = fs::read_dir(folder.path()).expect("read");
    let mut names: Vec<_> = items
        .map(|item| {
            item.expect("an item")
                .file_name()
                .into_string()
                .expect("text")
        })
        .collect();
    names.sort();
    names
}

#[test]
fn who_logged_in_is_found_again() {
    let (folder, store) = store();
    let ip = address(b"::ffff:192.0.2.7");
    assert_eq!(store.find(&ip, now()).expect("none"), Found::Absent);
    assert_eq!(
        store.record(&ip, &who("alice"), now()).expect("new"),
        Recorded::New
    );
    assert_eq!(names(&folder), ["192.0.2.7"]);
    let entry = store.lookup(&ip, now()).expect("read").expect("there");
    assert_eq!(entry.user, b"alice");
    assert_eq!(store.until(&entry), entry.time + 900);
}

#[test]
fn a_login_is_good_for_the_expiry_to_the_second() {
    let (folder, store) = store();
    let ip = address(IP);
    store.record(&ip, &who("alice"), now()).expect("new");
    // The time of the inode is now, that of the content can be set.
    let file = File::options()
        .write(true)
        .open(folder.path().join("192.0.2.7"))
        .expect("open");
    let at = now();
    file.set_modified(at - Duration::from_secs(900))
        .expect("set");
    assert!(store.lookup(&ip, at).expect("read").is_some());
    assert!(store.list(at, |_| false).expect("read").contains(&ip));
    file.set_modified(at - Duration::from_secs(901))
        .expect("set");
    assert!(store.lookup(&ip, at).expect("read").is_none());
    assert!(store.list(at, |_| false).expect("read").is_empty());
}

#[test]
fn a_file_that_is_dated_ahead_does_not_last_longer() {
    let (folder, store) = store();
    let ip = address(IP);
    let at = now();
    store.record(&ip, &who("alice"), at).expect("new");
    let file = File::options()
        .write(true)
        .open(folder.path().join("192.0.2.7"))
        .expect("open");
    file.set_modified(at + Duration::from_secs(800))
        .expect("set");
    assert!(store.lookup(&ip, at).expect("read").is_some());
    assert!(
        store
            .lookup(&ip, at + Duration::from_secs(905))
            .expect("read")
            .is_none()
    );
    file.set_modified(at + Duration::from_secs(86400))
        .expect("set");
    assert!(store.lookup(&ip, at).expect("read").is_none());
}

#[test]
fn a_known_address_is_touched_and_stays_the_same_file() {
    let (folder, store) = store();
    let ip = address(IP);
    store.record(&ip, &who("alice"), now()).expect("new");
    let path = folder.path().join("192.0.2.7");
    let old = fs::metadata(&path).expect("there").ino();
    assert_eq!(
        store
            .record(&ip, &who("alice"), after(10))
            .expect("touched"),
        Recorded::Again
    );
    let meta = fs::metadata(&path).expect("there");
    assert_eq!(meta.ino(), old);
    assert_eq!(meta.mtime(), seconds(after(10)));
    assert_eq!(names(&folder), ["192.0.2.7"]);
}

#[test]
fn another_user_an_expired_file_and_a_file_with_a_second_name_are_replaced() {
    let (folder, store) = store();
    let ip = address(IP);
    let path = folder.path().join("192.0.2.7");
    store.record(&ip, &who("alice"), now()).expect("new");
    assert_eq!(
        store.record(&ip, &who("bob"), now()).expect("new"),
        Recorded::New
    );
    assert_eq!(
        store.lookup(&ip, now()).expect("read").expect("there").user,
        b"bob"
    );
    let file = File::options().write(true).open(&path).expect("open");
    file.set_modified(now() - Duration::from_secs(1000))
        .expect("set");
    assert_eq!(
        store.record(&ip, &who("bob"), now()).expect("new"),
        Recorded::New
    );
    let other = folder.path().join("a-file-of-somebody");
    fs::hard_link(&path, &other).expect("linked");
    let before = fs::metadata(&other).expect("there").mtime();
    assert_eq!(
        store.record(&ip, &who("bob"), after(60)).expect("new"),
        Recorded::New
    );
    assert_eq!(fs::metadata(&other).expect("there").mtime(), before);
}

#[test]
fn an_empty_file_of_relay_ctrl_2_is_good() {
    let (folder, store) = store();
    fs::write(folder.path().join("192.0.2.7"), "").expect("written");
    let entry = store
        .lookup(&address(IP), now())
        .expect("read")
        .expect("there");
    assert_eq!(entry.user, b"");
    assert!(
        store
            .lookup(&address(IP), after(902))
            .expect("read")
            .is_none()
    );
}

#[test]
fn a_link_a_folder_and_a_fifo_open_nothing_and_a_link_is_replaced_by_a_login() {
    let (folder, store) = store();
    let target = folder.path().join("target");
    fs::write(&target, "USER=eve\0").expect("written");
    symlink(&target, folder.path().join("192.0.2.7")).expect("linked");
    fs::create_dir(folder.path().join("192.0.2.8")).expect("made");
    assert!(store.lookup(&address(IP), now()).is_err());
    assert_eq!(
        store.lookup(&address(b"192.0.2.8"), now()).expect("read"),
        None
    );
    assert_eq!(store.list(now(), |_| false).expect("read"), []);
    assert!(
        store
            .record(&address(b"192.0.2.8"), &who("a"), now())
            .is_err()
    );
    store
        .record(&address(IP), &who("alice"), now())
        .expect("new");
    assert_eq!(
        store
            .lookup(&address(IP), now())
            .expect("read")
            .expect("there")
            .user,
        b"alice"
    );
    assert_eq!(fs::read(&target).expect("there"), b"USER=eve\0");
    assert_eq!(names(&folder), ["192.0.2.7", "192.0.2.8", "target"]);
}

#[test]
fn a_sweep_removes_what_is_no_longer_good_and_leaves_what_is_no_address() {
    let (folder, store) = store();
    for ip in [&b"192.0.2.7"[..], b"192.0.2.8", b"2001:db8::1"] {
        store
            .record(&address(ip), &who("alice"), now())
            .expect("new");
    }
    for foreign in [
        "9.9.9.9~",
        ".swp",
        "=host",
        "09.9.9.9",
        ".new.0000000000000000",
    ] {
        fs::write(folder.path().join(foreign), "").expect("written");
    }
    let old = File::options()
        .write(true)
        .open(folder.path().join("192.0.2.8"))
        .expect("open");
    old.set_modified(now() - Duration::from_secs(901))
        .expect("set");
    let mut swept = store.sweep(now(), |ip| ip.ip().is_ipv6()).expect("swept");
    assert_eq!((swept.open.pop(), swept.removed), (Some(address(IP)), 2));
    assert!(swept.open.is_empty() && swept.trouble.is_none());
    assert_eq!(
        names(&folder),
        [
            ".new.0000000000000000",
            ".swp",
            "09.9.9.9",
            "192.0.2.7",
            "9.9.9.9~",
            "=host"
        ]
    );
}

#[test]
fn a_login_that_comes_while_its_address_is_removed_is_not_lost() {
    let (folder, store) = store();
    let ip = address(IP);
    let end = Instant::now() + Duration::from_millis(300);
    let path = folder.path().join("192.0.2.7");
    std::thread::scope(|scope| {
        let sweeps = scope.spawn(|| {
            while Instant::now() < end {
                store.sweep(now(), |_| false).expect("swept");
            }
        });
        while !sweeps.is_finished() {
            // As old as can be, so that every sweep wants it.
            if let Ok(file) = File::options().write(true).open(&path) {
                let _ = file.set_modified(now() - Duration::from_secs(901));
            }
            store.record(&ip, &who("alice"), now()).expect("recorded");
            let give_up = Instant::now() + Duration::from_secs(10);
            // A sweep may have it aside for a moment.
            while store.lookup(&ip, now()).expect("read").is_none() {
                assert!(Instant::now() < give_up, "lost");
            }
        }
    });
}

#[test]
fn the_lock_is_one_holders_at_a_time() {
    let (folder, store) = store();
    let soon = || Instant::now() + Duration::from_millis(20);
    let held = store.lock(soon()).expect("locked").expect("free");
    assert!(store.lock(soon()).expect("asked").is_none());
    drop(held);
    assert!(store.lock(soon()).expect("asked").is_some());
    let mode = fs::metadata(folder.path().join(".lock"))
        .expect("there")
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_store_can_be_reached_through_a_descriptor() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = File::open(folder.path()).expect("open");
    let store = Store::of_descriptor(dir.into(), expiry()).expect("a directory");
    store
        .record(&address(IP), &who("alice"), now())
        .expect("new");
    assert!(store.lookup(&address(IP), now()).expect("read").is_some());
    assert_eq!(names(&folder), ["192.0.2.7"]);
    let file = File::open(folder.path().join("192.0.2.7")).expect("open");
    let error = Store::of_descriptor(file.into(), expiry()).expect_err("a file");
    assert_eq!(error.kind(), io::ErrorKind::NotADirectory);
}

#[test]
fn a_missing_directory_is_an_error() {
    let error = Store::open(Path::new("/nonexistent/x"), expiry()).expect_err("missing");
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
}
