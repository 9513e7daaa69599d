//! Which port does the callback server listen on?

use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr, TcpListener};

use socket2::{Domain, Protocol, Socket, Type};

use super::settings::CallbackSettings;

/// Other programs may connect faster than we accept. Without room the system drops the first packet of the browser's own
/// connection, which is sent again only seconds later.
const BACKLOG: i32 = 1024;

/// Why the callback server cannot listen.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CallbackError {
    #[error("the browser cannot come back after the login: {} {} in use by another program", ports(.0), if .0.len() == 1 { "is" } else { "are" })]
    Taken(Vec<u16>),
    #[error("the browser cannot come back after the login: cannot listen on {address}: {cause}")]
    Refused { address: IpAddr, cause: String },
}

impl CallbackError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Taken(_) => "end that program, or choose another port with --callback-port",
            Self::Refused { .. } => {
                "check --callback-bind and --callback-port, or sign in with `mcp-ferry login --no-browser`"
            }
        }
    }
}

fn ports(ports: &[u16]) -> String {
    let named: Vec<String> = ports.iter().map(ToString::to_string).collect();
    format!("port{} {}", if ports.len() == 1 { "" } else { "s" }, named.join(", "))
}

/// The open sockets of the callback server, all with the same port.
#[derive(Debug)]
pub(in crate::auth) struct Listener {
    pub(super) settings: CallbackSettings,
    pub(super) sockets: Vec<TcpListener>,
    pub(in crate::auth) port: u16,
}

impl Listener {
    /// Listens on the first of these ports that is free in every address family, or on any; or on `--callback-port`
    /// alone. Other programs, also those of other users, may have all of our own ports.
    pub(in crate::auth) fn bind(settings: &CallbackSettings, candidates: &[u16]) -> Result<Self, CallbackError> {
        let candidates = settings.port.map_or_else(|| [candidates, &[0]].concat(), |port| vec![port]);
        for &port in &candidates {
            if let Some((sockets, port)) = bind_all(settings, port)? {
                return Ok(Self { settings: settings.clone(), sockets, port });
            }
        }
        Err(CallbackError::Taken(candidates))
    }

    /// Whether a browser can come back to it.
    pub(in crate::auth) fn is_open(&self) -> bool {
        !self.sockets.is_empty()
    }

    /// Listens nowhere: a person brings the address that the browser ends at.
    pub(in crate::auth) fn without_sockets(settings: &CallbackSettings, candidates: &[u16]) -> Self {
        let port = settings.port.or(candidates.first().copied()).unwrap_or(80);
        Self { settings: settings.clone(), sockets: Vec::new(), port }
    }
}

/// `None` if another program has the port in one address family: the browser might connect to that program. A family
/// that the system does not have is left out.
fn bind_all(settings: &CallbackSettings, port: u16) -> Result<Option<(Vec<TcpListener>, u16)>, CallbackError> {
    let mut sockets: Vec<TcpListener> = Vec::new();
    let mut refused = None;
    let mut port = port;
    for address in settings.addresses() {
        match listen(SocketAddr::new(address, port)) {
            Ok(socket) => {
                // Port 0 means any port, but all sockets must have the same one.
                port = socket.local_addr().map_or(port, |address| address.port());
                sockets.push(socket);
            }
            // On Windows, this error is that of a reserved port.
            Err(error) if matches!(error.kind(), ErrorKind::AddrInUse | ErrorKind::PermissionDenied) => {
                return Ok(None);
            }
            Err(error) => {
                let error = CallbackError::Refused { address, cause: error.to_string() };
                if settings.bind == Some(address) {
                    return Err(error);
                }
                refused = Some(error);
            }
        }
    }
    match refused {
        Some(error) if sockets.is_empty() => Err(error),
        _ => Ok(Some((sockets, port))),
    }
}

/// Listens on one family only, without sharing the port. On Unix `SO_REUSEADDR` allows a port whose old connections are
/// in `TIME_WAIT`, but not two listeners; on Windows it would allow two, so it is not set there.
fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_families_have_the_same_port_and_no_other_program_gets_it() {
        let settings = CallbackSettings::default();
        let listener = Listener::bind(&settings, &[0]).unwrap();
        for socket in &listener.sockets {
            assert_eq!(socket.local_addr().unwrap().port(), listener.port);
        }
        let next = Listener::bind(&settings, &[listener.port]).unwrap();
        assert_ne!(next.port, listener.port, "the port of another program is not used");
        assert_eq!(settings.redirect_uri(next.port), format!("http://{}:{}/oauth/callback", settings.host, next.port));
    }

    #[test]
    fn the_user_s_port_is_the_only_one_that_is_tried() {
        let other = Listener::bind(&CallbackSettings::default(), &[0]).unwrap();
        let strict = CallbackSettings { port: Some(other.port), ..CallbackSettings::default() };
        let taken = Listener::bind(&strict, &[0]).unwrap_err();
        assert!(taken.to_string().contains(&other.port.to_string()), "{taken}");
        let port = other.port;
        drop(other);
        assert_eq!(Listener::bind(&strict, &[0]).unwrap().port, port, "a closed listener's port is free");
    }

    #[test]
    fn an_error_names_an_address_that_is_not_ours() {
        let bind = Some("192.0.2.1".parse().unwrap());
        let error = Listener::bind(&CallbackSettings { bind, ..CallbackSettings::default() }, &[0]).unwrap_err();
        assert!(error.to_string().contains("192.0.2.1"), "{error}");
    }
}
