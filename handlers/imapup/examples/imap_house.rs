//! imapup with the checkers and the mail program of popup's tests.

#[allow(dead_code)]
#[path = "../../popup/examples/house.rs"]
mod house;

fn main() -> std::process::ExitCode {
    house::serve("imapup", &imapup::IMAP)
}
