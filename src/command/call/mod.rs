//! How does a person try a server (`mcp-ferry call`)? Calls a tool, reads a resource, gets a prompt, or sends any
//! request.

mod arguments;
mod output;

use serde_json::Value;

use super::client::Client;
use super::schema::{Schema, nearest};
use super::tools;
use crate::cli::CallCommand;
use crate::config::Settings;
use crate::error::{Error, Exit};
use crate::log;
use crate::message::quoted;
use arguments::Arguments;

/// What is asked of the server.
enum Call<'a> {
    Tool(&'a str),
    Resource(&'a str),
    Prompt(&'a str),
    Raw { method: &'a str, params: String },
}

/// The result of a request, as JSON text, and whether it is all that the user wants to see.
pub(super) struct Called {
    result: String,
    is_raw: bool,
}

/// Reads what was typed, as far as that is possible without the server.
pub(super) fn check(typed: &CallCommand) -> Result<Arguments, Error> {
    let call = call(typed)?;
    let arguments = Arguments::read(&typed.arguments)?;
    match call {
        Call::Resource(_) if !arguments.is_empty() => {
            Err(Error::Usage("a resource is read without arguments; its URI stands for all".to_owned()))
        }
        _ => Ok(arguments),
    }
}

fn call(typed: &CallCommand) -> Result<Call<'_>, Error> {
    if let [method, params @ ..] = &typed.raw[..] {
        let params = params.first().map_or("{}", String::as_str);
        let params =
            super::schema::one_line(params).map_err(|why| Error::Usage(format!("the second value of --raw {why}")))?;
        return Ok(Call::Raw { method, params });
    }
    let name = typed.tool.as_deref().unwrap_or_default();
    Ok(match name {
        name if typed.prompt => Call::Prompt(name),
        name if name.contains("://") => Call::Resource(name),
        name => Call::Tool(name),
    })
}

/// Sends the request, and closes the session.
pub(super) async fn run(settings: Settings, typed: &CallCommand, arguments: Arguments) -> Result<Called, Error> {
    let mut client = Client::connect(settings, typed.options.logging.silent).await?;
    let result = send(&mut client, call(typed)?, arguments).await;
    client.close().await;
    Ok(Called { result: result?, is_raw: !typed.raw.is_empty() })
}

async fn send(client: &mut Client, call: Call<'_>, arguments: Arguments) -> Result<String, Error> {
    let token = client.progress_token();
    match call {
        Call::Raw { method, params } => client.request(method, &params).await,
        Call::Resource(uri) => client.request("resources/read", &format!(r#"{{"uri":{}{token}}}"#, quoted(uri))).await,
        Call::Prompt(name) => {
            check_prompt(client, name, &arguments).await?;
            let arguments = arguments.texts()?;
            let params = format!(r#"{{"name":{},"arguments":{arguments}{token}}}"#, quoted(name));
            client.request("prompts/get", &params).await
        }
        Call::Tool(name) => {
            let tools = tools::list(client).await?;
            let tool = tools::find(&tools, name)?;
            let arguments = arguments.typed(tool.schema(), &tool.signature())?;
            let params = format!(r#"{{"name":{},"arguments":{arguments}{token}}}"#, quoted(name));
            client.request("tools/call", &params).await
        }
    }
}

/// Tells of an unknown prompt, and of missing arguments, before the request. A long list has more parts; those are the
/// server's to check.
async fn check_prompt(client: &mut Client, name: &str, arguments: &Arguments) -> Result<(), Error> {
    let list: Value = serde_json::from_str(&client.request("prompts/list", "{}").await?).unwrap_or_default();
    let prompts = list["prompts"].as_array().map(Vec::as_slice).unwrap_or_default();
    let Some(prompt) = prompts.iter().find(|prompt| prompt["name"] == name) else {
        if list["nextCursor"].is_string() {
            return Ok(());
        }
        let names = prompts.iter().filter_map(|prompt| prompt["name"].as_str());
        let suggestion = nearest(name, names).map(|name| format!("; did you mean {}?", log::foreign_name(name)));
        let name = log::foreign_name(name);
        return Err(Error::Arguments {
            cause: format!("the server has no prompt {name}{}", suggestion.unwrap_or_default()),
            hint: "`mcp-ferry call URL --raw prompts/list` lists the prompts".to_owned(),
        });
    };
    let listed = prompt["arguments"].as_array().map(Vec::as_slice).unwrap_or_default();
    let named = |argument: &Value| argument["name"].as_str().map(str::to_owned);
    let required: Vec<_> = listed.iter().filter(|argument| argument["required"] == true).filter_map(named).collect();
    let properties = listed.iter().filter_map(named).map(|name| (name, serde_json::json!({ "type": "string" })));
    let properties: serde_json::Map<String, Value> = properties.collect();
    let schema = serde_json::json!({ "properties": properties, "required": required, "additionalProperties": false });
    let schema = Schema::new(&schema);
    arguments.check(schema, &super::schema::signature(name, schema))
}

/// Prints the result. The exit status says whether the tool has failed.
pub(super) fn print(called: &Called, typed: &CallCommand) -> Result<Exit, Error> {
    output::print(&called.result, typed.json || called.is_raw, typed.output.as_deref())
}
