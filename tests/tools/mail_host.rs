//! docs/guides/a-mail-host.md, line by line: the page is followed by a shell on a Debian with nothing on it.
//!
//! Its blocks of kind `sh` are run, one after the other, by one shell that ends at the first line that fails. Each
//! line of a block `output` must be in what the block before it printed; `...` in it stands for anything. Blocks of
//! kind `text` are not run: they fetch packages, or show a log.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use kit::{Done, Run, as_root, bin, note_left_out, peer, private_dir, script};

/// A part of a page.
#[derive(Debug, PartialEq, Eq)]
struct Block {
    kind: String,
    /// The number of its first line.
    line: usize,
    text: String,
}

/// The fenced blocks of a page, in their order.
fn blocks(page: &str) -> Vec<Block> {
    let mut found: Vec<Block> = Vec::new();
    let mut inside = false;
    for (at, line) in page.lines().enumerate() {
        match line.strip_prefix("```") {
            Some(_) if inside => inside = false,
            Some(kind) => {
                inside = true;
                found.push(Block {
                    kind: kind.to_owned(),
                    line: at + 2,
                    text: String::new(),
                });
            }
            None if inside => {
                let block = found.last_mut().unwrap();
                block.text.push_str(line);
                block.text.push('\n');
            }
            None => {}
        }
    }
    assert!(!inside, "a block has no end");
    found
}

/// Whether a line is as `wanted`, in which `...` stands for anything.
fn is_like(wanted: &str, line: &str) -> bool {
    let mut parts = wanted.split("...");
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = line.strip_prefix(first) else {
        return false;
    };
    let Some((last, middle)) = parts
        .collect::<Vec<_>>()
        .split_last()
        .map(|(last, middle)| (*last, middle.to_vec()))
    else {
        return rest.is_empty();
    };
    for part in middle {
        match rest.split_once(part) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// A root directory with nothing in it, and what reads its syslog.
struct Bare {
    dir: tempfile::TempDir,
    over: Arc<AtomicBool>,
}

impl Bare {
    fn new() -> Bare {
        let dir = private_dir(0o755);
        let over = Arc::new(AtomicBool::new(false));
        for name in [
            "dev",
            "var/log",
            "etc/fail2ban/filter.d",
            "etc/fail2ban/jail.d",
        ] {
            fs::create_dir_all(dir.path().join(name)).unwrap();
        }
        let socket = UnixDatagram::bind(dir.path().join("dev/log")).unwrap();
        socket
            .set_read_timeout(Some(Duration::from_millis(50)))
            .unwrap();
        let (log, end) = (dir.path().join("var/log/mail.log"), Arc::clone(&over));
        std::thread::spawn(move || {
            let mut lines = fs::File::create(log).unwrap();
            let mut buffer = [0; 8192];
            while !end.load(Ordering::Relaxed) {
                if let Ok(count) = socket.recv(&mut buffer) {
                    std::io::Write::write_all(&mut lines, &buffer[..count]).unwrap();
                    std::io::Write::write_all(&mut lines, b"\n").unwrap();
                }
            }
        });
        Bare { dir, over }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn log(&self) -> String {
        fs::read_to_string(self.path("var/log/mail.log")).unwrap_or_default()
    }

    /// Runs a shell text there, with the sources in /srv/superd as the working directory; `make install` installs the
    /// executable that is tested.
    fn run(&self, text: &str) -> Done {
        let top = Path::new(env!("CARGO_MANIFEST_DIR"));
        let peers = std::env::var_os("SUPERD_PEERS")
            .map_or_else(|| top.join("target/peers"), PathBuf::from);
        fs::create_dir_all(self.path("mnt")).unwrap();
        let copied = Run::new("/bin/cp")
            .arg("-L")
            .arg(bin("superd"))
            .arg(self.path("mnt/superd"))
            .done();
        assert_eq!(copied.code, Some(0), "{}", copied.err());
        script(&self.path("mnt/script"), text);
        Run::new("unshare")
            .args([
                "--mount",
                "--pid",
                "--fork",
                "--kill-child",
                "--net",
                "--uts",
                "--ipc",
            ])
            .arg("/bin/sh")
            .arg(top.join("tests/kit/programs/bare.sh"))
            .args([self.dir.path(), top, &peers])
            .arg("/mnt/script")
            .env("MAKEFLAGS", "SUPERD=/mnt/superd NSS=/nonexistent HOST=here")
            .deadline(Duration::from_secs(120))
            .done()
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

/// Whether this machine can have such a root directory.
fn can_be_bare(what: &str) -> bool {
    if !as_root(what) {
        return false;
    }
    let words = [
        "--mount", "--pid", "--fork", "--net", "--uts", "--ipc", "true",
    ];
    if Run::new("unshare").args(words).done().code != Some(0) {
        note_left_out(what, "this machine allows no namespaces");
        return false;
    }
    let needed = [
        "/usr/share/base-passwd/passwd.master",
        "/usr/sbin/useradd",
        "/usr/sbin/chpasswd",
        "/usr/sbin/update-rc.d",
        "/usr/bin/make",
        "/usr/bin/hostname",
    ];
    for file in needed {
        if !Path::new(file).exists() {
            note_left_out(what, &format!("there is no {file}"));
            return false;
        }
    }
    if !["/usr/sbin/ip", "/sbin/ip", "/bin/ip"]
        .iter()
        .any(|path| Path::new(path).exists())
    {
        note_left_out(what, "there is no ip to bring the loopback interface up");
        return false;
    }
    true
}

/// The blocks as one script, which marks where each begins.
fn script_of<'a>(blocks: impl IntoIterator<Item = &'a Block>) -> String {
    let mut text = String::new();
    for block in blocks {
        let line = block.line;
        text.push_str(&format!(
            "echo '@@ {line}'; echo '@@ {line}' >&2\n{}",
            block.text
        ));
    }
    text + "echo '@@ end'\n"
}

/// What was printed since the mark of the block that begins in `line`.
fn printed(output: &str, line: usize) -> &str {
    let mark = format!("@@ {line}\n");
    let after = output.split_once(&mark).map_or("", |(_, after)| after);
    after.split_once("@@ ").map_or(after, |(own, _)| own)
}

#[test]
fn the_page_about_a_mail_host_makes_one_line_by_line() {
    const WHAT: &str = "docs/guides/a-mail-host.md on a bare system";
    let Some(_) = can_be_bare(WHAT).then(|| peer("curl")).flatten() else {
        return;
    };
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/guides/a-mail-host.md");
    let all = blocks(&fs::read_to_string(page).unwrap());
    let bare = Bare::new();
    let done = bare.run(&script_of(all.iter().filter(|block| block.kind == "sh")));
    let told = format!("{}\n---\n{}\n---\n{}", done.out(), done.err(), bare.log());
    assert_eq!(done.code, Some(0), "{told}");
    assert!(done.out().ends_with("@@ end\n"), "{told}");
    let mut compared = 0;
    for pair in all.windows(2) {
        let [run, wanted] = pair else { continue };
        match wanted.kind.as_str() {
            "output" => assert_eq!(run.kind, "sh", "line {}: of what?", wanted.line),
            "sh" | "text" => continue,
            other => panic!("line {}: what is {other}?", wanted.line),
        }
        let output = printed(&done.out(), run.line).replace('\r', "");
        for line in wanted.text.lines() {
            let is_there = output.lines().any(|printed| is_like(line, printed));
            assert!(
                is_there,
                "line {}: no {line} in {output}\n{told}",
                wanted.line
            );
            compared += 1;
        }
    }
    assert!(compared > 10, "{compared}");
    // What it says about the log.
    let log = bare.log();
    for parts in [
        [
            "smtp: ",
            " smtpd: accept ip=127.0.0.1 id=",
            "to=<joe@example.org>",
        ],
        [
            "pop3: ",
            " popup: login ip=127.0.0.1 id=",
            " user=joe method=plain tls=no",
        ],
        ["submission: ", " smtpd: ", "user=joe"],
    ] {
        let is_there = log
            .lines()
            .any(|line| parts.iter().all(|part| line.contains(part)));
        assert!(is_there, "{parts:?} {log}");
    }
    // Nothing of superd's is left but people's mail.
    assert!(!bare.path("etc/superd").exists());
    assert!(!bare.path("etc/rc2.d/S01superd").exists());
    let passwd = fs::read_to_string(bare.path("etc/passwd")).unwrap();
    assert!(
        !passwd.contains("superd") && !passwd.contains("qmaild"),
        "{passwd}"
    );
    assert!(passwd.contains("\njoe:"), "{passwd}");
    assert!(bare.path("home/joe/Maildir/cur").is_dir());
}

/// The section of docs/guides/services.md with this title.
fn section(title: &str) -> String {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/guides/services.md");
    let page = fs::read_to_string(page).unwrap();
    let (_, rest) = page
        .split_once(&format!("\n## {title}\n"))
        .expect("the section");
    rest.split("\n## ").next().unwrap_or_default().to_owned()
}

#[test]
fn the_guides_lines_make_a_host_that_delivers_and_each_of_its_rows_does() {
    const WHAT: &str = "docs/guides/services.md's real host on a bare system";
    let Some(_) = can_be_bare(WHAT).then(|| peer("curl")).flatten() else {
        return;
    };
    let section = section("A real host");
    let lines: Vec<&str> = section
        .lines()
        .filter_map(|line| line.strip_prefix("    "))
        .collect();
    assert!(lines.len() > 10, "{lines:?}");
    let mut text = String::from("useradd --create-home joe\necho joe:system | chpasswd\n");
    text.push_str(&lines.join("\n"));
    text.push_str(
        "\nprintf 'Subject: hello\\r\\n\\r\\nIt works.\\r\\n' > /tmp/message\n\
         send() { curl -sS smtp://127.0.0.1/client --mail-from x@example.net --mail-rcpt $1@mx.example.org \
         --upload-file /tmp/message; }\n\
         took() { [ \"$(find /home/joe/Maildir/new /home/joe/Maildir/cur -type f | wc -l)\" = $1 ]; }\n\
         send joe\ntook 1\nsend abuse\ntook 2\n\
         curl -sS -u joe:system 'imap://127.0.0.1/INBOX;MAILINDEX=1' | grep -q 'It works'\n\
         (umask 077; echo own > /home/joe/Maildir/.password)\nchown joe: /home/joe/Maildir/.password\n",
    );
    let rows: Vec<&str> = section
        .lines()
        .filter_map(|line| line.strip_prefix("| `SERVICES=")?.split('`').next())
        .collect();
    assert_eq!(rows.len(), 5, "{rows:?}");
    for (row, taken) in rows.iter().zip(3..) {
        let password = if row.contains("CHECKER") {
            "own"
        } else {
            "system"
        };
        text.push_str(&format!(
            "echo '@@ {row}'\necho 'SERVICES={row}' > /etc/default/superd\n\
             /etc/init.d/superd restart\n/etc/init.d/superd status\nsend joe\ntook {taken}\n\
             curl -sS -u joe:{password} pop3://127.0.0.1/{taken} | grep -q 'It works'\n"
        ));
        if row.contains("apop ") || row.contains("apop\"") {
            text.push_str("curl -sS -u joe:own pop3://127.0.0.1:1100/1 | grep -q 'It works'\n");
        }
        if row.contains("imap") {
            text.push_str(&format!(
                "curl -sS -u joe:{password} 'imap://127.0.0.1/INBOX;MAILINDEX=1' | grep -q 'It works'\n"
            ));
        }
    }
    let bare = Bare::new();
    let done = bare.run(&(text + "echo '@@ end'\n"));
    let told = format!("{}\n---\n{}\n---\n{}", done.out(), done.err(), bare.log());
    assert_eq!(done.code, Some(0), "{told}");
    assert!(done.out().ends_with("@@ end\n"), "{told}");
}

#[test]
fn check_tells_what_a_host_forgets_whose_users_are_the_systems() {
    const WHAT: &str = "smtpd --check on a bare system";
    if !can_be_bare(WHAT) {
        return;
    }
    let bare = Bare::new();
    let done = bare.run(
        "make install\nuseradd --create-home joe\nuseradd --system --user-group qmaild\n\
         mkdir -p /etc/superd/control\necho here.test > /etc/superd/control/me\n\
         echo :allow | superd-rules /etc/cdb /etc/tmp\nsmtpd=$(superd --libexec)/smtpd\n\
         $smtpd --check -u qmaild\n\
         $smtpd --explain -u qmaild -x /etc/cdb 192.0.2.1 x@far.test joe@here.test\n\
         echo '@@ named'\necho joe > /etc/superd/control/admin\n$smtpd --check -u qmaild\necho '@@ way'\n\
         echo /bin/true > /etc/superd/control/localqueue\n$smtpd --check -u qmaild\n",
    );
    let told = format!("{}\n{}", done.out(), done.err());
    let told = told.as_str();
    let (before, after) = told.split_once("@@ named\n").expect(told);
    for line in [
        "/etc/superd/control/admin: warning: nobody is named here, so mail for postmaster has to wait: \
         every host must have that address",
        "/etc/superd/control/admin: warning: nobody is named here, so mail for abuse has to wait: \
         every host must have that address",
        "/etc/superd/control/localqueue: warning: without it maildir-queue delivers as uid 999, to \
         nobody else's mailbox: for the users of the system lmtpd runs, and this file names its socket (lmtpd(8))",
        "fault: uid 999 delivers to no mailbox of uid 1000: after the message the reply is 451",
    ] {
        assert!(
            before.lines().any(|printed| printed == line),
            "{line}: {told}"
        );
    }
    let (named, way) = after.split_once("@@ way\n").expect(told);
    assert!(named.contains("way of local mail: maildir-queue"), "{told}");
    assert!(!named.contains("is named here"), "{told}");
    assert!(way.contains("way of local mail: /bin/true"), "{told}");
    assert!(!way.contains("warning: without it"), "{told}");
}

#[test]
fn blocks_and_lines_of_a_page_are_told_apart() {
    let page = "a\n```sh\ntrue\n```\n\n```output\nb ... c\n```\n";
    let block = |kind: &str, line, text: &str| Block {
        kind: kind.to_owned(),
        line,
        text: text.to_owned(),
    };
    assert_eq!(
        blocks(page),
        [block("sh", 3, "true\n"), block("output", 7, "b ... c\n")]
    );
    assert!(is_like("b ... c", "b x c") && is_like("b", "b") && is_like("... c", "x c"));
    assert!(is_like("b...x...c", "b1x2c") && is_like("b...", "b"));
    for (wanted, line) in [
        ("b ... c", "b x d"),
        ("b", "bc"),
        ("b...x...c", "b1c"),
        ("b ...", "a b c"),
    ] {
        assert!(!is_like(wanted, line), "{wanted}: {line}");
    }
}
