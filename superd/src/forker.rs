//! Programs of ours are not executed for each connection: a process that has started already makes
//! a copy of itself, and the copy goes on as the program.
//!
//! Starting a static program costs several times what the copy costs (most of it is the C library's
//! own start), so this is what a login by POP3 is fast by. Each spawner thread has a **forker** of its
//! own, this executable under the name of [`PROGRAM`]; it sends a connection and its variables, and
//! gets a pid. The copies are superd's own children (`os::sibling`), so their ends are learned and
//! logged as ever. Whatever cannot be done this way, a forker that has died above all, is done by
//! executing the program.
//!
//! The price: all connections of a service have one address layout, and a new version of the
//! executable serves only after the service is started again. `--exec` executes always.

use std::ffi::{CString, OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use os::Exit;
use os::process::Side;
use os::signals::Mask;
use os::spawn::{Environment, Program, SpawnError, Spawner};

/// The name by which this executable is a forker.
pub const PROGRAM: &str = "superd-forker";

/// The most bytes of the variables of one connection; with more of them its program is executed.
const VARIABLES_LIMIT: usize = 64 * 1024;

/// How long a forker may take to answer. It only forks, but the machine may be swapping.
const PATIENCE: Duration = Duration::from_secs(30);

/// superd's side of one forker.
#[derive(Debug)]
pub struct Forker {
    socket: OwnedFd,
    /// Its process id.
    pub pid: i32,
    request: Vec<u8>,
}

/// Why there is no copy, and whether the forker is still good for the next one.
#[derive(Debug)]
pub enum Failed {
    /// The system makes no more processes now.
    Fork(io::Error),
    /// This connection cannot be served this way.
    Unfit,
    /// No connection can, from now on, and this one has gone nowhere.
    Broken(io::Error),
    /// No connection can, from now on, and this one may be with a copy that nobody knows of: nobody
    /// else may serve it.
    Lost(io::Error),
}

impl Forker {
    /// Starts one that becomes `words`, a program of ours and its arguments, for each connection.
    ///
    /// The executable is started anew: a file that replaced it meanwhile would not be this program.
    pub fn start(
        words: &[OsString],
        shared: &Arc<Vec<CString>>,
        mask: Mask,
    ) -> Result<Forker, SpawnError> {
        let (ours, theirs) = os::socket::message_pair().map_err(SpawnError::Fork)?;
        let all = std::iter::once(OsStr::new(PROGRAM)).chain(words.iter().map(OsString::as_os_str));
        let all: Result<Vec<CString>, _> = all.map(|word| CString::new(word.as_bytes())).collect();
        let all = all.map_err(|error| SpawnError::Fork(error.into()))?;
        let program = Program::new(c"/proc/self/exe".to_owned(), all);
        let environment = Environment {
            shared: Arc::clone(shared),
            own: Vec::new(),
            pid: None,
        };
        let pid = Spawner::new(mask).spawn(&program, &environment, theirs.as_fd())?;
        Ok(Forker {
            socket: ours,
            pid,
            request: Vec::new(),
        })
    }

    /// A process that goes on as the program, with descriptors 0 and 1 on `socket` and this
    /// environment: its pid.
    pub fn fork(
        &mut self,
        environment: &Environment,
        socket: BorrowedFd<'_>,
    ) -> Result<i32, Failed> {
        if !write_request(environment, &mut self.request) {
            return Err(Failed::Unfit);
        }
        let asked = os::sibling::send_with(self.socket.as_fd(), &self.request, socket);
        asked.map_err(Failed::Broken)?;
        let mut answer = [0; 4];
        let count = self.answer(&mut answer, Instant::now() + PATIENCE);
        let count = count.or_else(|error| {
            // It may be about to fork. Once it is dead, what it has said is all that it ever says.
            let _ = os::process::kill_at_once(self.pid);
            self.answer(&mut answer, Instant::now() + PATIENCE)
                .map_err(|_| error)
        });
        match count.map_err(Failed::Lost)? {
            4 => match i32::from_le_bytes(answer) {
                pid @ 1.. => Ok(pid),
                error => Err(Failed::Fork(io::Error::from_raw_os_error(
                    error.saturating_neg(),
                ))),
            },
            _ => Err(Failed::Lost(io::ErrorKind::UnexpectedEof.into())),
        }
    }

    /// 0 where it has ended without an answer.
    fn answer(&self, answer: &mut [u8; 4], deadline: Instant) -> io::Result<usize> {
        match os::fd::read_until(self.socket.as_fd(), answer, deadline) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Ok(0),
            other => other,
        }
    }
}

/// What differs from one connection to the next, as one message: each variable as `NAME=VALUE NUL`,
/// and the one that is to hold the program's own pid as `NAME= NUL` behind an empty one. `false` where that is
/// too long.
fn write_request(environment: &Environment, request: &mut Vec<u8>) -> bool {
    request.clear();
    for variable in &environment.own {
        request.extend_from_slice(variable.to_bytes_with_nul());
    }
    request.push(0);
    if let Some(pid) = environment.pid {
        request.extend_from_slice(pid.to_bytes_with_nul());
    }
    request.len() <= VARIABLES_LIMIT
}

/// Takes a request apart into names and values.
fn read_request(request: &[u8], pid: u32) -> Vec<(&OsStr, OsString)> {
    let mut is_pid = false;
    let mut variables = Vec::new();
    for text in request.split(|&byte| byte == 0) {
        if text.is_empty() {
            is_pid = true;
            continue;
        }
        let Some(at) = text.iter().position(|&byte| byte == b'=') else {
            continue;
        };
        let value = if is_pid {
            pid.to_string().into()
        } else {
            OsStr::from_bytes(&text[at + 1..]).to_owned()
        };
        variables.push((OsStr::from_bytes(&text[..at]), value));
    }
    variables
}

/// A program of ours: its name, its words, and the variables of its connection, which come on top of
/// those of the process.
pub type Run = fn(&str, Vec<OsString>, &[(&OsStr, OsString)]) -> Exit;

/// The forker: its words are a program of ours and its arguments, descriptor 0 is the socket to
/// superd.
pub fn main(name: &str, mut words: Vec<OsString>, run: Run) -> Exit {
    if words.is_empty() {
        os::log::fatal(
            name,
            "this program is superd's own and is not to be started by hand",
        );
        return Exit::PERMANENT;
    }
    let program = words.remove(0).to_string_lossy().into_owned();
    let Ok(socket) = os::fd::duplicate_high(os::fd::standard_input().as_fd()) else {
        return Exit::TEMPORARY;
    };
    // What every copy would do for itself.
    os::sibling::know_processor();
    // Whoever sends one of these to the service does not mean this process.
    let Ok(mask) = os::signals::block_meaningless() else {
        return Exit::TEMPORARY;
    };
    let _ = os::sibling::set_name(PROGRAM);
    let mut buffer = vec![0; VARIABLES_LIMIT];
    loop {
        let (count, connection) = match os::sibling::receive_with(socket.as_fd(), &mut buffer) {
            Ok((0, _)) => return Exit::OK,
            Ok((count, Some(connection))) => (count, connection),
            Ok((_, None)) | Err(_) => return Exit::TEMPORARY,
        };
        let answer = match os::sibling::fork() {
            Ok(Side::Parent(pid)) => pid,
            Ok(Side::Child) => {
                drop(socket);
                let variables = read_request(&buffer[..count], std::process::id());
                let end = catch_unwind(AssertUnwindSafe(|| {
                    mask.restore()?;
                    become_program(&program, connection)?;
                    Ok(run(&program, words, &variables))
                }));
                let code = match end {
                    Ok(Ok(exit)) => exit.0,
                    Ok(Err(error)) => say_why_not(&program, &error).0,
                    Err(_) => 101,
                };
                os::process::end_now(code);
            }
            Err(error) => -error.raw_os_error().unwrap_or(1),
        };
        drop(connection);
        if os::socket::send_nowait(socket.as_fd(), &answer.to_le_bytes()).is_err() {
            return Exit::TEMPORARY;
        }
    }
}

/// What execve would have done: descriptors 0 and 1, and the name.
fn become_program(program: &str, connection: OwnedFd) -> io::Result<()> {
    os::fd::place(connection.as_fd(), 0)?;
    os::fd::place(connection.as_fd(), 1)?;
    // Only what ps shows.
    let _ = os::sibling::set_name(program);
    Ok(())
}

fn say_why_not(program: &str, error: &io::Error) -> Exit {
    let reason = format!("unable to serve a connection: {}", os::reason(error));
    os::log::fatal(program, &reason);
    Exit::TEMPORARY
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(own: &[&str], pid: Option<&'static std::ffi::CStr>) -> Vec<u8> {
        let own = own.iter().map(|text| CString::new(*text).expect("no NUL"));
        let environment = Environment {
            shared: Arc::new(Vec::new()),
            own: own.collect(),
            pid,
        };
        let mut request = Vec::new();
        assert!(write_request(&environment, &mut request));
        request
    }

    fn read(request: &[u8]) -> Vec<(String, String)> {
        let all = read_request(request, 77).into_iter();
        let text = |text: &OsStr| text.to_str().expect("ASCII").to_owned();
        all.map(|(name, value)| (text(name), text(&value)))
            .collect()
    }

    #[test]
    fn a_request_brings_the_variables_of_its_connection() {
        let told = read(&request(&["A=1", "B=", "C=x=y"], None));
        let expected = [("A", "1"), ("B", ""), ("C", "x=y")];
        assert_eq!(
            told,
            expected.map(|(name, value)| (name.to_owned(), value.to_owned()))
        );
    }

    #[test]
    fn the_variable_for_the_own_pid_holds_it() {
        let told = read(&request(&["A=1"], Some(c"UNIXLOCALPID=")));
        let expected = [("A", "1"), ("UNIXLOCALPID", "77")];
        assert_eq!(
            told,
            expected.map(|(name, value)| (name.to_owned(), value.to_owned()))
        );
    }

    #[test]
    fn a_request_without_variables_is_one() {
        assert_eq!(read(&request(&[], None)), []);
    }

    #[test]
    fn variables_beyond_the_limit_are_not_sent() {
        let fits = VARIABLES_LIMIT - "A=\0\0".len();
        for (length, expected) in [(fits, true), (fits + 1, false)] {
            let text = format!("A={}", "x".repeat(length));
            let environment = Environment {
                shared: Arc::new(Vec::new()),
                own: vec![CString::new(text).expect("no NUL")],
                pid: None,
            };
            assert_eq!(write_request(&environment, &mut Vec::new()), expected);
        }
    }
}
