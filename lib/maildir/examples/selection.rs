//! `selection [-c COUNT] MAILDIR`: selects a mailbox as imapd does and prints what that and some
//! changes of it take, and the private memory then. With -c it first makes one of so many messages,
//! where nothing must be.

use std::error::Error;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use maildir::selection::{Access, Change, Flags, How, Open, Selection, status};

fn open(dir: &Path, access: Access) -> Open<'_> {
    Open {
        dir,
        access,
        wait: Duration::from_secs(30),
        account: None,
        new_validity: &|| Ok(1_700_000_000),
    }
}

/// Messages with names as delivery agents make them, all older than a minute.
fn make(dir: &Path, count: usize) -> io::Result<()> {
    for part in ["", "tmp", "new", "cur"] {
        fs::create_dir(dir.join(part))?;
    }
    let text =
        "Subject: a message\nFrom: somebody@example.org\n\n".to_owned() + &"text\n".repeat(1000);
    let then = std::time::SystemTime::now() - Duration::from_secs(86_400);
    for n in 0..count {
        let text = &text[..200 + n * 7919 % 4000];
        let seconds = 1_700_000_000 + n;
        let name = format!(
            "{seconds}.M{n:06}P1234Q1R0123456789abcdef.mx.example.org,S={}:2,S",
            text.len()
        );
        let mut file = fs::File::create(dir.join("cur").join(name))?;
        file.write_all(text.as_bytes())?;
        file.set_modified(then)?;
    }
    fs::File::open(dir.join("cur"))?.set_modified(then)?;
    fs::File::open(dir.join("new"))?.set_modified(then)
}

/// The private memory of this process, and the most that it ever had of all kinds, in KiB.
fn memory() -> (u64, u64) {
    let number = |path: &str, key: &str| {
        let text = fs::read_to_string(path).unwrap_or_default();
        let lines = text.lines().filter(|line| line.starts_with(key));
        let words = lines.filter_map(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
        words.sum()
    };
    (
        number("/proc/self/smaps_rollup", "Private_Dirty"),
        number("/proc/self/status", "VmHWM"),
    )
}

fn timed<T, E>(what: &str, act: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    let start = Instant::now();
    let result = act()?;
    let time = start.elapsed().as_secs_f64() * 1e3;
    let (private, most) = memory();
    let mut out = io::stdout();
    let _ = writeln!(
        out,
        "{what:<44} {time:9.2} ms  private {private:6} KiB  most {most:6} KiB"
    );
    Ok(result)
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut words = std::env::args().skip(1);
    let mut dir = words.next().ok_or("no mailbox given")?;
    if dir == "-c" {
        let count = words.next().ok_or("no number given")?.parse()?;
        dir = words.next().ok_or("no mailbox given")?;
        make(Path::new(&dir), count)?;
    }
    let dir = PathBuf::from(dir);
    let dir = dir.as_path();
    let flag = |how| Change {
        how,
        flags: Flags::FLAGGED,
        keywords: Vec::new(),
    };
    let select = || Selection::open(&open(dir, Access::ReadWrite));
    drop(timed("first SELECT", select)?);
    drop(timed("SELECT again", select)?);
    let mut selection = timed("SELECT, nothing changed", select)?;
    if words.next().as_deref() == Some("select") {
        return Ok(());
    }
    timed("1000 x NOOP", || {
        (0..1000).try_for_each(|_| selection.sync())
    })?;
    let all: Vec<usize> = (0..selection.len()).collect();
    timed("sizes and dates of all, first", || {
        selection.facts(&all);
        Ok::<_, io::Error>(())
    })?;
    drop(selection);
    let mut selection = timed("SELECT, with sizes and dates", select)?;
    timed("1000 x STORE of one message", || {
        (0..1000_usize.min(all.len()))
            .try_for_each(|n| selection.store(&[n], &flag(How::Add), None).map(|_| ()))
    })?;
    timed("STORE of all", || {
        selection.store(&all, &flag(How::Add), None)
    })?;
    std::thread::sleep(Duration::from_millis(1500));
    timed("NOOP that looks again after our changes", || {
        selection.sync()
    })?;
    let name = dir.join("new/1800000000.M1P1Q1R1.mx");
    fs::write(&name, "new\n")?;
    timed("NOOP with a new message", || selection.sync())?;
    std::thread::sleep(Duration::from_millis(1500));
    timed("NOOP, another second later", || selection.sync())?;
    selection.take_news(true);
    let last = selection.len() - 1;
    selection.remove(&[last])?;
    selection.take_news(true);
    std::thread::sleep(Duration::from_millis(50));
    timed("STATUS", || status(&open(dir, Access::ReadOnly), false))?;
    timed("vanished", || {
        Ok::<_, io::Error>(selection.vanished_since(u64::MAX / 2))
    })?;
    Ok(())
}
