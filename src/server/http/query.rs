//! What a request wants of what it is about: the query of its URL.

use hyper::Uri;
use percent_encoding::percent_decode;

use super::archive_writer::Format;

/// What a request wants of a folder or file beside its bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query {
    /// `?json`: for programs.
    pub json: bool,
    /// `?download`: to be stored and not shown.
    pub download: bool,
    /// `?partial`: what an interrupted upload of it left.
    pub partial: bool,
    /// `?zip` or `?tar`: all that is in the folder.
    pub archive: Option<Format>,
    /// `?name=`, several times: what of it, by paths in the folder.
    pub chosen: Vec<Vec<u8>>,
    /// `?search=`: what has this in its name, in the folder and below.
    pub search: Option<String>,
    /// `?sort=`: by what a page is sorted.
    pub sort: Sort,
    /// `?order=desc`: the other way round.
    pub descending: bool,
}

/// By what a page is sorted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Sort {
    /// Folders first, then by their names.
    #[default]
    Name,
    /// By bytes.
    Size,
    /// By the time of modification.
    Time,
}

impl Sort {
    /// As a URL has it.
    pub const fn word(self) -> &'static str {
        match self {
            Sort::Name => "name",
            Sort::Size => "size",
            Sort::Time => "time",
        }
    }
}

impl Query {
    /// What the query of a URL asks for. What it does not know is left alone.
    pub fn parse(uri: &Uri) -> Query {
        let mut query = Query::default();
        for part in uri.query().unwrap_or_default().split('&') {
            match part {
                "json" => query.json = true,
                "download" => query.download = true,
                "partial" => query.partial = true,
                "zip" => query.archive = Some(Format::Zip),
                "tar" => query.archive = Some(Format::Tar),
                "sort=name" => query.sort = Sort::Name,
                "sort=size" => query.sort = Sort::Size,
                "sort=time" => query.sort = Sort::Time,
                "order=desc" => query.descending = true,
                _ => match part.split_once('=') {
                    Some(("name", name)) => query.chosen.push(typed(name)),
                    Some(("search", text)) => {
                        let text = String::from_utf8_lossy(&typed(text)).trim().to_owned();
                        query.search = Some(text).filter(|text| !text.is_empty());
                    }
                    _ => {}
                },
            }
        }
        query
    }
}

/// A value in a query, as a form sends it.
fn typed(value: &str) -> Vec<u8> {
    percent_decode(value.replace('+', " ").as_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_chosen_and_is_looked_for_is_as_a_form_or_a_script_sends_it() {
        let query = Query::parse(&"/a/?zip&name=b%2Bc+d&name=x/y&name=%ff&search=+%C3%BC+1+".parse().unwrap());
        assert_eq!(query.chosen, [b"b+c d".to_vec(), b"x/y".to_vec(), b"\xff".to_vec()]);
        assert_eq!((query.search.as_deref(), query.archive), (Some("ü 1"), Some(Format::Zip)));
        assert_eq!(Query::parse(&"/a/?search=".parse().unwrap()), Query::default());
        assert_eq!(Query::parse(&"/a/?search=+&other=x".parse().unwrap()), Query::default());
    }
}
