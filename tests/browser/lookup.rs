//! The demo page with a strict lookup, as Red5's own pages make it: a region with `strict`, and a
//! transcoder. Real media before a Stream Manager of either generation.

use whipstitch_demo::{Demo, Options};
use whipstitch_signaling::Api;

use crate::{ONE, chrome::Browser, page::Page, publish_and_play};

const APIS: [Api; 2] = [Api::V1, Api::V2];
const TRANSPORTS: [&str; 2] = ["http", "socket"];

async fn demo(api: Api) -> Demo {
    let regions = ["us-east-1", "eu-west-1"];
    let options = Options {
        api,
        regions: regions.map(ToOwned::to_owned).into(),
        ..Options::free_ports()
    };
    Demo::start(options).await.expect("the demo starts")
}

async fn stop(page: &Page<'_>) {
    for role in ["play", "publish"] {
        page.press(role).await;
        page.wait_for(role, "idle").await;
    }
}

/// Each region has one node: a lookup that wants two of them would be refused.
#[tokio::test]
async fn publishes_and_plays_in_the_region_that_is_demanded() {
    let _one = ONE.lock().await;
    let browser = Browser::start().await;
    for api in APIS {
        let demo = demo(api).await;
        for transport in TRANSPORTS {
            for (region, node) in [("eu-west-1", "127.0.0.3"), ("us-east-1", "127.0.0.2")] {
                let query = format!(
                    "stream={transport}-{region}&transport={transport}&source=camera&region={region}&strict=true"
                );
                let page = Page::at(&browser, &format!("{}/?{query}", demo.https_url())).await;
                publish_and_play(&page).await;
                for role in ["publish", "play"] {
                    page.wait_for_node(role, &[node]).await;
                    let node = page.text(role, "node").await;
                    assert!(node.contains(region), "{api:?} {query}: {node}");
                }
                stop(&page).await;
            }
            let query = format!("transport={transport}&source=generated&region=mars&strict=true");
            let page = Page::at(&browser, &format!("{}/?{query}", demo.https_url())).await;
            page.press("publish").await;
            page.wait_for("publish", "failed").await;
        }
        demo.stop().await;
    }
    browser.close().await;
}

/// The transcoder makes the variant that is played only if the lookup of this very publish has
/// given it the provision.
#[tokio::test]
async fn publishes_to_a_transcoder_and_plays_what_it_makes() {
    let _one = ONE.lock().await;
    let browser = Browser::start().await;
    for api in APIS {
        let demo = demo(api).await;
        for transport in TRANSPORTS {
            for place in ["", "&region=us-east-1&strict=true"] {
                let query = format!("transport={transport}&source=camera&transcode=true{place}");
                let page = Page::at(&browser, &format!("{}/?{query}", demo.https_url())).await;
                for _ in 0..2 {
                    publish_and_play(&page).await;
                    // Without a place the last of the nodes transcodes.
                    let transcoder = if place.is_empty() {
                        "127.0.0.3"
                    } else {
                        "127.0.0.2"
                    };
                    page.wait_for_node("publish", &[transcoder]).await;
                    stop(&page).await;
                }
            }
        }
        demo.stop().await;
    }
    browser.close().await;
}
