//! How does a text become one with our entry, or one without it, so that nothing else changes? No I/O.
//!
//! The formats (`json`, `toml`, `yaml`) read the text, decide which pieces change, and read the result again: it must be
//! what was there, plus or minus the entry, or the edit is refused. `refusal` says where and why. A text is never parsed
//! into a tree that is written out again.

mod change;
mod json;
mod layout;
mod piece;
mod refusal;
mod target;
mod toml;
#[cfg(test)]
mod toml_tests;
mod value;
mod yaml;

pub(crate) use piece::Piece;
pub use refusal::{Place, Refusal};
use refusal::{gone, uncertain};
pub(crate) use target::{Format, Grammar, Target};
pub(crate) use value::Value;

/// A text with a new entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Edited {
    /// The whole of it.
    pub(crate) bytes: Vec<u8>,
    /// The piece with the entry, if there was none of this name: what [`remove`] takes out again.
    pub(crate) piece: Option<Piece>,
    /// The entry of this name that was there, as it was spelled.
    pub(crate) before: Option<String>,
}

/// Puts an entry into a text. An entry of this name keeps the members that `entry` does not have.
pub(crate) fn set(bytes: &[u8], target: &Target<'_>, entry: &Value) -> Result<Edited, Refusal> {
    let (bom, text) = decode(bytes, target.format)?;
    let (text, piece, before) = match target.format {
        Format::Json(grammar) => json::set(text, grammar, &target.path(), entry)?,
        Format::Toml => toml::set(text, target.section, target.name, entry)?,
        Format::Yaml => yaml::set(text, target.section, target.name, entry)?,
    };
    Ok(Edited { bytes: encode(bom, &text), piece, before })
}

/// Takes an entry out of a text; with its piece to the byte, if the piece still stands there.
pub(crate) fn remove(bytes: &[u8], target: &Target<'_>, piece: Option<&Piece>) -> Result<Vec<u8>, Refusal> {
    let (bom, text) = decode(bytes, target.format)?;
    let text = match target.format {
        Format::Json(grammar) => json::remove(text, grammar, &target.path(), piece)?,
        Format::Toml => toml::remove(text, target.section, target.name, piece)?,
        Format::Yaml => yaml::remove(text, target.section, target.name, piece)?,
    };
    Ok(encode(bom, &text))
}

/// Puts an earlier spelling of an entry in the place of the one of now.
pub(crate) fn restore(bytes: &[u8], target: &Target<'_>, before: &str) -> Result<Vec<u8>, Refusal> {
    let (bom, text) = decode(bytes, target.format)?;
    let text = match target.format {
        Format::Json(grammar) => json::restore(text, grammar, &target.path(), before)?,
        Format::Toml => toml::restore(text, target.section, target.name, before)?,
        Format::Yaml => yaml::restore(text, target.section, target.name, before)?,
    };
    Ok(encode(bom, &text))
}

/// The entries of a section, in the order of the text.
pub(crate) fn entries(bytes: &[u8], format: Format, section: &[&str]) -> Result<Vec<(String, Value)>, Refusal> {
    let (_, text) = decode(bytes, format)?;
    match format {
        Format::Json(grammar) => json::entries(text, grammar, section),
        Format::Toml => toml::entries(text, section),
        Format::Yaml => yaml::entries(text, section),
    }
}

/// All that a text says, as far as it can be read.
pub(crate) fn whole(bytes: &[u8], format: Format) -> Vec<(String, Value)> {
    match (decode(bytes, format), format) {
        (Ok((_, text)), Format::Json(grammar)) => json::entries(text, grammar, &[]).unwrap_or_default(),
        (Ok((_, text)), Format::Toml) => toml::entries(text, &[]).unwrap_or_default(),
        // No whole file of YAML is read: its lines with a value.
        (Ok((_, text)), Format::Yaml) => {
            let lines = text.lines().filter_map(|line| line.trim_start_matches([' ', '-']).split_once(": "));
            lines.map(|(key, value)| (key.to_owned(), Value::text(value.trim().trim_matches(['"', '\''])))).collect()
        }
        (Err(_), _) => Vec::new(),
    }
}

/// What a person can add to a text by hand: a section with this entry alone, or the entry where only that fits.
pub(crate) fn snippet(bytes: &[u8], target: &Target<'_>, entry: &Value) -> String {
    let text = decode(bytes, target.format).map_or("", |(_, text)| text);
    match target.format {
        Format::Json(_) => json::snippet(&target.path(), entry),
        Format::Toml => toml::snippet(text, target.section, target.name, entry),
        Format::Yaml => yaml::snippet(target.section, target.name, entry),
    }
}

const BOM: &str = "\u{feff}";

fn decode(bytes: &[u8], format: Format) -> Result<(bool, &str), Refusal> {
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(Refusal::new("the file is in UTF-16; save it as UTF-8"));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let valid = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
        Refusal::at(&valid, valid.len(), "the file is not valid UTF-8")
    })?;
    if let Some(at) = text.find('\0') {
        return Err(Refusal::at(text, at, "the file has a NUL character"));
    }
    let has_bom = text.starts_with(BOM);
    let accepts_bom = match format {
        Format::Json(grammar) => grammar.bom,
        Format::Toml => true,
        Format::Yaml => false,
    };
    if has_bom && !accepts_bom {
        let reason =
            "the file begins with a byte order mark, which this client cannot read; save it as UTF-8 without it";
        return Err(Refusal::at("", 0, reason));
    }
    Ok((has_bom, text.strip_prefix(BOM).unwrap_or(text)))
}

fn encode(bom: bool, text: &str) -> Vec<u8> {
    let mark = if bom { BOM } else { "" };
    [mark, text].concat().into_bytes()
}
