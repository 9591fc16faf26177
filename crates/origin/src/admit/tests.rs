use std::{net::Ipv4Addr, sync::Arc};

use futures_util::FutureExt;
use proptest::prelude::*;

use super::*;
use crate::{
    BaseUrl,
    resolve::fake::{Fake, Said, ips, said},
};

fn config(allow: &[&str]) -> Nodes {
    Nodes {
        allow: allow.iter().map(|net| net.parse().unwrap()).collect(),
        ..Nodes::default()
    }
}

fn gate(allow: &[&str]) -> AllowedOrigins {
    AllowedOrigins::new(&config(allow), Metrics::default())
}

/// For IP addresses: nothing is waited for.
fn at_once(gate: &AllowedOrigins, claim: Claim<'_>) -> Result<Origin, Refusal> {
    gate.admit(claim).now_or_never().expect("no wait")
}

fn client(host: &str) -> Claim<'_> {
    Claim::client(host)
}

/// What is dialled, or why nothing is.
fn dialled(gate: &AllowedOrigins, claim: Claim<'_>) -> Result<String, Refusal> {
    at_once(gate, claim).map(|origin| origin.addr().to_string())
}

#[tokio::test]
async fn a_client_reaches_only_what_the_manager_named() {
    let gate = gate(&[]);
    assert_eq!(dialled(&gate, client("10.0.0.7")), Err(Refusal::Unknown));
    at_once(&gate, Claim::Manager("10.0.0.7")).unwrap();
    let origin = at_once(&gate, client("10.0.0.7")).unwrap();
    assert_eq!(
        (origin.addr().to_string(), origin.authority().as_str()),
        ("10.0.0.7:5080".into(), "10.0.0.7:5080")
    );
    assert_eq!(origin.named().to_string(), "10.0.0.7");
    assert_eq!(dialled(&gate, client("10.0.0.8")), Err(Refusal::Unknown));
    assert!(dialled(&gate, Claim::Session("10.0.0.8".parse().unwrap())).is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_name_given_long_ago_counts_no_more() {
    let gate = gate(&[]);
    at_once(&gate, Claim::Manager("10.0.0.7")).unwrap();
    tokio::time::advance(Duration::from_secs(599)).await;
    assert!(at_once(&gate, client("10.0.0.7")).is_ok());
    tokio::time::advance(Duration::from_secs(2)).await;
    assert_eq!(dialled(&gate, client("10.0.0.7")), Err(Refusal::Unknown));
}

#[tokio::test]
async fn new_nodes_are_admitted_however_many_there_were() {
    let gate = gate(&[]);
    let name = |number: u32| Ipv4Addr::from(0x0a00_0000 + number).to_string();
    for number in 0..20_000 {
        gate.hear(&name(number)).unwrap();
    }
    gate.named.run_pending_tasks();
    assert!(gate.named.entry_count() <= MAX_NAMED);
    for number in 20_000..20_100 {
        gate.hear(&name(number)).unwrap();
        assert!(at_once(&gate, client(&name(number))).is_ok());
    }
}

#[tokio::test]
async fn special_addresses_stay_shut_whoever_names_them() {
    let gate = gate(&["192.168.0.0/16", "0.0.0.0/0", "::/0"]);
    for address in [
        "0.0.0.0",
        "127.0.0.1",
        "169.254.169.254",
        "224.0.0.1",
        "255.255.255.255",
        "100.100.100.200",
        "::",
        "::1",
        "::127.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "fe80::1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "2001::1",
        "fd00:ec2::254",
        "::ffff:0:127.0.0.1",
    ] {
        let session = Claim::Session(address.parse().unwrap());
        for claim in [Claim::Manager(address), client(address), session] {
            assert_eq!(dialled(&gate, claim), Err(Refusal::Special), "{claim:?}");
        }
        assert_eq!(gate.hear(address), Err(Refusal::Special), "{address}");
    }
}

#[tokio::test]
async fn a_configured_network_opens_even_loopback() {
    let gate = gate(&["127.0.0.0/8", "10.1.0.0/16"]);
    for address in ["127.0.0.2", "::ffff:127.0.0.2", "10.1.2.3"] {
        assert!(at_once(&gate, client(address)).is_ok(), "{address}");
    }
    assert_eq!(dialled(&gate, client("10.2.0.1")), Err(Refusal::Unknown));
    assert_eq!(dialled(&gate, client("::1")), Err(Refusal::Special));
}

#[tokio::test]
async fn an_address_is_written_in_one_way() {
    let gate = gate(&["0.0.0.0/0", "::/0"]);
    for address in [
        "",
        "10.0.0.7:5080",
        "10.0.0.7/",
        "user@10.0.0.7",
        "10.0.0.7.",
        " 10.0.0.7",
        "010.0.0.7",
        "0x0a.0.0.7",
        "10.7",
        "167772167",
        "[10.0.0.7]",
        "[::1",
        "[::1]:5080",
        "[::1].",
        "fe80::1%eth0",
        "10.0.0.7\0",
        "１０.0.0.7",
        "10.0.0.7#",
        "10.0.0.256",
    ] {
        assert_eq!(
            dialled(&gate, client(address)),
            Err(Refusal::NotAnAddress),
            "{address:?}"
        );
    }
    // As it stands in a URL.
    assert_eq!(dialled(&gate, client("[::1]")), Err(Refusal::Special));
    assert!(at_once(&gate, client("[2620:fe::7]")).is_ok());
    assert_eq!(
        dialled(&gate, client("localhost")),
        Err(Refusal::NotAnAddress)
    );
    assert_eq!(
        dialled(&gate, Claim::Manager("localhost")),
        Err(Refusal::Name)
    );
}

#[tokio::test]
async fn our_own_listeners_are_no_nodes_unless_written_out() {
    let listeners =
        ["10.0.0.1:5080", "0.0.0.0:5080", "10.0.0.2:8443"].map(|addr| addr.parse().unwrap());
    let shut = gate(&["10.0.0.0/24", "127.0.0.0/8"]).listening_on(listeners.to_vec());
    for own in ["10.0.0.1", "127.0.0.1", "::ffff:127.0.0.1"] {
        let session = Claim::Session(own.parse().unwrap());
        for claim in [Claim::Manager(own), client(own), session] {
            assert_eq!(dialled(&shut, claim), Err(Refusal::Ours), "{own}");
        }
    }
    // Another port, and another machine.
    for other in ["10.0.0.2", "10.0.0.3"] {
        assert!(dialled(&shut, client(other)).is_ok(), "{other}");
    }
    let open = gate(&["10.0.0.1/32", "127.0.0.1/32", "::1/128"]).listening_on(listeners.to_vec());
    for own in ["10.0.0.1", "127.0.0.1", "::1"] {
        assert!(dialled(&open, client(own)).is_ok(), "{own}");
    }
    let mapped = AllowedOrigins::new(
        &Nodes {
            map: vec!["203.0.113.7=10.0.0.1".parse().unwrap()],
            ..Nodes::default()
        },
        Metrics::default(),
    );
    assert_eq!(
        dialled(
            &mapped.listening_on(listeners.to_vec()),
            Claim::Manager("203.0.113.7")
        ),
        Err(Refusal::Ours)
    );
}

/// A gate for `.nodes.example.com` and these networks.
fn by_name(fake: &Arc<Fake>, allow: &[&str]) -> AllowedOrigins {
    let nodes = Nodes {
        allow_names: vec![".nodes.example.com".parse().unwrap()],
        ..config(allow)
    };
    AllowedOrigins::new(&nodes, Metrics::default()).resolving_with(fake.resolver())
}

const NAME: &str = "a.nodes.example.com";

#[tokio::test(start_paused = true)]
async fn a_name_is_resolved_once_and_one_of_its_addresses_is_dialled() {
    let fake = Fake::new([said("10.0.0.1 10.0.0.2"), said("127.0.0.1")]);
    let gate = by_name(&fake, &[]);
    let origin = gate.admit(Claim::Manager(NAME)).await.unwrap();
    assert_eq!(origin.addr().to_string(), "10.0.0.1:5080");
    assert_eq!(origin.authority().as_str(), "10.0.0.1:5080");
    assert_eq!(fake.times_asked(), 1);
    // The second answer is another one: what is dialled is what was checked, and it is checked each
    // time.
    assert_eq!(gate.admit(client(NAME)).await, Err(Refusal::Special));
    assert_eq!(fake.times_asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn every_answer_has_to_pass() {
    for answer in [
        "10.0.0.1 127.0.0.1",
        "169.254.169.254 10.0.0.1",
        "10.0.0.1 ::1",
        "2001:db8::1 ::ffff:127.0.0.1",
        "10.0.0.1 64:ff9b::7f00:1",
    ] {
        let gate = by_name(&Fake::new([said(answer)]), &["0.0.0.0/0", "::/0"]);
        for claim in [Claim::Manager(NAME), client(NAME)] {
            assert_eq!(gate.admit(claim).await, Err(Refusal::Special), "{answer}");
        }
    }
    let mixed = by_name(&Fake::new([said("10.0.0.1 2001:db8::1")]), &[]);
    assert!(mixed.admit(Claim::Manager(NAME)).await.is_ok());
    let ours = vec!["10.0.0.2:5080".parse().unwrap()];
    let gate = by_name(&Fake::new([said("10.0.0.1 10.0.0.2")]), &[]).listening_on(ours);
    assert_eq!(gate.admit(Claim::Manager(NAME)).await, Err(Refusal::Ours));
}

#[tokio::test(start_paused = true)]
async fn only_names_that_are_configured_are_resolved() {
    let fake = Fake::new([said("10.0.0.1")]);
    let gate = by_name(&fake, &["10.0.0.0/8"]);
    for name in [
        "localhost",
        "nodes.example.com",
        "a.nodes.example.com.evil.org",
        "anodes.example.com",
    ] {
        for claim in [Claim::Manager(name), client(name)] {
            assert_eq!(gate.admit(claim).await, Err(Refusal::Name), "{name}");
        }
        assert_eq!(gate.hear(name), Err(Refusal::Name));
    }
    assert_eq!(fake.times_asked(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_client_names_only_what_the_manager_named_or_a_network_holds() {
    let fake = Fake::new([said("10.0.0.1")]);
    let gate = by_name(&fake, &[]);
    assert_eq!(gate.admit(client(NAME)).await, Err(Refusal::Unknown));
    assert_eq!(fake.times_asked(), 0, "the manager does not vouch for it");
    gate.hear("A.Nodes.Example.com").unwrap();
    assert_eq!(fake.times_asked(), 0, "what is only heard is not resolved");
    assert!(gate.admit(client(NAME)).await.is_ok());

    let gate = by_name(&Fake::new([said("10.0.0.1 10.0.0.2")]), &["10.0.0.0/24"]);
    assert!(gate.admit(client(NAME)).await.is_ok());
    let gate = by_name(&Fake::new([said("10.0.0.1 10.0.1.1")]), &["10.0.0.0/24"]);
    assert_eq!(gate.admit(client(NAME)).await, Err(Refusal::Unknown));
}

#[tokio::test(start_paused = true)]
async fn a_name_that_is_not_resolved_in_time_is_refused() {
    let late = Said::After(Duration::from_secs(20), ips("10.0.0.1"));
    for answer in [said(""), late] {
        let gate = by_name(&Fake::new([answer]), &[]);
        let asked = Instant::now();
        assert_eq!(
            gate.admit(Claim::Manager(NAME)).await,
            Err(Refusal::Unresolved)
        );
        assert!(asked.elapsed() <= Duration::from_secs(1));
        // It was named, but its address is unknown: that it could be is not remembered.
        assert_eq!(gate.admit(client(NAME)).await, Err(Refusal::Unknown));
    }
}

#[tokio::test(start_paused = true)]
async fn strangers_names_that_hang_keep_no_node_from_being_found() {
    let late = || Said::After(Duration::from_secs(30), ips("10.0.0.9"));
    let fake = Fake::new((0..4).map(|_| late()).chain([said("10.0.0.1")]));
    let gate = by_name(&fake, &["10.0.0.0/24"]);
    let names: Vec<String> = (0..40).map(|n| format!("n{n}.nodes.example.com")).collect();
    let claims = names.iter().map(|name| gate.admit(client(name)));
    for decided in futures_util::future::join_all(claims).await {
        assert_eq!(decided, Err(Refusal::Unresolved));
    }
    assert_eq!(fake.times_asked(), 4);
    assert!(gate.admit(Claim::Manager(NAME)).await.is_ok());
    // What the manager has named is no stranger's.
    fake.say([said("10.0.0.1")]);
    assert!(gate.admit(client(NAME)).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn an_origin_knows_the_name_it_was_named_by() {
    let gate = by_name(&Fake::new([said("10.0.0.1")]), &[]);
    let origin = gate.admit(Claim::Manager("A.nodes.example.com")).await;
    assert_eq!(origin.unwrap().name(), Some(NAME));
    let origin = gate.admit(Claim::Manager("10.0.0.1")).await.unwrap();
    assert_eq!(origin.name(), None);
}

fn manager(url: &str, fake: &Arc<Fake>) -> ManagerAddress {
    ManagerAddress::new(BaseUrl::parse(url).unwrap(), fake.resolver())
}

#[tokio::test(start_paused = true)]
async fn the_manager_itself_is_no_node_unless_written_out() {
    for url in ["http://10.0.0.1:5080", "http://sm.example.com:5080"] {
        let fake = Fake::new([said("10.0.0.1 10.0.0.2")]);
        let shut = gate(&["10.0.0.0/24"]).apart_from(manager(url, &fake));
        let session = Claim::Session("10.0.0.1".parse().unwrap());
        for claim in [
            Claim::Manager("10.0.0.1"),
            client("::ffff:10.0.0.1"),
            session,
        ] {
            assert_eq!(shut.admit(claim).await, Err(Refusal::Ours), "{url}");
        }
        assert!(shut.admit(client("10.0.0.3")).await.is_ok());
        let by_name = url.contains("sm.");
        assert_eq!(shut.admit(client("10.0.0.2")).await.is_err(), by_name);
        let fake = Fake::new([said("10.0.0.1 10.0.0.2")]);
        let open = gate(&["10.0.0.1/32"]).apart_from(manager(url, &fake));
        assert!(open.admit(client("10.0.0.1")).await.is_ok());
    }
    // Its machine may be a node's at another port.
    let fake = Fake::new([]);
    let other = gate(&["10.0.0.0/24"]).apart_from(manager("http://10.0.0.1", &fake));
    assert!(dialled(&other, client("10.0.0.1")).is_ok());
}

#[tokio::test]
async fn no_mapping_leads_to_a_special_address_that_was_not_meant() {
    let gate = |entry: &str| {
        let nodes = Nodes {
            map: vec![entry.parse().unwrap()],
            dial_private: true,
            ..Nodes::default()
        };
        AllowedOrigins::new(&nodes, Metrics::default())
    };
    let wide = gate("192.0.0.0/3=96.0.0.0/3");
    assert_eq!(
        dialled(&wide, Claim::Manager("203.0.113.7")),
        Ok("107.0.113.7:5080".into())
    );
    assert_eq!(
        dialled(&wide, Claim::Manager("223.0.0.1")),
        Err(Refusal::Special),
        "127.0.0.1"
    );
    for (entry, public, private) in [
        ("203.0.113.7=127.0.0.1", "203.0.113.7", "127.0.0.1:5080"),
        (
            "203.0.113.0/24=127.0.0.0/24",
            "203.0.113.9",
            "127.0.0.9:5080",
        ),
    ] {
        let meant = gate(entry);
        assert_eq!(dialled(&meant, Claim::Manager(public)), Ok(private.into()));
    }
}

fn mapped(dial_private: bool) -> AllowedOrigins {
    let nodes = Nodes {
        map: vec![
            "198.51.100.0/24=10.1.2.0/24".parse().unwrap(),
            "198.51.100.7=10.0.0.7".parse().unwrap(),
        ],
        dial_private,
        ..Nodes::default()
    };
    AllowedOrigins::new(&nodes, Metrics::default())
}

#[tokio::test]
async fn the_private_address_is_dialled_and_the_public_one_is_judged() {
    let gate = mapped(true);
    let origin = at_once(&gate, Claim::Manager("198.51.100.7")).unwrap();
    assert_eq!(
        (origin.addr().to_string(), origin.named().to_string()),
        ("10.0.0.7:5080".into(), "198.51.100.7".into())
    );
    assert_eq!(origin.authority().as_str(), "10.0.0.7:5080");
    assert_eq!(
        dialled(&gate, client("198.51.100.7")),
        Ok("10.0.0.7:5080".into())
    );
    assert_eq!(
        dialled(&gate, client("10.0.0.7")),
        Err(Refusal::Unknown),
        "private is not public"
    );
    assert_eq!(
        dialled(&gate, client("198.51.100.8")),
        Err(Refusal::Unknown)
    );
    assert_eq!(
        dialled(&gate, Claim::Manager("198.51.100.8")),
        Ok("10.1.2.8:5080".into())
    );
    assert_eq!(
        dialled(&gate, Claim::Session("198.51.100.7".parse().unwrap())),
        Ok("10.0.0.7:5080".into())
    );
}

#[tokio::test]
async fn or_only_when_a_client_asks_for_it() {
    let gate = mapped(false);
    assert_eq!(
        dialled(&gate, Claim::Manager("198.51.100.7")),
        Ok("198.51.100.7:5080".into())
    );
    assert_eq!(
        dialled(&gate, client("198.51.100.7")),
        Ok("198.51.100.7:5080".into())
    );
    let private = Claim::Client {
        host: "198.51.100.7",
        private: true,
    };
    assert_eq!(dialled(&gate, private), Ok("10.0.0.7:5080".into()));
    let unknown = Claim::Client {
        host: "198.51.100.9",
        private: true,
    };
    assert_eq!(dialled(&gate, unknown), Err(Refusal::Unknown));
}

proptest! {
    #[test]
    fn what_is_admitted_is_what_is_dialled(
        bytes: [u8; 16], v4: bool, private: bool, shuffled in "[0-9a-f:.%\\[\\]]{0,40}", target: u8,
    ) {
        let nodes = Nodes {
            map: vec![format!("{target}.0.0.0/8=10.0.0.0/8").parse().unwrap()],
            dial_private: false,
            ..config(&["0.0.0.0/0", "::/0"])
        };
        let gate = AllowedOrigins::new(&nodes, Metrics::default());
        let ip = if v4 { IpAddr::from([bytes[0], bytes[1], bytes[2], bytes[3]]) } else { IpAddr::from(bytes) };
        for text in [ip.to_string(), shuffled] {
            if let Ok(origin) = at_once(&gate, Claim::Client { host: &text, private }) {
                let named = text.parse::<IpAddr>().unwrap().to_canonical();
                prop_assert_eq!(origin.named(), named);
                let dialled = match named {
                    IpAddr::V4(v4) if private && v4.octets()[0] == target => {
                        let [_, b, c, d] = v4.octets();
                        IpAddr::from([10, b, c, d])
                    }
                    other => other,
                };
                prop_assert_eq!(origin.addr(), SocketAddr::new(dialled, 5080));
                prop_assert_eq!(origin.authority().as_str(), origin.addr().to_string());
                prop_assert!(!named.is_loopback() && !named.is_multicast() && !named.is_unspecified());
            }
        }
    }
}
