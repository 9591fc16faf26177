//! The words of the old style, and what to write instead.

use super::prose::Line;

const AGENT: &str = "name the agent: the client, the node, the manager, the task";
const ACTIVE: &str = "running, open, pending or in flight";

/// A word or phrase in small letters, and what to write instead.
const TERMS: &[(&str, &str)] = &[
    ("whoever", AGENT),
    ("nobody", "no client, no node, none; or name the agent"),
    ("somebody", AGENT),
    ("anybody", "any client, any user; or name the agent"),
    ("of which", "a sentence of its own, or `whose`"),
    ("by which", "a sentence of its own"),
    ("goes on", "continues, keeps working"),
    ("go on", "continue, keep working"),
    ("under way", ACTIVE),
    ("lets go of", "releases, drops"),
    ("let go", "released, dropped"),
    ("left behind", "orphaned"),
    ("what is left", "the rest"),
    ("by hand over", "handing over"),
    ("is told of", "is notified of, learns of"),
    ("tells", "reports, states, says"),
    ("hears", "receives, learns"),
    ("has heard", "has received, has learned"),
    ("is awake", "is running"),
    ("in vain", "without success, failed"),
    ("broom", "cleanup"),
    ("passenger", "waiter"),
    ("passengers", "waiters"),
    ("flight", "lookup, single flight, in flight"),
    ("flights", "lookups, single flight, in flight"),
    ("shunned", "circuit open"),
    ("janitor", "reaper"),
    ("countered", "counter-offer"),
    ("lent", "retryable, borrowed"),
    ("lender", "retryable body"),
    ("forwarder", "trusted proxy"),
    ("forwarders", "trusted proxies"),
    ("whence", "client address, provenance"),
    ("in force", "active, current"),
    ("take up", "apply"),
    ("takes up", "applies"),
    ("taken up", "applied"),
    ("reread", "file watch, reload, read again"),
    ("stand in front", "are in front, proxies"),
    ("stands in front", "is in front, a proxy"),
    ("comes of it", "results"),
    ("sees to", "ensures, handles"),
    ("looked into", "inspected, parsed"),
    ("at the door", "on arrival, before routing"),
    ("so many", "the number, the limit"),
    ("a word about", "a description of"),
    ("lately", "recently, in the last N seconds"),
    ("the like", "others, similar"),
    ("at all events", "in any case"),
    ("a moment ago", "the number of seconds"),
];

/// Words before `flight` that make it the field's own term.
const FLIGHTS: [&str; 2] = ["in", "single"];

/// Every term among the lines: where it begins, and the advice.
pub(super) fn find(lines: &[Line]) -> Vec<(usize, String)> {
    let words = words(lines);
    let mut found = Vec::new();
    for at in 0..words.len() {
        let Some(rest) = words.get(at..) else { break };
        let before = at.checked_sub(1).and_then(|before| words.get(before));
        let hit = TERMS.iter().find(|(term, _)| begins(rest, term));
        if let (Some((term, instead)), Some(first)) = (hit, rest.first())
            && !(term.starts_with("flight")
                && before.is_some_and(|word| FLIGHTS.contains(&word.text.as_str())))
        {
            found.push((first.line, format!("`{term}`: {instead}")));
        }
    }
    found
}

struct Word {
    line: usize,
    text: String,
}

/// The words of all lines in small letters; an empty one where a sentence or a paragraph ends.
fn words(lines: &[Line]) -> Vec<Word> {
    let mut words = Vec::new();
    for line in lines {
        let number = line.number;
        let mut push = |text: &str| {
            words.push(Word {
                line: number,
                text: text.to_lowercase(),
            });
        };
        if !line.continues {
            push("");
        }
        let is_inner = |letter: char| letter.is_alphanumeric() || "_-'".contains(letter);
        for run in line.text.split_whitespace() {
            let mut parts = run.split(|letter: char| !is_inner(letter)).peekable();
            while let Some(part) = parts.next() {
                if !part.is_empty() {
                    push(part.trim_matches('\''));
                }
                if parts.peek().is_some() {
                    push("");
                }
            }
        }
    }
    words
}

fn begins(words: &[Word], term: &str) -> bool {
    let mut words = words.iter();
    term.split(' ')
        .all(|part| words.next().is_some_and(|word| word.text == part))
}
