//! Bytes that nobody is to find later.

use std::fmt;

use zeroize::Zeroizing;

/// A password or what is as good as one. It is overwritten when it is dropped, and its length is
/// all that it shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// A copy of `bytes`; overwriting the original is the caller's.
    pub fn new(bytes: &[u8]) -> Secret {
        // Room for all of it at once: a vector that grows leaves copies behind.
        Secret(Zeroizing::new(bytes.to_vec()))
    }

    /// The bytes, for comparing and hashing.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({} bytes)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_does_not_print_itself() {
        assert_eq!(format!("{:?}", Secret::new(b"sekrit")), "Secret(6 bytes)");
    }
}
