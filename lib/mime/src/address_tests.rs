use super::*;

/// The list as text: `name|route|local|domain`, `-` for what is missing.
fn read(value: &str) -> Vec<String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let or = |bytes: Option<&Cow<'_, [u8]>>| bytes.map_or("-".to_owned(), |bytes| text(bytes));
    parse(value.as_bytes())
        .iter()
        .map(|address| match address {
            Address::Mailbox(mailbox) => format!(
                "{}|{}|{}|{}",
                or(mailbox.name.as_ref()),
                or(mailbox.route.as_ref()),
                text(&mailbox.local),
                or(mailbox.domain.as_ref())
            ),
            Address::GroupStart(name) => format!("{{{}", text(name)),
            Address::GroupEnd => "}".to_owned(),
        })
        .collect()
}

#[test]
fn the_addresses_of_the_rfc_are_read() {
    assert_eq!(
        read("\"Joe Q. Public\" <john.q.public@example.com>"),
        ["Joe Q. Public|-|john.q.public|example.com"]
    );
    assert_eq!(
        read("Mary Smith <mary@x.test>, jdoe@example.org, Who? <one@y.test>"),
        [
            "Mary Smith|-|mary|x.test",
            "-|-|jdoe|example.org",
            "Who?|-|one|y.test"
        ]
    );
    assert_eq!(
        read("<boss@nil.test>, \"Giant; \\\"Big\\\" Box\" <sysservices@example.net>"),
        [
            "-|-|boss|nil.test",
            "Giant; \"Big\" Box|-|sysservices|example.net"
        ]
    );
    assert_eq!(
        read("A Group:Ed Jones <c@a.test>,joe@where.test,John <jdoe@one.test>;"),
        [
            "{A Group",
            "Ed Jones|-|c|a.test",
            "-|-|joe|where.test",
            "John|-|jdoe|one.test",
            "}"
        ]
    );
    assert_eq!(
        read("Undisclosed recipients:;"),
        ["{Undisclosed recipients", "}"]
    );
}

#[test]
fn comments_and_folding_stand_anywhere() {
    assert_eq!(
        read("Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>"),
        ["Pete|-|pete|silly.test"]
    );
    assert_eq!(
        read(
            "A Group(Some people)\r\n     :Chris Jones <c@(Chris's host.)public.example>,\r\n joe@example.org;"
        ),
        [
            "{A Group",
            "Chris Jones|-|c|public.example",
            "-|-|joe|example.org",
            "}"
        ]
    );
    assert_eq!(
        read("(Empty list)(start)Hidden recipients  :(nobody(that I know))  ;"),
        ["{Hidden recipients", "}"]
    );
    assert_eq!(
        read("Mary\r\n\tSmith\r\n <mary@x.test>"),
        ["Mary Smith|-|mary|x.test"]
    );
}

#[test]
fn obsolete_forms_are_read() {
    assert_eq!(
        read("Joe Q. Public <john.q.public@example.com>"),
        ["Joe Q. Public|-|john.q.public|example.com"]
    );
    assert_eq!(
        read("Mary Smith <@node.test,@ b.test:mary@example.net>, , jdoe@test  . example"),
        [
            "Mary Smith|@node.test,@b.test|mary|example.net",
            "-|-|jdoe|test.example"
        ]
    );
    assert_eq!(
        read("john . doe @ example . com (John Doe)"),
        ["John Doe|-|john.doe|example.com"]
    );
    assert_eq!(read("root (Charlie Root)"), ["Charlie Root|-|root|-"]);
}

#[test]
fn domains_may_be_literals() {
    assert_eq!(
        read("a@[127.0.0.1], b@[IPv6:::1], [List] <c@d>"),
        ["-|-|a|[127.0.0.1]", "-|-|b|[IPv6:::1]", "[List]|-|c|d"]
    );
    let long = format!("a@[{}", "x".repeat(1000));
    assert_eq!(read(&long), [format!("-|-|a|[{}", "x".repeat(1000))]);
}

#[test]
fn local_parts_may_be_quoted() {
    assert_eq!(read("\"a b\\\"@\"@c"), ["-|-|a b\"@|c"]);
    assert_eq!(read("x <\"a,b\".c@d>"), ["x|-|a,b.c|d"]);
}

#[test]
fn an_address_may_be_its_own_name() {
    assert_eq!(
        read("a@b.example <a@b.example>"),
        ["a@b.example|-|a|b.example"]
    );
}

#[test]
fn what_is_missing_is_none() {
    assert_eq!(read("user"), ["-|-|user|-"]);
    assert_eq!(read("user@"), ["-|-|user|-"]);
    assert_eq!(read("@host"), ["-|-||host"]);
    assert_eq!(read("<>"), ["-|-||-"]);
    assert_eq!(read("Name <user>"), ["Name|-|user|-"]);
    assert_eq!(read("\"\" <a@b>"), ["-|-|a|b"]);
    assert_eq!(read(" , ,, "), [""; 0]);
    assert_eq!(read(""), [""; 0]);
}

#[test]
fn broken_lists_lose_no_later_address() {
    let second = "-|-|c|d";
    for (value, first) in [
        ("\"Foo <a@b>, c@d", "Foo|-|a|b"),
        ("(Foo <a@b>, c@d", "Foo|-|a|b"),
        ("Foo) <a@b>>, c@d", "Foo|-|a|b"),
        ("Foo <a@b, c@d", "Foo|-|a|b"),
        ("Foo <a@b>; c@d", "Foo|-|a|b"),
        ("Foo <a@b> c@d", "Foo|-|a|b"),
        ("Foo <a@b> Bar, c@d", "Foo|-|a|b"),
        ("Foo <a@b> (Bar), c@d", "Foo|-|a|b"),
        ("Foo <a@b<, c@d", "Foo|-|a|b"),
        ("Foo a@b c@d", "Foo|-|a|b"),
        ("a@b Bar, c@d", "-|-|a|b"),
        ("a@b\r\n c@d", "-|-|a|b"),
        ("<@ a@b>, c@d", "-|-|@a|b"),
    ] {
        let mut list = read(value);
        list.retain(|entry| entry != "-|-||-");
        assert_eq!(list, [first, second], "{value}");
    }
    assert_eq!(read("g: a@b, c@d"), ["{g", "-|-|a|b", second, "}"]);
    assert_eq!(read("g: h: a@b;, c@d"), ["{g", "h|-|a|b", "}", second]);
}

#[test]
fn encoded_words_and_eight_bit_bytes_stay_as_they_are() {
    assert_eq!(
        read("=?utf-8?q?J=C3=B6rg?= M\u{fc}ller <j\u{f6}rg@m\u{fc}ller.example>"),
        ["=?utf-8?q?J=C3=B6rg?= M\u{fc}ller|-|j\u{f6}rg|m\u{fc}ller.example"]
    );
    let list = parse(b"\xff <\xfe@\xfd>");
    assert!(matches!(&list[..], [Address::Mailbox(mailbox)] if mailbox.local[..] == *b"\xfe"));
}

#[test]
fn a_list_has_a_limit_and_its_groups_end_even_so() {
    assert_eq!(parse("a@b,".repeat(MOST - 1).as_bytes()).len(), MOST - 1);
    assert_eq!(parse("a@b,".repeat(MOST + 1).as_bytes()).len(), MOST - 1);
    let list = parse(format!("g:{}", "a@b,".repeat(MOST)).as_bytes()).len();
    assert_eq!(list, MOST);
    assert_eq!(
        parse("a:;".repeat(MOST).as_bytes()).last(),
        Some(&Address::GroupEnd)
    );
    // Of an entry without an end too.
    assert!(parse("a@b ".repeat(MOST * 2).as_bytes()).len() < MOST);
}

#[test]
fn no_list_takes_more_than_linear_time() {
    for piece in [
        "(", "\"", "<", "<@", "[", "@[", "\\\"(", "a ", "(a", "<@a:", "a:", ";:",
    ] {
        let value = piece.repeat(1 << 15);
        let start = std::time::Instant::now();
        parse(value.as_bytes());
        assert!(start.elapsed().as_secs() < 10, "{piece}");
    }
}
