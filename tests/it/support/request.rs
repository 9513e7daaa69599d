//! One request that an upstream has received, and its JSON-RPC message.

use std::io::BufRead;

use super::peek;

/// One received request.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) http_method: String,
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// For a POST the JSON-RPC method, `response`, `batch` or `other`; otherwise the HTTP method.
    pub(crate) kind: String,
    /// The JSON-RPC id as raw JSON.
    pub(crate) id: Option<String>,
    /// The number of the connection that it came on, counted from 1.
    pub(crate) connection: usize,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(have, _)| have.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The server's name and port as the client wrote them.
    pub(crate) fn authority(&self) -> Option<&str> {
        self.header(":authority").or_else(|| self.header("host"))
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("a body is UTF-8")
    }

    /// Reads a request of HTTP/1.1.
    pub(super) fn read(reader: &mut impl BufRead, connection: usize) -> Option<Self> {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
        let mut words = line.split_whitespace();
        let (http_method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
        let mut headers = Vec::new();
        loop {
            line.clear();
            reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
            match line.trim_end().split_once(':') {
                Some((name, value)) => headers.push((name.to_owned(), value.trim().to_owned())),
                None => break,
            }
        }
        let body = read_body(&headers, reader)?;
        Some(Self::new(http_method, path, headers, body, connection))
    }

    pub(super) fn new(
        http_method: String,
        path: String,
        headers: Vec<(String, String)>,
        body: Vec<u8>,
        connection: usize,
    ) -> Self {
        let seen = peek(&body);
        let kind = match (http_method.as_str(), seen.method) {
            ("POST", Some(method)) => method,
            ("POST", None) if seen.is_response => "response".to_owned(),
            ("POST", None) if seen.is_array => "batch".to_owned(),
            ("POST", None) => "other".to_owned(),
            (method, _) => method.to_owned(),
        };
        Self { http_method, path, headers, body, kind, id: seen.id, connection }
    }
}

fn read_body(headers: &[(String, String)], reader: &mut impl BufRead) -> Option<Vec<u8>> {
    let header = |name: &str| headers.iter().find(|(have, _)| have.eq_ignore_ascii_case(name)).map(|(_, value)| value);
    let mut body = Vec::new();
    if let Some(length) = header("content-length") {
        body.resize(length.parse().ok()?, 0);
        reader.read_exact(&mut body).ok()?;
    } else if header("transfer-encoding").is_some() {
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok()?;
            let size = usize::from_str_radix(line.trim(), 16).ok()?;
            let start = body.len();
            body.resize(start + size, 0);
            reader.read_exact(&mut body[start..]).ok()?;
            reader.read_line(&mut line).ok()?;
            if size == 0 {
                break;
            }
        }
    }
    Some(body)
}
