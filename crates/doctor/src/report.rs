//! The report: a table for people, a JSON document for scripts.

use std::fmt;

use serde::Serialize;

use crate::{
    Role, checks,
    rule::{Failure, Outcome, Unmet},
};

/// One rule of one client.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// What `--client` calls the client.
    pub id: &'static str,
    /// Its usual name.
    pub client: &'static str,
    /// `publish` or `play`.
    pub role: Role,
    /// The rule in a few words.
    pub rule: &'static str,
    /// Where it can be checked.
    pub source: &'static str,
    /// Its result.
    pub result: Verdict,
    /// Why it was skipped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// The failure.
    #[serde(flatten)]
    pub failure: Option<Failure>,
}

/// The result of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It holds.
    Ok,
    /// It does not.
    Failed,
    /// It could not be tried.
    Skipped,
}

impl Row {
    /// A row by the client (id, name, role), the rule (name, source) and its outcome.
    pub(crate) fn new(
        (id, client, role): (&'static str, &'static str, Role),
        wanted: (&'static str, &'static str),
        outcome: Outcome,
    ) -> Self {
        let (result, why, failure) = match outcome {
            Ok(()) => (Verdict::Ok, None, None),
            Err(Unmet::Skipped(why)) => (Verdict::Skipped, Some(why), None),
            Err(Unmet::Failed(failure)) => (Verdict::Failed, None, Some(failure)),
        };
        Self {
            id,
            client,
            role,
            rule: wanted.0,
            source: wanted.1,
            result,
            why,
            failure,
        }
    }
}

/// The results of a run.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The server, without the values of a query.
    pub url: String,
    /// What answers there, in words.
    pub server: &'static str,
    /// A row a rule.
    pub rows: Vec<Row>,
    /// What is neither right nor wrong, in sentences.
    pub notes: Vec<String>,
    /// Whether the table shows every rule, or one line per client and the failures.
    #[serde(skip)]
    pub all: bool,
}

impl Report {
    /// How many rows have this result.
    pub fn count(&self, result: Verdict) -> usize {
        self.rows.iter().filter(|row| row.result == result).count()
    }

    /// Whether no rule failed.
    pub fn is_well(&self) -> bool {
        self.count(Verdict::Failed) == 0
    }

    /// The document of `--json`.
    pub fn json(&self) -> String {
        let document = Document {
            ok: self.count(Verdict::Ok),
            failed: self.count(Verdict::Failed),
            skipped: self.count(Verdict::Skipped),
            report: self,
        };
        // Texts and numbers only: this cannot fail.
        let text = serde_json::to_string_pretty(&document).unwrap_or_default();
        format!("{text}\n")
    }
}

/// A report and its sums.
#[derive(Serialize)]
struct Document<'r> {
    ok: usize,
    failed: usize,
    skipped: usize,
    #[serde(flatten)]
    report: &'r Report,
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "{}, {}\n", self.url, self.server)?;
        if self.all {
            self.every_rule(out)?;
        } else {
            self.every_client(out)?;
        }
        for row in &self.rows {
            if let Some(failure) = &row.failure {
                write_failure(out, row, failure)?;
            }
        }
        for note in &self.notes {
            writeln!(out, "\n{note}")?;
        }
        writeln!(
            out,
            "\n{} rules: {} ok, {} failed, {} skipped",
            self.rows.len(),
            self.count(Verdict::Ok),
            self.count(Verdict::Failed),
            self.count(Verdict::Skipped)
        )
    }
}

impl Report {
    fn width(&self, text: fn(&Row) -> &'static str) -> usize {
        let widths = self.rows.iter().map(|row| text(row).chars().count());
        widths.max().unwrap_or(0)
    }

    fn every_rule(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (left, middle) = (self.width(|row| row.client), self.width(|row| row.rule));
        writeln!(out, "{:left$}  {:middle$}  RESULT", "CLIENT", "RULE")?;
        let mut last = "";
        for row in &self.rows {
            let client = if row.client == last { "" } else { row.client };
            last = row.client;
            let result = match (row.result, &row.why) {
                (Verdict::Ok, _) => "ok".to_owned(),
                (Verdict::Failed, _) => "FAILED".to_owned(),
                (Verdict::Skipped, why) => {
                    format!("skipped: {}", why.as_deref().unwrap_or_default())
                }
            };
            writeln!(out, "{client:left$}  {:middle$}  {result}", row.rule)?;
        }
        Ok(())
    }

    fn every_client(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let left = self.width(|row| row.client);
        writeln!(out, "{:left$}  RESULT", "CLIENT")?;
        for rows in self.rows.chunk_by(|one, next| one.client == next.client) {
            let client = rows.first().map_or("", |row| row.client);
            writeln!(out, "{client:left$}  {}", summary(rows))?;
        }
        Ok(())
    }
}

/// One client in one line.
fn summary(rows: &[Row]) -> String {
    let of = |result| rows.iter().filter(move |row| row.result == result);
    let failed: Vec<&str> = of(Verdict::Failed).map(|row| row.rule).collect();
    if !failed.is_empty() {
        return format!("FAILED: {}", failed.join("; "));
    }
    let why = || of(Verdict::Skipped).filter_map(|row| row.why.as_deref());
    let unplayed = why().any(|why| why == checks::NO_SESSION) || of(Verdict::Ok).count() == 0;
    // The rule of the `POST` explains best why there was nothing to play.
    let post = of(Verdict::Skipped).find(|row| row.rule.starts_with("POST "));
    let reason = post
        .and_then(|row| row.why.as_deref())
        .or_else(|| why().next());
    if let Some(reason) = reason.filter(|_| unplayed) {
        return format!("skipped: {reason}");
    }
    match of(Verdict::Skipped).count() {
        0 => format!("ok ({} rules)", rows.len()),
        skipped => format!("ok ({} rules, {skipped} skipped)", rows.len()),
    }
}

fn write_failure(out: &mut fmt::Formatter<'_>, row: &Row, failure: &Failure) -> fmt::Result {
    writeln!(out, "\nFAILED  {}: {}", row.client, row.rule)?;
    writeln!(out, "  came    {}", failure.came)?;
    writeln!(out, "  then    {}", failure.then)?;
    if let Some(set) = &failure.set {
        writeln!(out, "  try     {set}")?;
    }
    writeln!(out, "  source  {}", row.source)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule::{failed_set, skipped};

    fn report() -> Report {
        let row = |client, rule, outcome| {
            Row::new(
                ("obs", client, Role::Publish),
                (rule, "whip-output.cpp, Connect"),
                outcome,
            )
        };
        Report {
            url: "https://live.example.com".to_owned(),
            server: "Stream Manager 1.x",
            notes: Vec::new(),
            all: false,
            rows: vec![
                row("OBS Studio", "POST gives 201", Ok(())),
                row(
                    "OBS Studio",
                    "DELETE gives 200",
                    failed_set(
                        "DELETE https://live.example.com/r: 204 No Content",
                        "logs a warning",
                        "nothing",
                    ),
                ),
                row("Larix", "Link is read", skipped("no ICE server was sent")),
            ],
        }
    }

    #[test]
    fn the_table() {
        insta::assert_snapshot!(report(), @r"
        https://live.example.com, Stream Manager 1.x

        CLIENT      RESULT
        OBS Studio  FAILED: DELETE gives 200
        Larix       skipped: no ICE server was sent

        FAILED  OBS Studio: DELETE gives 200
          came    DELETE https://live.example.com/r: 204 No Content
          then    logs a warning
          try     nothing
          source  whip-output.cpp, Connect

        3 rules: 1 ok, 1 failed, 1 skipped
        ");
        let every_rule = Report {
            all: true,
            ..report()
        };
        insta::assert_snapshot!(every_rule, @r"
        https://live.example.com, Stream Manager 1.x

        CLIENT      RULE              RESULT
        OBS Studio  POST gives 201    ok
                    DELETE gives 200  FAILED
        Larix       Link is read      skipped: no ICE server was sent

        FAILED  OBS Studio: DELETE gives 200
          came    DELETE https://live.example.com/r: 204 No Content
          then    logs a warning
          try     nothing
          source  whip-output.cpp, Connect

        3 rules: 1 ok, 1 failed, 1 skipped
        ");
    }

    #[test]
    fn a_client_in_one_line() {
        let row = |outcome| Row::new(("a", "A", Role::Play), ("rule", "source"), outcome);
        let no_session = || skipped(checks::NO_SESSION);
        let mut post = row(skipped("406"));
        post.rule = "POST gives 201";
        let first = row(skipped("no Link"));
        assert_eq!(summary(&[first, post, row(no_session())]), "skipped: 406");
        assert_eq!(summary(&[row(Ok(())), row(Ok(()))]), "ok (2 rules)");
        assert_eq!(
            summary(&[row(Ok(())), row(skipped("no Link"))]),
            "ok (2 rules, 1 skipped)"
        );
        assert_eq!(
            summary(&[row(Ok(())), row(skipped("406")), row(no_session())]),
            "skipped: 406"
        );
    }

    #[test]
    fn the_document() {
        let document: serde_json::Value = serde_json::from_str(&report().json()).unwrap();
        assert_eq!(
            (&document["ok"], &document["failed"]),
            (&1.into(), &1.into())
        );
        assert_eq!(document["rows"][1]["result"], "failed");
        assert_eq!(document["rows"][1]["then"], "logs a warning");
        assert_eq!(document["rows"][2]["why"], "no ICE server was sent");
        assert_eq!(document["rows"][0]["role"], "publish");
        assert!(!report().is_well());
    }
}
