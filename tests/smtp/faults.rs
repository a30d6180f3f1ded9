//! Deliveries in which a system call goes wrong: at every call of smtpd, of maildir-queue and of
//! lmtpd's processes in turn the process is killed, or the call fails or does half of its work; and
//! disks and quotas that are full at every point.
//!
//! Whatever happens: who was answered with 250 has the message; nothing is half there; a failure is
//! not answered with a refusal for good; nothing hangs; and the client that comes again gets it
//! delivered. After an error nobody has what was not answered with 250.

mod disks;
mod site;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use self::disks::Mounted;
use self::site::{DECIDES, Door, HAND, QUEUE, SMTPD, SPEAKS, Site};
use kit::faults::{Fault, Report, tracer};
use kit::{Run, as_root, private_dir, soak};

const KILLS: [&str; 2] = ["before", "after"];
const ERRORS: [&str; 12] = [
    "EIO", "ENOSPC", "EDQUOT", "EMFILE", "ENFILE", "ENOMEM", "EINTR", "EAGAIN", "EACCES", "EROFS",
    "EFBIG", "short",
];

/// What was seen in many rounds.
#[derive(Debug, Default)]
struct Tally {
    rounds: usize,
    taken: usize,
    struck: BTreeSet<String>,
}

impl Tally {
    fn add(&mut self, other: Tally) {
        self.rounds += other.rounds;
        self.taken += other.taken;
        self.struck.extend(other.struck);
    }
}

/// One delivery with a fault, and one without. All calls of the process, up to the fault.
fn round(site: &Site, tracer: &Path, fault: Fault, tally: &mut Tally) -> Vec<String> {
    site.clear();
    let mut talk = site.start(&fault.launcher(tracer, &site.report()));
    let taken = talk.greet_and_send(site);
    let goes_on = site.door.outlives(fault.process);
    let mut seen = None;
    let mut again = [false; 3];
    if goes_on {
        seen = Some((site.copies(), site.leftovers(), talk.children()));
        again = talk.send(site);
    }
    let told = talk.end();
    // By now everything that was started has ended.
    let (copies, mut leftovers, children) =
        seen.unwrap_or_else(|| (site.copies(), site.leftovers(), 0));
    let report = Report::read(&site.report());
    let struck = report.struck.as_deref();
    let told = format!("{fault:?} struck {struck:?}, taken {taken:?}, there {copies:?}:\n{told}");
    if !goes_on {
        let mut talk = site.start(&[]);
        again = talk.greet_and_send(site);
        talk.end();
    }
    let stays = usize::from(goes_on && site.door == Door::Lmtpd);
    assert_eq!(children, stays, "processes are left: {told}");
    let refused = told.lines().find(|line| line.starts_with('5'));
    assert_eq!(refused, None, "refused for good: {told}");

    let killed = struck.is_some() && fault.kills();
    for (&taken, &count) in taken.iter().zip(&copies) {
        assert!(count == 1 || !taken, "taken, and not there: {told}");
        let may_be_there = !goes_on || killed || (site.door == Door::Lmtpd && is_late(&report));
        assert!(
            count == 0 || taken || may_be_there,
            "not taken, and there: {told}"
        );
        assert!(count <= 1, "there more than once: {told}");
    }
    if site.door == Door::Smtpd && !killed {
        assert_eq!(copies, [copies[0]; 3], "some have it: {told}");
    }
    // Before its own work a program is in the hands of its loader, which takes no halves.
    let begun = fault.process > 0 || report.calls.iter().any(|call| call == "sigaltstack");
    if struck.is_none() || (fault.what == "short" && begun) {
        assert_eq!(taken, [true; 3], "not taken, for no reason: {told}");
    }
    // A spool file has a name for as long as it is empty.
    if killed {
        let spool = site.house.path("spool");
        let is_empty = |path: &Path| fs::metadata(path).is_ok_and(|meta| meta.len() == 0);
        leftovers.retain(|path| !(path.starts_with(&spool) && is_empty(path)));
    }
    // A file of which the name cannot be taken away; and the work of who is killed, be it by who has
    // run it and cannot hear him any more.
    let may_stay = struck.is_some_and(|call| {
        let removal = call.starts_with("unlink");
        let decides = site.door == Door::Lmtpd && fault.process == DECIDES;
        removal || goes_on && killed || decides && !killed
    });
    assert!(
        may_stay || leftovers.is_empty(),
        "left behind: {leftovers:?}: {told}"
    );
    assert_eq!(again, [true; 3], "the second time it is not taken: {told}");
    let after = site.copies();
    assert_eq!(after, copies.map(|count| count + 1), "{told}");
    if site.hop.is_some() {
        let went = site.went();
        let is_right = match (taken[0], copies[0]) {
            // Nobody sees it here who would not have to see it there.
            (true, _) | (_, 1) => went == 2,
            // Who is told nothing, or to come again, may find it there.
            _ => went == 1 || (went == 2 && struck.is_some()),
        };
        assert!(is_right, "went elsewhere {went} times: {told}");
    }
    tally.rounds += 1;
    tally.taken += usize::from(taken == [true; 3]);
    tally.struck.extend(report.struck);
    report.calls
}

/// Whether a call went wrong between the link of a copy and the name of the next one. Only lmtpd's
/// processes have work to do there that matters: to tell what they have done, each about several
/// messages. Where that cannot be told, it comes again.
fn is_late(report: &Report) -> bool {
    let last = |names: [&str; 2]| {
        let is_one = |call: &String| names.contains(&call.as_str());
        report.calls.iter().rposition(is_one)
    };
    report.struck.as_deref() == Some("write") && last(["link", "linkat"]) > last(["getrandom"; 2])
}

/// Which calls are struck, by their place in a run without faults; `None`: all.
type Choice<'a> = Option<&'a dyn Fn(usize, &[String]) -> bool>;

/// Rounds with each of `whats` at the chosen calls of a process.
fn at_each_call(
    site: &Site,
    process: usize,
    whats: &[&'static str],
    choice: Choice<'_>,
) -> Option<Tally> {
    let tracer = tracer()?;
    let mut all = Tally::default();
    let none = Fault {
        what: "none",
        at: 0,
        process,
    };
    let calls = round(site, tracer, none, &mut all);
    for &what in whats {
        let mut tally = Tally::default();
        // Not every run has the same calls: how a pipe is read depends on who is faster.
        for at in 1.. {
            if let Some(choose) = choice {
                if at > calls.len() {
                    break;
                }
                if !choose(at - 1, &calls) {
                    continue;
                }
            }
            let fault = Fault { what, at, process };
            if round(site, tracer, fault, &mut tally).len() < at {
                break;
            }
        }
        println!(
            "process {process}, {what}: {} of {} calls, {} taken: {:?}",
            tally.rounds,
            calls.len(),
            tally.taken,
            tally.struck
        );
        all.add(tally);
    }
    Some(all)
}

/// Every so manyth call from the first of this name on, which is where the work begins that is of
/// interest; what comes before belongs to the language, or to the beginning of the session.
fn every(step: usize, first: &str, at: usize, calls: &[String]) -> bool {
    let start = calls.iter().position(|call| call == first);
    let at = at.checked_sub(start.expect("the program does its work"));
    at.is_some_and(|at| at.is_multiple_of(step))
}

/// The calls that want room on a disk.
fn writes(at: usize, calls: &[String]) -> bool {
    const WRITES: [&str; 9] = [
        "mkdir", "mkdirat", "openat", "open", "write", "pwrite64", "fsync", "linkat", "link",
    ];
    every(1, "umask", at, calls) && WRITES.contains(&calls[at].as_str())
}

/// The calls that can do less than they were asked for.
fn halves(at: usize, calls: &[String]) -> bool {
    const HALVES: [&str; 4] = ["read", "write", "pread64", "pwrite64"];
    every(1, "umask", at, calls) && HALVES.contains(&calls[at].as_str())
}

#[test]
fn the_tracer_strikes_where_it_says() {
    let Some(tracer) = tracer() else { return };
    let dir = private_dir(0o755);
    let (made, report) = (dir.path().join("made"), dir.path().join("report"));
    let strike = |what, at| {
        let _ = fs::remove_dir(&made);
        let process = 0;
        let words = Fault { what, at, process }.launcher(tracer, &report);
        let run = Run::new(&words[0]).args(&words[1..]);
        let done = run.arg("/bin/mkdir").arg(&made).done();
        let ended = (done.code, done.signal);
        (ended, made.exists(), Report::read(&report))
    };
    let (ended, exists, seen) = strike("none", 0);
    assert_eq!((ended, exists), ((Some(0), None), true), "{seen:?}");
    let is_it = |call: &String| matches!(call.as_str(), "mkdir" | "mkdirat");
    let at = seen.calls.iter().position(is_it).unwrap() + 1;
    for (what, expected) in [
        ("before", ((None, Some(9)), false)),
        ("after", ((None, Some(9)), true)),
        ("ENOSPC", ((Some(1), None), false)),
    ] {
        let (ended, exists, seen) = strike(what, at);
        assert_eq!((ended, exists), expected, "{what}: {seen:?}");
        assert!(seen.struck.as_ref().is_some_and(is_it), "{what}: {seen:?}");
    }
}

#[test]
fn killed_before_any_call_maildir_queue_leaves_nothing_half() {
    let site = Site::new(1000);
    let _disk = Mounted::memory(&site);
    let choose =
        |at: usize, calls: &[String]| every(1, "umask", at, calls) || at.is_multiple_of(10);
    let Some(tally) = at_each_call(&site, QUEUE, &["before"], Some(&choose)) else {
        return;
    };
    assert!(tally.rounds > 80 && tally.taken < 20, "{tally:?}");
    for call in ["write", "fsync"] {
        assert!(tally.struck.contains(call), "{tally:?}");
    }
}

#[test]
fn whichever_call_of_maildir_queue_fails_all_have_it_or_none() {
    let site = Site::new(1000);
    let _disk = Mounted::memory(&site);
    let some = |at: usize, calls: &[String]| every(5, "umask", at, calls);
    let sweeps: [(&[&str], Choice<'_>); 3] = [
        (&["EIO", "ENOMEM", "EINTR"], Some(&some)),
        (&["ENOSPC"], Some(&writes)),
        (&["short"], Some(&halves)),
    ];
    let mut all = Tally::default();
    for (whats, choice) in sweeps {
        let Some(tally) = at_each_call(&site, QUEUE, whats, choice) else {
            return;
        };
        all.add(tally);
    }
    assert!(all.rounds > all.taken + 30 && all.taken > 10, "{all:?}");
}

#[test]
fn a_spooled_message_survives_kills_and_errors_as_a_small_one_does() {
    let site = Site::new(300_000);
    let _disk = Mounted::memory(&site);
    let some = |at: usize, calls: &[String]| every(7, "umask", at, calls);
    let spool = |at: usize, calls: &[String]| calls[at] == "pwrite64";
    let sweeps: [(&[&str], Choice<'_>); 2] = [
        (&["before", "EIO"], Some(&some)),
        (&["EDQUOT", "short"], Some(&spool)),
    ];
    for (whats, choice) in sweeps {
        at_each_call(&site, QUEUE, whats, choice);
    }
}

#[test]
fn a_filter_in_between_changes_nothing_of_that() {
    let site = Site::new(1000).with_filter();
    let _disk = Mounted::memory(&site);
    let some = |at: usize, calls: &[String]| every(9, "umask", at, calls);
    at_each_call(&site, QUEUE, &["before", "EIO"], Some(&some));
}

#[test]
fn when_smtpd_is_killed_or_a_call_of_it_fails_nobody_has_less_than_was_promised() {
    let site = Site::new(1000);
    let _disk = Mounted::memory(&site);
    let kills = |at: usize, calls: &[String]| every(1, "pipe2", at, calls);
    let errors = |at: usize, calls: &[String]| every(3, "pipe2", at, calls);
    let Some(tally) = at_each_call(&site, SMTPD, &["before"], Some(&kills)) else {
        return;
    };
    assert!(tally.rounds > 20 && tally.taken > 1, "{tally:?}");
    at_each_call(&site, SMTPD, &["EIO", "short"], Some(&errors));
}

#[test]
fn whichever_process_of_lmtpd_is_killed_or_fails_nobody_has_less_than_was_promised() {
    if !as_root("faults of lmtpd") {
        return;
    }
    let site = Site::lmtp(1000);
    let _disk = Mounted::memory(&site);
    for process in [DECIDES, SPEAKS, HAND, HAND + 1] {
        let some = |at: usize, _: &[String]| at % 4 == process;
        at_each_call(&site, process, &["before", "EIO"], Some(&some));
    }
}

#[test]
fn a_message_that_goes_elsewhere_too_is_seen_here_when_it_is_there_and_not_before() {
    let site = Site::new(1000).with_hop();
    let _disk = Mounted::memory(&site);
    let late = |at: usize, calls: &[String]| every(1, "pipe2", at, calls);
    let some = |at: usize, calls: &[String]| every(4, "pipe2", at, calls);
    let Some(tally) = at_each_call(&site, SMTPD, &["before"], Some(&late)) else {
        return;
    };
    assert!(tally.rounds > 30 && tally.taken > 1, "{tally:?}");
    at_each_call(&site, SMTPD, &["EIO", "short"], Some(&some));
    let every_call = |at: usize, calls: &[String]| every(1, "umask", at, calls);
    at_each_call(&site, QUEUE, &["before"], Some(&every_call));
    let some = |at: usize, calls: &[String]| every(5, "umask", at, calls);
    at_each_call(&site, QUEUE, &["after", "EIO", "ENOSPC"], Some(&some));
    at_each_call(&site, QUEUE, &["short"], Some(&halves));
}

#[test]
fn soak_killed_or_failing_at_every_call_a_message_for_both_sides_is_not_lost() {
    if !soak() {
        return;
    }
    for (size, errors) in [(1000, &ERRORS[..]), (300_000, &["EIO"])] {
        let site = Site::new(size).with_hop();
        let _disk = Mounted::memory(&site);
        for process in [SMTPD, QUEUE] {
            at_each_call(&site, process, &KILLS, None);
            at_each_call(&site, process, errors, None);
        }
    }
}

#[test]
fn soak_killed_or_failing_at_every_call_smtpd_and_maildir_queue_lose_nothing() {
    if !soak() {
        return;
    }
    for size in [1000, 300_000] {
        let site = Site::new(size);
        for process in [SMTPD, QUEUE] {
            at_each_call(&site, process, &KILLS, None);
            at_each_call(&site, process, &ERRORS, None);
        }
    }
    let site = Site::new(1000).with_filter();
    at_each_call(&site, QUEUE, &KILLS, None);
    at_each_call(&site, QUEUE, &ERRORS, None);
}

#[test]
fn soak_killed_or_failing_at_every_call_lmtpd_loses_nothing() {
    if !soak() || !as_root("faults of lmtpd") {
        return;
    }
    for size in [1000, 300_000] {
        let site = Site::lmtp(size);
        for process in [DECIDES, SPEAKS, HAND, HAND + 1] {
            at_each_call(&site, process, &KILLS, None);
            at_each_call(&site, process, &ERRORS, None);
        }
    }
}
