//! One pass over a message that finds its parts, for [`crate::walk`].

use std::borrow::Cow;
use std::ops::Range;

use memchr::{memchr_iter, memmem};

use crate::boundary::{Boundaries, Hit};
use crate::content::{self, Content};
use crate::header::{header_end, is_empty_line, line_end};
use crate::part::{Kind, Limits, Part, Structure};

/// The structure of a message.
pub(crate) fn structure(message: &[u8], limits: Limits) -> Structure<'_> {
    let mut walk = Walk {
        message,
        limits,
        at: 0,
        lines: 0,
        bare: 0,
        parts: Vec::new(),
        open: Vec::new(),
        leaf: None,
        boundaries: Boundaries::default(),
        dashes: memmem::Finder::new(b"\n--"),
    };
    walk.run();
    Structure { parts: walk.parts }
}

/// The message as a part, by its header.
pub(crate) fn top(message: &[u8]) -> Part<'_> {
    let end = header_end(message);
    let (part, _) = part(message, 0..end, false);
    Part {
        body: end..message.len(),
        ..part
    }
}

/// The line ends in these bytes, and how many of them are an LF alone.
pub(crate) fn count_lines(bytes: &[u8]) -> (u64, u64) {
    let lines = memchr_iter(b'\n', bytes).count();
    let with_cr = memchr_iter(b'\r', bytes)
        .filter(|at| bytes.get(at + 1) == Some(&b'\n'))
        .count();
    (lines as u64, (lines - with_cr) as u64)
}

/// A multipart or a message whose end has not come.
#[derive(Debug)]
struct Open {
    part: usize,
    /// Whether parts without a Content-Type are messages.
    digest: bool,
    /// Its last part so far.
    last: Option<usize>,
}

#[derive(Debug)]
struct Walk<'a> {
    message: &'a [u8],
    limits: Limits,
    /// What has been read: always whole lines.
    at: usize,
    /// The line ends in what has been read.
    lines: u64,
    /// Those of them that are an LF alone.
    bare: u64,
    /// In a part that is open `lines` and `octets_crlf` are what `lines` and `bare` were here when
    /// its body began.
    parts: Vec<Part<'a>>,
    open: Vec<Open>,
    /// The leaf that is open.
    leaf: Option<usize>,
    boundaries: Boundaries,
    dashes: memmem::Finder<'static>,
}

impl<'a> Walk<'a> {
    fn run(&mut self) {
        self.begin();
        while self.at < self.message.len() {
            match self.boundaries.find(&self.message[self.at..]) {
                Some(hit) => self.boundary(hit),
                None => self.read_to(self.next_candidate()),
            }
        }
        self.close(0, self.at, self.at);
    }

    /// Where the next line begins that may be a boundary, behind the one that begins here.
    fn next_candidate(&self) -> usize {
        if self.boundaries.is_empty() {
            return self.message.len();
        }
        self.dashes
            .find(&self.message[self.at..])
            .map_or(self.message.len(), |found| self.at + found + 1)
    }

    fn read_to(&mut self, to: usize) {
        let (lines, bare) = count_lines(&self.message[self.at..to]);
        self.lines += lines;
        self.bare += bare;
        self.at = to;
    }

    /// A line with a boundary begins here.
    fn boundary(&mut self, hit: Hit) {
        let start = self.at;
        let end = start - line_end_before(self.message, start);
        self.close(hit.level + 1, start, end);
        self.read_to(start + line_end(&self.message[start..]));
        if hit.last {
            self.boundaries.close_from(hit.level);
        } else {
            self.begin();
        }
    }

    /// Closes the leaf and all from a level on. `line` is where the line begins that ends them, `end`
    /// where the line end before it does, which belongs to none of them.
    fn close(&mut self, level: usize, line: usize, end: usize) {
        if let Some(leaf) = self.leaf.take() {
            self.finish(leaf, line, end);
        }
        while self.open.len() > level {
            let Some(open) = self.open.pop() else {
                return;
            };
            self.finish(open.part, line, end);
            if open.last.is_none() {
                let end = self.parts[open.part].body.end;
                let (mut empty, _) = part(self.message, end..end, false);
                empty.parent = Some(open.part);
                self.parts.push(empty);
            }
        }
        self.boundaries.close_from(level);
    }

    fn finish(&mut self, part: usize, line: usize, end: usize) {
        let part = &mut self.parts[part];
        let start = part.body.start;
        if end <= start {
            // Nothing but a header, if that: it may be its last line end that is not its own.
            part.header = part.header.start.min(end)..part.header.end.min(end);
            part.body = part.header.end..part.header.end;
            (part.lines, part.octets_crlf) = (0, 0);
            return;
        }
        part.body = start..end;
        // The line end that does not belong to the body has been read.
        part.lines = self.lines - part.lines - u64::from(end < line);
        let bare = self.bare - part.octets_crlf - u64::from(line - end == 1);
        part.octets_crlf = (end - start) as u64 + bare;
    }

    /// Reads the header of a part that begins here, in what is open, and opens it: with a message
    /// also what is in it.
    fn begin(&mut self) {
        while self.begin_one() == Kind::Message {}
    }

    fn begin_one(&mut self) -> Kind {
        let header = self.at..self.header_end();
        self.read_to(header.end);
        let digest = self.open.last().is_some_and(|open| open.digest);
        let (mut part, boundary) = part(self.message, header, digest);
        let index = self.parts.len();
        if let Some(open) = self.open.last_mut() {
            part.parent = Some(open.part);
            if let Some(before) = open.last.replace(index) {
                part.number = self.parts[before].number + 1;
                self.parts[before].next = Some(index);
            }
        }
        // The part may need one inside, and another may follow that takes what is left.
        let is_last = index.saturating_add(2) >= self.limits.parts;
        if is_last {
            self.boundaries.close_from(0);
        }
        if part.kind != Kind::Leaf && (is_last || self.open.len() >= self.limits.depth) {
            part.kind = Kind::Leaf;
            part.type_ = Cow::Borrowed(b"application");
            part.subtype = Cow::Borrowed(b"octet-stream");
            part.parameters = Vec::new();
        }
        part.lines = self.lines;
        part.octets_crlf = self.bare;
        let kind = part.kind;
        if kind == Kind::Leaf {
            self.leaf = Some(index);
        } else {
            if kind == Kind::Multipart {
                self.boundaries.open(&boundary, self.open.len());
            }
            self.open.push(Open {
                part: index,
                digest: kind == Kind::Multipart && part.is("multipart", "digest"),
                last: None,
            });
        }
        self.parts.push(part);
        kind
    }

    /// Where the header ends that begins here: behind its empty line, or where a boundary is.
    fn header_end(&self) -> usize {
        let mut at = self.at;
        while at < self.message.len() {
            let rest = &self.message[at..];
            if self.boundaries.find(rest).is_some() {
                return at;
            }
            at += line_end(rest);
            if is_empty_line(rest) {
                break;
            }
        }
        at
    }
}

/// How long the line end is that stands before `at`.
fn line_end_before(message: &[u8], at: usize) -> usize {
    match message[..at].strip_suffix(b"\n") {
        Some(line) => at - line.strip_suffix(b"\r").unwrap_or(line).len(),
        None => 0,
    }
}

/// What a header says of its part, and the boundary if it is a multipart. The body is empty.
fn part(message: &[u8], header: Range<usize>, digest: bool) -> (Part<'_>, Vec<u8>) {
    let Content {
        media,
        typed,
        id,
        description,
        encoding,
        md5,
        disposition,
        languages,
        location,
    } = content::read(&message[header.clone()]);
    let (type_, subtype, parameters) = match media {
        Some(media) => (media.type_, media.subtype, media.parameters),
        None if digest && !typed => (&b"message"[..], &b"rfc822"[..], Vec::new()),
        None => (&b"text"[..], &b"plain"[..], Vec::new()),
    };
    let mut part = Part {
        parent: None,
        number: 1,
        next: None,
        kind: Kind::Leaf,
        body: header.end..header.end,
        header,
        type_: Cow::Borrowed(type_),
        subtype: Cow::Borrowed(subtype),
        parameters,
        id,
        description,
        encoding,
        md5,
        disposition,
        languages,
        location,
        octets_crlf: 0,
        lines: 0,
    };
    let mut boundary = Vec::new();
    if type_.eq_ignore_ascii_case(b"multipart") {
        // No boundary ends in white space (RFC 2046 section 5.1.1), but a parameter may.
        boundary = match part.parameter("boundary") {
            Some(text) => text.trim_ascii_end().to_vec(),
            None => Vec::new(),
        };
        if boundary.is_empty() {
            part.type_ = Cow::Borrowed(b"text");
            part.subtype = Cow::Borrowed(b"plain");
            part.parameters = Vec::new();
        } else {
            part.kind = Kind::Multipart;
        }
    } else if part.is("message", "rfc822") {
        part.kind = Kind::Message;
    }
    (part, boundary)
}
