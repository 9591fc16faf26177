//! Lines of prose: pages, and files that are read as a whole.

/// A line that a person reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    /// Counted from one.
    pub(super) number: usize,
    /// What is read of it: no marks of a comment, no code.
    pub(super) text: String,
    /// Whether the line before it belongs to the same paragraph.
    pub(super) continues: bool,
    /// Whether an author wraps it: a comment or a paragraph, and no table, heading or code.
    pub(super) is_wrapped: bool,
    /// Its width in the file.
    pub(super) columns: usize,
}

impl Line {
    /// Whether it is too wide and could be broken.
    pub(super) fn is_wider_than(&self, most: usize) -> bool {
        self.columns > most && self.text.trim().contains(' ')
    }
}

/// Tracks fences of code.
#[derive(Debug, Default)]
pub(super) struct Fence(bool);

impl Fence {
    /// Whether this line is code or begins or ends some.
    pub(super) fn holds(&mut self, line: &str) -> bool {
        let line = line.trim_start();
        if line.starts_with("```") || line.starts_with("~~~") {
            self.0 = !self.0;
            return true;
        }
        self.0
    }
}

/// The lines of a Markdown page.
pub(super) fn page(text: &str) -> Vec<Line> {
    let mut fence = Fence::default();
    let mut before_is_prose = false;
    let mut lines = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let start = line.trim_start();
        if fence.holds(line) || start.is_empty() {
            before_is_prose = false;
            continue;
        }
        let is_prose = !start.starts_with(['|', '#', '<', '[']) && !line.starts_with("    ");
        lines.push(Line {
            number: index + 1,
            text: without_code(line),
            continues: before_is_prose && is_prose,
            is_wrapped: is_prose,
            columns: line.chars().count(),
        });
        before_is_prose = is_prose;
    }
    lines
}

/// The lines of a file of another language, of which everything is read and nothing is wrapped.
pub(super) fn plain(text: &str) -> Vec<Line> {
    let lines = text.lines().enumerate().map(|(index, line)| Line {
        number: index + 1,
        text: without_code(line.trim_start_matches([' ', '#', '/', '*'])),
        continues: index > 0,
        is_wrapped: false,
        columns: line.chars().count(),
    });
    lines.filter(|line| !line.text.is_empty()).collect()
}

/// The text without what stands between backticks, and without single words in quotes, which are
/// values.
pub(super) fn without_code(text: &str) -> String {
    let prose = text.split('`').step_by(2).collect::<Vec<_>>().join("`");
    let parts = prose.split('"').enumerate().filter(|(at, part)| {
        let is_quoted = at % 2 == 1;
        let word = part.trim_end_matches('\\');
        !is_quoted || word.contains(|letter: char| !letter.is_alphanumeric())
    });
    parts.map(|(_, part)| part).collect::<Vec<_>>().join("\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_and_values_are_no_prose() {
        assert_eq!(without_code("a `b` c"), "a ` c");
        assert_eq!(
            without_code(r#"parents = \"nobody\" or "no one""#),
            r#"parents = \" or "no one""#
        );
    }
}
