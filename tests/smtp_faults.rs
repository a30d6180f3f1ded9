//! Deliveries in which a system call goes wrong: at every call of smtpd, of maildir-queue and of
//! lmtpd's processes in turn the process is killed, or the call fails or does half of its work; and
//! disks and quotas that are full at every point.
//!
//! Whatever happens: who was answered with 250 has the message; nothing is half there; a failure is
//! not answered with a refusal for good; nothing hangs; and the client that comes again gets it
//! delivered. After an error nobody has what was not answered with 250.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::chown;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::Instant;

use crate::mail::{House, files};
use crate::support::faults::{Fault, Report, tracer};
use crate::support::place::script;
use crate::support::{DEADLINE, Run, SOMEBODY, as_root, is_root, libexec, note_left_out, run, soak};

/// The first has a Maildir before the delivery, the others get theirs by it.
const USERS: [&str; 3] = ["joe", "ann", "sue"];

/// Processes of a session with smtpd, in the order in which they begin.
const SMTPD: usize = 0;
const QUEUE: usize = 1;

/// Those of a session with lmtpd: who decides, who speaks, and one for each owner of mailboxes.
const DECIDES: usize = 0;
const SPEAKS: usize = 1;
const HAND: usize = 2;

const KILLS: [&str; 2] = ["before", "after"];
const ERRORS: [&str; 12] = [
    "EIO", "ENOSPC", "EDQUOT", "EMFILE", "ENFILE", "ENOMEM", "EINTR", "EAGAIN", "EACCES", "EROFS",
    "EFBIG", "short",
];

/// Who takes the message.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Door {
    Smtpd,
    Lmtpd,
}

impl Door {
    /// Whether faults of this process leave the session as it is.
    fn outlives(self, process: usize) -> bool {
        match self {
            Door::Smtpd => process == QUEUE,
            Door::Lmtpd => process >= HAND,
        }
    }
}

/// A house with a message to be delivered in it.
struct Site {
    door: Door,
    house: House,
    /// The owners of the mailboxes.
    owners: [u32; 3],
    body: Vec<u8>,
}

impl Site {
    /// With a body of about so many bytes, delivered by smtpd.
    fn new(size: usize) -> Site {
        let house = House::new();
        let owners = [house.user; 3];
        Site::of(Door::Smtpd, house, owners, size)
    }

    /// Delivered by lmtpd as root, to mailboxes of two owners.
    fn lmtp(size: usize) -> Site {
        let house = House::new();
        let owners = [house.user, house.user, SOMEBODY];
        Site::of(Door::Lmtpd, house, owners, size)
    }

    fn of(door: Door, house: House, owners: [u32; 3], size: usize) -> Site {
        let group = house.group;
        for name in ["disk", "spool", "report"] {
            house.own_dir(name);
        }
        let mut users = String::new();
        for (name, owner) in USERS.iter().zip(owners) {
            let home = house.path("disk").join(name);
            // One of them has a quota, so that it is kept count.
            let quota = if *name == "ann" { ":Maildir:9000000S" } else { "" };
            users.push_str(&format!("{name}:x:{owner}:{group}::{}:{quota}\n", home.display()));
        }
        fs::write(house.path("home/users"), users).unwrap();
        let mut body = b"Subject: x\n\n".to_vec();
        let mut line = 0;
        while body.len() < size {
            body.extend_from_slice(format!("line {line} 0123456789abcdef\n").as_bytes());
            line += 1;
        }
        body.extend_from_slice(b"end\n");
        Site {
            door,
            house,
            owners,
            body,
        }
    }

    /// Every copy is shown to a filter.
    fn with_filter(self) -> Site {
        let filter = self.house.path("filter");
        script(&filter, "#!/bin/sh\nexec cat >/dev/null\n");
        self.house.control("filter", filter.to_str().unwrap());
        self
    }

    fn home(&self, user: &str) -> PathBuf {
        self.house.path("disk").join(user)
    }

    fn maildir(&self, user: &str) -> PathBuf {
        self.home(user).join("Maildir")
    }

    fn report(&self) -> PathBuf {
        self.house.path("report/calls")
    }

    /// As before the first delivery.
    fn clear(&self) {
        for user in USERS {
            let _ = fs::remove_dir_all(self.home(user));
        }
        for (user, owner) in USERS.iter().zip(self.owners) {
            let home = self.house.own_dir(&format!("disk/{user}"));
            if owner != self.house.user {
                chown(home, Some(owner), None).unwrap();
            }
        }
        for part in ["", "tmp", "new", "cur"] {
            self.house.own_dir(&format!("disk/joe/Maildir/{part}"));
        }
        for file in files(&self.house.path("spool")) {
            fs::remove_file(file).unwrap();
        }
        let _ = fs::remove_file(self.report());
    }

    /// How many copies each user has. All of them must be whole.
    fn copies(&self) -> [usize; 3] {
        USERS.map(|user| {
            let mut count = 0;
            for part in ["new", "cur"] {
                for path in files(&self.maildir(user).join(part)) {
                    self.check_whole(user, &path);
                    count += 1;
                }
            }
            count
        })
    }

    fn check_whole(&self, user: &str, path: &Path) {
        let text = fs::read(path).unwrap();
        let shown = path.display();
        let head = text.strip_suffix(self.body.as_slice());
        let head = head.unwrap_or_else(|| panic!("{shown}: not whole: {} bytes", text.len()));
        let head = std::str::from_utf8(head).unwrap();
        let ours = format!("Return-Path: <s@far.test>\nDelivered-To: {user}@here.test\nReceived: ");
        let rest = head.strip_prefix(&ours);
        let rest = rest.unwrap_or_else(|| panic!("{shown}: {head}"));
        assert!(
            rest.lines().skip(1).all(|line| line.starts_with(' ')) && rest.ends_with('\n'),
            "{shown}: {head}"
        );
        let name = path.file_name().unwrap().to_str().unwrap();
        assert!(name.ends_with(&format!(",S={}", text.len())), "{shown}");
    }

    /// The files of deliveries that were not finished: those in `tmp`, and in the spool.
    fn leftovers(&self) -> Vec<PathBuf> {
        let mut left = files(&self.house.path("spool"));
        for user in USERS {
            left.extend(files(&self.maildir(user).join("tmp")));
        }
        left
    }

    /// The server behind a launcher, on one end of a socket pair: smtpd as the owner of the mailboxes,
    /// lmtpd as root.
    fn start(&self, launcher: &[OsString]) -> Talk {
        let program = match self.door {
            Door::Smtpd => libexec().join("smtpd").into_os_string(),
            Door::Lmtpd => libexec().join("lmtpd").into_os_string(),
        };
        let words: Vec<&OsString> = launcher.iter().chain([&program]).collect();
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_read_timeout(Some(DEADLINE)).unwrap();
        ours.set_write_timeout(Some(DEADLINE)).unwrap();
        let mut command = Command::new(words[0]);
        command
            .args(&words[1..])
            .env_clear()
            .env("PATH", run::PATH)
            .env("SUPERD_HOME", self.house.path("home"))
            .env("TMPDIR", self.house.path("spool"))
            .env("TCPREMOTEIP", "192.0.2.1")
            .stdin(OwnedFd::from(theirs.try_clone().unwrap()))
            .stdout(OwnedFd::from(theirs))
            .stderr(Stdio::piped());
        if is_root() && self.door == Door::Smtpd {
            command.uid(self.house.user).gid(self.house.group);
        }
        let mut child = command.spawn().unwrap();
        let mut stderr = child.stderr.take().unwrap();
        let log = std::thread::spawn(move || {
            let mut log = String::new();
            stderr.read_to_string(&mut log).unwrap();
            log
        });
        Talk {
            child,
            stream: BufReader::new(ours),
            log,
            replies: Vec::new(),
        }
    }

    /// The message as it goes over the wire.
    fn wire(&self) -> Vec<u8> {
        let mut wire = Vec::with_capacity(self.body.len() * 2);
        for line in self.body.split_inclusive(|&byte| byte == b'\n') {
            wire.extend_from_slice(&line[..line.len() - 1]);
            wire.extend_from_slice(b"\r\n");
        }
        wire.extend_from_slice(b".\r\n");
        wire
    }
}

/// A session, and all that was said in it.
struct Talk {
    child: Child,
    stream: BufReader<UnixStream>,
    log: JoinHandle<String>,
    replies: Vec<String>,
}

impl Talk {
    /// The reply to something, its last line; `None` if smtpd has gone.
    fn ask(&mut self, bytes: &[u8]) -> Option<String> {
        // It may be gone.
        let _ = self.stream.get_mut().write_all(bytes);
        loop {
            let mut line = String::new();
            match self.stream.read_line(&mut line) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
                Err(error) => panic!("waiting for a reply: {error}: {:?}", self.replies),
            }
            let text = line.strip_suffix("\r\n")?.to_owned();
            let last = text.as_bytes().get(3) != Some(&b'-');
            self.replies.push(text.clone());
            if last {
                return Some(text);
            }
        }
    }

    /// One transaction; for which users the message was taken.
    fn send(&mut self, site: &Site) -> [bool; 3] {
        let nobody = [false; 3];
        let commands = ["MAIL FROM:<s@far.test>".to_owned()]
            .into_iter()
            .chain(USERS.map(|user| format!("RCPT TO:<{user}@here.test>")));
        for command in commands {
            if !is(self.ask(format!("{command}\r\n").as_bytes()), "250") {
                return nobody;
            }
        }
        if !is(self.ask(b"DATA\r\n"), "354") {
            return nobody;
        }
        let first = is(self.ask(&site.wire()), "250");
        match site.door {
            Door::Smtpd => [first; 3],
            Door::Lmtpd => [first, is(self.ask(b""), "250"), is(self.ask(b""), "250")],
        }
    }

    /// The same in a new session.
    fn greet_and_send(&mut self, site: &Site) -> [bool; 3] {
        let hello: &[u8] = match site.door {
            Door::Smtpd => b"EHLO client.test\r\n",
            Door::Lmtpd => b"LHLO client.test\r\n",
        };
        if is(self.ask(b""), "220") && is(self.ask(hello), "250") {
            return self.send(site);
        }
        [false; 3]
    }

    /// How many processes the server, which is the tracer's child, runs or has not waited for.
    fn children(&self) -> usize {
        let list = |pid: &str| {
            let list = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
            list.unwrap_or_default()
        };
        let server = list(&self.child.id().to_string());
        list(server.trim()).split_ascii_whitespace().count()
    }

    /// Ends it, and waits for all that it has started; the replies and the log.
    fn end(mut self) -> String {
        let _ = self.ask(b"QUIT\r\n");
        drop(self.stream);
        let status = run::wait(&mut self.child, Instant::now() + DEADLINE);
        let status = status.expect("it ends in time");
        assert_ne!(status.code(), Some(120), "the tracer failed");
        let log = self.log.join().unwrap();
        format!("{}\n{log}{status}", self.replies.join("\n"))
    }
}

fn is(reply: Option<String>, code: &str) -> bool {
    reply.is_some_and(|reply| reply.starts_with(code))
}

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
    let (copies, leftovers, children) =
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
    if struck.is_none() || fault.what == "short" {
        assert_eq!(taken, [true; 3], "not taken, for no reason: {told}");
    }
    let excused =
        goes_on && struck.is_some_and(|call| fault.kills() || call.starts_with("unlink"));
    assert!(
        excused || leftovers.is_empty(),
        "left behind: {leftovers:?}: {told}"
    );
    assert_eq!(again, [true; 3], "the second time it is not taken: {told}");
    let after = site.copies();
    assert_eq!(after, copies.map(|count| count + 1), "{told}");
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
    at.is_some_and(|at| at % step == 0)
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

/// A file system of its own, while this lives.
struct Mounted(PathBuf);

impl Mounted {
    fn new(at: PathBuf, words: &[&str]) -> Result<Mounted, String> {
        let done = Run::new("mount").args(words).arg(&at).done();
        match done.code {
            Some(0) => Ok(Mounted(at)),
            _ => Err(done.err().trim_end().to_owned()),
        }
    }

    /// Everything in memory.
    fn tmpfs(at: PathBuf) -> Result<Mounted, String> {
        let words = ["-t", "tmpfs", "-o", "size=32m,mode=0777", "superd-tests"];
        Mounted::new(at, &words)
    }

    /// Mailboxes in memory, for syncing is slow and a fault is the same there. Without root they stay
    /// where they are.
    fn memory(site: &Site) -> Option<Mounted> {
        Mounted::tmpfs(site.house.path("disk")).ok()
    }

    /// In a file of so many KiB, with what makes a file system in it.
    fn image(at: PathBuf, kib: u64, mkfs: &[&str]) -> Result<Mounted, String> {
        let image = at.with_extension("image");
        let file = fs::File::create(&image).unwrap();
        file.set_len(kib * 1024).unwrap();
        let made = try_to(&[mkfs, &[image.to_str().unwrap()]].concat());
        made?;
        Mounted::new(at, &["-o", "loop", image.to_str().unwrap()])
    }

    fn remount(&self, options: &str) {
        let options = format!("remount,{options}");
        let done = Run::new("mount").args(["-o", &options]).arg(&self.0).done();
        assert_eq!(done.code, Some(0), "{options}: {}", done.err());
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let done = Run::new("umount").arg(&self.0).done();
        assert_eq!(done.code, Some(0), "{}", done.err());
    }
}

/// A command that this machine may not have, or may not allow.
fn try_to(words: &[&str]) -> Result<(), String> {
    let done = Run::new("/bin/sh")
        .args(["-c", "exec \"$@\" 2>&1", "sh"])
        .args(words)
        .done();
    match done.code {
        Some(0) => Ok(()),
        _ => Err(done.out().trim_end().to_owned()),
    }
}

/// One delivery with each of `amounts` of room, which `limit` allows, `None` being enough. It is
/// taken with enough room and not with too little; and there is no amount with which some have it.
fn with_room(site: &Site, amounts: impl Iterator<Item = u64>, limit: &dyn Fn(Option<u64>)) {
    let (mut taken, mut refused) = (0, 0);
    for amount in amounts {
        limit(None);
        site.clear();
        limit(Some(amount));
        let mut talk = site.start(&[]);
        let verdict = talk.greet_and_send(site);
        let (copies, leftovers) = (site.copies(), site.leftovers());
        limit(None);
        let again = talk.send(site);
        let told = talk.end();
        let told = format!("room for {amount}, taken {verdict:?}, there {copies:?}:\n{told}");
        assert_eq!(copies, verdict.map(usize::from), "{told}");
        assert!(leftovers.is_empty(), "left behind: {leftovers:?}: {told}");
        assert!(!told.lines().any(|line| line.starts_with('5')), "{told}");
        assert_eq!(again, [true; 3], "not taken although there is room: {told}");
        assert_eq!(site.copies(), copies.map(|count| count + 1), "{told}");
        let all = verdict == [true; 3];
        taken += usize::from(all);
        refused += usize::from(!all);
    }
    println!("with too little room {refused}, with enough {taken}");
    assert!(taken > 0 && refused > 0, "{taken} taken, {refused} refused");
}

/// tmpfs with few blocks, then with few inodes.
fn full_in_memory(site: &Site) {
    let disk = match Mounted::tmpfs(site.house.path("disk")) {
        Ok(disk) => disk,
        Err(why) => return note_left_out("a full tmpfs", &why),
    };
    with_room(site, 1..27, &|pages| {
        disk.remount(&format!("size={}k", pages.map_or(32_000, |pages| pages * 4)));
    });
    // What there is before the delivery has eight.
    with_room(site, 8..36, &|inodes| {
        disk.remount(&format!("nr_inodes={}", inodes.unwrap_or(1000)));
    });
}

/// The spool file of maildir-queue or lmtpd on a full disk.
fn full_spool(site: &Site, step: usize) {
    let disk = match Mounted::tmpfs(site.house.path("spool")) {
        Ok(disk) => disk,
        Err(why) => return note_left_out("a full spool", &why),
    };
    with_room(site, (1..90).step_by(step), &|pages| {
        disk.remount(&format!("size={}k", pages.map_or(32_000, |pages| pages * 4)));
    });
}

/// ext4, filled up to some KiB by a file beside the mailboxes.
fn full_ext4(site: &Site, step: usize) {
    let mkfs = "mkfs.ext4 -q -b 1024 -m 0 -N 128 -O ^has_journal";
    let mkfs: Vec<&str> = mkfs.split(' ').collect();
    let disk = match Mounted::image(site.house.path("disk"), 1024, &mkfs) {
        Ok(disk) => disk,
        Err(why) => return note_left_out("a full ext4", &why),
    };
    let ballast = disk.0.join("ballast");
    with_room(site, (0..130).step_by(step), &|kib| {
        let mut file = fs::File::create(&ballast).unwrap();
        let Some(kib) = kib else { return };
        let mut size = 0;
        while file.write_all(&[b'x'; 1024]).is_ok() {
            size += 1024;
        }
        file.set_len(size - kib * 1024).unwrap();
        file.sync_all().unwrap();
    });
}

/// btrfs with a quota: the error is EDQUOT where the disk itself has room.
fn over_quota(site: &Site, step: usize) {
    let what = "a disk quota";
    let mkfs = ["mkfs.btrfs", "-q"];
    let disk = match Mounted::image(site.house.path("disk"), 128 * 1024, &mkfs) {
        Ok(disk) => disk,
        Err(why) => return note_left_out(what, &why),
    };
    let path = disk.0.to_str().unwrap();
    if let Err(why) = try_to(&["btrfs", "quota", "enable", path]) {
        return note_left_out(what, &why);
    }
    with_room(site, (16..700).step_by(step), &|kib| {
        let size = kib.map_or("none".to_owned(), |kib| format!("{kib}k"));
        // What is deleted counts until it is synced.
        try_to(&["sync", "-f", path]).unwrap();
        try_to(&["btrfs", "qgroup", "limit", &size, path]).unwrap();
    });
}

#[test]
fn killed_before_any_call_maildir_queue_leaves_nothing_half() {
    let site = Site::new(1000);
    let _disk = Mounted::memory(&site);
    let choose = |at: usize, calls: &[String]| every(1, "umask", at, calls) || at % 10 == 0;
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
fn however_full_the_disk_is_all_have_it_or_none() {
    if !as_root("full disks") {
        return;
    }
    full_in_memory(&Site::new(20_000));
    full_ext4(&Site::new(20_000), 13);
    full_spool(&Site::new(300_000), 20);
    over_quota(&Site::new(20_000), 60);
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

#[test]
fn soak_on_disks_with_any_room_all_have_it_or_none() {
    if !soak() || !as_root("full disks") {
        return;
    }
    for site in [Site::new(20_000), Site::lmtp(20_000)] {
        full_in_memory(&site);
        full_ext4(&site, 1);
        over_quota(&site, 4);
    }
    full_spool(&Site::new(300_000), 1);
}
