//! Writes completions for shells and pages of the manual into a folder, from the definitions that the program itself
//! reads its arguments by: `cargo run --example generate -- FOLDER`.

#![allow(clippy::print_stdout)]

mod documents;

use std::path::PathBuf;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = PathBuf::from(std::env::args_os().nth(1).ok_or("usage: generate FOLDER")?);
    for (name, text) in documents::documents(&mcp_ferry::cli::tree())? {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap_or(&folder))?;
        std::fs::write(&path, text)?;
        println!("{}", path.display());
    }
    Ok(())
}
