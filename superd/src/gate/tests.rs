use super::*;
use rules::compile::{Report, compile};

/// A directory with a rules file, and ways to change it.
struct Rules {
    dir: tempfile::TempDir,
}

struct Silent;

impl Report for Silent {
    fn fault(&mut self, line: u64, _: &[u8], _: rules::text::Fault) {
        panic!("line {line}");
    }

    fn warning(&mut self, _: u64, _: rules::lint::Warning) {}
}

impl Rules {
    fn new(text: &str) -> Rules {
        let rules = Rules {
            dir: tempfile::tempdir().expect("a folder"),
        };
        rules.replace(text);
        rules
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("rules.cdb")
    }

    /// Renames what `text` compiles to into place.
    fn replace(&self, text: &str) {
        compile(
            text.as_bytes(),
            &self.path(),
            &self.dir.path().join("tmp"),
            &mut Silent,
        )
        .expect("compiled");
    }

    /// The bytes of the file.
    fn bytes(&self) -> Vec<u8> {
        std::fs::read(self.path()).expect("there")
    }

    /// Writes into the file that is there, as `cp` does.
    fn overwrite(&self, bytes: &[u8]) {
        std::fs::write(self.path(), bytes).expect("written");
    }

    /// Puts something else in the file's place.
    fn put(&self, bytes: &[u8]) {
        let new = self.dir.path().join("new");
        std::fs::write(&new, bytes).expect("written");
        std::fs::rename(new, self.path()).expect("renamed");
    }

    fn gate(&self) -> Gate {
        Gate::new(self.path(), false)
    }
}

fn ask(gate: &mut Gate) -> Judgement {
    gate.judge(&Client {
        ip: b"192.0.2.7",
        host: None,
        info: None,
    })
    .0
}

fn allowed() -> Judgement {
    Judgement::Allow(Vec::new())
}

fn unreadable_for(reason: &str) -> Judgement {
    Judgement::Unreadable(reason.to_owned())
}

#[test]
fn new_rules_that_are_renamed_into_place_count_for_the_next_client() {
    let rules = Rules::new(":deny\n");
    let mut gate = rules.gate();
    assert_eq!(ask(&mut gate), Judgement::Deny);
    rules.replace(":allow\n");
    assert_eq!(ask(&mut gate), allowed());
}

#[test]
fn a_broken_file_that_is_renamed_into_place_leaves_the_old_rules_in_force_and_is_told_once() {
    let rules = Rules::new(":deny\n");
    let mut gate = rules.gate();
    assert_eq!(ask(&mut gate), Judgement::Deny);
    rules.put(b"this is no database");
    let client = Client {
        ip: b"192.0.2.7",
        host: None,
        info: None,
    };
    let (judgement, complaint) = gate.judge(&client);
    assert_eq!(judgement, Judgement::Deny);
    let complaint = complaint.expect("a complaint");
    assert!(
        complaint.contains("protocol error; the rules read before stay"),
        "{complaint}"
    );
    assert_eq!(gate.judge(&client), (Judgement::Deny, None));
    rules.replace(":allow\n");
    assert_eq!(ask(&mut gate), allowed());
}

#[test]
fn a_broken_file_that_is_written_over_the_old_one_lets_nobody_in() {
    let rules = Rules::new(":deny\n");
    let good = rules.bytes();
    let mut gate = rules.gate();
    assert_eq!(ask(&mut gate), Judgement::Deny);
    for broken in [
        vec![0xff; good.len()],
        vec![0; good.len()],
        good[..good.len() - 3].to_vec(),
    ] {
        rules.overwrite(&broken);
        assert_eq!(ask(&mut gate), unreadable_for("protocol error"));
        assert_eq!(
            ask(&mut gate),
            unreadable_for("protocol error"),
            "and again"
        );
    }
    rules.overwrite(b"");
    assert_eq!(ask(&mut gate), unreadable_for("invalid argument"));
    rules.overwrite(&good);
    assert_eq!(ask(&mut gate), Judgement::Deny);
}

#[test]
fn a_file_that_is_broken_from_the_start_drops_everybody_until_it_is_repaired() {
    let rules = Rules::new("");
    rules.put(b"x");
    let mut gate = rules.gate();
    assert_eq!(ask(&mut gate), unreadable_for("protocol error"));
    rules.put(b"");
    assert_eq!(ask(&mut gate), unreadable_for("invalid argument"));
    rules.replace(":allow\n");
    assert_eq!(ask(&mut gate), allowed());
}

#[test]
fn a_missing_file_drops_everybody_even_after_good_rules_unless_it_may_be_missing() {
    let rules = Rules::new(":allow\n");
    let mut gate = rules.gate();
    assert_eq!(ask(&mut gate), allowed());
    std::fs::remove_file(rules.path()).expect("removed");
    assert_eq!(ask(&mut gate), unreadable_for("file does not exist"));
    let mut lenient = Gate::new(rules.path(), true);
    assert_eq!(ask(&mut lenient), allowed());
}

#[test]
fn a_directory_or_a_fifo_in_the_files_place_is_as_good_as_a_broken_file() {
    let rules = Rules::new(":deny\n");
    let mut gate = rules.gate();
    assert_eq!(ask(&mut gate), Judgement::Deny);
    std::fs::remove_file(rules.path()).expect("removed");
    std::fs::create_dir(rules.path()).expect("a folder");
    assert_eq!(ask(&mut gate), Judgement::Deny, "the old rules are whole");
    assert_eq!(ask(&mut rules.gate()), unreadable_for("is a directory"));
    std::fs::remove_dir(rules.path()).expect("removed");
    let made = std::process::Command::new("mkfifo")
        .arg(rules.path())
        .status();
    assert!(made.expect("started").success());
    assert_eq!(ask(&mut rules.gate()), unreadable_for("invalid argument"));
}

#[test]
fn trouble_of_the_system_is_not_remembered_as_if_it_were_the_files() {
    let content = io::Error::new(io::ErrorKind::InvalidData, "protocol error");
    assert!(is_content(&content));
    for number in [24, 23, 12, 5, 13] {
        // EMFILE, ENFILE, ENOMEM, EIO, EACCES.
        assert!(
            !is_content(&io::Error::from_raw_os_error(number)),
            "{number}"
        );
    }
}

#[test]
fn variables_of_the_rule_are_handed_on() {
    let rules = Rules::new(":allow,RELAYCLIENT=\"\",A=\"1\"\n");
    let expected = vec![
        (b"RELAYCLIENT".to_vec(), Vec::new()),
        (b"A".to_vec(), b"1".to_vec()),
    ];
    assert_eq!(ask(&mut rules.gate()), Judgement::Allow(expected));
}
