//! A server of both eras, built with the Rust SDK: prints its address.
//!
//! Its tools, prompts and resources are in ../eras/content.json; the SDK parses results from JSON.

#![allow(deprecated, reason = "logging is part of both eras")]

mod tools;

use std::sync::{Arc, LazyLock, Mutex};

use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CompleteRequestParams, CompleteResult, ErrorData, GetPromptRequestParams,
    GetPromptResponse, GetPromptResult, InitializeResult, ListPromptsResult, ListResourceTemplatesResult,
    ListResourcesResult, ListToolsResult, PaginatedRequestParams, ReadResourceRequestParams, ReadResourceResponse,
    ReadResourceResult, SetLevelRequestParams, SubscribeRequestParams, SubscriptionFilter, UnsubscribeRequestParams,
};
use rmcp::service::{RequestContext, SubscriptionContext};
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{RoleServer, ServerHandler};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::broadcast;

type Context = RequestContext<RoleServer>;

static CONTENT: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("../../eras/content.json")).expect("content.json is JSON"));

/// One handler for each legacy session and for each modern request.
struct Server {
    /// Sends the URI of a changed resource to all modern subscriptions.
    changed: broadcast::Sender<String>,
    level: Mutex<String>,
    subscribed: Mutex<Vec<String>>,
}

fn made<T: DeserializeOwned>(value: Value) -> Result<T, ErrorData> {
    serde_json::from_value(value).map_err(|error| ErrorData::internal_error(error.to_string(), None))
}

/// A modern result; for the legacy era the SDK removes the modern members.
fn result<T: DeserializeOwned>(mut value: Value) -> Result<T, ErrorData> {
    value["resultType"] = json!("complete");
    made(value)
}

fn page<T: DeserializeOwned>(member: &str, request: Option<PaginatedRequestParams>) -> Result<T, ErrorData> {
    let items = CONTENT[member].as_array().expect("a list");
    let start = request.and_then(|request| request.cursor?.parse().ok()).unwrap_or(0);
    let end = items.len().min(start + CONTENT["page"].as_u64().expect("a number") as usize);
    let mut answer = json!({ member: &items[start..end] });
    if end < items.len() {
        answer["nextCursor"] = json!(end.to_string());
    }
    result(answer)
}

impl ServerHandler for Server {
    fn get_info(&self) -> InitializeResult {
        let changing = json!({ "listChanged": true });
        made(json!({
            "protocolVersion": "2025-11-25",
            "serverInfo": { "name": "rmcp", "version": CONTENT["version"] },
            "instructions": CONTENT["instructions"],
            "capabilities": {
                "logging": {}, "completions": {}, "tools": changing, "prompts": changing,
                "resources": { "listChanged": true, "subscribe": true },
            },
        }))
        .expect("the server's information")
    }

    async fn list_tools(
        &self,
        request: Option<PaginatedRequestParams>,
        _: Context,
    ) -> Result<ListToolsResult, ErrorData> {
        page("tools", request)
    }

    async fn call_tool(&self, request: CallToolRequestParams, context: Context) -> Result<CallToolResponse, ErrorData> {
        tools::call(self, request, &context).await
    }

    async fn list_resources(
        &self,
        request: Option<PaginatedRequestParams>,
        _: Context,
    ) -> Result<ListResourcesResult, ErrorData> {
        page("resources", request)
    }

    async fn list_resource_templates(
        &self,
        request: Option<PaginatedRequestParams>,
        _: Context,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        page("resourceTemplates", request)
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _: Context,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let uri = &request.uri;
        let contents = match uri.strip_prefix("note://") {
            Some("bytes") => json!({ "uri": uri, "blob": CONTENT["bytes"] }),
            Some(name) => json!({ "uri": uri, "text": format!("note {name}") }),
            None => {
                return Err(ErrorData::resource_not_found(format!("no resource {uri}"), Some(json!({ "uri": uri }))));
            }
        };
        Ok(result::<ReadResourceResult>(json!({ "contents": [contents] }))?.into())
    }

    async fn list_prompts(
        &self,
        request: Option<PaginatedRequestParams>,
        _: Context,
    ) -> Result<ListPromptsResult, ErrorData> {
        page("prompts", request)
    }

    async fn get_prompt(&self, request: GetPromptRequestParams, _: Context) -> Result<GetPromptResponse, ErrorData> {
        let name = request.arguments.as_ref().and_then(|given| given["name"].as_str()).unwrap_or_default();
        let content = json!({ "type": "text", "text": format!("Greet {name}.") });
        Ok(result::<GetPromptResult>(json!({ "messages": [{ "role": "user", "content": content }] }))?.into())
    }

    async fn complete(&self, request: CompleteRequestParams, _: Context) -> Result<CompleteResult, ErrorData> {
        let request = json!(request);
        let words = &CONTENT[if request["ref"]["type"] == "ref/prompt" { "names" } else { "words" }];
        let start = request["argument"]["value"].as_str().unwrap_or_default();
        let words = words.as_array().into_iter().flatten();
        let values: Vec<_> = words.filter(|word| word.as_str().is_some_and(|word| word.starts_with(start))).collect();
        result(json!({ "completion": { "values": values, "total": values.len(), "hasMore": false } }))
    }

    async fn set_level(&self, request: SetLevelRequestParams, _: Context) -> Result<(), ErrorData> {
        *self.level.lock().expect("a level") = json!(request.level).as_str().unwrap_or_default().to_owned();
        Ok(())
    }

    async fn subscribe(&self, request: SubscribeRequestParams, _: Context) -> Result<(), ErrorData> {
        self.subscribed.lock().expect("a list").push(request.uri);
        Ok(())
    }

    async fn unsubscribe(&self, request: UnsubscribeRequestParams, _: Context) -> Result<(), ErrorData> {
        self.subscribed.lock().expect("a list").retain(|uri| *uri != request.uri);
        Ok(())
    }

    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        Some(requested.clone())
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        let (mut changes, sink) = (self.changed.subscribe(), context.sink());
        loop {
            let uri = tokio::select! {
                () = context.cancelled() => return Ok(()),
                uri = changes.recv() => uri.map_err(|error| ErrorData::internal_error(error.to_string(), None))?,
            };
            // The server filters notifications that a subscription did not request.
            let _ = sink.notify_tool_list_changed().await;
            let _ = sink.notify_prompt_list_changed().await;
            let _ = sink.notify_resource_list_changed().await;
            let _ = sink.notify_resource_updated(uri).await;
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let (changed, _) = broadcast::channel(64);
    let make = move || {
        Ok(Server { changed: changed.clone(), level: Mutex::new("debug".to_owned()), subscribed: Mutex::default() })
    };
    let service = StreamableHttpService::new(
        make,
        Arc::new(LocalSessionManager::default()),
        StreamableHttpServerConfig::default(),
    );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    println!("http://{}/mcp", listener.local_addr().expect("an address"));
    axum::serve(listener, axum::Router::new().nest_service("/mcp", service)).await.expect("serving");
}
