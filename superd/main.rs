//! The one executable: every program of superd, chosen by the name it is called under.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::ExitCode;

use os::Exit;

/// A program: the name it was called under and its words in, an exit code out.
type Program = fn(&str, Vec<OsString>) -> Exit;

/// All programs under their own names, in the order of the README.
const PROGRAMS: &[(&str, Program)] = &[
    ("superd", superd),
    ("superd-rules", rules::superd_rules::main),
    ("superd-rulescheck", rules::superd_rulescheck::main),
    ("smtpd", smtpd::main),
    ("maildir-queue", queue::main),
];

/// Names that are not installed: those of the originals, for people who put a link in their place,
/// and the one that superd calls itself by.
const OTHER_NAMES: &[(&str, Program)] = &[
    ("tcpserver", superd),
    ("tcprules", rules::superd_rules::main),
    ("tcprulescheck", rules::superd_rulescheck::main),
    (lookup::PROGRAM, lookup::main),
];

fn superd(name: &str, args: Vec<OsString>) -> Exit {
    let links: Vec<&str> = PROGRAMS
        .iter()
        .map(|(program, _)| *program)
        .filter(|program| *program != "superd")
        .collect();
    server::main(name, args, &links)
}

fn main() -> ExitCode {
    let mut words = std::env::args_os();
    let called = words.next().unwrap_or_default();
    let name = Path::new(&called)
        .file_name()
        .unwrap_or(OsStr::new("superd"));
    let name = name.to_string_lossy();
    let all = PROGRAMS.iter().chain(OTHER_NAMES);
    let program = all.clone().find(|(program, _)| *program == name);
    // An executable that was copied under another name is superd.
    let program = program.map_or(superd as Program, |(_, program)| *program);
    program(&name, words.collect()).into()
}
