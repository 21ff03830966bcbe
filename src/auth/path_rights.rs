//! What somebody may do at a path: in the home, by its rules, or in a shared folder.

use std::iter::successors;
use std::sync::Arc;

use super::{Access, Grants, PathRule, SharedFolder};
use crate::files::aside::{BESIDE, Before, before};
use crate::files::{Location, RelPath, Umask};

/// The rights over a folder with all that may be in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Spread {
    /// Those that there are everywhere in it.
    pub all: Access,
    /// Those that there are somewhere in it.
    pub any: Access,
}

impl Spread {
    fn with(self, access: Access) -> Spread {
        Spread { all: self.all.intersection(access), any: self.any.union(access) }
    }
}

/// By what the rights at a path are given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GivenBy<'a> {
    /// The user's own section.
    Home,
    /// A rule of the user's own section.
    Rule(&'a PathRule),
    /// A shared folder.
    Folder(&'a SharedFolder),
}

impl Grants {
    /// Whether the same rights count at every path: nobody shares anything with them, and no rule is for a part of the home.
    pub fn is_uniform(&self) -> bool {
        self.folders.is_empty() && self.rules.is_empty()
    }

    /// The shared folder that this path is in, or is.
    pub fn folder_at(&self, path: &RelPath) -> Option<&Arc<SharedFolder>> {
        self.folders.iter().find(|folder| path.is_within(&folder.at))
    }

    /// By what the rights at this path are given. Of several rules the first counts.
    pub fn given_at(&self, path: &RelPath) -> GivenBy<'_> {
        if let Some(folder) = self.folder_at(path) {
            return GivenBy::Folder(folder);
        }
        self.rules.iter().find(|rule| rule.is_about(path)).map_or(GivenBy::Home, GivenBy::Rule)
    }

    /// The rights at this path.
    pub fn access_at(&self, path: &RelPath) -> Access {
        match (self.folder_at(path), self.before_it_was_aside(path)) {
            (Some(folder), _) => folder.access,
            (None, Some(names)) => self.access_in_home(path).intersection(self.access_before(&names)),
            (None, None) => self.access_in_home(path),
        }
    }

    /// The rights at this path of the home, by the path alone.
    fn access_in_home(&self, path: &RelPath) -> Access {
        self.rules.iter().find(|rule| rule.is_about(path)).map_or(self.access, |rule| rule.access)
    }

    /// The rights at what had these names before it stood aside, by the names alone: no more than every rule gives that may have been about
    /// it.
    fn access_before(&self, names: &[Before<'_>]) -> Access {
        let mut given: Option<Access> = None;
        let with = |given: Option<Access>, access: Access| given.map_or(access, |given| given.intersection(access));
        for rule in &self.rules {
            let Some(is_sure) = rule.was_about(names) else { continue };
            given = Some(with(given, rule.access));
            if let (true, Some(given)) = (is_sure, given) {
                return given;
            }
        }
        with(given, self.access)
    }

    /// What this was called before it, or a folder that it is in, was moved out of the way, or what it is to be called: the rules for that count
    /// for it, too.
    fn before_it_was_aside<'a>(&'a self, path: &'a RelPath) -> Option<Vec<Before<'a>>> {
        // The way of nearly all.
        if self.rules.is_empty() || !path.as_bytes().windows(BESIDE.len()).any(|some| some == BESIDE) {
            return None;
        }
        let known = || self.rules.iter().flat_map(PathRule::names);
        let is_name = |name: &[u8]| RelPath::parse(name).is_ok();
        // It may have been moved aside more than once.
        let earlier = |name: &Before<'a>| match name {
            Before::Name(name) => before(name, known()).filter(|found| match found {
                Before::Name(name) => is_name(name),
                Before::Start(_) => true,
            }),
            Before::Start(_) => None,
        };
        let names = path.components().map(Before::Name);
        let names: Vec<_> = names.map(|name| successors(Some(name), earlier).last().unwrap_or(name)).collect();
        names.iter().copied().ne(path.components().map(Before::Name)).then_some(names)
    }

    /// The rights at this path and all that are, or may come to be, below it.
    pub fn access_below(&self, path: &RelPath) -> Spread {
        let spread = self.access_in_folder(path);
        if self.folder_at(path).is_some() {
            return spread;
        }
        let folders = self.folders.iter().filter(|folder| folder.at.is_within(path)).map(|folder| folder.access);
        folders.fold(spread, Spread::with)
    }

    /// The rights at this path and all that is below it in the home, or in the shared folder, that it is in: of what is shared below it
    /// nothing.
    pub fn access_in_folder(&self, path: &RelPath) -> Spread {
        if let Some(folder) = self.folder_at(path) {
            return Spread { all: folder.access, any: folder.access };
        }
        let here = self.access_in_home(path);
        let spread = self.spread(here, |rule| (rule.is_about(path), rule.reaches_into(path)));
        let Some(names) = self.before_it_was_aside(path) else { return spread };
        let about = |rule: &PathRule| (rule.was_about(&names).is_some(), rule.reached_into(&names));
        let before = self.spread(self.access_before(&names), about);
        Spread { all: spread.all.intersection(before.all), any: spread.any.intersection(before.any) }
    }

    /// What there is in a folder of the home that has these rights itself. Of a rule it is said whether it is about the folder, and
    /// whether it reaches into it.
    fn spread(&self, here: Access, about: impl Fn(&PathRule) -> (bool, bool)) -> Spread {
        let spread = Spread { all: here, any: here };
        let rules = self.rules.iter().filter(|rule| about(rule).1).map(|rule| rule.access);
        // Below a rule of one path alone, or of none, the rest of the home's rights count too.
        let rest = self.rules.iter().any(|rule| about(rule) == (true, false)).then_some(self.access);
        rules.chain(rest).fold(spread, Spread::with)
    }

    /// The rights that there are somewhere.
    pub fn access_anywhere(&self) -> Access {
        self.access_below(&RelPath::root()).any
    }

    /// What is made at this path is not open to this: what the folder says that it is in, else the user's own. Not what files
    /// have that are sent with all nine bits.
    pub fn umask_at(&self, path: &RelPath) -> Option<Umask> {
        let of_folder = match self.folder_at(path) {
            Some(folder) => folder.umask,
            None => self.home_umask,
        };
        of_folder.or(self.umask)
    }

    /// The folder that this path is in, the home or a shared one, and the path in it.
    pub fn locate(&self, path: &RelPath) -> (Location, RelPath) {
        let inside = |folder: &Arc<SharedFolder>| Some((folder.location.clone(), folder.path_in(path)?));
        self.folder_at(path).and_then(inside).unwrap_or_else(|| (Location::Below(self.home.clone()), path.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::path_rule::Pattern;
    use crate::files::HomeTerms;
    use crate::files::aside::{ASIDE, COPY, hidden};

    fn path(text: &str) -> RelPath {
        RelPath::parse(text.as_bytes()).unwrap()
    }

    fn grants(rules: &[(&str, Access)], folders: &[(&str, Access)]) -> Grants {
        let rule = |(pattern, access): &(&str, Access)| PathRule {
            pattern: Pattern::parse(pattern).unwrap(),
            access: *access,
        };
        let folder = |(at, access): &(&str, Access)| {
            Arc::new(SharedFolder {
                name: (*at).to_owned(),
                at: path(at),
                location: Location::Below(format!("shared/{at}")),
                inside: RelPath::root(),
                terms: HomeTerms::none(),
                umask: None,
                access: *access,
                given_to: "*".to_owned(),
            })
        };
        Grants {
            rules: rules.iter().map(rule).collect(),
            folders: folders.iter().map(folder).collect(),
            ..Grants::new("home")
        }
    }

    #[test]
    fn the_first_rule_counts_and_a_shared_folder_before_every_rule() {
        let grants = grants(
            &[("/a/b/**", Access::READ), ("/a/**", Access::NONE), ("/public/**", Access::NONE)],
            &[("public", Access::LIST)],
        );
        for (at, access) in [
            ("", Access::FULL),
            ("x", Access::FULL),
            ("a", Access::NONE),
            ("a/x", Access::NONE),
            ("a/b", Access::READ),
            ("a/b/c", Access::READ),
            ("public", Access::LIST),
            ("public/x", Access::LIST),
            ("publicity", Access::FULL),
        ] {
            assert_eq!(grants.access_at(&path(at)), access, "{at}");
        }
    }

    #[test]
    fn the_rules_for_a_name_count_for_what_stands_aside_of_it() {
        for end in [ASIDE, COPY] {
            let long = "s".repeat(250);
            let known = format!("/{long}/**");
            let open = format!("/.open.0123456789abcdef{}/**", String::from_utf8_lossy(end));
            let grants = grants(
                &[
                    ("/secret/**", Access::NONE),
                    (&known, Access::NONE),
                    ("/tree/in/**", Access::READ),
                    ("/hide*", Access::NONE),
                    ("/deep/*/x/**", Access::LIST),
                    ("/k*.key", Access::NONE),
                    ("/k*/in/**", Access::READ),
                    (&open, Access::READ),
                ],
                &[],
            );
            let aside = |name: &str| {
                let hidden = hidden(name.as_bytes(), Some("0123456789abcdef"), end);
                String::from_utf8(hidden).unwrap()
            };
            for (at, access) in [
                (aside("secret"), Access::NONE),
                (format!("{}/file", aside("secret")), Access::NONE),
                (format!("{}/in/x", aside("tree")), Access::READ),
                (format!("{}/x", aside("tree")), Access::FULL),
                (format!("tree/{}/x", aside("in")), Access::READ),
                (aside(&aside("secret")), Access::NONE),
                (aside(&long), Access::NONE),
                (aside(&"h".repeat(250)), Access::FULL),
                (aside(&format!("hide{}", "h".repeat(250))), Access::NONE),
                // Of a long name the end is not known.
                (aside(&format!("{}.key", "k".repeat(240))), Access::NONE),
                (aside(&aside(&format!("{}.key", "k".repeat(240)))), Access::NONE),
                (aside(&format!("{}.key", "l".repeat(240))), Access::FULL),
                (aside(&format!("{}.key", "k".repeat(200))), Access::NONE),
                (aside(&format!("{}.txt", "k".repeat(200))), Access::FULL),
                (format!("{}/in/x", aside(&"k".repeat(250))), Access::READ),
                (format!("deep/{}/x/y", aside(&"m".repeat(250))), Access::LIST),
                (aside(&format!("{}t", "s".repeat(249))), Access::FULL),
                (aside("open"), Access::READ),
                (".secret.sealift-aside".to_owned(), Access::FULL),
            ] {
                assert_eq!(grants.access_at(&path(&at)), access, "{at}");
            }
            let below = |at: &str| grants.access_below(&path(at));
            assert_eq!(below(&aside("tree")), Spread { all: Access::READ, any: Access::FULL });
            assert_eq!(below(&aside("secret")), Spread { all: Access::NONE, any: Access::NONE });
        }
    }

    #[test]
    fn all_that_is_below_counts_for_a_tree() {
        let grants = grants(&[("/a/b/**", Access::READ), ("/one", Access::NONE)], &[("team/pub", Access::LIST)]);
        for (at, all, any) in [
            ("x", Access::FULL, Access::FULL),
            ("a", Access::READ, Access::FULL),
            ("a/b", Access::READ, Access::READ),
            ("a/c", Access::FULL, Access::FULL),
            ("one", Access::NONE, Access::FULL),
            ("team", Access::LIST, Access::FULL),
            ("team/pub", Access::LIST, Access::LIST),
            ("team/pub/x", Access::LIST, Access::LIST),
            ("", Access::NONE, Access::FULL),
        ] {
            assert_eq!(grants.access_below(&path(at)), Spread { all, any }, "{at}");
        }
    }

    #[test]
    fn what_is_shared_below_counts_for_a_tree_and_not_for_what_is_in_the_folder_itself() {
        let grants = grants(&[("/a/b/**", Access::READ)], &[("team/box", Access::LIST), ("full", Access::FULL)]);
        for (at, below, inside) in [
            ("", Access::LIST, Access::READ),
            ("a", Access::READ, Access::READ),
            ("team", Access::LIST, Access::FULL),
            ("team/box", Access::LIST, Access::LIST),
            ("full", Access::FULL, Access::FULL),
        ] {
            let at = path(at);
            assert_eq!((grants.access_below(&at).all, grants.access_in_folder(&at).all), (below, inside), "{at}");
        }
    }

    #[test]
    fn a_path_is_found_in_the_folder_that_it_is_in() {
        let grants = grants(&[], &[("team/pub", Access::LIST)]);
        let located = |at: &str| {
            let (location, rest) = grants.locate(&path(at));
            (location.to_string(), rest.to_string())
        };
        assert_eq!(located("team/pub/x/y"), ("shared/team/pub".into(), "x/y".into()));
        assert_eq!(located("team/pub"), ("shared/team/pub".into(), ".".into()));
        assert_eq!(located("team/x"), ("home".into(), "team/x".into()));
    }
}
