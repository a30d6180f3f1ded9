//! Files as memory, for reading (mmap(2)), also where somebody shortens them.
//!
//! Reading mapped memory behind the end of a file that has become shorter is SIGBUS, which ends the
//! process. So a handler puts zeros there in place of the file, once and up to the end of the map, and the
//! map knows from then on that it was cut off. (Servers that get memory from their clients do so, as those
//! of Wayland.) A SIGBUS that no map is the cause of does what it does by default.

use std::fs::File;
use std::io;
use std::num::NonZeroUsize;
use std::os::fd::AsFd;
use std::ptr::NonNull;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};

/// The most maps that a process has at once; each thread that reads messages needs one.
const MAPS: usize = 64;

/// The place of a map that is being made.
const CLAIMED: usize = 1;

/// What the handler knows of a map.
struct Slot {
    /// Where it begins; 0 where there is none, or [`CLAIMED`].
    start: AtomicUsize,
    end: AtomicUsize,
    is_cut: AtomicBool,
}

static SLOTS: [Slot; MAPS] = [const {
    Slot {
        start: AtomicUsize::new(0),
        end: AtomicUsize::new(0),
        is_cut: AtomicBool::new(false),
    }
}; MAPS];

/// The bytes of a page, once the handler is there; None where there can be none.
static PAGE: OnceLock<Option<usize>> = OnceLock::new();

/// A file as it was when it was mapped, read-only; what is cut off of it meanwhile are zeros.
#[derive(Debug)]
pub struct Map {
    start: NonNull<std::ffi::c_void>,
    length: usize,
    /// Its place in [`SLOTS`]; none for an empty one.
    slot: Option<usize>,
}

// SAFETY: the memory belongs to the value and is only read.
unsafe impl Send for Map {}
// SAFETY: as above.
unsafe impl Sync for Map {}

impl Map {
    /// All of a file. An empty one is an empty slice. An error is also that there are too many maps.
    pub fn of(file: &File) -> io::Result<Map> {
        let length = usize::try_from(file.metadata()?.len())
            .map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))?;
        let Some(size) = NonZeroUsize::new(length) else {
            return Ok(Map {
                start: NonNull::dangling(),
                length: 0,
                slot: None,
            });
        };
        let page = handle()?;
        let slot = claim().ok_or(io::ErrorKind::ResourceBusy)?;
        let (read, private) = (ProtFlags::PROT_READ, MapFlags::MAP_PRIVATE);
        // SAFETY: the kernel chooses a place that nothing is at.
        let start = match unsafe { mmap(None, size, read, private, file.as_fd(), 0) } {
            Ok(start) => start,
            Err(error) => {
                SLOTS[slot].start.store(0, Ordering::Release);
                return Err(error.into());
            }
        };
        let place = start.as_ptr() as usize;
        let end = (place + length).next_multiple_of(page);
        SLOTS[slot].is_cut.store(false, Ordering::Relaxed);
        SLOTS[slot].end.store(end, Ordering::Relaxed);
        SLOTS[slot].start.store(place, Ordering::Release);
        Ok(Map {
            start,
            length,
            slot: Some(slot),
        })
    }

    /// The bytes.
    pub fn as_slice(&self) -> &[u8] {
        if self.length == 0 {
            return &[];
        }
        // SAFETY: so many bytes are mapped there for as long as the value lives.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr().cast(), self.length) }
    }

    /// Whether the file was shortened, and what was read here may have been zeros instead.
    pub fn is_cut(&self) -> bool {
        self.slot
            .is_some_and(|slot| SLOTS[slot].is_cut.load(Ordering::Acquire))
    }
}

impl std::ops::Deref for Map {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.as_slice()
    }
}

impl Drop for Map {
    fn drop(&mut self) {
        if let Some(slot) = self.slot {
            // SAFETY: it was mapped by this value, and no slice of it outlives the value.
            let _ = unsafe { munmap(self.start, self.length) };
            SLOTS[slot].start.store(0, Ordering::Release);
        }
    }
}

/// A place in [`SLOTS`].
fn claim() -> Option<usize> {
    SLOTS.iter().position(|slot| {
        let (free, taken) = (0, CLAIMED);
        slot.start
            .compare_exchange(free, taken, Ordering::Acquire, Ordering::Relaxed)
            .is_ok()
    })
}

/// Sees to it that the handler is there; the bytes of a page.
fn handle() -> io::Result<usize> {
    let page = PAGE.get_or_init(|| {
        let page = nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE);
        let page = usize::try_from(page.ok()??).ok()?;
        let flags = SaFlags::SA_SIGINFO | SaFlags::SA_ONSTACK;
        let action = SigAction::new(SigHandler::SigAction(on_bus), flags, SigSet::empty());
        // SAFETY: the handler does only what a handler may (see there).
        unsafe { sigaction(Signal::SIGBUS, &action) }.ok()?;
        Some(page)
    });
    page.ok_or(io::ErrorKind::Unsupported.into())
}

/// The handler of SIGBUS. It reads atomic values and makes system calls, nothing else.
extern "C" fn on_bus(_: libc::c_int, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
    // SAFETY: with SA_SIGINFO the kernel passes a siginfo_t that is valid during the call.
    let info = unsafe { &*info };
    // SAFETY: the kernel has filled it in as that of a SIGBUS, where there is an address or none is used.
    let address = unsafe { info.si_addr() };
    // Otherwise somebody has sent it.
    let is_fault = info.si_code > 0;
    if is_fault && mend(address as usize) {
        return;
    }
    let default = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
    // SAFETY: the default disposition runs no code of this process.
    let _ = unsafe { sigaction(Signal::SIGBUS, &default) };
    // Blocked until the handler returns.
    // SAFETY: raise(3) takes a number.
    unsafe { libc::raise(libc::SIGBUS) };
}

/// Puts zeros in place of the map that holds `address`, from its page on; whether there is such a map.
fn mend(address: usize) -> bool {
    let Some(&Some(page)) = PAGE.get() else {
        return false;
    };
    for slot in &SLOTS {
        let start = slot.start.load(Ordering::Acquire);
        let end = slot.end.load(Ordering::Relaxed);
        if start <= CLAIMED || !(start..end).contains(&address) {
            continue;
        }
        let from = address & !(page - 1);
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED;
        slot.is_cut.store(true, Ordering::Release);
        // SAFETY: these pages are the map's alone, which a thread is reading right now and so has not
        // given back; they stay readable.
        let zeros = unsafe {
            libc::mmap(
                from as *mut libc::c_void,
                end - from,
                libc::PROT_READ,
                flags,
                -1,
                0,
            )
        };
        return zeros != libc::MAP_FAILED;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_file_is_read_through_its_mapping() {
        let mut file = tempfile::tempfile().expect("a file");
        assert_eq!(Map::of(&file).expect("mapped").as_slice(), b"");
        file.write_all(b"some text").expect("written");
        let map = Map::of(&file).expect("mapped");
        assert_eq!(&map[..], b"some text");
        // What is added later is not in it.
        file.write_all(b" more").expect("written");
        assert_eq!(map.len(), 9);
        assert!(!map.is_cut());
    }

    #[test]
    fn what_is_cut_off_are_zeros_and_the_map_knows_it() {
        let page = handle().expect("handled");
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(&vec![b'x'; 5 * page + 7]).expect("written");
        let (cut, whole) = (Map::of(&file), Map::of(&file));
        let (cut, whole) = (cut.expect("mapped"), whole.expect("mapped"));
        assert_eq!(cut[5 * page + 6], b'x');
        file.set_len(2 * page as u64).expect("cut");
        assert!(!cut.is_cut(), "nobody has looked");
        assert_eq!((cut[0], cut[2 * page - 1]), (b'x', b'x'));
        assert_eq!(cut[3 * page], 0);
        assert!(cut.is_cut());
        // And what is between, of which nothing is there either.
        assert_eq!((cut[2 * page], cut[5 * page + 6]), (0, 0));
        assert!(!whole.is_cut(), "of each map by itself");
        drop((cut, whole));
        let again = Map::of(&file).expect("mapped");
        assert_eq!((again.len(), again.is_cut()), (2 * page, false));
    }

    #[test]
    fn there_are_so_many_maps_and_no_more_and_they_are_given_back() {
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(b"x").expect("written");
        let some: Vec<Map> = std::iter::from_fn(|| Map::of(&file).ok())
            .take(MAPS)
            .collect();
        // Other tests may have some.
        assert!(some.len() > MAPS / 2);
        drop(some);
        assert!(Map::of(&file).is_ok());
    }
}
