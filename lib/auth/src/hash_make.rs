//! New password hashes.

use std::io;

use base64::Engine;
use zeroize::Zeroizing;

use super::{Hash, encode};

/// The schemes in which new hashes are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// `$y$`: what today's systems use by default.
    Yescrypt,
    /// `$6$`, for systems whose libcrypt knows nothing newer.
    Sha512,
    /// `$2b$`; it looks at 72 bytes of a password only.
    Bcrypt,
}

/// The most bytes of a password that bcrypt looks at.
pub const BCRYPT_LIMIT: usize = 72;

/// The hash of `secret` under a fresh salt, with as much work as a login should make: about a tenth
/// of a second. `ErrorKind::OutOfMemory` where there is not enough.
pub fn make(secret: &[u8], method: Method) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut random = [0; 16];
    os::process::random(&mut random)?;
    // A whole hash to go by, of which the sum is a blank.
    let like = match method {
        Method::Yescrypt => format!("$y$j9T${}${}", salt(&random), ".".repeat(43)),
        Method::Sha512 => format!(
            "$6$rounds=100000${}${}",
            salt(&random[..12]),
            ".".repeat(86)
        ),
        Method::Bcrypt => format!(
            "$2b$11${}{}",
            bcrypt::BASE_64.encode(random),
            ".".repeat(31)
        ),
    };
    let hash = Hash::parse(like.as_bytes()).ok_or(io::ErrorKind::InvalidData)?;
    let sum = hash.scheme.sum(secret).ok_or(io::ErrorKind::OutOfMemory)?;
    let head = &like.as_bytes()[..like.len() - hash.sum.len()];
    let mut made = Zeroizing::new(Vec::with_capacity(head.len() + sum.len()));
    made.extend_from_slice(head);
    made.extend_from_slice(&sum);
    Ok(made)
}

fn salt(random: &[u8]) -> String {
    let mut text = Vec::new();
    for group in random.chunks(3) {
        encode(group, &mut text);
    }
    text.into_iter().map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use super::super::{Compared, USER, verify};
    use super::*;

    #[test]
    fn a_new_hash_is_of_its_secret_and_of_no_other_and_each_has_its_own_salt() {
        for method in [Method::Yescrypt, Method::Sha512, Method::Bcrypt] {
            let made = make(b"sekrit", method).expect("a hash");
            // Also where it stands in a user's own file.
            assert_eq!(
                verify(b"sekrit", &made, USER),
                Compared::Match,
                "{method:?}"
            );
            assert_eq!(
                verify(b"Sekrit", &made, USER),
                Compared::NoMatch,
                "{method:?}"
            );
            assert_ne!(make(b"sekrit", method).expect("a hash"), made, "{method:?}");
        }
    }
}
