//! The XML of requests, read by a pull parser into a flat list of elements, and the escapes that answers are written with.
//!
//! Nothing is nested in memory or on the stack, whatever is nested in the text: an element knows its depth. There are no
//! entities but the five of XML itself; a document type is refused, and with it every way to define more.

use std::borrow::Cow;

use quick_xml::NsReader;
use quick_xml::escape::unescape;
use quick_xml::events::{BytesStart, Event};
use quick_xml::name::{PrefixDeclaration, ResolveResult};

use crate::error::{Error, Kind, Result};
use crate::limits;

/// The namespace of WebDAV.
pub const DAV: &str = "DAV:";

/// What `xml` stands for, and no other prefix (Namespaces in XML 1.0, section 3).
const XML: &str = "http://www.w3.org/XML/1998/namespace";

/// What `xmlns` stands for: nothing is in it.
const XMLNS: &str = "http://www.w3.org/2000/xmlns/";

/// The name of an element.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name {
    /// Its namespace; empty: none.
    pub space: String,
    /// Its name in it.
    pub local: String,
}

/// An element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Element {
    /// Elements around it.
    pub depth: usize,
    /// What it is.
    pub name: Name,
    /// The text directly in it.
    pub text: String,
    /// All that is in it, as XML that means the same anywhere, if it is of the depth that was to be kept.
    pub inner: String,
}

/// A document: its elements in their order, each before those in it.
#[derive(Debug, PartialEq, Eq)]
pub struct Document(Vec<Element>);

impl Name {
    /// Whether it is this one of WebDAV's.
    pub fn is(&self, local: &str) -> bool {
        self.space == DAV && self.local == local
    }
}

impl Document {
    /// Reads all of a document.
    ///
    /// # Errors
    /// [`Kind::BadCommand`] for what is no XML in UTF-8, or has more in it than a client of WebDAV says.
    pub fn parse(bytes: &[u8]) -> Result<Document> {
        Document::parse_keeping(bytes, usize::MAX)
    }

    /// Reads all of a document, keeping what is in elements of this depth.
    ///
    /// # Errors
    /// As [`Document::parse`].
    pub fn parse_keeping(bytes: &[u8], kept: usize) -> Result<Document> {
        let text = str::from_utf8(bytes).map_err(|_| bad("it is not in UTF-8"))?;
        let mut reader = NsReader::from_str(text.trim_start_matches('\u{feff}'));
        reader.config_mut().expand_empty_elements = true;
        reader.resolver_mut().set_max_namespace_bindings(limits::DAV_ELEMENTS);
        let mut elements: Vec<Element> = Vec::new();
        // Where those that are open are in the list.
        let mut open: Vec<usize> = Vec::new();
        loop {
            let (space, event) = reader.read_resolved_event().map_err(|_| bad("it is not well-formed"))?;
            match event {
                Event::Start(start) => {
                    if open.is_empty() && !elements.is_empty() {
                        return Err(bad("it has more than one element around all"));
                    }
                    if elements.len() >= limits::DAV_ELEMENTS || open.len() >= limits::DAV_DEPTH {
                        return Err(bad("it has too many elements"));
                    }
                    check_attributes(&start)?;
                    let name = name(&space, start.local_name().into_inner())?;
                    if let Some(around) = open.get(kept).and_then(|at| elements.get_mut(*at)) {
                        begin(&name, &start, &mut around.inner)?;
                    }
                    open.push(elements.len());
                    elements.push(Element { depth: open.len() - 1, name, text: String::new(), inner: String::new() });
                }
                Event::End(_) => {
                    let ended = open.pop().and_then(|at| elements.get(at)).map(|ended| ended.name.clone());
                    if let (Some(around), Some(ended)) = (open.get(kept).and_then(|at| elements.get_mut(*at)), ended) {
                        let prefix = if ended.space == XML { "xml:" } else { "" };
                        around.inner.push_str(&format!("</{prefix}{}>", ended.local));
                    }
                }
                Event::Text(text) => add(&mut elements, &open, kept, &text.xml10_content())?,
                Event::CData(text) => add(&mut elements, &open, kept, &text.xml10_content())?,
                Event::GeneralRef(reference) => {
                    let named = match &*reference {
                        "lt" => Some('<'),
                        "gt" => Some('>'),
                        "amp" => Some('&'),
                        "apos" => Some('\''),
                        "quot" => Some('"'),
                        _ => reference.resolve_char_ref().ok().flatten(),
                    };
                    let known = named.filter(|c| is_of_xml(*c)).ok_or_else(|| bad("it has an entity of its own"))?;
                    add(&mut elements, &open, kept, known.encode_utf8(&mut [0; 4]))?;
                }
                Event::Decl(said) => {
                    if let Some(encoding) = said.encoding()
                        && !encoding.is_ok_and(|encoding| encoding.eq_ignore_ascii_case("utf-8"))
                    {
                        return Err(bad("it is not in UTF-8"));
                    }
                }
                Event::Comment(_) => {}
                Event::DocType(_) => return Err(bad("it has a document type")),
                Event::PI(_) => return Err(bad("it has a processing instruction")),
                Event::Empty(_) => return Err(bad("it is not well-formed")),
                Event::Eof if !open.is_empty() || elements.is_empty() => return Err(bad("it has no end")),
                Event::Eof => return Ok(Document(elements)),
            }
        }
    }

    /// The element around all, if it is this one of WebDAV's.
    ///
    /// # Errors
    /// [`Kind::BadCommand`] if it is another one.
    pub fn expect_root(&self, local: &str) -> Result<()> {
        match self.0.first() {
            Some(root) if root.name.is(local) => Ok(()),
            _ => Err(bad("it asks for something else than the method does")),
        }
    }

    /// What is directly in the element at this place of the list: the place of each in it, and the element.
    pub fn children(&self, of: usize) -> impl Iterator<Item = (usize, &Element)> {
        let depth = self.0.get(of).map_or(0, |element| element.depth);
        let rest = self.0.iter().enumerate().skip(of + 1);
        rest.take_while(move |(_, element)| element.depth > depth)
            .filter(move |(_, element)| element.depth == depth + 1)
    }
}

/// What is wrong with a request's XML.
fn bad(why: &str) -> Error {
    Error::new(Kind::BadCommand, format!("the XML of the request cannot be used: {why}"))
}

fn add(elements: &mut [Element], open: &[usize], kept: usize, text: &str) -> Result<()> {
    if let Some(around) = open.get(kept).and_then(|at| elements.get_mut(*at)) {
        escape(text, &mut around.inner);
    }
    match open.last().and_then(|at| elements.get_mut(*at)) {
        Some(element) => element.text.push_str(text),
        None if text.trim().is_empty() => {}
        None => return Err(bad("it has text around all")),
    }
    Ok(())
}

/// Writes the beginning of an element that is kept. What its attributes say is kept as far as no prefix is needed for it.
fn begin(name: &Name, start: &BytesStart<'_>, out: &mut String) -> Result<()> {
    out.push_str(if name.space == XML { "<xml:" } else { "<" });
    out.push_str(&name.local);
    let mut attribute = |key: &str, value: &str| {
        out.push(' ');
        out.push_str(key);
        out.push_str("=\"");
        escape(value, out);
        out.push('"');
    };
    if name.space != XML {
        attribute("xmlns", &name.space);
    }
    for said in start.attributes().flatten() {
        let key = said.key.into_inner();
        if key != "xmlns" && !key.contains(':') && is_name(key) {
            attribute(key, &unescape(&said.value).map_err(|_| bad("it has an entity of its own"))?);
        }
    }
    out.push('>');
    if out.len() > limits::DAV_BODY_MAX { Err(bad("it has too much in it")) } else { Ok(()) }
}

fn check_attributes(start: &BytesStart<'_>) -> Result<()> {
    for (n, attribute) in start.attributes().enumerate() {
        let attribute = attribute.map_err(|_| bad("it is not well-formed"))?;
        if n >= limits::DAV_ATTRIBUTES {
            return Err(bad("it has too many attributes"));
        }
        let Some(declared) = attribute.key.as_namespace_binding() else { continue };
        let space = unescape(&attribute.value).map_err(|_| bad("it has an entity of its own"))?;
        let is_good = match declared {
            // XML 1.0 has no way to take a prefix back.
            PrefixDeclaration::Named(_) if space.is_empty() => return Err(bad("it has a prefix for no namespace")),
            PrefixDeclaration::Named("xml") => space == XML,
            PrefixDeclaration::Named(_) | PrefixDeclaration::Default => is_space(&space),
        };
        if !is_good {
            return Err(bad("it has a namespace that is none"));
        }
    }
    Ok(())
}

fn name(space: &ResolveResult<'_>, local: &str) -> Result<Name> {
    let space = match space {
        ResolveResult::Unbound => Cow::Borrowed(""),
        ResolveResult::Bound(space) => unescape(space.into_inner()).map_err(|_| bad("it has an entity of its own"))?,
        ResolveResult::Unknown(_) => return Err(bad("it has a prefix that stands for nothing")),
    };
    if space.len() > limits::DAV_NAME || local.len() > limits::DAV_NAME {
        return Err(bad("it has too long a name"));
    }
    if !is_name(local) || !(space == XML || is_space(&space)) {
        return Err(bad("it has a name that is none"));
    }
    Ok(Name { space: space.into_owned(), local: local.to_owned() })
}

/// Whether a namespace can be told by `xmlns`: readers refuse those of XML itself there, and some of them any with blanks.
fn is_space(space: &str) -> bool {
    space != XML && space != XMLNS && space.chars().all(|c| is_of_xml(c) && !c.is_whitespace() && !c.is_control())
}

/// Whether readers take an element of this name with this in it, which is XML as it was kept here.
pub fn can_be_told(name: &Name, inner: &str) -> bool {
    // What is text has no quotation marks, and what ends a line is escaped; other attributes end so, too.
    let is_good = |rest: &str| rest.split('"').next().is_some_and(|space| is_space(space) && !space.contains("&#"));
    (name.space == XML || is_space(&name.space)) && inner.split(" xmlns=\"").skip(1).all(is_good)
}

/// Whether it can be the name of an element, without its prefix.
fn is_name(text: &str) -> bool {
    let begins = |c: char| c.is_alphabetic() || c == '_';
    let goes_on = |c: char| begins(c) || c.is_numeric() || matches!(c, '-' | '.');
    text.starts_with(begins) && text.chars().all(goes_on)
}

/// Whether XML has such a character at all, not even as an escape.
fn is_of_xml(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

/// Writes text as it is in an element or an attribute. What XML cannot say is the sign for that.
pub fn escape(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            // A reader makes a line's end of it otherwise.
            '\r' => out.push_str("&#13;"),
            c if is_of_xml(c) => out.push(c),
            _ => out.push('\u{fffd}'),
        }
    }
}

/// Writes an empty element of this name.
pub fn empty(name: &Name, out: &mut String) {
    open(name, out);
    out.push_str("/>");
}

/// Writes an element of this name around what is XML already.
pub fn element(name: &Name, inner: &str, out: &mut String) {
    open(name, out);
    out.push('>');
    out.push_str(inner);
    out.push_str(match &*name.space {
        DAV => "</D:",
        XML => "</xml:",
        _ => "</",
    });
    out.push_str(&name.local);
    out.push('>');
}

fn open(name: &Name, out: &mut String) {
    if name.space == DAV {
        // The prefix of all answers.
        out.push_str("<D:");
        out.push_str(&name.local);
    } else if name.space == XML {
        out.push_str("<xml:");
        out.push_str(&name.local);
    } else {
        out.push('<');
        out.push_str(&name.local);
        out.push_str(" xmlns=\"");
        escape(&name.space, out);
        out.push('"');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) {
        let error = Document::parse(text.as_bytes()).unwrap_err();
        assert_eq!(error.kind(), Kind::BadCommand, "{text}");
    }

    #[test]
    fn elements_have_their_depth_their_namespace_and_their_text() {
        let text = "\u{feff}<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<D:a xmlns:D=\"DAV:\"><!-- x --><b xmlns=\"u:&amp;\">1&lt;\
                    <c xmlns=\"\"/>2&#x41;</b><D:d><![CDATA[<&]]></D:d></D:a>\n";
        let document = Document::parse(text.as_bytes()).unwrap();
        let seen: Vec<_> = document
            .0
            .iter()
            .map(|element| (element.depth, &*element.name.space, &*element.name.local, &*element.text))
            .collect();
        assert_eq!(seen, [(0, "DAV:", "a", ""), (1, "u:&", "b", "1<2A"), (2, "", "c", ""), (1, "DAV:", "d", "<&")]);
        assert_eq!(document.children(0).map(|(at, _)| at).collect::<Vec<_>>(), [1, 3]);
        assert!(document.expect_root("a").is_ok() && document.expect_root("b").is_err());
    }

    #[test]
    fn what_is_kept_means_the_same_anywhere() {
        let text = "<a xmlns='u' xmlns:p='v'><b>1<p:c x='&lt;' p:y='2'>&amp;<d xmlns=''/></p:c>\n</b><b/></a>";
        let document = Document::parse_keeping(text.as_bytes(), 1).unwrap();
        let kept: Vec<_> = document.children(0).map(|(_, element)| &*element.inner).collect();
        assert_eq!(kept, ["1<c xmlns=\"v\" x=\"&lt;\">&amp;<d xmlns=\"\"></d></c>\n", ""]);
        let long = format!("<a xmlns='{}'><b>{}</b></a>", "u".repeat(limits::DAV_NAME), "<c/>".repeat(200));
        assert!(Document::parse_keeping(long.as_bytes(), 1).is_err(), "it would grow");
    }

    #[test]
    fn a_namespace_that_readers_refuse_is_refused_and_that_of_xml_keeps_its_prefix() {
        for space in [XML, XMLNS, "a b", " ", "a\tb", "a&#10;b", "a&#x85;b", "a\u{a0}b"] {
            for declared in [format!("xmlns='{space}'"), format!("xmlns:p='{space}'")] {
                refused(&format!("<a {declared}/>"));
                refused(&format!("<a><b><c {declared}/></b></a>"));
            }
        }
        refused("<a xmlns:xml='u'/>");
        refused("<a xmlns:xmlns='u'/>");
        let text = format!("<a xmlns:xml='{XML}'><b>1<xml:c>2<d xmlns=''/></xml:c></b></a>");
        let document = Document::parse_keeping(text.as_bytes(), 1).unwrap();
        let kept = document.children(0).next().unwrap().1.inner.clone();
        assert_eq!(kept, "1<xml:c>2<d xmlns=\"\"></d></xml:c>");
        let of_xml = Name { space: XML.to_owned(), local: "c".to_owned() };
        let mut out = String::new();
        element(&of_xml, &kept, &mut out);
        empty(&of_xml, &mut out);
        assert_eq!(out, format!("<xml:c>{kept}</xml:c><xml:c/>"));
        // What was kept before is looked at again.
        let named = |space: &str| Name { space: space.to_owned(), local: "c".to_owned() };
        assert!(can_be_told(&of_xml, &kept) && can_be_told(&named("u"), "xmlns=&quot;a b&quot;"));
        assert!(can_be_told(&named("u"), "<q axmlns=\"a b\"/>"), "an attribute whose name only ends so");
        assert!([XMLNS, "a b"].iter().all(|space| !can_be_told(&named(space), "")));
        for inner in [format!("<a xmlns=\"{XML}\"></a>"), "1<a xmlns=\"a b\"/>".into(), "<a xmlns=\"a&#13;b\"/>".into()]
        {
            assert!(!can_be_told(&named("u"), &inner), "{inner}");
        }
    }

    #[test]
    fn what_nests_names_or_defines_too_much_is_refused() {
        refused(&"<a>".repeat(3000));
        refused(&format!("{}{}", "<a>".repeat(limits::DAV_DEPTH + 1), "</a>".repeat(limits::DAV_DEPTH + 1)));
        refused(&format!("<a>{}</a>", "<b/>".repeat(limits::DAV_ELEMENTS)));
        let attributes: String = (0..=limits::DAV_ATTRIBUTES).map(|n| format!(" a{n}=''")).collect();
        refused(&format!("<a{attributes}/>"));
        refused(&format!("<{}/>", "a".repeat(limits::DAV_NAME + 1)));
        refused(&format!("<a xmlns='{}'/>", "a".repeat(limits::DAV_NAME + 1)));
        refused("<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>");
        refused("<!DOCTYPE a SYSTEM 'file:///etc/passwd'><a/>");
        for entity in ["&b;", "&#0;", "&#xffff;", "&#x110000;", "&", "& "] {
            refused(&format!("<a>{entity}</a>"));
        }
        refused("<a xmlns='&b;'/>");
    }

    #[test]
    fn what_is_not_well_formed_is_refused() {
        for text in [
            "",
            " ",
            "x",
            "<a>",
            "<a></b>",
            "</a>",
            "<a/><b/>",
            "<a/>x",
            "x<a/>",
            "<p:a/>",
            "<a xmlns:p=''/>",
            "<a b='1' b='2'/>",
            "<a b=1/>",
            "<1/>",
            "<a\"/>",
            "<?pi x?><a/>",
            "<?xml version='1.0' encoding='utf-16'?><a/>",
        ] {
            refused(text);
        }
        assert!(Document::parse(b"<a>\xff</a>").is_err());
    }

    #[test]
    fn what_is_written_cannot_leave_its_place() {
        let mut out = String::new();
        escape("<&>\"'\r\u{0}\u{ffff}ü", &mut out);
        assert_eq!(out, "&lt;&amp;&gt;&quot;&apos;&#13;\u{fffd}\u{fffd}ü");
        let mut out = String::new();
        empty(&Name { space: "a\"><x".into(), local: "b".into() }, &mut out);
        assert_eq!(out, "<b xmlns=\"a&quot;&gt;&lt;x\"/>");
    }
}
