//! Rows of results in columns for people; where a terminal is too narrow for them, each row as lines below each other.

use console::measure_text_width;

use crate::wrap::fitted;

/// What stands between two columns.
const GAP: &str = "  ";

/// Rows of as many cells as the head has names. The text of all of them is already escaped.
#[derive(Debug, Clone)]
pub struct Table {
    head: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// One without rows; the columns are called so, in capitals.
    pub fn new<T: Into<String>>(head: impl IntoIterator<Item = T>) -> Self {
        Table { head: head.into_iter().map(Into::into).collect(), rows: Vec::new() }
    }

    /// Adds a row.
    pub fn push(&mut self, row: impl IntoIterator<Item = String>) {
        self.rows.push(row.into_iter().collect());
    }

    /// Nothing to be shown.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The rows in columns as wide as their widest cells, without the head: what a program reads has nothing to do with it.
    pub fn rows(&self) -> Vec<String> {
        in_columns(&self.rows.iter().collect::<Vec<_>>())
    }

    /// The rows in columns as wide as their widest cells, below the head.
    pub fn with_head(&self) -> Vec<String> {
        in_columns(&std::iter::once(&self.head).chain(&self.rows).collect::<Vec<_>>())
    }

    /// Whether no line with the columns and their head is longer than this.
    pub fn fits(&self, width: usize) -> bool {
        self.with_head().iter().all(|line| measure_text_width(line) <= width)
    }

    /// Each row as its first cell, and below that a line for each other one behind the name of its column, broken at words. What is
    /// empty is left out.
    pub fn blocks(&self, width: usize) -> Vec<String> {
        self.rows.iter().flat_map(|row| self.block(row, width)).collect()
    }

    /// For a terminal of so many columns.
    pub fn fitted(&self, width: usize) -> Vec<String> {
        if self.fits(width) { self.with_head() } else { self.blocks(width) }
    }

    fn block(&self, row: &[String], width: usize) -> Vec<String> {
        let Some((name, cells)) = row.split_first() else { return Vec::new() };
        let labels = self.head.get(1..).unwrap_or_default();
        let label_width = labels.iter().map(|label| measure_text_width(label)).max().unwrap_or(0);
        let filled = labels.iter().zip(cells).filter(|(_, cell)| !cell.is_empty());
        let lines = filled.flat_map(|(label, cell)| {
            let line = format!("  {}{GAP}{cell}", padded(&label.to_lowercase(), label_width));
            fitted(&line, width).split('\n').map(str::to_owned).collect::<Vec<_>>()
        });
        std::iter::once(name.clone()).chain(lines).collect()
    }
}

fn in_columns(rows: &[&Vec<String>]) -> Vec<String> {
    let count = rows.iter().map(|row| row.len()).max().unwrap_or(0);
    let widest =
        |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| measure_text_width(cell)).max();
    let widths: Vec<usize> = (0..count).map(|column| widest(column).unwrap_or(0)).collect();
    let line = |row: &&Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| padded(cell, *width));
        cells.collect::<Vec<_>>().join(GAP).trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

fn padded(cell: &str, width: usize) -> String {
    format!("{cell}{:1$}", "", width.saturating_sub(measure_text_width(cell)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new(["NAME", "KIND", "GOOD"]);
        table.push(["文件", "file", "until it is removed"].map(str::to_owned));
        table.push(["b", "", "no more"].map(str::to_owned));
        table
    }

    #[test]
    fn columns_are_as_wide_as_their_cells() {
        assert_eq!(table().rows(), ["文件  file  until it is removed", "b           no more"]);
        assert_eq!(table().with_head()[0], "NAME  KIND  GOOD");
        assert_eq!(table().fitted(31), table().with_head());
    }

    #[test]
    fn where_they_do_not_fit_each_row_is_a_few_lines() {
        let narrow = ["文件", "  kind  file", "  good  until it is", "        removed", "b", "  good  no more"];
        assert_eq!(table().fitted(20), narrow);
    }
}
