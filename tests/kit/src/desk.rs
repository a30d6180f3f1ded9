//! Programs behind superd on a UNIX socket.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::pop3::Office;
use crate::{DEADLINE, bin, libexec, run};

/// superd on a UNIX socket.
#[derive(Debug)]
pub struct Desk {
    child: Child,
    log: PathBuf,
    /// The socket.
    pub path: PathBuf,
    _dir: tempfile::TempDir,
}

impl Desk {
    /// With these options, this program behind it, and these variables, for the office's users.
    pub fn start(
        office: &Office,
        options: &[&str],
        program: &[&str],
        env: &[(&str, &str)],
    ) -> Desk {
        let dir = crate::private_dir(0o755);
        let (path, log) = (dir.path().join("socket"), dir.path().join("log"));
        let mut words = office.launcher();
        words.push(bin("superd").display().to_string());
        words.extend(["-v", "-1"].iter().chain(options).map(ToString::to_string));
        words.push(format!("unix:{}", path.display()));
        words.extend(program.iter().map(ToString::to_string));
        let mut child = Command::new(&words[0])
            .args(&words[1..])
            .env_clear()
            .env("PATH", run::PATH)
            .env("SUPERD_HOME", office.path("home"))
            .env("SUPERD_LIBEXEC", libexec())
            .envs(env.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let mut told = String::new();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        out.read_line(&mut told).unwrap();
        let desk = Desk {
            child,
            log,
            path,
            _dir: dir,
        };
        assert_eq!(Path::new(told.trim_end()), desk.path, "{}", desk.log());
        desk
    }

    /// The log so far.
    pub fn log(&self) -> String {
        crate::log::without_sessions(&fs::read_to_string(&self.log).unwrap())
    }

    /// Waits for a line that begins so.
    pub fn wait_for(&self, start: &str) -> String {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let log = self.log();
            if let Some(line) = log.lines().find(|line| line.starts_with(start)) {
                return line.to_owned();
            }
            assert!(Instant::now() < deadline, "no {start:?} in {log}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Sends bytes, and reads the answer to its end.
    pub fn talk(&self, said: impl AsRef<[u8]>) -> String {
        let mut stream = UnixStream::connect(&self.path).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        // It may be closed before it has read all.
        let _ = stream.write_all(said.as_ref());
        let _ = stream.shutdown(Shutdown::Write);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
