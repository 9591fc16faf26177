//! Clients for pages, from npm, in headless Chromium: a page of one origin, the proxy on another.

use http::Method;
use serde_json::{Value, json};

use crate::{chrome::Browser, page::Pages, stage::Stage};

/// Calls a function of the page and waits for what it promises.
async fn call(browser: &Browser, function: &str, arguments: Vec<Value>) {
    let script = format!(
        "const done = arguments[arguments.length - 1]; \
         window.{function}(...[...arguments].slice(0, -1)).then(() => done(\"done\"), (error) => done(`${{error.stack}}`));"
    );
    let said = browser.client.execute_async(&script, arguments).await;
    assert_eq!(said.expect("the page answers"), "done", "{function}");
}

async fn publishes(client: &str, stream: &str) {
    let (stage, pages) = (Stage::set().await, Pages::serve().await);
    let browser = Browser::start().await;
    browser.client.goto(&pages.url()).await.expect("the page");
    let url = stage.https(stream);
    call(&browser, "publish", vec![json!(client), json!(url)]).await;
    stage.watch(stream).await;

    let posts = stage.requests(&Method::POST, stream);
    assert_eq!(posts.len(), 1);
    assert_eq!(posts[0]["authorization"], "Bearer a-token");
    let trickled = stage.requests(&Method::PATCH, stream);
    assert!(!trickled.is_empty(), "{client} sends its candidates");

    call(&browser, "stop", Vec::new()).await;
    stage.is_over(stream).await;
    browser.console_is_quiet().await;
    browser.close().await;
}

/// It needs `Location`, and `ETag` if there is one, readable by a page of another origin.
#[tokio::test(flavor = "multi_thread")]
async fn whip_whep_of_medooze() {
    publishes("whip-whep", "medooze").await;
}

/// It trickles only if it finds `PATCH` in `Access-Control-Allow-Methods` of a plain `OPTIONS`, so that header has to be
/// readable too; and it sends `ETag` as a header of its requests.
#[tokio::test(flavor = "multi_thread")]
async fn whip_web_client_of_eyevinn() {
    publishes("@eyevinn/whip-web-client", "eyevinn").await;
}
