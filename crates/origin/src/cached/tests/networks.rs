//! What is remembered by network, and for whom the manager is asked.

use std::net::IpAddr;

use super::*;
use crate::{ByNetwork, Network};

/// Names a node by the first octet of the asker's address, after 100 ms, and keeps who asked.
struct Regional {
    nodes: Vec<Origin>,
    askers: Mutex<Vec<Option<IpAddr>>>,
}

impl Source for Regional {
    fn ask<'a>(
        &'a self,
        lookup: &'a Lookup,
        asker: Asker,
    ) -> BoxFuture<'a, Result<Candidates, LookupError>> {
        Box::pin(async move {
            self.askers.lock().unwrap().push(asker.address());
            assert!(lookup.network().is_none() || network(asker) == lookup.network());
            sleep(DELAY).await;
            let region = match asker.address() {
                Some(IpAddr::V4(address)) => usize::from(address.octets()[0]) % self.nodes.len(),
                _ => 0,
            };
            Ok(Candidates::new(vec![self.nodes[region].clone()]).unwrap())
        })
    }
}

fn network(asker: Asker) -> Option<Network> {
    ByNetwork::Auto.network(Api::V2, asker)
}

fn player(address: [u8; 4]) -> (Asker, Lookup) {
    let asker = Asker::at(IpAddr::from(address));
    (asker, lookup(Role::Play).of_network(network(asker)))
}

async fn regional() -> (Arc<Regional>, Cached) {
    let regional = Arc::new(Regional {
        nodes: join_all((1..=2).map(node)).await,
        askers: Mutex::default(),
    });
    let health = Health::new(&Nodes::default(), Metrics::default());
    let (tasks, metrics) = (TaskTracker::new(), Metrics::default());
    let config = config::Lookup::default();
    let cached = Cached::new(regional.clone(), config, health, tasks, metrics);
    (regional, cached)
}

#[tokio::test(start_paused = true)]
async fn each_network_has_an_answer_of_its_own_and_its_first_client_is_named() {
    let (regional, cached) = regional().await;
    let players = [[20, 1, 0, 1], [21, 1, 0, 1], [20, 1, 9, 9], [21, 1, 7, 7]];
    let asks = players.map(|address| {
        let (cached, (asker, lookup)) = (cached.clone(), player(address));
        async move { cached.locate(&lookup, asker, Purpose::Session).await }
    });
    let answers = join_all(asks).await;
    let firsts: Vec<Origin> = answers
        .into_iter()
        .map(|answer| answer.unwrap().iter().next().unwrap().clone())
        .collect();
    let (one, two) = (node(1).await, node(2).await);
    assert_eq!(firsts, [one.clone(), two.clone(), one, two]);
    let askers = regional.askers.lock().unwrap().clone();
    let expected = [[20, 1, 0, 1], [21, 1, 0, 1]].map(|address| Some(IpAddr::from(address)));
    assert_eq!(askers, expected);
}

#[tokio::test(start_paused = true)]
async fn a_refresh_is_for_a_client_of_the_same_network() {
    let (regional, cached) = regional().await;
    for _ in 0..20 {
        for address in [[20, 1, 0, 1], [21, 1, 0, 1]] {
            let (asker, lookup) = player(address);
            let answer = cached.locate(&lookup, asker, Purpose::Session).await;
            let first = answer.unwrap().iter().next().unwrap().clone();
            assert_eq!(first, node(address[0] - 19).await);
        }
        pass(Duration::from_millis(300)).await;
        sleep(Duration::from_millis(1)).await;
    }
    let asked = regional.askers.lock().unwrap().len();
    assert!((6..=40).contains(&asked), "{asked}");
}

#[tokio::test(start_paused = true)]
async fn a_burst_of_ten_thousand_players_of_two_hundred_networks() {
    let (regional, cached) = regional().await;
    let asks = (0..10_000_u16).map(|number| {
        let network = u8::try_from(number % 200).unwrap();
        let [high, low] = (number / 200).to_be_bytes();
        let (asker, lookup) = player([20 + network, 1, high, low]);
        let cached = cached.clone();
        async move {
            let answer = cached.locate(&lookup, asker, Purpose::Session).await;
            (network, answer.unwrap().iter().next().unwrap().clone())
        }
    });
    let nodes = [node(1).await, node(2).await];
    for (network, first) in join_all(asks).await {
        assert_eq!(first, nodes[usize::from(network % 2)]);
    }
    let asked = regional.askers.lock().unwrap().len();
    println!("{asked} questions for 10000 players of 200 networks at once");
    // 50 players a network, 32 to an answer.
    assert!((400..=600).contains(&asked), "{asked}");
    assert_eq!((cached.0.lookups.len(), cached.len()), (0, 200));
}
