//! Searching the text of a part (RFC 3501 section 6.4.4, BODY and TEXT).

use crate::decode::{Decoder, Encoding, TextDecoder};
use crate::fold::{Needle, Search};

/// How much of a body is decoded at once.
const PIECE: usize = 64 * 1024;

/// Whether `needle` is in the text of a body in this transfer encoding and charset, case ignored.
/// The body is decoded a piece at a time, so that a large one takes no more memory than a small one,
/// and no further than to where the needle is.
pub fn body_contains(
    body: &[u8],
    encoding: Encoding,
    charset: Option<&[u8]>,
    needle: &Needle,
) -> bool {
    let mut search = Search::new(needle);
    if needle.is_empty() {
        return true;
    }
    let mut decoder = Decoder::new(encoding);
    let mut to_text = TextDecoder::new(charset);
    let (mut bytes, mut text) = (Vec::new(), String::new());
    for piece in body.chunks(PIECE) {
        text.clear();
        if encoding == Encoding::Identity {
            to_text.feed(piece, &mut text);
        } else {
            bytes.clear();
            decoder.feed(piece, &mut bytes);
            to_text.feed(&bytes, &mut text);
        }
        if search.feed(&text) {
            return true;
        }
    }
    bytes.clear();
    text.clear();
    decoder.finish(&mut bytes);
    to_text.feed(&bytes, &mut text);
    to_text.finish(&mut text);
    search.feed(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(body: &[u8], encoding: Encoding, charset: &str, needle: &str) -> bool {
        body_contains(
            body,
            encoding,
            Some(charset.as_bytes()),
            &Needle::new(needle),
        )
    }

    #[test]
    fn encodings_and_charsets_are_seen_through() {
        let qp = Encoding::QuotedPrintable;
        assert!(found(
            b"Gr=FC=\r\n=DFe",
            qp,
            "iso-8859-1",
            "GR\u{dc}\u{df}E"
        ));
        assert!(!found(b"Gr=FC=\r\n=DFe", qp, "iso-8859-1", "=FC"));
        assert!(found(
            b"R3LDvMOfZQ",
            Encoding::Base64,
            "utf-8",
            "gr\u{fc}\u{df}e"
        ));
        assert!(found(
            b"plain text",
            Encoding::Identity,
            "us-ascii",
            "PLAIN"
        ));
        assert!(!found(
            b"plain text",
            Encoding::Identity,
            "us-ascii",
            "plan"
        ));
        assert!(found(b"", Encoding::Identity, "us-ascii", ""));
    }

    #[test]
    fn what_stands_across_two_pieces_is_found() {
        for before in PIECE - 12..PIECE + 2 {
            let mut body = vec![b'.'; before];
            body.extend_from_slice("n\u{e4}h=61t".as_bytes());
            assert!(
                found(&body, Encoding::QuotedPrintable, "utf-8", "N\u{c4}HAT"),
                "{before}"
            );
            assert!(
                found(&body, Encoding::Identity, "utf-8", "N\u{c4}H=61t"),
                "{before}"
            );
        }
    }
}
