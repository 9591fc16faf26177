//! `cargo xtask deploy`: checks everything in `deploy/` with the tools that read it.
//!
//! One file a tool. What no registry has a tool for is named in `NO_TOOL`, so that silence
//! is not taken for a check.

mod alerts;
mod booted;
mod compose;
mod configuration;
mod custom;
mod dashboard;
pub(crate) mod deb;
mod docker;
mod helm;
mod http;
mod kubernetes;
mod links;
mod live;
mod loadbalancer;
mod manifest;
mod metrics;
mod pages;
mod pod;
mod prometheus;
pub(crate) mod report;
mod rollout;
mod security;
mod selectors;
mod systemd;
mod tools;

pub(crate) use self::deb::run as package;

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use self::report::Report;
use self::tools::Tools;
use crate::tally::Counts;
use crate::{Result, command, dist};

/// Files that only people read, or tools that no registry has.
const NO_TOOL: [&str; 4] = [
    "deploy/docker/Dockerfile is linted and its RUN lines are run here, but no engine builds the image",
    "deploy/grafana: no registry has Grafana; each query runs in a real Prometheus that scraped a real Whipstitch",
    "deploy/prometheus/scrape-pod.yml: Debian's Prometheus knows no Kubernetes, so kubernetes_sd_configs itself is not read",
    "deploy/prometheus/adapter.yml is only parsed as YAML",
];

/// Folders and tools that the checks share.
pub(crate) struct Bench {
    /// The workspace.
    pub(crate) root: PathBuf,
    /// cargo's.
    target: PathBuf,
    /// A folder to write to, empty at the start.
    pub(crate) scratch: PathBuf,
    pub(crate) tools: Tools,
}

impl Bench {
    fn new() -> Result<Self> {
        let metadata = cargo_metadata::MetadataCommand::new().no_deps().exec()?;
        let root = metadata.workspace_root.into_std_path_buf();
        let target = metadata.target_directory.into_std_path_buf();
        let scratch = target.join("deploy");
        let tools = Tools::fetch(&root, &target)?;
        let kept = docker::context(&scratch);
        for entry in fs::read_dir(&scratch).into_iter().flatten() {
            let path = entry?.path();
            // The context is kept: cargo would compile everything in a new one again.
            if path == kept {
            } else if path.is_dir() {
                fs::remove_dir_all(path)?;
            } else {
                fs::remove_file(path)?;
            }
        }
        fs::create_dir_all(&scratch)?;
        Ok(Self {
            root,
            target,
            scratch,
            tools,
        })
    }

    /// A file of `deploy/`, as text.
    fn read(&self, path: &str) -> Result<String> {
        let path = self.root.join("deploy").join(path);
        fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()).into())
    }

    /// Writes a file into the scratch folder.
    fn write(&self, name: &str, text: &str) -> Result<PathBuf> {
        let path = self.scratch.join(name);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(&path, text)?;
        Ok(path)
    }

    /// A certificate for live.example.com and its key, as files; made at the first call.
    fn certificate(&self) -> Result<(PathBuf, PathBuf)> {
        let (cert, key) = (self.scratch.join("tls.crt"), self.scratch.join("tls.key"));
        if !cert.exists() {
            let mut openssl = Command::new("openssl");
            openssl
                .args(["req", "-x509", "-nodes", "-days", "2", "-newkey", "ec"])
                .args(["-pkeyopt", "ec_paramgen_curve:P-256"])
                .args(["-subj", "/CN=live.example.com"])
                .args(["-addext", "subjectAltName=DNS:live.example.com"])
                .arg("-keyout")
                .arg(&key)
                .arg("-out")
                .arg(&cert);
            command::output(&mut openssl, b"")?;
        }
        Ok((cert, key))
    }
}

/// Options of `cargo xtask deploy`.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Options {
    /// First write the generated files: the chart's golden renders, and its copies of the rules
    #[arg(long)]
    write: bool,
    /// Run only the checks whose name contains this
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// Check configurations with this whipstitch, and do not run the image's build
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
}

/// Checks everything, or what `options` name.
///
/// # Errors
/// A tool cannot be fetched, or a check fails; the report has been printed then.
pub(crate) fn run(options: Options) -> Result<Counts> {
    let bench = Bench::new()?;
    if options.write {
        helm::write(&bench)?;
    }
    let mut report = Report::of(options.only);
    links::check(&bench, &mut report);
    security::check(&bench, &mut report);
    prometheus::check(&bench, &mut report);
    dashboard::check(&bench, &mut report);
    alerts::check(&bench, &mut report);
    kubernetes::check(&bench, &mut report);
    helm::check(&bench, &mut report);
    systemd::check(&bench, &mut report);
    loadbalancer::check(&bench, &mut report);
    compose::check(&bench, &mut report);
    // The program as the image gets it, which the rest needs.
    let program = match options.program {
        Some(program) => Some(fs::canonicalize(program)?),
        None => docker::check(&bench, &mut report),
    };
    if let Some(program) = program {
        configuration::check(&bench, &program, &mut report);
        live::check(&bench, &program, &mut report);
        dist::check(&bench, &program, &mut report);
        if let Some(package) = deb::check(&bench, &program, &mut report) {
            booted::check(&bench, &package, &mut report);
        }
    }
    for words in NO_TOOL {
        println!("not checked further: {words}");
    }
    report.close()
}
