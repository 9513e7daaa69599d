//! Which words are hardly secrets? A secret is known by its place (the value of `key=`, a password), or else by its
//! looks: no person would have chosen it. Plain words of an address, such as `engineering`, stand in many sentences, and
//! a sentence without them tells nothing.

/// How the names of secret values end, in lower case and without `-` and `_`.
const SECRET_NAMES: [&str; 20] = [
    "token",
    "key",
    "secret",
    "password",
    "passwd",
    "pwd",
    "pass",
    "auth",
    "authorization",
    "sig",
    "signature",
    "credential",
    "credentials",
    "jwt",
    "code",
    "session",
    "sessionid",
    "sid",
    "cookie",
    "assertion",
];

/// Words that tell that the rest of a text is a secret.
const MARKS: [&str; 7] = ["secret", "token", "key", "apikey", "password", "pat", "sk"];

/// A longer word without a break is no word of a language.
const LONGEST_WORD: usize = 20;

/// As many digits can be a date.
const LONGEST_NUMBER: usize = 8;

/// Whether a value with this name is a secret.
pub(super) fn is_secret_name(name: &str) -> bool {
    let plain: String = name.chars().filter(|c| !matches!(c, '-' | '_')).map(|c| c.to_ascii_lowercase()).collect();
    SECRET_NAMES.iter().any(|secret| plain.ends_with(secret))
}

/// Whether a text consists of words, short numbers and marks between them, as people write them.
pub(super) fn is_plain(text: &str) -> bool {
    let words: Vec<&str> = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let has_digit = text.contains(|c: char| c.is_ascii_digit());
    let letters = |word: &str| word.trim_end_matches(|c: char| c.is_ascii_digit()).to_lowercase();
    let is_marked = words.iter().any(|word| MARKS.contains(&letters(word).as_str())) && has_digit;
    let mixed = words.iter().filter(|word| word.contains(char::is_alphabetic) && word.contains(char::is_numeric));
    !is_marked && mixed.count() < 3 && words.iter().all(|word| is_word_or_number(word))
}

fn is_word_or_number(word: &str) -> bool {
    let number = |text: &str| text.chars().all(|c| c.is_ascii_digit());
    if number(word) {
        return word.len() <= LONGEST_NUMBER;
    }
    // `server2`, `2nd`, `k8s`
    let letters = word.trim_matches(|c: char| c.is_ascii_digit());
    let digits = word.len() - letters.len();
    digits <= 4 && (is_word(letters) || word.len() <= 4)
}

fn is_word(letters: &str) -> bool {
    if !letters.chars().all(char::is_alphabetic) || letters.chars().count() > LONGEST_WORD {
        return false;
    }
    // `getUserById`, but not the many changes of a coded text. Pieces begin with a capital letter.
    let pieces = 1 + letters.chars().skip(1).filter(|c| c.is_uppercase()).count();
    let is_acronym = letters.chars().all(char::is_uppercase);
    let is_camel = is_acronym || letters.chars().count() * 2 >= pieces * 5 || pieces == 1;
    let run = |is_part: fn(char) -> bool| {
        letters.split(|c: char| !is_part(c)).map(|part| part.chars().count()).max().unwrap_or_default()
    };
    let consonants = run(|c| c.is_ascii_alphabetic() && !"aeiouyAEIOUY".contains(c));
    is_camel && (consonants < 6 || is_acronym && letters.len() <= 6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_plain_and_coded_texts_are_not() {
        for plain in [
            "production",
            "engineering",
            "messages",
            "mcp-server",
            "team_blue",
            "v2",
            "server2024",
            "2026-11-30",
            "k8s",
            "getUserById",
            "Acme",
            "README",
            "oauth2",
            "mcp.example.com",
            "größe",
            "knowledge-base",
            "tokens",
            "",
        ] {
            assert!(is_plain(plain), "{plain}");
        }
        for coded in [
            "550e8400-e29b-41d4-a716-446655440000",
            "dG9rZW4tdmFsdWU",
            "QmFzZVNpeHR5Rm91cg",
            "sk-org-0123456789",
            "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
            "0a1b2c3d",
            "secret-token-123 b",
            "sec/ret+token123",
            "123456789012",
            "xkvqhwzjtrpl",
            "thisisonelongpasswordwithoutbreaks",
            "hunter2-a1-b2-c3",
        ] {
            assert!(!is_plain(coded), "{coded}");
        }
    }
}
