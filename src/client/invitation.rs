//! An invitation as one word: who, where, the pin of the server's key, and a secret that works once.
//!
//! `sealift://alice@host:port/#PIN.SECRET.CHECK`, each part in base64 for URLs. The check is over all before it, so that a
//! word that lost its end on the way, or a host that was mistyped, is noticed before anything is sent.
//!
//! A browser takes `https://host:port/.sealift-web/join/alice#SECRET`: it checks the server by its certificate, and sends nothing of what
//! is behind the `#` by itself. The client takes that as well, and knows no pin then.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::options::Endpoint;
use super::target::Target;
use crate::error::{Error, Kind, Result};
use crate::files::Hash;
use crate::limits;
use crate::secret::Secret;
use crate::stray_secrets::JOIN;
use crate::tls::Pin;

/// What a name in a URL may hold as it is.
const OTHERS: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.');

/// Bytes of the check.
const CHECK: usize = 6;

/// An invitation. It is as good as a password until it is used: showing it is for whoever hands it on.
#[derive(Debug, Clone)]
pub struct InvitationLink {
    /// Who is invited.
    pub user: String,
    /// Where to.
    pub server: Endpoint,
    /// The pins of the keys that the server may have: the one it had when somebody was invited, and the one that it would have next.
    /// What a browser is given names none.
    pub pins: Vec<Pin>,
    /// What the server knows the hash of.
    pub secret: Secret,
}

impl InvitationLink {
    /// The link; without a pin, that for a browser.
    pub fn reveal(&self) -> String {
        if self.pins.is_empty() {
            return self.reveal_for_browser();
        }
        let user = utf8_percent_encode(&self.user, OTHERS);
        let secret = String::from_utf8_lossy(self.secret.expose());
        let pins = URL_SAFE_NO_PAD.encode(self.pins.iter().map(|pin| *pin.as_bytes()).collect::<Vec<_>>().concat());
        let server = self.server.to_string().replace('%', "%25");
        let link = format!("sealift://{user}@{server}/#{pins}.{secret}");
        format!("{link}.{}", check(&link))
    }

    /// The link for a browser: where its user joins.
    pub fn reveal_for_browser(&self) -> String {
        let user = utf8_percent_encode(&self.user, OTHERS);
        let secret = String::from_utf8_lossy(self.secret.expose());
        format!("https://{}{JOIN}{user}#{secret}", self.server.to_string().replace('%', "%25"))
    }

    /// Reads that, from behind `https://` on.
    fn of_browser(rest: &str) -> Option<InvitationLink> {
        let (host, rest) = rest.split_once(JOIN)?;
        let (user, secret) = rest.split_once('#')?;
        let user = percent_decode_str(user).decode_utf8().ok().filter(|user| !user.is_empty())?.into_owned();
        let server = Endpoint::parse(&host.replace("%25", "%"), limits::WEB_PORT).ok()?;
        let secret = Some(secret).filter(|secret| secret.len() == limits::INVITATION_SECRET)?;
        Some(InvitationLink { user, server, pins: Vec::new(), secret: Secret::new(secret) })
    }
}

/// Tells whether all before it is what it was.
fn check(link: &str) -> String {
    let hash = Hash::of(format!("sealift invitation 1 {link}").as_bytes());
    URL_SAFE_NO_PAD.encode(hash.as_bytes().get(..CHECK).unwrap_or_default())
}

impl FromStr for InvitationLink {
    type Err = Error;

    /// # Errors
    /// [`Kind::Usage`], without a word of the link.
    fn from_str(text: &str) -> Result<InvitationLink> {
        let wrong = |why: &str| Error::new(Kind::Usage, format!("the invitation {why}"));
        let text = text.trim();
        let (head, fragment) =
            text.split_once('#').ok_or_else(|| wrong("has no `#`: in a shell it must be in quotes"))?;
        let not_whole = || wrong("is not complete, or was changed: copy all of it, from its beginning to its end");
        if let Some(rest) = text.strip_prefix("https://") {
            if !rest.contains(JOIN) {
                return Err(wrong("is none, but another address"));
            }
            return InvitationLink::of_browser(rest).ok_or_else(not_whole);
        }
        if !head.starts_with("sealift://") {
            return Err(wrong("does not begin with sealift://"));
        }
        let (link, sum) = text.rsplit_once('.').ok_or_else(not_whole)?;
        if check(link) != sum {
            return Err(not_whole());
        }
        let mut parts = fragment.split('.');
        let (Some(pins), Some(secret), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
            return Err(not_whole());
        };
        let pins = URL_SAFE_NO_PAD.decode(pins).map_err(|_| not_whole())?;
        let (pins, []) = pins.as_chunks() else { return Err(not_whole()) };
        if pins.is_empty() || pins.len() > limits::KNOWN_KEYS_MAX {
            return Err(not_whole());
        }
        let pins = pins.iter().copied().map(Pin::from_bytes).collect();
        if secret.len() != limits::INVITATION_SECRET {
            return Err(not_whole());
        }
        let target = Target::parse(head.as_bytes()).map_err(|_| not_whole())?;
        let (Some(user), Some(port)) = (target.user, target.port) else { return Err(not_whole()) };
        let server = Endpoint::new(target.host, port);
        Ok(InvitationLink { user, server, pins, secret: Secret::new(secret) })
    }
}

/// Without the secret.
impl fmt::Display for InvitationLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an invitation of {} to {}", self.user, self.server)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn link(user: &str, host: &str) -> InvitationLink {
        let secret = Secret::new("a".repeat(limits::INVITATION_SECRET));
        InvitationLink {
            user: user.to_owned(),
            server: Endpoint::new(host, 4456),
            pins: vec![Pin::from_bytes([7; 32]), Pin::from_bytes([8; 32])],
            secret,
        }
    }

    #[test]
    fn a_link_reads_back_and_one_that_lost_or_changed_anything_does_not() {
        for (user, host) in
            [("alice", "files.example"), ("a@b c#%", "::1"), ("ü.x", "192.0.2.1"), ("a", "fe80::1%eth0")]
        {
            let (text, made) = (link(user, host).reveal(), link(user, host));
            let read: InvitationLink = text.parse().unwrap();
            assert_eq!((&read.user, &read.server, &read.pins), (&made.user, &made.server, &made.pins), "{text}");
            assert_eq!(read.secret.expose(), made.secret.expose());
            assert!(text.is_ascii() && !text.contains(['\'', ' ', '"']), "{text}");
            for end in (0..text.len()).filter(|end| text.is_char_boundary(*end)) {
                assert!(text[..end].parse::<InvitationLink>().is_err(), "{}", &text[..end]);
            }
        }
        let text = link("alice", "files.example").reveal();
        for changed in [text.replace("files", "file"), text.replace("alice", "alicf"), text.replace("aaaa", "aaab")] {
            let error = changed.parse::<InvitationLink>().unwrap_err();
            assert!(error.text().contains("not complete") && !error.text().contains("aaa"), "{error}");
        }
    }

    #[test]
    fn a_browser_is_told_the_name_before_the_mark_and_the_secret_behind_it() {
        let secret = "a".repeat(limits::INVITATION_SECRET);
        let url = link("ü a/#", "files.example").reveal_for_browser();
        assert_eq!(url, format!("https://files.example:4456/.sealift-web/join/%C3%BC%20a%2F%23#{secret}"));
        assert!(link("a", "::1").reveal_for_browser().starts_with("https://[::1]:4456/.sealift-web/join/a#"));
        for (user, host) in [("ü a/#", "files.example"), ("a", "::1"), ("b", "fe80::1%eth0")] {
            let text = link(user, host).reveal_for_browser();
            let read: InvitationLink = text.parse().unwrap();
            assert_eq!(
                (&*read.user, &read.server, &*read.pins),
                (user, &link(user, host).server, [].as_slice()),
                "{text}"
            );
            assert_eq!((read.secret.expose(), read.reveal()), (secret.as_bytes(), text.clone()));
            assert!(text[..text.len() - 1].parse::<InvitationLink>().is_err());
        }
        let usual = format!("https://files.example/.sealift-web/join/a#{secret}").parse::<InvitationLink>().unwrap();
        assert_eq!(usual.server.port, 443);
        let other = format!("https://files.example/.sealift-web/l/{secret}/#x").parse::<InvitationLink>().unwrap_err();
        assert!(!other.text().contains(&secret), "{other}");
    }

    proptest! {
        #[test]
        fn any_text_is_a_link_or_an_error(text in "\\PC{0,200}") {
            let _ = text.parse::<InvitationLink>();
        }
    }
}
