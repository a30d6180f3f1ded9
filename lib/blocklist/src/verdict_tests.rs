use super::*;
use dns::Trouble;

fn source(way: Way, flags: &str) -> Source {
    Source {
        base: b"list.test".to_vec(),
        way,
        permanent: flags.contains('b'),
        closed: flags.contains('c'),
        message: None,
    }
}

fn list(flags: &str) -> Source {
    source(Way::List, flags)
}

fn anti(flags: &str) -> Source {
    source(Way::Anti, flags)
}

/// A list of A records, with a text of its own.
fn told(flags: &str) -> Source {
    Source {
        message: Some(b"told".to_vec()),
        ..list(flags)
    }
}

fn note() -> Source {
    source(Way::Note, "")
}

fn at(address: &str) -> Option<Outcome> {
    let address = address.parse().expect("an address");
    Some(Ok(Found::Addresses(vec![address])))
}

fn text(text: &[u8]) -> Option<Outcome> {
    Some(Ok(Found::Text(text.to_vec())))
}

fn addresses(count: usize) -> Option<Outcome> {
    let address = "127.0.0.2".parse().expect("an address");
    Some(Ok(Found::Addresses(vec![address; count])))
}

const FAILED: Option<Outcome> = Some(Err(Trouble::TimedOut));

/// The line of the refusal, `serve`, or nothing where it is too early to tell.
fn said(of: &[(Source, Option<Outcome>)]) -> String {
    let (sources, outcomes): (Vec<_>, Vec<_>) = of.iter().cloned().unzip();
    let decision = decide(&sources, &outcomes);
    let record = decision.map_or(Vec::new(), |decision| decision.verdict.to_record());
    String::from_utf8(record).expect("ASCII")
}

#[test]
fn whoever_has_a_text_is_refused_with_it() {
    assert_eq!(said(&[(list(""), text(b"spam"))]), "451 spam");
    assert_eq!(said(&[(list("b"), text(b"spam"))]), "553 spam");
    assert_eq!(said(&[(list("b"), text(b""))]), "serve");
    assert_eq!(said(&[]), "serve");
}

#[test]
fn the_first_source_that_has_the_client_decides() {
    let both = |first: (Source, _), second: (Source, _)| said(&[first, second]);
    let (listed, spared) = ((list(""), text(b"spam")), (anti(""), addresses(1)));
    assert_eq!(both(spared.clone(), listed.clone()), "serve");
    assert_eq!(both(listed.clone(), spared), "451 spam");
    assert_eq!(both((anti(""), addresses(0)), listed.clone()), "451 spam");
    assert_eq!(both((list("b"), text(b"one")), listed.clone()), "553 one");
    assert_eq!(both((list(""), text(b"")), listed), "451 spam");
}

#[test]
fn what_is_behind_the_one_that_decides_is_not_waited_for() {
    assert_eq!(
        said(&[(list(""), text(b"spam")), (list(""), None)]),
        "451 spam"
    );
    assert_eq!(said(&[(list(""), None), (list(""), text(b"spam"))]), "");
    let sources = [list(""), anti(""), list("")];
    let outcomes = [FAILED, addresses(1), None];
    let decision = decide(&sources, &outcomes).expect("decided");
    assert_eq!(decision.counted, 2);
    let outcomes = [text(b""), addresses(0), text(b"")];
    assert_eq!(decide(&sources, &outcomes).expect("decided").counted, 3);
}

#[test]
fn a_source_that_cannot_answer_serves_unless_it_is_closed() {
    for (sources, expected) in [
        (vec![(list(""), FAILED)], "serve"),
        (vec![(list("b"), FAILED)], "serve"),
        (vec![(list("bc"), FAILED)], "451 temporary RBL lookup error"),
        (
            vec![(list(""), FAILED), (list(""), text(b"spam"))],
            "451 spam",
        ),
        (
            vec![(list("c"), FAILED), (list(""), text(b"spam"))],
            "451 temporary RBL lookup error",
        ),
        (vec![(anti(""), FAILED), (list(""), text(b"spam"))], "serve"),
        (
            vec![(anti("c"), FAILED), (list(""), text(b"spam"))],
            "451 spam",
        ),
        (vec![(anti("c"), FAILED)], "serve"),
    ] {
        assert_eq!(said(&sources), expected, "{sources:?}");
    }
}

#[test]
fn nobody_is_refused_for_good_while_there_is_a_doubt() {
    let listed = (list("b"), text(b"spam"));
    assert_eq!(said(&[(list(""), FAILED), listed.clone()]), "451 spam");
    assert_eq!(said(&[(anti("c"), FAILED), listed.clone()]), "451 spam");
    assert_eq!(said(&[listed, (list(""), FAILED)]), "553 spam");
}

#[test]
fn the_variable_lets_in_or_refuses() {
    let said = |value: &[u8]| Verdict::of_variable(value).to_record();
    assert_eq!(said(b""), b"serve");
    assert_eq!(said(b"go away"), b"451 go away");
    assert_eq!(said(b"-go away"), b"553 go away");
    assert_eq!(said(b"-"), b"553 ");
    assert_eq!(said(b"serve"), b"451 serve");
}

#[test]
fn a_text_is_printable_and_has_two_hundred_bytes_at_most() {
    let line = |text: &[u8]| Refusal::new(false, text).line().to_vec();
    assert_eq!(line(b"a\tb\r\n\0\x7f\xe9~ "), b"451 a?b?????~ ");
    for (count, kept) in [(199, 199), (200, 200), (201, 200)] {
        assert_eq!(line(&vec![b'x'; count]).len(), 4 + kept);
    }
}

#[test]
fn only_what_a_verdict_can_be_is_read_as_one() {
    for verdict in [
        Verdict::Serve,
        Verdict::Refuse(Refusal::new(true, b"")),
        Verdict::Refuse(Refusal::new(false, &[b'x'; TEXT_LIMIT])),
    ] {
        assert_eq!(Verdict::from_record(&verdict.to_record()), Some(verdict));
    }
    let long = [b"451 ", &[b'x'; TEXT_LIMIT + 1][..]].concat();
    for record in [
        &b""[..],
        b"serv",
        b"served",
        b"451",
        b"250 x",
        b"451 a\nb",
        b"553 \xff",
        &long,
    ] {
        assert_eq!(Verdict::from_record(record), None, "{record:?}");
    }
}

#[test]
fn a_list_is_asked_for_texts_and_an_anti_list_for_addresses() {
    let address = "192.0.2.71".parse().expect("an address");
    let asked = |source: &Source| {
        let question = source.question(address).expect("a name");
        (question.name.to_text(), question.kind)
    };
    let name = b"71.2.0.192.list.test".to_vec();
    assert_eq!(asked(&list("")), (name.clone(), Kind::Text));
    assert_eq!(asked(&anti("")), (name, Kind::Ipv4));
    let impossible = Source {
        base: vec![b'x'; 64],
        ..list("")
    };
    assert_eq!(impossible.question(address), None);
}

#[test]
fn a_list_with_a_text_of_its_own_is_asked_for_addresses_that_mean_a_listing() {
    let question = told("").question("192.0.2.71".parse().expect("an address"));
    assert_eq!(question.expect("a name").kind, Kind::Ipv4);
    for listed in ["127.0.0.2", "127.1.2.3"] {
        assert_eq!(said(&[(told("b"), at(listed))]), "553 told", "{listed}");
    }
    for other in ["192.0.2.80", "126.0.0.2", "::1"] {
        assert_eq!(said(&[(told("b"), at(other))]), "serve", "{other}");
    }
    assert_eq!(said(&[(told(""), addresses(0))]), "serve");
    assert_eq!(
        said(&[(told("c"), FAILED)]),
        "451 temporary RBL lookup error"
    );
}

#[test]
fn a_list_that_is_only_noted_serves_and_ends_the_search() {
    assert_eq!(said(&[(note(), text(b"spam")), (list(""), None)]), "serve");
    assert_eq!(
        said(&[(note(), text(b"")), (list(""), text(b"x"))]),
        "451 x"
    );
    assert_eq!(said(&[(note(), FAILED), (list("b"), text(b"x"))]), "451 x");
}

#[test]
fn a_refusal_tells_whether_it_is_for_good() {
    assert!(Refusal::new(true, b"x").is_permanent());
    assert!(!Refusal::new(false, b"5").is_permanent());
}
