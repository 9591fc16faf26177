//! Clients for pages, from npm, in headless Chromium: a page of one origin, the proxy on another.

use http::{HeaderMap, Method};
use serde_json::{Value, json};
use whipstitch_minicluster::Config;

use crate::{chrome::Browser, page::Pages, setup::Setup};

/// A browser with the page on it.
struct Clients {
    browser: Browser,
    _pages: Pages,
}

impl Clients {
    async fn open() -> Self {
        let (pages, browser) = (Pages::serve().await, Browser::start().await);
        browser.client.goto(&pages.url()).await.expect("the page");
        Self {
            browser,
            _pages: pages,
        }
    }

    /// Calls a function of the page; returns `done`, or the reason of its failure.
    async fn ask(&self, function: &str, arguments: Vec<Value>) -> String {
        let script = format!(
            "const done = arguments[arguments.length - 1]; \
             window.{function}(...[...arguments].slice(0, -1)).then(() => done(\"done\"), (error) => done(`${{error.stack}}`));"
        );
        let result = self.browser.client.execute_async(&script, arguments).await;
        let result = result.expect("the page answers");
        result.as_str().expect("text").to_owned()
    }

    async fn call(&self, function: &str, arguments: Vec<Value>) {
        assert_eq!(self.ask(function, arguments).await, "done", "{function}");
    }

    async fn publish(&self, client: &str, setup: &Setup, stream: &str) {
        let url = setup.https(stream);
        self.call("publish", vec![json!(client), json!(url)]).await;
    }

    async fn stop(&self, role: &str) {
        self.call("stop", vec![json!(role)]).await;
    }
}

fn tokens(requests: &[HeaderMap]) -> Vec<&str> {
    let authorization = requests.iter().map(|headers| &headers["authorization"]);
    authorization.map(|value| value.to_str().unwrap()).collect()
}

async fn publishes(client: &str, stream: &str) {
    let (setup, page) = (Setup::start().await, Clients::open().await);
    page.publish(client, &setup, stream).await;
    setup.watch(stream).await;

    let posts = setup.published(&Method::POST, stream);
    assert_eq!(tokens(&posts), ["Bearer a-token"]);
    let trickled = setup.published(&Method::PATCH, stream);
    assert!(!trickled.is_empty(), "{client} sends its candidates");

    page.stop("publish").await;
    setup.is_over(stream).await;
    page.browser.console_is_quiet().await;
    page.browser.close().await;
}

/// It needs `Location`, and `ETag` if there is one, readable by a page of another origin.
#[tokio::test(flavor = "multi_thread")]
async fn whip_whep_of_medooze() {
    publishes("whip-whep", "medooze").await;
}

/// It trickles only if it finds `PATCH` in `Access-Control-Allow-Methods` of a plain `OPTIONS`, so
/// that header has to be readable too; and it sends `ETag` as a header of its requests.
#[tokio::test(flavor = "multi_thread")]
async fn whip_web_client_of_eyevinn() {
    publishes("@eyevinn/whip-web-client", "eyevinn").await;
}

/// A player plays what the same page publishes, from a node that answers its offer.
async fn plays(player: &str, stream: &str) {
    let setup = Setup::with(Config {
        whep_answers: true,
        ..Config::default()
    })
    .await;
    let page = Clients::open().await;
    page.publish("whip-whep", &setup, stream).await;
    setup.watch(stream).await;
    let url = setup.play(stream);
    page.call("play", vec![json!(player), json!(url)]).await;
    let posts = setup.played(&Method::POST, stream);
    assert_eq!(tokens(&posts), ["Bearer a-token"]);
    page.stop("play").await;
    setup.player_is_over(stream).await;
    page.stop("publish").await;
    setup.is_over(stream).await;
    // The console may report candidates that were still in flight when it stopped.
    page.browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whep_client_of_medooze_plays_from_a_node_that_answers() {
    plays("whip-whep", "medooze-answer").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn webrtc_player_of_eyevinn_plays_from_a_node_that_answers() {
    plays("@eyevinn/webrtc-player", "eyevinn-answer").await;
}

/// whip-whep 1.2.0 does not support counter-offers (`whep.js`, `view`), and says so.
#[tokio::test(flavor = "multi_thread")]
async fn whep_client_of_medooze_cannot_play_from_a_node_that_offers() {
    let (setup, page) = (Setup::start().await, Clients::open().await);
    let stream = "medooze-refused";
    page.publish("whip-whep", &setup, stream).await;
    setup.watch(stream).await;
    let arguments = vec![json!("whip-whep"), json!(setup.play(stream))];
    let result = page.ask("play", arguments).await;
    assert!(
        result.contains("Request rejected with status 406"),
        "{result}"
    );
    assert_eq!(setup.played(&Method::POST, stream).len(), 1);
    page.browser.close().await;
}

/// It treats the counter-offer as a missing codec, sends a smaller offer, and gets a 400; then it
/// leaves the offer to the node (src/adapters/WHEPAdapter.ts, `sendOffer`).
#[tokio::test(flavor = "multi_thread")]
async fn webrtc_player_of_eyevinn_plays_from_a_node_that_offers() {
    let (setup, page) = (Setup::start().await, Clients::open().await);
    let stream = "eyevinn-offered";
    page.publish("whip-whep", &setup, stream).await;
    setup.watch(stream).await;
    let player = "@eyevinn/webrtc-player";
    page.call("play", vec![json!(player), json!(setup.play(stream))])
        .await;
    let posts = setup.played(&Method::POST, stream);
    assert_eq!(tokens(&posts), ["Bearer a-token"; 2]);
    page.stop("play").await;
    // Its own session, and the one whose counter-offer it did not understand.
    setup.players_are_over(stream, 2).await;
    page.stop("publish").await;
    page.browser.close().await;
}
