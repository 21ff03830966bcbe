//! What is refused of folders that the server's administrator shares: they stay where they are, whatever rights somebody has there.

use sealift::files::{Mark, RelPath};
use sealift::{Client, Kind};

use crate::failure::Failure;

/// Gives what the server refused of this path the next step that there is, if it is such a folder, or one that such a folder is in.
pub async fn explained(client: &mut Client, failure: Failure, path: &RelPath) -> Failure {
    if failure.kind() != Some(Kind::Denied) || failure.ends_connection() {
        return failure;
    }
    let hint = match (is_shared(client, path).await, has_shared(client, path).await) {
        (true, _) => {
            "It is a shared folder: the server's administrator alone moves it or takes it away (`sealiftd folder`). What is in it can be changed as far as you may."
        }
        (false, true) => {
            "A shared folder is in it, which the server's administrator alone moves or takes away. What else is in it can be changed as far as you may."
        }
        (false, false) => return failure,
    };
    failure.denied_by_server(|| hint.to_owned())
}

/// The shared folder that this is, or is in, as far as the server tells.
pub async fn around(client: &mut Client, path: &RelPath) -> Option<RelPath> {
    let mut folder = Some(path.clone());
    while let Some(at) = folder {
        if is_shared(client, &at).await {
            return Some(at);
        }
        folder = at.parent();
    }
    None
}

/// As far as the server tells.
async fn is_shared(client: &mut Client, path: &RelPath) -> bool {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else { return false };
    let listed = client.list_marked(folder).await;
    listed.is_ok_and(|listing| {
        listing.entries.iter().any(|entry| entry.path == name && entry.mark.as_ref().is_some_and(Mark::is_shared))
    })
}

async fn has_shared(client: &mut Client, path: &RelPath) -> bool {
    let listed = client.list_marked(path.clone()).await;
    listed.is_ok_and(|listing| listing.entries.iter().any(|entry| entry.mark.as_ref().is_some_and(Mark::is_shared)))
}
