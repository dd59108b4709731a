//! Medians, and tables of them.

use std::fmt::Write;

/// The middle one of `figures`, or the mean of the two in the middle. None of none.
#[must_use]
pub fn median(figures: &[f64]) -> Option<f64> {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let upper = sorted.get(middle)?;
    if sorted.len() % 2 == 1 {
        return Some(*upper);
    }
    Some(f64::midpoint(sorted[middle - 1], *upper))
}

/// A table in Markdown, its first column words and the others figures.
#[derive(Debug)]
pub struct Table(String);

impl Table {
    /// A table with these columns.
    pub fn new<T: AsRef<str>>(columns: impl IntoIterator<Item = T>) -> Table {
        let mut table = Table(String::new());
        table.row(columns);
        let columns = table.0.matches('|').count() - 1;
        table.0 += "|---|";
        table.0 += &"--:|".repeat(columns.saturating_sub(1));
        table.0.push('\n');
        table
    }

    /// Adds a row.
    pub fn row<T: AsRef<str>>(&mut self, cells: impl IntoIterator<Item = T>) {
        self.0.push('|');
        for cell in cells {
            // Writing to a string does not fail.
            let _ = write!(self.0, " {} |", cell.as_ref());
        }
        self.0.push('\n');
    }
}

impl std::fmt::Display for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 3.0, 2.0]), Some(2.5));
    }

    #[test]
    fn a_table_is_one_in_markdown() {
        let mut table = Table::new(["", "a", "b"]);
        table.row(["x", "1", "2"]);
        assert_eq!(
            table.to_string(),
            "|  | a | b |\n|---|--:|--:|\n| x | 1 | 2 |\n"
        );
    }
}
