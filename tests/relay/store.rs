//! What the suites of POP-before-SMTP share: an office with settings, rules and a store, and its programs run as the
//! user whom a login has become.

use std::fs;
use std::os::unix::fs::chown;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rules::cdb::Cdb;
use rules::record::{Record, Verdict};
use rules::search::{Client, decide};

use kit::server::Report;
use kit::{Done, Run, SOMEBODY, bin, is_root, private_dir, probe};

/// The client of most tests.
pub const IP: &str = "192.0.2.1";
/// The administrator's rules of every office.
pub const RULES: &str = "192.0.2.66:deny\n10.:allow,RBLSMTPD='no'\n:allow\n";

/// Settings, rules and a store as the article has them, all owned by the user whom the programs run as.
#[derive(Debug)]
pub struct Office {
    dir: tempfile::TempDir,
}

impl Office {
    /// A fresh one, with the settings of the classic way.
    pub fn new() -> Office {
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

    /// A path below the office: `conf`, `spool`, `etc` and what is in them.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// [`Office::path`] as text.
    pub fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    /// Gives a file to the user whom a login has become.
    pub fn give(&self, name: &str) {
        if is_root() {
            chown(self.path(name), Some(SOMEBODY), Some(SOMEBODY)).unwrap();
        }
    }

    /// Writes a setting.
    pub fn set(&self, name: &str, line: &str) {
        fs::write(self.path("conf").join(name), format!("{line}\n")).unwrap();
    }

    /// A program with the settings of this office.
    pub fn run(&self, program: &str) -> Run {
        Run::unprivileged(bin(program)).env("RELAY_CTRL_CONFDIR", self.path("conf"))
    }

    /// relay-ctrl-allow for a login from `ip`, in front of the reporting program.
    pub fn login(&self, ip: &str) -> Run {
        let run = self.run("relay-ctrl-allow").arg(probe());
        run.env("TCPREMOTEIP", ip)
            .env("USER", "alice")
            .env("AUTH", "apop")
    }

    /// What the line in the crontab does.
    pub fn age(&self) -> Done {
        self.run("relay-ctrl-age").done()
    }

    /// Addresses and whatever else is in the store.
    pub fn stored(&self) -> Vec<String> {
        let items = fs::read_dir(self.path("spool")).unwrap();
        let mut names: Vec<String> = items
            .map(|item| item.unwrap().file_name().into_string().unwrap())
            .filter(|name| name != ".lock")
            .collect();
        names.sort();
        names
    }

    /// Makes a login older.
    pub fn date_back(&self, ip: &str, seconds: u64) {
        let file = fs::File::options()
            .write(true)
            .open(self.path("spool").join(ip))
            .unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(seconds))
            .unwrap();
    }

    /// What superd would do with a client by the database: `deny`, or the variables.
    pub fn says(&self, ip: &str) -> String {
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

/// The descriptors that a program had, by number: this process may have inherited some.
pub fn numbers(report: &Report) -> Vec<String> {
    let number = |fd: &String| fd.split(' ').next().unwrap_or_default().to_owned();
    report.all("fd").iter().map(number).collect()
}

/// What the reporting program was given by one that went on.
pub fn report(done: &Done) -> Report {
    assert_eq!(done.code, Some(0), "{}", done.err());
    Report::read(&done.out())
}

/// Runs `what` in the first half of a second of the clock, with that second. It is done again
/// if the second was over before it.
pub fn within_a_second<T>(mut what: impl FnMut(SystemTime) -> T) -> T {
    let clock = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    loop {
        let now = clock();
        if now.subsec_millis() > 500 {
            std::thread::sleep(Duration::from_millis(u64::from(1010 - now.subsec_millis())));
            continue;
        }
        let second = UNIX_EPOCH + Duration::from_secs(now.as_secs());
        let done = what(second);
        if clock().as_secs() == now.as_secs() {
            return done;
        }
    }
}
