//! What a file is called to a browser, and what a browser may do with it.

use crate::escape;
use crate::files::RelPath;

/// A kind of file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Type {
    /// As the header has it.
    pub name: &'static str,
    /// A browser may show it in place: nothing of it can run.
    pub is_harmless: bool,
}

const fn shown(name: &'static str) -> Type {
    Type { name, is_harmless: true }
}

const fn stored(name: &'static str) -> Type {
    Type { name, is_harmless: false }
}

impl Type {
    /// By the end of the name. What is not known is bytes, to be stored.
    pub fn of(path: &RelPath) -> Type {
        let name = path.file_name().unwrap_or_default();
        let end = name.rsplit(|byte| *byte == b'.').next().filter(|end| end.len() < name.len()).unwrap_or_default();
        let end = end.to_ascii_lowercase();
        match end.as_slice() {
            b"txt" | b"text" | b"log" | b"md" | b"csv" | b"tsv" | b"conf" | b"ini" | b"toml" | b"yaml" | b"yml"
            | b"diff" | b"patch" | b"rs" | b"c" | b"h" | b"cpp" | b"hpp" | b"go" | b"py" | b"rb" | b"pl" | b"sh"
            | b"java" | b"sql" | b"tex" | b"asc" | b"sums" => shown("text/plain; charset=utf-8"),
            b"json" => shown("application/json"),
            b"png" => shown("image/png"),
            b"jpg" | b"jpeg" => shown("image/jpeg"),
            b"gif" => shown("image/gif"),
            b"webp" => shown("image/webp"),
            b"avif" => shown("image/avif"),
            b"bmp" => shown("image/bmp"),
            b"ico" => shown("image/x-icon"),
            b"mp3" => shown("audio/mpeg"),
            b"m4a" | b"aac" => shown("audio/mp4"),
            b"ogg" | b"oga" | b"opus" => shown("audio/ogg"),
            b"flac" => shown("audio/flac"),
            b"wav" => shown("audio/wav"),
            b"mp4" | b"m4v" => shown("video/mp4"),
            b"webm" => shown("video/webm"),
            b"ogv" => shown("video/ogg"),
            b"mov" => shown("video/quicktime"),
            b"pdf" => shown("application/pdf"),
            // All of these can hold script.
            b"html" | b"htm" => stored("text/html; charset=utf-8"),
            b"xhtml" => stored("application/xhtml+xml"),
            b"svg" => stored("image/svg+xml"),
            b"xml" | b"xsl" => stored("application/xml"),
            b"css" => stored("text/css; charset=utf-8"),
            b"js" | b"mjs" => stored("text/javascript; charset=utf-8"),
            b"wasm" => stored("application/wasm"),
            b"zip" => stored("application/zip"),
            b"gz" | b"tgz" => stored("application/gzip"),
            b"tar" => stored("application/x-tar"),
            b"xz" => stored("application/x-xz"),
            b"zst" => stored("application/zstd"),
            b"7z" => stored("application/x-7z-compressed"),
            b"deb" => stored("application/vnd.debian.binary-package"),
            b"epub" => stored("application/epub+zip"),
            b"docx" => stored("application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
            b"xlsx" => stored("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
            b"pptx" => stored("application/vnd.openxmlformats-officedocument.presentationml.presentation"),
            b"odt" => stored("application/vnd.oasis.opendocument.text"),
            b"ods" => stored("application/vnd.oasis.opendocument.spreadsheet"),
            _ => stored("application/octet-stream"),
        }
    }
}

/// A `Content-Disposition` (RFC 6266): to be shown or to be stored, and under what name.
pub fn disposition(path: &RelPath, is_shown: bool) -> String {
    let kind = if is_shown { "inline" } else { "attachment" };
    let name = path.file_name().unwrap_or_default();
    // For old programs: what is not plain ASCII, or has a meaning in there, is an underscore.
    let plain = |byte: &u8| {
        if byte.is_ascii_graphic() && !b"\"\\%".contains(byte) || *byte == b' ' { *byte as char } else { '_' }
    };
    let ascii: String = name.iter().map(plain).collect();
    // A name may turn its own letters around; who stores it should see its end.
    let text: String = String::from_utf8_lossy(name).chars().filter(|c| !escape::is_deceptive(*c)).collect();
    let text = percent_encoding::utf8_percent_encode(&text, percent_encoding::NON_ALPHANUMERIC);
    format!("{kind}; filename=\"{ascii}\"; filename*=UTF-8''{text}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(name: &str) -> RelPath {
        RelPath::parse(name.as_bytes()).unwrap()
    }

    #[test]
    fn what_can_hold_script_is_never_shown() {
        for name in [
            "a.html",
            "a.HTM",
            "a.svg",
            "a.xml",
            "a.xhtml",
            "a.js",
            "a.css",
            "html",
            "a",
            ".html",
            "a.html.",
            "a.txt.svg",
        ] {
            assert!(!Type::of(&path(name)).is_harmless, "{name}");
        }
        for name in ["a.png", "b/c.JPG", "x.pdf", "x.txt", "x.mp4"] {
            assert!(Type::of(&path(name)).is_harmless, "{name}");
        }
        assert_eq!(Type::of(&path("png")).name, "application/octet-stream", "a name without an end");
    }

    #[test]
    fn a_name_cannot_leave_its_header() {
        assert_eq!(disposition(&path("d/a b.txt"), true), "inline; filename=\"a b.txt\"; filename*=UTF-8''a%20b%2Etxt");
        let evil = disposition(&path("x\"; filename=evil.exe; \u{202e}ü.txt"), false);
        assert_eq!(
            evil,
            "attachment; filename=\"x_; filename=evil.exe; _____.txt\"; \
             filename*=UTF-8''x%22%3B%20filename%3Devil%2Eexe%3B%20%C3%BC%2Etxt"
        );
        let raw = RelPath::parse(b"\xff.bin").unwrap();
        assert_eq!(disposition(&raw, false), "attachment; filename=\"_.bin\"; filename*=UTF-8''%EF%BF%BD%2Ebin");
    }
}
