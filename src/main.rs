//! The `gateway` binary: see `gateway --help`.

fn main() {}
