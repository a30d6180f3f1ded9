//! What a client can say after the login, as values.

use crate::date::{Date, DateTime};
use crate::flag::Flag;
use crate::seq::SequenceSet;

/// Whether numbers in a command and its replies are UIDs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// Message sequence numbers.
    Number,
    /// UIDs.
    Uid,
}

/// A command without its tag. Mailbox names are as they came: no case or encoding is changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// CAPABILITY.
    Capability,
    /// NOOP.
    Noop,
    /// LOGOUT.
    Logout,
    /// ID (RFC 2971) with the client's pairs; None for a value of NIL.
    Id(Vec<(Vec<u8>, Option<Vec<u8>>)>),
    /// ENABLE (RFC 5161) with the names as they came.
    Enable(Vec<Vec<u8>>),
    /// LOGIN, AUTHENTICATE or STARTTLS, which come too late.
    Login,
    /// COMPRESS DEFLATE (RFC 4978).
    CompressDeflate,
    /// SELECT and EXAMINE.
    Select(Select),
    /// CREATE, with the attributes of USE (RFC 6154), without their backslashes, as they came.
    Create {
        /// The mailbox.
        mailbox: Vec<u8>,
        /// Its special uses, such as `Sent`.
        uses: Vec<Vec<u8>>,
    },
    /// DELETE.
    Delete(Vec<u8>),
    /// RENAME.
    Rename {
        /// The old name.
        from: Vec<u8>,
        /// The new one.
        to: Vec<u8>,
    },
    /// SUBSCRIBE.
    Subscribe(Vec<u8>),
    /// UNSUBSCRIBE.
    Unsubscribe(Vec<u8>),
    /// LIST in its old and extended forms (RFC 5258).
    List(List),
    /// LSUB.
    Lsub {
        /// What the pattern is relative to.
        reference: Vec<u8>,
        /// The pattern.
        pattern: Vec<u8>,
    },
    /// NAMESPACE (RFC 2342).
    Namespace,
    /// STATUS.
    Status {
        /// The mailbox.
        mailbox: Vec<u8>,
        /// What is asked about it.
        items: Vec<StatusItem>,
    },
    /// APPEND of one or several messages (RFC 3502).
    Append {
        /// The mailbox.
        mailbox: Vec<u8>,
        /// Flags, date and octets of each; the message itself stands elsewhere.
        messages: Vec<AppendMessage>,
    },
    /// IDLE (RFC 2177).
    Idle,
    /// CHECK.
    Check,
    /// CLOSE.
    Close,
    /// UNSELECT (RFC 3691).
    Unselect,
    /// EXPUNGE, and UID EXPUNGE (RFC 4315) with a set.
    Expunge(Option<SequenceSet>),
    /// SEARCH and UID SEARCH.
    Search {
        /// What the numbers of the reply are.
        by: By,
        /// RETURN (RFC 4731, RFC 5182); None without the word.
        options: Option<ReturnOptions>,
        /// The charset of strings, as it came; None for US-ASCII.
        charset: Option<Vec<u8>>,
        /// What is looked for.
        key: SearchKey,
    },
    /// SORT and UID SORT (RFC 5256).
    Sort {
        /// What the numbers of the reply are.
        by: By,
        /// What decides, the first first.
        criteria: Vec<SortCriterion>,
        /// The charset of strings.
        charset: Vec<u8>,
        /// What is looked for.
        key: SearchKey,
    },
    /// THREAD and UID THREAD (RFC 5256).
    Thread {
        /// What the numbers of the reply are.
        by: By,
        /// How threads are made.
        algorithm: ThreadAlgorithm,
        /// The charset of strings.
        charset: Vec<u8>,
        /// What is looked for.
        key: SearchKey,
    },
    /// FETCH and UID FETCH.
    Fetch {
        /// What the numbers are.
        by: By,
        /// Of which messages.
        set: SequenceSet,
        /// What of them; macros are resolved.
        items: Vec<FetchItem>,
        /// Only those changed since this modification sequence (RFC 7162).
        changed_since: Option<u64>,
        /// And what vanished since (RFC 7162 section 3.2.6; UID FETCH only).
        vanished: bool,
    },
    /// STORE and UID STORE.
    Store {
        /// What the numbers are.
        by: By,
        /// On which messages.
        set: SequenceSet,
        /// Unless they changed since (RFC 7162).
        unchanged_since: Option<u64>,
        /// What becomes of the flags.
        how: StoreHow,
        /// No FETCH replies.
        silent: bool,
        /// Which.
        flags: Vec<Flag>,
    },
    /// COPY and UID COPY.
    Copy {
        /// What the numbers are.
        by: By,
        /// Which messages.
        set: SequenceSet,
        /// Where to.
        mailbox: Vec<u8>,
    },
    /// MOVE and UID MOVE (RFC 6851).
    Move {
        /// What the numbers are.
        by: By,
        /// Which messages.
        set: SequenceSet,
        /// Where to.
        mailbox: Vec<u8>,
    },
}

/// SELECT or EXAMINE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Select {
    /// The mailbox.
    pub mailbox: Vec<u8>,
    /// EXAMINE.
    pub read_only: bool,
    /// The parameter CONDSTORE (RFC 7162).
    pub condstore: bool,
    /// The parameter QRESYNC (RFC 7162).
    pub qresync: Option<Qresync>,
}

/// What a client knows of a mailbox that it comes back to (RFC 7162 section 3.2.5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Qresync {
    /// The UIDVALIDITY that it knows.
    pub validity: u32,
    /// The last modification sequence that it knows.
    pub modseq: u64,
    /// The UIDs that it knows; all where it does not say.
    pub known_uids: Option<SequenceSet>,
    /// Sequence numbers and UIDs that went together.
    pub pairs: Option<(SequenceSet, SequenceSet)>,
}

/// LIST.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List {
    /// The extended form: selection options, a list of patterns, or RETURN was there.
    pub extended: bool,
    /// Only subscribed names.
    pub select_subscribed: bool,
    /// Remote ones, too: there are none.
    pub select_remote: bool,
    /// Parents of names that match, too.
    pub select_recursive: bool,
    /// Only mailboxes with a special use.
    pub select_special_use: bool,
    /// What the patterns are relative to.
    pub reference: Vec<u8>,
    /// The patterns.
    pub patterns: Vec<Vec<u8>>,
    /// Say what is subscribed.
    pub return_subscribed: bool,
    /// Say what has children.
    pub return_children: bool,
    /// Say what has a special use.
    pub return_special_use: bool,
    /// A STATUS reply for each (RFC 5819).
    pub return_status: Option<Vec<StatusItem>>,
}

/// An item of STATUS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatusItem {
    /// MESSAGES.
    Messages,
    /// RECENT.
    Recent,
    /// UIDNEXT.
    UidNext,
    /// UIDVALIDITY.
    UidValidity,
    /// UNSEEN.
    Unseen,
    /// DELETED (RFC 9051).
    Deleted,
    /// SIZE (RFC 8438).
    Size,
    /// HIGHESTMODSEQ (RFC 7162).
    HighestModseq,
    /// APPENDLIMIT (RFC 7889).
    AppendLimit,
}

/// One message of APPEND, without its octets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppendMessage {
    /// Its flags.
    pub flags: Vec<Flag>,
    /// When it arrived; now where that is not said.
    pub date: Option<DateTime>,
    /// How many octets it has.
    pub octets: u64,
}

/// RETURN of SEARCH. All false is RETURN (), which means ALL (RFC 4731).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReturnOptions {
    /// MIN.
    pub min: bool,
    /// MAX.
    pub max: bool,
    /// ALL.
    pub all: bool,
    /// COUNT.
    pub count: bool,
    /// SAVE (RFC 5182).
    pub save: bool,
}

/// What SEARCH looks for. Strings are in the charset of the command. A list of keys is
/// [`SearchKey::And`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SearchKey {
    /// ALL.
    All,
    /// All of these; empty is ALL.
    And(Vec<SearchKey>),
    /// One of these.
    Or(Box<SearchKey>, Box<SearchKey>),
    /// Not this.
    Not(Box<SearchKey>),
    /// A flag is set: ANSWERED, KEYWORD x, ...
    Has(Flag),
    /// \Recent is set: RECENT. (OLD is its Not, NEW And of RECENT and Not \Seen.)
    Recent,
    /// A header field contains a string; empty: the field is there. FROM and the like are this.
    Header(Vec<u8>, Vec<u8>),
    /// The body contains it.
    Body(Vec<u8>),
    /// Header or body contain it.
    Text(Vec<u8>),
    /// The internal date is earlier.
    Before(Date),
    /// It is on this day.
    On(Date),
    /// On this day or later.
    Since(Date),
    /// The date of the Date field is earlier.
    SentBefore(Date),
    /// It is on this day.
    SentOn(Date),
    /// On this day or later.
    SentSince(Date),
    /// RFC822.SIZE is greater.
    Larger(u64),
    /// It is less.
    Smaller(u64),
    /// It arrived at most so many seconds ago: YOUNGER (RFC 5032).
    Younger(u32),
    /// It arrived at least so many seconds ago: OLDER.
    Older(u32),
    /// Message sequence numbers.
    Numbers(SequenceSet),
    /// UIDs.
    Uids(SequenceSet),
    /// The modification sequence is this or greater (RFC 7162).
    Modseq(u64),
}

/// One criterion of SORT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SortCriterion {
    /// The greatest first.
    pub reverse: bool,
    /// By what.
    pub by: SortBy,
}

/// What SORT can sort by (RFC 5256, RFC 5957).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SortBy {
    /// The internal date.
    Arrival,
    /// The mailbox part of the first address of Cc.
    Cc,
    /// The sent date.
    Date,
    /// The mailbox part of the first address of From.
    From,
    /// The size.
    Size,
    /// The base subject.
    Subject,
    /// The mailbox part of the first address of To.
    To,
    /// The name of the first address of From that is shown (RFC 5957).
    DisplayFrom,
    /// That of To.
    DisplayTo,
}

/// How THREAD makes threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ThreadAlgorithm {
    /// By base subject and date.
    OrderedSubject,
    /// By references.
    References,
}

/// What STORE does with flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreHow {
    /// FLAGS: these and no others.
    Replace,
    /// +FLAGS.
    Add,
    /// -FLAGS.
    Remove,
}

/// An item of FETCH.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FetchItem {
    /// FLAGS.
    Flags,
    /// INTERNALDATE.
    InternalDate,
    /// RFC822.SIZE.
    Size,
    /// ENVELOPE.
    Envelope,
    /// BODY without a section: the structure without extension data.
    Body,
    /// BODYSTRUCTURE.
    BodyStructure,
    /// UID.
    Uid,
    /// MODSEQ (RFC 7162).
    Modseq,
    /// BODY[...] and the RFC822 items, which are the same under other names.
    Section(Section),
}

/// A part of a message's octets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// What the reply calls it.
    pub shown: Shown,
    /// \Seen is not set by it.
    pub peek: bool,
    /// The numbers of the part; empty for the message.
    pub part: Vec<u32>,
    /// What of the part.
    pub text: SectionText,
    /// The first octet and how many, where not all.
    pub partial: Option<(u64, u64)>,
}

/// The name of a section in the reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// BODY[...].
    Body,
    /// RFC822.
    Rfc822,
    /// RFC822.HEADER.
    Rfc822Header,
    /// RFC822.TEXT.
    Rfc822Text,
}

/// What of a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SectionText {
    /// All of it.
    All,
    /// HEADER.
    Header,
    /// HEADER.FIELDS, with the names as they came.
    Fields(Vec<Vec<u8>>),
    /// HEADER.FIELDS.NOT.
    FieldsNot(Vec<Vec<u8>>),
    /// TEXT.
    Text,
    /// MIME.
    Mime,
}
