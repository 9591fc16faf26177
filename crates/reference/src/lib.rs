//! The files under `deploy/` that are generated from the types of the product: `cargo xtask
//! reference` writes them, a test compares them.
//!
//! A crate of its own, because it reads the types of every other one and the product needs nothing
//! of it.

mod admin_api;
mod commands;
mod configuration;
mod log;
mod metrics;
mod problems;
mod sample;

use whipstitch_config::{Config, keys::Key};

/// Every generated file: its path from the root of the workspace, and its text.
pub fn pages() -> Vec<(&'static str, String)> {
    vec![
        ("deploy/whipstitch.toml", sample::page()),
        ("deploy/reference/admin-api.md", admin_api::page()),
        ("deploy/reference/commands.md", commands::page()),
        ("deploy/reference/configuration.md", configuration::page()),
        ("deploy/reference/log.md", log::page()),
        ("deploy/reference/metrics.md", metrics::page()),
        ("deploy/reference/problems.md", problems::page()),
    ]
}

/// The default values, by section and key, as they stand in a file.
struct Defaults(toml::Table);

impl Defaults {
    fn new() -> Self {
        // Strings, numbers, lists and tables: TOML can hold every default.
        Self(toml::Table::try_from(Config::default()).unwrap_or_default())
    }

    /// The default of this key; none if it may be left out.
    fn of(&self, key: &Key) -> Option<String> {
        let (section, name) = key.split();
        Some(self.0.get(section)?.get(name)?.to_string())
    }
}

#[cfg(test)]
mod tests;
