//! The demo page as the tests see it. Observers in the page wait for changes; the test does not
//! poll.

use fantoccini::{
    Locator,
    actions::{InputSource, KeyAction, KeyActions},
};
use serde_json::{Value, json};

use crate::chrome::Browser;

#[derive(Clone, Copy, Debug)]
pub(crate) enum Transport {
    Http,
    Socket,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Source {
    Camera,
    Generated,
}

pub(crate) struct Page<'a> {
    browser: &'a Browser,
}

/// Calls back once `test(panel)` gives something, or the panel shows trouble that was not waited
/// for.
const UNTIL: &str = "
    const until = (role, test, done) => {
      const panel = document.getElementById(role);
      let over = false;
      const look = () => {
        const found = !over && test(panel);
        if (!found) return;
        over = true;
        observer.disconnect();
        done(found);
      };
      const observer = new MutationObserver(look);
      observer.observe(panel, { attributes: true, childList: true, subtree: true, characterData: true });
      look();
    };
    const words = (panel) => 'failed: ' + panel.querySelector('.trouble').innerText;
";

impl<'a> Page<'a> {
    pub(crate) async fn open(
        browser: &'a Browser,
        url: &str,
        stream: &str,
        transport: Transport,
        source: Source,
    ) -> Self {
        let transport = match transport {
            Transport::Http => "http",
            Transport::Socket => "socket",
        };
        let source = match source {
            Source::Camera => "camera",
            Source::Generated => "generated",
        };
        let query = format!("stream={stream}&transport={transport}&source={source}");
        Self::at(browser, &format!("{url}/?{query}")).await
    }

    /// The page at this address.
    pub(crate) async fn at(browser: &'a Browser, url: &str) -> Self {
        browser.client.goto(url).await.expect("the page loads");
        let page = Self { browser };
        let ready = "const done = arguments[0];
            const look = () => document.documentElement.dataset.ready && done('ready');
            new MutationObserver(look).observe(document.documentElement, { attributes: true });
            look();";
        page.run_async(ready, vec![]).await;
        page
    }

    /// Clicks the panel's button: start or stop.
    pub(crate) async fn press(&self, role: &str) {
        let button = format!("#{role} button.main");
        let button = self
            .browser
            .client
            .find(Locator::Css(&button))
            .await
            .expect("the button");
        button.click().await.expect("the button can be clicked");
    }

    /// Types keys into whatever has the focus.
    pub(crate) async fn keys(&self, keys: &[&str]) {
        let mut actions = KeyActions::new("keyboard".to_owned());
        for key in keys.iter().flat_map(|key| key.chars()) {
            actions = actions
                .then(KeyAction::Down { value: key })
                .then(KeyAction::Up { value: key });
        }
        self.browser
            .client
            .perform_actions(actions)
            .await
            .expect("keys are typed");
    }

    pub(crate) async fn wait_for(&self, role: &str, state: &str) {
        let script = format!(
            "{UNTIL} const [role, state, done] = arguments;
            until(role, (panel) => panel.dataset.state === state ? state : panel.dataset.state === 'failed' && words(panel), done);"
        );
        let found = self
            .run_async(&script, vec![json!(role), json!(state)])
            .await;
        assert_eq!(found, state, "{role} waited to be {state}");
    }

    /// Waits until a JavaScript expression is true of the page, or a panel has failed.
    pub(crate) async fn until(&self, wanted: &str) {
        let script = format!(
            "const done = arguments[0];
            const look = () => {{
              if (!({wanted})) return;
              observer.disconnect();
              document.removeEventListener('loadeddata', look, true);
              done('there');
            }};
            const observer = new MutationObserver(look);
            observer.observe(document, {{ attributes: true, childList: true, subtree: true, characterData: true }});
            document.addEventListener('loadeddata', look, true);
            look();"
        );
        let found = self.browser.client.execute_async(&script, vec![]).await;
        if let Err(error) = found {
            let shown = self.run("return document.body.innerText", vec![]).await;
            panic!("{wanted}: {error}; the page says: {shown}");
        }
    }

    /// Clicks what this selector finds.
    pub(crate) async fn click(&self, selector: &str) {
        let found = self.browser.client.find(Locator::Css(selector)).await;
        let found = found.unwrap_or_else(|error| panic!("{selector}: {error}"));
        let clicked = found.click().await;
        clicked.unwrap_or_else(|error| panic!("{selector}: {error}"));
    }

    /// What a JavaScript expression is now.
    pub(crate) async fn value(&self, expression: &str) -> Value {
        self.run(&format!("return {expression}"), vec![]).await
    }

    /// What a script calls its last argument with.
    pub(crate) async fn told(&self, script: &str) -> String {
        self.run_async(script, vec![]).await
    }

    pub(crate) async fn wait_for_frames(&self, role: &str, least: u64) {
        let script = format!(
            "{UNTIL} const [role, least, done] = arguments;
            until(role, (panel) => Number(panel.dataset.frames) >= least ? 'enough' : panel.dataset.state === 'failed' && words(panel), done);"
        );
        let found = self
            .run_async(&script, vec![json!(role), json!(least)])
            .await;
        assert_eq!(found, "enough", "{role} waited for {least} frames");
    }

    /// Waits until the page names one of these nodes.
    pub(crate) async fn wait_for_node(&self, role: &str, nodes: &[&str]) {
        let script = format!(
            "{UNTIL} const [role, nodes, done] = arguments;
            until(role, (panel) => nodes.includes(panel.dataset.node) ? panel.dataset.node
              : panel.dataset.state === 'failed' && words(panel), done);"
        );
        let found = self
            .run_async(&script, vec![json!(role), json!(nodes)])
            .await;
        assert!(
            self.text(role, "node").await.contains(&found),
            "{role} waited for a node: {found}"
        );
    }

    pub(crate) async fn wait_for_text(&self, role: &str, part: &str, text: &str) {
        let script = format!(
            "{UNTIL} const [role, part, text, done] = arguments;
            until(role, (panel) => panel.querySelector(`[data-part=${{part}}]`).textContent.includes(text) ? 'there'
              : panel.dataset.state === 'failed' && words(panel), done);"
        );
        let found = self
            .run_async(&script, vec![json!(role), json!(part), json!(text)])
            .await;
        assert_eq!(found, "there", "{role} waited for {text:?} in {part}");
    }

    pub(crate) async fn text(&self, role: &str, part: &str) -> String {
        let script = "return document.querySelector(`#${arguments[0]} [data-part=${arguments[1]}]`).innerText";
        self.run(script, vec![json!(role), json!(part)])
            .await
            .as_str()
            .expect("text")
            .to_owned()
    }

    pub(crate) async fn frames(&self, role: &str) -> u64 {
        let script = "return Number(document.getElementById(arguments[0]).dataset.frames)";
        self.run(script, vec![json!(role)])
            .await
            .as_u64()
            .expect("a number")
    }

    /// What the player's video element itself says.
    pub(crate) async fn decoded_frames(&self) -> u64 {
        let script = "return document.querySelector('#play video').getVideoPlaybackQuality().totalVideoFrames";
        self.run(script, vec![]).await.as_u64().expect("a number")
    }

    /// The names of the steps shown; each one has a time.
    pub(crate) async fn steps(&self, role: &str) -> Vec<String> {
        let script = "return [...document.querySelectorAll(`#${arguments[0]} .steps li`)]
            .map((row) => / m?s$/.test(row.querySelector('.time').textContent) ? row.querySelector('.name').textContent : row.textContent)";
        let steps = self.run(script, vec![json!(role)]).await;
        steps
            .as_array()
            .expect("a list")
            .iter()
            .map(|step| step.as_str().expect("text").to_owned())
            .collect()
    }

    /// The HTTP version the page came over, as the browser names it.
    pub(crate) async fn protocol(&self) -> String {
        let script = "return performance.getEntriesByType('navigation')[0].nextHopProtocol";
        self.run(script, vec![])
            .await
            .as_str()
            .expect("text")
            .to_owned()
    }

    /// How many requests of the page have had a path that begins with this.
    pub(crate) async fn asked(&self, path: &str) -> u64 {
        let script = "return performance.getEntriesByType('resource')
            .filter((entry) => new URL(entry.name).pathname.startsWith(arguments[0])).length";
        let count = self.run(script, vec![json!(path)]).await;
        count.as_u64().expect("a number")
    }

    /// Waits until the page asks its connection for statistics, and withholds them from then on.
    pub(crate) async fn hold_figures(&self) {
        let script = "const done = arguments[0];
            const { getStats } = RTCPeerConnection.prototype;
            const held = new Promise((resolve) => { window.releaseFigures = resolve; });
            RTCPeerConnection.prototype.getStats = async function () {
              const figures = await getStats.call(this);
              done('held');
              await held;
              return figures;
            };";
        self.run_async(script, vec![]).await;
    }

    /// Releases the statistics; returns the state of this panel when it has read them.
    pub(crate) async fn release_figures(&self, role: &str) -> String {
        // Promise callbacks run before the next task.
        let script = "const [role, done] = arguments;
            window.releaseFigures();
            setTimeout(() => done(document.getElementById(role).dataset.state));";
        self.run_async(script, vec![json!(role)]).await
    }

    /// Width of the content beyond the screen, in CSS pixels.
    pub(crate) async fn overflow(&self) -> i64 {
        let script =
            "return document.documentElement.scrollWidth - document.documentElement.clientWidth";
        self.run(script, vec![]).await.as_i64().expect("a number")
    }

    /// Height of the whole content, in CSS pixels.
    pub(crate) async fn height(&self) -> u32 {
        let height = self
            .run("return document.documentElement.scrollHeight", vec![])
            .await;
        height
            .as_u64()
            .and_then(|height| u32::try_from(height).ok())
            .expect("a height")
    }

    /// Controls without a name for a screen reader.
    pub(crate) async fn unlabelled(&self) -> Vec<String> {
        let script = "return [...document.querySelectorAll('button, input, select')]
            .filter((control) => !control.textContent.trim() && !control.labels?.length && !control.ariaLabel)
            .map((control) => control.outerHTML)";
        let controls = self.run(script, vec![]).await;
        controls
            .as_array()
            .expect("a list")
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    async fn run(&self, script: &str, arguments: Vec<Value>) -> Value {
        self.browser
            .client
            .execute(script, arguments)
            .await
            .expect("the script runs")
    }

    async fn run_async(&self, script: &str, arguments: Vec<Value>) -> String {
        let shown = arguments.clone();
        let found = self.browser.client.execute_async(script, arguments).await;
        let found =
            found.unwrap_or_else(|error| panic!("no result while waiting for {shown:?}: {error}"));
        found.as_str().expect("text").to_owned()
    }
}
