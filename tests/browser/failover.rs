//! Nodes of the demo are killed and revived, publishers leave and return: the page comes back by
//! itself.

use serde_json::Value;

use crate::{
    ONE,
    chrome::Browser,
    demo,
    page::{Page, Source, Transport},
    publish_and_play,
};

/// The row of a node in the page's list.
fn row(node: &str) -> String {
    format!(
        "[...document.querySelectorAll('#nodes li')].find((row) => row.textContent.includes('{node}'))"
    )
}

/// Presses Kill or Revive of a node, and waits until the page shows that it is done.
async fn press(page: &Page<'_>, node: &str, state: &str) {
    let row = row(node);
    page.until(&format!("{row}?.querySelector('button')")).await;
    let at = page
        .value(&format!(
            "[...{row}.parentNode.children].indexOf({row}) + 1"
        ))
        .await;
    page.click(&format!("#nodes li:nth-child({at}) button"))
        .await;
    page.until(&format!("{row}.dataset.state === '{state}'"))
        .await;
}

/// Waits until a panel is live on another node than this one.
async fn moved(page: &Page<'_>, role: &str, from: &str) {
    page.until(&format!(
        "['live'].includes({role}.dataset.state) && {role}.dataset.node && {role}.dataset.node !== '{from}'"
    ))
    .await;
}

#[tokio::test]
async fn publisher_and_player_come_back_after_their_node_was_killed() {
    let _one = ONE.lock().await;
    let (demo, browser) = (demo().await, Browser::start().await);
    for (transport, stream) in [
        (Transport::Http, "fail-whip"),
        (Transport::Socket, "fail-socket"),
    ] {
        let url = demo.https_url();
        let page = Page::open(&browser, &url, stream, transport, Source::Generated).await;
        publish_and_play(&page).await;
        let node = page.value("publish.dataset.node").await;
        let node = node.as_str().expect("a node").to_owned();
        press(&page, &node, "dead").await;
        for role in ["publish", "play"] {
            moved(&page, role, &node).await;
        }
        page.wait_for_frames("play", 10).await;
        let words = page.text("publish", "trouble").await;
        assert!(words.contains("Back by itself"), "{transport:?}: {words}");
        press(&page, &node, "live").await;
    }
    browser.close().await;
    demo.stop().await;
}

#[tokio::test]
async fn a_player_waits_for_its_publisher_and_comes_back_with_it() {
    let _one = ONE.lock().await;
    let (demo, browser) = (demo().await, Browser::start().await);
    let url = demo.https_url();
    let page = Page::open(&browser, &url, "wait", Transport::Http, Source::Generated).await;
    page.press("play").await;
    // The 409's `Retry-After`; without it the waits would be 1, 3 and 5 s.
    page.wait_for_text("play", "status", "Trying again in 2 s")
        .await;
    for _ in 0..2 {
        page.press("publish").await;
        page.wait_for("publish", "live").await;
        page.wait_for("play", "live").await;
        page.wait_for_frames("play", 5).await;
        page.press("publish").await;
        page.wait_for("publish", "idle").await;
        page.wait_for("play", "waiting").await;
    }
    page.press("play").await;
    page.wait_for("play", "idle").await;
    browser.close().await;
    demo.stop().await;
}

/// The policy, case by case: no clock is involved.
#[tokio::test]
async fn what_is_worth_another_try_and_when() {
    let _one = ONE.lock().await;
    let (demo, browser) = (demo().await, Browser::start().await);
    let page = Page::at(&browser, &demo.https_url()).await;
    let script = "const done = arguments[0];
        import('/js/again.js').then(({ wait }) => {
          const [fresh, live] = [{ tries: 0, live: false }, { tries: 0, live: true }];
          done(JSON.stringify([
            wait('play', { notLive: true, retryAfter: 7000 }, fresh),
            wait('play', { notLive: true, retryAfter: 9e9 }, fresh),
            wait('play', { notLive: true, retryAfter: null }, { tries: 50, live: false }),
            wait('play', { status: 503, retryAfter: null }, fresh),
            wait('play', { status: 403 }, live),
            wait('publish', { status: 409 }, fresh),
            wait('publish', { status: 409 }, live),
            wait('publish', { status: 409 }, { tries: 12, live: true }),
            wait('publish', { status: 0, final: true }, live),
          ]));
        });";
    let found: Value = serde_json::from_str(&page.told(script).await).expect("JSON");
    let wanted = serde_json::json!([7000, 30000, 5000, 1000, null, null, 1000, null, null]);
    assert_eq!(found, wanted);
    browser.close().await;
    demo.stop().await;
}
