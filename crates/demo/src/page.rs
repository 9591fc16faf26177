//! The page's files, held in the binary and served by the Stream Manager as its own.

use whipstitch_minicluster::Page;
use whipstitch_signaling::Api;

const HTML: &str = "text/html; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const IMAGE: &str = "image/svg+xml";

macro_rules! file {
    ($path:literal, $content_type:expr) => {
        file!($path, concat!("/", $path), $content_type)
    };
    ($file:literal, $path:expr, $content_type:expr) => {
        Page {
            path: $path,
            content_type: $content_type,
            body: include_bytes!(concat!("../page/", $file)),
        }
    };
}

/// Every file of the page in front of a Stream Manager of this generation; the first is the page
/// itself, at `/`.
#[must_use]
pub fn files(api: Api) -> Vec<Page> {
    let urls = match api {
        Api::V1 => file!("js/urls1.js", "/js/urls.js", SCRIPT),
        Api::V2 => file!("js/urls2.js", "/js/urls.js", SCRIPT),
    };
    let mut files = FILES.to_vec();
    files.push(urls);
    files
}

const FILES: &[Page] = &[
    file!("index.html", "/", HTML),
    file!("style.css", STYLE),
    file!("icon.svg", IMAGE),
    file!("js/again.js", SCRIPT),
    file!("js/around.js", SCRIPT),
    file!("js/attempt.js", SCRIPT),
    file!("js/card.js", SCRIPT),
    file!("js/devices.js", SCRIPT),
    file!("js/dialogue.js", SCRIPT),
    file!("js/generated.js", SCRIPT),
    file!("js/latency.js", SCRIPT),
    file!("js/link.js", SCRIPT),
    file!("js/main.js", SCRIPT),
    file!("js/manager.js", SCRIPT),
    file!("js/panel.js", SCRIPT),
    file!("js/peer.js", SCRIPT),
    file!("js/query.js", SCRIPT),
    file!("js/settings.js", SCRIPT),
    file!("js/share.js", SCRIPT),
    file!("js/socket.js", SCRIPT),
    file!("js/source.js", SCRIPT),
    file!("js/stats.js", SCRIPT),
    file!("js/steps.js", SCRIPT),
    file!("js/strip.js", SCRIPT),
    file!("js/trouble.js", SCRIPT),
    file!("js/view.js", SCRIPT),
    file!("js/whip.js", SCRIPT),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> impl Iterator<Item = (Api, Page)> {
        let of = |api| files(api).into_iter().map(move |file| (api, file));
        [Api::V1, Api::V2].into_iter().flat_map(of)
    }

    /// Every module that a module imports, and every file that the page names, is served.
    #[test]
    fn what_is_named_is_served() {
        for (api, file) in all() {
            let text = std::str::from_utf8(file.body).unwrap();
            let imports = text
                .split(" from \"./")
                .skip(1)
                .map(|rest| format!("/js/{}", rest.split('"').next().unwrap()));
            let linked = ["href=\"", "src=\""]
                .into_iter()
                .flat_map(|name| text.split(name).skip(1));
            let linked = linked.map(|rest| format!("/{}", rest.split('"').next().unwrap()));
            for path in imports.chain(linked) {
                assert!(
                    files(api).iter().any(|file| file.path == path),
                    "{} names {path}, which is not served",
                    file.path
                );
            }
        }
    }

    /// The page asks nothing of the internet.
    #[test]
    fn nothing_is_fetched_from_elsewhere() {
        for (_, file) in all() {
            let text = std::str::from_utf8(file.body)
                .unwrap()
                .replace("http://www.w3.org/2000/svg", "the name of SVG");
            for address in ["http://", "https://", "stun:", "turn:"] {
                assert!(!text.contains(address), "{} names {address}", file.path);
            }
        }
    }
}
