//! Which request or response was in a text that is too long to keep?
//!
//! The bytes are scanned once and not kept. The scan finds the top-level `id`, which may come last, and whether there
//! is a `method`, so that the request can be answered with an error. Text before the first brace is skipped.

/// The longest id that is kept, in bytes.
const LONGEST_ID: usize = 1024;

/// Scans a JSON text in pieces. It follows only strings and nesting.
#[allow(clippy::struct_excessive_bools, reason = "each is a fact about the text so far")]
#[derive(Debug, Default)]
pub struct Oversize {
    depth: usize,
    in_string: bool,
    escaped: bool,
    /// The member name before the next top-level colon.
    name: Vec<u8>,
    part: Part,
    id: Vec<u8>,
    has_method: bool,
    begun: bool,
}

#[derive(Debug, Default, PartialEq, Eq, Clone, Copy)]
enum Part {
    #[default]
    Name,
    Id,
    OtherValue,
}

impl Oversize {
    /// Takes the next piece of the text.
    pub fn push(&mut self, piece: &[u8]) {
        for &byte in piece {
            self.step(byte);
        }
    }

    fn step(&mut self, byte: u8) {
        if self.in_string {
            self.keep(byte);
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => self.in_string = false,
                _ => {}
            }
            return;
        }
        match byte {
            b'"' => self.in_string = true,
            b'{' | b'[' => {
                self.depth += 1;
                self.begun = true;
                if self.depth == 1 {
                    return;
                }
            }
            b'}' | b']' => {
                self.depth = self.depth.saturating_sub(1);
                if self.depth == 0 {
                    return;
                }
            }
            b':' if self.depth == 1 && self.part == Part::Name => {
                self.part = if self.name == b"\"id\"" { Part::Id } else { Part::OtherValue };
                self.has_method |= self.name == b"\"method\"";
                if self.part == Part::Id {
                    self.id.clear();
                }
                return;
            }
            b',' if self.depth == 1 => {
                self.part = Part::Name;
                self.name.clear();
                return;
            }
            _ => {}
        }
        if !byte.is_ascii_whitespace() {
            self.keep(byte);
        }
    }

    fn keep(&mut self, byte: u8) {
        let room = match self.part {
            Part::Name if self.depth == 1 => &mut self.name,
            Part::Id => &mut self.id,
            _ => return,
        };
        if room.len() < LONGEST_ID {
            room.push(byte);
        }
    }

    /// The id's JSON text, if the text is a request.
    pub fn request_id(&self) -> Option<&str> {
        self.id().filter(|_| self.has_method)
    }

    /// The id's JSON text, if the text is a response.
    pub fn answer_id(&self) -> Option<&str> {
        self.id().filter(|_| !self.has_method)
    }

    /// Whether the outermost value has ended.
    pub fn is_whole(&self) -> bool {
        self.begun && self.depth == 0
    }

    fn id(&self) -> Option<&str> {
        let id = std::str::from_utf8(&self.id).ok()?;
        serde_json::from_str::<serde::de::IgnoredAny>(id).ok().map(|_| id)
    }
}
