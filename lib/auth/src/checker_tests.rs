use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::Secret;

fn words(words: &[&str]) -> Vec<OsString> {
    words.iter().map(OsString::from).collect()
}

fn checker(name: &str) -> Checker {
    let words = words(&[name, "prog"]);
    Checker::of(&words).expect("one of ours").0
}

#[test]
fn checkers_are_known_by_their_bare_names_and_need_a_program() {
    for name in ["checkpassword", "checkpw", "checkapoppw", "selectcheckpw"] {
        let words = words(&[name, "prog", "a b", "-s"]);
        let (_, rest) = Checker::of(&words).expect("ours");
        assert_eq!(rest, &words[1..]);
        assert!(Checker::of(&words[..1]).is_none());
    }
    for name in ["./checkpw", "/bin/checkpw", "checkpw2", "CHECKPW", ""] {
        assert!(Checker::of(&words(&[name, "prog"])).is_none(), "{name}");
    }
    assert!(Checker::of(&[]).is_none());
}

#[test]
fn check_via_has_a_path_of_its_own() {
    let words = words(&["check-via", "/nonexistent/authd", "prog"]);
    let (checker, rest) = Checker::of(&words).expect("ours");
    assert_eq!(rest, &words[2..]);
    assert!(checker.offers().password && !checker.offers().apop);
    assert!(Checker::of(&words[..2]).is_none());
    assert!(Checker::of(&words[..1]).is_none());
    // Also a digest is asked about: whether it can be verified is known at the other end.
    let attempt = Attempt {
        login: b"joe".to_vec(),
        proof: apop(),
        challenge: CHALLENGE.into(),
    };
    let (checker, _) = Checker::of(&words).expect("ours");
    let verdict = checker.check(&attempt, &Env::default());
    assert!(matches!(verdict, Verdict::Temporary(_)), "{verdict:?}");
}

#[test]
fn each_checker_offers_what_it_can_verify() {
    let offers = |name| {
        let Offers {
            password,
            apop,
            cram,
        } = checker(name).offers();
        (password, apop, cram)
    };
    assert_eq!(offers("checkpassword"), (true, false, false));
    assert_eq!(offers("checkpw"), (true, false, false));
    assert_eq!(offers("checkapoppw"), (false, true, true));
    assert_eq!(offers("selectcheckpw"), (true, true, true));
}

#[test]
fn checkpassword_takes_the_options_of_checkpassword_pam() {
    for (line, service, only_check, program) in [
        (&["-s", "pop3", "prog"][..], Some("pop3"), false, "prog"),
        (&["-spop3", "prog"], Some("pop3"), false, "prog"),
        (
            &["--service", "pop3", "--", "-x"],
            Some("pop3"),
            false,
            "-x",
        ),
        (
            &["--service=pop3", "-e", "prog"],
            Some("pop3"),
            true,
            "prog",
        ),
        (&["--noenv", "prog", "-s"], None, true, "prog"),
    ] {
        let line = words(&[&["checkpassword"], line].concat());
        let (checker, rest) = Checker::of(&line).expect("ours");
        let options = Options {
            service: service.map(OsString::from),
            only_check,
        };
        assert_eq!(checker.kind, Kind::Password(options));
        assert_eq!(rest[0], program);
    }
    for line in [
        &["-s"][..],
        &["-s", "pop3"],
        &["-H", "prog"],
        &["--"],
        &["-e"],
    ] {
        let line = words(&[&["checkpassword"], line].concat());
        assert!(Checker::of(&line).is_none(), "{line:?}");
    }
}

#[test]
fn it_is_known_beforehand_whether_a_checker_names_a_user_to_become() {
    for (line, expected) in [
        (&["checkpassword", "prog"][..], true),
        (&["checkpassword", "-s", "x", "prog"], true),
        (&["checkpw", "prog"], true),
        (&["checkapoppw", "prog"], true),
        (&["selectcheckpw", "prog"], true),
        (&["checkpassword", "-e", "prog"], false),
        (&["check-via", "/x", "prog"], false),
    ] {
        let line_words = words(line);
        let (checker, _) = Checker::of(&line_words).expect("ours");
        assert_eq!(checker.gives_identity(), expected, "{line:?}");
    }
}

/// A home of the mail programs with one account, joe, who is whoever runs this (or uid 7001 under
/// root), with `sekrit` in his password file and `system` as his other password.
struct World {
    folder: tempfile::TempDir,
    uid: u32,
}

const SECRETS: &str = "joe:{PLAIN}system\nlocked:!{PLAIN}x\nodd:{SSHA}x\nhash:$1$saltsalt$wq.RNtiw4px5Yphyu9TAY0\n\
    slow:$2b$31$CCCCCCCCCCCCCCCCCCCCC.v/KBAhBTTU5250/V7Zyi3OTbQe0A9ta\n";

impl World {
    fn new() -> World {
        let folder = tempfile::tempdir().expect("a folder");
        let uid = match os::identity::effective_uid() {
            0 => 7001,
            own => own,
        };
        let gid = os::identity::effective_gid().max(1);
        let world = World { folder, uid };
        let home = world.path("home");
        std::fs::create_dir_all(home.join("Maildir")).expect("made");
        std::fs::create_dir_all(home.join("Maildir-work")).expect("made");
        let names = ["joe", "locked", "odd", "hash", "slow", "none"];
        let line = |name| format!("{name}:x:{uid}:{gid}::{}:/bin/sh\n", home.display());
        let users: String = names.into_iter().map(line).collect();
        std::fs::write(world.path("users"), users).expect("written");
        world.write("users.secret", SECRETS);
        world.write("home/Maildir/.password", "sekrit\n");
        world.write("home/Maildir-work/.password", "worker\n");
        world
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::write(&path, text).expect("written");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("set");
        std::os::unix::fs::chown(&path, Some(self.uid), None).expect("given");
    }

    fn env(&self, more: &[(&str, &str)]) -> Env {
        let mut env: Env = more.iter().copied().collect();
        env.set("SUPERD_HOME", self.folder.path().as_os_str().as_bytes());
        env
    }

    fn check(&self, name: &str, login: &str, proof: Proof, more: &[(&str, &str)]) -> Verdict {
        let attempt = Attempt {
            login: login.into(),
            proof,
            challenge: CHALLENGE.into(),
        };
        checker(name).check(&attempt, &self.env(more))
    }
}

const CHALLENGE: &str = "<1896.697170952@dbc.mtview.ca.us>";

fn password(text: &str) -> Proof {
    Proof::Password(Secret::new(text.as_bytes()))
}

/// Of `sekrit` and the challenge, as md5sum and openssl say.
fn apop() -> Proof {
    Proof::Apop {
        digest: b"1fe071d19a96fc64ba769e1bf18b7f14".to_vec(),
    }
}

fn cram() -> Proof {
    Proof::Cram {
        digest: b"ee8bf212f04c3b38cb0c3deff06c3e6d".to_vec(),
    }
}

#[track_caller]
fn yes(verdict: Verdict) -> Entry {
    match verdict {
        Verdict::Yes(entry) => entry,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn no(verdict: Verdict) -> String {
    match verdict {
        Verdict::No(why) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_password_file_lets_in_by_all_that_proves_its_password() {
    let world = World::new();
    for name in ["checkpw", "selectcheckpw"] {
        yes(world.check(name, "joe", password("sekrit"), &[]));
        for wrong in ["", "Sekrit", "sekrit ", "sekrit\n", "system"] {
            assert_eq!(
                no(world.check(name, "joe", password(wrong), &[])),
                "wrong password"
            );
        }
    }
    for name in ["checkapoppw", "selectcheckpw"] {
        yes(world.check(name, "joe", apop(), &[]));
        yes(world.check(name, "joe", cram(), &[]));
        world.write("home/Maildir/.password", "other\n");
        assert_eq!(no(world.check(name, "joe", apop(), &[])), "wrong password");
        assert_eq!(no(world.check(name, "joe", cram(), &[])), "wrong password");
        world.write("home/Maildir/.password", "sekrit\n");
    }
}

#[test]
fn an_entry_is_the_account_with_its_extension() {
    let world = World::new();
    let entry = yes(world.check("checkpw", "joe-work", password("sekrit"), &[]));
    assert_eq!(entry.user, b"joe");
    assert_eq!(entry.variables, [("EXT", b"work".to_vec())]);
    let identity = entry.identity.expect("somebody");
    assert_eq!(identity.uid, world.uid);
    assert_eq!(identity.home, world.path("home"));
    assert_eq!(
        (identity.groups, identity.shell),
        (vec![], b"/bin/sh".to_vec())
    );
    let entry = yes(world.check("checkpw", "joe", password("sekrit"), &[]));
    assert_eq!(entry.variables, [("EXT", Vec::new())]);
    let entry = yes(world.check("checkpassword", "joe", password("system"), &[]));
    assert!(entry.variables.is_empty());
}

#[test]
fn with_dash_an_extension_has_a_password_of_its_own() {
    let world = World::new();
    let dash = [("DASH", "-")];
    yes(world.check("checkpw", "joe-work", password("worker"), &dash));
    assert_eq!(
        no(world.check("checkpw", "joe-work", password("sekrit"), &dash)),
        "wrong password"
    );
    yes(world.check("checkpw", "joe", password("sekrit"), &dash));
    yes(world.check("checkpw", "joe-", password("sekrit"), &dash));
    let why = no(world.check("checkpw", "joe-play", password("sekrit"), &dash));
    assert!(
        why.ends_with("/home/Maildir-play/.password does not exist"),
        "{why}"
    );
    let why = no(world.check("checkpw", "joe-..", password("sekrit"), &dash));
    assert_eq!(why, "the extension of the name has a slash or .. in it");
}

#[test]
fn a_name_that_is_empty_or_all_hyphens_is_nobody() {
    let world = World::new();
    for name in ["checkpassword", "checkpw"] {
        assert_eq!(
            no(world.check(name, "", password("x"), &[])),
            "the name is empty"
        );
        for login in ["-", "--", "----------", "no--such", "JOE", "joex"] {
            let why = no(world.check(name, login, password("x"), &[]));
            assert_eq!(why, "no such user", "{login}");
        }
    }
}

#[test]
fn an_empty_password_file_lets_nobody_in() {
    let world = World::new();
    for text in ["", "\n", "\nsekrit\n", "{PLAIN}\n"] {
        world.write("home/Maildir/.password", text);
        // MD5 of the challenge alone, which anybody can compute.
        let digest = Proof::Apop {
            digest: b"6d7379174f7df9fb329480e5c47c1f1a".to_vec(),
        };
        for (name, proof) in [
            ("checkpw", password("")),
            ("checkapoppw", digest.clone()),
            ("selectcheckpw", digest),
        ] {
            let why = no(world.check(name, "joe", proof, &[]));
            assert_eq!(why, "the password file is empty or locked", "{text:?}");
        }
    }
}

#[test]
fn a_digest_needs_a_challenge_and_a_password_that_can_be_read() {
    let world = World::new();
    let attempt = Attempt {
        login: b"joe".to_vec(),
        proof: apop(),
        challenge: Vec::new(),
    };
    let verdict = checker("checkapoppw").check(&attempt, &world.env(&[]));
    assert_eq!(no(verdict), "the challenge is empty");
    let short = Proof::Apop {
        digest: b"00".to_vec(),
    };
    let why = no(world.check("checkapoppw", "joe", short, &[]));
    assert_eq!(why, "the digest is not 32 hexadecimal digits");
    world.write(
        "home/Maildir/.password",
        "$1$saltsalt$wq.RNtiw4px5Yphyu9TAY0\n",
    );
    yes(world.check("checkpw", "joe", password("sekrit"), &[]));
    assert_eq!(
        no(world.check("checkpw", "joe", password("sekri"), &[])),
        "wrong password"
    );
    let why = no(world.check("selectcheckpw", "joe", apop(), &[]));
    assert!(why.contains("holds a hash"), "{why}");
}

#[test]
fn a_users_hash_makes_no_more_work_than_it_may() {
    let world = World::new();
    let hash = "$2b$14$CCCCCCCCCCCCCCCCCCCCC.v/KBAhBTTU5250/V7Zyi3OTbQe0A9ta";
    for text in [hash, "{CRYPT}$gy$j9T$x$y"] {
        world.write("home/Maildir/.password", text);
        let verdict = world.check("checkpw", "joe", password("sekrit"), &[]);
        assert!(matches!(verdict, Verdict::Permanent(_)), "{verdict:?}");
    }
}

/// What passwd and superd-passwd make by default.
const USUAL: &str = "y 12 32";

#[test]
fn every_refusal_of_a_password_costs_one_hash_of_the_usual_kind() {
    let world = World::new();
    let worked = |name: &str, login: &str, typed: &str| {
        crate::hash::worked();
        let verdict = world.check(name, login, password(typed), &[("DASH", "-")]);
        (matches!(verdict, Verdict::Yes(_)), crate::hash::worked())
    };
    let once = || (false, vec![USUAL.to_owned()]);
    let made = crate::hash::make(b"sekrit", crate::hash::Method::Yescrypt).expect("a hash");
    let made = String::from_utf8(made.to_vec()).expect("ASCII");
    for name in ["checkpw", "selectcheckpw"] {
        for login in ["nobody", "", "a/b", "joe-play", "joe-..", "root"] {
            assert_eq!(worked(name, login, "x"), once(), "{name} {login:?}");
        }
        for text in ["sekrit\n", "", "{CRYPT}!$1$x", "{CRYPT}$gy$j9T$x$y", &made] {
            world.write("home/Maildir/.password", text);
            assert_eq!(worked(name, "joe", "x"), once(), "{name} {text}");
        }
        assert_eq!(worked(name, "joe", "sekrit"), (true, once().1));
        world.write("home/Maildir/.password", "sekrit\n");
        assert_eq!(worked(name, "joe", "sekrit"), (true, vec![]), "no wait");
        let mode = |mode| {
            let file = world.path("home/Maildir/.password");
            let mode = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(file, mode).expect("set");
        };
        mode(0o644);
        assert_eq!(worked(name, "joe", "x"), once(), "{name}: a wrong mode");
        mode(0o600);
    }
    // The file of secrets has a kind of its own.
    world.write(
        "users.secret",
        "joe:{PLAIN}system\nlocked:!\nhash:$1$saltsalt$wq.RNtiw4px5Yphyu9TAY0\n",
    );
    let once = || (false, vec!["1".to_owned()]);
    for login in ["nobody", "joe", "locked", "hash", "none"] {
        assert_eq!(worked("checkpassword", login, "x"), once(), "{login}");
    }
    assert_eq!(worked("checkpassword", "joe", "system"), (true, vec![]));
    // A digest that is right cannot be told from another by work that neither makes.
    no(world.check("selectcheckpw", "nobody", apop(), &[]));
    assert_eq!(crate::hash::worked(), [""; 0]);
}

#[test]
fn a_proof_that_a_checker_cannot_verify_names_one_that_can() {
    let world = World::new();
    let why = no(world.check("checkpw", "joe", apop(), &[]));
    assert!(why.contains("checkapoppw and selectcheckpw can"), "{why}");
    let why = no(world.check("checkpassword", "joe", cram(), &[]));
    assert!(why.ends_with("selectcheckpw can"), "{why}");
    let why = no(world.check("checkapoppw", "joe", password("sekrit"), &[]));
    assert!(why.contains("checkpw and selectcheckpw"), "{why}");
}

#[test]
fn the_file_of_secrets_decides_for_the_accounts_of_the_users_file() {
    let world = World::new();
    let check =
        |login: &str, typed: &str| world.check("checkpassword", login, password(typed), &[]);
    yes(check("joe", "system"));
    yes(check("hash", "sekrit"));
    assert_eq!(no(check("joe", "sekrit")), "wrong password");
    assert_eq!(no(check("hash", "system")), "wrong password");
    assert_eq!(no(check("joe-x", "system")), "no such user");
    assert_eq!(
        no(check("locked", "x")),
        "the account has no password or is locked"
    );
    let why = no(check("none", "x"));
    assert!(why.starts_with("the account has no line in "), "{why}");
    let verdict = check("odd", "x");
    assert!(
        matches!(&verdict, Verdict::Permanent(why) if why == "users.secret has an unknown scheme: {SSHA}"),
        "{verdict:?}"
    );
    let verdict = check("slow", "x");
    assert!(matches!(verdict, Verdict::Permanent(_)), "{verdict:?}");
    std::fs::remove_file(world.path("users.secret")).expect("removed");
    let verdict = check("joe", "system");
    assert!(
        matches!(&verdict, Verdict::Temporary(why) if why.ends_with("users.secret: file does not exist")),
        "{verdict:?}"
    );
}

#[test]
fn with_noenv_only_the_answer_counts() {
    let world = World::new();
    let line = words(&["checkpassword", "-e", "prog"]);
    let (checker, _) = Checker::of(&line).expect("ours");
    let attempt = Attempt {
        login: b"joe".to_vec(),
        proof: password("system"),
        challenge: Vec::new(),
    };
    let entry = yes(checker.check(&attempt, &world.env(&[])));
    assert_eq!(entry.identity, None);
}

#[test]
fn root_is_refused_whatever_the_password() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut env = Env::default();
    env.set("SUPERD_HOME", folder.path().as_os_str().as_bytes());
    for name in ["checkpassword", "checkpw"] {
        let attempt = Attempt {
            login: b"root".to_vec(),
            proof: password("x"),
            challenge: Vec::new(),
        };
        match checker(name).check(&attempt, &env) {
            Verdict::No(_) => {}
            // Without root's rights there is no telling.
            Verdict::Temporary(_) if os::identity::effective_uid() != 0 => {}
            other => panic!("{other:?}"),
        }
    }
}
