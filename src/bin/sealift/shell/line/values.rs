//! Values of options in the shell: taken as any other shell takes them, whatever quotes stood around them.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;

use clap::Command;

use crate::shell::Words;
use crate::shell::request::literal;

/// Quotes and backslashes keep a wildcard from standing for names on the server. The value of an option names nothing there: `'*.o'`
/// behind `--exclude` is the pattern that `*.o` is, as in every shell.
pub fn take_as_typed(words: &mut Words, definition: &Command) {
    let Some(command) = words.first().and_then(|name| definition.find_subcommand(name)) else { return };
    let mut is_value = false;
    for word in words.iter_mut().skip(1).take_while(|word| *word != "--") {
        if std::mem::take(&mut is_value) {
            *word = literal(word);
            continue;
        }
        let bytes = word.as_bytes();
        match bytes.strip_prefix(b"--") {
            Some(long) if long.contains(&b'=') => *word = literal(word),
            Some(long) => {
                is_value = takes_value(command, |arg| arg.get_long().is_some_and(|name| name.as_bytes() == long))
            }
            None if bytes.len() == 2 && bytes.starts_with(b"-") => {
                is_value = takes_value(command, |arg| arg.get_short().is_some_and(|letter| Some(letter) == last(word)));
            }
            None => {}
        }
    }
}

fn last(word: &OsString) -> Option<char> {
    word.to_str()?.chars().last()
}

/// Whether the option that is meant has a value, in this command or one of those in it.
fn takes_value(command: &Command, is_meant: impl Fn(&clap::Arg) -> bool + Copy) -> bool {
    let has = |command: &Command| command.get_arguments().any(|arg| is_meant(arg) && arg.get_action().takes_values());
    has(command) || command.get_subcommands().any(has)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::shell::line::Line;
    use crate::shell::request;

    fn taken(line: &str) -> Vec<String> {
        let mut words = request::split(line.as_bytes()).unwrap();
        take_as_typed(&mut words, &Line::command());
        words.into_iter().map(|word| word.into_string().unwrap()).collect()
    }

    #[test]
    fn a_quoted_pattern_behind_an_option_is_a_pattern_and_a_quoted_name_is_none() {
        assert_eq!(taken("put -r --exclude '*.o' 'a*'"), ["put", "-r", "--exclude", "*.o", r"a\*"]);
        assert_eq!(taken("mirror --exclude=\"*.db\" ./a b*"), ["mirror", "--exclude=*.db", "./a", "b*"]);
        assert_eq!(taken("find --name g* 'x*'"), ["find", "--name", "g*", r"x\*"]);
        assert_eq!(taken(r"find --name '\*.o' .."), ["find", "--name", r"\*.o", ".."], "as in other shells");
        assert_eq!(taken("trash restore --to 'new[1]' 'old*'"), ["trash", "restore", "--to", "new[1]", r"old\*"]);
        // What is no value is left as it is.
        assert_eq!(taken("rm -r '*'"), ["rm", "-r", r"\*"]);
        assert_eq!(taken("rm -- --to '*'"), ["rm", "--", "--to", r"\*"]);
    }
}
