use super::*;

/// What became of `input`: how it ended, what is stored, what was left over.
fn run(mode: BareLf, input: &[u8]) -> (Step, Vec<u8>, Vec<u8>) {
    let mut machine = Unstuff::new(mode);
    let mut out = Vec::new();
    let (used, step) = machine.feed(input, &mut out);
    let whole = (step, out, input[used..].to_vec());
    for size in 1..4 {
        let mut machine = Unstuff::new(mode);
        let (mut out, mut at, mut step) = (Vec::new(), 0, Step::More);
        while at < input.len() && step == Step::More {
            let piece = &input[at..input.len().min(at + size)];
            let used;
            (used, step) = machine.feed(piece, &mut out);
            at += used;
        }
        assert_eq!(
            (step, out, input[at..].to_vec()),
            whole,
            "in pieces of {size}"
        );
    }
    whole
}

fn stored(input: &[u8]) -> Vec<u8> {
    let (step, out, rest) = run(BareLf::Reject, input);
    assert_eq!(step, Step::End(Verdict::Clean));
    assert_eq!(rest, b"");
    out
}

#[test]
fn crlf_becomes_lf_and_the_dot_line_ends_the_message() {
    assert_eq!(stored(b"a\r\n\r\nb\r\n.\r\n"), b"a\n\nb\n");
}

#[test]
fn what_follows_the_end_mark_is_left_alone() {
    let (step, out, rest) = run(BareLf::Reject, b"a\r\n.\r\nQUIT\r\n");
    assert_eq!((step, out), (Step::End(Verdict::Clean), b"a\n".to_vec()));
    assert_eq!(rest, b"QUIT\r\n");
}

#[test]
fn a_dot_as_the_very_first_line_is_an_empty_message() {
    assert_eq!(stored(b".\r\n"), b"");
}

#[test]
fn one_leading_dot_of_a_line_goes() {
    assert_eq!(
        stored(b"..\r\n.x\r\n...y\r\nz..\r\n.\r\n"),
        b".\nx\n..y\nz..\n"
    );
}

#[test]
fn a_bare_cr_is_text() {
    assert_eq!(stored(b"a\rb\r\r\n\rc\r\n.\r\n"), b"a\rb\r\n\rc\n");
    assert_eq!(stored(b"a\r\r\n.\r\n"), b"a\r\n");
}

#[test]
fn a_dot_before_a_bare_cr_stays_as_in_the_original() {
    assert_eq!(stored(b".\rx\r\n.\r\n"), b".\rx\n");
    assert_eq!(stored(b"..\rx\r\n.\r\n"), b".\rx\n");
    assert_eq!(stored(b".\r\rx\r\n.\r\n"), b".\r\rx\n");
    assert_eq!(stored(b".\r\r\n.\r\n"), b".\r\n");
}

#[test]
fn nul_and_eight_bit_bytes_pass() {
    assert_eq!(stored(b"a\0\xff\r\n.\r\n"), b"a\0\xff\n");
}

#[test]
fn a_message_without_end_mark_goes_on() {
    for open in [&b""[..], b"a", b"a\r\n", b"a\r\n.", b"a\r\n.\r", b".\r"] {
        assert_eq!(run(BareLf::Reject, open).0, Step::More);
    }
}

/// Each is put between two texts; a server that takes it for an end mark can be smuggled through.
const ODD_ENDS: [&[u8]; 11] = [
    b"\n.\n",
    b"\n.\r\n",
    b"\r\n.\n",
    b"\n.\r",
    b"\r\n.\r",
    b"\r.\n",
    b"\r.\r",
    b"\r.\r\n",
    b"\r\n\0.\r\n",
    b"\r\n.\0\r\n",
    b"\r\r\n.\r\r\n",
];

fn smuggled(odd: &[u8]) -> Vec<u8> {
    let mut input = b"first".to_vec();
    input.extend_from_slice(odd);
    input.extend_from_slice(b"MAIL FROM:<evil@example.test>\r\n.\r\n");
    input
}

#[test]
fn no_odd_end_mark_ends_the_message_in_any_mode() {
    for odd in ODD_ENDS {
        for mode in [BareLf::Reject, BareLf::Accept] {
            let (step, _, rest) = run(mode, &smuggled(odd));
            assert!(
                matches!(step, Step::End(_)),
                "{mode:?} {}",
                odd.escape_ascii()
            );
            assert_eq!(rest, b"", "{mode:?} {}", odd.escape_ascii());
        }
    }
}

#[test]
fn odd_end_marks_with_a_bare_lf_spoil_the_message_when_it_is_rejected_or_accepted() {
    for odd in ODD_ENDS {
        let bare = odd
            .windows(2)
            .any(|pair| pair[1] == b'\n' && pair[0] != b'\r')
            || odd[0] == b'\n';
        let expected = if bare {
            Verdict::BareLf
        } else {
            Verdict::Clean
        };
        let (step, _, _) = run(BareLf::Reject, &smuggled(odd));
        assert_eq!(step, Step::End(expected), "{}", odd.escape_ascii());
    }
    for odd in [&b"\n.\n"[..], b"\n.\r\n", b"\r\n.\n"] {
        let (step, _, _) = run(BareLf::Accept, &smuggled(odd));
        assert_eq!(step, Step::End(Verdict::BareLf), "{}", odd.escape_ascii());
    }
}

#[test]
fn qmails_way_stops_at_each_bare_lf() {
    for odd in ODD_ENDS {
        let bare = odd[0] == b'\n' || odd == b"\r\n.\n" || odd == b"\r.\n";
        let (step, _, rest) = run(BareLf::Stop, &smuggled(odd));
        assert_eq!(step == Step::BareLf, bare, "{}", odd.escape_ascii());
        assert_eq!(rest.is_empty(), !bare, "{}", odd.escape_ascii());
    }
    assert_eq!(run(BareLf::Stop, b"\nx").0, Step::BareLf);
    assert_eq!(run(BareLf::Stop, b"a\r\n\nx").0, Step::BareLf);
    assert_eq!(run(BareLf::Stop, b"a\r\n.\nx").0, Step::BareLf);
}

#[test]
fn an_accepted_bare_lf_ends_a_line_of_text() {
    let (step, out, _) = run(BareLf::Accept, b"a\nb\n\nc\r\n..d\n..e\n.\rf\r\n.\r\n");
    assert_eq!(step, Step::End(Verdict::Clean));
    assert_eq!(out, b"a\nb\n\nc\n.d\n.e\n.\rf\n");
}

#[test]
fn a_rejected_bare_lf_spoils_the_message_wherever_it_is() {
    for text in [
        &b"\n"[..],
        b"a\nb",
        b"a\r\n\nb",
        b"a\r\n.\nb",
        b"a\r\n\n.\n",
    ] {
        let mut input = text.to_vec();
        input.extend_from_slice(b"\r\n.\r\n");
        let (step, _, rest) = run(BareLf::Reject, &input);
        assert_eq!(step, Step::End(Verdict::BareLf), "{}", text.escape_ascii());
        assert_eq!(rest, b"");
    }
}

#[test]
fn the_true_end_is_found_right_after_a_spoiling_line() {
    let (step, _, rest) = run(BareLf::Reject, b"a\n.\r\n.\r\nNOOP\r\n");
    assert_eq!(step, Step::End(Verdict::BareLf));
    assert_eq!(rest, b"NOOP\r\n");
}

#[test]
fn long_text_passes_unchanged() {
    let mut input = vec![b'x'; 100_000];
    input.extend_from_slice(b"\r\n.\r\n");
    let out = {
        let mut machine = Unstuff::new(BareLf::Reject);
        let mut out = Vec::new();
        assert_eq!(machine.feed(&input, &mut out).1, Step::End(Verdict::Clean));
        out
    };
    assert_eq!(out.len(), 100_001);
}
