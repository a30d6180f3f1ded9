use std::fs;
use std::time::Duration;

use relay_store::Expiry;

use super::*;

/// A folder with rules, database and store.
struct Place {
    folder: tempfile::TempDir,
    store: Store,
    database: Database,
}

fn place(text: &str, rule: &str) -> Place {
    let folder = tempfile::tempdir().expect("a folder");
    let spool = folder.path().join("spool");
    fs::create_dir(&spool).expect("made");
    let database = Database {
        text: folder.path().join("rules"),
        cdb: folder.path().join("cdb"),
        rule: rule.into(),
    };
    fs::write(&database.text, text).expect("written");
    let store = Store::open(&spool, Expiry::default()).expect("there");
    Place {
        folder,
        store,
        database,
    }
}

const RULE: &str = ":allow,RELAYCLIENT=''";

fn address(text: &str) -> Address {
    Address::from_text(text.as_bytes()).expect("an address")
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

impl Place {
    fn login(&self, ip: &str) -> Result<(), Trouble> {
        self.login_from(ip, "")
    }

    fn login_from(&self, ip: &str, host: &str) -> Result<(), Trouble> {
        let who = Entry {
            host: host.into(),
            ..Entry::default()
        };
        let address = address(ip);
        let recorded = self
            .store
            .record(&address, &who, SystemTime::now())
            .expect("recorded");
        self.database.ensure(
            &self.store,
            &address,
            &who,
            recorded,
            &Exclude::default(),
            soon(),
        )
    }

    fn rebuild(&self, open: &[&str]) -> Result<(), Trouble> {
        let open: Vec<Address> = open.iter().map(|ip| address(ip)).collect();
        self.database
            .rebuild(Some(&self.store), &open, SystemTime::now())
    }

    /// What superd would do with a client: `deny`, or the variables as `A=1 B=2`.
    fn says_to(&self, ip: &str, host: Option<&str>) -> String {
        let cdb = Cdb::open_path(&self.database.cdb).expect("a database");
        let client = client(ip, host.map(str::as_bytes));
        let decision = decide(&client, |key| cdb.get(key)).expect("read");
        if decision.verdict() == Verdict::Deny {
            return "deny".to_owned();
        }
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
        let set = decision
            .variables()
            .map(|(name, value)| format!("{}={}", text(name), text(value)));
        set.collect::<Vec<_>>().join(" ")
    }

    fn says(&self, ip: &str) -> String {
        self.says_to(ip, None)
    }
}

#[test]
fn a_login_is_in_the_database_beside_the_rules_of_the_text() {
    let place = place(
        "10.:allow,RELAYCLIENT='',A='1'\n192.0.2.66:deny\n:allow\n",
        RULE,
    );
    place.login("192.0.2.1").expect("rebuilt");
    place.login("2001:db8::1").expect("rebuilt");
    assert_eq!(place.says("192.0.2.1"), "RELAYCLIENT=");
    assert_eq!(place.says("2001:db8::1"), "RELAYCLIENT=");
    assert_eq!(place.says("192.0.2.2"), "");
    assert_eq!(place.says("192.0.2.66"), "deny");
    assert_eq!(place.says("10.0.0.1"), "RELAYCLIENT= A=1");
}

#[test]
fn a_deny_of_the_text_is_never_overruled() {
    let text =
        "10.:deny\n10.1.:allow\n192.0.2.5:deny\n198.51.100.7-9:deny\n=.evil.test:deny\n:allow\n";
    let place = place(text, RULE);
    for ip in ["10.2.0.1", "10.1.0.1", "192.0.2.5", "198.51.100.8"] {
        place.login(ip).expect("rebuilt");
    }
    place
        .login_from("203.0.113.1", "pc.evil.test")
        .expect("rebuilt");
    place
        .login_from("203.0.113.2", "pc.good.test")
        .expect("rebuilt");
    for ip in ["10.2.0.1", "192.0.2.5", "198.51.100.8"] {
        assert_eq!(place.says(ip), "deny", "{ip}");
    }
    assert_eq!(place.says_to("203.0.113.1", Some("pc.evil.test")), "deny");
    assert_eq!(
        place.says_to("203.0.113.2", Some("pc.good.test")),
        "RELAYCLIENT="
    );
    assert_eq!(place.says("10.1.0.1"), "RELAYCLIENT=");
}

#[test]
fn the_variables_of_the_best_rule_of_the_text_are_kept() {
    let text = "10.:allow,RBLSMTPD='no',A=\"it's\"\n\
                172.16.:allow,RELAYCLIENT='@fixup'\n\
                192.0.2.9:allow,B='own'\n\
                :allow,C='rest'\n";
    let place = place(text, ":allow,RELAYCLIENT='',RBLSMTPD=''");
    for ip in ["10.0.0.1", "172.16.0.1", "192.0.2.9", "192.0.2.1"] {
        place.login(ip).expect("rebuilt");
    }
    assert_eq!(
        place.says("10.0.0.1"),
        "RBLSMTPD=no A=it's RELAYCLIENT= RBLSMTPD="
    );
    assert_eq!(place.says("172.16.0.1"), "RELAYCLIENT=@fixup RBLSMTPD=");
    assert_eq!(place.says("192.0.2.1"), "C=rest RELAYCLIENT= RBLSMTPD=");
    // The text has a rule for this very address, and that is its last word.
    assert_eq!(place.says("192.0.2.9"), "B=own");
}

#[test]
fn a_missing_an_empty_or_a_faulty_text_leaves_the_last_good_database() {
    let place = place("192.0.2.66:deny\n:allow\n", RULE);
    place.login("192.0.2.1").expect("rebuilt");
    let good = fs::read(&place.database.cdb).expect("there");
    for (text, why) in [
        (
            Some(""),
            "there is nothing in it; the database stays as it is",
        ),
        (
            Some(" \n\n"),
            "there is nothing in it; the database stays as it is",
        ),
        (
            Some("10.:alow\n"),
            "line 1, column 5: after the first colon must come allow or deny",
        ),
        (None, "file does not exist; the database stays as it is"),
    ] {
        match text {
            Some(text) => fs::write(&place.database.text, text).expect("written"),
            None => fs::remove_file(&place.database.text).expect("removed"),
        }
        let trouble = place
            .login("192.0.2.2")
            .expect_err("no rebuild")
            .to_string();
        assert!(trouble.contains(why), "{trouble}");
        assert_eq!(fs::read(&place.database.cdb).expect("there"), good);
        let names: Vec<_> = fs::read_dir(place.folder.path()).expect("read").collect();
        assert!(names.len() <= 3, "a temporary file was left");
    }
}

#[test]
fn without_a_text_no_database_comes_to_be() {
    let place = place("", RULE);
    assert!(place.login("192.0.2.1").is_err());
    assert!(!place.database.cdb.exists());
}

#[test]
fn a_text_of_remarks_alone_is_somebodys_will() {
    let place = place("# nobody\n", RULE);
    place.login("192.0.2.1").expect("rebuilt");
    assert_eq!(place.says("192.0.2.1"), "RELAYCLIENT=");
}

#[test]
fn a_last_line_without_its_newline_and_the_first_address_stay_apart() {
    let place = place("192.0.2.66:deny\n10.:allow,A='1'", RULE);
    place.login("192.0.2.1").expect("rebuilt");
    assert_eq!(place.says("10.0.0.1"), "A=1");
    assert_eq!(place.says("192.0.2.1"), "RELAYCLIENT=");
}

#[test]
fn a_rule_that_cannot_be_used_opens_nobody_new_and_closes_who_has_expired() {
    let mut place = place("192.0.2.66:deny\n:allow\n", RULE);
    for ip in ["192.0.2.1", "192.0.2.2", "192.0.2.66"] {
        place.login(ip).expect("rebuilt");
    }
    for wrong in [
        "",
        ":allow,RELAYCLIENT=",
        ":deny",
        "allow",
        ":allow,RELAYCLIENT='",
    ] {
        place.database.rule = wrong.into();
        let trouble = place
            .rebuild(&["192.0.2.2", "192.0.2.3", "192.0.2.66"])
            .expect_err(wrong);
        assert!(matches!(trouble, Trouble::Setting(..)), "{trouble}");
        assert_eq!(place.says("192.0.2.1"), "", "expired");
        assert_eq!(place.says("192.0.2.2"), "RELAYCLIENT=", "was open");
        assert_eq!(place.says("192.0.2.3"), "", "new");
        assert_eq!(place.says("192.0.2.66"), "deny");
    }
}

#[test]
fn the_database_is_not_touched_for_who_is_in_it_or_is_denied() {
    let place = place("10.:deny\n=.evil.test:deny\n:allow\n", RULE);
    place.login("192.0.2.1").expect("rebuilt");
    let inode = || {
        use std::os::unix::fs::MetadataExt;
        fs::metadata(&place.database.cdb).expect("there").ino()
    };
    let before = inode();
    place.login("192.0.2.1").expect("known");
    place.login("10.0.0.1").expect("denied");
    place
        .login_from("203.0.113.1", "pc.evil.test")
        .expect("denied by name");
    assert_eq!(inode(), before);
    place.login("192.0.2.2").expect("rebuilt");
    assert_ne!(inode(), before);
}

#[test]
fn a_lock_that_somebody_holds_is_waited_for_and_not_for_ever() {
    let place = place(":allow\n", RULE);
    let lock = place.store.lock(soon()).expect("locked").expect("free");
    let ip = address("192.0.2.1");
    let start = Instant::now();
    let limit = start + Duration::from_millis(50);
    let trouble = place
        .database
        .ensure(
            &place.store,
            &ip,
            &Entry::default(),
            Recorded::New,
            &Exclude::default(),
            limit,
        )
        .expect_err("locked");
    assert!(matches!(trouble, Trouble::Locked(_)), "{trouble}");
    assert!(start.elapsed() >= Duration::from_millis(50));
    drop(lock);
    place.login("192.0.2.1").expect("rebuilt");
}

#[test]
fn what_is_left_of_an_address_in_the_database_is_not_believed_while_somebody_rebuilds_it() {
    let place = place(":allow\n", RULE);
    place.login("192.0.2.1").expect("rebuilt");
    let _lock = place.store.lock(soon()).expect("locked").expect("free");
    let ensure = |recorded| {
        let ip = address("192.0.2.1");
        let (nobody, none) = (Entry::default(), Exclude::default());
        let now = Instant::now();
        place
            .database
            .ensure(&place.store, &ip, &nobody, recorded, &none, now)
    };
    // It was good all along, so the rebuild knows of it.
    ensure(Recorded::Again).expect("in the database");
    // Its file is new: the rebuild may have begun without it.
    let trouble = ensure(Recorded::New).expect_err("locked");
    assert!(matches!(trouble, Trouble::Locked(_)), "{trouble}");
}

#[test]
fn mode_and_place_of_the_database_stay_what_they_were() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    let place = place(":allow\n", RULE);
    place.login("192.0.2.1").expect("rebuilt");
    let mode = || fs::metadata(&place.database.cdb).expect("there").mode() & 0o777;
    assert_eq!(mode(), 0o644);
    fs::set_permissions(&place.database.cdb, fs::Permissions::from_mode(0o640)).expect("set");
    place.login("192.0.2.2").expect("rebuilt");
    assert_eq!(mode(), 0o640);
}

#[test]
fn a_rule_is_one_that_allows() {
    let set = parse_rule(RULE.as_bytes()).expect("good");
    assert_eq!(set, [(b"RELAYCLIENT".to_vec(), b"".to_vec())]);
    let set = parse_rule(b":allow,RELAYCLIENT='@fixup'").expect("good");
    assert_eq!(set, [(b"RELAYCLIENT".to_vec(), b"@fixup".to_vec())]);
    assert_eq!(parse_rule(b":deny").expect_err("deny"), "it denies");
    for wrong in [
        &b""[..],
        b".5:allow",
        b":allow,RELAYCLIENT",
        b":allow\n:x",
        b":allow,A='\0'",
    ] {
        assert!(parse_rule(wrong).is_err(), "{}", wrong.escape_ascii());
    }
}
