//! The reason texts of this family of programs.
//!
//! Scripts and people grep for them, so they are those of ucspi-tcp and qmail ("file does not
//! exist"), not those of strerror(3) ("No such file or directory").

use std::borrow::Cow;
use std::io;

/// The text for what went wrong, without the name of the object (the caller says that).
///
/// Numbers that the originals do not know get the system's own words in lower case.
pub fn reason(error: &io::Error) -> Cow<'static, str> {
    match error.raw_os_error() {
        Some(number) => reason_for(number),
        None => match error.kind() {
            io::ErrorKind::UnexpectedEof => Cow::Borrowed("end of file"),
            io::ErrorKind::WriteZero => Cow::Borrowed("nothing could be written"),
            io::ErrorKind::TimedOut => Cow::Borrowed("timed out"),
            _ => Cow::Owned(error.to_string()),
        },
    }
}

/// The text for an errno value.
pub fn reason_for(number: i32) -> Cow<'static, str> {
    let text = match number {
        libc::EINTR => "interrupted system call",
        libc::ENOMEM => "out of memory",
        libc::ENOENT => "file does not exist",
        libc::ETXTBSY => "text busy",
        libc::EIO => "input/output error",
        libc::EEXIST => "file already exists",
        libc::ETIMEDOUT => "timed out",
        libc::EINPROGRESS => "operation in progress",
        libc::EAGAIN => "temporary failure",
        libc::EPIPE => "broken pipe",
        libc::EPERM => "permission denied",
        libc::EACCES => "access denied",
        libc::ENXIO => "device not configured",
        libc::EPROTO => "protocol error",
        libc::EISDIR => "is a directory",
        libc::ESPIPE => "illegal seek",
        libc::ECONNREFUSED => "connection refused",
        libc::ENOTDIR => "not a directory",
        libc::EROFS => "read-only file system",
        libc::ENOTSOCK => "not a socket",
        libc::EDESTADDRREQ => "destination address required",
        libc::EMSGSIZE => "message too long",
        libc::EPROTOTYPE => "incorrect protocol type",
        libc::ENOPROTOOPT => "protocol not available",
        libc::EPROTONOSUPPORT => "protocol not supported",
        libc::EOPNOTSUPP => "operation not supported",
        libc::EAFNOSUPPORT => "address family not supported",
        libc::EADDRINUSE => "address already used",
        libc::EADDRNOTAVAIL => "address not available",
        libc::ENETDOWN => "network down",
        libc::ENETUNREACH => "network unreachable",
        libc::ENETRESET => "network reset",
        libc::ECONNABORTED => "connection aborted",
        libc::ECONNRESET => "connection reset",
        libc::ENOBUFS => "out of buffer space",
        libc::EISCONN => "already connected",
        libc::ENOTCONN => "not connected",
        libc::EHOSTDOWN => "host down",
        libc::EHOSTUNREACH => "host unreachable",
        libc::ELOOP => "symbolic link loop",
        libc::ENAMETOOLONG => "file name too long",
        libc::ENOTEMPTY => "directory not empty",
        libc::EUSERS => "too many users",
        libc::EDQUOT => "over quota",
        libc::ENOSPC => "out of disk space",
        libc::EXDEV => "cross-device link",
        libc::ESRCH => "no such process",
        libc::EBADF => "file descriptor not open",
        libc::EINVAL => "invalid argument",
        libc::E2BIG => "argument list too long",
        libc::ENOEXEC => "exec format error",
        libc::ECHILD => "no child processes",
        libc::EMFILE => "too many open files",
        libc::ENFILE => "too many open files in the system",
        libc::EFBIG => "file too big",
        _ => {
            let words = nix::errno::Errno::from_raw(number).desc();
            return Cow::Owned(words.to_ascii_lowercase());
        }
    };
    Cow::Borrowed(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_file_is_told_in_the_originals_words() {
        assert_eq!(
            reason(&io::Error::from_raw_os_error(libc::ENOENT)),
            "file does not exist"
        );
    }

    #[test]
    fn a_number_that_the_originals_do_not_know_gets_the_systems_words_in_lower_case() {
        let text = reason_for(libc::EKEYREJECTED);
        assert_eq!(text, text.to_ascii_lowercase());
        assert!(!text.is_empty());
    }
}
