//! The order of rules for paths, of which the first that is about a path counts: where a new one is put, and which are kept from
//! counting by those before them.

use super::path_rule::Pattern;
use super::{Access, PathRule};

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
    /// The path of the one before it, and the line with that.
    pub by: (String, usize),
    /// How much of it that is.
    pub hiding: Hiding,
    /// Whether it would count once it was added anew, with the same rights: [`PathRule::put_into`].
    pub counts_if_set_again: bool,
}

impl PathRule {
    /// Adds it to these rules, or gives the one that is written with the same path these rights. It stands before those that keep it from
    /// counting, as far as that opens nothing: what it would keep from counting goes before it, and where something cannot, since it would
    /// open or close more on its way, this one stands behind it. Then it does not count everywhere, which `hidden` tells. One that was there
    /// moves forward at most. No path gets a right by the order of rules: where more may be done than before, this rule gives it.
    pub fn put_into(self, rules: &mut Vec<PathRule>) {
        let known = rules.iter().position(|rule| rule.path() == self.path());
        let old = known.and_then(|at| rules.get(at)).map(|rule| rule.access);
        let order = Insertion { rules, new: &self, known, old };
        let (place, moving) = order.found();
        let mut behind =
            rules.split_off(place).into_iter().enumerate().map(|(at, rule)| (place + at, rule)).collect::<Vec<_>>();
        behind.retain(|(at, _)| Some(*at) != known);
        let (before, behind): (Vec<_>, Vec<_>) = behind.into_iter().partition(|(at, _)| moving.contains(at));
        rules.extend(before.into_iter().map(|(_, rule)| rule));
        rules.push(self);
        rules.extend(behind.into_iter().map(|(_, rule)| rule));
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

/// A rule that is about to be put among others.
struct Insertion<'a> {
    rules: &'a [PathRule],
    new: &'a PathRule,
    /// Where the one that is written with the same path stands, and the rights it had.
    known: Option<usize>,
    old: Option<Access>,
}

impl Insertion<'_> {
    /// Its place, and which of those from there on go before it.
    fn found(&self) -> (usize, Vec<usize>) {
        let end = self.known.unwrap_or(self.rules.len());
        let mut place = self.rules.iter().take(end).position(|rule| self.new.hidden_by(rule).is_some()).unwrap_or(end);
        loop {
            let mut moving = Vec::new();
            let mut stays = None;
            for at in (place..self.rules.len()).filter(|at| self.has_to_go_before(*at)) {
                match self.may_pass(at, place, &moving) {
                    true => moving.push(at),
                    false => stays = stays.or(Some(at).filter(|at| *at < end)),
                }
            }
            match stays {
                None => return (place, moving),
                Some(at) => place = at + 1,
            }
        }
    }

    /// Whether this one would be kept from counting by the new one, and is not already.
    fn has_to_go_before(&self, at: usize) -> bool {
        let Some(rule) = self.rules.get(at).filter(|_| Some(at) != self.known) else { return false };
        let stood_before = self.known.is_some_and(|known| known < at);
        let gave_as_much = self.old.is_some_and(|old| old.contains(self.new.access));
        match rule.hidden_by(self.new) {
            _ if stood_before && gave_as_much => false,
            None => false,
            // One that never counted comes to count only where it takes something of what the new one gives.
            Some(hiding) => self.takes_away(rule, hiding) || !self.never_counted(at, rule),
        }
    }

    /// Whether it is about nothing but what the new one is about, and gives no more there.
    fn takes_away(&self, rule: &PathRule, hiding: Hiding) -> bool {
        hiding == Hiding::Whole && self.new.access.contains(rule.access)
    }

    fn never_counted(&self, at: usize, rule: &PathRule) -> bool {
        self.rules.iter().take(at).any(|before| rule.hidden_by(before) == Some(Hiding::Whole))
    }

    /// Whether it can go from there to this place and open nothing, nor keep from counting what it passes. Those that move stay before it.
    fn may_pass(&self, from: usize, place: usize, moving: &[usize]) -> bool {
        let Some(rule) = self.rules.get(from) else { return false };
        let takes_away = rule.hidden_by(self.new).is_some_and(|hiding| self.takes_away(rule, hiding));
        let passed = self.rules.iter().enumerate().take(from).skip(place);
        let mut passed = passed.filter(|(at, passed)| !moving.contains(at) && passed.pattern.meets(&rule.pattern));
        passed.all(|(at, passed)| match self.old.filter(|_| Some(at) == self.known) {
            // What both are about it gives, or gave.
            Some(old) => old.union(self.new.access).contains(rule.access),
            None => (takes_away || passed.access.contains(rule.access)) && !rule.pattern.covers(&passed.pattern),
        })
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

    #[test]
    fn a_rule_that_never_counted_counts_for_nothing_when_those_before_it_move() {
        let shown = |rules: &[PathRule]| rules.iter().map(PathRule::path).collect::<Vec<_>>().join(" ");
        let deletes = Access::LIST.union(Access::DELETE);
        let mut rules = vec![
            rule("/?/**", Access::READ),
            rule("/*b/**", Access::READ),
            rule("/*/*", Access::NONE),
            rule("/*b/a", deletes),
        ];
        rule("/*/*", Access::READ).put_into(&mut rules);
        assert_eq!(shown(&rules), "/?/** /*b/** /*/* /*b/a");
        let mut rules = vec![rule("/private/**", Access::NONE), rule("/private/*b", Access::LIST)];
        rule("/private/a*", Access::READ).put_into(&mut rules);
        assert_eq!(shown(&rules), "/private/a* /private/** /private/*b");
        // Those that are in no circle go where they count.
        let mut rules = vec![
            rule("/*/b", Access::NONE),
            rule("/a/*", Access::FULL),
            rule("/a/**", Access::NONE),
            rule("/c/b", Access::NONE),
        ];
        rule("/*/b", Access::LIST).put_into(&mut rules);
        assert_eq!(shown(&rules), "/c/b /*/b /a/* /a/**");
    }

    /// All paths of up to three of these names.
    fn paths() -> Vec<crate::files::RelPath> {
        let names = ["a", "b", "ab"];
        let one = names.map(str::to_owned).to_vec();
        let below = |folders: &[String]| -> Vec<String> {
            folders.iter().flat_map(|folder| names.map(|name| format!("{folder}/{name}"))).collect()
        };
        let two = below(&one);
        let three = below(&two);
        let all = [one, two, three].concat();
        all.iter().map(|path| crate::files::RelPath::parse(path.as_bytes()).unwrap()).collect()
    }

    const SOME_RIGHTS: [Access; 6] =
        [Access::NONE, Access::LIST, Access::UPLOAD, Access::READ, Access::LIST.union(Access::DELETE), Access::FULL];

    fn some_rule() -> impl proptest::strategy::Strategy<Value = PathRule> {
        use proptest::strategy::Strategy as _;
        ("(/(a|b|\\*|\\?|a\\*|\\*b)){1,2}(/\\*\\*)?", 0..SOME_RIGHTS.len())
            .prop_map(|(path, access)| rule(&path, SOME_RIGHTS[access]))
    }

    proptest::proptest! {
        #[test]
        fn no_path_gets_a_right_by_the_order_in_which_rules_are_put(
            written in proptest::collection::vec(some_rule(), 0..5),
            added in proptest::collection::vec(some_rule(), 1..6),
        ) {
            let mut rules: Vec<PathRule> = Vec::new();
            for rule in written {
                if rules.iter().all(|other| other.path() != rule.path()) {
                    rules.push(rule);
                }
            }
            for new in added {
                let before = rules.clone();
                new.clone().put_into(&mut rules);
                let decides = |rules: &[PathRule], path: &crate::files::RelPath| rules.iter().find(|rule| rule.is_about(path)).cloned();
                for path in paths() {
                    let (was, is) = (decides(&before, &path), decides(&rules, &path));
                    let had = was.as_ref().map(|rule| rule.access);
                    let has = is.as_ref().map(|rule| rule.access);
                    // What no rule is about is as open as the home.
                    let told = format!("{new:?} at {path}: {was:?}, {is:?}, {before:?}, {rules:?}");
                    match (had, has) {
                        (_, None) => proptest::prop_assert!(was.is_none(), "{}", told),
                        (None, Some(_)) => proptest::prop_assert!(new.is_about(&path), "{}", told),
                        (Some(had), Some(has)) => {
                            let own = if new.is_about(&path) { new.access } else { Access::NONE };
                            proptest::prop_assert!(had.union(own).contains(has), "{}", told);
                        }
                    }
                    // Of what another rule decided before, that is not about all of what this one is, nothing is opened.
                    if let Some(was) = was
                        && was.path() != new.path()
                        && !was.pattern.covers(&new.pattern)
                        && let Some(is) = is
                    {
                        proptest::prop_assert!(was.access.contains(is.access), "{}", told);
                    }
                }
                // All rules are there, once each, and those that did not go before it are as they were to each other.
                let mut all: Vec<_> = rules.iter().map(PathRule::path).collect();
                let mut expected: Vec<_> = before.iter().map(PathRule::path).chain([new.path()]).collect();
                all.sort_unstable();
                expected.sort_unstable();
                expected.dedup();
                proptest::prop_assert_eq!(all, expected);
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
