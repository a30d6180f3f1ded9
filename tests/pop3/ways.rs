//! The five ways of the article: POP3 with each checker, on the ports as they are written there,
//! started by the init script, and read by clients that people use.

use std::net::{Ipv4Addr, SocketAddr};

use kit::clients::{self, How, Mail};
use kit::imap::Imap;
use kit::pop3::{Office, PASSWORD, Pop3, SYSTEM_PASSWORD, with_system_users};
use kit::{Client, address, bin};

/// An office with mail, whose services are those of the init script.
struct Host {
    office: Office,
    address: Ipv4Addr,
}

impl Host {
    /// With these settings in the script's file of settings.
    fn new(settings: &str) -> Host {
        let host = Host {
            office: Office::new(),
            address: address(),
        };
        let path = |name: &str| host.office.path(name).display().to_string();
        let text = format!(
            "SUPERD={}\nRUN={}\nLOCK={}\nPOP3_HOST={}\nPOP3_NAME=mx.example.org\nPOP3_OPTIONS=-HR\n\
             export SUPERD_HOME={}\nlogger_of() {{ exec cat >>{}; }}\n{settings}\n",
            bin("superd").display(),
            path("run"),
            path("lock"),
            host.address,
            path("home"),
            path("log"),
        );
        std::fs::write(host.office.path("settings"), text).unwrap();
        for (number, text) in messages().iter().enumerate() {
            host.office.deliver("joe", &format!("{number}.a"), text);
        }
        let done = host.office.init_script("start");
        assert_eq!(
            done.code,
            Some(0),
            "{}{}{}",
            done.out(),
            done.err(),
            host.office.log()
        );
        host
    }

    fn port(&self, port: u16) -> SocketAddr {
        (self.address, port).into()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.office.init_script("stop");
    }
}

/// What is in joe's mailbox, sorted.
fn messages() -> Mail {
    let mut mail = vec![
        "From: ann@example.org\nSubject: one\n\nfirst\n".to_owned(),
        "From: ann@example.org\nSubject: two\n\n.leading dot\n..two\n\nlast\n".to_owned(),
    ];
    mail.sort();
    mail
}

/// The mail as a client gives it that adds or changes header lines of its own: only the texts.
fn texts(mail: &[String]) -> Mail {
    let body = |message: &String| message.split_once("\n\n").unwrap().1.to_owned();
    let mut all: Mail = mail.iter().map(body).collect();
    all.sort();
    all
}

/// Every client that there is fetches joe's mail in this way.
fn read(server: SocketAddr, how: How, password: &str) {
    if let Some(mail) = clients::poplib(server, how, "joe", password) {
        assert_eq!(mail, messages());
    }
    if let Some(mail) = clients::curl(server, how, "joe", password, 2) {
        assert_eq!(mail, messages());
    }
    for client in [clients::fetchmail, clients::getmail, clients::mpop] {
        if let Some(mail) = client(server, how, "joe", password) {
            assert_eq!(texts(&mail), texts(&messages()));
        }
    }
}

fn read_by_password(server: SocketAddr, password: &str) {
    read(server, How::Password, password);
}

fn read_by_apop(server: SocketAddr) {
    read(server, How::Apop, PASSWORD);
}

/// A user's password is refused, and it is his.
fn refuses(server: SocketAddr, password: &str) {
    let mut client = Client::connect(server);
    client.line();
    let first = client.ask("USER joe");
    let reply = if first.starts_with("+OK") {
        client.ask(&format!("PASS {password}"))
    } else {
        first
    };
    assert!(reply.starts_with("-ERR"), "{reply}");
}

#[test]
fn the_systems_passwords_by_the_name_of_the_port_and_by_its_number() {
    if !with_system_users("POP3 with the system's passwords") {
        return;
    }
    // pop3 is in /etc/services, or else the number has to be given, as the article says.
    let host = Host::new("SERVICES=pop3\nPOP3_CHECKER=checkpassword");
    read_by_password(host.port(110), SYSTEM_PASSWORD);
    refuses(host.port(110), PASSWORD);
    drop(host);
    let host = Host::new("SERVICES=pop3\nPOP3_CHECKER=checkpassword\nPOP3_PORT=10110");
    read_by_password(host.port(10_110), SYSTEM_PASSWORD);
}

#[test]
fn apop_with_passwords_of_the_mailboxes() {
    if !with_system_users("APOP on port 110") {
        return;
    }
    let host = Host::new("SERVICES=pop3\nPOP3_CHECKER=checkapoppw");
    read_by_apop(host.port(110));
    refuses(host.port(110), PASSWORD);
}

#[test]
fn passwords_of_the_mailboxes_that_are_not_the_systems() {
    if !with_system_users("POP3 with passwords of the mailboxes") {
        return;
    }
    let host = Host::new("SERVICES=pop3\nPOP3_CHECKER=checkpw");
    read_by_password(host.port(110), PASSWORD);
    refuses(host.port(110), SYSTEM_PASSWORD);
}

#[test]
fn both_at_once_on_two_ports() {
    if !with_system_users("POP3 and APOP on two ports") {
        return;
    }
    let host = Host::new("SERVICES='pop3 apop'\nPOP3_CHECKER=checkpw");
    read_by_password(host.port(110), PASSWORD);
    read_by_apop(host.port(1100));
    refuses(host.port(1100), PASSWORD);
}

#[test]
fn both_at_once_on_one_port() {
    if !with_system_users("POP3 and APOP on one port") {
        return;
    }
    let host = Host::new("SERVICES=pop3\nPOP3_CHECKER=selectcheckpw");
    read_by_password(host.port(110), PASSWORD);
    read_by_apop(host.port(110));
    refuses(host.port(110), SYSTEM_PASSWORD);
    let log = host.office.log();
    for method in ["method=user", "method=apop"] {
        assert!(log.contains(method), "{log}");
    }
}

#[test]
fn the_setting_of_the_mailbox_holds_for_the_password_and_for_the_mail() {
    if !with_system_users("POP3_MAILDIR") {
        return;
    }
    let host = Host::new("SERVICES=pop3\nPOP3_CHECKER=checkpw\nPOP3_MAILDIR=Mail");
    refuses(host.port(110), PASSWORD);
    std::fs::rename(host.office.maildir("joe"), host.office.path("joe/Mail")).unwrap();
    read_by_password(host.port(110), PASSWORD);
}

#[test]
fn imap_has_the_settings_of_pop3_where_it_has_none_of_its_own() {
    if !with_system_users("IMAP by the init script") {
        return;
    }
    let host = Host::new("SERVICES='pop3 imap'\nPOP3_CHECKER=checkpw");
    read_by_password(host.port(110), PASSWORD);
    let mut client = Imap::connect(host.port(143));
    assert!(client.login("joe", SYSTEM_PASSWORD).starts_with("NO "));
    assert!(client.login("joe", PASSWORD).starts_with("OK "));
    let told = client.ok("SELECT INBOX");
    assert!(told.iter().any(|line| line == "2 EXISTS"), "{told:?}");
    client.ok("LOGOUT");
    drop(host);
    let host = Host::new(
        "SERVICES=imap\nPOP3_CHECKER=checkpw\nIMAP_CHECKER=checkpassword\nIMAP_PORT=10143",
    );
    let mut client = Imap::connect(host.port(10_143));
    assert!(client.login("joe", SYSTEM_PASSWORD).starts_with("OK "));
}
