//! The `gateway` binary: see `gateway --help`.

fn main() -> std::process::ExitCode {
    memg_cli::main()
}
