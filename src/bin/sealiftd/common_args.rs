//! What commands about users, groups and shared folders take alike.

use clap::Args;

use crate::user_args::{FileCount, Mask, Quota, TrashAge, parse_file_count, parse_mask, parse_quota, parse_trash};

/// Of one of them.
#[derive(Debug, Args)]
pub struct Named {
    /// Its name
    pub name: String,
}

/// To show one of them.
#[derive(Debug, Args)]
pub struct Shown {
    /// Its name
    pub name: String,
    /// Write one JSON object
    #[arg(long)]
    pub json: bool,
}

/// To list them all.
#[derive(Debug, Args)]
pub struct Listed {
    /// Write one JSON object a line
    #[arg(long)]
    pub json: bool,
}

/// How a folder, a user's or a shared one, is kept. What is not given stays as it is.
#[derive(Debug, Args)]
pub struct Kept {
    /// The most bytes in the user's folder, such as 10G or "500 MB", with the trash and interrupted uploads; none: no bound
    #[arg(long, value_name = "SIZE", value_parser = parse_quota)]
    pub quota: Option<Quota>,
    /// The most files in the folder, folders not counted; none: no bound
    #[arg(long, value_name = "COUNT", value_parser = parse_file_count)]
    pub quota_files: Option<FileCount>,
    /// How long what is deleted or replaced in the folder is kept, such as 30d; none: not at all
    #[arg(long, value_name = "TIME", value_parser = parse_trash)]
    pub trash: Option<TrashAge>,
    /// The umask of the user's new files and folders, such as 027, for files that come without --perms; none: files are 640
    /// (executable ones 750), folders 750
    #[arg(long, value_name = "OOO", value_parser = parse_mask)]
    pub umask: Option<Mask>,
}

impl Kept {
    /// Whether nothing was given.
    pub fn is_empty(&self) -> bool {
        matches!(self, Kept { quota: None, quota_files: None, trash: None, umask: None })
    }
}
