//! The log lines of tcpserver 0.88, to the byte, without the program's name in front.
//!
//! `status: 0/40`, `pid 7310 from 127.0.0.2`, `ok ...`, `deny ...`, `end 7310 status 0`.

use std::fmt::Write as _;

use os::process::Status;

use crate::connection::{Ends, Names, ip_text};

/// How much of one part an `ok` or `deny` line shows.
const PART_LIMIT: usize = 100;

/// `status: RUNNING/LIMIT`: follows the start, every accept and every end.
pub fn status(running: u32, limit: u32) -> String {
    format!("status: {running}/{limit}")
}

/// `pid PID from IP`; for a UNIX client `pid PID from uid UID`.
pub fn pid(pid: i64, ends: &Ends) -> String {
    match ends {
        Ends::Tcp { remote, .. } => format!("pid {pid} from {}", ip_text(remote.ip())),
        Ends::Unix {
            peer: Some(peer), ..
        } => format!("pid {pid} from uid {}", peer.uid),
        Ends::Unix { peer: None, .. } => format!("pid {pid}"),
    }
}

/// `ok PID LOCALHOST:LOCALIP:LOCALPORT REMOTEHOST:REMOTEIP:REMOTEINFO:REMOTEPORT`, or the same with
/// `deny`. For a UNIX client `ok PID PATH UID:GID:PID`.
pub fn verdict(allowed: bool, pid: i64, ends: &Ends, names: &Names) -> String {
    let word = if allowed { "ok" } else { "deny" };
    let mut line = format!("{word} {pid} ");
    match ends {
        Ends::Tcp { local, remote } => {
            push_part(&mut line, names.local.as_deref().unwrap_or_default());
            let _ = write!(line, ":{}:{} ", ip_text(local.ip()), local.port());
            push_part(&mut line, names.remote.as_deref().unwrap_or_default());
            let _ = write!(line, ":{}:", ip_text(remote.ip()));
            push_part(&mut line, names.info.as_deref().unwrap_or_default());
            let _ = write!(line, ":{}", remote.port());
        }
        Ends::Unix { path, peer } => {
            use std::os::unix::ffi::OsStrExt;
            push_part(&mut line, path.as_os_str().as_bytes());
            if let Some(peer) = peer {
                let _ = write!(line, " {}:{}:{}", peer.uid, peer.gid, peer.pid);
            }
        }
    }
    line
}

/// `end PID status STATUS`, the status as wait(2) gives it.
pub fn end(pid: i64, status: Status) -> String {
    format!("end {pid} status {}", status.0)
}

/// `warning: dropping connection, WHY`.
pub fn dropping(why: &str) -> String {
    format!("warning: dropping connection, {why}")
}

/// Bytes below 33, above 126, `%` and `:` become `?`; a part of 100 bytes or more is cut to 100 and
/// gets `...`. Observed: also one of exactly 100 is marked.
fn push_part(line: &mut String, part: &[u8]) {
    let shown = &part[..part.len().min(PART_LIMIT)];
    line.extend(shown.iter().map(|&byte| match byte {
        b'%' | b':' => '?',
        33..=126 => byte as char,
        _ => '?',
    }));
    if part.len() >= PART_LIMIT {
        line.push_str("...");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn ends() -> Ends {
        Ends::Tcp {
            local: "127.0.0.1:7120".parse().expect("an address"),
            remote: "127.0.0.2:50559".parse().expect("an address"),
        }
    }

    fn names(local: &[u8], remote: &[u8], info: &[u8]) -> Names {
        let known = |name: &[u8]| Some(name.to_vec());
        Names {
            local: known(local),
            remote: known(remote),
            info: known(info),
            lost: false,
        }
    }

    #[test]
    fn an_ok_line_has_both_ends() {
        let names = names(b"local.example.org", b"two.example.org", b"joex");
        assert_eq!(
            verdict(true, 7310, &ends(), &names),
            "ok 7310 local.example.org:127.0.0.1:7120 two.example.org:127.0.0.2:joex:50559"
        );
    }

    #[test]
    fn unknown_parts_of_a_deny_line_are_empty() {
        let names = Names {
            local: Some(b"0".to_vec()),
            ..Names::default()
        };
        let line = verdict(false, 29679, &ends(), &names);
        assert_eq!(line, "deny 29679 0:127.0.0.1:7120 :127.0.0.2::50559");
    }

    #[test]
    fn parts_are_cleaned_and_cut_at_a_hundred_bytes() {
        let just_under = [b'x'; 99];
        let line = verdict(
            true,
            1,
            &ends(),
            &names(b"a b%c:d\x7f\xff\n", &just_under, b""),
        );
        assert!(line.starts_with("ok 1 a?b?c?d???:127.0.0.1"), "{line}");
        let shown = format!(" {}:127.0.0.2", "x".repeat(99));
        assert!(line.contains(&shown), "{line}");
        for length in [100, 101] {
            let line = verdict(true, 1, &ends(), &names(b"", &vec![b'x'; length], b""));
            let shown = format!(" {}...:127.0.0.2", "x".repeat(100));
            assert!(line.contains(&shown), "{line}");
        }
    }

    #[test]
    fn an_end_has_the_raw_status() {
        assert_eq!(end(29679, Status(25_600)), "end 29679 status 25600");
    }

    #[test]
    fn a_unix_client_is_named_by_its_numbers() {
        let peer = Some(os::socket::Credentials {
            pid: 9,
            uid: 1000,
            gid: 100,
        });
        let ends = Ends::Unix {
            path: Arc::new("/run/a b".into()),
            peer,
        };
        assert_eq!(pid(7, &ends), "pid 7 from uid 1000");
        assert_eq!(
            verdict(true, 7, &ends, &Names::default()),
            "ok 7 /run/a?b 1000:100:9"
        );
    }
}
