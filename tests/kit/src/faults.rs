//! System calls that go wrong on purpose, by the tracer that is built from faults.c.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::{Run, note_left_out};
use crate::place::run_dir;

/// What happens at which call, counted from 1, of which process, counted from 0 in the order in
/// which they begin. faults.c has the words.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    /// `before` and `after` are kills; `short` is half a read or write; all else is an error.
    pub what: &'static str,
    /// The call.
    pub at: usize,
    /// The process.
    pub process: usize,
}

impl Fault {
    /// Whether it ends the process.
    pub fn kills(&self) -> bool {
        matches!(self.what, "before" | "after")
    }

    /// The command that runs the program behind it so, and tells `report` what happened.
    pub fn launcher(&self, tracer: &Path, report: &Path) -> Vec<OsString> {
        let process = self.process.to_string();
        let at = self.at.to_string();
        let words = [
            tracer.as_os_str(),
            "-p".as_ref(),
            process.as_ref(),
            "-o".as_ref(),
            report.as_os_str(),
            self.what.as_ref(),
            at.as_ref(),
        ];
        words.map(OsString::from).to_vec()
    }
}

/// What the tracer saw.
#[derive(Debug)]
pub struct Report {
    /// The calls of the process, by their names.
    pub calls: Vec<String>,
    /// The one that went wrong.
    pub struck: Option<String>,
}

impl Report {
    /// Reads it, once the tracer has ended.
    pub fn read(path: &Path) -> Report {
        let text = fs::read_to_string(path).unwrap();
        let mut report = Report {
            calls: Vec::new(),
            struck: None,
        };
        for line in text.lines() {
            let mut words = line.split(' ').skip(1);
            let name = words.next().unwrap().to_owned();
            if words.next() == Some("*") {
                report.struck = Some(name.clone());
            }
            report.calls.push(name);
        }
        report
    }
}

/// The tracer; `None`, with a note, where it cannot be built or this machine forbids tracing.
pub fn tracer() -> Option<&'static Path> {
    static TRACER: OnceLock<Option<PathBuf>> = OnceLock::new();
    let tracer = TRACER.get_or_init(|| {
        let what = "faults at each system call";
        let source = crate::place::top().join("tests/kit/programs/faults.c");
        let tracer = run_dir().join("faults");
        let done = Run::new("cc")
            .args(["-O1", "-o"])
            .arg(&tracer)
            .arg(source)
            .done();
        let known = cfg!(any(target_arch = "x86_64", target_arch = "aarch64"));
        if done.code != Some(0) {
            assert!(!known, "cc: {}", done.err());
            note_left_out(
                what,
                "the tracer does not know the registers of this machine",
            );
            return None;
        }
        let tried = Run::new(&tracer)
            .args(["-o", "/dev/null", "none", "0", "/bin/true"])
            .done();
        if tried.code != Some(0) {
            note_left_out(what, tried.err().trim_end());
            return None;
        }
        Some(tracer)
    });
    tracer.as_deref()
}
