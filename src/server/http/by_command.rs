//! How a link is used without a browser: told to whoever makes one, and to whoever opens one to a file.

use hyper::{HeaderMap, Uri};
use maud::{Markup, html};

use super::target::{LinkSecret, host};
use super::visitors::Visitors;
use crate::auth::{Link, LinkTo};
use crate::link_commands::{curl_get, curl_put};

/// A link as it is handed on.
pub struct HandedOn {
    /// With the pins by which Sealift checks the server's key.
    pub url: String,
    /// With Sealift, and with curl where that can.
    pub commands: Vec<String>,
}

/// This link, by the name of the server that whoever asks has used.
pub fn handed_on(
    visitors: &Visitors,
    (uri, headers): (&Uri, &HeaderMap),
    secret: &LinkSecret,
    link: &Link,
) -> HandedOn {
    let shared = visitors.shared();
    let keys = shared.keys.now();
    let path = format!("{}{}", secret.url(), keys.fragment());
    // It stands in quotes.
    let Some(host) = host(uri, headers).filter(|host| !host.as_str().contains('\'')) else {
        return HandedOn { url: path, commands: Vec::new() };
    };
    let url = format!("https://{host}{path}");
    // Whoever is shown another certificate sees another key, too.
    let pins = if shared.certificates_end().1.is_none() { keys.pins() } else { Vec::new() };
    let commands = match link.to {
        LinkTo::Inbox(_) => {
            vec![format!("sealift put FILE '{url}'"), format!("{} '{url}'", curl_put(&pins, link.has_password()))]
        }
        LinkTo::File => {
            vec![format!("sealift get '{url}'"), format!("{} '{url}'", curl_get(&pins, link.has_password()))]
        }
        LinkTo::Folder => vec![format!("sealift get '{url}'")],
    };
    HandedOn { url, commands }
}

/// The commands on a page.
pub fn shown(commands: &[String]) -> Markup {
    html! {
        @if !commands.is_empty() {
            details .commands {
                summary { "In a terminal" }
                @for command in commands { p .card .url { code { (command) } } }
            }
        }
    }
}
