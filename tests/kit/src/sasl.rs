//! What clients send to log in, made by the system's openssl: not by what is tested.

use crate::Run;

/// Base64, by the system's openssl.
pub fn base64(bytes: impl AsRef<[u8]>) -> String {
    let done = Run::new("openssl")
        .args(["base64", "-A"])
        .input(bytes)
        .done();
    assert_eq!(done.code, Some(0), "{}", done.err());
    done.out()
}

/// The answer of CRAM-MD5 to a line with its challenge.
pub fn cram(line: &str, user: &str, password: &str) -> String {
    let challenge = line.strip_prefix("+ ").expect("a challenge");
    let decoded = Run::new("openssl")
        .args(["base64", "-d", "-A"])
        .input(challenge)
        .done();
    let done = Run::new("openssl")
        .args(["dgst", "-md5", "-hmac", password, "-r"])
        .input(&decoded.stdout)
        .done();
    let digest = done.out().split(' ').next().unwrap().to_owned();
    assert_eq!(digest.len(), 32, "{line} {}", done.err());
    base64(format!("{user} {digest}"))
}

/// The digest that APOP sends.
pub fn apop_digest(greeting: &str, password: &str) -> String {
    let start = greeting.find('<').expect("a challenge");
    let end = greeting.find('>').expect("a challenge");
    let text = format!("{}{password}", &greeting[start..=end]);
    let done = Run::new("openssl").args(["md5", "-r"]).input(text).done();
    assert_eq!(done.code, Some(0), "{}", done.err());
    done.out().split(' ').next().unwrap().to_owned()
}
