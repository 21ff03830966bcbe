//! The commands that use a link without a browser, as both programs tell them to whoever has one.

use crate::tls::Pin;

/// How curl puts a file in by a link, up to its URL, with the pins by which it checks the server's key. By -f a refusal is a failure.
pub fn curl_put(pins: &[Pin], has_password: bool) -> String {
    format!("curl -f{}{} -T FILE", checking(pins), if has_password { " -u ':PASSWORD'" } else { "" })
}

/// How curl fetches the file that a link leads to, up to its URL, where the link itself only says what that is.
pub fn curl_get(pins: &[Pin], has_password: bool) -> String {
    // By -G the word gets into the URL before its fragment; by -f no page that says why there is nothing is kept as the file.
    format!("curl -f{}{} -OJ -G -d download", checking(pins), if has_password { " -u ':PASSWORD'" } else { "" })
}

/// curl takes a server that has one of several keys.
fn checking(pins: &[Pin]) -> String {
    let pins: Vec<_> = pins.iter().map(Pin::to_string).collect();
    if pins.is_empty() { String::new() } else { format!(" -k --pinnedpubkey '{}'", pins.join(";")) }
}
