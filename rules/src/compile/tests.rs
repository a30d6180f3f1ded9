use std::fs;
use std::path::PathBuf;

use super::*;
use crate::cdb::Cdb;
use crate::lines::LINE_LIMIT;
use crate::lint::Dead;
use crate::record::Verdict;
use crate::search::{Client, decide};
use crate::shadows::Duplicate;

/// Keeps what it is told.
#[derive(Debug, Default, PartialEq, Eq)]
struct Told {
    faults: Vec<(u64, Vec<u8>, FaultKind)>,
    warnings: Vec<(u64, Warning)>,
}

impl Report for Told {
    fn fault(&mut self, line: u64, text: &[u8], fault: Fault) {
        self.faults.push((line, text.to_vec(), fault.kind));
    }

    fn warning(&mut self, line: u64, warning: Warning) {
        self.warnings.push((line, warning));
    }
}

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Place {
        Place(tempfile::tempdir().unwrap())
    }

    fn cdb(&self) -> PathBuf {
        self.0.path().join("cdb")
    }

    fn compile(&self, text: &[u8]) -> (Result<Counts, Failure>, Told) {
        let mut told = Told::default();
        let done = compile(text, &self.cdb(), &self.0.path().join("tmp"), &mut told);
        assert!(
            !self.0.path().join("tmp").exists(),
            "no temporary file is left behind"
        );
        (done, told)
    }
}

fn checked(text: &[u8]) -> (Result<Counts, Failure>, Told) {
    let mut told = Told::default();
    (check(text, &mut told), told)
}

/// The records of the database that a text without faults makes.
fn records(text: &str) -> Vec<(String, String)> {
    let place = Place::new();
    place.compile(text.as_bytes()).0.unwrap();
    let cdb = Cdb::open_path(&place.cdb()).unwrap();
    let mut records = Vec::new();
    let string = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    cdb.validate_records(|key, value| records.push((string(key), string(value))))
        .unwrap();
    records
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected
        .iter()
        .map(|(key, value)| ((*key).into(), (*value).into()))
        .collect()
}

#[test]
fn each_rule_is_a_record_in_the_order_of_the_lines() {
    assert_eq!(
        records("# first\n1.2.3.4:deny\n:allow,A=\"1\",B=\"\"\n\n1.2.:allow\n1.2.:deny,C='x'\n"),
        pairs(&[
            ("1.2.3.4", "D\0"),
            ("", "+A=1\0+B=\0"),
            ("1.2.", ""),
            ("1.2.", "D\0+C=x\0")
        ])
    );
}

#[test]
fn a_range_is_a_record_a_number_with_equal_data() {
    assert_eq!(
        records("1.2.3.4-6:deny,A=\"x\"\n7.7.7.9-3:deny\n"),
        pairs(&[
            ("1.2.3.4", "D\0+A=x\0"),
            ("1.2.3.5", "D\0+A=x\0"),
            ("1.2.3.6", "D\0+A=x\0")
        ])
    );
}

#[test]
fn a_text_without_rules_makes_a_database_that_allows_all() {
    for text in ["", "\n\n", "# nothing", "no colon\n"] {
        let place = Place::new();
        let (done, _) = place.compile(text.as_bytes());
        assert_eq!(done.unwrap().records, 0);
        assert_eq!(fs::metadata(place.cdb()).unwrap().len(), 2048);
        let cdb = Cdb::open_path(&place.cdb()).unwrap();
        let client = Client {
            ip: b"1.2.3.4",
            host: None,
            info: None,
        };
        let decision = decide(&client, |key| cdb.get(key)).unwrap();
        assert_eq!(
            (decision.key.is_none(), decision.verdict()),
            (true, Verdict::Allow)
        );
    }
}

#[test]
fn the_first_of_two_rules_for_one_address_decides() {
    let place = Place::new();
    place
        .compile(b"1.2.3.5-17:deny\n1.2.3.7:allow\n1.2.3.:allow,A=\"x\"\n")
        .0
        .unwrap();
    let cdb = Cdb::open_path(&place.cdb()).unwrap();
    let ask = |ip: &str| {
        let client = Client {
            ip: ip.as_bytes(),
            host: None,
            info: None,
        };
        decide(&client, |key| cdb.get(key)).unwrap()
    };
    assert_eq!(ask("1.2.3.7").verdict(), Verdict::Deny);
    assert_eq!(ask("1.2.3.18").key.as_deref(), Some(&b"1.2.3."[..]));
}

#[test]
fn all_faults_of_a_text_are_told_with_their_lines_and_the_old_database_stays() {
    let place = Place::new();
    place.compile(b"1.2.3.4:deny\n").0.unwrap();
    let before = fs::read(place.cdb()).unwrap();
    let (done, told) =
        place.compile(b"ok:allow\n1.2.3.4:denyx\n\n# c\nhost-name:deny\n:allow,A=\n");
    assert!(matches!(done, Err(Failure::Faults)));
    let expected: Vec<(u64, Vec<u8>, FaultKind)> = vec![
        (2, b"1.2.3.4:denyx".into(), FaultKind::AfterAction),
        (5, b"host-name:deny".into(), FaultKind::RangeNumber),
        (6, b":allow,A=".into(), FaultKind::NoValue),
    ];
    assert_eq!(told.faults, expected);
    assert_eq!(fs::read(place.cdb()).unwrap(), before);
}

#[test]
fn a_failing_first_run_leaves_no_file_at_all() {
    let place = Place::new();
    assert!(place.compile(b"x").0.is_ok());
    fs::remove_file(place.cdb()).unwrap();
    assert!(matches!(place.compile(b"x:y").0, Err(Failure::Faults)));
    assert_eq!(fs::read_dir(place.0.path()).unwrap().count(), 0);
}

#[test]
fn a_nul_is_a_fault_wherever_it_stands() {
    let (done, told) = checked(b"1.2.3.4:allow,A=\"x\0D\0\"\n# \0\n\0\nfine:allow\n");
    assert!(matches!(done, Err(Failure::Faults)));
    let lines: Vec<_> = told
        .faults
        .iter()
        .map(|(line, _, kind)| (*line, *kind))
        .collect();
    assert_eq!(
        lines,
        [
            (1, FaultKind::Nul),
            (2, FaultKind::Nul),
            (3, FaultKind::Nul)
        ]
    );
}

#[test]
fn what_is_read_but_means_nothing_is_a_warning_with_its_line() {
    let text =
        b"1.2.3.4:deny\nno colon\n10:deny\n9.9.9.9-3:allow\n1.2.3.3-5:allow\n\n1.2.3.4:allow\n";
    let (done, told) = checked(text);
    assert_eq!(
        done.unwrap(),
        Counts {
            faults: 0,
            records: 6
        }
    );
    assert_eq!(told.faults, []);
    let again = |line, keys| {
        Warning::Duplicate(Duplicate {
            line,
            earlier: 1,
            keys,
        })
    };
    assert_eq!(
        told.warnings,
        [
            (2, Warning::NoColon),
            (3, Warning::Dead(Dead::NoFinalDot)),
            (4, Warning::RangeReversed),
            (5, again(5, 1)),
            (7, again(7, 1)),
        ]
    );
}

#[test]
fn warnings_change_nothing_in_the_database() {
    assert_eq!(
        records("10.0.0.0/8:deny\n10:deny\n =x:allow\n"),
        pairs(&[("10.0.0.0/8", "D\0"), ("10", "D\0"), (" =x", "")])
    );
}

#[test]
fn a_line_of_the_limit_is_compiled_and_one_byte_more_is_a_fault() {
    let place = Place::new();
    let line = |length: usize| {
        let mut line = b":allow,A=\"".to_vec();
        line.resize(length - 1, b'v');
        line.push(b'"');
        line
    };
    place.compile(&line(LINE_LIMIT)).0.unwrap();
    let cdb = Cdb::open_path(&place.cdb()).unwrap();
    assert_eq!(cdb.get(b"").unwrap().unwrap().len(), LINE_LIMIT - 7);
    let (done, told) = place.compile(&line(LINE_LIMIT + 1));
    assert!(matches!(done, Err(Failure::Faults)));
    assert_eq!(told.faults[0].2, FaultKind::TooLong);
}

#[test]
fn a_key_of_nearly_a_whole_line_is_compiled() {
    let place = Place::new();
    let mut line = vec![b'k'; LINE_LIMIT - 5];
    line.extend_from_slice(b":deny");
    place.compile(&line).0.unwrap();
    let cdb = Cdb::open_path(&place.cdb()).unwrap();
    assert_eq!(cdb.get(&line[..LINE_LIMIT - 5]).unwrap().unwrap(), b"D\0");
}

#[test]
fn a_comment_may_be_longer_than_any_line() {
    let mut text = vec![b'#'; 3 * LINE_LIMIT];
    text.extend_from_slice(b"\n1.2.3.4:deny\n");
    let (done, told) = checked(&text);
    assert_eq!(done.unwrap().records, 1);
    assert_eq!(told, Told::default());
    text[2 * LINE_LIMIT] = 0;
    assert_eq!(checked(&text).1.faults[0].2, FaultKind::Nul);
}

#[test]
fn an_input_that_cannot_be_read_to_its_end_changes_nothing() {
    struct Broken(bool);
    impl Read for Broken {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            if std::mem::replace(&mut self.0, true) {
                return Err(io::ErrorKind::IsADirectory.into());
            }
            buffer[..8].copy_from_slice(b":allow\n\n");
            Ok(8)
        }
    }
    let place = Place::new();
    place.compile(b"1.2.3.4:deny\n").0.unwrap();
    let before = fs::read(place.cdb()).unwrap();
    let temporary = place.0.path().join("tmp");
    let done = compile(
        Broken(false),
        &place.cdb(),
        &temporary,
        &mut Told::default(),
    );
    assert!(matches!(done, Err(Failure::Read(_))));
    assert_eq!(fs::read(place.cdb()).unwrap(), before);
    assert!(!temporary.exists());
}

#[test]
fn checking_and_compiling_tell_the_same() {
    let text = b"a:b\n10:deny\n1.2.3.4:deny\n1.2.3.4:deny\nx\n1.2.3.4:deny,\n";
    let place = Place::new();
    let (compiled, checked) = (place.compile(text), checked(text));
    assert!(matches!(
        (compiled.0, checked.0),
        (Err(Failure::Faults), Err(Failure::Faults))
    ));
    assert_eq!(compiled.1, checked.1);
    assert!(!place.cdb().exists());
}

#[test]
fn further_records_stand_behind_those_of_the_text() {
    let place = Place::new();
    let further = [
        (b"1.2.3.4".to_vec(), b"+A=further\0".to_vec()),
        (b"2001:db8::1".to_vec(), b"+B=further\0".to_vec()),
    ];
    let temporary = place.0.path().join("tmp");
    let mut told = Told::default();
    let text = &b"1.2.3.4:allow,A='text'"[..];
    let counts = compile_with(
        text,
        further.clone().into_iter(),
        &place.cdb(),
        &temporary,
        &mut told,
    );
    assert_eq!(counts.unwrap().records, 3);
    let cdb = Cdb::open_path(&place.cdb()).unwrap();
    let first = cdb.get(b"1.2.3.4").unwrap();
    assert_eq!(first.as_deref(), Some(&b"+A=text\0"[..]));
    let other = cdb.get(b"2001:db8::1").unwrap();
    assert_eq!(other.as_deref(), Some(&b"+B=further\0"[..]));

    let wrong = &b"1.:alow"[..];
    let failed = compile_with(
        wrong,
        further.into_iter(),
        &place.cdb(),
        &temporary,
        &mut told,
    );
    assert!(matches!(failed, Err(Failure::Faults)));
    assert!(cdb.get(b"2001:db8::1").unwrap().is_some());
}
