//! What a user with a shell on the host can do about POP-before-SMTP: open the address from where he logs in, and no
//! other one, whatever he runs. The users are those of a private /etc/passwd.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::mpsc;

use kit::place::attack;
use kit::pop3::{HOST, JOE, Office, PASSWORD, Pop3, with_system_users};
use kit::run::becoming;
use kit::{Client, DEADLINE, Done, Run, Server, Side, bin, compile, libexec, private_dir};

/// An address that nobody comes from.
const WANTED: &str = "203.0.113.9";

/// A host with root's settings, rules and store.
struct Host {
    office: Office,
    /// Variables of the servers that say where the store is.
    settings: Vec<(&'static str, String)>,
}

impl Host {
    /// With a database, or with a store that a variable names.
    fn new(with_database: bool) -> Host {
        let office = Office::new();
        for dir in ["conf", "spool", "rules"] {
            fs::create_dir(office.path(dir)).unwrap();
        }
        let text = |name: &str| office.path(name).display().to_string();
        let mut settings = vec![("RELAY_CTRL_CONFDIR", text("conf"))];
        if with_database {
            for (name, line) in [
                ("spooldir", text("spool")),
                ("rulesdir", text("rules")),
                ("smtprules", "tcp.smtp".to_owned()),
                ("smtpcdb", "tcp.smtp.cdb".to_owned()),
            ] {
                fs::write(office.path("conf").join(name), format!("{line}\n")).unwrap();
            }
            fs::write(office.path("rules/tcp.smtp"), ":allow\n").unwrap();
            compile(
                Side::Ours,
                &office.path("rules"),
                "tcp.smtp.cdb",
                ":allow\n",
            );
        } else {
            settings.push(("RELAY_CTRL_DIR", text("spool")));
        }
        Host { office, settings }
    }

    fn stored(&self) -> Vec<String> {
        let items = fs::read_dir(self.office.path("spool")).unwrap();
        let names = items.map(|item| item.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name != ".lock").collect()
    }

    /// A shell of joe's, with the settings of the host and what else he can think of.
    fn as_joe(&self, text: &str) -> Done {
        let launcher = [self.office.launcher(), becoming(JOE, JOE)].concat();
        let mut run = Run::behind(&launcher, "/bin/sh")
            .args(["-c", text])
            .env("HOME", self.office.path("joe"))
            .env("USER", "joe")
            .env("TCPREMOTEIP", WANTED)
            .env("WANTED", WANTED)
            .env("STORE", self.office.path("spool"))
            .env("RULES", self.office.path("rules"))
            .env("SUPERD_HOME", self.office.path("home"))
            .env("LIBEXEC", libexec())
            .env("SBIN", bin("superd").parent().unwrap());
        for (name, value) in &self.settings {
            run = run.env(name, value);
        }
        run.done()
    }
}

/// Puts a file into every directory that a process of one's own has open.
const BY_DESCRIPTOR: &str = "for d in /proc/[0-9]*/fd/*; do \
                             true 2>/dev/null >\"$d/$WANTED\"; done; true";

#[test]
fn behind_a_joined_chain_no_user_opens_an_address_that_he_does_not_come_from() {
    if !with_system_users("a user with a shell") {
        return;
    }
    for with_database in [true, false] {
        let host = Host::new(with_database);
        let words = [
            "popup",
            HOST,
            "checkpw",
            "relay-ctrl-allow",
            "pop3d",
            "Maildir",
        ];
        let mut server = host.office.serve(&words);
        for (name, value) in &host.settings {
            server = server.env(name, value);
        }
        let server = server.start();
        // A session of his own, which he may look into, is open all the while.
        let mut client = server.connect_from([127, 5, 5, 5].into());
        client.line();
        assert!(client.login("joe", PASSWORD).starts_with("+OK"));
        assert_eq!(host.stored(), ["127.5.5.5"], "{:?}", server.log());
        let database = || fs::read(host.office.path("rules/tcp.smtp.cdb")).ok();
        let before = database();
        assert_eq!(before.is_some(), with_database);
        let by_pop3 = format!(
            "printf 'USER joe\\r\\nPASS {PASSWORD}\\r\\nQUIT\\r\\n' | \
             SUPERD_LIBEXEC=$LIBEXEC $LIBEXEC/popup {HOST} checkpw relay-ctrl-allow pop3d Maildir"
        );
        let attempts = [
            "$LIBEXEC/relay-ctrl-allow true",
            "$LIBEXEC/relay-ctrl-chdir $LIBEXEC/relay-ctrl-allow true",
            "$LIBEXEC/relay-ctrl-age $WANTED",
            "$SBIN/superd-relay add $WANTED",
            "true >$STORE/$WANTED",
            "ln $STORE/127.5.5.5 $STORE/$WANTED || mv $STORE/127.5.5.5 $STORE/$WANTED",
            "mkdir $HOME/s && mv $STORE $STORE.old && ln -s $HOME/s $STORE",
            "echo \"$WANTED:allow,RELAYCLIENT=''\" | $SBIN/superd-rules $RULES/tcp.smtp.cdb $RULES/tmp",
            "echo \"$WANTED:allow,RELAYCLIENT=''\" >>$RULES/tcp.smtp",
            "exec 9<$STORE/.lock && flock -n 9",
            &by_pop3,
            BY_DESCRIPTOR,
        ];
        for attempt in attempts {
            let done = host.as_joe(attempt);
            let told = format!("{attempt}: {}{}", done.out(), done.err());
            assert_eq!(host.stored(), ["127.5.5.5"], "{told}");
            assert!(database() == before, "{told}");
        }
        // Neither did the session's end leave anything.
        assert!(client.ask("QUIT").starts_with("+OK"));
        assert_eq!(host.stored(), ["127.5.5.5"]);
    }
}

/// A server behind relay-ctrl-chdir whose checker becomes the user before relay-ctrl-allow runs, from an
/// installation of its own with this mode. The settings have a FIFO, so that the test can hold a program that reads
/// them.
struct Door {
    host: Host,
    server: Server,
}

impl Door {
    fn start(mode: u32) -> Door {
        let host = Host::new(false);
        let path = |name: &str| host.office.path(name);
        for (dir, mode) in [("door", 0o700), ("door/allow", 0o777)] {
            fs::create_dir(path(dir)).unwrap();
            fs::set_permissions(path(dir), fs::Permissions::from_mode(mode)).unwrap();
        }
        let text = format!(
            "mkdir -p '{0}/sbin' '{0}/libexec' && cp -L '{1}' '{0}/sbin/superd' && \
             '{0}/sbin/superd' --links '{0}/libexec/superd' && chmod {mode:o} '{0}/sbin/superd' && \
             mkfifo -m 644 '{2}'",
            path("own").display(),
            bin("superd").display(),
            path("conf/expiry").display(),
        );
        let done = Run::new("/bin/sh").args(["-c", &text]).done();
        assert_eq!(done.code, Some(0), "{}", done.err());
        let own = |name: &str| path("own/libexec/superd").join(name).display().to_string();
        let mut launcher = host.office.launcher();
        launcher.push(own("relay-ctrl-chdir"));
        let fifo = path("conf/expiry");
        let first = std::thread::spawn(move || fs::write(fifo, "900\n").unwrap());
        let (checkpw, allow) = (own("checkpw"), own("relay-ctrl-allow"));
        let words = ["popup", HOST, &checkpw, &allow, "pop3d", "Maildir"];
        let server = host
            .office
            .under(Server::under_name(path("own/sbin/superd")), &words)
            .launcher(launcher)
            .env("RELAY_CTRL_CONFDIR", path("conf"))
            .env("RELAY_CTRL_DIR", path("door/allow"))
            .start();
        first.join().unwrap();
        Door { host, server }
    }

    fn stored(&self, ip: &str) -> bool {
        self.host.office.path("door/allow").join(ip).exists()
    }

    /// A login of joe's, and what he does while his relay-ctrl-allow has the descriptor.
    fn attacked_login(&self, attempt: &str) {
        let mut client: Client = self.server.connect_from([127, 5, 5, 5].into());
        client.line();
        assert!(client.ask("USER joe").starts_with("+OK"));
        client.say(&format!("PASS {PASSWORD}"));
        let fifo: PathBuf = self.host.office.path("conf/expiry");
        let (sender, receiver) = mpsc::channel();
        // It opens when relay-ctrl-allow opens the other end.
        std::thread::spawn(move || sender.send(fs::File::options().write(true).open(fifo)));
        let opened = receiver.recv_timeout(DEADLINE);
        let mut held = opened.expect("relay-ctrl-allow runs").unwrap();
        self.host.as_joe(attempt);
        held.write_all(b"900\n").unwrap();
        drop(held);
        assert!(client.line().starts_with("+OK"), "{:?}", self.server.log());
        assert!(self.stored("127.5.5.5"), "{:?}", self.server.log());
    }
}

#[test]
fn behind_a_checker_that_is_not_ours_the_store_is_closed_where_the_program_cannot_be_read() {
    if !with_system_users("a user with a shell behind relay-ctrl-chdir") {
        return;
    }
    let door = Door::start(0o711);
    door.attacked_login(BY_DESCRIPTOR);
    assert!(!door.stored(WANTED));
    for attempt in [
        "true >$STORE/../door/allow/$WANTED",
        "RELAY_CTRL_CONFDIR=/ RELAY_CTRL_DIR=$STORE/../door/allow $LIBEXEC/relay-ctrl-allow true",
    ] {
        door.host.as_joe(attempt);
        assert!(!door.stored(WANTED), "{attempt}");
    }
    let log = door.server.log();
    assert!(!log.iter().any(|line| line.contains("warning")), "{log:?}");
}

#[test]
fn where_the_program_can_be_read_relay_ctrl_chdir_says_at_the_start_what_that_means() {
    if !with_system_users("a user with a shell behind relay-ctrl-chdir") {
        return;
    }
    let door = Door::start(0o755);
    let line = door.server.wait_for("relay-ctrl-chdir: warning: ");
    let file = door.host.office.path("own/sbin/superd");
    let file = file.display();
    assert!(
        line.contains(&format!("{file} is readable to all")),
        "{line}"
    );
    assert!(line.contains(&format!("chmod 711 {file}")), "{line}");
    // It is true: until its first line, by which it closes itself, the process is the user's to look into.
    door.attacked_login(BY_DESCRIPTOR);
    assert!(!door.stored(WANTED));
    if kit::ptrace_is_free() {
        assert_eq!(
            at_birth(0o755),
            "fd open\n",
            "the warning is no longer needed"
        );
    }
    assert_eq!(at_birth(0o711), "fd closed\n");
}

/// What a user can do to his own process when it has just executed our file of that mode.
fn at_birth(mode: u32) -> String {
    let dir = private_dir(0o755);
    let file = dir.path().join("relay-ctrl-allow");
    let text = format!("cp -L \"$1\" \"$2\" && chmod {mode:o} \"$2\"");
    let copied = Run::new("/bin/sh").args(["-c", &text, "sh"]);
    let copied = copied.arg(bin("superd")).arg(&file).done();
    assert_eq!(copied.code, Some(0), "{}", copied.err());
    let joe = JOE.to_string();
    let done = Run::new(attack())
        .args(["birth", &joe, &joe])
        .arg(&file)
        .done();
    assert_eq!(done.code, Some(0), "{}", done.err());
    done.out()
}
