//! Whether a browser sends a request of its own accord or that of another site. Browsers attach a password that they once were
//! told to every request, whoever has them send it, so what changes something must come from our own pages.

use std::str::FromStr as _;

use hyper::header::{HeaderName, HeaderValue, ORIGIN};
use hyper::http::uri::Authority;
use hyper::{HeaderMap, Uri};

use super::target::{host, is_same_host};
use crate::error::{Error, Kind, Result};

/// Told by every browser of today, and by no script: a page cannot set it.
const SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Refuses what another site has a browser send. Programs that say nothing of sites are let through: nobody makes curl send
/// something.
///
/// # Errors
/// [`Kind::Denied`].
pub fn check(uri: &Uri, headers: &HeaderMap) -> Result<()> {
    let foreign = || {
        Error::new(
            Kind::Denied,
            "another site has sent this request: a browser may change something only from a page of this server",
        )
    };
    let sites: Vec<_> = headers.get_all(SITE).iter().map(HeaderValue::as_bytes).collect();
    match sites[..] {
        [b"same-origin" | b"none"] => return Ok(()),
        [] => {}
        _ => return Err(foreign()),
    }
    let origins: Vec<_> = headers.get_all(ORIGIN).iter().collect();
    match origins[..] {
        [] => Ok(()),
        [origin] if is_ours(origin, uri, headers) => Ok(()),
        _ => Err(foreign()),
    }
}

fn is_ours(origin: &HeaderValue, uri: &Uri, headers: &HeaderMap) -> bool {
    let Some(host) = host(uri, headers) else { return false };
    let origin = origin.to_str().ok().and_then(|origin| origin.strip_prefix("https://"));
    let origin = origin.and_then(|origin| Authority::from_str(origin).ok());
    origin.is_some_and(|origin| is_same_host(&origin, &host))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(pairs: &[(&str, &str)]) -> bool {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(HeaderName::from_str(name).unwrap(), value.parse().unwrap());
        }
        check(&"/x".parse().unwrap(), &headers).is_ok()
    }

    #[test]
    fn only_our_own_pages_and_programs_that_are_no_browsers_may_write() {
        let host = ("host", "files.example:4456");
        assert!(allows(&[host]), "curl");
        assert!(allows(&[host, ("sec-fetch-site", "same-origin")]));
        assert!(allows(&[host, ("sec-fetch-site", "none")]), "typed by a person");
        assert!(allows(&[host, ("origin", "https://files.example:4456")]));
        assert!(allows(&[host, ("origin", "https://FILES.example:4456")]));
        assert!(allows(&[("host", "files.example"), ("origin", "https://files.example:443")]));
        for site in ["cross-site", "same-site", "", "same-origin, none", "SAME-ORIGIN"] {
            assert!(!allows(&[host, ("sec-fetch-site", site)]), "{site}");
            assert!(!allows(&[host, ("sec-fetch-site", site), ("origin", "https://files.example:4456")]), "{site}");
        }
        assert!(!allows(&[host, ("sec-fetch-site", "same-origin"), ("sec-fetch-site", "cross-site")]));
        for origin in [
            "null",
            "https://evil.example",
            "http://files.example:4456",
            "https://files.example",
            "https://files.example:4457",
            "https://files.example:4456.evil.example",
            "https://evil.example/https://files.example:4456",
            "",
        ] {
            assert!(!allows(&[host, ("origin", origin)]), "{origin}");
        }
        assert!(!allows(&[host, ("origin", "https://files.example:4456"), ("origin", "https://evil.example")]));
    }

    #[test]
    fn over_http_2_the_host_is_in_the_url() {
        let headers: HeaderMap = [(ORIGIN, HeaderValue::from_static("https://h:1"))].into_iter().collect();
        assert!(check(&"https://h:1/x".parse().unwrap(), &headers).is_ok());
        assert!(check(&"https://h:2/x".parse().unwrap(), &headers).is_err());
    }
}
