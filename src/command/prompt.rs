//! How is a person at the terminal asked? Questions go to stderr, answers come from stdin.

use std::io::{self, BufRead, Write};

/// Writes to stderr at once.
pub(super) fn say(text: &str) {
    let mut stderr = io::stderr();
    stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush()).ok();
}

/// A line from stdin without its end. `None` at the end of stdin.
pub(super) fn line() -> Option<String> {
    let mut line = String::new();
    let read = io::stdin().lock().read_line(&mut line).unwrap_or(0);
    (read > 0).then(|| line.trim_end_matches(['\r', '\n']).to_owned())
}

/// Whether the answer is yes; an empty one is.
pub(super) fn agrees(question: &str) -> bool {
    say(question);
    line().is_some_and(|answer| ["", "y", "yes"].contains(&answer.trim().to_ascii_lowercase().as_str()))
}

/// Asks for a text that the terminal does not show. `None` if the person gives none.
pub(super) fn hidden(question: &str) -> io::Result<Option<String>> {
    let typed = hidden_line(question)?;
    Ok(typed.map(|typed| typed.trim().to_owned()).filter(|typed| !typed.is_empty()))
}

#[cfg(unix)]
fn hidden_line(question: &str) -> io::Result<Option<String>> {
    use std::io::Read;

    use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, tcgetattr, tcsetattr};

    let stdin = io::stdin();
    let before = tcgetattr(&stdin)?;
    let mut hiding = before.clone();
    // Ctrl-C comes as a character: a signal would leave the person with a terminal that shows nothing.
    hiding.local_modes -= LocalModes::ECHO | LocalModes::ECHONL | LocalModes::ICANON | LocalModes::ISIG;
    hiding.special_codes[SpecialCodeIndex::VMIN] = 1;
    hiding.special_codes[SpecialCodeIndex::VTIME] = 0;
    tcsetattr(&stdin, OptionalActions::Drain, &hiding)?;
    say(question);
    let typed = edited(stdin.lock().bytes());
    say("\n");
    tcsetattr(&stdin, OptionalActions::Drain, &before)?;
    typed
}

/// The line that these keys make. `None` if it is given up.
#[cfg(any(unix, test))]
fn edited(keys: impl Iterator<Item = io::Result<u8>>) -> io::Result<Option<String>> {
    const END_OF_TEXT: u8 = 3;
    const END_OF_INPUT: u8 = 4;
    const BACKSPACE: u8 = 8;
    const DELETE_LINE: u8 = 21;
    const DELETE: u8 = 127;
    let mut typed = zeroize::Zeroizing::new(Vec::new());
    for key in keys {
        match key? {
            b'\r' | b'\n' => return Ok(std::str::from_utf8(&typed).ok().map(str::to_owned)),
            END_OF_TEXT | END_OF_INPUT => return Ok(None),
            DELETE_LINE => typed.clear(),
            BACKSPACE | DELETE => while typed.pop().is_some_and(|byte| byte & 0xC0 == 0x80) {},
            key => typed.push(key),
        }
    }
    Ok(None)
}

/// The modes of a console can only be changed with unsafe code; PowerShell has a prompt that hides what is typed.
#[cfg(windows)]
fn hidden_line(question: &str) -> io::Result<Option<String>> {
    use std::process::{Command, Stdio};

    const SCRIPT: &str = "$secret = Read-Host -AsSecureString; [Console]::OutputEncoding = [Text.Encoding]::UTF8; \
        [Console]::Out.Write((New-Object Net.NetworkCredential('', $secret)).Password)";
    let root = std::env::var_os("SystemRoot").ok_or(io::ErrorKind::NotFound)?;
    let program = std::path::Path::new(&root).join(r"System32\WindowsPowerShell\v1.0\powershell.exe");
    say(question);
    let mut command = Command::new(program);
    command.args(["-NoLogo", "-NoProfile", "-Command", SCRIPT]).stdin(Stdio::inherit()).stderr(Stdio::inherit());
    let output = command.output()?;
    let typed = String::from_utf8_lossy(&output.stdout);
    Ok(output.status.success().then(|| typed.trim_start_matches('\u{feff}').to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hidden_line_can_be_edited_and_given_up() {
        for (keys, line) in [
            (&b"abc\r"[..], Some("abc")),
            (b"ab\x7f\x7fc\n", Some("c")),
            ("aé\u{8}b\n".as_bytes(), Some("ab")),
            (b"wrong\x15right\r", Some("right")),
            (b"abc\x03", None),
            (b"\x04", None),
            (b"abc", None),
        ] {
            let typed = edited(keys.iter().map(|&key| Ok(key)));
            assert_eq!(typed.unwrap_or_default().as_deref(), line, "{keys:?}");
        }
    }
}
