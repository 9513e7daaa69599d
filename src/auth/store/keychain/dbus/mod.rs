//! How is a method of another program called over the session's bus? The few parts of the D-Bus specification that the
//! Secret Service needs, on a thread that may wait; `wire` has the values, `address` finds the bus.

mod address;
mod wire;

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use thiserror::Error;
use zeroize::Zeroizing;

pub(super) use wire::{Reader, Writer};

/// A longer message is none of those that we ask for.
const LONGEST: usize = 1 << 20;

const CALL: u8 = 1;
const REPLY: u8 = 2;
const ERROR: u8 = 3;
const SIGNAL: u8 = 4;

/// Why a call has no answer.
#[derive(Debug, Error)]
pub(super) enum BusError {
    /// There is no bus, or it does not let us in.
    #[error("there is no session bus to reach it by ({0})")]
    NoBus(io::Error),
    /// The bus is gone, or says nothing.
    #[error("the session bus does not answer ({0})")]
    Cut(#[from] io::Error),
    /// The other program refuses.
    #[error("{name}: {text}")]
    Refused { name: String, text: String },
}

/// A method, and whose it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Method<'a> {
    pub(super) destination: &'a str,
    pub(super) path: &'a str,
    pub(super) interface: &'a str,
    pub(super) name: &'a str,
}

/// A connection to the session's bus.
#[derive(Debug)]
pub(super) struct Bus {
    stream: UnixStream,
    serial: u32,
    deadline: Instant,
}

/// A message that came. The body may hold a secret.
#[derive(Debug, Default)]
pub(super) struct Received {
    kind: u8,
    is_big_endian: bool,
    reply_to: Option<u32>,
    path: Option<String>,
    member: Option<String>,
    error: Option<String>,
    body: Zeroizing<Vec<u8>>,
}

// "Header Fields".
const PATH: u8 = 1;
const INTERFACE: u8 = 2;
const MEMBER: u8 = 3;
const ERROR_NAME: u8 = 4;
const REPLY_SERIAL: u8 = 5;
const DESTINATION: u8 = 6;
const SIGNATURE: u8 = 8;

impl Received {
    /// Reads the fields of a message's head, which begin at its sixteenth byte.
    fn read_fields(&mut self, head: &[u8], end: usize) {
        let mut reader = Reader::new(head, self.is_big_endian);
        reader.skip(16);
        let mut next = || {
            if reader.at() >= end {
                return None;
            }
            reader.align(8)?;
            let code = reader.byte()?;
            Some(match reader.signature()? {
                "s" | "o" => (code, Some(reader.text()?.to_owned()), None),
                "u" => (code, None, Some(reader.number()?)),
                "g" => (code, Some(reader.signature()?.to_owned()), None),
                _ => return None,
            })
        };
        while let Some((code, text, number)) = next() {
            match code {
                PATH => self.path = text,
                MEMBER => self.member = text,
                ERROR_NAME => self.error = text,
                REPLY_SERIAL => self.reply_to = number,
                _ => {}
            }
        }
    }

    pub(super) fn body(&self) -> Reader<'_> {
        Reader::new(&self.body, self.is_big_endian)
    }
}

impl Bus {
    /// Connects as this process's user. Every call ends within the limit, counted from here.
    pub(super) fn connect(limit: Duration) -> Result<Self, BusError> {
        let stream = address::connect().map_err(BusError::NoBus)?;
        let mut bus = Self { stream, serial: 0, deadline: Instant::now() + limit };
        bus.authenticate()?;
        bus.call(of_bus("Hello"), "", &Writer::default())?;
        Ok(bus)
    }

    /// "Authentication Protocol": EXTERNAL, by the socket's credentials.
    fn authenticate(&mut self) -> Result<(), BusError> {
        // Each digit as the two hexadecimal ones of its byte.
        let user = rustix::process::getuid().as_raw().to_string();
        let user: String = user.chars().flat_map(|digit| ['3', digit]).collect();
        self.stream.set_write_timeout(Some(self.time_left()?))?;
        self.stream.write_all(format!("\0AUTH EXTERNAL {user}\r\n").as_bytes())?;
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            if line.len() > 1024 {
                return Err(invalid().into());
            }
            let mut byte = [0];
            self.fill(&mut byte)?;
            line.extend(byte);
        }
        if !line.starts_with(b"OK ") {
            let refused = io::Error::new(io::ErrorKind::PermissionDenied, "it does not let this user in");
            return Err(BusError::NoBus(refused));
        }
        self.stream.write_all(b"BEGIN\r\n")?;
        Ok(())
    }

    /// Calls a method. `signature`: the types of what is in the body.
    pub(super) fn call(&mut self, method: Method<'_>, signature: &str, body: &Writer) -> Result<Received, BusError> {
        self.exchange(method, signature, body, None)
    }

    /// Calls a method, and waits for the signal of its object that it leads to.
    pub(super) fn call_for_signal(
        &mut self,
        method: Method<'_>,
        signature: &str,
        body: &Writer,
        member: &str,
    ) -> Result<Received, BusError> {
        let Method { path, interface, .. } = method;
        let mut rule = Writer::default();
        rule.text(&format!("type='signal',path='{path}',interface='{interface}',member='{member}'"));
        // Before the call, as the signal may come at once.
        self.call(of_bus("AddMatch"), "s", &rule)?;
        self.exchange(method, signature, body, Some(member))
    }

    fn exchange(
        &mut self,
        method: Method<'_>,
        signature: &str,
        body: &Writer,
        signal: Option<&str>,
    ) -> Result<Received, BusError> {
        self.serial += 1;
        let message = message(self.serial, method, signature, body);
        self.stream.set_write_timeout(Some(self.time_left()?))?;
        self.stream.write_all(message.bytes())?;
        loop {
            let received = self.receive()?;
            let is_answer = received.reply_to == Some(self.serial);
            if received.kind == ERROR && is_answer {
                let text = received.body().text().unwrap_or_default().to_owned();
                return Err(BusError::Refused { name: received.error.unwrap_or_default(), text });
            }
            let is_wanted = match signal {
                None => received.kind == REPLY && is_answer,
                Some(member) => {
                    let of_object = received.path.as_deref() == Some(method.path);
                    received.kind == SIGNAL && of_object && received.member.as_deref() == Some(member)
                }
            };
            if is_wanted {
                return Ok(received);
            }
        }
    }

    /// The next message, whatever it is.
    fn receive(&mut self) -> Result<Received, BusError> {
        let mut head = vec![0; 16];
        self.fill(&mut head)?;
        let (is_big_endian, kind) = (head[0] == b'B', head[1]);
        let mut sizes = Reader::new(&head[4..], is_big_endian);
        let (Some(body), _, Some(fields)) = (sizes.number(), sizes.number(), sizes.number()) else {
            return Err(invalid().into());
        };
        let (body, fields) = (body as usize, fields as usize);
        if body > LONGEST || fields > LONGEST {
            return Err(invalid().into());
        }
        head.resize(16 + fields.next_multiple_of(8), 0);
        self.fill(&mut head[16..])?;
        let mut received = Received { kind, is_big_endian, body: Zeroizing::new(vec![0; body]), ..Received::default() };
        self.fill(&mut received.body)?;
        received.read_fields(&head, 16 + fields);
        Ok(received)
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), BusError> {
        let mut filled = 0;
        while filled < bytes.len() {
            self.stream.set_read_timeout(Some(self.time_left()?))?;
            match self.stream.read(&mut bytes[filled..]) {
                Ok(0) => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn time_left(&self) -> io::Result<Duration> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
    }
}

/// A method of the bus itself.
fn of_bus(name: &str) -> Method<'_> {
    let bus = "org.freedesktop.DBus";
    Method { destination: bus, path: "/org/freedesktop/DBus", interface: bus, name }
}

fn message(serial: u32, method: Method<'_>, signature: &str, body: &Writer) -> Writer {
    let mut message = Writer::default();
    // Little-endian, a call without flags, version 1.
    message.append(&[b'l', CALL, 0, 1]);
    message.number(u32::try_from(body.bytes().len()).unwrap_or(u32::MAX));
    message.number(serial);
    let fields = [
        (PATH, "o", method.path),
        (INTERFACE, "s", method.interface),
        (MEMBER, "s", method.name),
        (DESTINATION, "s", method.destination),
    ];
    message.array(8, |array| {
        for (code, kind, value) in fields {
            array.structure();
            array.byte(code);
            array.signature(kind);
            array.text(value);
        }
        if !signature.is_empty() {
            array.structure();
            array.byte(SIGNATURE);
            array.signature("g");
            array.signature(signature);
        }
    });
    message.align(8);
    message.append(body.bytes());
    message
}

fn invalid() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "what it sends is not D-Bus")
}

#[cfg(test)]
mod tests;
