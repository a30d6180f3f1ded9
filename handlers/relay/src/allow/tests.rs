use super::*;

#[test]
fn without_the_address_of_a_client_there_is_nothing_to_record() {
    let login = Login {
        user: b"alice",
        how: b"pop",
    };
    for ip in [None, Some(""), Some("localhost"), Some("../1.2.3.4")] {
        let mut env = Env::default();
        if let Some(ip) = ip {
            env.set("TCPREMOTEIP", ip.as_bytes());
        }
        assert_eq!(record(&mut env, login), Err(NoAddress), "{ip:?}");
    }
}

#[test]
fn the_method_is_told_from_the_environment() {
    let of = |pairs: &[(&str, &str)]| how(&pairs.iter().copied().collect());
    assert_eq!(of(&[]), b"pop");
    assert_eq!(of(&[("AUTH", "apop")]), b"apop");
    assert_eq!(of(&[("IMAPLOGINTAG", "a1")]), b"imap");
}

#[test]
fn couriers_chain_is_known_by_its_variables() {
    let of = |pairs: &[(&str, &str)]| is_courier(&pairs.iter().copied().collect());
    assert!(of(&[("AUTHUSER", "/x/authuser"), ("AUTHARGV0", "x")]));
    assert!(!of(&[("AUTHUSER", "/x/authuser")]));
    assert!(!of(&[]));
}
