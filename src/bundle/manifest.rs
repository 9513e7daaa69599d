//! What stands in `manifest.json`? Only keys that every host knows: some refuse a bundle with another one.

use super::fields::{Field, Filled, Kind};
use super::launcher;
use super::program::Platform;
use super::{ICON, Names, Request};
use crate::message::quoted;

/// The version of the format. Its keys are those of 0.2: hosts refuse what 0.3 adds.
const VERSION: &str = "0.3";

/// The licence of the program.
const LICENSE: &str = env!("CARGO_PKG_LICENSE");

/// The text of the manifest.
pub(super) fn text(request: &Request, names: &Names, filled: &Filled, platforms: &[Platform]) -> String {
    let description = request.description.clone().unwrap_or_else(|| match request.url {
        Some(_) => format!("Connects to the MCP server of {}", names.display_name),
        None => env!("CARGO_PKG_DESCRIPTION").to_owned(),
    });
    let mut members = vec![
        ("manifest_version", quoted(VERSION)),
        ("name", quoted(&names.name)),
        ("display_name", quoted(&names.display_name)),
        ("version", quoted(&request.version)),
        ("description", quoted(&description)),
        ("author", object([("name", quoted(&request.author))])),
    ];
    members.extend(request.links.iter().map(|(key, link)| (*key, quoted(link))));
    if request.icon.is_some() {
        members.push(("icon", quoted(ICON)));
    }
    members.push(("license", quoted(LICENSE)));
    if !request.privacy_policies.is_empty() {
        members.push(("privacy_policies", array(request.privacy_policies.iter().map(|link| quoted(link)))));
    }
    members.push(("server", server(filled, platforms)));
    members.push(("tools_generated", "true".to_owned()));
    members.push(("prompts_generated", "true".to_owned()));
    let mut systems: Vec<_> = platforms.iter().map(|platform| platform.host_name()).collect();
    systems.sort_unstable();
    systems.dedup();
    let systems = array(systems.into_iter().map(quoted));
    members.push(("compatibility", object([("platforms", systems)])));
    if !filled.fields.is_empty() {
        members
            .push(("user_config", object(filled.fields.iter().map(|field| (field.name.as_str(), user_config(field))))));
    }
    object(members) + "\n"
}

/// The command. Hosts put the members of `platform_overrides` in the place of those of the command, whole.
fn server(filled: &Filled, platforms: &[Platform]) -> String {
    let windows = platforms.iter().find(|platform| platform.is_windows());
    let has_others = platforms.iter().any(|platform| !platform.is_windows());
    let installed = |file: &str| quoted(&format!("${{__dirname}}/{file}"));
    let args = || filled.args.iter().map(|arg| quoted(arg));
    let program = windows.map(|platform| [("command", installed(&platform.file())), ("args", array(args()))]);
    let (entry_point, mut command) = match (program.clone(), windows) {
        (Some(program), Some(platform)) if !has_others => (platform.file(), program.to_vec()),
        _ => {
            let script = [installed(launcher::FILE)].into_iter().chain(args());
            (launcher::FILE.to_owned(), vec![("command", quoted("/bin/sh")), ("args", array(script))])
        }
    };
    command.push(("env", object(filled.env.iter().map(|(name, value)| (name.as_str(), quoted(value))))));
    if let Some(program) = program.filter(|_| has_others) {
        command.push(("platform_overrides", object([("win32", object(program))])));
    }
    object([("type", quoted("binary")), ("entry_point", quoted(&entry_point)), ("mcp_config", object(command))])
}

fn user_config(field: &Field) -> String {
    let mut members = vec![
        ("type", quoted(field.kind.word())),
        ("title", quoted(&field.title)),
        ("description", quoted(&field.description)),
    ];
    if field.is_sensitive {
        members.push(("sensitive", "true".to_owned()));
    }
    members.push(("required", field.default.is_none().to_string()));
    if let Some(default) = &field.default {
        members.push(("default", if field.kind == Kind::Switch { default.clone() } else { quoted(default) }));
    }
    object(members)
}

/// A JSON object, its members in this order.
fn object<'a>(members: impl IntoIterator<Item = (&'a str, String)>) -> String {
    // No line end stands within a text.
    let members = members.into_iter().map(|(key, value)| format!("  {}: {}", quoted(key), value.replace('\n', "\n  ")));
    let members = members.collect::<Vec<_>>().join(",\n");
    if members.is_empty() { "{}".to_owned() } else { format!("{{\n{members}\n}}") }
}

fn array(items: impl Iterator<Item = String>) -> String {
    format!("[{}]", items.collect::<Vec<_>>().join(", "))
}
