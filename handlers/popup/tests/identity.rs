//! Who reads the network, and who does not; what each process has open.

use std::fs;
use std::os::unix::fs::MetadataExt;

use crate::house::{As, Link, NOBODY, Popup, directory, is_root, starts, status};

fn descriptors(pid: u32) -> Vec<(u32, String)> {
    let mut all: Vec<(u32, String)> = fs::read_dir(format!("/proc/{pid}/fd"))
        .unwrap()
        .flatten()
        .map(|entry| {
            let number = entry.file_name().to_string_lossy().parse().unwrap();
            let target = fs::read_link(entry.path()).unwrap_or_default();
            (number, target.to_string_lossy().into_owned())
        })
        .collect();
    all.sort();
    all
}

#[test]
fn before_the_login_a_process_without_rights_reads_the_network() {
    if !is_root() {
        println!("left out: the tests do not run as root");
        return;
    }
    for chain in [&["joe", "mail"][..], &["/bin/false"]] {
        let secret = directory().join("secret");
        fs::write(&secret, "x").unwrap();
        let popup = Popup::new(chain).env("LEAVE_OPEN", secret.to_str().unwrap());
        let mut talking = popup.start(Link::Tcp);
        talking.line();
        talking.ask("NOOP\r\n");
        let [child] = talking.children()[..] else {
            panic!("{:?}", talking.children());
        };
        let nobody = format!("{NOBODY} {NOBODY} {NOBODY} {NOBODY}");
        assert_eq!(status(child, "Uid"), nobody);
        assert_eq!(status(child, "Gid"), nobody);
        assert_eq!(status(child, "Groups"), NOBODY.to_string());
        assert_eq!(status(child, "NoNewPrivs"), "1");
        assert_eq!(status(child, "CapEff"), "0000000000000000");
        let limits = fs::read_to_string(format!("/proc/{child}/limits")).unwrap();
        let processes = limits
            .lines()
            .find(|line| line.starts_with("Max processes"));
        let processes: Vec<_> = processes.unwrap().split_whitespace().collect();
        assert_eq!(processes[2..4], ["0", "0"]);
        // Not dumpable: its files in /proc are root's.
        assert_eq!(
            fs::metadata(format!("/proc/{child}/environ"))
                .unwrap()
                .uid(),
            0
        );
        let open = descriptors(child);
        assert!(
            open.iter().all(|(_, target)| !target.ends_with("/secret")),
            "{open:?}"
        );
        // 0, 1, 2, the way to the parent, and two duplicates of 0 and 1.
        assert_eq!(open.len(), 6, "{open:?}");
        assert!(
            descriptors(talking.pid())
                .iter()
                .any(|(number, _)| *number == 9)
        );
        // The parent waits for the child's records and for nothing else.
        assert_eq!(status(talking.pid(), "Uid"), "0 0 0 0");
        assert_eq!(talking.hang_up().code, Some(1));
    }
}

#[test]
fn after_the_login_there_is_one_process_and_it_is_the_users() {
    if !is_root() {
        println!("left out: the tests do not run as root");
        return;
    }
    let mut talking = Popup::new(&["joe", "mail"]).start(Link::Tcp);
    talking.line();
    talking.ask("USER joe\r\n");
    let reply = talking.ask("PASS sekrit\r\n");
    assert!(reply.contains(" USER=joe HOME=/ AUTH=pop"), "{reply}");
    assert!(talking.children().is_empty());
    let nobody = format!("{NOBODY} {NOBODY} {NOBODY} {NOBODY}");
    assert_eq!(status(talking.pid(), "Uid"), nobody);
    assert_eq!(status(talking.pid(), "Gid"), nobody);
    let groups = status(talking.pid(), "Groups");
    let mut groups: Vec<_> = groups.split_whitespace().collect();
    groups.sort_unstable();
    assert_eq!(groups, ["65533", "65534"]);
    // 0 and 1, and the mail program's duplicates of them; no way to another process.
    let open = descriptors(talking.pid());
    let sockets: Vec<_> = open
        .iter()
        .filter(|(_, target)| target.starts_with("socket:"))
        .collect();
    assert_eq!(sockets.len(), 4, "{open:?}");
    assert!(
        sockets.iter().all(|(_, target)| *target == open[0].1),
        "{open:?}"
    );
    talking.say("QUIT\r\n");
    assert_eq!(talking.wait().code, Some(0));
}

#[test]
fn a_child_that_dies_is_told_in_the_log_and_ends_it() {
    if !is_root() {
        println!("left out: the tests do not run as root");
        return;
    }
    let mut talking = Popup::new(&["joe", "mail"]).start(Link::Tcp);
    talking.line();
    let child = i32::try_from(talking.children()[0]).unwrap();
    os::process::kill_at_once(child).unwrap();
    let done = talking.wait();
    assert_eq!((done.code, done.said.as_str()), (Some(111), ""));
    assert_eq!(
        done.log,
        "popup: fault ip=192.0.2.1 reason=\"the process that speaks with the client ended by \
         signal 9\"\n"
    );
}

#[test]
fn without_an_unprivileged_user_root_serves_nobody() {
    if !is_root() {
        println!("left out: the tests do not run as root");
        return;
    }
    for (user, reason) in [
        (
            "no-such-user-here",
            "no such user: no-such-user-here ($SUPERD_UNPRIV)",
        ),
        (
            "root",
            "unable to use root as unprivileged user: it has uid 0",
        ),
    ] {
        let popup = Popup::new(&["joe", "mail"]).env("SUPERD_UNPRIV", user);
        let done = popup.start(Link::Pair).wait();
        assert_eq!(done.code, Some(111));
        assert_eq!(done.said, "-ERR [SYS/PERM] this server cannot serve\r\n");
        let line = format!("popup: fault ip=192.0.2.1 reason=\"{reason}\"\n");
        assert_eq!(done.log, line);
    }
}

#[test]
fn with_a_checker_that_names_no_user_to_become_root_serves_nobody() {
    if !is_root() {
        println!("left out: the tests do not run as root");
        return;
    }
    let done = Popup::new(&["anybody", "mail"]).start(Link::Pair).wait();
    assert_eq!(done.code, Some(111));
    assert_eq!(done.said, "-ERR [SYS/PERM] this server cannot serve\r\n");
    assert_eq!(
        done.log,
        "popup: fault ip=192.0.2.1 reason=\"unable to serve as root with anybody: it changes no \
         uid, so all who log in would go on as root\"\n"
    );
    let mut talking = Popup::new(&["liar", "mail"]).start(Link::Pair);
    talking.line();
    talking.say("USER joe\r\nPASS x\r\n");
    assert_eq!(talking.line(), "+OK \r\n");
    let done = talking.wait();
    assert_eq!(done.code, Some(111));
    assert!(done.said.starts_with("-ERR [SYS/PERM] "), "{}", done.said);
    assert!(
        done.log.ends_with(
            " user=joe reason=\"unable to go on as root: the checker names no user to become\"\n"
        ),
        "{}",
        done.log
    );
    // Who is nobody has nothing to give away.
    let popup = Popup::new(&["anybody", "mail"]).starter(As::Nobody);
    let mut talking = popup.start(Link::Pair);
    talking.line();
    talking.say("USER joe\r\nPASS x\r\nQUIT\r\n");
    assert_eq!(talking.wait().code, Some(0));
}

#[test]
fn while_a_foreign_chain_serves_nobody_holds_the_password() {
    if !is_root() {
        println!("left out: the tests do not run as root");
        return;
    }
    // What the shell reads it does not keep either: it is cat that goes on.
    let script = "cat <&3 >/dev/null; exec 3<&-; printf '+OK served\\r\\n'; exec cat";
    for start in starts() {
        for (method, needle) in [
            ("USER joe\r\nPASS quite-Secret-97\r\n", "quite-Secret-97"),
            (
                "USER joe\r\nAUTH PLAIN AGpvZQBxdWl0ZS1TZWNyZXQtOTc=\r\n",
                "quite-Secret-97",
            ),
            (
                "USER joe\r\nAUTH PLAIN AGpvZQBxdWl0ZS1TZWNyZXQtOTc=\r\n",
                "pdWl0ZS1TZWNyZXQ",
            ),
            (
                "USER joe\r\nAPOP joe 0123456789abcdef0123456789abcdef\r\n",
                "0123456789abcdef0123456789abcdef",
            ),
        ] {
            let popup = Popup::new(&["/bin/sh", "-c", script]).starter(start);
            let mut talking = popup.start(Link::Tcp);
            talking.line();
            talking.say(method);
            assert_eq!(talking.line(), "+OK \r\n");
            assert_eq!(talking.line(), "+OK served\r\n");
            let processes = [&[talking.pid()][..], &talking.children()].concat();
            assert_eq!(processes.len(), if start == As::Tester { 3 } else { 2 });
            for pid in processes {
                assert!(memory_has(pid, b"192.0.2.1"), "{pid} can be looked into");
                assert!(
                    !memory_has(pid, needle.as_bytes()),
                    "{start:?} {method:?} {pid}"
                );
            }
            talking.hang_up();
        }
    }
}

/// Whether these bytes are somewhere in what the process can write to.
fn memory_has(pid: u32, needle: &[u8]) -> bool {
    use std::os::unix::fs::FileExt;
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

#[test]
fn a_home_that_cannot_be_entered_is_told_after_the_right_password() {
    if !is_root() {
        println!("left out: the tests do not run as root");
        return;
    }
    let popup = Popup::new(&["joe", "mail"]).env("JOES_HOME", "/no/such/home");
    let mut talking = popup.start(Link::Pair);
    talking.line();
    talking.ask("USER joe\r\n");
    assert!(
        talking
            .ask("PASS sekrit\r\n")
            .starts_with("-ERR [SYS/TEMP] ")
    );
    let done = talking.wait();
    assert_eq!(done.code, Some(111));
    let fault = "popup: fault ip=192.0.2.1 user=joe \
                 reason=\"unable to change to /no/such/home: file does not exist\"\n";
    assert!(done.log.ends_with(fault), "{}", done.log);
}
