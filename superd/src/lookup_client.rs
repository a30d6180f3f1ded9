//! superd's side of the look-up process: what is asked, what is waited for, what is remembered.
//!
//! The process is started when it is first needed and again when it has died. Questions that are open
//! then are asked again; only after some tries are they given up, and that is told apart from a name that does not
//! exist ([`Names::lost`]): whoever can end the process is not to end the rules about names with it. The local
//! name is asked once for each local address.

use std::collections::HashMap;
use std::ffi::CString;
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use lookup::settings::{HOST_DEADLINE, NAMES_DEADLINE};
use lookup::{Answer, Family, HostRequest, MESSAGE_LIMIT, Name, Reply, Request};
use os::signals::Mask;
use os::socket::{message_pair, receive_nowait, send_nowait};
use os::spawn::{Environment, Program, SpawnError, Spawner};

use crate::cli::Options;
use crate::connection::Names;

/// How long after the process's own deadline superd stops waiting for it.
const GRACE: Duration = Duration::from_secs(2);
/// A look-up process that cannot be started is tried again after this time.
const RESTART_PAUSE: Duration = Duration::from_secs(1);
/// A question is given up with the third process that was asked it in vain: it may be what they die of.
const TRIES: u32 = 3;
/// And after so many times the time that one process has for it.
const PATIENCE: u32 = 2;
/// A local name that could not be found out is asked for again after this time.
const LOCAL_RETRY: Duration = Duration::from_secs(60);
/// Names of more local addresses than this are not remembered at a time.
const LOCAL_LIMIT: usize = 1024;
/// So many questions are open at most; the socket to the process has room for them, and each takes
/// two of its descriptors at most.
const OPEN_LIMIT: usize = 200;

/// A look-up process that runs.
#[derive(Debug)]
pub struct Process {
    /// Our end of the conversation, one message a question or an answer.
    pub socket: OwnedFd,
    /// Its pid.
    pub pid: i32,
}

/// Why there is no look-up process.
#[derive(Debug)]
pub struct StartError {
    /// A child that could not become one; it is to be reaped.
    pub pid: Option<i32>,
    /// What the system said.
    pub error: io::Error,
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unable to run /proc/self/exe as {}: ", lookup::PROGRAM)?;
        f.write_str(&os::reason(&self.error))
    }
}

impl Process {
    /// Starts one. The executable is started anew under its look-up name: a file that replaced it
    /// meanwhile would speak another version of the conversation.
    pub fn start(mask: Mask, shared: &Arc<Vec<CString>>) -> Result<Process, StartError> {
        let no_child = |error| StartError { pid: None, error };
        let (ours, theirs) = message_pair().map_err(no_child)?;
        let word = CString::new(lookup::PROGRAM).map_err(|error| no_child(error.into()))?;
        let program = Program::new(c"/proc/self/exe".to_owned(), vec![word]);
        let environment = Environment {
            shared: Arc::clone(shared),
            own: Vec::new(),
            pid: None,
        };
        let started = Spawner::new(mask).spawn(&program, &environment, theirs.as_fd());
        match started {
            Ok(pid) => Ok(Process { socket: ours, pid }),
            Err(SpawnError::Fork(error)) => Err(no_child(error)),
            Err(SpawnError::Descriptors { pid, error } | SpawnError::Exec { pid, error }) => {
                Err(StartError {
                    pid: Some(pid),
                    error,
                })
            }
        }
    }
}

/// What the options want to know about each connection.
#[derive(Clone, Copy, Debug)]
struct Wanted {
    remote_name: bool,
    paranoid: bool,
    ident: Option<Duration>,
}

#[derive(Debug)]
enum Local {
    /// `-l`, or found out.
    Known(Option<Vec<u8>>),
    /// Could not be found out; to be asked again then.
    Failed(Instant),
}

/// The questions of a service.
#[derive(Debug)]
pub struct LookupClient {
    wanted: Wanted,
    local_given: Option<Vec<u8>>,
    local: HashMap<IpAddr, Local>,
    mask: Mask,
    shared: Arc<Vec<CString>>,
    process: Option<Process>,
    /// Processes that were started and are not reaped yet; the last one may be at work.
    pids: Vec<i32>,
    not_before: Option<Instant>,
    /// A sentence for the log about a process that could not be started, or had to be ended.
    trouble: Option<String>,
    open_limit: usize,
    open: HashMap<u64, Open>,
    next_id: u64,
}

/// A question without an answer.
#[derive(Debug)]
struct Open {
    request: Request,
    /// When the process that was asked has to have answered; `None` where none was asked yet.
    deadline: Option<Instant>,
    /// How many processes were asked.
    tries: u32,
    /// When it is given up.
    until: Instant,
}

/// What happens to a connection whose names are wanted.
#[derive(Debug, PartialEq, Eq)]
pub enum Asked {
    /// Everything is known already.
    Known(Names),
    /// The answer will come under this number.
    Waiting(u64),
}

impl LookupClient {
    /// For a service with these options.
    pub fn new(options: &Options, mask: Mask, shared: Arc<Vec<CString>>) -> LookupClient {
        LookupClient {
            wanted: Wanted {
                remote_name: options.remote_name,
                paranoid: options.paranoid,
                ident: options.ident.then_some(options.ident_timeout),
            },
            local_given: options.local_name.clone(),
            local: HashMap::new(),
            mask,
            shared,
            process: None,
            pids: Vec::new(),
            not_before: None,
            trouble: None,
            open_limit: open_limit(),
            open: HashMap::new(),
            next_id: 0,
        }
    }

    /// Whether a service with these options needs the look-up process at all.
    pub fn is_needed(options: &Options) -> bool {
        options.remote_name || options.ident || options.local_name.is_none()
    }

    /// Whether no more questions can be asked now, so that no connection should be accepted: a
    /// client whose name is not asked for could slip through rules about names.
    pub fn is_full(&self) -> bool {
        self.open.len() >= self.open_limit
    }

    /// Asks for what is not known about the connection between `local` and `remote`.
    ///
    /// The flag says that a process was just started, whose socket is to be watched.
    pub fn ask(&mut self, local: SocketAddr, remote: SocketAddr) -> (Asked, bool) {
        let now = Instant::now();
        let local_name = match (&self.local_given, self.local.get(&local.ip())) {
            (Some(given), _) => Some(Some(given.clone())),
            (None, Some(Local::Known(name))) => Some(name.clone()),
            (None, Some(Local::Failed(again))) if now < *again => Some(None),
            _ => None,
        };
        if let (Some(name), false) = (&local_name, self.is_client_asked_about()) {
            return (
                Asked::Known(Names {
                    local: name.clone(),
                    ..Names::default()
                }),
                false,
            );
        }
        let id = self.next_id;
        self.next_id += 1;
        let request = Request {
            id,
            remote_name: self.wanted.remote_name,
            paranoid: self.wanted.paranoid,
            local_name: local_name.is_none(),
            ident: self.wanted.ident,
            local,
            remote,
        };
        let open = Open {
            request,
            deadline: None,
            tries: 0,
            until: now + self.time_of_a_try() * PATIENCE,
        };
        self.open.insert(id, open);
        (Asked::Waiting(id), self.send_unsent(now))
    }

    fn is_client_asked_about(&self) -> bool {
        self.wanted.remote_name || self.wanted.ident.is_some()
    }

    /// What a process has for an answer.
    fn time_of_a_try(&self) -> Duration {
        self.wanted.ident.unwrap_or_default().max(NAMES_DEADLINE) + GRACE
    }

    /// Sends the questions that no living process has; whether one was started for that.
    fn send_unsent(&mut self, now: Instant) -> bool {
        if self.open.values().all(|open| open.deadline.is_some()) {
            return false;
        }
        let started = self.ensure_process(now);
        let Some(process) = &self.process else {
            return started;
        };
        let time = self.time_of_a_try();
        let mut unsent: Vec<&mut Open> = self.open.values_mut().collect();
        unsent.retain(|open| open.deadline.is_none());
        unsent.sort_by_key(|open| open.request.id);
        for open in unsent {
            if send_nowait(process.socket.as_fd(), &open.request.encode()).is_err() {
                // There is room for all that is open at a time, so it is not what it was. Another one takes
                // its place when its end is seen.
                self.end_process("it takes no questions");
                break;
            }
            open.tries += 1;
            open.deadline = Some((now + time).min(open.until));
        }
        started
    }

    fn ensure_process(&mut self, now: Instant) -> bool {
        if self.process.is_some() || self.not_before.is_some_and(|time| now < time) {
            return false;
        }
        self.not_before = Some(now + RESTART_PAUSE);
        match Process::start(self.mask, &self.shared) {
            Ok(process) => {
                self.pids.push(process.pid);
                self.process = Some(process);
                true
            }
            Err(error) => {
                self.pids.extend(error.pid);
                self.trouble = Some(error.to_string());
                false
            }
        }
    }

    /// The socket to watch, while there is a process.
    pub fn socket(&self) -> Option<BorrowedFd<'_>> {
        self.process.as_ref().map(|process| process.socket.as_fd())
    }

    /// Whether `pid` is a look-up process that has not ended.
    pub fn is_process(&self, pid: i32) -> bool {
        self.pids.contains(&pid)
    }

    /// Whether `pid`, which has ended, was a look-up process; the next call for it says no.
    pub fn forget_process(&mut self, pid: i32) -> bool {
        let known = self.pids.len();
        self.pids.retain(|&started| started != pid);
        self.pids.len() < known
    }

    /// What is to be said about a process that could not be started or had to be ended.
    pub fn take_trouble(&mut self) -> Option<String> {
        self.trouble.take()
    }

    /// Takes the answers that have come.
    pub fn take_answers(&mut self) -> Vec<(u64, Names)> {
        let mut answers = Vec::new();
        let mut buffer = [0; MESSAGE_LIMIT];
        while let Some(process) = &self.process {
            match receive_nowait(process.socket.as_fd(), &mut buffer) {
                Ok(0) => {
                    answers.extend(self.give_up());
                    break;
                }
                Ok(count) => {
                    let answer = Answer::decode(&buffer[..count]).ok();
                    match answer.and_then(|answer| self.settle(answer)) {
                        Some(answer) => answers.push(answer),
                        // It says what nobody asked: it is not what we started.
                        None => {
                            self.end_process("it gave an answer that nobody asked for");
                            answers.extend(self.give_up());
                            break;
                        }
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(_) => {
                    answers.extend(self.give_up());
                    break;
                }
            }
        }
        answers
    }

    /// `None` where no such question is open.
    fn settle(&mut self, answer: Answer) -> Option<(u64, Names)> {
        let local = self.open.remove(&answer.id)?.request.local.ip();
        let local = match answer.local_name {
            Name::NotAsked => self.local_name(local),
            Name::None => self.remember(local, Local::Known(None)),
            Name::Known(name) => self.remember(local, Local::Known(Some(name))),
            Name::Failed => self.remember(local, Local::Failed(Instant::now() + LOCAL_RETRY)),
        };
        let remote = match answer.remote_name {
            Name::Known(name) if self.wanted.remote_name => Some(name),
            _ => None,
        };
        let info = answer.info.filter(|_| self.wanted.ident.is_some());
        Some((
            answer.id,
            Names {
                local,
                remote,
                info,
                lost: false,
            },
        ))
    }

    /// Remembers what was found out about a local address, and returns the name.
    fn remember(&mut self, address: IpAddr, local: Local) -> Option<Vec<u8>> {
        let name = match &local {
            Local::Known(name) => name.clone(),
            Local::Failed(_) => None,
        };
        if self.local.len() >= LOCAL_LIMIT {
            self.local.clear();
        }
        self.local.insert(address, local);
        name
    }

    fn local_name(&self, address: IpAddr) -> Option<Vec<u8>> {
        if self.local_given.is_some() {
            return self.local_given.clone();
        }
        match self.local.get(&address) {
            Some(Local::Known(name)) => name.clone(),
            _ => None,
        }
    }

    /// The process is gone or not to be trusted: what was asked is to be asked again, or given up.
    fn give_up(&mut self) -> Vec<(u64, Names)> {
        self.process = None;
        self.open.values_mut().for_each(|open| open.deadline = None);
        self.take_lost(|open| open.tries >= TRIES)
    }

    /// The questions that are given up, with what is known without their answers.
    fn take_lost(&mut self, is_lost: impl Fn(&Open) -> bool) -> Vec<(u64, Names)> {
        let lost: Vec<(u64, Open)> = self.open.extract_if(|_, open| is_lost(open)).collect();
        let names = |open: &Open| Names {
            local: self.local_name(open.request.local.ip()),
            lost: self.is_client_asked_about(),
            ..Names::default()
        };
        lost.iter().map(|(id, open)| (*id, names(open))).collect()
    }

    /// Sees to it that every question is with a process that can still answer it. A process that has not
    /// answered by `now` what it should have answered is broken, and ended.
    ///
    /// Returns the questions that are given up, and whether a process was just started, whose socket is to be
    /// watched.
    pub fn tend(&mut self, now: Instant) -> (Vec<(u64, Names)>, bool) {
        let has_passed = |open: &Open| open.deadline.is_some_and(|deadline| deadline <= now);
        let mut lost = Vec::new();
        if self.open.values().any(has_passed) {
            self.end_process("it does not answer in time");
            lost = self.give_up();
        }
        lost.extend(self.take_lost(|open| open.until <= now));
        (lost, self.send_unsent(now))
    }

    /// Ends a process that does not do its work; another one takes its place.
    fn end_process(&mut self, why: &str) {
        if let Some(process) = &self.process {
            self.trouble = Some(format!("the look-up process is ended: {why}"));
            // It may be gone already.
            let _ = os::process::kill_at_once(process.pid);
        }
    }

    /// When [`LookupClient::tend`] is to be called at the latest.
    pub fn next_deadline(&self) -> Option<Instant> {
        let due = |open: &Open| match (open.deadline, self.not_before) {
            (Some(deadline), _) => deadline,
            (None, Some(start)) if self.process.is_none() => start.min(open.until),
            (None, _) => open.until,
        };
        self.open.values().map(due).min()
    }
}

/// How many questions the descriptors that the look-up process will have are enough for.
fn open_limit() -> usize {
    let (descriptors, _) = os::fd::descriptor_limits().unwrap_or((1024, 1024));
    usize::try_from(descriptors / 4)
        .unwrap_or(OPEN_LIMIT)
        .clamp(1, OPEN_LIMIT)
}

/// Asks for the address of the host on the command line: the hosts file, then DNS, which is read
/// by a look-up process, since nothing of the network is read by the root process.
///
/// The error is a sentence without the program's name, as the original has it.
pub fn resolve_host(name: &[u8], mask: Mask) -> Result<Ipv4Addr, String> {
    let shown = name.escape_ascii();
    match os::names::hosts::host_address(name) {
        Ok(Some(IpAddr::V4(address))) => return Ok(address),
        Ok(_) => {}
        Err(error) => return Err(format!("unable to read /etc/hosts: {}", os::reason(&error))),
    }
    let temporarily =
        |why: &str| format!("temporarily unable to figure out IP address for {shown}: {why}");
    let shared = crate::environment::shared(std::env::vars_os(), false);
    let process = Process::start(mask, &shared).map_err(|error| temporarily(&error.to_string()))?;
    let request = HostRequest {
        id: 0,
        word: name.to_vec(),
        family: Family::V4,
    };
    let Some(request) = request.encode() else {
        return Err(format!("no IP address for {shown}"));
    };
    send_nowait(process.socket.as_fd(), &request)
        .map_err(|error| temporarily(&os::reason(&error)))?;
    let mut buffer = [0; MESSAGE_LIMIT];
    let deadline = Instant::now() + HOST_DEADLINE + GRACE;
    let answer = os::fd::read_until(process.socket.as_fd(), &mut buffer, deadline);
    // The end of the socket ends the process.
    drop(process.socket);
    let _ = os::process::wait(process.pid);
    let count = answer.map_err(|error| temporarily(&os::reason(&error)))?;
    let outcome = match Reply::decode(&buffer[..count]) {
        Ok(Reply::Host(answer)) => answer.outcome,
        Ok(Reply::Connection(_)) | Err(_) => {
            return Err(temporarily("the look-up process has failed"));
        }
    };
    match outcome {
        Ok(addresses) => addresses
            .into_iter()
            .find_map(|address| match address {
                IpAddr::V4(address) => Some(address),
                IpAddr::V6(_) => None,
            })
            .ok_or_else(|| format!("no IP address for {shown}")),
        Err(failure) => Err(String::from_utf8_lossy(&failure.message(name)).into_owned()),
    }
}

#[cfg(test)]
mod tests;
