//! `smtpd --check` and `smtpd --explain` where local mail goes to lmtpd: they see what a session would see,
//! as the user that it runs as.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use kit::smtp::House;
use kit::{Done, Run, SOMEBODY, as_root, bin, is_root, libexec, run};

/// superd on a UNIX socket with lmtpd behind it, as who owns the house.
struct Lmtp {
    child: Child,
}

impl Lmtp {
    fn start(house: &House, path: &Path) -> Lmtp {
        let mut command = Command::new(bin("superd"));
        command
            .args(["-1", "--mode", "0666"])
            .arg(format!("unix:{}", path.display()))
            .arg("lmtpd")
            .env_clear()
            .env("PATH", run::PATH)
            .env("SUPERD_HOME", house.path("home"))
            .env("SUPERD_LIBEXEC", libexec())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        if is_root() {
            command.uid(house.user).gid(house.group);
        }
        let mut child = command.spawn().unwrap();
        let mut told = String::new();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        out.read_line(&mut told).unwrap();
        assert_eq!(Path::new(told.trim_end()), path);
        Lmtp { child }
    }
}

impl Drop for Lmtp {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A house as the manual recommends it, and where its lmtpd is to be.
fn house() -> (House, PathBuf) {
    let house = House::new();
    house.control("rcpthosts", "here.test");
    let socket = house.own_dir("run").join("lmtp");
    house.control("localqueue", &format!("lmtp:unix:{}", socket.display()));
    (house, socket)
}

fn ask(house: &House, words: &[&str]) -> Done {
    Run::new(bin("smtpd"))
        .args(words)
        .env("SUPERD_HOME", house.path("home"))
        .env("SUPERD_LIBEXEC", libexec())
        .done()
}

/// The exit code and a line of what was said with these words in it.
fn says(done: &Done, code: i32, words: &[&str]) {
    let (out, err) = (done.out(), done.err());
    assert_eq!(done.code, Some(code), "{out}{err}");
    let found = out
        .lines()
        .any(|line| words.iter().all(|word| line.contains(word)));
    assert!(found, "{words:?}: {out}{err}");
}

#[test]
fn check_finds_the_recommended_set_up_good_once_lmtpd_runs() {
    let (house, socket) = house();
    let gone = format!("lmtp:unix:{}", socket.display());
    says(&ask(&house, &["--check"]), 1, &[&gone, "451"]);
    fs::write(&socket, "").unwrap();
    says(&ask(&house, &["--check"]), 1, &[&gone, "451"]);
    fs::remove_file(&socket).unwrap();
    let _lmtp = Lmtp::start(&house, &socket);
    let done = ask(&house, &["--check"]);
    assert_eq!(done.code, Some(0), "{}", done.out());
}

#[test]
fn check_expands_aliases_for_lmtpd_too() {
    let (house, socket) = house();
    let _lmtp = Lmtp::start(&house, &socket);
    fs::write(
        house.path("home/aliases"),
        "sales: joe\nlost: nobody-there\n",
    )
    .unwrap();
    let place = format!("{}:2: ", house.path("home/aliases").display());
    says(&ask(&house, &["--check"]), 1, &[&place, "nobody-there"]);
}

#[test]
fn check_tells_of_ways_that_lead_nowhere() {
    let house = House::new();
    house.control("rcpthosts", "here.test");
    for (line, words) in [
        (
            "mail.example.net",
            &["remotequeue", "smtp:mail.example.net"][..],
        ),
        ("sendmail:/nonexistent/sendmail", &["/nonexistent/sendmail"]),
        ("sendmail:/etc/passwd", &["/etc/passwd"]),
        ("/nonexistent/queue", &["/nonexistent/queue"]),
        ("mail.example.net:587", &["421", "mail.example.net"]),
        ("lmtp:unix:/nonexistent/lmtp", &["/nonexistent/lmtp", "451"]),
    ] {
        house.control("remotequeue", line);
        says(&ask(&house, &["--check"]), 1, words);
    }
    house.control("remotequeue", "sendmail:/bin/cat");
    let done = ask(&house, &["--check"]);
    assert_eq!(done.code, Some(0), "{}", done.out());
}

#[test]
fn check_tells_of_programs_that_are_not_there() {
    let house = House::new();
    house.control("rcpthosts", "here.test");
    house.control("smtpplugins", "[rcpt]\nplugins/missing\n:true");
    let done = Run::new(bin("smtpd"))
        .args(["--check", "/nonexistent/checker", "true"])
        .env("SUPERD_HOME", house.path("home"))
        .env("RCPTCHECK", "/nonexistent/rcptcheck")
        .env("ENABLE_SPP", "")
        .done();
    for program in [
        "/nonexistent/rcptcheck",
        "home/plugins/missing",
        "/nonexistent/checker",
    ] {
        says(&done, 1, &[program, "no program that can be executed"]);
    }
    // Who asks authd needs its socket.
    let words = ["--check", "check-via", "/nonexistent/authd", "true"];
    says(&ask(&house, &words), 1, &["/nonexistent/authd", "454"]);
}

#[test]
fn explain_asks_lmtpd_and_says_so() {
    let (house, socket) = house();
    let explain = |to: &str| ask(&house, &["--explain", "192.0.2.1", "s@far.test", to]);
    // What a session would say while it is not there.
    let done = explain("joe@here.test");
    says(&done, 111, &["reply: 451 unable to reach the next host"]);
    says(&done, 111, &["asked: unable to connect to lmtp:unix:"]);
    let _lmtp = Lmtp::start(&house, &socket);
    let done = explain("joe@here.test");
    says(&done, 0, &["asked: yes, it takes the recipient"]);
    says(&done, 0, &["reply: 250 ok"]);
    let done = explain("nobody@here.test");
    says(&done, 1, &["reply: 550 "]);
    says(&done, 1, &["asked: ", "refused RCPT: 550"]);
    assert_eq!(house.mail("joe").len(), 0);
    // The same as to a client.
    let real = house
        .smtpd("HELO x\r\nMAIL FROM:<s@far.test>\r\nRCPT TO:<nobody@here.test>\r\nQUIT\r\n")
        .done();
    let reply = real.out().lines().nth(3).unwrap().to_owned();
    says(&done, 1, &[&format!("reply: {reply}")]);
}

#[test]
fn explain_asks_no_server_elsewhere_and_says_so() {
    let house = House::new();
    let hop = kit::hop::Hop::start();
    house.control("remotequeue", &format!("smtp:{}", hop.address()));
    house.control("rcpthosts", "here.test\nfar.test");
    let done = ask(&house, &["--explain", "192.0.2.1", "s@x", "x@far.test"]);
    says(&done, 0, &["asked: no", "its answer to RCPT"]);
    assert_eq!(hop.greeted(), 0);
}

#[test]
fn explain_asks_the_store_of_recent_logins_as_superd_does() {
    let house = House::new();
    house.control("remotequeue", "sendmail:/bin/cat");
    let store = house.own_dir("store");
    let store = store.to_str().unwrap();
    fs::write(house.path("store/192.0.2.7"), "USER=joe\0").unwrap();
    let rules = house.rules("192.0.2.9:deny\n192.0.2.8:allow,RELAYCLIENT=\"@own\"\n:allow\n");
    let explain = |ip: &str| {
        let rules = rules.to_str().unwrap();
        let words = [
            "--explain",
            "-x",
            rules,
            "--relay",
            store,
            ip,
            "s@x",
            "x@far.test",
        ];
        ask(&house, &words)
    };
    let done = explain("192.0.2.7");
    says(&done, 0, &["login: joe"]);
    says(&done, 0, &["RELAYCLIENT: set: every host"]);
    let done = explain("192.0.2.6");
    says(&done, 1, &["login: none"]);
    says(&done, 1, &["reply: 553 sorry, that domain isn't"]);
    // The rules come first.
    fs::write(house.path("store/192.0.2.8"), "USER=joe\0").unwrap();
    fs::write(house.path("store/192.0.2.9"), "USER=joe\0").unwrap();
    says(&explain("192.0.2.8"), 0, &["@own behind each recipient"]);
    says(
        &explain("192.0.2.9"),
        1,
        &["reply: none: superd drops the connection"],
    );
    // A login of long ago is none.
    let old = fs::File::options()
        .write(true)
        .open(house.path("store/192.0.2.7"));
    old.unwrap()
        .set_modified(std::time::SystemTime::now() - std::time::Duration::from_secs(100_000))
        .unwrap();
    says(&explain("192.0.2.7"), 1, &["login: none"]);
    let words = [
        "--explain",
        "--relay",
        "/nonexistent/store",
        "192.0.2.1",
        "s@x",
        "x@far.test",
    ];
    let done = ask(&house, &words);
    assert_eq!(done.code, Some(111), "{}", done.out());
    assert!(done.err().contains("/nonexistent/store"), "{}", done.err());
}

#[test]
fn both_answer_as_the_user_that_smtpd_will_run_as() {
    if !as_root("questions as another user") {
        return;
    }
    let house = House::new();
    house.control("rcpthosts", "here.test");
    let user = SOMEBODY.to_string();
    let who = ["-u", &user, "-g", &user];
    let plain = ask(&house, &["--check"]);
    says(&plain, 0, &["warning: ", "root", "-u"]);
    let good = ask(&house, &[&["--check"], &who[..]].concat());
    assert_eq!(good.code, Some(0), "{}", good.out());
    assert!(!good.out().contains("root"), "{}", good.out());
    let secret = house.path("home/control/badmailfrom");
    house.control("badmailfrom", "@spam.test");
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(ask(&house, &["--check"]).code, Some(0));
    let done = ask(&house, &[&["--check"], &who[..]].concat());
    says(&done, 111, &["control/badmailfrom", "access denied"]);
    let question = ["192.0.2.1", "s@x", "joe@here.test"];
    let done = ask(&house, &[&["--explain"], &question[..]].concat());
    says(&done, 0, &["as: root", "-u"]);
    let done = ask(&house, &[&["--explain"], &who[..], &question[..]].concat());
    says(&done, 111, &["reply: 421 unable to read controls"]);
    fs::remove_file(&secret).unwrap();
    // A socket that is not for him, and a program that he may not execute.
    let (house, socket) = self::house();
    let _lmtp = Lmtp::start(&house, &socket);
    fs::set_permissions(&socket, fs::Permissions::from_mode(0o600)).unwrap();
    says(
        &ask(&house, &["--check"]),
        0,
        &["way of local mail: lmtp:unix:"],
    );
    let done = ask(&house, &[&["--check"], &who[..]].concat());
    says(&done, 1, &["lmtp:unix:", "access denied"]);
    let done = ask(&house, &[&["--explain"], &who[..], &question[..]].concat());
    says(&done, 111, &["asked: unable to connect", "access denied"]);
    let private = house.path("private");
    fs::copy("/bin/cat", &private).unwrap();
    fs::set_permissions(&private, fs::Permissions::from_mode(0o700)).unwrap();
    fs::set_permissions(&socket, fs::Permissions::from_mode(0o666)).unwrap();
    house.control("remotequeue", &format!("sendmail:{}", private.display()));
    assert_eq!(ask(&house, &["--check"]).code, Some(0));
    let done = ask(&house, &[&["--check"], &who[..]].concat());
    says(
        &done,
        1,
        &[private.to_str().unwrap(), "no program that can"],
    );
    // Words that mean nobody.
    for (option, word) in [("-u", "no-such-user-here"), ("-g", "no-such-group-here")] {
        let done = ask(&house, &["--check", option, word]);
        assert_eq!(done.code, Some(100), "{}", done.out());
        assert!(done.err().contains(word), "{}", done.err());
    }
}

#[test]
fn words_that_mean_nothing_are_told() {
    let house = House::new();
    for words in [
        &["--check", "-u"][..],
        &["--check", "-q"],
        &["--check", "--relay", "/x"],
        &["--explain", "--relay"],
        &["--explain", "--rely", "/x", "192.0.2.1", "a@b", "c@d"],
        &["--explain", "a", "b"],
    ] {
        let done = ask(&house, words);
        assert_eq!(done.code, Some(100), "{words:?}: {}", done.out());
        assert!(done.err().contains("usage: "), "{words:?}: {}", done.err());
    }
}

#[test]
fn the_commands_of_the_guide_work_as_they_are_printed() {
    let (house, socket) = house();
    let _lmtp = Lmtp::start(&house, &socket);
    let rules = house.rules(":allow\n");
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/guides/services.md");
    let page = fs::read_to_string(page).unwrap();
    let printed: Vec<&str> = page
        .lines()
        .filter(|line| line.starts_with("    $(superd --libexec)/smtpd "))
        .collect();
    assert_eq!(printed.len(), 2, "{printed:?}");
    for (line, code) in printed.iter().zip([0, 1]) {
        // Users and places of the host that is spoken of.
        let who = format!("-u {} -g {}", house.user, house.group);
        let line = line
            .replace("-u qmaild -g nofiles", if is_root() { &who } else { "" })
            .replace("/etc/tcp.smtp.cdb", rules.to_str().unwrap());
        let path = format!(
            "{}:{}",
            bin("superd").parent().unwrap().display(),
            run::PATH
        );
        let done = Run::new("/bin/sh")
            .args(["-c", &line])
            .env("PATH", path)
            .env("SUPERD_HOME", house.path("home"))
            .env("SUPERD_LIBEXEC", libexec())
            .done();
        assert_eq!(
            done.code,
            Some(code),
            "{line}: {}{}",
            done.out(),
            done.err()
        );
    }
}
