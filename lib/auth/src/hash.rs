//! Password hashes, as crypt(5) writes them.
//!
//! `$y$` (yescrypt), `$6$` and `$5$` (SHA-crypt), `$2a$`, `$2b$`, `$2y$` (bcrypt) and `$1$` (MD5) are
//! computed here; whatever else the system's libcrypt knows is not. A hash is taken only in
//! exactly the form in which crypt(3) writes it, so that `*0`, a cut line or a locked one never
//! equals anything.
//!
//! A hash says itself how much work it makes. Where its line is the administrator's, that is for
//! him to say within reason; where it is a user's own, it must not keep a root process busy.

use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

#[path = "hash_apart.rs"]
mod apart;
#[path = "hash_make.rs"]
mod make;
#[cfg(test)]
#[path = "hash_work.rs"]
mod work;

pub use make::{BCRYPT_LIMIT, Method, make};
#[cfg(test)]
pub(crate) use work::worked;

/// How much work a hash may make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Bytes of memory (yescrypt).
    pub memory: u64,
    /// Rounds (SHA-crypt).
    pub rounds: u32,
    /// The binary logarithm of the rounds (bcrypt).
    pub cost: u32,
}

/// For files of the administrator: all that crypt_gensalt(3) makes for `$y$`, and a few seconds of
/// the others.
pub const ADMIN: Bounds = Bounds {
    memory: 1 << 30,
    rounds: 5_000_000,
    cost: 16,
};

/// For a file of the user who logs in: about half a second.
pub const USER: Bounds = Bounds {
    memory: 64 << 20,
    rounds: 500_000,
    cost: 13,
};

/// What a comparison with a hash says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compared {
    /// It is the secret.
    Match,
    /// It is not.
    NoMatch,
    /// The hash is of no form that is known here.
    Unsupported,
    /// It makes more work than it may.
    TooCostly,
    /// There is not enough memory now.
    NoMemory,
    /// The process that was to compute it could not be started, or gave no answer.
    NoAnswer,
}

/// [`Compared::NoAnswer`] as a sentence.
pub const NO_ANSWER: &str = "unable to compute the hash in a process of its own";

/// Compares `secret` with a hash, in time that tells nothing of where they differ. yescrypt, which fills
/// some 16 MiB, is computed in a process of its own where that is possible (where this one has no threads).
pub fn verify(secret: &[u8], hash: &[u8], bounds: Bounds) -> Compared {
    let Some(hash) = Hash::parse(hash) else {
        return Compared::Unsupported;
    };
    if !hash.is_within(bounds) {
        return Compared::TooCostly;
    }
    hash.compare(secret)
}

/// Does the work of a comparison with `like` (where that is a hash that is known here and within
/// bounds; else with one as `passwd` makes it), and says nothing: for names that do not exist and accounts
/// that are locked, which must not answer faster than a wrong password.
pub fn burn(secret: &[u8], like: Option<&[u8]>) {
    let like = like
        .and_then(Hash::parse)
        .filter(|hash| hash.is_within(ADMIN))
        .or_else(|| Hash::parse(USUAL));
    let _ = std::hint::black_box(like.map(|hash| hash.compare(secret)));
}

/// What Debian, Fedora and others make by default. Its password is not known and does not matter.
const USUAL: &[u8] = b"$y$j9T$abcdefgh$k28jL7k2dbvnOb5YZBueyze6QwnnAbY1CnGoMaHjvs7";

/// Whether `text` has the form of a hash that is known here, to its last byte.
pub fn is_hash(text: &[u8]) -> bool {
    Hash::parse(text).is_some()
}

/// A hash taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Hash<'h> {
    scheme: Scheme<'h>,
    /// The result, as text.
    sum: &'h [u8],
}

/// How to come from a secret to a sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scheme<'h> {
    Yescrypt {
        n_log2: u32,
        r: u32,
        salt: &'h [u8],
    },
    Sha {
        long: bool,
        rounds: u32,
        salt: &'h [u8],
    },
    Bcrypt {
        cost: u32,
        salt: [u8; 16],
    },
    Md5 {
        salt: &'h [u8],
    },
}

/// Rounds of SHA-crypt where the hash does not name them.
const SHA_ROUNDS: u32 = 5000;

impl<'h> Hash<'h> {
    fn parse(text: &'h [u8]) -> Option<Hash<'h>> {
        let (kind, rest) = split(text.strip_prefix(b"$")?)?;
        match kind {
            b"y" => parse_yescrypt(rest),
            b"6" => parse_sha(rest, true),
            b"5" => parse_sha(rest, false),
            b"2a" | b"2b" | b"2y" => parse_bcrypt(rest),
            b"1" => {
                let (salt, sum) = split(rest)?;
                let scheme = Scheme::Md5 { salt };
                (is_salt(salt, 8) && is_sum(sum, 22)).then_some(Hash { scheme, sum })
            }
            _ => None,
        }
    }

    fn is_within(&self, bounds: Bounds) -> bool {
        match self.scheme {
            Scheme::Yescrypt { n_log2, r, .. } => memory(n_log2, r) <= bounds.memory,
            Scheme::Sha { rounds, .. } => rounds <= bounds.rounds,
            Scheme::Bcrypt { cost, .. } => cost <= bounds.cost,
            Scheme::Md5 { .. } => true,
        }
    }

    fn compare(&self, secret: &[u8]) -> Compared {
        #[cfg(test)]
        work::note(&self.scheme);
        match self.scheme {
            Scheme::Yescrypt { .. } => apart::compare(|| self.compare_here(secret)),
            _ => self.compare_here(secret),
        }
    }

    fn compare_here(&self, secret: &[u8]) -> Compared {
        match self.scheme.sum(secret) {
            Some(sum) if sum.as_slice().ct_eq(self.sum).into() => Compared::Match,
            Some(_) => Compared::NoMatch,
            None => Compared::NoMemory,
        }
    }
}

/// The bytes that yescrypt fills: 128 r N.
fn memory(n_log2: u32, r: u32) -> u64 {
    (128 * u64::from(r))
        .checked_shl(n_log2)
        .filter(|bytes| bytes >> n_log2 == 128 * u64::from(r))
        .unwrap_or(u64::MAX)
}

/// The flavour that crypt_gensalt(3) makes, one digit each for N and r, no more parameters.
fn parse_yescrypt(rest: &[u8]) -> Option<Hash<'_>> {
    let (parameters, rest) = split(rest)?;
    let (salt, sum) = split(rest)?;
    let &[b'j', n, r] = parameters else {
        return None;
    };
    // A digit of 48 and more begins a number of several digits.
    let digit = |byte| value_of(byte).filter(|&value| value < 48);
    let (n_log2, r) = (digit(n)? + 1, digit(r)? + 1);
    // Below N = 256 yescrypt is not defined for all r, and nobody makes such a hash.
    let sane = n_log2 >= 8 && is_sum(sum, 43) && salt.len() <= 86;
    let scheme = Scheme::Yescrypt { n_log2, r, salt };
    (sane && decode(salt).is_some()).then_some(Hash { scheme, sum })
}

fn parse_sha(rest: &[u8], long: bool) -> Option<Hash<'_>> {
    let (rounds, rest) = match rest.strip_prefix(b"rounds=") {
        Some(rest) => {
            let (digits, rest) = split(rest)?;
            let plain = digits.len() <= 9 && digits.first() != Some(&b'0');
            let number = accounts::control::digits(digits).filter(|_| plain)?;
            (u32::try_from(number).ok().filter(|&n| n >= 1000)?, rest)
        }
        None => (SHA_ROUNDS, rest),
    };
    let (salt, sum) = split(rest)?;
    let scheme = Scheme::Sha { long, rounds, salt };
    let length = if long { 86 } else { 43 };
    (is_salt(salt, 16) && is_sum(sum, length)).then_some(Hash { scheme, sum })
}

fn parse_bcrypt(rest: &[u8]) -> Option<Hash<'_>> {
    let (digits, rest) = split(rest)?;
    let cost = accounts::control::digits(digits).filter(|_| digits.len() == 2)?;
    let cost = u32::try_from(cost)
        .ok()
        .filter(|cost| (4..=31).contains(cost))?;
    let (encoded, sum) = rest.split_at_checked(22)?;
    let mut salt = [0; 16];
    let count = base64::Engine::decode_slice(&bcrypt::BASE_64, encoded, &mut salt).ok()?;
    let scheme = Scheme::Bcrypt { cost, salt };
    (count == salt.len() && is_sum(sum, 31)).then_some(Hash { scheme, sum })
}

/// What is before the next `$` and what is behind it.
fn split(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = text.iter().position(|&byte| byte == b'$')?;
    Some((&text[..at], &text[at + 1..]))
}

fn is_salt(text: &[u8], limit: usize) -> bool {
    text.len() <= limit
        && !text
            .iter()
            .any(|&byte| byte <= b' ' || byte >= 0x7f || matches!(byte, b':' | b'!' | b'*' | b'\\'))
}

fn is_sum(text: &[u8], length: usize) -> bool {
    text.len() == length && text.iter().all(|&byte| value_of(byte).is_some())
}

impl Scheme<'_> {
    /// The sum of `secret` as text; `None` where memory is short.
    fn sum(&self, secret: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        match *self {
            Scheme::Yescrypt { n_log2, r, salt } => yescrypt_sum(secret, n_log2, r, salt),
            Scheme::Sha { long, rounds, salt } => sha_sum(secret, long, rounds, salt),
            Scheme::Bcrypt { cost, salt } => {
                let parts = bcrypt::hash_with_salt_bytes(secret, cost, salt).ok()?;
                Some(Zeroizing::new(parts[29..].to_vec()))
            }
            Scheme::Md5 { salt } => {
                let mut whole = md5crypt::md5crypt(secret, salt);
                let sum = whole.split_off(b"$1$$".len() + salt.len());
                Some(Zeroizing::new(sum))
            }
        }
    }
}

fn yescrypt_sum(secret: &[u8], n_log2: u32, r: u32, salt: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let bytes = usize::try_from(memory(n_log2, r)).ok()?;
    // Asked for here first: where there is not enough, the other place would end the process.
    Vec::<u8>::new().try_reserve_exact(bytes).ok()?;
    let parameters = yescrypt::Params::new(yescrypt::Mode::default(), 1 << n_log2, r, 1).ok()?;
    let mut sum = Zeroizing::new([0; 32]);
    yescrypt::yescrypt(secret, &decode(salt)?, &parameters, sum.as_mut()).ok()?;
    let mut text = Zeroizing::new(Vec::with_capacity(44));
    for group in sum.chunks(3) {
        encode(group, &mut text);
    }
    Some(text)
}

fn sha_sum(secret: &[u8], long: bool, rounds: u32, salt: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let parameters = sha_crypt::Params::new(rounds).ok()?;
    let mut text = Zeroizing::new(Vec::with_capacity(88));
    // Each group takes one byte of every third of the sum, and they change places from group to
    // group; the last bytes stand alone.
    if long {
        let mut sum = sha_crypt::sha512_crypt(secret, salt, parameters);
        for at in 0..21 {
            let mut group = [sum[at + 42], sum[at + 21], sum[at]];
            group.rotate_right(at % 3);
            encode(&group, &mut text);
        }
        encode(&sum[63..], &mut text);
        sum.zeroize();
    } else {
        let mut sum = sha_crypt::sha256_crypt(secret, salt, parameters);
        for at in 0..10 {
            let mut group = [sum[at + 20], sum[at + 10], sum[at]];
            group.rotate_left(at % 3);
            encode(&group, &mut text);
        }
        encode(&sum[30..], &mut text);
        sum.zeroize();
    }
    Some(text)
}

/// The digits of crypt(3).
const DIGITS: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

fn value_of(byte: u8) -> Option<u32> {
    let value = match byte {
        b'.' => 0,
        b'/' => 1,
        b'0'..=b'9' => byte - b'0' + 2,
        b'A'..=b'Z' => byte - b'A' + 12,
        b'a'..=b'z' => byte - b'a' + 38,
        _ => return None,
    };
    Some(value.into())
}

/// One to three bytes, the lowest first, as two to four digits, the lowest first.
fn encode(group: &[u8], into: &mut Vec<u8>) {
    let mut value = group
        .iter()
        .rev()
        .fold(0u32, |value, &byte| value << 8 | u32::from(byte));
    for _ in 0..=group.len() {
        into.push(DIGITS[(value & 63) as usize]);
        value >>= 6;
    }
}

/// The bytes behind the digits; `None` where a digit is none, stands alone or has bits too many.
fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() * 3 / 4);
    for group in text.chunks(4) {
        let mut value = 0;
        for (&byte, place) in group.iter().zip(0..) {
            value |= value_of(byte)? << (6 * place);
        }
        let count = group.len() - 1;
        if count == 0 || value >> (8 * count) != 0 {
            return None;
        }
        bytes.extend_from_slice(&value.to_le_bytes()[..count]);
    }
    Some(bytes)
}

#[cfg(test)]
#[path = "hash_tests.rs"]
mod tests;
