//! What several tests need.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Makes `path` a program of this text. It is written by a child: this process forks in other threads
/// meanwhile, and a file that a fork holds open for writing cannot be executed.
pub(crate) fn script(path: &Path, text: &str) {
    let source = path.with_extension("source");
    fs::write(&source, text).expect("written");
    fs::set_permissions(&source, fs::Permissions::from_mode(0o755)).expect("set");
    let mut copy = std::process::Command::new("/bin/cp");
    let copied = copy.arg("-p").args([&source, path]).status();
    assert!(copied.expect("cp").success());
}
