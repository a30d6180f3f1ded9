use super::*;

fn parse_line(words: &[&str]) -> Parsed {
    parse(words.iter().map(OsString::from).collect())
}

fn options(words: &[&str]) -> Options {
    match parse_line(words).outcome {
        Ok(Invocation::Serve(options)) => *options,
        other => panic!("{other:?}"),
    }
}

fn value_error(words: &[&str]) -> String {
    match parse_line(words).outcome {
        Err(Mistake::Value(sentence)) => sentence,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_defaults_are_the_originals() {
    let options = options(&["0", "smtp", "smtpd"]);
    assert_eq!((options.limit, options.backlog), (40, 20));
    assert_eq!(options.ident_timeout, Duration::from_secs(26));
    assert!(options.remote_name && options.ident && !options.paranoid);
    assert!(!options.keep_ip_options && !options.nodelay);
    assert_eq!(options.verbosity, Verbosity::Errors);
    assert_eq!(
        options.place,
        Place::Tcp {
            host: b"0".to_vec(),
            port: "smtp".into()
        }
    );
    assert_eq!(options.program, ["smtpd"]);
}

#[test]
fn a_cluster_with_an_attached_argument_is_read() {
    let options = options(&["-vHRl0", "-xtcp.smtp.cdb", "0", "25", "smtpd", "-v"]);
    assert_eq!(options.verbosity, Verbosity::All);
    assert!(!options.remote_name && !options.ident);
    assert_eq!(options.local_name.as_deref(), Some(&b"0"[..]));
    assert_eq!(options.rules, Some("tcp.smtp.cdb".into()));
    assert_eq!(options.program, ["smtpd", "-v"]);
}

#[test]
fn the_last_of_contrary_options_wins() {
    assert_eq!(
        options(&["-vq", "-Q", "0", "1", "p"]).verbosity,
        Verbosity::Errors
    );
    assert!(options(&["-Hh", "0", "1", "p"]).remote_name);
    assert!(options(&["-dD", "0", "1", "p"]).nodelay);
    assert!(!options(&["-oO", "0", "1", "p"]).keep_ip_options);
    assert_eq!(
        options(&["-xa", "-x", "b", "0", "1", "p"]).rules,
        Some("b".into())
    );
    assert!(options(&["-u", "1", "-U", "0", "1", "p"]).from_environment);
    assert!(!options(&["-U", "-u", "1", "0", "1", "p"]).from_environment);
}

#[test]
fn users_and_groups_are_numbers_or_names() {
    let options = options(&["-u", "qmaild", "-g2108", "0", "1", "p"]);
    assert_eq!(options.user, Some(Who::Name(b"qmaild".to_vec())));
    assert_eq!(options.group, Some(Who::Id(2108)));
}

#[test]
fn numbers_that_are_not_numbers_are_refused_by_name() {
    for (word, value) in [
        ("-c", "3x"),
        ("-c", "0"),
        ("-b", "abc"),
        ("-t", ""),
        ("-c", "-1"),
    ] {
        let sentence = value_error(&[word, value, "0", "1", "p"]);
        assert!(
            sentence.starts_with(word) && sentence.contains(value),
            "{sentence}"
        );
    }
    assert!(value_error(&["-u", "4294967295", "0", "1", "p"]).starts_with("-u"));
    assert!(value_error(&["-g", "", "0", "1", "p"]).starts_with("-g"));
}

#[test]
fn too_few_operands_are_a_matter_for_the_usage_line() {
    for words in [&[][..], &["0"], &["0", "1"], &["unix:/a"], &["-v"]] {
        assert_eq!(parse_line(words).outcome, Err(Mistake::Usage), "{words:?}");
    }
}

#[test]
fn a_place_that_begins_with_unix_stands_alone() {
    let options = options(&[
        "--mode",
        "0660",
        "--owner",
        "root:mail",
        "unix:/run/x",
        "authd",
    ]);
    assert_eq!(options.place, Place::Unix("/run/x".into()));
    assert_eq!(options.socket_mode, Some(0o660));
    let mail = Who::Name(b"mail".to_vec());
    assert_eq!(
        options.socket_owner,
        Some((Who::Name(b"root".to_vec()), Some(mail)))
    );
    assert_eq!(options.program, ["authd"]);
}

#[test]
fn options_that_contradict_the_place_are_refused() {
    assert!(value_error(&["-x", "r", "unix:/a", "p"]).contains("-x"));
    assert!(value_error(&["--mode", "600", "0", "1", "p"]).contains("--mode"));
    assert!(value_error(&["unix:", "p"]).contains("path"));
}

#[test]
fn an_unknown_long_option_is_an_error_and_not_swallowed() {
    let outcome = parse_line(&["--verbose", "0", "1", "p"]).outcome;
    assert_eq!(
        outcome,
        Err(Mistake::Option("illegal option -- verbose".into()))
    );
}

#[test]
fn quiet_is_known_even_where_the_rest_is_wrong() {
    let parsed = parse_line(&["-q", "-Z"]);
    assert_eq!(parsed.verbosity, Verbosity::Quiet);
    assert_eq!(
        parsed.outcome,
        Err(Mistake::Option("illegal option -- Z".into()))
    );
}

#[test]
fn a_banner_of_the_limit_passes_and_one_byte_more_does_not() {
    let long = "x".repeat(BANNER_LIMIT);
    assert_eq!(
        options(&["-B", &long, "0", "1", "p"]).banner.len(),
        BANNER_LIMIT
    );
    assert!(value_error(&["-B", &format!("{long}x"), "0", "1", "p"]).starts_with("-B"));
}

#[test]
fn under_our_own_name_the_usage_has_every_long_option() {
    let usage = long_usage("superd");
    for word in [
        "relay", "exec", "mode", "owner", "help", "version", "libexec", "links",
    ] {
        assert!(usage.contains(&format!("--{word}")), "{word}: {usage}");
    }
    assert_eq!(long_usage("tcpserver"), "");
}

#[test]
fn the_usage_line_is_the_originals_to_the_byte() {
    assert_eq!(
        usage("tcpserver"),
        "tcpserver: usage: tcpserver [ -1UXpPhHrRoOdDqQv ] [ -c limit ] [ -x rules.cdb ] \
         [ -B banner ] [ -g gid ] [ -u uid ] [ -b backlog ] [ -l localname ] [ -t timeout ] \
         host port program\n"
    );
}

#[test]
fn the_questions_about_the_installation_are_answered_without_a_service() {
    assert_eq!(parse_line(&["--libexec"]).outcome, Ok(Invocation::Libexec));
    assert_eq!(
        parse_line(&["--links", "d"]).outcome,
        Ok(Invocation::Links("d".into()))
    );
    assert!(matches!(
        parse_line(&["--links"]).outcome,
        Err(Mistake::Option(_))
    ));
    for words in [
        &["--libexec", "x"][..],
        &["--links", "d", "x"],
        &["--help", "x"],
    ] {
        let outcome = parse_line(words).outcome;
        assert!(matches!(outcome, Err(Mistake::Option(_))), "{words:?}");
    }
}
