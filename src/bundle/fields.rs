//! What is asked for when a bundle is installed, and which variables do the answers become?
//!
//! An answer reaches the bridge in a variable, never among its arguments, which other users of the machine can read. A
//! field is either required, or has a default: hosts pass `${user_config.name}` itself for one that has neither, and
//! count one that has both as missing.

use super::{Bundle, BundleError, Request};
use crate::log::{self, is_secret};
use crate::typed::has_place;

/// The field of the token that [`Request::token`] asks for, and its variable.
pub(super) const TOKEN: &str = "token";
pub(super) const TOKEN_VARIABLE: &str = "FERRY_TOKEN";

/// The field of the address in a bundle for any server.
const URL: &str = "url";

/// Words of a field's name that stand in capital letters in its title.
const ACRONYMS: [&str; 6] = ["api", "ca", "id", "ip", "uri", "url"];

/// What an answer can be, by the word of the manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A text.
    Text,
    /// The path of a file.
    File,
    /// On or off.
    Switch,
}

impl Kind {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Text => "string",
            Self::File => "file",
            Self::Switch => "boolean",
        }
    }
}

/// An option of the bridge whose value is asked for.
#[derive(Debug, Clone)]
pub struct AskedOption {
    /// Its name without dashes before it.
    pub name: String,
    /// What a value is.
    pub kind: Kind,
    /// Its help.
    pub help: String,
}

/// A field of the form that a host shows.
#[derive(Debug, Clone)]
pub struct Field {
    /// Its name in the manifest.
    pub name: String,
    pub(super) kind: Kind,
    pub(super) title: String,
    pub(super) description: String,
    /// Whether the host keeps the answer as a secret.
    pub is_sensitive: bool,
    /// What an optional field is without an answer.
    pub default: Option<String>,
}

impl Field {
    fn new(name: &str, is_sensitive: bool, description: String) -> Self {
        let words =
            name.split('_').map(|word| if ACRONYMS.contains(&word) { word.to_uppercase() } else { word.to_owned() });
        let title = capitalized(&words.collect::<Vec<_>>().join(" "));
        let is_sensitive = is_sensitive || is_secret(name, "");
        Self { name: name.to_owned(), kind: Kind::Text, title, description, is_sensitive, default: None }
    }
}

/// What is asked for and what the bridge gets for one address.
#[derive(Debug, Default)]
pub(super) struct Filled {
    pub(super) fields: Vec<Field>,
    /// The arguments of the bridge.
    pub(super) args: Vec<String>,
    /// Its variables: names and values.
    pub(super) env: Vec<(String, String)>,
}

/// Finds the fields in the address and the options, and puts variables in their places.
pub(super) fn fill(request: &Request, url: Option<&str>) -> Result<Filled, BundleError> {
    let mut filled = Filled::default();
    filled.address(url, &request.optional)?;
    if request.token || url.is_none() {
        if filled.field(TOKEN).is_some() {
            return Err(taken(TOKEN));
        }
        if request.options.windows(2).any(|pair| pair[0] == "--header" && is_authorization(&pair[1])) {
            return Err(BundleError::new(
                "--token and --header both set the header Authorization",
                "leave one of them out",
            ));
        }
        let description = "Sent to the server as a bearer token".to_owned();
        filled.add(Field { title: "Access token".to_owned(), ..Field::new(TOKEN, true, description) })?;
        if url.is_none() {
            filled
                .fields
                .iter_mut()
                .filter(|field| field.name == TOKEN)
                .for_each(|field| field.default = Some(String::new()));
        }
        filled.env.push((TOKEN_VARIABLE.to_owned(), answer(TOKEN)));
        filled.args.extend(["--bearer-token-env", TOKEN_VARIABLE].map(str::to_owned));
    }
    let mut before = "";
    for word in &request.options {
        filled.option(std::mem::replace(&mut before, word), word)?;
    }
    for option in &request.asked {
        let long = format!("--{}", option.name);
        if request.options.iter().any(|word| *word == long || word.starts_with(&format!("{long}="))) {
            return Err(BundleError::new(
                format!("--ask {} asks for what {long} sets for everybody", option.name),
                "leave one of them out",
            ));
        }
        filled.asked(option)?;
    }
    for (name, text) in &request.titles {
        let Some(field) = filled.field(name) else { continue };
        let (title, description) = text.split_once(": ").unwrap_or((text, ""));
        if !title.trim().is_empty() {
            title.trim().clone_into(&mut field.title);
        }
        if !description.is_empty() {
            description.trim().clone_into(&mut field.description);
        }
    }
    for name in &request.sensitive {
        let Some(field) = filled.field(name) else { continue };
        if field.kind != Kind::Text {
            return Err(BundleError::new(
                format!("the field {name} is no text, and only texts are kept as secrets"),
                "leave it out of --sensitive",
            ));
        }
        field.is_sensitive = true;
    }
    for (name, default) in &request.optional {
        let Some(field) = filled.field(name) else { continue };
        if field.is_sensitive && !default.is_empty() {
            return Err(BundleError::new(
                format!("the field {name} is a secret, and its default would stand in the bundle"),
                "give --optional the name of the field alone",
            ));
        }
        let default = match (field.kind, default.as_str()) {
            (Kind::Switch, "") => "false",
            (Kind::Switch, other) if !["true", "false"].contains(&other) => {
                return Err(BundleError::new(
                    format!("the default of {name} is neither true nor false"),
                    "give --optional the name alone, or NAME=true",
                ));
            }
            (_, default) => default,
        };
        field.default = Some(default.to_owned());
    }
    Ok(filled)
}

impl Filled {
    fn address(&mut self, url: Option<&str>, optional: &[(String, String)]) -> Result<(), BundleError> {
        let Some(url) = url else {
            let description = "Address of the MCP server, for example https://mcp.example.com/mcp".to_owned();
            self.env.push(("FERRY_URL".to_owned(), answer(URL)));
            self.args.push("${FERRY_URL}".to_owned());
            return self.add(Field { title: "Server URL".to_owned(), ..Field::new(URL, false, description) });
        };
        check_places(url, "the URL")?;
        if replaced(url, &mut |_| String::new()).contains(['{', '}']) {
            return Err(BundleError::new(
                "a brace in the URL belongs to no {field}".to_owned(),
                "the name of a field has small letters, digits and _, and begins with a letter",
            ));
        }
        let mut names = Vec::new();
        // Each answer reaches the bridge alone, so that it can refuse one that would lead to another host.
        let value = replaced(url, &mut |name| {
            names.push(name.to_owned());
            let may_be_empty = optional.iter().any(|(other, _)| other == name);
            format!("${{{}{}}}", variable(name), if may_be_empty { ":-" } else { "" })
        });
        self.args.push(value);
        for name in names {
            let place = format!("{{{name}}}");
            let before = url.split_once(&place).map_or("", |(before, _)| before);
            let parameter = before.rsplit(['?', '&']).next().and_then(|pair| pair.strip_suffix('='));
            let is_sensitive = parameter.is_some_and(|parameter| is_secret(parameter, ""));
            self.add(Field::new(&name, is_sensitive, format!("Stands for {place} in {url}")))?;
            self.set(variable(&name), answer(&name));
        }
        Ok(())
    }

    /// A word of the options, and the word before it.
    fn option(&mut self, before: &str, word: &str) -> Result<(), BundleError> {
        let option = before.trim_start_matches('-');
        let header = (option == "header").then(|| word.split_once(':')).flatten();
        let (owner, description) = match header {
            Some((name, _)) => {
                (name.trim(), format!("Sent to the server in the header {}", log::foreign_name(name.trim())))
            }
            None => (option.trim_end_matches("-env"), format!("For the option {option} of the bridge")),
        };
        check_places(word, if header.is_some() { "a header" } else { "an option" })?;
        // The value of such an option is the name of a variable, not a text with variables in it.
        let is_name = option.ends_with("-env");
        let mut names = Vec::new();
        let value = replaced(word, &mut |name| {
            names.push(name.to_owned());
            let variable = variable(name);
            match header {
                _ if is_name => variable,
                Some(_) => format!("${{{variable}}}"),
                // Unlike a header, an option with a variable that is not set would be an error.
                None => format!("${{{variable}:-}}"),
            }
        });
        if is_name && names.is_empty() {
            return Err(BundleError::new(
                format!("{before} names a variable, which nothing sets where the bundle is installed"),
                "give it a {field} instead, which is asked for when the bundle is installed; --token does so for a token",
            ));
        }
        for name in names {
            let is_sensitive = is_secret(owner, "") || is_of_secret(option, word, &name);
            self.add(Field::new(&name, is_sensitive, description.clone()))?;
            self.set(variable(&name), answer(&name));
        }
        self.args.push(value);
        Ok(())
    }

    fn asked(&mut self, option: &AskedOption) -> Result<(), BundleError> {
        let name = option.name.replace('-', "_");
        let default = if option.kind == Kind::Switch { "false" } else { "" };
        self.set(format!("MCP_FERRY_{}", name.to_ascii_uppercase()), answer(&name));
        let help = option.help.trim_end_matches(" (repeatable)");
        let field = Field { kind: option.kind, ..Field::new(&name, false, capitalized(help)) };
        self.add(Field { default: Some(default.to_owned()), ..field })
    }

    /// A field may stand in several places.
    fn add(&mut self, field: Field) -> Result<(), BundleError> {
        match self.fields.iter_mut().find(|known| known.name == field.name) {
            None => self.fields.push(field),
            Some(known) if known.kind == field.kind && known.default == field.default => {
                known.is_sensitive |= field.is_sensitive;
            }
            Some(_) => return Err(taken(&field.name)),
        }
        Ok(())
    }

    /// A field that stands in several places has one variable.
    fn set(&mut self, variable: String, value: String) {
        if !self.env.iter().any(|(known, _)| *known == variable) {
            self.env.push((variable, value));
        }
    }

    fn field(&mut self, name: &str) -> Option<&mut Field> {
        self.fields.iter_mut().find(|field| field.name == name)
    }
}

/// Refuses what is said of a field that no bundle has.
pub(super) fn check_names(request: &Request, bundles: &[Bundle]) -> Result<(), BundleError> {
    let titles = request.titles.iter().map(|(name, _)| ("--field", name));
    let sensitive = request.sensitive.iter().map(|name| ("--sensitive", name));
    let optional = request.optional.iter().map(|(name, _)| ("--optional", name));
    let has = |name: &str| bundles.iter().flat_map(|bundle| &bundle.fields).any(|field| field.name == name);
    match titles.chain(sensitive).chain(optional).find(|(_, name)| !has(name)) {
        None => Ok(()),
        Some((option, name)) => Err(BundleError::new(
            format!("{option} names {}, but nothing is asked for under this name", log::foreign_name(name)),
            "write {NAME} into --url or an option, or ask for the value of an option with --ask",
        )),
    }
}

fn taken(name: &str) -> BundleError {
    BundleError::new(format!("two fields are called {name}"), "give the field of --url or of an option another name")
}

/// Whether the field holds a secret, by its place in the value of an option that has other parts.
fn is_of_secret(option: &str, value: &str, name: &str) -> bool {
    let Some((before, behind)) = value.split_once(&format!("{{{name}}}")) else { return false };
    match option {
        // `"client_secret":"{field}"`
        "static-oauth-client-info" => before.rsplit('"').nth(2).is_some_and(|key| is_secret(key, "")),
        // `user:{field}@host`
        "proxy" => behind.contains('@') && before.split("://").last().is_some_and(|before| before.contains(':')),
        _ => false,
    }
}

fn is_authorization(header: &str) -> bool {
    header.split(':').next().is_some_and(|name| name.trim().eq_ignore_ascii_case("authorization"))
}

/// The text that a host replaces by the answer.
fn answer(name: &str) -> String {
    format!("${{user_config.{name}}}")
}

/// The variable of a field in an option.
fn variable(name: &str) -> String {
    format!("FERRY_{}", name.to_ascii_uppercase())
}

/// Nobody sets variables on the machines where the bundle is installed.
fn check_places(text: &str, what: &str) -> Result<(), BundleError> {
    if has_place(text) {
        let cause = format!("{what} has a ${{VARIABLE}}, which nothing sets where the bundle is installed");
        return Err(BundleError::new(cause, "write {name} instead: it is asked for when the bundle is installed"));
    }
    Ok(())
}

/// The text with something else in the place of each `{field}`.
pub(super) fn replaced(text: &str, with: &mut dyn FnMut(&str) -> String) -> String {
    let (mut done, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once('{') {
        done.push_str(before);
        match after.split_once('}').filter(|(name, _)| is_name(name)) {
            Some((name, after)) => {
                done.push_str(&with(name));
                rest = after;
            }
            None => {
                done.push('{');
                rest = after;
            }
        }
    }
    done + rest
}

fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

/// The text with a capital letter at its beginning.
pub(super) fn capitalized(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}
