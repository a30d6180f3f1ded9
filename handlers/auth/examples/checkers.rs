//! Scratch.
fn main() -> std::process::ExitCode {
    let mut args = std::env::args_os();
    let called = args.next().unwrap_or_default();
    let name = std::path::Path::new(&called)
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let call = chain::Call::of_process(&name, args.collect(), &[]);
    auth::main(call).into()
}
