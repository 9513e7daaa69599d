//! A proxy under the test's control: it connects every request to the one address that the test names.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// How a proxy behaves.
#[derive(Clone)]
pub(crate) enum ProxyBehavior {
    /// CONNECT; requires this `Proxy-Authorization`, if one is given.
    Connect(Option<&'static str>),
    /// Every CONNECT is answered with this head.
    Refuses(&'static str),
    /// SOCKS5; requires this user name and password, if they are given.
    Socks(Option<(&'static str, &'static str)>),
    /// SOCKS5; every connection fails with this status.
    SocksRefuses(u8),
    /// CONNECT over TLS.
    Tls(Arc<ServerConfig>),
    /// Accepts connections and never responds.
    Silent,
}

/// A proxy on its own port.
pub(crate) struct Proxy {
    address: String,
    targets: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    /// `to`: the address that every tunnel connects to, as `host:port`.
    pub(crate) fn start(behavior: ProxyBehavior, to: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let targets = Arc::new(Mutex::new(Vec::new()));
        let (targets_seen, to) = (Arc::clone(&targets), to.to_owned());
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (behavior, targets_seen, to) = (behavior.clone(), Arc::clone(&targets_seen), to.clone());
                std::thread::spawn(move || serve(client, &behavior, &targets_seen, &to));
            }
        });
        Self { address, targets }
    }

    /// `host:port`.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// The requested targets, one `host:port` for each valid request.
    pub(crate) fn targets(&self) -> Vec<String> {
        self.targets.lock().unwrap().clone()
    }
}

fn serve(mut client: TcpStream, behavior: &ProxyBehavior, targets_seen: &Mutex<Vec<String>>, to: &str) -> Option<()> {
    match behavior {
        ProxyBehavior::Connect(password) => {
            let target = connect(&mut client, *password)?;
            targets_seen.lock().unwrap().push(target);
            client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").ok()?;
        }
        ProxyBehavior::Refuses(head) => {
            read_head(&mut client)?;
            client.write_all(head.as_bytes()).ok()?;
            return None;
        }
        ProxyBehavior::Socks(password) => {
            let target = socks(&mut client, *password)?;
            targets_seen.lock().unwrap().push(target);
            client.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).ok()?;
        }
        ProxyBehavior::SocksRefuses(status) => {
            socks(&mut client, None)?;
            return client.write_all(&[5, *status, 0, 1, 0, 0, 0, 0, 0, 0]).ok();
        }
        ProxyBehavior::Tls(config) => {
            let mut client = StreamOwned::new(ServerConnection::new(Arc::clone(config)).unwrap(), client);
            let target = connect(&mut client, None)?;
            targets_seen.lock().unwrap().push(target);
            client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").ok()?;
            return relay_tls(client, TcpStream::connect(to).ok()?);
        }
        ProxyBehavior::Silent => {
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

/// The target of a CONNECT request with the right password.
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

fn read_array<const N: usize>(client: &mut TcpStream) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    client.read_exact(&mut bytes).ok().map(|()| bytes)
}

fn read_counted(client: &mut TcpStream) -> Option<Vec<u8>> {
    let [length] = read_array(client)?;
    let mut bytes = vec![0; usize::from(length)];
    client.read_exact(&mut bytes).ok().map(|()| bytes)
}

/// The target of a SOCKS5 request with the right password.
fn socks(client: &mut TcpStream, password: Option<(&str, &str)>) -> Option<String> {
    let [5] = read_array(client)? else { return None };
    let offered = read_counted(client)?;
    let method = if password.is_some() { 2 } else { 0 };
    if !offered.contains(&method) {
        client.write_all(&[5, 0xff]).ok()?;
        return None;
    }
    client.write_all(&[5, method]).ok()?;
    if let Some((user, password)) = password {
        let [1] = read_array(client)? else { return None };
        let given = (read_counted(client)?, read_counted(client)?);
        let right = given == (user.as_bytes().to_vec(), password.as_bytes().to_vec());
        client.write_all(&[1, u8::from(!right)]).ok()?;
        right.then_some(())?;
    }
    let [5, 1, 0, kind] = read_array(client)? else { return None };
    let host = match kind {
        1 => std::net::Ipv4Addr::from(read_array::<4>(client)?).to_string(),
        3 => String::from_utf8(read_counted(client)?).ok()?,
        _ => std::net::Ipv6Addr::from(read_array::<16>(client)?).to_string(),
    };
    Some(format!("{host}:{}", u16::from_be_bytes(read_array(client)?)))
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

/// A TLS stream cannot be split between two threads, so both directions are polled in turn.
fn relay_tls(mut client: StreamOwned<ServerConnection, TcpStream>, mut server: TcpStream) -> Option<()> {
    let poll_interval = Some(Duration::from_millis(2));
    client.sock.set_read_timeout(poll_interval).ok()?;
    server.set_read_timeout(poll_interval).ok()?;
    let mut bytes = [0; 16 * 1024];
    loop {
        let length = bytes_read(client.read(&mut bytes))?;
        server.write_all(&bytes[..length]).ok()?;
        let length = bytes_read(server.read(&mut bytes))?;
        client.write_all(&bytes[..length]).ok()?;
        client.flush().ok()?;
    }
}

/// The number of bytes read so far; `None` at the end.
fn bytes_read(read: std::io::Result<usize>) -> Option<usize> {
    match read {
        Ok(0) => None,
        Ok(length) => Some(length),
        Err(error) if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => Some(0),
        Err(_) => None,
    }
}
