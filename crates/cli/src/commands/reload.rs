//! `whipstitch reload`: settings, certificates, keys and lists anew.

use std::fmt::Write as _;

use clap::Args;
use serde_json::{Value, json};

use super::{
    ask::{Answer, Asker, Failure, Question, Reach},
    show::{Look, Style, clean},
};

/// Read settings, certificates, keys and lists again; prints what was applied, and what requires
/// a restart.
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
        let json = asker.post("/reload", &json!({})).await?;
        let (text, bad) = text(&json, asker.style);
        Ok(Answer { json, text, bad })
    }
}

/// A line a part, and whether one failed.
fn text(json: &Value, style: Style) -> (String, bool) {
    let mut text = String::new();
    let mut bad = false;
    for (part, _) in json.as_object().into_iter().flatten() {
        let pointer = format!("/{}", part.replace('~', "~0").replace('/', "~1"));
        let what = clean(&Look(json).words(&pointer));
        let failed = what.starts_with("failed");
        bad |= failed;
        let what = if failed { style.bad(&what) } else { what };
        let part = clean(&part.replace('_', " "));
        // Writing to a string does not fail.
        let _ = writeln!(text, "{part:<13} {what}");
    }
    if text.is_empty() {
        text.push_str("nothing to read again\n");
    }
    (text, bad)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_a_part() {
        let (said, bad) = text(
            &json!({"certificates": "reloaded", "session_keys": "unchanged"}),
            Style::plain(),
        );
        assert_eq!(said, "certificates  reloaded\nsession keys  unchanged\n");
        assert!(!bad);
        let (said, bad) = text(&json!({"certificates": "failed: no key"}), Style::plain());
        assert!(bad && said == "certificates  failed: no key\n", "{said}");
        assert_eq!(
            text(&json!({}), Style::plain()).0,
            "nothing to read again\n"
        );
    }
}
