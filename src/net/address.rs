//! Which addresses may be connected to?
//!
//! The addresses that are checked are those that are connected to: names go through [`Resolver`], so that a name server
//! cannot return a public address for the check and a private one for the connection.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};

use http::Uri;
use hyper_util::client::legacy::connect::dns::{GaiResolver, Name};
use tower_service::Service;

use super::error::{BoxError, ConnectError};
use super::origin::{bare_host, port};

/// Which family of addresses is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// IPv4 and IPv6: the address that answers first.
    Any,
    /// Only IPv4.
    V4,
    /// Only IPv6.
    V6,
}

/// Which addresses requests may be sent to. A server must not make this program attack its own network by naming an
/// address in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressScope {
    /// Every address: the user has given it.
    Any,
    /// Every address that is not link-local: under such addresses clouds offer the credentials of a machine.
    Local,
    /// Only public addresses.
    Public,
}

impl AddressScope {
    /// The scope for addresses that this server names: public ones if the server has a public address itself, or else
    /// those of its own network too.
    pub async fn around(server: &Uri) -> Self {
        let Ok(addresses) = tokio::net::lookup_host((bare_host(server), port(server))).await else {
            return Self::Public;
        };
        let mut addresses = addresses.peekable();
        let is_public = addresses.peek().is_some() && addresses.all(|address| admits(Self::Public, address.ip()));
        if is_public { Self::Public } else { Self::Local }
    }
}

/// The rules for addresses.
#[derive(Debug, Clone, Copy)]
pub(super) struct Admission {
    pub(super) family: Family,
    pub(super) address_scope: AddressScope,
}

impl Admission {
    /// The addresses of a host that may be used: at least one, unless the host has none.
    pub(super) fn filter(self, host: &str, mut addresses: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, ConnectError> {
        let known = addresses.len();
        addresses.retain(|address| match self.family {
            Family::Any => true,
            Family::V4 => address.is_ipv4(),
            Family::V6 => address.is_ipv6(),
        });
        if addresses.is_empty() && known > 0 {
            let (family, flag) = if self.family == Family::V4 { ("IPv4", "--ipv4") } else { ("IPv6", "--ipv6") };
            let cause = format!("{host} has no {family} address, and {flag} allows no other");
            return Err(ConnectError::permanent(cause, "omit the option, or give an address of the other family"));
        }
        let refused = addresses.iter().copied().find(|address| !admits(self.address_scope, address.ip()));
        addresses.retain(|address| admits(self.address_scope, address.ip()));
        match refused {
            Some(address) if addresses.is_empty() => {
                let address = address.ip();
                let cause = format!("{host} has the address {address}, to which a server must not direct this program");
                let hint = "ask the server's operator why it names an address in a private network";
                Err(ConnectError::permanent(cause, hint))
            }
            _ => Ok(addresses),
        }
    }

    /// Checks a host that is an address itself, because such a host does not go through the [`Resolver`].
    pub(super) fn check_literal(self, host: &str) -> Result<(), ConnectError> {
        match host.trim_matches(['[', ']']).parse() {
            Ok(address) => self.filter(host, vec![SocketAddr::new(address, 0)]).map(drop),
            Err(_) => Ok(()),
        }
    }
}

fn admits(address_scope: AddressScope, address: IpAddr) -> bool {
    match (address_scope, as_v4(address)) {
        (AddressScope::Any, _) => true,
        (AddressScope::Local, Ok(v4)) => !v4.is_link_local(),
        (AddressScope::Local, Err(v6)) => !v6.is_unicast_link_local(),
        (AddressScope::Public, Ok(v4)) => is_public_v4(v4),
        (AddressScope::Public, Err(v6)) => is_public_v6(v6),
    }
}

/// The IPv4 address that a connection reaches through a mapped address, a NAT64 prefix (RFC 6052) or 6to4 (RFC 3056).
fn as_v4(address: IpAddr) -> Result<Ipv4Addr, Ipv6Addr> {
    let v6 = match address {
        IpAddr::V4(v4) => return Ok(v4),
        IpAddr::V6(v6) => v6,
    };
    let v4 = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match v6.segments() {
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => Ok(v4(high, low)),
        [0x2002, high, low, ..] => Ok(v4(high, low)),
        _ => Err(v6),
    }
}

/// Not in any of the blocks that the IANA registry calls not globally reachable (RFC 6890), nor multicast.
fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = matches!((a, b), (0 | 10 | 127 | 224.., _) | (100, 64..=127) | (169, 254) | (172, 16..=31))
        || matches!((a, b), (192, 168) | (198, 18 | 19))
        || matches!((a, b, c), (192, 0, 0 | 2) | (198, 51, 100) | (203, 0, 113));
    !special
}

/// In `2000::/3`, the only block that is assigned, and not reserved for documentation or for protocols.
fn is_public_v6(address: Ipv6Addr) -> bool {
    let [first, second, ..] = address.segments();
    first & 0xe000 == 0x2000 && !(first == 0x2001 && (second == 0xdb8 || second < 0x200))
}

/// The system's resolver, with a filter for the addresses that it returns.
#[derive(Clone)]
pub(super) struct Resolver {
    system: GaiResolver,
    admission: Admission,
}

impl Resolver {
    pub(super) fn new(admission: Admission) -> Self {
        Self { system: GaiResolver::new(), admission }
    }
}

impl Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.system.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let (lookup, admission) = (self.system.call(name.clone()), self.admission);
        Box::pin(async move { Ok(admission.filter(name.as_str(), lookup.await?.collect())?.into_iter()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_holds_for_each_spelling_of_an_address() {
        for (expected, addresses) in [
            ((true, true), "93.184.216.34 2606:4700::1111 ::ffff:93.184.216.34 172.32.0.1 100.128.0.1"),
            (
                (false, true),
                "10.0.0.1 172.16.0.1 172.31.255.255 192.168.1.1 100.64.0.1 127.0.0.1 127.8.8.8 0.0.0.0 \
                224.0.0.1 255.255.255.255 ::1 :: fc00::1 fd12::1 ff02::1 2001:db8::1 ::ffff:10.0.0.1 \
                ::ffff:127.0.0.1 ::127.0.0.1 64:ff9b::10.0.0.1 2002:0a00:0001::1",
            ),
            ((false, false), "169.254.169.254 ::ffff:169.254.169.254 64:ff9b::169.254.169.254 fe80::1"),
        ] {
            for address in addresses.split(' ') {
                let parsed = address.parse().unwrap();
                let found = (admits(AddressScope::Public, parsed), admits(AddressScope::Local, parsed));
                assert_eq!(found, expected, "{address} in (Public, Local)");
                assert!(admits(AddressScope::Any, parsed));
            }
        }
    }

    #[test]
    fn the_admitted_addresses_of_a_name_are_used() {
        let addresses =
            |texts: &[&str]| -> Vec<SocketAddr> { texts.iter().map(|text| text.parse().unwrap()).collect() };
        let any = Admission { family: Family::Any, address_scope: AddressScope::Public };
        let mixed = addresses(&["10.0.0.1:0", "93.184.216.34:0"]);
        assert_eq!(any.filter("h", mixed).unwrap(), addresses(&["93.184.216.34:0"]));
        assert!(any.filter("h", addresses(&["10.0.0.1:0"])).unwrap_err().cause.contains("10.0.0.1"));
        let v4 = Admission { family: Family::V4, address_scope: AddressScope::Any };
        assert_eq!(v4.filter("h", addresses(&["[::1]:0", "127.0.0.1:0"])).unwrap(), addresses(&["127.0.0.1:0"]));
        assert!(v4.filter("h", addresses(&["[::1]:0"])).unwrap_err().cause.contains("no IPv4 address"));
        assert!(v4.check_literal("[::1]").is_err() && v4.check_literal("127.0.0.1").is_ok());
        assert!(any.check_literal("169.254.169.254").is_err() && any.check_literal("example.com").is_ok());
    }
}
