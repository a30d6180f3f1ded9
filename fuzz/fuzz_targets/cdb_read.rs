//! Any bytes as a database: no panic, no endless look-up; and where the whole file is found to be
//! sound, each key in it is found, with a value that it has.

#![no_main]

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;

use rules::cdb::Cdb;
use rules::search::{Client, decide};

/// A file without a name, used again for each input.
fn scratch() -> &'static File {
    static FILE: OnceLock<File> = OnceLock::new();
    FILE.get_or_init(|| {
        let path = std::env::temp_dir().join(format!("cdb_read.{}", std::process::id()));
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .open(&path);
        let file = file.expect("the temporary directory can be written to");
        std::fs::remove_file(&path).expect("the file was just created");
        file
    })
}

fuzz_target!(|bytes: &[u8]| {
    let file = scratch();
    file.set_len(0).expect("a file can be emptied");
    file.write_all_at(bytes, 0)
        .expect("a file can be written to");
    let Ok(cdb) = Cdb::open(file.try_clone().expect("a descriptor can be duplicated")) else {
        return;
    };
    let client = Client {
        ip: b"1.2.3.4",
        host: Some(b"mx.example.org"),
        info: Some(b"joe"),
    };
    if let Ok(decision) = decide(&client, |key| cdb.get(key)) {
        decision.verdict();
        decision.variables().count();
    }
    let mut values: HashMap<Vec<u8>, Vec<Vec<u8>>> = HashMap::new();
    let mut records = cdb.records();
    while let Ok(Some((key, value))) = records.next() {
        values.entry(key.to_vec()).or_default().push(value.to_vec());
    }
    if cdb.validate().is_ok() {
        for (key, values) in values {
            let found = cdb.get(&key).expect("a sound database can be read");
            assert!(
                found.is_some_and(|value| values.contains(&value)),
                "{key:?}"
            );
        }
    }
});
