//! Comments and string literals of Rust source.

use super::prose::{Fence, Line, without_code};

/// What a person reads in a source file, line by line.
pub(super) fn lines(source: &str) -> Vec<Line> {
    let widths: Vec<usize> = source.lines().map(|line| line.chars().count()).collect();
    let mut lines: Vec<Line> = Vec::new();
    let mut fence = Fence::default();
    let mut comment_before = 0;
    let is_prose = |piece: &Piece<'_>| piece.is_comment || piece.text.trim().contains(' ');
    for piece in Pieces::new(source).filter(is_prose) {
        for (offset, text) in piece.text.lines().enumerate() {
            let number = piece.line + offset;
            let follows = piece.is_comment && comment_before + 1 == number;
            if piece.is_comment {
                comment_before = number;
                if !follows {
                    fence = Fence::default();
                }
                if fence.holds(text) {
                    continue;
                }
            }
            lines.push(Line {
                number,
                text: without_code(text),
                continues: (follows || offset > 0) && !text.trim().is_empty(),
                is_wrapped: piece.is_comment && !text.trim_start().starts_with(['|', '#', '[']),
                columns: widths.get(number - 1).copied().unwrap_or_default(),
            });
        }
    }
    lines
}

/// A comment or a literal.
struct Piece<'s> {
    line: usize,
    text: &'s str,
    is_comment: bool,
}

/// Splits source into comments and literals; what is between them is skipped.
struct Pieces<'s> {
    rest: &'s str,
    line: usize,
}

impl<'s> Pieces<'s> {
    fn new(source: &'s str) -> Self {
        Self {
            rest: source,
            line: 1,
        }
    }

    /// Takes `length` bytes of the rest, and counts their lines.
    fn take(&mut self, length: usize) -> &'s str {
        let (taken, rest) = self
            .rest
            .split_at_checked(length)
            .unwrap_or((self.rest, ""));
        self.line += taken.matches('\n').count();
        self.rest = rest;
        taken
    }

    fn piece(&mut self, length: usize, is_comment: bool) -> Piece<'s> {
        let line = self.line;
        let text = self.take(length);
        Piece {
            line,
            text,
            is_comment,
        }
    }
}

impl<'s> Iterator for Pieces<'s> {
    type Item = Piece<'s>;

    fn next(&mut self) -> Option<Piece<'s>> {
        loop {
            let rest = self.rest;
            let first = rest.chars().next()?;
            if rest.starts_with("//") {
                let marks = rest.len() - rest.trim_start_matches(['/', '!']).len();
                self.take(marks);
                let end = self.rest.find('\n').unwrap_or(self.rest.len());
                return Some(self.piece(end, true));
            }
            if rest.starts_with("/*") {
                let end = rest.find("*/").map_or(rest.len(), |end| end + 2);
                return Some(self.piece(end, true));
            }
            if first == '"' {
                self.take(1);
                let end = end_of_string(self.rest);
                let piece = self.piece(end, false);
                self.take(1);
                return Some(piece);
            }
            if let Some((opening, end)) = raw(rest) {
                self.take(opening);
                let length = self.rest.find(&end).unwrap_or(self.rest.len());
                let piece = self.piece(length, false);
                self.take(end.len());
                return Some(piece);
            }
            let skipped = match first {
                '\'' => character(rest),
                letter if is_name(letter) => rest.len() - rest.trim_start_matches(is_name).len(),
                other => other.len_utf8(),
            };
            self.take(skipped);
        }
    }
}

fn is_name(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

/// The length of `r#"`, `br"` and so on at the start of a text, and what closes the literal.
fn raw(text: &str) -> Option<(usize, String)> {
    let unprefixed = text.strip_prefix(['b', 'c']).unwrap_or(text);
    let after = unprefixed.strip_prefix('r')?;
    let quoted = after.trim_start_matches('#');
    let hashes = after.len() - quoted.len();
    let literal = quoted.strip_prefix('"')?;
    Some((
        text.len() - literal.len(),
        format!("\"{}", "#".repeat(hashes)),
    ))
}

/// Where an ordinary literal ends: before its closing quote.
fn end_of_string(text: &str) -> usize {
    let mut escaped = false;
    for (at, letter) in text.char_indices() {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at,
            _ => {}
        }
    }
    text.len()
}

/// The length of a character literal, or of the quote of a lifetime.
fn character(text: &str) -> usize {
    let mut letters = text.char_indices().skip(1);
    match letters.next() {
        Some((_, '\\')) => {
            letters.next();
            letters
                .find(|(_, letter)| *letter == '\'')
                .map_or(1, |(at, _)| at + 1)
        }
        Some(_) => match letters.next() {
            Some((at, '\'')) => at + 1,
            _ => 1,
        },
        None => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(source: &str) -> Vec<(usize, String)> {
        let lines = lines(source).into_iter();
        lines
            .map(|line| (line.number, line.text.trim().to_owned()))
            .collect()
    }

    #[test]
    fn comments_and_literals_are_found() {
        let source = "//! One `code` two.\nfn f<'a>(x: &'a str) -> char {\n    // Three.\n    \
                      let _ = \"four \\\" five\"; '\"'\n}\nlet raw = br#\"six \"// seven\"#; // Eight";
        let lines = [
            (1, "One ` two."),
            (3, "Three."),
            (4, "four \\\" five"),
            (6, "six \"// seven"),
            (6, "Eight"),
        ];
        assert_eq!(
            read(source),
            lines.map(|(line, text)| (line, text.to_owned()))
        );
    }

    #[test]
    fn code_in_documentation_is_left_out() {
        assert_eq!(
            read("/// ```\n/// let x = 1;\n/// ```\n/// After."),
            [(4, "After.".to_owned())]
        );
    }
}
