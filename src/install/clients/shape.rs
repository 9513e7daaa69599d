//! What does an entry look like for each client, and what does an entry of others say?

use super::super::edit::Value;

/// The kinds of entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// `command`, `args`, `env`.
    Plain,
    /// The same in a file of its own for each entry.
    OwnFile,
    /// The same with `type: stdio`.
    Stdio,
    /// The same with `type: local` and the tools that may be used: without them none are.
    Local,
    /// The same with `source: custom`.
    Custom,
    /// One list for the program and its arguments; `environment`.
    OneList,
    /// `cmd`, `args`, `envs`, and what else Goose wants.
    Goose,
}

/// What an entry starts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Server {
    /// The program and its arguments; empty for a server that is reached directly.
    pub(crate) command: Vec<String>,
    /// The variables.
    pub(crate) env: Vec<(String, String)>,
    /// The key of the variables.
    pub(crate) variables: String,
    /// The address of a server that is reached directly.
    pub(crate) url: Option<String>,
    /// Whether the entry keeps all that in `transport`.
    is_nested: bool,
    /// Whether it keeps its variables in `command`, as Zed did once.
    has_env_in_command: bool,
}

/// The keys of variables.
pub(crate) const VARIABLES: [&str; 3] = ["env", "environment", "envs"];

impl Shape {
    /// A new entry.
    pub(crate) fn entry(self, name: &str, program: &str, args: &[String], env: &[(&str, &str)]) -> Value {
        let mut members = match self {
            Self::Plain | Self::OwnFile => vec![],
            Self::Stdio => vec![("type", Value::text("stdio"))],
            Self::Local | Self::OneList => vec![("type", Value::text("local"))],
            Self::Custom => vec![("source", Value::text("custom"))],
            Self::Goose => vec![
                ("name", Value::text(name)),
                ("description", Value::text(format!("{name}, through mcp-ferry"))),
                ("type", Value::text("stdio")),
            ],
        };
        members.extend(self.command(program, args));
        let variables =
            || Value::Table(env.iter().map(|(name, value)| ((*name).to_owned(), Value::text(*value))).collect());
        let is_needed = !env.is_empty() || self == Self::Goose;
        members.extend(is_needed.then(|| (self.variables(), variables())));
        if matches!(self, Self::OneList | Self::Goose) {
            members.push(("enabled", Value::Bool(true)));
        }
        if self == Self::Goose {
            members.push(("timeout", Value::Other("300".to_owned())));
        }
        if self == Self::Local {
            members.push(("tools", Value::texts(["*"])));
        }
        table(members)
    }

    /// The key of the variables.
    pub(crate) fn variables(self) -> &'static str {
        match self {
            Self::OneList => "environment",
            Self::Goose => "envs",
            _ => "env",
        }
    }

    /// The part of an entry that says what to start.
    fn command(self, program: &str, args: &[String]) -> Vec<(&'static str, Value)> {
        let args = args.iter().map(String::as_str);
        match self {
            Self::OneList => vec![("command", Value::texts([program].into_iter().chain(args)))],
            Self::Goose => vec![("cmd", Value::text(program)), ("args", Value::texts(args))],
            _ => vec![("command", Value::text(program)), ("args", Value::texts(args))],
        }
    }

    /// What has an entry start this program instead; all else in it stays.
    pub(crate) fn other_command(self, server: &Server, program: &str, args: &[String]) -> Value {
        let mut members = self.command(program, args);
        if server.has_env_in_command {
            let env = server.env.iter().map(|(name, value)| (name.clone(), Value::text(value)));
            members.push((self.variables(), Value::Table(env.collect())));
        }
        server.nest(table(members))
    }
}

impl Server {
    /// What an entry says, whatever its client.
    pub(crate) fn read(entry: &Value) -> Self {
        let nested = entry.get("transport").filter(|transport| matches!(transport, Value::Table(_)));
        let inner = nested.unwrap_or(entry);
        let words = |value: &Value| match value {
            Value::Text(text) => vec![text.clone()],
            Value::List(items) => items.iter().filter_map(Value::as_word).collect(),
            // Zed's old notation.
            Value::Table(_) => value.get("path").and_then(Value::as_text).map(str::to_owned).into_iter().collect(),
            _ => vec![],
        };
        let first = ["command", "cmd"].iter().find_map(|key| inner.get(key));
        let args = inner.get("args").or_else(|| first?.get("args"));
        let found = VARIABLES.iter().find_map(|key| Some((key, inner.get(key).or_else(|| entry.get(key))?)));
        let variables = found.map(|(_, variables)| variables);
        let old = first.and_then(|first| first.get("env"));
        let has_env_in_command = variables.is_none() && old.is_some();
        let variables = variables.or(old);
        let env = variables.map(Value::members).unwrap_or_default().iter();
        Self {
            command: first.into_iter().chain(args).flat_map(words).collect(),
            env: env.filter_map(|(name, value)| Some((name.clone(), value.as_word()?))).collect(),
            variables: found.map_or(VARIABLES[0], |(key, _)| *key).to_owned(),
            url: ["url", "serverUrl", "httpUrl", "uri"]
                .iter()
                .find_map(|key| inner.get(key).and_then(Value::as_text))
                .map(str::to_owned),
            is_nested: nested.is_some(),
            has_env_in_command,
        }
    }

    /// An entry in the place where this one keeps what it starts.
    pub(crate) fn nest(&self, entry: Value) -> Value {
        if self.is_nested { table(vec![("transport", entry)]) } else { entry }
    }

    /// Whether it starts mcp-ferry, by whatever name a release or a person has given the program.
    pub(crate) fn is_ours(&self) -> bool {
        self.command.first().is_some_and(|command| base_name(command).starts_with("mcp-ferry"))
    }

    /// Whether it starts mcp-ferry, or the program at this path, which is mcp-ferry under another name.
    pub(crate) fn is_ours_or(&self, program: &str) -> bool {
        self.is_ours() || (!program.is_empty() && self.command.first().is_some_and(|command| command == program))
    }

    /// The first argument that is an address, which is the server's where this is an entry of ours.
    pub(crate) fn address(&self) -> Option<&str> {
        address(self.command.get(1..)?)
    }
}

/// The first of these arguments that is an address.
pub(crate) fn address(arguments: &[String]) -> Option<&str> {
    arguments.iter().find(|word| word.contains("://")).map(String::as_str)
}

/// The name of a program without its folder and its extension, in lower case.
pub(crate) fn base_name(command: &str) -> String {
    let name = command.rsplit(['/', '\\']).next().unwrap_or_default().to_ascii_lowercase();
    let bare = [".exe", ".cmd", ".bat", ".ps1"].iter().find_map(|extension| name.strip_suffix(extension));
    bare.map_or(name.clone(), str::to_owned)
}

fn table(members: Vec<(&str, Value)>) -> Value {
    Value::Table(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}
