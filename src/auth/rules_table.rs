//! Writes the rules for paths of a user, each a section of its own or all in one list; comments and layout stay.

use toml_edit::{Array, ArrayOfTables, InlineTable, Item, Table, TableLike, Value, value};

use super::PathRule;
use super::grants_table::{of_access, put};

const KEY: &str = "rules";

/// The rules of a section, as the file has them.
enum Written<'a> {
    Sections(&'a mut ArrayOfTables),
    List(&'a mut Array),
}

/// Makes the rules of a section these, where they were those; gives back the sections that went.
pub(super) fn write(section: &mut dyn TableLike, rules: &[PathRule], before: &[PathRule]) -> Vec<Table> {
    let mut gone = Vec::new();
    if rules == before {
        return gone;
    }
    if !section.contains_key(KEY) {
        section.insert(KEY, Item::ArrayOfTables(ArrayOfTables::new()));
    }
    let mut written = match section.get_mut(KEY) {
        Some(Item::ArrayOfTables(sections)) => Written::Sections(sections),
        Some(Item::Value(Value::Array(list))) => Written::List(list),
        // It says no rules, then: whoever compares will see that.
        _ => return gone,
    };
    let mut old = before.iter().peekable();
    for (at, rule) in rules.iter().enumerate() {
        let is_kept = |old: &&&PathRule| rules.iter().skip(at).any(|rule| rule.path() == old.path());
        while old.peek().is_some_and(|old| !is_kept(&old)) {
            old.next();
            gone.extend(written.remove(at));
        }
        match old.next_if(|old| old.path() == rule.path()) {
            None => written.insert(at, rule),
            Some(old) if old.access != rule.access => written.change(at, rule),
            Some(_) => {}
        }
    }
    for _ in old {
        gone.extend(written.remove(rules.len()));
    }
    if rules.is_empty() {
        section.remove(KEY);
    }
    gone
}

impl Written<'_> {
    fn remove(&mut self, at: usize) -> Option<Table> {
        match self {
            Written::Sections(sections) => (at < sections.len()).then(|| sections.remove(at)),
            Written::List(list) => {
                if at < list.len() {
                    list.remove(at);
                }
                None
            }
        }
    }

    fn insert(&mut self, at: usize, rule: &PathRule) {
        match self {
            Written::Sections(sections) => {
                let mut section = Table::new();
                section.insert("path", value(rule.path()));
                section.insert("access", of_access(rule.access));
                sections.insert(at.min(sections.len()), section);
            }
            Written::List(list) => {
                let mut table = InlineTable::new();
                table.insert("path", rule.path().into());
                if let Ok(access) = of_access(rule.access).into_value() {
                    table.insert("access", access);
                }
                list.insert(at.min(list.len()), table);
            }
        }
    }

    fn change(&mut self, at: usize, rule: &PathRule) {
        let section: Option<&mut dyn TableLike> = match self {
            Written::Sections(sections) => sections.get_mut(at).map(|section| section as &mut dyn TableLike),
            Written::List(list) => {
                let table = list.get_mut(at).and_then(Value::as_inline_table_mut);
                table.map(|table| table as &mut dyn TableLike)
            }
        };
        if let Some(section) = section {
            put(section, "access", of_access(rule.access));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::editor;
    use super::super::hash::tests::cheap_hash;
    use super::*;
    use crate::auth::{Access, Grants, Users};

    fn put_rule(text: &str, path: &str, access: Access) -> String {
        let rule = PathRule::new(path, access).unwrap();
        editor::set(text, "f", "a", |grants: &mut Grants| rule.put_into(&mut grants.rules)).unwrap()
    }

    fn drop_rule(text: &str, path: &str) -> String {
        editor::set(text, "f", "a", |grants: &mut Grants| grants.rules.retain(|rule| rule.path() != path)).unwrap()
    }

    fn rules(text: &str) -> String {
        let users = Users::parse(text, "f").unwrap();
        let rules = &users.get("a").unwrap().grants().rules;
        rules.iter().map(|rule| format!("{}={}", rule.path(), rule.access)).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn rules_are_put_changed_and_taken_away_in_every_layout_and_comments_stay() {
        let hash = cheap_hash("x");
        let sections = format!(
            "[users.a]\npassword = \"{hash}\"\n\n# The archive.\n[[users.a.rules]]\npath = \"/old/**\"  # years\naccess = \"read\"  # only\n\n\
             # All else.\n[[users.a.rules]]\npath = \"/**\"\naccess = \"full\"\n\n# Bob.\n[users.b]\npassword = \"{hash}\"\n"
        );
        let list = format!(
            "users = {{ b = {{ password = \"{hash}\" }}, a = {{ password = \"{hash}\", rules = [{{ path = \"/old/**\", access = \"read\" }}, {{ path = \"/**\", access = \"full\" }}] }} }}\n"
        );
        for text in [&sections, &list] {
            let more = put_rule(text, "/new/**", Access::UPLOAD);
            assert_eq!(rules(&more), "/old/**=read /new/**=upload /**=full", "{more}");
            let other = put_rule(&more, "/old/**", Access::NONE);
            assert_eq!(rules(&other), "/old/**=none /new/**=upload /**=full", "{other}");
            let less = drop_rule(&other, "/old/**");
            assert_eq!(rules(&less), "/new/**=upload /**=full", "{less}");
            let none = drop_rule(&drop_rule(&less, "/**"), "/new/**");
            assert_eq!(rules(&none), "", "{none}");
            assert!(!none.contains("rules"), "{none}");
        }
        let other = put_rule(&sections, "/old/**", Access::NONE);
        assert!(other.contains("# The archive.\n") && other.contains("access = []  # only\n"), "{other}");
        let less = drop_rule(&sections, "/old/**");
        assert_eq!(
            less,
            format!(
                "[users.a]\npassword = \"{hash}\"\n\n# All else.\n[[users.a.rules]]\npath = \"/**\"\naccess = \"full\"\n\n# Bob.\n[users.b]\npassword = \"{hash}\"\n"
            )
        );
        let first = put_rule(&drop_rule(&less, "/**"), "/x", Access::READ);
        let section = "\n[[users.a.rules]]\npath = \"/x\"\naccess = \"read\"\n\n# Bob.\n[users.b]\n";
        assert!(first.contains(section), "{first}");
    }
}
