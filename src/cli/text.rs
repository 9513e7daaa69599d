//! How are variables and unfilled places in typed texts read?

/// Whether a value is empty or a placeholder that the client's program did not fill in. Such a value counts as not
/// given.
pub(crate) fn is_unset(value: &str) -> bool {
    value.trim().is_empty() || value.contains("${user_config.")
}

/// Replaces each `${VAR}` by the value of that environment variable. `Err` names the first variable that is not set.
pub(crate) fn expand(text: &str) -> Result<String, String> {
    expand_with(text, |name| std::env::var(name).ok())
}

fn expand_with(text: &str, look_up: impl Fn(&str) -> Option<String>) -> Result<String, String> {
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        expanded.push_str(&rest[..start]);
        let after = &rest[start + 2..];
        let name = after.split_once('}').map(|(name, _)| name).filter(|name| is_variable_name(name));
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
pub(crate) fn variables(text: &str) -> impl Iterator<Item = &str> {
    let names = text.split("${").skip(1).filter_map(|after| after.split_once('}')).map(|(name, _)| name);
    names.filter(|name| is_variable_name(name))
}

/// Whether a text can be the name of an environment variable.
pub(crate) fn is_variable_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_filled_in_and_missing_ones_named() {
        let look_up = |name: &str| match name {
            "TOKEN" => Some("t".to_owned()),
            "EMPTY" => Some(String::new()),
            "UNFILLED" => Some("Bearer ${user_config.token}".to_owned()),
            _ => None,
        };
        for (text, expanded) in [
            ("Bearer ${TOKEN}", Ok("Bearer t")),
            ("${TOKEN}${TOKEN}$", Ok("tt$")),
            ("${not a name} ${TOKEN", Ok("${not a name} ${TOKEN")),
            ("${EMPTY}", Err("EMPTY")),
            ("x${UNFILLED}", Err("UNFILLED")),
            ("${NONE}", Err("NONE")),
        ] {
            let expanded = expanded.map(str::to_owned).map_err(str::to_owned);
            assert_eq!(expand_with(text, look_up), expanded, "{text}");
        }
    }
}
