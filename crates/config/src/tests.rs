//! What operators see, and what wins over what.

mod effective;
mod ice;
mod manager;
mod mistakes;
mod nodes;
mod precedence;
mod retired;
mod robust;
mod schema;
mod tracing;
mod trust;

use std::{ffi::OsString, path::Path, sync::LazyLock};

use super::{Loaded, Mistakes, Sources, load};

/// A certificate and its key, in PEM.
static PAIR: LazyLock<(String, String)> = LazyLock::new(pair);

fn pair() -> (String, String) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    (made.cert.pem(), made.signing_key.serialize_pem())
}

/// The shortest file that is right.
const RIGHT: &str = r#"
    stream_manager.url = "http://127.0.0.1:5080"
    listen.https = ["0.0.0.0:8443"]
    tls = { cert = "tls.crt", key = "tls.key" }
"#;

/// Settings in all three places, in a folder that also holds a certificate and its key.
#[derive(Default)]
struct Case<'a> {
    file: Option<&'a str>,
    environment: &'a [(&'a str, &'a str)],
    flags: &'a [(&'static str, &'a str)],
}

impl<'a> Case<'a> {
    fn file(text: &'a str) -> Self {
        Self {
            file: Some(text),
            ..Self::default()
        }
    }

    fn load_in(&self, folder: &Path) -> Result<Loaded, Mistakes> {
        std::fs::write(folder.join("tls.crt"), &PAIR.0).unwrap();
        std::fs::write(folder.join("tls.key"), &PAIR.1).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(folder.join("tls.key"), mode).unwrap();
        let file = self.file.map(|text| {
            let path = folder.join("whipstitch.toml");
            std::fs::write(&path, text).unwrap();
            path
        });
        let pair = |(name, value): &(&str, &str)| (OsString::from(name), OsString::from(value));
        load(&Sources {
            file,
            environment: self.environment.iter().map(pair).collect(),
            flags: self
                .flags
                .iter()
                .map(|(flag, text)| (*flag, (*text).to_owned()))
                .collect(),
            open_files: None,
        })
    }

    fn load(&self) -> Result<Loaded, Mistakes> {
        self.load_in(tempfile::tempdir().unwrap().path())
    }

    /// All that is printed, without the name of the folder.
    fn printed(&self) -> String {
        let folder = tempfile::tempdir().unwrap();
        let text = match self.load_in(folder.path()) {
            Ok(loaded) => loaded.to_string(),
            Err(mistakes) => mistakes.to_string(),
        };
        text.replace(&format!("{}/", folder.path().display()), "")
    }
}
