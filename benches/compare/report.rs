//! What is printed at the end, for people or for programs.

use serde_json::{Value, json};

use crate::data::Area;
use crate::procfs;

/// From this load on the machine is not quiet.
const QUIET: f64 = 0.5;

/// The result of a mode.
pub struct Report {
    mode: &'static str,
    machine: String,
    place: String,
    load: Option<f64>,
    rounds: u64,
    /// What was compared.
    pub versions: Vec<String>,
    /// What could not be measured, and why.
    pub missing: Vec<String>,
    /// What should have worked and did not.
    pub failed: Vec<String>,
    /// The tables.
    pub text: String,
    /// The numbers.
    pub result: Value,
}

impl Report {
    /// Of a mode that starts now.
    pub fn new(mode: &'static str, area: &Area, rounds: u64) -> Report {
        Report {
            mode,
            machine: procfs::machine(),
            place: area.describe(),
            load: procfs::load(),
            rounds,
            versions: Vec::new(),
            missing: Vec::new(),
            failed: Vec::new(),
            text: String::new(),
            result: Value::Null,
        }
    }

    /// Tells the person who waits what goes on.
    pub fn progress(&self, what: &str) {
        eprintln!("compare: {what}");
    }

    /// For people.
    pub fn render(&self) -> String {
        let mut lines = vec![format!("{}\nfiles in {}", self.machine, self.place)];
        lines.extend(self.warnings().into_iter().map(|warning| format!("WARNING: {warning}")));
        lines.extend(self.versions.iter().cloned());
        lines.push(format!("\n{}", self.text));
        for (title, items) in [("Could not be measured:", &self.missing), ("FAILED:", &self.failed)] {
            if !items.is_empty() {
                lines.push(format!("\n{title}"));
                lines.extend(items.iter().map(|item| format!("  {item}")));
            }
        }
        lines.join("\n")
    }

    /// For programs.
    pub fn json(&self) -> Value {
        json!({
            "mode": self.mode, "machine": self.machine, "place": self.place, "load_at_start": self.load,
            "rounds": self.rounds, "versions": self.versions, "warnings": self.warnings(),
            "missing": self.missing, "failed": self.failed, "result": self.result,
        })
    }

    fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if cfg!(debug_assertions) {
            warnings.push("this is not a release build; its numbers mean nothing".to_owned());
        }
        if let Some(load) = self.load.filter(|load| *load > QUIET) {
            warnings.push(format!("the machine was not quiet at the start (load {load:.1})"));
        }
        warnings
    }
}
