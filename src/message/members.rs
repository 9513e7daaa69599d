//! How is one member of a JSON object changed, and every other byte left as it is?

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use serde::Deserializer;
use serde::de::{MapAccess, Visitor};
use serde_json::value::RawValue;

/// A JSON object as text, and where its members stand in it.
#[derive(Debug)]
pub(crate) struct Members<'a> {
    text: &'a str,
    members: Vec<Member<'a>>,
}

#[derive(Debug)]
struct Member<'a> {
    name: Cow<'a, str>,
    /// From the quote before its name to the end of its value.
    whole: Range<usize>,
    value: Range<usize>,
}

/// What becomes of a member.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Change<'c> {
    /// It goes.
    Remove,
    /// It has this value, JSON text, whether it was there or not.
    Set(&'c str),
    /// It has this value if it was not there.
    Default(&'c str),
    /// It is this object with members changed. However large, it is copied once with all around it.
    Within(&'c Members<'c>, &'c [(&'c str, Change<'c>)]),
}

impl Change<'_> {
    /// How much longer the object gets where the member's value had this length.
    fn growth(&self, name: &str, was: Option<usize>) -> usize {
        let named = if was.is_some() { 0 } else { quoted(name).len() + ",:".len() };
        let value = match self {
            Self::Remove => 0,
            Self::Set(value) | Self::Default(value) => value.len(),
            Self::Within(members, changes) => members.text.len() + members.growth(changes),
        };
        named + value.saturating_sub(was.unwrap_or(0))
    }
}

impl<'a> Members<'a> {
    /// `None` for anything but an object.
    pub(crate) fn of(text: &'a str) -> Option<Self> {
        let text = text.trim_ascii();
        // Derived types would take an array for an object.
        if !text.starts_with('{') {
            return None;
        }
        let found = serde_json::Deserializer::from_str(text).deserialize_map(Found).ok()?;
        let place = |part: &str| part.as_ptr() as usize - text.as_ptr() as usize;
        let members = found.into_iter().map(|(name, value)| {
            let value_at = place(value)..place(value) + value.len();
            Member { whole: place(name)..value_at.end, name: unescaped(name), value: value_at }
        });
        Some(Self { text, members: members.collect() })
    }

    /// A member's value, JSON text. Of members given twice the last counts, as in most parsers.
    pub(crate) fn get(&self, name: &str) -> Option<&'a str> {
        let member = self.members.iter().rev().find(|member| member.name == name)?;
        Some(&self.text[member.value.clone()])
    }

    /// A member that is a string.
    pub(crate) fn string(&self, name: &str) -> Option<String> {
        serde_json::from_str(self.get(name)?).ok()
    }

    /// A member that is an object.
    pub(crate) fn object(&self, name: &str) -> Option<Members<'a>> {
        Self::of(self.get(name)?)
    }

    /// Names and values, in their order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &'a str)> {
        self.members.iter().map(|member| (&*member.name, &self.text[member.value.clone()]))
    }

    /// Whether it has none.
    pub(crate) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// The object with these members changed, each named once; what is new stands at the end.
    pub(crate) fn with(&self, changes: &[(&str, Change<'_>)]) -> String {
        let mut text = String::with_capacity(self.text.len() + self.growth(changes));
        self.write(changes, &mut text);
        text
    }

    fn growth(&self, changes: &[(&str, Change<'_>)]) -> usize {
        changes.iter().map(|(name, change)| change.growth(name, self.get(name).map(str::len))).sum()
    }

    fn write(&self, changes: &[(&str, Change<'_>)], text: &mut String) {
        text.push_str(&self.text[..self.members.first().map_or(1, |first| first.whole.start)]);
        let mut kept = false;
        for (place, member) in self.members.iter().enumerate() {
            let change = changes.iter().find(|(name, _)| *name == member.name).map(|(_, change)| change);
            if let Some(Change::Remove) = change {
                continue;
            }
            if kept {
                text.push_str(&self.text[self.members[place - 1].whole.end..member.whole.start]);
            }
            text.push_str(&self.text[member.whole.start..member.value.start]);
            match change {
                Some(Change::Set(value)) => text.push_str(value),
                Some(Change::Within(members, changes)) => members.write(changes, text),
                _ => text.push_str(&self.text[member.value.clone()]),
            }
            kept = true;
        }
        for (name, change) in changes {
            if matches!(change, Change::Remove) || self.members.iter().any(|member| member.name == *name) {
                continue;
            }
            if kept {
                text.push(',');
            }
            text.push_str(&quoted(name));
            text.push(':');
            match change {
                Change::Set(value) | Change::Default(value) => text.push_str(value),
                Change::Within(members, changes) => members.write(changes, text),
                Change::Remove => {}
            }
            kept = true;
        }
        text.push_str(&self.text[self.members.last().map_or(1, |last| last.whole.end)..]);
    }

    /// The values of every member with this name, in any case: some parsers ignore the case of names.
    pub(crate) fn all(&self, name: &str) -> Vec<&'a str> {
        self.iter().filter(|(given, _)| given.eq_ignore_ascii_case(name)).map(|(_, value)| value).collect()
    }
}

/// A string as JSON text.
pub(crate) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn unescaped(quoted: &str) -> Cow<'_, str> {
    let inner = &quoted[1..quoted.len() - 1];
    if inner.contains('\\') {
        serde_json::from_str(quoted).map_or(Cow::Borrowed(inner), Cow::Owned)
    } else {
        Cow::Borrowed(inner)
    }
}

struct Found;

impl<'de> Visitor<'de> for Found {
    type Value = Vec<(&'de str, &'de str)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = Vec::new();
        while let Some((name, value)) = map.next_entry::<&RawValue, &RawValue>()? {
            found.push((name.get(), value.get()));
        }
        Ok(found)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_change_leaves_every_other_byte() {
        let text = r#"{ "a" : 1.0 , "b":[1e400, {"a":2}],"\u0063": "x" }"#;
        let members = Members::of(text).unwrap();
        assert_eq!(members.get("c"), Some("\"x\""));
        assert_eq!(members.with(&[]), text);
        for (changes, expected) in [
            (vec![("a", Change::Remove)], r#"{ "b":[1e400, {"a":2}],"\u0063": "x" }"#),
            (vec![("b", Change::Remove)], r#"{ "a" : 1.0,"\u0063": "x" }"#),
            (vec![("c", Change::Remove)], r#"{ "a" : 1.0 , "b":[1e400, {"a":2}] }"#),
            (vec![("a", Change::Remove), ("b", Change::Remove), ("c", Change::Remove)], "{  }"),
            (vec![("a", Change::Set("[]"))], r#"{ "a" : [] , "b":[1e400, {"a":2}],"\u0063": "x" }"#),
            (vec![("a", Change::Default("[]"))], text),
            (vec![("d\"", Change::Default("0"))], r#"{ "a" : 1.0 , "b":[1e400, {"a":2}],"\u0063": "x","d\"":0 }"#),
        ] {
            assert_eq!(members.with(&changes), expected, "{changes:?}");
        }
        assert_eq!(Members::of("{}").unwrap().with(&[("a", Change::Set("1"))]), r#"{"a":1}"#);
        assert_eq!(Members::of("{ }").unwrap().with(&[("a", Change::Set("1"))]), r#"{"a":1 }"#);
    }

    #[test]
    fn what_changes_within_is_written_once() {
        let text = r#"{"a" : {"b":1, "c":[]} }"#;
        let members = Members::of(text).unwrap();
        let (within, new) = (members.object("a").unwrap(), Members::of("{}").unwrap());
        let inner = [("b", Change::Remove), ("d", Change::Set("2"))];
        let within = Change::Within(&within, &inner);
        for (changes, expected) in [
            (vec![("a", within)], r#"{"a" : {"c":[],"d":2} }"#),
            (vec![("e", within)], r#"{"a" : {"b":1, "c":[]},"e":{"c":[],"d":2} }"#),
            (vec![("a", Change::Within(&new, &[("f", Change::Default("{}"))]))], r#"{"a" : {"f":{}} }"#),
        ] {
            let changed = members.with(&changes);
            assert_eq!(changed, expected);
            let room = text.len() + members.growth(&changes);
            assert!((changed.len()..changed.len() + 16).contains(&room), "{room} for {changed}");
        }
    }

    #[test]
    fn only_an_object_has_members() {
        for text in ["[]", "1", "null", "\"{}\"", ""] {
            assert!(Members::of(text).is_none(), "{text}");
        }
    }
}
