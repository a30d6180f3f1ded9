//! Who reads the network, and who holds the password while a session goes on.

use std::fs;
use std::os::unix::fs::FileExt;

use crate::house::{As, Link, NOBODY, Popup, is_root, starts, status};

#[test]
fn before_the_login_a_process_without_rights_reads_the_network() {
    if !is_root() {
        println!("left out: the tests do not run as root");
        return;
    }
    let mut talking = Popup::new(&["joe", "mail"]).start(Link::Tcp);
    talking.line();
    // Also in the middle of a command.
    assert_eq!(talking.ask("a LOGIN {3}\r\n"), "+ OK\r\n");
    let [child] = talking.children()[..] else {
        panic!("{:?}", talking.children());
    };
    let nobody = format!("{NOBODY} {NOBODY} {NOBODY} {NOBODY}");
    assert_eq!(status(child, "Uid"), nobody);
    assert_eq!(status(child, "Gid"), nobody);
    assert_eq!(status(child, "NoNewPrivs"), "1");
    assert_eq!(status(child, "CapEff"), "0000000000000000");
    assert_eq!(status(talking.pid(), "Uid"), "0 0 0 0");
    assert!(talking.ask("joe sekrit\r\n").contains(" USER=joe "));
    assert!(talking.children().is_empty());
    assert_eq!(status(talking.pid(), "Uid"), nobody);
    assert_eq!(talking.hang_up().code, Some(1));
}

#[test]
fn while_a_foreign_chain_serves_nobody_holds_the_password() {
    if !is_root() {
        println!("left out: the tests do not run as root");
        return;
    }
    // What the shell reads it does not keep either: it is cat that goes on.
    let script = "cat <&3 >/dev/null; exec 3<&-; printf '* served\\r\\n'; exec cat";
    for start in starts() {
        for sent in [
            "a LOGIN joe quite-Secret-97\r\n",
            "a LOGIN joe \"quite-Secret-97\"\r\n",
            "a LOGIN joe {15}\r\nquite-Secret-97\r\n",
            "a LOGIN {3+}\r\njoe {15+}\r\nquite-Secret-97\r\n",
            "a AUTHENTICATE PLAIN AGpvZQBxdWl0ZS1TZWNyZXQtOTc=\r\n",
            "a AUTHENTICATE PLAIN\r\nAGpvZQBxdWl0ZS1TZWNyZXQtOTc=\r\n",
            // What was refused or thrown away before is gone, too.
            "b LOGIN joe \"quite-Secret-97\" x\r\na LOGIN joe x\r\n",
            "b LOGIN {15+}\r\nquite-Secret-97 quite-Secret-97 x\r\na LOGIN joe x\r\n",
        ] {
            let popup = Popup::new(&["/bin/sh", "-c", script]).starter(start);
            let mut talking = popup.start(Link::Tcp);
            talking.line();
            talking.say(sent);
            while !matches!(talking.line().as_str(), "* served\r\n") {}
            let processes = [&[talking.pid()][..], &talking.children()].concat();
            assert_eq!(processes.len(), if start == As::Tester { 3 } else { 2 });
            for pid in processes {
                assert!(memory_has(pid, b"192.0.2.1"), "{pid} can be looked into");
                for needle in [&b"quite-Secret-97"[..], b"pdWl0ZS1TZWNyZXQ"] {
                    assert!(!memory_has(pid, needle), "{start:?} {sent:?} {pid}");
                }
            }
            talking.hang_up();
        }
    }
}

/// Whether these bytes are somewhere in what the process can write to.
fn memory_has(pid: u32, needle: &[u8]) -> bool {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    let memory = fs::File::open(format!("/proc/{pid}/mem")).unwrap();
    for line in maps.lines() {
        let mut words = line.split_whitespace();
        let (range, rights) = (words.next().unwrap(), words.next().unwrap());
        if !rights.starts_with("rw") {
            continue;
        }
        let (start, end) = range.split_once('-').unwrap();
        let [start, end] = [start, end].map(|hex| u64::from_str_radix(hex, 16).unwrap());
        let mut bytes = vec![0; usize::try_from(end - start).unwrap()];
        if memory.read_exact_at(&mut bytes, start).is_ok()
            && bytes.windows(needle.len()).any(|window| window == needle)
        {
            return true;
        }
    }
    false
}
