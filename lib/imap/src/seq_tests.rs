use super::*;

fn read(text: &str) -> Option<SequenceSet> {
    let mut cursor = Cursor::over(text.as_bytes());
    set(&mut cursor).ok().filter(|_| cursor.end().is_ok())
}

fn of(text: &str, last: u32) -> Vec<(u32, u32)> {
    read(text).expect("a set").resolve(last)
}

#[test]
fn a_set_is_numbers_and_ranges_or_what_was_saved() {
    assert_eq!(read("$"), Some(SequenceSet::Saved));
    assert_eq!(
        read("2,4294967295:*"),
        Some(SequenceSet::Ranges(vec![
            (Number::Is(2), Number::Is(2)),
            (Number::Is(u32::MAX), Number::Last)
        ]))
    );
    for none in [
        "",
        "0",
        "1:",
        ":1",
        ",1",
        "1,",
        "1,,2",
        "1:2:3",
        "4294967296",
        "1,$",
        "$,1",
        "a",
        "-1",
        "**",
        "1 :2",
        "0:*",
    ] {
        assert_eq!(read(none), None, "{none}");
    }
}

#[test]
fn a_star_is_the_last_message_wherever_it_stands() {
    assert_eq!(of("*", 3), [(3, 3)]);
    assert_eq!(of("*:2", 3), [(2, 3)]);
    assert_eq!(of("5:*", 3), [(3, 5)]);
    assert_eq!(of("*:*", 3), [(3, 3)]);
    assert_eq!(of("4:2", 9), [(2, 4)]);
    assert_eq!(of("*", 0), []);
    assert_eq!(of("$", 3), []);
}

#[test]
fn ranges_are_sorted_and_joined() {
    assert_eq!(of("9,1,2:3,3:5,7", 9), [(1, 5), (7, 7), (9, 9)]);
    assert_eq!(of("1,1,1", 9), [(1, 1)]);
    assert_eq!(
        of("4294967295,4294967294:*", u32::MAX),
        [(u32::MAX - 1, u32::MAX)]
    );
    let mut none = Vec::new();
    merge(&mut none);
    assert_eq!(none, []);
    assert_eq!(ranges_of([1, 2, 3, 5, 7, 8]), [(1, 3), (5, 5), (7, 8)]);
    assert_eq!(ranges_of([]), []);
}

#[test]
fn sorted_ranges_are_searched() {
    let ranges = [(2, 3), (7, 7)];
    let inside: Vec<u32> = (0..10).filter(|&n| contains(&ranges, n)).collect();
    assert_eq!(inside, [2, 3, 7]);
    assert!(!contains(&[], 1));
}

#[test]
fn what_a_client_knows_is_named_without_a_star() {
    let known = |text: &str| known_set(&mut Cursor::over(text.as_bytes())).is_ok();
    assert!(known("1:5,9"));
    assert!(!known("1:*"));
    assert!(!known("*"));
    assert!(!known("$"));
}

#[test]
fn a_long_set_is_read_whole() {
    let text: Vec<String> = (1..=20_000).map(|n| (n * 2).to_string()).collect();
    assert_eq!(of(&text.join(","), 9).len(), 20_000);
}

#[test]
fn ranges_have_in_common_what_is_in_both() {
    let both = intersect(&[(1, 5), (8, 8), (10, 20)], &[(3, 8), (12, 13), (19, 30)]);
    assert_eq!(both, [(3, 5), (8, 8), (12, 13), (19, 20)]);
    assert_eq!(intersect(&[], &[(1, 2)]), []);
}
