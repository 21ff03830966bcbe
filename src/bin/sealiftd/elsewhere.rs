//! Where a server's files are: in the data folder, or in a storage elsewhere if this program can use one.

#[cfg(feature = "s3")]
use std::os::unix::fs::DirBuilderExt as _;

use sealift::auth::Users;
use sealift::server::Storage;

use crate::args::{Places, ServeArgs};
use crate::failure::Failure;

/// A storage elsewhere, if there is to be one.
pub struct Elsewhere {
    #[cfg(feature = "s3")]
    vault: Option<sealift::store::s3::S3Vault>,
}

#[cfg(feature = "s3")]
impl Elsewhere {
    /// The one that these options name. Nothing is asked of it yet.
    ///
    /// # Errors
    /// What of it cannot be had, and what of the users' settings it cannot keep.
    pub fn of(places: &Places, args: &ServeArgs, users: &Users) -> Result<Elsewhere, Failure> {
        args.store.refuse_unkept(users, &args.hooks)?;
        let vault = args.store.vault(places)?;
        if vault.is_some() {
            // The sandbox lets through what is there.
            let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&places.data);
            made.map_err(|err| sealift::Error::file(places.data.display(), err))?;
        }
        Ok(Elsewhere { vault })
    }

    /// Where homes are.
    pub fn storage(&self, places: &Places, args: &ServeArgs) -> Storage {
        match &self.vault {
            Some(vault) => Storage::Vault(std::sync::Arc::new(vault.clone())),
            None => Storage::Folder { path: places.data.clone(), durability: args.durability.into() },
        }
    }

    /// The port that is connected to.
    pub fn port(&self) -> Option<u16> {
        self.vault.as_ref().map(sealift::store::s3::S3Vault::port)
    }

    /// Tries it.
    ///
    /// # Errors
    /// That it cannot be used.
    pub fn probe(&self, args: &ServeArgs) -> Result<(), Failure> {
        self.vault.as_ref().map_or(Ok(()), |vault| crate::store_args::probe(vault, args.store.store_alone))
    }
}

#[cfg(not(feature = "s3"))]
impl Elsewhere {
    /// None.
    pub fn of(_: &Places, _: &ServeArgs, _: &Users) -> Result<Elsewhere, Failure> {
        Ok(Elsewhere {})
    }

    /// The data folder.
    pub fn storage(&self, places: &Places, args: &ServeArgs) -> Storage {
        Storage::Folder { path: places.data.clone(), durability: args.durability.into() }
    }

    /// None.
    pub fn port(&self) -> Option<u16> {
        None
    }

    /// There is nothing to be tried.
    pub fn probe(&self, _: &ServeArgs) -> Result<(), Failure> {
        Ok(())
    }
}
