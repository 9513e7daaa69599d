//! A browser: pages over plain HTTP, a program for `BROWSER` that records each URL, and a user who opens it.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::DEADLINE;

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

/// One browser, with its cookies. A cookie goes to the host that has set it, and to pages at or below its path.
#[derive(Default)]
pub(crate) struct Tab {
    cookies: Vec<(String, String, String)>,
}

impl Tab {
    /// Loads one page.
    pub(crate) fn get(&mut self, url: &str) -> Option<Page> {
        let rest = url.strip_prefix("http://")?;
        let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let host = authority.split(':').next()?.to_owned();
        let fits = |(of, at, _): &&(String, String, String)| *of == host && path.starts_with(at.as_str());
        let cookies: Vec<_> = self.cookies.iter().filter(fits).map(|(.., cookie)| cookie.as_str()).collect();
        let cookies = cookies.join("; ");
        let page = if cookies.is_empty() { get(url, &[])? } else { get(url, &[("Cookie", cookies.as_str())])? };
        if let Some(cookie) = page.header("set-cookie") {
            let at = cookie.split(';').find_map(|part| part.trim().strip_prefix("Path=")).unwrap_or("/").to_owned();
            self.cookies.push((host, at, cookie.split(';').next()?.to_owned()));
        }
        Some(page)
    }

    /// Follows the redirects of a URL to the last page.
    pub(crate) fn follow(&mut self, url: &str) -> Option<Page> {
        let mut next = url.to_owned();
        for _ in 0..10 {
            let page = self.get(&next)?;
            match page.header("location") {
                Some(place) if (300..400).contains(&page.status) => place.clone_into(&mut next),
                _ => return Some(page),
            }
        }
        panic!("a redirect without end: {next}");
    }

    /// Opens the short address that a program has opened: the authorization URL.
    #[track_caller]
    pub(crate) fn start(&mut self, url: &str) -> String {
        let page = self.get(url).expect("a short address on this machine");
        page.header("location").expect("a redirect to the authorization server").to_owned()
    }
}

/// Follows the redirects of a URL to the last page, in a browser of its own.
pub(crate) fn follow(url: &str) -> Option<Page> {
    Tab::default().follow(url)
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
