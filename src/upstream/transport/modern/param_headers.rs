//! Which arguments of a tool are mirrored in headers, and may they be (`x-mcp-header`, "Custom Headers from Tool
//! Parameters")?

use std::collections::HashSet;

use http::HeaderName;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::message::Message;
use crate::message::{Change, Members};

const KEYWORD: &str = "x-mcp-header";

/// A tool with more is left out: each call would search its arguments for each of them, and no server takes a request
/// with so many headers.
const MOST_HEADERS: usize = 64;

/// The largest integer that is the same number in every program.
const SAFE: f64 = 9_007_199_254_740_991.0;

/// Keywords whose value is a schema or an array of schemas; no argument is reached through these.
const WITHIN: [&str; 15] = [
    "items",
    "additionalItems",
    "prefixItems",
    "contains",
    "additionalProperties",
    "unevaluatedProperties",
    "unevaluatedItems",
    "propertyNames",
    "contentSchema",
    "oneOf",
    "anyOf",
    "allOf",
    "not",
    "if",
    "then",
];

/// Keywords whose value has a schema in each member; no argument is reached through these either.
const NAMED: [&str; 5] = ["patternProperties", "dependentSchemas", "$defs", "definitions", "dependencies"];

/// An argument and its header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ParamHeader {
    /// From the arguments down, by `properties`.
    path: Vec<String>,
    pub(super) header: HeaderName,
}

/// A list of tools, scanned.
#[derive(Debug, Default)]
pub(super) struct Scanned {
    /// Each tool's name, and its arguments that are mirrored.
    pub(super) tools: Vec<(String, Vec<ParamHeader>)>,
    /// The answer without the tools that break the rules, if there are any.
    pub(super) shown: Option<Message>,
    /// Those tools, and why.
    pub(super) left_out: Vec<(String, String)>,
}

impl ParamHeader {
    /// The argument's value as text. `arguments` is JSON text. `None`: it is not given, or its value cannot stand in
    /// a header.
    pub(super) fn argument(&self, arguments: &str) -> Option<String> {
        let (last, way) = self.path.split_last()?;
        let mut members = Members::of(arguments)?;
        for step in way {
            members = members.object(step)?;
        }
        match serde_json::from_str(members.get(last)?).ok()? {
            Value::String(text) => Some(text),
            Value::Bool(value) => Some(value.to_string()),
            Value::Number(number) => {
                let double = number.as_f64().filter(|double| double.fract() == 0.0 && double.abs() <= SAFE)?;
                Some(number.as_i64().map_or_else(|| format!("{double:.0}"), |integer| integer.to_string()))
            }
            _ => None,
        }
    }
}

/// Reads the response to `tools/list`.
pub(super) fn scan_tools(answer: &Message) -> Scanned {
    let mut scanned = Scanned::default();
    let Some(members) = answer.members() else { return scanned };
    let Some(result) = members.object("result") else { return scanned };
    let tools: Vec<&RawValue> =
        result.get("tools").and_then(|tools| serde_json::from_str(tools).ok()).unwrap_or_default();
    let mut shown = Vec::with_capacity(tools.len());
    for tool in &tools {
        let name = Members::of(tool.get()).and_then(|tool| tool.string("name")).unwrap_or_default();
        match param_headers(tool.get()) {
            Ok(headers) => {
                shown.push(tool.get());
                scanned.tools.push((name, headers));
            }
            Err(why) => scanned.left_out.push((name, why)),
        }
    }
    if !scanned.left_out.is_empty() {
        let shown = format!("[{}]", shown.join(","));
        let result = result.with(&[("tools", Change::Set(&shown))]);
        scanned.shown = Some(answer.edited(&members, &[("result", Change::Set(&result))]));
    }
    scanned
}

/// The arguments of a tool that are mirrored, or which rule the tool breaks.
fn param_headers(tool: &str) -> Result<Vec<ParamHeader>, String> {
    // Few tools have any, and schemas are large.
    if !tool.contains(KEYWORD) && !tool.contains("\\u") {
        return Ok(Vec::new());
    }
    let schema = Members::of(tool).and_then(|tool| tool.get("inputSchema")).unwrap_or("{}");
    let schema: Value = match serde_json::from_str(schema) {
        Ok(schema) => schema,
        // Too deep, or a number too large: no fault where nothing is to be mirrored.
        Err(_) if !schema.contains(KEYWORD) => return Ok(Vec::new()),
        Err(error) => return Err(error.to_string()),
    };
    let mut walk = Walk::default();
    walk.schema(&schema, &mut Vec::new(), true)?;
    Ok(walk.found)
}

#[derive(Default)]
struct Walk {
    found: Vec<ParamHeader>,
    names: HashSet<String>,
}

impl Walk {
    fn schema(&mut self, schema: &Value, path: &mut Vec<String>, is_reachable: bool) -> Result<(), String> {
        let Some(keywords) = schema.as_object() else { return Ok(()) };
        if let Some(name) = keywords.get(KEYWORD) {
            let at = if path.is_empty() { "the schema itself".to_owned() } else { path.join(".") };
            if !is_reachable || path.is_empty() {
                return Err(format!("{KEYWORD} at {at}, which is no argument that is reached by properties alone"));
            }
            let found = self.param_header(name, keywords.get("type"), path).map_err(|why| format!("{at}: {why}"))?;
            self.found.push(found);
        }
        if let Some(properties) = keywords.get("properties").and_then(Value::as_object) {
            for (name, property) in properties {
                path.push(name.clone());
                self.schema(property, path, is_reachable)?;
                path.pop();
            }
        }
        for keyword in WITHIN.iter().chain(&["else"]) {
            match keywords.get(*keyword) {
                Some(Value::Array(schemas)) => {
                    schemas.iter().try_for_each(|schema| self.schema(schema, path, false))?;
                }
                Some(schema) => self.schema(schema, path, false)?,
                None => {}
            }
        }
        for keyword in NAMED {
            let schemas = keywords.get(keyword).and_then(Value::as_object);
            schemas
                .into_iter()
                .flat_map(|schemas| schemas.values())
                .try_for_each(|schema| self.schema(schema, path, false))?;
        }
        Ok(())
    }

    fn param_header(&mut self, name: &Value, kind: Option<&Value>, path: &[String]) -> Result<ParamHeader, String> {
        let name = name.as_str().filter(|name| !name.is_empty()).ok_or("the header's name is empty or no string")?;
        if !matches!(kind.and_then(Value::as_str), Some("string" | "integer" | "boolean")) {
            return Err("only a string, an integer or a boolean can be mirrored".to_owned());
        }
        if self.names.len() == MOST_HEADERS {
            return Err(format!("more than {MOST_HEADERS} arguments are mirrored"));
        }
        if !self.names.insert(name.to_ascii_lowercase()) {
            return Err(format!("{name:?} names the header of another argument too"));
        }
        let header = HeaderName::try_from(format!("mcp-param-{name}"));
        let header = header.map_err(|_| format!("{name:?} cannot be part of a header's name"))?;
        Ok(ParamHeader { path: path.to_vec(), header })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn tool(schema: &str) -> String {
        format!(r#"{{"name":"t","inputSchema":{schema}}}"#)
    }

    #[test]
    fn arguments_are_found_by_properties_alone() {
        let found = param_headers(&tool(
            r#"{"type":"object","properties":{"region":{"type":"string","x-mcp-header":"Region"},"where":{"type":"object","properties":{"depth":{"type":"integer","x-mcp-header":"Depth"}}},"x-mcp-header":{"type":"string"},"dry":{"type":"boolean","x-mcp-header":"Dry"}}}"#,
        ))
        .unwrap();
        let arguments = r#"{"region":"a","where":{"depth":7},"dry":false,"x-mcp-header":"b"}"#;
        let mut found_values: Vec<_> = found.iter().map(|one| (one.header.as_str(), one.argument(arguments))).collect();
        found_values.sort();
        assert_eq!(
            found_values,
            [
                ("mcp-param-depth", Some("7".to_owned())),
                ("mcp-param-dry", Some("false".to_owned())),
                ("mcp-param-region", Some("a".to_owned())),
            ]
        );
    }

    #[test]
    fn an_argument_that_is_not_there_or_has_no_place_in_a_header_is_not_mirrored() {
        let one = ParamHeader { path: vec!["a".to_owned(), "b".to_owned()], header: HeaderName::from_static("h") };
        for (arguments, expected) in [
            (r#"{"a":{"b":"x"}}"#, Some("x")),
            (r#"{"a":{"b":42.0}}"#, Some("42")),
            (r#"{"a":{"b":-7}}"#, Some("-7")),
            (r#"{"a":{"b":9007199254740991}}"#, Some("9007199254740991")),
            (r#"{"a":{"b":9007199254740992}}"#, None),
            (r#"{"a":{"b":1.5}}"#, None),
            (r#"{"a":{"b":null}}"#, None),
            (r#"{"a":{"b":{}}}"#, None),
            (r#"{"a":{}}"#, None),
            (r#"{"a":[{"b":1}]}"#, None),
            ("{}", None),
            ("", None),
        ] {
            assert_eq!(one.argument(arguments).as_deref(), expected, "{arguments}");
        }
    }

    #[test]
    fn a_tool_that_breaks_a_rule_is_an_error() {
        for schema in [
            r#"{"x-mcp-header":"A"}"#,
            r#"{"properties":{"a":{"type":"string","x-mcp-header":""}}}"#,
            r#"{"properties":{"a":{"type":"string","x-mcp-header":7}}}"#,
            r#"{"properties":{"a":{"type":"string","x-mcp-header":"a b"}}}"#,
            r#"{"properties":{"a":{"type":"string","x-mcp-header":"a\r\nb"}}}"#,
            r#"{"properties":{"a":{"type":"string","x-mcp-header":"ü"}}}"#,
            r#"{"properties":{"a":{"type":"number","x-mcp-header":"A"}}}"#,
            r#"{"properties":{"a":{"type":"object","x-mcp-header":"A"}}}"#,
            r#"{"properties":{"a":{"x-mcp-header":"A"}}}"#,
            r#"{"properties":{"a":{"type":"string","x-mcp-header":"A"},"b":{"type":"string","x-mcp-header":"a"}}}"#,
            r#"{"properties":{"a":{"type":"array","items":{"type":"string","x-mcp-header":"A"}}}}"#,
            r#"{"properties":{"a":{"anyOf":[{"type":"string","x-mcp-header":"A"}]}}}"#,
            r#"{"properties":{"a":{"type":"string","contentSchema":{"type":"string","x-mcp-header":"A"}}}}"#,
            r#"{"properties":{"a":{"type":"array","additionalItems":{"type":"string","x-mcp-header":"A"}}}}"#,
            r#"{"$defs":{"a":{"type":"string","x-mcp-header":"A"}}}"#,
            r#"{"if":{"properties":{"a":{"type":"string","x-mcp-header":"A"}}}}"#,
            r#"{"else":{"properties":{"a":{"type":"string","x-mcp-\u0068eader":"A"}}}}"#,
        ] {
            assert!(param_headers(&tool(schema)).is_err(), "{schema}");
        }
    }

    #[test]
    fn a_schema_that_cannot_be_read_breaks_no_rule() {
        let deep = format!("{}{{}}{}", r#"{"properties":{"a":"#.repeat(100), "}}".repeat(100));
        for schema in [deep.as_str(), r#"{"properties":{"n":{"type":"number","maximum":1e309}}}"#] {
            let tool = format!(r#"{{"name":"t","description":"caf\u00e9","inputSchema":{schema}}}"#);
            assert_eq!(param_headers(&tool), Ok(Vec::new()), "{schema}");
        }
        let unknown = format!(r#"{{"properties":{{"a":{{"type":"string","x-mcp-header":"A"}},"b":{deep}}}}}"#);
        assert!(param_headers(&tool(&unknown)).is_err(), "the arguments that are to be mirrored are not known");
    }

    #[test]
    fn only_a_tool_that_breaks_a_rule_leaves_the_list() {
        let list = r#"{"id":1,"result":{"tools":[{"name":"a","inputSchema":{}}, {"name":"b","inputSchema":{"x-mcp-header":"A"}}],"ttlMs":1.0}}"#;
        let scanned = scan_tools(&Message::parse(list).unwrap());
        assert_eq!(
            scanned.shown.unwrap().text(),
            r#"{"id":1,"result":{"tools":[{"name":"a","inputSchema":{}}],"ttlMs":1.0}}"#
        );
        assert_eq!(scanned.left_out.len(), 1);
        assert_eq!(scanned.tools[0].0, "a");
    }
}
