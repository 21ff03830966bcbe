//! What a name on a server is where the user may not look at it.

use sealift::Client;
use sealift::files::{EntryKind, RelPath};

use crate::failure::Outcome;
use crate::transfer::{Way, ask};

/// What the folder around it shows of this: nothing if that may not be listed either, or has nothing of this name.
///
/// # Errors
/// What ends the connection.
pub async fn from_around(client: &mut Client, way: Option<&Way<'_>>, path: &RelPath) -> Outcome<Option<EntryKind>> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else { return Ok(None) };
    match ask(client, way, async |client| Ok(client.list(folder.clone(), false).await?)).await {
        Ok(listing) => Ok(listing.entries.iter().find(|entry| entry.path == name).map(|entry| entry.kind)),
        Err(failure) if failure.ends_connection() => Err(failure),
        Err(_) => Ok(None),
    }
}
