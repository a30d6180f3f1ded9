//! What the suites share: where the programs are, running them with a deadline, servers and clients
//! on loopback addresses, private name and ident servers, and running one test against the
//! original and ours.
//!
//! Promises: nothing listens or sends outside 127.0.0.0/8; every wait has a deadline; every process
//! that is started here is ended by its id when its value is dropped; nothing outside the run's own
//! temporary directory is written, but for the list of left-out comparisons.
//!
//! Files that are executed are never written by this process: a test that forks at the same moment
//! in another thread would keep the file open for writing, and the exec would fail with ETXTBSY.
//! They are copied, compiled or written by a child ([`place::script`]).

// A toolbox for tests: a tool fails by panicking as a test does, and prints what is left out.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]
// What `new` makes stands on the disk.
#![allow(clippy::new_without_default)]

pub mod cdb;
pub mod client;
pub mod clients;
pub mod desk;
pub mod disk;
pub mod dns;
pub mod dovecot;
pub mod faults;
pub mod hop;
pub mod ident;
pub mod imap;
pub mod log;
pub mod place;
pub mod pop3;
pub mod postfix;
pub mod process;
pub mod run;
pub mod sasl;
pub mod server;
pub mod sides;
pub mod smtp;
pub mod tls;
pub mod transcript;

use std::io::Write;
use std::net::Ipv4Addr;
use std::os::unix::fs::MetadataExt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

pub use client::Client;
pub use place::{bin, files, is_null, libexec, peer, private_dir, probe, script};
pub use run::{Done, Run};
pub use server::Server;
pub use sides::{Side, both, ours};

/// How long anything may take that should happen at once. Long, for a machine may be busy; a test
/// that waits this long has failed.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// Whether a comparison that must be left out is a failure: in CI, and wherever asked for, but only
/// on a machine that can have the originals.
pub fn peers_required() -> bool {
    let asked = std::env::var_os("SUPERD_REQUIRE_PEERS").is_some_and(|value| value == "1")
        || std::env::var_os("CI").is_some_and(|value| value == "true");
    asked && std::path::Path::new("/etc/debian_version").exists()
}

/// Whether the long tests (names that begin with `soak_`) are to run: `make soak` says so.
pub fn soak() -> bool {
    std::env::var_os("SUPERD_SOAK").is_some_and(|value| value == "1")
}

/// Notes that something is not compared, and why. `make test` prints the list at its end; where
/// comparisons are required ([`peers_required`]) it is a failure.
pub fn left_out(what: &str, why: &str) {
    assert!(!peers_required(), "left out: {what}: {why}");
    note_left_out(what, why);
}

/// [`left_out`] for what a machine cannot do (no root, no IPv6): never a failure.
pub fn note_left_out(what: &str, why: &str) {
    println!("left out: {what}: {why}");
    if let Some(list) = std::env::var_os("SUPERD_LEFT_OUT") {
        let file = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&list);
        let mut file = file.unwrap_or_else(|error| panic!("unable to open {list:?}: {error}"));
        file.write_all(format!("{what}: {why}\n").as_bytes())
            .unwrap();
    }
}

/// Whether this process is root.
pub fn is_root() -> bool {
    std::fs::metadata("/proc/self").unwrap().uid() == 0
}

/// For the first line of a test that needs root: `if !as_root("ident") { return }`.
pub fn as_root(what: &str) -> bool {
    if !is_root() {
        note_left_out(what, "needs root");
    }
    is_root()
}

/// A loopback address that no other test of this run uses; another run at the same time uses
/// others, but for a chance of one in two hundred.
pub fn address() -> Ipv4Addr {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let network = u8::try_from(std::process::id() % 200 + 20).unwrap();
    let high = u8::try_from(number / 250).expect("fewer than 64,000 addresses a run");
    let low = u8::try_from(number % 250 + 1).unwrap();
    Ipv4Addr::new(127, network, high, low)
}

/// Sends a signal, given by its name without SIG, to one process.
pub fn signal(pid: u32, name: &str) {
    let done = Run::new("/bin/sh")
        .args(["-c", "kill -s \"$1\" \"$2\"", "sh", name])
        .arg(pid.to_string())
        .done();
    assert_eq!(done.code, Some(0), "kill -s {name} {pid}: {}", done.err());
}

/// Whether processes of one user may trace each other here, as they may where no security module says
/// otherwise.
pub fn ptrace_is_free() -> bool {
    let scope = std::fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope");
    scope.map_or(true, |scope| scope.trim() == "0")
}

/// A user who owns nothing and is in no group, by number.
pub const SOMEBODY: u32 = 54321;

/// Starts a server that is expected to end by itself; its exit code and all that it said.
pub fn start_fails(side: Side, words: &[&str]) -> (Option<i32>, String) {
    let done = Run::new(side.program("tcpserver")).args(words).done();
    assert_eq!(done.out(), "");
    (done.code, done.err())
}

/// [`start_fails`] as a user without privileges: this one, or somebody where this one is root.
pub fn start_fails_as_somebody(side: Side, words: &[&str]) -> (Option<i32>, String) {
    let done = Run::unprivileged(side.program("tcpserver"))
        .args(words)
        .done();
    (done.code, done.err())
}

/// Compiles rules into DIR/NAME with the compiler of the same side; returns the file's path. Ours may
/// warn of rules that can match nobody.
pub fn compile(side: Side, dir: &std::path::Path, name: &str, text: &str) -> String {
    let cdb = dir.join(name);
    let done = Run::new(side.program("tcprules"))
        .arg(&cdb)
        .arg(dir.join("tmp"))
        .input(text)
        .done();
    assert_eq!(done.code, Some(0), "{}", done.err());
    assert!(
        done.err()
            .lines()
            .all(|line| line.starts_with("tcprules: warning: ")),
        "{}",
        done.err()
    );
    cdb.to_str().expect("paths of tests are plain").to_owned()
}
