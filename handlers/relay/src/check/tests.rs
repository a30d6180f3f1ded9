use std::cell::RefCell;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::rc::Rc;

use os::log::Said;
use relay_store::{Expiry, Store};

use super::*;

type Lines = Rc<RefCell<String>>;

fn log() -> (Log, Lines) {
    let lines = Lines::default();
    let into = lines.clone();
    let sink = move |line: &[u8]| {
        into.borrow_mut().push_str(&String::from_utf8_lossy(line));
        Said::Written
    };
    (Log::to(PROGRAM, None, Box::new(sink)), lines)
}

fn env(dir: &Path, more: &[(&str, &str)]) -> Env {
    let mut env: Env = more.iter().copied().collect();
    env.set("RELAY_CTRL_DIR", dir.as_os_str().as_bytes());
    env.set("RELAY_CTRL_CONFDIR", b"/nonexistent");
    env
}

fn address() -> Address {
    Address::from_text(b"192.0.2.1").expect("an address")
}

fn text<'e>(env: &'e Env, name: &str) -> Option<&'e str> {
    env.get(name).and_then(OsStr::to_str)
}

fn opened() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(folder.path(), Expiry::default()).expect("there");
    let who = Entry {
        user: b"alice".to_vec(),
        domain: b"example.org".to_vec(),
        how: b"pop".to_vec(),
        ..Entry::default()
    };
    store
        .record(&address(), &who, SystemTime::now())
        .expect("new");
    folder
}

#[test]
fn who_has_logged_in_gets_relayclient_and_his_name() {
    let folder = opened();
    let mut env = env(folder.path(), &[]);
    let (mut log, lines) = log();
    check(&mut env, &address(), &mut log, false);
    assert_eq!(text(&env, "RELAYCLIENT"), Some(""));
    assert_eq!(text(&env, "USER"), Some("alice"));
    assert_eq!(text(&env, "DOMAIN"), Some("example.org"));
    assert_eq!(text(&env, "RELAY_CTRL_HOW"), None);
    assert_eq!(*lines.borrow(), "");
}

#[test]
fn the_value_of_relayclient_can_be_chosen_and_all_is_told_where_asked_for() {
    let folder = opened();
    let more = [
        ("RELAY_CTRL_RELAYCLIENT", "@fixup"),
        ("RELAY_CTRL_LOG_ENV", ""),
    ];
    let mut env = env(folder.path(), &more);
    let (mut log, lines) = log();
    check(&mut env, &address(), &mut log, true);
    assert_eq!(text(&env, "RELAYCLIENT"), Some("@fixup"));
    let lines = lines.borrow();
    assert!(
        lines.starts_with("relay-ctrl-check: open user=alice since="),
        "{lines}"
    );
    assert!(
        lines.contains("relay-ctrl-check: set name=RELAYCLIENT value=@fixup\n"),
        "{lines}"
    );
}

#[test]
fn who_has_not_gets_nothing_and_an_expired_file_is_removed() {
    let folder = opened();
    let file = folder.path().join("192.0.2.1");
    let at = SystemTime::now() - std::time::Duration::from_secs(902);
    std::fs::File::options()
        .write(true)
        .open(&file)
        .and_then(|file| file.set_modified(at))
        .expect("set");
    let mut env = env(folder.path(), &[]);
    let (mut log, lines) = log();
    check(&mut env, &address(), &mut log, true);
    assert_eq!(text(&env, "RELAYCLIENT"), None);
    assert!(!file.exists());
    check(&mut env, &address(), &mut log, true);
    assert_eq!(
        *lines.borrow(),
        "relay-ctrl-check: closed why=expired user=alice\nrelay-ctrl-check: closed why=\"no login\"\n"
    );
}

#[test]
fn trouble_is_told_and_opens_nothing() {
    let mut env = env(Path::new("/nonexistent/store"), &[]);
    let (mut log, lines) = log();
    check(&mut env, &address(), &mut log, false);
    assert_eq!(text(&env, "RELAYCLIENT"), None);
    assert_eq!(
        *lines.borrow(),
        "relay-ctrl-check: trouble why=\"unable to open the directory /nonexistent/store: file does not exist\"\n"
    );
}
