//! The decision of checkpw, checkapoppw and selectcheckpw: by the user's own `.password` file.
//!
//! A wrong password for a file with a hash costs the work of that hash. So whoever is refused otherwise
//! (nobody's name, no file, an empty or a locked one, a plain password) costs one as well, of the usual kind:
//! what is in the others' files is not known here. Digests cost nearly nothing, whatever becomes of them.

use accounts::Home;
use chain::Env;
use zeroize::Zeroizing;

use crate::account::{self, Account};
use crate::hash::{self, Compared, USER};
use crate::stored::{self, Stored};
use crate::verdict::Refusal;
use crate::{Attempt, Proof, digest, password_file};

/// Who the attempt's login is, if the attempt proves that it knows the password in his file.
pub(crate) fn check(attempt: &Attempt, env: &Env) -> Result<Account, Refusal> {
    let (account, line) = find(attempt, env).inspect_err(|_| {
        if let Proof::Password(secret) = &attempt.proof {
            hash::burn(secret.expose(), None);
        }
    })?;
    prove(attempt, Stored::of_password_file(&line))?;
    Ok(account)
}

/// The account, and the first line of its file.
fn find(attempt: &Attempt, env: &Env) -> Result<(Account, Zeroizing<Vec<u8>>), Refusal> {
    if let Some(fault) = account::fault_of_name(&attempt.login) {
        return Err(Refusal::no(fault));
    }
    let home = Home::find(|name| env.get(name).map(Into::into));
    let account = account::of_login(&home, &attempt.login, true, env)?;
    account::refuse_outsiders(&home, &account)?;
    let line = password_file::read(&account, env)?;
    Ok((account, line))
}

/// Whether the attempt knows what is stored.
pub(crate) fn prove(attempt: &Attempt, stored: Stored<'_>) -> Result<(), Refusal> {
    let no = |why| Err(Refusal::no(why));
    let typed = match &attempt.proof {
        Proof::Password(secret) => return compare(secret.expose(), stored),
        Proof::Apop { digest } | Proof::Cram { digest } => digest,
    };
    match stored {
        Stored::Plain(_) if attempt.challenge.is_empty() => no("the challenge is empty"),
        Stored::Plain(_) if !digest::is_digest(typed) => {
            no("the digest is not 32 hexadecimal digits")
        }
        Stored::Plain(password) => {
            let is_right = match attempt.proof {
                Proof::Apop { .. } => digest::is_apop(typed, &attempt.challenge, password),
                _ => digest::is_cram(typed, &attempt.challenge, password),
            };
            if is_right {
                Ok(())
            } else {
                no("wrong password")
            }
        }
        Stored::Hash(_) => {
            no("the password file holds a hash; APOP and CRAM-MD5 need the password")
        }
        Stored::Locked(_) | Stored::Unknown(_) => no("the password file is empty or locked"),
    }
}

fn compare(typed: &[u8], stored: Stored<'_>) -> Result<(), Refusal> {
    let refused = |refusal| {
        hash::burn(typed, None);
        Err(refusal)
    };
    let is_same = match stored {
        Stored::Plain(password) if stored::is_same(typed, password) => true,
        Stored::Plain(_) => return refused(Refusal::no("wrong password")),
        Stored::Hash(hash) => match hash::verify(typed, hash, USER) {
            Compared::Match => true,
            Compared::NoMatch => false,
            Compared::NoMemory => return Err(Refusal::temporary("out of memory")),
            Compared::NoAnswer => return Err(Refusal::temporary(hash::NO_ANSWER)),
            Compared::Unsupported => {
                let why = "the password file holds a hash of an unknown scheme";
                return refused(Refusal::permanent(why));
            }
            Compared::TooCostly => {
                let why = "the hash in the password file makes too much work";
                return refused(Refusal::permanent(why));
            }
        },
        Stored::Locked(_) | Stored::Unknown(_) => {
            return refused(Refusal::no("the password file is empty or locked"));
        }
    };
    if is_same {
        Ok(())
    } else {
        Err(Refusal::no("wrong password"))
    }
}
