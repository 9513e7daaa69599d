//! Any arguments with any configuration file give settings or an error, and never a panic.
#![no_main]

use std::ffi::OsString;
use std::path::PathBuf;

use libfuzzer_sys::fuzz_target;
use mcp_ferry::cli::Cli;
use mcp_ferry::config;

fuzz_target!(|data: &[u8]| {
    let Some(home) = std::env::var_os("MCP_FERRY_HOME").map(PathBuf::from) else { panic!("it reads config.toml") };
    let text = String::from_utf8_lossy(data);
    // The arguments, one per line, then the file.
    let (arguments, file) = text.split_once("\n\n").unwrap_or((&text, ""));
    std::fs::write(home.join("config.toml"), file).expect("a folder to write to");
    let arguments = ["mcp-ferry"].into_iter().chain(arguments.lines()).map(OsString::from).collect();
    drop(config::parse::<Cli>(arguments));
});
