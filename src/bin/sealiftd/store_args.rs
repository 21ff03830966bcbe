//! The options of a storage elsewhere, and what of a server's settings it cannot keep.

use std::path::PathBuf;

use clap::Args;
use sealift::auth::{Grants, Users};
use sealift::files::{HomeTerms, Location};
use sealift::store::s3::{Bucket, Endpoint, Heeds, Keys, S3Options, S3Vault};
use sealift::tls::CaRoots;
use sealift::{Error, Kind};
use tracing::{info, warn};

use crate::args::Places;
use crate::failure::Failure;
use crate::hooks::HookArgs;

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

    /// Where the storage is: https://HOST, or http://HOST:PORT where nobody can listen [default: AWS's of the region]
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

    /// File with the lines AWS_ACCESS_KEY_ID=… and AWS_SECRET_ACCESS_KEY=…, which nobody else can read
    /// [default: the environment variables of these names]
    #[arg(long, value_name = "FILE", env = "SEALIFT_STORE_KEYS", hide_env_values = true)]
    pub store_keys: Option<PathBuf>,

    /// Certificates of the authorities that vouch for the storage [default: those that the system believes]
    #[arg(long, value_name = "FILE", env = "SEALIFT_STORE_CA", hide_env_values = true)]
    pub store_ca: Option<PathBuf>,

    /// Nobody else writes to that place in the bucket: this server decides what the storage does not
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
                .hint("Take it away, or keep the files on this machine, without --store.")),
            None => Ok(()),
        }
    }
}

/// What is asked for and cannot be kept or done where files are in a bucket.
pub fn unkept(users: &Users, hooks: &HookArgs) -> Vec<String> {
    let of = |who: &str, terms: &HomeTerms| {
        let quota = terms.quota.is_some() || terms.quota_files.is_some();
        let each = [(quota, "a quota"), (terms.trash.is_some(), "a trash")];
        each.into_iter()
            .filter(|(has, _)| *has)
            .map(|(_, what)| format!("{who} has {what}, which an S3 storage does not keep"))
            .collect::<Vec<_>>()
    };
    let mut found: Vec<String> = users
        .iter()
        .flat_map(|user| {
            let grants: &Grants = user.grants();
            of(user.name(), &grants.terms)
        })
        .collect();
    for folder in users.shares().folders() {
        found.extend(of(&format!("the shared folder {}", folder.name()), &folder.terms()));
        if let Location::Elsewhere(path) = folder.location() {
            let name = folder.name();
            found.push(format!(
                "the shared folder {name} is at {}, and with --store all are in the bucket",
                path.display()
            ));
        }
    }
    if !hooks.on_upload.is_empty() {
        found.push(
            "programs of on_upload get the path of a file on this machine, and with --store there is none".to_owned(),
        );
    }
    found
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
    Ok(())
}

/// The conditions that are not heeded.
pub fn lacking(heeds: &Heeds) -> String {
    heeds.each().iter().filter(|(_, heeded)| !heeded).map(|(what, _)| *what).collect::<Vec<_>>().join(", ")
}
