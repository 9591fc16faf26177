//! The rules of Red5's documents for lookups, one after the other and for both generations.

use std::net::{IpAddr, Ipv4Addr};

use serde_json::Value;
use whipstitch_minicluster::{Cluster, Config, Lie, NodeConfig, Role, Stage};

use crate::client::{get, with};
use crate::media::publish;

/// One node in `us`, two in `eu`, one in `asia`; the zone `west` is `us` and `eu`.
async fn start() -> Cluster {
    let places = [
        (2, "us", Some("west")),
        (3, "eu", Some("west")),
        (4, "eu", Some("west")),
        (5, "asia", None),
    ];
    let node = |(last, region, geozone): (u8, &str, Option<&str>)| NodeConfig {
        region: region.to_owned(),
        geozone: geozone.map(ToOwned::to_owned),
        ..NodeConfig::new(IpAddr::V4(Ipv4Addr::new(127, 0, 0, last)))
    };
    let networks = [("192.0.2.0/24", "eu"), ("2001:db8::/32", "asia")];
    let networks = networks.map(|(network, region)| (network.parse().unwrap(), region.to_owned()));
    Cluster::start(Config {
        nodes: places.map(node).into(),
        networks: networks.into(),
        ..Config::default()
    })
    .await
    .unwrap()
}

/// The nodes named by their last number, or the status.
fn read(status: u16, body: &Value) -> Result<Vec<u8>, u16> {
    if status != 200 {
        let error = body.get("error").or_else(|| body.get("errorMessage"));
        assert!(error.is_some_and(Value::is_string), "{body}");
        return Err(status);
    }
    let number = |node: &Value| {
        let address = node["serverAddress"].as_str().unwrap();
        address.rsplit('.').next().unwrap().parse().unwrap()
    };
    Ok(match body {
        Value::Array(nodes) => nodes.iter().map(number).collect(),
        node => vec![number(node)],
    })
}

async fn ask(cluster: &Cluster, target: &str) -> Result<Vec<u8>, u16> {
    let answer = get(&format!("{}{target}", cluster.manager_url())).await;
    read(answer.status.as_u16(), &answer.json())
}

#[tokio::test]
async fn strict_demands_the_place_and_the_number() {
    let cluster = start().await;
    let _publisher = publish(&cluster, 0, "s").await;
    // The place, what else is asked, how many nodes are named: none is the status 404.
    for (region, rest, number) in [
        ("us", "strict=true", 1),
        ("us", "strict=true&endpoints=1", 1),
        ("us", "strict=true&endpoints=2", 0),
        ("eu", "strict=true", 1),
        ("eu", "strict=true&endpoints=2", 2),
        ("eu", "strict=true&endpoints=3", 0),
        ("mars", "strict=true", 0),
        ("us", "strict=false&endpoints=1", 1),
        ("mars", "strict=false", 1),
        ("", "strict=true", 1),
        ("", "strict=true&endpoints=4", 4),
        ("", "strict=true&endpoints=5", 0),
        ("", "endpoints=5", 4),
    ] {
        let event = "/streammanager/api/4.0/event/live";
        let streams = "/as/v1/streams/stream/default";
        for target in [
            format!("{event}/o?action=broadcast&region={region}&{rest}"),
            format!("{event}/s?action=subscribe&region={region}&{rest}"),
            format!("{streams}/publish/live/o?subgroup={region}&{rest}"),
            format!("{streams}/subscribe/live/s?subGroup={region}&{rest}"),
        ] {
            let found = ask(&cluster, &target).await;
            match number {
                0 => assert_eq!(found, Err(404), "{target}"),
                _ => assert_eq!(found.as_ref().map(Vec::len), Ok(number), "{target}"),
            }
            if rest.contains("strict=true") && region == "us" && number > 0 {
                assert_eq!(found, Ok(vec![2]), "{target}");
            }
        }
    }
    cluster.shutdown().await;
}

#[tokio::test]
async fn a_geozone_has_to_give_what_is_asked_for() {
    let cluster = start().await;
    let event = "/streammanager/api/4.0/event/live/s?action=broadcast&geozone";
    for (rest, found) in [
        ("west&endpoints=3", Ok(3)),
        ("west&endpoints=4", Err(404)),
        ("west&endpoints=3&strict=true", Ok(3)),
        ("west", Ok(1)),
        ("mars", Err(404)),
        ("west&region=us", Err(400)),
    ] {
        let asked = ask(&cluster, &format!("{event}={rest}")).await;
        assert_eq!(asked.map(|nodes| nodes.len()), found, "{rest}");
    }
    cluster.shutdown().await;
}

#[tokio::test]
async fn what_is_no_number_of_endpoints_is_a_400() {
    let cluster = start().await;
    for endpoints in ["0", "-1", "two", "", "1.5"] {
        for target in [
            "/streammanager/api/4.0/event/live/s?action=broadcast",
            "/as/v1/streams/stream/default/publish/live/s?x",
            "/as/v1/streams/stream/default/subscribe/live/s?x",
        ] {
            let target = format!("{target}&endpoints={endpoints}");
            assert_eq!(ask(&cluster, &target).await, Err(400), "{target}");
        }
    }
    cluster.shutdown().await;
}

#[tokio::test]
async fn without_a_place_the_clients_network_is_the_place() {
    let cluster = start().await;
    let _publisher = publish(&cluster, 0, "s").await;
    let regions = async |target: &str, headers: &[(&str, &str)]| {
        let url = format!("{}{target}", cluster.manager_url());
        let answer = with("GET", &url, headers, "").await;
        let nodes = read(answer.status.as_u16(), &answer.json()).unwrap();
        let region = |node| ["us", "eu", "eu", "asia"][usize::from(node - 2)];
        nodes.into_iter().map(region).collect::<Vec<_>>()
    };
    let one = "192.0.2.7";
    for (target, headers, region) in [
        (
            "publish/live/o",
            &[("x-forwarded-for", one)][..],
            Some("eu"),
        ),
        ("subscribe/live/s", &[("x-forwarded-for", one)], Some("eu")),
        (
            "publish/live/o?strict=true",
            &[("x-forwarded-for", "2001:db8::1")],
            Some("asia"),
        ),
        (
            "publish/live/o?subgroup=us",
            &[("x-forwarded-for", one)],
            Some("us"),
        ),
        (
            "publish/live/o?endpoints=4",
            &[("x-forwarded-for", "2001:db8::1, 10.0.0.1")],
            None,
        ),
        (
            "publish/live/o?endpoints=4",
            &[
                ("x-forwarded-for", "2001:db8::1"),
                ("x-forwarded-for", "10.0.0.1"),
            ],
            None,
        ),
    ] {
        let target = format!("/as/v1/streams/stream/default/{target}");
        let found = regions(&target, headers).await;
        match region {
            Some(region) => assert_eq!(found, [region], "{target} {headers:?}"),
            // The load decides which one is first, not the client.
            None => assert_eq!(found[0], "eu", "{found:?}, of equal load the next"),
        }
    }
    let event = "/streammanager/api/4.0/event/live/o?action=broadcast&endpoints=9";
    assert_eq!(
        regions(event, &[("x-forwarded-for", one)]).await,
        ["eu", "eu"]
    );
    assert_eq!(regions(event, &[]).await.len(), 4);
    cluster.shutdown().await;
}

#[tokio::test]
async fn publishers_get_origins_and_players_edges() {
    let roles = [Role::Origin, Role::Edge, Role::Transcoder];
    let nodes = roles.into_iter().zip(2..).map(|(role, last)| NodeConfig {
        role,
        ..NodeConfig::new(IpAddr::V4(Ipv4Addr::new(127, 0, 0, last)))
    });
    let cluster = Cluster::start(Config {
        nodes: nodes.collect(),
        ..Config::default()
    })
    .await
    .unwrap();
    let _publisher = publish(&cluster, 0, "s").await;
    for (target, node) in [
        ("/streammanager/api/4.0/event/live/o?action=broadcast", 2),
        ("/streammanager/api/4.0/event/live/s?action=subscribe", 3),
        ("/as/v1/streams/stream/default/publish/live/o", 2),
        ("/as/v1/streams/stream/default/subscribe/live/s", 3),
    ] {
        assert_eq!(ask(&cluster, target).await, Ok(vec![node]), "{target}");
    }
    cluster.shutdown().await;
}

#[tokio::test]
async fn a_false_answer_of_several_nodes_is_an_array() {
    let cluster = start().await;
    let event = "/streammanager/api/4.0/event/live/s?action=broadcast";
    let streams = "/as/v1/streams/stream/default/publish/live/s";
    for number in [0, 1, 3] {
        let nodes = vec!["127.0.0.9".to_owned(); number];
        cluster.manager().lie(Lie::ServerAddresses(nodes));
        for target in [event, streams] {
            assert_eq!(ask(&cluster, target).await, Ok(vec![9; number]), "{target}");
        }
    }
    cluster.shutdown().await;
}

#[tokio::test]
async fn published_streams_are_listed_by_both_generations() {
    let cluster = start().await;
    let _publisher = publish(&cluster, 0, "s").await;
    let _other = publish(&cluster, 1, "o").await;
    let base = cluster.manager_url();
    let listed = async |target: &str| {
        let answer = get(&format!("{base}{target}")).await;
        assert_eq!(answer.status, 200, "{target}");
        answer.json()
    };
    let streams = "/as/v1/streams/stream/default";
    let names = |list: &Value, key: &str| {
        let mut names: Vec<String> = list
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| entry[key].as_str().unwrap().to_owned())
            .collect();
        names.sort_unstable();
        names
    };
    let event = listed("/streammanager/api/4.0/event/list").await;
    assert_eq!(names(&event, "name"), ["o", "s"]);
    let all = listed(streams).await;
    assert_eq!(names(&all, "streamGuid"), ["live/o", "live/s"]);
    assert!(all[0].get("subscribers").is_none(), "without stats");
    assert!(all[0]["durationMs"].is_u64());
    let stats = listed(&format!("{streams}?stats=true&aggregate=false")).await;
    assert_eq!(stats[0]["subscribers"], 0);
    // A node that is not in service is left out of the list, not of the question for one stream.
    cluster.nodes()[0].set_stage(Stage::Terminating);
    assert_eq!(names(&listed(streams).await, "streamGuid"), ["live/o"]);
    let one = listed(&format!("{streams}/stream/live/s")).await;
    assert_eq!(names(&one, "streamGuid"), ["live/s"]);
    assert_eq!(one[0]["subscribers"], 0);
    for missing in [
        format!("{streams}/stream/live/none"),
        "/as/v1/streams/stream/none".to_owned(),
    ] {
        let answer = get(&format!("{base}{missing}")).await;
        assert_eq!(answer.status, 404, "{missing}");
        assert!(answer.json()["error"].is_string());
    }
    cluster.shutdown().await;
}
