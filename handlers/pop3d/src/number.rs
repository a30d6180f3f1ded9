//! Numbers in commands and replies, and the words of an argument.

/// The most digits of a 64-bit number.
const DIGITS: usize = 20;

/// The number that `text` is: digits and nothing else, not more than 2^64-1.
///
/// (qmail-pop3d reads as many digits as there are and forgets the carry, so that `DELE 1abc` and
/// `DELE 18446744073709551617` delete message 1 there.)
pub fn parse(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0_u64, |number, &byte| {
        let digit = byte.checked_sub(b'0').filter(|&digit| digit < 10)?;
        number.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

/// The words of an argument: what stands between spaces.
pub fn words(argument: &[u8]) -> impl Iterator<Item = &[u8]> {
    argument
        .split(|&byte| byte == b' ')
        .filter(|word| !word.is_empty())
}

/// Exactly `N` numbers, and nothing more.
pub fn numbers<const N: usize>(argument: &[u8]) -> Option<[u64; N]> {
    let mut words = words(argument);
    let mut found = [0; N];
    for number in &mut found {
        *number = parse(words.next()?)?;
    }
    words.next().is_none().then_some(found)
}

/// A number in decimal digits, without an allocation.
#[derive(Clone, Copy, Debug)]
pub struct Decimal {
    digits: [u8; DIGITS],
    start: usize,
}

impl Decimal {
    /// The digits of `number`.
    pub fn of(mut number: u64) -> Decimal {
        let mut decimal = Decimal {
            digits: [b'0'; DIGITS],
            start: DIGITS,
        };
        loop {
            decimal.start -= 1;
            // Below 10.
            decimal.digits[decimal.start] += (number % 10) as u8;
            number /= 10;
            if number == 0 {
                return decimal;
            }
        }
    }

    /// As text.
    pub fn as_bytes(&self) -> &[u8] {
        &self.digits[self.start..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_digits_and_nothing_else() {
        assert_eq!(parse(b"0"), Some(0));
        assert_eq!(parse(b"0017"), Some(17));
        for text in [
            &b""[..],
            b"1abc",
            b"abc",
            b"+1",
            b"-1",
            b" 1",
            b"1 ",
            b"1.0",
            b"0x1",
            b"1\0",
        ] {
            assert_eq!(parse(text), None, "{}", text.escape_ascii());
        }
    }

    #[test]
    fn a_number_over_64_bits_is_none() {
        assert_eq!(parse(b"18446744073709551615"), Some(u64::MAX));
        assert_eq!(parse(b"18446744073709551616"), None);
        assert_eq!(parse(b"18446744073709551617"), None);
        assert_eq!(parse(&[b'9'; 500]), None);
    }

    #[test]
    fn an_argument_has_as_many_numbers_as_are_asked_for() {
        assert_eq!(numbers(b"1"), Some([1]));
        assert_eq!(numbers(b"1  "), Some([1]));
        assert_eq!(numbers(b"1   2"), Some([1, 2]));
        assert_eq!(numbers(b""), Some([]));
        assert_eq!(numbers(b"  "), Some([]));
        assert_eq!(numbers::<1>(b""), None);
        assert_eq!(numbers::<1>(b"1 2"), None);
        assert_eq!(numbers::<2>(b"1"), None);
        assert_eq!(numbers::<2>(b"1\t2"), None);
        assert_eq!(numbers::<0>(b"x"), None);
    }

    #[test]
    fn digits_are_those_of_the_number() {
        for number in [0, 9, 10, 100, 12_345, u64::MAX] {
            assert_eq!(
                Decimal::of(number).as_bytes(),
                number.to_string().as_bytes()
            );
        }
    }
}
