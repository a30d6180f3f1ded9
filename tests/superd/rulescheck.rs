//! superd-rulescheck: what it says about a client, byte for byte what tcprulescheck says.

use std::fs;
use std::path::{Path, PathBuf};

use kit::sides::same;
use kit::{Done, Run, Side, bin, both, cdb, compile, ours, private_dir, soak};

struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    fn new() -> Place {
        Place {
            dir: private_dir(0o755),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A database named `cdb`.
    fn of_bytes(bytes: &[u8]) -> Place {
        let place = Place::new();
        fs::write(place.path("cdb"), bytes).unwrap();
        place
    }

    fn of_rules(text: &str) -> Place {
        let place = Place::new();
        compile(Side::Ours, place.dir.path(), "cdb", text);
        place
    }

    fn ask(&self, side: Side, database: &str, client: &[(&str, &str)]) -> Done {
        ask(side, self.dir.path(), database, client)
    }
}

fn ask(side: Side, dir: &Path, database: &str, client: &[(&str, &str)]) -> Done {
    let program = Run::new(side.program("tcprulescheck"))
        .dir(dir)
        .arg(database);
    client
        .iter()
        .fold(program, |run, (name, value)| run.env(name, value))
        .done()
}

const IP: &str = "TCPREMOTEIP";
const HOST: &str = "TCPREMOTEHOST";
const INFO: &str = "TCPREMOTEINFO";

/// What both say about `client` under the rules `text`; the exit code is 0.
fn says(expected: &str, text: &str, client: &[(&str, &str)]) {
    let place = Place::of_rules(text);
    both((Some(0), expected.to_string(), String::new()), |side| {
        let done = place.ask(side, "cdb", client);
        (done.code, done.out(), done.err())
    });
}

#[test]
fn usage_is_told_and_further_words_and_options_are_none() {
    both(
        (
            Some(100),
            "tcprulescheck: usage: tcprulescheck rules.cdb\n".to_string(),
        ),
        |side| {
            let done = Run::new(side.program("tcprulescheck")).done();
            (done.code, done.err())
        },
    );
    let place = Place::of_rules(":deny\n");
    both((Some(0), "rule :\ndeny connection\n".to_string()), |side| {
        let run = Run::new(side.program("tcprulescheck")).dir(place.dir.path());
        let done = run.args(["cdb", "more", "words"]).done();
        (done.code, done.out())
    });
    both(
        (
            Some(111),
            "tcprulescheck: fatal: unable to read -x: file does not exist\n".to_string(),
        ),
        |side| {
            let done = place.ask(side, "-x", &[]);
            (done.code, done.err())
        },
    );
}

#[test]
fn ours_under_its_own_name_says_so() {
    let run = |args: &[&str]| Run::new(bin("superd-rulescheck")).args(args).done().err();
    assert_eq!(
        run(&[]),
        "superd-rulescheck: usage: superd-rulescheck rules.cdb\n"
    );
    assert_eq!(
        run(&["/nowhere/cdb"]),
        "superd-rulescheck: fatal: unable to read /nowhere/cdb: file does not exist\n"
    );
}

#[test]
fn trap_07_a_rule_with_an_empty_key_and_no_rule_are_told_apart() {
    says("default:\nallow connection\n", "", &[]);
    says(
        "default:\nallow connection\n",
        "1.2.3.4:deny\n",
        &[(IP, "1.2.3.5")],
    );
    says("rule :\nallow connection\n", ":allow\n", &[(IP, "1.2.3.5")]);
    says("rule :\ndeny connection\n", ":deny\n", &[(IP, "1.2.3.5")]);
}

#[test]
fn trap_08_without_an_address_it_is_0_0_0_0() {
    says("rule 0.0.0.0:\ndeny connection\n", "0.0.0.0:deny\n", &[]);
    says("rule 0.0.:\ndeny connection\n", "0.0.:deny\n", &[]);
    says("default:\nallow connection\n", "0.0.:deny\n", &[(IP, "")]);
}

#[test]
fn variables_are_told_in_their_order_before_the_verdict() {
    says(
        "rule 1.2.:\nset environment variable B=2\nset environment variable A=\nallow connection\n",
        "1.2.:allow,B=\"2\",A=\"\"\n",
        &[(IP, "1.2.3.4")],
    );
}

#[test]
fn a_denial_ends_what_is_told() {
    says(
        "rule 1.2.:\ndeny connection\n",
        "1.2.:deny,DIEMSG='x'\n",
        &[(IP, "1.2.3.4")],
    );
}

#[test]
fn unknown_and_empty_are_told_apart() {
    says(
        "rule @1.2.3.4:\ndeny connection\n",
        "@1.2.3.4:deny\n",
        &[(IP, "1.2.3.4"), (INFO, "")],
    );
    says(
        "default:\nallow connection\n",
        "@1.2.3.4:deny\n",
        &[(IP, "1.2.3.4")],
    );
    says("rule =:\ndeny connection\n", "=:deny\n", &[(HOST, "")]);
    says("default:\nallow connection\n", "=:deny\n", &[(INFO, "joe")]);
}

#[test]
fn each_key_in_its_turn_decides_when_those_before_it_are_gone() {
    let keys = [
        "joe@1.2.3.4",
        "joe@=a.b.org",
        "1.2.3.4",
        "=a.b.org",
        "1.2.3.",
        "1.2.",
        "1.",
        "=.b.org",
        "=.org",
        "=",
        "",
    ];
    let client = [(IP, "1.2.3.4"), (HOST, "a.b.org"), (INFO, "joe")];
    for first in 0..keys.len() {
        // Those that are tried last stand first in the file, which must not matter.
        let text: String = keys[first..]
            .iter()
            .rev()
            .map(|key| format!("{key}:deny\n"))
            .collect();
        says(
            &format!("rule {}:\ndeny connection\n", keys[first]),
            &text,
            &client,
        );
    }
}

#[test]
fn records_that_no_compiler_makes_are_read_alike() {
    let data: [&[u8]; 17] = [
        b"",
        b"D",
        b"D\0",
        b"Dxx\0",
        b"\0D\0",
        b"d\0",
        b"+A=1\0",
        b"+A=1",
        b"+A\0",
        b"+\0",
        b"+=\0",
        b"+A=1\0D\0+B=2\0",
        b"D\0+A=1\0",
        b"x\0+A=1\0",
        b"4:12,20\0",
        b"\0\0\0",
        b"+A=\xff\n\0D",
    ];
    for data in data {
        let place = Place::of_bytes(&cdb::make(&[(b"1.2.", data), (b"1.2.", b"D\0")]));
        let done = same(|side| place.ask(side, "cdb", &[(IP, "1.2.3.4")]));
        assert_eq!(done.code, Some(0));
        assert!(
            done.out().starts_with("rule 1.2.:\n"),
            "{data:?}: {}",
            done.out()
        );
    }
}

#[test]
fn long_values_are_told_whole() {
    let value = "v".repeat(100_000);
    let place = Place::of_rules(&format!(":allow,A=\"{value}\"\n"));
    let done = same(|side| place.ask(side, "cdb", &[]));
    assert_eq!(
        done.out(),
        format!("rule :\nset environment variable A={value}\nallow connection\n")
    );
}

#[test]
fn a_file_that_cannot_be_read_is_told_in_the_originals_words() {
    let place = Place::new();
    let header = fs::read(Place::of_rules("").path("cdb")).unwrap();
    fs::write(place.path("empty"), "").unwrap();
    fs::write(place.path("short"), &header[..100]).unwrap();
    fs::write(place.path("garbage"), vec![b'x'; 5000]).unwrap();
    let fifo = Run::new("mkfifo").arg(place.path("fifo")).done();
    assert_eq!(fifo.code, Some(0));
    let expected = [
        ("missing", "file does not exist"),
        ("", "file does not exist"),
        ("empty", "invalid argument"),
        ("short", "protocol error"),
        ("garbage", "protocol error"),
        ("fifo", "invalid argument"),
        ("/dev/null", "invalid argument"),
        ("empty/cdb", "not a directory"),
    ];
    for (name, reason) in expected {
        let told = format!("tcprulescheck: fatal: unable to read {name}: {reason}\n");
        both((Some(111), String::new(), told), |side| {
            let done = place.ask(side, name, &[]);
            (done.code, done.out(), done.err())
        });
    }
}

#[test]
fn ours_takes_a_directory_for_an_unreadable_file_where_the_original_dies() {
    ours(|side| {
        let done = Place::new().ask(side, ".", &[]);
        assert_eq!(done.code, Some(111));
        assert_eq!(
            done.err(),
            "tcprulescheck: fatal: unable to read .: is a directory\n"
        );
    });
}

#[test]
fn ours_refuses_a_damaged_file_from_which_the_original_may_still_answer() {
    let place = Place::of_rules("1.2.3.4:deny\n:allow\n");
    let sound = fs::read(place.path("cdb")).unwrap();
    for length in [sound.len() - 1, sound.len() - 20, 2048, 2047] {
        fs::write(place.path("cdb"), &sound[..length]).unwrap();
        ours(|side| {
            let done = place.ask(side, "cdb", &[(IP, "1.2.3.4")]);
            assert_eq!(done.code, Some(111), "{length}");
            assert_eq!(
                done.err(),
                "tcprulescheck: fatal: unable to read cdb: protocol error\n"
            );
        });
    }
    fs::write(place.path("cdb"), vec![0; 2048]).unwrap();
    assert_eq!(
        ours(|side| place.ask(side, "cdb", &[])).code,
        Some(111),
        "a file of zeros"
    );
}

#[test]
fn an_output_that_nobody_reads_is_no_failure() {
    let place = Place::of_rules(":deny\n");
    for output in [">/dev/full", ">&-"] {
        both(Some(0), |side| {
            let command = format!("\"$1\" cdb {output}");
            let run = Run::new("/bin/sh")
                .dir(place.dir.path())
                .args(["-c", &command, "sh"]);
            run.arg(side.program("tcprulescheck")).done().code
        });
    }
}

/// Clients and rules from a seed, asked of both.
fn random_clients(seed: u64, count: u64) {
    let mut state = seed;
    let mut below = |limit: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        usize::try_from(state >> 33).unwrap() % limit
    };
    const IPS: [&str; 6] = ["1.2.3.4", "1.2.3.5", "1.20.3.4", "10.2.3.4", "1.2.", ""];
    const HOSTS: [&str; 7] = ["a.b.org", "b.org", "A.b.org", ".org", "org", "", "a..org."];
    const INFOS: [&str; 4] = ["joe", "", "a@b", "x=y"];
    const KEYS: [&str; 20] = [
        "1.2.3.4",
        "1.2.3.",
        "1.2.",
        "1.",
        "1",
        "10.",
        "",
        "=",
        "=a.b.org",
        "=.b.org",
        "=.org",
        "=.",
        "=b.org",
        "joe@1.2.3.4",
        "@1.2.3.4",
        "joe@=a.b.org",
        "a@b@1.2.3.4",
        "x=y@=b.org",
        "=.org.",
        "joe@",
    ];
    for _ in 0..count {
        let mut text = String::new();
        for _ in 0..below(9) {
            let action = ["deny", "allow", "allow,A=\"1\"", "deny,B=\"\""][below(4)];
            text += &format!("{}:{action}\n", KEYS[below(KEYS.len())]);
        }
        let place = Place::of_rules(&text);
        for _ in 0..4 {
            let mut client = Vec::new();
            for (name, values) in [(IP, &IPS[..]), (HOST, &HOSTS[..]), (INFO, &INFOS[..])] {
                if below(3) > 0 {
                    client.push((name, values[below(values.len())]));
                }
            }
            same(|side| {
                (
                    text.clone(),
                    client.clone(),
                    place.ask(side, "cdb", &client),
                )
            });
        }
    }
}

#[test]
fn random_clients_are_told_what_the_original_tells_them() {
    random_clients(1, 40);
}

#[test]
fn soak_many_random_clients_are_told_what_the_original_tells_them() {
    if soak() {
        random_clients(2, 2000);
    }
}
