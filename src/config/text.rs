//! How are typed texts read: variables in them, values that hosts left unfilled, commands?

/// Nothing, or a placeholder that a bundle's host did not fill in: the same as not given.
pub(crate) fn is_unset(value: &str) -> bool {
    value.trim().is_empty() || value.contains("${user_config.")
}

/// Replaces each `${VAR}` by the environment's value. `Err` names the first one that has none.
pub(crate) fn expand(text: &str) -> Result<String, String> {
    expand_from(text, |name| std::env::var(name).ok())
}

pub(super) fn expand_from(text: &str, look_up: impl Fn(&str) -> Option<String>) -> Result<String, String> {
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        expanded.push_str(&rest[..start]);
        let after = &rest[start + 2..];
        let name = after.split_once('}').map(|(name, _)| name).filter(|name| is_name(name));
        if let Some(name) = name {
            let value = look_up(name).filter(|value| !is_unset(value)).ok_or_else(|| name.to_owned())?;
            expanded.push_str(value.trim());
            rest = &after[name.len() + 1..];
        } else {
            expanded.push_str("${");
            rest = after;
        }
    }
    expanded.push_str(rest);
    Ok(expanded)
}

/// The names of the variables in a text.
pub(super) fn variables(text: &str) -> impl Iterator<Item = &str> {
    text.split("${")
        .skip(1)
        .filter_map(|after| after.split_once('}'))
        .map(|(name, _)| name)
        .filter(|name| is_name(name))
}

/// Whether an environment variable may be called so.
pub(super) fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Splits a command into program and arguments: at white space, not within quotes. A backslash escapes the next
/// character, but on Windows, where it belongs to paths, only a quote. Empty where a quote stays open.
pub(super) fn split_command(command: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut chars = command.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, quote) {
            ('\\', None | Some('"')) if escapes(quote, chars.peek().copied()) => {
                word.get_or_insert_default().extend(chars.next());
            }
            (c, Some(open)) if c == open => quote = None,
            (c, Some(_)) => word.get_or_insert_default().push(c),
            ('"' | '\'', None) => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (c, None) if c.is_whitespace() => words.extend(word.take()),
            (c, None) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    if quote.is_some() { Vec::new() } else { words }
}

fn escapes(quote: Option<char>, next: Option<char>) -> bool {
    match next {
        Some('"') => true,
        Some('\\') => !cfg!(windows),
        Some(_) => !cfg!(windows) && quote.is_none(),
        None => false,
    }
}
