//! A command that has literals, until all of it is there.

use std::fmt;

use zeroize::Zeroizing;

/// The most bytes of a command with all its literals: ID may have many.
pub const COMMAND_LIMIT: usize = 16 * 1024;

/// What has come of it so far: its lines, the literals in between, and CR LF in front of each of those.
pub(crate) struct Gathered {
    text: Zeroizing<Vec<u8>>,
    is_spoiled: bool,
    skipped: usize,
}

impl fmt::Debug for Gathered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Gathered({} bytes)", self.text.len())
    }
}

impl Gathered {
    /// Nothing has come.
    pub(crate) fn new() -> Gathered {
        Gathered {
            // Room for all of it at once: a vector that grows leaves copies behind.
            text: Zeroizing::new(Vec::with_capacity(COMMAND_LIMIT)),
            is_spoiled: false,
            skipped: 0,
        }
    }

    /// What is there; where it [`Gathered::is_spoiled`], its beginning.
    pub(crate) fn text(&self) -> &[u8] {
        &self.text
    }

    /// Whether something of it was over a limit, and is missing.
    pub(crate) fn is_spoiled(&self) -> bool {
        self.is_spoiled
    }

    /// Whether a literal of so many bytes has room in it.
    pub(crate) fn has_room(&self, literal: usize) -> bool {
        let wanted = literal.saturating_add("\r\n".len());
        !self.is_spoiled && wanted <= COMMAND_LIMIT - self.text.len()
    }

    /// Adds what comes next. What has no room spoils it.
    pub(crate) fn add(&mut self, bytes: &[u8]) {
        if bytes.len() > COMMAND_LIMIT - self.text.len() {
            self.is_spoiled = true;
        }
        if !self.is_spoiled {
            self.text.extend_from_slice(bytes);
        }
    }

    /// So many bytes of it are thrown away, which spoils it. How many that makes in all.
    pub(crate) fn skip(&mut self, count: usize) -> usize {
        self.is_spoiled = true;
        self.skipped = self.skipped.saturating_add(count);
        self.skipped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_of_the_limit_is_whole_and_a_longer_one_is_spoiled() {
        let mut gathered = Gathered::new();
        gathered.add(b"a ID (");
        let left = COMMAND_LIMIT - b"a ID (".len();
        assert!(gathered.has_room(left - 2) && !gathered.has_room(left - 1));
        assert!(!gathered.has_room(usize::MAX));
        gathered.add(&vec![b'x'; left]);
        assert!(!gathered.is_spoiled());
        assert_eq!(gathered.text().len(), COMMAND_LIMIT);
        gathered.add(b"");
        assert!(!gathered.is_spoiled());
        gathered.add(b"x");
        assert!(gathered.is_spoiled());
    }

    #[test]
    fn once_something_is_missing_nothing_more_is_kept() {
        let mut gathered = Gathered::new();
        gathered.add(b"a LOGIN");
        assert_eq!(gathered.skip(5000), 5000);
        gathered.add(b"joe");
        assert!(gathered.is_spoiled() && !gathered.has_room(1));
        assert_eq!(gathered.text(), b"a LOGIN");
        assert_eq!(gathered.skip(usize::MAX), usize::MAX);
    }

    #[test]
    fn a_password_in_it_is_not_printed() {
        let mut gathered = Gathered::new();
        gathered.add(b"sekrit");
        assert_eq!(format!("{gathered:?}"), "Gathered(6 bytes)");
    }
}
