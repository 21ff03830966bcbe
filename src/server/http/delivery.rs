//! A folder to which a person may bring files without seeing what is there: a home, a shared folder, or what a rule makes of a part of
//! one. There is something to do here, and nothing to be seen.
//!
//! Whether it has this page goes by rights alone. So it tells nothing of the disk either: below such a folder it is the same for what
//! is there and what is not.

use std::sync::Arc;

use hyper::StatusCode;

use super::answer::{Answer, Body, Ids, redirect};
use super::file::Asked;
use super::folder::typed;
use super::offers::{Offered, delivers, is_drop_box};
use super::page;
use super::rows::{Form, Scene};
use super::web_session::WebSession;
use crate::auth::Grants;
use crate::error::Result;
use crate::files::RelPath;

/// The page of the folder that is asked for, if it is one of these for whoever looks.
///
/// # Errors
/// Those of a step: the account has changed or is gone.
pub async fn page(web_session: &Arc<WebSession>, asked: &Asked, form: Form, ids: Ids) -> Result<Option<Answer>> {
    let Some(offered) = offered(web_session, &asked.place.path, form, delivers).await? else { return Ok(None) };
    let (place, query, user) = (asked.place.clone(), asked.query.clone(), asked.viewer.clone());
    let scene = Scene { place, query, user, offered, is_writable: true, is_sorted: true, is_cut: false, ids };
    let mut answer = typed(form);
    *answer.body_mut() = Body::whole(page::delivery(&scene));
    Ok(Some(answer))
}

/// The way to that page for whoever has left out the slash at the end. What lies in such a folder has none: what is there is told
/// nobody.
///
/// # Errors
/// As [`page`].
pub async fn way(web_session: &Arc<WebSession>, asked: &Asked, form: Form) -> Result<Option<Answer>> {
    let offered = offered(web_session, &asked.place.path, form, is_drop_box).await?;
    Ok(offered.map(|_| redirect(StatusCode::MOVED_PERMANENTLY, &asked.place.url(true))))
}

/// What is offered in this folder to a person for whom it is one of these.
async fn offered(
    web_session: &Arc<WebSession>,
    path: &RelPath,
    form: Form,
    is_one: fn(&Grants, &RelPath) -> bool,
) -> Result<Option<Offered>> {
    if form != Form::Page || !web_session.may_write() {
        return Ok(None);
    }
    let path = path.clone();
    // The rights of now: those of the login may have changed.
    let asking = web_session.step(move |desk| {
        let is_one = is_one(desk.principal().grants(), &path);
        Ok(is_one.then(|| Offered::now(desk, &path, Form::Text)))
    });
    asking.await
}
