//! One request with nothing in it but a head, one answer, and the end of the connection (RFC 9112): all of HTTP that a
//! browser's return takes.

use std::time::SystemTime;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, DATE};
use http::{Method, Request, Response, StatusCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Codes of several kilobytes are real.
const LONGEST_HEAD: usize = 64 * 1024;

/// Browsers send some twenty.
const MOST_FIELDS: usize = 128;

/// Reads the head of a request; its body is nobody's. `None`: whoever connected has hung up. An error: what is wrong
/// with the request.
pub(super) async fn read(connection: &mut TcpStream) -> Option<Result<Request<()>, StatusCode>> {
    let mut head = Vec::with_capacity(2048);
    loop {
        if connection.read_buf(&mut head).await.ok()? == 0 {
            return None;
        }
        match parse(&head) {
            Ok(None) if head.len() < LONGEST_HEAD => {}
            Ok(None) => return Some(Err(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE)),
            Ok(Some(request)) => return Some(Ok(request)),
            Err(wrong) => return Some(Err(wrong)),
        }
    }
}

/// `None`: there is more to come.
fn parse(head: &[u8]) -> Result<Option<Request<()>>, StatusCode> {
    let mut fields = [httparse::EMPTY_HEADER; MOST_FIELDS];
    let mut parsed = httparse::Request::new(&mut fields);
    match parsed.parse(head) {
        Ok(httparse::Status::Complete(_)) => {}
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => return Err(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE),
        Err(httparse::Error::Version) => return Err(StatusCode::HTTP_VERSION_NOT_SUPPORTED),
        Err(_) => return Err(StatusCode::BAD_REQUEST),
    }
    let request = Request::builder().method(parsed.method.unwrap_or_default()).uri(parsed.path.unwrap_or_default());
    let request = parsed.headers.iter().fold(request, |request, field| request.header(field.name, field.value));
    request.body(()).map(Some).map_err(|_| StatusCode::BAD_REQUEST)
}

/// Writes an answer, and says that there is no more.
pub(super) async fn write(
    connection: &mut TcpStream,
    method: &Method,
    response: &Response<Bytes>,
) -> std::io::Result<()> {
    let status = response.status();
    let mut bytes = format!(
        "HTTP/1.1 {} {}\r\n{DATE}: {}\r\n{CONTENT_LENGTH}: {}\r\n",
        status.as_u16(),
        status.canonical_reason().unwrap_or_default(),
        httpdate::fmt_http_date(SystemTime::now()),
        response.body().len()
    )
    .into_bytes();
    for (name, value) in response.headers() {
        bytes.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    bytes.extend(b"\r\n");
    if method != Method::HEAD {
        bytes.extend(response.body());
    }
    connection.write_all(&bytes).await?;
    connection.shutdown().await
}

/// Reads to the end, whatever comes. A connection that is closed with something unread is reset, and the browser may
/// lose its page in that (RFC 9112 section 9.6).
pub(super) async fn linger(connection: &mut TcpStream) {
    let mut rest = [0; 2048];
    while connection.read(&mut rest).await.is_ok_and(|length| length > 0) {}
}
