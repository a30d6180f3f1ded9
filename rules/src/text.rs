//! The grammar of one line of rules text.
//!
//! ```text
//! line    = "" | "#" anything | address ":" action { "," NAME "=" Q VALUE Q } [blanks]
//! action  = "deny" | "allow"
//! Q       = any one byte, the same at both ends
//! ```
//!
//! The address is everything before the first colon. There is no escape character. All of this,
//! the odd corners too (a line without a colon is skipped, an absent number of a range is 0), is
//! what tcprules of ucspi-tcp 0.88 was seen to do. One thing is stricter: a NUL is refused, since
//! inside a value it would split the record in two.
//!
//! Nothing here reads or allocates; [`crate::lint`] judges what is legal and yet surely a mistake.

use std::fmt;

use crate::record::Verdict;

/// What a line says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// A comment, or nothing but blanks.
    Nothing,
    /// Something without a colon, which decides nothing.
    NoColon,
    /// A rule.
    Rule(Rule<'a>),
}

/// One rule as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule<'a> {
    /// The text before the first colon; if it is a range, [`parse`] has found it well formed.
    address: &'a [u8],
    form: Form,
    /// What happens to those whom it is about.
    pub verdict: Verdict,
    /// The variables with their commas, which [`parse`] has found well formed.
    variables: &'a [u8],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// What [`plain_address`] knows.
    Plain,
    Range,
    Other,
}

impl<'a> Rule<'a> {
    /// Whom it is about.
    pub fn address(&self) -> Address<'a> {
        if self.form == Form::Range
            && let Ok(Some(range)) = range(self.address)
        {
            return Address::Range(range);
        }
        Address::Literal(self.address)
    }

    /// Whether the address is a whole IPv4 address as servers write it, or the beginning of one up
    /// to a dot.
    pub fn is_plain(&self) -> bool {
        self.form == Form::Plain
    }

    /// The variables in the order of the line, as (name, value).
    pub fn variables(&self) -> Variables<'a> {
        Variables(self.variables)
    }
}

/// The text before the first colon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Address<'a> {
    /// One key, to the byte.
    Literal(&'a [u8]),
    /// A key for each number of a range.
    Range(Range<'a>),
}

/// An address with a hyphen and without `=` and `@`: `1.2.3.5-17` and its like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range<'a> {
    before: &'a [u8],
    low: Number,
    high: Number,
    after: &'a [u8],
}

/// A number of a range as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Number {
    /// Its value modulo 2^64; 0 where no digit is written.
    pub value: u64,
    /// Whether there is no digit at all.
    pub absent: bool,
    /// Whether it is 2^64 or more.
    pub wrapped: bool,
}

/// The largest number that a range yields.
pub const RANGE_TOP: u64 = 255;

impl Range<'_> {
    /// The number left of the hyphen.
    pub fn low(&self) -> Number {
        self.low
    }

    /// The number right of the hyphen, not yet cut to [`RANGE_TOP`].
    pub fn high(&self) -> Number {
        self.high
    }

    /// The numbers that it stands for: at most 256, none where it is reversed or begins above 255.
    pub fn numbers(&self) -> std::ops::RangeInclusive<u64> {
        self.low.value..=self.high.value.min(RANGE_TOP)
    }

    /// Puts the key of one of its numbers into `key`, in place of what is there.
    pub fn key(&self, number: u64, key: &mut Vec<u8>) {
        key.clear();
        key.extend_from_slice(self.before);
        let mut digits = [0; 20];
        let mut at = digits.len();
        let mut left = number;
        loop {
            at -= 1;
            digits[at] = b'0' + u8::try_from(left % 10).unwrap_or(0);
            left /= 10;
            if left == 0 {
                break;
            }
        }
        key.extend_from_slice(&digits[at..]);
        key.extend_from_slice(self.after);
    }
}

/// Goes through the variables of a rule.
#[derive(Clone, Debug)]
pub struct Variables<'a>(&'a [u8]);

impl<'a> Iterator for Variables<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (variable, length) = variable(self.0).ok()?;
        self.0 = &self.0[length..];
        Some(variable)
    }
}

/// Why a line cannot be read, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The byte at which reading stopped, counted from 1.
    pub column: usize,
    /// What was wrong there.
    pub kind: FaultKind,
}

/// What can be wrong with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// A NUL, anywhere, comments included.
    Nul,
    /// A line longer than [`crate::lines::LINE_LIMIT`].
    TooLong,
    /// One end of a range is no number.
    RangeNumber,
    /// Neither `allow` nor `deny` after the first colon.
    Action,
    /// Something other than a comma after the action.
    AfterAction,
    /// A comma with nothing after it.
    TrailingComma,
    /// A variable without `=`.
    NoEquals,
    /// A variable without anything after its `=`.
    NoValue,
    /// A value whose closing delimiter is missing.
    NotClosed,
    /// Something other than a comma after a value.
    AfterValue,
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            FaultKind::Nul => "a NUL byte, which would split the rule in two",
            FaultKind::TooLong => "the line is longer than 1 MiB",
            FaultKind::RangeNumber => {
                "a hyphen means a range of numbers, and this is none (a host name begins with =)"
            }
            FaultKind::Action => "after the first colon must come allow or deny, in lower case",
            FaultKind::AfterAction => {
                "after the action only a comma or the end of the line may come"
            }
            FaultKind::TrailingComma => "no variable after the comma",
            FaultKind::NoEquals => "a variable needs = after its name",
            FaultKind::NoValue => "after = must come the value between two equal delimiters",
            FaultKind::NotClosed => "the delimiter that opens this value does not come again",
            FaultKind::AfterValue => {
                "after the value's closing delimiter only a comma or the end of the line may come"
            }
        })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "column {}: {}", self.column, self.kind)
    }
}

/// The line without the spaces, tabs and newlines at its end. A carriage return stays.
pub fn trim(line: &[u8]) -> &[u8] {
    let end = line
        .iter()
        .rposition(|byte| !matches!(byte, b' ' | b'\t' | b'\n'));
    &line[..end.map_or(0, |last| last + 1)]
}

/// Reads one line, with or without its newline.
pub fn parse(line: &[u8]) -> Result<Line<'_>, Fault> {
    match line.iter().position(|byte| *byte == 0) {
        None => parse_without_nul(line),
        Some(at) => Err(Fault {
            column: at + 1,
            kind: FaultKind::Nul,
        }),
    }
}

/// [`parse`] for a line that is known to have no NUL.
pub(crate) fn parse_without_nul(line: &[u8]) -> Result<Line<'_>, Fault> {
    let line = trim(line);
    if line.is_empty() || line[0] == b'#' {
        return Ok(Line::Nothing);
    }
    let (colon, form) = match plain_address(line) {
        Some(colon) => (colon, Form::Plain),
        None => match line.iter().position(|byte| *byte == b':') {
            None => return Ok(Line::NoColon),
            Some(colon) if range(&line[..colon])?.is_some() => (colon, Form::Range),
            Some(colon) => (colon, Form::Other),
        },
    };
    let address = &line[..colon];
    let after_colon = &line[colon + 1..];
    let fault = |rest: &[u8], kind| Fault {
        column: line.len() - rest.len() + 1,
        kind,
    };
    let (verdict, variables) = if let Some(rest) = after_colon.strip_prefix(b"deny") {
        (Verdict::Deny, rest)
    } else if let Some(rest) = after_colon.strip_prefix(b"allow") {
        (Verdict::Allow, rest)
    } else {
        return Err(fault(after_colon, FaultKind::Action));
    };
    let mut rest = variables;
    let mut after = FaultKind::AfterAction;
    while !rest.is_empty() {
        if rest[0] != b',' {
            return Err(fault(rest, after));
        }
        match variable(rest) {
            Ok((_, length)) => rest = &rest[length..],
            Err((at, kind)) => return Err(fault(&rest[at..], kind)),
        }
        after = FaultKind::AfterValue;
    }
    Ok(Line::Rule(Rule {
        address,
        form,
        verdict,
        variables,
    }))
}

/// How long the address is with which `line` begins, if it is a whole IPv4 address as servers
/// write it or the beginning of one up to a dot, and the colon follows. Nearly all lines are such,
/// and this is all that is done for them.
fn plain_address(line: &[u8]) -> Option<usize> {
    let (mut dots, mut digits, mut number) = (0, 0, 0_u32);
    for (at, byte) in line.iter().enumerate() {
        match byte {
            b'0'..=b'9' if digits == 0 || (number != 0 && digits < 3) => {
                number = 10 * number + u32::from(byte - b'0');
                digits += 1;
            }
            b'.' if digits > 0 && number <= 255 && dots < 3 => {
                dots += 1;
                digits = 0;
                number = 0;
            }
            b':' if number <= 255 && (dots == 3 || (dots > 0 && digits == 0)) => return Some(at),
            _ => return None,
        }
    }
    None
}

/// A variable as (name, value).
type Variable<'a> = (&'a [u8], &'a [u8]);

/// The first variable of `text`, which begins with its comma, and how many bytes it takes; or
/// where in `text` reading stopped.
fn variable(text: &[u8]) -> Result<(Variable<'_>, usize), (usize, FaultKind)> {
    let inner = text.get(1..).unwrap_or_default();
    if inner.is_empty() {
        return Err((text.len(), FaultKind::TrailingComma));
    }
    let Some(equals) = inner.iter().position(|byte| *byte == b'=') else {
        return Err((text.len(), FaultKind::NoEquals));
    };
    let Some((delimiter, value)) = inner[equals + 1..].split_first() else {
        return Err((text.len(), FaultKind::NoValue));
    };
    let Some(length) = value.iter().position(|byte| byte == delimiter) else {
        return Err((equals + 2, FaultKind::NotClosed));
    };
    Ok(((&inner[..equals], &value[..length]), equals + length + 4))
}

/// The range that an address is, if it has the form of one.
fn range(text: &[u8]) -> Result<Option<Range<'_>>, Fault> {
    let Some(hyphen) = text.iter().position(|byte| *byte == b'-') else {
        return Ok(None);
    };
    if text.contains(&b'=') || text.contains(&b'@') {
        return Ok(None);
    }
    let left = text[..hyphen]
        .iter()
        .rposition(|byte| *byte == b'.')
        .map_or(0, |dot| dot + 1);
    let right = text[hyphen + 1..].iter().position(|byte| *byte == b'.');
    let right = right.map_or(text.len(), |dot| hyphen + 1 + dot);
    let number = |from: usize, to: usize| {
        number(&text[from..to]).map_err(|at| Fault {
            column: from + at + 1,
            kind: FaultKind::RangeNumber,
        })
    };
    Ok(Some(Range {
        before: &text[..left],
        low: number(left, hyphen)?,
        high: number(hyphen + 1, right)?,
        after: &text[right..],
    }))
}

/// Digits only, or nothing; `Err` is the place of the first byte that is no digit.
fn number(digits: &[u8]) -> Result<Number, usize> {
    let mut number = Number {
        value: 0,
        absent: digits.is_empty(),
        wrapped: false,
    };
    for (at, digit) in digits.iter().enumerate() {
        if !digit.is_ascii_digit() {
            return Err(at);
        }
        let digit = u64::from(digit - b'0');
        let exact = number
            .value
            .checked_mul(10)
            .and_then(|tens| tens.checked_add(digit));
        number.wrapped |= exact.is_none();
        number.value = number.value.wrapping_mul(10).wrapping_add(digit);
    }
    Ok(number)
}

#[cfg(test)]
mod tests;
