//! relay-ctrl-allow: what a login leaves behind, who may not, every trouble with its safe outcome, many at once.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::time::Duration;

use crate::store::{IP, Office, numbers, report};
use kit::{Run, SOMEBODY, as_root, bin, libexec, note_left_out, probe};

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
        numbers(&report(&Run::unprivileged(probe()).done()))
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
    type Make = fn(&Office);
    let troubles: [(&str, Make, &str); 6] = [
        (
            "spool",
            |office| fs::remove_dir_all(office.path("spool")).unwrap(),
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
        report(&office.login("192.0.2.7").done());
        fs::remove_file(office.path("spool/192.0.2.7")).unwrap();
        let database = || fs::read(office.path("etc/tcp.smtp.cdb")).unwrap();
        let good = database();
        make(&office);
        let done = office.login(IP).done();
        report(&done);
        // Neither the administrator's rules are gone nor is anybody open who was not.
        assert_eq!(database(), good, "{name}");
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
    let file = office.text("spool/203.0.113.9");
    let trouble = format!("trouble ip=203.0.113.9 why=\"unable to record {file}: access denied\"");
    assert!(done.err().contains(&trouble), "{}", done.err());
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
    let done = Run::unprivileged(&program)
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
