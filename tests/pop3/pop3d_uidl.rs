//! The ids by which clients know what they have: legal, lasting, and those of the server that was here
//! before, so that nobody downloads his mail twice.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::mailbox::{Mailbox, OK};
use kit::dovecot::Dovecot;
use kit::place::files;
use kit::pop3::{Office, PASSWORD, Pop3, with_system_users};
use kit::{Client, Run, Server, peer, private_dir};

const NO_LIST: &str = "-ERR [SYS/TEMP] unable to read the list of message ids";

/// The MD5 of a text, by the system's openssl: not by what is tested.
fn md5(text: &[u8]) -> String {
    let done = Run::new("openssl").args(["md5", "-r"]).input(text).done();
    assert_eq!(done.code, Some(0), "{}", done.err());
    done.out().split(' ').next().unwrap().to_owned()
}

/// The ids of a style, by message number.
fn ids(mailbox: &Mailbox, style: &str) -> Vec<String> {
    let mut session = mailbox.session(&[("POP3D_UIDL", style)]);
    let lines = session.listing("UIDL");
    let ids: Vec<String> = lines
        .iter()
        .enumerate()
        .map(|(at, line)| {
            let (number, id) = line.split_once(' ').unwrap();
            assert_eq!(number, (at + 1).to_string());
            assert_eq!(
                session.ask(&format!("UIDL {number}")),
                format!("+OK {line}")
            );
            id.to_owned()
        })
        .collect();
    let log = session.quit();
    assert!(!log.contains(" fault "), "{log}");
    ids
}

/// Message n has this file name, in cur.
fn named(names: &[&str]) -> Mailbox {
    let mailbox = Mailbox::new();
    for (at, name) in names.iter().enumerate() {
        let name = format!("cur/{name}");
        mailbox.put(&name, format!("A: {at}\n"));
        mailbox.date(&name, Duration::from_secs(1000 + at as u64));
    }
    mailbox
}

#[test]
fn by_default_an_id_is_the_name_up_to_the_colon() {
    let mailbox = named(&["5.M1P2Q3.host,S=5:2,S", "6.x", "7.y:2,:2,"]);
    let expected = ["5.M1P2Q3.host,S=5", "6.x", "7.y"];
    assert_eq!(ids(&mailbox, "name"), expected);
    assert_eq!(ids(&mailbox, ""), expected);
}

#[test]
fn an_id_that_would_not_be_legal_is_the_hash_form() {
    let (fits, long) = ("f".repeat(70), "l".repeat(71));
    let names = [
        "1 a", "2\ta", "3.\u{e4}", &long, &fits, "md5-1", "6\u{7f}", "~!\"+",
    ];
    let mailbox = named(&names);
    let hashed = |name: &str| format!("md5-{}", md5(name.as_bytes()));
    let expected = names.map(|name| match name {
        "~!\"+" => name.to_owned(),
        name if name == fits => name.to_owned(),
        name => hashed(name),
    });
    assert_eq!(ids(&mailbox, "name"), expected);
}

#[test]
fn messages_of_one_name_have_ids_of_their_own_that_last() {
    let mailbox = named(&["1.a:2,", "1.a:2,S", "1.a:2,RS", "2.b"]);
    let all = ids(&mailbox, "name");
    assert_eq!(all[3], "2.b");
    for (at, id) in all[..3].iter().enumerate() {
        let content = format!("A: {at}\n");
        let done = Run::new("openssl")
            .args(["md5", "-binary"])
            .input(&content)
            .done();
        let expected = md5(&[&b"1.a\0"[..], &done.stdout].concat());
        assert_eq!(*id, format!("md5-{expected}"));
    }
    // Where one of them goes the others keep theirs.
    fs::remove_file(mailbox.path("cur/1.a:2,S")).unwrap();
    assert_eq!(
        ids(&mailbox, "name"),
        [&all[0], &all[2], &all[3]].map(String::as_str)
    );
    // Two copies are two messages, too.
    mailbox.put("cur/1.a:2,", "A: 2\n");
    let copies = ids(&mailbox, "name");
    assert!(copies[0] != copies[1], "{copies:?}");
}

#[test]
fn the_ids_of_mailfront_are_those_that_mailfront_gives() {
    let Some(mailfront) = peer("pop3front-maildir") else {
        return;
    };
    let long = format!("3.{}", "l".repeat(90));
    let mailbox = named(&[
        "1.a,S=5:2,S",
        "2.b,W=6,S=5",
        &long,
        "4.d,x:2,",
        "5.e",
        "6.f,S5:2,",
    ]);
    let expected = ids(&mailbox, "mailfront");
    let run = mailbox.run(mailfront).arg("Maildir");
    let done = run.input("UIDL\r\nQUIT\r\n").done();
    let theirs = done.out();
    let theirs: BTreeMap<&str, ()> = theirs
        .lines()
        .filter(|line| !line.starts_with("+OK") && *line != ".")
        .map(|line| (line.split_once(' ').unwrap().1, ()))
        .collect();
    assert_eq!(theirs.len(), 6, "{}{}", done.out(), done.err());
    for id in &expected {
        assert!(
            theirs.contains_key(id.as_str()),
            "{id} is none of {theirs:?}"
        );
    }
}

#[test]
fn md5_ids_are_the_md5_of_the_name() {
    let mailbox = named(&["1.a,S=5:2,S", "2 b"]);
    assert_eq!(ids(&mailbox, "md5"), [md5(b"1.a,S=5"), md5(b"2 b")]);
}

#[test]
fn an_id_lasts_through_flags_quit_and_the_loss_of_the_index() {
    for style in ["name", "mailfront", "md5", "courier", "dovecot"] {
        let mailbox = Mailbox::with(&["A: 1\n", "A: 2\n", "A: 3\n"]);
        mailbox.put(
            "courierpop3dsizelist",
            "/3 9 1400000000\n2.a 6 5:1400000000:0\n",
        );
        let first = ids(&mailbox, style);
        assert_eq!(mailbox.names(), ["cur/1.a:2,", "cur/2.a:2,", "cur/3.a:2,"]);
        mailbox.rename("cur/1.a:2,", "cur/1.a:2,RS");
        fs::remove_file(mailbox.path("superd-index")).unwrap();
        assert_eq!(ids(&mailbox, style), first, "{style}");
        mailbox.rename("cur/2.a:2,", "cur/2.a:2,F");
        assert_eq!(ids(&mailbox, style), first, "{style}");
    }
}

#[test]
fn the_ids_of_courier_are_those_of_its_list_which_stays_as_it_is() {
    let mailbox = named(&["1.a:2,S", "2.b", "3.c,S=5:2,", "4.d", "5'e"]);
    let list = "/3 9 1400000000\n1.a:2,S 6 5:1400000000:0\n3.c,S=5 6 6:1500000000:1\n\
                4.d 6 7:0:0\n5'e:2, 6 0:0:0\ngone 77 8:1400000000:0\n";
    let path = mailbox.put("courierpop3dsizelist", list);
    let before = fs::metadata(&path).unwrap().modified().unwrap();
    assert_eq!(
        ids(&mailbox, "courier"),
        ["UID5-1400000000", "2.b", "UID6-1500000000", "UID7", "5+27e"]
    );
    assert_eq!(fs::read_to_string(&path).unwrap(), list);
    assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), before);
    // Without a list the names are what is left.
    fs::remove_file(&path).unwrap();
    assert_eq!(ids(&mailbox, "courier")[..2], ["1.a", "2.b"]);
}

#[test]
fn the_ids_of_dovecot_are_those_of_its_list_and_new_messages_are_added() {
    let mailbox = named(&["1.a:2,S", "2.b", "3.c:2,"]);
    let list = "3 V1500000000 N9 G0123456789abcdef0123456789abcdef\n\
                4 :3.c\n7 Psaved S5 W6 :1.a\n8 :gone\n";
    let path = mailbox.put("dovecot-uidlist", list);
    let expected = ["saved", "0000000959682f00", "0000000459682f00"];
    assert_eq!(ids(&mailbox, "dovecot"), expected);
    // One line behind what was there, byte for byte.
    assert_eq!(
        fs::read_to_string(&path).unwrap(),
        format!("{list}9 :2.b\n")
    );
    assert_eq!(ids(&mailbox, "dovecot"), expected);
    assert!(!mailbox.path("dovecot-uidlist.lock").exists());
}

#[test]
fn a_list_can_mean_only_one_of_two_messages_so_neither_gets_its_id() {
    for (style, file, list) in [
        (
            "courier",
            "courierpop3dsizelist",
            "/3 9 1\n1.a 6 5:1400000000:0\n2.b 6 6:1400000000:0\n",
        ),
        (
            "dovecot",
            "dovecot-uidlist",
            "3 V1400000000 N9\n5 Psame :1.a\n6 Pother :2.b\n",
        ),
    ] {
        let mailbox = named(&["1.a:2,", "1.a:2,S", "2.b:2,"]);
        mailbox.put(file, list);
        let all = ids(&mailbox, style);
        assert!(all[..2].iter().all(|id| id.starts_with("md5-")), "{all:?}");
        assert!(all[0] != all[1] && !all[2].starts_with("md5-"), "{all:?}");
    }
}

#[test]
fn a_list_that_cannot_be_used_is_told_logged_and_left_as_it_is() {
    for (style, file, text) in [
        (
            "dovecot",
            "dovecot-uidlist",
            "3 V1500000000 N9\nwhat is this\n",
        ),
        ("dovecot", "dovecot-uidlist", ""),
        ("dovecot", "dovecot-uidlist", "9 V1 N1\n"),
        ("courier", "courierpop3dsizelist", "/9 1 1\n"),
    ] {
        let mailbox = named(&["1.a"]);
        let path = mailbox.put(file, text);
        let mut session = mailbox.session(&[("POP3D_UIDL", style)]);
        session.dialogue(&[
            ("UIDL", NO_LIST),
            ("UIDL 1", NO_LIST),
            ("STAT", "+OK 1 6"),
            ("RETR 1", OK),
        ]);
        session.lines();
        let log = session.quit();
        let fault =
            format!("pop3d: fault ip=192.0.2.1 user=joe reason=\"unable to use Maildir/{file}: ");
        assert!(log.contains(&fault), "{log}");
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
    }
    // What is damaged is not asked where it is not wanted.
    let mailbox = named(&["1.a"]);
    mailbox.put("dovecot-uidlist", "what is this\n");
    assert_eq!(ids(&mailbox, "name"), ["1.a"]);
}

/// What Dovecot writes into its locks.
fn lock_of(pid: u32) -> String {
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    format!("{pid}:{}", host.trim_end())
}

#[test]
fn the_lock_of_a_living_process_is_waited_for() {
    let mailbox = named(&["1.a"]);
    let lock = mailbox.put("dovecot-uidlist.lock", lock_of(std::process::id()));
    let long_ago = SystemTime::now() - Duration::from_secs(60);
    let long_ago = long_ago.duration_since(SystemTime::UNIX_EPOCH).unwrap();
    mailbox.date("dovecot-uidlist.lock", long_ago);
    let mut session = mailbox.session(&[("POP3D_UIDL", "dovecot")]);
    session.send("UIDL\r\n");
    session.is_silent_for(Duration::from_millis(300));
    assert!(lock.exists() && !mailbox.path("dovecot-uidlist").exists());
    fs::remove_file(&lock).unwrap();
    assert_eq!(session.line(), OK);
    assert_eq!(session.lines().len(), 1);
    assert!(mailbox.path("dovecot-uidlist").exists());
}

#[test]
fn the_lock_of_a_process_that_is_no_more_is_removed() {
    let mailbox = named(&["1.a"]);
    let mut child = std::process::Command::new("true").spawn().unwrap();
    child.wait().unwrap();
    let lock = mailbox.put("dovecot-uidlist.lock", lock_of(child.id()));
    assert_eq!(ids(&mailbox, "dovecot").len(), 1);
    assert!(!lock.exists());
}

/// joe's mail, which Dovecot and ours serve in turns.
struct Move {
    office: Office,
    dovecot: Dovecot,
    ours: Server,
}

impl Move {
    fn new() -> Option<Move> {
        if !with_system_users("a move between Dovecot and pop3d") {
            return None;
        }
        let office = Office::new();
        let home = office.path("joe");
        let user = ("joe", PASSWORD, office.uid, office.gid, home.as_path());
        let dovecot = Dovecot::start(&[user])?;
        // The same address: clients keep what they know by the name of the server.
        let ours = office
            .pop3("checkpw")
            .host(dovecot.pop3_address().ip())
            .env("POP3D_UIDL", "dovecot")
            .start();
        Some(Move {
            office,
            dovecot,
            ours,
        })
    }

    fn deliver(&self, number: u32) {
        let name = format!("{}.M{number}P1Q{number}.host", 1_700_000_000 + number);
        self.office
            .deliver("joe", &name, format!("Subject: {number}\n\nbody\n"));
    }

    fn servers(&self) -> [SocketAddr; 2] {
        [self.dovecot.pop3_address(), self.ours.address()]
    }

    /// The ids of all messages, by their subjects.
    fn ids(&self, server: SocketAddr) -> BTreeMap<String, String> {
        let mut client = Client::connect(server);
        assert!(client.line().starts_with("+OK"));
        let reply = client.login("joe", PASSWORD);
        assert!(reply.starts_with("+OK"), "{reply} {:?}", self.ours.log());
        assert!(client.ask("UIDL").starts_with("+OK"));
        let lines = client.body();
        let mut ids = BTreeMap::new();
        for line in lines {
            let (number, id) = line.split_once(' ').unwrap();
            assert!(client.ask(&format!("TOP {number} 0")).starts_with("+OK"));
            let subject = client.body().remove(0);
            assert_eq!(ids.insert(subject, id.to_owned()), None);
        }
        assert!(client.ask("QUIT").starts_with("+OK"));
        assert_eq!(client.rest(), b"");
        ids
    }
}

#[test]
fn users_who_move_between_dovecot_and_ours_keep_all_ids() {
    let Some(site) = Move::new() else { return };
    let [dovecot, ours] = site.servers();
    let mut known = BTreeMap::new();
    for (step, server) in [dovecot, ours, dovecot, ours, ours, dovecot]
        .into_iter()
        .enumerate()
    {
        let step = u32::try_from(step).unwrap();
        for number in 0..3 {
            site.deliver(10 * step + number);
        }
        let ids = site.ids(server);
        assert_eq!(ids.len(), known.len() + 3);
        for (subject, id) in &known {
            assert_eq!(ids.get(subject), Some(id), "{subject} in step {step}");
        }
        known = ids;
        // It may go at any time.
        let _ = fs::remove_file(site.office.maildir("joe").join("superd-index"));
    }
    let log = site.dovecot.log();
    assert!(!log.contains("Error") && !log.contains("Warning"), "{log}");
    let log = site.ours.log();
    assert!(!log.iter().any(|line| line.contains(" fault ")), "{log:?}");
}

/// What a client fetches that keeps its mail on the server and knows what it has.
type Fetch = fn(&Path, SocketAddr) -> Option<Vec<String>>;

/// The subjects of the messages in a directory, which is empty then.
fn take_subjects(dir: &Path) -> Vec<String> {
    let mut subjects: Vec<String> = files(dir)
        .iter()
        .map(|path| {
            let text = fs::read_to_string(path).unwrap();
            fs::remove_file(path).unwrap();
            let line = text.lines().find(|line| line.starts_with("Subject: "));
            line.unwrap_or_else(|| panic!("{text}")).to_owned()
        })
        .collect();
    subjects.sort();
    subjects
}

fn settings(state: &Path, text: &str) -> std::path::PathBuf {
    let path = state.join("rc");
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    path
}

/// mpop with its file of ids.
fn mpop(state: &Path, server: SocketAddr) -> Option<Vec<String>> {
    let program = peer("mpop")?;
    let maildir = state.join("Maildir");
    for name in ["tmp", "new", "cur"] {
        fs::create_dir_all(maildir.join(name)).unwrap();
    }
    let rc = format!(
        "account a\nhost {}\nport {}\nuser joe\npassword {PASSWORD}\nauth user\ntls off\nkeep on\n\
         uidls_file {}/uidls\ndelivery maildir {}\n",
        server.ip(),
        server.port(),
        state.display(),
        maildir.display()
    );
    let done = Run::new(program)
        .arg("-C")
        .arg(settings(state, &rc))
        .arg("a")
        .env("HOME", state)
        .done();
    assert_eq!(done.code, Some(0), "{}{}", done.out(), done.err());
    Some(take_subjects(&maildir.join("new")))
}

/// fetchmail with its file of ids.
fn fetchmail(state: &Path, server: SocketAddr) -> Option<Vec<String>> {
    let program = peer("fetchmail")?;
    let kept = state.join("mail");
    fs::create_dir_all(&kept).unwrap();
    let rc = format!(
        "set postmaster \"nobody\"\npoll {} with protocol POP3 service {} uidl \
         user \"joe\" password \"{PASSWORD}\" keep sslproto \"\" mda \"cat >{}/$$\"\n",
        server.ip(),
        server.port(),
        kept.display()
    );
    let done = Run::new(program)
        .arg("-f")
        .arg(settings(state, &rc))
        .args([
            "--nodetach",
            "--nosyslog",
            "--pidfile",
            "pid",
            "--idfile",
            "ids",
        ])
        .env("HOME", state)
        .env("FETCHMAILHOME", state)
        .dir(state)
        .done();
    // 1: there was no new mail.
    assert!(
        matches!(done.code, Some(0 | 1)),
        "{}{}",
        done.out(),
        done.err()
    );
    Some(take_subjects(&kept))
}

/// A client that has its mail fetches what is new and nothing twice, whichever server it meets.
fn fetches_nothing_twice(fetch: Fetch) {
    let Some(site) = Move::new() else { return };
    let state = private_dir(0o700);
    let [dovecot, ours] = site.servers();
    for (step, server) in [dovecot, ours, dovecot, ours, ours].into_iter().enumerate() {
        let step = u32::try_from(step).unwrap();
        let new = [10 * step, 10 * step + 1];
        for number in new {
            site.deliver(number);
        }
        let Some(fetched) = fetch(state.path(), server) else {
            return;
        };
        let expected = new.map(|number| format!("Subject: {number}"));
        assert_eq!(fetched, expected, "step {step}: {:?}", site.ours.log());
    }
}

#[test]
fn mpop_downloads_nothing_again_after_a_move() {
    fetches_nothing_twice(mpop);
}

#[test]
fn fetchmail_downloads_nothing_again_after_a_move() {
    fetches_nothing_twice(fetchmail);
}
