//! Users by NSS, and password hashes by the system's libcrypt: for `superd-nss` alone.
//!
//! Only for a program that is linked dynamically (see [`crate::names`]), which is why this is behind
//! the feature `nss` that no other package of ours asks for. NSS and libcrypt run code that is not
//! ours, of any duration: a program that calls this has set itself a limit with [`end_after`].

use std::ffi::{CStr, OsStr, c_char, c_int};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use zeroize::Zeroizing;

use crate::names::passwd::User;
use crate::names::shadow::{Entry, Hash};

/// Where the buffer for an entry begins, and what it may grow to.
const ENTRY_BYTES: usize = 4096;
const ENTRY_LIMIT: usize = 1 << 20;

/// More than any libcrypt's `struct crypt_data`: libxcrypt's has 32 KiB, that of old glibc 128.
const CRYPT_BYTES: usize = 256 * 1024;

#[link(name = "crypt")]
unsafe extern "C" {
    fn crypt_r(phrase: *const c_char, setting: *const c_char, data: *mut u128) -> *mut c_char;
}

/// The user of that name, from whatever source knows him first.
pub fn user(name: &CStr) -> io::Result<Option<User>> {
    let mut buffer = Zeroizing::new(vec![0u8; ENTRY_BYTES]);
    loop {
        // SAFETY: passwd is a plain C structure, for which all zeros is a valid value.
        let mut entry: libc::passwd = unsafe { std::mem::zeroed() };
        let mut found = std::ptr::null_mut();
        // SAFETY: all pointers are to values that live through the call, and the length is that of
        // the buffer.
        let error = unsafe {
            libc::getpwnam_r(
                name.as_ptr(),
                &raw mut entry,
                buffer.as_mut_ptr().cast(),
                buffer.len(),
                &raw mut found,
            )
        };
        match looked_up(error, found.is_null(), &mut buffer)? {
            Found::Retry => {}
            Found::None => return Ok(None),
            Found::Entry => {
                return Ok(Some(User {
                    // SAFETY: the call succeeded: its strings are in the buffer, which lives.
                    name: unsafe { bytes(entry.pw_name) },
                    uid: entry.pw_uid,
                    gid: entry.pw_gid,
                    home: {
                        // SAFETY: as above.
                        let home = unsafe { bytes(entry.pw_dir) };
                        PathBuf::from(OsStr::from_bytes(&home))
                    },
                    // SAFETY: as above.
                    shell: unsafe { bytes(entry.pw_shell) },
                }));
            }
        }
    }
}

/// The groups of a user, `gid` among them.
pub fn groups(name: &CStr, gid: u32) -> io::Result<Vec<u32>> {
    let groups = nix::unistd::getgrouplist(name, nix::unistd::Gid::from_raw(gid))?;
    Ok(groups.into_iter().map(nix::unistd::Gid::as_raw).collect())
}

/// The shadow entry of that name, from whatever source knows it first.
pub fn shadow(name: &CStr) -> io::Result<Option<Entry>> {
    let mut buffer = Zeroizing::new(vec![0u8; ENTRY_BYTES]);
    loop {
        // SAFETY: spwd is a plain C structure, for which all zeros is a valid value.
        let mut entry: libc::spwd = unsafe { std::mem::zeroed() };
        let mut found = std::ptr::null_mut();
        // SAFETY: all pointers are to values that live through the call, and the length is that of
        // the buffer.
        let error = unsafe {
            libc::getspnam_r(
                name.as_ptr(),
                &raw mut entry,
                buffer.as_mut_ptr().cast(),
                buffer.len(),
                &raw mut found,
            )
        };
        match looked_up(error, found.is_null(), &mut buffer)? {
            Found::Retry => {}
            Found::None => return Ok(None),
            Found::Entry => {
                // SAFETY: the call succeeded: its strings are in the buffer, which lives.
                let hash = Zeroizing::new(unsafe { bytes(entry.sp_pwdp) });
                // An empty field is a negative number. (C's long has 32 bits on some machines.)
                #[allow(clippy::useless_conversion)]
                let days = |number| Some(i64::from(number)).filter(|&number| number >= 0);
                return Ok(Some(Entry {
                    hash: Hash::new(&hash),
                    changed: days(entry.sp_lstchg),
                    maximum: days(entry.sp_max),
                    inactive: days(entry.sp_inact),
                    expires: days(entry.sp_expire),
                }));
            }
        }
    }
}

enum Found {
    Entry,
    None,
    Retry,
}

/// What getpwnam_r and its kin say by their number and their pointer. A buffer that was too small is
/// made larger.
fn looked_up(error: c_int, is_null: bool, buffer: &mut Zeroizing<Vec<u8>>) -> io::Result<Found> {
    match error {
        0 if is_null => Ok(Found::None),
        0 => Ok(Found::Entry),
        // getpwnam_r(3): modules use these for "not found", too.
        libc::ENOENT | libc::ESRCH => Ok(Found::None),
        libc::EINTR => Ok(Found::Retry),
        libc::ERANGE if buffer.len() < ENTRY_LIMIT => {
            *buffer = Zeroizing::new(vec![0; buffer.len() * 4]);
            Ok(Found::Retry)
        }
        error => Err(io::Error::from_raw_os_error(error)),
    }
}

/// A copy of a C string; that of a null pointer is empty.
///
/// # Safety
/// `text` is null or points to a C string.
unsafe fn bytes(text: *const c_char) -> Vec<u8> {
    if text.is_null() {
        return Vec::new();
    }
    // SAFETY: the contract.
    unsafe { CStr::from_ptr(text) }.to_bytes().to_vec()
}

/// The hash of `secret` by the method, the parameters and the salt that `setting` begins with, which
/// may be a whole hash (crypt(3)). `None` where libcrypt does not know the method or refuses.
pub fn crypt(secret: &CStr, setting: &CStr) -> Option<Zeroizing<Vec<u8>>> {
    // What is left in it could be worked back to the secret.
    let mut data = Zeroizing::new(vec![0u128; CRYPT_BYTES / size_of::<u128>()]);
    // SAFETY: both texts are C strings, and the data is zeroed, aligned and larger than any
    // libcrypt's.
    let hash = unsafe { crypt_r(secret.as_ptr(), setting.as_ptr(), data.as_mut_ptr()) };
    // SAFETY: the call returns null or a C string, which is in the data.
    let hash = Zeroizing::new(unsafe { bytes(hash) });
    // A failure is no string, or one that no hash is.
    (!hash.is_empty() && hash[0] != b'*').then_some(hash)
}

/// Ends this process by SIGALRM in so many seconds, whatever it is doing then.
pub fn end_after(seconds: u32) -> io::Result<()> {
    use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, SigmaskHow, Signal};
    let default = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
    // SAFETY: the default disposition runs no code of this process.
    unsafe { nix::sys::signal::sigaction(Signal::SIGALRM, &default) }?;
    let mut alarm = SigSet::empty();
    alarm.add(Signal::SIGALRM);
    nix::sys::signal::sigprocmask(SigmaskHow::SIG_UNBLOCK, Some(&alarm), None)?;
    nix::unistd::alarm::set(seconds);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_superuser_is_known_to_nss_with_his_group() {
        let root = user(c"root").expect("no trouble").expect("root");
        assert_eq!((root.uid, root.gid), (0, 0));
        assert!(groups(c"root", 0).expect("no trouble").contains(&0));
    }

    #[test]
    fn nobody_is_nobody() {
        assert_eq!(user(c"no-such-user-here").expect("no trouble"), None);
        assert!(shadow(c"no-such-user-here").expect("no trouble").is_none());
    }

    #[test]
    fn libcrypt_makes_the_hash_that_a_setting_asks_for() {
        // The examples of PHP's manual for two of the older schemes.
        let hash = crypt(c"rasmuslerdorf", c"rl").expect("a hash");
        assert_eq!(hash.as_slice(), b"rl.3StKT.4T8M");
        let hash = crypt(c"rasmuslerdorf", c"$1$rasmusle$").expect("a hash");
        assert_eq!(hash.as_slice(), b"$1$rasmusle$rISCgZzpwk3UhDidwXvin0");
        // A whole hash is its own setting.
        let again = crypt(c"rasmuslerdorf", c"rl.3StKT.4T8M").expect("a hash");
        assert_eq!(again.as_slice(), b"rl.3StKT.4T8M");
    }

    #[test]
    fn a_setting_of_no_scheme_makes_no_hash() {
        for setting in [c"*", c"*0", c"!", c"!$y$j9T$x$y", c"$none$x", c""] {
            assert!(crypt(c"test", setting).is_none(), "{setting:?}");
        }
    }

    #[test]
    fn the_buffer_grows_to_its_limit_and_no_further() {
        let mut buffer = Zeroizing::new(vec![0; ENTRY_BYTES]);
        let mut rounds = 0;
        while looked_up(libc::ERANGE, true, &mut buffer).is_ok() {
            rounds += 1;
            assert!(rounds < 20);
        }
        assert_eq!(buffer.len(), ENTRY_LIMIT);
    }
}
