//! Which name did a person mean who mistyped it?

/// The longest names that are compared in search of the nearest one, and how many.
const LONGEST_NAME: usize = 64;
const MOST_COMPARED: usize = 10_000;

/// The name that is most like a mistyped one, if one is.
pub(crate) fn nearest<'a>(typed: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let near = names.take(MOST_COMPARED).filter(|name| name.len() <= LONGEST_NAME && typed.len() <= LONGEST_NAME);
    let near = near.map(|name| (distance(&typed.to_lowercase(), &name.to_lowercase()), name));
    // A word of one letter is like every other one.
    let is_near = |(distance, name): &(usize, &str)| *distance <= 1 + name.len() / 4 && *distance < name.len();
    near.min().filter(is_near).map(|(_, name)| name)
}

/// How many letters must be changed, added or removed to make one word the other.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (line, letter) in one.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = line + 1;
        for (column, another) in other.iter().enumerate() {
            let changed = diagonal + usize::from(letter != *another);
            diagonal = row[column + 1];
            row[column + 1] = changed.min(row[column] + 1).min(diagonal + 1);
        }
    }
    row[other.len()]
}
