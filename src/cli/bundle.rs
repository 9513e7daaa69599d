//! What can a user type to make an extension for a server? The command `bundle`.

use std::any::TypeId;
use std::path::PathBuf;

use clap::{Arg, Args, Command};

use super::help;
use super::option::{OptionValue, complete};
use super::options::Options;
use crate::bundle::{AskedOption, Kind};
use crate::error::Error;

/// Make an extension (.mcpb) for a server, which others install with a click
///
/// The program that installs it asks for each {field} in --url and in the values of options that are texts, such as
/// --header, and gives the answers to the bridge in variables; --ask asks for the others. Options of the bridge become
/// part of the extension. The same options and programs give the same file, to the byte; your variables are no part of it.
#[derive(Debug, Args)]
#[command(mut_args = only_typed, after_help = help::BUNDLE)]
pub struct BundleCommand {
    /// The server's MCP endpoint, with a {field} for each part to ask for
    ///
    /// Without it the extension is for any server: it asks for the URL, and for a token that may be left empty.
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,

    /// The extension's name; another one of the same name replaces it
    ///
    /// If it is not given, it is made from the URL. Do not change it later: hosts keep the answers under it.
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,

    /// The name that people see
    #[arg(long, hide_short_help = true, value_name = "TEXT")]
    pub display_name: Option<String>,

    /// The version: three numbers
    #[arg(long, hide_short_help = true, value_name = "VERSION", default_value = env!("CARGO_PKG_VERSION"))]
    pub version: String,

    /// A sentence for people
    #[arg(long, value_name = "TEXT", hide_short_help = true)]
    pub description: Option<String>,

    /// Who makes the extension
    #[arg(long, value_name = "NAME", hide_short_help = true, default_value = "mcp-ferry")]
    pub author: String,

    /// The icon: a PNG file of 512 by 512 points
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    pub icon: Option<PathBuf>,

    /// The address of a page about the server
    #[arg(long, value_name = "URL", hide_short_help = true)]
    pub homepage: Option<String>,

    /// The address of its documentation
    #[arg(long, value_name = "URL", hide_short_help = true)]
    pub documentation: Option<String>,

    /// The address where people get help
    #[arg(long, value_name = "URL", hide_short_help = true)]
    pub support: Option<String>,

    /// The address of a privacy policy (repeatable)
    #[arg(long, value_name = "URL", hide_short_help = true)]
    pub privacy_policy: Vec<String>,

    /// A licence text to put into the extension, such as those of the program's parts (repeatable)
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    pub license_file: Vec<PathBuf>,

    /// Ask for an access token, which is sent as a bearer token
    #[arg(long, value_parser = bool::parser())]
    pub token: bool,

    /// Ask for the value of an option of the bridge, which may be left empty (repeatable)
    #[arg(long, value_name = "OPTION", value_delimiter = ',')]
    pub ask: Vec<String>,

    /// The title of a field, and its description after a colon (repeatable)
    #[arg(long, hide_short_help = true, value_name = "FIELD=TITLE", value_parser = pair)]
    pub field: Vec<(String, String)>,

    /// A field that may be left empty, and its default (repeatable)
    #[arg(long, hide_short_help = true, value_name = "FIELD[=DEFAULT]", value_parser = name_and_default)]
    pub optional: Vec<(String, String)>,

    /// A field whose answer is a secret, as the token is (repeatable)
    #[arg(long, hide_short_help = true, value_name = "FIELD", value_delimiter = ',')]
    pub sensitive: Vec<String>,

    /// A second extension beside it, for another URL (repeatable)
    ///
    /// NAME, such as staging, becomes a part of both names of that extension.
    #[arg(long, value_name = "NAME=URL", value_parser = pair, requires = "url")]
    pub variant: Vec<(String, String)>,

    /// A program to put in, for any platform (repeatable)
    ///
    /// The file itself says for which system and processor it is. Without this, it is the running program.
    #[arg(long, value_name = "FILE")]
    pub program: Vec<PathBuf>,

    /// The file to write, or the folder for NAME-VERSION.mcpb
    #[arg(long, short, value_name = "PATH", default_value = ".")]
    pub output: PathBuf,

    /// Print JSON: an array of the extensions
    #[arg(long, value_parser = bool::parser())]
    pub json: bool,

    /// The options of the bridge as words of its command line.
    #[arg(skip)]
    pub entry: Vec<String>,

    /// The options of the bridge whose values are asked for.
    #[arg(skip)]
    pub asked: Vec<AskedOption>,

    /// The options that every command has.
    #[command(flatten)]
    pub options: Options,
}

/// The rules for the command's options. Its own, which stand under no heading, have no variables: those of the person
/// who makes an extension would become a part of it.
fn only_typed(arg: Arg) -> Arg {
    let is_own = arg.get_help_heading().is_none();
    let arg = complete(arg);
    if is_own { arg.env(None) } else { arg }
}

/// Reads `NAME=TEXT`.
fn pair(typed: &str) -> Result<(String, String), &'static str> {
    let pair = typed.split_once('=').map(|(name, text)| (name.trim().to_owned(), text.trim().to_owned()));
    pair.filter(|(name, text)| !name.is_empty() && !text.is_empty()).ok_or("not of the form NAME=TEXT")
}

/// Reads `NAME=TEXT` or `NAME`.
#[allow(clippy::unnecessary_wraps)]
fn name_and_default(typed: &str) -> Result<(String, String), &'static str> {
    let (name, text) = typed.split_once('=').unwrap_or((typed, ""));
    Ok((name.trim().to_owned(), text.to_owned()))
}

/// The options of the bridge with these names.
pub(super) fn asked(names: &[String], bridge: &Command) -> Result<Vec<AskedOption>, Error> {
    let mut asked: Vec<AskedOption> = Vec::new();
    for typed in names {
        let name = typed.trim().trim_start_matches("--");
        let option = bridge.get_arguments().find(|option| option.get_long() == Some(name));
        // The help and the version are no options that a bridge has while it runs.
        let Some(option) = option.filter(|option| option.get_env().is_some()) else {
            return Err(Error::Usage(format!(
                "--ask {}: the bridge has no such option",
                crate::log::foreign_name(name)
            )));
        };
        let is_path = option.get_value_parser().type_id() == TypeId::of::<PathBuf>();
        let kind = match option.get_action().takes_values() {
            false => Kind::Switch,
            true if is_path => Kind::File,
            true => Kind::Text,
        };
        let help = option.get_help().map(ToString::to_string).unwrap_or_default();
        if !asked.iter().any(|known| known.name == name) {
            asked.push(AskedOption { name: name.to_owned(), kind, help });
        }
    }
    Ok(asked)
}
