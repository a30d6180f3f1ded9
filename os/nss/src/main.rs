//! `superd-nss`: asks NSS, libcrypt and PAM on behalf of programs that cannot.
//!
//! One request on descriptor 0 to its end, one answer on descriptor 1; [`os::names::nss`] says what
//! they look like. Every other descriptor is closed at the start, the time is limited, and nothing
//! is written to descriptor 2 but faults. It has no privileges of its own: whoever runs it learns
//! what the system tells him anyway.

mod answer;

use std::io::{self, Read, Write};
use std::process::ExitCode;

use os::Exit;
use os::names::nss::{REQUEST_LIMIT, Request};
use zeroize::Zeroizing;

const NAME: &str = "superd-nss";

/// The longest that an answer may take, in seconds. Whoever asks waits less long; this is for the
/// case that he is there no more.
const SECONDS: u32 = 60;

fn main() -> ExitCode {
    if std::env::args_os().count() > 1 {
        let usage = "it takes no arguments, but a request on descriptor 0; see superd-nss(8)";
        os::log::fatal(NAME, usage);
        return Exit::PERMANENT.into();
    }
    match serve() {
        Ok(()) => Exit::OK.into(),
        Err((exit, why)) => {
            os::log::fatal(NAME, &why);
            exit.into()
        }
    }
}

fn serve() -> Result<(), (Exit, String)> {
    let failed = |what: &str, error: &io::Error| {
        let why = format!("unable to {what}: {}", os::reason(error));
        (Exit::TEMPORARY, why)
    };
    prepare().map_err(|error| failed("set itself limits", &error))?;
    let record = read(&mut io::stdin().lock()).map_err(|error| failed("read", &error))?;
    let request = Request::parse(&record).map_err(|error| {
        let why = format!("unable to read the request: {error}");
        (Exit::PERMANENT, why)
    })?;
    let answer = answer::answer(&request).to_record().map_err(|error| {
        let why = format!("unable to answer: {error}");
        (Exit::TEMPORARY, why)
    })?;
    let mut output = io::stdout().lock();
    let written = output.write_all(&answer).and_then(|()| output.flush());
    written.map_err(|error| failed("write", &error))
}

fn prepare() -> io::Result<()> {
    os::fd::close_inherited()?;
    os::nss::end_after(SECONDS)?;
    // It holds secrets, and modules of PAM start programs and wait for them.
    os::process::not_dumpable()?;
    os::signals::default_child()
}

/// All of `input`, or one byte more than a request may have.
fn read(input: &mut impl Read) -> io::Result<Zeroizing<Vec<u8>>> {
    // Room for all of it at once: a vector that grows leaves copies behind.
    let mut record = Zeroizing::new(vec![0; REQUEST_LIMIT + 1]);
    let mut filled = 0;
    while filled < record.len() {
        match input.read(&mut record[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    record.truncate(filled);
    Ok(record)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_read_than_shows_that_a_request_is_too_long() {
        let text = vec![b'x'; REQUEST_LIMIT + 10];
        assert_eq!(
            read(&mut &text[..REQUEST_LIMIT]).expect("read").len(),
            REQUEST_LIMIT
        );
        let over = read(&mut &text[..]).expect("read");
        assert_eq!(over.len(), REQUEST_LIMIT + 1);
        assert!(Request::parse(&over).is_err());
    }
}
