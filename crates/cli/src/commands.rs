//! The commands besides running the proxy: one file a command.
//!
//! | file | one idea |
//! |---|---|
//! | [`doctor`] | tests a server the way other clients use it |
//! | [`config`], [`import`], [`version`], [`shell`] | commands without a running whipstitch |
//! | `online` | the steps to the Stream Manager and its nodes, for `check --online` |
//! | [`ask`] | the endpoint of the running whipstitch, one exchange, its failures |
//! | [`status`], [`sessions`], [`nodes`], [`lookups`], [`drain`], [`reload`], [`log_level`] | commands of the running whipstitch |
//! | `show` | tables, ages and sizes for people |

pub mod ask;
pub mod config;
pub mod doctor;
pub mod drain;
pub mod import;
pub mod log_level;
pub mod lookups;
pub mod nodes;
mod online;
pub mod reload;
pub mod sessions;
pub mod shell;
mod show;
pub mod status;
pub mod version;

use std::ffi::OsString;

pub use self::show::Style;

/// The environment of a command.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// The environment, e.g. `std::env::vars_os()`.
    pub environment: Vec<(OsString, OsString)>,
    /// The style of text for people.
    pub style: Style,
}
