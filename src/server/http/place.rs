//! GET and HEAD of a place: a file, or a folder as a page, a list or an archive.

use std::sync::Arc;

use hyper::StatusCode;

use super::answer::{Answer, Ids, redirect};
use super::archive;
use super::file::{self, Asked};
use super::folder;
use super::guest::Guest;
use super::rows::Form;
use crate::error::{Kind, Result};
use crate::server::desk::Desk;
use crate::server::desk::op::Op;

/// What is there: a file, or a folder.
///
/// # Errors
/// Those of the gate and the store.
pub async fn serve(guest: &Arc<Guest>, asked: Asked, is_for_browser: bool, ids: Ids) -> Result<Answer> {
    look(guest, asked, is_for_browser, ids).await.map(|answer| guest.braking(answer))
}

async fn look(guest: &Arc<Guest>, asked: Asked, is_for_browser: bool, ids: Ids) -> Result<Answer> {
    let form = match (asked.wish.json, is_for_browser) {
        (true, _) => Form::Json,
        (false, true) => Form::Page,
        (false, false) => Form::Text,
    };
    if asked.place.is_folder {
        let file = asked.place.url(false);
        let served = match asked.wish.archive {
            Some(format) => archive::serve(guest, asked, format).await,
            None => match folder::delivery(guest, &asked, form, ids).await? {
                Some(page) => Ok(page),
                None => folder::serve(guest, asked, form, ids).await,
            },
        };
        return match served {
            // The very same with a slash behind it.
            Err(error) if error.kind() == Kind::NotDirectory => Ok(redirect(StatusCode::MOVED_PERMANENTLY, &file)),
            answer => answer,
        };
    }
    let (place, wish, viewer) = (asked.place.clone(), asked.wish.clone(), asked.viewer.clone());
    let again = Asked { headers: Default::default(), place, wish, viewer, ..asked };
    match file::serve(guest, asked).await {
        Err(error) if error.kind() == Kind::IsDirectory => folder::serve(guest, again, form, ids).await,
        // Who may list and not read files is led to the folder all the same; who may not is refused once.
        Err(error) if error.kind() == Kind::Denied => match may_look(guest, &again).await {
            true => folder::serve(guest, again, form, ids).await.map_err(|_| error),
            false => Err(error),
        },
        answer => answer,
    }
}

async fn may_look(guest: &Arc<Guest>, asked: &Asked) -> bool {
    let (op, method) = (Op::Stat(asked.place.path.clone()), asked.method);
    guest.step(move |desk: &mut Desk| desk.allows(&op, method)).await.is_ok()
}
