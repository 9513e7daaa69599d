//! HTTP/1.1 on a socket: requests one after the other, and every way of responding to the byte.

use std::fmt::Write as _;
use std::io::{BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{self, Sender};

use super::DEADLINE;
use super::connection::{Connection, Head};
use super::request::Request;
use super::upstream::{Ended, State};

/// What the connection does after an exchange.
enum After {
    NextRequest,
    /// The next request is lost, as when the connection has ended and the other side does not know it yet.
    Lost,
    Close,
    Reset,
}

/// Serves one connection until it ends.
pub(super) fn serve(state: &Arc<State>, stream: &Arc<TcpStream>, number: usize) -> Ended {
    let mut reader = BufReader::with_capacity(1 << 16, &**stream);
    while let Some(request) = Request::read(&mut reader, number) {
        let (done, after) = mpsc::channel();
        let socket = ExchangeSocket { stream: Some(Arc::clone(stream)), done, loses_next: false };
        state.respond(state.receive(request, Box::new(socket)));
        match after.recv() {
            Ok(After::NextRequest) => {}
            Ok(After::Lost) => {
                Request::read(&mut reader, number);
                break;
            }
            Ok(After::Reset) => return Ended::ByReset,
            _ => break,
        }
    }
    Ended::Orderly
}

/// The socket of one exchange. Dropping it before `finish` closes the connection.
struct ExchangeSocket {
    stream: Option<Arc<TcpStream>>,
    done: Sender<After>,
    loses_next: bool,
}

impl ExchangeSocket {
    fn write(&self, bytes: &[u8]) {
        // The client may have closed the connection; the test decides whether that is right.
        if let Some(stream) = &self.stream {
            drop((&**stream).write_all(bytes));
        }
    }

    fn finish(mut self, after: After) {
        self.stream = None;
        let is_lost = self.loses_next && matches!(after, After::NextRequest);
        drop(self.done.send(if is_lost { After::Lost } else { after }));
    }

    /// Writes a response with a body of a known length.
    fn write_response(&self, head: &Head, length: usize, body: &[u8]) {
        let mut head = text(head);
        // A 204 has neither a body nor a length.
        if !head.starts_with("HTTP/1.1 204") {
            write!(head, "Content-Length: {length}\r\n").unwrap();
        }
        head += "\r\n";
        self.write(head.as_bytes());
        self.write(body);
    }
}

impl Connection for ExchangeSocket {
    fn respond(self: Box<Self>, head: &Head, body: &[u8]) {
        self.write_response(head, body.len(), body);
        self.finish(After::NextRequest);
    }

    fn respond_and_close(self: Box<Self>, head: &Head, body: &[u8], is_announced: bool) {
        let close: &[(&str, &str)] = if is_announced { &[("Connection", "close")] } else { &[] };
        self.write_response(&Head { headers: &[head.headers, close].concat(), ..*head }, body.len(), body);
        self.finish(After::Close);
    }

    fn truncate(self: Box<Self>, head: &Head, body: &[u8]) {
        self.write_response(head, body.len() + 1000, body);
        self.finish(After::Close);
    }

    fn start(&self, head: &Head) {
        self.write((text(head) + "Transfer-Encoding: chunked\r\n\r\n").as_bytes());
    }

    fn send(&self, bytes: &[u8]) {
        self.write(&[format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat());
    }

    fn end(self: Box<Self>) {
        self.write(b"0\r\n\r\n");
        self.finish(After::NextRequest);
    }

    fn cut(self: Box<Self>) {
        self.finish(After::Close);
    }

    fn reset(mut self: Box<Self>) {
        if let Some(stream) = self.stream.take() {
            drop(socket2::SockRef::from(&*stream).set_linger(Some(std::time::Duration::ZERO)));
        }
        drop(self.done.send(After::Reset));
    }

    fn garble(self: Box<Self>) {
        self.raw(b"220 mail.invalid ESMTP\r\n");
    }

    fn closed_by_client(&self) -> bool {
        let Some(stream) = &self.stream else {
            return false;
        };
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        // Zero bytes mean a clean end; an error other than the time limit means a reset.
        match (&**stream).read(&mut [0]) {
            Ok(read) => read == 0,
            Err(error) => !matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut),
        }
    }

    fn raw(self: Box<Self>, bytes: &[u8]) {
        self.write(bytes);
        self.finish(After::Close);
    }

    fn lose_next_request(&mut self) {
        self.loses_next = true;
    }
}

impl Drop for ExchangeSocket {
    fn drop(&mut self) {
        if let Some(stream) = self.stream.take() {
            drop(stream.shutdown(Shutdown::Both));
            drop(self.done.send(After::Close));
        }
    }
}

/// The status line and these headers.
fn text(head: &Head) -> String {
    let mut text = format!("HTTP/1.1 {}\r\n", head.status);
    for (name, value) in head.headers {
        write!(text, "{name}: {value}\r\n").unwrap();
    }
    text
}
