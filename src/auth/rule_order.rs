//! The order of rules for paths, of which the first that is about a path counts: where a new one is put, and which are kept from
//! counting by those before them.

use super::PathRule;
use super::path_rule::Pattern;

/// How much of a rule one before it keeps from counting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hiding {
    /// All of it.
    Whole,
    /// Some of it, where the one before gives rights that it does not give.
    Part,
}

/// A rule of a users file that does not count as it says, since one before it does.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HiddenRule {
    /// Whose it is.
    pub user: String,
    /// Its path, and the line with that.
    pub rule: (String, usize),
    /// The same of the one before it.
    pub by: (String, usize),
    /// How much of it that is.
    pub hiding: Hiding,
    /// Whether it would count once it was added anew, with the same rights: [`PathRule::put_into`].
    pub counts_if_set_again: bool,
}

impl PathRule {
    /// Adds it to these rules, or gives the one that is written with the same path these rights. It stands before those that are about all
    /// of its paths, and before those that are about some of them and give more there; one that was there moves forward at most. A rule
    /// that it would hide from now on goes before it: so nothing that a rule takes away is opened by the order in which rules were added.
    pub fn put_into(self, rules: &mut Vec<PathRule>) {
        let known = rules.iter().position(|rule| rule.path() == self.path());
        let known = known.map(|at| (at, rules.remove(at).access));
        let wider = rules.iter().position(|rule| self.hidden_by(rule) == Some(Hiding::Whole));
        let all = rules.len();
        let last = wider.unwrap_or(all).min(known.map_or(all, |(at, _)| at));
        // Those from here on stand behind one that gives no less already: nothing more is hidden of them.
        let settled = known.filter(|(_, access)| access.contains(self.access)).map_or(all, |(at, _)| at);
        // From the back: what goes before it, and how far forward it goes itself.
        let (mut before_it, mut place): (Vec<usize>, usize) = (Vec::new(), last);
        for (at, rule) in rules.iter().enumerate().rev() {
            let is_hidden = match rule.hidden_by(&self) {
                None => false,
                Some(_) if at < last => true,
                Some(Hiding::Part) => at < settled,
                // One that never counted comes to count only where it takes something away.
                Some(Hiding::Whole) => at < settled && self.access.contains(rule.access),
            };
            let is_hidden_by = |other: &usize| rules.get(*other).is_some_and(|other| rule.hidden_by(other).is_some());
            if is_hidden || before_it.iter().any(is_hidden_by) {
                before_it.push(at);
            } else if at < last && self.hidden_by(rule).is_some() {
                place = at;
            }
        }
        let moving: Vec<usize> = before_it.into_iter().rev().filter(|at| *at >= place).collect();
        let hides_it = |other: &usize| rules.get(*other).is_some_and(|other| self.hidden_by(other).is_some());
        // In a circle no order is right: one that was there stays, and gives what it is said to give, and not what others give.
        if let Some((at, _)) = known
            && moving.iter().any(hides_it)
        {
            rules.insert(at, self);
            return;
        }
        for at in moving {
            let rule = rules.remove(at);
            rules.insert(place, rule);
            place += 1;
        }
        rules.insert(place, self);
    }

    /// How much of it this one, which stands before it, keeps from counting. Not what is about some of its paths alone: that is there
    /// to count before it.
    pub fn hidden_by(&self, before: &PathRule) -> Option<Hiding> {
        if before.pattern.covers(&self.pattern) {
            return Some(Hiding::Whole);
        }
        let gives_more = !self.access.contains(before.access);
        let is_part = gives_more && before.pattern.meets(&self.pattern) && !self.pattern.covers(&before.pattern);
        is_part.then_some(Hiding::Part)
    }
}

/// Those of these rules of a user, each with its line in the file, that do not count as they say.
pub(super) fn hidden(user: &str, rules: &[(PathRule, usize)]) -> Vec<HiddenRule> {
    let named = |(rule, line): &(PathRule, usize)| (rule.path().to_owned(), *line);
    let hidden = rules.iter().enumerate().filter_map(|(at, hidden)| {
        let (rule, _) = hidden;
        let before = || rules.iter().take(at).map(|before| (before, rule.hidden_by(&before.0)));
        let by = |wanted| before().find(|(_, hiding)| *hiding == Some(wanted)).map(|(before, _)| (before, wanted));
        let (before, hiding) = by(Hiding::Whole).or_else(|| by(Hiding::Part))?;
        let mut again: Vec<PathRule> = rules.iter().map(|(rule, _)| rule.clone()).collect();
        rule.clone().put_into(&mut again);
        let mut before_it = again.iter().take_while(|other| other.path() != rule.path());
        Some(HiddenRule {
            user: user.to_owned(),
            rule: named(hidden),
            by: named(before),
            hiding,
            counts_if_set_again: !before_it.any(|other| rule.hidden_by(other).is_some()),
        })
    });
    hidden.collect()
}

impl Pattern {
    /// Whether it is surely about all that the other one is about.
    fn covers(&self, other: &Pattern) -> bool {
        let is_as_deep = match self.deep {
            true => self.names.len() <= other.names.len(),
            false => self.names.len() == other.names.len() && !other.deep,
        };
        is_as_deep && self.names.iter().zip(&other.names).all(|(name, other)| name_covers(name, other))
    }

    /// Whether there are paths that both are about.
    fn meets(&self, other: &Pattern) -> bool {
        let (short, long) = if self.names.len() <= other.names.len() { (self, other) } else { (other, self) };
        let is_as_deep = short.deep || short.names.len() == long.names.len();
        is_as_deep && short.names.iter().zip(&long.names).all(|(name, other)| names_meet(name, other))
    }
}

/// Whether every name that `other` stands for is one that `pattern` stands for.
fn name_covers(pattern: &str, other: &str) -> bool {
    let together = |letter, other, Known { both, without_letter, without_other }: Known| match letter {
        '*' => without_letter || without_other,
        '?' => other != '*' && both,
        letter => other == letter && both,
    };
    compare((pattern, other), |_| false, together)
}

/// Whether there is a name that both stand for.
fn names_meet(one: &str, other: &str) -> bool {
    let together = |letter, other, Known { both, without_letter, without_other }: Known| match (letter, other) {
        ('*', _) | (_, '*') => without_letter || without_other,
        ('?', _) | (_, '?') => both,
        (letter, other) => letter == other && both,
    };
    compare((one, other), |letter| letter == '*', together)
}

/// What is known of the beginnings of two patterns: without the last letter of both, of the one, or of the other.
struct Known {
    both: bool,
    without_letter: bool,
    without_other: bool,
}

/// Compares two patterns letter by letter: from what is known of shorter beginnings, `together` says it of those that end with these two
/// letters. Of the other one `is_nothing` says which letters may stand for nothing.
fn compare(
    (one, other): (&str, &str),
    is_nothing: impl Fn(char) -> bool,
    together: impl Fn(char, char, Known) -> bool,
) -> bool {
    let other: Vec<char> = other.chars().collect();
    let nothing = other.iter().scan(true, |all, letter| {
        *all = *all && is_nothing(*letter);
        Some(*all)
    });
    let mut known: Vec<bool> = std::iter::once(true).chain(nothing).collect();
    for letter in one.chars() {
        let mut last = letter == '*' && known.first() == Some(&true);
        let mut next = vec![last];
        for ((other, both), without_letter) in other.iter().zip(&known).zip(known.iter().skip(1)) {
            let before = Known { both: *both, without_letter: *without_letter, without_other: last };
            last = together(letter, *other, before);
            next.push(last);
        }
        known = next;
    }
    known.last() == Some(&true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Access;

    fn rule(path: &str, access: Access) -> PathRule {
        PathRule::new(path, access).unwrap()
    }

    #[test]
    fn a_rule_is_put_where_none_before_it_hides_it() {
        let mut rules = Vec::new();
        let mut put = |path: &str| {
            rule(path, Access::READ).put_into(&mut rules);
            rules.iter().map(|rule| rule.path().to_owned()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(put("/**"), "/**");
        assert_eq!(put("/2025/**"), "/2025/** /**");
        assert_eq!(put("/2025"), "/2025 /2025/** /**");
        assert_eq!(put("/2025/*"), "/2025 /2025/* /2025/** /**");
        assert_eq!(put("/*/x"), "/2025 /2025/* /2025/** /*/x /**");
        assert_eq!(put("/b/x"), "/2025 /2025/* /2025/** /b/x /*/x /**");
        assert_eq!(put("/b?/**"), "/2025 /2025/* /2025/** /b/x /*/x /b?/** /**");
        rule("/2025", Access::NONE).put_into(&mut rules);
        assert_eq!((rules.len(), rules.first().unwrap().access), (7, Access::NONE));
    }

    #[test]
    fn a_rule_counts_before_those_that_are_about_some_of_its_paths_and_give_more() {
        let mut rules = vec![rule("/bob/**", Access::FULL), rule("/**", Access::READ)];
        let all = |rules: &[PathRule]| rules.iter().map(|rule| rule.path().to_owned()).collect::<Vec<_>>().join(" ");
        rule("/*/private/**", Access::NONE).put_into(&mut rules);
        assert_eq!(all(&rules), "/*/private/** /bob/** /**");
        // What is narrower than that stands before it.
        rule("/bob/private/mine", Access::READ).put_into(&mut rules);
        assert_eq!(all(&rules), "/bob/private/mine /*/private/** /bob/** /**");
        // Nothing that was taken away is opened by what is about more.
        rule("/b*/**", Access::FULL).put_into(&mut rules);
        assert_eq!(all(&rules), "/bob/private/mine /*/private/** /bob/** /b*/** /**");
        // One that is there already goes where it counts, and else stays.
        let mut hidden = vec![rule("/bob/**", Access::FULL), rule("/*/private/**", Access::FULL)];
        rule("/*/private/**", Access::NONE).put_into(&mut hidden);
        assert_eq!(all(&hidden), "/*/private/** /bob/**");
        assert_eq!(hidden.first().unwrap().access, Access::NONE);
        rule("/bob/**", Access::READ).put_into(&mut hidden);
        assert_eq!((all(&hidden), hidden.get(1).unwrap().access), ("/*/private/** /bob/**".to_owned(), Access::READ));
    }

    #[test]
    fn no_rule_is_put_before_one_that_takes_away_what_it_gives() {
        for (denied, expected) in [
            ("/*/private/**", "/*/private/** /alice/** /*/drafts/** /**"),
            ("/alice/private/**", "/alice/private/** /alice/** /*/drafts/** /**"),
        ] {
            let mut rules =
                vec![rule("/*/drafts/**", Access::FULL), rule(denied, Access::NONE), rule("/**", Access::LIST)];
            rule("/alice/**", Access::READ).put_into(&mut rules);
            let all: Vec<_> = rules.iter().map(PathRule::path).collect();
            assert_eq!(all.join(" "), expected);
        }
    }

    #[test]
    fn what_a_rule_before_it_hides_of_a_rule_is_known() {
        use Hiding::{Part, Whole};
        let (full, read, none) = (Access::FULL, Access::READ, Access::NONE);
        for (before, after, hiding) in [
            (("/**", read), ("/a/**", full), Some(Whole)),
            (("/a*/**", read), ("/ab*/x", read), Some(Whole)),
            (("/?*", read), ("/x?", full), Some(Whole)),
            (("/a", read), ("/a/**", none), None),
            (("/bob/**", full), ("/*/private/**", none), Some(Part)),
            (("/bob/**", none), ("/*/private/**", full), None),
            (("/*.log", full), ("/2025*", read), Some(Part)),
            (("/*.log", full), ("/*.txt", none), None),
            (("/a/b/**", full), ("/a/**", none), None),
            (("/a/*", full), ("/*/b/**", none), Some(Part)),
            (("/a", full), ("/a/b", none), None),
            (("/*a*b", full), ("/b*a?", none), Some(Part)),
            (("/?", full), ("/??", none), None),
        ] {
            let found = rule(after.0, after.1).hidden_by(&rule(before.0, before.1));
            assert_eq!(found, hiding, "{before:?} {after:?}");
        }
    }

    #[test]
    fn a_rule_that_would_be_hidden_on_the_way_goes_with_it() {
        let shown = |rules: &[PathRule]| rules.iter().map(PathRule::path).collect::<Vec<_>>().join(" ");
        let (full, read, list, none) = (Access::FULL, Access::READ, Access::LIST, Access::NONE);
        let mut rules = vec![rule("/*/drafts/**", full), rule("/alice/x/**", read), rule("/**", list)];
        rule("/alice/**", none).put_into(&mut rules);
        assert_eq!(shown(&rules), "/alice/x/** /alice/** /*/drafts/** /**");
        // Each before what it was before, also where one is narrower than the other.
        let mut rules = vec![rule("/*/a/**", full), rule("/z/b/**", list), rule("/z/b*/**", read), rule("/q", full)];
        rule("/z/**", none).put_into(&mut rules);
        assert_eq!(shown(&rules), "/z/b/** /z/b*/** /z/** /*/a/** /q");
    }

    #[test]
    fn a_rule_that_gives_more_than_it_did_goes_behind_those_that_it_would_open() {
        let shown = |rules: &[PathRule]| rules.iter().map(PathRule::path).collect::<Vec<_>>().join(" ");
        let mut rules = Vec::new();
        rule("/alice/**", Access::NONE).put_into(&mut rules);
        rule("/*/private/**", Access::READ).put_into(&mut rules);
        assert_eq!(shown(&rules), "/alice/** /*/private/**");
        rule("/alice/**", Access::FULL).put_into(&mut rules);
        assert_eq!(shown(&rules), "/*/private/** /alice/**");
        // A narrower one that never counted does where it takes something away, and else stays where it is.
        let mut rules = vec![
            rule("/a/**", Access::NONE),
            rule("/a/x", Access::LIST),
            rule("/a/y", Access::FULL),
            rule("/q", Access::NONE),
        ];
        rule("/a/**", Access::READ).put_into(&mut rules);
        assert_eq!(shown(&rules), "/a/x /a/** /a/y /q");
        // In a circle it stays, and nothing of it is opened by what would have to go before it.
        let mut rules = vec![rule("/*/b", Access::NONE), rule("/a/*", Access::FULL), rule("/a/**", Access::NONE)];
        rule("/*/b", Access::LIST).put_into(&mut rules);
        assert_eq!(shown(&rules), "/*/b /a/* /a/**");
        // One that opens nothing stays where it is.
        let mut rules = vec![rule("/b/**", Access::NONE), rule("/c/**", Access::NONE)];
        rule("/b/**", Access::FULL).put_into(&mut rules);
        assert_eq!(shown(&rules), "/b/** /c/**");
    }

    #[test]
    fn setting_a_hidden_rule_again_is_said_to_help_only_where_it_does() {
        let hidden = |rules: &[PathRule]| {
            let lines: Vec<_> = rules.iter().cloned().zip(1..).collect();
            hidden("alice", &lines).pop().unwrap().counts_if_set_again
        };
        assert!(hidden(&[rule("/bob/**", Access::FULL), rule("/*/private/**", Access::NONE)]));
        // Each of the two gives something that the other one does not: whichever is first, it hides some of the other.
        assert!(!hidden(&[rule("/bob/**", Access::READ), rule("/*/private/**", Access::UPLOAD)]));
    }

    proptest::proptest! {
        #[test]
        fn nothing_that_a_rule_takes_away_is_opened_by_the_order_in_which_rules_were_added(
            added in proptest::collection::vec(("(/[ab*]){1,2}(/\\*\\*)?", 0..4usize), 1..8)
        ) {
            // Of any two one gives less.
            let rights = [Access::NONE, Access::LIST, Access::READ, Access::FULL];
            let mut rules: Vec<PathRule> = Vec::new();
            for (path, access) in added {
                let new = rule(&path, rights[access]);
                let before = rules.clone();
                new.clone().put_into(&mut rules);
                let place = |rules: &[PathRule], path: &str| rules.iter().position(|rule| rule.path() == path);
                let known = before.iter().find(|rule| rule.path() == path).map(|rule| rule.access);
                let at = place(&rules, &path).unwrap();
                let hides_new = |rule: &PathRule| rule.path() != path && new.hidden_by(rule).is_some();
                let is_in_circle = place(&before, &path) == Some(at) && rules.iter().any(hides_new);
                // No rule comes to stand before one that was there and that it would open, unless it stood there and gave as much. Whether
                // the new one counts everywhere is another matter: where rules are in a circle it cannot, and that is said.
                for (at, behind) in rules.iter().enumerate().filter(|(_, rule)| rule.path() != path || known.is_some()) {
                    for before_it in rules.iter().take(at) {
                        let stood = place(&before, before_it.path()) < place(&before, behind.path());
                        let gave = before_it.path() != path || known.is_some_and(|access| access.contains(new.access));
                        let opens = behind.hidden_by(before_it).is_some() && !behind.access.contains(before_it.access);
                        let was_there = place(&before, before_it.path()).is_some() && stood && gave;
                        let stayed = before_it.path() == path && is_in_circle;
                        proptest::prop_assert!(was_there || stayed || !opens, "{:?} before {:?}", before_it, behind);
                    }
                }
                let settled = rules.clone();
                new.put_into(&mut rules);
                proptest::prop_assert_eq!(&rules, &settled);
            }
        }

        #[test]
        fn names_are_compared_as_paths_are_matched(one in "[ab*?]{1,6}", other in "[ab*?]{1,6}", name in "[ab]{1,6}") {
            proptest::prop_assume!(!one.contains("**") && !other.contains("**"));
            let about = |pattern: &str| {
                let path = crate::files::RelPath::parse(name.as_bytes()).unwrap();
                rule(&format!("/{pattern}"), Access::READ).is_about(&path)
            };
            let (by_one, by_other) = (about(&one), about(&other));
            proptest::prop_assert!(!name_covers(&one, &other) || !by_other || by_one);
            proptest::prop_assert!(names_meet(&one, &other) || !(by_one && by_other));
            proptest::prop_assert_eq!(names_meet(&one, &other), names_meet(&other, &one));
        }
    }
}
