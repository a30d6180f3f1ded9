use super::*;

/// What is told of a home with these files.
fn told(files: &[(&str, &str)]) -> (String, Exit) {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(folder.path().join("control")).expect("made");
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).expect("written");
    }
    let home = Home::at(folder.path().to_owned());
    let mut report = Report::default();
    check_files(&home, false, &mut report);
    let exit = report.exit();
    let root = format!("{}/", folder.path().display());
    (report.text.replace(&root, ""), exit)
}

#[test]
fn good_files_draw_no_line() {
    let good = [
        ("control/me", "mx.test\n"),
        ("control/rcpthosts", "# ours\nhere.test\n.sub.test\n"),
        ("control/locals", "here.test"),
        (
            "control/badmailfrom",
            "@spam.test\na@b.test\n*@*.bad\nx@[192.0.2.1]\n",
        ),
        (
            "control/validrcptto",
            "joe@here.test\n@sub.test\n-x@sub.test\n",
        ),
        ("control/dnsbllist", "zen.test # best\n-b.test:No\n"),
        ("users", "joe:x:5000:5000::/var/vmail/joe:\n"),
    ];
    assert_eq!(told(&good), (String::new(), Exit::OK));
}

#[test]
fn each_entry_that_can_match_nothing_is_told_with_its_line() {
    for (name, line, begin) in [
        ("rcpthosts", "@here.test", "a host is named without @"),
        ("rcpthosts", "*.here.test", "a star means nothing here"),
        ("rcpthosts", "here.test # x", "a blank in a host name"),
        ("rcpthosts", "here.test.", "a dot at the end"),
        ("rcpthosts", "here\0.test", "a control byte"),
        ("locals", ".here.test", "a dot in front means nothing here"),
        (
            "badmailfrom",
            ".*@spam\\.test$",
            "this looks like a regular expression",
        ),
        (
            "badrcptto",
            "!.test",
            "this looks like a regular expression",
        ),
        (
            "badhelo",
            "^localhost$",
            "this looks like a regular expression",
        ),
        ("validrcptto", "*@here.test", "a star means nothing here"),
        ("dnsbllist", "zen.test:", "no list"),
    ] {
        let name = format!("control/{name}");
        let (said, exit) = told(&[(&name, &format!("# x\n{line}\n"))]);
        assert!(said.starts_with(&format!("{name}:2: {begin}")), "{said}");
        assert_eq!(exit, Exit::NO, "{line}");
    }
}

#[test]
fn what_is_perhaps_not_meant_is_a_warning_and_no_fault() {
    for (name, text, expected) in [
        (
            "control/me",
            "a.test\nb.test\n",
            "control/me:2: warning: only the first",
        ),
        (
            "control/rcpthosts",
            "a\r\nb\r\n",
            "control/rcpthosts:1: warning: the line ends in CR LF",
        ),
        (
            "control/badmailfrom",
            "spam.test\n",
            "control/badmailfrom:1: warning: without @",
        ),
        (
            "control/morercpthosts",
            "a\n",
            "control/morercpthosts: warning: it is not read",
        ),
        (
            "users",
            "joe:x:1:1::/a:\nJoe:x:2:2::/b:\n",
            "users:2: warning: a line above has the same name",
        ),
    ] {
        let (said, exit) = told(&[(name, text)]);
        assert!(
            said.starts_with(expected) && said.lines().count() == 1,
            "{said}"
        );
        assert_eq!(exit, Exit::OK, "{said}");
    }
}

#[test]
fn what_cannot_be_read_is_told_before_anything_else_counts() {
    let (said, exit) = told(&[("control/validrcptto.cdb", "no"), ("users", "nonsense\n")]);
    assert!(
        said.contains("control/validrcptto.cdb: protocol error\n"),
        "{said}"
    );
    assert!(said.contains("users:1: "), "{said}");
    assert_eq!(exit, Exit::TEMPORARY);
}

#[test]
fn a_list_that_is_newer_than_its_database_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let home = Home::at(folder.path().to_owned());
    std::fs::create_dir(folder.path().join("control")).expect("made");
    std::fs::write(home.control("morercpthosts"), "a.test\n").expect("written");
    make_cdb::make_cdb(&home, "morercpthosts").expect("made");
    let said = || {
        let mut report = Report::default();
        check_database(&home, "morercpthosts", &mut report);
        report.text
    };
    assert_eq!(said(), "");
    let later = std::time::SystemTime::now() + std::time::Duration::from_secs(60);
    let list = std::fs::File::options()
        .append(true)
        .open(home.control("morercpthosts"));
    list.and_then(|list| list.set_modified(later))
        .expect("newer");
    assert!(said().contains("smtpd --make-cdb morercpthosts puts it in force"));
}

#[test]
fn a_database_of_users_or_aliases_that_is_not_used_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let home = Home::at(folder.path().to_owned());
    std::fs::create_dir(folder.path().join("control")).expect("made");
    std::fs::write(home.aliases(), "a: joe\n").expect("written");
    let said = || {
        let mut report = Report::default();
        check_files(&home, false, &mut report);
        report.text
    };
    assert_eq!(said(), "");
    make_cdb::make_cdb(&home, "aliases").expect("made");
    assert_eq!(said(), "");
    std::fs::write(home.aliases(), "a: ann\n").expect("written");
    let said = said();
    assert!(
        said.contains("/aliases.cdb: warning: it is not used: "),
        "{said}"
    );
    assert!(
        said.ends_with("smtpd --make-cdb aliases makes it anew\n"),
        "{said}"
    );
}

#[test]
fn names_of_programs_that_nobody_has_are_told() {
    let text = "# ours\nnobody\nno-such-user-here \nroot\n";
    let file = "control/systemusers";
    let expected = format!(
        "{file}:3: warning: /etc/passwd has no user of that name\n\
         {file}:4: warning: uid 0 gets no mail and does not log in, named or not\n"
    );
    assert_eq!(told(&[(file, text)]), (expected, Exit::OK));
}
