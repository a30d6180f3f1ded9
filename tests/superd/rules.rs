//! superd-rules: what text makes which database, byte for byte what tcprules makes of it, and what
//! is told about the text. In the order of superd-rules(5). The files are in superd_rules_files.

use std::fs;
use std::path::PathBuf;

use kit::sides::same;
use kit::{Done, Run, Side, bin, both, private_dir, soak};

/// A directory in which a compiler runs, so that names in messages are short.
pub struct Place(pub tempfile::TempDir);

/// What a run of the compiler came to.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    code: Option<i32>,
    stdout: String,
    /// The first fatal message. The original stops there; ours goes on and explains.
    fatal: Option<String>,
    cdb: Option<Vec<u8>>,
}

impl Place {
    pub fn new() -> Place {
        Place(private_dir(0o755))
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn names(&self) -> Vec<String> {
        let names = fs::read_dir(self.0.path()).unwrap();
        let mut names: Vec<_> = names
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    pub fn run(&self, side: Side, args: &[&str], text: impl AsRef<[u8]>) -> Done {
        Run::new(side.program("tcprules"))
            .dir(self.0.path())
            .args(args)
            .input(text)
            .done()
    }

    pub fn compile(&self, side: Side, text: impl AsRef<[u8]>) -> Done {
        self.run(side, &["cdb", "tmp"], text)
    }

    pub fn cdb(&self) -> Option<Vec<u8>> {
        fs::read(self.path("cdb")).ok()
    }

    /// Runs a shell command line in which `$1` is the compiler.
    pub fn shell(&self, side: Side, command: &str) -> Done {
        Run::new("/bin/sh")
            .dir(self.0.path())
            .args(["-c", command, "sh"])
            .arg(side.program("tcprules"))
            .done()
    }
}

fn outcome(side: Side, text: &[u8]) -> Outcome {
    let place = Place::new();
    let done = place.compile(side, text);
    let fatal = done
        .err()
        .split('\n')
        .find(|line| line.contains(": fatal: "))
        .map(String::from);
    Outcome {
        code: done.code,
        stdout: done.out(),
        fatal,
        cdb: place.cdb(),
    }
}

/// Ours gives what the original gives, and is done.
fn same_cdb(text: &[u8]) {
    let outcome = same(|side| outcome(side, text));
    assert_eq!(outcome.code, Some(0), "{:?}", String::from_utf8_lossy(text));
    assert!(outcome.cdb.is_some());
}

/// Ours refuses what the original refuses, in the same words.
fn same_refusal(line: &str) {
    let outcome = same(|side| outcome(side, format!("1.2.3.4:deny\n{line}\n").as_bytes()));
    assert_eq!(outcome.code, Some(100), "{line:?}");
    let shown = line.trim_end_matches([' ', '\t']);
    let expected = format!("tcprules: fatal: unable to parse this line: {shown}");
    assert_eq!(
        (outcome.fatal, outcome.cdb),
        (Some(expected), None),
        "{line:?}"
    );
}

/// What ours warns of, without the name.
fn warnings(text: &str) -> Vec<String> {
    let place = Place::new();
    let done = place.compile(Side::Ours, text);
    assert_eq!(done.code, Some(0), "{}", done.err());
    let warning = |line: &str| line.strip_prefix("tcprules: warning: ").map(String::from);
    done.err()
        .lines()
        .map(|line| warning(line).expect("only warnings"))
        .collect()
}

#[test]
fn usage_and_further_words() {
    both(
        (
            Some(100),
            "tcprules: usage: tcprules rules.cdb rules.tmp\n".to_string(),
        ),
        |side| {
            let done = Place::new().run(side, &["cdb"], "");
            (done.code, done.err())
        },
    );
    both(Some(100), |side| Place::new().run(side, &[], "").code);
    both((Some(0), true), |side| {
        let place = Place::new();
        let done = place.run(side, &["cdb", "tmp", "more", "--check"], ":allow\n");
        (done.code, place.cdb().is_some())
    });
}

#[test]
fn ours_under_its_own_name_says_so() {
    let place = Place::new();
    let run = |args: &[&str], text: &str| {
        Run::new(bin("superd-rules"))
            .dir(place.0.path())
            .args(args)
            .input(text)
            .done()
            .err()
    };
    assert_eq!(
        run(&[], ""),
        "superd-rules: usage: superd-rules rules.cdb rules.tmp\n"
    );
    assert!(
        run(&["cdb", "tmp"], "x:y\n")
            .starts_with("superd-rules: fatal: unable to parse this line: x:y\n")
    );
    assert!(
        run(&["cdb", "no/tmp"], "").starts_with("superd-rules: fatal: unable to create no/tmp: ")
    );
    assert!(run(&["cdb", "tmp"], "10:deny\n").starts_with("superd-rules: warning: line 1: "));
}

#[test]
fn one_rule_of_each_kind_makes_the_originals_bytes() {
    let texts = [
        "1.2.3.4:deny\n",
        ":allow,A=\"1\",B=\"\"\n",
        "1.2.3.:allow\n1.2.:deny\n1.:allow,RELAYCLIENT=\"\"\n",
        "=mx.example.org:allow\n=.example.org:deny\n=:allow\n",
        "joe@1.2.3.4:deny\njoe@=mx.example.org:allow\n@1.2.3.4:deny\n",
        "1.2.3.4:deny",
        "1.2.3.4:deny \t \n:allow  ",
        "# comment: with colon\n\n   \n\t\n1.2.3.4:deny\n#",
        ":deny,A=/x/,B='y',C=zz,D==e=,E=::\n",
        ":allow,=\"x\", A=\"y\",\"q\"=\"z\"\n",
        "1.2.3.4:deny\n1.2.3.4:allow\n1.2.3.4:deny\n",
        " 1.1.1.1:deny\n10.0.0.0/8:deny\n999.1:deny\n1.2.*:deny\nHost:allow\n=Mail.Example.ORG:deny\n",
    ];
    for text in texts {
        same_cdb(text.as_bytes());
    }
}

#[test]
fn an_empty_text_and_one_without_rules_make_an_empty_database() {
    for text in ["", "\n\n", "# none\n", "   \n", "no colon here\n"] {
        let outcome = same(|side| outcome(side, text.as_bytes()));
        assert_eq!(outcome.cdb.map(|cdb| cdb.len()), Some(2048), "{text:?}");
    }
}

#[test]
fn trap_09_a_line_without_a_colon_is_accepted() {
    for line in ["1.2.3.4 deny", "  # indented", "deny", "\r", "1-x", "=host"] {
        same_cdb(format!("{line}\n1.2.3.4:deny\n").as_bytes());
    }
}

#[test]
fn trap_12_what_cannot_be_parsed_is_refused_in_the_originals_words() {
    let lines = [
        "1.2.3.4:denyx",
        "1.2.3.4:allowed",
        "1.2.3.4:Deny",
        "1.2.3.4: deny",
        "1.2.3.4:",
        ":",
        "::allow",
        "1.2.3.4:deny:",
        "1.2.3.4:deny\r",
        ":allow ,A=\"1\"",
        ":allow,",
        ":allow, ",
        ":allow,A=\"1\",",
        ":allow,A",
        ":allow,A=",
        ":allow,A=\"x",
        ":allow,A=\"x\"y",
        ":allow,A=\"x\\\"y\"",
        ":allow,A= x ",
        " # indented: with colon",
        "host-name:deny",
        "1.2.3.4-x:deny",
        " 1-2:deny",
        "1-2-3:deny",
        "1.2.3.4-5/8:deny",
        "a.b-c.d:deny",
    ];
    for line in lines {
        same_refusal(line);
    }
}

#[test]
fn ranges_expand_as_the_originals_do() {
    let addresses = [
        "1.2.3.5-17",
        "10.2-3.",
        "1-2.3.4.5",
        "1.2-3.4-5",
        "1.2.3.0-255",
        "0-255.",
        "1.2.3.250-300",
        "1.2.3.007-0012",
        "-",
        "-3.",
        "1.-2.3",
        "1.2.3.4-",
        "7.7.7.9-3",
        "7.7.7.256-260",
        "18446744073709551617-3",
        "18446744073709551615-3",
        "0-18446744073709551616",
        "0-99999999999999999999999999",
        "1.2.3.4-5.6.7",
        "=host-name",
        "joe@1.2.3.4-5",
        "a=1-2",
    ];
    for address in addresses {
        same_cdb(format!("{address}:deny\n{address}:allow,A=\"x\"\n").as_bytes());
    }
}

#[test]
fn long_values_and_long_keys_make_the_originals_bytes() {
    let value = "v".repeat(100_000);
    same_cdb(format!("1.2.3.4:allow,A=\"{value}\",B='{value}'\n:deny\n").as_bytes());
    same_cdb(format!("{}:deny\n:allow\n", "k".repeat(100_000)).as_bytes());
    same_cdb(
        format!(
            "{}\n#{}\n:allow\n",
            "n".repeat(300_000),
            "c".repeat(3_000_000)
        )
        .as_bytes(),
    );
}

#[test]
fn bytes_that_are_no_text_are_kept() {
    let mut text = b"=h\xf6st\xff:allow,A=\"\x01\x7f\xe9\r\x0b\"\n1.2.3.4:deny\n".to_vec();
    text.extend((1..=255).filter(|byte| ![b'\n', b':', b'-'].contains(byte)));
    text.extend_from_slice(b":deny\n");
    same_cdb(&text);
}

/// Numbers from a seed, so that a failure can be repeated.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        usize::try_from(self.0 >> 33).unwrap() % limit
    }

    fn pick<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }

    fn number(&mut self) -> &'static str {
        self.pick(&[
            "0",
            "1",
            "2",
            "9",
            "10",
            "17",
            "254",
            "255",
            "256",
            "300",
            "007",
            "",
            "18446744073709551617",
        ])
    }

    fn address(&mut self) -> String {
        let mut numbers: Vec<String> = (0..=self.below(5)).map(|_| self.number().into()).collect();
        match self.below(8) {
            0..3 => {
                let at = self.below(numbers.len());
                numbers[at] += "-";
                numbers[at] += self.number();
            }
            3 => return String::new(),
            4 => {
                return format!(
                    "={}",
                    self.pick(&["", ".org", "mx.example.org", "MX", "a..b", "."])
                );
            }
            5 => {
                return format!(
                    "{}@{}",
                    self.pick(&["joe", "", "a@b", "x=y"]),
                    numbers.join(".")
                );
            }
            6 => {
                let letter = |_| char::from(b"0123.-=@ \t#ax*/"[self.below(15)]);
                return (0..8).map(letter).collect();
            }
            _ => {}
        }
        numbers.join(".") + self.pick(&["", "", "."])
    }

    fn line(&mut self) -> String {
        if self.below(12) == 0 {
            return self
                .pick(&["", "#", "#x:deny", " # x", "  ", "\t", "\r", "no colon"])
                .into();
        }
        let mut line = self.address() + self.pick(&[":deny", ":allow"]);
        for _ in 0..self.below(4).saturating_sub(1) {
            let delimiter = self.pick(&["\"", "'", "/", "=", ",", " ", "x"]);
            let value = self
                .pick(&["", "1", "a:b", "# c", "\t\r", "two words"])
                .replace(delimiter, "");
            let name = self.pick(&["A", "RELAYCLIENT", "", " A", "a,b"]);
            line += &format!(",{name}={delimiter}{value}{delimiter}");
        }
        line + self.pick(&["", "", "", " ", "\t "])
    }

    fn text(&mut self) -> String {
        let lines = self.below(30);
        let mut lines: Vec<String> = (0..lines).map(|_| self.line()).collect();
        if self.below(3) == 0 && !lines.is_empty() {
            let at = self.below(lines.len());
            let place = self.below(lines[at].len() + 1);
            lines[at].insert_str(place, self.pick(&[",", "=", ":", "\"", " ", "-", ".", "d"]));
        }
        lines.join("\n") + self.pick(&["\n", "\n", ""])
    }
}

fn random_texts(seed: u64, count: u64) {
    for number in 0..count {
        let text = Random(seed + number).text();
        same(|side| (text.clone(), outcome(side, text.as_bytes())));
    }
}

#[test]
fn random_texts_give_what_the_original_gives() {
    random_texts(1, 150);
}

#[test]
fn soak_many_random_texts_give_what_the_original_gives() {
    if soak() {
        random_texts(1_000_000, 5000);
    }
}

#[test]
fn soak_a_million_rules_make_the_originals_bytes() {
    if !soak() {
        return;
    }
    let mut text = String::new();
    for number in 0..1_000_000 {
        let (a, b, c) = (number / 65_536, number / 256 % 256, number % 256);
        text += &format!(
            "10.{a}.{b}.{c}:{}\n",
            if number % 3 == 0 {
                "allow,RELAYCLIENT=\"\""
            } else {
                "deny"
            }
        );
    }
    same_cdb(text.as_bytes());
}

#[test]
fn ours_tells_every_line_that_cannot_be_parsed_with_its_number_and_the_place() {
    let place = Place::new();
    let text = "1.2.3.4:deny\n1.2.3.4:denyx  \n\n# fine\n10.:allow,A\n1.2.3.4-host:deny\n";
    let done = place.compile(Side::Ours, text);
    assert_eq!(done.code, Some(100));
    assert_eq!(
        done.err(),
        "tcprules: fatal: unable to parse this line: 1.2.3.4:denyx\n\
         tcprules: line 2, column 13: after the action only a comma or the end of the line may come\n\
         tcprules: fatal: unable to parse this line: 10.:allow,A\n\
         tcprules: line 5, column 12: a variable needs = after its name\n\
         tcprules: fatal: unable to parse this line: 1.2.3.4-host:deny\n\
         tcprules: line 6, column 9: a hyphen means a range of numbers, and this is none (a host name \
         begins with =)\n"
    );
}

#[test]
fn ours_refuses_a_nul_which_the_original_lets_split_a_rule() {
    let text = b"1.2.3.4:allow,A=\"x\0D\0\"\n";
    let place = Place::new();
    let done = place.compile(Side::Ours, text);
    assert_eq!(done.code, Some(100));
    assert_eq!(
        done.err(),
        "tcprules: fatal: unable to parse this line: 1.2.3.4:allow,A=\"x\n\
         tcprules: line 1, column 19: a NUL byte, which would split the rule in two\n"
    );
    assert_eq!(place.names(), [""; 0]);
    for text in [&b"# \0\n"[..], b"\0", b"\n\0\n", b"1.2.3.4:deny\0\n"] {
        assert_eq!(place.compile(Side::Ours, text).code, Some(100), "{text:?}");
    }
}

#[test]
fn ours_warns_of_what_the_original_swallows() {
    let one = |line: &str| {
        let mut warnings = warnings(&format!("\n{line}\n9.9.9.9:allow\n"));
        assert_eq!(warnings.len(), 1, "{line:?}: {warnings:?}");
        warnings.pop().unwrap()
    };
    let dead = "line 2: the rule matches no client: ";
    assert_eq!(
        one("1.2.3.4 deny"),
        "line 2: no colon, so this is no rule and decides nothing"
    );
    assert_eq!(
        one("7.7.7.9-3:deny"),
        "line 2: the range ends before it begins: the rule matches no client"
    );
    assert_eq!(
        one("7.7.7.256-260:deny"),
        "line 2: the range begins above 255: the rule matches no client"
    );
    assert_eq!(
        one("7.7.7.9-260:deny"),
        "line 2: the range ends above 255 and is cut there"
    );
    assert_eq!(
        one("7.7.7.-9:deny"),
        "line 2: a number is missing in the range and counts as 0"
    );
    assert_eq!(
        one("10:deny"),
        format!("{dead}a part of an address needs a dot at its end (1.2. for all of 1.2)")
    );
    assert_eq!(
        one(" 1.2.3.4:deny"),
        format!("{dead}the address has a blank in it")
    );
    assert_eq!(
        one("=Mail.Example.ORG:deny"),
        format!("{dead}host names are compared in lower case")
    );
    assert_eq!(
        one("joe@1.2.3.:deny"),
        format!("{dead}before @ goes with a whole address or = and a whole host name only")
    );
    assert_eq!(
        one("10.0.0.0/8:deny"),
        format!("{dead}networks are written with a dot at the end (10. for 10.0.0.0/8)")
    );
    assert_eq!(
        one("1.2.3.400:deny"),
        format!("{dead}a number is above 255")
    );
    assert_eq!(
        one(":allow, A=\"x\"").split_once(": ").unwrap().1,
        "the name of a variable is empty or has a blank, a quote or a comma in it"
    );
}

#[test]
fn trap_10_ours_warns_of_a_rule_that_an_earlier_line_shadows() {
    assert_eq!(
        warnings("1.2.3.7:deny\n1.2.3.9:deny\n1.2.3.5-17:allow\n1.2.3.7:allow\n"),
        [
            "line 3: 2 addresses of this range stand in earlier lines, which decide: the first in line 1",
            "line 4: line 1 has the same address and decides: this rule does not",
        ]
    );
}

#[test]
fn ours_says_when_there_is_no_rule_at_all() {
    assert_eq!(
        warnings("# nothing\n"),
        ["no rule in the input: every client is allowed"]
    );
}

#[test]
fn ours_says_nothing_about_rules_that_are_as_they_should_be() {
    let text = "# comment\n\n127.:allow,RELAYCLIENT=\"\"\n192.168.1.5-17:allow\n=.example.org:allow\n\
                joe@10.1.2.3:deny\n10.1-2.:deny\n=:allow\n:deny,DIEMSG='no, sorry'\n";
    assert_eq!(warnings(text), [""; 0]);
}

#[test]
fn check_reads_the_rules_and_writes_no_file() {
    let place = Place::new();
    let check = |text: &str| {
        let done = Run::new(bin("superd-rules"))
            .dir(place.0.path())
            .arg("--check")
            .input(text)
            .done();
        (done.code, done.out(), done.err())
    };
    assert_eq!(
        check("1.2.3.4:deny\n"),
        (Some(0), String::new(), String::new())
    );
    let (code, _, err) = check("1.2.3.4:deny\n10:deny\n1.2.3.4:deny\nx:y\n");
    assert_eq!(code, Some(100));
    let starts = [
        "superd-rules: warning: line 2: ",
        "superd-rules: fatal: unable to parse this line: x:y",
        "superd-rules: line 4, column 3: ",
        "superd-rules: warning: line 3: line 1 has the same address",
    ];
    let lines: Vec<&str> = err.lines().collect();
    assert_eq!(lines.len(), starts.len(), "{err}");
    for (line, start) in lines.iter().zip(starts) {
        assert!(line.starts_with(start), "{err}");
    }
    assert_eq!(check("10:deny\n").0, Some(0), "warnings are no failure");
    assert_eq!(place.names(), [""; 0]);
}
