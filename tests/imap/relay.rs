//! IMAP-before-SMTP: a client that may not relay logs in by IMAP, and then may, until its time is
//! over. Through imapup, in a joined chain and in one of single programs, and behind mailfront's
//! imapfront-auth.

use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, SystemTime};

use kit::imap::{Imap, step};
use kit::pop3::{HOST, Office, PASSWORD, with_system_users};
use kit::server::{Builder, Report};
use kit::{Server, Side, bin, compile, libexec, peer};

const CLIENT: Ipv4Addr = Ipv4Addr::new(127, 7, 7, 1);
const DENIED: Ipv4Addr = Ipv4Addr::new(127, 66, 7, 1);
const STRANGER: Ipv4Addr = Ipv4Addr::new(127, 8, 8, 8);

/// An office with a store of logins, and what asks it before a client may send.
struct Host {
    office: Office,
    smtp: Server,
}

impl Host {
    fn new() -> Host {
        let office = Office::new();
        // Open to all behind a door that is root's: who logs in is somebody else by then.
        for (name, mode) in [("door", 0o711), ("door/allow", 0o777)] {
            fs::create_dir(office.path(name)).unwrap();
            fs::set_permissions(office.path(name), fs::Permissions::from_mode(mode)).unwrap();
        }
        let store = office.path("door/allow").display().to_string();
        let rules = compile(
            Side::Ours,
            &office.path("home"),
            "rules",
            "127.66.:deny\n:allow\n",
        );
        let smtp = Server::of(Side::Ours)
            .options(["-vHRl0", "-x", &rules, "--relay", &store])
            .env("SUPERD_LIBEXEC", libexec())
            .start();
        Host { office, smtp }
    }

    /// The settings of the programs that record a login.
    fn with_store(&self, builder: Builder) -> Builder {
        builder
            .env("RELAY_CTRL_DIR", self.office.path("door/allow"))
            .env("RELAY_CTRL_CONFDIR", "/nonexistent")
    }

    fn may_relay(&self, client: Ipv4Addr) -> bool {
        let report = Report::read(&self.smtp.talk_from(client));
        report.env("RELAYCLIENT").is_some()
    }

    /// The whole story of one client.
    fn story(&self, imap: &Server) {
        assert!(!self.may_relay(CLIENT));
        let log_in = |client: Ipv4Addr, password: &str| {
            let mut client = Imap::connect_from(client, imap.address());
            let status = client.login("joe", password);
            (client, status)
        };
        let (_, status) = log_in(CLIENT, "wrong");
        assert!(status.starts_with("NO "), "{status}");
        assert!(!self.may_relay(CLIENT));
        let (mut client, status) = log_in(CLIENT, PASSWORD);
        assert!(status.starts_with("OK "), "{status} {:?}", imap.log());
        // It is recorded before that is said.
        assert!(self.may_relay(CLIENT), "{:?}", imap.log());
        step(&mut client, "SELECT INBOX", &["0 EXISTS"], "OK ~");
        assert!(!self.may_relay(STRANGER));
        // A rule that denies is not overruled by a login.
        let (_, status) = log_in(DENIED, PASSWORD);
        assert!(status.starts_with("OK "), "{status}");
        assert_eq!(self.smtp.talk_from(DENIED), "");
        let file = self.office.path("door/allow").join(CLIENT.to_string());
        let file = fs::File::options().write(true).open(file).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(3600))
            .unwrap();
        assert!(!self.may_relay(CLIENT));
    }
}

#[test]
fn with_the_line_of_the_article_in_a_joined_chain() {
    if !with_system_users("IMAP-before-SMTP") {
        return;
    }
    let host = Host::new();
    let words = [
        "imapup",
        HOST,
        "checkpw",
        "relay-ctrl-allow",
        "imapd",
        "Maildir",
    ];
    let imap = host.with_store(host.office.serve(&words)).start();
    host.story(&imap);
}

/// superd under relay-ctrl-chdir, which keeps the store open for programs that are somebody else.
fn behind_chdir(host: &Host, words: &[&str]) -> Builder {
    let mut launcher = host.office.launcher();
    launcher.push(bin("relay-ctrl-chdir").display().to_string());
    let server = host.office.under(Server::under_name(bin("superd")), words);
    host.with_store(server.launcher(launcher))
}

#[test]
fn with_single_programs_that_have_become_the_user() {
    if !with_system_users("IMAP-before-SMTP with single programs") {
        return;
    }
    let host = Host::new();
    let path = |name: &str| bin(name).display().to_string();
    let (imapup, checkpw, allow, imapd) = (
        path("imapup"),
        path("checkpw"),
        path("relay-ctrl-allow"),
        path("imapd"),
    );
    let words = [&imapup as &str, HOST, &checkpw, &allow, &imapd, "Maildir"];
    let imap = behind_chdir(&host, &words).start();
    host.story(&imap);
}

#[test]
fn behind_the_front_of_mailfront() {
    if !with_system_users("IMAP-before-SMTP behind imapfront-auth") {
        return;
    }
    let (Some(front), Some(cvm)) = (peer("imapfront-auth"), peer("cvm-pwfile")) else {
        return;
    };
    let host = Host::new();
    let users = host.office.path("pwfile");
    let (uid, home) = (host.office.uid, host.office.path("joe"));
    let line = format!("joe:{PASSWORD}:{uid}:{uid}::{}:\n", home.display());
    fs::write(&users, line).unwrap();
    let path = |name: &str| bin(name).display().to_string();
    let (front, allow, imapd) = (
        front.display().to_string(),
        path("relay-ctrl-allow"),
        path("imapd"),
    );
    let imap = behind_chdir(&host, &[&front, &allow, &imapd, "Maildir"])
        .env("CVM_PWFILE_PATH", users)
        .env("CVM_SASL_PLAIN", cvm)
        .start();
    host.story(&imap);
}
