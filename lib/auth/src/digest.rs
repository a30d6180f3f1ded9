//! The digests of APOP and CRAM-MD5.

use md5::{Digest, Md5};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Bytes of a block of MD5.
const BLOCK: usize = 64;

/// Whether `digest`, 32 hexadecimal digits of either case, is MD5 of `challenge` (with its angle
/// brackets) and `secret`: RFC 1939 section 7.
pub fn is_apop(digest: &[u8], challenge: &[u8], secret: &[u8]) -> bool {
    let mut hasher = Md5::new();
    hasher.update(challenge);
    hasher.update(secret);
    is_same(digest, &hasher.finalize().into())
}

/// Whether `digest`, 32 hexadecimal digits of either case, is HMAC-MD5 of `challenge` under
/// `secret`: RFC 2195 section 2.
pub fn is_cram(digest: &[u8], challenge: &[u8], secret: &[u8]) -> bool {
    is_same(digest, &hmac_md5(secret, challenge))
}

/// HMAC-MD5: RFC 2104.
fn hmac_md5(key: &[u8], text: &[u8]) -> [u8; 16] {
    let mut block = Zeroizing::new([0u8; BLOCK]);
    if key.len() > BLOCK {
        block[..16].copy_from_slice(&Md5::digest(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let padded = |pad: u8| Zeroizing::new(block.map(|byte| byte ^ pad));
    let mut inner = Md5::new();
    inner.update(padded(0x36).as_slice());
    inner.update(text);
    let mut outer = Md5::new();
    outer.update(padded(0x5c).as_slice());
    outer.update(inner.finalize());
    outer.finalize().into()
}

/// Compares in time that does not depend on where they differ.
fn is_same(text: &[u8], sum: &[u8; 16]) -> bool {
    from_hex(text).is_some_and(|typed| typed.ct_eq(sum).into())
}

/// Whether `text` could be a digest: 32 hexadecimal digits.
pub fn is_digest(text: &[u8]) -> bool {
    from_hex(text).is_some()
}

fn from_hex(text: &[u8]) -> Option<[u8; 16]> {
    let mut bytes = [0; 16];
    if text.len() != 2 * bytes.len() {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(text.chunks(2)) {
        for &digit in pair {
            let value = char::from(digit).to_digit(16)?;
            *byte = *byte << 4 | u8::try_from(value).ok()?;
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_rfc_1939_is_right_in_either_case() {
        let challenge = b"<1896.697170952@dbc.mtview.ca.us>";
        let digest = b"c4c9334bac560ecc979e58001b3e22fb";
        assert!(is_apop(digest, challenge, b"tanstaaf"));
        assert!(is_apop(
            &digest.to_ascii_uppercase(),
            challenge,
            b"tanstaaf"
        ));
        assert!(!is_apop(digest, challenge, b"tanstaa"));
        assert!(!is_apop(digest, &challenge[1..], b"tanstaaf"));
        assert!(!is_cram(digest, challenge, b"tanstaaf"));
    }

    #[test]
    fn the_example_of_rfc_2195_is_right() {
        let challenge = b"<1896.697170952@postoffice.reston.mci.net>";
        let digest = b"b913a602c7eda7a495b4e6e7334d3890";
        assert!(is_cram(digest, challenge, b"tanstaaftanstaaf"));
        assert!(!is_cram(digest, challenge, b"tanstaaf"));
        assert!(!is_apop(digest, challenge, b"tanstaaftanstaaf"));
    }

    fn hex(text: &str) -> [u8; 16] {
        from_hex(text.as_bytes()).expect("32 digits")
    }

    #[test]
    fn hmac_md5_is_that_of_rfc_2202() {
        let cases: [(&[u8], &[u8], &str); 7] = [
            (&[0x0b; 16], b"Hi There", "9294727a3638bb1c13f48ef8158bfc9d"),
            (
                b"Jefe",
                b"what do ya want for nothing?",
                "750c783e6ab0b503eaa86e310a5db738",
            ),
            (&[0xaa; 16], &[0xdd; 50], "56be34521d144c88dbb8c733f0e8b3f6"),
            (
                &std::array::from_fn::<u8, 25, _>(|at| at as u8 + 1),
                &[0xcd; 50],
                "697eaf0aca3a3aea3a75164746ffaa79",
            ),
            (
                &[0x0c; 16],
                b"Test With Truncation",
                "56461ef2342edc00f9bab995690efd4c",
            ),
            (
                &[0xaa; 80],
                b"Test Using Larger Than Block-Size Key - Hash Key First",
                "6b1ab7fe4bd7bf8f0b62e6ce61b9d0cd",
            ),
            (
                &[0xaa; 80],
                b"Test Using Larger Than Block-Size Key and Larger Than One Block-Size Data",
                "6f630fad67cda0ee1fb1f562db3aa53e",
            ),
        ];
        for (key, text, sum) in cases {
            assert_eq!(hmac_md5(key, text), hex(sum), "{sum}");
        }
    }

    #[test]
    fn what_is_not_32_hexadecimal_digits_is_no_digest() {
        let digits = b"0123456789abcdefABCDEF0123456789";
        assert!(is_digest(digits));
        assert!(!is_digest(&digits[1..]));
        assert!(!is_digest(b"0123456789abcdefABCDEF0123456789a"));
        assert!(!is_digest(b"0123456789abcdefABCDEF012345678g"));
        assert!(!is_digest(b"+123456789abcdefABCDEF0123456789"));
        assert!(!is_digest(b""));
    }
}
