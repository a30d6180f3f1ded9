//! Starting a program without exec: a process that has its code already makes a copy of itself.
//!
//! The copy is not a child of the process that made it but its **sibling**, a child of the same parent
//! (CLONE_PARENT): so the parent learns how it ends, as of any program that it starts itself.

use std::ffi::OsStr;
use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, recvmsg, sendmsg};

use crate::process::{Side, has_threads};

/// Makes a second process like this one, whose parent is this process's parent.
///
/// Refused with `ErrorKind::Unsupported` in a process that has threads, as `process::fork` is.
pub fn fork() -> io::Result<Side> {
    crate::process::copy(libc::CLONE_PARENT)
}

/// Sets a variable in the environment of this process itself. Refused with `ErrorKind::Unsupported` in
/// a process that has threads: one of them might be reading.
///
/// `name` must not be empty nor have `=` or NUL, and `value` must have no NUL; such a pair is
/// refused with `ErrorKind::InvalidInput`.
pub fn set_variable(name: &OsStr, value: &OsStr) -> io::Result<()> {
    let (name_bytes, value_bytes) = (name.as_encoded_bytes(), value.as_encoded_bytes());
    let is_one = !name_bytes.is_empty()
        && !name_bytes.contains(&b'=')
        && !name_bytes.contains(&0)
        && !value_bytes.contains(&0);
    if !is_one {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    if has_threads() {
        return Err(io::ErrorKind::Unsupported.into());
    }
    // SAFETY: nobody else can read or change the environment at the same time: there is no other thread.
    unsafe { std::env::set_var(name, value) };
    Ok(())
}

/// Asks the processor what it can do, once and for all copies. Each question is a trap where the
/// machine is a virtual one, so a copy that has to ask for itself is the slower by a tenth.
pub fn know_processor() {
    #[cfg(target_arch = "x86_64")]
    let _ = std::arch::is_x86_feature_detected!("avx2");
}

/// The name of this process as ps(1) shows it, cut at 15 bytes by the kernel.
pub fn set_name(name: &str) -> io::Result<()> {
    let name = std::ffi::CString::new(name)?;
    Ok(nix::sys::prctl::set_name(&name)?)
}

/// Sends one message and a descriptor with it; waits for room.
pub fn send_with(socket: BorrowedFd<'_>, bytes: &[u8], fd: BorrowedFd<'_>) -> io::Result<()> {
    let fds = [fd.as_raw_fd()];
    let rights = [ControlMessage::ScmRights(&fds)];
    let parts = [IoSlice::new(bytes)];
    loop {
        match sendmsg::<()>(
            socket.as_raw_fd(),
            &parts,
            &rights,
            MsgFlags::MSG_NOSIGNAL,
            None,
        ) {
            Ok(_) => return Ok(()),
            Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Receives one message, waiting for it, and the descriptor that came with it, close-on-exec. A count
/// of 0 is the end. A message longer than `buffer`, or with more than one descriptor, is an error of
/// `ErrorKind::InvalidData`.
pub fn receive_with(
    socket: BorrowedFd<'_>,
    buffer: &mut [u8],
) -> io::Result<(usize, Option<OwnedFd>)> {
    let mut space = nix::cmsg_space!([RawFd; 2]);
    let flags = MsgFlags::MSG_CMSG_CLOEXEC;
    let (count, whole, fds) = loop {
        let mut parts = [IoSliceMut::new(buffer)];
        match recvmsg::<()>(socket.as_raw_fd(), &mut parts, Some(&mut space), flags) {
            Ok(message) => {
                let cut = MsgFlags::MSG_TRUNC | MsgFlags::MSG_CTRUNC;
                let mut fds = Vec::new();
                for part in message.cmsgs()? {
                    if let ControlMessageOwned::ScmRights(numbers) = part {
                        fds.extend(numbers);
                    }
                }
                break (message.bytes, !message.flags.intersects(cut), fds);
            }
            Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    };
    let mut owned: Vec<OwnedFd> = Vec::with_capacity(fds.len());
    for fd in fds {
        // SAFETY: the kernel has just made this descriptor for this process; nothing else knows it.
        owned.push(unsafe { OwnedFd::from_raw_fd(fd) });
    }
    if !whole || owned.len() > 1 {
        return Err(io::ErrorKind::InvalidData.into());
    }
    Ok((count, owned.pop()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::os::fd::AsFd;

    #[test]
    fn a_message_brings_its_descriptor() {
        let (one, other) = crate::socket::message_pair().expect("a pair");
        let (mut reader, writer) = io::pipe().expect("a pipe");
        send_with(one.as_fd(), b"take this", writer.as_fd()).expect("sent");
        drop(writer);
        let mut buffer = [0; 9];
        let (count, fd) = receive_with(other.as_fd(), &mut buffer).expect("there");
        assert_eq!(&buffer[..count], b"take this");
        let mut file = std::fs::File::from(fd.expect("a descriptor"));
        file.write_all(b"x").expect("room");
        drop(file);
        let mut text = String::new();
        reader.read_to_string(&mut text).expect("read");
        assert_eq!(text, "x");
    }

    #[test]
    fn a_message_that_is_too_long_is_no_message() {
        let (one, other) = crate::socket::message_pair().expect("a pair");
        send_with(one.as_fd(), b"0123456789", one.as_fd()).expect("sent");
        let error = receive_with(other.as_fd(), &mut [0; 9]).expect_err("too long");
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        drop(one);
        let (count, fd) = receive_with(other.as_fd(), &mut [0; 9]).expect("the end");
        assert_eq!((count, fd.is_none()), (0, true));
    }

    #[test]
    fn nothing_is_forked_and_no_variable_set_beside_other_threads() {
        let (end, wait) = std::sync::mpsc::channel::<()>();
        let thread = std::thread::spawn(move || wait.recv());
        let error = fork().expect_err("threads");
        assert_eq!(error.kind(), io::ErrorKind::Unsupported);
        let error = set_variable(OsStr::new("A"), OsStr::new("b")).expect_err("threads");
        assert_eq!(error.kind(), io::ErrorKind::Unsupported);
        drop(end);
        assert!(thread.join().expect("ended").is_err());
    }

    #[test]
    fn what_is_no_variable_is_refused() {
        for (name, value) in [("", "x"), ("A=B", "x"), ("A\0", "x"), ("A", "x\0")] {
            let error = set_variable(OsStr::new(name), OsStr::new(value)).expect_err(name);
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        }
    }
}
