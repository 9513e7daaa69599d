//! How is a zip file written that strict readers take, and that is the same for the same files?

use flate2::{Compress, Compression, Crc, FlushCompress, Status};

/// The version of the format in which files are deflated.
const VERSION: u16 = 20;

/// Made on Unix: readers take the modes of the files from the entries.
const MADE_ON_UNIX: u16 = 3 << 8 | VERSION;

const REGULAR_FILE: u32 = 0o100_000;

/// 1980-01-01, the first day that the format knows.
const DATE: u16 = 1 << 5 | 1;

/// A file, as it stands in the zip file.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    name: String,
    mode: u32,
    method: u16,
    crc: u32,
    length: usize,
    data: Vec<u8>,
}

impl Entry {
    pub(super) fn new(name: impl Into<String>, is_executable: bool, bytes: &[u8]) -> Self {
        let mut crc = Crc::new();
        crc.update(bytes);
        let (method, data) = deflated(bytes).map_or_else(|| (0, bytes.to_vec()), |data| (8, data));
        let mode = REGULAR_FILE | if is_executable { 0o755 } else { 0o644 };
        Self { name: name.into(), mode, method, crc: crc.sum(), length: bytes.len(), data }
    }

    /// What stands in both headers of an entry.
    fn header(&self) -> Option<Vec<u8>> {
        let mut header = Vec::new();
        for word in [VERSION, 0, self.method, 0, DATE] {
            header.extend(word.to_le_bytes());
        }
        for word in [self.crc, size(self.data.len())?, size(self.length)?] {
            header.extend(word.to_le_bytes());
        }
        header.extend(u16::try_from(self.name.len()).ok()?.to_le_bytes());
        header.extend(0u16.to_le_bytes());
        Some(header)
    }
}

/// The bytes in less room; `None` if they need as much.
fn deflated(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut data = Vec::with_capacity(bytes.len());
    let status = Compress::new(Compression::default(), false).compress_vec(bytes, &mut data, FlushCompress::Finish);
    matches!(status, Ok(Status::StreamEnd)).then_some(data)
}

/// Four gigabytes are more than the format without its extensions can hold.
fn size(length: usize) -> Option<u32> {
    u32::try_from(length).ok()
}

/// The zip file with these entries, sorted by name. `None` if it would be too large.
pub(super) fn write(mut entries: Vec<&Entry>) -> Option<Vec<u8>> {
    entries.sort_by(|one, other| one.name.cmp(&other.name));
    let (mut file, mut directory) = (Vec::new(), Vec::new());
    for entry in &entries {
        let header = entry.header()?;
        directory.extend(b"PK\x01\x02");
        directory.extend(MADE_ON_UNIX.to_le_bytes());
        directory.extend(&header);
        // No comment, on the first disk, not known to be text.
        directory.extend([0; 6]);
        directory.extend((entry.mode << 16).to_le_bytes());
        directory.extend(size(file.len())?.to_le_bytes());
        directory.extend(entry.name.as_bytes());
        file.extend(b"PK\x03\x04");
        file.extend(header);
        file.extend(entry.name.as_bytes());
        file.extend(&entry.data);
    }
    let (start, length) = (size(file.len())?, size(directory.len())?);
    let count = u16::try_from(entries.len()).ok()?.to_le_bytes();
    file.extend(directory);
    file.extend(b"PK\x05\x06\0\0\0\0");
    file.extend(count);
    file.extend(count);
    file.extend(length.to_le_bytes());
    file.extend(start.to_le_bytes());
    file.extend([0; 2]);
    Some(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_the_entries_and_the_compression_do_not_matter() {
        let long = Entry::new("b", true, &[7; 5000]);
        let short = Entry::new("a", false, b"x");
        assert_eq!((long.method, short.method), (8, 0), "what does not become smaller is stored");
        assert!(long.data.len() < 100, "{}", long.data.len());
        let file = write(vec![&long, &short]).unwrap();
        assert_eq!(file, write(vec![&short, &long]).unwrap());
        assert_eq!(&file[..4], b"PK\x03\x04");
        assert_eq!(&file[30..32], b"ax", "the first entry is the first by name");
    }
}
