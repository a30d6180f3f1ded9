//! Mail addresses in the form of the envelope: unquoted, the last `@` decides.

/// Takes an address apart at its last `@`; an address without one is a local part alone.
pub fn split(address: &[u8]) -> (&[u8], Option<&[u8]>) {
    match address.iter().rposition(|&byte| byte == b'@') {
        Some(at) => (&address[..at], Some(&address[at + 1..])),
        None => (address, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_at_sign_decides() {
        assert_eq!(split(b"a@b@c"), (&b"a@b"[..], Some(&b"c"[..])));
        assert_eq!(split(b"a@"), (&b"a"[..], Some(&b""[..])));
        assert_eq!(split(b"postmaster"), (&b"postmaster"[..], None));
        assert_eq!(split(b""), (&b""[..], None));
    }
}
