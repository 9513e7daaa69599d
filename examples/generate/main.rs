//! Writes completions for shells and pages of the manual into a folder, from the definitions that the program itself
//! reads its arguments by: `cargo run --example generate -- FOLDER`.

#![allow(clippy::print_stdout)]

mod documents;

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use time::OffsetDateTime;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = PathBuf::from(std::env::args_os().nth(1).ok_or("usage: generate FOLDER")?);
    for (name, text) in documents::documents(&mcp_ferry::cli::tree(), &date()?)? {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap_or(&folder))?;
        std::fs::write(&path, text)?;
        println!("{}", path.display());
    }
    Ok(())
}

/// Today, or the day that builds which can be repeated set.
fn date() -> Result<String, Box<dyn std::error::Error>> {
    let now = match std::env::var("SOURCE_DATE_EPOCH") {
        Ok(seconds) => UNIX_EPOCH + Duration::from_secs(seconds.parse()?),
        Err(_) => SystemTime::now(),
    };
    Ok(OffsetDateTime::from(now).date().to_string())
}
