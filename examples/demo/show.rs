//! How is the conversation shown? One line for each message, with the time since the start.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use serde_json::Value;

pub struct Show {
    start: Instant,
    colours: bool,
    width: usize,
}

impl Show {
    pub fn new() -> Self {
        let is_set = |name| std::env::var_os(name).is_some_and(|set| !set.is_empty());
        let colours = is_set("CLICOLOR_FORCE") || std::io::stdout().is_terminal() && !is_set("NO_COLOR");
        let width = std::env::var("COLUMNS").ok().and_then(|width| width.parse().ok()).unwrap_or(110);
        Self { start: Instant::now(), colours, width }
    }

    pub fn title(&self, text: &str) {
        println!("{}", self.painted("1", text));
    }

    /// A heading for the next lines.
    pub fn step(&self, text: &str) {
        println!("\n{}", self.painted("1", text));
    }

    pub fn sent(&self, message: &Value) {
        self.line(&self.painted("36", "→"), message, None);
    }

    pub fn received(&self, message: &Value, took: Option<Duration>) {
        self.line(&self.painted("32", "←"), message, took);
    }

    pub fn note(&self, text: &str) {
        println!("{}", self.painted("2", &format!("{:15}{}", "", printable(text))));
    }

    pub fn failure(&self, text: &str) {
        eprintln!("\n{} {}", self.painted("31", "demo:"), printable(text));
    }

    fn line(&self, arrow: &str, message: &Value, took: Option<Duration>) {
        let at = self.start.elapsed().as_secs_f64() * 1e3;
        let took = took.map_or(String::new(), |took| format!(" ({:.1} ms)", took.as_secs_f64() * 1e3));
        // Every message has this member, so it is left out.
        let mut message = message.clone();
        if let Some(members) = message.as_object_mut() {
            members.remove("jsonrpc");
        }
        let room = self.width.saturating_sub(15 + took.len()).max(20);
        println!(
            "{at:9.1} ms {arrow} {}{}",
            shortened(&printable(&message.to_string()), room),
            self.painted("2", &took)
        );
    }

    fn painted(&self, colour: &str, text: &str) -> String {
        if self.colours { format!("\x1b[{colour}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// Without control characters: what a server sends must not control the terminal.
fn printable(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { '·' } else { letter }).collect()
}

fn shortened(text: &str, room: usize) -> String {
    if text.chars().count() <= room {
        return text.to_owned();
    }
    text.chars().take(room - 2).chain(" …".chars()).collect()
}
