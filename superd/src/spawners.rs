//! The threads that start programs.
//!
//! Starting a program stops the thread that does it until exec is done, so the event loop hands
//! its connections to a few threads. Four were the best of 0, 1, 2, 4 and 8 where this was
//! measured, on two cores. A spawner says the `pid` and `ok` lines itself, right after the start,
//! and enters the child into the book; the loop is woken only for the rare child that ended first.
//!
//! A program of ours is not executed but copied from a process that has started already ([`crate::forker`]).

use std::collections::VecDeque;
use std::ffi::{CString, OsString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use mio::Waker;
use os::signals::Mask;
use os::spawn::{Environment, Program, SpawnError, Spawner};

use crate::THREAD_STACK;
use crate::children::Children;
use crate::cli::Verbosity;
use crate::connection::{Ends, Names, SocketOptions};
use crate::environment::{self, Variable};
use crate::forker::{Failed, Forker};
use crate::lines;
use crate::log::Log;

/// How many threads start programs.
const THREADS: usize = 4;

/// One connection that is to get its program.
#[derive(Debug)]
pub struct Job {
    /// The connection; closed here once the program has it.
    pub socket: OwnedFd,
    /// For the log lines.
    pub ends: Ends,
    /// For the log lines.
    pub names: Names,
    /// The variables of the rule that allows it.
    pub rule: Vec<Variable>,
}

/// The program of a service, and where it was found.
#[derive(Debug)]
pub struct Service {
    words: Vec<OsString>,
    /// The executable, where the bare name is one of its programs: then it stands for itself,
    /// whether or not there is a link of that name.
    own: Option<PathBuf>,
    /// The value of PATH when superd was started; a rule's PATH does not change the search.
    path: Option<OsString>,
    found: Option<Program>,
}

impl Service {
    /// `words` are the program's name and its arguments, `path` is the value of PATH, `programs`
    /// the names of our own programs.
    pub fn new(words: Vec<OsString>, path: Option<OsString>, programs: &[&str]) -> Service {
        let is_ours = words
            .first()
            .is_some_and(|name| programs.iter().any(|ours| name == ours));
        let own = is_ours.then(std::env::current_exe).and_then(Result::ok);
        let mut service = Service {
            words,
            own,
            path,
            found: None,
        };
        service.found = service.find_again();
        service
    }

    /// The file that will be run; `None` where there is none at present.
    pub fn file(&self) -> Option<PathBuf> {
        let name = self.words.first()?;
        match (os::programs::own(name), &self.own) {
            (Some(link), _) => Some(link),
            (None, Some(executable)) => Some(executable.clone()),
            (None, None) => os::programs::resolve(name, self.path.as_deref()),
        }
    }

    fn name(&self) -> String {
        self.words
            .first()
            .map_or_else(String::new, |name| name.display().to_string())
    }

    /// Whether its program is this executable, so that a copy of a running process can serve.
    fn is_this_executable(&self) -> bool {
        let Some(executable) = &self.own else {
            return false;
        };
        // A link of that name may have been put to another use.
        self.file()
            .and_then(|file| file.canonicalize().ok())
            .is_some_and(|file| file == *executable)
    }

    /// Looks again for a program that was not there at the start.
    fn find_again(&self) -> Option<Program> {
        image(&self.file()?, &self.words)
    }
}

fn image(file: &std::path::Path, words: &[OsString]) -> Option<Program> {
    let file = CString::new(file.as_os_str().as_bytes()).ok()?;
    let words: Result<_, _> = words
        .iter()
        .map(|word| CString::new(word.clone().into_vec()))
        .collect();
    Some(Program::new(file, words.ok()?))
}

/// What the spawners and the loop share.
struct Shared {
    jobs: Mutex<VecDeque<Job>>,
    more: Condvar,
    children: Mutex<Children>,
    /// Connections whose program could not be forked; each gives its place back.
    lost: Mutex<u32>,
    service: Service,
    socket_options: SocketOptions,
    /// What every program inherits.
    inherited: Arc<Vec<CString>>,
    /// The process ids of the forkers that live.
    forkers: Mutex<Vec<i32>>,
    log: Log,
    waker: Waker,
}

/// The loop's side of the spawner threads.
pub struct Spawners {
    shared: Arc<Shared>,
}

impl std::fmt::Debug for Spawners {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Spawners")
            .field("service", &self.shared.service)
            .finish_non_exhaustive()
    }
}

impl Spawners {
    /// Starts the threads. `waker` wakes the loop where it has to call [`Spawners::take_lost`] and
    /// look at the settled children. With `execute` the program is executed, also one of ours.
    pub fn start(
        service: Service,
        execute: bool,
        socket_options: SocketOptions,
        inherited: Arc<Vec<CString>>,
        mask: Mask,
        log: Log,
        waker: Waker,
    ) -> io::Result<Spawners> {
        // Before the threads: what a forker is forked from is then this thread alone.
        let mut forkers = Vec::new();
        if !execute && service.is_this_executable() {
            for _ in 0..THREADS {
                match Forker::start(&service.words, &inherited, mask) {
                    Ok(forker) => forkers.push(forker),
                    Err(error) => {
                        let why = format!("warning: unable to start a forker: {error}");
                        log.say(Verbosity::Errors, &[&why]);
                    }
                }
            }
        }
        let shared = Arc::new(Shared {
            forkers: Mutex::new(forkers.iter().map(|forker| forker.pid).collect()),
            jobs: Mutex::new(VecDeque::new()),
            more: Condvar::new(),
            children: Mutex::new(Children::default()),
            lost: Mutex::new(0),
            service,
            socket_options,
            inherited,
            log,
            waker,
        });
        for number in 0..THREADS {
            let shared = Arc::clone(&shared);
            let forker = forkers.pop();
            let work = move || shared.work(&mut Spawner::new(mask), forker);
            let thread = std::thread::Builder::new().name(format!("spawn {number}"));
            thread.stack_size(THREAD_STACK).spawn(work)?;
        }
        Ok(Spawners { shared })
    }

    /// Hands a connection over.
    pub fn submit(&self, job: Job) {
        self.children().starting();
        lock(&self.shared.jobs).push_back(job);
        self.shared.more.notify_one();
    }

    /// The book of children.
    pub fn children(&self) -> MutexGuard<'_, Children> {
        lock(&self.shared.children)
    }

    /// Whether it is a forker that has not ended.
    pub fn is_forker(&self, pid: i32) -> bool {
        lock(&self.shared.forkers).contains(&pid)
    }

    /// Whether a child that has ended was a forker and no program. Asked once: the next child of that
    /// number is another one.
    pub fn take_forker(&self, pid: i32) -> bool {
        let mut forkers = lock(&self.shared.forkers);
        let found = forkers.iter().position(|&forker| forker == pid);
        found.map(|at| forkers.swap_remove(at)).is_some()
    }

    /// How many connections were lost for want of a process since the last call.
    pub fn take_lost(&self) -> u32 {
        std::mem::take(&mut *lock(&self.shared.lost))
    }
}

/// A poisoned lock only means that a thread died of a bug; the value behind it is still whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    fn work(&self, spawner: &mut Spawner, mut forker: Option<Forker>) {
        loop {
            let mut jobs = lock(&self.jobs);
            let job = loop {
                match jobs.pop_front() {
                    Some(job) => break job,
                    None => jobs = self.more.wait(jobs).unwrap_or_else(PoisonError::into_inner),
                }
            };
            drop(jobs);
            self.launch(spawner, &mut forker, &job);
        }
    }

    fn launch(&self, spawner: &mut Spawner, forker: &mut Option<Forker>, job: &Job) {
        let socket = job.socket.as_fd();
        if let Ends::Tcp { .. } = job.ends {
            self.socket_options.set(socket);
        }
        let environment =
            environment::for_connection(&self.inherited, &job.ends, &job.names, &job.rule);
        let copied = forker
            .as_mut()
            .map(|forker| forker.fork(&environment, socket));
        let started = match copied {
            Some(Ok(pid)) => Ok(pid),
            Some(Err(Failed::Fork(error))) => Err(SpawnError::Fork(error)),
            None | Some(Err(Failed::Unfit)) => self.execute(spawner, &environment, socket),
            Some(Err(Failed::Broken(error))) => {
                *forker = None;
                self.say_broken(&error);
                self.execute(spawner, &environment, socket)
            }
            Some(Err(Failed::Lost(error))) => {
                *forker = None;
                self.say_broken(&error);
                Err(SpawnError::Fork(error))
            }
        };
        match started {
            Ok(pid) => self.report(job, pid, None),
            Err(SpawnError::Fork(error)) => {
                let why = lines::dropping(&format!("unable to fork: {}", os::reason(&error)));
                self.log.say(Verbosity::Errors, &[&why]);
                *lock(&self.lost) += 1;
                self.settle(None);
                self.wake();
            }
            Err(SpawnError::Descriptors { pid, error }) => {
                let why = format!("unable to set up descriptors: {}", os::reason(&error));
                self.report(job, pid, Some(lines::dropping(&why)));
            }
            Err(SpawnError::Exec { pid, error }) => {
                let name = self.service.name();
                let why = format!("unable to run {name}: {}", os::reason(&error));
                self.report(job, pid, Some(lines::dropping(&why)));
            }
        }
    }

    fn say_broken(&self, error: &io::Error) {
        let reason = os::reason(error);
        let why = format!(
            "warning: a forker does not answer: {reason}; its connections get programs that are executed"
        );
        self.log.say(Verbosity::Errors, &[&why]);
    }

    fn execute(
        &self,
        spawner: &mut Spawner,
        environment: &Environment,
        socket: BorrowedFd<'_>,
    ) -> Result<i32, SpawnError> {
        match &self.service.found {
            Some(program) => spawner.spawn(program, environment, socket),
            None => {
                // exec says why there is no such program, where there is none.
                let nothing = || Program::new(c"".to_owned(), Vec::new());
                let program = self.service.find_again().unwrap_or_else(nothing);
                spawner.spawn(&program, environment, socket)
            }
        }
    }

    fn report(&self, job: &Job, pid: i32, trouble: Option<String>) {
        if self.log.wants(Verbosity::All) {
            let pid_line = lines::pid(pid.into(), &job.ends);
            let ok_line = lines::verdict(true, pid.into(), &job.ends, &job.names);
            match &trouble {
                None => self.log.say(Verbosity::All, &[&pid_line, &ok_line]),
                Some(trouble) => self
                    .log
                    .say(Verbosity::All, &[&pid_line, &ok_line, trouble]),
            }
        } else if let Some(trouble) = &trouble {
            self.log.say(Verbosity::Errors, &[trouble]);
        }
        self.settle(Some(pid));
    }

    fn settle(&self, pid: Option<i32>) {
        if lock(&self.children).started(pid) {
            self.wake();
        }
    }

    fn wake(&self) {
        // An eventfd that cannot be written to is one that is already readable.
        let _ = self.waker.wake();
    }
}
