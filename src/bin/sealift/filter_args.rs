//! Which files take part: the options of `get`, `put` and `mirror`.

use clap::{Arg, ArgAction, ArgMatches, Args, FromArgMatches};

/// `--include` and `--exclude` in the order they were typed in, which two options of their own would not keep.
#[derive(Debug, Clone, Default)]
pub struct Filters(pub Vec<(String, bool)>);

const KINDS: [(&str, bool, &str); 2] = [
    ("include", true, "Take what matches, also if a later --exclude would not"),
    ("exclude", false, "Leave out what matches, on both sides; a folder is not entered"),
];

impl Args for Filters {
    fn augment_args(command: clap::Command) -> clap::Command {
        command.args(KINDS.map(|(name, _, help)| {
            Arg::new(name).long(name).value_name("PATTERN").action(ArgAction::Append).help(help)
        }))
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Filters {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut all = Vec::new();
        for (name, takes, _) in KINDS {
            let places = matches.indices_of(name).into_iter().flatten();
            let patterns = matches.get_many::<String>(name).into_iter().flatten();
            all.extend(places.zip(patterns).map(|(place, pattern)| (place, pattern.clone(), takes)));
        }
        all.sort_unstable();
        Ok(Filters(all.into_iter().map(|(_, pattern, takes)| (pattern, takes)).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
