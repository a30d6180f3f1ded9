//! The last part of the article as one test: smtpd behind rules, a client that may not relay, the same
//! client logging in by POP3, then relaying, then refused again when its time is over. All of it
//! from the init script, with the classic database, with relay-ctrl-check, and with the direct mode.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rules::cdb::Cdb;

use kit::imap::Imap;
use kit::pop3::{Office, PASSWORD, Pop3, with_system_users};
use kit::run::becoming;
use kit::sasl::apop_digest;
use kit::{Client, DEADLINE, Done, Run, address, bin, script};

/// For how long a login is good here, in seconds: long enough for a slow machine to use it.
const EXPIRY: u64 = 8;

/// How a client logs in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    Password,
    Apop,
    Imap,
}

/// A host with all three services.
struct Host {
    office: Office,
    address: Ipv4Addr,
}

impl Host {
    /// `smtp` and `expiry` are settings of the script and of relay-ctrl.
    fn new(smtp: &str) -> Host {
        let host = Host {
            office: Office::new(),
            address: address(),
        };
        let path = |name: &str| host.office.path(name).display().to_string();
        for dir in ["spool", "conf", "relayed", "rules"] {
            fs::create_dir(host.office.path(dir)).unwrap();
        }
        host.office.give("ann", &host.office.path("relayed"));
        // Somebody who relays without a login, somebody who never may, and all others.
        host.write(
            "rules/tcp.smtp",
            "127.9.9.9:allow,RELAYCLIENT=\"\"\n127.66.:deny\n:allow\n",
        );
        host.write("conf/expiry", &format!("{EXPIRY}\n"));
        host.write("conf/spooldir", &format!("{}\n", path("spool")));
        host.write("home/control/me", "here.test\n");
        host.write(
            "home/control/remotequeue",
            &format!("{}\n", path("way-out")),
        );
        let way_out = format!(
            "#!/bin/sh\ncat >{0}/$$ && cat <&1 >/dev/null\n",
            path("relayed")
        );
        script(&host.office.path("way-out"), &way_out);
        let text = format!(
            "SUPERD={}\nRUN={}\nLOCK={}\nSERVICES='smtp pop3 imap'\nSMTP_USER=ann\nSMTP_GROUP=ann\n\
             SMTP_HOST={host_address}\nSMTP_PORT=10025\nSMTP_NAME=here.test\nSMTP_OPTIONS=-HR\n\
             SMTP_RULES={}\nPOP3_HOST={host_address}\nPOP3_PORT=10110\nPOP3_NAME=here.test\n\
             POP3_OPTIONS=-HR\nPOP3_CHECKER=selectcheckpw\nPOP3_RELAY=relay-ctrl-allow\nIMAP_PORT=10143\n\
             export SUPERD_HOME={} RELAY_CTRL_CONFDIR={}\nlogger_of() {{ exec cat >>{}; }}\n\
             STORE={}\n{smtp}\n",
            bin("superd").display(),
            path("run"),
            path("lock"),
            path("rules/tcp.smtp.cdb"),
            path("home"),
            path("conf"),
            path("log"),
            path("spool"),
            host_address = host.address,
        );
        host.write("settings", &text);
        let done = Run::new(bin("superd-rules"))
            .args([path("rules/tcp.smtp.cdb"), path("rules/tmp")])
            .input(fs::read(host.office.path("rules/tcp.smtp")).unwrap())
            .done();
        assert_eq!(done.code, Some(0), "{}", done.err());
        let done = host.office.init_script("start");
        assert_eq!(
            done.code,
            Some(0),
            "{}{}{}",
            done.out(),
            done.err(),
            host.office.log()
        );
        host
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.office.path(name), text).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.office.path(name)
    }

    /// The settings of the classic way.
    fn keep_a_database(&self) {
        let rules = self.path("rules").display().to_string();
        self.write("conf/rulesdir", &format!("{rules}\n"));
        self.write("conf/smtprules", "tcp.smtp\n");
        self.write("conf/smtpcdb", "tcp.smtp.cdb\n");
        self.write("conf/rule", ":allow,RELAYCLIENT=''\n");
        // The original's setting of a compiler may stay where it is.
        self.write("conf/tcprules", "/nonexistent/tcprules\n");
    }

    /// Runs words as root would on this host.
    fn run(&self, words: &[&str]) -> Done {
        let launcher = self.office.launcher();
        Run::new(&launcher[0])
            .args(&launcher[1..])
            .args(words)
            .env("SUPERD_DEFAULTS", self.path("settings"))
            .env("RELAY_CTRL_CONFDIR", self.path("conf"))
            .done()
    }

    /// What root's crontab has in it.
    fn crontab_line(&self) {
        let program = bin("relay-ctrl-age");
        let done = self.run(&["/bin/sh", "-c", program.to_str().unwrap()]);
        assert_eq!((done.code, done.err().as_str()), (Some(0), ""));
    }

    /// What a client gets who wants to send to another domain; empty where he is not even greeted.
    fn relays(&self, client: Ipv4Addr) -> String {
        let server: SocketAddr = (self.address, 10_025).into();
        let mut client = Client::connect_from(client, server);
        let greeting = client.try_line().unwrap_or_default();
        if !greeting.starts_with("220") {
            return greeting;
        }
        for line in ["HELO c", "MAIL FROM:<a@far.test>"] {
            assert!(client.ask(line).starts_with("250"));
        }
        let reply = client.ask("RCPT TO:<b@other.test>");
        client.ask("QUIT");
        reply
    }

    fn logs_in(&self, client: Ipv4Addr, by: By) {
        if by == By::Imap {
            let mut client = Imap::connect_from(client, (self.address, 10_143).into());
            let reply = client.login("joe", PASSWORD);
            assert!(reply.starts_with("OK"), "{reply} {}", self.office.log());
            client.ok("LOGOUT");
            return;
        }
        let server: SocketAddr = (self.address, 10_110).into();
        let mut client = Client::connect_from(client, server);
        let greeting = client.line();
        let reply = if by == By::Apop {
            client.ask(&format!("APOP joe {}", apop_digest(&greeting, PASSWORD)))
        } else {
            client.login("joe", PASSWORD)
        };
        // It is recorded before this is said.
        assert!(reply.starts_with("+OK"), "{reply} {}", self.office.log());
        client.ask("QUIT");
    }

    /// The whole story of one client. `age` is what happens every minute.
    fn story(&self, client: Ipv4Addr, by: By, age: &dyn Fn()) {
        let stranger = Ipv4Addr::new(127, 8, 8, 8);
        let denied = Ipv4Addr::new(127, 66, client.octets()[2], 1);
        let refused =
            |reply: String| assert!(reply.starts_with("553 "), "{reply} {}", self.office.log());
        refused(self.relays(client));
        self.logs_in(client, by);
        let reply = self.relays(client);
        assert!(reply.starts_with("250 "), "{reply} {}", self.office.log());
        // Nobody else gains by it, and a rule that denies is not overruled by a login.
        refused(self.relays(stranger));
        assert!(self.relays(Ipv4Addr::new(127, 9, 9, 9)).starts_with("250 "));
        self.logs_in(denied, by);
        assert_eq!(self.relays(denied), "");
        let deadline = Instant::now() + DEADLINE;
        std::thread::sleep(Duration::from_secs(EXPIRY));
        loop {
            age();
            let reply = self.relays(client);
            if reply.starts_with("553 ") {
                break;
            }
            assert!(
                Instant::now() < deadline,
                "{client} is still open: {}",
                self.office.log()
            );
            std::thread::sleep(Duration::from_millis(200));
        }
        assert!(self.relays(Ipv4Addr::new(127, 9, 9, 9)).starts_with("250 "));
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.office.init_script("stop");
    }
}

const CLIENT: Ipv4Addr = Ipv4Addr::new(127, 7, 7, 1);

#[test]
fn with_the_classic_database_that_a_login_rebuilds_and_the_crontab_ages() {
    if !with_system_users("POP-before-SMTP with the classic database") {
        return;
    }
    let host = Host::new("");
    host.keep_a_database();
    host.story(CLIENT, By::Password, &|| host.crontab_line());
    // Nobody is told that an address is open which the rules deny.
    let log = host.office.log();
    let about = |line: &&str| line.contains("relay-ctrl-allow: ") && line.contains(" ip=127.66.");
    let lines: Vec<&str> = log.lines().filter(about).collect();
    assert_eq!(lines.len(), 1, "{log}");
    assert!(
        lines[0].contains("relay-ctrl-allow: denied ip=127.66."),
        "{log}"
    );
}

#[test]
fn with_a_user_of_its_own_whose_crontab_ages_his_store() {
    if !with_system_users("POP-before-SMTP under a user of its own") {
        return;
    }
    let host = Host::new("");
    host.keep_a_database();
    for name in ["spool", "rules", "rules/tcp.smtp", "rules/tcp.smtp.cdb"] {
        host.office.give("ann", &host.path(name));
    }
    let ann = host.office.uid_of("ann");
    let program = bin("relay-ctrl-age").display().to_string();
    host.story(CLIENT, By::Apop, &|| {
        let become_ann = becoming(ann, ann);
        let mut words: Vec<&str> = become_ann.iter().map(String::as_str).collect();
        words.push(&program);
        let done = host.run(&words);
        assert_eq!((done.code, done.err().as_str()), (Some(0), ""));
    });
    // What root wrote at the logins has stayed that user's to write.
    let owner = |name: &str| fs::metadata(host.path(name)).unwrap().uid();
    assert_eq!(owner("rules/tcp.smtp.cdb"), ann);
    assert_eq!(owner("spool/.lock"), ann);
}

#[test]
fn with_relay_ctrl_check_in_front_of_smtpd() {
    if !with_system_users("POP-before-SMTP with relay-ctrl-check") {
        return;
    }
    let host = Host::new("SMTP_PROGRAM='relay-ctrl-check smtpd'");
    host.story(CLIENT, By::Apop, &|| {});
}

#[test]
fn with_the_direct_mode_of_superd() {
    if !with_system_users("POP-before-SMTP in the direct mode") {
        return;
    }
    // The script makes the store, as after a boot.
    let host = Host::new("RELAY_STORE=$STORE/made/here\nSMTP_OPTIONS=\"-HR --relay $RELAY_STORE\"");
    assert!(host.path("spool/made/here").is_dir());
    host.story(CLIENT, By::Apop, &|| {});
    let log = host.office.log();
    let line = "relay-ctrl-allow: open ip=127.7.7.1 user=joe how=apop until=";
    assert!(log.contains(line), "{log}");
    // The log of the mail that is relayed says who it was.
    host.logs_in(CLIENT, By::Password);
    let mut client = Client::connect_from(CLIENT, (host.address, 10_025).into());
    client.expect("220 ");
    for (line, reply) in [
        ("HELO c", "250"),
        ("MAIL FROM:<a@far.test>", "250"),
        ("RCPT TO:<b@other.test>", "250"),
        ("DATA", "354"),
        ("Subject: x\r\n\r\nx\r\n.", "250"),
        ("QUIT", "221"),
    ] {
        let said = client.ask(line);
        assert!(
            said.starts_with(reply),
            "{line}: {said} {}",
            host.office.log()
        );
    }
    let log = host.office.log();
    let is_his = |line: &str| line.starts_with("smtpd: ") && line.contains(" login=joe");
    assert!(log.lines().any(is_his), "{log}");
}

#[test]
fn a_hundred_pop3_logins_at_once_open_a_hundred_addresses_ten_times_in_a_row() {
    if !with_system_users("a hundred POP3 logins at once") {
        return;
    }
    let host = Host::new("POP3_OPTIONS='-HR -c 200 -b 200'");
    host.keep_a_database();
    host.write("conf/expiry", "900\n");
    for round in 0..10 {
        let clients: Vec<Ipv4Addr> = (0..100)
            .map(|number| Ipv4Addr::new(127, 50, round, number))
            .collect();
        std::thread::scope(|scope| {
            for client in &clients {
                scope.spawn(|| host.logs_in(*client, By::Password));
            }
            scope.spawn(|| host.crontab_line());
        });
        let stored = fs::read_dir(host.path("spool")).unwrap();
        let stored = stored.filter(|item| item.as_ref().unwrap().file_name() != ".lock");
        assert_eq!(stored.count(), 100 * (usize::from(round) + 1));
        let cdb = Cdb::open_path(&host.path("rules/tcp.smtp.cdb")).unwrap();
        for client in &clients {
            let record = cdb.get(client.to_string().as_bytes()).unwrap();
            assert!(record.is_some(), "{client} {}", host.office.log());
        }
    }
    assert!(
        !host.office.log().contains("trouble"),
        "{}",
        host.office.log()
    );
}

#[test]
fn by_imap_with_the_classic_database() {
    if !with_system_users("IMAP-before-SMTP with the classic database") {
        return;
    }
    let host = Host::new("");
    host.keep_a_database();
    host.story(CLIENT, By::Imap, &|| host.crontab_line());
}

#[test]
fn by_imap_with_relay_ctrl_check_in_front_of_smtpd() {
    if !with_system_users("IMAP-before-SMTP with relay-ctrl-check") {
        return;
    }
    let host = Host::new("SMTP_PROGRAM='relay-ctrl-check smtpd'");
    host.story(CLIENT, By::Imap, &|| {});
}

#[test]
fn by_imap_with_the_direct_mode_of_superd() {
    if !with_system_users("IMAP-before-SMTP in the direct mode") {
        return;
    }
    let host = Host::new("RELAY_STORE=$STORE/made/here\nSMTP_OPTIONS=\"-HR --relay $RELAY_STORE\"");
    host.story(CLIENT, By::Imap, &|| {});
    let log = host.office.log();
    let line = "relay-ctrl-allow: open ip=127.7.7.1 user=joe how=imap until=";
    assert!(log.contains(line), "{log}");
}
