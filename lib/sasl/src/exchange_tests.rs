use super::*;

fn password(login: &str, password: &str) -> Turn {
    Turn::Done(Credentials::Password {
        login: login.into(),
        password: Zeroizing::new(password.into()),
    })
}

fn plain_of(message: &[u8]) -> Result<Turn, Fault> {
    let text = STANDARD.encode(message);
    Exchange::begin(Mechanism::Plain, Some(text.as_bytes()), b"").map(|(_, turn)| turn)
}

#[test]
fn plain_takes_the_examples_of_its_rfc() {
    let ask = Exchange::begin(Mechanism::Plain, None, b"").expect("begun");
    assert_eq!(ask.1, Turn::Ask(String::new()));
    let turn = plain_of(b"\0tim\0tanstaaftanstaaf").expect("complete");
    assert_eq!(turn, password("tim", "tanstaaftanstaaf"));
}

#[test]
fn plain_acts_for_nobody_else() {
    assert_eq!(plain_of(b"joe\0joe\0pw"), Ok(password("joe", "pw")));
    assert_eq!(plain_of(b"root\0joe\0pw"), Err(Fault::OtherIdentity));
    assert_eq!(
        plain_of(b"Ursel\0Kurt\0xipj3plmq"),
        Err(Fault::OtherIdentity)
    );
}

#[test]
fn plain_has_three_fields_and_the_last_two_hold_something_without_nul() {
    for message in [
        &b""[..],
        b"\0",
        b"\0joe",
        b"\0joe\0",
        b"\0\0pw",
        b"joe\0pw",
        b"\0joe\0p\0w",
        b"\0joe\0pw\0",
    ] {
        assert_eq!(plain_of(message), Err(Fault::Malformed), "{message:?}");
    }
}

#[test]
fn an_equals_sign_is_an_empty_initial_response() {
    let begun = Exchange::begin(Mechanism::Plain, Some(b"="), b"");
    assert_eq!(
        begun.map(|_| ()).expect_err("nothing in it"),
        Fault::Malformed
    );
}

#[test]
fn login_asks_for_name_and_password() {
    let (mut exchange, turn) = Exchange::begin(Mechanism::Login, None, b"").expect("begun");
    assert_eq!(turn, Turn::Ask("VXNlcm5hbWU6".to_owned()));
    let turn = exchange.answer(b"am9l").expect("a name");
    assert_eq!(turn, Turn::Ask("UGFzc3dvcmQ6".to_owned()));
    assert_eq!(exchange.answer(b"cHc="), Ok(password("joe", "pw")));
}

#[test]
fn login_takes_the_name_with_the_command() {
    let (mut exchange, turn) =
        Exchange::begin(Mechanism::Login, Some(b"am9l"), b"").expect("begun");
    assert_eq!(turn, Turn::Ask("UGFzc3dvcmQ6".to_owned()));
    assert_eq!(exchange.answer(b"cHc="), Ok(password("joe", "pw")));
    assert_eq!(exchange.answer(b""), Err(Fault::Malformed));
}

#[test]
fn cram_md5_takes_the_example_of_its_rfc() {
    let challenge = b"<1896.697170952@postoffice.reston.mci.net>";
    let (mut exchange, turn) = Exchange::begin(Mechanism::CramMd5, None, challenge).expect("begun");
    let asked = "PDE4OTYuNjk3MTcwOTUyQHBvc3RvZmZpY2UucmVzdG9uLm1jaS5uZXQ+";
    assert_eq!(turn, Turn::Ask(asked.to_owned()));
    let turn = exchange.answer(b"dGltIGI5MTNhNjAyYzdlZGE3YTQ5NWI0ZTZlNzMzNGQzODkw");
    let Ok(Turn::Done(Credentials::Cram { login, digest })) = turn else {
        panic!("{turn:?}");
    };
    assert_eq!(login, b"tim");
    assert_eq!(digest.as_slice(), b"b913a602c7eda7a495b4e6e7334d3890");
}

#[test]
fn cram_md5_is_a_name_and_32_hexadecimal_digits() {
    let digest = "B913a602c7eda7a495b4e6e7334d3890";
    for (message, good) in [
        (format!("tim {digest}"), true),
        (format!("tim the second {digest}"), true),
        (format!("tim{digest}"), false),
        (format!(" {digest}"), false),
        (format!("tim {}", &digest[1..]), false),
        (format!("tim {digest}0"), false),
        (format!("tim {}g", &digest[1..]), false),
        (format!("tim {digest} "), false),
    ] {
        let (mut exchange, _) = Exchange::begin(Mechanism::CramMd5, None, b"<x>").expect("begun");
        let turn = exchange.answer(STANDARD.encode(&message).as_bytes());
        assert_eq!(turn.is_ok(), good, "{message}");
    }
    let begun = Exchange::begin(Mechanism::CramMd5, Some(b"am9l"), b"<x>");
    assert_eq!(begun.map(|_| ()), Err(Fault::Unexpected));
}

#[test]
fn a_star_cancels_at_every_turn() {
    for mechanism in [Mechanism::Plain, Mechanism::Login, Mechanism::CramMd5] {
        let (mut exchange, _) = Exchange::begin(mechanism, None, b"<x>").expect("begun");
        assert_eq!(exchange.answer(b"*"), Err(Fault::Cancelled));
    }
    let (mut exchange, _) = Exchange::begin(Mechanism::Login, Some(b"am9l"), b"").expect("begun");
    assert_eq!(exchange.answer(b"*"), Err(Fault::Cancelled));
}

#[test]
fn base64_has_one_text_for_each_secret() {
    assert_eq!(decode(b"cHc=").expect("strict").as_slice(), b"pw");
    assert_eq!(decode(b"").expect("empty").as_slice(), b"");
    // Bits behind the end, no padding, too much of it, a space, another alphabet.
    for text in [
        "cHd=", "cHc", "cHc==", "cHc= ", " cHc=", "cH-_", "c", "====", "cHc=cHc=",
    ] {
        assert_eq!(decode(text.as_bytes()), Err(Fault::NotBase64), "{text}");
    }
}

#[test]
fn a_response_of_the_limit_is_taken_and_a_longer_one_is_not() {
    let whole = STANDARD.encode([b'x'; FIELD_LIMIT]);
    assert_eq!(whole.len(), RESPONSE_LIMIT);
    assert_eq!(
        decode(whole.as_bytes()).expect("it fits").len(),
        FIELD_LIMIT
    );
    let more = STANDARD.encode([b'x'; FIELD_LIMIT + 1]);
    assert_eq!(decode(more.as_bytes()), Err(Fault::NotBase64));
}

#[test]
fn credentials_do_not_print_their_secret() {
    let text = format!("{:?}", plain_of(b"\0joe\0sekrit"));
    assert_eq!(text, "Ok(Done(Password(joe)))");
}

#[test]
fn an_exchange_tells_its_mechanism_at_every_turn() {
    for mechanism in [Mechanism::Plain, Mechanism::Login, Mechanism::CramMd5] {
        let (exchange, _) = Exchange::begin(mechanism, None, b"<x>").expect("begun");
        assert_eq!(exchange.mechanism(), mechanism);
    }
    let (exchange, _) = Exchange::begin(Mechanism::Login, Some(b"am9l"), b"").expect("begun");
    assert_eq!(exchange.mechanism(), Mechanism::Login);
    assert_eq!(format!("{exchange:?}"), "Exchange(LOGIN)");
}
