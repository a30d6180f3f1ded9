//! relay-ctrl-allow, -age, -check and -chdir, and superd-relay, each by itself: settings of both generations of
//! relay-ctrl, every trouble that the originals have with its safe outcome, many logins at once.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rules::cdb::Cdb;
use rules::record::{Record, Verdict};
use rules::search::{Client, decide};

use crate::support::{
    Done, Run, SOMEBODY, as_root, bin, is_root, libexec, note_left_out, private_dir, probe,
    server::Report,
};

const IP: &str = "192.0.2.1";
const RULES: &str = "192.0.2.66:deny\n10.:allow,RBLSMTPD='no'\n:allow\n";

/// Settings, rules and a store as the article has them, all owned by the user whom the programs run as.
struct Office {
    dir: tempfile::TempDir,
}

impl Office {
    fn new() -> Office {
        let office = Office {
            dir: private_dir(0o755),
        };
        for folder in ["conf", "spool", "etc"] {
            fs::create_dir(office.path(folder)).unwrap();
            office.give(folder);
        }
        office.set("spooldir", &office.text("spool"));
        office.set("rulesdir", &office.text("etc"));
        office.set("smtprules", "tcp.smtp");
        office.set("smtpcdb", "tcp.smtp.cdb");
        office.set("rule", ":allow,RELAYCLIENT=''");
        office.set("tcprules", "/nonexistent/tcprules");
        fs::write(office.path("etc/tcp.smtp"), RULES).unwrap();
        office
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    fn give(&self, name: &str) {
        if is_root() {
            chown(self.path(name), Some(SOMEBODY), Some(SOMEBODY)).unwrap();
        }
    }

    fn set(&self, name: &str, line: &str) {
        fs::write(self.path("conf").join(name), format!("{line}\n")).unwrap();
    }

    fn run(&self, program: &str) -> Run {
        as_somebody(bin(program)).env("RELAY_CTRL_CONFDIR", self.path("conf"))
    }

    /// relay-ctrl-allow for a login from `ip`, in front of the reporting program.
    fn login(&self, ip: &str) -> Run {
        let run = self.run("relay-ctrl-allow").arg(probe());
        run.env("TCPREMOTEIP", ip)
            .env("USER", "alice")
            .env("AUTH", "apop")
    }

    fn age(&self) -> Done {
        self.run("relay-ctrl-age").done()
    }

    /// Addresses and whatever else is in the store.
    fn stored(&self) -> Vec<String> {
        let items = fs::read_dir(self.path("spool")).unwrap();
        let mut names: Vec<String> = items
            .map(|item| item.unwrap().file_name().into_string().unwrap())
            .filter(|name| name != ".lock")
            .collect();
        names.sort();
        names
    }

    /// Makes a login older.
    fn date_back(&self, ip: &str, seconds: u64) {
        let file = fs::File::options()
            .write(true)
            .open(self.path("spool").join(ip))
            .unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(seconds))
            .unwrap();
    }

    /// What superd would do with a client by the database: `deny`, or the variables.
    fn says(&self, ip: &str) -> String {
        let cdb = Cdb::open_path(&self.path("etc/tcp.smtp.cdb")).unwrap();
        let client = Client {
            ip: ip.as_bytes(),
            host: None,
            info: None,
        };
        let decision = decide(&client, |key| cdb.get(key)).unwrap();
        match decision.verdict() {
            Verdict::Deny => "deny".to_owned(),
            Verdict::Allow => text_of(&decision.record),
        }
    }
}

fn text_of(record: &Record) -> String {
    let set = record
        .variables()
        .map(|(name, value)| [name, value].join(&b'='));
    let set: Vec<String> = set.map(|set| String::from_utf8(set).unwrap()).collect();
    set.join(" ")
}

/// As the user whom a checker has become, where this is root.
fn as_somebody(program: impl AsRef<OsStr>) -> Run {
    if !is_root() {
        return Run::new(program);
    }
    let somebody = SOMEBODY.to_string();
    Run::new("setpriv")
        .args([
            "--reuid",
            &somebody,
            "--regid",
            &somebody,
            "--clear-groups",
            "--",
        ])
        .arg(program)
}

/// The descriptors that a program had, by number: this process may have inherited some.
fn numbers(report: &Report) -> Vec<String> {
    let number = |fd: &String| fd.split(' ').next().unwrap_or_default().to_owned();
    report.all("fd").iter().map(number).collect()
}

fn report(done: &Done) -> Report {
    assert_eq!(done.code, Some(0), "{}", done.err());
    Report::read(&done.out())
}

#[test]
fn a_login_is_in_store_and_database_before_the_next_program_starts() {
    let office = Office::new();
    let see = format!(
        "ls {}; TCPREMOTEIP={IP} {} {}",
        office.text("spool"),
        bin("superd-rulescheck").display(),
        office.text("etc/tcp.smtp.cdb")
    );
    let done = office
        .run("relay-ctrl-allow")
        .args(["/bin/sh", "-c", &see])
        .env("TCPREMOTEIP", "::ffff:192.0.2.1")
        .env("USER", "alice")
        .done();
    assert_eq!(
        done.out(),
        "192.0.2.1\nrule 192.0.2.1:\nset environment variable RELAYCLIENT=\nallow connection\n"
    );
    let err = done.err();
    assert!(
        err.starts_with("relay-ctrl-allow: open ip=192.0.2.1 user=alice how=pop until=20"),
        "{err}"
    );
    assert_eq!(err.lines().count(), 1, "{err}");
}

#[test]
fn the_next_program_finds_descriptors_and_variables_as_they_were() {
    let office = Office::new();
    let told = report(&office.login(IP).env("OTHER", "1").done());
    assert_eq!(told.env("OTHER").as_deref(), Some("1"));
    assert_eq!(told.env("TCPREMOTEIP").as_deref(), Some(IP));
    assert_eq!(
        numbers(&told),
        numbers(&report(&as_somebody(probe()).done()))
    );
}

#[test]
fn a_known_address_is_touched_without_a_word_and_the_database_left_alone() {
    let office = Office::new();
    office.login(IP).done();
    office.date_back(IP, 100);
    let cdb = || fs::metadata(office.path("etc/tcp.smtp.cdb")).unwrap().ino();
    let file = || fs::metadata(office.path("spool").join(IP)).unwrap();
    let before = (cdb(), file().ino());
    let done = office.login(IP).done();
    assert_eq!(done.err(), "");
    assert_eq!((cdb(), file().ino()), before);
    assert!(file().modified().unwrap().elapsed().unwrap() < Duration::from_secs(60));
    let done = office.login(IP).env("RELAY_CTRL_LOG_IPS", "").done();
    assert!(
        done.err()
            .starts_with("relay-ctrl-allow: prolong ip=192.0.2.1 user=alice how=apop"),
        "{}",
        done.err()
    );
}

#[test]
fn without_the_address_of_a_client_the_program_ends_as_the_original_does() {
    let office = Office::new();
    for ip in ["", "..", "999.999.999.999.9", "../../evil", "localhost"] {
        let done = office.login(ip).done();
        assert_eq!((done.code, done.out().as_str()), (Some(111), ""), "{ip}");
        assert!(
            done.err().contains("must be run from superd or tcpserver"),
            "{}",
            done.err()
        );
    }
    let done = office.run("relay-ctrl-allow").arg(probe()).done();
    assert_eq!(done.code, Some(111));
    assert!(office.stored().is_empty());
}

#[test]
fn ipv6_clients_log_in_and_are_opened() {
    let office = Office::new();
    report(&office.login("2001:DB8::0:1").done());
    assert_eq!(office.stored(), ["2001:db8::1"]);
    assert_eq!(office.says("2001:db8::1"), "RELAYCLIENT=");
}

#[test]
fn root_and_a_missing_program_are_refused_before_anything_is_recorded() {
    let office = Office::new();
    let done = office.run("relay-ctrl-allow").env("TCPREMOTEIP", IP).done();
    assert_eq!(done.code, Some(111));
    if as_root("relay-ctrl-allow as root") {
        let done = Run::new(bin("relay-ctrl-allow"))
            .arg(probe())
            .env("TCPREMOTEIP", IP)
            .env("RELAY_CTRL_CONFDIR", office.path("conf"))
            .done();
        assert_eq!(done.code, Some(111));
        assert!(
            done.err().contains("cannot be run as root"),
            "{}",
            done.err()
        );
    }
    assert!(office.stored().is_empty());
}

#[test]
fn no_trouble_loses_a_login() {
    let troubles: [(&str, fn(&Office), &str); 6] = [
        (
            "spool",
            |office| fs::remove_dir(office.path("spool")).unwrap(),
            "unable to open the directory",
        ),
        (
            "expiry",
            |office| office.set("expiry", "900s"),
            "expiry: no positive number of seconds",
        ),
        (
            "text",
            |office| fs::remove_file(office.path("etc/tcp.smtp")).unwrap(),
            "tcp.smtp: file does not exist",
        ),
        (
            "rule",
            |office| office.set("rule", ":allow,RELAYCLIENT="),
            "unable to use the rule",
        ),
        (
            "exclude",
            |office| office.set("exclude", "what?"),
            "exclude: line 1 is neither an address",
        ),
        (
            "fault",
            |office| fs::write(office.path("etc/tcp.smtp"), "10.:alow\n").unwrap(),
            "tcp.smtp: line 1, column 5",
        ),
    ];
    for (name, make, why) in troubles {
        let office = Office::new();
        make(&office);
        let done = office.login(IP).done();
        report(&done);
        let err = done.err();
        let line = err.lines().last().unwrap_or_default();
        assert!(
            line.starts_with("relay-ctrl-allow: trouble ip=192.0.2.1 why=\""),
            "{name}: {err}"
        );
        assert!(line.contains(why), "{name}: {err}");
    }
}

#[test]
fn an_excluded_address_is_not_opened() {
    let office = Office::new();
    office.set("exclude", "# the gateway\n192.0.2.0/24");
    let done = office.login(IP).done();
    report(&done);
    assert_eq!(
        done.err(),
        "relay-ctrl-allow: excluded ip=192.0.2.1 user=alice\n"
    );
    assert!(office.stored().is_empty());
    office.set("exclude", "198.51.100.1");
    report(&office.login(IP).done());
    office.set("exclude", IP);
    assert_eq!(office.age().code, Some(0));
    assert!(office.stored().is_empty());
    assert_eq!(office.says(IP), "");
}

#[test]
fn couriers_modules_record_only_who_is_authenticated() {
    let office = Office::new();
    let courier = || {
        office
            .login(IP)
            .env("AUTHUSER", "/x/authuser")
            .env("AUTHARGV0", "x")
    };
    for unknown in [courier(), courier().env("AUTHENTICATED", "")] {
        let done = unknown.done();
        report(&done);
        assert_eq!((done.err(), office.stored().len()), (String::new(), 0));
    }
    report(&courier().env("AUTHENTICATED", "alice").done());
    assert_eq!(office.stored(), [IP]);
}

#[test]
fn a_user_with_a_shell_cannot_open_an_address_in_a_store_that_is_not_his() {
    if !as_root("a store of root's") {
        return;
    }
    let office = Office::new();
    for folder in ["spool", "etc"] {
        chown(office.path(folder), Some(0), Some(0)).unwrap();
    }
    let done = office.login("203.0.113.9").done();
    report(&done);
    assert!(
        done.err()
            .contains("trouble ip=203.0.113.9 why=\"unable to record 203.0.113.9: access denied"),
        "{}",
        done.err()
    );
    assert!(office.stored().is_empty());
    let done = office
        .run("superd-relay")
        .args(["add", "203.0.113.9"])
        .done();
    assert_eq!(done.code, Some(111), "{}", done.err());
    assert!(office.stored().is_empty());
}

#[test]
fn a_setuid_program_refuses_to_run() {
    if !as_root("a setuid program") {
        return;
    }
    let office = Office::new();
    let program = office.path("relay-ctrl-allow");
    let superd = libexec().join("../../sbin/superd");
    let made = Run::new("/bin/sh")
        .args([
            "-c",
            "cp -L \"$1\" \"$2\" && chown \"$3\" \"$2\" && chmod 4755 \"$2\"",
            "sh",
        ])
        .arg(superd)
        .arg(&program)
        .arg((SOMEBODY + 1).to_string())
        .done();
    assert_eq!(made.code, Some(0), "{}", made.err());
    let done = as_somebody(&program)
        .arg(probe())
        .env("TCPREMOTEIP", IP)
        .env("RELAY_CTRL_CONFDIR", office.path("conf"))
        .done();
    if done.code == Some(0) {
        note_left_out("a setuid program", "the file system is mounted nosuid");
        return;
    }
    assert_eq!(done.code, Some(111));
    assert!(done.err().contains("must not be setuid"), "{}", done.err());
    assert!(office.stored().is_empty());
}

#[test]
fn a_store_behind_a_closed_door_is_reached_by_the_descriptor_of_chdir_alone() {
    if !as_root("a closed door") {
        return;
    }
    let office = Office::new();
    let mode = |name: &str, mode| {
        fs::set_permissions(office.path(name), fs::Permissions::from_mode(mode)).unwrap();
    };
    fs::create_dir_all(office.path("door/allow")).unwrap();
    mode("door", 0o700);
    mode("door/allow", 0o777);
    let somebody = SOMEBODY.to_string();
    let chain = |last: &str| {
        Run::new(bin("relay-ctrl-chdir"))
            .args([
                "setpriv",
                "--reuid",
                &somebody,
                "--regid",
                &somebody,
                "--clear-groups",
                "--",
            ])
            .arg(bin(last))
            .arg(probe())
            .env("RELAY_CTRL_DIR", office.path("door/allow"))
            .env("RELAY_CTRL_CONFDIR", office.path("conf"))
            .env("TCPREMOTEIP", IP)
    };
    let done = chain("relay-ctrl-allow").env("USER", "alice").done();
    let told = report(&done);
    assert!(
        done.err()
            .starts_with("relay-ctrl-allow: open ip=192.0.2.1 user=alice"),
        "{}",
        done.err()
    );
    assert_eq!(told.env("RELAY_CTRL_DIR_FD"), None);
    assert_eq!(
        numbers(&told),
        numbers(&report(&as_somebody(probe()).done()))
    );
    let file = office.path("door/allow").join(IP);
    assert_eq!(
        fs::read(&file).unwrap(),
        b"USER=alice\0RELAY_CTRL_HOW=pop\0"
    );
    assert_eq!(fs::metadata(&file).unwrap().uid(), SOMEBODY);
    assert!(
        !office.path("etc/tcp.smtp.cdb").exists(),
        "relay-ctrl 3 has no database"
    );

    let told = report(&chain("relay-ctrl-check").done());
    assert_eq!(told.env("RELAYCLIENT").as_deref(), Some(""));
    assert_eq!(told.env("USER").as_deref(), Some("alice"));
    assert_eq!(told.env("RELAY_CTRL_DIR_FD"), None);

    let outside = as_somebody(bin("relay-ctrl-allow"))
        .arg(probe())
        .env("RELAY_CTRL_DIR", office.path("door/allow"))
        .env("TCPREMOTEIP", "203.0.113.9")
        .done();
    assert!(outside.err().contains("access denied"), "{}", outside.err());
    assert!(!office.path("door/allow/203.0.113.9").exists());
}

#[test]
fn chdir_needs_a_directory_and_a_program() {
    let done = Run::new(bin("relay-ctrl-chdir")).done();
    assert_eq!(done.code, Some(1));
    for wrong in ["/nonexistent/store", "/dev/null"] {
        let done = Run::new(bin("relay-ctrl-chdir"))
            .arg(probe())
            .env("RELAY_CTRL_DIR", wrong)
            .done();
        assert_eq!(
            (done.code, done.out().as_str()),
            (Some(111), ""),
            "{}",
            done.err()
        );
        assert!(done.err().contains(wrong), "{}", done.err());
    }
}

#[test]
fn check_lets_a_known_client_relay_and_no_trouble_stops_the_mail() {
    let office = Office::new();
    report(&office.login(IP).done());
    let check = |ip: &str| {
        office
            .run("relay-ctrl-check")
            .arg(probe())
            .env("TCPREMOTEIP", ip)
    };
    let told = report(&check(IP).env("RELAY_CTRL_RELAYCLIENT", "@fixup").done());
    assert_eq!(told.env("RELAYCLIENT").as_deref(), Some("@fixup"));
    assert_eq!(told.env("USER").as_deref(), Some("alice"));
    assert_eq!(report(&check("192.0.2.2").done()).env("RELAYCLIENT"), None);

    let set = check(IP).env("RELAYCLIENT", "@own").done();
    assert_eq!(report(&set).env("RELAYCLIENT").as_deref(), Some("@own"));
    assert_eq!(report(&set).env("USER"), None);

    let evil = check("../etc/tcp.smtp").done();
    assert_eq!(report(&evil).env("RELAYCLIENT"), None);
    assert!(
        evil.err()
            .contains("TCPREMOTEIP is not the address of a client"),
        "{}",
        evil.err()
    );

    office.date_back(IP, 902);
    assert_eq!(report(&check(IP).done()).env("RELAYCLIENT"), None);
    assert!(office.stored().is_empty(), "an expired file is removed");

    office.set("spooldir", "/nonexistent/spool");
    let done = check(IP).done();
    assert_eq!(report(&done).env("RELAYCLIENT"), None);
    assert!(
        done.err().contains("trouble ip=192.0.2.1"),
        "{}",
        done.err()
    );
}

#[test]
fn age_closes_who_has_expired_and_keeps_who_has_not() {
    let office = Office::new();
    for ip in [IP, "192.0.2.2", "10.0.0.1", "192.0.2.66"] {
        report(&office.login(ip).done());
    }
    fs::write(office.path("spool/9.9.9.9~"), "").unwrap();
    fs::write(office.path("spool/=host"), "").unwrap();
    // A second of room either way: the clock goes on.
    office.date_back(IP, 899);
    office.date_back("192.0.2.2", 901);
    let done = office.age();
    assert_eq!((done.code, done.err().as_str()), (Some(0), ""));
    assert_eq!(
        office.stored(),
        ["10.0.0.1", "192.0.2.1", "192.0.2.66", "9.9.9.9~", "=host"]
    );
    assert_eq!(office.says(IP), "RELAYCLIENT=");
    assert_eq!(office.says("192.0.2.2"), "");
    assert_eq!(office.says("10.0.0.1"), "RBLSMTPD=no RELAYCLIENT=");
    assert_eq!(office.says("192.0.2.66"), "deny");
    assert_eq!(office.says("9.9.9.9"), "");
}

#[test]
fn age_opens_the_addresses_that_it_is_given_and_nothing_outside_the_store() {
    let office = Office::new();
    let done = office
        .run("relay-ctrl-age")
        .args([IP, "../evil", "::ffff:192.0.2.3"])
        .done();
    assert_eq!(done.code, Some(1));
    assert_eq!(
        done.err(),
        "relay-ctrl-age: warning: unable to use ../evil: not an address\n"
    );
    assert_eq!(office.stored(), [IP, "192.0.2.3"]);
    assert!(!office.path("evil").exists());
    assert_eq!(office.says("192.0.2.3"), "RELAYCLIENT=");
}

#[test]
fn age_ends_with_the_originals_codes_and_the_last_good_database_stays() {
    let office = Office::new();
    report(&office.login(IP).done());
    let text = office.path("etc/tcp.smtp");
    let good = fs::read(office.path("etc/tcp.smtp.cdb")).unwrap();
    let stays = |code, why: &str| {
        let done = office.age();
        assert_eq!(done.code, Some(code), "{}", done.err());
        assert!(done.err().contains(why), "{}", done.err());
        assert_eq!(
            fs::read(office.path("etc/tcp.smtp.cdb")).unwrap(),
            good,
            "{why}"
        );
    };
    office.set("expiry", "900s");
    office.date_back(IP, 5000);
    stays(111, "expiry: no positive number of seconds");
    assert_eq!(office.stored(), [IP], "nothing is done");
    office.set("expiry", "9000");
    for (rules, code, why) in [
        (None, 1, "tcp.smtp: file does not exist"),
        (Some(""), 1, "there is nothing in it"),
        (Some("10.:alow\n"), 111, "line 1, column 5"),
    ] {
        match rules {
            Some(rules) => fs::write(&text, rules).unwrap(),
            None => fs::remove_file(&text).unwrap(),
        }
        stays(code, why);
    }
    fs::write(&text, RULES.trim_end()).unwrap();
    assert_eq!(
        office.age().code,
        Some(0),
        "a last line without its newline"
    );
    assert_eq!(
        (office.says(IP), office.says("10.1.1.1")),
        ("RELAYCLIENT=".into(), "RBLSMTPD=no".into())
    );
}

#[test]
fn a_missing_store_closes_all_and_a_wrong_rule_those_who_have_expired() {
    let office = Office::new();
    for ip in [IP, "192.0.2.2"] {
        report(&office.login(ip).done());
    }
    office.set("rule", ":allow,RELAYCLIENT=");
    office.date_back(IP, 1000);
    let done = office.age();
    assert_eq!(done.code, Some(111), "{}", done.err());
    assert_eq!(
        (office.says(IP), office.says("192.0.2.2")),
        (String::new(), "RELAYCLIENT=".into())
    );
    office.set("rule", ":allow,RELAYCLIENT=''");
    fs::rename(office.path("spool"), office.path("elsewhere")).unwrap();
    let done = office.age();
    assert_eq!(done.code, Some(1), "{}", done.err());
    assert_eq!(
        (office.says("192.0.2.2"), office.says("192.0.2.66")),
        (String::new(), "deny".into())
    );
}

#[test]
fn a_hundred_logins_at_once_leave_a_hundred_addresses_ten_times_in_a_row() {
    let office = Office::new();
    for round in 0..10 {
        let addresses: Vec<String> = (0..100)
            .map(|number| format!("198.51.{round}.{number}"))
            .collect();
        std::thread::scope(|scope| {
            for ip in &addresses {
                scope.spawn(|| {
                    let done = office.login(ip).done();
                    report(&done);
                    assert!(!done.err().contains("trouble"), "{}", done.err());
                });
            }
            // And the crontab's line comes in between.
            scope.spawn(|| assert_eq!(office.age().code, Some(0)));
        });
        assert_eq!(office.stored().len(), 100 * (round + 1));
        for ip in &addresses {
            assert_eq!(office.says(ip), "RELAYCLIENT=", "{ip}");
        }
    }
}

#[test]
fn superd_relay_lists_adds_revokes_and_checks() {
    let office = Office::new();
    let relay = |words: &[&str]| {
        let run = office.run("superd-relay").args(words);
        run.env("LOGNAME", "carol").done()
    };
    report(
        &office
            .login(IP)
            .env("TCPREMOTEHOST", "pc.example.org")
            .done(),
    );
    let done = relay(&["add", "2001:db8::5", "the", "printer"]);
    assert_eq!(done.code, Some(0), "{}", done.err());
    let list = relay(&["list"]).out();
    let lines: Vec<&str> = list.lines().collect();
    assert_eq!(lines.len(), 2, "{list}");
    assert!(
        lines[0].starts_with("192.0.2.1 user=alice how=apop host=pc.example.org when=20"),
        "{list}"
    );
    assert!(
        lines[1].starts_with("2001:db8::5 user=carol how=superd-relay when=20"),
        "{list}"
    );
    assert!(
        lines[1].contains(" until=20") && lines[1].ends_with(" why=\"the printer\""),
        "{list}"
    );

    let done = relay(&["check", IP]);
    assert_eq!(done.code, Some(0));
    assert!(
        done.out()
            .ends_with("tcp.smtp.cdb: the rule \"192.0.2.1:\" sets RELAYCLIENT\n"),
        "{}",
        done.out()
    );
    let done = relay(&["add", "192.0.2.66"]);
    assert_eq!(done.code, Some(1), "the rules deny it: {}", done.out());
    assert!(done.out().contains("denies it"), "{}", done.out());

    assert_eq!(relay(&["revoke", IP, "2001:db8::5"]).code, Some(0));
    assert_eq!(
        (office.says(IP), office.says("2001:db8::5")),
        (String::new(), String::new())
    );
    assert_eq!(relay(&["revoke", IP]).code, Some(1));
    let done = relay(&["check", IP]);
    assert_eq!(done.code, Some(1));
    assert!(
        done.out()
            .starts_with("192.0.2.1 is closed: nobody has logged in from there\n"),
        "{}",
        done.out()
    );
    for wrong in [
        &[][..],
        &["list", "x"],
        &["add"],
        &["check"],
        &["revoke"],
        &["add", "../x"],
        &["remove", IP],
    ] {
        assert_eq!(relay(wrong).code, Some(100), "{wrong:?}");
    }
}

#[test]
fn the_lock_is_closed_to_others_and_a_file_of_an_address_is_open_to_servers() {
    let office = Office::new();
    report(&office.login(IP).done());
    let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
    assert_eq!(mode(&office.path("spool/.lock")), 0o600);
    assert_eq!(mode(&office.path("spool").join(IP)), 0o644);
    if is_root() {
        // The superuser's run leaves a lock that the store's owner can still take.
        fs::remove_file(office.path("spool/.lock")).unwrap();
        let done = Run::new(bin("relay-ctrl-age"))
            .env("RELAY_CTRL_CONFDIR", office.path("conf"))
            .done();
        assert_eq!(done.code, Some(0), "{}", done.err());
        assert_eq!(
            fs::metadata(office.path("spool/.lock")).unwrap().uid(),
            SOMEBODY
        );
        assert_eq!(office.age().code, Some(0));
    }
}
