//! What does one line say in YAML, and how are a key and a value spelled on one?

use super::super::Value;

/// The key of a line `key: value`, plain or quoted, and where what follows the colon begins.
pub(super) fn key_and_rest(line: &str) -> Option<(String, usize)> {
    let (key, behind) = match line.chars().next()? {
        quote @ ('"' | '\'') => {
            let close = line[1..].find(quote)? + 1;
            let rest = line[close + 1..].strip_prefix(':')?;
            let is_key = !line[1..close].contains('\\') && (rest.is_empty() || rest.starts_with(' '));
            (Some(&line[1..close]).filter(|_| is_key)?, close + 2)
        }
        c if c.is_alphanumeric() || c == '_' || c == '.' => {
            let end = line.find(": ").or_else(|| line.ends_with(':').then(|| line.len() - 1))?;
            (&line[..end], end + 1)
        }
        _ => return None,
    };
    // `key :` is a key too, but not as any program writes it.
    let is_plain = !key.contains(['#', '{', '[', '"', '\'']) && !key.ends_with([' ', '\t']);
    is_plain.then(|| (key.to_owned(), behind))
}

/// The value that a text begins with, without the comment that follows it. Empty if there is only a comment; `None` if
/// the value does not end here.
pub(super) fn token(text: &str) -> Option<&str> {
    let end = match text.chars().next() {
        None | Some('#') => 0,
        Some('"' | '\'') => quoted_end(text)?,
        Some('[' | '{') => flow_end(text)?,
        Some(_) => {
            let comment = text.match_indices('#').find(|(at, _)| text[..*at].ends_with([' ', '\t']));
            text[..comment.map_or(text.len(), |(at, _)| at)].trim_end().len()
        }
    };
    let rest = &text[end..];
    let is_comment = rest.starts_with([' ', '\t']) && rest.trim_start().starts_with('#');
    (end == 0 || rest.trim().is_empty() || is_comment).then(|| &text[..end])
}

/// Where a text in quotes ends that this one begins with.
fn quoted_end(text: &str) -> Option<usize> {
    let quote = text.chars().next()?;
    let mut chars = text.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        if c == '\\' && quote == '"' {
            chars.next();
        } else if c == quote {
            // Two are one in a text.
            if quote == '\'' && chars.next_if(|(_, next)| *next == quote).is_some() {
                continue;
            }
            return Some(at + 1);
        }
    }
    None
}

/// Where brackets or braces end that this text begins with.
fn flow_end(text: &str) -> Option<usize> {
    let (mut depth, mut at, mut before) = (0_usize, 0, ' ');
    loop {
        let c = text[at..].chars().next()?;
        match c {
            '[' | '{' => depth += 1,
            ']' | '}' => depth = depth.checked_sub(1)?,
            '"' | '\'' if "[{,:".contains(before) => at += quoted_end(&text[at..])? - 1,
            '#' if text[..at].ends_with([' ', '\t']) => return None,
            _ => {}
        }
        at += c.len_utf8();
        if depth == 0 {
            return Some(at);
        }
        if !c.is_whitespace() {
            before = c;
        }
    }
}

/// What a [`token`] means.
pub(super) fn scalar(token: &str) -> Value {
    let other = || Value::Other(token.to_owned());
    match token {
        "true" => return Value::Bool(true),
        "false" => return Value::Bool(false),
        "" | "null" | "~" | "-" => return other(),
        "{}" => return Value::Table(Vec::new()),
        _ => {}
    }
    match token.chars().next() {
        Some('"') => serde_json::from_str(token).map_or_else(|_| other(), Value::Text),
        Some('\'') => match token.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')) {
            Some(inner) => Value::Text(inner.replace("''", "'")),
            None => other(),
        },
        Some('[') => flow_list(token).map_or_else(other, Value::List),
        Some('{' | '&' | '*' | '!' | '|' | '>' | '%' | '@' | '`') => other(),
        _ if is_number(token) || token.starts_with("- ") || token.contains(": ") || token.ends_with(':') => other(),
        _ => Value::text(token),
    }
}

/// The items of a list in brackets, if they are plain or quoted.
fn flow_list(token: &str) -> Option<Vec<Value>> {
    let mut rest = token.strip_prefix('[')?.strip_suffix(']')?.trim();
    let mut items = Vec::new();
    while !rest.is_empty() {
        let end = if rest.starts_with(['"', '\'']) { quoted_end(rest)? } else { rest.find(',').unwrap_or(rest.len()) };
        let item = rest[..end].trim();
        if item.is_empty() || (!item.starts_with(['"', '\'']) && item.contains(['[', ']', '{', '}'])) {
            return None;
        }
        items.push(scalar(item));
        rest = rest[end..].trim_start();
        if !rest.is_empty() {
            rest = rest.strip_prefix(',')?.trim_start();
        }
    }
    Some(items)
}

fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let is_of = |prefix: &str, radix: u32| {
        digits.strip_prefix(prefix).is_some_and(|digits| u64::from_str_radix(digits, radix).is_ok())
    };
    let starts = digits.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    let is_named = [".inf", ".nan"].contains(&digits.to_ascii_lowercase().as_str());
    (starts && text.parse::<f64>().is_ok()) || is_of("0x", 16) || is_of("0o", 8) || is_named
}

/// A value on one line. A string in double quotes has the escapes of JSON.
pub(super) fn spelled(value: &Value) -> String {
    match value {
        Value::Text(text) => serde_json::Value::from(text.as_str()).to_string(),
        Value::Bool(truth) => truth.to_string(),
        Value::Other(spelled) => spelled.clone(),
        Value::Gone => String::new(),
        Value::List(items) => format!("[{}]", items.iter().map(spelled).collect::<Vec<_>>().join(", ")),
        Value::Table(members) => {
            let members = members.iter().map(|(name, value)| format!("{}: {}", key(name), spelled(value)));
            format!("{{{}}}", members.collect::<Vec<_>>().join(", "))
        }
    }
}

/// A key as it is spelled.
pub(super) fn key(name: &str) -> String {
    let is_plain = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
        && !["true", "false", "null", "yes", "no", "on", "off", "y", "n"].contains(&name.to_ascii_lowercase().as_str());
    if is_plain { name.to_owned() } else { format!("\"{name}\"") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_ends_before_its_comment() {
        for (line, wanted) in [
            ("npx # c", Some("npx")),
            ("a#b", Some("a#b")),
            ("'it''s # mine' # c", Some("'it''s # mine'")),
            (r#""a\" # b" # c"#, Some(r#""a\" # b""#)),
            (r#"["a]", 'b,c', it's] # c"#, Some(r#"["a]", 'b,c', it's]"#)),
            ("# c", Some("")),
            ("", Some("")),
            ("'open", None),
            ("[a, # c", None),
            ("'a' b", None),
        ] {
            assert_eq!(token(line), wanted, "{line}");
        }
    }

    #[test]
    fn a_value_is_read_as_goose_reads_it() {
        let other = |text: &str| Value::Other(text.to_owned());
        for (token, wanted) in [
            ("-y", Value::text("-y")),
            ("--header", Value::text("--header")),
            ("9696", other("9696")),
            ("-1.5e3", other("-1.5e3")),
            ("0x1f", other("0x1f")),
            ("1.2.3", Value::text("1.2.3")),
            ("https://h/mcp", Value::text("https://h/mcp")),
            ("a: b", other("a: b")),
            ("'it''s'", Value::text("it's")),
            ("[]", Value::texts::<String>([])),
            (r#"[ "-y" , 'b,c', d, ]"#, Value::texts(["-y", "b,c", "d"])),
            ("[a, [b]]", other("[a, [b]]")),
            ("&a b", other("&a b")),
        ] {
            assert_eq!(scalar(token), wanted, "{token}");
        }
    }
}
