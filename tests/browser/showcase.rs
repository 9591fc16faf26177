//! What the demo page shows others: the delay, who is live, the link for a phone, the status page,
//! and one's own Stream Manager behind it.

use whipstitch_demo::{Demo, Options};
use whipstitch_minicluster::{Cluster, Config as ClusterConfig};
use whipstitch_signaling::Api;

use crate::{
    ONE,
    chrome::Browser,
    demo,
    page::{Page, Source, Transport},
    publish_and_play,
};

#[tokio::test]
async fn the_delay_is_read_from_the_picture() {
    let _one = ONE.lock().await;
    let (demo, browser) = (demo().await, Browser::start().await);
    let url = demo.https_url();
    let page = Page::open(&browser, &url, "glass", Transport::Http, Source::Generated).await;
    publish_and_play(&page).await;
    page.until("Number(play.dataset.glass) > 0").await;
    let words = page.text("play", "glass").await;
    assert!(words.ends_with(" ms"), "{words}");
    browser.console_is_quiet().await;
    browser.close().await;
    demo.stop().await;
}

/// The strip survives scaling and compression, and what it does not survive it does not misread.
#[tokio::test]
async fn the_strip_is_read_scaled_and_compressed_and_never_wrongly() {
    let _one = ONE.lock().await;
    let (demo, browser) = (demo().await, Browser::start().await);
    let page = Page::at(&browser, &demo.https_url()).await;
    let script = "const done = arguments[0];
        const run = async () => {
          const { age, decode, draw, encode, read, reader } = await import('/js/strip.js');
          const { drawCard } = await import('/js/card.js');
          const pen = reader();
          const canvas = (width, height) => Object.assign(document.createElement('canvas'), { width, height });
          const card = canvas(960, 540);
          for (let n = 0; n < 40; n += 1) {
            const time = 1_700_000_000_000 + n * 987_654_321;
            drawCard(card.getContext('2d'), 960, 540, new Date(time), n);
            for (const [width, height] of [[1280, 720], [960, 540], [480, 270], [320, 180]]) {
              const scaled = canvas(width, height);
              scaled.getContext('2d').drawImage(card, 0, 0, width, height);
              const blob = await new Promise((resolve) => scaled.toBlob(resolve, 'image/jpeg', 0.3));
              const found = read(pen, await createImageBitmap(blob), width, height);
              if (found === null || age(time + 77, found) !== 77) return `${time} at ${width}: ${found}`;
            }
            const levels = encode(time).map((white) => (white ? 235 : 16));
            for (let cell = 0; cell < 32; cell += 1) {
              const turned = levels.map((level, at) => (at === cell ? 251 - level : level));
const found = decode(turned);
              if (found !== null && (found !== decode(levels) || (cell > 1 && cell < 30))) return `misread with cell ${cell}`;
              if (decode(levels.map((level, at) => (at === cell ? 125 : level))) !== null && cell > 1 && cell < 30) return `grey: ${cell}`;
            }
          }
          if (decode(Array(32).fill(0)) !== null || decode(Array(32).fill(255)) !== null) return 'no strip';
          if (age(1_000, 2_000) !== null) return 'from the future';
          return 'all read';
        };
        run().then(done, (error) => done(String(error)));";
    assert_eq!(page.told(script).await, "all read");
    browser.close().await;
    demo.stop().await;
}

#[tokio::test]
async fn shows_who_is_live_and_links_the_status_page() {
    let _one = ONE.lock().await;
    for api in [Api::V1, Api::V2] {
        let options = Options {
            api,
            ..Options::free_ports()
        };
        let demo = Demo::start(options).await.expect("the demo starts");
        let browser = Browser::start().await;
        let url = demo.https_url();
        let page = Page::open(&browser, &url, "shown", Transport::Http, Source::Generated).await;
        page.until("streams.children.length === 0 && document.getElementById('streams-empty').textContent.includes('No stream')")
            .await;
        page.press("publish").await;
        page.wait_for("publish", "live").await;
        page.until("streams.textContent.includes('live/shown')")
            .await;
        page.click("#streams button").await;
        page.wait_for("play", "live").await;
        page.until("streams.textContent.includes('1 viewer')").await;
        page.until("!document.getElementById('status-page').hidden")
            .await;
        let link = page
            .value("document.getElementById('status-page').href")
            .await;
        assert_eq!(link, format!("{}/", demo.admin_url()));
        browser.console_is_quiet().await;
        page.click("#status-page").await;
        let tabs = browser.client.windows().await.expect("the tabs");
        let status = tabs.last().expect("a tab of its own").clone();
        let switched = browser.client.switch_to_window(status).await;
        switched.expect("the status page");
        page.until("document.title.includes('Whipstitch')").await;
        browser.close().await;
        demo.stop().await;
    }
}

#[tokio::test]
async fn the_share_link_and_its_code_lead_to_a_page_that_plays() {
    let _one = ONE.lock().await;
    let (demo, browser) = (demo().await, Browser::start().await);
    let url = demo.https_url();
    let page = Page::open(&browser, &url, "shared", Transport::Http, Source::Generated).await;
    page.press("publish").await;
    page.wait_for("publish", "live").await;
    page.click("#share-open").await;
    let code = "const done = arguments[0];
        const code = document.getElementById('share-code');
        code.decode().then(() => done(`${code.naturalWidth > 0}`), (error) => done(String(error)));";
    assert_eq!(page.told(code).await, "true", "the code is a picture");
    let hint = page
        .value("document.getElementById('share-hint').textContent")
        .await;
    assert!(hint.as_str().expect("text").contains("--address"), "{hint}");
    let link = page
        .value("document.getElementById('share-link').value")
        .await;
    let link = link.as_str().expect("a link").to_owned();
    page.click("#share-close").await;

    let second = browser.client.new_window(true).await.expect("a second tab");
    let client = &browser.client;
    client.switch_to_window(second.handle).await.expect("it");
    let phone = Page::at(&browser, &link).await;
    phone.wait_for("play", "live").await;
    phone.wait_for_frames("play", 5).await;
    let shown = phone
        .value("getComputedStyle(document.getElementById('publish')).display")
        .await;
    assert_eq!(shown, "none", "it only plays");
    browser.close().await;
    demo.stop().await;
}

/// `--stream-manager`: the same page, and nothing to kill.
#[tokio::test]
async fn the_page_publishes_and_plays_through_ones_own_manager() {
    let _one = ONE.lock().await;
    let browser = Browser::start().await;
    for api in [Api::V1, Api::V2] {
        let cluster = Cluster::start(ClusterConfig::default())
            .await
            .expect("a cluster");
        let options = Options {
            stream_manager: Some(cluster.manager_url()),
            api,
            ..Options::free_ports()
        };
        let environment = [
            ("WHIPSTITCH_ALLOW_NODES", "127.0.0.0/8".to_owned()),
            ("WHIPSTITCH_NODE_PORT", cluster.node_port().to_string()),
        ];
        let environment = environment.map(|(name, value)| (name.into(), value.into()));
        let demo = Demo::start_in(options, environment.into())
            .await
            .expect("the demo starts");
        for transport in [Transport::Http, Transport::Socket] {
            let url = demo.https_url();
            let page = Page::open(&browser, &url, "own", transport, Source::Generated).await;
            publish_and_play(&page).await;
            page.until("streams.textContent.includes('live/own')").await;
            assert_eq!(
                page.value("document.getElementById('nodes-part').hidden")
                    .await,
                true
            );
            for role in ["play", "publish"] {
                page.press(role).await;
                page.wait_for(role, "idle").await;
            }
        }
        demo.stop().await;
        cluster.shutdown().await;
    }
    browser.console_is_quiet().await;
    browser.close().await;
}
