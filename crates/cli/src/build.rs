//! Facts about this build, for `whipstitch --version`, `whipstitch version` and `/status`.

use serde::Serialize;

/// The version, as in `Cargo.toml`.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The commit it was built from, with `+changes` if not of that alone; none if it was not known.
pub const REVISION: Option<&str> = known(env!("WHIPSTITCH_BUILD_REVISION"));

/// All that is known of this build.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Build {
    /// [`VERSION`]
    pub version: &'static str,
    /// [`REVISION`]
    pub revision: Option<&'static str>,
    /// What `rustc --version` says.
    pub rustc: Option<&'static str>,
    /// The target triple.
    pub target: Option<&'static str>,
    /// Version of the TLS library, rustls.
    pub rustls: Option<&'static str>,
    /// Version of its cryptography, aws-lc-rs.
    pub aws_lc_rs: Option<&'static str>,
    /// Whether it was built without optimisation, for development.
    pub debug: bool,
}

/// This build.
pub const BUILD: Build = Build {
    version: VERSION,
    revision: REVISION,
    rustc: known(env!("WHIPSTITCH_BUILD_RUSTC")),
    target: known(env!("WHIPSTITCH_BUILD_TARGET")),
    rustls: known(env!("WHIPSTITCH_BUILD_RUSTLS")),
    aws_lc_rs: known(env!("WHIPSTITCH_BUILD_AWS_LC_RS")),
    debug: cfg!(debug_assertions),
};

const fn known(fact: &'static str) -> Option<&'static str> {
    if fact.is_empty() { None } else { Some(fact) }
}

impl Build {
    /// For `--version`: the version on the first line, then a fact a line.
    pub fn text(&self) -> String {
        let tls = match (self.rustls, self.aws_lc_rs) {
            (Some(rustls), Some(aws)) => Some(format!("rustls {rustls}, aws-lc-rs {aws}")),
            _ => None,
        };
        let facts = [
            ("revision", self.revision.map(str::to_owned)),
            ("rustc", self.rustc.map(str::to_owned)),
            ("target", self.target.map(str::to_owned)),
            ("tls", tls),
            ("build", self.debug.then(|| "for development".to_owned())),
        ];
        let lines = facts
            .into_iter()
            .filter_map(|(name, fact)| Some(format!("\n{name:<10}{}", fact?)));
        self.version.to_owned() + &lines.collect::<String>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_is_told_and_the_rest_left_out() {
        let all = Build {
            version: "1.2.3",
            revision: Some("0123456789ab"),
            rustc: Some("rustc 1.91.0"),
            target: Some("x86_64-unknown-linux-gnu"),
            rustls: Some("0.23.0"),
            aws_lc_rs: Some("1.19.0"),
            debug: true,
        };
        insta::assert_snapshot!(all.text(), @r"
        1.2.3
        revision  0123456789ab
        rustc     rustc 1.91.0
        target    x86_64-unknown-linux-gnu
        tls       rustls 0.23.0, aws-lc-rs 1.19.0
        build     for development
        ");
        let nothing = Build {
            version: "1.2.3",
            revision: None,
            rustc: None,
            target: None,
            rustls: None,
            aws_lc_rs: None,
            debug: false,
        };
        assert_eq!(nothing.text(), "1.2.3");
    }

    #[test]
    fn this_build_knows_its_libraries() {
        assert!(BUILD.rustls.is_some() && BUILD.aws_lc_rs.is_some());
        assert!(BUILD.rustc.is_some_and(|rustc| rustc.starts_with("rustc ")));
    }
}
