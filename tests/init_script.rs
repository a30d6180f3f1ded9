//! init/superd, the shell init script: start, stop, restart and status, as an administrator uses
//! it, with the services of a private directory.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::support::{Client, DEADLINE, Done, Run, address, bin, private_dir};

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
            "SUPERD={superd}\nRUN={run}\nLOCK={lock}\nSMTP_HOST={host}\nSMTP_PORT={port}\n\
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
    assert_eq!(done.err(), "smtp: did not start; its log says why\n");
    assert!(
        installed.log().contains("unable to figure out port number"),
        "{}",
        installed.log()
    );
    assert!(!installed.path("lock").exists());
}

#[test]
fn a_pid_file_of_a_process_that_is_no_superd_is_not_believed() {
    let installed = Installation::new();
    std::fs::create_dir(installed.path("run")).expect("a folder");
    let pid = format!("{}\n", std::process::id());
    std::fs::write(installed.path("run/smtp.pid"), pid).expect("written");
    assert_eq!(installed.script("status").code, Some(3));
    assert_eq!(
        installed.script("stop").code,
        Some(0),
        "and nobody is killed"
    );
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
