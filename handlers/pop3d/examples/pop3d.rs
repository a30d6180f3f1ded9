//! pop3d by itself.
fn main() -> std::process::ExitCode {
    let args = std::env::args_os().skip(1).collect();
    pop3d::main(chain::Call::of_process("pop3d", args, &[])).into()
}
