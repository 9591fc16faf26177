//! The command's options.

use std::path::PathBuf;

/// The command line of `whipstitch doctor`.
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
pub struct Options {
    /// Server, application or endpoint: `https://live.example.com`,
    /// `https://live.example.com/live`, or a WHIP or WHEP URL
    #[arg(value_name = "URL")]
    pub url: String,
    /// Application of the streams, if the URL does not say; `live` by default
    #[arg(long, value_name = "NAME")]
    pub app: Option<String>,
    /// Stream to publish, and to play; by default each client gets one of its own, `doctor-…`
    #[arg(long, value_name = "NAME")]
    pub stream: Option<String>,
    /// WHIP endpoint where it is not where Red5 has it; `{stream}` stands for the name
    #[arg(long, value_name = "PATH|URL")]
    pub whip: Option<String>,
    /// WHEP endpoint, in the same way
    #[arg(long, value_name = "PATH|URL")]
    pub whep: Option<String>,
    /// Play only this client; may be repeated
    #[arg(long = "client", value_name = "CLIENT")]
    pub clients: Vec<String>,
    /// Publish nothing: play the stream of --stream, which is live
    #[arg(long, requires = "stream")]
    pub only_read: bool,
    /// File with a bearer token; it is sent to the hosts named here and to no other
    #[arg(long, value_name = "FILE")]
    pub bearer_file: Option<PathBuf>,
    /// PEM file with the certificates to trust, instead of the system's
    #[arg(long, value_name = "FILE", conflicts_with = "insecure")]
    pub ca: Option<PathBuf>,
    /// Trust any certificate
    #[arg(long)]
    pub insecure: bool,
    /// Origin of the page that clients in browsers are on
    #[arg(long, value_name = "URL", default_value = "https://doctor.invalid")]
    pub origin: String,
    /// Check the node's ICE candidates from here, and say what a viewer outside would see
    #[arg(long)]
    pub media: bool,
    /// Check that replicas share their session keys and the time: those at these URLs, or at the
    /// addresses of the URL's host
    #[arg(long, value_name = "URL", num_args = 0..=1, require_equals = true, value_delimiter = ',', default_missing_value = "")]
    pub replicas: Option<Vec<String>>,
    /// Metrics of a replica, such as `http://10.0.0.5:9090/metrics`; may be repeated
    #[arg(long, value_name = "URL")]
    pub metrics: Vec<String>,
    /// Generation of the Stream Manager, 1 or 2; looked up by default
    #[arg(long, value_name = "1|2", value_parser = clap::value_parser!(u8).range(1..=2))]
    pub api: Option<u8>,
    /// Longest wait for one answer, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u8).range(1..=60))]
    pub timeout: u8,
    /// What is printed.
    #[command(flatten)]
    pub output: Output,
}

/// What is printed of a report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::Args)]
pub struct Output {
    /// Print every rule, not only what failed
    #[arg(long)]
    pub all: bool,
    /// Print one JSON document instead of the table
    #[arg(long)]
    pub json: bool,
}
