//! How much may come, for whoever sends more than that.

use sealift::Client;
use sealift::client::Room;
use sealift::files::RelPath;

use crate::failure::Outcome;

/// What the quota leaves at this path, where there is one and the server tells of it. What is kept of the trash and of interrupted
/// uploads goes when there is need of its room.
///
/// # Errors
/// What ends the connection.
pub async fn left(client: &mut Client, path: &RelPath) -> Outcome<Option<u64>> {
    let Room { quota, used, trash, interrupted, .. } = match client.room(path.clone()).await {
        Ok(room) => room,
        // It is good to know, and no reason to fail.
        Err(_) if client.is_usable() => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let kept = trash.unwrap_or_default().saturating_add(interrupted.unwrap_or_default());
    Ok(quota.zip(used).map(|(quota, used)| quota.saturating_sub(used.saturating_sub(kept))))
}
