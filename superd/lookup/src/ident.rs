//! The client side of the identification protocol (RFC 1413), without the sockets.
//!
//! The question is `REMOTEPORT , LOCALPORT` CR LF, the ports as the server of the connection sees
//! them. The answer is read as the original reads it (tcpserver 0.88, observed): blanks, tabs and
//! CRs are dropped wherever they stand; everything up to the third colon is passed over; what
//! follows is the information, up to LF or to [`INFO_LIMIT`] bytes. An `ERROR` reply has only two
//! colons, so its information is empty, which is not the same as none: whoever asked gets a set,
//! empty value. A reply that ends without LF gives none. The information becomes an environment
//! variable, so it ends before its first NUL.
//!
//! What the original does not have: a bound on what is passed over. A reply with more than
//! [`REPLY_LIMIT`] bytes gives none.

/// The most bytes of information that are taken; the reply is not read any further.
pub const INFO_LIMIT: usize = 257;

/// The most bytes of a reply that are read. RFC 1413 lets a line have 1,000 characters.
pub const REPLY_LIMIT: usize = 4_096;

/// The question about the connection between `remote_port` there and `local_port` here.
pub fn request(remote_port: u16, local_port: u16) -> Vec<u8> {
    format!("{remote_port} , {local_port}\r\n").into_bytes()
}

/// Where the reading of a reply stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// More bytes are wanted.
    More,
    /// This is the information.
    Done(Vec<u8>),
    /// The reply has gone on for too long.
    TooLong,
}

/// A reply as far as it has been read.
#[derive(Debug, Default)]
pub struct Reply {
    colons: u8,
    read: usize,
    info: Vec<u8>,
}

impl Reply {
    /// Takes the next bytes. Nothing may be pushed after anything but [`Progress::More`].
    pub fn push(&mut self, bytes: &[u8]) -> Progress {
        for &byte in bytes {
            self.read += 1;
            match byte {
                b' ' | b'\t' | b'\r' => {}
                b'\n' => return self.done(),
                b':' if self.colons < 3 => self.colons += 1,
                _ if self.colons < 3 => {}
                _ => {
                    self.info.push(byte);
                    if self.info.len() == INFO_LIMIT {
                        return self.done();
                    }
                }
            }
            if self.read == REPLY_LIMIT {
                return Progress::TooLong;
            }
        }
        Progress::More
    }

    fn done(&mut self) -> Progress {
        let mut info = std::mem::take(&mut self.info);
        if let Some(end) = info.iter().position(|&byte| byte == 0) {
            info.truncate(end);
        }
        Progress::Done(info)
    }
}

/// Whether `info` is something that [`Reply`] can give.
pub fn is_info(info: &[u8]) -> bool {
    let dropped = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | 0);
    info.len() <= INFO_LIMIT && !info.iter().any(dropped)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(reply: &[u8]) -> Progress {
        let whole = Reply::default().push(reply);
        let mut slow = Reply::default();
        let mut last = Progress::More;
        for byte in reply {
            last = slow.push(&[*byte]);
            if last != Progress::More {
                break;
            }
        }
        assert_eq!(whole, last, "the same in one piece as byte by byte");
        if let Progress::Done(info) = &whole {
            assert!(is_info(info));
        }
        whole
    }

    fn done(info: &[u8]) -> Progress {
        Progress::Done(info.to_vec())
    }

    #[test]
    fn the_question_names_the_far_port_first() {
        assert_eq!(request(50_559, 25), b"50559 , 25\r\n");
    }

    #[test]
    fn the_information_is_what_follows_the_third_colon_without_blanks() {
        assert_eq!(
            read(b"6193, 23 : USERID : UNIX : jo e\tx\r\n"),
            done(b"joex")
        );
    }

    #[test]
    fn colons_after_the_third_belong_to_the_information() {
        assert_eq!(read(b"1,2:USERID:UNIX:a:b\n"), done(b"a:b"));
    }

    #[test]
    fn an_error_reply_gives_empty_information() {
        assert_eq!(read(b"6193, 23 : ERROR : NO-USER\r\n"), done(b""));
    }

    #[test]
    fn a_line_without_any_colon_gives_empty_information() {
        assert_eq!(read(b"\r\n"), done(b""));
        assert_eq!(read(b"what?\n"), done(b""));
    }

    #[test]
    fn a_reply_without_the_end_of_the_line_is_not_complete() {
        assert_eq!(read(b"1,2:USERID:UNIX:noeol"), Progress::More);
        assert_eq!(read(b""), Progress::More);
    }

    #[test]
    fn information_of_256_bytes_waits_for_the_line_end_and_257_do_not() {
        let reply = |count: usize| [&b"1,2:USERID:UNIX:"[..], &vec![b'a'; count]].concat();
        assert_eq!(read(&reply(256)), Progress::More);
        assert_eq!(read(&[&reply(256)[..], b"\n"].concat()), done(&[b'a'; 256]));
        assert_eq!(read(&reply(257)), done(&[b'a'; 257]));
        assert_eq!(read(&[&reply(300)[..], b"\n"].concat()), done(&[b'a'; 257]));
    }

    #[test]
    fn the_information_ends_before_a_nul() {
        assert_eq!(read(b"1,2:USERID:UNIX:a:b\0c\r\n"), done(b"a:b"));
        assert_eq!(read(b"1,2:USERID:UNIX:\0abc\r\n"), done(b""));
    }

    #[test]
    fn a_reply_that_never_comes_to_the_point_is_cut_off() {
        let mut reply = vec![b' '; REPLY_LIMIT - 1];
        assert_eq!(read(&reply), Progress::More);
        reply.push(b' ');
        assert_eq!(read(&reply), Progress::TooLong);
        reply[REPLY_LIMIT - 1] = b'\n';
        assert_eq!(read(&reply), done(b""));
    }

    #[test]
    fn what_a_reply_cannot_give_is_no_information() {
        assert!(is_info(&[b'x'; INFO_LIMIT]));
        for bad in [&b"a b"[..], b"a\n", b"\0", &[b'x'; INFO_LIMIT + 1]] {
            assert!(!is_info(bad));
        }
    }
}
