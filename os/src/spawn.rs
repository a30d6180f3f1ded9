//! Starting a program on a socket, fast.
//!
//! The child is made by `clone(CLONE_VM | CLONE_VFORK)` on a stack that is kept: it borrows the
//! parent's memory, stops the calling thread until exec, and costs neither page tables nor the
//! hundred signal calls of posix_spawn. What runs in it is a handful of system calls on values
//! that were prepared before; it takes no lock and allocates nothing. Only the calling thread
//! stops, so an event loop leaves this to threads of its own.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::sync::Arc;

use nix::sys::signal::{SigSet, SigmaskHow, sigprocmask};

use crate::signals::{Mask, is_default};

/// What is enough for a few system calls and the C library's wrappers around them.
const STACK_BYTES: usize = 64 * 1024;

/// An environment: what all programs get, shared, and what one gets, its own.
#[derive(Clone, Debug)]
pub struct Environment {
    /// `NAME=VALUE` strings that were inherited.
    pub shared: Arc<Vec<CString>>,
    /// `NAME=VALUE` strings of one connection; each replaces what `shared` has under its name.
    pub own: Vec<CString>,
    /// `NAME=` of a variable that is to hold the program's own pid, which only the child knows.
    pub pid: Option<&'static CStr>,
}

/// Room for `NAME=` and the digits of a pid.
const PID_VARIABLE_BYTES: usize = 64;

impl Environment {
    /// The strings in the order of execve, each name once.
    fn pointers(&self, pid_variable: Option<*const c_char>, pointers: &mut Vec<*const c_char>) {
        pointers.clear();
        for inherited in self.shared.iter() {
            let name = variable_name(inherited);
            if !self.own.iter().any(|own| variable_name(own) == name) {
                pointers.push(inherited.as_ptr());
            }
        }
        pointers.extend(self.own.iter().map(|text| text.as_ptr()));
        pointers.extend(pid_variable);
        pointers.push(std::ptr::null());
    }
}

/// A program to start: the file and the words of its command line.
#[derive(Debug)]
pub struct Program {
    file: CString,
    words: Vec<CString>,
}

impl Program {
    /// `file` is executed as it is; `words` include the program's own name.
    pub fn new(file: CString, words: Vec<CString>) -> Program {
        Program { file, words }
    }
}

/// Why a program was not started.
#[derive(Debug)]
pub enum SpawnError {
    /// There is no child at all.
    Fork(io::Error),
    /// There was a child; it could not point its descriptors at the socket. It exits 111.
    Descriptors {
        /// The child, which is to be reaped.
        pid: i32,
        /// What the system said.
        error: io::Error,
    },
    /// There was a child; exec failed in it. It exits 111.
    Exec {
        /// The child, which is to be reaped.
        pid: i32,
        /// What the system said.
        error: io::Error,
    },
}

impl fmt::Display for SpawnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SpawnError::Fork(error) => write!(f, "unable to fork: {}", crate::reason(error)),
            SpawnError::Descriptors { error, .. } => {
                write!(f, "unable to set up descriptors: {}", crate::reason(error))
            }
            SpawnError::Exec { error, .. } => {
                write!(f, "unable to run: {}", crate::reason(error))
            }
        }
    }
}

/// A thread's means to start programs: the stack that the children run on, and room for pointers.
///
/// While it exists all signals are blocked in the thread that made it: a handler must not run on
/// the memory that a child borrows. It cannot be sent to another thread.
pub struct Spawner {
    stack: Box<[u128]>,
    mask: Mask,
    /// The thread's own mask, to be restored.
    before: SigSet,
    /// Which of the signals that programs must find at their defaults are not.
    resets: Vec<c_int>,
    words: Vec<*const c_char>,
    environment: Vec<*const c_char>,
}

impl fmt::Debug for Spawner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spawner")
            .field("mask", &self.mask)
            .finish_non_exhaustive()
    }
}

impl Drop for Spawner {
    fn drop(&mut self) {
        // Restoring a mask that was once in force cannot fail.
        let _ = sigprocmask(SigmaskHow::SIG_SETMASK, Some(&self.before), None);
    }
}

/// What the child works on. It lies in the parent's memory, which the child shares until exec.
struct Plan {
    socket: RawFd,
    file: *const c_char,
    words: *const *const c_char,
    environment: *const *const c_char,
    /// Where the digits of the child's pid go, `None` where nobody asked for it.
    pid_digits: Option<usize>,
    pid_variable: [u8; PID_VARIABLE_BYTES],
    mask: libc::sigset_t,
    /// Signals to be set to their defaults.
    resets: *const c_int,
    resets_count: usize,
    /// What the child reports: which step failed and errno.
    failed: Step,
    errno: c_int,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    None,
    Descriptors,
    Exec,
}

/// The child's exit code where it cannot run the program.
const CHILD_FAILED: c_int = 111;

impl Spawner {
    /// `mask` is the signal mask that programs start with. The dispositions of TERM, CHLD, PIPE and XFSZ
    /// must not be changed while the spawner exists.
    pub fn new(mask: Mask) -> Spawner {
        let mut before = SigSet::empty();
        // Neither argument can be wrong.
        let _ = sigprocmask(
            SigmaskHow::SIG_BLOCK,
            Some(&SigSet::all()),
            Some(&mut before),
        );
        let file_size = crate::signals::is_file_size_changed().then_some(libc::SIGXFSZ);
        let default = [libc::SIGCHLD, libc::SIGTERM, libc::SIGPIPE];
        Spawner {
            stack: vec![0u128; STACK_BYTES / size_of::<u128>()].into_boxed_slice(),
            mask,
            before,
            resets: default
                .into_iter()
                .chain(file_size)
                .filter(|&signal| !is_default(signal))
                .collect(),
            words: Vec::new(),
            environment: Vec::new(),
        }
    }

    /// Starts `program` with descriptors 0 and 1 on `socket`, descriptor 2 and all that is not
    /// close-on-exec as they are, TERM, CHLD and PIPE at their defaults, and XFSZ as it was.
    ///
    /// Returns the child's pid once the program runs, or failed to.
    pub fn spawn(
        &mut self,
        program: &Program,
        environment: &Environment,
        socket: BorrowedFd<'_>,
    ) -> Result<i32, SpawnError> {
        self.words.clear();
        self.words
            .extend(program.words.iter().map(|word| word.as_ptr()));
        self.words.push(std::ptr::null());
        let mut plan = Plan {
            socket: socket.as_raw_fd(),
            file: program.file.as_ptr(),
            words: self.words.as_ptr(),
            environment: std::ptr::null(),
            pid_digits: None,
            pid_variable: [0; PID_VARIABLE_BYTES],
            mask: *self.mask.0.as_ref(),
            resets: self.resets.as_ptr(),
            resets_count: self.resets.len(),
            failed: Step::None,
            errno: 0,
        };
        // Eleven bytes are left for the digits and the NUL; a longer name is a caller's mistake
        // that costs him the variable.
        let pid_name = environment.pid.map(CStr::to_bytes).unwrap_or_default();
        if !pid_name.is_empty() && pid_name.len() <= PID_VARIABLE_BYTES - 11 {
            plan.pid_variable[..pid_name.len()].copy_from_slice(pid_name);
            plan.pid_digits = Some(pid_name.len());
        }
        let pid_variable = plan.pid_digits.map(|_| plan.pid_variable.as_ptr().cast());
        environment.pointers(pid_variable, &mut self.environment);
        plan.environment = self.environment.as_ptr();
        let pid = self.clone_child(&mut plan).map_err(SpawnError::Fork);
        self.words.clear();
        self.environment.clear();
        let pid = pid?;
        let error = io::Error::from_raw_os_error(plan.errno);
        match plan.failed {
            Step::None => Ok(pid),
            Step::Descriptors => Err(SpawnError::Descriptors { pid, error }),
            Step::Exec => Err(SpawnError::Exec { pid, error }),
        }
    }

    fn clone_child(&mut self, plan: &mut Plan) -> io::Result<i32> {
        let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
        let top = self.stack.as_mut_ptr_range().end;
        // SAFETY: the stack is this spawner's own, aligned to 16 bytes, and the exclusive borrow
        // keeps everybody else off it; CLONE_VFORK stops this thread until the child has exec'd or
        // exited, so `plan` and all that it points to outlive the child's use; `run_child` only
        // makes system calls and returns an exit code.
        let pid = unsafe { libc::clone(run_child, top.cast(), flags, (&raw mut *plan).cast()) };
        if pid < 0 {
            Err(io::Error::last_os_error())
        } else {
            Ok(pid)
        }
    }
}

/// The child's whole life before exec.
extern "C" fn run_child(plan: *mut c_void) -> c_int {
    // SAFETY: `clone_child` passes a pointer to a live Plan that nobody else touches meanwhile.
    let plan = unsafe { &mut *plan.cast::<Plan>() };
    let failed = prepare_descriptors(plan.socket);
    if failed {
        plan.failed = Step::Descriptors;
        plan.errno = errno();
        return CHILD_FAILED;
    }
    if let Some(at) = plan.pid_digits {
        // SAFETY: getpid only returns a number.
        write_decimal(
            unsafe { libc::getpid() }.unsigned_abs(),
            &mut plan.pid_variable[at..],
        );
    }
    // SAFETY: pointer and count are those of a vector of the parent's, which is stopped.
    let resets = unsafe { std::slice::from_raw_parts(plan.resets, plan.resets_count) };
    for &signal in resets {
        default_disposition(signal);
    }
    // SAFETY: the mask is a plain value in the plan; the old one is not asked for.
    unsafe {
        libc::sigprocmask(
            libc::SIG_SETMASK,
            &raw const plan.mask,
            std::ptr::null_mut(),
        )
    };
    // SAFETY: `file` is a NUL-terminated string and the two arrays are null-terminated arrays of
    // such, all kept alive by the parent, which is stopped until this call has replaced the child.
    unsafe { libc::execve(plan.file, plan.words, plan.environment) };
    plan.failed = Step::Exec;
    plan.errno = errno();
    CHILD_FAILED
}

/// Digits at the beginning of `room`, whose rest stays NUL; takes no memory, as the child must.
fn write_decimal(mut number: u32, room: &mut [u8]) {
    let mut digits = [0u8; 10];
    let mut count = 0;
    loop {
        digits[count] = b'0' + (number % 10).to_le_bytes()[0];
        count += 1;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    for (place, digit) in room.iter_mut().zip(digits[..count].iter().rev()) {
        *place = *digit;
    }
}

fn prepare_descriptors(socket: RawFd) -> bool {
    // SAFETY: the child has its own descriptor table (no CLONE_FILES); nothing in the parent is
    // touched.
    let zero = unsafe { libc::dup2(socket, 0) };
    // SAFETY: as above.
    let one = unsafe { libc::dup2(socket, 1) };
    zero != 0 || one != 1
}

fn default_disposition(signal: c_int) {
    // SAFETY: an all-zero sigaction is valid and means the default disposition, no flags.
    let action: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: the child has its own table of handlers (no CLONE_SIGHAND).
    unsafe { libc::sigaction(signal, &raw const action, std::ptr::null_mut()) };
}

fn errno() -> c_int {
    nix::errno::Errno::last_raw()
}

/// Lets `command` start its program with these descriptors under these numbers (below 16), whatever had them.
pub fn give(
    command: &mut std::process::Command,
    descriptors: &[(BorrowedFd<'_>, RawFd)],
) -> io::Result<()> {
    use std::os::unix::process::CommandExt;
    let given = crate::fd::out_of_the_way(descriptors)?;
    if given.is_empty() {
        return Ok(());
    }
    let held = hold(descriptors)?;
    let place = move || {
        // The process that waits for the program's start has a pipe whose number must not be one of these.
        let _ = &held;
        // It must die of what other programs die of.
        crate::signals::restore_file_size()?;
        given
            .iter()
            .try_for_each(|(fd, number)| crate::fd::place(fd.as_fd(), *number))
    };
    // SAFETY: the closure makes system calls on descriptors that it owns and takes no memory and no
    // lock, which is all that may be done between fork and exec.
    unsafe { command.pre_exec(place) };
    Ok(())
}

/// Holds those of the numbers that are free, so that no other descriptor gets them meanwhile.
fn hold(descriptors: &[(BorrowedFd<'_>, RawFd)]) -> io::Result<Vec<std::os::fd::OwnedFd>> {
    let mut held = Vec::new();
    for &(fd, number) in descriptors {
        let one = crate::fd::duplicate_from(fd, number)?;
        if one.as_raw_fd() == number {
            held.push(one);
        }
    }
    Ok(held)
}

/// `NAME=VALUE` as execve takes it; `None` where a NUL is in either, or an equals sign in the name.
pub fn variable(name: &[u8], value: &[u8]) -> Option<CString> {
    if name.contains(&b'=') {
        return None;
    }
    CString::new([name, b"=", value].concat()).ok()
}

/// The name of a `NAME=VALUE` string.
pub fn variable_name(text: &CStr) -> &[u8] {
    let bytes = text.to_bytes();
    let end = bytes
        .iter()
        .position(|&byte| byte == b'=')
        .unwrap_or(bytes.len());
    &bytes[..end]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::{Status, wait};
    use crate::signals::Signals;
    use std::io::Read;
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    fn environment(shared: &[&str], own: &[&str]) -> Environment {
        let strings = |list: &[&str]| {
            list.iter()
                .map(|text| CString::new(*text).expect("no NUL"))
                .collect::<Vec<_>>()
        };
        Environment {
            shared: Arc::new(strings(shared)),
            own: strings(own),
            pid: None,
        }
    }

    fn shell(script: &str) -> Program {
        let words = ["sh", "-c", script];
        Program::new(
            c"/bin/sh".to_owned(),
            words
                .iter()
                .map(|word| CString::new(*word).expect("no NUL"))
                .collect(),
        )
    }

    fn run(program: &Program, environment: &Environment) -> (String, Status) {
        let mask = Mask(SigSet::empty());
        let (mut ours, theirs) = UnixStream::pair().expect("a pair");
        let pid = Spawner::new(mask)
            .spawn(program, environment, theirs.as_fd())
            .expect("started");
        drop(theirs);
        let mut said = String::new();
        ours.read_to_string(&mut said).expect("read");
        (said, wait(pid).expect("its status"))
    }

    #[test]
    fn a_program_speaks_on_the_socket_and_its_status_is_raw() {
        let (said, status) = run(&shell("echo hello; exit 3"), &environment(&[], &[]));
        assert_eq!((said.as_str(), status), ("hello\n", Status(768)));
    }

    #[test]
    fn its_own_variables_replace_the_shared_ones() {
        let environment = environment(&["A=1", "B=2"], &["B=3", "C=4"]);
        let (said, _) = run(&shell("echo $A$B$C"), &environment);
        assert_eq!(said, "134\n");
    }

    #[test]
    fn a_program_can_be_told_its_own_pid() {
        let mut environment = environment(&[], &[]);
        environment.pid = Some(c"UNIXLOCALPID=");
        let (said, _) = run(&shell("test $$ = $UNIXLOCALPID && echo same"), &environment);
        assert_eq!(said, "same\n");
    }

    #[test]
    fn a_file_that_cannot_be_run_is_told_and_its_child_exits_111() {
        let program = Program::new(c"/nonexistent/prog".to_owned(), vec![c"prog".to_owned()]);
        let (_ours, theirs) = UnixStream::pair().expect("a pair");
        let mut spawner = Spawner::new(Mask(SigSet::empty()));
        match spawner.spawn(&program, &environment(&[], &[]), theirs.as_fd()) {
            Err(SpawnError::Exec { pid, error }) => {
                assert_eq!(error.raw_os_error(), Some(libc::ENOENT));
                assert_eq!(wait(pid).expect("its status"), Status(111 << 8));
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn dispositions_and_mask_are_those_of_a_fresh_program() {
        // Rust's runtime ignores SIGPIPE and the watch blocks CHLD and TERM: none of it may show.
        let signals = Signals::watch().expect("signals");
        let mask = signals.mask_for_programs();
        let (mut ours, theirs) = UnixStream::pair().expect("a pair");
        let program = shell("grep -E '^Sig(Blk|Ign)' /proc/self/status");
        let mut spawner = Spawner::new(mask);
        let pid = spawner
            .spawn(&program, &environment(&[], &[]), theirs.as_fd())
            .expect("started");
        drop(theirs);
        let mut said = String::new();
        ours.read_to_string(&mut said).expect("read");
        wait(pid).expect("its status");
        let bits = |name: &str| {
            let line = said
                .lines()
                .find(|line| line.starts_with(name))
                .expect("the line");
            u64::from_str_radix(line[name.len()..].trim(), 16).expect("hexadecimal")
        };
        for signal in [libc::SIGCHLD, libc::SIGTERM, libc::SIGPIPE] {
            assert_eq!(
                bits("SigIgn:") >> (signal - 1) & 1,
                0,
                "{signal} is ignored"
            );
            assert_eq!(
                bits("SigBlk:") >> (signal - 1) & 1,
                0,
                "{signal} is blocked"
            );
        }
    }

    #[test]
    fn a_variable_has_no_nul_and_its_name_no_equals_sign() {
        assert_eq!(variable(b"A", b"x=y").expect("fine").as_bytes(), b"A=x=y");
        assert!(variable(b"A=B", b"x").is_none());
        assert!(variable(b"A", b"x\0y").is_none());
    }
}
