//! Why a run ended without a report.

/// The run could not be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The URL cannot be used.
    #[error(
        "{0} is not a URL that can be examined: write https://HOST, https://HOST/APP, or the URL of an endpoint, without user name or fragment"
    )]
    Url(String),
    /// An unknown client.
    #[error("--client {0} is not known; these are: {1}")]
    Client(String, String),
    /// No client is left to run.
    #[error("nothing to play: {0} only publishes, and --only-read does not")]
    Nothing(String),
    /// An option's value.
    #[error("{0}")]
    Option(String),
    /// A file cannot be read.
    #[error("{0}: {1}")]
    File(String, String),
    /// The server answers, and is no WHIP or WHEP server.
    #[error(
        "no WHIP or WHEP endpoint here ({0}): is the URL right? Otherwise name the endpoint: --app, or --whip and --whep"
    )]
    NoEndpoint(String),
    /// The server does not answer.
    #[error("{0} cannot be reached: {1}")]
    Unreachable(String, String),
}
