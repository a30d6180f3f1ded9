//! PAM's application side: may this user in? For `superd-nss` alone, behind the feature `pam`.
//!
//! Linked by the library's run-time name, so that no development package is needed. Of PAM's six
//! primitives two are used, authentication and account management. Credentials and sessions belong
//! to the process that becomes the user, and this is not that one.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr;

use zeroize::Zeroize;

/// Numbers of pam_appl.h and _pam_types.h of Linux-PAM.
const SUCCESS: c_int = 0;
const PERM_DENIED: c_int = 6;
const AUTH_ERR: c_int = 7;
const USER_UNKNOWN: c_int = 10;
const MAXTRIES: c_int = 11;
const NEW_AUTHTOK_REQD: c_int = 12;
const ACCT_EXPIRED: c_int = 13;
const CRED_EXPIRED: c_int = 16;
const CONV_ERR: c_int = 19;
const AUTHTOK_EXPIRED: c_int = 27;
const USER: c_int = 2;
const RHOST: c_int = 4;
const PROMPT_ECHO_OFF: c_int = 1;
const PROMPT_ECHO_ON: c_int = 2;
const ERROR_MSG: c_int = 3;
const TEXT_INFO: c_int = 4;
const SILENT: c_int = 0x8000;
const DISALLOW_NULL_AUTHTOK: c_int = 1;
const MAX_MESSAGES: usize = 32;

/// The longest name that is taken back from PAM.
const NAME_LIMIT: usize = 256;

#[repr(C)]
struct Message {
    style: c_int,
    text: *const c_char,
}

#[repr(C)]
struct Response {
    text: *mut c_char,
    /// Unused, by PAM's own word.
    code: c_int,
}

type Converse = unsafe extern "C" fn(
    count: c_int,
    messages: *mut *const Message,
    responses: *mut *mut Response,
    data: *mut c_void,
) -> c_int;

#[repr(C)]
struct Conversation {
    converse: Converse,
    data: *mut c_void,
}

#[repr(C)]
struct Opaque {
    _private: [u8; 0],
}

#[link(name = "libpam.so.0", modifiers = "+verbatim")]
unsafe extern "C" {
    fn pam_start(
        service: *const c_char,
        user: *const c_char,
        conversation: *const Conversation,
        handle: *mut *mut Opaque,
    ) -> c_int;
    fn pam_set_item(handle: *mut Opaque, item: c_int, value: *const c_void) -> c_int;
    fn pam_get_item(handle: *const Opaque, item: c_int, value: *mut *const c_void) -> c_int;
    fn pam_authenticate(handle: *mut Opaque, flags: c_int) -> c_int;
    fn pam_acct_mgmt(handle: *mut Opaque, flags: c_int) -> c_int;
    fn pam_strerror(handle: *mut Opaque, error: c_int) -> *const c_char;
    fn pam_end(handle: *mut Opaque, status: c_int) -> c_int;
}

/// What PAM says. The texts are its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// He may come in, under this name.
    Yes(Vec<u8>),
    /// He may not.
    No(String),
    /// It cannot be told: a module or the configuration failed.
    Trouble(String),
}

/// What questions are answered with.
struct Answers<'a> {
    user: &'a CStr,
    secret: &'a CStr,
}

/// Asks PAM's `service` whether `secret` proves that this is `user`, and whether he may log in now
/// from the address `rhost` (which may be empty).
pub fn ask(service: &CStr, user: &CStr, secret: &CStr, rhost: &CStr) -> Told {
    let answers = Answers { user, secret };
    let conversation = Conversation {
        converse,
        data: (&raw const answers).cast_mut().cast(),
    };
    let mut handle = ptr::null_mut();
    // SAFETY: the texts are C strings; the conversation and its data live until pam_end.
    let status = unsafe {
        pam_start(
            service.as_ptr(),
            user.as_ptr(),
            &raw const conversation,
            &raw mut handle,
        )
    };
    if status != SUCCESS || handle.is_null() {
        return Told::Trouble(format!("PAM cannot start: error {status}"));
    }
    let (told, status) = ask_started(handle, rhost);
    // SAFETY: the handle is from pam_start and is not used after this.
    unsafe { pam_end(handle, status) };
    told
}

fn ask_started(handle: *mut Opaque, rhost: &CStr) -> (Told, c_int) {
    let mut status = SUCCESS;
    if !rhost.is_empty() {
        // SAFETY: the handle is valid, and PAM copies the C string.
        status = unsafe { pam_set_item(handle, RHOST, rhost.as_ptr().cast()) };
    }
    let flags = SILENT | DISALLOW_NULL_AUTHTOK;
    if status == SUCCESS {
        // SAFETY: the handle is valid.
        status = unsafe { pam_authenticate(handle, flags) };
    }
    if status == SUCCESS {
        // SAFETY: the handle is valid.
        status = unsafe { pam_acct_mgmt(handle, flags) };
    }
    if status != SUCCESS {
        return (refused(handle, status), status);
    }
    let mut name = ptr::null();
    // SAFETY: the handle is valid, and the pointer has a place to go.
    status = unsafe { pam_get_item(handle, USER, &raw mut name) };
    if status != SUCCESS || name.is_null() {
        return (Told::Trouble("PAM ends without a name".to_owned()), status);
    }
    // SAFETY: the item is a C string, which lives until pam_end.
    let name = unsafe { CStr::from_ptr(name.cast()) }.to_bytes();
    if name.is_empty() || name.len() > NAME_LIMIT {
        return (
            Told::Trouble("PAM ends with no proper name".to_owned()),
            status,
        );
    }
    (Told::Yes(name.to_vec()), status)
}

fn refused(handle: *mut Opaque, status: c_int) -> Told {
    // SAFETY: the handle is valid; the call looks a number up.
    let text = unsafe { pam_strerror(handle, status) };
    let text = if text.is_null() {
        format!("PAM error {status}")
    } else {
        // SAFETY: a text of pam_strerror is a constant C string.
        let text = unsafe { CStr::from_ptr(text) };
        format!("PAM: {}", text.to_string_lossy())
    };
    match status {
        PERM_DENIED | AUTH_ERR | USER_UNKNOWN | MAXTRIES | NEW_AUTHTOK_REQD | ACCT_EXPIRED
        | CRED_EXPIRED | AUTHTOK_EXPIRED => Told::No(text),
        _ => Told::Trouble(text),
    }
}

/// Answers a module's questions: hidden ones with the secret, open ones with the name. Its remarks
/// go nowhere.
unsafe extern "C" fn converse(
    count: c_int,
    messages: *mut *const Message,
    responses: *mut *mut Response,
    data: *mut c_void,
) -> c_int {
    let count = match usize::try_from(count) {
        Ok(count @ 1..=MAX_MESSAGES) => count,
        _ => return CONV_ERR,
    };
    if messages.is_null() || responses.is_null() || data.is_null() {
        return CONV_ERR;
    }
    // SAFETY: the data is what `ask` gave to pam_start, and it outlives the handle.
    let answers = unsafe { &*data.cast::<Answers<'_>>() };
    // SAFETY: calloc takes two numbers. PAM frees what it is given with free(3), so it must be
    // from this allocator.
    let list = unsafe { libc::calloc(count, size_of::<Response>()) }.cast::<Response>();
    if list.is_null() {
        return CONV_ERR;
    }
    // SAFETY: Linux-PAM passes an array of `count` pointers to messages.
    let messages = unsafe { std::slice::from_raw_parts(messages, count) };
    // SAFETY: so many zeroed entries were allocated, and nobody else knows them yet.
    let entries = unsafe { std::slice::from_raw_parts_mut(list, count) };
    for (message, entry) in messages.iter().zip(entries) {
        // SAFETY: the pointers are null, which is told apart, or to messages.
        let style = unsafe { message.as_ref() }.map(|message| message.style);
        let answer = match style {
            Some(PROMPT_ECHO_OFF) => answers.secret,
            Some(PROMPT_ECHO_ON) => answers.user,
            // calloc left no text there, which is what these get.
            Some(ERROR_MSG | TEXT_INFO) => continue,
            _ => {
                discard(list, count);
                return CONV_ERR;
            }
        };
        // SAFETY: the answer is a C string.
        let copy = unsafe { libc::strdup(answer.as_ptr()) };
        if copy.is_null() {
            discard(list, count);
            return CONV_ERR;
        }
        entry.text = copy;
    }
    // SAFETY: PAM gave a place for the list; from here on the list is PAM's.
    unsafe { *responses = list };
    SUCCESS
}

/// Overwrites and frees a list that PAM is not to get: to a failure belongs no list.
fn discard(list: *mut Response, count: usize) {
    // SAFETY: the list has `count` entries and is ours.
    for entry in unsafe { std::slice::from_raw_parts(list, count) } {
        let text = entry.text;
        if text.is_null() {
            continue;
        }
        // SAFETY: it is a C string from strdup.
        let length = unsafe { libc::strlen(text) };
        // SAFETY: so many bytes were allocated, and nobody else knows them.
        unsafe { std::slice::from_raw_parts_mut(text.cast::<u8>(), length) }.zeroize();
        // SAFETY: it is from strdup and not used after this.
        unsafe { libc::free(text.cast()) };
    }
    // SAFETY: it is from calloc and not used after this.
    unsafe { libc::free(list.cast()) };
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `converse` answers to messages of these styles.
    fn said(styles: &[c_int]) -> Result<Vec<Option<Vec<u8>>>, c_int> {
        let list: Vec<Message> = styles
            .iter()
            .map(|&style| Message {
                style,
                text: c"?".as_ptr(),
            })
            .collect();
        let mut pointers: Vec<*const Message> = list.iter().map(ptr::from_ref).collect();
        let answers = Answers {
            user: c"joe",
            secret: c"sekrit",
        };
        let mut responses = ptr::null_mut();
        // SAFETY: all of it lives through the call, in the shape that PAM gives it.
        let status = unsafe {
            converse(
                c_int::try_from(styles.len()).expect("few"),
                pointers.as_mut_ptr(),
                &raw mut responses,
                (&raw const answers).cast_mut().cast(),
            )
        };
        if status != SUCCESS {
            assert!(responses.is_null(), "a failure has no list");
            return Err(status);
        }
        // SAFETY: the list has an entry for each message.
        let entries = unsafe { std::slice::from_raw_parts(responses, styles.len()) };
        let texts = entries.iter().map(|entry| {
            let text = entry.text;
            // SAFETY: a text that is not null is a C string.
            (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) }.to_bytes().to_vec())
        });
        let texts = texts.collect();
        discard(responses, styles.len());
        Ok(texts)
    }

    #[test]
    fn hidden_questions_get_the_secret_and_open_ones_the_name() {
        let styles = [PROMPT_ECHO_ON, TEXT_INFO, PROMPT_ECHO_OFF, ERROR_MSG];
        let expected = vec![Some(b"joe".to_vec()), None, Some(b"sekrit".to_vec()), None];
        assert_eq!(said(&styles), Ok(expected));
    }

    #[test]
    fn a_conversation_that_fails_gives_nothing_to_free() {
        assert_eq!(said(&[PROMPT_ECHO_OFF, 99]), Err(CONV_ERR));
        assert_eq!(said(&[]), Err(CONV_ERR));
        assert!(said(&[TEXT_INFO; MAX_MESSAGES]).is_ok());
        assert_eq!(said(&[TEXT_INFO; MAX_MESSAGES + 1]), Err(CONV_ERR));
    }
}
