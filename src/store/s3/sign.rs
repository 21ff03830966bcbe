//! The signature of a request: AWS Signature Version 4, in the header, over the body's SHA-256.
//!
//! By hand, with ring's HMAC: `rusty-s3`, the library that was considered, signs the address and not the body, so that nothing but
//! TLS would keep the bytes from being changed on the way, leaves keys in the storage's access log that are good for minutes, and
//! brings 28 packages along (an international URL parser; dots in keys are lost in it). This is one page of AWS's documentation,
//! and its examples are the tests.

use ring::{digest, hmac};

use super::keyring::Keys;
use super::names::encode;

/// The SHA-256 of no bytes, as digits.
pub(super) const OF_NOTHING: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// A moment as the storage wants it: `20130524T000000Z`.
pub(super) struct Moment(String);

impl Moment {
    /// That of this time since 1970.
    pub(super) fn of(secs: i64) -> Moment {
        let time = time::OffsetDateTime::from_unix_timestamp(secs).unwrap_or(time::OffsetDateTime::UNIX_EPOCH);
        let (year, month, day) = (time.year(), u8::from(time.month()), time.day());
        Moment(format!("{year:04}{month:02}{day:02}T{:02}{:02}{:02}Z", time.hour(), time.minute(), time.second()))
    }

    fn day(&self) -> &str {
        self.0.get(..8).unwrap_or_default()
    }
}

/// What is signed, but for the headers.
pub(super) struct Signed<'a> {
    pub(super) method: &'a str,
    /// Encoded, with its slashes.
    pub(super) path: &'a str,
    /// Not encoded.
    pub(super) query: &'a [(&'a str, String)],
    /// As digits.
    pub(super) body: &'a str,
    pub(super) region: &'a str,
}

/// The SHA-256 of these bytes, as digits.
pub(super) fn sha256(bytes: &[u8]) -> String {
    digits(digest::digest(&digest::SHA256, bytes).as_ref())
}

pub(super) fn digits(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The query as it stands in the request: sorted, since it is signed so.
pub(super) fn query(pairs: &[(&str, String)]) -> String {
    let mut pairs: Vec<_> =
        pairs.iter().map(|(key, value)| format!("{}={}", encode(key, false), encode(value, false))).collect();
    pairs.sort();
    pairs.join("&")
}

/// Adds the headers by which the storage knows who asks. All that are there already, and `host`, are signed.
pub(super) fn sign(what: &Signed<'_>, host: &str, keys: &Keys, now: &Moment, headers: &mut Vec<(String, String)>) {
    headers.push(("x-amz-content-sha256".to_owned(), what.body.to_owned()));
    headers.push(("x-amz-date".to_owned(), now.0.clone()));
    if let Some(token) = &keys.token {
        headers.push(("x-amz-security-token".to_owned(), String::from_utf8_lossy(token.expose()).into_owned()));
    }
    let mut signed: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (name.as_str(), value.trim())).collect();
    signed.push(("host", host));
    signed.sort_unstable();
    let names = signed.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
    let lines: String = signed.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
    let request = format!("{}\n{}\n{}\n{lines}\n{names}\n{}", what.method, what.path, query(what.query), what.body);
    let scope = format!("{}/{}/s3/aws4_request", now.day(), what.region);
    let text = format!("AWS4-HMAC-SHA256\n{}\n{scope}\n{}", now.0, sha256(request.as_bytes()));
    let secret = zeroize::Zeroizing::new([b"AWS4", keys.secret.expose()].concat());
    let mut key = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &secret), now.day().as_bytes());
    for part in [what.region, "s3", "aws4_request", &text] {
        key = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key.as_ref()), part.as_bytes());
    }
    let value = format!(
        "AWS4-HMAC-SHA256 Credential={}/{scope},SignedHeaders={names},Signature={}",
        keys.id,
        digits(key.as_ref())
    );
    headers.push(("authorization".to_owned(), value));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signature(method: &str, path: &str, pairs: &[(&str, String)], body: &str, more: &[(&str, &str)]) -> String {
        let keys = Keys::new("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", None);
        let mut headers: Vec<_> = more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let what = Signed { method, path, query: pairs, body, region: "us-east-1" };
        sign(&what, "examplebucket.s3.amazonaws.com", &keys, &Moment::of(1_369_353_600), &mut headers);
        let (_, value) = headers.pop().unwrap();
        value.rsplit('=').next().unwrap().to_owned()
    }

    /// From AWS's documentation, "Authenticating Requests: Using the Authorization Header".
    #[test]
    fn the_documented_examples_have_the_documented_signatures() {
        assert_eq!(OF_NOTHING, sha256(b""));
        assert_eq!(
            signature("GET", "/test.txt", &[], OF_NOTHING, &[("range", "bytes=0-9")]),
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
        );
        assert_eq!(
            signature(
                "PUT",
                &encode("/test$file.text", true),
                &[],
                &sha256(b"Welcome to Amazon S3."),
                &[("date", "Fri, 24 May 2013 00:00:00 GMT"), ("x-amz-storage-class", "REDUCED_REDUNDANCY")]
            ),
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"
        );
        assert_eq!(
            signature("GET", "/", &[("lifecycle", String::new())], OF_NOTHING, &[]),
            "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"
        );
        assert_eq!(
            signature("GET", "/", &[("max-keys", "2".into()), ("prefix", "J".into())], OF_NOTHING, &[]),
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"
        );
    }
}
