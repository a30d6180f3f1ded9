use super::*;

/// Made by the crypt(3) of libxcrypt 4.4.33.
const VECTORS: &[(&str, &str)] = &[
    (
        "sekrit",
        "$y$j9T$abcdefgh$k28jL7k2dbvnOb5YZBueyze6QwnnAbY1CnGoMaHjvs7",
    ),
    (
        "sekrit",
        "$y$j75$F5Jx5fExrKuPp53xLKQ..1$6gtxaV6Rx2RHfbw9CzfYs2OEIuukJxxlGPvPPc9PlH0",
    ),
    (
        LONG,
        "$y$j75$F5Jx5fExrKuPp53xLKQ..1$TaXPZPB1ThrOXNM1FkLv8UBzZvIf83nEAVlmnQXmqT6",
    ),
    (
        "sekrit",
        "$y$jAT$9Y1nG1NHc3Hs3sMsBl2Kz0$C35cd/cqeEdP6q9fOCH3OPEScxakog6GxBg3O8qv8U3",
    ),
    (
        "sekrit",
        "$y$j9T$$k1TQB3EzRFJGbNITfNtOoKw1U4vTqoGOs9KsoYSoCk9",
    ),
    (
        "sekrit",
        "$6$saltsalt$wb0Z86YYZ3Lnbxe/cdac8nsQ9UnwkomA9AmRx0ku4.56oGZ/onojDoYxfKK2cC0LBTbslFk5LgyxluRABcYc1/",
    ),
    (
        LONG,
        "$6$saltsalt$9HNqus/FQOG.XUp153ohaAe3d4vycIH3mMrzmIFPNDtxtEtKipo2Um6RqZqjZwWaPBQQkOoYDYKgciqrVaKlT0",
    ),
    (
        "sekrit",
        "$6$rounds=1000$0123456789abcdef$7McuojwproqA1/Ng7vqcmU.qkyNSTZCtDGN95OPmYY9AQo53DycZ9C4NqybH5hI83ksbGwJigAIJDqo8DgP4p.",
    ),
    (
        "sekrit",
        "$6$rounds=77777$toolongsaltstrin$nbxPLy/DeAjCLMAIfXY28Ve.xt9Oz1JmTf9iAuVuxKeZJO4ZD4tticfUmRk3UxI/cJbSyXhCHErQVpJcq8/f90",
    ),
    (
        "sekrit",
        "$6$$bPsHLLyCj92iRAsGBND2Dl5fF3XooUY9CytiF/qKRDSY13oRQcBrBG3sB6w2UIiNMC4wEYfjvll0mxfCaqXpM0",
    ),
    (
        "sekrit",
        "$5$saltsalt$7T6BJcaQUuy0u2qRZHD2SQutTC2yR0S8qSuK7VIaJb0",
    ),
    (
        LONG,
        "$5$saltsalt$KYdc3hjfAdyHM6XPspIq1FaqoDPA6x.vXCibKNANhR3",
    ),
    (
        "sekrit",
        "$5$rounds=1234$s$WCKKYx4W2Jpgli.CU4.E9rAxCiMG77CBV1xRvTzxlVB",
    ),
    ("sekrit", "$1$saltsalt$wq.RNtiw4px5Yphyu9TAY0"),
    (LONG, "$1$saltsalt$AomvFEJYtItwDZI8JetzY0"),
    (
        "sekrit",
        "$2b$05$CCCCCCCCCCCCCCCCCCCCC.v/KBAhBTTU5250/V7Zyi3OTbQe0A9ta",
    ),
    (
        "sekrit",
        "$2a$05$CCCCCCCCCCCCCCCCCCCCC.v/KBAhBTTU5250/V7Zyi3OTbQe0A9ta",
    ),
    (
        LONG,
        "$2b$05$CCCCCCCCCCCCCCCCCCCCC.D7RDOYXakZhsFmh/LdqQNx0kQ424AFS",
    ),
    (
        "sekrit",
        "$2y$05$abcdefghijklmnopqrstuupg8.CCkYjotCQ2ere3POHrxefCiHy3a",
    ),
];

const LONG: &str = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";

#[test]
fn hashes_of_the_systems_crypt_are_right() {
    for (secret, hash) in VECTORS {
        let compared = verify(secret.as_bytes(), hash.as_bytes(), ADMIN);
        assert_eq!(compared, Compared::Match, "{hash}");
    }
}

#[test]
fn another_password_another_salt_or_another_sum_does_not_match() {
    for (secret, hash) in VECTORS {
        let verified = |secret: &[u8], hash: &[u8]| verify(secret, hash, ADMIN);
        let hash = hash.as_bytes();
        let other = [b"y", &secret.as_bytes()[1..]].concat();
        assert_eq!(verified(&other, hash), Compared::NoMatch);
        let mut last = hash.to_vec();
        let end = last.len() - 1;
        last[end] = if last[end] == b'.' { b'/' } else { b'.' };
        assert_eq!(verified(secret.as_bytes(), &last), Compared::NoMatch);
    }
}

#[test]
fn bcrypt_ends_at_72_bytes_as_ever() {
    let hash = b"$2b$05$CCCCCCCCCCCCCCCCCCCCC.D7RDOYXakZhsFmh/LdqQNx0kQ424AFS";
    assert_eq!(verify(&[b'x'; 72], hash, ADMIN), Compared::Match);
    assert_eq!(verify(&[b'x'; 71], hash, ADMIN), Compared::NoMatch);
}

#[test]
fn what_is_cut_longer_or_locked_is_no_hash() {
    for (_, hash) in VECTORS {
        let hash = hash.as_bytes();
        for end in 0..hash.len() {
            assert!(!is_hash(&hash[..end]), "{}", hash[..end].escape_ascii());
        }
        for more in [&b"x"[..], b"$", b"\0", b"\r", b":0"] {
            assert!(!is_hash(&[hash, more].concat()));
        }
        for mark in [&b"!"[..], b"*", b" ", b"{CRYPT}"] {
            assert!(!is_hash(&[mark, hash].concat()));
        }
    }
}

#[test]
fn schemes_and_parameters_that_are_not_ours_are_unsupported() {
    let sum = "k28jL7k2dbvnOb5YZBueyze6QwnnAbY1CnGoMaHjvs7";
    for hash in [
        "*0",
        "*1",
        "x",
        "",
        "ab01FAX.bQRSU",
        "$gy$j9T$abcdefgh$53p1quzEA7a/rKjd83uKnU6uLIYAGkU.PfSMk9wBAS3",
        "$7$CU..../....2Q9obwLhin8qvQl6sisAO/$hTfu62WOuKiVe0/J4NrWEy6vYl9q6IyI4gtBKOraah5",
        "$2x$05$CCCCCCCCCCCCCCCCCCCCC.v/KBAhBTTU5250/V7Zyi3OTbQe0A9ta",
        "$2b$+5$CCCCCCCCCCCCCCCCCCCCC.v/KBAhBTTU5250/V7Zyi3OTbQe0A9ta",
        "$2b$03$CCCCCCCCCCCCCCCCCCCCC.v/KBAhBTTU5250/V7Zyi3OTbQe0A9ta",
        "$2b$32$CCCCCCCCCCCCCCCCCCCCC.v/KBAhBTTU5250/V7Zyi3OTbQe0A9ta",
        "$1$toolongsalt$nxA5m1tOIlqT0fW0POLq0.",
        &format!("$5$rounds=999$s${sum}"),
        &format!("$5$rounds=01000$s${sum}"),
        &format!("$5$rounds=1000000000$s${sum}"),
        &format!("$5$rounds=$s${sum}"),
        &format!("$5$12345678901234567${sum}"),
        // Numbers of several digits, flags, p, t, g and ROMs, and what would overflow.
        &format!("$y$j9z$abcdefgh${sum}"),
        &format!("$y$jzT$abcdefgh${sum}"),
        &format!("$y$/9T$abcdefgh${sum}"),
        &format!("$y$j9T.$abcdefgh${sum}"),
        &format!("$y$j95.0$abcdefgh${sum}"),
        &format!("$y$j$abcdefgh${sum}"),
        &format!("$y$$abcdefgh${sum}"),
        &format!("$y$j.T$abcdefgh${sum}"),
        // Salts with bits too many.
        &format!("$y$j9T$a${sum}"),
        &format!("$y$j9T$zz${sum}"),
    ] {
        assert_eq!(
            verify(b"x", hash.as_bytes(), ADMIN),
            Compared::Unsupported,
            "{hash}"
        );
    }
}

#[test]
fn a_hash_may_make_so_much_work_and_no_more() {
    let sum = "k28jL7k2dbvnOb5YZBueyze6QwnnAbY1CnGoMaHjvs7";
    let bcrypt =
        |cost: u32| format!("$2b${cost:02}$CCCCCCCCCCCCCCCCCCCCC.v/KBAhBTTU5250/V7Zyi3OTbQe0A9ta");
    let sha = |rounds: u32| format!("$5$rounds={rounds}$s${sum}");
    // 128 * 32 * 2^14 is 64 MiB, 2^18 is 1 GiB.
    let yescrypt = |n: char| format!("$y$j{n}T$abcdefgh${sum}");
    let is_within = |hash: &str, bounds| {
        Hash::parse(hash.as_bytes())
            .expect("a hash")
            .is_within(bounds)
    };
    for (within, over, bounds) in [
        (bcrypt(13), bcrypt(14), USER),
        (bcrypt(16), bcrypt(17), ADMIN),
        (sha(500_000), sha(500_001), USER),
        (sha(5_000_000), sha(5_000_001), ADMIN),
        (yescrypt('B'), yescrypt('C'), USER),
        (yescrypt('F'), yescrypt('G'), ADMIN),
    ] {
        assert!(is_within(&within, bounds), "{within}");
        assert!(!is_within(&over, bounds), "{over}");
        assert_eq!(verify(b"x", over.as_bytes(), bounds), Compared::TooCostly);
    }
    // The largest that can be said must not wrap around.
    assert!(!is_within(&yescrypt('j'), ADMIN));
    assert!(!is_within(&format!("$y$jjj$abcdefgh${sum}"), ADMIN));
}

#[test]
fn every_small_yescrypt_hash_can_be_computed() {
    for r in DIGITS[..48].iter().map(|&byte| char::from(byte)) {
        let hash = format!("$y$j5{r}$abcd$k28jL7k2dbvnOb5YZBueyze6QwnnAbY1CnGoMaHjvs7");
        let compared = verify(b"x", hash.as_bytes(), USER);
        assert_eq!(compared, Compared::NoMatch, "{hash}");
    }
    assert!(!is_hash(
        b"$y$j4T$abcd$k28jL7k2dbvnOb5YZBueyze6QwnnAbY1CnGoMaHjvs7"
    ));
}

#[test]
fn what_cannot_match_makes_the_work_of_a_wrong_password() {
    let time = |work: &dyn Fn()| {
        let best = (0..3).map(|_| {
            let start = std::time::Instant::now();
            work();
            start.elapsed()
        });
        best.min().expect("three")
    };
    let costly = b"$2b$31$CCCCCCCCCCCCCCCCCCCCC.v/KBAhBTTU5250/V7Zyi3OTbQe0A9ta";
    let hash = VECTORS[0].1.as_bytes();
    let wrong = time(&|| assert_eq!(verify(b"x", hash, ADMIN), Compared::NoMatch));
    // The last one would take a day, and is not followed.
    for like in [None, Some(hash), Some(&b"!*"[..]), Some(costly)] {
        let burnt = time(&|| burn(b"x", like));
        // The ratio is 1; without the work it would be thousands, and other programs make noise.
        assert!(burnt * 20 > wrong, "{burnt:?} for {wrong:?}");
    }
}
