//! A real Whipstitch, started as the unit starts it, and a real Prometheus that scrapes it: what
//! the dashboard asks is answered, and no rule fails.

use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::report::{Report, none};
use super::{Bench, configuration, dashboard, http, systemd};
use crate::{Result, command};

/// Longest wait for anything to come up.
const PATIENCE: Duration = Duration::from_mins(1);
const PAUSE: Duration = Duration::from_millis(200);
/// Scrapes, a second apart, before rates over ten seconds say something.
const SCRAPES: &str = "count_over_time(up{job=\"whipstitch\"}[1m]) >= 8";

/// The unit's `ExecStart`, `/metrics`, every query of the dashboard and every rule.
pub(crate) fn check(bench: &Bench, program: &Path, report: &mut Report) {
    let started = report.check("systemd: the ExecStart line reports readiness", || {
        Whipstitch::start(bench, program)
    });
    let Some(mut whipstitch) = started else {
        return;
    };
    report.check("prometheus: promtool finds no fault with /metrics", || {
        let (_, page) = http::ask(whipstitch.admin, "GET", "/metrics")?;
        let mut promtool = Command::new("promtool");
        command::output(promtool.args(["check", "metrics"]), page.as_bytes())
    });
    let scraped = report.check("prometheus: it scrapes Whipstitch", || {
        Prometheus::start(bench, &whipstitch)
    });
    if let Some(prometheus) = scraped {
        report.check("grafana: every query has an answer", || {
            prometheus.queries(bench)
        });
        report.check("prometheus: no rule fails", || prometheus.rules());
    }
    report.check("systemd: SIGTERM ends it well", || whipstitch.end());
}

/// A child that does not outlive its test.
#[derive(Debug)]
struct Guarded(Child);

impl Drop for Guarded {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[derive(Debug)]
struct Whipstitch {
    child: Guarded,
    http: SocketAddr,
    admin: SocketAddr,
}

impl Whipstitch {
    /// Runs the unit's `ExecStart` with the sample configuration, on ports and files of its own,
    /// and waits for the word that systemd would wait for.
    fn start(bench: &Bench, program: &Path) -> Result<Self> {
        let unit = bench.read("systemd/whipstitch.service")?;
        let exec = systemd::setting(&unit, "ExecStart=")?;
        let sample = bench.root.join("deploy/systemd/whipstitch.toml");
        let mut words = exec.split(' ');
        if words.next() != Some("/usr/bin/whipstitch") {
            return Err(format!("{exec} starts something else").into());
        }
        let words = words.map(|word| {
            word.replace(
                "/etc/whipstitch/whipstitch.toml",
                &sample.display().to_string(),
            )
        });
        let notices = bench.scratch.join("notify");
        let socket = UnixDatagram::bind(&notices)?;
        let (http, admin) = (free()?, free()?);
        let mut command = Command::new(program);
        command
            .args(words)
            .env("NOTIFY_SOCKET", &notices)
            .env("WHIPSTITCH_HTTPS", "127.0.0.1:0")
            .env("WHIPSTITCH_HTTP", http.to_string())
            .env("WHIPSTITCH_ADMIN", admin.to_string())
            // No server listens there: the metrics of an outage are part of what is checked.
            .env("WHIPSTITCH_STREAM_MANAGER", format!("http://{}", free()?))
            .stdout(std::fs::File::create(bench.scratch.join("whipstitch.log"))?);
        let child = Guarded(configuration::own_files(bench, &mut command)?.spawn()?);
        ready(&socket)?;
        Ok(Self { child, http, admin })
    }

    /// Requests of several kinds; none can succeed.
    fn visit(&self) -> Result {
        for (method, path) in [
            ("GET", "/streammanager/api/4.0/healthcheck"),
            ("OPTIONS", "/live/whip/endpoint/a"),
            ("DELETE", "/live/whep/resource/a/token"),
        ] {
            http::ask(self.http, method, path)?;
        }
        Ok(())
    }

    fn end(&mut self) -> Result {
        command::output(
            Command::new("kill").args(["-TERM", &self.child.0.id().to_string()]),
            b"",
        )?;
        let status = wait("its end", || Ok(self.child.0.try_wait()?))?;
        if status.success() {
            return Ok(());
        }
        Err(format!("it ended with {status}").into())
    }
}

/// Waits for `READY=1` of `sd_notify(3)`.
fn ready(socket: &UnixDatagram) -> Result {
    socket.set_read_timeout(Some(PATIENCE))?;
    let mut notice = [0_u8; 4096];
    loop {
        let length = socket
            .recv(&mut notice)
            .map_err(|error| format!("it never said READY=1: {error}"))?;
        let notice = String::from_utf8_lossy(notice.get(..length).unwrap_or_default());
        if notice.lines().any(|line| line == "READY=1") {
            return Ok(());
        }
    }
}

#[derive(Debug)]
struct Prometheus {
    _child: Guarded,
    address: SocketAddr,
}

impl Prometheus {
    fn start(bench: &Bench, whipstitch: &Whipstitch) -> Result<Self> {
        let rules = bench.root.join("deploy/prometheus");
        let text = format!(
            "global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}\n\
             rule_files: ['{rules}/recording.yml', '{rules}/alerts.yml']\n\
             scrape_configs: [{{job_name: whipstitch, static_configs: [{{targets: ['{}']}}]}}]\n",
            whipstitch.admin,
            rules = rules.display(),
        );
        let file = bench.write("live.yml", &text)?;
        let address = free()?;
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--web.listen-address={address}"))
            .arg(format!(
                "--storage.tsdb.path={}",
                bench.scratch.join("tsdb").display()
            ))
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(bench.scratch.join("prometheus.log"))?)
            .spawn()?;
        let prometheus = Self {
            _child: Guarded(child),
            address,
        };
        wait("eight scrapes", || {
            whipstitch.visit()?;
            let answer = prometheus.query(SCRAPES).unwrap_or_default();
            Ok((!answer.is_empty()).then_some(()))
        })?;
        Ok(prometheus)
    }

    /// The answer as promtool writes it: a line a series.
    fn query(&self, query: &str) -> Result<String> {
        let mut promtool = Command::new("promtool");
        promtool.args([
            "query",
            "instant",
            &format!("http://{}", self.address),
            query,
        ]);
        Ok(command::output(&mut promtool, b"")?.trim().to_owned())
    }

    fn queries(&self, bench: &Bench) -> Result {
        let mut wrong = Vec::new();
        for (title, query) in dashboard::queries(bench)? {
            match self.query(&query) {
                Ok(answer) if answer.is_empty() => {
                    wrong.push(format!("{title}: nothing for {query}"));
                }
                Ok(_) => {}
                Err(error) => wrong.push(format!("{title}: {error}")),
            }
        }
        none(&wrong)
    }

    fn rules(&self) -> Result {
        let (_, body) = http::ask(self.address, "GET", "/api/v1/rules")?;
        let answer: Value = serde_json::from_str(&body)?;
        let groups = answer.pointer("/data/groups").and_then(Value::as_array);
        let rules = groups.into_iter().flatten();
        let rules = rules
            .filter_map(|group| group.get("rules")?.as_array())
            .flatten();
        let healths: Vec<_> = rules
            .map(|rule| (rule.get("name"), rule.get("health")))
            .collect();
        if healths.is_empty() {
            return Err("there is no rule".into());
        }
        let ill = healths
            .iter()
            .filter(|(_, health)| *health != Some(&Value::from("ok")));
        none(
            &ill.map(|(name, health)| format!("{name:?}: {health:?}"))
                .collect::<Vec<_>>(),
        )
    }
}

/// A free port; another process could take it before its use, which would show as a failure to
/// start.
fn free() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// Looks again and again until there is something.
fn wait<T>(what: &str, mut look: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let began = Instant::now();
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        if began.elapsed() > PATIENCE {
            return Err(format!("{what} did not come within {PATIENCE:?}").into());
        }
        std::thread::sleep(PAUSE);
    }
}
