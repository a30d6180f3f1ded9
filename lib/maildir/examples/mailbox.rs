//! `mailbox [-f] [-n] [-t THREADS] MAILDIR`: opens a Maildir as pop3d does and prints how many messages
//! and octets it has and what that took. With -n without the index; with -f the floor instead:
//! every file opened, read, its line ends counted, closed, and nothing else; with -f -n a readdir
//! and a stat of every file.

use std::error::Error;
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use maildir::{Mailbox, Options};

fn main() -> Result<(), Box<dyn Error>> {
    let mut options = Options::default();
    let mut floor = false;
    let mut dir = PathBuf::new();
    let mut words = std::env::args_os().skip(1);
    while let Some(word) = words.next() {
        match word.to_str() {
            Some("-n") => options.index = false,
            Some("-f") => floor = true,
            Some("-t") => {
                let threads = words.next().ok_or("-t: how many?")?;
                options.threads = threads.to_string_lossy().parse()?;
            }
            _ => dir = word.into(),
        }
    }
    let start = Instant::now();
    let (count, octets) = match (floor, options.index) {
        (false, _) => {
            let mailbox = Mailbox::open(&dir, &options)?;
            let octets: u64 = (0..mailbox.len()).map(|n| mailbox.wire_size(n)).sum();
            (mailbox.len(), octets)
        }
        (true, true) => read_all(&names(&dir)?, options.threads)?,
        (true, false) => stat_all(&names(&dir)?)?,
    };
    let time = start.elapsed().as_micros();
    let (whole, parts) = (time / 1000, time % 1000);
    writeln!(
        std::io::stdout(),
        "{count} messages, {octets} octets, {whole}.{parts:03} ms, {} kB resident at most",
        resident()?
    )?;
    Ok(())
}

fn names(dir: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut names = Vec::new();
    for part in ["new", "cur"] {
        for entry in fs::read_dir(dir.join(part))? {
            names.push(entry?.path());
        }
    }
    Ok(names)
}

fn stat_all(names: &[PathBuf]) -> std::io::Result<(usize, u64)> {
    let mut octets = 0;
    for name in names {
        octets += fs::metadata(name)?.len();
    }
    Ok((names.len(), octets))
}

fn read_all(names: &[PathBuf], threads: usize) -> std::io::Result<(usize, u64)> {
    let (next, octets) = (AtomicUsize::new(0), AtomicU64::new(0));
    let work = || -> std::io::Result<()> {
        let mut buffer = vec![0; 64 * 1024];
        while let Some(name) = names.get(next.fetch_add(1, Ordering::Relaxed)) {
            let mut file = fs::File::open(name)?;
            loop {
                let count = file.read(&mut buffer)?;
                if count == 0 {
                    break;
                }
                let lines = memchr::memchr_iter(b'\n', &buffer[..count]).count();
                octets.fetch_add((count + lines) as u64, Ordering::Relaxed);
            }
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let helpers: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        let own = work();
        helpers
            .into_iter()
            .fold(own, |all, helper| all.and(helper.join().unwrap_or(Ok(()))))
    })?;
    Ok((names.len(), octets.into_inner()))
}

/// The most memory that this process has had resident (proc(5)).
fn resident() -> Result<String, Box<dyn Error>> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let words = line.ok_or("no VmHWM")?.split_whitespace().next();
    Ok(words.unwrap_or_default().to_owned())
}
