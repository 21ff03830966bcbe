//! The XML of a storage's answers, read by a pull parser: never nested calls, no entities but XML's own, and nothing is taken from a
//! text that has no end.

use quick_xml::Reader;
use quick_xml::events::Event;

use crate::limits;

/// Elements in their order, each before those in it: how deep it is, its name, and the text directly in it.
#[derive(Debug)]
pub(super) struct Document(Vec<(usize, String, String)>);

/// An object of a listing.
#[derive(Debug, PartialEq, Eq, Hash, Clone)]
pub(super) struct Listed {
    /// Not decoded.
    pub(super) key: String,
    pub(super) size: u64,
    pub(super) etag: String,
    /// As it is written: only compared, and read where nothing better is known.
    pub(super) modified: String,
}

/// A page of a listing.
#[derive(Debug, Default)]
pub(super) struct Page {
    pub(super) objects: Vec<Listed>,
    /// What many keys begin with, not decoded.
    pub(super) folders: Vec<String>,
    /// How the next page is asked for; none: this is the last.
    pub(super) next: Option<String>,
    /// The keys are percent-encoded: that is asked for, and not every storage does it.
    pub(super) is_encoded: bool,
}

impl Document {
    /// Reads all of a text whose root is called so, or so with another ending: not all storages call them as AWS does.
    pub(super) fn parse(bytes: &[u8], root: &str) -> Result<Document, String> {
        let text = str::from_utf8(bytes).map_err(|_| "it is not in UTF-8")?;
        let mut reader = Reader::from_str(text.trim_start_matches('\u{feff}'));
        reader.config_mut().expand_empty_elements = true;
        let mut elements: Vec<(usize, String, String)> = Vec::new();
        let mut open: Vec<usize> = Vec::new();
        loop {
            let piece = match reader.read_event().map_err(|_| "it is not well-formed")? {
                Event::Start(start) => {
                    if open.len() >= 16 || elements.len() >= limits::ENGINE_PAGE * 32 {
                        return Err("it has too many elements".to_owned());
                    }
                    let name = start.local_name().into_inner().to_owned();
                    open.push(elements.len());
                    elements.push((open.len() - 1, name, String::new()));
                    continue;
                }
                Event::End(_) => {
                    open.pop();
                    continue;
                }
                Event::Text(text) => text.xml10_content().into_owned(),
                Event::CData(text) => text.xml10_content().into_owned(),
                Event::GeneralRef(reference) => match &*reference {
                    "lt" => "<".to_owned(),
                    "gt" => ">".to_owned(),
                    "amp" => "&".to_owned(),
                    "apos" => "'".to_owned(),
                    "quot" => "\"".to_owned(),
                    _ => reference.resolve_char_ref().ok().flatten().ok_or("it has an entity of its own")?.to_string(),
                },
                Event::DocType(_) => return Err("it has a document type".to_owned()),
                Event::Eof if !open.is_empty() || elements.is_empty() => return Err("it has no end".to_owned()),
                Event::Eof => break,
                Event::Decl(_) | Event::Comment(_) | Event::PI(_) | Event::Empty(_) => continue,
            };
            if let Some((_, _, text)) = open.last().and_then(|at| elements.get_mut(*at)) {
                text.push_str(&piece);
            }
        }
        match elements.first() {
            Some((_, name, _)) if name.starts_with(root.trim_end_matches("Result")) => Ok(Document(elements)),
            Some((_, name, _)) => Err(format!("it is <{name}> and not <{root}>")),
            None => Err("it has no end".to_owned()),
        }
    }

    /// The text of the first element of this name directly in the root.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(depth, found, _)| *depth == 1 && found == name).map(|(_, _, text)| text.as_str())
    }

    /// Of each element of this name directly in the root, what is directly in it.
    fn each<'a>(&'a self, name: &'a str) -> impl Iterator<Item = Fields<'a>> {
        let begins = self.0.iter().enumerate().filter(move |(_, (depth, found, _))| *depth == 1 && found == name);
        begins.map(|(at, _)| Fields(self.0.get(at + 1..).unwrap_or_default()))
    }

    /// A page of `ListObjectsV2`.
    pub(super) fn page(&self) -> Result<Page, String> {
        let mut page = Page::default();
        for entry in self.each("Contents") {
            page.objects.push(Listed {
                key: entry.text("Key").ok_or("an object has no key")?.to_owned(),
                size: entry.text("Size").and_then(|size| size.parse().ok()).ok_or("an object has no size")?,
                etag: entry.text("ETag").ok_or("an object has no ETag")?.to_owned(),
                modified: entry.text("LastModified").unwrap_or_default().to_owned(),
            });
        }
        for folder in self.each("CommonPrefixes") {
            page.folders.push(folder.text("Prefix").ok_or("a folder has no name")?.to_owned());
        }
        page.is_encoded = self.text("EncodingType") == Some("url");
        match self.text("IsTruncated") {
            Some("false") => {}
            Some("true") => {
                page.next =
                    Some(self.text("NextContinuationToken").ok_or("it does not say how it goes on")?.to_owned());
            }
            _ => return Err("it does not say whether it goes on".to_owned()),
        }
        Ok(page)
    }

    /// The uploads of a page of `ListMultipartUploads`.
    pub(super) fn uploads(&self) -> Vec<Unfinished> {
        let upload = |of: Fields<'_>| {
            let text = |name| of.text(name).map(str::to_owned);
            Some(Unfinished { key: text("Key")?, id: text("UploadId")?, begun: text("Initiated")? })
        };
        self.each("Upload").filter_map(upload).collect()
    }

    /// The parts of a page of `ListParts`, by their numbers.
    pub(super) fn parts(&self) -> Vec<(u64, ListedPart)> {
        let part = |of: Fields<'_>| {
            let modified = of.text("LastModified").unwrap_or_default().to_owned();
            let (etag, size) = (of.text("ETag")?.to_owned(), of.text("Size")?.parse().ok()?);
            Some((of.text("PartNumber")?.parse().ok()?, ListedPart { etag, size, modified }))
        };
        self.each("Part").filter_map(part).collect()
    }
}

/// An upload in parts that is not completed.
pub(super) struct Unfinished {
    pub(super) key: String,
    pub(super) id: String,
    /// When it was begun, as the storage writes it.
    pub(super) begun: String,
}

/// A part of an upload, as a listing shows it.
pub(super) struct ListedPart {
    pub(super) etag: String,
    pub(super) size: u64,
    /// When it came, as the storage writes it.
    pub(super) modified: String,
}

struct Fields<'a>(&'a [(usize, String, String)]);

impl<'a> Fields<'a> {
    fn text(&self, name: &str) -> Option<&'a str> {
        let inside = self.0.iter().take_while(|(depth, _, _)| *depth > 1);
        inside.filter(|(depth, _, _)| *depth == 2).find(|(_, found, _)| found == name).map(|(_, _, text)| text.as_str())
    }
}

/// The word of an error, which may be missing; none if it is no error.
pub(super) fn code_of(body: &[u8]) -> Option<String> {
    let error = Document::parse(body, "Error").ok()?;
    Some(error.text("Code").unwrap_or_default().to_owned())
}

/// The seconds since 1970 of a time as listings write them: `2026-11-27T03:44:14.000Z`.
pub(super) fn seconds(text: &str) -> Option<i64> {
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<u16>().ok();
    let month = time::Month::try_from(u8::try_from(number(5, 7)?).ok()?).ok()?;
    let date = time::Date::from_calendar_date(number(0, 4)?.into(), month, u8::try_from(number(8, 10)?).ok()?).ok()?;
    let part = |from, to| u8::try_from(number(from, to)?).ok();
    let time = date.with_hms(part(11, 13)?, part(14, 16)?, part(17, 19)?).ok()?;
    Some(time.assume_utc().unix_timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "<?xml version=\"1.0\"?><ListBucketResult xmlns=\"http://s3\"><IsTruncated>true</IsTruncated>\
        <Contents><Key>a&amp;b%20c</Key><Size>3</Size><ETag>&quot;e&quot;</ETag><LastModified>1970-01-02T00:00:01.000Z</LastModified>\
        <Owner><ID>Key</ID></Owner></Contents><CommonPrefixes><Prefix>d/</Prefix></CommonPrefixes>\
        <NextContinuationToken>t</NextContinuationToken></ListBucketResult>";

    #[test]
    fn a_page_is_read_and_nothing_of_one_without_its_end() {
        let page = Document::parse(PAGE.as_bytes(), "ListBucketResult").unwrap().page().unwrap();
        let object = Listed {
            key: "a&b%20c".into(),
            size: 3,
            etag: "\"e\"".into(),
            modified: "1970-01-02T00:00:01.000Z".into(),
        };
        assert_eq!((page.objects, page.folders, page.next), (vec![object], vec!["d/".to_owned()], Some("t".into())));
        assert_eq!(seconds("1970-01-02T00:00:01.000Z"), Some(86_401));
        for end in 0..PAGE.len() {
            let cut = PAGE.get(..end).unwrap();
            assert!(Document::parse(cut.as_bytes(), "ListBucketResult").is_err(), "{cut}");
        }
        assert!(Document::parse(b"<Error><Code>SlowDown</Code></Error>", "ListBucketResult").is_err());
        assert_eq!(code_of(b"<Error><Code>SlowDown</Code></Error>").as_deref(), Some("SlowDown"));
        assert!(Document::parse(b"<!DOCTYPE a><a></a>", "a").is_err());
        let silent = Document::parse(b"<ListBucketResult></ListBucketResult>", "ListBucketResult").unwrap();
        assert!(silent.page().is_err());
    }
}
