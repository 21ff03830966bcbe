//! Tables of text: names on the left, numbers on the right.

/// A table that is being put together.
pub struct Table {
    /// Heads that stand over several columns: text, and over how many.
    groups: Vec<(String, usize)>,
    heads: Vec<String>,
    rows: Vec<(String, Vec<String>)>,
}

impl Table {
    /// With these heads.
    pub fn new(heads: Vec<String>) -> Table {
        Table { groups: Vec::new(), heads, rows: Vec::new() }
    }

    /// Adds a line over the heads. Equal neighbours become one.
    pub fn grouped(mut self, groups: impl Iterator<Item = String>) -> Table {
        for group in groups {
            match self.groups.last_mut() {
                Some((last, count)) if *last == group => *count += 1,
                _ => self.groups.push((group, 1)),
            }
        }
        self
    }

    /// Adds a row.
    pub fn row(&mut self, name: impl Into<String>, cells: impl IntoIterator<Item = String>) {
        self.rows.push((name.into(), cells.into_iter().collect()));
    }

    /// As lines of text.
    pub fn render(&self) -> String {
        let wide = |text: &str| text.chars().count();
        let first = self.rows.iter().map(|(name, _)| wide(name)).max().unwrap_or(0);
        let mut widths: Vec<usize> = self.heads.iter().map(|head| wide(head)).collect();
        for (_, cells) in &self.rows {
            for (width, cell) in widths.iter_mut().zip(cells) {
                *width = (*width).max(wide(cell));
            }
        }
        let mut at = 0;
        for (group, count) in &self.groups {
            let room: usize = widths.iter().skip(at).take(*count).map(|width| width + GAP).sum();
            let lacking = (wide(group) + RULE + GAP).saturating_sub(room);
            if let Some(width) = widths.get_mut(at + count - 1) {
                *width += lacking;
            }
            at += count;
        }

        let mut lines = Vec::new();
        if !self.groups.is_empty() {
            let mut line = " ".repeat(first);
            let mut at = 0;
            for (group, count) in &self.groups {
                let room: usize = widths.iter().skip(at).take(*count).map(|width| width + GAP).sum();
                line += &" ".repeat(GAP);
                line += &format!("{:-^1$}", format!(" {group} "), room.saturating_sub(GAP));
                at += count;
            }
            lines.push(line);
        }
        for (name, cells) in std::iter::once(&(String::new(), self.heads.clone())).chain(&self.rows) {
            let cells: String =
                cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:>0$}", width + GAP)).collect();
            lines.push(format!("{name:<first$}{cells}").trim_end().to_owned());
        }
        lines.join("\n")
    }
}

/// Spaces between columns.
const GAP: usize = 3;
/// What the rule beside the head of a group takes at least, and the spaces between.
const RULE: usize = 4;

/// Seconds with three digits that mean something.
pub fn seconds(value: Option<f64>) -> String {
    match value {
        Some(value) if value >= 100.0 => format!("{value:.0}"),
        Some(value) if value >= 10.0 => format!("{value:.1}"),
        Some(value) if value >= 1.0 => format!("{value:.2}"),
        Some(value) => format!("{value:.3}"),
        None => NOTHING.to_owned(),
    }
}

/// Bytes in the unit that suits them.
pub fn bytes(value: u64) -> String {
    for (unit, size) in [("GiB", 1 << 30), ("MiB", 1 << 20)] {
        if value > 0 && value.is_multiple_of(size) {
            return format!("{} {unit}", value / size);
        }
    }
    match value {
        0..10_240 => format!("{value} B"),
        10_240..10_485_760 => format!("{:.1} KiB", value as f64 / 1024.0),
        10_485_760..10_737_418_240 => format!("{:.1} MiB", value as f64 / 1_048_576.0),
        _ => format!("{:.1} GiB", value as f64 / 1_073_741_824.0),
    }
}

/// What stands where there is no number.
pub const NOTHING: &str = "-";
