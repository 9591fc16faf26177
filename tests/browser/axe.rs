//! The demo page as axe-core sees it: contrast, names, roles, headings.

use std::{fs, path::PathBuf};

use crate::{
    ONE,
    chrome::{Browser, Theme},
    demo,
    page::{Page, Source, Transport},
    publish_and_play,
};

/// Which rules are broken, and where; how many held.
const RUN: &str = "const done = arguments[0];
    const where = ({ nodes }) => nodes.map(({ target }) => target.join(' ')).join(', ');
    axe.run(document, { resultTypes: ['violations'] }).then(
      ({ violations, passes }) => done({ broken: violations.map((rule) => `${rule.id}: ${where(rule)}`), held: passes.length }),
      (error) => done({ broken: [String(error)], held: 0 }));";

/// axe-core's own text.
fn axe() -> String {
    let programs = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).with_file_name("programs");
    let file = programs.join("node/node_modules/axe-core/axe.min.js");
    let read = fs::read_to_string(&file);
    read.unwrap_or_else(|error| {
        panic!("{}: {error}; `cargo xtask test` fetches it", file.display())
    })
}

impl Browser {
    /// Lets axe-core look at the page as it is now.
    async fn has_no_barrier(&self, state: &str) {
        let client = &self.client;
        client
            .execute(&axe(), vec![])
            .await
            .expect("axe-core loads");
        let found = client.execute_async(RUN, vec![]).await;
        let found = found.expect("axe-core runs");
        assert_eq!(found["broken"], serde_json::json!([]), "{state}");
        let held = found["held"].as_u64().expect("a number");
        assert!(held > 20, "{state}: only {held} rules were tried");
    }
}

#[tokio::test]
async fn axe_finds_no_barrier_on_the_demo_page() {
    let _one = ONE.lock().await;
    let (demo, browser) = (demo().await, Browser::start().await);
    let url = demo.https_url();
    for (name, width, height, theme) in [
        ("light", 1280, 800, Theme::Light),
        ("dark", 1280, 800, Theme::Dark),
        ("phone", 360, 740, Theme::Dark),
    ] {
        browser.screen(width, height, theme).await;
        let page = Page::open(&browser, &url, name, Transport::Http, Source::Generated).await;
        page.until("!document.getElementById('around').hidden")
            .await;
        browser.has_no_barrier(&format!("{name}, before")).await;
        publish_and_play(&page).await;
        browser.has_no_barrier(&format!("{name}, live")).await;
        for role in ["play", "publish"] {
            page.press(role).await;
            page.wait_for(role, "idle").await;
        }
        // The error is said in words, which are legible too.
        page.press("play").await;
        page.wait_for("play", "waiting").await;
        browser.has_no_barrier(&format!("{name}, waiting")).await;
    }
    browser.close().await;
    demo.stop().await;
}
