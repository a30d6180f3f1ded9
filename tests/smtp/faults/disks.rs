//! Disks, and quotas, that are full at every point of a delivery.

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use super::site::Site;
use kit::{Run, as_root, note_left_out, soak};

/// A file system of its own, while this lives.
pub struct Mounted(PathBuf);

impl Mounted {
    fn new(at: PathBuf, words: &[&str]) -> Result<Mounted, String> {
        let done = Run::new("mount").args(words).arg(&at).done();
        match done.code {
            Some(0) => Ok(Mounted(at)),
            _ => Err(done.err().trim_end().to_owned()),
        }
    }

    /// Everything in memory.
    fn tmpfs(at: PathBuf) -> Result<Mounted, String> {
        let words = ["-t", "tmpfs", "-o", "size=32m,mode=0777", "superd-tests"];
        Mounted::new(at, &words)
    }

    /// Mailboxes in memory, for syncing is slow and a fault is the same there. Without root they stay
    /// where they are.
    pub fn memory(site: &Site) -> Option<Mounted> {
        Mounted::tmpfs(site.house.path("disk")).ok()
    }

    /// In a file.
    fn image(at: PathBuf, image: &str, options: &str) -> Result<Mounted, String> {
        Mounted::new(at, &["-o", options, image])
    }

    fn remount(&self, options: &str) {
        let options = format!("remount,{options}");
        let done = Run::new("mount").args(["-o", &options]).arg(&self.0).done();
        assert_eq!(done.code, Some(0), "{options}: {}", done.err());
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let done = Run::new("umount").arg(&self.0).done();
        assert_eq!(done.code, Some(0), "{}", done.err());
    }
}

/// A file of so many KiB with what this command makes in it; its path.
fn image(site: &Site, kib: u64, mkfs: &str) -> Result<String, String> {
    let path = site.house.path("image");
    let file = fs::File::create(&path).unwrap();
    file.set_len(kib * 1024).unwrap();
    let path = path.to_str().unwrap().to_owned();
    let words: Vec<&str> = mkfs.split(' ').chain([path.as_str()]).collect();
    try_to(&words)?;
    Ok(path)
}

/// A command that this machine may not have, or may not allow.
fn try_to(words: &[&str]) -> Result<(), String> {
    let done = Run::new("/bin/sh")
        .args(["-c", "exec \"$@\" 2>&1", "sh"])
        .args(words)
        .done();
    match done.code {
        Some(0) => Ok(()),
        _ => Err(done.out().trim_end().to_owned()),
    }
}

/// What the log says of a disk without room.
const NO_ROOM: &str = "out of disk space";

/// One delivery with each of `amounts` of room, which `limit` allows, `None` being enough. It is
/// taken with enough room and not with too little, for which the log has the reason; and there is no
/// amount with which some have it.
fn with_room(
    site: &Site,
    reason: &str,
    amounts: impl Iterator<Item = u64>,
    limit: &dyn Fn(Option<u64>),
) {
    let (mut taken, mut refused) = (0, 0);
    for amount in amounts {
        limit(None);
        site.clear();
        limit(Some(amount));
        let mut talk = site.start(&[]);
        let verdict = talk.greet_and_send(site);
        let (copies, leftovers) = (site.copies(), site.leftovers());
        limit(None);
        let again = talk.send(site);
        let told = talk.end();
        let told = format!("room for {amount}, taken {verdict:?}, there {copies:?}:\n{told}");
        assert_eq!(copies, verdict.map(usize::from), "{told}");
        assert!(leftovers.is_empty(), "left behind: {leftovers:?}: {told}");
        assert!(!told.lines().any(|line| line.starts_with('5')), "{told}");
        assert_eq!(again, [true; 3], "not taken although there is room: {told}");
        assert_eq!(site.copies(), copies.map(|count| count + 1), "{told}");
        let all = verdict == [true; 3];
        assert!(all || told.contains(reason), "{told}");
        // Without room here it did not go elsewhere.
        if site.hop.is_some() {
            assert_eq!(site.went(), 1 + usize::from(all), "{told}");
        }
        taken += usize::from(all);
        refused += usize::from(!all);
    }
    println!("with too little room {refused}, with enough {taken}");
    assert!(taken > 0 && refused > 0, "{taken} taken, {refused} refused");
}

/// tmpfs with few blocks, then with few inodes.
fn full_in_memory(site: &Site) {
    let disk = match Mounted::tmpfs(site.house.path("disk")) {
        Ok(disk) => disk,
        Err(why) => return note_left_out("a full tmpfs", &why),
    };
    with_room(site, NO_ROOM, 1..27, &|pages| {
        disk.remount(&format!(
            "size={}k",
            pages.map_or(32_000, |pages| pages * 4)
        ));
    });
    // What there is before the delivery has eight.
    with_room(site, NO_ROOM, 8..36, &|inodes| {
        disk.remount(&format!("nr_inodes={}", inodes.unwrap_or(1000)));
    });
}

/// The spool file of maildir-queue or lmtpd on a full disk.
fn full_spool(site: &Site, step: usize) {
    let disk = match Mounted::tmpfs(site.house.path("spool")) {
        Ok(disk) => disk,
        Err(why) => return note_left_out("a full spool", &why),
    };
    with_room(site, NO_ROOM, (1..90).step_by(step), &|pages| {
        disk.remount(&format!(
            "size={}k",
            pages.map_or(32_000, |pages| pages * 4)
        ));
    });
}

/// ext4, filled up to some KiB by a file beside the mailboxes.
fn full_ext4(site: &Site, step: usize) {
    let mkfs = "mkfs.ext4 -q -b 1024 -m 0 -N 128 -O ^has_journal";
    let image = image(site, 1024, mkfs);
    let disk = image.and_then(|image| Mounted::image(site.house.path("disk"), &image, "loop"));
    let disk = match disk {
        Ok(disk) => disk,
        Err(why) => return note_left_out("a full ext4", &why),
    };
    let ballast = disk.0.join("ballast");
    with_room(site, NO_ROOM, (0..130).step_by(step), &|kib| {
        let mut file = fs::File::create(&ballast).unwrap();
        let Some(kib) = kib else { return };
        let mut size = 0;
        while file.write_all(&[b'x'; 1024]).is_ok() {
            size += 1024;
        }
        file.set_len(size - kib * 1024).unwrap();
        file.sync_all().unwrap();
    });
}

/// btrfs with a quota: the error is EDQUOT where the disk itself has room.
fn over_quota(site: &Site, step: usize) {
    // The first that is made has this number. It is limited from outside, for within it that, too,
    // could be over the quota.
    let volume = "0/256";
    let made = || {
        let image = image(site, 128 * 1024, "mkfs.btrfs -q")?;
        let whole = Mounted::image(site.house.own_dir("whole"), &image, "loop")?;
        let path = whole.0.to_str().unwrap();
        try_to(&["btrfs", "quota", "enable", path])?;
        try_to(&["btrfs", "subvolume", "create", &format!("{path}/volume")])?;
        let disk = Mounted::image(site.house.path("disk"), &image, "loop,subvol=volume")?;
        Ok((whole, disk))
    };
    let (whole, _disk) = match made() {
        Ok(made) => made,
        Err::<_, String>(why) => return note_left_out("a disk quota", &why),
    };
    let path = whole.0.to_str().unwrap();
    with_room(site, "quota", (16..700).step_by(step), &|kib| {
        let size = kib.map_or("none".to_owned(), |kib| format!("{kib}k"));
        // What was deleted counts until it is synced.
        try_to(&["sync", "-f", path]).unwrap();
        try_to(&["btrfs", "qgroup", "limit", &size, volume, path]).unwrap();
    });
}

#[test]
fn however_full_the_disk_is_all_have_it_or_none() {
    if !as_root("full disks") {
        return;
    }
    full_in_memory(&Site::new(20_000));
    full_in_memory(&Site::new(20_000).with_hop());
    full_ext4(&Site::new(20_000), 13);
    full_spool(&Site::new(300_000), 20);
    over_quota(&Site::new(20_000), 60);
}

#[test]
fn soak_on_disks_with_any_room_all_have_it_or_none() {
    if !soak() || !as_root("full disks") {
        return;
    }
    for site in [Site::new(20_000), Site::lmtp(20_000)] {
        full_in_memory(&site);
        full_ext4(&site, 1);
        over_quota(&site, 4);
    }
    full_spool(&Site::new(300_000), 1);
}
