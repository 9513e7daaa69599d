//! Which addresses may be connected to?
//!
//! The addresses that are checked are those that are connected to: names go through [`Resolver`], so that a name server
//! cannot return a public address for the check and a private one for the connection.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper_util::client::legacy::connect::dns::{GaiResolver, Name};
use tower_service::Service;

use super::error::{BoxError, ConnectError, Problem};
use super::origin::is_loopback;

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

/// Which addresses requests may be sent to. A server must not make this program attack the network that this machine is
/// in by naming an address in it. Cloud metadata addresses are in no scope: there the credentials of the machine are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum AddressScope {
    /// Every address: for the address that the user gave, and for what a server on this machine names.
    Any,
    /// Every address but those of this machine: for what a server in a private network names.
    Network,
    /// Only public addresses: for what a public server names.
    Public,
}

impl AddressScope {
    /// The scope for addresses that a server at this address names.
    pub(super) fn around(server: IpAddr) -> Self {
        let addresses = spellings(server);
        if addresses.iter().copied().any(is_public) {
            Self::Public
        } else if addresses.iter().copied().any(is_of_this_machine) {
            Self::Any
        } else {
            Self::Network
        }
    }

    /// The scope for addresses that a server names whose own address this machine does not know, because a proxy
    /// connects to it. `host`: a name or an address.
    pub(super) fn around_host(host: &str) -> Self {
        literal(host).map_or(Self::Public, Self::around)
    }

    fn admits(self, address: IpAddr) -> bool {
        spellings(address).into_iter().all(|address| match self {
            _ if is_cloud_metadata(address) => false,
            Self::Any => true,
            Self::Network => !is_of_this_machine(address) && !is_link_local(address),
            Self::Public => is_public(address),
        })
    }
}

/// The rules for addresses.
#[derive(Debug, Clone, Copy)]
pub(super) struct Admission {
    pub(super) family: Family,
    /// `None` for a proxy: the user named it, and machines without any other network have one at a link-local address.
    pub(super) address_scope: Option<AddressScope>,
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
            let hint = "omit the option, or give an address of the other family";
            return Err(ConnectError::permanent(cause, hint).of(Problem::Address));
        }
        let refused = addresses.iter().find_map(|address| self.refusal(host, address.ip()));
        addresses.retain(|address| self.admits(address.ip()));
        match refused {
            Some(error) if addresses.is_empty() => Err(error),
            _ => Ok(addresses),
        }
    }

    /// Checks a host that does not go through the [`Resolver`]: an address, or a name that a proxy resolves. Of such
    /// names only those are refused that have the same address on each machine.
    pub(super) fn check_host(self, host: &str) -> Result<(), ConnectError> {
        if let Some(address) = literal(host) {
            return self.filter(host, vec![SocketAddr::new(address, 0)]).map(drop);
        }
        match self.address_scope {
            Some(AddressScope::Network | AddressScope::Public) if is_metadata_name(host) => Err(refused(host, "")),
            _ => Ok(()),
        }
    }

    /// Checks each of these addresses, because somebody else chooses one of them: a browser that is sent to the host.
    pub(super) fn check_each(self, host: &str, addresses: &[SocketAddr]) -> Result<(), ConnectError> {
        addresses.iter().find_map(|address| self.refusal(host, address.ip())).map_or(Ok(()), Err)
    }

    fn admits(self, address: IpAddr) -> bool {
        self.address_scope.is_none_or(|scope| scope.admits(address))
    }

    fn refusal(self, host: &str, address: IpAddr) -> Option<ConnectError> {
        (!self.admits(address)).then(|| refused(host, &format!("{address}, ")))
    }
}

/// `address`: the address and a comma, if it is known.
fn refused(host: &str, address: &str) -> ConnectError {
    let cause = format!("{host} has the address {address}to which a server must not direct this program");
    let cause = if address.is_empty() { format!("a server must not direct this program to {host}") } else { cause };
    let hint =
        "only a server on this machine or in the same private network may name such an address; ask its operator";
    ConnectError::permanent(cause, hint).of(Problem::Address)
}

/// The address that a host is without a look-up.
pub(super) fn literal(host: &str) -> Option<IpAddr> {
    let bare = host.trim_matches(['[', ']']);
    bare.parse().ok().or_else(|| is_loopback(bare).then_some(IpAddr::V4(Ipv4Addr::LOCALHOST)))
}

/// Names at which clouds offer the credentials of a machine.
fn is_metadata_name(host: &str) -> bool {
    let name = host.trim_end_matches('.').to_ascii_lowercase();
    ["metadata", "metadata.google.internal", "metadata.goog", "instance-data", "instance-data.ec2.internal"]
        .contains(&name.as_str())
}

/// The address, and the IPv4 address that a connection may reach through it: a mapped address, the old compatible one,
/// a NAT64 prefix (RFC 6052, RFC 8215) or 6to4 (RFC 3056).
fn spellings(address: IpAddr) -> Vec<IpAddr> {
    let IpAddr::V6(v6) = address else { return vec![address] };
    let v4 = |high: u16, low: u16| IpAddr::V4(Ipv4Addr::from((u32::from(high) << 16) | u32::from(low)));
    match v6.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => vec![address],
        [0, 0, 0, 0, 0, 0xffff | 0, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => vec![v4(high, low)],
        [0x64, 0xff9b, 1, .., high, low] => vec![address, v4(high, low)],
        [0x2002, high, low, ..] => vec![v4(high, low)],
        _ => vec![address],
    }
}

/// Where clouds offer the credentials of a machine: link-local IPv4 addresses, and those that are not. (Amazon's IPv6
/// addresses; Google's, Scaleway's and `OpenStack`'s; Alibaba's, Oracle's and Azure's IPv4 addresses.)
fn is_cloud_metadata(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            v4.is_link_local() || matches!(v4.octets(), [100, 100, 100, 200] | [192, 0, 0, 192] | [168, 63, 129, 16])
        }
        IpAddr::V6(v6) => matches!(
            v6.segments(),
            [0xfd00, 0xec2, ..]
                | [0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254]
                | [0xfd00, 0x42, 0, 0, 0, 0, 0, 0x42]
                | [0xfe80, 0, 0, 0, 0, 0, 0xa9fe, 0xa9fe]
        ),
    }
}

/// Loopback, and the unspecified address, which leads there.
fn is_of_this_machine(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_loopback() || v4.octets()[0] == 0,
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unspecified(),
    }
}

fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    }
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
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

/// The name to look up: each name of this machine is `localhost` (RFC 6761 section 6.3). A name server must not lead
/// elsewhere what may go unencrypted because it stays on this machine; and not each system knows `a.localhost`.
fn looked_up(name: &Name) -> Name {
    let own = is_loopback(name.as_str()).then(|| "localhost".parse().ok()).flatten();
    own.unwrap_or_else(|| name.clone())
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
        let (lookup, admission) = (self.system.call(looked_up(&name)), self.admission);
        Box::pin(async move { Ok(admission.filter(name.as_str(), lookup.await?.collect())?.into_iter()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_holds_for_each_spelling_of_an_address() {
        // Whether Public, Network and Any admit the addresses, and the scope around a server there.
        for (expected, around, addresses) in [
            (
                [true, true, true],
                AddressScope::Public,
                "93.184.216.34 2606:4700::1111 ::ffff:93.184.216.34 172.32.0.1 100.128.0.1 168.63.129.17",
            ),
            (
                [false, true, true],
                AddressScope::Network,
                "10.0.0.1 172.16.0.1 172.31.255.255 192.168.1.1 100.64.0.1 224.0.0.1 255.255.255.255 fc00::1 fd12::1 \
                ff02::1 2001:db8::1 ::ffff:10.0.0.1 64:ff9b::10.0.0.1 64:ff9b:1::10.0.0.1 2002:0a00:0001::1 fd00::1",
            ),
            (
                [false, false, true],
                AddressScope::Any,
                "127.0.0.1 127.8.8.8 0.0.0.0 0.1.2.3 ::1 :: ::ffff:127.0.0.1 ::127.0.0.1 64:ff9b::127.0.0.1 2002:7f00:1::",
            ),
            ([false, false, true], AddressScope::Network, "fe80::1"),
            (
                [false, false, false],
                AddressScope::Network,
                "169.254.169.254 169.254.170.2 169.254.0.23 ::ffff:169.254.169.254 64:ff9b::169.254.169.254 \
                64:ff9b:1::169.254.169.254 ::169.254.169.254 2002:a9fe:a9fe::1 fd00:ec2::254 fd00:ec2::23 \
                100.100.100.200 ::ffff:100.100.100.200 192.0.0.192 fd20:ce::254 fd00:42::42 fe80::a9fe:a9fe",
            ),
            ([false, false, false], AddressScope::Public, "168.63.129.16 ::ffff:168.63.129.16"),
        ] {
            for address in addresses.split_whitespace() {
                let parsed = address.parse().unwrap();
                let scopes = [AddressScope::Public, AddressScope::Network, AddressScope::Any];
                let found: [bool; 3] = scopes.map(|scope| scope.admits(parsed));
                assert_eq!(found, expected, "{address} in [Public, Network, Any]");
                assert_eq!(AddressScope::around(parsed), around, "around {address}");
            }
        }
    }

    fn admission(scope: AddressScope) -> Admission {
        Admission { family: Family::Any, address_scope: Some(scope) }
    }

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[tokio::test]
    async fn every_name_of_this_machine_leads_to_it() {
        let mut resolver = Resolver::new(admission(AddressScope::Any));
        for name in ["localhost", "localhost.", "LocalHost", "a.localhost", "a.b.localhost."] {
            let found: Vec<_> = resolver.call(name.parse().unwrap()).await.expect(name).collect();
            assert!(!found.is_empty() && found.iter().all(|address| address.ip().is_loopback()), "{name}: {found:?}");
        }
    }

    #[test]
    fn the_admitted_addresses_of_a_name_are_used() {
        let public = admission(AddressScope::Public);
        let mixed = addresses(&["10.0.0.1:0", "93.184.216.34:0"]);
        assert!(public.check_each("h", &mixed).unwrap_err().cause.contains("10.0.0.1"), "a browser may choose either");
        assert!(public.check_each("h", &mixed[1..]).is_ok());
        assert_eq!(public.filter("h", mixed).unwrap(), addresses(&["93.184.216.34:0"]));
        assert!(public.filter("h", addresses(&["10.0.0.1:0"])).unwrap_err().cause.contains("10.0.0.1"));
        let v4 = Admission { family: Family::V4, address_scope: Some(AddressScope::Any) };
        assert_eq!(v4.filter("h", addresses(&["[::1]:0", "127.0.0.1:0"])).unwrap(), addresses(&["127.0.0.1:0"]));
        assert!(v4.filter("h", addresses(&["[::1]:0"])).unwrap_err().cause.contains("no IPv4 address"));
        assert!(v4.check_host("[::1]").is_err() && v4.check_host("127.0.0.1").is_ok());
        let proxy = Admission { family: Family::Any, address_scope: None };
        assert!(proxy.check_host("169.254.0.1").is_ok(), "the user named it");
    }

    #[test]
    fn a_host_that_a_proxy_would_resolve_is_checked_as_far_as_it_is_known() {
        let public = admission(AddressScope::Public);
        for host in [
            "169.254.169.254",
            "10.0.0.1",
            "[::1]",
            "[fd00:ec2::254]",
            "localhost",
            "LOCALHOST.",
            "a.localhost",
            "metadata.google.internal",
            "Metadata.Google.Internal.",
            "instance-data",
        ] {
            let error = public.check_host(host).expect_err(host);
            assert!(error.permanent && error.cause.contains(host), "{}", error.cause);
        }
        assert!(public.check_host("example.com").is_ok() && public.check_host("93.184.216.34").is_ok());
        assert!(admission(AddressScope::Any).check_host("localhost").is_ok());
        let around = |host| AddressScope::around_host(host);
        assert_eq!(around("example.com"), AddressScope::Public, "the proxy knows its address, this machine does not");
        assert_eq!((around("localhost"), around("10.0.0.1")), (AddressScope::Any, AddressScope::Network));
    }
}
