//! `sealiftd.toml`: what the options are where neither the command line nor the environment says it.
//!
//! What the file says becomes the options' defaults, so everything else (the order flag, environment, file, default; how values
//! are read and checked) is clap's, and each new option is a key of the file at once.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, CommandFactory as _};
use sealift::escape::for_people;
use sealift::settings_file::{Known, Setting, Shape, read};
use sealift::{Error, Kind};

use crate::args::Cli;
use crate::failure::Failure;
use crate::output::say;
use crate::usage;

/// The file that is read if it is there and no other is named.
pub const USUAL: &str = "sealiftd.toml";

/// The options that are no settings: those of the file itself, and of clap.
const NO_SETTINGS: [&str; 3] = ["config", "help", "version"];

/// How far to the right the column of where settings come from can be pushed by the settings.
const COLUMN: usize = 50;

/// The commands that take the options of serving.
const SERVING: [&str; 2] = ["serve", "check"];

/// The commands that go by one option of serving, whatever else they call as serving does.
const BORROWING: [(&str, &str); 7] = [
    ("audit", "audit"),
    ("scrub", "audit"),
    ("invite", "listen"),
    ("invite", "port_file"),
    ("invite", "web"),
    ("reload", "shared"),
    ("reload", "node"),
];

/// What a settings file says.
pub struct Settings {
    path: PathBuf,
    said: Vec<Setting>,
}

impl Settings {
    /// Those of the file that the command line or the environment names, or of `sealiftd.toml` here, if that is there.
    ///
    /// # Errors
    /// A file that is named and not there; `FILE:LINE: what is wrong`, with what was meant.
    pub fn of(matches: &ArgMatches) -> Result<Option<Settings>, Failure> {
        let named = matches.get_one::<PathBuf>("config");
        let path = named.cloned().unwrap_or_else(|| PathBuf::from(USUAL));
        if named.is_none() {
            // A link that leads nowhere is there, too.
            if path.symlink_metadata().is_err() {
                return Ok(None);
            }
            refuse_planted(&path)?;
        }
        let options = options();
        let known: Vec<Known<'_>> =
            options.iter().map(|arg| Known { key: arg.get_id().as_str(), shape: shape(arg) }).collect();
        let said = read(&path, &known).map_err(|err| match err.kind() {
            Kind::BadConfig if err.text().contains(": not valid TOML: ") => Failure::from(err)
                .hint("Each line is KEY = VALUE, and text is in quotes, such as listen = \"0.0.0.0:4456\"."),
            Kind::BadConfig => {
                Failure::from(err).hint("The keys are the options that `sealiftd --help` lists, with _ for -.")
            }
            _ => err.into(),
        })?;
        let settings = Settings { path, said };
        for setting in &settings.said {
            settings.check(setting, &options)?;
        }
        Ok(Some(settings))
    }

    /// Whether its option takes this value: clap says what is wrong with one that it does not.
    fn check(&self, setting: &Setting, options: &[Arg]) -> Result<(), Failure> {
        let option = options.iter().find(|arg| *arg.get_id().as_str() == setting.key);
        let Some(long) = option.filter(|arg| shape(arg) != Shape::Switch).and_then(Arg::get_long) else {
            return Ok(());
        };
        for value in &setting.values {
            let line = ["sealiftd".into(), OsString::from(format!("--{long}={value}"))];
            if let Err(err) = Cli::command().mut_args(|arg| arg.env(None::<&'static str>)).try_get_matches_from(line) {
                let told = usage::told(&err);
                let text = format!("{}:{}: {}: {told}", self.path.display(), setting.line, setting.key);
                return Err(Error::new(Kind::BadConfig, text).into());
            }
        }
        Ok(())
    }

    /// What the file says of this, and where.
    pub fn said(&self, key: &str) -> Option<(&[String], String)> {
        let said = self.said.iter().find(|setting| setting.key == key)?;
        Some((&said.values, format!("{}:{}", shown_path(&self.path), said.line)))
    }

    /// Where the file says what this is about, which begins with an option; or the file alone.
    pub fn place_of(&self, text: &str) -> String {
        let option = text.strip_prefix("--").and_then(|text| text.split_whitespace().next());
        let said = option.and_then(|option| self.said(&option.replace('-', "_")));
        said.map_or_else(|| shown_path(&self.path), |(_, place)| place)
    }

    /// Where the file says this value of a setting, to be put before what is wrong with it; nothing if it does not.
    pub fn place(settings: Option<&Settings>, key: &str, value: &Path) -> String {
        let said = settings.and_then(|settings| settings.said(key));
        let said = said.filter(|(values, _)| values.iter().any(|said| Path::new(said) == value));
        said.map_or_else(String::new, |(_, place)| format!("{place}: "))
    }

    /// The command line with what the file says as the defaults.
    pub fn command(&self) -> clap::Command {
        let serving = SERVING.into_iter().fold(self.over(Cli::command()), |command, name| {
            command.mut_subcommand(name, |command| self.over(command))
        });
        BORROWING.into_iter().fold(serving, |command, (name, option)| {
            command.mut_subcommand(name, |command| command.mut_arg(option, |arg| self.said_of(arg)))
        })
    }

    fn over(&self, command: clap::Command) -> clap::Command {
        command.mut_args(|arg| self.said_of(arg))
    }

    fn said_of(&self, arg: Arg) -> Arg {
        match self.said.iter().find(|setting| setting.key == arg.get_id().as_str()) {
            Some(setting) => arg.default_values(&setting.values),
            None => arg,
        }
    }
}

/// The options that a file can say.
fn options() -> Vec<Arg> {
    let command = Cli::command();
    command.get_arguments().filter(|arg| !NO_SETTINGS.contains(&arg.get_id().as_str())).cloned().collect()
}

fn shape(arg: &Arg) -> Shape {
    match arg.get_action() {
        ArgAction::SetTrue | ArgAction::SetFalse => Shape::Switch,
        ArgAction::Append => Shape::List,
        _ => Shape::Value,
    }
}

/// `sealiftd config show`: each setting, and where it comes from.
///
/// # Errors
/// None that is not told by now.
pub fn show(matches: &ArgMatches, settings: Option<&Settings>) -> Result<(), Failure> {
    let mut out = match settings {
        Some(settings) => format!("# The file is {}.\n", shown_path(&settings.path)),
        None => format!("# There is no {USUAL} here, and --config names none.\n"),
    };
    let rows: Vec<[String; 2]> = options().iter().map(|arg| row(arg, matches, settings)).collect();
    let width = rows.iter().filter_map(|[line, _]| Some(line.chars().count()).filter(|width| *width <= COLUMN)).max();
    let width = width.unwrap_or(0);
    for [line, from] in &rows {
        let _ = writeln!(out, "{line:<width$}  # {from}");
    }
    say(&out);
    Ok(())
}

/// A setting as a line of a settings file, and where it comes from.
fn row(arg: &Arg, matches: &ArgMatches, settings: Option<&Settings>) -> [String; 2] {
    let id = arg.get_id().as_str();
    let values: Vec<String> = match shape(arg) {
        Shape::Switch => vec![matches.get_flag(id).to_string()],
        Shape::Value | Shape::List => {
            matches.get_raw(id).into_iter().flatten().map(|raw| written(&raw.to_string_lossy())).collect()
        }
    };
    let line = match values.as_slice() {
        // As a comment: what is shown can be kept as a file.
        [] => format!("# {id}"),
        [one] => format!("{id} = {one}"),
        many => format!("{id} = [{}]", many.join(", ")),
    };
    let said = settings.and_then(|settings| Some(settings.said(id)?.1));
    let from = match matches.value_source(id) {
        Some(ValueSource::CommandLine) => "command line".to_owned(),
        Some(ValueSource::EnvVariable) => {
            format!("environment, {}", arg.get_env().unwrap_or_default().to_string_lossy())
        }
        Some(_) => said.unwrap_or_else(|| "default".to_owned()),
        None => match unsaid(id) {
            "" => "not set".to_owned(),
            instead => format!("not set: {instead}"),
        },
    };
    [for_people(line.as_bytes()), from]
}

/// What counts where nothing is said of a setting that has no default of its own.
fn unsaid(id: &str) -> &'static str {
    match id {
        "web_cert" => "the folder web in that of certs, if it is there",
        "state" => "server_state, beside the data folder",
        "listen" => "port 4456 of every address",
        "node" => "the name of this machine, where the folder is shared",
        "log_level" => "info",
        "store" => "the data folder",
        "memory" => "what the machine leaves",
        _ => "",
    }
}

/// A value as a settings file has it.
fn written(value: &str) -> String {
    match value.parse::<u64>() {
        Ok(number) if number.to_string() == value => number.to_string(),
        _ => toml_edit::Value::from(value).to_string(),
    }
}

/// Nobody named this file: it counts because it lies here, so it has to be of somebody whose word does.
fn refuse_planted(path: &Path) -> Result<(), Failure> {
    let failed = |err| Error::file(path.display(), err);
    let folder = std::fs::metadata(".").map_err(failed)?;
    let file = std::fs::metadata(path).map_err(failed)?;
    let trusted = [0, rustix::process::geteuid().as_raw(), folder.uid()];
    let what = match file {
        _ if !trusted.contains(&file.uid()) => "belongs to another user of this machine",
        _ if file.mode() & 0o002 != 0 => "can be changed by every user of this machine",
        _ => return Ok(()),
    };
    let text = format!("{}: {what}, and is not read unasked", path.display());
    Err(Failure::from(Error::new(Kind::Denied, text)).hint(format!(
        "Give it to the one who runs the server, or name it, if you mean this one: --config {}",
        path.display()
    )))
}

fn shown_path(path: &Path) -> String {
    for_people(path.to_string_lossy().as_bytes())
}

/// The options of serving among these, if the command takes them.
#[cfg(feature = "s3")]
fn serving(matches: &ArgMatches) -> Option<&ArgMatches> {
    match matches.subcommand() {
        None => Some(matches),
        Some((name, inner)) => Some(inner).filter(|_| SERVING.contains(&name)),
    }
}

/// The options by which these two differ.
pub fn differences(before: &ArgMatches, after: &ArgMatches) -> Vec<String> {
    let values = |matches: &ArgMatches, arg: &Arg| match shape(arg) {
        Shape::Switch => vec![OsString::from(matches.get_flag(arg.get_id().as_str()).to_string())],
        _ => matches.get_raw(arg.get_id().as_str()).into_iter().flatten().map(ToOwned::to_owned).collect(),
    };
    let differ = options().into_iter().filter(|arg| values(before, arg) != values(after, arg));
    differ.map(|arg| arg.get_id().to_string()).collect()
}

/// What the words of the command line come to, with the settings file under them.
///
/// # Errors
/// Those of the file, and of the command line with it.
pub fn applied(words: &[OsString], matches: ArgMatches) -> Result<(ArgMatches, Option<Settings>), Failure> {
    // What changes nothing here and writes no more than the program's own definition does without.
    if matches!(matches.subcommand_name(), Some("completion" | "manual")) {
        return Ok((matches, None));
    }
    let settings = Settings::of(&matches)?;
    let matches = match &settings {
        Some(settings) => settings.command().try_get_matches_from(words).map_err(|err| usage::explain(&err))?,
        None => matches,
    };
    #[cfg(feature = "s3")]
    if let Some(serving) = serving(&matches) {
        crate::store_args::refuse_unnamed(serving, settings.as_ref())?;
    }
    Ok((matches, settings))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values of every kind there is.
    const SAMPLES: [&str; 10] = [
        "192.0.2.0/24",
        "127.0.0.1:7",
        "77s",
        "7",
        "3:50:7",
        "700",
        "2GiB",
        "s3://bucket",
        "https://storage.example",
        "some",
    ];

    /// A value that this option takes, and has not by itself.
    fn sample(arg: &Arg) -> Vec<String> {
        if shape(arg) == Shape::Switch {
            return vec!["true".to_owned()];
        }
        let names = arg.get_possible_values().into_iter().map(|value| value.get_name().to_owned());
        let mut values = names.chain(SAMPLES.map(str::to_owned));
        let default = arg.get_default_values().first().map(|value| value.to_string_lossy().into_owned());
        let taken = |value: &String| {
            let words = ["sealiftd".to_owned(), format!("--{}={value}", arg.get_long().unwrap())];
            Cli::command().try_get_matches_from(words).is_ok()
        };
        let found = values.find(|value| Some(value) != default.as_ref() && taken(value));
        vec![found.unwrap_or_else(|| panic!("no sample fits --{}: add one", arg.get_id()))]
    }

    #[test]
    fn every_option_is_a_key_of_the_file_and_has_an_environment_variable() {
        for arg in options() {
            let id = arg.get_id().as_str();
            assert!(arg.get_env().is_some(), "{id}");
            assert_eq!(arg.get_long().map(|long| long.replace('-', "_")).as_deref(), Some(id));
            let said = vec![Setting { key: id.to_owned(), values: sample(&arg), line: 7 }];
            let settings = Settings { path: "f".into(), said };
            let command = settings.command().mut_args(|arg| arg.env(None::<&'static str>));
            for words in
                [&["sealiftd"][..], &["sealiftd", "serve"], &["sealiftd", "check"], &["sealiftd", "user", "list"]]
            {
                let matches = command.clone().try_get_matches_from(words).unwrap();
                let inner = matches.subcommand().map_or(&matches, |(_, inner)| inner);
                if words.contains(&"user") && !arg.is_global_set() {
                    continue;
                }
                let [line, from] = row(&arg, inner, Some(&settings));
                let value = written(&settings.said[0].values[0]);
                let value = if shape(&arg) == Shape::Switch { "true".to_owned() } else { value };
                assert_eq!((line, from), (format!("{id} = {value}"), "f:7".to_owned()), "{words:?}");
            }
        }
    }

    #[test]
    fn numbers_are_written_as_numbers_and_the_rest_as_texts() {
        for (value, expected) in
            [("7", "7"), ("007", "\"007\""), ("-1", "\"-1\""), ("a \"b\"", "'a \"b\"'"), ("\u{1b}", "\"\\u001B\"")]
        {
            assert_eq!(written(value), expected);
        }
    }
}
