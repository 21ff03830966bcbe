//! How what a server tells is written and read by serde (feature `serde`): hashes, modes, times and kinds as the words of the
//! protocol, paths as text where they are UTF-8 and as their bytes where they are not. What was written reads back the same.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{EntryKind, FileMode, Hash, Mtime, RelPath};

/// Written as it is shown, and read as it is parsed.
macro_rules! as_text {
    ($($type:ty, $what:literal;)*) => {$(
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, to: S) -> std::result::Result<S::Ok, S::Error> {
                to.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> std::result::Result<Self, D::Error> {
                let wrong = |_| serde::de::Error::custom(concat!("not ", $what));
                <String as serde::Deserialize>::deserialize(from)?.parse().map_err(wrong)
            }
        }
    )*};
}
pub(crate) use as_text;

as_text! {
    Hash, "a BLAKE3 of 64 hexadecimal digits";
    FileMode, "a mode of three octal digits";
    Mtime, "a time in seconds since 1970";
}

impl Serialize for EntryKind {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.word())
    }
}

impl<'de> Deserialize<'de> for EntryKind {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(|()| D::Error::custom("not a kind of entry"))
    }
}

impl Serialize for RelPath {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        bytes::serialize(self.as_bytes(), to)
    }
}

impl<'de> Deserialize<'de> for RelPath {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        RelPath::parse(&bytes::deserialize(from)?).map_err(D::Error::custom)
    }
}

/// For fields that are bytes, and mostly text.
pub(crate) mod bytes {
    use super::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Form {
        Text(String),
        Bytes(Vec<u8>),
    }

    pub fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        match std::str::from_utf8(bytes) {
            Ok(text) => to.serialize_str(text),
            Err(_) => bytes.serialize(to),
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        Ok(match Form::deserialize(from)? {
            Form::Text(text) => text.into_bytes(),
            Form::Bytes(bytes) => bytes,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::Entry;

    #[test]
    fn what_is_written_reads_back_and_paths_are_text_where_they_can_be() {
        for (path, shown) in [(&b"a/b \xc3\xbc"[..], "\"a/b \u{fc}\""), (b"\xff\n", "[255,10]")] {
            let entry = Entry {
                kind: EntryKind::Directory,
                size: 7,
                mtime: Mtime { secs: -1, nanos: 5 },
                mode: Some(FileMode::ALL),
                rotten: false,
                mark: None,
                identity: None,
                path: path.to_vec(),
            };
            let text = serde_json::to_string(&entry).unwrap();
            assert!(text.starts_with(r#"{"type":"dir","size":7,"mtime":""#), "{text}");
            assert!(text.ends_with(&format!("\"path\":{shown}}}")), "{text}");
            assert_eq!(serde_json::from_str::<Entry>(&text).unwrap(), entry);
        }
        assert!(serde_json::from_str::<RelPath>("\"../x\"").is_err());
        assert_eq!(serde_json::from_str::<RelPath>("\"a/b\"").unwrap(), RelPath::parse(b"a/b").unwrap());
    }
}
