//! login.defs(5), as far as it says which numbers people have.

use std::io;
use std::path::Path;

use super::{find_line, number};

/// The file.
pub const PATH: &str = "/etc/login.defs";

/// `UID_MIN`: the lowest user id of people, as useradd(8) gives them. `None` where the file or the
/// line is missing, or holds no number. Of two lines the last counts, as with shadow's programs.
pub fn uid_min() -> io::Result<Option<u32>> {
    uid_min_in(Path::new(PATH))
}

fn uid_min_in(path: &Path) -> io::Result<Option<u32>> {
    let mut last = None;
    let all: Option<()> = find_line(path, |line| {
        let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'"');
        let mut words = line.split(is_blank).filter(|word| !word.is_empty());
        if words.next() == Some(b"UID_MIN") {
            last = words.next().and_then(number);
        }
        None
    })?;
    debug_assert!(all.is_none(), "no line ends the search");
    Ok(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<u32> {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), text).expect("written");
        uid_min_in(file.path()).expect("readable")
    }

    #[test]
    fn the_lowest_number_of_people_is_read_and_the_last_line_counts() {
        assert_eq!(
            read("#UID_MIN 5\nSYS_UID_MIN 100\nUID_MIN\t\t 500\n"),
            Some(500)
        );
        assert_eq!(read("UID_MIN 500\n  UID_MIN 1000 # people\n"), Some(1000));
        for none in [
            "",
            "UID_MIN\n",
            "UID_MIN many\n",
            "UID_MIN=500\n",
            "UID_MIN -1\n",
        ] {
            assert_eq!(read(none), None, "{none}");
        }
        assert_eq!(
            uid_min_in(Path::new("/nonexistent/x")).expect("no file"),
            None
        );
    }
}
