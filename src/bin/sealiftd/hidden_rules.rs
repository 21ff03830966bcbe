//! Rules for paths that do not count as they say, since others of the same user stand before them.

use sealift::auth::{Hiding, UsersFile};

use crate::args::Places;
use crate::output::shell_word;

/// One of them.
pub struct HiddenRule {
    /// Whose it is.
    pub user: String,
    /// Which, and by what it is hidden.
    pub what: String,
    /// What to do.
    pub next: String,
}

/// All of the users file, in its order; none where it cannot be read.
pub fn of(places: &Places) -> Vec<HiddenRule> {
    let file = places.users.display();
    let hidden = UsersFile::new(&places.users).hidden_rules().unwrap_or_default().into_iter();
    let told = hidden.map(|hidden| {
        let ((path, line), (before, before_line), user) = (hidden.rule, hidden.by, hidden.user);
        let rule = format!("{file}:{line}: the rule of {user} for {path}");
        let what = match hidden.hiding {
            Hiding::Whole => format!("{rule} never counts: the one for {before} (line {before_line}) stands before it"),
            Hiding::Part => format!(
                "{rule} does not count where the one for {before} (line {before_line}) does, which stands before it and gives more"
            ),
        };
        let (word, path) = (shell_word(&user), shell_word(&format!("{path}=RIGHTS")));
        let next = match hidden.counts_if_set_again {
            true => {
                format!("`sealiftd user set {word} --rule {path}` puts it where it counts, --no-rule takes it away")
            }
            false => format!(
                "these rules are in each other's way: put them in the order that you want in {file}"
            ),
        };
        HiddenRule { user, what, next }
    });
    told.collect()
}
