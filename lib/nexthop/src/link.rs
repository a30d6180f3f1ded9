//! Bytes to and from the hop, in the clear or through TLS, each time until a deadline.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Instant;

use rustls::{ClientConnection, ProtocolVersion};

/// How much is read from the descriptor, and given to TLS, at once: a TLS record.
const PIECE_BYTES: usize = 16 * 1024;

/// A connection. Dropping it closes it and sends nothing.
#[derive(Debug)]
pub(crate) struct Link {
    fd: OwnedFd,
    tls: Option<Box<ClientConnection>>,
}

impl Link {
    /// In the clear.
    pub(crate) fn new(fd: OwnedFd) -> Link {
        Link { fd, tls: None }
    }

    /// Goes on inside TLS: shakes hands. After an error the link is of no use.
    pub(crate) fn start_tls(&mut self, tls: ClientConnection, deadline: Instant) -> io::Result<()> {
        let mut tls = Box::new(tls);
        while tls.is_handshaking() {
            send_waiting(&mut tls, &self.fd, deadline)?;
            if !tls.is_handshaking() {
                break;
            }
            if receive_more(&mut tls, &self.fd, deadline)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        // The last of ours, without which the other side still waits.
        send_waiting(&mut tls, &self.fd, deadline)?;
        self.tls = Some(tls);
        Ok(())
    }

    /// What TLS turned out to be, where there is one.
    pub(crate) fn tls_version(&self) -> Option<&'static str> {
        match self.tls.as_ref()?.protocol_version()? {
            ProtocolVersion::TLSv1_2 => Some("TLSv1.2"),
            ProtocolVersion::TLSv1_3 => Some("TLSv1.3"),
            _ => Some("TLS"),
        }
    }

    /// Reads what is there, after waiting for it; 0 is the end.
    pub(crate) fn read(&mut self, buffer: &mut [u8], deadline: Instant) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else {
            return os::fd::read_until(self.fd.as_fd(), buffer, deadline);
        };
        loop {
            match tls.reader().read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // Without TLS's own end: all that was waited for is missing either way.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(0),
                other => return other,
            }
            receive_more(tls, &self.fd, deadline)?;
            // A change of keys may want an answer.
            send_waiting(tls, &self.fd, deadline)?;
        }
    }

    /// Writes all of it.
    pub(crate) fn write(&mut self, bytes: &[u8], deadline: Instant) -> io::Result<()> {
        let Some(tls) = &mut self.tls else {
            return os::fd::write_all_until(self.fd.as_fd(), bytes, deadline);
        };
        for piece in bytes.chunks(PIECE_BYTES) {
            let mut left = piece;
            while !left.is_empty() {
                let taken = tls.writer().write(left)?;
                left = &left[taken..];
                send_waiting(tls, &self.fd, deadline)?;
            }
        }
        Ok(())
    }

    /// Says that nothing more will come, where that can be said in the protocol of the link.
    pub(crate) fn say_end(&mut self, deadline: Instant) {
        if let Some(tls) = &mut self.tls {
            tls.send_close_notify();
            // Whoever does not take it any more has no need of it.
            let _ = send_waiting(tls, &self.fd, deadline);
        }
    }
}

/// Sends what TLS has ready.
fn send_waiting(tls: &mut ClientConnection, fd: &OwnedFd, deadline: Instant) -> io::Result<()> {
    let mut records = Vec::new();
    while tls.wants_write() {
        tls.write_tls(&mut records)?;
    }
    if records.is_empty() {
        return Ok(());
    }
    os::fd::write_all_until(fd.as_fd(), &records, deadline)
}

/// Gives TLS what has come, after waiting for it; 0 is the end.
fn receive_more(tls: &mut ClientConnection, fd: &OwnedFd, deadline: Instant) -> io::Result<usize> {
    let mut buffer = [0; PIECE_BYTES];
    let count = os::fd::read_until(fd.as_fd(), &mut buffer, deadline)?;
    let mut left = &buffer[..count];
    loop {
        // With nothing left this is how TLS learns of the end.
        tls.read_tls(&mut left)?;
        if let Err(error) = tls.process_new_packets() {
            // The alert that says why; the reason is told either way.
            let _ = send_waiting(tls, fd, deadline);
            return Err(io::Error::new(io::ErrorKind::InvalidData, error));
        }
        if left.is_empty() {
            return Ok(count);
        }
    }
}
