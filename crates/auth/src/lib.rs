//! Who may publish and play.
//!
//! Rules say for each role and scope how a client is judged: not at all, by a JSON Web Token, by a
//! webhook, or that it is refused. The first rule that fits counts; where there are rules and none
//! fits, the client is refused. Without rules there is no [`Authority`], and nothing is judged.
//!
//! | file | one idea |
//! |---|---|
//! | [`config`] | `[auth]`, as an operator writes it |
//! | [`rule`] | a rule: role, scope, method |
//! | [`pattern`] | patterns of scopes and streams |
//! | [`authority`] | what a rule makes of one client |
//! | [`keys`] | keys of tokens; the kind of a key decides its algorithm |
//! | [`jwt`] | whether a token is good, and what it grants |
//! | [`grant`] | what a client may do, and over a WebSocket's dialogue |
//! | [`refused`] | why a client is refused |

pub mod authority;
pub mod config;
pub mod grant;
pub mod jwt;
pub mod keys;
pub mod pattern;
pub mod refused;
pub mod rule;

pub use authority::{Admitted, Authority, Outcome, Sources, Visitor};
pub use config::Auth;
pub use grant::{Dialogue, Permission};
pub use keys::{Keys, KeysError};
pub use pattern::{Pattern, PatternError};
pub use refused::{Refused, Why};
pub use rule::{Method, Rule, RuleError};
