//! Is there a connection to the server? Its name, the proxy, TCP for each family of addresses, and TLS.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use super::context::Way;
use super::steps::{Failed, Steps};
use crate::doctor::{Cause, Code};
use crate::log;
use crate::net::{Problem, Route, TlsFacts, Unreachable, is_loopback};

/// The most addresses that a line lists.
const MOST_SHOWN: usize = 3;

/// A certificate with fewer days left is about to expire.
const FEW_DAYS: i64 = 14;

/// Which of a program's variables name a proxy.
const VARIABLES: [&str; 6] = ["https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"];

pub(super) async fn walk(way: &Way<'_>, steps: &mut Steps) -> Result<(), Failed> {
    steps.begin();
    let route = match way.http.route(way.server()) {
        Ok(route) => route,
        Err(error) => return Err(steps.fail("route", "no usable proxy", cause(way, &error))),
    };
    steps.note("route", described(&route));
    match &route {
        Route::Socket(_) => {
            steps.skip("name", "a socket has none");
            steps.skip("tcp", "a socket has none");
        }
        Route::Direct => {
            let addresses = look_up(way, steps).await?;
            tcp(way, &addresses, steps).await?;
        }
        Route::Proxy { address, uri, resolves_here, .. } => {
            if *resolves_here {
                look_up(way, steps).await?;
            } else {
                steps.skip("name", "the proxy looks it up");
            }
            steps.begin();
            let reached = match way.http.addresses(uri, true).await {
                Ok(addresses) => reach_one(way, &addresses).await,
                Err(error) => Err(error),
            };
            match reached {
                Ok(()) => steps.ok("tcp", format!("connected to the proxy {address}")),
                Err(error) => {
                    let error = Unreachable { problem: Problem::Proxy, ..error };
                    return Err(steps.fail("tcp", "the proxy cannot be reached", proxy_cause(way, &route, &error)));
                }
            }
        }
    }
    steps.begin();
    let opened = tokio::time::timeout(steps.time_left(), way.http.try_connection(way.server())).await;
    match opened {
        Ok(Ok(Some(facts))) => tls(way, &facts, steps),
        Ok(Ok(None)) => steps.skip("tls", "the address begins with http, so that nothing is encrypted"),
        Ok(Err(error)) if matches!(route, Route::Socket(_)) => {
            let sentence = format!("no server is reached through the socket: {}", error.cause);
            let fix = "start the server, or correct the path of the socket";
            return Err(steps.fail("tcp", "not reached", Cause::new(Code::Refused, sentence, fix)));
        }
        Ok(Err(error)) => return Err(steps.fail(step_of(error.problem), short(error.problem), cause(way, &error))),
        Err(_) => return Err(steps.too_slow("tls", &way.host)),
    }
    Ok(())
}

fn described(route: &Route) -> String {
    match route {
        Route::Socket(path) => format!("the socket {}", log::foreign_name(&path.display().to_string())),
        Route::Direct => {
            let set = VARIABLES.iter().find(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()));
            match set {
                Some(name) => format!("direct; {name} is set, but not for this server"),
                None => "direct, no proxy".to_owned(),
            }
        }
        Route::Proxy { address, named_by, .. } => format!("through the proxy {address}, from {named_by}"),
    }
}

async fn look_up(way: &Way<'_>, steps: &mut Steps) -> Result<Vec<SocketAddr>, Failed> {
    steps.begin();
    match way.http.addresses(way.server(), false).await {
        Ok(addresses) => {
            let shown: Vec<_> = addresses.iter().take(MOST_SHOWN).map(|address| address.ip().to_string()).collect();
            let more = if addresses.len() > MOST_SHOWN { ", …" } else { "" };
            let host = way.server().host().unwrap_or_default();
            if host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok() {
                steps.skip("name", "the host is an address");
            } else {
                steps.ok("name", format!("{host} is {}{more}", shown.join(", ")));
            }
            Ok(addresses)
        }
        Err(error) => {
            let code = if error.problem == Problem::Name { "not known" } else { "no address to use" };
            Err(steps.fail("name", code, cause(way, &error)))
        }
    }
}

/// One address of each family, both at once.
async fn tcp(way: &Way<'_>, addresses: &[SocketAddr], steps: &mut Steps) -> Result<(), Failed> {
    steps.begin();
    let first = |is_v6: bool| addresses.iter().find(|address| address.is_ipv6() == is_v6).copied();
    let (v4, v6) = tokio::join!(try_one(way, first(false)), try_one(way, first(true)));
    let shown = |family: &str, tried: &Option<Tried>| {
        let (result, time) = tried.as_ref()?;
        Some(match result {
            Ok(()) if addresses.len() < 2 => format!("{family} connected"),
            Ok(()) => format!("{family} connected in {} ms", time.as_millis()),
            Err(error) => format!("{family} {}", short(error.problem)),
        })
    };
    let fact: Vec<_> = [shown("IPv4", &v4), shown("IPv6", &v6)].into_iter().flatten().collect();
    let fact = fact.join(", ");
    let worked = |tried: &Option<Tried>| matches!(tried, Some((Ok(()), _)));
    let failed = |tried: &Option<Tried>| matches!(tried, Some((Err(_), _)));
    // A name for this machine has both addresses, and its servers listen at one.
    let is_here = is_loopback(way.server().host().unwrap_or_default());
    match (worked(&v4) || worked(&v6), failed(&v4) || failed(&v6)) {
        (true, true) if !is_here => {
            let (bad, good, option) = if worked(&v4) { ("IPv6", "IPv4", "--ipv4") } else { ("IPv4", "IPv6", "--ipv6") };
            let sentence = format!(
                "{bad} does not work between this machine and the server, {good} does; programs without a fallback hang"
            );
            let fix = format!("mcp-ferry doctor {} {option}", way.url);
            steps.warn("tcp", fact, Cause::new(Code::BrokenIpv6, sentence, fix));
            Ok(())
        }
        (true, _) => {
            steps.ok("tcp", fact);
            Ok(())
        }
        (false, _) => {
            let error = [v4, v6].into_iter().flatten().find_map(|(result, _)| result.err());
            let error = error.unwrap_or_else(|| Unreachable {
                problem: Problem::Name,
                cause: "the name has no address".to_owned(),
                hint: "check the spelling of the name",
            });
            Err(steps.fail("tcp", fact, cause(way, &error)))
        }
    }
}

type Tried = (Result<(), Unreachable>, Duration);

async fn try_one(way: &Way<'_>, address: Option<SocketAddr>) -> Option<Tried> {
    let begun = Instant::now();
    let result = way.http.try_tcp(address?).await;
    Some((result, begun.elapsed()))
}

/// The first address that can be reached, or the error of the first.
async fn reach_one(way: &Way<'_>, addresses: &[SocketAddr]) -> Result<(), Unreachable> {
    let mut first = None;
    for address in addresses.iter().take(2) {
        match way.http.try_tcp(*address).await {
            Ok(()) => return Ok(()),
            Err(error) => first = first.or(Some(error)),
        }
    }
    first.map_or(Ok(()), Err)
}

fn tls(way: &Way<'_>, facts: &TlsFacts, steps: &mut Steps) {
    let TlsFacts { version, name, issuer, days_left, trusted_by, is_intercepted } = facts;
    let read = if *is_intercepted { ", which reads what is sent" } else { "" };
    let fact = format!("{version}, {name} by {issuer}{read}, {days_left} days left, trusted by {trusted_by}");
    if *days_left < FEW_DAYS {
        let sentence = format!("the certificate of {} expires in {days_left} days", way.host);
        let fix = "tell the server's operator; nothing is wrong on this machine";
        steps.warn("tls", fact, Cause::new(Code::ExpiresSoon, sentence, fix));
    } else {
        steps.ok("tls", fact);
    }
}

/// The step that a connection fails at.
fn step_of(problem: Problem) -> &'static str {
    match problem {
        Problem::Proxy | Problem::ProxyLogin | Problem::ProxyRefuses | Problem::Refused | Problem::NoRoute => "tcp",
        _ => "tls",
    }
}

/// Whether the server has shown a certificate, or spoken TLS otherwise.
pub(super) fn is_about_certificate(problem: Problem) -> bool {
    matches!(
        problem,
        Problem::UnknownIssuer
            | Problem::Interceptor
            | Problem::SelfSigned
            | Problem::Expired
            | Problem::NotValidYet
            | Problem::WrongName
            | Problem::Certificate
            | Problem::ClientCertificate
            | Problem::OldTls
    )
}

/// A problem in a few words.
fn short(problem: Problem) -> &'static str {
    match problem {
        Problem::Name => "not known",
        Problem::Refused => "refused",
        Problem::TimedOut => "does not answer",
        Problem::NoRoute => "no way to it",
        Problem::Address => "excluded",
        Problem::Proxy => "the proxy fails",
        Problem::ProxyLogin => "the proxy wants a login",
        Problem::ProxyRefuses => "the proxy refuses",
        Problem::UnknownIssuer | Problem::Interceptor => "unknown authority",
        Problem::SelfSigned => "signed by itself",
        Problem::Expired => "expired",
        Problem::NotValidYet => "not valid yet",
        Problem::WrongName => "for another host",
        Problem::Certificate => "bad certificate",
        Problem::ClientCertificate => "wants a certificate of ours",
        Problem::OldTls => "too old",
        Problem::NotTls => "no TLS",
        Problem::Other => "fails",
    }
}

/// The cause of a failed connection, in a sentence.
pub(super) fn cause(way: &Way<'_>, error: &Unreachable) -> Cause {
    let host = &way.host;
    let doctor = |option: &str| format!("mcp-ferry doctor {} {option}", way.url);
    let is_here = is_loopback(way.server().host().unwrap_or_default());
    let is_direct = matches!(way.http.route(way.server()), Ok(Route::Direct));
    let set = VARIABLES.iter().find(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()));
    if let Some(name) = set.filter(|_| is_direct && !is_here)
        && matches!(error.problem, Problem::Name | Problem::Refused | Problem::TimedOut | Problem::NoRoute)
    {
        let sentence = format!(
            "{host} is not reached directly ({}); {name} names a proxy, which is not used for this server",
            short(error.problem)
        );
        return Cause::new(Code::ProxyNeeded, sentence, doctor(&format!("--proxy \"${name}\"")));
    }
    let said = |code, fix: String| Cause::new(code, error.cause.clone(), fix);
    match error.problem {
        Problem::Name => said(Code::NameUnknown, error.hint.to_owned()),
        Problem::Refused if is_here => {
            let sentence = format!("no program on this machine listens at {host}");
            Cause::new(Code::Refused, sentence, "start the server, or correct the port in the URL")
        }
        Problem::Refused => {
            let sentence =
                format!("{host} refuses connections: no program listens at that port, or a firewall refuses");
            Cause::new(Code::Refused, sentence, "check the port in the URL, and whether the server runs")
        }
        Problem::TimedOut if !is_direct => {
            let through = way.http.route(way.server()).map(|route| described(&route)).unwrap_or_default();
            let sentence = format!("{host} is not reached {through}: {}", error.cause);
            Cause::new(Code::TimedOut, sentence, doctor("--no-proxy"))
        }
        Problem::TimedOut => {
            let sentence =
                format!("{host} does not answer ({}); a firewall or a missing VPN looks like this", error.cause);
            Cause::new(Code::TimedOut, sentence, "connect to the network or VPN that the server is in, then try again")
        }
        Problem::NoRoute => {
            let sentence = format!("this machine has no way to {host}: {}", error.cause);
            Cause::new(Code::NoRoute, sentence, "check that this machine has a network, and its VPN")
        }
        Problem::Address => said(Code::AddressExcluded, error.hint.to_owned()),
        Problem::Proxy => said(Code::ProxyDown, error.hint.to_owned()),
        Problem::ProxyLogin => said(Code::ProxyLogin, doctor("--proxy http://USER:PASSWORD@HOST:PORT")),
        Problem::ProxyRefuses => said(Code::ProxyRefuses, doctor("--no-proxy")),
        Problem::UnknownIssuer => said(Code::PrivateAuthority, doctor("--ca-cert FILE")),
        Problem::SelfSigned => said(Code::SelfSigned, doctor("--ca-cert FILE")),
        Problem::Interceptor => {
            let sentence = format!("{}; it belongs to a program that reads what TLS protects", error.cause);
            Cause::new(Code::Interceptor, sentence, doctor("--ca-cert FILE"))
        }
        Problem::Expired => said(Code::Expired, "ask the server's operator to renew it".to_owned()),
        Problem::NotValidYet => {
            let sentence = format!("{}; most likely this machine's clock is wrong", error.cause);
            Cause::new(Code::WrongClock, sentence, "set this machine's clock")
        }
        Problem::WrongName => said(Code::WrongName, error.hint.to_owned()),
        Problem::Certificate => said(Code::BadCertificate, error.hint.to_owned()),
        Problem::ClientCertificate => said(Code::ClientCertificate, doctor("--client-cert FILE --client-key FILE")),
        Problem::OldTls => said(Code::OldTls, error.hint.to_owned()),
        Problem::NotTls if way.server().scheme_str() == Some("https") => {
            let plain = way.url.replacen("https://", "http://", 1);
            let allow = if is_here { "" } else { " --allow-http" };
            said(Code::NotTls, format!("mcp-ferry doctor {plain}{allow}"))
        }
        Problem::NotTls => said(Code::NotTls, error.hint.to_owned()),
        Problem::Other if error.cause.contains("handshake eof") => {
            let sentence = format!(
                "{host} closes the connection when TLS begins: it speaks no https at this port, or a firewall ends it"
            );
            Cause::new(Code::NotTls, sentence, "check the port in the URL, and whether its address begins with http://")
        }
        Problem::Other => {
            let sentence = format!("{host} cannot be reached: {}", error.cause);
            Cause::new(Code::ConnectionBroken, sentence, error.hint)
        }
    }
}

fn proxy_cause(way: &Way<'_>, route: &Route, error: &Unreachable) -> Cause {
    let Route::Proxy { address, named_by, .. } = route else { return cause(way, error) };
    let sentence = format!("the proxy {address} (from {named_by}) cannot be reached: {}", error.cause);
    let fix = format!("mcp-ferry doctor {} --no-proxy", way.url);
    Cause::new(Code::ProxyDown, sentence, fix)
}
