//! A running server, ours or the original, on a free port of a loopback address.

use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader, Read};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use super::log::without_session;
use super::{Client, DEADLINE, Side, place, run, signal};

/// A server that is about to be started. Both tcpserver and ours take these words.
#[derive(Debug)]
pub struct Builder {
    launcher: Vec<OsString>,
    program: OsString,
    options: Vec<OsString>,
    host: OsString,
    port: OsString,
    handler: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    stderr: Option<Stdio>,
}

/// A running server. Dropping it kills it (not its children: they end when their client does).
#[derive(Debug)]
pub struct Server {
    child: Child,
    address: SocketAddr,
    log: Arc<Log>,
}

#[derive(Debug, Default)]
struct Log {
    lines: Mutex<(Vec<String>, bool)>,
    grown: Condvar,
}

impl Server {
    /// The server of `side`, on 127.0.0.1, any port, its program the reporting handler.
    pub fn of(side: Side) -> Builder {
        Server::under_name(side.program("tcpserver"))
    }

    /// A server by the path of its executable.
    pub fn under_name(program: impl AsRef<OsStr>) -> Builder {
        Builder {
            launcher: Vec::new(),
            program: program.as_ref().to_owned(),
            options: Vec::new(),
            host: "127.0.0.1".into(),
            port: "0".into(),
            handler: vec![place::probe().into()],
            env: vec![("PATH".into(), run::PATH.into())],
            stderr: None,
        }
    }
}

impl Builder {
    /// Adds options. `-1` is added by itself; it is how the port is learned.
    pub fn options(mut self, words: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Builder {
        self.options
            .extend(words.into_iter().map(|word| word.as_ref().to_owned()));
        self
    }

    /// The host word, 127.0.0.1 when not said.
    pub fn host(mut self, host: impl ToString) -> Builder {
        self.host = host.to_string().into();
        self
    }

    /// The port word, 0 (any free one) when not said.
    pub fn port(mut self, port: impl ToString) -> Builder {
        self.port = port.to_string().into();
        self
    }

    /// The program and its arguments.
    pub fn handler(mut self, words: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Builder {
        self.handler = words
            .into_iter()
            .map(|word| word.as_ref().to_owned())
            .collect();
        self
    }

    /// A shell command as the program.
    pub fn shell(self, text: &str) -> Builder {
        self.handler(["/bin/sh", "-c", text])
    }

    /// Sets a variable of the server.
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Builder {
        self.env
            .push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Starts the server without any environment but what is set after this.
    pub fn env_clear(mut self) -> Builder {
        self.env.clear();
        self
    }

    /// Words before the server's own: a program that changes something and then becomes the
    /// server (`sh -c '...; exec "$@"' sh`).
    pub fn launcher(mut self, words: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Builder {
        self.launcher = words
            .into_iter()
            .map(|word| word.as_ref().to_owned())
            .collect();
        self
    }

    /// Runs a shell text first, in the process that becomes the server.
    pub fn after(self, text: &str) -> Builder {
        let text = format!("{text}; exec \"$@\"");
        self.launcher(["/bin/sh", "-c", &text, "sh"])
    }

    /// Gives the server this descriptor 2; [`Server::log`] then stays empty.
    pub fn stderr(mut self, to: impl Into<Stdio>) -> Builder {
        self.stderr = Some(to.into());
        self
    }

    /// Starts it and waits until it listens. Fails, with what it said, when it does not.
    pub fn start(self) -> Server {
        let words: Vec<OsString> = (self.launcher.into_iter())
            .chain([self.program])
            .chain(self.options)
            .chain(["-1".into(), "--".into(), self.host.clone(), self.port])
            .chain(self.handler)
            .collect();
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).env_clear().envs(self.env);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        command.stderr(self.stderr.unwrap_or_else(Stdio::piped));
        let mut child = command
            .spawn()
            .unwrap_or_else(|error| panic!("{words:?}: {error}"));
        let log = Arc::new(Log::default());
        if let Some(stderr) = child.stderr.take() {
            follow(stderr, Arc::clone(&log));
        }
        let mut port = String::new();
        // Ours and the original close descriptor 1 once the port is told, so this ends; when the
        // server fails at start it ends too.
        child
            .stdout
            .take()
            .unwrap()
            .read_to_string(&mut port)
            .unwrap();
        let host = self
            .host
            .to_str()
            .and_then(|host| host.parse::<Ipv4Addr>().ok());
        let Ok(port) = port.trim_end().parse::<u16>() else {
            let status = run::wait(&mut child, Instant::now() + DEADLINE);
            panic!(
                "{words:?}: no port: {port:?} {status:?} {:?}",
                log.lines.lock().unwrap().0
            );
        };
        let host = host.unwrap_or(Ipv4Addr::LOCALHOST);
        Server {
            child,
            address: SocketAddr::from((host, port)),
            log,
        }
    }
}

/// Keeps the lines of the log as they come.
fn follow(stderr: impl Read + Send + 'static, log: Arc<Log>) {
    std::thread::spawn(move || {
        let mut from = BufReader::new(stderr);
        let mut line = Vec::new();
        loop {
            line.clear();
            let ended = !matches!(from.read_until(b'\n', &mut line), Ok(1..));
            let mut lines = log.lines.lock().unwrap();
            if ended {
                lines.1 = true;
            } else {
                lines.0.push(
                    String::from_utf8_lossy(&line)
                        .trim_end_matches('\n')
                        .to_owned(),
                );
            }
            log.grown.notify_all();
            if ended {
                return;
            }
        }
    });
}

impl Server {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Connects to it.
    pub fn connect(&self) -> Client {
        Client::connect(self.address)
    }

    /// Connects to it from a given address.
    pub fn connect_from(&self, source: Ipv4Addr) -> Client {
        Client::connect_from(source, self.address)
    }

    /// Connects, sends nothing, reads to the end.
    pub fn talk(&self) -> String {
        self.connect().text()
    }

    /// [`Server::talk`] from a given address.
    pub fn talk_from(&self, source: Ipv4Addr) -> String {
        self.connect_from(source).text()
    }

    /// Connects and reads what the reporting handler says.
    pub fn report(&self) -> Report {
        Report::read(&self.talk())
    }

    /// The log so far, each line [`without_session`].
    pub fn log(&self) -> Vec<String> {
        let lines = self.whole_log();
        lines.iter().map(|line| without_session(line)).collect()
    }

    /// The log so far, to the byte.
    pub fn whole_log(&self) -> Vec<String> {
        self.log.lines.lock().unwrap().0.clone()
    }

    /// Waits until the log has `count` lines that contain `part`, and returns the last of them.
    pub fn wait_for_nth(&self, count: usize, part: &str) -> String {
        let deadline = Instant::now() + DEADLINE;
        let mut lines = self.log.lines.lock().unwrap();
        loop {
            let found = lines
                .0
                .iter()
                .map(|line| without_session(line))
                .filter(|line| line.contains(part))
                .nth(count - 1);
            if let Some(line) = found {
                return line;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero() && !lines.1,
                "no {count} lines with {part:?} in {:?}",
                lines.0
            );
            lines = self.log.grown.wait_timeout(lines, left).unwrap().0;
        }
    }

    /// Waits for one line that contains `part`.
    pub fn wait_for(&self, part: &str) -> String {
        self.wait_for_nth(1, part)
    }

    /// Waits until `count` connections are over, for servers that run with -v.
    pub fn wait_for_ends(&self, count: usize) {
        self.wait_for_nth(count, ": end ");
        // The status line after it belongs to it; together with the one of the start and one for
        // each accept there are then this many.
        self.wait_for_nth(2 * count + 1, ": status: ");
    }

    /// The status in the end line of a session in which the client hears a greeting, says this and nothing more.
    pub fn status_of(&self, said: &str) -> u32 {
        let mut client = self.connect();
        client.line();
        client.send(said);
        client.finish();
        client.rest();
        self.wait_for_ends(1);
        let line = self.wait_for("superd: end ");
        let status = line.rsplit(' ').next().and_then(|word| word.parse().ok());
        status.unwrap_or_else(|| panic!("no status in {line:?}"))
    }

    /// Sends a signal, by its name without SIG.
    pub fn signal(&self, name: &str) {
        signal(self.pid(), name);
    }

    /// Waits until it has ended by itself or by a signal sent before.
    pub fn wait(&mut self) -> ExitStatus {
        let deadline = Instant::now() + DEADLINE;
        run::wait(&mut self.child, deadline)
            .unwrap_or_else(|| panic!("not ended: {:?}", self.log()))
    }

    /// Whether it still runs after `time`.
    pub fn runs_for(&mut self, time: Duration) -> bool {
        std::thread::sleep(time);
        self.child.try_wait().unwrap().is_none()
    }

    /// Ends it with TERM, waits for the end of its log (its children's too), and returns its exit
    /// code and the whole log.
    pub fn stop(mut self) -> (Option<i32>, Vec<String>) {
        self.signal("TERM");
        let status = self.wait();
        assert_eq!(status.signal(), None, "{:?}", self.log());
        let deadline = Instant::now() + DEADLINE;
        let mut lines = self.log.lines.lock().unwrap();
        while !lines.1 {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "the log is still held open");
            lines = self.log.grown.wait_timeout(lines, left).unwrap().0;
        }
        let lines = lines.0.iter().map(|line| without_session(line));
        (status.code(), lines.collect())
    }

    /// CPU time of the server itself so far, user and system, without its children.
    pub fn cpu(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap();
        let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
        let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
        Duration::from_millis(ticks * 10)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// What the reporting handler said: see probe.c for the facts and their form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report(Vec<String>);

impl Report {
    /// Takes the handler's output apart.
    pub fn read(text: &str) -> Report {
        Report(text.lines().map(str::to_owned).collect())
    }

    /// All facts of a kind (`env`, `fd`, `ignored`), without the kind, in their order.
    pub fn all(&self, kind: &str) -> Vec<String> {
        let rests = self
            .0
            .iter()
            .filter_map(|line| line.split_once(' ').filter(|(label, _)| *label == kind));
        rests.map(|(_, rest)| rest.to_owned()).collect()
    }

    /// The one fact of a kind.
    pub fn one(&self, kind: &str) -> String {
        let all = self.all(kind);
        assert_eq!(all.len(), 1, "{kind}: {all:?} in {:?}", self.0);
        all[0].clone()
    }

    /// The value of a variable; fails when the handler got the variable twice.
    pub fn env(&self, name: &str) -> Option<String> {
        let all = self.all("env");
        let values: Vec<&str> = all
            .iter()
            .filter_map(|entry| entry.strip_prefix(name)?.strip_prefix('='))
            .collect();
        assert!(
            values.len() <= 1,
            "{name} is set more than once: {values:?}"
        );
        values.first().map(ToString::to_string)
    }

    /// The names of all variables, sorted.
    pub fn names(&self) -> Vec<String> {
        let all = self.all("env");
        let mut names: Vec<String> = all
            .iter()
            .map(|entry| entry.split('=').next().unwrap().to_owned())
            .collect();
        names.sort();
        names
    }
}
