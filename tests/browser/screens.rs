//! The demo page by keyboard, on a phone, and in screenshots.

use std::{fs, path::PathBuf};

use crate::{
    ONE,
    chrome::{Browser, Theme},
    demo,
    page::{Page, Source, Transport},
    publish_and_play,
};

#[tokio::test]
async fn works_by_keyboard_and_on_a_phone() {
    let _one = ONE.lock().await;
    let (demo, browser) = (demo().await, Browser::start().await);
    browser.screen(360, 740, Theme::Light).await;
    let page = Page::open(
        &browser,
        &demo.https_url(),
        "phone",
        Transport::Http,
        Source::Camera,
    )
    .await;
    assert_eq!(page.overflow().await, 0, "no horizontal scroll before");

    // The link to the status page is there by then.
    page.until("!document.getElementById('around').hidden")
        .await;
    // By Tab, Space and Enter alone, starting at the top of the page.
    page.keys(&["\u{e004}"; 12]).await;
    page.keys(&[" "]).await;
    page.wait_for("publish", "live").await;
    page.keys(&["\u{e004}", "\u{e007}"]).await;
    page.wait_for("play", "live").await;
    page.wait_for_frames("play", 10).await;
    assert_eq!(
        page.overflow().await,
        0,
        "no horizontal scroll with everything shown"
    );
    assert!(
        page.unlabelled().await.is_empty(),
        "every control has a name: {:?}",
        page.unlabelled().await
    );
    browser.console_is_quiet().await;
    browser.close().await;
    demo.stop().await;
}

#[tokio::test]
async fn screenshots_for_people_to_look_at() {
    let _one = ONE.lock().await;
    let (demo, browser) = (demo().await, Browser::start().await);
    let page = Page::open(
        &browser,
        &demo.https_url(),
        "demo",
        Transport::Http,
        Source::Generated,
    )
    .await;
    publish_and_play(&page).await;
    page.wait_for_frames("play", 90).await;
    for (name, width, theme) in [
        ("light", 1280, Theme::Light),
        ("dark", 1280, Theme::Dark),
        ("phone", 360, Theme::Light),
        ("phone-dark", 360, Theme::Dark),
    ] {
        browser.screen(width, 800, theme).await;
        browser.screen(width, page.height().await, theme).await;
        shoot(&browser, name).await;
    }
    browser.close().await;

    let browser = Browser::start().await;
    browser.screen(1280, 900, Theme::Light).await;
    let page = Page::open(
        &browser,
        &demo.https_url(),
        "missing",
        Transport::Http,
        Source::Generated,
    )
    .await;
    shoot(&browser, "idle").await;
    page.press("play").await;
    page.wait_for("play", "waiting").await;
    browser
        .screen(1280, page.height().await, Theme::Light)
        .await;
    shoot(&browser, "trouble").await;
    browser.close().await;
    demo.stop().await;
}

pub(crate) async fn shoot(browser: &Browser, name: &str) {
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).with_file_name("screenshots");
    fs::create_dir_all(&directory).expect("a directory for screenshots");
    browser.pointer_away().await;
    let picture = browser.client.screenshot().await.expect("a screenshot");
    fs::write(directory.join(name).with_extension("png"), picture)
        .expect("the screenshot is written");
}
