//! The selectors of a `PromQL` expression: `name{label="value"}`, as far as ours go.

/// One condition of a selector.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Condition<'e> {
    pub(super) metric: &'e str,
    pub(super) label: &'e str,
    /// What the label is compared with; none where that is no list of plain words.
    pub(super) values: Vec<&'e str>,
}

/// All conditions, in their order.
///
/// # Errors
/// A selector that is not closed, or a condition without a comparison.
pub(super) fn conditions(expression: &str) -> Result<Vec<Condition<'_>>, String> {
    let mut all = Vec::new();
    let mut rest = expression;
    while let Some((before, after)) = outside_quotes(rest, '{') {
        let metric = before.rsplit(|letter| !is_name(letter)).next();
        let (inside, behind) =
            outside_quotes(after, '}').ok_or_else(|| format!("{after}: no closing brace"))?;
        let mut conditions = Some(inside);
        while let Some(some) = conditions {
            let (one, others) =
                outside_quotes(some, ',').map_or((some, None), |(one, others)| (one, Some(others)));
            if !one.trim().is_empty() {
                all.push(condition(metric.unwrap_or_default(), one.trim())?);
            }
            conditions = others;
        }
        rest = behind;
    }
    Ok(all)
}

fn condition<'e>(metric: &'e str, text: &'e str) -> Result<Condition<'e>, String> {
    let (label, compared) = text
        .split_once(['=', '!'])
        .ok_or_else(|| format!("{text}: no comparison"))?;
    let value = compared.trim_start_matches(['=', '~']).trim_matches('"');
    // Of a regular expression, a list of plain words is understood.
    let words: Vec<_> = value.split('|').collect();
    let is_plain = |word: &&str| {
        word.chars()
            .all(|letter| is_name(letter) || "-.".contains(letter))
    };
    Ok(Condition {
        metric,
        label,
        values: if words.iter().all(is_plain) {
            words
        } else {
            Vec::new()
        },
    })
}

/// Splits at the first of this letter that is not within quotes.
fn outside_quotes(text: &str, letter: char) -> Option<(&str, &str)> {
    let mut quoted = false;
    let at = text.find(|one| {
        quoted ^= one == '"';
        !quoted && one == letter
    })?;
    let (before, from) = text.split_at_checked(at)?;
    Some((before, from.strip_prefix(letter)?))
}

fn is_name(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '_' || letter == ':'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_condition_is_read_with_its_plain_words() {
        let text = "sum(a_total{x=\"1\",y=~\"b|c-d\"}) / b{z!~\"e.+f\", w!=\"}, {\"} > 0";
        let read = conditions(text).unwrap();
        let read: Vec<_> = read
            .iter()
            .map(|one| (one.metric, one.label, one.values.join(" ")))
            .collect();
        let expected = [
            ("a_total", "x", "1"),
            ("a_total", "y", "b c-d"),
            // Not plain: nothing to compare.
            ("b", "z", ""),
            ("b", "w", ""),
        ];
        assert_eq!(
            read,
            expected.map(|(metric, label, values)| (metric, label, values.to_owned()))
        );
        assert_eq!(conditions("a + b").unwrap(), []);
        assert!(conditions("a{x=\"}\"").is_err() && conditions("a{x}").is_err());
    }
}
