//! What was found, and how it is told.

use sealift::escape::for_people;
use serde_json::json;

use crate::apart::Misplaced;
use crate::output::counted;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Good to know.
    Note,
    /// It works, and should not be left so.
    Warning,
    /// The server would not start, or would not be safe.
    Error,
}

impl Severity {
    fn word(self) -> &'static str {
        match self {
            Severity::Note => "note",
            Severity::Warning => "warning",
            Severity::Error => "error",
        }
    }
}

/// One thing that was found.
#[derive(Debug)]
struct Finding {
    severity: Severity,
    what: String,
    next: String,
}

/// All that was found, in the order it was.
#[derive(Debug, Default)]
pub struct Findings(Vec<Finding>);

impl Findings {
    /// Adds a thing and the next step, empty if there is none to take.
    pub fn add(&mut self, severity: Severity, what: impl Into<String>, next: impl Into<String>) {
        self.0.push(Finding { severity, what: what.into(), next: next.into() });
    }

    /// Adds something that lies wrong.
    pub fn add_misplaced(&mut self, found: Misplaced) {
        self.add(Severity::Error, found.text, found.next);
    }

    /// How bad the worst of it is, if there is something.
    pub fn worst(&self) -> Option<Severity> {
        self.0.iter().map(|finding| finding.severity).max()
    }

    /// A line for each, the worst first, and how many there are.
    pub fn as_text(&self) -> String {
        let lines = self.sorted().into_iter().map(|finding| {
            let next = if finding.next.is_empty() { String::new() } else { format!(": {}", finding.next) };
            format!("{}: {}\n", finding.severity.word(), for_people(format!("{}{next}", finding.what).as_bytes()))
        });
        let count = |severity, one: &str| {
            let count = self.0.iter().filter(|finding| finding.severity == severity).count();
            counted(u64::try_from(count).unwrap_or(u64::MAX), one)
        };
        let end = format!("{}, {}\n", count(Severity::Error, "error"), count(Severity::Warning, "warning"));
        lines.chain([end]).collect()
    }

    /// A JSON object a line.
    pub fn as_json(&self) -> String {
        let line = |finding: &Finding| {
            let Finding { severity, what, next } = finding;
            format!("{}\n", json!({ "severity": severity.word(), "what": what, "next": next }))
        };
        self.sorted().into_iter().map(line).collect()
    }

    fn sorted(&self) -> Vec<&Finding> {
        let mut sorted: Vec<&Finding> = self.0.iter().collect();
        sorted.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        sorted
    }
}
