//! lmtpd: whole programs and real clients; who reads the network, who delivers, and what is left when
//! something is in the way or somebody is killed.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use kit::place::files;
use kit::pop3::{JOE, Office, POST_GROUP, with_system_users};
use kit::process::{Process, connection, eventually, holders};
use kit::run::{PATH, becoming};
use kit::smtp::House;
use kit::{Client, Done, Run, Server, bin, is_null, is_root, libexec, peer, script, signal, soak};

const DOMAIN: &str = "here.test";

/// An office whose domain is [`DOMAIN`].
fn office() -> Office {
    let office = Office::new();
    fs::write(office.path("home/control/me"), format!("{DOMAIN}\n")).unwrap();
    office
}

/// The messages in `new` of a user.
fn mail(office: &Office, user: &str) -> Vec<String> {
    let text = |path: &PathBuf| String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned();
    files(&office.maildir(user).join("new"))
        .iter()
        .map(text)
        .collect()
}

/// LMTP as a client speaks it.
trait Lmtp {
    /// Reads a whole reply; its last line.
    fn reply(&mut self) -> String;
    /// Sends a line and reads its reply.
    fn command(&mut self, line: &str) -> String;
    /// Greets, and names sender and recipients, all of whom are to be taken.
    fn begin(&mut self, recipients: &[&str]);
    /// Sends a message and its end; the replies for so many recipients.
    fn message(&mut self, text: &str, recipients: usize) -> Vec<String>;
}

impl Lmtp for Client {
    fn reply(&mut self) -> String {
        loop {
            let line = self.line();
            if line.as_bytes().get(3) != Some(&b'-') {
                return line;
            }
        }
    }

    fn command(&mut self, line: &str) -> String {
        self.say(line);
        self.reply()
    }

    fn begin(&mut self, recipients: &[&str]) {
        assert!(self.reply().starts_with("220 "));
        assert!(self.command("LHLO client").starts_with("250 "));
        assert!(self.command("MAIL FROM:<s@x>").starts_with("250 "));
        for recipient in recipients {
            let reply = self.command(&format!("RCPT TO:<{recipient}@{DOMAIN}>"));
            assert!(reply.starts_with("250 "), "{recipient}: {reply}");
        }
    }

    fn message(&mut self, text: &str, recipients: usize) -> Vec<String> {
        assert_eq!(self.command("DATA"), "354 go ahead");
        self.send(format!("{text}\r\n.\r\n"));
        (0..recipients).map(|_| self.reply()).collect()
    }
}

/// One session on descriptors 0 and 1, with these words before the program.
fn session(launcher: &[String], home: &Path, variables: &[(&str, &str)], input: &str) -> Done {
    let mut run = Run::behind(launcher, libexec().join("lmtpd"))
        .env("SUPERD_HOME", home)
        .input(input);
    for (name, value) in variables {
        run = run.env(name, value);
    }
    run.done()
}

const ONE: &str = "LHLO c\r\nMAIL FROM:<s@x>\r\nRCPT TO:<joe@here.test>\r\nDATA\r\n\
                   Subject: one\r\n\r\nbody\r\n.\r\nQUIT\r\n";

#[test]
fn each_recipient_has_his_own_answer_and_the_message_is_his_who_owns_the_mailbox() {
    if !with_system_users("lmtpd for system users") {
        return;
    }
    let office = office();
    fs::remove_dir_all(office.maildir("ann")).unwrap();
    let server = office.serve(&["lmtpd"]).start();
    let mut client = server.connect();
    client.begin(&["joe", "ann"]);
    let refused = [
        ("nobody-here@here.test", "550 5.1.1 "),
        // uid 0, whatever it is called.
        ("toor@here.test", "550 5.1.1 "),
        ("root@here.test", "550 5.1.1 "),
        ("joe@elsewhere.test", "550 5.1.2 "),
    ];
    for (recipient, reply) in refused {
        let said = client.command(&format!("RCPT TO:<{recipient}>"));
        assert!(said.starts_with(reply), "{recipient}: {said}");
    }
    let replies = client.message("Subject: x\r\n\r\n..dot", 2);
    let id = replies[0].strip_prefix("250 2.1.5 ok ").expect("delivered");
    assert_eq!(replies[0], replies[1]);
    assert!(client.command("QUIT").starts_with("221 "));
    for user in ["joe", "ann"] {
        let [text] = &mail(&office, user)[..] else {
            panic!("one message for {user}")
        };
        let head = format!("Return-Path: <s@x>\nDelivered-To: {user}@here.test\nReceived: from ");
        assert!(text.starts_with(&head), "{text}");
        assert!(text.contains(&format!(" with LMTP id {id}; ")), "{text}");
        assert!(text.ends_with("\nSubject: x\n\n.dot\n"), "{text}");
        let uid = office.uid_of(user);
        let maildir = office.maildir(user);
        let file = files(&maildir.join("new")).remove(0);
        for (path, mode) in [
            (maildir.clone(), 0o700),
            (maildir.join("new"), 0o700),
            (maildir.join("tmp"), 0o700),
            (file.clone(), 0o600),
        ] {
            let meta = fs::metadata(&path).unwrap();
            assert_eq!((meta.uid(), meta.gid()), (uid, uid), "{path:?}");
            assert_eq!(meta.permissions().mode() & 0o777, mode, "{path:?}");
        }
        let line = format!(
            "lmtpd: deliver ip=127.0.0.1 qp={id} from=<s@x> to=<{user}@here.test> size={} file={}",
            text.len(),
            file.display()
        );
        server.wait_for(&line);
        assert!(files(&maildir.join("tmp")).is_empty());
    }
    server.wait_for("lmtpd: end ip=127.0.0.1 reason=quit messages=1 delivered=2 refused=4");
}

#[test]
fn what_fails_for_one_owner_is_not_the_others() {
    if !with_system_users("lmtpd for two owners") {
        return;
    }
    let office = office();
    fs::write(office.path("home/aliases"), "both: joe, ann\n").unwrap();
    let server = office.serve(&["lmtpd"]).start();
    // Somebody else's directory in her Maildir.
    chown(office.maildir("ann").join("new"), Some(JOE), Some(JOE)).unwrap();
    let mut client = server.connect();
    client.begin(&["both", "joe", "ann"]);
    let replies = client.message("x", 3);
    assert!(replies[0].starts_with("451 4."), "{replies:?}");
    assert!(replies[1].starts_with("250 2.1.5 "), "{replies:?}");
    assert!(replies[2].starts_with("451 4."), "{replies:?}");
    assert_eq!(
        mail(&office, "joe").len(),
        1,
        "one copy, though reached twice"
    );
    assert!(mail(&office, "ann").is_empty());
    let line = server.wait_for("lmtpd: fail ");
    assert!(line.contains("to=<both@here.test>"), "{line}");
    assert!(
        line.contains("is no directory that belongs to user id 54332"),
        "{line}"
    );
    // The session goes on, and when the fault is gone all is delivered.
    chown(
        office.maildir("ann").join("new"),
        Some(JOE + 1),
        Some(JOE + 1),
    )
    .unwrap();
    assert!(client.command("MAIL FROM:<s@x>").starts_with("250 "));
    assert!(client.command("RCPT TO:<both>").starts_with("250 "));
    assert!(client.message("y", 1)[0].starts_with("250 "));
    assert_eq!(
        (mail(&office, "joe").len(), mail(&office, "ann").len()),
        (2, 1)
    );
}

#[test]
fn a_message_that_was_here_before_is_refused_for_good_for_that_recipient_alone() {
    if !with_system_users("lmtpd and loops") {
        return;
    }
    let office = office();
    let server = office.serve(&["lmtpd"]).start();
    let mut client = server.connect();
    client.begin(&["joe", "ann"]);
    let replies = client.message("Delivered-To: joe@here.test\r\n\r\nx", 2);
    assert!(replies[0].starts_with("554 5."), "{replies:?}");
    assert!(replies[1].starts_with("250 "), "{replies:?}");
    assert!(mail(&office, "joe").is_empty());
}

#[test]
fn a_full_mailbox_is_told_to_its_recipient_alone() {
    if !with_system_users("lmtpd and quotas") {
        return;
    }
    let office = office();
    fs::write(office.path("home/control/quota"), "3000S\n").unwrap();
    let server = office.serve(&["lmtpd"]).start();
    let mut client = server.connect();
    client.begin(&["joe"]);
    let text = "0123456789abcdef\r\n".repeat(120);
    assert!(client.message(&text, 1)[0].starts_with("250 "));
    for line in ["MAIL FROM:<s@x>", "RCPT TO:<joe>", "RCPT TO:<ann>"] {
        assert!(client.command(line).starts_with("250 "));
    }
    let replies = client.message(&text, 2);
    assert!(replies[0].starts_with("552 5.2.2 "), "{replies:?}");
    assert!(replies[1].starts_with("250 "), "{replies:?}");
    let counted = fs::metadata(office.maildir("joe").join("maildirsize")).unwrap();
    assert_eq!((counted.uid(), counted.gid()), (JOE, JOE));
    assert_eq!(
        (mail(&office, "joe").len(), mail(&office, "ann").len()),
        (1, 1)
    );
}

#[test]
fn a_filter_runs_as_the_user_and_sees_nothing_of_the_client() {
    if !with_system_users("lmtpd and filters") {
        return;
    }
    let office = office();
    fs::write(office.path("home/control/filter"), ".filter\n").unwrap();
    let filter = office.path("joe/.filter");
    let told = office.path("joe/told");
    script(
        &filter,
        &format!(
            "#!/bin/sh\nid -u >{0}\nid -G >>{0}\nreadlink /proc/$$/fd/* | grep -c socket: >>{0}\n\
             grep -q '^Subject: take' && exit 99\nexit 0\n",
            told.display()
        ),
    );
    office.give("joe", &filter);
    let server = office.serve(&["lmtpd"]).start();
    let mut client = server.connect();
    client.begin(&["joe", "ann"]);
    let replies = client.message("Subject: take\r\n\r\nx", 2);
    assert!(
        replies.iter().all(|reply| reply.starts_with("250 ")),
        "{replies:?} {:?}",
        server.log()
    );
    assert_eq!(
        (mail(&office, "joe").len(), mail(&office, "ann").len()),
        (0, 1)
    );
    assert_eq!(
        fs::read_to_string(told).unwrap(),
        format!("{JOE}\n{JOE} {POST_GROUP}\n0\n")
    );
    server.wait_for("lmtpd: filter ip=127.0.0.1 qp=");
}

#[test]
fn a_home_or_maildir_that_is_not_the_users_gets_nothing_and_leads_nowhere() {
    if !with_system_users("lmtpd and false homes") {
        return;
    }
    // A link of hers into his mailbox, or out of any.
    let office = office();
    let server = office.serve(&["lmtpd"]).start();
    let elsewhere = office.path("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    for (part, target) in [
        ("tmp", office.maildir("joe").join("tmp")),
        ("new", office.maildir("joe").join("new")),
        ("tmp", elsewhere.clone()),
        ("cur", elsewhere.clone()),
    ] {
        let place = office.maildir("ann").join(part);
        let kept = office.path("ann/kept");
        fs::rename(&place, &kept).unwrap();
        symlink(&target, &place).unwrap();
        office.give("ann", &place);
        let mut client = server.connect();
        client.begin(&["ann"]);
        let replies = client.message("x", 1);
        assert!(replies[0].starts_with("451 4."), "{part}: {replies:?}");
        for folder in [
            office.maildir("joe").join("tmp"),
            office.maildir("joe").join("new"),
            office.maildir("ann").join("tmp"),
            elsewhere.clone(),
        ] {
            assert!(files(&folder).is_empty(), "{part}: {folder:?}");
        }
        fs::remove_file(&place).unwrap();
        fs::rename(&kept, &place).unwrap();
    }
    // The whole Maildir: hers is his.
    fs::rename(office.maildir("ann"), office.path("ann/kept")).unwrap();
    symlink(office.maildir("joe"), office.maildir("ann")).unwrap();
    let mut client = server.connect();
    client.begin(&["ann"]);
    assert!(client.message("x", 1)[0].starts_with("451 4."));
    assert!(mail(&office, "joe").is_empty());
    // A home that belongs to somebody else may be the place where his is to be mounted.
    chown(office.path("ann"), Some(JOE), Some(JOE)).unwrap();
    assert!(client.command("MAIL FROM:<>").starts_with("250 "));
    assert!(client.command("RCPT TO:<ann>").starts_with("451 4.3.0 "));
}

#[test]
fn nobody_who_reads_the_network_is_root_and_root_cannot_even_see_the_connection() {
    if !with_system_users("the sides of lmtpd") {
        return;
    }
    let office = office();
    let server = office.serve(&["lmtpd"]).start();
    let mut client = server.connect();
    client.begin(&["joe"]);
    let connection = connection(&server, &client);
    for sent in ["NOOP x", "RCPT TO:<ann>", "DATA", "text"] {
        client.say(sent);
        let reader = eventually(|| {
            let mut all = holders(&connection, &server);
            let alone = all.len() == 1 && all[0].waits_for().as_deref() == Some(&*connection);
            alone.then(|| all.remove(0))
        });
        let nobody = reader.users[0];
        assert!(nobody != 0 && nobody != JOE, "{reader:?}");
        assert!(reader.users.iter().all(|&user| user == nobody));
        assert!(
            !reader.groups.contains(&0) && !reader.list.contains(&0),
            "{reader:?}"
        );
        assert!(
            reader.list.len() <= 1 && reader.no_new_privileges,
            "{reader:?}"
        );
        assert_eq!(reader.capabilities, "0000000000000000");
        for (number, open) in reader.descriptors() {
            let expected = open == connection
                || open.starts_with("socket:[")
                || open.starts_with("pipe:[")
                || is_null(&open);
            assert!(expected, "descriptor {number} is open on {open}");
        }
    }
    // When it dies, so does the session, and nothing was sent.
    let reader = holders(&connection, &server).remove(0);
    signal(reader.pid, "KILL");
    server.wait_for("lmtpd: fault ip=127.0.0.1 reason=\"the process that speaks with the client ended by signal 9\"");
    server.wait_for_ends(1);
    assert!(mail(&office, "joe").is_empty());
}

#[test]
fn who_delivers_is_the_user_with_his_groups_and_no_way_back() {
    if !with_system_users("who delivers for lmtpd") {
        return;
    }
    let Some(strace) = peer("strace") else {
        return;
    };
    let office = office();
    // Every sync takes two seconds, in which he can be looked at.
    let mut words = office.launcher();
    words.push(strace.display().to_string());
    let slow = ["-D", "-f", "-qq", "-o", "/dev/null", "-e", "trace=fsync"];
    words.extend(slow.map(str::to_owned));
    words.extend(["-e", "inject=fsync:delay_enter=2000000"].map(str::to_owned));
    let server = office.serve(&["lmtpd"]).launcher(words).start();
    let mut client = server.connect();
    client.begin(&["joe"]);
    assert_eq!(client.command("DATA"), "354 go ahead");
    client.send("Subject: slow\r\n\r\nx\r\n.\r\n");
    let tmp = office.maildir("joe").join("tmp");
    let hand = eventually(|| {
        let pids = fs::read_dir("/proc").unwrap().flatten();
        let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        pids.filter_map(Process::of).find(|process| {
            let open = process.descriptors();
            open.iter()
                .any(|(_, open)| Path::new(open).starts_with(&tmp))
        })
    });
    assert_eq!(hand.users, [JOE; 4]);
    assert_eq!(hand.groups, [JOE; 4]);
    assert_eq!(hand.list, BTreeSet::from([JOE, POST_GROUP]));
    assert_eq!(hand.capabilities, "0000000000000000");
    let status = fs::read_to_string(format!("/proc/{}/status", hand.pid)).unwrap();
    assert!(status.contains("CapPrm:\t0000000000000000"), "{status}");
    for (number, open) in hand.descriptors() {
        // The log, the pipe to root, the message, and what is his.
        let expected = is_null(&open)
            || open.starts_with("pipe:[")
            || open.starts_with("/memfd:message")
            || Path::new(&open).starts_with(office.path("joe"));
        assert!(expected, "descriptor {number} is open on {open}");
    }
    // Whoever is killed while he delivers has delivered nothing that anybody was told of.
    signal(hand.pid, "KILL");
    let reply = client.reply();
    assert!(reply.starts_with("451 4."), "{reply}");
    let line = server.wait_for("lmtpd: fail ");
    assert!(line.contains("it was ended by signal 9"), "{line}");
    assert!(mail(&office, "joe").is_empty());
}

/// superd on a UNIX socket, with lmtpd behind it.
struct UnixService {
    child: Child,
    path: PathBuf,
}

impl UnixService {
    fn start(launcher: &[String], home: &Path, path: PathBuf) -> UnixService {
        let mut child = Command::new(&launcher[0])
            .args(&launcher[1..])
            .arg(bin("superd"))
            .args(["-v", "-1"])
            .arg(format!("unix:{}", path.display()))
            .arg("lmtpd")
            .env_clear()
            .env("PATH", PATH)
            .env("SUPERD_HOME", home)
            .env("SUPERD_LIBEXEC", libexec())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut told = String::new();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        out.read_line(&mut told).unwrap();
        assert_eq!(Path::new(told.trim_end()), path);
        UnixService { child, path }
    }
}

impl Drop for UnixService {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn pythons_lmtp_and_swaks_deliver_over_a_unix_socket() {
    let office = office();
    let path = office.path("lmtp");
    let service = UnixService::start(&office.launcher(), &office.path("home"), path);
    let script = "import smtplib, sys\n\
        c = smtplib.LMTP(sys.argv[1])\n\
        r = c.sendmail('s@x', ['joe@here.test', 'nobody-here@here.test', 'ann@here.test'],\n\
        'Subject: from python\\r\\n\\r\\n.dot\\r\\nbody\\r\\n')\n\
        print(sorted((k, v[0]) for k, v in r.items()))\n\
        c.quit()\n";
    let done = Run::new("python3")
        .args(["-c", script])
        .arg(&service.path)
        .done();
    assert_eq!(done.code, Some(0), "{}", done.err());
    assert_eq!(done.out(), "[('nobody-here@here.test', 550)]\n");
    for user in ["joe", "ann"] {
        let mail = mail(&office, user);
        assert_eq!(mail.len(), 1, "{user}");
        assert!(
            mail[0].contains("Received: from localhost (HELO "),
            "{mail:?}"
        );
        assert!(
            mail[0].ends_with("Subject: from python\n\n.dot\nbody\n"),
            "{mail:?}"
        );
    }
    let Some(swaks) = peer("swaks") else {
        return;
    };
    let done = Run::new(swaks)
        .args(["--protocol", "LMTP", "--from", "s@x", "--to"])
        .arg("joe@here.test,ann@here.test")
        .arg("--socket")
        .arg(&service.path)
        .done();
    assert_eq!(done.code, Some(0), "{}{}", done.out(), done.err());
    let verdicts = done.out().matches("250 2.1.5 ok ").count();
    assert!(verdicts >= 2, "{}", done.out());
    assert_eq!(
        (mail(&office, "joe").len(), mail(&office, "ann").len()),
        (2, 2)
    );
}

#[test]
fn without_root_it_delivers_to_its_own_user_and_to_nobody_else() {
    let house = House::new();
    let mut users = fs::read_to_string(house.path("home/users")).unwrap();
    let other = house.user + 1;
    let home = house.own_dir("eve");
    users.push_str(&format!("eve:x:{other}:{other}::{}::\n", home.display()));
    fs::write(house.path("home/users"), users).unwrap();
    let launcher = if is_root() {
        becoming(house.user, house.group)
    } else {
        vec!["env".to_owned()]
    };
    let user = house.user;
    let input = ONE.replace(
        "DATA",
        "RCPT TO:<eve>\r\nRCPT TO:<ann>\r\nRCPT TO:<nobody-here>\r\nDATA",
    );
    let done = session(&launcher, &house.path("home"), &[], &input);
    assert_eq!(done.code, Some(0), "{}", done.err());
    let out = done.out();
    let codes: Vec<&str> = out.lines().skip(8).map(|line| &line[..3]).collect();
    assert_eq!(
        codes,
        ["250", "451", "250", "550", "354", "250", "250", "221"],
        "{out}"
    );
    assert!(house.mail("joe")[0].ends_with("\nSubject: one\n\nbody\n"));
    assert_eq!(house.mail("ann").len(), 1);
    assert!(done.err().contains(&format!(
        "it belongs to user id {other} and this program runs as {user}"
    )));
}

#[test]
fn exit_codes_are_0_after_quit_1_otherwise_111_without_a_start_and_100_for_usage() {
    let office = office();
    let (launcher, home) = (office.launcher(), office.path("home"));
    let code = |variables: &[(&str, &str)], input: &str| {
        let done = session(&launcher, &home, variables, input);
        (done.code, done.out(), done.err())
    };
    assert_eq!(code(&[], ONE).0, Some(0));
    assert_eq!(code(&[], "LHLO x\r\n").0, Some(1));
    assert_eq!(code(&[], &"x\r\n".repeat(30)).0, Some(1));
    let wrong = [
        (
            "DATABYTES",
            "10M",
            "unable to use variable DATABYTES: 10M is not a number",
        ),
        (
            "SUPERD_HOME",
            "/nonexistent/home",
            "unable to read /nonexistent/home",
        ),
    ];
    for (name, value, reason) in wrong {
        let (exit, out, err) = code(&[(name, value)], ONE);
        assert_eq!(exit, Some(111), "{err}");
        assert_eq!(out, "421 4.3.0 sorry, unable to serve now\r\n");
        assert!(err.contains(reason), "{err}");
    }
    if is_root() {
        let (exit, out, err) = code(&[("SUPERD_UNPRIV", "no-such-user")], ONE);
        assert_eq!(exit, Some(111));
        assert!(out.starts_with("421 4.3.0 "), "{out}");
        assert!(
            err.contains("no such user: no-such-user ($SUPERD_UNPRIV)"),
            "{err}"
        );
        let (exit, _, err) = code(&[("SUPERD_UNPRIV", "root")], ONE);
        assert_eq!(exit, Some(111));
        assert!(err.contains("it has uid 0"), "{err}");
    }
    let done = Run::new(libexec().join("lmtpd")).arg("-x").done();
    assert_eq!(
        (done.code, done.err().as_str()),
        (Some(100), "lmtpd: fatal: usage: lmtpd\n")
    );
}

#[test]
fn hostile_input_is_refused_in_bounds_and_the_session_goes_on() {
    let office = office();
    let server = office.serve(&["lmtpd"]).start();
    let mut client = server.connect();
    client.begin(&["joe"]);
    let long = "x".repeat(300_000);
    let cases = [
        (format!("NOOP {long}"), "500 5.5.2 "),
        ("NOOP \0".to_owned(), "500 5.5.2 "),
        ("RCPT TO:<a\u{1}b>".to_owned(), "501 5.1.3 "),
        (format!("RCPT TO:<{}>", "a".repeat(900)), "555 5.5.4 "),
        ("RCPT TO:<../../etc/passwd>".to_owned(), "550 5.1.1 "),
        ("RCPT TO:<joe/../ann>".to_owned(), "550 5.1.1 "),
        (format!("RCPT TO:<joe-{}>", "-".repeat(250)), "250 2.1.5 "),
        ("EHLO x".to_owned(), "500 5.5.1 "),
        ("BDAT 5 LAST".to_owned(), "502 5.5.1 "),
    ];
    for (line, reply) in &cases {
        let said = client.command(line);
        assert!(
            said.starts_with(reply),
            "{}: {said}",
            &line[..line.len().min(40)]
        );
    }
    // What looks like an end to others is text, and what is behind it is no command.
    let replies = client.message("a\r.\rQUIT\r\n..\r\nRSET", 2);
    assert!(
        replies.iter().all(|reply| reply.starts_with("250 ")),
        "{replies:?}"
    );
    assert!(client.command("MAIL FROM:<s@x>").starts_with("250 "));
    assert!(client.command("RCPT TO:<joe>").starts_with("250 "));
    let replies = client.message("a\n.\nMAIL FROM:<evil@x>", 1);
    assert!(replies[0].starts_with("550 5.6.11 "), "{replies:?}");
    assert_eq!(mail(&office, "joe").len(), 1);
    assert!(client.command("QUIT").starts_with("221 "));
}

/// All processes below `pid`.
fn below(pid: u32) -> Vec<u32> {
    let stat = |pid: u32| {
        let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let rest = text.rsplit_once(") ")?.1.to_owned();
        rest.split(' ').nth(1)?.parse::<u32>().ok()
    };
    let pids = fs::read_dir("/proc").unwrap().flatten();
    let pids: Vec<u32> = pids
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect();
    let parents: Vec<(u32, u32)> = pids
        .iter()
        .filter_map(|&pid| Some((pid, stat(pid)?)))
        .collect();
    let mut found = vec![pid];
    let mut at = 0;
    while let Some(&parent) = found.get(at) {
        found.extend(
            parents
                .iter()
                .filter(|pair| pair.1 == parent)
                .map(|pair| pair.0),
        );
        at += 1;
    }
    found.remove(0);
    found
}

/// Bytes of anonymous memory that a process has.
fn anonymous(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"))?;
    let number: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(number * 1024)
}

#[test]
fn a_message_of_100_megabytes_takes_no_more_memory_than_a_small_one() {
    const LIMIT: u64 = 4 << 20;
    let office = office();
    let server = office.serve(&["lmtpd"]).start();
    let mut client = server.connect();
    client.begin(&["joe", "ann"]);
    assert_eq!(client.command("DATA"), "354 go ahead");
    let pid = server.pid();
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let watcher = std::thread::spawn(move || {
        let mut most = 0;
        while stopped.recv_timeout(Duration::from_millis(5))
            == Err(std::sync::mpsc::RecvTimeoutError::Timeout)
        {
            most = below(pid)
                .into_iter()
                .filter_map(anonymous)
                .fold(most, u64::max);
        }
        most
    });
    let piece = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcd\r\n".repeat(16384);
    let pieces = 100;
    for _ in 0..pieces {
        client.send(&piece);
    }
    client.send(".\r\n");
    for _ in 0..2 {
        assert!(client.reply().starts_with("250 "));
    }
    drop(stop);
    let most = watcher.join().unwrap();
    assert!(most > 0 && most <= LIMIT, "{most} bytes");
    let stored = (piece.len() - 16384) * pieces;
    for user in ["joe", "ann"] {
        let [file] = &files(&office.maildir(user).join("new"))[..] else {
            panic!("one message")
        };
        let size = usize::try_from(fs::metadata(file).unwrap().len()).unwrap();
        assert!(size > stored && size < stored + 1000, "{size}");
    }
}

/// Sends messages on one connection until it breaks; the numbers of those that joe and ann each have a
/// 250 for.
fn send_until_it_breaks(
    server: &Server,
    numbers: std::ops::Range<u32>,
) -> Vec<(u32, &'static str)> {
    let mut promised = Vec::new();
    let mut client = server.connect();
    let mut talk = || -> Option<()> {
        let body = "0123456789abcdef0123456789abcdef\r\n".repeat(2000);
        client.try_line()?;
        for number in numbers.clone() {
            for line in ["MAIL FROM:<s@x>", "RCPT TO:<joe>", "RCPT TO:<ann>", "DATA"] {
                client.try_say(line)?;
                client
                    .try_line()
                    .filter(|line| line.starts_with(['2', '3']))?;
            }
            client.try_say(&format!("Subject: {number}.\r\n\r\n{body}end\r\n."))?;
            for user in ["joe", "ann"] {
                if client.try_line()?.starts_with("250 ") {
                    promised.push((number, user));
                }
            }
        }
        Some(())
    };
    let _ = talk();
    promised
}

/// Messages on one connection, while somebody is killed.
const BATCH: u32 = 12;

fn kill_at_many_instants(rounds: u32) {
    let office = office();
    let server = office.serve(&["lmtpd"]).start();
    let started = Instant::now();
    let mut promised = send_until_it_breaks(&server, 0..BATCH);
    let span = started.elapsed();
    let all = 2 * BATCH as usize;
    assert_eq!(promised.len(), all);
    let mut broken = 0;
    for round in 1..=rounds {
        let pid = server.pid();
        let delay = span * (round * 7919 % rounds) / rounds / 2;
        let killer = std::thread::spawn(move || {
            std::thread::sleep(delay);
            // Whoever is chosen may be gone before the signal comes.
            for turn in round..round + 20 {
                let all = below(pid);
                let Some(victim) = all.get(turn as usize % all.len().max(1)) else {
                    continue;
                };
                let kill = Run::new("/bin/kill").args(["-KILL", &victim.to_string()]);
                if kill.done().code == Some(0) {
                    return;
                }
            }
        });
        let some = send_until_it_breaks(&server, round * BATCH..(round + 1) * BATCH);
        killer.join().unwrap();
        broken += u32::from(some.len() < all);
        promised.extend(some);
    }
    assert!(broken > rounds / 4, "{broken} of {rounds} were in time");
    for user in ["joe", "ann"] {
        let mail = mail(&office, user);
        assert!(
            mail.iter().all(|text| text.ends_with("\nend\n")),
            "no half message"
        );
        for (number, _) in promised.iter().filter(|(_, whose)| *whose == user) {
            let subject = format!("\nSubject: {number}.\n");
            assert!(
                mail.iter().any(|text| text.contains(&subject)),
                "{user} lacks {number}"
            );
        }
    }
    // The service itself is none of those that were killed.
    assert_eq!(send_until_it_breaks(&server, 0..1).len(), 2);
}

#[test]
fn whoever_is_killed_what_was_promised_is_there_and_nothing_is_half_there() {
    kill_at_many_instants(12);
}

#[test]
fn soak_whoever_is_killed_what_was_promised_is_there() {
    if soak() {
        kill_at_many_instants(100);
    }
}

#[test]
fn a_thousand_recipients_of_one_user_are_answered_each_and_delivered_once() {
    let office = office();
    let done = {
        let recipients: String = (0..1001)
            .map(|at| format!("RCPT TO:<joe-{at}>\r\n"))
            .collect();
        let input = format!("LHLO c\r\nMAIL FROM:<s@x>\r\n{recipients}DATA\r\nx\r\n.\r\nQUIT\r\n");
        session(&office.launcher(), &office.path("home"), &[], &input)
    };
    assert_eq!(done.code, Some(0), "{}", done.err());
    let out = done.out();
    assert_eq!(out.matches("\r\n452 4.5.3 ").count(), 1);
    assert_eq!(out.matches("\r\n250 2.1.5 ok ").count(), 1000);
    assert_eq!(mail(&office, "joe").len(), 1);
}
