//! init/superd, the shell init script: start, stop, restart and status, as an administrator uses
//! it, with the services of a private directory.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use kit::{Client, DEADLINE, Done, Run, address, as_root, bin, private_dir, script, signal};

struct Installation {
    dir: tempfile::TempDir,
    host: std::net::Ipv4Addr,
    port: u16,
}

impl Installation {
    /// A directory with rules, control files, a user and settings for the script.
    fn new() -> Installation {
        let dir = private_dir(0o755);
        let host = address();
        let port = 10_025;
        let path = |name: &str| dir.path().join(name);
        std::fs::create_dir_all(path("home/control")).expect("a folder");
        std::fs::write(path("home/control/me"), "mx.example.org\n").expect("written");
        let done = Run::new(bin("superd-rules"))
            .args([path("tcp.smtp.cdb"), path("tcp.smtp.tmp")])
            .input(format!("{host}:allow\n:deny\n"))
            .done();
        assert_eq!((done.code, done.err().as_str()), (Some(0), ""));
        let settings = format!(
            "SUPERD={superd}\nRUN={run}\nLOCK={lock}\nSERVICES=smtp\nSMTP_HOST={host}\nSMTP_PORT={port}\n\
             SMTP_RULES={rules}\nSMTP_NAME=mx.example.org\nexport SUPERD_HOME={home}\n\
             logger_of() {{ exec cat >>{log}; }}\n\
             smtp() {{ exec \"$SUPERD\" -v -HR -l \"$SMTP_NAME\" -x \"$SMTP_RULES\" \
             \"$SMTP_HOST\" \"$SMTP_PORT\" smtpd; }}\n",
            superd = bin("superd").display(),
            run = path("run").display(),
            lock = path("lock").display(),
            rules = path("tcp.smtp.cdb").display(),
            home = path("home").display(),
            log = path("log").display(),
        );
        std::fs::write(path("settings"), settings).expect("written");
        Installation { dir, host, port }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Adds lines to the settings.
    fn set(&self, lines: &str) {
        let settings = std::fs::read_to_string(self.path("settings")).expect("settings");
        std::fs::write(self.path("settings"), settings + lines).expect("written");
    }

    fn script(&self, word: &str) -> Done {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("init/superd");
        Run::new("/bin/sh")
            .arg(script)
            .arg(word)
            .env("SUPERD_DEFAULTS", self.path("settings"))
            .done()
    }

    fn greeting(&self) -> String {
        Client::connect_from(self.host, (self.host, self.port).into()).line()
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.path("log")).unwrap_or_default()
    }
}

impl Drop for Installation {
    fn drop(&mut self) {
        self.script("stop");
    }
}

#[test]
fn start_runs_the_service_and_its_lines_go_to_the_logger() {
    let installed = Installation::new();
    let done = installed.script("start");
    assert_eq!(done.code, Some(0), "{}{}", done.err(), installed.log());
    assert!(
        done.out().starts_with("smtp: started (pid "),
        "{}",
        done.out()
    );
    assert!(installed.path("lock").exists());
    assert!(installed.greeting().starts_with("220 "));
    let deadline = Instant::now() + DEADLINE;
    while !installed.log().contains("superd: ok ") {
        assert!(Instant::now() < deadline, "{}", installed.log());
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn status_tells_whether_the_service_runs() {
    let installed = Installation::new();
    let done = installed.script("status");
    assert_eq!(
        (done.code, done.out().as_str()),
        (Some(3), "smtp: does not run\n")
    );
    assert_eq!(installed.script("start").code, Some(0));
    let done = installed.script("status");
    assert_eq!(done.code, Some(0));
    assert!(done.out().starts_with("smtp: runs (pid "), "{}", done.out());
}

#[test]
fn stop_ends_it_and_is_content_where_nothing_runs() {
    let installed = Installation::new();
    assert_eq!(installed.script("start").code, Some(0));
    let done = installed.script("stop");
    assert_eq!(
        (done.code, done.out().as_str()),
        (Some(0), "smtp: stopped\n")
    );
    assert!(!installed.path("lock").exists());
    assert_eq!(installed.script("status").code, Some(3));
    assert_eq!(installed.script("stop").code, Some(0));
}

#[test]
fn a_second_start_leaves_the_first_alone() {
    let installed = Installation::new();
    installed.script("start");
    let first = installed.script("status").out();
    let done = installed.script("start");
    assert_eq!(done.code, Some(0));
    assert!(
        done.out().starts_with("smtp: runs already"),
        "{}",
        done.out()
    );
    assert_eq!(installed.script("status").out(), first);
}

#[test]
fn restart_makes_a_new_process() {
    let installed = Installation::new();
    installed.script("start");
    let first = installed.script("status").out();
    assert_eq!(installed.script("restart").code, Some(0));
    assert_ne!(installed.script("status").out(), first);
    assert!(installed.greeting().starts_with("220 "));
}

#[test]
fn a_service_that_cannot_start_is_told() {
    let installed = Installation::new();
    let settings = std::fs::read_to_string(installed.path("settings")).expect("settings");
    let settings = settings.replace("SMTP_PORT=10025", "SMTP_PORT=no-such-service");
    std::fs::write(installed.path("settings"), settings).expect("written");
    let done = installed.script("start");
    assert_eq!(done.code, Some(1));
    assert!(
        done.err().starts_with("smtp: did not start; see the log"),
        "{}",
        done.err()
    );
    let why = "unable to figure out port number for no-such-service";
    assert!(installed.log().contains(why), "{}", installed.log());
    // There may be nobody who keeps the log.
    assert!(
        done.err()
            .contains(&format!("smtp: superd: fatal: {why}\n")),
        "{}",
        done.err()
    );
    assert!(!installed.path("lock").exists());
}

#[test]
fn a_pid_file_of_a_process_that_is_no_superd_is_not_believed() {
    let installed = Installation::new();
    std::fs::create_dir(installed.path("run")).expect("a folder");
    let mine = format!("{}\n", std::process::id());
    for pid in [mine.as_str(), "x\n", "-1\n", ""] {
        std::fs::write(installed.path("run/smtp.pid"), pid).expect("written");
        assert_eq!(installed.script("status").code, Some(1));
        assert_eq!(
            installed.script("stop").code,
            Some(0),
            "and nobody is killed"
        );
        assert_eq!(installed.script("status").code, Some(3));
    }
}

#[test]
fn after_a_kill_status_says_so_and_start_starts_again() {
    let installed = Installation::new();
    installed.script("start");
    let pid = std::fs::read_to_string(installed.path("run/smtp.pid")).expect("a pid");
    signal(pid.trim().parse().expect("a pid"), "KILL");
    let done = installed.script("status");
    assert_eq!(done.out(), "smtp: does not run, but has not been stopped\n");
    assert_eq!(done.code, Some(1));
    assert_eq!(installed.script("start").code, Some(0));
    assert!(installed.greeting().starts_with("220 "));
}

#[test]
fn a_service_whose_logger_cannot_be_started_is_not_left_without_a_log() {
    let installed = Installation::new();
    let settings = std::fs::read_to_string(installed.path("settings")).expect("settings");
    let settings = settings.replace("exec cat", "exec no-such-logger");
    std::fs::write(installed.path("settings"), settings).expect("written");
    let done = installed.script("start");
    assert_eq!(done.code, Some(1), "{}", done.out());
    assert!(
        done.err().contains("smtp: its logger has ended"),
        "{}",
        done.err()
    );
    assert_eq!(installed.script("status").code, Some(3));
}

#[test]
fn a_logger_that_ends_late_is_not_taken_for_that_of_the_next_start() {
    let installed = Installation::new();
    let settings = std::fs::read_to_string(installed.path("settings")).expect("settings");
    let slow = settings.replace("exec cat", "sleep 0.8; exec cat");
    let failing = slow.replace("SMTP_PORT=10025", "SMTP_PORT=no-such-service");
    std::fs::write(installed.path("settings"), failing).expect("written");
    assert_eq!(installed.script("start").code, Some(1));
    std::fs::write(installed.path("settings"), slow).expect("written");
    let done = installed.script("start");
    assert_eq!(done.code, Some(0), "{}", done.err());
    assert_eq!(installed.script("stop").code, Some(0));
    std::thread::sleep(Duration::from_millis(1500));
    let left = std::fs::read_dir(installed.path("run")).expect("the folder");
    assert_eq!(left.count(), 0);
}

#[test]
fn a_service_that_does_not_start_does_not_hide_one_that_does() {
    let installed = Installation::new();
    let settings = std::fs::read_to_string(installed.path("settings")).expect("settings");
    let settings = settings + "SERVICES='smtp nosuch'\n";
    std::fs::write(installed.path("settings"), settings).expect("written");
    let done = installed.script("start");
    assert_eq!(done.code, Some(1));
    assert!(done.out().starts_with("smtp: started"), "{}", done.out());
    assert!(
        done.err().contains("nosuch: did not start"),
        "{}",
        done.err()
    );
    assert!(installed.path("lock").exists(), "something runs");
    assert!(!installed.path("run/nosuch.pid").exists());
}

#[test]
fn whoever_may_not_look_at_the_service_is_told_so() {
    if !as_root("the init script as another user") {
        return;
    }
    let installed = Installation::new();
    installed.script("start");
    let text = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("init/superd"));
    // The checkout may be shut to others.
    script(
        &installed.path("superd"),
        &String::from_utf8(text.expect("it")).expect("text"),
    );
    for word in ["status", "stop"] {
        let done = Run::unprivileged(installed.path("superd"))
            .arg(word)
            .env("SUPERD_DEFAULTS", installed.path("settings"))
            .done();
        assert_eq!(done.code, Some(4), "{}{}", done.out(), done.err());
        assert!(done.err().contains("run this as root"), "{}", done.err());
    }
    assert_eq!(installed.script("status").code, Some(0));
}

#[test]
fn a_setting_with_which_nobody_would_be_served_stops_the_start_and_is_told() {
    let installed = Installation::new();
    let settings = std::fs::read_to_string(installed.path("settings")).expect("settings");
    let own = settings.lines().filter(|line| !line.starts_with("smtp()"));
    let own: String = own.map(|line| format!("{line}\n")).collect();
    let own = format!(
        "{own}SMTP_USER=$(id -u)\nSMTP_GROUP=$(id -g)\nPOP3_HOST={}\nPOP3_PORT=10110\nPOP3_OPTIONS=-HR\n\
         POP3_NAME=mx.example.org\nPOP3_CHECKER=checkpw\nPOP3_RELAY=relay-ctrl-allow\n",
        installed.host
    );
    let start = |line: &str| {
        let text = format!("{own}{line}\n");
        std::fs::write(installed.path("settings"), text).expect("written");
        installed.script("start")
    };
    let rules = installed.path("no.cdb").display().to_string();
    for (service, line, why) in [
        (
            "smtp",
            format!("SMTP_RULES={rules}"),
            format!("there is no file {rules}"),
        ),
        (
            "smtp",
            "SMTP_PROGRAM='smtpdd x'".into(),
            "SMTP_PROGRAM in ".into(),
        ),
        (
            "smtp",
            "SMTP_PROGRAM='smtpdd x'".into(),
            "there is no program smtpdd".into(),
        ),
        (
            "pop3",
            "POP3_CHECKER=checkpwd".into(),
            "there is no program checkpwd".into(),
        ),
        (
            "pop3",
            "POP3_CHECKER=".into(),
            "nobody would check passwords".into(),
        ),
        (
            "pop3",
            "POP3_CHECKER=pop3_on".into(),
            "there is no program pop3_on".into(),
        ),
        (
            "pop3",
            "POP3_CHECKER=/etc".into(),
            "there is no program /etc".into(),
        ),
        (
            "pop3",
            "POP3_RELAY=relay-ctrl-alow".into(),
            "there is no program relay-ctrl-alow".into(),
        ),
    ] {
        let done = start(&format!("SERVICES={service}\n{line}"));
        let told = format!("{line}: {}{}", done.out(), done.err());
        assert_eq!(done.code, Some(1), "{told}");
        assert!(
            done.err().contains(&format!("{service}: superd: fatal: "))
                && done.err().contains(&why),
            "{told}"
        );
        assert!(installed.log().contains(&why), "{told}");
        assert_eq!(installed.script("status").code, Some(3), "{told}");
    }
    for (service, line) in [
        ("smtp", format!("SMTP_OPTIONS='-HR -X'\nSMTP_RULES={rules}")),
        (
            "smtp",
            format!(
                "SMTP_OPTIONS=-HR\nSMTP_PROGRAM='relay-ctrl-check {}'",
                bin("smtpd").display()
            ),
        ),
        ("pop3", String::new()),
        (
            "pop3",
            "POP3_CHECKER=/bin/false\nPOP3_RELAY='env -i recordio'".into(),
        ),
    ] {
        let done = start(&format!("SERVICES={service}\n{line}"));
        assert_eq!(done.code, Some(0), "{line}: {}{}", done.out(), done.err());
        assert_eq!(installed.script("stop").code, Some(0));
    }
}

#[test]
fn a_user_or_group_that_is_missing_is_told_with_the_line_that_makes_it() {
    let installed = Installation::new();
    let settings = std::fs::read_to_string(installed.path("settings")).expect("settings");
    let own = settings.lines().filter(|line| !line.starts_with("smtp()"));
    let own: String = own.map(|line| format!("{line}\n")).collect();
    let group = "(this makes it: groupadd --system no-such-group)\n";
    let user = "(this makes him: useradd --system --gid 1 --home-dir /nonexistent --shell \
                /usr/sbin/nologin no-such-user)\n";
    for (service, setting, told) in [
        ("smtp", "SMTP_USER=0 SMTP_GROUP=no-such-group", group),
        ("lmtp", "SMTP_GROUP=no-such-group", group),
        ("auth", "SMTP_GROUP=no-such-group", group),
        ("smtp", "SMTP_USER=no-such-user SMTP_GROUP=1", user),
        ("submission", "SMTP_USER=no-such-user SMTP_GROUP=1", user),
        ("auth", "SMTP_USER=no-such-user SMTP_GROUP=1", user),
    ] {
        let text = format!("{own}SERVICES={service}\n{setting}\n");
        std::fs::write(installed.path("settings"), text).expect("written");
        let done = installed.script("start");
        assert_eq!(done.code, Some(1), "{service}");
        assert!(done.err().ends_with(told), "{service}: {}", done.err());
        let name = format!("{service}: superd: fatal: SMTP_");
        assert!(done.err().contains(&name), "{service}: {}", done.err());
        assert!(installed.log().contains(told), "{}", installed.log());
    }
}

#[test]
fn variables_of_the_programs_count_without_export() {
    let installed = Installation::new();
    installed.set("REQUIRETLS=1\n");
    let done = installed.script("start");
    assert_eq!(done.code, Some(0), "{}", done.err());
    let mut client = Client::connect_from(installed.host, (installed.host, installed.port).into());
    client.expect("220 ");
    client.say("EHLO client.test");
    client.expect("250");
    client.say("MAIL FROM:<>");
    let reply = client.expect("").concat();
    assert!(reply.starts_with("530 "), "{reply}");
}

/// Variables of the manual pages that are no settings of a host: others tell them, or rules, or the script.
const TOLD_BY_OTHERS: &[&str] = &[
    // superd, UCSPI-TLS and shells.
    "GID",
    "HOME",
    "PATH",
    "PROTO",
    "SSLCTLFD",
    "SSLREADFD",
    "SSLWRITEFD",
    "SSL_PROTOCOL",
    "TCPLOCALHOST",
    "TCPLOCALIP",
    "TCPLOCALPORT",
    "TCPREMOTEHOST",
    "TCPREMOTEINFO",
    "TCPREMOTEIP",
    "TCPREMOTEPORT",
    "UCSPITLS",
    "UID",
    "UNIXLOCALPATH",
    "UNIXREMOTEEUID",
    "USER",
    "DOMAIN",
    // A program that runs before.
    "AUTH",
    "AUTHENTICATED",
    "IMAPLOGINTAG",
    "MAILDIRQUOTA",
    "RELAY_CTRL_DIR_FD",
    "RELAY_CTRL_USER",
    "SERVICE",
    // A rule, for the clients that it is for.
    "RBLSMTPD",
    "RELAYCLIENT",
    "XCLIENT_RULES",
    // The script: SMTP_USER, POP3_MAILDIR, the service submission.
    "AUTHD_ALLOW",
    "MAILDIR",
    "SMTPAUTH",
    // Not read: smtpd says so.
    "SPFBEHAVIOR",
];

#[test]
fn every_variable_of_a_manual_page_is_exported_or_others_tell_it() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let script = std::fs::read_to_string(top.join("init/superd")).expect("the script");
    let (_, list) = script.split_once("\nEXPORTED=\"").expect("the list");
    let (list, _) = list.split_once('"').expect("its end");
    let exported: Vec<&str> = list.split_whitespace().collect();
    let mut documented = Vec::new();
    for page in std::fs::read_dir(top.join("man")).expect("pages") {
        let text = std::fs::read_to_string(page.expect("a page").path()).expect("text");
        let sections = text.split("\n.Sh ");
        let wanted = sections.filter(|section| {
            section.starts_with("ENVIRONMENT") || section.contains("\n.Ss Settings by variables\n")
        });
        for line in wanted.flat_map(str::lines) {
            let names = line.strip_prefix(".It Ev ").unwrap_or_default();
            documented.extend(
                names
                    .split(" , ")
                    .filter(|name| !name.is_empty())
                    .map(str::to_owned),
            );
        }
    }
    assert!(documented.len() > 100, "{documented:?}");
    for name in &documented {
        let is_exported = exported.contains(&name.as_str());
        let is_told = TOLD_BY_OTHERS.contains(&name.as_str());
        assert!(is_exported != is_told, "{name}: exported: {is_exported}");
    }
    for name in exported {
        assert!(documented.iter().any(|known| known == name), "{name}");
    }
}

#[test]
fn a_service_that_is_no_longer_named_is_told_and_ends_with_the_others() {
    let installed = Installation::new();
    let second = "other() { exec \"$SUPERD\" -HR \"$SMTP_HOST\" 10026 smtpd; }\n";
    installed.set(&format!("{second}SERVICES='smtp other'\n"));
    let done = installed.script("start");
    assert_eq!(done.code, Some(0), "{}", done.err());
    installed.set("SERVICES=smtp\n");
    let told = installed.script("status");
    assert_eq!(told.code, Some(0));
    assert!(told.out().contains("other: runs (pid "), "{}", told.out());
    assert!(
        told.out().contains("other: SERVICES in ") && told.out().contains(" does not name it"),
        "{}",
        told.out()
    );
    let done = installed.script("restart");
    assert_eq!(done.code, Some(0), "{}", done.err());
    assert!(done.out().contains("other: stopped\n"), "{}", done.out());
    assert!(!done.out().contains("other: started"), "{}", done.out());
    assert!(!installed.path("run/other.pid").exists());
    assert!(std::net::TcpStream::connect((installed.host, 10_026)).is_err());
    let told = installed.script("status").out();
    assert!(!told.contains("other"), "{told}");
}

#[test]
fn a_misspelt_service_is_told_by_its_name_and_that_of_the_setting() {
    let installed = Installation::new();
    // Neither that of a program nor of a command of the shell.
    for name in ["imapd", "ls", "test"] {
        installed.set(&format!("SERVICES={name}\n"));
        let done = installed.script("start");
        assert_eq!(done.code, Some(1), "{name}");
        let settings = installed.path("settings").display().to_string();
        let told = format!(
            "{name}: did not start: SERVICES in {settings} names it, and there is no such service \
             (but auth lmtp smtp submission pop3 apop imap)\n"
        );
        assert_eq!(done.err(), told);
    }
}

#[test]
fn a_port_that_is_taken_is_told_with_its_number_and_setting() {
    let installed = Installation::new();
    let _there = std::net::TcpListener::bind((installed.host, installed.port)).expect("bound");
    let done = installed.script("start");
    assert_eq!(done.code, Some(1));
    let told = format!(
        "smtp: superd: fatal: unable to bind: address already used\n\
         smtp: that is port {} of {}, SMTP_PORT in {}; \"ss -ltnp\" shows what listens there\n",
        installed.port,
        installed.host,
        installed.path("settings").display()
    );
    assert!(done.err().ends_with(&told), "{}", done.err());
}

#[test]
fn an_address_that_the_host_does_not_have_is_told() {
    let installed = Installation::new();
    // TEST-NET-2 of RFC 5737.
    installed.set("SMTP_HOST=198.51.100.99\n");
    let done = installed.script("start");
    assert_eq!(done.code, Some(1));
    let told = format!(
        "smtp: superd: fatal: unable to bind: address not available\n\
         smtp: that is port {} of 198.51.100.99; \"ip address\" shows which addresses this host has\n",
        installed.port
    );
    assert!(done.err().ends_with(&told), "{}", done.err());
}

#[test]
fn where_there_is_no_folder_for_locks_none_is_made_and_nothing_said() {
    let installed = Installation::new();
    installed.set("LOCK=/nowhere/lock/superd\n");
    let done = installed.script("start");
    assert_eq!((done.code, done.err().as_str()), (Some(0), ""));
    assert_eq!(installed.script("stop").code, Some(0));
}

#[test]
fn what_the_services_share_can_be_reached_whatever_the_umask() {
    let installed = Installation::new();
    installed.set(&format!(
        "umask 077\nRELAY_STORE={}\n",
        installed.path("store").display()
    ));
    let done = installed.script("start");
    assert_eq!(done.code, Some(0), "{}", done.err());
    for name in ["run", "store"] {
        let meta = std::fs::metadata(installed.path(name)).expect("made");
        let mode = std::os::unix::fs::PermissionsExt::mode(&meta.permissions());
        assert_eq!(mode & 0o777, 0o755, "{name}");
    }
}

#[test]
fn another_word_is_a_matter_for_the_usage() {
    let installed = Installation::new();
    let done = installed.script("begin");
    assert_eq!(done.code, Some(2));
    assert!(
        done.err().contains("{start|stop|restart|status}"),
        "{}",
        done.err()
    );
}

#[test]
fn without_other_settings_the_lines_go_to_syslog_by_splogger() {
    let installed = Installation::new();
    let socket = std::os::unix::net::UnixDatagram::bind(installed.path("syslog")).expect("bound");
    socket.set_read_timeout(Some(DEADLINE)).expect("set");
    let settings = std::fs::read_to_string(installed.path("settings")).expect("readable");
    let kept = settings
        .lines()
        .filter(|line| !line.starts_with("logger_of"));
    let mut text: String = kept.map(|line| format!("{line}\n")).collect();
    text.push_str(&format!(
        "export SPLOGGER_SOCKET={}\nLOG_FACILITY=daemon\n",
        installed.path("syslog").display()
    ));
    std::fs::write(installed.path("settings"), text).expect("written");
    let done = installed.script("start");
    assert_eq!(done.code, Some(0), "{}{}", done.out(), done.err());
    let mut buffer = [0; 1024];
    let count = socket.recv(&mut buffer).expect("a line");
    let line = String::from_utf8_lossy(&buffer[..count]).into_owned();
    // Facility daemon (3 times 8), severity info (6); then the time, the tag, and splogger's own time.
    assert!(line.starts_with("<30>"), "{line}");
    assert!(line.contains(" smtp: "), "{line}");
    assert!(line.contains(" superd: status: 0/40"), "{line}");
}
