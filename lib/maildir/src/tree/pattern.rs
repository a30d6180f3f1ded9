//! The patterns of LIST and LSUB (RFC 3501 section 6.3.8): `*` is anything, `%` anything without a
//! separator. INBOX as the first level is matched in any case.

use super::utf7;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    /// This character.
    Char(char),
    /// Anything within a level.
    Percent,
    /// Anything.
    Star,
}

/// One pattern. One that is not modified UTF-7 matches nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// No two wildcards stand side by side.
    tokens: Option<Vec<Token>>,
    separator: char,
}

impl Pattern {
    /// From what the client sent, the reference name already in front of it.
    ///
    /// What stands between wildcards is compared as text, not in its modified UTF-7 form: that of
    /// `é` is not the beginning of that of `éa`.
    pub fn new(pattern: &[u8], separator: u8) -> Pattern {
        Pattern {
            tokens: tokens(pattern),
            separator: char::from(separator),
        }
    }

    /// Whether a name as on the wire is one of those that are meant.
    ///
    /// The time is at worst the square of the name's length, whatever the pattern.
    pub fn matches(&self, name: &[u8]) -> bool {
        let Some(tokens) = &self.tokens else {
            return false;
        };
        if tokens[..] == [Token::Star] {
            return true;
        }
        let Some(name) = utf7::decode(name) else {
            return false;
        };
        let name: Vec<char> = name.chars().collect();
        let literals = tokens
            .iter()
            .filter(|token| matches!(token, Token::Char(_)));
        literals.count() <= name.len() && self.is_match(tokens, &name)
    }

    fn is_match(&self, tokens: &[Token], name: &[char]) -> bool {
        let insensitive = self.inbox_chars(name);
        let (mut token, mut at) = (0, 0);
        // Where to go on when what follows the last wildcard does not match: its successor, and
        // what it has taken so far. An earlier one of its kind need not take more: the later one
        // could take that as well.
        let mut percent: Option<(usize, usize)> = None;
        let mut star: Option<(usize, usize)> = None;
        loop {
            match tokens.get(token) {
                Some(Token::Star) => {
                    token += 1;
                    (star, percent) = (Some((token, at)), None);
                    continue;
                }
                Some(Token::Percent) => {
                    token += 1;
                    percent = Some((token, at));
                    continue;
                }
                Some(Token::Char(char)) => {
                    let is_same = |other: &char| match at < insensitive {
                        true => char.eq_ignore_ascii_case(other),
                        false => char == other,
                    };
                    if name.get(at).is_some_and(is_same) {
                        (token, at) = (token + 1, at + 1);
                        continue;
                    }
                }
                None if at == name.len() => return true,
                None => {}
            }
            if let Some((next, taken)) = percent
                && name.get(taken).is_some_and(|&char| char != self.separator)
            {
                percent = Some((next, taken + 1));
                (token, at) = (next, taken + 1);
            } else if let Some((next, taken)) = star
                && taken < name.len()
            {
                (star, percent) = (Some((next, taken + 1)), None);
                (token, at) = (next, taken + 1);
            } else {
                return false;
            }
        }
    }

    /// How many characters of the name are those of INBOX as its first level.
    fn inbox_chars(&self, name: &[char]) -> usize {
        let is_inbox = name.len() >= 5
            && name
                .iter()
                .zip("INBOX".chars())
                .all(|(char, inbox)| char.eq_ignore_ascii_case(&inbox))
            && name.get(5).is_none_or(|&char| char == self.separator);
        match is_inbox {
            true => 5,
            false => 0,
        }
    }
}

fn tokens(pattern: &[u8]) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let is_wild = |byte: &u8| matches!(byte, b'*' | b'%');
    for part in pattern.chunk_by(|one, other| is_wild(one) == is_wild(other)) {
        if part.contains(&b'*') {
            tokens.push(Token::Star);
        } else if part.contains(&b'%') {
            tokens.push(Token::Percent);
        } else {
            tokens.extend(utf7::decode(part)?.chars().map(Token::Char));
        }
    }
    Some(tokens)
}

#[cfg(test)]
#[path = "pattern_tests.rs"]
mod tests;
