//! From a host word to the names to ask for.
//!
//! The rules are those of the original's "qualification" (djbdns documents them; the results here
//! were compared with tcpserver 0.88). They come from the file that `$DNSREWRITEFILE` names
//! (`/etc/dnsrewrite` without it); where that is not there, from the domains in `$LOCALDOMAIN`;
//! else from the first `search` or `domain` line of resolv.conf; else from the host's own name.
//!
//! One rule a line, applied in order to the word as it has become so far:
//!
//! ```text
//! =post:added   a word that is post becomes added
//! *post:added   a word that ends in post gets added in its place
//! ?post:added   the same, if what stands before post has no dot and no bracket
//! -post:added   a word that ends in post becomes added, whatever stands before
//! ```
//!
//! Capitals do not matter to post; other lines mean nothing. A plus sign in the result separates a
//! start from endings that are tried one after the other: `mx+.a.test+.b.test` is `mx.a.test`, then
//! `mx.b.test`. A list of domains is the rule `?:+.FIRST+.SECOND...`, after which `*.:` takes away a
//! dot at the end.

use std::path::PathBuf;

use dns::servers::{read_file, words_after};

/// The most names that a word becomes.
pub const CANDIDATES_LIMIT: usize = 16;

/// The most bytes that a word may grow to.
const WORK_LIMIT: usize = 4_096;

/// Where the rules come from.
#[derive(Clone, Debug, Default)]
pub struct Source {
    /// The file of rules.
    pub rewrite_file: PathBuf,
    /// The value of `$LOCALDOMAIN`.
    pub local_domain: Option<Vec<u8>>,
    /// A file in the form of resolv.conf.
    pub resolv_conf: PathBuf,
    /// The name of this host.
    pub host_name: Vec<u8>,
}

impl Source {
    /// The rules as they are now. A file that is there and cannot be read is an error, because
    /// another name than the intended one might be found without it.
    pub fn rules(&self) -> std::io::Result<Rules> {
        if let Some(text) = read_if_there(&self.rewrite_file)? {
            return Ok(Rules::parse(&text));
        }
        if let Some(domains) = &self.local_domain {
            return Ok(Rules::of_domains(domains.split(|&byte| byte == b' ')));
        }
        let text = read_if_there(&self.resolv_conf)?.unwrap_or_default();
        let first = text.split(|&byte| byte == b'\n').find_map(|line| {
            let mut search = words_after(line, b"search");
            let mut domain = words_after(line, b"domain");
            let found: Option<Vec<&[u8]>> = search
                .next()
                .map(Iterator::collect)
                .or_else(|| domain.next().map(Iterator::collect));
            found
        });
        if let Some(domains) = first {
            return Ok(Rules::of_domains(domains.into_iter()));
        }
        let dot = self.host_name.iter().position(|&byte| byte == b'.');
        let own = dot.map(|dot| &self.host_name[dot + 1..]);
        Ok(Rules::of_domains(own.into_iter()))
    }
}

fn read_if_there(path: &std::path::Path) -> std::io::Result<Option<Vec<u8>>> {
    match read_file(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Rules in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules(Vec<Rule>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    kind: u8,
    post: Vec<u8>,
    added: Vec<u8>,
}

impl Rules {
    /// Reads the lines of a file of rules.
    pub fn parse(text: &[u8]) -> Rules {
        Rules(
            text.split(|&byte| byte == b'\n')
                .filter_map(Rule::parse)
                .collect(),
        )
    }

    fn of_domains<'a>(domains: impl Iterator<Item = &'a [u8]>) -> Rules {
        let mut added = Vec::new();
        for domain in domains.filter(|domain| !domain.is_empty()) {
            added.extend(b"+.");
            added.extend(domain);
        }
        let search = Rule {
            kind: b'?',
            post: Vec::new(),
            added,
        };
        let final_dot = Rule {
            kind: b'*',
            post: b".".to_vec(),
            added: Vec::new(),
        };
        Rules(vec![search, final_dot])
    }

    /// The names that `word` stands for, at least one; the first that has addresses counts. `None`
    /// where the word grows beyond any name.
    pub fn candidates(&self, word: &[u8]) -> Option<Vec<Vec<u8>>> {
        let mut work = word.to_vec();
        for rule in &self.0 {
            rule.apply(&mut work);
            if work.len() > WORK_LIMIT {
                return None;
            }
        }
        let mut parts = work.split(|&byte| byte == b'+');
        let start = parts.next().unwrap_or_default();
        let list: Vec<_> = parts
            .take(CANDIDATES_LIMIT)
            .map(|ending| [start, ending].concat())
            .collect();
        Some(if list.is_empty() {
            vec![start.to_vec()]
        } else {
            list
        })
    }
}

impl Rule {
    fn parse(line: &[u8]) -> Option<Rule> {
        let (&kind, rest) = line.trim_ascii_end().split_first()?;
        let colon = rest.iter().position(|&byte| byte == b':')?;
        matches!(kind, b'=' | b'*' | b'?' | b'-').then(|| Rule {
            kind,
            post: rest[..colon].to_vec(),
            added: rest[colon + 1..].to_vec(),
        })
    }

    fn apply(&self, work: &mut Vec<u8>) {
        let Some(before) = work.len().checked_sub(self.post.len()) else {
            return;
        };
        let (start, end) = work.split_at(before);
        let fits = end.eq_ignore_ascii_case(&self.post)
            && match self.kind {
                b'=' => start.is_empty(),
                b'?' => !start.iter().any(|byte| matches!(byte, b'.' | b'[' | b']')),
                _ => true,
            };
        if fits {
            work.truncate(if self.kind == b'-' { 0 } else { before });
            work.extend(&self.added);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidates(rules: &Rules, word: &str) -> Vec<String> {
        let list = rules.candidates(word.as_bytes()).expect("short enough");
        list.into_iter()
            .map(|name| String::from_utf8(name).expect("ASCII"))
            .collect()
    }

    fn rewrite() -> Rules {
        Rules::parse(
            b"# comment\n=short:abs.test\n*.cs:.search.test \n-.gone:\n=nothing\n?:.search.test\n*.:",
        )
    }

    #[test]
    fn each_kind_of_rule_does_what_the_manual_says() {
        assert_eq!(candidates(&rewrite(), "short"), ["abs.test"]);
        assert_eq!(candidates(&rewrite(), "SHORT"), ["abs.test"]);
        assert_eq!(candidates(&rewrite(), "host.CS"), ["host.search.test"]);
        assert_eq!(candidates(&rewrite(), "x.gone"), [".search.test"]);
        assert_eq!(candidates(&rewrite(), "host"), ["host.search.test"]);
        assert_eq!(candidates(&rewrite(), "abs.test."), ["abs.test"]);
        assert_eq!(candidates(&rewrite(), "nothing"), ["nothing.search.test"]);
        assert_eq!(candidates(&rewrite(), "[1"), ["[1"]);
    }

    #[test]
    fn endings_are_tried_in_turn() {
        let rules = Rules::of_domains([&b"nope.test"[..], b"", b"search.test"].into_iter());
        assert_eq!(
            candidates(&rules, "host"),
            ["host.nope.test", "host.search.test"]
        );
        assert_eq!(candidates(&rules, "abs.test"), ["abs.test"]);
        assert_eq!(candidates(&rules, "host."), ["host"]);
        assert_eq!(
            candidates(&rules, "a+b"),
            ["ab", "a.nope.test", "a.search.test"]
        );
    }

    #[test]
    fn sixteen_names_are_tried_and_no_more() {
        for (endings, kept) in [(16, 16), (17, 16)] {
            let word = format!("a.{}", "+b".repeat(endings));
            assert_eq!(candidates(&Rules(Vec::new()), &word).len(), kept);
        }
    }

    #[test]
    fn a_word_that_grows_beyond_any_name_is_given_up() {
        let rules = Rules::parse(&b"*:xxxxxxxx\n".repeat(WORK_LIMIT / 8));
        assert!(rules.candidates(b"").is_some());
        assert!(rules.candidates(b"x").is_none());
    }

    #[test]
    fn the_rules_come_from_the_first_place_that_has_any() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut source = Source {
            rewrite_file: folder.path().join("dnsrewrite"),
            local_domain: None,
            resolv_conf: folder.path().join("resolv.conf"),
            host_name: b"me.own.test".to_vec(),
        };
        let names = |source: &Source| candidates(&source.rules().expect("readable"), "w");
        assert_eq!(names(&source), ["w.own.test"]);
        source.host_name = b"me".to_vec();
        assert_eq!(names(&source), ["w"]);
        let text = "nameserver 192.0.2.1\ndomain one.test\nsearch two.test three.test\n";
        std::fs::write(&source.resolv_conf, text).expect("written");
        assert_eq!(names(&source), ["w.one.test"]);
        std::fs::write(&source.resolv_conf, "search two.test\tthree.test\n").expect("written");
        assert_eq!(names(&source), ["w.two.test", "w.three.test"]);
        source.local_domain = Some(b"local.test".to_vec());
        assert_eq!(names(&source), ["w.local.test"]);
        std::fs::write(&source.rewrite_file, "*:.rewritten.test\n").expect("written");
        assert_eq!(names(&source), ["w.rewritten.test"]);
    }

    #[test]
    fn a_file_of_rules_that_cannot_be_read_is_an_error() {
        let folder = tempfile::tempdir().expect("a folder");
        let source = Source {
            rewrite_file: folder.path().to_owned(),
            ..Source::default()
        };
        assert!(source.rules().is_err());
    }
}
