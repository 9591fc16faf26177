//! A table with aligned columns.

use std::iter;

use super::{Style, count, shortly};

/// A heading, and the side on which its cells stand.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Column {
    /// For words.
    Left(&'static str),
    /// For numbers.
    Right(&'static str),
}

impl Column {
    fn heading(self) -> &'static str {
        match self {
            Self::Left(heading) | Self::Right(heading) => heading,
        }
    }

    fn align(self, cell: &str, width: usize) -> String {
        match self {
            Self::Left(_) => format!("{cell:<width$}"),
            Self::Right(_) => format!("{cell:>width$}"),
        }
    }
}

/// Rows below headings; nothing where there are no rows. A row lacks no cell; missing ones are
/// empty.
pub(crate) fn table(columns: &[Column], rows: &[Vec<String>], style: Style) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let rows: Vec<Vec<String>> = rows
        .iter()
        .map(|row| row.iter().map(|cell| shortly(cell)).collect())
        .collect();
    let headings: Vec<String> = columns
        .iter()
        .map(|column| column.heading().to_owned())
        .collect();
    let widths: Vec<usize> = (0..columns.len())
        .map(|number| {
            let cells = iter::once(&headings).chain(&rows);
            let widths = cells
                .filter_map(|row| row.get(number))
                .map(|cell| cell.chars().count());
            widths.max().unwrap_or(0)
        })
        .collect();
    let line = |row: &Vec<String>| {
        let cells = columns
            .iter()
            .zip(&widths)
            .enumerate()
            .map(|(number, (column, width))| {
                let cell = row.get(number).map_or("", String::as_str);
                column.align(cell, *width)
            });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let mut text = style.bold(&line(&headings)) + "\n";
    for row in &rows {
        text.push_str(&line(row));
        text.push('\n');
    }
    text
}

/// The line below a list: how many there are, and how many of them are `shown`, if not all.
pub(crate) fn footer(
    shown: usize,
    total: Option<u64>,
    (one, many): (&str, &str),
    style: Style,
) -> String {
    let shown = shown as u64;
    let all = count(total.unwrap_or(shown), one, many);
    let text = match total {
        Some(total) if total > shown => format!("{shown} of {all}"),
        _ => all,
    };
    style.faint(&text) + "\n"
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;

    #[test]
    fn columns_are_as_wide_as_what_they_hold() {
        let columns = [
            Column::Left("NAME"),
            Column::Right("BYTES"),
            Column::Left("STATE"),
        ];
        let row = |cells: [&str; 3]| cells.map(str::to_owned).to_vec();
        let rows = [
            row(["a", "1", "ejected"]),
            row(["größer als vier", "1048576", ""]),
            row(["\u{1b}[2J", "-", "healthy"]),
        ];
        assert_snapshot!(table(&columns, &rows, Style::plain()), @r"
        NAME               BYTES  STATE
        a                      1  ejected
        größer als vier  1048576
        \u{1b}[2J              -  healthy
        ");
        assert_eq!(table(&columns, &[], Style::plain()), "");
        assert!(table(&columns, &[vec!["x".to_owned()]], Style::plain()).ends_with("\nx\n"));
    }
}
