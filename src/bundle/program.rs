//! Which system and processor is a program for? It says so itself, in its first bytes.

use super::BundleError;

/// The processors that a program for macOS may be for at once.
const MOST_PROCESSORS: usize = 19;

/// A system and a processor, by the name that stands in the program's file name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Platform(pub(super) &'static str);

impl Platform {
    /// The platform of the program with these bytes.
    pub(super) fn of(program: &[u8]) -> Option<Self> {
        let u16_at = |at: usize| Some(u16::from_le_bytes(program.get(at..at + 2)?.try_into().ok()?));
        let u32_at = |at: usize| Some(u32::from_le_bytes(program.get(at..at + 4)?.try_into().ok()?));
        let name = match program.get(..4)? {
            // 64 bits, little endian, for Linux or any system, executable.
            b"\x7fELF"
                if program.get(4..6)? == [2, 1] && matches!(program[7], 0 | 3) && matches!(u16_at(16)?, 2 | 3) =>
            {
                match u16_at(18)? {
                    0x3e => "linux-x86_64",
                    0xb7 => "linux-aarch64",
                    _ => return None,
                }
            }
            b"\xcf\xfa\xed\xfe" => match u32_at(4)? {
                0x0100_0007 => "macos-x86_64",
                0x0100_000c => "macos-aarch64",
                _ => return None,
            },
            // For several processors; classes of Java begin with the same bytes.
            b"\xca\xfe\xba\xbe" => {
                let u32_at = |at: usize| Some(u32::from_be_bytes(program.get(at..at + 4)?.try_into().ok()?));
                let count = usize::try_from(u32_at(4)?).ok().filter(|count| (1..=MOST_PROCESSORS).contains(count))?;
                let processors: Vec<u32> = (0..count).filter_map(|nth| u32_at(8 + nth * 20)).collect();
                match [0x0100_0007, 0x0100_000c].map(|processor| processors.contains(&processor)) {
                    [true, true] => "macos",
                    [true, false] => "macos-x86_64",
                    [false, true] => "macos-aarch64",
                    [false, false] => return None,
                }
            }
            [b'M', b'Z', ..] => match u16_at(usize::try_from(u32_at(0x3c)?).ok()?.checked_add(4)?)? {
                0x8664 => "windows-x86_64",
                0xaa64 => "windows-aarch64",
                _ => return None,
            },
            _ => return None,
        };
        Some(Self(name))
    }

    /// The name that hosts have for the system.
    pub(super) fn host_name(self) -> &'static str {
        match self.0.split('-').next() {
            Some("macos") => "darwin",
            Some("windows") => "win32",
            _ => "linux",
        }
    }

    pub(super) fn is_windows(self) -> bool {
        self.host_name() == "win32"
    }

    /// The path of the program in the bundle.
    pub(super) fn file(self) -> String {
        if self.is_windows() { "server/mcp-ferry.exe".to_owned() } else { format!("server/mcp-ferry-{}", self.0) }
    }
}

/// Refuses programs of which a host would find one only.
pub(super) fn check(platforms: &[Platform]) -> Result<(), BundleError> {
    let is_twice = |(at, platform): (usize, &Platform)| platforms[..at].contains(platform);
    if let Some(twice) = platforms.iter().enumerate().find(|found| is_twice(*found)) {
        return Err(BundleError::new(
            format!("two programs are for {}", twice.1.0),
            "name one program for each platform",
        ));
    }
    if platforms.iter().filter(|platform| platform.is_windows()).count() > 1 {
        return Err(BundleError::new(
            "a bundle can have one program for Windows only: hosts do not tell its processors apart",
            "leave windows-aarch64 out: Windows runs the program for x86_64 on both processors",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_says_what_it_is_for() {
        let padded = |start: &[u8]| [start, &[0; 64]].concat();
        let universal = |processors: &[u32]| {
            let count = u32::try_from(processors.len()).unwrap();
            let parts = processors.iter().flat_map(|processor| [&processor.to_be_bytes()[..], &[0; 16]].concat());
            [&b"\xca\xfe\xba\xbe"[..], &count.to_be_bytes()].concat().into_iter().chain(parts).collect::<Vec<u8>>()
        };
        let mut windows = padded(b"MZ");
        windows[0x3c] = 0x40;
        windows.splice(0x40.., *b"PE\0\0\x64\x86");
        for (bytes, name) in [
            (padded(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0\x3e\0"), Some("linux-x86_64")),
            (padded(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\xb7\0"), Some("linux-aarch64")),
            (padded(b"\x7fELF\x01\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x28\0"), None),
            (padded(b"\xcf\xfa\xed\xfe\x07\0\0\x01"), Some("macos-x86_64")),
            (padded(b"\xcf\xfa\xed\xfe\x0c\0\0\x01"), Some("macos-aarch64")),
            (universal(&[0x0100_0007, 0x0100_000c]), Some("macos")),
            (universal(&[0x0100_000c]), Some("macos-aarch64")),
            // A class of Java, and an object file for another system.
            (padded(b"\xca\xfe\xba\xbe\0\0\0\x34"), None),
            (padded(b"\x7fELF\x02\x01\x01\x09\0\0\0\0\0\0\0\0\x02\0\x3e\0"), None),
            (padded(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x01\0\x3e\0"), None),
            (windows, Some("windows-x86_64")),
            (padded(b"#!/bin/sh"), None),
            (b"MZ".to_vec(), None),
            (Vec::new(), None),
        ] {
            assert_eq!(Platform::of(&bytes).map(|platform| platform.0), name, "{bytes:x?}");
        }
    }

    #[test]
    fn a_host_finds_every_program() {
        let refused =
            |names: &[&'static str]| check(&names.iter().map(|&name| Platform(name)).collect::<Vec<_>>()).is_err();
        assert!(refused(&["linux-x86_64", "macos", "linux-x86_64"]));
        assert!(refused(&["windows-x86_64", "windows-aarch64"]));
        assert!(!refused(&["linux-x86_64", "linux-aarch64", "macos", "macos-x86_64", "windows-x86_64"]));
    }
}
