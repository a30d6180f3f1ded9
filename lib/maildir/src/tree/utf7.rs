//! Modified UTF-7 (RFC 3501 section 5.1.3), strictly: one text has one form, and only that is read.
//!
//! Printable US-ASCII stands for itself, `&-` for `&`, and everything else is UTF-16 in BASE64 (with
//! `,` for `/`, without padding) between `&` and `-`. Other forms of the same text (`&AGE-` for `a`,
//! two BASE64 parts side by side, bits that are left over) would be two names of one mailbox.

/// What stands for itself.
fn is_direct(byte: u8) -> bool {
    (b' '..=b'~').contains(&byte)
}

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

/// The modified UTF-7 form of a text.
pub fn encode(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut bits = 0_u32;
    let mut held = 0;
    let mut is_shifted = false;
    for char in text.chars() {
        match u8::try_from(char) {
            Ok(byte) if is_direct(byte) => {
                leave(&mut out, &mut is_shifted, bits, held);
                out.push(byte);
                if byte == b'&' {
                    out.push(b'-');
                }
            }
            _ => {
                if !is_shifted {
                    out.push(b'&');
                    (is_shifted, bits, held) = (true, 0, 0);
                }
                for unit in char.encode_utf16(&mut [0; 2]) {
                    bits = bits << 16 | u32::from(*unit);
                    held += 16;
                    while held >= 6 {
                        held -= 6;
                        out.push(digit(bits >> held));
                    }
                    bits &= (1 << held) - 1;
                }
            }
        }
    }
    leave(&mut out, &mut is_shifted, bits, held);
    out
}

/// Ends a BASE64 part, if one is open, with the bits that are left.
fn leave(out: &mut Vec<u8>, is_shifted: &mut bool, bits: u32, held: u32) {
    if std::mem::take(is_shifted) {
        if held > 0 {
            out.push(digit(bits << (6 - held)));
        }
        out.push(b'-');
    }
}

fn digit(bits: u32) -> u8 {
    DIGITS[(bits & 63) as usize]
}

/// The text of a modified UTF-7 form; none if it is not the form that [`encode`] gives.
pub fn decode(bytes: &[u8]) -> Option<String> {
    let mut text = String::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((&byte, behind)) = rest.split_first() {
        rest = behind;
        if byte != b'&' {
            // What may not stand for itself does not come back the same.
            text.push(char::from(byte));
            continue;
        }
        let end = memchr::memchr(b'-', rest)?;
        match &rest[..end] {
            b"" => text.push('&'),
            digits => decode_part(digits, &mut text)?,
        }
        rest = &rest[end + 1..];
    }
    (encode(&text) == bytes).then_some(text)
}

/// Adds the text of a BASE64 part.
fn decode_part(digits: &[u8], text: &mut String) -> Option<()> {
    let mut units = Vec::with_capacity(digits.len() * 6 / 16);
    let mut bits = 0_u32;
    let mut held = 0;
    for &digit in digits {
        bits = bits << 6 | value(digit)?;
        held += 6;
        if held >= 16 {
            held -= 16;
            units.push((bits >> held & 0xffff) as u16);
            bits &= (1 << held) - 1;
        }
    }
    for char in char::decode_utf16(units) {
        text.push(char.ok()?);
    }
    Some(())
}

fn value(digit: u8) -> Option<u32> {
    Some(u32::from(match digit {
        b'A'..=b'Z' => digit - b'A',
        b'a'..=b'z' => digit - b'a' + 26,
        b'0'..=b'9' => digit - b'0' + 52,
        b'+' => 62,
        b',' => 63,
        _ => return None,
    }))
}

/// Whether this is modified UTF-7 in its one form.
pub fn is_canonical(bytes: &[u8]) -> bool {
    match memchr::memchr(b'&', bytes) {
        None => bytes.iter().copied().all(is_direct),
        Some(_) => decode(bytes).is_some(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_the_rfcs_are_read_and_written() {
        for (text, form) in [
            ("", ""),
            ("INBOX", "INBOX"),
            ("~peter/mail/台北/日本語", "~peter/mail/&U,BTFw-/&ZeVnLIqe-"),
            ("Entwürfe", "Entw&APw-rfe"),
            ("a&b", "a&-b"),
            ("&", "&-"),
            ("é&é", "&AOk-&-&AOk-"),
            ("😀", "&2D3eAA-"),
            ("\u{1}", "&AAE-"),
        ] {
            assert_eq!(encode(text), form.as_bytes(), "{text}");
            assert_eq!(decode(form.as_bytes()).as_deref(), Some(text), "{form}");
            assert!(is_canonical(form.as_bytes()), "{form}");
        }
    }

    #[test]
    fn every_character_comes_back_the_same() {
        for char in '\0'..=char::MAX {
            let text = format!("{char}é{char}");
            assert_eq!(decode(&encode(&text)), Some(text));
        }
    }

    #[test]
    fn any_other_form_is_refused() {
        for form in [
            &b"&AGE-"[..],         // printable, yet shifted
            b"&XX",                // no end
            b"&",                  // no end
            b"&XX-",               // bits that are left are not zero
            b"&AOl-",              // the same
            b"&AOkA-",             // a digit too many
            b"&AOkAAAA-",          // NUL is a character, ten bits behind it are none
            b"&A-",                // half a character
            b"&AOk=-",             // padding
            b"&AO/-",              // the slash of common BASE64
            b"&2D0-",              // a first surrogate alone
            b"&3gA-",              // a second surrogate alone
            b"&3gDYPQ-",           // the wrong way round
            b"&U,BTFw-&ZeVnLIqe-", // left and entered again without need
            b"&ACY-",              // & has its own form
            b"a\x01b",             // a control character as it is
            b"\x7f",
            "é".as_bytes(), // 8-bit
            b"\xff",
        ] {
            assert_eq!(decode(form), None, "{}", form.escape_ascii());
            assert!(!is_canonical(form), "{}", form.escape_ascii());
        }
    }
}
