//! An HTTP/2 server that writes each frame by hand, right or wrong.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rustls::{ServerConnection, StreamOwned};

use super::protocol::tls_config;
use super::{REVISION, initialize_result, peek, result};

/// A frame's type, flags, stream and payload (RFC 9113, section 4.1).
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    pub(crate) const DATA: u8 = 0;
    pub(crate) const HEADERS: u8 = 1;
    pub(crate) const RST_STREAM: u8 = 3;
    pub(crate) const SETTINGS: u8 = 4;
    pub(crate) const PUSH_PROMISE: u8 = 5;
    pub(crate) const PING: u8 = 6;
    pub(crate) const GOAWAY: u8 = 7;
    pub(crate) const WINDOW_UPDATE: u8 = 8;
    pub(crate) const CONTINUATION: u8 = 9;

    pub(crate) const END_STREAM: u8 = 1;
    pub(crate) const ACK: u8 = 1;
    pub(crate) const END_HEADERS: u8 = 4;
    pub(crate) const PADDED: u8 = 8;
}

/// One request of the client.
pub(crate) struct FrameRequest {
    pub(crate) stream: u32,
    /// The JSON-RPC method; empty for a request without a body.
    pub(crate) method: String,
    /// The JSON-RPC id as raw JSON.
    pub(crate) id: Option<String>,
}

/// One connection of the client.
pub(crate) struct FrameConnection {
    tls: StreamOwned<ServerConnection, TcpStream>,
    bodies: HashMap<u32, Vec<u8>>,
    /// How many bytes of bodies have come since the client was last allowed more.
    received: u32,
    /// The streams that the client has reset, with the error code.
    pub(crate) resets: Vec<(u32, u32)>,
}

/// A server on its own port.
pub(crate) struct FrameServer {
    port: u16,
    connections: Arc<AtomicUsize>,
}

impl FrameServer {
    /// `serve` gets each connection after the client's preface, with its number from 0, and must begin with SETTINGS.
    pub(crate) fn start(serve: impl Fn(&mut FrameConnection, usize) -> Option<()> + Send + Sync + 'static) -> Self {
        let config = tls_config(&["h2"]);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (serve, connections) = (Arc::new(serve), Arc::new(AtomicUsize::new(0)));
        let counted = Arc::clone(&connections);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // A client that reads no more must not hold up the test.
                drop(stream.set_write_timeout(Some(Duration::from_secs(1))));
                drop(stream.set_nodelay(true));
                let number = counted.fetch_add(1, Ordering::SeqCst);
                let tls = StreamOwned::new(ServerConnection::new(Arc::clone(&config)).unwrap(), stream);
                let serve = Arc::clone(&serve);
                std::thread::spawn(move || {
                    let (bodies, resets) = (HashMap::new(), Vec::new());
                    let mut connection = FrameConnection { tls, bodies, received: 0, resets };
                    let mut preface = [0; 24];
                    connection.tls.read_exact(&mut preface).ok()?;
                    assert_eq!(&preface, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
                    serve(&mut connection, number)
                });
            }
        });
        Self { port, connections }
    }

    pub(crate) fn url(&self) -> String {
        format!("https://localhost:{}/mcp", self.port)
    }

    /// How many connections were opened.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

impl FrameConnection {
    /// `None`: the client has ended the connection, or takes nothing more.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Option<()> {
        self.tls.write_all(bytes).ok()
    }

    pub(crate) fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Option<()> {
        self.write(&frame(kind, flags, stream, payload))
    }

    pub(crate) fn settings(&mut self, settings: &[(u16, u32)]) -> Option<()> {
        let payload = settings.iter().flat_map(|(id, value)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat());
        self.frame(Frame::SETTINGS, 0, 0, &payload.collect::<Vec<_>>())
    }

    pub(crate) fn reset(&mut self, stream: u32, code: u32) -> Option<()> {
        self.frame(Frame::RST_STREAM, 0, stream, &code.to_be_bytes())
    }

    pub(crate) fn go_away(&mut self, last: u32, code: u32) -> Option<()> {
        self.frame(Frame::GOAWAY, 0, 0, &[last.to_be_bytes(), code.to_be_bytes()].concat())
    }

    /// Reads a frame, whatever it is.
    pub(crate) fn read(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        self.tls.read_exact(&mut head).ok()?;
        let mut payload = vec![0; usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2])];
        self.tls.read_exact(&mut payload).ok()?;
        let stream = u32::from_be_bytes([head[5] & 0x7f, head[6], head[7], head[8]]);
        Some(Frame { kind: head[3], flags: head[4], stream, payload })
    }

    /// Reads to the end of the next request; answers SETTINGS and PING, and lets the client send its bodies.
    pub(crate) fn request(&mut self) -> Option<FrameRequest> {
        loop {
            let frame = self.read()?;
            match frame.kind {
                Frame::SETTINGS if frame.flags & Frame::ACK == 0 => self.frame(Frame::SETTINGS, Frame::ACK, 0, &[])?,
                Frame::PING if frame.flags & Frame::ACK == 0 => {
                    self.frame(Frame::PING, Frame::ACK, 0, &frame.payload)?;
                }
                Frame::RST_STREAM => {
                    let code = u32::from_be_bytes(frame.payload[..].try_into().unwrap());
                    self.resets.push((frame.stream, code));
                }
                Frame::DATA => {
                    self.bodies.entry(frame.stream).or_default().extend_from_slice(&frame.payload);
                    self.received += u32::try_from(frame.payload.len()).unwrap();
                    // Not for each body: it would be a sign of life.
                    if self.received > 32 * 1024 {
                        let received = std::mem::take(&mut self.received).to_be_bytes();
                        self.frame(Frame::WINDOW_UPDATE, 0, 0, &received)?;
                    }
                }
                _ => {}
            }
            if [Frame::DATA, Frame::HEADERS].contains(&frame.kind) && frame.flags & Frame::END_STREAM != 0 {
                let seen = peek(&self.bodies.remove(&frame.stream).unwrap_or_default());
                let method = seen.method.unwrap_or_default();
                return Some(FrameRequest { stream: frame.stream, method, id: seen.id });
            }
        }
    }

    /// Responds as a simple, correct server: a session, empty results, no GET stream.
    pub(crate) fn respond_normally(&mut self, request: &FrameRequest) -> Option<()> {
        let json = ("content-type", "application/json");
        match (request.method.as_str(), &request.id) {
            ("initialize", Some(id)) => {
                let body = result(id, &initialize_result(REVISION));
                self.respond(request.stream, "200", &[json, ("mcp-session-id", "session-1")], &body)
            }
            ("", _) => self.respond(request.stream, "405", &[], ""),
            (_, Some(id)) => self.respond(request.stream, "200", &[json], &result(id, "{}")),
            (_, None) => self.respond(request.stream, "202", &[], ""),
        }
    }

    pub(crate) fn respond(&mut self, stream: u32, status: &str, headers: &[(&str, &str)], body: &str) -> Option<()> {
        let head = head(&[&[(":status", status)], headers].concat());
        if body.is_empty() {
            return self.frame(Frame::HEADERS, Frame::END_HEADERS | Frame::END_STREAM, stream, &head);
        }
        self.frame(Frame::HEADERS, Frame::END_HEADERS, stream, &head)?;
        self.frame(Frame::DATA, Frame::END_STREAM, stream, body.as_bytes())
    }
}

/// The bytes of a frame.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Header fields as literals without indexing (RFC 7541, section 6.2.2).
pub(crate) fn head(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            push_length(&mut block, text.len());
            block.extend_from_slice(text.as_bytes());
        }
    }
    block
}

/// An integer with a prefix of seven bits (RFC 7541, section 5.1).
pub(crate) fn push_length(block: &mut Vec<u8>, length: usize) {
    if length < 127 {
        return block.push(u8::try_from(length).unwrap());
    }
    block.push(127);
    let mut rest = length - 127;
    while rest >= 128 {
        block.push(u8::try_from(rest % 128).unwrap() | 128);
        rest /= 128;
    }
    block.push(u8::try_from(rest).unwrap());
}
