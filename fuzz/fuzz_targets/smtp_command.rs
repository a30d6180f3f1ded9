//! A command line from the network: the split, the address, the parameters, the way it would go,
//! and that no address that is let through could change an envelope, a header or a log line.
#![no_main]

use libfuzzer_sys::fuzz_target;
use smtp::address;
use smtpd::hosts::{HostList, Hosts, Route};
use wire::command;

fuzz_target!(|line: &[u8]| {
    let (_, argument) = command::split(line);
    assert!(!argument.starts_with(b" "));
    let Ok(parsed) = address::parse(argument) else {
        return;
    };
    let mut recipient = parsed.address;
    assert!(recipient.len() < address::ADDRESS_BYTES);
    assert!(!recipient.iter().any(|&byte| byte < b' ' || byte == 0x7f));
    let _ = address::mail_parameters(parsed.parameters);
    let hosts = Hosts {
        rcpthosts: None,
        more: smtpd::keyfile::KeyFile::default(),
        locals: HostList::new(vec![b"here.test".to_vec()]),
    };
    // A stranger reaches this host or nothing.
    let route = hosts.route(&recipient, false);
    let (_, host) = accounts::address::split(&recipient);
    let local = host.is_none_or(|host| host.eq_ignore_ascii_case(b"here.test"));
    assert_eq!(route == Route::Local, local);
    assert!(route != Route::Remote);
    address::replace_own_literal(&mut recipient, None, b"here.test");
    let line = delivery::trace::return_path(&recipient);
    assert_eq!(line.iter().filter(|&&byte| byte == b'\n').count(), 1);
});
