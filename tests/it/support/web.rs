//! Queries, forms, pages, and a browser: a program for `BROWSER` that records each URL, and a user who opens it.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use url::form_urlencoded;

use super::DEADLINE;
use super::records::Parameters;

/// The parameters of a path or URL.
pub(crate) fn query(url: &str) -> Parameters {
    form(url.split_once('?').map_or("", |(_, query)| query).as_bytes())
}

pub(crate) fn form(body: &[u8]) -> Parameters {
    form_urlencoded::parse(body).into_owned().collect()
}

pub(crate) fn parameter(parameters: &Parameters, name: &str) -> Option<String> {
    parameters.iter().find(|(have, _)| have == name).map(|(_, value)| value.clone())
}

pub(crate) fn with_parameters(url: &str, parameters: &Parameters) -> String {
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
    format!("{url}{}{query}", if url.contains('?') { '&' } else { '?' })
}

const BASE64URL: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// The client id and secret of a `Basic` header.
pub(super) fn credentials(basic: &str) -> (String, String) {
    let digits = basic.trim_end_matches('=').bytes().map(|letter| match letter {
        b'+' => 62,
        b'/' => 63,
        _ => BASE64URL.iter().position(|digit| *digit == letter).expect("base64"),
    });
    let digits: Vec<_> = digits.collect();
    let bytes = digits.chunks(4).flat_map(|four| {
        let bits = four.iter().fold(0, |bits, digit| bits << 6 | digit) << (6 * (4 - four.len()));
        (1..four.len()).map(move |place| u8::try_from(bits >> (24 - 8 * place) & 255).unwrap())
    });
    let text = String::from_utf8(bytes.collect()).expect("text");
    let (id, secret) = text.split_once(':').expect("id and secret");
    let plain = |part: &str| form(format!("p={part}").as_bytes()).remove(0).1;
    (plain(id), plain(secret))
}

/// RFC 7636 section 4.2, S256.
pub(super) fn pkce_challenge(verifier: &str) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, verifier.as_bytes());
    let mut text = String::new();
    for three in digest.as_ref().chunks(3) {
        let bits = three.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
        for place in 0..=three.len() {
            text.push(char::from(BASE64URL[(bits >> (18 - 6 * place) & 63) as usize]));
        }
    }
    text
}

/// RFC 1321, in hexadecimal: mcp-remote names its files by this hash.
pub(crate) fn md5(text: &str) -> String {
    const SHIFTS: [[u32; 4]; 4] = [[7, 12, 17, 22], [5, 9, 14, 20], [4, 11, 16, 23], [6, 10, 15, 21]];
    let mut state = [0x6745_2301_u32, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];
    let mut bytes = text.as_bytes().to_vec();
    bytes.push(0x80);
    bytes.resize(bytes.len().next_multiple_of(64) + if bytes.len() % 64 > 56 { 64 } else { 0 } - 8, 0);
    bytes.extend((text.len() as u64 * 8).to_le_bytes());
    for block in bytes.chunks(64) {
        let words: Vec<_> = block.chunks(4).map(|four| u32::from_le_bytes(four.try_into().unwrap())).collect();
        let [mut a, mut b, mut c, mut d] = state;
        for step in 0..64_usize {
            let (mixed, word) = match step / 16 {
                0 => (b & c | !b & d, step),
                1 => (d & b | !d & c, 5 * step + 1),
                2 => (b ^ c ^ d, 3 * step + 5),
                _ => (c ^ (b | !d), 7 * step),
            };
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
            let constant = (((step + 1) as f64).sin().abs() * 4_294_967_296.0) as u32;
            let sum = a.wrapping_add(mixed).wrapping_add(constant).wrapping_add(words[word % 16]);
            (a, d, c, b) = (d, c, b, b.wrapping_add(sum.rotate_left(SHIFTS[step / 16][step % 4])));
        }
        for (sum, value) in state.iter_mut().zip([a, b, c, d]) {
            *sum = sum.wrapping_add(value);
        }
    }
    let digits = state.iter().flat_map(|word| word.to_le_bytes()).flat_map(|byte| [byte >> 4, byte & 15]);
    digits.filter_map(|digit| char::from_digit(digit.into(), 16)).collect()
}

/// One response to a GET.
#[derive(Debug, Clone)]
pub(crate) struct Page {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Page {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(':'));
        lines.filter(|(have, _)| have.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).next()
    }
}

/// A GET over plain HTTP. `headers` replace the default ones. `None` if nothing listens at the address.
pub(crate) fn get(url: &str, headers: &[(&str, &str)]) -> Option<Page> {
    let rest = url.strip_prefix("http://").unwrap_or_else(|| panic!("the tests' pages are http: {url}"));
    let (host, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let address = host.replace("localhost", "127.0.0.1");
    let mut stream = TcpStream::connect(&address).ok()?;
    stream.set_read_timeout(Some(DEADLINE)).ok()?;
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    let mut head = format!("GET {path} HTTP/1.1\r\nConnection: close\r\n");
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
        write!(head, "Host: {host}\r\n").unwrap();
    }
    for (name, value) in headers {
        write!(head, "{name}: {value}\r\n").unwrap();
    }
    stream.write_all(format!("{head}\r\n").as_bytes()).ok()?;
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        reader.read_line(&mut head).ok().filter(|read| *read > 0)?;
    }
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let mut page = Page { status, head, body: String::new() };
    // A server may keep the connection open after the body.
    let length = page.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(u64::MAX);
    reader.take(length).read_to_string(&mut page.body).ok()?;
    Some(page)
}

/// Follows the redirects of a URL to the last page.
pub(crate) fn follow(url: &str) -> Option<Page> {
    let mut next = url.to_owned();
    for _ in 0..10 {
        let page = get(&next, &[])?;
        match page.header("location") {
            Some(place) if (300..400).contains(&page.status) => place.clone_into(&mut next),
            _ => return Some(page),
        }
    }
    panic!("a redirect without end: {next}");
}

/// Follows a URL as soon as a program listens at its last address.
#[track_caller]
pub(crate) fn follow_when_reachable(url: &str) -> Page {
    poll(&format!("a program should listen at the last address of {url}"), || follow(url))
}

/// Polls until there is a value: files and ports of other programs announce no changes.
#[track_caller]
fn poll<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let give_up = Instant::now() + DEADLINE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < give_up, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The machine's `BROWSER`: a program that records each URL.
pub(crate) struct Browser {
    home: TempDir,
    closed: Arc<AtomicBool>,
    user: Option<JoinHandle<Vec<Option<Page>>>>,
}

impl Browser {
    /// A browser without a user: it only records URLs.
    pub(crate) fn without_user() -> Self {
        let browser = Self { home: TempDir::new().unwrap(), closed: Arc::default(), user: None };
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let script = format!("#!/bin/sh\nprintf '%s\\n' \"$@\" >> '{}'\n", browser.recorded().display());
            std::fs::write(browser.program(), script).unwrap();
            std::fs::set_permissions(browser.program(), std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        #[cfg(windows)]
        std::fs::write(browser.program(), format!("@echo %~1>>\"{}\"\r\n", browser.recorded().display())).unwrap();
        browser
    }

    /// A browser whose user follows every tab to its last page.
    pub(crate) fn with_user() -> Self {
        let mut browser = Self::without_user();
        let (recorded, closed) = (browser.recorded(), Arc::clone(&browser.closed));
        browser.user = Some(std::thread::spawn(move || {
            let mut pages = Vec::new();
            loop {
                let last = closed.load(Ordering::SeqCst);
                for url in lines(&recorded).into_iter().skip(pages.len()) {
                    pages.push(follow(&url));
                }
                if last {
                    return pages;
                }
                std::thread::sleep(Duration::from_millis(5));
            }
        }));
        browser
    }

    /// The program that `BROWSER` names.
    pub(crate) fn program(&self) -> PathBuf {
        self.home.path().join(if cfg!(windows) { "browser.cmd" } else { "browser" })
    }

    fn recorded(&self) -> PathBuf {
        self.home.path().join("tabs")
    }

    /// The URLs opened so far.
    pub(crate) fn tabs(&self) -> Vec<String> {
        lines(&self.recorded())
    }

    /// Waits for the n-th tab (from 1).
    #[track_caller]
    pub(crate) fn tab(&self, n: usize) -> String {
        poll(&format!("tab number {n} should have been opened"), || self.tabs().into_iter().nth(n - 1))
    }

    /// The last page of each tab.
    pub(crate) fn pages(mut self) -> Vec<Option<Page>> {
        self.closed.store(true, Ordering::SeqCst);
        self.user.take().expect("a user").join().unwrap()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::SeqCst);
        if let Some(user) = self.user.take() {
            drop(user.join());
        }
    }
}

fn lines(recorded: &std::path::Path) -> Vec<String> {
    // A line without its newline is still being written.
    let text = std::fs::read_to_string(recorded).unwrap_or_default();
    text.split_inclusive('\n').filter(|line| line.ends_with('\n')).map(|line| line.trim_end().to_owned()).collect()
}
