//! The checkers, with the users of a file.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use kit::smtp::House;
use kit::transcript::Transcript;
use kit::{Run, bin};

#[test]
fn checkers() {
    let house = House::new();
    let mut all = Transcript::new("checkers");
    all.hide(house.path(""), "<house>/");
    let dir = house.own_dir("joe/Maildir");
    let password = dir.join(".password");
    let users = format!(
        "me:x:{0}:{1}::{2}::\n",
        house.user,
        house.group,
        house.path("joe").display()
    );
    fs::write(house.path("home/users"), users).unwrap();
    for (mode, text) in [
        (0o600, Some("secret\n")),
        (0o644, Some("secret\n")),
        (0o600, Some("")),
        (0o600, None),
    ] {
        match text {
            Some(text) => {
                fs::write(&password, text).unwrap();
                fs::set_permissions(&password, fs::Permissions::from_mode(mode)).unwrap();
                house.give(&password);
            }
            None => fs::remove_file(&password).unwrap(),
        }
        for name in ["checkpw", "checkapoppw", "selectcheckpw", "checkpassword"] {
            for record in [
                "me\\0secret\\0<1@x>\\0",
                "me\\0wrong\\0<1@x>\\0",
                "nobody-here\\0x\\0\\0",
                "me\\0",
                "",
            ] {
                let title = format!("{name}, .password {mode:o} {text:?}, record {record:?}");
                let run = Run::new("/bin/sh")
                    .args([
                        "-c",
                        "printf \"$1\" | { exec 3<&0 0</dev/null; shift; \"$@\"; }",
                        "sh",
                        record,
                    ])
                    .arg(bin(name))
                    .args(["/bin/sh", "-c", "echo in, as $USER"])
                    .env("SUPERD_HOME", house.path("home"));
                all.run(&title, b"", run);
            }
        }
    }
    for name in ["checkpw", "checkpassword", "check-via", "authd"] {
        all.run(&format!("{name} without words"), b"", Run::new(bin(name)));
    }
    all.run(
        "checkpw without descriptor 3",
        b"",
        Run::new(bin("checkpw")).arg("true"),
    );
    all.check();
}
