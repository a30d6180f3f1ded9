//! Writing `dovecot-uidlist`: whoever does any of this holds its lock.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, ErrorKind, Write};
use std::path::Path;

use crate::uidlist::{Entry, Fault, Header, read};

/// Courier-IMAP's list of UIDs, which has the form of version 1. The names in it are whole up to
/// the colon, sizes and all.
pub(crate) const COURIER: &str = "courierimapuiddb";

/// What may stand in a list: a name that does not end its line.
pub(crate) fn can_have_uid(unique: &[u8]) -> bool {
    !unique.is_empty() && memchr::memchr2(b'\n', b'\r', unique).is_none()
}

/// Adds the line of a message to `lines`. Writing into memory cannot fail.
pub(crate) fn add_line(lines: &mut Vec<u8>, uid: u32, unique: &[u8]) {
    let _ = write!(lines, "{uid} :");
    lines.extend_from_slice(unique);
    lines.push(b'\n');
}

/// Puts lines behind the last finished one, all or none of them.
pub(crate) fn append(path: &Path, lines: &[u8], header: &mut Header) -> io::Result<()> {
    if lines.is_empty() {
        return Ok(());
    }
    let mut file = OpenOptions::new().append(true).open(path)?;
    if file.metadata()?.len() > header.complete {
        // What a writer left who died; the lock says that nobody else is writing.
        file.set_len(header.complete)?;
    }
    let result = file.write_all(lines).and_then(|()| file.sync_data());
    match result {
        Ok(()) => header.complete += lines.len() as u64,
        Err(_) => _ = file.set_len(header.complete),
    }
    result
}

/// Writes a list as a whole: the entries of `source`, a list of version 1, if there is one, and
/// `lines` behind them.
pub(crate) fn create(
    path: &Path,
    lines: &[u8],
    header: &mut Header,
    source: Option<&Path>,
) -> Result<(), Fault> {
    let mut guid = [0; 16];
    os::process::random(&mut guid)?;
    let guid = format!("G{:032x}", u128::from_be_bytes(guid));
    let (validity, next) = (header.validity, header.next);
    let mut text = format!("3 V{validity} N{next} {guid}\n").into_bytes();
    if let Some(source) = source {
        read(BufReader::new(File::open(source)?), |entry| {
            add_line(&mut text, entry.uid, entry.unique);
        })?;
    }
    text.extend_from_slice(lines);
    replace(path, &text)?;
    header.version = 3;
    header.others = vec![guid.into_bytes()];
    header.complete = text.len() as u64;
    Ok(())
}

/// Writes a list of version 3 anew with those of its lines that `is_alive` wants, as they are. Its
/// first line stays, but for the next UID. Returns how many lines are left.
pub(crate) fn rewrite(
    path: &Path,
    header: &mut Header,
    mut is_alive: impl FnMut(&Entry<'_>) -> bool,
) -> Result<u32, Fault> {
    let mut text = Vec::new();
    text.extend_from_slice(format!("3 V{} N{}", header.validity, header.next).as_bytes());
    for word in &header.others {
        text.push(b' ');
        text.extend_from_slice(word);
    }
    text.push(b'\n');
    let mut count = 0;
    read(BufReader::new(File::open(path)?), |entry| {
        if is_alive(&entry) {
            count += 1;
            let _ = write!(text, "{}", entry.uid);
            text.extend_from_slice(entry.fields());
            text.extend_from_slice(b" :");
            text.extend_from_slice(entry.unique);
            text.push(b'\n');
        }
    })?;
    replace(path, &text)?;
    header.complete = text.len() as u64;
    Ok(count)
}

fn replace(path: &Path, text: &[u8]) -> io::Result<()> {
    // Dovecot's name for it. Under the lock it is nobody's but that of one who died.
    let temporary = path.with_extension("tmp");
    if let Err(error) = fs::remove_file(&temporary)
        && error.kind() != ErrorKind::NotFound
    {
        return Err(error);
    }
    let mut file = os::file::create_exclusive(&temporary, 0o600)?;
    let result = file
        .write_all(text)
        .and_then(|()| file.sync_data())
        .and_then(|()| fs::rename(&temporary, path));
    if let Err(error) = result {
        let _ = fs::remove_file(&temporary);
        return Err(error);
    }
    os::file::sync_dir(os::file::dir_of(path))
}
