//! The header `If` (RFC 4918, section 10.4): lists of lock tokens and entity tags, of which one must hold. Every token that it
//! names counts as presented, whichever list holds.

use super::headers::only;
use super::tokens;
use crate::error::{Error, Kind, Result};
use crate::limits;
use crate::server::desk::locks::LockToken;

/// What must be true.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// It must not be true.
    pub not: bool,
    /// What is named.
    pub state: State,
}

/// What a resource may be in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Locked with this token; none: with what is no token of ours, which nothing ever is.
    Locked(Option<LockToken>),
    /// In the state of this entity tag, as it is written.
    Tagged(String),
}

/// Conditions that must all hold, of one resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List {
    /// The URL of the resource, as it is written; none: that of the request.
    pub of: Option<String>,
    /// All of them.
    pub conditions: Vec<Condition>,
}

impl List {
    /// Whether what is there plays a part, and not its locks alone.
    pub fn has_tags(&self) -> bool {
        self.conditions.iter().any(|condition| matches!(condition.state, State::Tagged(_)))
    }
}

/// What a header says: one of the lists must hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Lists(pub Vec<List>);

impl Lists {
    /// What the request says, if it says anything.
    ///
    /// # Errors
    /// [`Kind::BadCommand`] for what is none, or has too much in it.
    pub fn of(headers: &hyper::HeaderMap) -> Result<Option<Lists>> {
        only(headers, "if")?.map(Lists::parse).transpose()
    }

    /// Takes a header apart.
    ///
    /// # Errors
    /// As [`Lists::of`].
    pub fn parse(text: &str) -> Result<Lists> {
        let bad = || Error::new(Kind::BadCommand, "the request's If header cannot be used");
        let mut rest = text.trim_start();
        let (mut lists, mut of, mut count) = (Vec::new(), None, 0);
        while !rest.is_empty() {
            if let Some(tagged) = rest.strip_prefix('<') {
                let (url, after) = tagged.split_once('>').ok_or_else(bad)?;
                // Either all lists are of a resource that is named, or none is.
                if lists.iter().any(|list: &List| list.of.is_none()) {
                    return Err(bad());
                }
                of = Some(url.to_owned());
                rest = after.trim_start();
            }
            let mut inside = rest.strip_prefix('(').ok_or_else(bad)?.trim_start();
            let mut conditions = Vec::new();
            loop {
                if let Some(after) = inside.strip_prefix(')') {
                    rest = after.trim_start();
                    break;
                }
                let not = strip_word(inside, "not");
                let said = not.unwrap_or(inside).trim_start();
                let (state, after) = match (said.strip_prefix('<'), said.strip_prefix('[')) {
                    (Some(said), _) => {
                        let (token, after) = said.split_once('>').ok_or_else(bad)?;
                        (State::Locked(tokens::parse(token)), after)
                    }
                    (_, Some(said)) => {
                        let (tag, after) = said.split_once(']').ok_or_else(bad)?;
                        (State::Tagged(tag.trim().to_owned()), after)
                    }
                    (None, None) => return Err(bad()),
                };
                count += 1;
                if count > limits::DAV_CONDITIONS {
                    return Err(bad());
                }
                conditions.push(Condition { not: not.is_some(), state });
                inside = after.trim_start();
            }
            if conditions.is_empty() {
                return Err(bad());
            }
            lists.push(List { of: of.clone(), conditions });
        }
        if lists.is_empty() { Err(bad()) } else { Ok(Lists(lists)) }
    }

    /// The tokens that it names.
    pub fn tokens(&self) -> Vec<LockToken> {
        let states = self.0.iter().flat_map(|list| &list.conditions).map(|condition| &condition.state);
        states.filter_map(|state| if let State::Locked(token) = state { *token } else { None }).collect()
    }
}

fn strip_word<'t>(text: &'t str, word: &str) -> Option<&'t str> {
    let begin = text.get(..word.len())?;
    begin.eq_ignore_ascii_case(word).then(|| text.get(word.len()..)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "urn:uuid:00000000-0000-4000-8000-000000000001";

    fn ours() -> LockToken {
        tokens::parse(TOKEN).unwrap()
    }

    #[test]
    fn lists_of_tokens_and_tags_are_taken_apart() {
        let lists = Lists::parse(&format!("(<{TOKEN}> [\"a)]\"]) (Not <DAV:no-lock>)"));
        assert!(lists.is_err(), "a bracket ends a tag");
        let lists = Lists::parse(&format!("(<{TOKEN}>[W/\"a)\"]) (NOT <DAV:no-lock>)")).unwrap();
        let condition = |not, state| Condition { not, state };
        let list = |of: Option<&str>, conditions| List { of: of.map(str::to_owned), conditions };
        assert_eq!(
            lists.0,
            [
                list(
                    None,
                    vec![
                        condition(false, State::Locked(Some(ours()))),
                        condition(false, State::Tagged("W/\"a)\"".into()))
                    ]
                ),
                list(None, vec![condition(true, State::Locked(None))]),
            ]
        );
        assert_eq!(lists.tokens(), [ours()]);
        let tagged = Lists::parse(&format!("</a> (<{TOKEN}>) ([\"x\"]) <https://h/b>(<x:y>)")).unwrap();
        let of: Vec<_> = tagged.0.iter().map(|list| list.of.as_deref()).collect();
        assert_eq!(of, [Some("/a"), Some("/a"), Some("https://h/b")]);
    }

    #[test]
    fn what_is_none_is_refused() {
        let many = format!("({})", "<x:y>".repeat(limits::DAV_CONDITIONS + 1));
        for bad in [
            "",
            "x",
            "(",
            "()",
            "(<x:y>",
            "(x)",
            "<a>",
            "<a>(",
            "(Not)",
            "([\"a\"",
            "(<a>) <b> (<c>)",
            "(<a>) x",
            &many,
        ] {
            assert_eq!(Lists::parse(bad).map_err(|error| error.kind()), Err(Kind::BadCommand), "{bad}");
        }
    }
}
