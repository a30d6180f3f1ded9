fn main() -> std::process::ExitCode {
    let mut a = std::env::args_os();
    let n = a.next().unwrap();
    let n = std::path::Path::new(&n)
        .file_name()
        .unwrap()
        .to_str()
        .unwrap()
        .to_owned();
    let a: Vec<_> = a.collect();
    if n.contains("check") {
        rules::superd_rulescheck::main("tcprulescheck", a).into()
    } else {
        rules::superd_rules::main("tcprules", a).into()
    }
}
