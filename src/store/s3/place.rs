//! Which bucket, and where.

use std::fmt;
use std::str::FromStr;

use crate::outgoing::OriginAddress;

/// A bucket, and what all names in it begin with: `s3://BUCKET` or `s3://BUCKET/PREFIX`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bucket {
    pub(super) name: String,
    /// Empty, or with a slash at its end.
    pub(super) prefix: String,
}

/// Where a storage is: `https://HOST` or `http://HOST:PORT`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint(pub(super) OriginAddress);

impl Endpoint {
    /// That of AWS in this region.
    ///
    /// # Errors
    /// That it is no name of a region.
    pub fn of_aws(region: &str) -> Result<Endpoint, String> {
        format!("https://s3.{region}.amazonaws.com").parse()
    }
}

impl FromStr for Endpoint {
    type Err = String;

    fn from_str(text: &str) -> Result<Endpoint, String> {
        text.parse().map(Endpoint)
    }
}

impl fmt::Display for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}/{}", self.name, self.prefix)
    }
}

impl FromStr for Bucket {
    type Err = String;

    fn from_str(text: &str) -> Result<Bucket, String> {
        let bad = || format!("{text}: write s3://BUCKET or s3://BUCKET/PREFIX");
        let (name, prefix) = match text.strip_prefix("s3://").ok_or_else(bad)? {
            rest if rest.contains('/') => rest.split_once('/').ok_or_else(bad)?,
            rest => (rest, ""),
        };
        let is_of_a_bucket = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
        let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
        let is_of_a_prefix =
            |part: &str| !part.is_empty() && part != "." && part != ".." && part.bytes().all(is_of_a_bucket);
        if !(3..=63).contains(&name.len())
            || !name.bytes().all(is_of_a_bucket)
            || prefix.len() > 200
            || !(prefix.is_empty() || prefix.split('/').all(is_of_a_prefix))
        {
            return Err(bad());
        }
        let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
        Ok(Bucket { name: name.to_owned(), prefix })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_has_a_name_and_perhaps_a_prefix() {
        let bucket = |text: &str| text.parse::<Bucket>().map(|bucket| (bucket.name, bucket.prefix));
        assert_eq!(bucket("s3://files").unwrap(), ("files".to_owned(), String::new()));
        assert_eq!(bucket("s3://files/a/b/").unwrap(), ("files".to_owned(), "a/b/".to_owned()));
        for bad in [
            "files",
            "s3://",
            "s3://ab",
            "s3://a b c",
            "s3://files//a",
            "s3://files/../a",
            "s3://files/ü",
            "http://files",
        ] {
            assert!(bucket(bad).is_err(), "{bad}");
        }
        assert_eq!(Endpoint::of_aws("eu-west-1"), "https://s3.eu-west-1.amazonaws.com".parse());
        assert!(Endpoint::of_aws("eu/west").is_err());
    }
}
