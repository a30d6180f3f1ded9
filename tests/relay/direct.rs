//! superd --relay beside relay-ctrl-check behind superd: both look the store up for each connection, and to both the
//! administrator's rules come first.

use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::store::within_a_second;
use kit::server::Report;
use kit::{Server, Side, compile, libexec, private_dir, probe, start_fails};

const RULES: &str = "127.66.:deny\n127.10.:allow,RBLSMTPD='no',OTHER='1'\n\
                     127.20.:allow,RELAYCLIENT='@own'\n:allow\n";

/// The two ways, as options of superd and words before the program.
const WAYS: [(&str, &[&str]); 2] = [("--relay", &[]), ("", &["relay-ctrl-check"])];

struct Office {
    dir: tempfile::TempDir,
}

impl Office {
    fn new() -> Office {
        let dir = private_dir(0o755);
        let store = dir.path().join("store");
        fs::create_dir(&store).unwrap();
        fs::set_permissions(&store, fs::Permissions::from_mode(0o755)).unwrap();
        Office { dir }
    }

    fn store(&self) -> String {
        self.dir.path().join("store").display().to_string()
    }

    /// What a login of joe's leaves behind, at this time.
    fn login(&self, ip: &str, time: SystemTime) {
        let path = Path::new(&self.store()).join(ip);
        fs::write(&path, "USER=joe\0").unwrap();
        let file = fs::File::options().write(true).open(path).unwrap();
        file.set_modified(time).unwrap();
    }

    /// superd with rules, the store in one of the ways, and the reporting program.
    fn serve(&self, (option, words): (&str, &[&str])) -> Server {
        let cdb = compile(Side::Ours, self.dir.path(), "rules", RULES);
        let store = self.store();
        let mut options = vec!["-vHRl0", "-x", &cdb];
        if !option.is_empty() {
            options.extend([option, &store]);
        }
        let mut handler: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        handler.push(probe().display().to_string());
        Server::of(Side::Ours)
            .options(options)
            .handler(handler)
            .env("RELAY_CTRL_DIR", &store)
            .env("RELAY_CTRL_CONFDIR", "/nonexistent")
            .env("SUPERD_LIBEXEC", libexec())
            .start()
    }
}

fn report(server: &Server, client: [u8; 4]) -> Report {
    Report::read(&server.talk_from(Ipv4Addr::from(client)))
}

#[test]
fn a_login_adds_to_the_rules_and_overrules_none() {
    for way in WAYS {
        let office = Office::new();
        for ip in ["127.66.0.1", "127.10.0.1", "127.20.0.1", "127.30.0.1"] {
            office.login(ip, SystemTime::now());
        }
        let server = office.serve(way);
        assert_eq!(
            server.talk_from(Ipv4Addr::new(127, 66, 0, 1)),
            "",
            "{way:?}"
        );
        server.wait_for(": deny ");

        let kept = report(&server, [127, 10, 0, 1]);
        for (name, value) in [
            ("RBLSMTPD", "no"),
            ("OTHER", "1"),
            ("RELAYCLIENT", ""),
            ("RELAY_CTRL_USER", "joe"),
        ] {
            assert_eq!(kept.env(name).as_deref(), Some(value), "{way:?} {name}");
        }
        let own = report(&server, [127, 20, 0, 1]);
        assert_eq!(own.env("RELAYCLIENT").as_deref(), Some("@own"), "{way:?}");
        let open = report(&server, [127, 30, 0, 1]);
        assert_eq!(open.env("RELAYCLIENT").as_deref(), Some(""), "{way:?}");
        assert_eq!(report(&server, [127, 30, 0, 2]).env("RELAYCLIENT"), None);
    }
}

#[test]
fn a_login_of_exactly_the_expirys_age_is_good_and_one_a_second_older_is_not() {
    for way in WAYS {
        let office = Office::new();
        let server = office.serve(way);
        for (age, value) in [(900, Some("")), (901, None)] {
            let told = within_a_second(|second| {
                office.login("127.30.0.1", second - Duration::from_secs(age));
                report(&server, [127, 30, 0, 1])
            });
            assert_eq!(told.env("RELAYCLIENT").as_deref(), value, "{way:?} {age}");
        }
    }
}

#[test]
fn a_store_that_goes_away_closes_all_and_stops_nobody_and_is_used_again_when_it_is_back() {
    let office = Office::new();
    office.login("127.30.0.1", SystemTime::now());
    for way in WAYS {
        let server = office.serve(way);
        let relays = || report(&server, [127, 30, 0, 1]).env("RELAYCLIENT");
        assert_eq!(relays().as_deref(), Some(""));
        let (store, aside) = (office.store(), office.dir.path().join("aside"));
        fs::rename(&store, &aside).unwrap();
        assert_eq!(relays(), None, "{way:?}");
        // In its place something that cannot be searched, which is worth a line.
        fs::write(&store, "").unwrap();
        assert_eq!(relays(), None, "{way:?}");
        let line = server.wait_for(&store);
        assert!(
            line.contains("unable to look up a client in ") || line.contains(": trouble ip="),
            "{line}"
        );
        fs::remove_file(&store).unwrap();
        fs::rename(&aside, &store).unwrap();
        assert_eq!(relays().as_deref(), Some(""), "{way:?}");
    }
}

#[test]
fn superd_does_not_start_without_the_store_it_is_told_of() {
    let words = [
        "-HRl0",
        "--relay",
        "/nonexistent/store",
        "127.0.0.1",
        "0",
        "true",
    ];
    let (code, said) = start_fails(Side::Ours, &words);
    assert_eq!(code, Some(111));
    assert!(
        said.contains("unable to use /nonexistent/store: file does not exist"),
        "{said}"
    );
}
