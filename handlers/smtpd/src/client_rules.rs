//! The rules about clients behind a proxy: a database as superd's `-x` reads it (superd-rules(5)), named by
//! XCLIENT_RULES in the proxy's own rule.
//!
//! It is asked once a session. What cannot be read lets nobody in, and refuses nobody for good.

use std::io;
use std::path::Path;

use os::file::Identity;
use rules::cdb::Cdb;
use rules::record::Verdict;
use rules::search;

use crate::xclient::Introduced;

/// A variable and its value.
pub(crate) type Variable = (Vec<u8>, Vec<u8>);

/// What the rules say about a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Judgement {
    /// It is served, with these variables.
    Allow(Vec<Variable>),
    /// It is not.
    Deny,
}

/// Asks the rules of `path` about `client`: its address, its name, and who has logged in as its ident. The
/// error is a sentence.
pub(crate) fn judge(path: &Path, client: &Introduced) -> Result<Judgement, String> {
    let asked = search::Client {
        ip: client.ip.as_deref().unwrap_or(b"unknown"),
        host: client.host.as_deref(),
        info: client.login.as_deref(),
    };
    let decision = decide(path, &asked).map_err(|error| {
        let reason = match error.kind() {
            io::ErrorKind::InvalidData => "protocol error".into(),
            _ => os::reason(&error),
        };
        format!("unable to read {}: {reason}", path.display())
    })?;
    Ok(match decision.verdict() {
        Verdict::Deny => Judgement::Deny,
        Verdict::Allow => {
            let owned = |(name, value): (&[u8], &[u8])| (name.to_vec(), value.to_vec());
            Judgement::Allow(decision.variables().map(owned).collect())
        }
    })
}

fn decide(path: &Path, client: &search::Client<'_>) -> io::Result<search::Decision> {
    let cdb = Cdb::open_path(path)?;
    let before = Identity::of(&cdb.file().metadata()?);
    let decision = search::decide(client, |key| cdb.get(key))?;
    // Somebody may have written into it meanwhile.
    if Identity::of(&cdb.file().metadata()?).has_content_of(&before) {
        Ok(decision)
    } else {
        Err(io::ErrorKind::InvalidData.into())
    }
}
