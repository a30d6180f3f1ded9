//! What a file of the store says about a login.
//!
//! `NAME=VALUE`, each ended by a NUL, as relay-ctrl 3's relay-ctrl-allow writes USER and DOMAIN and its
//! relay-ctrl-check loads them. Ours adds names of its own, which mean nothing to mail programs. A line
//! end ends an item too, for files that people write. Unknown names are skipped: nothing but these can come
//! from a file into the environment of a program.

/// The most bytes of a file that are read; what is longer says nothing.
pub const CONTENT_LIMIT: usize = 4096;

/// The most bytes of one value; longer ones are cut.
pub const VALUE_LIMIT: usize = 255;

/// Who has logged in from an address, and how. Every value is printable ASCII without blanks at its ends or
/// empty, which means that it is not known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// The account.
    pub user: Vec<u8>,
    /// Its domain, where accounts have one.
    pub domain: Vec<u8>,
    /// By which program or method: `pop`, `apop`, `imap`, `superd-relay`.
    pub how: Vec<u8>,
    /// The client's host name, where it was looked up.
    pub host: Vec<u8>,
    /// A remark of whoever added the address by hand.
    pub why: Vec<u8>,
    /// When, in seconds since the epoch: the time of the file. 0 in an entry that is yet to be recorded.
    pub time: i64,
}

impl Entry {
    /// Reads the content of a file.
    pub fn parse(content: &[u8], time: i64) -> Entry {
        let mut entry = Entry {
            time,
            ..Entry::default()
        };
        if content.len() > CONTENT_LIMIT {
            return entry;
        }
        for item in content.split(|byte| matches!(byte, 0 | b'\n')) {
            let Some(equals) = item.iter().position(|&byte| byte == b'=') else {
                continue;
            };
            let (name, value) = (&item[..equals], &item[equals + 1..]);
            let known = entry.fields();
            if let Some((_, field)) = known
                .into_iter()
                .find(|(known, _)| known.as_bytes() == name)
            {
                *field = clean(value);
            }
        }
        entry
    }

    /// The content of the file: at most [`CONTENT_LIMIT`] bytes, empty where nothing is known.
    pub fn to_content(&self) -> Vec<u8> {
        let mut entry = self.clone();
        let mut content = Vec::new();
        for (name, value) in entry.fields() {
            let value = clean(value);
            if !value.is_empty() {
                content.extend_from_slice(name.as_bytes());
                content.push(b'=');
                content.extend_from_slice(&value);
                content.push(0);
            }
        }
        content
    }

    fn fields(&mut self) -> [(&'static str, &mut Vec<u8>); 5] {
        [
            ("USER", &mut self.user),
            ("DOMAIN", &mut self.domain),
            ("RELAY_CTRL_HOW", &mut self.how),
            ("RELAY_CTRL_HOST", &mut self.host),
            ("RELAY_CTRL_WHY", &mut self.why),
        ]
    }
}

/// A value as it may stand in a file, a variable or a line of the log.
fn clean(value: &[u8]) -> Vec<u8> {
    let value = value.trim_ascii();
    let cut = &value[..value.len().min(VALUE_LIMIT)];
    let printable = |&byte: &u8| match byte {
        b' '..=b'~' => byte,
        _ => b'?',
    };
    cut.trim_ascii_end().iter().map(printable).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let entry = Entry {
            user: b"alice".to_vec(),
            domain: b"example.org".to_vec(),
            how: b"apop".to_vec(),
            host: b"pc.example.org".to_vec(),
            why: b"a printer = old".to_vec(),
            time: 0,
        };
        assert_eq!(Entry::parse(&entry.to_content(), 0), entry);
    }

    #[test]
    fn the_files_of_the_originals_are_read() {
        assert_eq!(
            Entry::parse(b"", 7),
            Entry {
                time: 7,
                ..Entry::default()
            }
        );
        let entry = Entry::parse(b"USER=alice\0DOMAIN=example.org\0", 7);
        assert_eq!(
            (&entry.user[..], &entry.domain[..]),
            (&b"alice"[..], &b"example.org"[..])
        );
        assert_eq!(Entry::default().to_content(), b"");
        let named = Entry {
            user: b"bob".to_vec(),
            ..Entry::default()
        };
        assert_eq!(named.to_content(), b"USER=bob\0");
    }

    #[test]
    fn no_other_variable_comes_out_of_a_file() {
        let entry = Entry::parse(b"LD_PRELOAD=/tmp/x\0PATH=/tmp\0RELAYCLIENT=@x\0", 0);
        assert_eq!(entry, Entry::default());
    }

    #[test]
    fn a_value_can_neither_end_its_item_nor_a_line_and_is_cut_at_its_limit() {
        let entry = Entry {
            user: b" a\0DOMAIN=b\nc\x1b[31m ".to_vec(),
            host: vec![b'h'; VALUE_LIMIT + 1],
            ..Entry::default()
        };
        let read = Entry::parse(&entry.to_content(), 0);
        assert_eq!(read.user, b"a?DOMAIN=b?c?[31m");
        assert_eq!(read.domain, b"");
        assert_eq!(read.host.len(), VALUE_LIMIT);
    }

    #[test]
    fn a_content_of_the_limit_is_read_and_one_byte_more_says_nothing() {
        let mut content = b"USER=alice\0".to_vec();
        content.resize(CONTENT_LIMIT, 0);
        assert_eq!(Entry::parse(&content, 0).user, b"alice");
        content.push(0);
        assert_eq!(Entry::parse(&content, 0).user, b"");
    }
}
