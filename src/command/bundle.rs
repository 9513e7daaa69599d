//! How does `mcp-ferry bundle` make extensions of what was typed, and what does it print?

use std::path::{Path, PathBuf};

use serde_json::json;

use super::output::{say, say_json};
use crate::bundle::{self, Bundle, BundleError, Request};
use crate::cli::BundleCommand;
use crate::config;
use crate::error::{Error, Exit};
use crate::files::{self, hex, sha256};

/// A larger file is no program of ours, no icon and no licence.
const LARGEST: u64 = 1 << 30;

/// Makes the extensions and writes their files.
pub(super) fn run(typed: &BundleCommand) -> Result<Exit, Error> {
    check(typed)?;
    let bundles = bundle::make(&request(typed)?)?;
    let mut shown = Vec::new();
    for (path, bundle) in paths(typed, &bundles)?.into_iter().zip(&bundles) {
        write(&path, &bundle.bytes)?;
        let path = path.display().to_string();
        if typed.options.logging.silent && !typed.json {
            say(&path);
        } else if !typed.json {
            say(&text(&path, bundle));
        }
        shown.push(json!({
            "file": path,
            "name": bundle.name,
            "displayName": bundle.display_name,
            "version": typed.version,
            "platforms": bundle.platforms,
            "fields": bundle.fields.iter().map(|field| json!({
                "name": field.name,
                "required": field.default.is_none(),
                "sensitive": field.is_sensitive,
            })).collect::<Vec<_>>(),
            "bytes": bundle.bytes.len(),
            "sha256": hex(&sha256(&bundle.bytes)),
        }));
    }
    if typed.json {
        say_json(&shown.into());
    }
    Ok(Exit::Orderly)
}

/// Checks the addresses, as far as they are known before the answers are.
fn check(typed: &BundleCommand) -> Result<(), Error> {
    let urls = typed.url.iter().chain(typed.variant.iter().map(|(_, url)| url));
    for url in urls.map(|url| bundle::sample(url)) {
        if let Some(fault) = config::address_fault(&url, &typed.options).filter(|_| !url.contains("${")) {
            return Err(Error::Usage(fault.why));
        }
    }
    Ok(())
}

fn request(typed: &BundleCommand) -> Result<Request, Error> {
    let own = std::env::current_exe();
    let programs = match typed.program.as_slice() {
        [] => vec![own.map_err(|error| Error::System(format!("this program cannot be found: {error}")))?],
        programs => programs.to_vec(),
    };
    let links = [("homepage", &typed.homepage), ("documentation", &typed.documentation), ("support", &typed.support)];
    let licenses = typed.license_file.iter().map(|path| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or("LICENSE");
        Ok((name.to_owned(), read(path)?))
    });
    Ok(Request {
        url: typed.url.clone(),
        name: typed.name.clone(),
        display_name: typed.display_name.clone(),
        version: typed.version.clone(),
        description: typed.description.clone(),
        author: typed.author.clone(),
        links: links.into_iter().filter_map(|(key, link)| Some((key, link.clone()?))).collect(),
        privacy_policies: typed.privacy_policy.clone(),
        icon: typed.icon.as_deref().map(read).transpose()?,
        licenses: licenses.collect::<Result<_, Error>>()?,
        options: typed.entry.clone(),
        token: typed.token,
        asked: typed.asked.clone(),
        titles: typed.field.clone(),
        optional: typed.optional.clone(),
        sensitive: typed.sensitive.clone(),
        variants: typed.variant.clone(),
        programs: programs.iter().map(|path| read(path)).collect::<Result<_, Error>>()?,
    })
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    let failed = |why: String| Error::File(path.display().to_string(), why);
    let length = std::fs::metadata(path).map_err(|error| failed(error.to_string()))?.len();
    if length > LARGEST {
        return Err(failed("it is too large".to_owned()));
    }
    std::fs::read(path).map_err(|error| failed(error.to_string()))
}

/// Where each extension is written.
fn paths(typed: &BundleCommand, bundles: &[Bundle]) -> Result<Vec<PathBuf>, Error> {
    let is_file = typed.output.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("mcpb"));
    if is_file && bundles.len() > 1 {
        return Err(Error::Arguments {
            cause: "--output names one file, but several extensions are made".to_owned(),
            hint: "give --output a folder".to_owned(),
        });
    }
    if !is_file && typed.output.is_file() {
        return Err(Error::Arguments {
            cause: format!("{} is a file, and no extension", typed.output.display()),
            hint: "give --output a folder, or a file whose name ends in .mcpb".to_owned(),
        });
    }
    let own = |bundle: &Bundle| typed.output.join(format!("{}-{}.mcpb", bundle.name, typed.version));
    Ok(bundles.iter().map(|bundle| if is_file { typed.output.clone() } else { own(bundle) }).collect())
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let written = folder.map_or(Ok(()), files::create_missing).and_then(|()| files::write_result(path, bytes));
    written.map_err(|error| Error::Arguments {
        cause: format!("{} cannot be written: {error}", path.display()),
        hint: "give --output another folder or file".to_owned(),
    })
}

/// What was made, in words.
fn text(path: &str, bundle: &Bundle) -> String {
    let fields = bundle.fields.iter().map(|field| match (&field.default, field.is_sensitive) {
        (None, false) => field.name.clone(),
        (None, true) => format!("{} (a secret)", field.name),
        (Some(_), false) => format!("{} (optional)", field.name),
        (Some(_), true) => format!("{} (a secret, optional)", field.name),
    });
    let fields = fields.collect::<Vec<_>>().join(", ");
    let fields = if fields.is_empty() { "nothing".to_owned() } else { fields };
    format!(
        "{path}: {} ({}) for {}\n  asks for: {fields}\n  sha256: {}",
        bundle.display_name,
        bundle.name,
        bundle.platforms.join(", "),
        hex(&sha256(&bundle.bytes)),
    )
}

/// What a host would refuse ends the program. (Here, because `error` knows no bundles.)
impl From<BundleError> for Error {
    fn from(error: BundleError) -> Self {
        Self::Arguments { cause: error.to_string(), hint: error.hint.to_owned() }
    }
}
