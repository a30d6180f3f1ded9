use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use super::*;

/// A file of words, each of which is there or not; it counts how often it is gone through.
struct Words(Rc<Cell<usize>>);

impl Fact for () {
    fn bytes(&self) -> usize {
        0
    }
}

impl Book for Words {
    type Fact = ();

    const EXTENDS: bool = false;

    fn scan(
        &self,
        mut text: impl io::BufRead,
        names: &BTreeSet<Vec<u8>>,
        stems: &Stems,
    ) -> io::Result<HashMap<Vec<u8>, ()>> {
        self.0.set(self.0.get() + 1);
        let mut all = Vec::new();
        text.read_to_end(&mut all)?;
        let words = all.split(|&byte| byte == b'\n').map(<[u8]>::to_vec);
        words.clone().for_each(|word| stems.see(&word));
        Ok(words
            .filter(|word| names.contains(word))
            .map(|word| (word, ()))
            .collect())
    }

    fn ask(&self, _: &Database, _: &[u8]) -> io::Result<Option<()>> {
        Ok(None)
    }

    fn has_database(&self) -> bool {
        false
    }
}

fn words(path: &Path) -> (Names<Words>, Rc<Cell<usize>>) {
    let passes = Rc::new(Cell::new(0));
    (Names::new(Words(passes.clone()), path.to_owned()), passes)
}

fn has(names: &mut Names<Words>, name: &[u8]) -> bool {
    names.get(name).expect("readable").is_some()
}

/// A file that was changed long ago.
fn rested(path: &Path, text: &str) {
    std::fs::write(path, text).expect("written");
    std::thread::sleep(Duration::from_millis(2100));
}

#[test]
fn many_names_are_one_pass_and_the_next_question_is_none_until_the_file_changes() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("words");
    rested(&path, "a\nb\n");
    let (mut names, passes) = words(&path);
    names.refresh();
    names
        .learn([&b"a"[..], b"b", b"c"].into_iter())
        .expect("read");
    assert!(has(&mut names, b"a") && has(&mut names, b"b") && !has(&mut names, b"c"));
    names.refresh();
    assert!(has(&mut names, b"a") && !has(&mut names, b"c"));
    assert_eq!(passes.get(), 1);
    // The same size, and moved into place: at once.
    std::fs::write(folder.path().join("new"), "c\nb\n").expect("written");
    std::fs::rename(folder.path().join("new"), &path).expect("moved");
    names.refresh();
    assert!(!has(&mut names, b"a") && has(&mut names, b"c"));
    std::fs::remove_file(&path).expect("removed");
    names.refresh();
    assert!(!has(&mut names, b"c"));
    std::fs::write(&path, "c\n").expect("written");
    names.refresh();
    assert!(has(&mut names, b"c"));
}

#[test]
fn a_file_that_was_changed_a_moment_ago_is_read_for_each_question() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("words");
    std::fs::write(&path, "a\n").expect("written");
    let (mut names, passes) = words(&path);
    for pass in 1..=3 {
        names.refresh();
        assert!(has(&mut names, b"a") && has(&mut names, b"a"));
        assert_eq!(passes.get(), pass);
    }
}

#[test]
fn what_is_read_of_a_new_file_in_the_midst_of_a_question_displaces_the_old_answers() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("words");
    rested(&path, "a\n");
    let (mut names, _) = words(&path);
    assert!(has(&mut names, b"a"));
    std::fs::write(folder.path().join("new"), "b\n").expect("written");
    std::fs::rename(folder.path().join("new"), &path).expect("moved");
    assert!(has(&mut names, b"b"));
    assert!(!has(&mut names, b"a"));
}

#[test]
fn what_is_kept_is_bounded() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("words");
    rested(&path, "a\n");
    let (mut names, passes) = words(&path);
    let long = |number: usize| format!("{number:0250}").into_bytes();
    let (mut most, mut number) = (0, 0);
    while passes.get() < 20 {
        names.refresh();
        let batch: Vec<_> = (number..number + 500).map(long).collect();
        names.learn(batch.iter().map(Vec::as_slice)).expect("read");
        number += 500;
        most = most.max(names.bytes);
    }
    assert!(most > KEPT_BYTES && most < KEPT_BYTES + 500 * 400, "{most}");
    assert!(names.known.len() < 5000);
}

#[test]
fn ever_new_extensions_of_a_name_are_one_pass_where_no_entry_has_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("words");
    rested(&path, "joe\nann-list\n");
    let (mut names, passes) = words(&path);
    for number in 0..500 {
        names.refresh();
        assert!(!has(&mut names, format!("joe-{number}").as_bytes()));
    }
    assert_eq!(passes.get(), 1);
    // Of ann some extensions are entries, so each is looked for.
    assert!(!has(&mut names, b"ann-1") && has(&mut names, b"ann-list"));
    assert_eq!(passes.get(), 3);
    rested(&path, "joe-7\n");
    names.refresh();
    assert!(!has(&mut names, b"joe-8") && has(&mut names, b"joe-7"));
}
