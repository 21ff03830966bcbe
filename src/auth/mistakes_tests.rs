//! What of a wrong text is told.

use proptest::prelude::*;

use super::super::hash::tests::cheap_hash;
use super::*;

fn told(text: &str) -> Vec<String> {
    mistakes(text, "f").iter().map(|error| error.text().to_owned()).collect()
}

#[test]
fn every_mistake_is_named_with_its_line_and_none_that_another_makes() {
    let hash = cheap_hash("x");
    let text = format!(
        "[anonymous]\nenabled = \"yes\"\nhome = \"/x\"\n[defaults]\nquota = 7\n\
         [users.alice]\npassword = \"{hash}\"\nacces = \"full\"\nquota = \"much\"\n\
         [users.bob]\npassword = \"{hash}\"\n[users.\"a/b\"]\nkeys = []\n\
         [users.carol]\nadmin = true\n[users.dora]\npassword = \"secret\"\naccess = \"canary\"\n\
         [groups.one]\nmembers = [\"alice\", \"bbo\", \"@two\"]\n[groups.two]\nmembers = 5\n\
         [folders.x]\naccess = {{ alice = \"raed\" }}\ntrash = \"1s\"\n[folders.y]\naccess = {{ bob = \"read\" }}\nas = \"/y\"\n\
         [others]\n"
    );
    let told = told(&text);
    for (told, (line, what)) in told.iter().zip([
        (2, "enabled of [anonymous] must be true or false"),
        (3, "home of [anonymous] is absolute"),
        (5, "quota of [defaults] must be text"),
        (8, "unknown key 'acces': did you mean 'access'?"),
        (9, "quota of user 'alice' must be a size"),
        (12, "the user name 'a/b' holds a slash"),
        (14, "user 'carol' has no password and no keys"),
        (17, "the password of user 'dora' is not"),
        (20, "there is no user 'bbo': did you mean 'bob'?"),
        (22, "members of [groups.two] must be a list"),
        (24, "'raed' is no access right"),
        (25, "trash of [folders.x] must be a time"),
        (28, "as of [folders.y] is absolute"),
        (29, "unknown key 'others'"),
    ]) {
        assert!(told.starts_with(&format!("f:{line}: ")) && told.contains(what), "{line} {what}: {told}");
    }
    assert_eq!(told.len(), 14, "{told:#?}");
    // Without a right password nothing is repeated that may be one.
    assert!(!told.concat().contains("secret") && !told.concat().contains("canary"), "{told:#?}");
}

#[test]
fn what_is_there_twice_is_named_with_both_lines() {
    let hash = cheap_hash("x");
    let base = format!("[users.alice]\npassword = \"{hash}\"\n[users.\"b c\"]\npassword = \"{hash}\"\n");
    for (more, line, what) in [
        ("[users.alice]\n", 5, "duplicate key 'alice', which is in line 1 already"),
        ("[users.\"b c\"]\n", 5, "duplicate key 'b c', which is in line 3 already"),
        ("quota = \"1 GiB\"\nquota = \"2 GiB\"\n", 6, "duplicate key 'quota', which is in line 5 already"),
        (
            "[folders]\nx.access.bob = \"read\"\n\nx.access.bob = \"full\"\n",
            8,
            "duplicate key 'bob', which is in line 6",
        ),
        ("[folders.x]\naccess = { a = \"read\", a = \"full\" }\n", 6, "duplicate key 'a'"),
    ] {
        let text = format!("{base}{more}");
        let (told, first) = (told(&text), reader::read(&text, "f").err().unwrap());
        assert_eq!(told, [first.text()], "{more}");
        assert!(told[0].starts_with(&format!("f:{line}: not valid TOML: ")) && told[0].contains(what), "{told:?}");
    }
    let two = format!("{base}[users.alice]\n[users.alice]\nnonsense\nmore nonsense\n");
    let told = told(&two);
    assert_eq!(told.len(), 3, "the first that is no duplicate may make the others: {told:#?}");
}

#[test]
fn what_is_no_matter_of_one_section_is_told_too() {
    let hash = cheap_hash("x");
    let base = format!("[users.a]\npassword = \"{hash}\"\n");
    for (more, what) in [
        ("[groups.x]\nmembers = [\"@y\"]\n[groups.y]\nmembers = [\"@x\"]\n", "in a circle"),
        ("[folders.x]\naccess = {}\n[folders.y]\npath = \"x\"\naccess = {}\n", "the same folder"),
        (
            "[folders.x]\nas = \"z\"\naccess = { a = \"read\" }\n[folders.z]\naccess = { a = \"read\" }\n",
            "a would have",
        ),
    ] {
        let told = told(&format!("{base}{more}"));
        assert!(told.len() == 1 && told[0].contains(what), "{told:?}");
    }
    assert_eq!(told(&base), [""; 0]);
}

proptest! {
    #[test]
    fn what_a_server_refuses_has_mistakes_and_what_it_takes_has_none(
        at in 0usize..600, cut in 0usize..40, put in "[\\[\\]{}=.,\"'#a-z0-9\n]{0,8}"
    ) {
        let hash = cheap_hash("x");
        let text = format!(
            "[anonymous]\nenabled = true\n[users.a]\npassword = '{hash}'\nquota = '1 GiB'\n[groups.g]\nmembers = ['a']\n[folders.f]\naccess = {{ '@g' = 'read' }}\n[[users.a.rules]]\npath = '/x'\naccess = 'read'\n"
        );
        let mut text: Vec<char> = text.chars().collect();
        let start = at.min(text.len());
        let end = (start + cut).min(text.len());
        text.splice(start..end, put.chars());
        let text: String = text.into_iter().collect();
        let told = told(&text);
        match reader::read(&text, "f") {
            Ok(_) => prop_assert_eq!(told, Vec::<String>::new()),
            Err(error) => prop_assert!(told.iter().any(|told| told == error.text()), "{}\n{:?}", error.text(), told),
        }
    }
}
