//! Real IMAP clients on a real account: superd, imapup, checkpw and imapd, and the same beside
//! Dovecot, which shows that a client is used as it wants to be.

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::house::{Whose, simple};
use kit::clients::{private_file, python, run_fetchmail};
use kit::dovecot::Dovecot;
use kit::imap::{Imap, step};
use kit::place::files;
use kit::pop3::{HOST, Office, PASSWORD, Pop3};
use kit::{DEADLINE, Run, Server, is_root, peer, private_dir, run, signal, soak};

/// An office whose mail is served by IMAP.
struct Served {
    office: Office,
    server: Option<Server>,
    dovecot: Option<Dovecot>,
}

impl Served {
    fn by(whose: Whose) -> Option<Served> {
        let office = Office::new();
        let (mut server, mut dovecot) = (None, None);
        match whose {
            Whose::Ours => {
                let words = ["imapup", HOST, "checkpw", "imapd", "Maildir"];
                server = Some(office.serve(&words).start());
            }
            Whose::Dovecot => {
                let home = office.path("joe");
                let user = ("joe", PASSWORD, office.uid, office.gid, home.as_path());
                dovecot = Some(Dovecot::start(&[user])?);
            }
        }
        Some(Served {
            office,
            server,
            dovecot,
        })
    }

    fn address(&self) -> SocketAddr {
        match (&self.server, &self.dovecot) {
            (Some(server), _) => server.address(),
            (_, Some(dovecot)) => dovecot.imap_address(),
            _ => unreachable!("one of them runs"),
        }
    }

    fn login(&self) -> Imap {
        let mut client = Imap::connect(self.address());
        let status = client.login("joe", PASSWORD);
        assert!(status.starts_with("OK"), "{status} {}", self.log());
        client
    }

    fn log(&self) -> String {
        match (&self.server, &self.dovecot) {
            (Some(server), _) => server.log().join("\n"),
            (_, Some(dovecot)) => dovecot.log(),
            _ => String::new(),
        }
    }

    /// Delivers messages with these numbers.
    fn deliver(&self, numbers: impl IntoIterator<Item = u64>) {
        for number in numbers {
            let name = format!("{}.M{number}P1.host", 1_700_000_000 + number);
            self.office.deliver("joe", &name, simple(number));
        }
    }

    /// The numbers of the messages in a folder of the Maildir (`.` is INBOX), each as often as it is there.
    fn numbers(&self, folder: &str) -> Vec<u64> {
        numbers(&self.office.maildir("joe").join(folder))
    }

    /// The processes that serve logged-in users. Of Dovecot none: each of its serves many.
    fn sessions(&self) -> Vec<u32> {
        let server = self.server.as_ref().map(Server::pid);
        server.map_or_else(Vec::new, |pid| children_of(pid, self.office.uid))
    }

    /// Waits until no session is left of clients that are gone.
    fn wait_for_sessions(&self) {
        let end = Instant::now() + DEADLINE;
        while !self.sessions().is_empty() {
            assert!(Instant::now() < end, "a session goes on: {}", self.log());
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Sends KILL to the processes that serve logged-in users.
    fn kill_sessions(&self) {
        for pid in self.sessions() {
            // It may have ended by itself.
            let _ = Command::new("kill")
                .args(["-9", &pid.to_string()])
                .stderr(Stdio::null())
                .status();
        }
    }
}

/// The descendants of a process that belong to a user.
fn children_of(root: u32, uid: u32) -> Vec<u32> {
    use std::os::unix::fs::MetadataExt;
    let mut parents = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse::<u32>().ok())
        else {
            continue;
        };
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else {
            continue;
        };
        let parent = stat.rsplit_once(") ").unwrap().1.split(' ').nth(1).unwrap();
        let owner = fs::metadata(entry.path()).map(|meta| meta.uid());
        parents.push((pid, parent.parse::<u32>().unwrap(), owner.unwrap_or(0)));
    }
    let mut found = vec![root];
    let mut at = 0;
    while at < found.len() {
        let parent = found[at];
        found.extend(
            parents
                .iter()
                .filter(|one| one.1 == parent)
                .map(|one| one.0),
        );
        at += 1;
    }
    let owned = |pid: &u32| parents.iter().any(|one| one.0 == *pid && one.2 == uid);
    found.into_iter().skip(1).filter(owned).collect()
}

/// The numbers N of all messages with `Message-ID: <N@example.org>` in `new` and `cur`, sorted.
fn numbers(maildir: &Path) -> Vec<u64> {
    let mut all: Vec<u64> = ["new", "cur"]
        .iter()
        .flat_map(|dir| files(&maildir.join(dir)))
        // A message may be renamed while this looks at it.
        .filter_map(|path| fs::read_to_string(path).ok())
        .map(|text| {
            let (_, rest) = text.split_once("Message-ID: <").unwrap();
            rest.split('@').next().unwrap().parse().unwrap()
        })
        .collect();
    all.sort_unstable();
    all
}

fn both(test: impl Fn(&Served)) {
    for whose in [Whose::Dovecot, Whose::Ours] {
        if let Some(served) = Served::by(whose) {
            println!("the server is {whose:?}'s");
            test(&served);
        }
    }
}

const IMAPLIB: &str = "
import imaplib, sys, time
host, port, user, password = sys.argv[1:]
imap = imaplib.IMAP4(host, int(port), timeout=20)
def ok(reply):
    assert reply[0] == 'OK', reply
    return reply[1]
ok(imap.login(user, password))
assert 'UIDPLUS' in imap.capabilities or 'UIDPLUS' in str(ok(imap.capability()))
count = int(ok(imap.select('INBOX'))[0])
assert count == 3, count
found = ok(imap.search(None, 'SUBJECT', '\"message 2\"'))[0].split()
assert found == [b'2'], found
for number in range(1, count + 1):
    data = ok(imap.fetch(str(number), '(UID FLAGS RFC822.SIZE BODY.PEEK[])'))
    head, body = data[0]
    assert b'RFC822.SIZE %d' % len(body) in head, head
    sys.stdout.write(body.decode('latin-1') + '\\0')
ok(imap.store('1', '+FLAGS', '(\\\\Flagged keyword)'))
ok(imap.create('archive.2020'))
ok(imap.copy('1:2', 'archive.2020'))
ok(imap.append('archive.2020', '\\\\Seen', imaplib.Time2Internaldate(time.time()), b'Message-ID: <9@example.org>\\r\\n\\r\\nx\\r\\n'))
assert int(ok(imap.select('archive.2020'))[0]) == 3
flags = ok(imap.fetch('1', '(FLAGS)'))[0]
assert b'Flagged' in flags and b'keyword' in flags, flags
ok(imap.uid('STORE', '1', '+FLAGS', '(\\\\Deleted)'))
ok(imap.expunge())
ok(imap.close())
ok(imap.rename('archive.2020', 'archive.new'))
names = ok(imap.list())
assert any(line.endswith(b'archive.new') for line in names), names
ok(imap.status('archive.new', '(MESSAGES)'))
imap.logout()
";

#[test]
fn pythons_imaplib_reads_stores_copies_and_appends() {
    both(|served| {
        let Some(python) = python() else { return };
        served.deliver(1..=3);
        let done = Run::new(python)
            .args(["-c", IMAPLIB, &served.address().ip().to_string()])
            .args([&served.address().port().to_string(), "joe", PASSWORD])
            .env("HOME", "/nonexistent")
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .done();
        assert_eq!(done.code, Some(0), "{} {}", done.err(), served.log());
        let out = done.out();
        let mail: Vec<&str> = out.split_terminator('\0').collect();
        let sent: Vec<String> = (1..=3).map(|n| simple(n).replace('\n', "\r\n")).collect();
        assert_eq!(mail, sent);
        assert_eq!(served.numbers(".archive.new"), [2, 9]);
    });
}

#[test]
fn curl_lists_fetches_searches_and_appends() {
    both(|served| {
        let Some(curl) = peer("curl") else { return };
        served.deliver(1..=3);
        let run = |words: &[&str]| {
            let done = Run::new(&curl)
                .args(["-sS", "--max-time", "20", "-u", &format!("joe:{PASSWORD}")])
                .args(words)
                .done();
            assert_eq!(
                done.code,
                Some(0),
                "{words:?}: {} {}",
                done.err(),
                served.log()
            );
            done.out()
        };
        let base = format!("imap://{}", served.address());
        let listed = run(&[&base]);
        assert!(
            listed.starts_with("* LIST (") && listed.contains("INBOX"),
            "{listed}"
        );
        let message = run(&[&format!("{base}/INBOX;MAILINDEX=2")]);
        assert_eq!(message, simple(2).replace('\n', "\r\n"));
        let uid = run(&[&format!("{base}/INBOX;UID=3;SECTION=TEXT")]);
        assert_eq!(uid, "text 3\r\nsecond line\r\n");
        assert_eq!(
            run(&[&format!("{base}/INBOX?SUBJECT%20message")]).trim_end(),
            "* SEARCH 1 2 3"
        );
        let dir = private_dir(0o700);
        let file = dir.path().join("message");
        fs::write(&file, simple(4).replace('\n', "\r\n")).unwrap();
        run(&["-T", file.to_str().unwrap(), &format!("{base}/INBOX")]);
        assert_eq!(served.numbers("."), [1, 2, 3, 4]);
        run(&[&format!("{base}/INBOX"), "-X", "STORE 1 +FLAGS (\\Deleted)"]);
        run(&[&format!("{base}/INBOX"), "-X", "EXPUNGE"]);
        assert_eq!(served.numbers("."), [2, 3, 4]);
    });
}

#[test]
fn fetchmail_takes_new_mail_once() {
    both(|served| {
        let Some(fetchmail) = peer("fetchmail") else {
            return;
        };
        served.deliver(1..=4);
        let dir = private_dir(0o700);
        let kept = dir.path().join("mail");
        fs::create_dir(&kept).unwrap();
        let rc = format!(
            "set postmaster \"nobody\"\npoll {} with protocol IMAP auth password service {} \
             user \"joe\" password \"{PASSWORD}\" keep sslproto \"\" mda \"cat >{}/$$\"\n",
            served.address().ip(),
            served.address().port(),
            kept.display()
        );
        private_file(&dir.path().join("rc"), &rc);
        for (delivered, code) in [(4, 0), (4, 1), (6, 0)] {
            if delivered == 6 {
                served.deliver(5..=6);
            }
            let done = run_fetchmail(&fetchmail, dir.path());
            // 1 says that there was no new mail.
            assert_eq!(
                done.code,
                Some(code),
                "{}{} {}",
                done.out(),
                done.err(),
                served.log()
            );
            assert_eq!(files(&kept).len(), delivered);
        }
        // What was fetched has been read.
        assert!(
            files(&served.office.maildir("joe").join("cur"))
                .iter()
                .all(|path| path.to_str().unwrap().ends_with(":2,S"))
        );
    });
}

/// mbsync between the account and a Maildir of its own.
struct Mbsync {
    program: PathBuf,
    dir: tempfile::TempDir,
}

impl Mbsync {
    fn new(served: &Served) -> Option<Mbsync> {
        let program = peer("mbsync")?;
        let dir = private_dir(0o700);
        fs::create_dir(dir.path().join("near")).unwrap();
        let rc = format!(
            "FSync no\nIMAPStore far\nHost {}\nPort {}\nUser joe\nPass \"{PASSWORD}\"\nSSLType None\n\
             AuthMechs LOGIN\nTimeout 60\n\nMaildirStore near\nPath {dir}/near/\nInbox {dir}/near/INBOX\n\
             SubFolders Verbatim\n\nChannel all\nFar :far:\nNear :near:\nPatterns *\nCreate Both\n\
             Remove None\nExpunge Both\nSync All\nSyncState *\n",
            served.address().ip(),
            served.address().port(),
            dir = dir.path().display()
        );
        private_file(&dir.path().join("rc"), &rc);
        Some(Mbsync { program, dir })
    }

    fn near(&self, folder: &str) -> PathBuf {
        self.dir.path().join("near").join(folder)
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(["-c", "rc", "-a"])
            .current_dir(self.dir.path())
            .env_clear()
            .env("PATH", run::PATH)
            .env("HOME", self.dir.path());
        command
    }

    /// Runs it to its end, which must be good.
    fn sync(&self, served: &Served) {
        let done = Run::new(&self.program)
            .args(["-c", "rc", "-a"])
            .env("HOME", self.dir.path())
            .dir(self.dir.path())
            .deadline(Duration::from_secs(300))
            .done();
        assert_eq!(
            done.code,
            Some(0),
            "{}{} {}",
            done.out(),
            done.err(),
            served.log()
        );
    }

    /// Runs it for a while and kills it, or the server's side of it; then waits for the session's end.
    ///
    /// Where mbsync does not know whether a message of its has arrived, it looks in its next run, from the
    /// UIDNEXT of its SELECT on backwards, and sends what it does not find again. An APPEND that was begun
    /// before its end, and is done behind that SELECT, comes twice, and no server can help that: none hears
    /// of the client's end before it has written to it. So the next run begins when nothing is done any more.
    fn broken_off(&self, served: &Served, after: Duration, server: bool) {
        let mut child = self
            .command()
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(after);
        if server {
            served.kill_sessions();
            // It gives up by itself, at once or when it has tried again.
            run::wait(&mut child, Instant::now() + DEADLINE);
        } else {
            let _ = child.kill();
            child.wait().unwrap();
        }
        served.wait_for_sessions();
    }

    /// Adds flags to the file of a message of the near side, as a mail reader does.
    fn mark(&self, folder: &str, number: u64, flags: &str) {
        let id = format!("Message-ID: <{number}@");
        let path = files(&self.near(folder).join("cur"))
            .into_iter()
            .chain(files(&self.near(folder).join("new")))
            .find(|path| fs::read_to_string(path).unwrap().contains(&id))
            .unwrap();
        let name = path.file_name().unwrap().to_str().unwrap();
        let (base, old) = name.split_once(":2,").unwrap_or((name, ""));
        let letters: BTreeSet<char> = old.chars().chain(flags.chars()).collect();
        let letters: String = letters.into_iter().collect();
        let new = self
            .near(folder)
            .join("cur")
            .join(format!("{base}:2,{letters}"));
        fs::rename(path, new).unwrap();
    }

    /// Puts a message into the near side.
    fn put(&self, folder: &str, number: u64) {
        let name = format!("{number}.near.host:2,S");
        let tmp = self.near(folder).join("tmp").join(&name);
        fs::write(&tmp, simple(number)).unwrap();
        fs::rename(tmp, self.near(folder).join("cur").join(name)).unwrap();
    }

    fn numbers(&self, folder: &str) -> Vec<u64> {
        numbers(&self.near(folder))
    }
}

#[test]
fn mbsync_carries_mail_flags_and_expunges_both_ways() {
    both(|served| {
        let Some(mbsync) = Mbsync::new(served) else {
            return;
        };
        served.deliver(1..=10);
        let mut client = served.login();
        client.ok("CREATE lists.rust");
        client.ok("SELECT INBOX");
        client.ok("COPY 1:3 lists.rust");
        mbsync.sync(served);
        assert_eq!(mbsync.numbers("INBOX"), (1..=10).collect::<Vec<u64>>());
        assert_eq!(mbsync.numbers("lists/rust"), [1, 2, 3]);
        // Changes here and there.
        mbsync.mark("INBOX", 2, "FS");
        mbsync.mark("INBOX", 3, "ST");
        mbsync.put("INBOX", 11);
        mbsync.put("lists/rust", 12);
        client.ok("SELECT INBOX");
        client.ok("STORE 4 +FLAGS (\\Answered)");
        client.ok("STORE 5 +FLAGS (\\Deleted)");
        client.ok("EXPUNGE");
        served.deliver([13]);
        mbsync.sync(served);
        mbsync.sync(served);
        let wanted = [1, 2, 4, 6, 7, 8, 9, 10, 11, 13];
        assert_eq!(mbsync.numbers("INBOX"), wanted);
        assert_eq!(served.numbers("."), wanted);
        assert_eq!(mbsync.numbers("lists/rust"), [1, 2, 3, 12]);
        assert_eq!(served.numbers(".lists.rust"), [1, 2, 3, 12]);
        client.ok("SELECT INBOX");
        step(
            &mut client,
            "SEARCH FLAGGED HEADER Message-ID \"<2@\"",
            &["SEARCH 2"],
            "OK ~",
        );
        let answered = files(&mbsync.near("INBOX/cur"))
            .into_iter()
            .find(|path| {
                path.to_str()
                    .unwrap()
                    .rsplit(',')
                    .next()
                    .unwrap()
                    .contains('R')
            })
            .unwrap();
        assert!(fs::read_to_string(answered).unwrap().contains("<4@"));
    });
}

/// Two-way synchronisation that is broken off again and again; at last both sides hold every message
/// exactly once.
fn mbsync_survives_kills(served: &Served, messages: u64, kills: u64) {
    let Some(mbsync) = Mbsync::new(served) else {
        return;
    };
    served.deliver(1..=messages / 2);
    mbsync.sync(served);
    let mut next = messages / 2 + 1;
    let step = (messages / 2 / kills).max(2);
    let mut state = 9_u64;
    for kill in 0..kills {
        for number in next..next + step {
            if number % 2 == 0 {
                served.deliver([number]);
            } else {
                mbsync.put("INBOX", number);
            }
        }
        next += step;
        mbsync.mark("INBOX", 1 + kill % (messages / 2), "F");
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let after = Duration::from_millis(10 + (state >> 33) % (250 + messages / 8));
        mbsync.broken_off(served, after, kill % 2 == 1);
    }
    mbsync.sync(served);
    mbsync.sync(served);
    let wanted: Vec<u64> = (1..next).collect();
    assert_eq!(served.numbers("."), wanted);
    assert_eq!(mbsync.numbers("INBOX"), wanted);
    let mut client = served.login();
    client.ok("SELECT INBOX");
    let reply = client.run("SEARCH RETURN (COUNT) FLAGGED");
    assert_eq!(
        reply.number("COUNT"),
        Some(kills.min(messages / 2)),
        "{reply:?}"
    );
}

#[test]
fn mbsync_loses_and_doubles_nothing_when_either_side_is_killed() {
    both(|served| mbsync_survives_kills(served, 60, 6));
}

#[test]
fn soak_mbsync_of_ten_thousand_messages_with_kills_on_both_sides() {
    if !soak() {
        return;
    }
    if let Some(served) = Served::by(Whose::Ours) {
        mbsync_survives_kills(&served, 10_000, 100);
    }
}

#[test]
fn offlineimap_carries_mail_and_flags_both_ways() {
    both(|served| {
        let Some(offlineimap) = peer("offlineimap") else {
            return;
        };
        served.deliver(1..=5);
        let dir = private_dir(0o700);
        let rc = format!(
            "[general]\naccounts = a\nmetadata = {dir}/meta\nui = quiet\n[Account a]\nlocalrepository = l\n\
             remoterepository = r\n[Repository l]\ntype = Maildir\nlocalfolders = {dir}/near\n[Repository r]\n\
             type = IMAP\nremotehost = {}\nremoteport = {}\nremoteuser = joe\nremotepass = {PASSWORD}\n\
             ssl = no\nstarttls = no\nauth_mechanisms = LOGIN\nmaxconnections = 1\n",
            served.address().ip(),
            served.address().port(),
            dir = dir.path().display()
        );
        private_file(&dir.path().join("rc"), &rc);
        let sync = || {
            let done = Run::new(&offlineimap)
                .args(["-c", "rc", "-o", "-u", "basic"])
                .env("HOME", dir.path())
                .env("PATH", std::env::var_os("PATH").unwrap_or_default())
                .dir(dir.path())
                .deadline(Duration::from_secs(60))
                .done();
            assert_eq!(
                done.code,
                Some(0),
                "{}{} {}",
                done.out(),
                done.err(),
                served.log()
            );
        };
        sync();
        let near = dir.path().join("near/INBOX");
        assert_eq!(numbers(&near), [1, 2, 3, 4, 5]);
        // A message is flagged, one deleted and one written here; one comes there.
        let mut all = [files(&near.join("cur")), files(&near.join("new"))].concat();
        all.sort_by_key(|path| fs::read_to_string(path).unwrap());
        let renamed = |path: &Path, flags: &str| {
            let name = path.file_name().unwrap().to_str().unwrap();
            let base = name.split(":2,").next().unwrap();
            fs::rename(path, near.join("cur").join(format!("{base}:2,{flags}"))).unwrap();
        };
        renamed(&all[0], "FS");
        fs::remove_file(&all[1]).unwrap();
        fs::write(near.join("cur/1700000100_0.1.host:2,S"), simple(7)).unwrap();
        served.deliver([6]);
        sync();
        assert_eq!(served.numbers("."), [1, 3, 4, 5, 6, 7]);
        sync();
        assert_eq!(numbers(&near), [1, 3, 4, 5, 6, 7]);
        let mut client = served.login();
        client.ok("SELECT INBOX");
        step(&mut client, "SEARCH FLAGGED", &["SEARCH 1"], "OK ~");
    });
}

#[test]
fn mutt_opens_copies_flags_and_deletes() {
    both(|served| {
        let Some(mutt) = peer("mutt") else { return };
        if !Path::new("/usr/bin/script").exists() {
            kit::note_left_out("mutt", "it wants a terminal, and there is no script(1)");
            return;
        }
        served.deliver(1..=5);
        let mut client = served.login();
        client.ok("CREATE saved");
        let dir = private_dir(0o700);
        let rc = format!(
            "set imap_user=joe\nset imap_pass=\"{PASSWORD}\"\nset ssl_starttls=no\nset ssl_force_tls=no\n\
             set imap_condstore=yes\nset imap_qresync=yes\nset imap_deflate=yes\nset imap_authenticators=login\n\
             set header_cache={dir}/cache\nset delete=yes\nset quit=yes\nset confirmappend=no\nset confirmcreate=no\n\
             set copy=no\nset move=no\nset mail_check=0\nset wait_key=no\nset sort=mailbox-order\n",
            dir = dir.path().display()
        );
        private_file(&dir.path().join("rc"), &rc);
        fs::create_dir(dir.path().join("cache")).unwrap();
        let mailbox = format!("imap://{}/INBOX", served.address());
        let saved = format!("imap://{}/saved", served.address());
        // The first answer to a question of its is lost while it starts.
        let batch = |keys: &str| {
            let line = format!(
                "exec '{}' -n -F '{}/rc' -f '{mailbox}' -e 'push \"<limit>~A<enter>{keys}\"'",
                mutt.display(),
                dir.path().display()
            );
            let done = Run::new("script")
                .args(["-qefc", &line, "/dev/null"])
                .env("HOME", dir.path())
                .env("TERM", "xterm")
                .env("LINES", "24")
                .env("COLUMNS", "80")
                .dir(dir.path())
                .done();
            assert_eq!(
                done.code,
                Some(0),
                "{}{} {}",
                done.out(),
                done.err(),
                served.log()
            );
        };
        batch(&format!(
            "<limit>~s2<enter><flag-message><limit>~A<enter><tag-pattern>~A<enter>\
             <tag-prefix><copy-message>{saved}<enter><untag-pattern>~A<enter>\
             <delete-pattern>~s4<enter><quit>"
        ));
        assert_eq!(served.numbers(".saved"), [1, 2, 3, 4, 5]);
        assert_eq!(served.numbers("."), [1, 2, 3, 5]);
        client.ok("SELECT INBOX");
        step(&mut client, "SEARCH FLAGGED", &["SEARCH 2"], "OK ~");
        // Again, with what it keeps in its cache.
        served.deliver([6]);
        client.ok("STORE 1 +FLAGS (\\Deleted)");
        client.ok("EXPUNGE");
        batch("<delete-pattern>~s6<enter><quit>");
        assert_eq!(served.numbers("."), [2, 3, 5]);
    });
}

#[test]
fn pop3_and_imap_work_on_one_mailbox_at_once() {
    let Some(served) = Served::by(Whose::Ours) else {
        return;
    };
    let pop3 = served.office.pop3("checkpw").start();
    served.deliver(1..=6);
    let mut imap = served.login();
    step(&mut imap, "SELECT INBOX", &["6 EXISTS"], "OK ~");
    let log_in = |server: &Server| {
        let mut client = server.connect();
        client.line();
        assert!(client.login("joe", PASSWORD).starts_with("+OK"));
        client
    };
    let mut first = log_in(&pop3);
    assert!(first.ask("UIDL").starts_with("+OK"));
    let uidl = first.body();
    assert_eq!(uidl.len(), 6);
    // Flags that IMAP sets do not disturb the session, nor its unique ids.
    imap.ok("STORE 1:3 +FLAGS (\\Answered \\Seen)");
    for number in 1..=6 {
        assert!(
            first.ask(&format!("RETR {number}")).starts_with("+OK"),
            "{number}"
        );
        assert!(
            first
                .body()
                .join("\n")
                .contains(&format!("message {number}"))
        );
    }
    assert!(first.ask("DELE 2").starts_with("+OK"));
    step(&mut imap, "NOOP", &["!~EXPUNGE"], "OK ~");
    assert!(first.ask("QUIT").starts_with("+OK"));
    assert_eq!(first.rest(), b"");
    let mut told = imap.ok("NOOP");
    let end = Instant::now() + DEADLINE;
    while !told.iter().any(|line| line == "2 EXPUNGE") {
        assert!(Instant::now() < end, "{told:?}");
        told.extend(imap.ok("NOOP"));
    }
    // What IMAP expunges is gone for a POP3 session that had seen it; all else stays.
    let mut second = log_in(&pop3);
    assert!(second.ask("STAT").starts_with("+OK 5 "));
    imap.ok("STORE 1 +FLAGS (\\Deleted)");
    imap.ok("EXPUNGE");
    assert!(second.ask("RETR 1").starts_with("-ERR"));
    assert!(second.ask("RETR 2").starts_with("+OK"));
    second.body();
    assert!(second.ask("QUIT").starts_with("+OK") || served.numbers(".") == [3, 4, 5, 6]);
    served.deliver([7]);
    let mut third = log_in(&pop3);
    assert!(third.ask("UIDL").starts_with("+OK"));
    let later = third.body();
    let name = |line: &String| line.split(' ').nth(1).unwrap().to_owned();
    let before: Vec<String> = uidl[2..].iter().map(name).collect();
    let after: Vec<String> = later[..4].iter().map(name).collect();
    assert_eq!(before, after);
    assert_eq!(later.len(), 5);
    assert_eq!(served.numbers("."), [3, 4, 5, 6, 7]);
}

#[test]
fn sessions_end_with_their_clients() {
    let Some(served) = Served::by(Whose::Ours) else {
        return;
    };
    if !is_root() {
        return;
    }
    let server = served.server.as_ref().unwrap();
    let clients: Vec<Imap> = (0..5).map(|_| served.login()).collect();
    assert!(children_of(server.pid(), served.office.uid).len() >= 5);
    drop(clients);
    let end = Instant::now() + DEADLINE;
    while !children_of(server.pid(), served.office.uid).is_empty() {
        assert!(Instant::now() < end, "{}", served.log());
        std::thread::sleep(Duration::from_millis(20));
    }
    signal(server.pid(), "TERM");
}
