//! Secrets as they stand in files, and comparing with them.
//!
//! In `users.secret` a value names its scheme, `{PLAIN}text` or `{CRYPT}hash`, or is a bare hash. A
//! `.password` file holds a password as it is, ever since; so there only what has the whole form of a
//! hash is one (or, behind `{CRYPT}`, claims to be), and `{PLAIN}` is there for passwords that look like one.

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::hash;

/// The most bytes of a password in a file.
pub const PASSWORD_LIMIT: usize = 512;

/// A stored secret.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Stored<'s> {
    /// The password itself.
    Plain(&'s [u8]),
    /// A hash of crypt(5), of whatever scheme.
    Hash(&'s [u8]),
    /// Nothing that a password could ever equal: empty, or locked with `!` or `*`. What is behind
    /// the mark, for the work of a comparison.
    Locked(&'s [u8]),
    /// A scheme that does not exist here.
    Unknown(&'s [u8]),
}

impl std::fmt::Debug for Stored<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Stored::Plain(_) => "Plain",
            Stored::Hash(_) => "Hash",
            Stored::Locked(_) => "Locked",
            Stored::Unknown(_) => "Unknown",
        })
    }
}

/// Names that stand for a hash as crypt(3) makes it; the longer ones are other servers'.
const CRYPT: [&[u8]; 5] = [
    b"CRYPT",
    b"SHA512-CRYPT",
    b"SHA256-CRYPT",
    b"BLF-CRYPT",
    b"MD5-CRYPT",
];

impl<'s> Stored<'s> {
    /// The first line of a `.password` file.
    pub fn of_password_file(line: &'s [u8]) -> Stored<'s> {
        if line.is_empty() {
            return Stored::Locked(line);
        }
        match scheme(line) {
            Some((b"PLAIN", text)) => Stored::plain(text),
            Some((b"CRYPT", text)) => Stored::of_shadow(text),
            _ if hash::is_hash(line) => Stored::Hash(line),
            _ => Stored::Plain(line),
        }
    }

    /// What is behind the name in `users.secret`.
    pub fn of_secret(value: &'s [u8]) -> Stored<'s> {
        match scheme(value) {
            Some((name, text)) if is_plain(name) => Stored::plain(text),
            Some((name, text)) if CRYPT.iter().any(|known| known.eq_ignore_ascii_case(name)) => {
                Stored::of_shadow(before_colon(text))
            }
            Some((name, _)) => Stored::Unknown(name),
            None if value.first() == Some(&b'$') => Stored::Hash(before_colon(value)),
            None => match Stored::of_shadow(before_colon(value)) {
                locked @ Stored::Locked(_) => locked,
                _ => Stored::Unknown(b""),
            },
        }
    }

    /// The second field of a line of shadow.
    pub fn of_shadow(field: &'s [u8]) -> Stored<'s> {
        match field.first() {
            None => Stored::Locked(field),
            Some(b'!' | b'*') => {
                let start = field.iter().position(|byte| !matches!(byte, b'!' | b'*'));
                Stored::Locked(&field[start.unwrap_or(field.len())..])
            }
            Some(_) => Stored::Hash(field),
        }
    }

    fn plain(text: &'s [u8]) -> Stored<'s> {
        if text.is_empty() {
            Stored::Locked(text)
        } else {
            Stored::Plain(text)
        }
    }
}

fn is_plain(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b"PLAIN") || name.eq_ignore_ascii_case(b"CLEARTEXT")
}

/// `{NAME}rest`.
fn scheme(value: &[u8]) -> Option<(&[u8], &[u8])> {
    let rest = value.strip_prefix(b"{")?;
    let end = rest.iter().position(|&byte| byte == b'}')?;
    Some((&rest[..end], &rest[end + 1..]))
}

/// A line of shadow with its other fields will do.
fn before_colon(value: &[u8]) -> &[u8] {
    value.split(|&byte| byte == b':').next().unwrap_or_default()
}

/// Whether both passwords are the same, and not empty; in time that depends on neither.
pub fn is_same(typed: &[u8], stored: &[u8]) -> bool {
    if typed.len() > PASSWORD_LIMIT || stored.len() > PASSWORD_LIMIT || stored.is_empty() {
        return false;
    }
    // Filled where they stay: what is moved leaves a copy on the stack.
    let mut one = Zeroizing::new([0u8; PASSWORD_LIMIT]);
    let mut other = Zeroizing::new([0u8; PASSWORD_LIMIT]);
    one[..typed.len()].copy_from_slice(typed);
    other[..stored.len()].copy_from_slice(stored);
    let same_length = typed.len().ct_eq(&stored.len());
    (one.as_slice().ct_eq(other.as_slice()) & same_length).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MD5: &[u8] = b"$1$saltsalt$wq.RNtiw4px5Yphyu9TAY0";

    #[test]
    fn a_password_file_holds_a_password_unless_it_is_a_whole_hash() {
        let of = |line| Stored::of_password_file(line);
        for plain in [
            &b"sekrit"[..],
            b"$1$",
            b"$6$rounds",
            &MD5[..MD5.len() - 1],
            b"{SSHA}x",
            b"{crypt}x",
            b"{",
            b"!locked",
            b"*",
            b" ",
            b"se:krit",
        ] {
            assert_eq!(of(plain), Stored::Plain(plain), "{}", plain.escape_ascii());
        }
        assert_eq!(of(MD5), Stored::Hash(MD5));
        assert_eq!(of(b"{PLAIN}$1$x"), Stored::Plain(b"$1$x"));
        assert_eq!(of(b"{CRYPT}$gy$x"), Stored::Hash(b"$gy$x"));
        assert_eq!(of(b"{CRYPT}!$1$x"), Stored::Locked(b"$1$x"));
        for empty in [&b""[..], b"{PLAIN}", b"{CRYPT}"] {
            assert_eq!(of(empty), Stored::Locked(b""), "{}", empty.escape_ascii());
        }
    }

    #[test]
    fn a_line_of_secrets_names_its_scheme_or_is_a_hash() {
        let of = |value| Stored::of_secret(value);
        assert_eq!(of(b"{PLAIN}a:b"), Stored::Plain(b"a:b"));
        assert_eq!(of(b"{plain}x"), Stored::Plain(b"x"));
        assert_eq!(of(b"{CRYPT}$6$x"), Stored::Hash(b"$6$x"));
        assert_eq!(of(b"{SHA512-CRYPT}$6$x"), Stored::Hash(b"$6$x"));
        assert_eq!(of(b"$6$x:19000:0:99999:7:::"), Stored::Hash(b"$6$x"));
        assert_eq!(of(b"!$6$x"), Stored::Locked(b"$6$x"));
        for locked in [&b""[..], b"!", b"*", b"!!", b"{CRYPT}*", b"{PLAIN}"] {
            assert_eq!(of(locked), Stored::Locked(b""), "{}", locked.escape_ascii());
        }
        assert_eq!(of(b"{SSHA}x"), Stored::Unknown(b"SSHA"));
        // A password without its scheme would be one that the administrator took for a hash.
        assert_eq!(of(b"sekrit"), Stored::Unknown(b""));
    }

    /// Runs `act` so deep in the stack that what is called afterwards does not reach its frames.
    #[inline(never)]
    fn deep(act: &dyn Fn()) {
        let room = [0u8; 16 << 10];
        std::hint::black_box(&room);
        act();
        std::hint::black_box(&room);
    }

    /// Whether `act` leaves `needle` in the 64 KiB of stack below this frame.
    #[inline(never)]
    fn leaves(act: &dyn Fn(), needle: &[u8]) -> bool {
        use std::os::unix::fs::FileExt;
        let memory = std::fs::File::open("/proc/self/mem").expect("memory");
        let mut stack = vec![0; 64 << 10];
        let mark = 0u8;
        let end = std::ptr::from_ref(std::hint::black_box(&mark)) as usize;
        deep(act);
        let start = u64::try_from(end - stack.len()).expect("an address");
        memory.read_exact_at(&mut stack, start).expect("mapped");
        stack.windows(needle.len()).any(|window| window == needle)
    }

    #[test]
    fn a_comparison_leaves_no_password_on_the_stack() {
        let secret = |turn: u8| -> Vec<u8> {
            let text = b"left-on-the-stack-";
            text.iter().map(|byte| byte ^ turn).collect()
        };
        let (typed, stored, known) = (secret(1), secret(2), secret(3));
        let compare = || assert!(!std::hint::black_box(is_same(&typed, &stored)));
        assert!(!leaves(&compare, &typed));
        assert!(!leaves(&compare, &stored));
        // And what does leave a copy is seen.
        let copy = || {
            let mut place = [0; PASSWORD_LIMIT];
            place[..known.len()].copy_from_slice(&known);
            std::hint::black_box(&place);
        };
        assert!(leaves(&copy, &known));
    }

    #[test]
    fn passwords_are_the_same_only_byte_by_byte_and_never_empty() {
        assert!(is_same(b"sekrit", b"sekrit"));
        assert!(!is_same(b"sekrit", b"Sekrit"));
        assert!(!is_same(b"sekrit", b"sekrit\0"));
        assert!(!is_same(b"sekrit", b"sekri"));
        assert!(!is_same(b"", b""));
        assert!(is_same(&[b'x'; PASSWORD_LIMIT], &[b'x'; PASSWORD_LIMIT]));
        assert!(!is_same(
            &[b'x'; PASSWORD_LIMIT + 1],
            &[b'x'; PASSWORD_LIMIT + 1]
        ));
    }
}
