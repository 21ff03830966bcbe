//! The command lines of `sealiftd group` and `sealiftd folder`.

use clap::{Args, Subcommand};
use sealift::auth::{Access, FolderChange};

use crate::args::parse_access;
use crate::common_args::{Kept, Listed, Named, Shown};
use crate::user_args::{FileCount, Mask, Quota, TrashAge};

pub const GROUP_EXAMPLES: &str = "\
Examples:
  sealiftd group add editors alice bob
      A group of two.
  sealiftd group set editors --add admin --remove bob
      One joins, one leaves.
  sealiftd group add everyone-here alice @editors
      A group may contain other groups.
  sealiftd group show editors
      Who is in it, and which folders it has.";

pub const FOLDER_EXAMPLES: &str = "\
Examples:
  sealiftd folder add public --access anonymous=read --access alice=full
      Everybody reads what is in server_data/public; alice publishes with `sealift put FILE alice@HOST/public/`.
  sealiftd folder add inbox --access alice=full --access '*=upload,list'
      A drop box: every named user may deliver, but replace nothing.
  sealiftd group add editors alice bob
  sealiftd folder add team --access @editors=full --quota 10GiB
      A team's folder.
  sealiftd folder add isos --path /srv/isos --access anonymous=read --access '*=read'
      A folder elsewhere on the machine, for everybody to read.
  sealiftd folder set team --access bob=read --quota none
      Bob only reads there from now on, and there is no bound.
  sealiftd folder show team
      Where it is, and who has it.";

/// What to do with groups.
#[derive(Debug, Subcommand)]
pub enum GroupCommand {
    /// Add a group
    #[command(aliases = ["new", "create"], after_help = GROUP_EXAMPLES)]
    Add {
        /// The group's name; elsewhere it is written as @NAME
        name: String,
        /// Who is in it: users, and other groups as @NAME
        #[arg(value_name = "MEMBER")]
        members: Vec<String>,
    },
    /// Change who is in a group. A running server knows within a second, for open sessions too
    #[command(aliases = ["change", "edit", "modify", "mod"], after_help = GROUP_EXAMPLES)]
    Set {
        /// The group's name
        name: String,
        /// Exactly these users and @GROUPs, with commas; or none
        #[arg(long, value_name = "LIST")]
        members: Option<String>,
        /// Add these, with commas
        #[arg(long, value_name = "LIST", value_delimiter = ',')]
        add: Vec<String>,
        /// Remove these, with commas
        #[arg(long, value_name = "LIST", value_delimiter = ',')]
        remove: Vec<String>,
    },
    /// Show who is in a group, and what the group is given
    #[command(alias = "info")]
    Show(Shown),
    /// Remove a group that no folder is given to
    #[command(aliases = ["delete", "del", "rm"])]
    Remove(Named),
    /// List the groups
    #[command(alias = "ls")]
    List(Listed),
}

/// What to do with shared folders.
#[derive(Debug, Subcommand)]
pub enum FolderCommand {
    /// Share a folder: it appears in the homes of those who are given it
    #[command(aliases = ["new", "create"], after_help = FOLDER_EXAMPLES)]
    Add {
        /// Its name, and its place below the data folder, unless --path names another place
        name: String,
        /// What it is.
        #[command(flatten)]
        said: FolderArgs,
    },
    /// Change a shared folder. A running server knows within a second, for open sessions too
    #[command(aliases = ["change", "edit", "modify", "mod"], after_help = FOLDER_EXAMPLES)]
    Set {
        /// Its name
        name: String,
        /// What is to be different.
        #[command(flatten)]
        said: FolderArgs,
        /// Remove the entry of WHO; may be given several times. (`--access WHO=none`, by contrast, says that WHO has nothing there,
        /// whatever groups and '*' have)
        #[arg(long, value_name = "WHO")]
        without: Vec<String>,
    },
    /// Show where a shared folder is, and who has it
    #[command(alias = "info")]
    Show(Shown),
    /// Stop sharing a folder; what is in it stays where it is
    #[command(aliases = ["delete", "del", "rm"])]
    Remove(Named),
    /// List the shared folders
    #[command(alias = "ls")]
    List(Listed),
}

const QUOTA: &str = "The most bytes in it, whoever puts them there, such as 10G or \"500 MB\"; none: they count in the quotas of those who put them there";
const UMASK: &str = "The umask of new files and folders in it, whoever makes them, such as 002; none: each user's own";

/// What a shared folder is. What is not given stays as it is.
#[derive(Debug, Args)]
#[command(mut_arg("quota", |arg| arg.help(QUOTA)), mut_arg("umask", |arg| arg.help(UMASK)))]
pub struct FolderArgs {
    /// Who has it, and what they may do there: WHO is a user, @GROUP, '*' for every named user or anonymous for everybody; LIST is full,
    /// read, none, or with commas some of list, download, upload, overwrite, delete, rename, mkdir, link. May be given several times; a
    /// user's own entry takes precedence over those of groups, and these over '*'
    #[arg(long, value_name = "WHO=LIST", value_parser = parse_given)]
    access: Vec<Given>,
    /// Where it is: another folder below the data folder, or an existing one elsewhere on the machine, such as /srv/isos
    #[arg(long, value_name = "DIR")]
    path: Option<String>,
    /// Where it appears in homes, such as team/docs [default: under its name]
    #[arg(long = "as", value_name = "PATH")]
    at: Option<String>,
    /// How it is kept.
    #[command(flatten)]
    kept: Kept,
}

/// To whom something is given.
#[derive(Debug, Clone)]
pub struct Given {
    to: String,
    access: Access,
}

impl FolderArgs {
    /// What is to be different.
    pub fn change(self, without: Vec<String>) -> FolderChange {
        let FolderArgs { access, path, at, kept: Kept { quota, quota_files, trash, umask } } = self;
        let gone = without.into_iter().map(|to| (to, None));
        let given = access.into_iter().map(|Given { to, access }| (to, Some(access)));
        FolderChange {
            path,
            at,
            access: gone.chain(given).collect(),
            quota: quota.map(|Quota(quota)| quota),
            quota_files: quota_files.map(|FileCount(count)| count),
            trash: trash.map(|TrashAge(age)| age),
            umask: umask.map(|Mask(umask)| umask),
        }
    }
}

fn parse_given(text: &str) -> Result<Given, String> {
    let wrong = "write WHO=RIGHTS, such as alice=full, @editors=read or anonymous=read";
    let (to, rights) = text.rsplit_once('=').filter(|(to, _)| !to.is_empty()).ok_or(wrong)?;
    Ok(Given { to: to.to_owned(), access: parse_access(rights)? })
}
