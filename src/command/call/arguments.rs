//! Which arguments did a person type for a tool? `name=value` has the type of the tool's schema, `name:=value` is JSON.

use std::io::Read;

use crate::command::schema::{Schema, nearest, one_line};
use crate::error::Error;
use crate::log;
use crate::message::{Members, quoted};
use crate::typed::expand_path;

/// Arguments in the order in which they were typed.
#[derive(Debug)]
pub(crate) struct Arguments(Vec<(String, Value)>);

#[derive(Debug)]
enum Value {
    /// As it was typed, or read from a file.
    Text(String),
    /// JSON text on one line.
    Json(String),
}

impl Arguments {
    /// Reads what was typed, and the files and stdin that it names.
    pub(super) fn read(typed: &[String]) -> Result<Self, Error> {
        let mut arguments = Vec::new();
        for word in typed {
            if word == "-" {
                let mut text = String::new();
                std::io::stdin()
                    .read_to_string(&mut text)
                    .map_err(|error| Error::File("stdin".to_owned(), error.to_string()))?;
                arguments.extend(object(&text).map_err(|why| usage(&format!("stdin {why}")))?);
            } else if word.trim_start().starts_with('{') {
                arguments.extend(object(word).map_err(|why| usage(&format!("an argument {why}")))?);
            } else {
                arguments.push(named(word)?);
            }
        }
        let mut names: Vec<_> = arguments.iter().map(|(name, _)| name).collect();
        names.sort_unstable();
        if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(usage(&format!("the argument {} is given twice", log::foreign_name(pair[0]))));
        }
        Ok(Self(arguments))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The JSON object with the types of the schema. The error has the tool's signature.
    pub(super) fn typed(&self, schema: Schema<'_>, signature: &str) -> Result<String, Error> {
        self.check(schema, signature)?;
        let properties = schema.properties();
        self.object(|name, text| match properties.iter().find(|(property, _)| *property == name) {
            Some((_, schema)) => schema
                .read(text)
                .map_err(|why| usage(&format!("the argument {} {why}: {signature}", log::foreign_name(name)))),
            None => Ok(quoted(text)),
        })
    }

    /// The JSON object with texts alone, as prompts take them.
    pub(super) fn texts(&self) -> Result<String, Error> {
        self.object(|_, text| Ok(quoted(text)))
    }

    fn object(&self, read: impl Fn(&str, &str) -> Result<String, Error>) -> Result<String, Error> {
        let member = |(name, value): &(String, Value)| {
            let value = match value {
                Value::Text(text) => read(name, text)?,
                Value::Json(json) => json.clone(),
            };
            Ok(format!("{}:{value}", quoted(name)))
        };
        let members: Result<Vec<_>, Error> = self.0.iter().map(member).collect();
        Ok(format!("{{{}}}", members?.join(",")))
    }

    /// Tells of unknown and of missing arguments.
    pub(super) fn check(&self, schema: Schema<'_>, signature: &str) -> Result<(), Error> {
        let properties = schema.properties();
        let is_known = |name: &str| properties.iter().any(|(property, _)| *property == name);
        if let Some((name, _)) = self.0.iter().find(|(name, _)| !schema.takes_others() && !is_known(name)) {
            let suggestion = nearest(name, properties.iter().map(|(name, _)| *name));
            let suggestion = suggestion.map(|name| format!(", did you mean {}?", log::foreign_name(name)));
            let name = log::foreign_name(name);
            return Err(usage(&format!("unknown argument {name}{}: {signature}", suggestion.unwrap_or_default())));
        }
        let is_missing = |name: &&str| !self.0.iter().any(|(given, _)| given == name);
        let missing: Vec<_> = schema.required().into_iter().filter(is_missing).map(log::foreign_name).collect();
        match &missing[..] {
            [] => Ok(()),
            missing => Err(usage(&format!("missing {}: {signature}", missing.join(", ")))),
        }
    }
}

fn usage(why: &str) -> Error {
    let hint = "`mcp-ferry tools URL NAME` shows what a tool takes, `mcp-ferry call -h` how arguments are written";
    Error::Arguments { cause: why.to_owned(), hint: hint.to_owned() }
}

/// The members of a JSON object.
fn object(text: &str) -> Result<Vec<(String, Value)>, String> {
    let json = one_line(text.trim_start_matches('\u{feff}'))?;
    let members = Members::of(&json).ok_or("is not a JSON object")?;
    Ok(members.iter().map(|(name, value)| (name.to_owned(), Value::Json(value.to_owned()))).collect())
}

/// `name=text`, `name=@file`, `name:=json` or `name:=@file`.
fn named(word: &str) -> Result<(String, Value), Error> {
    let Some((name, value)) = word.split_once('=').filter(|(name, _)| !name.is_empty() && *name != ":") else {
        // The word may be a value that was not quoted, and a secret.
        return Err(usage("an argument is not NAME=VALUE, NAME:=JSON, NAME=@FILE, a JSON object or -"));
    };
    let value = match value.strip_prefix('@') {
        Some(escaped) if escaped.starts_with('@') => escaped.to_owned(),
        Some(path) => file(path)?,
        None => value.to_owned(),
    };
    match name.strip_suffix(':') {
        None => Ok((name.to_owned(), Value::Text(value))),
        Some(name) => {
            let json =
                one_line(&value).map_err(|why| usage(&format!("the argument {} {why}", log::foreign_name(name))))?;
            Ok((name.to_owned(), Value::Json(json)))
        }
    }
}

fn file(path: &str) -> Result<String, Error> {
    let expanded =
        expand_path(path.as_ref()).map_err(|why| usage(&format!("the path {path} cannot be used: {why}")))?;
    std::fs::read_to_string(expanded).map_err(|error| Error::File(path.to_owned(), error.to_string()))
}
