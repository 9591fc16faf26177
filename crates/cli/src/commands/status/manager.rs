//! What `whipstitch status` prints of the Stream Manager: its calls, the login, the list of nodes.

use std::fmt::Write as _;

use crate::commands::show::{Look, Style, age, clean, clock, count, millis};

/// Its URL, and whether it answers; if not, since when and why.
pub(super) fn manager(status: Look<'_>, style: Style) -> Option<String> {
    let manager = status.at("/manager")?;
    let mut parts = vec![clean(manager.text("/url").unwrap_or("none"))];
    if let Some(api) = manager.at("/api") {
        parts.push(format!("API {}", clean(&api.words(""))));
    }
    let error = manager.text("/last_error").map(clean);
    let down =
        manager.text("/state") == Some("failing") || manager.text("/breaker") == Some("open");
    if down {
        let mut text = "down".to_owned();
        if let Some(since) = manager.number("/failing_since_at") {
            let _ = write!(text, " since {}", clock(since, status.number("/now_at")));
        }
        if let Some(error) = error {
            let _ = write!(text, " ({error})");
        }
        parts.push(style.bad(&text));
        let does = match manager.text("/breaker") {
            Some("open") => "; serving cached lookups, probing every second",
            _ => "; lookups are still sent to it",
        };
        return Some(parts.join(", ") + does);
    }
    parts.push(match manager.text("/state") {
        Some("answering") => style.good("answering"),
        _ => "no call yet".to_owned(),
    });
    if let Some(time) = manager.float("/last_answer_ms") {
        parts.push(format!("last in {}", millis(time)));
    }
    if let (Some(error), Some(at)) = (error, manager.number("/last_error_at")) {
        let at = clock(at, status.number("/now_at"));
        parts.push(format!("last error at {at}: {error}"));
    }
    Some(parts.join(", "))
}

/// The login at a Stream Manager 2.0, if there is one.
pub(super) fn login(status: Look<'_>, style: Style) -> Option<String> {
    let login = status.at("/manager/login")?;
    let mut parts = vec![match login.text("/state")? {
        "accepted" => style.good("accepted"),
        other => style.bad(&format!("{}{}", clean(other), since(status, login))),
    }];
    if let Some(error) = login.text("/error") {
        parts.push(clean(error));
    }
    let left = login
        .number("/token_ends_at")
        .zip(status.number("/now_at"))
        .map(|(end, now)| end.saturating_sub(now));
    match left {
        Some(left) if left > 0 => parts.push(format!("token good for {} more", age(left))),
        _ => {}
    }
    Some(parts.join(", "))
}

/// The polls of the manager's list of nodes, if there are any.
pub(super) fn node_list(status: Look<'_>, style: Style) -> Option<String> {
    let list = status.at("/manager/node_list")?;
    let state = list.text("/state")?;
    let nodes = list
        .size("/nodes")
        .map(|nodes| count(nodes, "node", "nodes"));
    Some(match list.text("/error") {
        None => nodes.unwrap_or_else(|| clean(state)),
        Some(error) => {
            let state = style.odd(&format!("{}{}", clean(state), since(status, list)));
            let before = nodes
                .map(|nodes| format!(", {nodes} before"))
                .unwrap_or_default();
            format!("{state}, {}{before}", clean(error))
        }
    })
}

/// ` for` the duration of a state.
fn since(status: Look<'_>, part: Look<'_>) -> String {
    let times = status.number("/now_at").zip(part.number("/since_at"));
    times.map_or_else(String::new, |(now, since)| {
        format!(" for {}", age(now.saturating_sub(since)))
    })
}
