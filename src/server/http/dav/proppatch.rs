//! PROPPATCH: properties that a client gives a file or folder. Of a file's own, its time of modification can be set, as
//! Windows does it; what else a client says is kept with the file as it was said.

use std::sync::Arc;

use bytes::Bytes;

use super::answers;
use super::properties::{Live, key};
use super::xml::{self, DAV, Document, Name};
use crate::error::{Error, Kind, Result};
use crate::files::Mtime;
use crate::limits;
use crate::server::desk::Desk;
use crate::server::desk::op::Op;
use crate::server::http::answer::{Answer, Body};
use crate::server::http::target::Place;
use crate::server::http::web_session::{WebSession, begin};

const METHOD: &str = "PROPPATCH";

/// Of the properties that Windows sets on each file that it copies.
const WINDOWS: &str = "urn:schemas-microsoft-com:";

/// What one instruction comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Query {
    /// The file counts as modified then.
    Time(Mtime),
    /// This is kept; none: nothing is any more.
    Keep(Option<String>),
    /// Nothing here is like it, and nobody misses it: said to be done, or Windows would call the whole copy failed.
    Nothing,
    /// It is a file's own, and nobody sets it.
    Protected,
}

/// Answers it: all is done, or nothing. A time for a folder counts as done, though folders have that of their last change.
///
/// # Errors
/// [`Kind::BadCommand`] for what is not understood, [`Kind::Locked`]; those of the gate and the store.
pub async fn serve(web_session: &Arc<WebSession>, place: Place, asked: Bytes) -> Result<Answer> {
    let wishes = wishes(&asked)?;
    let is_protected = wishes.iter().any(|(_, query)| *query == Query::Protected);
    let doing = wishes.clone();
    let path = place.path.clone();
    let set = move |desk: &mut Desk| {
        let keep = |(name, query): &(Name, Query)| match query {
            Query::Keep(value) if !is_protected => Some((key(name), value.clone())),
            _ => None,
        };
        let changes = doing.iter().filter_map(keep).collect();
        let time =
            doing.iter().rev().find_map(|(_, query)| if let Query::Time(time) = query { Some(*time) } else { None });
        // Also if there are none: whether it may be done is said before what would come of it.
        let mtime = time.filter(|_| !is_protected);
        begin(desk, Op::SetProperties { path, changes, mtime }, METHOD)?;
        desk.rest();
        Ok(())
    };
    let no_room = match web_session.step(set).await {
        Ok(()) => false,
        Err(error) if error.kind() == Kind::NoSpace => true,
        Err(error) => return Err(error),
    };
    let mut told = String::from(answers::BEGIN);
    told.push_str("<D:response><D:href>");
    xml::escape(&place.url(place.is_folder), &mut told);
    told.push_str("</D:href>");
    for (name, query) in &wishes {
        let status = match query {
            Query::Protected => "403 Forbidden",
            Query::Keep(_) if no_room => "507 Insufficient Storage",
            _ if is_protected || no_room => "424 Failed Dependency",
            _ => "200 OK",
        };
        told.push_str("<D:propstat><D:prop>");
        xml::empty(name, &mut told);
        told.push_str("</D:prop><D:status>HTTP/1.1 ");
        told.push_str(status);
        told.push_str("</D:status></D:propstat>");
    }
    told.push_str("</D:response>\n");
    told.push_str(answers::END);
    Ok(answers::multistatus(Body::whole(told)))
}

/// What a body asks for, in its order.
fn wishes(asked: &[u8]) -> Result<Vec<(Name, Query)>> {
    let bad = |why: &str| Err(Error::new(Kind::BadCommand, why));
    // <propertyupdate><set><prop><NAME>
    let document = Document::parse_keeping(asked, 3)?;
    document.expect_root("propertyupdate")?;
    let mut wishes = Vec::new();
    for (at, instruction) in document.children(0) {
        let is_set = instruction.name.is("set");
        if !is_set && !instruction.name.is("remove") {
            continue;
        }
        let lists = document.children(at).filter(|(_, list)| list.name.is("prop"));
        for (_, property) in lists.flat_map(|(at, _)| document.children(at)) {
            let value = is_set.then_some((property.text.trim(), property.inner.as_str()));
            wishes.push((property.name.clone(), query(&property.name, value)));
        }
    }
    match wishes.len() {
        0 => bad("a PROPPATCH names no property"),
        count if count > limits::DAV_PROPERTIES => bad("a PROPPATCH names too many properties"),
        _ => Ok(wishes),
    }
}

/// What a body would have kept, each with what is read of it when it is told.
///
/// # Errors
/// As [`serve`].
pub fn kept(asked: &[u8]) -> Result<Vec<(String, Result<String>)>> {
    let kept = wishes(asked)?.into_iter().filter_map(|(name, query)| match query {
        Query::Keep(Some(value)) => Some((name, value)),
        _ => None,
    });
    Ok(kept.map(|(name, value)| (value.clone(), told_again(&name, &value))).collect())
}

fn told_again(name: &Name, value: &str) -> Result<String> {
    let mut told = format!("<D:told xmlns:D=\"{DAV}\">");
    xml::element(name, value, &mut told);
    told.push_str("</D:told>");
    let document = Document::parse_keeping(told.as_bytes(), 1)?;
    let mut inner = document.children(0);
    match (inner.next(), inner.next()) {
        (Some((_, one)), None) if one.name == *name => Ok(one.inner.clone()),
        _ => Err(Error::new(Kind::Internal, "what is told is not what was said")),
    }
}

fn query(name: &Name, value: Option<(&str, &str)>) -> Query {
    let time = |text: &str| httpdate::parse_http_date(text).ok().map(|time| Query::Time(Mtime::from(time)));
    match (value, name.space == WINDOWS) {
        (Some((text, _)), true) if name.local == "Win32LastModifiedTime" => time(text).unwrap_or(Query::Nothing),
        (_, true) => Query::Nothing,
        (Some((text, _)), false) if Live::named(name) == Some(Live::LastModified) => {
            time(text).unwrap_or(Query::Protected)
        }
        (_, false) if Live::named(name).is_some() => Query::Protected,
        // WebDAV's own that are not here cannot be made here either.
        (_, false) if name.space == DAV && name.local != "displayname" => Query::Protected,
        (value, false) => Query::Keep(value.map(|(_, inner)| inner.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(inside: &str) -> Result<Vec<(String, Query)>, Kind> {
        let text = format!(
            "<D:propertyupdate xmlns:D='DAV:' xmlns:Z='urn:schemas-microsoft-com:'>{inside}</D:propertyupdate>"
        );
        let wishes = wishes(text.as_bytes()).map_err(|error| error.kind())?;
        Ok(wishes.into_iter().map(|(name, query)| (name.local, query)).collect())
    }

    #[test]
    fn times_are_set_own_properties_stay_and_the_rest_is_kept() {
        let time = "Sun, 09 Sep 2001 01:46:40 GMT";
        let then = Query::Time(Mtime { secs: 1_000_000_000, nanos: 0 });
        let wishes = asked(&format!(
            "<D:set><D:prop><Z:Win32LastModifiedTime>{time}</Z:Win32LastModifiedTime><Z:Win32FileAttributes>20\
             </Z:Win32FileAttributes><D:getlastmodified>{time}</D:getlastmodified></D:prop></D:set><D:remove><D:prop>\
             <x xmlns='u'/></D:prop></D:remove><D:set><D:prop><D:getetag>x</D:getetag><y xmlns='u'><b/>1</y></D:prop></D:set>"
        ));
        let expected = [
            ("Win32LastModifiedTime", then.clone()),
            ("Win32FileAttributes", Query::Nothing),
            ("getlastmodified", then),
            ("x", Query::Keep(None)),
            ("getetag", Query::Protected),
            ("y", Query::Keep(Some("<b xmlns=\"u\"></b>1".into()))),
        ];
        assert_eq!(wishes, Ok(expected.map(|(name, query)| (name.to_owned(), query)).to_vec()));
        for bad in ["", "<D:set/>", "<D:set><D:prop/></D:set>", "<D:prop><x/></D:prop>"] {
            assert_eq!(asked(bad), Err(Kind::BadCommand), "{bad}");
        }
        let many = format!("<D:set><D:prop>{}</D:prop></D:set>", "<x/>".repeat(limits::DAV_PROPERTIES + 1));
        assert_eq!(asked(&many), Err(Kind::BadCommand));
    }
}
