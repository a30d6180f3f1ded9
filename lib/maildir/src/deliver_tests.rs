use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::name::Host;

use super::*;

fn names() -> Names {
    Names::new(Host::new(b"here"), 7, os::process::random)
}

/// A Maildir in a folder of its own, which lives as long as the first value.
fn maildir() -> (tempfile::TempDir, Maildir) {
    let folder = tempfile::tempdir().expect("a folder");
    let maildir = Maildir::at(folder.path().join("Maildir"));
    maildir.create().expect("created");
    (folder, maildir)
}

fn stage(maildir: &Maildir, names: &mut Names, text: &[u8]) -> Result<Staged, Error> {
    maildir.stage(names, SystemTime::now, |file| {
        file.write_all(text).map(|()| text.len() as u64)
    })
}

fn files(maildir: &Maildir, part: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(maildir.path().join(part)).expect("readable");
    let mut paths: Vec<_> = entries
        .map(|entry| entry.expect("an entry").path())
        .collect();
    paths.sort();
    paths
}

#[test]
fn a_maildir_is_made_for_its_owner_only_and_making_it_again_does_no_harm() {
    let (folder, maildir) = maildir();
    assert!(maildir.exists());
    for part in ["", "tmp", "new", "cur"] {
        let mode = fs::metadata(maildir.path().join(part))
            .expect("there")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o700, "{part}");
    }
    maildir.create().expect("made again");
    fs::remove_dir(maildir.path().join("cur")).expect("removed");
    assert!(!maildir.exists());
    maildir.create().expect("what is missing is made");
    assert!(maildir.exists());
    drop(folder);
}

#[test]
fn a_maildir_is_not_made_where_its_parent_is_missing() {
    let folder = tempfile::tempdir().expect("a folder");
    let error = Maildir::at(folder.path().join("no/Maildir"))
        .create()
        .expect_err("no parent");
    assert_eq!(error.step, Step::MakeDirectory);
    assert!(
        error
            .to_string()
            .ends_with("no/Maildir: file does not exist"),
        "{error}"
    );
}

#[test]
fn directories_between_a_home_and_its_maildir_are_made() {
    let folder = tempfile::tempdir().expect("a folder");
    for below in ["Maildir", "mail/in", "a/b/c"] {
        let maildir = Maildir::at(folder.path().join(below));
        maildir.create_below(folder.path()).expect("created");
        assert!(maildir.exists(), "{below}");
    }
    let mode = fs::metadata(folder.path().join("a/b"))
        .expect("there")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o700);
    let missing = folder.path().join("none");
    let error = Maildir::at(missing.join("a/b")).create_below(&missing);
    assert_eq!(error.expect_err("no home").path, missing.join("a"));
}

#[test]
fn a_staged_message_is_in_tmp_and_nowhere_else_and_goes_when_dropped() {
    let (_folder, maildir) = maildir();
    let staged = stage(&maildir, &mut names(), b"text\n").expect("staged");
    let tmp = files(&maildir, "tmp");
    assert_eq!(tmp.len(), 1);
    assert_eq!(fs::read(&tmp[0]).expect("readable"), b"text\n");
    let mode = fs::metadata(&tmp[0]).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(files(&maildir, "new").is_empty());
    drop(staged);
    assert!(files(&maildir, "tmp").is_empty());
}

#[test]
fn a_published_message_is_in_new_with_its_size_and_tmp_is_empty() {
    let (_folder, maildir) = maildir();
    let mut names = names();
    let staged = vec![stage(&maildir, &mut names, b"text\n").expect("staged")];
    let delivered = publish_all(staged, &mut names, SystemTime::now).expect("published");
    assert_eq!(files(&maildir, "new"), [delivered[0].path.clone()]);
    assert!(
        delivered[0]
            .path
            .to_str()
            .expect("ASCII")
            .ends_with(".here,S=5")
    );
    assert_eq!(fs::read(&delivered[0].path).expect("readable"), b"text\n");
    assert!(files(&maildir, "tmp").is_empty());
}

#[test]
fn a_failing_write_leaves_no_file() {
    let (_folder, maildir) = maildir();
    let result = maildir.stage(&mut names(), SystemTime::now, |file| {
        file.write_all(b"half")?;
        Err(io::ErrorKind::StorageFull.into())
    });
    assert_eq!(result.expect_err("full").step, Step::Write);
    assert!(files(&maildir, "tmp").is_empty());
}

#[test]
fn when_one_of_several_cannot_be_published_none_is() {
    let (_one, first) = maildir();
    let (_two, second) = maildir();
    let mut names = names();
    let staged = vec![
        stage(&first, &mut names, b"1").expect("staged"),
        stage(&second, &mut names, b"2").expect("staged"),
    ];
    fs::remove_dir(second.path().join("new")).expect("removed");
    let error = publish_all(staged, &mut names, SystemTime::now).expect_err("no directory");
    assert_eq!(error.step, Step::Link);
    assert!(files(&first, "new").is_empty());
    assert!(files(&first, "tmp").is_empty());
    assert!(files(&second, "tmp").is_empty());
}

/// No randomness and a clock that stands still for the first two calls, so that two makers of
/// names collide.
static CALLS: AtomicU64 = AtomicU64::new(0);

fn slow_clock() -> SystemTime {
    let calls = CALLS.fetch_add(1, Ordering::Relaxed);
    SystemTime::UNIX_EPOCH + Duration::from_secs(calls / 2)
}

#[test]
fn a_name_that_is_taken_is_not_replaced_and_another_one_is_used() {
    let (_folder, maildir) = maildir();
    let fixed = || Names::new(Host::new(b"here"), 7, |_| Ok(()));
    let (mut one, mut other) = (fixed(), fixed());
    let write = |file: &mut File| file.write_all(b"x").map(|()| 1);
    let first = maildir.stage(&mut one, slow_clock, write).expect("staged");
    let second = maildir
        .stage(&mut other, slow_clock, write)
        .expect("staged");
    assert_eq!(files(&maildir, "tmp").len(), 2);
    let taken = maildir.path().join("new").join(with_size(&first.name, 1));
    fs::write(&taken, b"older").expect("written");
    publish_all(vec![first, second], &mut one, slow_clock).expect("published");
    assert_eq!(files(&maildir, "new").len(), 3);
    assert_eq!(fs::read(&taken).expect("readable"), b"older");
}

#[test]
fn a_sweep_takes_only_what_is_older_than_36_hours() {
    let (_folder, maildir) = maildir();
    let now = SystemTime::now();
    let tmp = maildir.path().join("tmp");
    let name = |second: u32| tmp.join(format!("{second}.M1P2Q3R4.host"));
    for (second, age) in [(1, STALE + Duration::from_secs(1)), (2, STALE)] {
        fs::write(name(second), b"x").expect("written");
        let file = File::options()
            .write(true)
            .open(name(second))
            .expect("there");
        file.set_modified(now - age).expect("set");
    }
    assert_eq!(maildir.sweep(now), 1);
    assert_eq!(files(&maildir, "tmp"), [name(2)]);
}

#[test]
fn a_sweep_leaves_what_was_begun_just_now_whatever_date_it_has() {
    let (_folder, maildir) = maildir();
    let now = SystemTime::now();
    let second = now
        .duration_since(SystemTime::UNIX_EPOCH)
        .expect("a clock")
        .as_secs();
    let path = maildir.path().join(format!("tmp/{second}.M1P2Q3R4.host"));
    fs::write(&path, "text").expect("written");
    age(&path);
    assert_eq!(maildir.sweep(now), 0);
    assert_eq!(maildir.sweep(now + 2 * STALE), 1);
}

fn age(path: &Path) {
    let old = SystemTime::now() - STALE - Duration::from_secs(60);
    let file = File::options().write(true).open(path).expect("open");
    file.set_modified(old).expect("aged");
}

#[test]
fn a_sweep_takes_old_files_of_our_form_and_nothing_through_a_link() {
    let folder = tempfile::tempdir().expect("a folder");
    let ann = Maildir::at(folder.path().join("ann"));
    let joe = Maildir::at(folder.path().join("joe"));
    ann.create().expect("made");
    joe.create().expect("made");
    let ours = "1695503121.M823435P12605Q1R3572d272f01d821a.vm";
    for (maildir, part, name) in [
        (&ann, "cur", ours),
        (&joe, "tmp", ours),
        (&joe, "tmp", "1695503121.12605.vm"),
    ] {
        let path = maildir.path().join(part).join(name);
        fs::write(&path, "text").expect("written");
        age(&path);
    }
    assert_eq!(joe.sweep(SystemTime::now()), 1);
    assert!(
        joe.path().join("tmp/1695503121.12605.vm").exists(),
        "somebody else's form"
    );
    fs::remove_dir_all(joe.path().join("tmp")).expect("removed");
    std::os::unix::fs::symlink(ann.path().join("cur"), joe.path().join("tmp")).expect("a link");
    assert_eq!(joe.sweep(SystemTime::now()), 0);
    assert!(ann.path().join("cur").join(ours).exists());
}

#[test]
fn a_maildir_with_a_link_in_it_or_another_owner_is_not_the_users() {
    use std::os::unix::fs::MetadataExt;
    let folder = tempfile::tempdir().expect("a folder");
    let uid = fs::metadata(folder.path()).expect("there").uid();
    let maildir = Maildir::at(folder.path().join("joe"));
    maildir.create().expect("made");
    assert_eq!(maildir.belongs_to(uid), Ok(()));
    assert_eq!(maildir.belongs_to(uid + 1), Err(maildir.path().to_owned()));
    let tmp = maildir.path().join("tmp");
    fs::rename(&tmp, folder.path().join("elsewhere")).expect("moved");
    std::os::unix::fs::symlink(folder.path().join("elsewhere"), &tmp).expect("a link");
    assert_eq!(maildir.belongs_to(uid), Err(tmp));
}
