//! Many operations of one session within a short time, as the log tells of them: the first of each kind have a line each, and one line
//! says at the end how many more there were. Ten thousand small files are a few lines then, and stay readable beside what others do.

use std::time::Instant;

use crate::files::RelPath;
use crate::limits;

/// The operations of a session since it began to do several.
#[derive(Debug, Default)]
pub struct LogBurst {
    since: Option<Instant>,
    kinds: Vec<Alike>,
}

/// Operations of one name that came to the same.
#[derive(Debug)]
pub struct Alike {
    /// What their protocol calls them.
    pub verb: &'static str,
    /// What they came to.
    pub outcome: &'static str,
    /// Those that had lines of their own.
    lines: u32,
    /// How many more there were.
    pub more: u64,
    /// Bytes of files that these moved.
    pub bytes: u64,
    /// What the last of them was about.
    pub last: Option<RelPath>,
}

/// How the log tells of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Telling {
    /// By a line of its own.
    Line,
    /// In a number that is said later.
    Number,
    /// In a number that is said later, and it is the first of them: the caller sees to it that the numbers are said when
    /// [`limits::LOG_WINDOW`] is over.
    FirstNumber,
}

impl LogBurst {
    /// Notes an operation that is over.
    pub fn note(
        &mut self,
        (verb, outcome): (&'static str, &'static str),
        path: Option<&RelPath>,
        bytes: u64,
        now: Instant,
    ) -> Telling {
        // What moves so much is no small file: it has a line of its own, however many there are.
        if bytes >= limits::LOG_APART {
            return Telling::Line;
        }
        let has_numbers = self.kinds.iter().any(|kind| kind.more > 0);
        let is_over = self.since.is_none_or(|since| now.saturating_duration_since(since) >= limits::LOG_WINDOW);
        // With numbers, it ends when they are said.
        if is_over && !has_numbers {
            self.kinds.clear();
            self.since = Some(now);
        }
        let at = self.kinds.iter().position(|kind| kind.verb == verb && kind.outcome == outcome);
        let at = at.unwrap_or_else(|| {
            self.kinds.push(Alike { verb, outcome, lines: 0, more: 0, bytes: 0, last: None });
            self.kinds.len() - 1
        });
        let Some(kind) = self.kinds.get_mut(at) else { return Telling::Line };
        if kind.lines < limits::LOG_EACH {
            kind.lines += 1;
            return Telling::Line;
        }
        kind.more += 1;
        kind.bytes += bytes;
        kind.last = path.cloned();
        if has_numbers { Telling::Number } else { Telling::FirstNumber }
    }

    /// What is to be said in numbers; it begins anew.
    pub fn end(&mut self) -> Vec<Alike> {
        self.since = None;
        std::mem::take(&mut self.kinds).into_iter().filter(|kind| kind.more > 0).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn note(burst: &mut LogBurst, what: (&'static str, &'static str), after: Duration) -> Telling {
        static BEGIN: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
        burst.note(what, None, 7, *BEGIN.get_or_init(Instant::now) + after)
    }

    #[test]
    fn the_first_of_each_kind_have_lines_and_the_rest_a_number() {
        let (mut burst, now) = (LogBurst::default(), Duration::ZERO);
        for kind in [("UPLOAD", "created"), ("UPLOAD", "denied"), ("MKDIR", "created")] {
            assert!((0..limits::LOG_EACH).all(|_| note(&mut burst, kind, now) == Telling::Line));
        }
        assert_eq!(note(&mut burst, ("UPLOAD", "created"), now), Telling::FirstNumber);
        for _ in 0..1000 {
            assert_eq!(note(&mut burst, ("UPLOAD", "created"), now), Telling::Number);
        }
        assert_eq!(note(&mut burst, ("MKDIR", "created"), 9 * limits::LOG_WINDOW), Telling::Number, "until it is said");
        let said = burst.end();
        let said: Vec<_> = said.iter().map(|kind| (kind.verb, kind.outcome, kind.more, kind.bytes)).collect();
        assert_eq!(said, [("UPLOAD", "created", 1001, 7007), ("MKDIR", "created", 1, 7)]);
        assert_eq!(note(&mut burst, ("UPLOAD", "created"), now), Telling::Line);
    }

    #[test]
    fn who_does_one_thing_now_and_then_has_a_line_for_each() {
        let mut burst = LogBurst::default();
        for n in 0..10 * limits::LOG_EACH {
            let after = limits::LOG_WINDOW * (n / limits::LOG_EACH);
            assert_eq!(note(&mut burst, ("UPLOAD", "created"), after), Telling::Line, "{n}");
        }
        assert!(burst.end().is_empty());
    }

    #[test]
    fn what_moves_much_has_a_line_however_many_there_are() {
        let mut burst = LogBurst::default();
        let large = |burst: &mut LogBurst| burst.note(("UPLOAD", "created"), None, limits::LOG_APART, Instant::now());
        assert!((0..100).all(|_| large(&mut burst) == Telling::Line));
    }
}
