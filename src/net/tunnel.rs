//! How is a tunnel through a proxy opened? With CONNECT (RFC 9110, section 9.3.6) or SOCKS5 (RFC 1928, RFC 1929).
//!
//! Written by hand: the errors of hyper-util's tunnels do not tell why a proxy refuses, and tokio-socks does not accept
//! an empty password.

use http::StatusCode;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::error::{ConnectError, Problem};
use super::proxy::NamedProxy;
use crate::log;

/// The longest head of a response to CONNECT, in bytes.
const LONGEST_HEAD: usize = 16 * 1024;

const REFUSED_HINT: &str = "ask the proxy's operator, or use no proxy: --no-proxy, or the server's name in NO_PROXY";
const PASSWORD_HINT: &str = "give the user name and password in the proxy's address: http://USER:PASSWORD@HOST:PORT";
const SOCKS_PASSWORD_HINT: &str =
    "give the user name and password in the proxy's address: socks5h://USER:PASSWORD@HOST:PORT";
const KIND_HINT: &str = "check the proxy's address and its protocol: http://, https://, socks5:// or socks5h://";
const BASIC_HINT: &str =
    "this program supports only Basic; a local proxy such as px or cntlm can translate to the other";

/// Opens a tunnel through an HTTP proxy. After success the stream leads to the host: a name or an address (IPv6 in
/// brackets).
pub(super) async fn http_connect(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    proxy: &NamedProxy,
    host: &str,
    port: u16,
) -> Result<(), ConnectError> {
    let mut request = format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n").into_bytes();
    if let Some(value) = proxy.url.authorization() {
        request.extend_from_slice(b"Proxy-Authorization: ");
        request.extend_from_slice(value.as_bytes());
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"\r\n");
    let head = match request_head(stream, &request).await {
        Ok(head) => String::from_utf8_lossy(&head).into_owned(),
        Err(error) => {
            return Err(ConnectError::temporary(format!("{proxy} ended the connection: {error}")).of(Problem::Proxy));
        }
    };
    let status = head.strip_prefix("HTTP/1.").and_then(|rest| rest.split(' ').nth(1));
    match status.and_then(|code| StatusCode::from_bytes(code.trim_end().as_bytes()).ok()) {
        Some(status) if status.is_success() => Ok(()),
        Some(status) => {
            let headers = head.lines().filter_map(|line| line.split_once(':'));
            let challenges = headers.filter(|(name, _)| name.eq_ignore_ascii_case("proxy-authenticate"));
            Err(http_refusal(proxy, status, challenges.map(|(_, value)| value.trim())))
        }
        None => Err(ConnectError::permanent(format!("{proxy} does not answer as an HTTP proxy does"), KIND_HINT)
            .of(Problem::Proxy)),
    }
}

/// Why an HTTP proxy refuses. `challenges`: the values of its `Proxy-Authenticate`.
pub(super) fn http_refusal<'a>(
    proxy: &NamedProxy,
    status: StatusCode,
    challenges: impl Iterator<Item = &'a str>,
) -> ConnectError {
    // Some proxies (tinyproxy) answer 401 to a wrong password.
    let wants_login = matches!(status, StatusCode::PROXY_AUTHENTICATION_REQUIRED | StatusCode::UNAUTHORIZED);
    if !wants_login {
        let cause = format!("{proxy} refuses to connect to it ({status})");
        let is_temporary = matches!(status.as_u16(), 408 | 429 | 500 | 502..=504);
        let refused =
            if is_temporary { ConnectError::temporary(cause) } else { ConnectError::permanent(cause, REFUSED_HINT) };
        return refused.of(Problem::ProxyRefuses);
    }
    let code = status.as_u16();
    let schemes: Vec<_> = challenges.filter_map(|value| value.split([' ', ',']).next()).collect();
    if !schemes.is_empty() && !schemes.iter().any(|scheme| scheme.eq_ignore_ascii_case("basic")) {
        let cause = format!("{proxy} requires a login by {} ({code})", log::foreign(&schemes.join(" or ")));
        return ConnectError::permanent(cause, BASIC_HINT).of(Problem::ProxyLogin);
    }
    let cause = if proxy.url.authorization().is_some() {
        format!("{proxy} does not accept the user name and password in its address ({code})")
    } else {
        format!("{proxy} requires a user name and password ({code})")
    };
    ConnectError::permanent(cause, PASSWORD_HINT).of(Problem::ProxyLogin)
}

/// Sends a request and reads the head of the response: not a byte more, because what follows comes from the target.
async fn request_head(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), request: &[u8]) -> std::io::Result<Vec<u8>> {
    stream.write_all(request).await?;
    stream.flush().await?;
    let mut head = Vec::with_capacity(256);
    while !head.ends_with(b"\r\n\r\n") && head.len() < LONGEST_HEAD {
        head.push(stream.read_u8().await?);
    }
    Ok(head)
}

const NO_PASSWORD: u8 = 0;
const USER_AND_PASSWORD: u8 = 2;

/// Opens a tunnel through a SOCKS5 proxy. After success the stream leads to the host.
pub(super) async fn socks5(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    proxy: &NamedProxy,
    host: &str,
    port: u16,
) -> Result<(), ConnectError> {
    let broken = |error: std::io::Error| {
        ConnectError::temporary(format!("{proxy} ended the connection: {error}")).of(Problem::Proxy)
    };
    let refused = |problem: &str, hint| {
        let kind = match hint {
            SOCKS_PASSWORD_HINT => Problem::ProxyLogin,
            KIND_HINT => Problem::Proxy,
            _ => Problem::ProxyRefuses,
        };
        Err(ConnectError::permanent(format!("{proxy} {problem}"), hint).of(kind))
    };
    let credentials = proxy.url.credentials();
    let methods: &[u8] =
        if credentials.is_some() { &[5, 2, NO_PASSWORD, USER_AND_PASSWORD] } else { &[5, 1, NO_PASSWORD] };
    let [version, method] = exchange(stream, methods).await.map_err(broken)?;
    match (version, method, credentials) {
        (5, NO_PASSWORD, _) => {}
        (5, USER_AND_PASSWORD, Some((user, password))) => {
            let login = [&[1][..], &length_prefixed(user), &length_prefixed(password)].concat();
            let [_, status] = exchange(stream, &login).await.map_err(broken)?;
            if status != 0 {
                return refused("does not accept the user name and password in its address", SOCKS_PASSWORD_HINT);
            }
        }
        (5, _, None) => return refused("requires a user name and password", SOCKS_PASSWORD_HINT),
        (5, ..) => return refused("does not accept a login with user name and password", REFUSED_HINT),
        _ => return refused("does not answer as a SOCKS5 proxy does", KIND_HINT),
    }
    let request = [&[5, 1, 0][..], &address(host), &port.to_be_bytes()].concat();
    let [_, status, _, kind] = exchange(stream, &request).await.map_err(broken)?;
    let temporary =
        |problem: &str| Err(ConnectError::temporary(format!("{proxy} {problem}")).of(Problem::ProxyRefuses));
    // RFC 1928, section 6.
    match status {
        0 => skip_bound_address(stream, kind).await.map_err(broken),
        2 => refused("does not allow connections to it", REFUSED_HINT),
        3 => temporary("cannot reach the server's network"),
        4 => temporary("finds no such host, or cannot reach it"),
        5 => temporary("reports that the server refuses connections"),
        6 => temporary("reports that the server is too many hops away"),
        7 | 8 => refused("cannot connect to this kind of address", REFUSED_HINT),
        _ => temporary("cannot connect to the server"),
    }
}

/// Sends a SOCKS message and reads a reply of `N` bytes.
async fn exchange<const N: usize>(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    request: &[u8],
) -> std::io::Result<[u8; N]> {
    stream.write_all(request).await?;
    stream.flush().await?;
    let mut reply = [0; N];
    stream.read_exact(&mut reply).await?;
    Ok(reply)
}

/// A text after its length in one byte. A longer user name or password was refused when the proxy's address was read;
/// a host name is never longer.
fn length_prefixed(text: &str) -> Vec<u8> {
    let bytes = &text.as_bytes()[..text.len().min(255)];
    [&[u8::try_from(bytes.len()).unwrap_or(u8::MAX)], bytes].concat()
}

fn address(host: &str) -> Vec<u8> {
    match host.trim_matches(['[', ']']).parse() {
        Ok(std::net::IpAddr::V4(v4)) => [&[1][..], &v4.octets()].concat(),
        Ok(std::net::IpAddr::V6(v6)) => [&[4][..], &v6.octets()].concat(),
        Err(_) => [&[3][..], &length_prefixed(host)].concat(),
    }
}

async fn skip_bound_address(stream: &mut (impl AsyncRead + Unpin), kind: u8) -> std::io::Result<()> {
    let length = match kind {
        1 => 4,
        4 => 16,
        _ => usize::from(stream.read_u8().await?),
    };
    let mut rest = vec![0; length + 2];
    stream.read_exact(&mut rest).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn socks_addresses_are_of_three_kinds() {
        assert_eq!(address("10.0.0.1"), [1, 10, 0, 0, 1]);
        assert_eq!(address("[::1]")[..2], [4, 0]);
        assert_eq!(address("a.example"), [&[3, 9], &b"a.example"[..]].concat());
    }
}
