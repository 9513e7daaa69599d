//! Runs `doctor`, and checks what holds for every report: both forms agree, nothing is changed, nothing secret is shown.

use std::path::Path;
use std::process::Output;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use super::{Launch, json_output, stdout_text};

/// How long the whole of `doctor` may take.
const LIMIT: Duration = Duration::from_secs(15);

/// The longest line of a report, in characters.
const WIDTH: usize = 100;

/// What `doctor` has found.
#[derive(Debug)]
pub(crate) struct Diagnosis {
    pub(crate) text: String,
    pub(crate) json: Value,
    pub(crate) exit: i32,
}

impl Diagnosis {
    /// The code of the first failure.
    pub(crate) fn cause(&self) -> Option<&str> {
        self.json["cause"]["code"].as_str()
    }

    /// The codes of all steps that warn or fail.
    pub(crate) fn codes(&self) -> Vec<&str> {
        self.steps().filter_map(|step| step["cause"]["code"].as_str()).collect()
    }

    pub(crate) fn steps(&self) -> impl Iterator<Item = &Value> {
        let sections = self.json["sections"].as_array().unwrap();
        sections.iter().flat_map(|section| section["steps"].as_array().unwrap())
    }

    /// The fact of a step.
    pub(crate) fn fact(&self, name: &str) -> &str {
        let step = self.steps().find(|step| step["name"] == name);
        step.and_then(|step| step["fact"].as_str()).unwrap_or_else(|| panic!("no step {name}: {}", self.text))
    }
}

/// Runs it in both forms. `launch` has all arguments but `--json`. `home`: the user's folder; none of its files changes.
#[track_caller]
pub(crate) fn diagnose_at(home: &Path, secrets: &[&str], launch: impl Fn() -> Launch) -> Diagnosis {
    let before = contents(home);
    let (text, json) = (run(launch()), run(launch().arg("--json")));
    assert_eq!(contents(home), before, "doctor changes no file");
    for output in [&text, &json] {
        let shown = format!("{}{}", stdout_text(output), String::from_utf8_lossy(&output.stderr));
        for secret in secrets {
            assert!(!shown.contains(secret), "{secret} is a secret: {shown}");
        }
    }
    let shown = stdout_text(&text);
    check_text(&shown);
    let exit = text.status.code().unwrap();
    assert_eq!(json.status.code(), Some(exit), "both forms have one exit status: {json:?}");
    let diagnosis = Diagnosis { text: shown, json: json_output(&json), exit };
    assert_eq!(diagnosis.json["exit"], exit, "{}", diagnosis.json);
    check_schema(&diagnosis.json);
    for code in diagnosis.codes() {
        assert!(diagnosis.text.contains(&format!("[{code}]")), "{code} is in both forms: {}", diagnosis.text);
    }
    if let Some(cause) = diagnosis.cause() {
        let line = diagnosis.text.lines().find(|line| line.starts_with("cause: "));
        assert!(line.is_some(), "{cause} has a sentence: {}", diagnosis.text);
        assert!(diagnosis.json["cause"]["fix"].is_string(), "{cause} has a fix: {}", diagnosis.json);
        assert!(exit != 0, "a failure is not success");
    }
    diagnosis
}

/// The same on a machine with no file of ours.
#[track_caller]
pub(crate) fn diagnose(secrets: &[&str], launch: impl Fn() -> Launch) -> Diagnosis {
    let home = TempDir::new().unwrap();
    diagnose_at(home.path(), secrets, || launch().home(&home.path().join("ferry")))
}

#[track_caller]
fn run(launch: Launch) -> Output {
    let begun = Instant::now();
    let output = launch.run("");
    assert!(begun.elapsed() < LIMIT, "doctor took {:?}: {output:?}", begun.elapsed());
    output
}

/// Each step is one line of a terminal's width, and nothing acts on the terminal.
#[track_caller]
fn check_text(text: &str) {
    let acts = |c: char| (c.is_control() && c != '\n') || ('\u{202a}'..='\u{202e}').contains(&c);
    assert!(!text.contains(acts), "{:?}", text.chars().find(|c| acts(*c)));
    for line in text.lines().filter(|line| !line.trim_start().starts_with("fix:")) {
        assert!(line.chars().count() <= WIDTH, "{} columns: {line}", line.chars().count());
    }
}

/// All files below a folder, with what is in them.
fn contents(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let Ok(entries) = std::fs::read_dir(folder) else { return found };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.push((path.display().to_string(), Vec::new()));
            found.extend(contents(&path));
        } else {
            found.push((path.display().to_string(), std::fs::read(&path).unwrap_or_default()));
        }
    }
    found.sort();
    found
}

/// Checks a report against the schema in the repository, as far as that schema uses JSON Schema.
#[track_caller]
pub(crate) fn check_schema(report: &Value) {
    let schema: Value = serde_json::from_str(include_str!("../../../src/doctor/schema.json")).unwrap();
    if let Err(why) = check(&schema, &schema, report) {
        panic!("not as schema.json says: {why}: {report}");
    }
}

fn check(root: &Value, schema: &Value, value: &Value) -> Result<(), String> {
    if let Some(place) = schema["$ref"].as_str() {
        let referred = root.pointer(place.trim_start_matches('#')).ok_or_else(|| format!("{place} is missing"))?;
        return check(root, referred, value);
    }
    if let Some(choices) = schema["anyOf"].as_array() {
        let errors: Vec<_> = choices.iter().map_while(|choice| check(root, choice, value).err()).collect();
        return if errors.len() < choices.len() { Ok(()) } else { Err(errors.join("; ")) };
    }
    if let Some(allowed) = schema["enum"].as_array()
        && !allowed.contains(value)
    {
        return Err(format!("{value} is not one of {allowed:?}"));
    }
    let kinds: Vec<&str> = match &schema["type"] {
        Value::String(kind) => vec![kind],
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let is = |kind: &&str| match *kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_u64(),
        "number" => value.is_number(),
        "null" => value.is_null(),
        _ => false,
    };
    if !kinds.is_empty() && !kinds.iter().any(is) {
        return Err(format!("{value} is none of {kinds:?}"));
    }
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        value.get(name).ok_or_else(|| format!("{name} is missing"))?;
    }
    for (name, member) in value.as_object().into_iter().flatten() {
        match schema["properties"].get(name) {
            Some(of_member) => check(root, of_member, member).map_err(|why| format!("{name}: {why}"))?,
            None if schema["additionalProperties"] == false => return Err(format!("{name} is not described")),
            None => {}
        }
    }
    value.as_array().into_iter().flatten().try_for_each(|item| check(root, &schema["items"], item))
}
