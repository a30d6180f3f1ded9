//! Many connections of all kinds: nothing may be left of them. Runs in `make soak` only.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use kit::{Server, address, compile, ours, private_dir, soak};

/// Connections in each half of the run.
const HALF: u32 = 20_000;
/// Clients at a time.
const CLIENTS: usize = 16;

/// Resident memory in KiB.
fn resident(server: &Server) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    line.split_ascii_whitespace()
        .nth(1)
        .unwrap()
        .parse()
        .unwrap()
}

fn descriptors(server: &Server) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", server.pid()))
        .unwrap()
        .count()
}

fn children(server: &Server) -> usize {
    let threads = std::fs::read_dir(format!("/proc/{}/task", server.pid())).unwrap();
    let lists = threads
        .flatten()
        .map(|thread| std::fs::read_to_string(thread.path().join("children")));
    lists
        .flatten()
        .map(|list| list.split_ascii_whitespace().count())
        .sum()
}

/// [`HALF`] connections: served, denied, broken off at once, broken off in the middle.
fn half(server: &Server, denied: Ipv4Addr) {
    let next = AtomicU32::new(0);
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= HALF {
                        return;
                    }
                    // Addresses of their own, so that ports do not run out.
                    let [_, low, high, _] = number.to_le_bytes();
                    let source = Ipv4Addr::new(127, 250, high + 1, low + 1);
                    match number % 8 {
                        0 => assert_eq!(server.talk_from(denied), ""),
                        1 => server.connect_from(source).reset(),
                        2 => drop(server.connect_from(source)),
                        3 => {
                            let mut client = server.connect_from(source);
                            assert_eq!(client.line(), "hello");
                            client.reset();
                        }
                        _ => {
                            let mut client = server.connect_from(source);
                            client.say("go");
                            assert_eq!(client.text(), "hello\ngo\r\n");
                        }
                    }
                }
            });
        }
    });
}

/// Waits until all programs have ended.
fn settle(server: &Server) {
    for _ in 0..600 {
        if children(server) == 0 {
            // What the server does after the last end takes no longer than this.
            std::thread::sleep(Duration::from_millis(300));
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("programs are left over");
}

#[test]
fn soak_forty_thousand_connections_leave_no_descriptor_no_process_and_no_memory() {
    if !soak() {
        return;
    }
    let (dir, denied) = (private_dir(0o755), address());
    let cdb = ours(|side| compile(side, dir.path(), "rules.cdb", &format!("{denied}:deny\n")));
    let null = std::fs::File::create("/dev/null").unwrap();
    let server = ours(|side| {
        Server::of(side)
            .options(["-vHRl0", "-c50", "-b500", "-x", &cdb])
            .shell("echo hello; read line && echo \"$line\"")
            .stderr(null.try_clone().unwrap())
            .start()
    });
    half(&server, denied);
    settle(&server);
    let before = (descriptors(&server), resident(&server));
    half(&server, denied);
    settle(&server);
    let after = (descriptors(&server), resident(&server));
    assert_eq!(after.0, before.0, "descriptors");
    assert!(
        after.1 <= before.1 + 1024,
        "memory grew from {} KiB to {} KiB",
        before.1,
        after.1
    );
}
