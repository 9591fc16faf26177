//! The pages under `deploy/` that are generated from the code: `cargo xtask reference` writes them, a test compares.

/// Every generated page: its path from the root of the workspace, and its text.
pub fn pages() -> Vec<(&'static str, String)> {
    Vec::new()
}
