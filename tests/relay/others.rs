//! relay-ctrl-age, -check and -chdir, and superd-relay: what becomes of the logins that are recorded.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::store::{IP, Office, RULES, numbers, report, within_a_second};
use kit::run::becoming;
use kit::{Run, SOMEBODY, as_root, bin, is_root, probe};

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
    let chain = |last: &str| {
        Run::new(bin("relay-ctrl-chdir"))
            .args(becoming(SOMEBODY, SOMEBODY))
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
            .contains("relay-ctrl-allow: open ip=192.0.2.1 user=alice"),
        "{}",
        done.err()
    );
    assert_eq!(told.env("RELAY_CTRL_DIR_FD"), None);
    assert_eq!(
        numbers(&told),
        numbers(&report(&Run::unprivileged(probe()).done()))
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

    let outside = Run::unprivileged(bin("relay-ctrl-allow"))
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
fn a_login_that_is_exactly_as_old_as_the_expiry_is_good_and_a_second_later_no_more() {
    let office = Office::new();
    let date = |ip: &str, time: SystemTime| {
        report(&office.login(ip).done());
        let file = fs::File::options()
            .write(true)
            .open(office.path("spool").join(ip));
        file.unwrap().set_modified(time).unwrap();
    };
    let old = |second: SystemTime, age: u64| second - Duration::from_secs(age);
    // By the database, after relay-ctrl-age.
    let (stored, exact, late) = within_a_second(|second| {
        date(IP, old(second, 900));
        date("192.0.2.2", old(second, 901));
        assert_eq!(office.age().code, Some(0));
        (office.stored(), office.says(IP), office.says("192.0.2.2"))
    });
    assert_eq!(stored, [IP]);
    assert_eq!((exact.as_str(), late.as_str()), ("RELAYCLIENT=", ""));
    // By relay-ctrl-check and superd-relay.
    for (age, value, code) in [(900, Some(""), 0), (901, None, 1)] {
        let (told, asked) = within_a_second(|second| {
            date(IP, old(second, age));
            let asked = office
                .run("superd-relay")
                .args(["check", IP])
                .env("RELAY_CTRL_DIR", office.path("spool"))
                .done();
            let check = office.run("relay-ctrl-check").arg(probe());
            (check.env("TCPREMOTEIP", IP).done(), asked)
        });
        assert_eq!(report(&told).env("RELAYCLIENT").as_deref(), value, "{age}");
        assert_eq!(asked.code, Some(code), "{age}: {}", asked.out());
    }
}

#[test]
fn what_cannot_be_written_is_told_with_its_path() {
    if !as_root("a store of root's") {
        return;
    }
    let office = Office::new();
    report(&office.login(IP).done());
    std::os::unix::fs::chown(office.path("spool"), Some(0), Some(0)).unwrap();
    let file = office.text(&format!("spool/{IP}"));
    let done = office.run("superd-relay").args(["revoke", IP]).done();
    assert_eq!(done.code, Some(111));
    assert_eq!(
        done.err(),
        format!("superd-relay: fatal: unable to remove {file}: access denied\n")
    );
    let file = office.text("spool/192.0.2.9");
    let done = office.run("relay-ctrl-age").arg("192.0.2.9").done();
    assert_eq!(done.code, Some(1), "{}", done.err());
    assert!(
        done.err()
            .contains(&format!("unable to record {file}: access denied")),
        "{}",
        done.err()
    );
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
