//! How is one member of a JSON object read or changed, while every other byte stays as it is?

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use serde::Deserializer;
use serde::de::{MapAccess, Visitor};
use serde_json::value::RawValue;

/// A JSON object as text, and the places of its members in it.
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

/// A change of one member.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Change<'c> {
    Remove,
    /// Gives the member this value (JSON text), whether it exists or not.
    Set(&'c str),
    /// Adds the member with this value (JSON text) if it does not exist.
    Default(&'c str),
    /// Gives the member this object as its value, with changes. A large object is copied only once.
    Within(&'c Members<'c>, &'c [(&'c str, Change<'c>)]),
}

impl<'a> Members<'a> {
    /// `None` for anything but an object.
    pub(crate) fn of(text: &'a str) -> Option<Self> {
        let text = text.trim_ascii();
        // Derived types would take an array for an object.
        if !text.starts_with('{') {
            return None;
        }
        let found = raw_members(text).ok()?;
        let place = |part: &str| part.as_ptr() as usize - text.as_ptr() as usize;
        let members = found.into_iter().map(|(name, value)| {
            let value_at = place(value)..place(value) + value.len();
            let unescaped = unescaped(name).unwrap_or(Cow::Borrowed(&name[1..name.len() - 1]));
            Member { whole: place(name)..value_at.end, name: unescaped, value: value_at }
        });
        Some(Self { text, members: members.collect() })
    }

    /// A member's value, JSON text. If a member occurs twice, the last one counts, as in most parsers.
    pub(crate) fn get(&self, name: &str) -> Option<&'a str> {
        let member = self.members.iter().rev().find(|member| member.name == name)?;
        Some(&self.text[member.value.clone()])
    }

    /// A member whose value is a string.
    pub(crate) fn string(&self, name: &str) -> Option<String> {
        serde_json::from_str(self.get(name)?).ok()
    }

    /// A member whose value is an object.
    pub(crate) fn object(&self, name: &str) -> Option<Members<'a>> {
        Self::of(self.get(name)?)
    }

    /// Names and values (JSON text), in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &'a str)> {
        self.members.iter().map(|member| (&*member.name, &self.text[member.value.clone()]))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// The object with these changes, at most one for each member. New members come last.
    pub(crate) fn with(&self, changes: &[(&str, Change<'_>)]) -> String {
        self.with_and_find(changes, "").0
    }

    /// The object with these changes, and the place of this member's value in it.
    pub(super) fn with_and_find(&self, changes: &[(&str, Change<'_>)], wanted: &str) -> (String, Option<Range<usize>>) {
        let mut text = String::with_capacity(self.text.len() + growth(changes));
        let place = self.write(changes, &mut text, wanted);
        (text, place)
    }

    /// The change that gives a member this object with these changes, or removes it if the object would be empty.
    pub(crate) fn change_or_remove<'c>(&'c self, changes: &'c [(&'c str, Change<'c>)]) -> Change<'c> {
        let change = |name: &str| changes.iter().find(|(changed, _)| *changed == name).map(|(_, change)| change);
        let is_left = self.members.iter().any(|member| !matches!(change(&member.name), Some(Change::Remove)));
        let is_added = changes.iter().any(|(_, change)| !matches!(change, Change::Remove));
        if is_left || is_added { Change::Within(self, changes) } else { Change::Remove }
    }

    fn write(&self, changes: &[(&str, Change<'_>)], text: &mut String, wanted: &str) -> Option<Range<usize>> {
        text.push_str(&self.text[..self.members.first().map_or(1, |first| first.whole.start)]);
        let mut found = None;
        let mut has_members = false;
        for (place, member) in self.members.iter().enumerate() {
            let change = changes.iter().find(|(name, _)| *name == member.name).map(|(_, change)| change);
            if let Some(Change::Remove) = change {
                continue;
            }
            if has_members {
                text.push_str(&self.text[self.members[place - 1].whole.end..member.whole.start]);
            }
            text.push_str(&self.text[member.whole.start..member.value.start]);
            let start = text.len();
            match change {
                Some(Change::Set(value)) => text.push_str(value),
                Some(Change::Within(members, changes)) => {
                    members.write(changes, text, wanted);
                }
                _ => text.push_str(&self.text[member.value.clone()]),
            }
            if member.name == wanted {
                found = Some(start..text.len());
            }
            has_members = true;
        }
        for (name, change) in changes {
            if matches!(change, Change::Remove) || self.members.iter().any(|member| member.name == *name) {
                continue;
            }
            if has_members {
                text.push(',');
            }
            text.push_str(&quoted(name));
            text.push(':');
            let start = text.len();
            match change {
                Change::Set(value) | Change::Default(value) => text.push_str(value),
                Change::Within(members, changes) => {
                    members.write(changes, text, wanted);
                }
                Change::Remove => {}
            }
            if *name == wanted {
                found = Some(start..text.len());
            }
            has_members = true;
        }
        text.push_str(&self.text[self.members.last().map_or(1, |last| last.whole.end)..]);
        found
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

/// The text of a JSON string; `None` for any other value.
pub(super) fn unescaped(json: &str) -> Option<Cow<'_, str>> {
    let inner = json.strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\\') { serde_json::from_str(json).ok().map(Cow::Owned) } else { Some(Cow::Borrowed(inner)) }
}

/// By how many bytes an object grows at most. A changed member is counted as a new one.
fn growth(changes: &[(&str, Change<'_>)]) -> usize {
    let value = |change: &Change<'_>| match change {
        Change::Remove => 0,
        Change::Set(value) | Change::Default(value) => value.len(),
        Change::Within(_, changes) => growth(changes),
    };
    changes.iter().map(|(name, change)| name.len() + r#""":{},"#.len() + value(change)).sum()
}

/// The members of an object, in order: each name with its quotes and escapes, each value as JSON text.
pub(super) fn raw_members(json: &str) -> serde_json::Result<Vec<(&str, &str)>> {
    let mut deserializer = serde_json::Deserializer::from_str(json);
    let members = deserializer.deserialize_map(RawMembers)?;
    deserializer.end()?;
    Ok(members)
}

struct RawMembers;

impl<'de> Visitor<'de> for RawMembers {
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
    fn a_nested_change_is_copied_once() {
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
            assert_eq!(members.with(&changes), expected);
        }
    }

    #[test]
    fn only_an_object_has_members() {
        for text in ["[]", "1", "null", "\"{}\"", ""] {
            assert!(Members::of(text).is_none(), "{text}");
        }
    }
}
