//! The status page of the admin address in headless Chromium, in front of a real deployment.

use fantoccini::{Locator, elements::Element};
use futures_util::{FutureExt, future::select_all};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;
use whipstitch_minicluster::{Fault, peer::Publisher};
use whipstitch_tests::{
    Deployment, Proxy,
    stub_node::{StubNode, create_sessions},
    websocket::Dialogue,
};

use crate::{
    ONE,
    busy::Busy,
    chrome::{Browser, Theme},
    screens::shoot,
};

/// Calls back as soon as `look()` gives something; the page redraws itself at least every 2 s.
const UNTIL: &str = "
    const done = arguments[arguments.length - 1];
    const again = () => {
      const found = look();
      if (!found) return;
      observer.disconnect();
      done(found);
    };
    const observer = new MutationObserver(again);
    observer.observe(document.documentElement, { attributes: true, childList: true, subtree: true, characterData: true });
    again();
";

struct StatusPage<'a>(&'a Browser);

impl<'a> StatusPage<'a> {
    async fn open(browser: &'a Browser, proxy: &Proxy) -> Self {
        let url = format!("http://{}/", proxy.admin.addr());
        browser.client.goto(&url).await.expect("the page loads");
        Self(browser)
    }

    /// Waits until a JavaScript expression is true of the page.
    async fn until(&self, wanted: &str) {
        let script = format!("const look = () => ({wanted}); {UNTIL}");
        let found = self.0.client.execute_async(&script, vec![]).await;
        if let Err(error) = found {
            panic!(
                "{wanted}: {error}; the page says: {}",
                self.text("main").await
            );
        }
    }

    /// Waits until the verdict is this word.
    async fn until_verdict(&self, word: &str) {
        self.until(&format!(
            "document.querySelector('#verdict-word').textContent === {}",
            json!(word)
        ))
        .await;
    }

    /// Waits until the sessions table has this many rows.
    async fn until_rows(&self, table: &str, count: usize) {
        self.until(&format!(
            "document.querySelectorAll('#{table} tbody tr[data-key]').length === {count}"
        ))
        .await;
    }

    async fn text(&self, selector: &str) -> String {
        self.find(selector).await.text().await.expect("its text")
    }

    async fn find(&self, selector: &str) -> Element {
        let found = self.0.client.find(Locator::Css(selector)).await;
        found.unwrap_or_else(|error| panic!("{selector}: {error}"))
    }

    async fn click(&self, selector: &str) {
        self.find(selector)
            .await
            .click()
            .await
            .expect("it can be clicked");
    }

    /// Clicks, and confirms the dialog.
    async fn click_surely(&self, selector: &str) {
        self.click(selector).await;
        self.click("#sure[open] #sure-yes").await;
    }

    async fn number(&self, script: &str) -> u64 {
        let value: Value = self
            .0
            .client
            .execute(script, vec![])
            .await
            .expect("a value");
        value
            .as_u64()
            .unwrap_or_else(|| panic!("{script}: {value}"))
    }

    /// How many pixels the page is wider than the screen.
    async fn overflow(&self) -> u64 {
        self.number("return Math.max(0, document.documentElement.scrollWidth - innerWidth)")
            .await
    }

    async fn height(&self) -> u32 {
        let height = self
            .number("return document.documentElement.scrollHeight")
            .await;
        height.try_into().expect("a height")
    }
}

/// A bit of everything: publishers and players, over WHIP and over WebSockets, a refusal.
async fn audience(deployment: &Deployment, proxy: &Proxy) -> Vec<Dialogue> {
    for stream in ["keynote", "stage-2", "backstage"] {
        let publisher = Publisher::new().await.expect("a publisher");
        let offer = publisher.offer().await.expect("its offer");
        let target = format!("/live/whip/endpoint/{stream}");
        assert_eq!(proxy.h2.sdp("POST", &target, &offer).await.status, 201);
    }
    let mut dialogues = Vec::new();
    for id in 0..9 {
        let node = deployment.cluster.nodes()[id % 2].ip();
        let target = format!(
            "/streammanager/?id=subscriber-{id}&host={node}&app=live%2Froom{}",
            id % 3
        );
        let opened = Dialogue::open(&proxy.h1, &target).await;
        let mut dialogue = opened.expect("a WebSocket");
        dialogue.receive().await;
        dialogues.push(dialogue);
    }
    let missing = proxy
        .h2
        .sdp("POST", "/live/whep/endpoint/missing", "v=0\r\n")
        .await;
    assert_eq!(missing.problem(), "not-live");
    let metadata = "/streammanager/?id=x&host=169.254.169.254&app=live";
    assert!(Dialogue::open(&proxy.h1, metadata).await.is_err());
    dialogues
}

/// Waits until the client gets the Close.
async fn closed(dialogue: &mut Dialogue) {
    while !matches!(dialogue.next().await, Message::Close(_)) {}
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_page_shows_everything_and_its_buttons_work() {
    let _one = ONE.lock().await;
    let deployment = Deployment::start().await;
    let proxy = deployment.proxy();
    let mut dialogues = audience(&deployment, &proxy).await;
    let browser = Browser::start().await;
    let page = StatusPage::open(&browser, &proxy).await;

    page.until_verdict("Healthy").await;
    page.until_rows("sessions", 10).await;
    page.until("document.querySelector('#sessions-count').textContent === '12 sessions'")
        .await;
    page.until_rows("streams", 6).await;
    page.until("document.querySelector('#success').textContent === '100 %'")
        .await;
    // What clients were refused is no error.
    page.until("/not-live/.test(document.querySelector('#refused').textContent)")
        .await;
    page.until("/None/.test(document.querySelector('#problems').textContent)")
        .await;
    page.until_rows("nodes", 2).await;
    page.until_rows("certificates", 1).await;
    page.until("document.querySelector('#refusals').textContent.includes('169.254') || document.querySelectorAll('#refusals time').length > 1").await;
    page.until("document.querySelector('[data-series=requests] path').getAttribute('d')")
        .await;
    page.until("/answering/.test(document.querySelector('#manager').textContent)")
        .await;

    // Found, in order, and back.
    let search = page.find("#search").await;
    search.send_keys("ROOM2").await.expect("typed");
    page.until_rows("sessions", 3).await;
    page.click("#sessions th[data-sort=stream] button").await;
    page.until("document.querySelector('#sessions th[data-sort=stream]').getAttribute('aria-sort') === 'ascending'").await;

    // A session's button terminates it, and its client gets a Close.
    let key = "document.querySelector('#sessions tbody tr').dataset.key";
    let first: Value = browser
        .client
        .execute(&format!("return {key}"), vec![])
        .await
        .expect("its id");
    page.click_surely("#sessions tbody tr:first-child button")
        .await;
    page.until(&format!("{key} !== {first}")).await;
    page.until_rows("sessions", 2).await;
    let of_the_room = dialogues.iter_mut().skip(2).step_by(3);
    select_all(of_the_room.map(|dialogue| closed(dialogue).boxed())).await;
    search.clear().await.expect("cleared");
    search
        .send_keys("x\u{e003}")
        .await
        .expect("typed and taken back");
    page.until_rows("sessions", 10).await;
    page.until("document.querySelector('#sessions-count').textContent === '11 sessions'")
        .await;

    // By kind, and a stream opens into its sessions.
    page.click("#kind option[value=whip]").await;
    page.until_rows("sessions", 3).await;
    page.click("#kind option[value='']").await;
    page.click("#streams tbody tr:first-child button").await;
    page.until("document.querySelector('#of').textContent.startsWith('Only live/room')")
        .await;
    page.until_rows("sessions", 3).await;
    page.click("#of").await;
    page.until_rows("sessions", 10).await;

    // Cancelling changes nothing.
    page.click("#drain").await;
    page.click("#sure[open] button[value=no]").await;
    assert_eq!(page.text("#verdict-word").await, "Healthy");

    page.click_surely("#forget").await;
    page.until("document.querySelector('#lookups-count').textContent === '0 lookups'")
        .await;
    page.click("#reload").await;
    page.until("/certificates: unchanged/.test(document.querySelector('#notice').textContent)")
        .await;

    // The manager goes down, and the page says so in words.
    deployment.cluster.manager().fail(Fault::Refuse).await;
    let ask = async |n: usize| {
        let target = format!("/live/whep/endpoint/new-{n}");
        proxy.h2.sdp("POST", &target, "v=0\r\n").await;
    };
    ask(0).await;
    page.until_verdict("Warning").await;
    let why = page.text("#verdict-why").await;
    assert!(
        why.contains("The Stream Manager does not answer (connection refused)"),
        "{why}"
    );
    assert!(why.contains("Since "), "{why}");
    assert!(why.contains("; lookups are still sent to it."), "{why}");
    for n in 1..4 {
        ask(n).await;
    }
    page.until_verdict("Action required").await;
    let why = page.text("#verdict-why").await;
    assert!(why.contains("cached lookups are served"), "{why}");
    browser.console_is_quiet().await;

    page.click_surely("#drain").await;
    page.until("/Drain/.test(document.querySelector('#verdict-word').textContent)")
        .await;
    page.until_rows("sessions", 3).await;
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_page_on_every_screen() {
    let _one = ONE.lock().await;
    let mut busy = Busy::begin().await;
    let browser = Browser::start().await;
    let page = StatusPage::open(&browser, &busy.proxy).await;
    tokio::select! {
        () = busy.run() => unreachable!("it runs for ever"),
        () = pictures(&page) => {}
    }
    browser.close().await;
}

async fn pictures(page: &StatusPage<'_>) {
    page.until_verdict("Healthy").await;
    page.until("document.querySelectorAll('#errors time').length > 0")
        .await;
    // Enough points for a curve with ups and downs: a point is five seconds.
    for points in [4, 8, 12] {
        page.until(&format!("(document.querySelector('[data-series=sessions] path:last-child')?.getAttribute('d').match(/L/g) ?? []).length >= {points}")).await;
    }
    for (name, width, theme) in [
        ("status", 1280, Theme::Light),
        ("status-dark", 1280, Theme::Dark),
        ("status-phone", 360, Theme::Light),
        ("status-phone-dark", 360, Theme::Dark),
    ] {
        page.0.screen(width, 800, theme).await;
        assert_eq!(page.overflow().await, 0, "{name}: no horizontal scroll");
        let height = page.height().await;
        assert!(width > 360 || height <= 4 * 640, "{name}: {height} px");
        page.0.screen(width, height, theme).await;
        shoot(page.0, name).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_page_turns_over_nine_thousand_nine_hundred_sessions() {
    let _one = ONE.lock().await;
    let (deployment, node) = (Deployment::start().await, StubNode::start(31).await);
    let proxy = node.proxy(&deployment);
    let players = |room: usize| {
        (0..99)
            .map(move |id| format!("/live/room{room:02}/whep/endpoint/s?requestId=p-{room}-{id}"))
    };
    let all: Vec<_> = (0..100).flat_map(players).collect();
    create_sessions(&proxy, &all).await;
    let browser = Browser::start().await;
    let page = StatusPage::open(&browser, &proxy).await;
    page.until_rows("sessions", 10).await;
    page.until("document.querySelector('#sessions-count').textContent === '9,900 sessions'")
        .await;
    page.until("document.querySelector('#page-of').textContent === '1 of 990'")
        .await;
    page.click("#pages [data-step='1']").await;
    page.until("document.querySelector('#page-of').textContent === '2 of 990'")
        .await;
    page.until_rows("sessions", 10).await;

    // One more session of a room makes another page; when it ends, a viewer of that page does not
    // see an empty one.
    create_sessions(
        &proxy,
        &["room07-1", "room07-2"].map(|id| format!("/live/room07/whep/endpoint/s?requestId={id}")),
    )
    .await;
    page.find("#search")
        .await
        .send_keys("room07")
        .await
        .expect("typed");
    page.until("document.querySelector('#sessions-count').textContent === '101 of 9,902'")
        .await;
    for number in 2..=11 {
        page.click("#pages [data-step='1']").await;
        page.until(&format!(
            "document.querySelector('#page-of').textContent === '{number} of 11'"
        ))
        .await;
    }
    page.until_rows("sessions", 1).await;
    page.click_surely("#sessions tbody tr:first-child button")
        .await;
    page.until("document.querySelector('#page-of').textContent === '10 of 10'")
        .await;
    page.until_rows("sessions", 10).await;
    assert_eq!(node.ended(), 1);
    browser.console_is_quiet().await;
    browser.close().await;
}
