//! What is published: camera, microphone, screen and test card, changed within one session.

use crate::{
    ONE,
    chrome::Browser,
    demo,
    page::{Page, Source, Transport},
    publish_and_play,
};

const TRACK: &str = "publish.querySelector('video').srcObject?.getVideoTracks()[0]";

#[tokio::test]
async fn another_picture_needs_no_other_session() {
    let _one = ONE.lock().await;
    let (demo, browser) = (demo().await, Browser::start().await);
    let url = demo.https_url();
    let page = Page::open(&browser, &url, "studio", Transport::Http, Source::Camera).await;
    publish_and_play(&page).await;
    let requests = page.asked("/live/whip/").await;

    let cameras = "document.forms.settings.elements.camera";
    page.until(&format!("{cameras}.options.length > 2")).await;
    let choose = format!(
        "(({cameras}.selectedIndex = 2), {cameras}.dispatchEvent(new Event('change', {{ bubbles: true }})), {cameras}.selectedOptions[0].text)"
    );
    let chosen = page.value(&choose).await;
    page.until(&format!("{TRACK}?.label === {chosen}")).await;

    page.click("input[value=screen]").await;
    page.until(&format!("{TRACK}?.getSettings().displaySurface"))
        .await;
    page.click("input[value=generated]").await;
    page.until("play.dataset.glass").await; // only the test card has a strip

    assert_eq!(page.asked("/live/whip/").await, requests, "one session");
    page.wait_for("publish", "live").await;
    browser.console_is_quiet().await;
    browser.close().await;
    demo.stop().await;
}

#[tokio::test]
async fn a_screen_is_published_and_its_end_ends_the_session() {
    let _one = ONE.lock().await;
    let (demo, browser) = (demo().await, Browser::start().await);
    let url = format!("{}/?stream=screen&source=screen", demo.https_url());
    let page = Page::at(&browser, &url).await;
    publish_and_play(&page).await;
    let surface = page
        .value(&format!("{TRACK}.getSettings().displaySurface"))
        .await;
    assert!(surface.is_string(), "a screen: {surface}");
    // As the browser does when its own "Stop sharing" is pressed.
    page.value(&format!("{TRACK}.dispatchEvent(new Event('ended'))"))
        .await;
    page.wait_for("publish", "idle").await;
    let words = page.text("publish", "status").await;
    assert!(words.contains("source has ended"), "{words}");
    browser.close().await;
    demo.stop().await;
}

#[tokio::test]
async fn the_microphone_is_muted_and_stays_so() {
    let _one = ONE.lock().await;
    let (demo, browser) = (demo().await, Browser::start().await);
    let url = demo.https_url();
    let page = Page::open(&browser, &url, "mute", Transport::Http, Source::Camera).await;
    let heard = "publish.querySelector('video').srcObject.getAudioTracks().map((track) => track.enabled).join()";
    page.press("publish").await;
    page.wait_for("publish", "live").await;
    assert_eq!(page.value(heard).await, "true");
    page.click("#publish [data-part=mute]").await;
    assert_eq!(page.value(heard).await, "false");
    // Another source does not speak up either.
    page.click("input[value=generated]").await;
    page.until(&format!("{TRACK}?.contentHint === 'detail'"))
        .await;
    assert_eq!(page.value(heard).await, "false");
    page.click("#publish [data-part=mute]").await;
    assert_eq!(page.value(heard).await, "true");
    browser.console_is_quiet().await;
    browser.close().await;
    demo.stop().await;
}
