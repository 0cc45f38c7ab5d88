//! Which addresses a source may stand at.
//!
//! A feed can send its reader anywhere: by a redirect, or by a name that resolves to an address inside. So every
//! address is looked at when the connection is made, not when the source is described. The public internet is let
//! through; private networks and this machine only as far as the operator named them (`sources.networks`): a province's site may well
//! stand at 10.x.x.x of the private network. What a machine's own surroundings answer on, such as 169.254.169.254, is never asked.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, LazyLock};

use ipnet::IpNet;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

/// Asked by nobody, even if the operator's networks hold them: link-local ones with the metadata services of
/// clouds, and what is no single machine's address (RFC 6890).
const NEVER: &[&str] = &[
    "0.0.0.0/8",
    "100.100.100.200/32",
    "169.254.0.0/16",
    "192.0.0.192/32",
    "224.0.0.0/4",
    "240.0.0.0/4",
    "::/128",
    "fd00:ec2::254/128",
    "fe80::/10",
    "ff00::/8",
];

/// Not the public internet (RFC 6890): asked only where the operator says so.
const INSIDE: &[&str] = &[
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "2001::/23",
    "2001:db8::/32",
    "3fff::/20",
];

static NEVER_NETS: LazyLock<Vec<IpNet>> = LazyLock::new(|| nets(NEVER));
static INSIDE_NETS: LazyLock<Vec<IpNet>> = LazyLock::new(|| nets(INSIDE));

fn nets(texts: &[&str]) -> Vec<IpNet> {
    texts.iter().filter_map(|it| it.parse().ok()).collect()
}

/// An address that must not be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forbidden(pub IpAddr);

impl fmt::Display for Forbidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(ip) = self;
        if never(*ip) {
            write!(f, "it stands at {ip}, where no source may stand")
        } else {
            write!(
                f,
                "it stands at {ip}, which is not on the internet: if that is meant, name its network in sources.networks"
            )
        }
    }
}

impl std::error::Error for Forbidden {}

fn never(ip: IpAddr) -> bool {
    NEVER_NETS.iter().any(|net| net.contains(&ip))
}

/// Lets addresses through or not.
#[derive(Clone, Debug, Default)]
pub struct Guard {
    networks: Vec<IpNet>,
}

impl Guard {
    /// Lets the public internet through and these networks.
    pub fn new(networks: &[IpNet]) -> Self {
        Self { networks: networks.to_vec() }
    }

    /// Whether an address may be asked.
    pub fn check(&self, ip: IpAddr) -> Result<(), Forbidden> {
        let ip = plain(ip);
        let inside = match ip {
            IpAddr::V4(_) => INSIDE_NETS.iter().any(|net| net.contains(&ip)),
            // Of IPv6 only 2000::/3 is handed out to the internet.
            IpAddr::V6(v6) => {
                v6.segments()[0] & 0xe000 != 0x2000
                    || INSIDE_NETS.iter().any(|net| net.contains(&ip))
            }
        };
        let named = self.networks.iter().any(|net| net.contains(&ip));
        if never(ip) || (inside && !named) { Err(Forbidden(ip)) } else { Ok(()) }
    }
}

/// The IPv4 address inside an IPv6 one: mapped, translated (NAT64), or of 6to4; they end up there.
fn plain(ip: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = ip else { return ip };
    let four = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        IpAddr::V4(Ipv4Addr::new(a, b, c, d))
    };
    match v6.segments() {
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low]
            if v6 != Ipv6Addr::LOCALHOST && v6 != Ipv6Addr::UNSPECIFIED =>
        {
            four(high, low)
        }
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => four(high, low),
        _ => ip,
    }
}

/// The address an URL names by number, which nobody resolves.
pub(super) fn literal(url: &Url) -> Option<IpAddr> {
    match url.host()? {
        Host::Ipv4(ip) => Some(ip.into()),
        Host::Ipv6(ip) => Some(ip.into()),
        Host::Domain(_) => None,
    }
}

/// Resolves names to addresses that may be asked, and nothing else.
#[derive(Clone, Debug)]
pub(super) struct Resolver {
    pub(super) guard: Arc<Guard>,
    /// Host of the operator's proxy, which may stand anywhere.
    pub(super) proxy: Option<String>,
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (guard, name) = (self.guard.clone(), name.as_str().to_owned());
        let trusted = self.proxy.as_ref().is_some_and(|proxy| *proxy == name);
        Box::pin(async move {
            let found: Vec<SocketAddr> =
                tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let mut refused = None;
            let let_through: Vec<SocketAddr> = found
                .into_iter()
                .filter(|it| {
                    trusted || guard.check(it.ip()).map_err(|it| refused = Some(it)).is_ok()
                })
                .collect();
            match (let_through.is_empty(), refused) {
                (true, Some(refused)) => Err(refused.into()),
                _ => Ok(Box::new(let_through.into_iter()) as Addrs),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lets(guard: &Guard, ip: &str) -> bool {
        guard.check(ip.parse().unwrap()).is_ok()
    }

    #[test]
    fn the_internet_is_let_through_and_what_is_inside_is_not() {
        assert_eq!((NEVER_NETS.len(), INSIDE_NETS.len()), (NEVER.len(), INSIDE.len()));
        let guard = Guard::default();
        for ip in ["202.96.128.86", "8.8.8.8", "2400:3200::1", "::ffff:8.8.8.8", "64:ff9b::808:808"]
        {
            assert!(lets(&guard, ip), "{ip}");
        }
        for ip in [
            "127.0.0.1",
            "127.9.9.9",
            "10.1.2.3",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "100.64.0.1",
            "169.254.169.254",
            "100.100.100.200",
            "0.0.0.0",
            "0.1.2.3",
            "255.255.255.255",
            "224.0.0.1",
            "198.18.0.1",
            "::1",
            "::",
            "fe80::1",
            "fc00::1",
            "fd12::1",
            "ff02::1",
            "fd00:ec2::254",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b::a9fe:a9fe",
            "2002:7f00:1::",
            "2001:db8::1",
            "2001::1",
        ] {
            assert!(!lets(&guard, ip), "{ip}");
        }
    }

    #[test]
    fn the_operator_opens_networks_but_never_the_machines_own_surroundings() {
        let nets =
            ["10.0.0.0/8", "127.0.0.1/32", "0.0.0.0/0", "::/0"].map(|it| it.parse().unwrap());
        let narrow = Guard::new(&nets[..2]);
        assert!(lets(&narrow, "10.20.30.40") && lets(&narrow, "::ffff:10.20.30.40"));
        assert!(lets(&narrow, "127.0.0.1"));
        assert!(
            !lets(&narrow, "127.0.0.2") && !lets(&narrow, "192.168.0.1") && !lets(&narrow, "::1")
        );
        let wide = Guard::new(&nets);
        assert!(lets(&wide, "192.168.0.1") && lets(&wide, "::1"));
        for ip in [
            "169.254.169.254",
            "::ffff:169.254.169.254",
            "100.100.100.200",
            "fe80::1",
            "0.0.0.0",
            "fd00:ec2::254",
        ] {
            assert!(!lets(&wide, ip), "{ip}");
        }
    }

    #[tokio::test]
    async fn a_name_that_resolves_inside_is_refused_unless_it_is_the_proxys() {
        let mut resolver = Resolver { guard: Arc::new(Guard::default()), proxy: None };
        let name = || "localhost".parse::<Name>().unwrap();
        let error = resolver.resolve(name()).await.err().unwrap();
        assert!(error.downcast_ref::<Forbidden>().is_some(), "{error}");
        resolver.proxy = Some("localhost".into());
        assert!(resolver.resolve(name()).await.unwrap().next().is_some());
    }
}
