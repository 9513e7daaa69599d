//! A proxy under the test's control: whatever a client asks for, it leads to the one place that the test names.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// What a proxy is like.
#[derive(Clone)]
pub(crate) enum Manner {
    /// CONNECT; with this `Proxy-Authorization` alone, if there is one.
    Connect(Option<&'static str>),
    /// Every CONNECT gets this head.
    Refuses(&'static str),
    /// SOCKS5; for this user name and password alone, if there are.
    Socks(Option<(&'static str, &'static str)>),
    /// SOCKS5, where every connection fails with this status.
    SocksRefuses(u8),
    /// CONNECT within TLS.
    Tls(Arc<ServerConfig>),
    /// Accepts connections and says nothing.
    Silent,
}

/// A proxy on a port of its own.
pub(crate) struct Proxy {
    address: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    /// `to`: where every tunnel leads, as `host:port`.
    pub(crate) fn start(manner: Manner, to: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (book, to) = (Arc::clone(&asked), to.to_owned());
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (manner, book, to) = (manner.clone(), Arc::clone(&book), to.clone());
                std::thread::spawn(move || serve(client, &manner, &book, &to));
            }
        });
        Self { address, asked }
    }

    /// `host:port`.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// What was asked for, one `host:port` or `ADDRESS:port` for each connection that was asked for rightly.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn serve(mut client: TcpStream, manner: &Manner, book: &Mutex<Vec<String>>, to: &str) -> Option<()> {
    match manner {
        Manner::Connect(password) => {
            let target = connect(&mut client, *password)?;
            book.lock().unwrap().push(target);
            client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").ok()?;
        }
        Manner::Refuses(head) => {
            read_head(&mut client)?;
            client.write_all(head.as_bytes()).ok()?;
            return None;
        }
        Manner::Socks(password) => {
            let target = socks(&mut client, *password)?;
            book.lock().unwrap().push(target);
            client.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).ok()?;
        }
        Manner::SocksRefuses(status) => {
            socks(&mut client, None)?;
            return client.write_all(&[5, *status, 0, 1, 0, 0, 0, 0, 0, 0]).ok();
        }
        Manner::Tls(config) => {
            let mut client = StreamOwned::new(ServerConnection::new(Arc::clone(config)).unwrap(), client);
            let target = connect(&mut client, None)?;
            book.lock().unwrap().push(target);
            client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").ok()?;
            return relay_tls(client, TcpStream::connect(to).ok()?);
        }
        Manner::Silent => {
            client.read_to_end(&mut Vec::new()).ok()?;
            return None;
        }
    }
    relay(&client, TcpStream::connect(to).ok()?)
}

fn read_head(client: &mut impl Read) -> Option<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        client.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    String::from_utf8(head).ok()
}

/// The target of a CONNECT, if the password is right.
fn connect(client: &mut (impl Read + Write), password: Option<&str>) -> Option<String> {
    let head = read_head(client)?;
    let given = head.lines().find_map(|line| line.strip_prefix("Proxy-Authorization: "));
    if password.is_some() && password != given {
        let refusal = "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"test\"\r\nContent-Length: 0\r\n\r\n";
        client.write_all(refusal.as_bytes()).ok()?;
        return None;
    }
    head.strip_prefix("CONNECT ")?.split(' ').next().map(str::to_owned)
}

fn take<const N: usize>(client: &mut TcpStream) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    client.read_exact(&mut bytes).ok().map(|()| bytes)
}

fn take_counted(client: &mut TcpStream) -> Option<Vec<u8>> {
    let [length] = take(client)?;
    let mut bytes = vec![0; usize::from(length)];
    client.read_exact(&mut bytes).ok().map(|()| bytes)
}

/// The target of a SOCKS5 request, if the password is right.
fn socks(client: &mut TcpStream, password: Option<(&str, &str)>) -> Option<String> {
    let [5] = take(client)? else { return None };
    let offered = take_counted(client)?;
    let method = if password.is_some() { 2 } else { 0 };
    if !offered.contains(&method) {
        client.write_all(&[5, 0xff]).ok()?;
        return None;
    }
    client.write_all(&[5, method]).ok()?;
    if let Some((user, word)) = password {
        let [1] = take(client)? else { return None };
        let given = (take_counted(client)?, take_counted(client)?);
        let right = given == (user.as_bytes().to_vec(), word.as_bytes().to_vec());
        client.write_all(&[1, u8::from(!right)]).ok()?;
        right.then_some(())?;
    }
    let [5, 1, 0, kind] = take(client)? else { return None };
    let host = match kind {
        1 => std::net::Ipv4Addr::from(take::<4>(client)?).to_string(),
        3 => String::from_utf8(take_counted(client)?).ok()?,
        _ => std::net::Ipv6Addr::from(take::<16>(client)?).to_string(),
    };
    Some(format!("{host}:{}", u16::from_be_bytes(take(client)?)))
}

fn relay(client: &TcpStream, server: TcpStream) -> Option<()> {
    let (mut from_client, mut to_client) = (client.try_clone().ok()?, client.try_clone().ok()?);
    let mut to_server = server.try_clone().ok()?;
    let mut from_server = server;
    std::thread::spawn(move || {
        std::io::copy(&mut from_client, &mut to_server).ok();
        to_server.shutdown(Shutdown::Both).ok();
    });
    std::io::copy(&mut from_server, &mut to_client).ok();
    to_client.shutdown(Shutdown::Both).ok()
}

/// A TLS stream cannot be in two hands, so its two sides are looked at in turn.
fn relay_tls(mut client: StreamOwned<ServerConnection, TcpStream>, mut server: TcpStream) -> Option<()> {
    let turn = Some(Duration::from_millis(2));
    client.sock.set_read_timeout(turn).ok()?;
    server.set_read_timeout(turn).ok()?;
    let mut bytes = [0; 16 * 1024];
    loop {
        let length = said(client.read(&mut bytes))?;
        server.write_all(&bytes[..length]).ok()?;
        let length = said(server.read(&mut bytes))?;
        client.write_all(&bytes[..length]).ok()?;
        client.flush().ok()?;
    }
}

/// How much has come by now; `None` at the end.
fn said(read: std::io::Result<usize>) -> Option<usize> {
    match read {
        Ok(0) => None,
        Ok(length) => Some(length),
        Err(error) if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => Some(0),
        Err(_) => None,
    }
}
