//! Who the local users are, asked at RCPT: what one session can make smtpd read, and that an edit acts at
//! once all the same.

use std::fs;
use std::path::Path;
use std::time::Duration;

use kit::pop3::{Office, with_system_users};
use kit::smtp::House;
use kit::{Client, Run, bin, is_root, libexec, note_left_out, peer};

/// How many users there are, and how many of them one alias leads to.
const USERS: usize = 20_000;
const TARGETS: usize = 1000;

/// A house with [`USERS`] users more, and the alias `all` to every twentieth of them.
fn large_house() -> House {
    let house = House::new();
    let (user, group) = (house.user, house.group);
    let mut users = fs::read_to_string(house.path("home/users")).unwrap();
    let mut targets = Vec::new();
    for number in 0..USERS {
        users += &format!("user{number}:x:{user}:{group}::/var/vmail/user{number}::\n");
        if number % (USERS / TARGETS) == 0 {
            targets.push(format!("user{number}"));
        }
    }
    fs::write(house.path("home/users"), users).unwrap();
    let aliases = format!("all: {}\n", targets.join(",\n "));
    fs::write(house.path("home/aliases"), aliases).unwrap();
    house
}

/// What smtpd reads of each of `names` in the home for these lines of a client, in bytes; and its replies.
/// `None` where programs cannot be traced.
fn bytes_read(house: &House, input: &str, names: &[&str]) -> Option<(Vec<u64>, String)> {
    let strace = peer("strace")?;
    let trace = house.path("trace");
    let mut run = Run::new(strace);
    run = run.args(["-f", "-y", "-s", "0", "-e", "trace=read,pread64", "-o"]);
    run = run.arg(&trace);
    if is_root() {
        run = run.args(["-u", "nobody"]);
    }
    let done = run
        .arg(libexec().join("smtpd"))
        .env("SUPERD_HOME", house.path("home"))
        .input(input)
        .done();
    if done.err().contains("ptrace") {
        let why = "this machine does not let programs be traced";
        note_left_out("what a session makes smtpd read", why);
        return None;
    }
    assert!(done.err().contains("reason=quit"), "{}", done.err());
    let trace = fs::read_to_string(&trace).unwrap();
    let of = |name: &&str| -> u64 {
        let file = format!("/home/{name}>");
        let lines = trace.lines().filter(|line| line.contains(&file));
        let result = |line: &str| -> Option<u64> { line.rsplit(" = ").next()?.parse().ok() };
        lines.filter_map(result).sum()
    };
    Some((names.iter().map(of).collect(), done.out()))
}

fn rest() {
    std::thread::sleep(Duration::from_millis(2100));
}

fn size(path: &Path) -> u64 {
    fs::metadata(path).unwrap().len()
}

const NO_LOOKUP: &str = "451 sorry, unable to look up that mailbox (#4.3.0)";

const BEGIN: &str = "MAIL FROM:<s@x>\r\nRCPT TO:<all@here.test>\r\n";

#[test]
fn an_alias_of_a_thousand_targets_is_one_pass_over_the_users_and_the_next_message_is_none() {
    let house = large_house();
    rest();
    let input = format!("{}QUIT\r\n", format!("{BEGIN}RSET\r\n").repeat(20));
    let Some((read, replies)) = bytes_read(&house, &input, &["users", "aliases"]) else {
        return;
    };
    assert_eq!(replies.matches("250 ok\r\n").count(), 40, "{replies}");
    assert!(read[0] <= size(&house.path("home/users")), "{read:?}");
    // Once for the alias, and once for the names that it leads to, which may be aliases.
    assert!(read[1] <= 2 * size(&house.path("home/aliases")), "{read:?}");
}

#[test]
fn ever_new_extensions_of_a_user_are_one_pass() {
    let house = large_house();
    rest();
    let rcpts: String = (0..500)
        .map(|number| format!("RCPT TO:<user7-{number}@here.test>\r\n"))
        .collect();
    let input = format!("MAIL FROM:<s@x>\r\n{rcpts}QUIT\r\n");
    let Some((read, replies)) = bytes_read(&house, &input, &["users", "aliases"]) else {
        return;
    };
    assert_eq!(replies.matches("250 ok\r\n").count(), 501, "{replies}");
    assert!(read[0] <= size(&house.path("home/users")), "{read:?}");
    assert!(read[1] <= size(&house.path("home/aliases")), "{read:?}");
}

#[test]
fn with_databases_the_files_are_not_read_at_all_and_of_the_databases_a_little() {
    let house = large_house();
    for list in ["users", "aliases"] {
        let done = Run::new(bin("smtpd"))
            .args(["--make-cdb", list])
            .env("SUPERD_HOME", house.path("home"))
            .done();
        assert_eq!((done.code, done.err().as_str()), (Some(0), ""));
    }
    let one =
        "MAIL FROM:<s@x>\r\nRCPT TO:<user19999-x@here.test>\r\nRCPT TO:<nobody@here.test>\r\n";
    let files = ["users", "aliases", "users.cdb", "aliases.cdb"];
    let Some((read, replies)) = bytes_read(&house, &format!("{one}QUIT\r\n"), &files) else {
        return;
    };
    assert!(replies.contains("250 ok\r\n250 ok\r\n550 "), "{replies}");
    assert_eq!(read[..2], [0, 0]);
    assert!(read[2] > 0 && read[2] < 8192, "{read:?}");
    assert!(read[3] > 0 && read[3] < 8192, "{read:?}");
    let Some((read, replies)) = bytes_read(&house, &format!("{BEGIN}QUIT\r\n"), &files) else {
        return;
    };
    assert!(replies.contains("250 ok\r\n250 ok\r\n221 "), "{replies}");
    assert_eq!(read[..2], [0, 0]);
    assert!(read[2] < 1000 * 400, "{read:?}");
}

/// The replies to RCPT in one transaction.
fn rcpt(client: &mut Client, name: &str) -> String {
    client.say(&format!("RCPT TO:<{name}@here.test>"));
    client.line()
}

#[test]
fn an_edit_acts_at_once_also_in_a_session_and_with_databases() {
    let house = House::new();
    let users = house.path("home/users");
    let text = fs::read_to_string(&users).unwrap();
    let line = |name: &str| {
        let (user, group) = (house.user, house.group);
        format!(
            "{name}:x:{user}:{group}::{}::\n",
            house.path("joe").display()
        )
    };
    rest();
    let done = Run::new(bin("smtpd"))
        .args(["--make-cdb", "users"])
        .env("SUPERD_HOME", house.path("home"))
        .done();
    assert_eq!((done.code, done.err().as_str()), (Some(0), ""));
    let server = house.smtp().start();
    let mut client = server.connect();
    client.dialogue("220 ", &[("HELO x", "250 "), ("MAIL FROM:<s@x>", "250 ")]);
    for name in ["bob", "eve", "bob"] {
        assert!(rcpt(&mut client, name).starts_with("550 "), "{name}");
    }
    // Another file in its place, and lines behind those that are there.
    fs::write(house.path("home/new"), text.clone() + &line("bob")).unwrap();
    fs::rename(house.path("home/new"), &users).unwrap();
    assert!(rcpt(&mut client, "bob").starts_with("250 "));
    assert!(rcpt(&mut client, "eve").starts_with("550 "));
    fs::write(&users, text.clone() + &line("eve")).unwrap();
    assert!(rcpt(&mut client, "eve").starts_with("250 "));
    assert!(rcpt(&mut client, "Bob-x").starts_with("550 "));
    fs::write(house.path("home/aliases"), "bob-x: eve\n").unwrap();
    assert!(rcpt(&mut client, "Bob-x").starts_with("250 "));
    fs::remove_file(&users).unwrap();
    assert!(rcpt(&mut client, "ann").starts_with("550 "));
}

#[test]
fn a_session_has_a_limit_of_accepted_recipients_whatever_becomes_of_them() {
    let house = House::new();
    house.control("maxsessionrcpt", "5");
    let input = "MAIL FROM:<s@x>\r\nRCPT TO:<joe@here.test>\r\nRSET\r\n".repeat(1000);
    let done = house.smtpd(&input).done();
    let end = "421 too many recipients in one session, please connect again (#4.7.0)\r\n";
    assert!(done.out().ends_with(end), "{}", done.out());
    assert_eq!(done.out().matches("250 flushed\r\n").count(), 5);
    assert!(
        done.err()
            .contains("end ip=192.0.2.1 reason=\"too many recipients in one session\""),
        "{}",
        done.err()
    );
}

#[test]
fn a_home_that_is_not_mounted_makes_mail_wait_and_bounces_nothing() {
    if !with_system_users("homes that are not mounted") {
        return;
    }
    let office = Office::new();
    fs::write(office.path("home/control/me"), "here.test\n").unwrap();
    let user = [format!("-u{}", office.uid), format!("-g{}", office.gid)];
    let smtpd = office.serve(&["smtpd"]).options(user).start();
    let reply = |name: &str| {
        let mut client = smtpd.connect();
        client.dialogue("220 ", &[("HELO x", "250 "), ("MAIL FROM:<s@x>", "250 ")]);
        rcpt(&mut client, name)
    };
    assert_eq!(reply("joe"), "250 ok");
    let home = office.path("joe");
    fs::rename(&home, office.path("elsewhere")).unwrap();
    assert_eq!(reply("joe"), NO_LOOKUP);
    smtpd.wait_for(&format!(
        "fault ip=127.0.0.1 to=<joe@here.test> reason=\"unable to use home {} of user joe: file does not exist\"",
        home.display()
    ));
    // The place to mount it on, which is root's.
    fs::create_dir(&home).unwrap();
    assert_eq!(reply("joe-x"), NO_LOOKUP);
    smtpd.wait_for("of user joe: it belongs to user id 0\"");
    fs::write(office.path("message"), "x\n").unwrap();
    fs::write(office.path("envelope"), b"Fs@x\0Tjoe@here.test\0\0").unwrap();
    let launcher = office.launcher();
    let done = Run::behind(&launcher, "sh")
        .args(["-c", "exec \"$0\" <\"$1\" 1<\"$2\""])
        .arg(libexec().join("maildir-queue"))
        .arg(office.path("message"))
        .arg(office.path("envelope"))
        .env("SUPERD_HOME", office.path("home"))
        .done();
    assert_eq!(done.code, Some(61), "{}", done.err());
    let reason = "of user joe: it belongs to user id 0\"";
    assert!(done.err().contains(reason), "{}", done.err());
}
