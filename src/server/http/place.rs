//! GET and HEAD of a place: a file, or a folder as a page, a list or an archive.

use std::sync::Arc;

use hyper::StatusCode;

use super::answer::{Answer, Ids, redirect};
use super::archive;
use super::delivery;
use super::file::{self, Asked};
use super::folder;
use super::rows::Form;
use super::web_session::WebSession;
use crate::error::{Kind, Result};
use crate::server::desk::Desk;
use crate::server::desk::op::Op;

/// What is there: a file, or a folder.
///
/// # Errors
/// Those of the gate and the store.
pub async fn serve(web_session: &Arc<WebSession>, asked: Asked, is_for_browser: bool, ids: Ids) -> Result<Answer> {
    look(web_session, asked, is_for_browser, ids).await.map(|answer| web_session.braking(answer))
}

async fn look(web_session: &Arc<WebSession>, asked: Asked, is_for_browser: bool, ids: Ids) -> Result<Answer> {
    let form = match (asked.query.json, is_for_browser) {
        (true, _) => Form::Json,
        (false, true) => Form::Page,
        (false, false) => Form::Text,
    };
    if asked.place.is_folder {
        let file = asked.place.url(false);
        let served = match asked.query.archive {
            Some(format) => archive::serve(web_session, asked, format).await,
            None => match delivery::page(web_session, &asked, form, ids).await? {
                Some(page) => Ok(page),
                None => folder::serve(web_session, asked, form, ids).await,
            },
        };
        return match served {
            // The very same with a slash behind it.
            Err(error) if error.kind() == Kind::NotDirectory => Ok(redirect(StatusCode::MOVED_PERMANENTLY, &file)),
            answer => answer,
        };
    }
    let (place, query, viewer) = (asked.place.clone(), asked.query.clone(), asked.viewer.clone());
    let again = Asked { headers: Default::default(), place, query, viewer, ..asked };
    match file::serve(web_session, asked).await {
        Err(error) if error.kind() == Kind::IsDirectory => folder::serve(web_session, again, form, ids).await,
        // Who may list and not read files is led to the folder all the same; who may not is refused once.
        Err(error) if error.kind() == Kind::Denied => match may_look(web_session, &again).await {
            true => folder::serve(web_session, again, form, ids).await.map_err(|_| error),
            false => delivery::way(web_session, &again, form).await?.ok_or(error),
        },
        answer => answer,
    }
}

async fn may_look(web_session: &Arc<WebSession>, asked: &Asked) -> bool {
    let (op, method) = (Op::Stat(asked.place.path.clone()), asked.method);
    web_session.step(move |desk: &mut Desk| desk.allows(&op, method)).await.is_ok()
}
