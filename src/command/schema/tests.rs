//! Do typed values get the types that schemas have in the field?

#![allow(clippy::unwrap_used)]

use serde_json::json;

use super::*;

#[test]
fn typed_values_have_the_types_of_the_schema() {
    for (schema, typed, read) in [
        (json!({"type": "string"}), "3", Some("\"3\"")),
        (json!({}), "true", Some("\"true\"")),
        (json!({"type": "integer"}), "3", Some("3")),
        (json!({"type": "integer"}), "98765432109876543210", Some("98765432109876543210")),
        (json!({"type": "integer"}), "3.5", None),
        (json!({"type": "integer"}), "three", None),
        (json!({"type": "number"}), "-3.50", Some("-3.50")),
        (json!({"type": "boolean"}), "true", Some("true")),
        (json!({"type": "boolean"}), "yes", None),
        (json!({"type": ["integer", "null"]}), "null", Some("null")),
        (json!({"anyOf": [{"type": "integer"}, {"type": "null"}]}), "4", Some("4")),
        (json!({"type": ["string", "null"]}), "null", Some("\"null\"")),
        (json!({"type": "array", "items": {"type": "integer"}}), "7", Some("[7]")),
        (json!({"type": "array", "items": {"type": "integer"}}), "[7,\n8]", Some("[7, 8]")),
        (json!({"type": "object"}), "{\"a\": 1}", Some("{\"a\": 1}")),
        (json!({"type": "object"}), "a", None),
        (json!({"enum": ["red", "green"]}), "red", Some("\"red\"")),
        (json!({"enum": ["red", "green"]}), "blue", None),
        (json!({"enum": [1, 2]}), "2", Some("2")),
        // A list, or nothing.
        (json!({"anyOf": [{"type": "array", "items": {"type": "integer"}}, {"type": "null"}]}), "7", Some("[7]")),
        (json!({"anyOf": [{"type": "array", "items": {"type": "integer"}}, {"type": "null"}]}), "null", Some("null")),
        // A word, or a number.
        (json!({"anyOf": [{"const": "auto"}, {"type": "integer"}]}), "5", Some("5")),
        (json!({"anyOf": [{"const": "auto"}, {"type": "integer"}]}), "auto", Some("\"auto\"")),
        (json!({"anyOf": [{"const": "auto"}, {"type": "integer"}]}), "never", None),
        (json!({"enum": [1, "auto"]}), "1", Some("1")),
        (json!({"enum": [1, "auto"]}), "auto", Some("\"auto\"")),
        (json!({"type": ["string", "null"], "enum": ["a", null]}), "null", Some("null")),
        (json!({"type": "number", "enum": [1, 2.5]}), "1.0", Some("1")),
        (json!({"type": "number", "enum": [1, 2.5]}), "2", None),
        // Values with titles.
        (json!({"type": "string", "oneOf": [{"const": "r", "title": "Red"}, {"const": "g"}]}), "g", Some("\"g\"")),
        (json!({"type": "string", "oneOf": [{"const": "r", "title": "Red"}, {"const": "g"}]}), "Red", None),
        (json!({"anyOf": [{"const": "r"}, {"const": "g"}]}), "b", None),
        (json!({"anyOf": [{"enum": ["p", "q"]}, {"type": "null"}]}), "null", Some("null")),
        (json!({"anyOf": [{"enum": ["p", "q"]}, {"type": "null"}]}), "zzz", None),
        // What one schema adds to another.
        (json!({"allOf": [{"type": "integer"}], "default": 1}), "7", Some("7")),
        (json!({"type": "integer", "anyOf": [{"minimum": 1}, {"maximum": -1}]}), "7", Some("7")),
        (json!({"$ref": "#/$defs/n", "$defs": {"n": {"type": "integer"}}}), "5", Some("5")),
        (json!({"type": "array", "items": {"enum": ["x", "y"]}}), "y", Some("[\"y\"]")),
        (json!({"type": "array", "items": {"enum": ["x", "y"]}}), "z", None),
    ] {
        assert_eq!(Schema::new(&schema).read(typed).ok().as_deref(), read, "{typed} as {schema}");
    }
}

#[test]
fn all_values_with_titles_can_be_typed() {
    let all: Vec<_> = (0..500).map(|number| json!({"const": format!("v{number}"), "title": "V"})).collect();
    let schema = json!({"type": "string", "oneOf": all});
    assert_eq!(Schema::new(&schema).read("v499").as_deref(), Ok("\"v499\""));
    assert_eq!(Schema::new(&schema).words(), r#""v0" | "v1" | "v2" | "v3" | "v4" | "v5" | …"#);
}

#[test]
fn a_type_is_shown_so_that_it_can_be_read() {
    for (schema, words) in [
        (json!({"anyOf": [{"type": "array", "items": {"type": "integer"}}, {"type": "null"}]}), "integer[] | null"),
        (json!({"type": "array", "items": {"enum": ["x", "y"]}}), r#"("x" | "y")[]"#),
        (json!({"type": "string", "oneOf": [{"const": "r", "title": "Red"}]}), r#""r""#),
        (json!({"type": "array"}), "array"),
        (json!({}), "any"),
    ] {
        assert_eq!(Schema::new(&schema).words(), words, "{schema}");
    }
}

#[test]
fn arguments_are_those_of_all_parts_of_a_schema() {
    let root =
        json!({"$ref": "#/$defs/a", "$defs": {"a": {"type": "object", "properties": {"n": {"type": "integer"}}}}});
    assert_eq!(signature("x", Schema::new(&root)), "x(n?: integer)");
    let added = json!({
        "properties": {"a": {"type": "string"}},
        "allOf": [{"properties": {"b": {"type": "integer"}, "a": {"type": "null"}}, "required": ["b"]}],
    });
    assert_eq!(signature("x", Schema::new(&added)), "x(b: integer, a?: string)");
    assert!(!Schema::new(&added).takes_others());
    let one_of = json!({"anyOf": [{"properties": {"a": {}}}, {"properties": {"b": {}}}]});
    assert_eq!(signature("x", Schema::new(&one_of)), "x(a?: any, b?: any)");
    for (schema, takes) in [
        (json!({"properties": {"a": {}}, "patternProperties": {"^x-": {}}}), true),
        (json!({"properties": {"a": {}}, "patternProperties": {"^x-": {}}, "additionalProperties": false}), true),
        (json!({"properties": {"a": {}}, "additionalProperties": {"type": "string"}}), true),
        (json!({"properties": {"a": {}}}), false),
        (json!({"additionalProperties": false}), false),
        (json!({}), true),
    ] {
        assert_eq!(Schema::new(&schema).takes_others(), takes, "{schema}");
    }
}

#[test]
fn a_signature_has_required_arguments_first() {
    let schema = json!({
        "properties": {
            "b": {"type": "integer", "default": 1},
            "z": {"$ref": "#/$defs/Colour"},
            "a": {"type": "array", "items": {"type": "string"}},
        },
        "required": ["z"],
        "$defs": {"Colour": {"enum": ["red", "green"]}},
    });
    let shown = signature("paint", Schema::new(&schema));
    assert_eq!(shown, r#"paint(z: "red" | "green", a?: string[], b?: integer = 1)"#);
}

#[test]
fn a_schema_that_leads_to_itself_ends() {
    let schema = json!({"properties": {"a": {"$ref": "#/properties/a"}, "b": {"anyOf": [{"$ref": "#/properties/b"}]}}});
    assert_eq!(signature("x", Schema::new(&schema)), "x(a?: any, b?: any)");
}

#[test]
fn the_nearest_name_is_one_that_can_be_meant() {
    let names = || ["search", "fetch", "delete"].into_iter();
    assert_eq!(nearest("serach", names()), Some("search"));
    assert_eq!(nearest("Fetch", names()), Some("fetch"));
    assert_eq!(nearest("upload", names()), None);
    assert_eq!(nearest("c", ["a", "b"].into_iter()), None);
}
