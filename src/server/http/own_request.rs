//! How every page begins that is somebody's own: who asks, for a person or a program, and what is sent by a form of it.

use std::sync::Arc;

use hyper::Request;

use super::Web;
use super::answer::{Answer, Ids, Reader, not_allowed};
use super::form::Fields;
use super::request_body::RequestBody;
use super::same_site;
use super::viewer::Viewer;
use super::visitors::{Claimed, Visitors};
use super::web_session::WebSession;
use crate::error::{Error, Kind, Result};

/// A request of somebody who is logged in, for what is theirs.
pub struct OwnRequest<'a> {
    /// Where it came.
    pub visitors: &'a Arc<Visitors>,
    /// What was asked, without what came with it.
    pub request: &'a Request<()>,
    /// Whoever asks.
    pub web_session: Arc<WebSession>,
    /// It is for a person.
    pub for_browser: bool,
    /// Who answers.
    pub ids: Ids,
}

impl<'a> OwnRequest<'a> {
    /// That of the user who asks.
    ///
    /// # Errors
    /// [`Kind::LoginRequired`] for nobody in particular; those of a login.
    pub async fn of(
        visitors: &'a Arc<Visitors>,
        request: &'a Request<()>,
        (for_browser, ids): (bool, Ids),
    ) -> Result<OwnRequest<'a>> {
        let required = || Error::new(Kind::LoginRequired, "log in first");
        let claimed = visitors.claimed(request.headers())?;
        if matches!(claimed, Claimed::Nobody) {
            return Err(required());
        }
        let web_session = visitors.web_session(claimed).await?;
        match web_session.is_anonymous() {
            true => Err(required()),
            false => Ok(OwnRequest { visitors, request, web_session, for_browser, ids }),
        }
    }

    /// The request of the user who asks for a change, from a page of this server or by a program.
    ///
    /// # Errors
    /// [`Kind::Denied`] for what another site sent; those of [`OwnRequest::of`].
    pub async fn changing(
        visitors: &'a Arc<Visitors>,
        request: &'a Request<()>,
        told: (bool, Ids),
    ) -> Result<OwnRequest<'a>> {
        same_site::check(request.uri(), request.headers())?;
        OwnRequest::of(visitors, request, told).await
    }

    /// The request of the user who asks for a change, with the fields of a form. Where nothing may be written it is the answer that says
    /// so.
    ///
    /// # Errors
    /// Those of [`OwnRequest::changing`] and of [`Fields::read`].
    pub async fn with_form(
        visitors: &'a Arc<Visitors>,
        request: &'a Request<()>,
        body: &mut RequestBody,
        told: (bool, Ids),
    ) -> Result<Result<(OwnRequest<'a>, Fields), Answer>> {
        let web = visitors.shared().web;
        if web != Web::On {
            return Ok(Err(not_allowed("POST", web, &Reader::Program, told.1)));
        }
        let own = OwnRequest::changing(visitors, request, told).await?;
        Ok(Ok((own, Fields::read(request.headers(), body).await?)))
    }

    /// Whoever asks, as pages know them.
    pub fn viewer(&self) -> Viewer {
        self.visitors.viewer_of(self.web_session.principal())
    }

    /// Whether a program asks, or a person for what programs are told: `?json`.
    pub fn wants_json(&self) -> bool {
        let query = self.request.uri().query().unwrap_or_default();
        !self.for_browser || query.split('&').any(|part| part == "json")
    }
}
