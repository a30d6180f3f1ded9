//! Names of programs: ours by bare name, links, the libexec folder, and foreign programs under
//! superd.

use std::path::Path;

use kit::{Run, Server, Side, bin, compile, libexec, ours, peer, place, private_dir, script};

#[test]
fn libexec_prints_the_folder_beside_the_executable() {
    let done = Run::new(bin("superd")).arg("--libexec").done();
    assert_eq!(done.code, Some(0), "{}", done.err());
    let told = done.out();
    let told = Path::new(told.trim_end())
        .canonicalize()
        .expect("a folder that exists");
    assert_eq!(told, libexec().canonicalize().expect("the folder"));
}

#[test]
fn libexec_is_overridden_by_the_environment() {
    let done = Run::new(bin("superd"))
        .arg("--libexec")
        .env("SUPERD_LIBEXEC", "/elsewhere")
        .done();
    assert_eq!((done.code, done.out().as_str()), (Some(0), "/elsewhere\n"));
}

#[test]
fn links_are_relative_and_lead_to_the_executable() {
    let dir = private_dir(0o755);
    let (sbin, links) = (dir.path().join("sbin"), dir.path().join("libexec/superd"));
    std::fs::create_dir(&sbin).expect("a folder");
    std::fs::create_dir(dir.path().join("libexec")).expect("a folder");
    let executable = sbin.join("superd");
    let done = Run::new("/bin/cp")
        .arg(bin("superd"))
        .arg(&executable)
        .done();
    assert_eq!(done.code, Some(0), "{}", done.err());
    let done = Run::new(&executable).arg("--links").arg(&links).done();
    assert_eq!((done.code, done.err().as_str()), (Some(0), ""));
    for name in [
        "smtpd",
        "maildir-queue",
        "superd-rules",
        "superd-rulescheck",
    ] {
        let target = std::fs::read_link(links.join(name)).expect(name);
        assert_eq!(target, Path::new("../../sbin/superd"), "{name}");
    }
    assert!(
        !links.join("superd").exists(),
        "superd itself has its place in sbin"
    );
}

#[test]
fn a_bare_name_that_is_ours_means_ours_wherever_path_leads() {
    let dir = private_dir(0o755);
    script(
        &dir.path().join("smtpd"),
        "#!/bin/sh\necho somebody elses\n",
    );
    let path = format!("{}:/usr/bin:/bin", dir.path().display());
    let server = Server::under_name(bin("superd"))
        .options(["-HRl0"])
        .env_clear()
        .env("PATH", path)
        .handler(["smtpd"])
        .start();
    let said = server.connect();
    drop(said);
    let mut client = server.connect();
    let line = client.line();
    assert!(!line.contains("somebody elses"), "{line}");
}

#[test]
fn a_bare_name_that_is_ours_means_ours_even_where_there_are_no_links() {
    let dir = private_dir(0o755);
    script(
        &dir.path().join("superd-rulescheck"),
        "#!/bin/sh\necho somebody elses\n",
    );
    let cdb = ours(|side| compile(side, dir.path(), "r.cdb", ":allow,A=\"1\"\n"));
    let path = format!("{}:/usr/bin:/bin", dir.path().display());
    let server = Server::under_name(bin("superd"))
        .options(["-HRl0"])
        .env_clear()
        .env("PATH", path)
        .env("SUPERD_LIBEXEC", dir.path().join("nowhere"))
        .handler(["superd-rulescheck", &cdb])
        .start();
    assert!(server.talk().starts_with("rule :\n"));
}

#[test]
fn a_bare_name_that_is_not_ours_is_found_along_path() {
    let dir = private_dir(0o755);
    script(&dir.path().join("greet"), "#!/bin/sh\necho hello\n");
    let path = format!("{}:/usr/bin:/bin", dir.path().display());
    let server = Server::under_name(bin("superd"))
        .options(["-HRl0"])
        .env_clear()
        .env("PATH", path)
        .handler(["greet"])
        .start();
    assert_eq!(server.talk(), "hello\n");
}

#[test]
fn superd_log_tells_which_file_will_be_run() {
    let server = Server::under_name(bin("superd"))
        .options(["-HRl0"])
        .env("SUPERD_LOG", "info")
        .handler(["cat"])
        .start();
    let line = server.wait_for("cat is ");
    assert!(line.contains("/bin/cat"), "{line}");
}

#[test]
fn an_executable_under_another_name_is_superd_and_says_that_name() {
    let dir = private_dir(0o755);
    let other = dir.path().join("mysuper");
    std::os::unix::fs::symlink(bin("superd"), &other).expect("a link");
    let done = Run::new(&other).done();
    assert_eq!(done.code, Some(100));
    assert!(
        done.err().starts_with("mysuper: usage: mysuper ["),
        "{}",
        done.err()
    );
}

#[test]
fn version_and_help_are_told_on_standard_output() {
    let version = Run::new(bin("superd")).arg("--version").done();
    assert_eq!(
        version.out(),
        format!("superd {}\n", env!("CARGO_PKG_VERSION"))
    );
    let help = Run::new(bin("superd")).arg("--help").done();
    assert_eq!(help.code, Some(0));
    assert!(help.out().contains("--libexec"), "{}", help.out());
}

#[test]
fn debians_smtpfront_runs_under_superd() {
    let Some(smtpfront) = peer("smtpfront-echo") else {
        return;
    };
    // Its plug-in "relayclient" accepts recipients where the rules make the client a relay client.
    let dir = private_dir(0o755);
    let cdb = ours(|side| compile(side, dir.path(), "r.cdb", ":allow,RELAYCLIENT=\"\"\n"));
    let server = Server::under_name(bin("superd"))
        .options(["-HRl0", "-x", &cdb])
        .handler([
            smtpfront.as_os_str(),
            "accept-sender".as_ref(),
            "relayclient".as_ref(),
        ])
        .start();
    let mut client = server.connect();
    client.dialogue(
        "220 ",
        &[
            ("EHLO client.example.org", "250"),
            ("MAIL FROM:<a@example.org>", "250"),
            ("RCPT TO:<b@example.org>", "250"),
            ("DATA", "354"),
            ("Subject: x\r\n\r\ntext\r\n.", "250"),
            ("QUIT", "221"),
        ],
    );
}

#[test]
fn debians_rblsmtpd_runs_under_superd_and_hears_the_rules() {
    let Some(rblsmtpd) = peer("rblsmtpd") else {
        return;
    };
    let dir = private_dir(0o755);
    let rules = "127.0.0.2:allow,RBLSMTPD=\"go away\"\n:allow,RBLSMTPD=\"\"\n";
    let cdb = ours(|side: Side| compile(side, dir.path(), "r.cdb", rules));
    let server = Server::under_name(bin("superd"))
        .options(["-HRl0", "-x", &cdb])
        .handler([rblsmtpd.as_os_str(), place::probe().as_os_str()])
        .start();
    assert!(
        server
            .talk_from("127.0.0.1".parse().expect("an address"))
            .contains("RBLSMTPD")
    );
    let mut blocked = server.connect_from("127.0.0.2".parse().expect("an address"));
    blocked.dialogue(
        "220 rblsmtpd.local",
        &[
            ("MAIL FROM:<a@b>", "250"),
            ("RCPT TO:<c@d>", "451 go away"),
            ("QUIT", "221"),
        ],
    );
}
