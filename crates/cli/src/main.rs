//! `bellrock`, the command: a client of `bellrockd`'s API.

fn main() -> std::process::ExitCode {
    cli::main(std::env::args_os())
}
