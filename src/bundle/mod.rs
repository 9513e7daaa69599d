//! How does a server become an extension (`.mcpb`), which other people install with a click?
//!
//! `fields` finds what the installing person is asked, `manifest` writes what hosts read, `launcher` starts the program
//! for the system and processor, which `program` reads from the program itself, `secrets` finds what is not to be handed
//! on, and `zip` packs it all, always in the same way.

mod fields;
mod launcher;
mod manifest;
mod program;
mod secrets;
#[cfg(test)]
mod tests;
mod zip;

use crate::install;
use crate::log;
use fields::replaced;
use program::Platform;
use zip::Entry;

pub use fields::{AskedOption, Field, Kind};

/// The path of the icon in the bundle.
const ICON: &str = "icon.png";

/// How a PNG file begins; hosts show no other icons.
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";

/// The program may be handed on with this text.
const LICENSE: &str = include_str!("../../LICENSE-MIT");

/// What stands for a field where an address is checked: it may be a part of the host, or the port.
const SAMPLE: &str = "1";

/// What bundles are made of.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// The server's address, with fields; the host asks for the whole address if there is none.
    pub url: Option<String>,
    /// The name by which hosts know the bundle.
    pub name: Option<String>,
    /// The name that people see.
    pub display_name: Option<String>,
    /// Three numbers.
    pub version: String,
    /// A sentence for people.
    pub description: Option<String>,
    /// Who made it.
    pub author: String,
    /// Addresses for people, with their keys in the manifest.
    pub links: Vec<(&'static str, String)>,
    /// Addresses of privacy policies.
    pub privacy_policies: Vec<String>,
    /// The bytes of a PNG file.
    pub icon: Option<Vec<u8>>,
    /// Texts of licences, with their file names.
    pub licenses: Vec<(String, Vec<u8>)>,
    /// The options of the bridge, one word each.
    pub options: Vec<String>,
    /// Whether a bearer token is asked for.
    pub token: bool,
    /// Options of the bridge whose values are asked for.
    pub asked: Vec<AskedOption>,
    /// Fields with their titles.
    pub titles: Vec<(String, String)>,
    /// Fields that may be left empty, with their defaults.
    pub optional: Vec<(String, String)>,
    /// Fields whose answers are secrets.
    pub sensitive: Vec<String>,
    /// Bundles for other addresses, by the words that tell them apart.
    pub variants: Vec<(String, String)>,
    /// The programs, each for another platform.
    pub programs: Vec<Vec<u8>>,
}

/// A bundle.
#[derive(Debug)]
pub struct Bundle {
    /// The name by which hosts know it.
    pub name: String,
    /// The name that people see.
    pub display_name: String,
    /// What the host asks for.
    pub fields: Vec<Field>,
    /// The platforms that it has programs for.
    pub platforms: Vec<&'static str>,
    /// The file.
    pub bytes: Vec<u8>,
}

/// A bundle that a host would refuse, or that would not work.
#[derive(Debug, thiserror::Error)]
#[error("{cause}")]
pub struct BundleError {
    cause: String,
    /// What to do about it.
    pub hint: &'static str,
}

impl BundleError {
    fn new(cause: impl Into<String>, hint: &'static str) -> Self {
        Self { cause: cause.into(), hint }
    }
}

/// How one of several bundles is called.
#[derive(Debug, Clone)]
struct Names {
    name: String,
    display_name: String,
}

/// Makes the bundles: the first is for [`Request::url`], the others for the variants.
pub fn make(request: &Request) -> Result<Vec<Bundle>, BundleError> {
    check(request)?;
    let mut programs = Vec::new();
    for bytes in &request.programs {
        let platform = Platform::of(bytes).ok_or_else(|| {
            BundleError::new(
                "a program is for no system that bundles are made for",
                "name programs for Linux, macOS or Windows, on x86_64 or aarch64",
            )
        })?;
        programs.push((platform, bytes.as_slice()));
    }
    programs.sort_by_key(|(platform, _)| platform.0);
    let platforms: Vec<_> = programs.iter().map(|(platform, _)| *platform).collect();
    program::check(&platforms)?;
    let mut entries = vec![Entry::new("LICENSE", false, LICENSE.as_bytes())];
    entries.extend(request.icon.iter().map(|icon| Entry::new(ICON, false, icon)));
    entries.extend(request.licenses.iter().map(|(name, text)| Entry::new(format!("licenses/{name}"), false, text)));
    entries.extend(programs.iter().map(|(platform, bytes)| Entry::new(platform.file(), true, bytes)));
    if platforms.iter().any(|platform| !platform.is_windows()) {
        entries.push(Entry::new(launcher::FILE, true, launcher::script(&programs).as_bytes()));
    }
    let mut bundles = Vec::new();
    for (names, url) in named(request)? {
        let filled = fields::fill(request, url)?;
        let manifest = manifest::text(request, &names, &filled, &platforms);
        let manifest = Entry::new("manifest.json", false, manifest.as_bytes());
        let bytes = zip::write(entries.iter().chain([&manifest]).collect());
        let bytes = bytes.ok_or_else(|| {
            BundleError::new(
                "the programs are too large for a bundle",
                "a bundle has less than 4 GB: name fewer programs",
            )
        })?;
        let platforms = platforms.iter().map(|platform| platform.0).collect();
        bundles.push(Bundle {
            name: names.name,
            display_name: names.display_name,
            fields: filled.fields,
            platforms,
            bytes,
        });
    }
    fields::check_names(request, &bundles)?;
    Ok(bundles)
}

/// An address with something in the place of each field, as an address that can be checked.
pub fn sample(url: &str) -> String {
    replaced(url, &mut |_| SAMPLE.to_owned())
}

/// The names and addresses of the bundles. A host replaces a bundle by another one of the same name without a question.
fn named(request: &Request) -> Result<Vec<(Names, Option<&str>)>, BundleError> {
    let url = request.url.as_deref();
    let own = url.map_or(Some("mcp-ferry".to_owned()), |url| {
        // A host that is only known when the bundle is installed gives no name.
        let host = url.split("://").nth(1).and_then(|rest| rest.split('/').next()).unwrap_or_default();
        let rest = replaced(host, &mut |_| String::new());
        let is_named = rest == host || rest.contains(|c: char| c.is_ascii_alphabetic());
        install::name_of(&sample(url))
            .filter(|name| is_named && (rest == host || name.contains(|c: char| c.is_ascii_alphabetic())))
    });
    let name = request.name.clone().or(own);
    let name = install::Request { name, ..install::Request::default() }.name().map_err(|error| {
        BundleError::new(error.to_string().replace("an entry", "a bundle"), "give a name with --name")
    })?;
    let display_name = request.display_name.clone().unwrap_or_else(|| match url {
        Some(_) => fields::capitalized(&name),
        None => name.clone(),
    });
    let first = Names { name, display_name };
    let mut named = vec![(first.clone(), url)];
    for (word, url) in &request.variants {
        let name = Some(format!("{}-{}", first.name, word.to_lowercase().replace(' ', "-")));
        let name = install::Request { name, ..install::Request::default() }.name().map_err(|_| {
            BundleError::new(
                format!("no name can be made from the variant {}", log::foreign_name(word)),
                "a variant is a short word of letters and digits",
            )
        })?;
        let own = Names { name, display_name: format!("{} ({word})", first.display_name) };
        let is_same =
            |other: &Names| other.name.eq_ignore_ascii_case(&own.name) || other.display_name == own.display_name;
        if named.iter().any(|(other, _)| is_same(other)) {
            return Err(BundleError::new(
                format!("two bundles would be called {}, and one would replace the other", own.name),
                "give each variant another word",
            ));
        }
        named.push((own, Some(url)));
    }
    Ok(named)
}

/// Refuses what hosts refuse, and secrets.
fn check(request: &Request) -> Result<(), BundleError> {
    let numbers: Vec<_> = request.version.split('.').collect();
    let is_number = |text: &&str| text.parse::<u32>().is_ok_and(|number| number.to_string() == **text);
    if numbers.len() != 3 || !numbers.iter().all(is_number) {
        return Err(BundleError::new(
            format!("the version {} is not three numbers", log::foreign_name(&request.version)),
            "give --version three numbers like 1.2.3; some hosts end when they read another version",
        ));
    }
    for (option, text) in [
        ("--display-name", request.display_name.as_deref().unwrap_or("-")),
        ("--description", request.description.as_deref().unwrap_or("-")),
        ("--author", &request.author),
    ] {
        let fault = match text {
            _ if text.trim().is_empty() => "is empty",
            _ if text.chars().any(char::is_control) => "has more than one line",
            _ => continue,
        };
        return Err(BundleError::new(format!("the text of {option} {fault}"), "people read it in one line"));
    }
    let links = request.links.iter().map(|(_, link)| link).chain(&request.privacy_policies);
    for link in links {
        let url = url::Url::parse(link).ok().filter(|url| matches!(url.scheme(), "https" | "http"));
        if !url.is_some_and(|url| url.username().is_empty() && url.password().is_none()) {
            return Err(BundleError::new(
                format!("{} is not an address for people", log::foreign_name(link)),
                "links begin with https://",
            ));
        }
    }
    let mut names: Vec<&str> = Vec::new();
    for (name, _) in &request.licenses {
        let is_plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
        if !is_plain || name.starts_with('.') || names.iter().any(|other| other.eq_ignore_ascii_case(name)) {
            return Err(BundleError::new(
                format!("{} cannot be the name of a licence text in a bundle", log::foreign_name(name)),
                "give each text a file name of its own, of letters, digits, dots and dashes",
            ));
        }
        names.push(name);
    }
    if request.icon.as_ref().is_some_and(|icon| !icon.starts_with(PNG)) {
        return Err(BundleError::new("the icon is not a PNG file", "hosts show PNG files of 512 by 512 points"));
    }
    if let Some(what) = secrets::find(request) {
        return Err(BundleError::new(
            format!("{what} seems to be a secret, which everybody who has the bundle could read"),
            "put a {field} in its place: it is asked for when the bundle is installed",
        ));
    }
    Ok(())
}
