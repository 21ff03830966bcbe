//! What a form of a page sends: `application/x-www-form-urlencoded`, as the URL standard has it.

use hyper::HeaderMap;
use hyper::header::CONTENT_TYPE;
use percent_encoding::percent_decode;
use zeroize::Zeroizing;

use super::request_body::RequestBody;
use crate::error::{Error, Kind, Result};
use crate::limits;

/// The fields of a form. They may be passwords: wiped when they go.
pub struct Fields(Zeroizing<Vec<u8>>);

impl Fields {
    /// Reads them.
    ///
    /// # Errors
    /// [`Kind::BadCommand`] for what is no form, or more than [`limits::WEB_FORM`].
    pub async fn read(headers: &HeaderMap, body: &mut RequestBody) -> Result<Fields> {
        let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        if !kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return Err(Error::new(Kind::BadCommand, "the body of the request is no form"));
        }
        let some = body.gather(limits::WEB_FORM + 1).await?;
        if some.len > limits::WEB_FORM {
            return Err(Error::new(Kind::BadCommand, "the form is too large"));
        }
        let mut bytes = Zeroizing::new(Vec::with_capacity(some.len));
        some.pieces.iter().for_each(|piece| bytes.extend_from_slice(piece));
        Ok(Fields(bytes))
    }

    /// Those of this text.
    #[cfg(test)]
    pub fn of(text: Zeroizing<Vec<u8>>) -> Fields {
        Fields(text)
    }

    /// The first field of this name; empty if there is none.
    pub fn get(&self, name: &str) -> Zeroizing<Vec<u8>> {
        let pairs = self.0.split(|byte| *byte == b'&');
        let named = pairs.filter_map(|pair| {
            let at = pair.iter().position(|byte| *byte == b'=')?;
            let (key, value) = pair.split_at_checked(at)?;
            (key == name.as_bytes()).then_some(value.get(1..).unwrap_or_default())
        });
        let mut value = Zeroizing::new(named.take(1).flatten().copied().collect::<Vec<u8>>());
        value.iter_mut().filter(|byte| **byte == b'+').for_each(|byte| *byte = b' ');
        let mut decoded = Zeroizing::new(Vec::with_capacity(value.len()));
        decoded.extend(percent_decode(&value));
        decoded
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_what_a_person_typed() {
        let fields =
            Fields(Zeroizing::new(b"user=al+ice&password=%26%3D+%C3%BC%2b%zz&password=x&empty=&none".to_vec()));
        assert_eq!(&**fields.get("user"), b"al ice");
        assert_eq!(&**fields.get("password"), "&= ü+%zz".as_bytes());
        assert!(fields.get("empty").is_empty() && fields.get("none").is_empty() && fields.get("other").is_empty());
    }
}
