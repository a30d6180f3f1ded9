//! From the command line to the loop, in the original's order: port, host, socket, bind, listen,
//! group, user, `-1`, descriptors 0 and 1, the first status line.

use std::ffi::{OsStr, OsString};
use std::io::Write as _;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use os::Exit;
use os::signals::Signals;

use crate::cli::{self, Invocation, Mistake, Options, Parsed, Place, Verbosity};
use crate::listen::{self, Bound, Host, Listener};
use crate::log::Log;
use crate::lookup_client::{self, LookupClient};
use crate::privilege::{self, Refusal};
use crate::relays::Relays;
use crate::server::{self, Server};
use crate::spawners::Service;

/// `superd [options] host port program [arguments]`.
///
/// `name` is what it was started as, which is the prefix of every line; `programs` are the names
/// that `--links` makes links for.
pub fn main(name: &str, args: Vec<OsString>, programs: &[&str]) -> Exit {
    let Parsed { verbosity, outcome } = cli::parse(args);
    let teller = Teller { name, verbosity };
    let outcome = match outcome {
        Ok(Invocation::Serve(options)) => serve(name, *options, programs),
        Ok(Invocation::Libexec) => print_libexec(),
        Ok(Invocation::Links(folder)) => make_links(&folder, programs),
        Ok(Invocation::Version) => print(&format!("superd {}\n", env!("CARGO_PKG_VERSION"))),
        Ok(Invocation::Help) => print(&help(name)),
        Err(mistake) => {
            teller.mistake(&mistake);
            return Exit::PERMANENT;
        }
    };
    match outcome {
        Ok(()) => Exit::OK,
        Err(Fatal { sentence, exit }) => {
            teller.fatal(&sentence);
            exit
        }
    }
}

/// Why superd ends before it serves: a sentence without the program's name, and the exit code.
#[derive(Debug)]
struct Fatal {
    sentence: String,
    exit: Exit,
}

impl From<Refusal> for Fatal {
    fn from(refusal: Refusal) -> Fatal {
        Fatal {
            sentence: refusal.sentence,
            exit: refusal.exit,
        }
    }
}

/// The system is in the way.
fn temporary(what: &str, error: &std::io::Error) -> Fatal {
    Fatal {
        sentence: format!("{what}: {}", os::reason(error)),
        exit: Exit::TEMPORARY,
    }
}

/// Says what is to be said before there is a log.
struct Teller<'a> {
    name: &'a str,
    verbosity: Verbosity,
}

impl Teller<'_> {
    /// A mistake in the command line is told even under `-q`, as by the original.
    fn mistake(&self, mistake: &Mistake) {
        let usage = cli::usage(self.name) + &cli::long_usage(self.name);
        match mistake {
            Mistake::Usage => os::log::say(usage.as_bytes()),
            Mistake::Option(sentence) => {
                os::log::say(format!("{}: {sentence}\n{usage}", self.name).as_bytes());
            }
            Mistake::Value(sentence) => self.fatal(sentence),
        }
    }

    fn fatal(&self, sentence: &str) {
        if self.verbosity != Verbosity::Quiet {
            os::log::fatal(self.name, sentence);
        }
    }
}

fn serve(name: &str, options: Options, programs: &[&str]) -> Result<(), Fatal> {
    os::fd::guard_standard().map_err(|error| temporary("unable to open /dev/null", &error))?;
    start_diagnostics();
    let signals = Signals::watch().map_err(|error| temporary("unable to watch signals", &error))?;
    let plan = privilege::plan(&options, |name| std::env::var_os(name))?;
    refuse_root_without_stand_in(&options, plan)?;
    let listener = listen(&options, &signals)?;
    // Descriptor 2 may be root's, so this comes before the drop.
    let sink = os::log::Sink::of(std::io::stderr().as_fd())
        .map_err(|error| temporary("unable to set up the log", &error))?;
    privilege::carry_out(plan, &options).map_err(|error| Fatal {
        sentence: error.to_string(),
        exit: Exit::TEMPORARY,
    })?;
    let null = |number| {
        os::fd::point_at_null(number).map_err(|error| temporary("unable to open /dev/null", &error))
    };
    null(0)?;
    if options.print_port {
        // Nobody may be there to read it; that is no reason not to serve.
        let _ = print_port(&listener);
    }
    null(1)?;
    let service = Service::new(options.program.clone(), std::env::var_os("PATH"), programs);
    report_program(&options.program, &service);
    let relays = open_relays(&options)?;
    let log = Log::start(name, options.verbosity, sink)
        .map_err(|error| temporary("unable to start a thread", &error))?;
    let server = Server::new(options, log, listener, signals, service, relays)
        .map_err(|error| temporary("unable to set up the event loop", &error))?;
    server
        .run()
        .map_err(|error| temporary("the event loop failed", &error))
}

/// The store of `--relay`, as whoever superd runs as.
fn open_relays(options: &Options) -> Result<Option<Relays>, Fatal> {
    let open = |path: &PathBuf| Relays::open(path, |name| std::env::var_os(name));
    let relays = options.relay.as_ref().map(open).transpose();
    relays.map_err(|sentence| Fatal {
        sentence,
        exit: Exit::TEMPORARY,
    })
}

/// Diagnostics are asked for by SUPERD_LOG, not by RUST_LOG, which the programs inherit and may
/// mean something by.
fn start_diagnostics() {
    let environment = env_logger::Env::new().filter_or("SUPERD_LOG", "off");
    // A second initialisation is refused; there is none.
    let _ = env_logger::Builder::from_env(environment).try_init();
}

fn report_program(words: &[OsString], service: &Service) {
    let name = words
        .first()
        .map(|word| word.display().to_string())
        .unwrap_or_default();
    match service.file() {
        Some(file) => ::log::info!("{name} is {}", file.display()),
        None => ::log::warn!("{name} is not found now; it is looked for at each connection"),
    }
    if !os::confine::is_available() {
        ::log::warn!(
            "this kernel has no filters of system calls: processes without privileges can signal each other"
        );
    }
}

/// Where superd stays root, what reads the network must be able to become somebody else.
fn refuse_root_without_stand_in(options: &Options, plan: privilege::Plan) -> Result<(), Fatal> {
    let stays_root = os::identity::effective_uid() == 0
        && matches!(plan, privilege::Plan::Keep | privilege::Plan::Group(_));
    let tcp = matches!(options.place, Place::Tcp { .. });
    if !stays_root || !tcp || !LookupClient::is_needed(options) {
        return Ok(());
    }
    match lookup::user() {
        Ok(_) => Ok(()),
        Err(sentence) => Err(Fatal {
            sentence,
            exit: Exit::TEMPORARY,
        }),
    }
}

fn listen(options: &Options, signals: &Signals) -> Result<Listener, Fatal> {
    let fatal = |error: listen::ListenError| Fatal {
        sentence: error.to_string(),
        exit: Exit::TEMPORARY,
    };
    match &options.place {
        Place::Unix(path) => {
            let owner = match &options.socket_owner {
                None => None,
                Some((user, group)) => {
                    let group = group.as_ref().map(privilege::group_id).transpose()?;
                    Some((privilege::user_id(user)?, group))
                }
            };
            listen::unix(path, options.backlog, options.socket_mode, owner).map_err(fatal)
        }
        Place::Tcp { host, port } => {
            let port = listen::port(port).map_err(|(sentence, exit)| Fatal { sentence, exit })?;
            let address = match listen::host(host) {
                Host::Address(address) => address,
                Host::Name(name) => lookup_client::resolve_host(&name, signals.mask_for_programs())
                    .map_err(|sentence| Fatal {
                        sentence,
                        exit: Exit::TEMPORARY,
                    })?,
                Host::V6 => {
                    let host = host.escape_ascii();
                    let sentence = format!("unable to listen on {host}: IPv6 is not supported yet");
                    return Err(Fatal {
                        sentence,
                        exit: Exit::PERMANENT,
                    });
                }
            };
            listen::tcp(address, port, options.backlog).map_err(fatal)
        }
    }
}

/// `-1`: the port and a newline; for a UNIX socket its path.
fn print_port(listener: &Listener) -> Result<(), Fatal> {
    match &listener.bound {
        Bound::Tcp(_) => {
            let port = server::bound_port(listener).unwrap_or_default();
            print(&format!("{port}\n"))
        }
        Bound::Unix { path, .. } => print(&format!("{}\n", path.display())),
    }
}

fn print(text: &str) -> Result<(), Fatal> {
    let mut out = std::io::stdout();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(|error| temporary("unable to write to standard output", &error))
}

fn libexec() -> Result<PathBuf, Fatal> {
    os::programs::libexec().ok_or_else(|| Fatal {
        sentence: "unable to find the folder of the running executable".to_owned(),
        exit: Exit::TEMPORARY,
    })
}

fn print_libexec() -> Result<(), Fatal> {
    print(&format!("{}\n", libexec()?.display()))
}

/// Makes a symbolic link to this executable for each program, replacing links that are there. The
/// folder is made where it is missing, those above it are not.
fn make_links(folder: &Path, programs: &[&str]) -> Result<(), Fatal> {
    let executable = std::env::current_exe()
        .map_err(|error| temporary("unable to find the running executable", &error))?;
    let made = match std::fs::create_dir(folder) {
        Err(_) if folder.is_dir() => Ok(()),
        other => other,
    };
    let folder = made.and_then(|()| folder.canonicalize()).map_err(|error| {
        temporary(
            &format!("unable to make links in {}", folder.display()),
            &error,
        )
    })?;
    let target = relative(&folder, &executable);
    for name in programs {
        let link = folder.join(name);
        make_link(&link, &target).map_err(|error| {
            temporary(
                &format!("unable to make the link {}", link.display()),
                &error,
            )
        })?;
    }
    Ok(())
}

/// A link is made under a private name and renamed, so that there is never a moment without it.
/// A file of that name that is no link is somebody's program and stays.
fn make_link(link: &Path, target: &Path) -> std::io::Result<()> {
    if std::fs::symlink_metadata(link).is_ok_and(|meta| !meta.file_type().is_symlink()) {
        return Err(std::io::Error::other("it is no link"));
    }
    let mut private = link.as_os_str().to_owned();
    private.push(format!(".{}", std::process::id()));
    let private = PathBuf::from(private);
    std::os::unix::fs::symlink(target, &private)?;
    std::fs::rename(&private, link).inspect_err(|_| {
        let _ = std::fs::remove_file(&private);
    })
}

/// How `file` is reached from `folder`; both are absolute and without links. So an installation
/// can be moved, or packed below another root, as a whole.
fn relative(folder: &Path, file: &Path) -> PathBuf {
    let mut here = folder.components().peekable();
    let mut there = file.components().peekable();
    while here.peek().is_some() && here.peek() == there.peek() {
        here.next();
        there.next();
    }
    let up = here.map(|_| OsStr::new(".."));
    up.chain(there.map(|component| component.as_os_str()))
        .collect()
}

fn help(name: &str) -> String {
    format!(
        "{}\
         {name} unix:PATH program listens on a UNIX socket (--mode 0660, --owner user:group).\n\
         --relay DIR lets clients relay who have logged in lately; --exec executes programs of ours, too.\n\
         {name} --libexec prints the folder of the programs, --links DIR makes their links there,\n\
         --version and --help print this. The manual page is superd(8).\n",
        cli::usage(name)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_leads_from_libexec_to_sbin_without_naming_the_root() {
        let relative = relative(
            Path::new("/pack/usr/libexec/superd"),
            Path::new("/pack/usr/sbin/superd"),
        );
        assert_eq!(relative, Path::new("../../sbin/superd"));
    }

    #[test]
    fn a_file_that_is_no_link_is_not_replaced_by_one() {
        let folder = tempfile::tempdir().expect("a folder");
        let theirs = folder.path().join("smtpd");
        std::fs::write(&theirs, "somebody's program").expect("written");
        let fatal = make_links(folder.path(), &["smtpd"]).expect_err("refused");
        assert!(
            fatal.sentence.contains("smtpd: it is no link"),
            "{}",
            fatal.sentence
        );
        assert_eq!(
            std::fs::read(&theirs).expect("there"),
            b"somebody's program"
        );
    }

    #[test]
    fn links_are_made_and_made_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let inner = folder.path().join("libexec");
        for _ in 0..2 {
            make_links(&inner, &["smtpd", "maildir-queue"]).expect("made");
        }
        let executable = std::env::current_exe().expect("this one");
        assert_eq!(
            inner.join("smtpd").canonicalize().expect("a link"),
            executable
        );
        let mut names: Vec<_> = std::fs::read_dir(&inner)
            .expect("readable")
            .map(|entry| entry.expect("an entry").file_name())
            .collect();
        names.sort();
        assert_eq!(names, ["maildir-queue", "smtpd"]);
    }
}
