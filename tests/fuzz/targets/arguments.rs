//! Any arguments and any configuration file give settings or an error, and no panic.
#![no_main]

use std::ffi::OsString;
use std::path::PathBuf;

use libfuzzer_sys::fuzz_target;
use mcp_ferry::cli;

fuzz_target!(|data: &[u8]| {
    let Some(home) = std::env::var_os("MCP_FERRY_HOME").map(PathBuf::from) else { panic!("MCP_FERRY_HOME is not set: this target writes config.toml there") };
    let text = String::from_utf8_lossy(data);
    // The arguments, one on each line; then an empty line and the file.
    let (arguments, file) = text.split_once("\n\n").unwrap_or((&text, ""));
    std::fs::write(home.join("config.toml"), file).expect("a folder to write to");
    let arguments = ["mcp-ferry"].into_iter().chain(arguments.lines()).map(OsString::from);
    drop(cli::parse(arguments));
});
