//! Texts that tell whether they are whole: the last line is the BLAKE3 of all before it. A file that lost its end, or was
//! changed by a disk or by hand, must not pass for one that says less.

use crate::files::Hash;

const MARK: &str = "# blake3 ";

/// The text with its last line.
pub(super) fn seal(body: &str) -> String {
    format!("{body}{MARK}{}\n", Hash::of(body.as_bytes()))
}

/// The text without its last line; none unless it is whole.
pub(super) fn unseal(text: &str) -> Option<&str> {
    let at = text.rfind(MARK)?;
    let (body, last) = text.split_at_checked(at)?;
    let hash: Hash = last.strip_prefix(MARK)?.strip_suffix('\n')?.parse().ok()?;
    (hash == Hash::of(body.as_bytes())).then_some(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_lost_or_changed_anything_is_refused() {
        let whole = seal("user = \"alice\"\npassword = \"x\"\n");
        assert_eq!(unseal(&whole), Some("user = \"alice\"\npassword = \"x\"\n"));
        for end in 0..whole.len() {
            assert_eq!(unseal(&whole[..end]), None, "{end}");
        }
        for at in 0..whole.len() {
            let mut bytes = whole.clone().into_bytes();
            bytes[at] ^= 1;
            assert_eq!(unseal(&String::from_utf8(bytes).unwrap()), None, "{at}");
        }
        assert_eq!(unseal(&format!("{whole}password = \"y\"\n")), None);
        assert_eq!(unseal(""), None);
    }
}
