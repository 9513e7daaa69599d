//! The `mcp-ferry` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    mcp_ferry::run(std::env::args_os())
}
