//! `whipstitch status`: the state of the running whipstitch, one line a part.

mod manager;

use std::fmt::Write as _;

use clap::Args;
use serde_json::Value;

use super::{
    ask::{Answer, Asker, Failure, Question, Reach},
    show::{Look, Style, age, clean, clock, count, date},
};
use manager::{login, manager, node_list};

/// Certificates that end within this many days are highlighted.
const SOON: i64 = 14;

/// Show the status of the running whipstitch.
#[derive(Clone, Debug, Args)]
pub struct Options {
    #[command(flatten)]
    reach: Reach,
}

impl Question for Options {
    fn reach(&self) -> &Reach {
        &self.reach
    }

    async fn ask(&self, asker: &Asker) -> Result<Answer, Failure> {
        let json = asker.get("/status").await?;
        let text = text(&json, asker.style);
        let bad = is_bad(Look(&json));
        Ok(Answer { json, text, bad })
    }
}

/// Every cause is bad news, warnings too: code 0 means that nothing is worth a look. A version that
/// has no verdict has only its state.
fn is_bad(status: Look<'_>) -> bool {
    match status.text("/verdict/level") {
        Some(level) => level != "healthy",
        None => status.text("/state") != Some("ready"),
    }
}

/// One line a part; problems are red.
fn text(json: &Value, style: Style) -> String {
    let status = Look(json);
    let mut lines = vec![headline(status, style)];
    lines.extend(status.items("/verdict/causes").flat_map(|cause| {
        let told = told(status, cause, style);
        told.map(|line| format!("  {line}"))
    }));
    let mut line = |name: &str, what: Option<String>| {
        if let Some(what) = what.filter(|what| !what.is_empty()) {
            lines.push(format!("  {name:<15}  {what}"));
        }
    };
    line("Stream Manager", manager(status, style));
    line("login", login(status, style));
    line("node list", node_list(status, style));
    for (name, pointer) in [
        ("https", "/listeners/https"),
        ("http", "/listeners/http"),
        ("admin", "/listeners/admin"),
    ] {
        line(name, Some(clean(&status.words(pointer))));
    }
    for one in status.items("/certificates") {
        line("certificate", Some(certificate(one, style)));
    }
    line("sessions", sessions(status));
    line("requests", requests(status));
    line("lookups", lookups(status));
    line("log", log(status, style));
    line("configuration", configuration(status, style));
    lines.join("\n") + "\n"
}

fn headline(status: Look<'_>, style: Style) -> String {
    let mut text = format!(
        "whipstitch {}",
        clean(status.text("/version").unwrap_or("(of unknown version)"))
    );
    if let Some(revision) = status.text("/revision") {
        let _ = write!(text, " ({})", clean(revision));
    }
    let now = status.number("/now_at");
    if let (Some(now), Some(started)) = (now, status.number("/started_at")) {
        let _ = write!(text, ", up {}", age(now.saturating_sub(started)));
    }
    let state = match status.text("/state") {
        Some("ready") => style.good("ready"),
        Some("draining") => style.bad(&drain(status)),
        Some("drained") => style.bad("drained, waiting for the signal to stop"),
        Some(other) => style.odd(&clean(other)),
        None => style.odd("unknown state"),
    };
    format!("{text}: {state}")
}

/// What is wrong and since when, and what to do.
fn told(status: Look<'_>, cause: Look<'_>, style: Style) -> [String; 2] {
    let (word, paint): (_, fn(Style, &str) -> String) = match cause.text("/severity") {
        Some("action_required") => ("ACTION REQUIRED", Style::bad),
        _ => ("WARNING", Style::odd),
    };
    let text = clean(cause.text("/text").unwrap_or("(unknown cause)"));
    let since = cause.number("/since_at").map(|at| {
        let now = status.number("/now_at");
        let ago = now.map_or(String::new(), |now| format!(", {}", age((now - at).max(0))));
        format!(" (since {}{ago})", clock(at, now))
    });
    [
        format!(
            "{}  {text}{}",
            paint(style, &format!("{word:<15}")),
            since.unwrap_or_default()
        ),
        format!(
            "{:<15}  {}",
            "",
            clean(cause.text("/action").unwrap_or_default())
        ),
    ]
}

fn drain(status: Look<'_>) -> String {
    let mut text = "draining".to_owned();
    let now = status.number("/now_at");
    if let (Some(now), Some(deadline)) = (now, status.number("/drain/deadline_at")) {
        let _ = write!(
            text,
            ", for at most {} more",
            age(deadline.saturating_sub(now))
        );
    }
    let left = |pointer: &str, one, many| Some(count(status.size(pointer)?, one, many));
    let left: Vec<String> = [
        left("/drain/exchanges", "request", "requests"),
        left("/drain/sockets", "socket", "sockets"),
    ]
    .into_iter()
    .flatten()
    .collect();
    if !left.is_empty() {
        let _ = write!(text, "; {} left", left.join(" and "));
    }
    text
}

fn certificate(one: Look<'_>, style: Style) -> String {
    let mut text = clean(one.text("/file").unwrap_or("?"));
    let names = clean(&one.words("/names"));
    if !names.is_empty() {
        let _ = write!(text, ": {names}");
    }
    if let Some(end) = one.number("/not_after_at") {
        let _ = write!(text, ", until {}", date(end));
    }
    match one.number("/days_left") {
        Some(days) if days < 0 => text + ", " + &style.bad("expired"),
        Some(days) if days < SOON => text + ", " + &style.odd(&format!("{days} days left")),
        Some(days) => text + &format!(", {days} days left"),
        None => text,
    }
}

fn sessions(status: Look<'_>) -> Option<String> {
    let sessions = status.at("/sessions")?;
    let mut text = String::new();
    if let Some(http) = sessions.size("/http") {
        let _ = write!(text, "{http} WHIP and WHEP, ");
    }
    let _ = write!(
        text,
        "{}",
        count(sessions.size("/sockets")?, "socket", "sockets")
    );
    if let Some(limit) = sessions.size("/limit_sockets") {
        let _ = write!(text, " of {limit}");
    }
    Some(text)
}

fn requests(status: Look<'_>) -> Option<String> {
    let requests = status.at("/requests")?;
    let (now, total) = (requests.size("/in_flight")?, requests.size("/total")?);
    Some(format!("{now} in flight, {total} since the start"))
}

fn lookups(status: Look<'_>) -> Option<String> {
    let cache = status.at("/cache")?;
    let mut parts = Vec::new();
    if let Some(rate) = cache.float("/hit_rate") {
        parts.push(format!("{:.0} % hit rate", rate * 100.0));
    }
    for (pointer, what) in [
        ("/entries", "cached"),
        ("/hits", "hits"),
        ("/misses", "misses"),
        ("/stale", "stale"),
    ] {
        if let Some(number) = cache.size(pointer) {
            parts.push(format!("{number} {what}"));
        }
    }
    Some(parts.join(", "))
}

fn log(status: Look<'_>, style: Style) -> Option<String> {
    let now = clean(status.text("/log_level/now")?);
    let until = status
        .number("/log_level/until_at")
        .zip(status.number("/now_at"));
    Some(match until {
        Some((until, now_at)) => {
            let left = style.odd(&format!("for {} more", age(until.saturating_sub(now_at))));
            format!("{now} {left}")
        }
        None => now,
    })
}

fn configuration(status: Look<'_>, style: Style) -> Option<String> {
    let file = status.text("/config_file").map(clean);
    let last = status
        .number("/now_at")
        .zip(status.number("/reloads/last_at"));
    let reload = last.map(|(now, last)| {
        let result = clean(&status.words("/reloads/last_result"));
        let result = if result.contains("failed") {
            style.bad(&result)
        } else {
            result
        };
        let colon = if result.is_empty() { "" } else { ": " };
        format!(
            "reloaded {} ago{colon}{result}",
            age(now.saturating_sub(last))
        )
    });
    let parts: Vec<String> = file.into_iter().chain(reload).collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;
    use serde_json::json;

    use super::*;

    fn well() -> Value {
        json!({
            "version": "0.1.0", "revision": "0123456789ab", "started_at": 1_772_000_000_000_i64, "now_at": 1_772_090_061_000_i64,
            "state": "ready", "verdict": {"level": "healthy", "causes": []}, "drain": null,
            "listeners": {"https": ["0.0.0.0:443", "[::]:443"], "http": [], "admin": "127.0.0.1:9090"},
            "certificates": [{"file": "/etc/tls.crt", "names": ["live.example.com"], "not_after_at": 1_772_323_200_000_i64, "days_left": 2}],
            "manager": {"url": "http://10.0.0.2:5080", "api": "1", "state": "answering", "breaker": "closed", "last_answer_ms": 12.3, "last_error": null},
            "cache": {"entries": 120, "hits": 900, "misses": 80, "stale": 20, "hit_rate": 0.9},
            "sessions": {"http": 12, "sockets": 1, "limit_sockets": 7000},
            "requests": {"in_flight": 3, "total": 12_034},
            "log_level": {"now": "debug", "until_at": 1_772_090_121_000_i64},
            "config_file": "/etc/whipstitch.toml", "reloads": {"last_at": 1_772_090_000_000_i64, "last_result": "ok"}
        })
    }

    #[test]
    fn when_all_is_well() {
        assert!(!is_bad(Look(&well())));
        assert_snapshot!(text(&well(), Style::plain()), @r"
        whipstitch 0.1.0 (0123456789ab), up 1d 1h: ready
          Stream Manager   http://10.0.0.2:5080, API 1, answering, last in 12 ms
          https            0.0.0.0:443, [::]:443
          admin            127.0.0.1:9090
          certificate      /etc/tls.crt: live.example.com, until 2026-03-01, 2 days left
          sessions         12 WHIP and WHEP, 1 socket of 7000
          requests         3 in flight, 12034 since the start
          lookups          90 % hit rate, 120 cached, 900 hits, 80 misses, 20 stale
          log              debug for 1m 0s more
          configuration    /etc/whipstitch.toml, reloaded 1m 1s ago: ok
        ");
    }

    #[test]
    fn while_it_drains_and_the_manager_fails() {
        let mut status = well();
        status["state"] = json!("draining");
        status["drain"] = json!({"began_at": 1, "deadline_at": 1_772_090_081_000_i64, "exchanges": 1, "sockets": 12});
        status["manager"] = json!({"url": "http://a", "state": "failing", "breaker": "open", "last_error": "TLS: \u{1b}[31munknown",
            "failing_since_at": 1_772_089_261_000_i64});
        assert_snapshot!(text(&status, Style::plain()), @r"
        whipstitch 0.1.0 (0123456789ab), up 1d 1h: draining, for at most 20s more; 1 request and 12 sockets left
          Stream Manager   http://a, down since 07:01 UTC (TLS: \u{1b}[31munknown); serving cached lookups, probing every second
          https            0.0.0.0:443, [::]:443
          admin            127.0.0.1:9090
          certificate      /etc/tls.crt: live.example.com, until 2026-03-01, 2 days left
          sessions         12 WHIP and WHEP, 1 socket of 7000
          requests         3 in flight, 12034 since the start
          lookups          90 % hit rate, 120 cached, 900 hits, 80 misses, 20 stale
          log              debug for 1m 0s more
          configuration    /etc/whipstitch.toml, reloaded 1m 1s ago: ok
        ");
    }

    #[test]
    fn after_its_drain() {
        let status = json!({"version": "0.1.0", "state": "drained"});
        let said = text(&status, Style::plain());
        assert_eq!(
            said,
            "whipstitch 0.1.0: drained, waiting for the signal to stop\n"
        );
        assert!(is_bad(Look(&status)));
    }

    #[test]
    fn a_login_is_told_with_its_cause() {
        let mut status = well();
        status["manager"]["api"] = json!("2");
        status["manager"]["login"] = json!({"state": "accepted", "since_at": 1_772_000_000_000_i64, "error": null, "token_ends_at": 1_772_091_061_000_i64});
        status["manager"]["node_list"] =
            json!({"state": "known", "since_at": 1_772_000_000_000_i64, "nodes": 3, "error": null});
        let lines = |status: &Value| {
            let text = text(status, Style::plain());
            let told: Vec<&str> = text.lines().skip(2).take(2).collect();
            told.join("\n")
        };
        assert_snapshot!(lines(&status), @r"
          login            accepted, token good for 16m 40s more
          node list        3 nodes
        ");
        status["manager"]["login"] = json!({"state": "refused", "since_at": 1_772_090_000_000_i64, "error": "the Stream Manager refused the login with status 401", "token_ends_at": null});
        status["manager"]["node_list"] = json!({"state": "failing", "since_at": 1_772_090_000_000_i64, "nodes": 3, "error": "no login"});
        assert_snapshot!(lines(&status), @r"
          login            refused for 1m 1s, the Stream Manager refused the login with status 401
          node list        failing for 1m 1s, no login, 3 nodes before
        ");
    }

    #[test]
    fn each_cause_is_told_with_since_when_and_what_to_do() {
        let mut status = well();
        status["verdict"] = json!({"level": "action_required", "causes": [
            {"cause": "all-nodes-ejected", "severity": "action_required", "text": "No node is healthy: 10.0.0.7\u{1b}.", "action": "Check the nodes.", "since_at": 1_772_090_001_000_i64},
            {"cause": "draining", "severity": "warning", "text": "Draining.", "action": "Stop it.", "since_at": 1_772_000_000_000_i64},
        ]});
        let text = text(&status, Style::plain());
        let lines: Vec<&str> = text.lines().skip(1).take(4).collect();
        assert_snapshot!(lines.join("\n"), @r"
          ACTION REQUIRED  No node is healthy: 10.0.0.7\u{1b}. (since 07:13 UTC, 1m 0s)
                           Check the nodes.
          WARNING          Draining. (since 2026-02-25 06:13 UTC, 1d 1h)
                           Stop it.
        ");
        assert!(is_bad(Look(&status)));
    }

    #[test]
    fn warnings_are_bad_news_too() {
        for (level, bad) in [
            ("healthy", false),
            ("warning", true),
            ("action_required", true),
        ] {
            let mut status = well();
            status["verdict"]["level"] = json!(level);
            assert_eq!(is_bad(Look(&status)), bad, "{level}");
        }
    }

    #[test]
    fn another_version_may_say_less() {
        assert_eq!(
            text(&json!({}), Style::plain()),
            "whipstitch (of unknown version): unknown state\n"
        );
    }
}
