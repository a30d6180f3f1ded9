use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::Path;

use chain::Env;

use super::*;
use crate::limits::MOST_RECIPIENTS;
use crate::transport::Destination;

/// A home and an environment.
struct TestHome {
    folder: tempfile::TempDir,
    variables: BTreeMap<String, OsString>,
    ours: Option<PathBuf>,
}

impl TestHome {
    fn new() -> TestHome {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir(folder.path().join("control")).expect("made");
        let place = TestHome {
            folder,
            variables: BTreeMap::new(),
            ours: Some("/libexec/maildir-queue".into()),
        };
        let home = place.folder.path().to_owned();
        place.with("SUPERD_HOME", home)
    }

    fn with(mut self, name: &str, value: impl Into<OsString>) -> TestHome {
        self.variables.insert(name.to_owned(), value.into());
        self
    }

    fn file(self, name: &str, text: &str) -> TestHome {
        let path = self.folder.path().join(name);
        fs::create_dir_all(path.parent().expect("below the folder")).expect("made");
        fs::write(path, text).expect("written");
        self
    }

    fn try_read(&self) -> Result<Settings, SettingsError> {
        let mut env = Env::default();
        for (name, value) in &self.variables {
            env.set_os(OsStr::new(name), value);
        }
        Settings::read(&Sources {
            env: &env,
            host_name: || b"uname.test".to_vec(),
            program: &|name| {
                assert_eq!(name, "maildir-queue");
                self.ours.clone()
            },
            applets: &[],
            words: &[],
        })
    }

    fn read(&self) -> Settings {
        self.try_read().expect("settings")
    }

    fn fault(&self) -> String {
        self.try_read().expect_err("a fault").to_string()
    }
}

#[test]
fn without_any_file_or_variable_everything_has_its_default() {
    let settings = TestHome::new().read();
    assert_eq!(settings.greeting, b"uname.test");
    assert_eq!(settings.local, b"unknown");
    assert_eq!(settings.client.ip, b"unknown");
    assert_eq!(settings.client.host, b"unknown");
    assert_eq!(settings.client.info, None);
    assert_eq!(settings.client.relay, None);
    assert_eq!(settings.hosts.rcpthosts, None);
    assert!(settings.hosts.locals.names(b"uname.test"));
    assert_eq!(settings.limits.timeout, Duration::from_secs(1200));
    assert_eq!(settings.limits.databytes, 0);
    assert_eq!(settings.limits.recipients, 1000);
    assert_eq!(settings.bare_lf, BareLf::Reject);
    let local = settings
        .transports
        .of(Destination::Local)
        .expect("a transport");
    assert_eq!(local.to_string(), "/libexec/maildir-queue");
    assert!(settings.transports.accounts().is_some());
    assert!(settings.transports.of(Destination::Remote).is_none());
}

#[test]
fn names_come_from_the_super_server_and_the_control_files() {
    let place = TestHome::new()
        .with("TCPLOCALHOST", "tcp.test")
        .with("TCPLOCALIP", "192.0.2.1")
        .with("TCPREMOTEIP", "2001:db8::1")
        .with("TCPREMOTEHOST", "client.test")
        .with("TCPREMOTEINFO", "joe");
    let settings = place.read();
    assert_eq!(settings.greeting, b"tcp.test");
    assert_eq!(settings.localiphost, b"tcp.test");
    assert_eq!(settings.local, b"tcp.test");
    assert_eq!(settings.local_ip, "192.0.2.1".parse().ok());
    assert_eq!(settings.client.ip, b"2001:db8::1");
    assert_eq!(settings.client.host, b"client.test");
    assert_eq!(settings.client.info.as_deref(), Some(&b"joe"[..]));
    let place = place
        .file("control/me", "me.test\r\n")
        .file("control/localiphost", "ip.test\n");
    assert_eq!(place.read().greeting, b"me.test");
    assert_eq!(place.read().localiphost, b"ip.test");
    let place = place.file("control/smtpgreeting", "hello there\n");
    assert_eq!(place.read().greeting, b"hello there");
    let address_only = TestHome::new().with("TCPLOCALIP", "192.0.2.1");
    assert_eq!(address_only.read().local, b"192.0.2.1");
}

#[test]
fn an_empty_relayclient_is_set() {
    assert_eq!(
        TestHome::new().with("RELAYCLIENT", "").read().client.relay,
        Some(vec![])
    );
    let value = TestHome::new()
        .with("RELAYCLIENT", "@fixme")
        .read()
        .client
        .relay;
    assert_eq!(value.as_deref(), Some(&b"@fixme"[..]));
    let fault = TestHome::new().with("RELAYCLIENT", "@a\nTb").fault();
    assert_eq!(
        fault,
        "unable to use variable RELAYCLIENT: @a\\nTb is not a part of an address"
    );
}

#[test]
fn databytes_of_the_environment_wins_also_with_0() {
    let place = TestHome::new().file("control/databytes", "5000\n");
    assert_eq!(place.read().limits.databytes, 5000);
    assert_eq!(place.with("DATABYTES", "0").read().limits.databytes, 0);
}

#[test]
fn a_limit_that_is_no_number_is_a_fault_and_not_no_limit() {
    for name in [
        "DATABYTES",
        "MAXRCPT",
        "MAXNOTIMPL",
        "BRTLIMIT",
        "MAXMESSAGES",
        "MAXSESSIONRCPT",
        "SESSION_TIMEOUT",
    ] {
        for value in ["10M", "", "-1", " 5"] {
            let fault = TestHome::new().with(name, value).fault();
            let expected = format!("unable to use variable {name}: {value} is not a number");
            assert_eq!(fault, expected);
        }
    }
    for name in ["databytes", "timeoutsmtpd", "maxrcpt", "brtlimit"] {
        let fault = TestHome::new()
            .file(&format!("control/{name}"), "10M\n")
            .fault();
        assert!(fault.ends_with("its first line is no number"), "{fault}");
    }
}

#[test]
fn limits_are_what_is_set_within_bounds() {
    let place = TestHome::new()
        .file("control/timeoutsmtpd", "0\n")
        .file("control/maxrcpt", "150\n")
        .file("control/brtlimit", "7\n")
        .file("control/maxsessionrcpt", "8\n")
        .with("SESSION_TIMEOUT", "60")
        .with("MAXNOTIMPL", "0")
        .with("MAXMESSAGES", "3");
    let limits = place.read().limits;
    assert_eq!(limits.timeout, Duration::from_secs(1));
    assert_eq!(limits.session, Duration::from_secs(60));
    assert_eq!((limits.recipients, limits.refused), (150, 7));
    assert_eq!(limits.session_recipients, 8);
    assert_eq!((limits.bad_commands, limits.messages), (0, 3));
    let most = place
        .with("MAXRCPT", "0")
        .with("BRTLIMIT", "0")
        .with("MAXSESSIONRCPT", "0")
        .read()
        .limits;
    assert_eq!(most.session_recipients, 0);
    assert_eq!((most.recipients, most.refused), (MOST_RECIPIENTS, 0));
    let more = TestHome::new().with("MAXRCPT", "10001").read().limits;
    assert_eq!(more.recipients, MOST_RECIPIENTS);
}

#[test]
fn the_bare_lf_policy_is_one_of_three() {
    for (value, mode) in [
        ("reject", BareLf::Reject),
        ("qmail", BareLf::Stop),
        ("accept", BareLf::Accept),
    ] {
        assert_eq!(TestHome::new().with("BARELF", value).read().bare_lf, mode);
    }
    let fault = TestHome::new().with("BARELF", "").fault();
    assert!(
        fault.ends_with(" is not reject, qmail or accept"),
        "{fault}"
    );
}

#[test]
fn unreadable_lists_and_a_missing_home_are_faults() {
    for name in [
        "me",
        "rcpthosts",
        "locals",
        "badmailfrom",
        "remotequeue",
        "accounts",
        "admin",
    ] {
        let place = TestHome::new();
        fs::create_dir(place.folder.path().join("control").join(name)).expect("made");
        assert!(
            place
                .fault()
                .contains(&format!("control/{name}: is a directory"))
        );
    }
    let fault = TestHome::new()
        .with("SUPERD_HOME", "/nonexistent/home")
        .fault();
    assert_eq!(
        fault,
        "unable to read /nonexistent/home: file does not exist"
    );
}

#[test]
fn lists_are_read() {
    let place = TestHome::new()
        .file("control/rcpthosts", "A.test\n.b.test\n")
        .file("control/locals", "a.test\n")
        .file("control/badmailfrom", "# none\nx@y\n");
    let settings = place.read();
    let rcpthosts = settings.hosts.rcpthosts.expect("a list");
    assert!(rcpthosts.covers(b"a.test") && rcpthosts.covers(b"x.b.test"));
    assert!(settings.hosts.locals.names(b"A.test") && !settings.hosts.locals.names(b"b.test"));
    assert!(settings.lists.refuse_sender(b"x@y", true));
    assert!(!settings.hosts.more.is_there());
    assert!(
        place
            .file("control/morercpthosts.cdb", "")
            .read()
            .hosts
            .more
            .is_there()
    );
}

fn external(settings: &Settings) -> Option<PathBuf> {
    match &settings.transports {
        Transports::One(transport) => Some(transport.to_string().into()),
        Transports::Two { .. } => None,
    }
}

#[test]
fn the_way_of_local_mail_can_be_a_server_that_knows_its_users() {
    let place = TestHome::new().file("control/localqueue", "lmtp:unix:/run/lmtp\n");
    let transports = place.read().transports;
    assert!(transports.accounts().is_none());
    let local = transports
        .of(Destination::Local)
        .expect("a transport")
        .to_string();
    assert_eq!(local, "lmtp:unix:/run/lmtp");
    let fault = TestHome::new()
        .file("control/localqueue", "lmtp:\n")
        .fault();
    assert!(fault.contains("control/localqueue: "), "{fault}");
}

#[test]
fn the_queue_is_qmailqueue_else_the_homes_own_else_ours() {
    let place = TestHome::new().file("control/remotequeue", "bin/other\n");
    let home = place.folder.path().to_owned();
    let transports = place.read().transports;
    let remote = transports
        .of(Destination::Remote)
        .expect("a transport")
        .to_string();
    assert_eq!(Path::new(&remote), home.join("bin/other"));
    let place = place.file("bin/qmail-queue", "");
    assert_eq!(external(&place.read()), Some(home.join("bin/qmail-queue")));
    let place = place.with("QMAILQUEUE", "");
    assert_eq!(external(&place.read()), Some(home.join("bin/qmail-queue")));
    let place = place.with("QMAILQUEUE", "bin/qq");
    assert_eq!(external(&place.read()), Some(home.join("bin/qq")));
    let place = place.with("QMAILQUEUE", "/usr/bin/qq");
    assert_eq!(external(&place.read()), Some("/usr/bin/qq".into()));
}

#[test]
fn without_any_queue_program_there_is_no_session() {
    let mut place = TestHome::new();
    place.ours = None;
    assert!(
        place
            .fault()
            .starts_with("unable to find a queue program: ")
    );
    assert!(external(&place.with("QMAILQUEUE", "/qq").read()).is_some());
}

#[test]
fn a_qmail_queue_that_is_a_link_to_nowhere_is_not_taken_for_absent() {
    let place = TestHome::new();
    let bin = place.folder.path().join("bin");
    fs::create_dir(&bin).expect("made");
    std::os::unix::fs::symlink("/nonexistent/queue", bin.join("qmail-queue")).expect("a link");
    let settings = place.read();
    assert_eq!(external(&settings), Some(bin.join("qmail-queue")));
}

#[test]
fn a_bin_that_is_no_folder_has_no_qmail_queue() {
    let place = TestHome::new().file("bin", "text");
    assert_eq!(external(&place.read()), None);
}
