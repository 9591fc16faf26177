//! The status page: its files are in the binary, it needs no framework, and loads nothing from
//! elsewhere.

use http::{HeaderValue, Response, StatusCode, header::CONTENT_SECURITY_POLICY};

use super::answer::{self, Body};

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JS: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

macro_rules! files {
    ($($path:literal: $kind:ident = $file:literal),* $(,)?) => {
        /// Path, media type and content of each.
        const FILES: &[(&str, &str, &[u8])] = &[$(($path, $kind, include_bytes!(concat!("page/", $file)))),*];
    };
}

files! {
    "/": HTML = "index.html",
    "/page/icon.svg": SVG = "icon.svg",
    "/page/style.css": CSS = "style.css",
    "/page/js/ask.js": JS = "js/ask.js",
    "/page/js/charts.js": JS = "js/charts.js",
    "/page/js/csv.js": JS = "js/csv.js",
    "/page/js/dom.js": JS = "js/dom.js",
    "/page/js/figures.js": JS = "js/figures.js",
    "/page/js/main.js": JS = "js/main.js",
    "/page/js/nodes.js": JS = "js/nodes.js",
    "/page/js/recent.js": JS = "js/recent.js",
    "/page/js/sessions.js": JS = "js/sessions.js",
    "/page/js/status.js": JS = "js/status.js",
    "/page/js/streams.js": JS = "js/streams.js",
    "/page/js/verdict.js": JS = "js/verdict.js",
    "/page/js/words.js": JS = "js/words.js",
}

/// What every file is served with: streams are named by strangers, so nothing but these files may
/// run, and no other page may show this one in a frame of its own to have its buttons pressed.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The file of the page at this path.
pub(super) fn file(path: &str) -> Option<Response<Body>> {
    let (_, kind, content) = FILES.iter().find(|(at, ..)| *at == path)?;
    let mut response = answer::of(StatusCode::OK, kind, *content);
    let policy = HeaderValue::from_static(POLICY);
    response
        .headers_mut()
        .insert(CONTENT_SECURITY_POLICY, policy);
    Some(response)
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, path::Path};

    use http::header::CONTENT_TYPE;

    use super::*;

    /// A file that is not served would be missed only by the browser.
    #[test]
    fn every_file_is_served() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/page");
        let scripts = fs::read_dir(root.join("js")).unwrap();
        let mut there: BTreeSet<String> = scripts
            .map(|entry| format!("/page/js/{}", entry.unwrap().file_name().to_string_lossy()))
            .collect();
        there.extend(["/", "/page/icon.svg", "/page/style.css"].map(str::to_owned));
        let served: BTreeSet<String> = FILES.iter().map(|(path, ..)| (*path).to_owned()).collect();
        assert_eq!(served, there);
    }

    /// Names are a stranger's choice: what is set as text cannot become an element, and what did
    /// could not run.
    #[test]
    fn no_text_becomes_markup_and_none_of_it_runs() {
        for (path, _, content) in FILES.iter().filter(|(_, kind, _)| *kind == JS) {
            let text = String::from_utf8_lossy(content);
            for way in [
                "innerHTML",
                "outerHTML",
                "insertAdjacentHTML",
                "document.write",
                "srcdoc",
                "DOMParser",
                "eval(",
                "new Function",
                "setAttribute(\"on",
            ] {
                assert!(!text.contains(way), "{path}: {way}");
            }
        }
        let policy = file("/").unwrap().headers()[CONTENT_SECURITY_POLICY].clone();
        let policy = policy.to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; script-src 'self';"));
        assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"));
    }

    #[test]
    fn nothing_comes_from_elsewhere() {
        for (path, _, content) in FILES {
            let text = String::from_utf8_lossy(content);
            let text = text.replace("http://www.w3.org/2000/svg", "");
            for elsewhere in ["http:", "https:", "ws:", "wss:", "\"//", "'//", "(//"] {
                assert!(!text.contains(elsewhere), "{path}: {elsewhere}");
            }
        }
        assert!(file("/page/../Cargo.toml").is_none());
        let page = file("/").unwrap();
        assert_eq!(page.headers()[CONTENT_TYPE], HTML);
        assert!(page.headers().contains_key(CONTENT_SECURITY_POLICY));
    }
}
