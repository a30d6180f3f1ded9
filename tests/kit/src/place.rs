//! Where the programs are: ours behind links, the originals, the reporting handler.
//!
//! All that is executed stands in one directory a run, open to every user: tests start programs
//! as nobody, who may not be allowed into the checkout.

use std::fs;
use std::os::unix::fs::{DirBuilderExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::{Run, is_root, left_out};

/// Names of originals under which ours must answer as they do.
const ALIASES: [&str; 3] = ["tcpserver", "tcprules", "tcprulescheck"];

/// The run's own directory, mode 0755. A later run removes it: the test runner has no last moment
/// at which this one could.
pub fn run_dir() -> &'static Path {
    static DIR: OnceLock<PathBuf> = OnceLock::new();
    DIR.get_or_init(|| {
        let all = std::env::temp_dir();
        remove_stale(&all);
        let dir = all.join(format!("superd-tests.{}", std::process::id()));
        fs::DirBuilder::new()
            .mode(0o755)
            .create(&dir)
            .unwrap_or_else(|error| panic!("{dir:?}: {error}"));
        dir
    })
}

/// Removes the directories of runs that are over.
fn remove_stale(all: &Path) {
    for entry in fs::read_dir(all).unwrap().flatten() {
        let name = entry.file_name();
        let Some(pid) = name
            .to_str()
            .and_then(|name| name.strip_prefix("superd-tests."))
        else {
            continue;
        };
        let over = pid.parse::<u32>().is_ok() && !Path::new("/proc").join(pid).exists();
        if over || pid == std::process::id().to_string() {
            // Somebody else's is none of ours; that fails and may.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// A fresh directory below the run's, for one test.
pub fn private_dir(mode: u32) -> tempfile::TempDir {
    let dir = tempfile::Builder::new()
        .prefix("test.")
        .tempdir_in(run_dir())
        .unwrap();
    fs::set_permissions(
        dir.path(),
        std::os::unix::fs::PermissionsExt::from_mode(mode),
    )
    .unwrap();
    dir
}

/// Writes an executable script (or any executable text) through a child.
pub fn script(path: &Path, text: &str) {
    let done = Run::new("/bin/sh")
        .args(["-c", "cat >\"$1\" && chmod 755 \"$1\"", "sh"])
        .arg(path)
        .input(text)
        .done();
    assert_eq!(done.code, Some(0), "{}", done.err());
}

fn copy(from: &Path, to: &Path) {
    let done = Run::new("/bin/cp").arg("-L").arg(from).arg(to).done();
    assert_eq!(done.code, Some(0), "{}", done.err());
}

/// The top of the sources.
pub fn top() -> PathBuf {
    let kit = Path::new(env!("CARGO_MANIFEST_DIR"));
    kit.ancestors().nth(2).unwrap_or(kit).to_owned()
}

/// Where Cargo puts the executables of the build that this test is of: it stands in `deps` below them.
fn beside_this() -> PathBuf {
    let this = std::env::current_exe().unwrap();
    let place = this.ancestors().nth(2);
    place.expect("a test stands in deps").to_owned()
}

/// The installation of this run: sbin/superd, links beside it, libexec/superd.
///
/// The executable is the one that Cargo built for this test, or $SUPERD_TEST_EXE.
fn installation() -> &'static Path {
    static ROOT: OnceLock<PathBuf> = OnceLock::new();
    ROOT.get_or_init(|| {
        let built = std::env::var_os("SUPERD_TEST_EXE");
        let built = built.map_or_else(|| beside_this().join("superd"), PathBuf::from);
        let root = run_dir().join("ours");
        let (sbin, libexec) = (root.join("sbin"), root.join("libexec/superd"));
        fs::create_dir_all(&sbin).unwrap();
        fs::create_dir_all(&libexec).unwrap();
        let executable = sbin.join("superd");
        copy(&built, &executable);
        let done = Run::new(&executable).arg("--links").arg(&libexec).done();
        assert_eq!(done.code, Some(0), "superd --links: {}", done.err());
        for name in ALIASES.iter().chain(&["superd-rules", "superd-rulescheck"]) {
            symlink("superd", sbin.join(name)).unwrap();
        }
        root
    })
}

/// The directory with a link for every program of ours.
pub fn libexec() -> PathBuf {
    installation().join("libexec/superd")
}

/// The path of a program of ours, by its own name or by that of the original that it replaces.
pub fn bin(name: &str) -> PathBuf {
    let sbin = installation().join("sbin").join(name);
    if sbin.symlink_metadata().is_ok() {
        return sbin;
    }
    let path = libexec().join(name);
    assert!(
        path.symlink_metadata().is_ok(),
        "superd --links made no link {name}"
    );
    path
}

/// The path of an original, or of any program that is not ours but wanted; `None`, with a note,
/// where it is not there. `make test` fetches them; see tests/peers.sh.
pub fn peer(name: &str) -> Option<PathBuf> {
    let found = find_peer(name);
    if found.is_none() {
        left_out(
            &format!("whatever needs {name}"),
            "tests/peers.sh could not get it",
        );
    }
    found
}

fn find_peer(name: &str) -> Option<PathBuf> {
    let dir = std::env::var_os("SUPERD_PEERS");
    let dir = dir.map_or_else(|| top().join("target/peers"), PathBuf::from);
    let path = dir.join("bin").join(name);
    path.exists().then_some(path)
}

/// An original that is one plain executable, copied to where every user can start it.
pub fn original(name: &'static str) -> Option<PathBuf> {
    static DIR: OnceLock<PathBuf> = OnceLock::new();
    let dir = DIR.get_or_init(|| {
        let dir = run_dir().join("originals");
        fs::create_dir(&dir).unwrap();
        for name in ALIASES {
            if let Some(path) = find_peer(name) {
                copy(&path, &dir.join(name));
            }
        }
        dir
    });
    let path = dir.join(name);
    if path.exists() {
        return Some(path);
    }
    peer(name)
}

/// The handler that reports what it was given, built from probe.c. See [`super::server::Report`].
pub fn probe() -> &'static Path {
    static PROBE: OnceLock<PathBuf> = OnceLock::new();
    PROBE.get_or_init(|| built("probe"))
}

/// The program that does to a process what others could do to it, built from attack.c, where its words
/// are explained.
pub fn attack() -> &'static Path {
    static ATTACK: OnceLock<PathBuf> = OnceLock::new();
    ATTACK.get_or_init(|| built("attack"))
}

/// A program of tests/kit/programs, built for this run.
fn built(name: &str) -> PathBuf {
    let source = top().join(format!("tests/kit/programs/{name}.c"));
    let program = run_dir().join(name);
    let done = Run::new("cc")
        .args(["-O1", "-o"])
        .arg(&program)
        .arg(source)
        .done();
    assert_eq!(done.code, Some(0), "cc: {}", done.err());
    program
}

/// Whether a descriptor that /proc shows as `open` is on the null device. Its file may have been made anew since
/// whoever runs the tests has opened it.
pub fn is_null(open: &str) -> bool {
    open.strip_suffix(" (deleted)").unwrap_or(open) == "/dev/null"
}

/// `nobody` where the tests run as root (who may not deliver), else who runs them.
pub fn worker() -> (u32, u32) {
    use std::os::unix::fs::MetadataExt;
    let me = fs::metadata("/proc/self").unwrap();
    if !is_root() {
        return (me.uid(), me.gid());
    }
    let passwd = fs::read_to_string("/etc/passwd").unwrap();
    let line = passwd
        .lines()
        .find(|line| line.starts_with("nobody:"))
        .expect("this system has the user nobody");
    let fields: Vec<&str> = line.split(':').collect();
    (fields[2].parse().unwrap(), fields[3].parse().unwrap())
}

/// The files of a directory; none where there is no directory.
pub fn files(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(dir) else {
        return vec![];
    };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}
