//! The options of a storage elsewhere, and what of a server's settings it cannot keep.

use std::path::PathBuf;

use clap::parser::ValueSource;
use clap::{ArgMatches, Args};
use sealift::auth::{Definition, Users};
use sealift::files::Location;
use sealift::store::s3::{Bucket, Endpoint, Heeds, Keys, S3Options, S3Vault, unkept as unkept_there};
use sealift::tls::CaRoots;
use sealift::{Error, Kind};
use tracing::{info, warn};

use crate::args::Places;
use crate::failure::Failure;
use crate::hooks::HookArgs;
use crate::settings::Settings;

/// Where files are kept, if that is not on this machine.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Storage elsewhere")]
pub struct StoreArgs {
    /// Keep users' files in this bucket of a storage that speaks S3, such as s3://files or s3://files/team, and not in the data folder,
    /// where uploads then wait until they are sent. Several servers may have one bucket
    #[arg(
        long,
        value_name = "s3://BUCKET[/PREFIX]",
        env = "SEALIFT_STORE",
        hide_env_values = true,
        conflicts_with = "shared"
    )]
    pub store: Option<Bucket>,

    /// Where the storage is: https://HOST, or http://HOST:PORT where nobody can eavesdrop [default: AWS's of the region]
    #[arg(long, value_name = "URL", env = "SEALIFT_STORE_ENDPOINT", hide_env_values = true)]
    pub store_endpoint: Option<Endpoint>,

    /// What the storage calls its region
    #[arg(
        long,
        value_name = "NAME",
        env = "SEALIFT_STORE_REGION",
        default_value = "us-east-1",
        hide_env_values = true
    )]
    pub store_region: String,

    /// File that nobody else can read, with the lines AWS_ACCESS_KEY_ID=… and AWS_SECRET_ACCESS_KEY=…
    /// [default: the environment variables of these names]
    #[arg(long, value_name = "FILE", env = "SEALIFT_STORE_KEYS", hide_env_values = true)]
    pub store_keys: Option<PathBuf>,

    /// Certificates of the authorities that vouch for the storage [default: those that the system trusts]
    #[arg(long, value_name = "FILE", env = "SEALIFT_STORE_CA", hide_env_values = true)]
    pub store_ca: Option<PathBuf>,

    /// No other server writes to that place in the bucket: this one decides the conditions that the storage does not
    #[arg(long, env = "SEALIFT_STORE_ALONE", hide_env_values = true)]
    pub store_alone: bool,
}

impl StoreArgs {
    /// The homes in that storage, if there is to be one. Its name is looked up and keys and authorities are read; nothing is asked of it.
    ///
    /// # Errors
    /// What of that cannot be had.
    pub fn vault(&self, places: &Places) -> Result<Option<S3Vault>, Failure> {
        let Some(bucket) = self.store.clone() else { return Ok(None) };
        let endpoint = match &self.store_endpoint {
            Some(endpoint) => endpoint.clone(),
            None => Endpoint::of_aws(&self.store_region).map_err(Failure::usage)?,
        };
        let keys = match &self.store_keys {
            Some(file) => Keys::from_file(file),
            None => Keys::from_environment(),
        };
        let keys = keys.map_err(|err| {
            Failure::from(err).hint(
                "Write both into a file of mode 600 and name it with --store-keys, or set them in the environment.",
            )
        })?;
        let mut options = S3Options::new(bucket, endpoint, keys, places.data.join("uploads"));
        options.region.clone_from(&self.store_region);
        options.authorities = self.store_ca.as_deref().map(CaRoots::load).transpose()?;
        options.alone = self.store_alone;
        let vault = S3Vault::new(options)?;
        Ok(Some(vault))
    }

    /// Refuses what users or programs rely on and such a storage does not do.
    ///
    /// # Errors
    /// The first of it.
    pub fn refuse_unkept(&self, users: &Users, hooks: &HookArgs) -> Result<(), Failure> {
        if self.store.is_none() {
            return Ok(());
        }
        match unkept(users, hooks).into_iter().next() {
            Some(what) => Err(Failure::from(Error::new(Kind::BadConfig, what))
                .hint("Remove it, or keep the files on this machine, without --store.")),
            None => Ok(()),
        }
    }
}

/// What says something of a storage.
const SAY: [&str; 5] = ["store_endpoint", "store_region", "store_keys", "store_ca", "store_alone"];

/// Refuses what says something of a storage where none is named: else files would be kept on this machine unsaid.
///
/// # Errors
/// The first of it, by the name that it has where it was written.
pub fn refuse_unnamed(matches: &ArgMatches, settings: Option<&Settings>) -> Result<(), Failure> {
    const HINT: &str = "Name the bucket, too, as s3://BUCKET or s3://BUCKET/PREFIX, or leave this out: files are kept on this machine then.";
    if matches.value_source("store").is_some() {
        return Ok(());
    }
    for id in SAY {
        let option = format!("--{}", id.replace('_', "-"));
        let is_off = id == "store_alone" && !matches.get_flag(id);
        let refused = |who: &str, other: &str| format!("{who} is about a storage, and no {other} names one");
        let failure = match matches.value_source(id) {
            None => continue,
            Some(_) if is_off => continue,
            Some(ValueSource::CommandLine) => Failure::usage(refused(&option, "--store")),
            Some(ValueSource::EnvVariable) => {
                Failure::usage(refused(&format!("SEALIFT_{}", id.to_uppercase()), "SEALIFT_STORE"))
            }
            Some(_) => match settings.and_then(|settings| settings.said(id)) {
                Some((_, place)) => Error::new(Kind::BadConfig, refused(&format!("{place}: {id}:"), "store")).into(),
                None => continue,
            },
        };
        return Err(failure.hint(HINT));
    }
    Ok(())
}

/// The bucket that a server goes by which is started here without options, for commands that have none of serving.
pub fn usual_bucket(settings: Option<&Settings>) -> Option<String> {
    let said = std::env::var("SEALIFT_STORE").ok().filter(|said| !said.is_empty());
    let said = said.or_else(|| settings?.said("store")?.0.first().cloned())?;
    // What cannot be read may be a secret.
    Some(said.parse::<Bucket>().map_or_else(|_| "s3://…/".to_owned(), |bucket| bucket.to_string()))
}

/// What is asked for and cannot be kept or done where files are in a bucket.
pub fn unkept(users: &Users, hooks: &HookArgs) -> Vec<String> {
    let of_users = users.iter().flat_map(|user| of_user(users, user.name()));
    let of_folders = users.shares().folders().iter().flat_map(of_folder);
    let mut found: Vec<String> = of_users.chain(of_folders).collect();
    if !hooks.on_upload.is_empty() {
        found.push(
            "programs of on_upload get the path of a file on this machine, and with --store there is none".to_owned(),
        );
    }
    found
}

/// What is asked for in a shared folder and cannot be kept or done where files are in a bucket.
pub fn of_folder(folder: &Definition) -> Vec<String> {
    let each = unkept_there(folder.location(), &folder.terms());
    each.into_iter().map(|what| format!("the shared folder {} {what}", folder.name())).collect()
}

/// What is asked for in what one user is granted and cannot be kept or done where files are in a bucket.
pub fn of_user(users: &Users, name: &str) -> Vec<String> {
    let Some(user) = users.get(name) else { return Vec::new() };
    let grants = user.grants();
    let each = unkept_there(&Location::Below(grants.home.clone()), &grants.terms);
    each.into_iter().map(|what| format!("{name} {what}")).collect()
}

/// Tries what the storage does, and says in the log what it does not.
///
/// # Errors
/// That it cannot be used.
pub fn probe(vault: &S3Vault, alone: bool) -> Result<(), Failure> {
    let heeds = vault.probe().map_err(|err| {
        Failure::from(err).hint(
            "Check --store, --store-endpoint and --store-region, and the keys; `sealiftd check` asks it the same.",
        )
    })?;
    if vault.is_exposed() {
        warn!("files go to the storage by plain HTTP: whoever is on the way can read them");
    }
    let lacking = lacking(&heeds);
    match (lacking.is_empty(), alone) {
        (true, _) => info!("the storage heeds every condition"),
        (false, true) => info!(lacking, "the storage does not heed some conditions: this server decides them alone"),
        (false, false) => warn!(
            lacking,
            "the storage does not heed some conditions: what depends on them is refused (--store-alone if no other server writes there)"
        ),
    }
    if let Some(bytes) = vault.short_names() {
        warn!(
            bytes,
            "the storage takes no longer names than that, with the home and the folders: longer paths are refused"
        );
    }
    Ok(())
}

/// The conditions that are not heeded.
pub fn lacking(heeds: &Heeds) -> String {
    heeds.each().iter().filter(|(_, heeded)| !heeded).map(|(what, _)| *what).collect::<Vec<_>>().join(", ")
}
