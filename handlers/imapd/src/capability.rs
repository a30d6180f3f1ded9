//! What this server says it can do. Nothing stands here that is not done in full.

/// All of it, in the order in which it is told. `STATUS=SIZE` and the like are names, too.
pub const ALL: &[&str] = &[
    "IMAP4rev1",
    "LITERAL+",
    "SASL-IR",
    "ID",
    "ENABLE",
    "IDLE",
    "NAMESPACE",
    "UIDPLUS",
    "CHILDREN",
    "SPECIAL-USE",
    "CREATE-SPECIAL-USE",
    "UNSELECT",
    "MOVE",
    "CONDSTORE",
    "QRESYNC",
    "ESEARCH",
    "SEARCHRES",
    "WITHIN",
    "LIST-EXTENDED",
    "LIST-STATUS",
    "STATUS=SIZE",
    "MULTIAPPEND",
    "SORT",
    "SORT=DISPLAY",
    "THREAD=ORDEREDSUBJECT",
    "THREAD=REFERENCES",
    "COMPRESS=DEFLATE",
];

/// The list for one client: without what the site hides, and without COMPRESS once it is on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// Names that are not told, as they are told.
    pub hidden: Vec<String>,
    /// The most octets of a message.
    pub append_limit: u64,
    /// COMPRESS is on.
    pub compressed: bool,
}

impl Capabilities {
    /// Adds the names with a space between each.
    pub fn write(&self, out: &mut Vec<u8>) {
        let mut first = true;
        let mut add = |name: &str, out: &mut Vec<u8>| {
            let bare = name.split_once('=').map_or(name, |(bare, _)| bare);
            let is_limit = bare == "APPENDLIMIT";
            let hides = |hidden: &String| hidden == name || (is_limit && hidden == bare);
            if self.hidden.iter().any(hides) {
                return;
            }
            if !first {
                out.push(b' ');
            }
            first = false;
            out.extend_from_slice(name.as_bytes());
        };
        for name in ALL {
            if !(self.compressed && *name == "COMPRESS=DEFLATE") {
                add(name, out);
            }
        }
        add(&format!("APPENDLIMIT={}", self.append_limit), out);
    }

    /// Whether a name is not hidden.
    pub fn has(&self, name: &str) -> bool {
        !self.hidden.iter().any(|hidden| hidden == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_hidden_or_on_already_is_not_told() {
        let mut told = Capabilities {
            hidden: vec!["QRESYNC".to_owned()],
            append_limit: 7,
            compressed: false,
        };
        let text = |told: &Capabilities| {
            let mut out = Vec::new();
            told.write(&mut out);
            String::from_utf8(out).expect("ASCII")
        };
        let words = text(&told);
        assert!(words.starts_with("IMAP4rev1 LITERAL+ "), "{words}");
        assert!(
            words.ends_with(" COMPRESS=DEFLATE APPENDLIMIT=7"),
            "{words}"
        );
        assert!(!words.contains("QRESYNC"));
        told.compressed = true;
        assert!(!text(&told).contains("COMPRESS"));
        assert!(!told.has("QRESYNC") && told.has("IDLE"));
    }
}
