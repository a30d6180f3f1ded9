use std::os::unix::fs::MetadataExt;

use super::*;

/// A home in a folder of its own with these files below it.
fn home(files: &[(&str, &str)]) -> (tempfile::TempDir, Home) {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(folder.path().join("control")).expect("made");
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).expect("written");
    }
    let home = Home::at(folder.path().to_owned());
    (folder, home)
}

fn no_system() -> PathBuf {
    PathBuf::from("/nonexistent/passwd")
}

fn accounts(files: &[(&str, &str)]) -> (tempfile::TempDir, Accounts) {
    let (folder, home) = home(files);
    let locals = vec![b"here.example".to_vec()];
    let accounts = Accounts::open_with(&home, locals, no_system()).expect("opened");
    (folder, accounts)
}

fn paths(accounts: &Accounts, local: &str) -> Vec<String> {
    match accounts.resolve(local.as_bytes()).expect("an answer") {
        Found::Unknown => vec![],
        Found::Mailboxes(list) => list
            .iter()
            .map(|mailbox| mailbox.maildir.display().to_string())
            .collect(),
    }
}

fn fault(accounts: &Accounts, local: &str) -> String {
    accounts
        .resolve(local.as_bytes())
        .expect_err("a fault")
        .to_string()
}

const USERS: (&str, &str) = (
    "users",
    "joe:x:7:7::/v/joe:::\nann:x:7:7::/v/ann::mail:5C\njoe-ext:x:7:7::/v/e::\n",
);

#[test]
fn a_user_has_his_mailbox_in_any_case() {
    let (_folder, accounts) = accounts(&[USERS]);
    assert_eq!(paths(&accounts, "joe"), ["/v/joe/Maildir"]);
    assert_eq!(paths(&accounts, "ANN"), ["/v/ann/mail"]);
    let Found::Mailboxes(list) = accounts.resolve(b"ann").expect("an answer") else {
        panic!("unknown");
    };
    assert_eq!(
        (list[0].uid, list[0].quota.expect("one").messages),
        (7, Some(5))
    );
}

#[test]
fn who_is_not_there_is_unknown() {
    let (_folder, accounts) = accounts(&[USERS]);
    for local in [
        "bob", "jo", "", "-joe", "joe/x", "joe\n", "joe\0", "joe:x", "*",
    ] {
        assert!(paths(&accounts, local).is_empty(), "{local:?}");
    }
}

#[test]
fn a_local_part_of_the_limit_is_looked_up_and_a_longer_one_is_unknown() {
    let (_folder, accounts) = accounts(&[USERS]);
    let longest = format!("joe-{}", "x".repeat(LOCAL_PART_LIMIT - 4));
    assert_eq!(paths(&accounts, &longest).len(), 1);
    assert!(paths(&accounts, &format!("{longest}x")).is_empty());
}

#[test]
fn an_extension_belongs_to_the_longest_user_and_names_a_folder_only_if_that_is_there() {
    let folder = tempfile::tempdir().expect("a folder");
    let joe = folder.path().join("joe/Maildir");
    for sub in [".lists/new", ".a:b/new", ".empty"] {
        std::fs::create_dir_all(joe.join(sub)).expect("made");
    }
    let text = format!(
        "joe:x:7:7::{0}/joe::\njoe-ext:x:7:7::/v/e::\n",
        folder.path().display()
    );
    let (_home, accounts) = accounts(&[("users", text.as_str())]);
    let inbox = joe.display().to_string();
    assert_eq!(paths(&accounts, "joe-lists"), [format!("{inbox}/.lists")]);
    assert_eq!(paths(&accounts, "Joe-LISTS"), [format!("{inbox}/.lists")]);
    assert_eq!(paths(&accounts, "joe-a.b"), [format!("{inbox}/.a:b")]);
    for local in [
        "joe-none",
        "joe-empty",
        "joe-",
        "joe-..",
        "joe-.lists",
        "joe--lists",
    ] {
        assert_eq!(paths(&accounts, local), [inbox.as_str()], "{local}");
    }
    assert_eq!(paths(&accounts, "joe-ext-lists"), ["/v/e/Maildir"]);
}

#[test]
fn an_alias_comes_before_an_account_and_gives_each_mailbox_one_copy() {
    let aliases = "joe: ann\nall: joe, Ann@HERE.example, all2, joe-ext\nall2: joe-ext, ann\n";
    let (_folder, accounts) = accounts(&[USERS, ("aliases", aliases)]);
    assert_eq!(paths(&accounts, "joe"), ["/v/ann/mail"]);
    assert_eq!(paths(&accounts, "ALL"), ["/v/ann/mail", "/v/e/Maildir"]);
}

#[test]
fn an_alias_that_names_itself_means_the_account() {
    let (_folder, accounts) = accounts(&[USERS, ("aliases", "joe: joe, ann\n")]);
    assert_eq!(paths(&accounts, "joe"), ["/v/joe/Maildir", "/v/ann/mail"]);
}

#[test]
fn a_loop_ends_and_is_a_fault_only_if_nobody_is_reached() {
    let aliases = "a: b\nb: a\nc: d, joe\nd: c\n";
    let (_folder, accounts) = accounts(&[USERS, ("aliases", aliases)]);
    assert_eq!(
        fault(&accounts, "a"),
        "unable to expand alias a: it leads only to itself"
    );
    assert_eq!(paths(&accounts, "c"), ["/v/joe/Maildir"]);
}

#[test]
fn the_expansion_is_limited() {
    let many = |count: usize| -> String {
        let names: Vec<String> = (0..count).map(|number| format!("joe-{number}")).collect();
        let (one, other) = names.split_at(count / 2);
        format!("all: {}, two\ntwo: {}\n", one.join(","), other.join(","))
    };
    // The two aliases count, too.
    let most = EXPANSION_LIMIT - 1;
    let (_folder, fits) = accounts(&[USERS, ("aliases", &many(most))]);
    assert_eq!(paths(&fits, "all"), ["/v/joe/Maildir"]);
    let (_folder, over) = accounts(&[USERS, ("aliases", &many(most + 1))]);
    assert_eq!(
        fault(&over, "all"),
        "unable to expand alias all: it has too many targets"
    );
}

#[test]
fn nesting_is_limited() {
    let chain = |depth: usize| {
        let mut aliases = String::new();
        for number in (0..depth).rev() {
            aliases.push_str(&format!("a{number}: a{}\n", number + 1));
        }
        aliases + &format!("a{depth}: joe\n")
    };
    let (_folder, fits) = accounts(&[USERS, ("aliases", &chain(NESTING_LIMIT - 1))]);
    assert_eq!(paths(&fits, "a0"), ["/v/joe/Maildir"]);
    let (_folder, over) = accounts(&[USERS, ("aliases", &chain(NESTING_LIMIT))]);
    assert_eq!(
        fault(&over, "a0"),
        "unable to expand alias a0: its aliases are nested more than 50 deep"
    );
}

#[test]
fn an_alias_to_nobody_or_elsewhere_is_a_fault_and_not_an_unknown_user() {
    let aliases = "x: joe, bob\ny: joe@elsewhere.example\nz: |prog\n";
    let (_folder, accounts) = accounts(&[USERS, ("aliases", aliases)]);
    assert!(fault(&accounts, "x").ends_with("its target bob is nobody here"));
    assert!(fault(&accounts, "y").ends_with("its target joe@elsewhere.example is not local"));
    assert!(fault(&accounts, "z").contains("in line 3 of"));
}

#[test]
fn postmaster_and_abuse_exist() {
    let (_folder, without) = accounts(&[USERS]);
    assert_eq!(paths(&without, "postmaster"), ["/v/joe/Maildir"]);
    assert_eq!(paths(&without, "Abuse"), ["/v/joe/Maildir"]);
    let (_folder, named) = accounts(&[USERS, ("control/admin", "ann\n")]);
    assert_eq!(paths(&named, "POSTMASTER"), ["/v/ann/mail"]);
    let (_folder, alias) =
        accounts(&[USERS, ("control/admin", "ann\n"), ("aliases", "abuse: joe")]);
    assert_eq!(paths(&alias, "abuse"), ["/v/joe/Maildir"]);
    let (_folder, wrong) = accounts(&[USERS, ("control/admin", "bob\n")]);
    assert!(fault(&wrong, "abuse").ends_with("its target bob is nobody here"));
}

#[test]
fn a_postmaster_whom_nobody_is_makes_mail_wait_and_not_bounce() {
    let (_folder, accounts, _) = with_system(&[]);
    for local in ["postmaster", "Abuse"] {
        let error = fault(&accounts, local);
        assert!(error.contains("name a user in "), "{error}");
        assert!(error.ends_with("control/admin"), "{error}");
    }
    let (_folder, accounts, inbox) = with_system(&[("control/admin", "me\n")]);
    assert_eq!(paths(&accounts, "postmaster"), [inbox]);
    let (_folder, accounts, inbox) = with_system(&[("aliases", "postmaster: me\n")]);
    assert_eq!(paths(&accounts, "postmaster"), [inbox]);
    let (_folder, accounts, inbox) = with_system(&[("aliases", "*: me\n")]);
    assert_eq!(paths(&accounts, "abuse"), [inbox]);
}

#[test]
fn who_has_no_quota_of_his_own_has_the_default_one() {
    let users = (
        "users",
        "joe:x:7:7::/v/joe:::\nann:x:7:7::/v/ann:::5C\nbob:x:7:7::/v/bob:::NOQUOTA\n",
    );
    let of = |accounts: &Accounts, local: &str| match accounts.resolve(local.as_bytes()) {
        Ok(Found::Mailboxes(list)) => list[0].quota,
        other => panic!("{other:?}"),
    };
    let quota = |bytes, messages| Some(Quota { bytes, messages });
    let (_folder, without) = accounts(&[users]);
    assert_eq!(of(&without, "joe"), None);
    let (_folder, with) = accounts(&[users, ("control/quota", "1000S\n")]);
    assert_eq!(of(&with, "joe"), quota(Some(1000), None));
    assert_eq!(of(&with, "joe-lists"), quota(Some(1000), None));
    assert_eq!(of(&with, "ann"), quota(None, Some(5)));
    assert_eq!(of(&with, "bob"), None);
    let (_folder, home) = home(&[users, ("control/quota", "1000\n")]);
    let error = Accounts::open_with(&home, vec![], no_system()).expect_err("no quota");
    assert!(
        error
            .to_string()
            .ends_with("not of the form 10000000S,1000C"),
        "{error}"
    );
}

#[test]
fn a_filter_is_everybodys_or_below_each_home() {
    let of = |files: &[(&str, &str)]| {
        let (_folder, accounts) = accounts(files);
        match accounts.resolve(b"joe") {
            Ok(Found::Mailboxes(mut list)) => list.remove(0).filter,
            other => panic!("{other:?}"),
        }
    };
    let filter = |path: &str, of_his_own, seconds| {
        let path = path.into();
        Some(Filter {
            path,
            of_his_own,
            seconds,
        })
    };
    assert_eq!(of(&[USERS]), None);
    let own = ("control/filter", ".mail-filter\n");
    assert_eq!(of(&[USERS, own]), filter("/v/joe/.mail-filter", true, 60));
    let all = ("control/filter", "/usr/bin/filter\n");
    let time = ("control/filtertime", "5\n");
    assert_eq!(of(&[USERS, all, time]), filter("/usr/bin/filter", false, 5));
    for wrong in ["../filter\n", "a/../../b\n", "./a\n"] {
        let (_folder, home) = home(&[USERS, ("control/filter", wrong)]);
        let error = Accounts::open_with(&home, vec![], no_system()).expect_err(wrong);
        assert!(error.to_string().contains("control/filter: "), "{error}");
    }
}

#[test]
fn there_is_a_catch_all_only_if_an_alias_says_so() {
    let (_folder, accounts) = accounts(&[USERS, ("aliases", "*: ann\n")]);
    assert_eq!(paths(&accounts, "whoever"), ["/v/ann/mail"]);
    assert_eq!(paths(&accounts, "joe"), ["/v/joe/Maildir"]);
    assert_eq!(paths(&accounts, "postmaster"), ["/v/joe/Maildir"]);
}

#[test]
fn a_faulty_line_is_a_fault_for_its_user_only() {
    let (_folder, accounts) = accounts(&[("users", "bob:x:0:0::/:\njoe:x:1:1::/v/joe:\n")]);
    assert!(fault(&accounts, "bob").ends_with("users: user id 0 never owns a mailbox"));
    assert_eq!(paths(&accounts, "joe"), ["/v/joe/Maildir"]);
}

#[test]
fn an_unreadable_file_is_a_fault() {
    let (folder, accounts) = accounts(&[USERS]);
    std::fs::create_dir(folder.path().join("aliases")).expect("made");
    assert!(fault(&accounts, "joe").ends_with("aliases: is a directory"));
}

/// A system with `root`, `me` (the user of the test, under a number that is not 0), `low` (a program's
/// account with the home of `me`), `odd`, whose home is somebody else's, and two whose homes are not
/// there: `gone`, and `none`, who has none on purpose.
fn with_system(files: &[(&str, &str)]) -> (tempfile::TempDir, Accounts, String) {
    let (folder, home) = home(files);
    let mine = folder.path().join("me");
    std::fs::create_dir(&mine).expect("made");
    if os::identity::effective_uid() == 0 {
        std::os::unix::fs::chown(&mine, Some(4242), None).expect("root may");
    }
    let uid = std::fs::metadata(&mine).expect("there").uid();
    let next = uid + 1;
    let at = mine.display();
    let passwd = folder.path().join("passwd");
    let text = format!(
        "root:x:0:0::{at}:\nme:x:{uid}:1::{at}:\nodd:x:{next}:1::{at}:\n\
         gone:x:{next}:1::{at}/none:\nnone:x:{next}:1::/nonexistent:\n\
         low:x:5:1::{at}:\nnobody:x:65534:1::{at}:\n"
    );
    std::fs::write(&passwd, text).expect("written");
    let locals = vec![b"here.example".to_vec()];
    let accounts = Accounts::open_with(&home, locals, passwd).expect("opened");
    (folder, accounts, mine.join("Maildir").display().to_string())
}

#[test]
fn without_a_users_file_the_accounts_are_the_systems() {
    let (_folder, accounts, inbox) = with_system(&[]);
    assert_eq!(paths(&accounts, "Me"), [inbox.as_str()]);
    assert_eq!(paths(&accounts, "me-ext-more"), [inbox.as_str()]);
    assert!(paths(&accounts, "stranger").is_empty());
}

#[test]
fn the_superuser_programs_and_who_has_no_home_on_purpose_are_unknown() {
    let (_folder, accounts, _) = with_system(&[]);
    for local in ["root", "root-x", "low", "low-x", "nobody", "none"] {
        assert!(paths(&accounts, local).is_empty(), "{local}");
    }
    let (_folder, accounts, inbox) = with_system(&[("aliases", "*: me\n")]);
    assert_eq!(paths(&accounts, "low"), [inbox]);
}

#[test]
fn a_home_that_is_not_there_or_somebody_elses_makes_mail_wait() {
    let (_folder, accounts, _) = with_system(&[("aliases", "x: me, gone\n")]);
    for local in ["gone", "gone-x", "x"] {
        let error = fault(&accounts, local);
        assert!(error.starts_with("unable to use home /"), "{error}");
        assert!(
            error.ends_with("/me/none of user gone: file does not exist"),
            "{error}"
        );
    }
    let error = fault(&accounts, "odd");
    assert!(
        error.contains("/me of user odd: it belongs to user id "),
        "{error}"
    );
}

#[test]
fn the_administrator_can_name_the_accounts_of_programs() {
    // Where it is named it counts, and what is wrong then is its home, which is that of `me`.
    let waits = |files: &[(&str, &str)], local: &str| {
        let (_folder, accounts, _) = with_system(files);
        match accounts.resolve(local.as_bytes()) {
            Err(error) => error.to_string().contains("/me of user "),
            Ok(found) => {
                assert_eq!(found, Found::Unknown, "{local}");
                false
            }
        }
    };
    assert!(!waits(&[], "low"));
    assert!(!waits(&[("control/uidmin", "6\n")], "low"));
    assert!(waits(&[("control/uidmin", "5\n")], "low"));
    assert!(waits(&[("control/systemusers", "low\nnobody\n")], "low-x"));
    assert!(waits(&[("control/systemusers", "low\nnobody\n")], "nobody"));
    assert!(waits(&[("aliases", "low: low\n")], "low"));
    assert!(waits(&[("aliases", "db: low\n")], "db"));
    assert!(!waits(&[("aliases", "db: low\n")], "low"));
    assert!(waits(&[("control/admin", "low\n")], "postmaster"));
    for named in ["control/systemusers", "control/uidmin"] {
        assert!(!waits(&[(named, "0\n")], "root"));
    }
    let (_folder, accounts, _) = with_system(&[("aliases", "x: root\n")]);
    assert!(fault(&accounts, "x").ends_with("its target root is nobody here"));
    let (_folder, home) = home(&[("control/uidmin", "many\n")]);
    let error = Accounts::open_with(&home, vec![], no_system()).expect_err("no number");
    assert!(
        error
            .to_string()
            .ends_with("control/uidmin: its first line is no number")
    );
}

#[test]
fn with_a_users_file_the_systems_accounts_do_not_count_unless_asked_for() {
    let (_folder, accounts, _) = with_system(&[USERS]);
    assert!(paths(&accounts, "me").is_empty());
    let (_folder, both, inbox) = with_system(&[USERS, ("control/accounts", "users\nsystem\n")]);
    assert_eq!(paths(&both, "me"), [inbox]);
    assert_eq!(paths(&both, "joe"), ["/v/joe/Maildir"]);
    let (_folder, system, _) = with_system(&[USERS, ("control/accounts", "system\n")]);
    assert!(paths(&system, "joe").is_empty());
}

#[test]
fn control_accounts_must_make_sense() {
    let open = |files: &[(&str, &str)]| {
        let (_folder, home) = home(files);
        Accounts::open_with(&home, vec![], no_system())
            .expect_err("refused")
            .to_string()
    };
    let error = open(&[("control/accounts", "users\nldap\n"), USERS]);
    assert!(
        error.ends_with("control/accounts: unknown word ldap"),
        "{error}"
    );
    let error = open(&[("control/accounts", "users\n")]);
    assert!(error.contains("users: "), "{error}");
}
