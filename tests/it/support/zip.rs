//! A strict reader of zip files: every byte belongs to an entry or to a header, and both headers of an entry agree.

use std::io::Read;

pub(crate) struct ZipEntry {
    pub(crate) name: String,
    pub(crate) mode: u32,
    pub(crate) date: u16,
    pub(crate) bytes: Vec<u8>,
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(bytes[at..at + 2].try_into().unwrap())
}

fn u32_at(bytes: &[u8], at: usize) -> usize {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize
}

/// The entries, in their order in the file.
#[track_caller]
pub(crate) fn unzipped(file: &[u8]) -> Vec<ZipEntry> {
    let end = file.len() - 22;
    assert_eq!(&file[end..end + 4], b"PK\x05\x06", "the file ends with the directory, without a comment");
    let count = usize::from(u16_at(file, end + 10));
    let (length, start) = (u32_at(file, end + 12), u32_at(file, end + 16));
    assert_eq!(start + length, end, "nothing stands behind the directory");
    let (mut entries, mut place, mut next) = (Vec::new(), start, 0);
    for _ in 0..count {
        let header = &file[place..];
        assert_eq!(&header[..4], b"PK\x01\x02");
        let name = usize::from(u16_at(header, 28));
        let at = u32_at(header, 42);
        assert_eq!(at, next, "the entries follow each other");
        let local = &file[at..];
        assert_eq!(&local[..4], b"PK\x03\x04");
        assert_eq!(local[4..30], header[6..32], "both headers agree");
        let data = &local[30 + name..][..u32_at(header, 20)];
        next = at + 30 + name + data.len();
        let mut bytes = Vec::new();
        match u16_at(header, 10) {
            0 => bytes.extend(data),
            8 => drop(flate2::read::DeflateDecoder::new(data).read_to_end(&mut bytes).unwrap()),
            method => panic!("method {method}"),
        }
        let mut crc = flate2::Crc::new();
        crc.update(&bytes);
        assert_eq!((crc.sum() as usize, bytes.len()), (u32_at(header, 16), u32_at(header, 24)));
        entries.push(ZipEntry {
            name: String::from_utf8(header[46..46 + name].to_vec()).unwrap(),
            mode: u32::try_from(u32_at(header, 38)).unwrap() >> 16,
            date: u16_at(header, 14),
            bytes,
        });
        place += 46 + name;
    }
    assert_eq!((place, next), (end, start), "every byte belongs to something");
    entries
}

/// Writes the files of a zip file below a folder, without regard to their modes.
#[cfg(unix)]
pub(crate) fn unzip(file: &[u8], folder: &std::path::Path) {
    for entry in unzipped(file) {
        let path = folder.join(entry.name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, entry.bytes).unwrap();
    }
}
