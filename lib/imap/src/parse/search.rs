//! SEARCH, SORT and THREAD (RFC 3501 section 6.4.4, RFC 4731, RFC 5256, RFC 7162 section 3.1.5).

use crate::command::{
    By, Command, ReturnOptions, SearchKey, SortBy, SortCriterion, ThreadAlgorithm,
};
use crate::cursor::Cursor;
use crate::date;
use crate::fault::Fault;
use crate::flag::Flag;
use crate::seq;

/// So many NOT, OR and parentheses may stand in one another.
pub const DEPTH_LIMIT: usize = 100;

/// So many keys may a search have.
pub const KEY_LIMIT: usize = 10_000;

/// The most criteria of SORT: each of them both ways.
const CRITERIA_LIMIT: usize = 18;

/// SEARCH.
pub(super) fn search(cursor: &mut Cursor<'_>, by: By) -> Result<Command, Fault> {
    cursor.sp("search key")?;
    let mut options = None;
    if cursor.eat_word(b"RETURN") {
        cursor.sp("options of RETURN")?;
        options = Some(return_options(cursor)?);
        cursor.sp("search key")?;
    }
    let mut charset = None;
    if cursor.eat_word(b"CHARSET") {
        cursor.sp("charset")?;
        charset = Some(cursor.astring("charset")?);
        cursor.sp("search key")?;
    }
    let key = Keys::default().all(cursor)?;
    Ok(Command::Search {
        by,
        options,
        charset,
        key,
    })
}

fn return_options(cursor: &mut Cursor<'_>) -> Result<ReturnOptions, Fault> {
    let mut options = ReturnOptions::default();
    cursor.list("options of RETURN", super::LIST_LIMIT, |cursor| {
        let word = cursor.atom("option of RETURN")?;
        match word.to_ascii_uppercase().as_slice() {
            b"MIN" => options.min = true,
            b"MAX" => options.max = true,
            b"ALL" => options.all = true,
            b"COUNT" => options.count = true,
            b"SAVE" => options.save = true,
            _ => return Err(Fault::unknown("option of RETURN", word)),
        }
        Ok(())
    })?;
    Ok(options)
}

/// SORT.
pub(super) fn sort(cursor: &mut Cursor<'_>, by: By) -> Result<Command, Fault> {
    cursor.sp("criteria of SORT")?;
    let criteria = cursor.some_list("criteria of SORT", CRITERIA_LIMIT, criterion)?;
    let (charset, key) = charset_and_key(cursor)?;
    Ok(Command::Sort {
        by,
        criteria,
        charset,
        key,
    })
}

fn criterion(cursor: &mut Cursor<'_>) -> Result<SortCriterion, Fault> {
    let reverse = cursor.eat_word(b"REVERSE");
    if reverse {
        cursor.sp("criterion of SORT")?;
    }
    let word = cursor.atom("criterion of SORT")?;
    let by = match word.to_ascii_uppercase().as_slice() {
        b"ARRIVAL" => SortBy::Arrival,
        b"CC" => SortBy::Cc,
        b"DATE" => SortBy::Date,
        b"FROM" => SortBy::From,
        b"SIZE" => SortBy::Size,
        b"SUBJECT" => SortBy::Subject,
        b"TO" => SortBy::To,
        b"DISPLAYFROM" => SortBy::DisplayFrom,
        b"DISPLAYTO" => SortBy::DisplayTo,
        _ => return Err(Fault::unknown("criterion of SORT", word)),
    };
    Ok(SortCriterion { reverse, by })
}

/// THREAD.
pub(super) fn thread(cursor: &mut Cursor<'_>, by: By) -> Result<Command, Fault> {
    cursor.sp("algorithm of THREAD")?;
    let word = cursor.atom("algorithm of THREAD")?;
    let algorithm = match word.to_ascii_uppercase().as_slice() {
        b"ORDEREDSUBJECT" => ThreadAlgorithm::OrderedSubject,
        b"REFERENCES" => ThreadAlgorithm::References,
        _ => return Err(Fault::unknown("algorithm of THREAD", word)),
    };
    let (charset, key) = charset_and_key(cursor)?;
    Ok(Command::Thread {
        by,
        algorithm,
        charset,
        key,
    })
}

fn charset_and_key(cursor: &mut Cursor<'_>) -> Result<(Vec<u8>, SearchKey), Fault> {
    cursor.sp("charset")?;
    let charset = cursor.astring("charset")?;
    cursor.sp("search key")?;
    Ok((charset, Keys::default().all(cursor)?))
}

/// Reads keys, and counts them.
#[derive(Debug, Default)]
struct Keys {
    count: usize,
    depth: usize,
}

impl Keys {
    /// Keys up to the end of the command.
    fn all(&mut self, cursor: &mut Cursor<'_>) -> Result<SearchKey, Fault> {
        self.list(cursor, |cursor| cursor.is_over())
    }

    fn list(
        &mut self,
        cursor: &mut Cursor<'_>,
        is_end: impl Fn(&mut Cursor<'_>) -> bool,
    ) -> Result<SearchKey, Fault> {
        let first = self.key(cursor)?;
        if is_end(cursor) {
            return Ok(first);
        }
        let mut keys = vec![first];
        while !is_end(cursor) {
            cursor.need(b' ', "space or end of the search keys")?;
            keys.push(self.key(cursor)?);
        }
        Ok(SearchKey::And(keys))
    }

    /// A key that stands in another one.
    fn inner(&mut self, cursor: &mut Cursor<'_>) -> Result<Box<SearchKey>, Fault> {
        cursor.sp("search key")?;
        self.deeper(|keys| keys.key(cursor)).map(Box::new)
    }

    /// Everything that recurses comes through here.
    fn deeper(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<SearchKey, Fault>,
    ) -> Result<SearchKey, Fault> {
        if self.depth == DEPTH_LIMIT {
            return Err(Fault::TooMany {
                what: "search keys in one another",
                limit: DEPTH_LIMIT,
            });
        }
        self.depth += 1;
        let key = read(self);
        self.depth -= 1;
        key
    }

    fn key(&mut self, cursor: &mut Cursor<'_>) -> Result<SearchKey, Fault> {
        if self.count == KEY_LIMIT {
            return Err(Fault::TooMany {
                what: "search keys",
                limit: KEY_LIMIT,
            });
        }
        self.count += 1;
        match cursor.peek() {
            Some(b'0'..=b'9' | b'*' | b'$') => return seq::set(cursor).map(SearchKey::Numbers),
            Some(b'(') => {
                cursor.eat(b'(');
                return self.deeper(|keys| keys.list(cursor, |cursor| cursor.eat(b')')));
            }
            _ => {}
        }
        let word = cursor.atom("search key")?;
        let mut upper = [0; super::NAME_BYTES];
        let upper = super::capitals(word, &mut upper);
        Ok(match upper {
            b"NOT" => SearchKey::Not(self.inner(cursor)?),
            b"OR" => SearchKey::Or(self.inner(cursor)?, self.inner(cursor)?),
            upper => match flags(upper) {
                Some(key) => key,
                None => with_argument(upper, cursor)?
                    .ok_or_else(|| Fault::unknown("search key", word))?,
            },
        })
    }
}

fn not(key: SearchKey) -> SearchKey {
    SearchKey::Not(Box::new(key))
}

/// Keys without an argument.
fn flags(name: &[u8]) -> Option<SearchKey> {
    let has = |flag| SearchKey::Has(flag);
    Some(match name {
        b"ALL" => SearchKey::All,
        b"ANSWERED" => has(Flag::Answered),
        b"DELETED" => has(Flag::Deleted),
        b"DRAFT" => has(Flag::Draft),
        b"FLAGGED" => has(Flag::Flagged),
        b"SEEN" => has(Flag::Seen),
        b"UNANSWERED" => not(has(Flag::Answered)),
        b"UNDELETED" => not(has(Flag::Deleted)),
        b"UNDRAFT" => not(has(Flag::Draft)),
        b"UNFLAGGED" => not(has(Flag::Flagged)),
        b"UNSEEN" => not(has(Flag::Seen)),
        b"NEW" => SearchKey::And(vec![SearchKey::Recent, not(has(Flag::Seen))]),
        b"OLD" => not(SearchKey::Recent),
        b"RECENT" => SearchKey::Recent,
        _ => return None,
    })
}

/// Keys with one.
fn with_argument(name: &[u8], cursor: &mut Cursor<'_>) -> Result<Option<SearchKey>, Fault> {
    let string = |cursor: &mut Cursor<'_>| {
        cursor.sp("string to search")?;
        cursor.astring("string to search")
    };
    let day = |cursor: &mut Cursor<'_>| {
        cursor.sp("date")?;
        date::date(cursor)
    };
    let keyword = |cursor: &mut Cursor<'_>| {
        cursor.sp("keyword")?;
        let keyword = cursor.atom("keyword")?.to_vec();
        Ok(SearchKey::Has(Flag::Keyword(keyword)))
    };
    let octets = |cursor: &mut Cursor<'_>| {
        cursor.sp("number of octets")?;
        cursor.number64("number of octets")
    };
    let seconds = |cursor: &mut Cursor<'_>| {
        cursor.sp("number of seconds")?;
        cursor.nz_number("number of seconds")
    };
    Ok(Some(match name {
        b"BCC" | b"CC" | b"FROM" | b"SUBJECT" | b"TO" => {
            SearchKey::Header(name.to_vec(), string(cursor)?)
        }
        b"HEADER" => {
            cursor.sp("name of a header field")?;
            let field = cursor.astring("name of a header field")?;
            SearchKey::Header(field, string(cursor)?)
        }
        b"BODY" => SearchKey::Body(string(cursor)?),
        b"TEXT" => SearchKey::Text(string(cursor)?),
        b"BEFORE" => SearchKey::Before(day(cursor)?),
        b"ON" => SearchKey::On(day(cursor)?),
        b"SINCE" => SearchKey::Since(day(cursor)?),
        b"SENTBEFORE" => SearchKey::SentBefore(day(cursor)?),
        b"SENTON" => SearchKey::SentOn(day(cursor)?),
        b"SENTSINCE" => SearchKey::SentSince(day(cursor)?),
        b"KEYWORD" => keyword(cursor)?,
        b"UNKEYWORD" => not(keyword(cursor)?),
        b"LARGER" => SearchKey::Larger(octets(cursor)?),
        b"SMALLER" => SearchKey::Smaller(octets(cursor)?),
        b"OLDER" => SearchKey::Older(seconds(cursor)?),
        b"YOUNGER" => SearchKey::Younger(seconds(cursor)?),
        b"UID" => {
            cursor.sp("set of UIDs")?;
            SearchKey::Uids(seq::set(cursor)?)
        }
        b"MODSEQ" => SearchKey::Modseq(modseq(cursor)?),
        _ => return Ok(None),
    }))
}

/// A modification sequence; the entry and its type that may stand before it change nothing, as there
/// is one for all flags of a message.
fn modseq(cursor: &mut Cursor<'_>) -> Result<u64, Fault> {
    cursor.sp("modification sequence")?;
    if cursor.peek() == Some(b'"') {
        cursor.string("name of an entry")?;
        cursor.sp("type of an entry")?;
        let types: [&[u8]; 3] = [b"all", b"priv", b"shared"];
        if !types.iter().any(|word| cursor.eat_word(word)) {
            return Err(cursor.expected("type of an entry"));
        }
        cursor.sp("modification sequence")?;
    }
    cursor.number64("modification sequence")
}
