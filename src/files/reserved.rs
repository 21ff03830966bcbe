//! In which spellings a file system may find the reserved name.

use std::str;

use unicode_normalization::UnicodeNormalization as _;

use crate::limits::RESERVED_NAME;

/// Whether this name is the reserved one, or some file system would find that one by it: in another case or another form of the
/// same letters (folding by Unicode: ext4 and ZFS that are told to, APFS, HFS+), with characters in it that are passed over there, with
/// dots and spaces at its end (FAT, exFAT, servers of SMB), by its short name of FAT and NTFS, or with a stream of NTFS. It is kept
/// everywhere, so that a tree means the same wherever it lies.
pub fn is_reserved_name(name: &[u8]) -> bool {
    match name.first() {
        Some(b'.' | b's' | b'S') => {}
        // What begins with another letter that is in ASCII stays that under any folding.
        Some(first) if first.is_ascii() => return false,
        Some(_) => {}
        None => return false,
    }
    if name.is_ascii() {
        return is_reserved_folded(name.iter().map(u8::to_ascii_lowercase))
            || is_short_name(&name.to_ascii_lowercase());
    }
    // Bytes that are no text fold to nothing.
    let Ok(name) = str::from_utf8(name) else { return false };
    let Some('.' | 's') = letters(name).next() else { return false };
    let folded: String = letters(name).collect();
    is_reserved_folded(folded.bytes()) || is_short_name(folded.as_bytes())
}

/// What all spellings of a name have in common by which some file system would find it: those of which the reserved one has any.
pub(crate) fn folded(name: &[u8]) -> Vec<u8> {
    let mut folded = match str::from_utf8(name) {
        Ok(name) if !name.is_ascii() => letters(name).collect::<String>().into_bytes(),
        _ => name.to_ascii_lowercase(),
    };
    let end = folded.iter().rposition(|byte| !matches!(byte, b'.' | b' ')).map_or(0, |last| last + 1);
    folded.truncate(end);
    folded
}

/// The letters of a name as file systems that fold compare them.
fn letters(name: &str) -> impl Iterator<Item = char> {
    name.chars().map(plain).nfkd().filter(|c| !is_ignorable(*c)).flat_map(fold)
}

/// The name, and after it nothing but what is cut off, or what names a stream or a thing in it.
fn is_reserved_folded(mut folded: impl Iterator<Item = u8>) -> bool {
    if !RESERVED_NAME.bytes().all(|letter| folded.next() == Some(letter)) {
        return false;
    }
    matches!(folded.find(|byte| !matches!(byte, b'.' | b' ')), None | Some(b':' | b'\\'))
}

/// What FAT and NTFS call it where a name has eight letters: `SEALIF~1`, with two digits `SEALI~10`, and of many that begin alike
/// `SE1A2B~1`.
fn is_short_name(folded: &[u8]) -> bool {
    let Some(at) = folded.iter().position(|byte| *byte == b'~') else { return false };
    let (begin, rest) = folded.split_at(at);
    let digits = rest.iter().skip(1).take_while(|byte| byte.is_ascii_digit()).count();
    let is_cut_off = rest.iter().skip(1 + digits).all(|byte| matches!(byte, b'.' | b' '));
    let is_begin = match begin {
        b"sealif" | b"seali" => true,
        [b's', b'e', hash @ ..] => hash.len() == 4 && hash.iter().all(u8::is_ascii_hexdigit),
        _ => false,
    };
    is_begin && digits > 0 && is_cut_off
}

/// The two letters whose other case is not theirs alone.
fn plain(letter: char) -> char {
    if matches!(letter, '\u{130}' | '\u{131}') { 'i' } else { letter }
}

/// Down from its upper case: what has the same upper case as another one meets it.
fn fold(letter: char) -> impl Iterator<Item = char> {
    letter.to_uppercase().flat_map(char::to_lowercase)
}

/// What has the property Default_Ignorable_Code_Point of Unicode: names are compared without it.
fn is_ignorable(letter: char) -> bool {
    matches!(letter,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fff8}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_file_system_would_find_it_by_is_reserved() {
        for name in [
            ".sealift",
            ".SeaLift",
            ".\u{17f}ealift",
            ".sealıft",
            ".SEALİFT",
            ".seal\u{200b}ift",
            ".seal\u{ad}ift\u{feff}",
            ".ｓealift",
            "．sealift",
            "․sealift",
            "\u{200c}.sealift",
            ".sealift.",
            ".sealift . ",
            ".ſealift ．",
            ".sealift\u{a0}",
            ".sealift:stream",
            ".sealift::$INDEX_ALLOCATION",
            ".Sealift\\trash",
            "SEALIF~1",
            "sealif~9.",
            "seali~10",
            "SE1A2B~1",
            "\u{17f}ealif~1",
        ] {
            assert!(is_reserved_name(name.as_bytes()), "{name:?}");
        }
    }

    #[test]
    fn what_only_looks_like_it_is_anybodys() {
        for name in [
            "",
            ".",
            "sealift",
            "sealift.",
            ".sealift2",
            ".sealift-web",
            ".sealift.txt",
            ".sealift .x",
            "..sealift",
            " .sealift",
            ".sea lift",
            ".seálift",
            ".sealif",
            "sealift~",
            "sealift~1",
            "sealif~",
            "sealif~1.txt",
            "sea~1",
            "second~1",
            "segment~2",
            "сealift",
            "ß",
        ] {
            assert!(!is_reserved_name(name.as_bytes()), "{name:?}");
        }
        assert!(!is_reserved_name(b".sealift\xff") && !is_reserved_name(b"\xff.sealift"));
    }
}
