//! How the keys that are known of a server follow those that it announces, as OpenSSH's UpdateHostKeys does.

use super::{Known, KnownServers, Line};
use crate::client::options::Endpoint;
use crate::error::Result;
use crate::limits;
use crate::tls::Pin;

/// What [`KnownServers::follow`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Followed {
    /// Nothing was new.
    Unchanged,
    /// The key that the server will have next is known now.
    Learned(Pin),
    /// The server uses a key that it had announced: those before it are known no more.
    Switched,
    /// An announced key is not known any more, because the server announces none now.
    Withdrawn,
    /// The announced key is not remembered: [`limits::KNOWN_KEYS_MAX`] are known of this server.
    Full,
}

impl KnownServers {
    /// Notes what a server said of its keys that has just proven to hold the one of `present`: it announces `next`, or
    /// nothing. Only a server that is known here by `present` is listened to, and only about itself:
    ///
    /// - The next key is remembered, as one that comes after the present one. Of each key one next is known, the one
    ///   announced last.
    /// - Once it is the present one, those that it comes after are forgotten. A key that a person added stays.
    ///
    /// # Errors
    /// As [`KnownServers::all`]. Nothing is written, and no lock taken, if nothing is new.
    pub fn follow(&self, server: &Endpoint, present: Pin, next: Option<Pin>) -> Result<Followed> {
        if follow(&mut self.read()?, server, present, next) == Followed::Unchanged {
            return Ok(Followed::Unchanged);
        }
        self.change(|mut lines| {
            let followed = follow(&mut lines, server, present, next);
            Ok((lines, followed))
        })
    }
}

fn follow(lines: &mut Vec<Line>, server: &Endpoint, present: Pin, next: Option<Pin>) -> Followed {
    let known = |lines: &[Line]| -> Vec<Known> {
        let of_this = lines.iter().filter_map(|line| line.known.as_ref()).filter(|known| known.server == *server);
        of_this.cloned().collect()
    };
    let before = known(lines);
    if !before.iter().any(|known| known.pin == present) {
        return Followed::Unchanged;
    }
    let past = ancestors(&before, present);
    let is_withdrawn = |known: &Known| known.after == Some(present) && Some(known.pin) != next;
    let goes = |known: &Known| past.contains(&known.pin) || is_withdrawn(known);
    lines.retain(|line| line.known.as_ref().is_none_or(|known| known.server != *server || !goes(known)));
    let mut switched = false;
    for line in lines.iter_mut() {
        if let Some(known) = &mut line.known
            && known.server == *server
            && known.pin == present
            && known.after.take().is_some()
        {
            switched = true;
            line.text = known.to_string();
        }
    }
    let now = known(lines);
    let new = next.filter(|next| !now.iter().any(|known| known.pin == *next));
    match new {
        Some(_) if now.len() >= limits::KNOWN_KEYS_MAX => Followed::Full,
        Some(pin) => {
            let known = Known { server: server.clone(), pin, after: Some(present), comment: None };
            lines.push(Line { text: known.to_string(), known: Some(known) });
            Followed::Learned(pin)
        }
        None if switched => Followed::Switched,
        None if now.len() < before.len() => Followed::Withdrawn,
        None => Followed::Unchanged,
    }
}

/// The keys that this one comes after, however many it was announced past.
fn ancestors(known: &[Known], pin: Pin) -> Vec<Pin> {
    let mut found = vec![pin];
    let mut at = 0;
    while let Some(this) = found.get(at).copied() {
        at += 1;
        let before = known.iter().filter(|known| known.pin == this).filter_map(|known| known.after);
        let new: Vec<Pin> = before.filter(|pin| !found.contains(pin)).collect();
        found.extend(new);
    }
    found.remove(0);
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::DEFAULT_PORT;
    use std::fs;

    fn pin(number: u8) -> Pin {
        use base64::Engine as _;
        let text = base64::engine::general_purpose::STANDARD.encode([number; 32]);
        format!("sha256//{text}").parse().unwrap()
    }

    fn host() -> Endpoint {
        Endpoint::parse("host", DEFAULT_PORT).unwrap()
    }

    fn file(text: &str) -> (tempfile::TempDir, KnownServers) {
        let dir = tempfile::tempdir().unwrap();
        let servers = KnownServers::new(dir.path().join("known_servers"));
        fs::write(servers.file(), text).unwrap();
        (dir, servers)
    }

    fn text(servers: &KnownServers) -> String {
        fs::read_to_string(servers.file()).unwrap()
    }

    #[test]
    fn a_next_key_is_learned_once_and_takes_over_when_it_is_used() {
        let [old, new] = [pin(1), pin(2)];
        let (_dir, servers) = file(&format!("# mine\nhost:4456 {old} # note\nother:1 {old}\n"));
        assert_eq!(servers.follow(&host(), old, Some(new)).unwrap(), Followed::Learned(new));
        assert_eq!(servers.follow(&host(), old, Some(new)).unwrap(), Followed::Unchanged);
        assert!(text(&servers).ends_with(&format!("host:4456 {new} after={old}\n")));
        assert_eq!(servers.pins(&host()).unwrap(), [old, new]);
        assert_eq!(servers.follow(&host(), new, None).unwrap(), Followed::Switched);
        assert_eq!(text(&servers), format!("# mine\nother:1 {old}\nhost:4456 {new}\n"));
    }

    #[test]
    fn what_is_announced_last_counts_and_what_is_announced_no_more_is_forgotten() {
        let (_dir, servers) = file(&format!("host:4456 {}\n", pin(1)));
        for next in 2..100 {
            servers.follow(&host(), pin(1), Some(pin(next))).unwrap();
            assert_eq!(servers.pins(&host()).unwrap(), [pin(1), pin(next)]);
        }
        assert_eq!(servers.follow(&host(), pin(1), None).unwrap(), Followed::Withdrawn);
        assert_eq!(text(&servers), format!("host:4456 {}\n", pin(1)));
    }

    #[test]
    fn only_a_key_that_is_known_here_is_listened_to() {
        let before = format!("host:4456 {}\n", pin(1));
        let (_dir, servers) = file(&before);
        assert_eq!(servers.follow(&host(), pin(2), Some(pin(3))).unwrap(), Followed::Unchanged);
        let other = Endpoint::parse("other", DEFAULT_PORT).unwrap();
        assert_eq!(servers.follow(&other, pin(1), Some(pin(3))).unwrap(), Followed::Unchanged);
        assert_eq!(servers.follow(&host(), pin(1), Some(pin(1))).unwrap(), Followed::Unchanged);
        assert_eq!(text(&servers), before);
    }

    #[test]
    fn keys_that_a_person_added_stay_and_bound_what_is_learned() {
        let lines: String = (1..=limits::KNOWN_KEYS_MAX as u8).map(|n| format!("host:4456 {}\n", pin(n))).collect();
        let (_dir, servers) = file(&lines);
        assert_eq!(servers.follow(&host(), pin(1), Some(pin(99))).unwrap(), Followed::Full);
        assert_eq!(servers.follow(&host(), pin(2), None).unwrap(), Followed::Unchanged);
        assert_eq!(text(&servers), lines);
    }

    #[test]
    fn a_client_that_was_away_for_several_keys_forgets_all_of_them() {
        let [a, b, c, kept] = [1, 2, 3, 4].map(pin);
        let lines = format!("host:4456 {a}\nhost:4456 {b} after={a}\nhost:4456 {c} after={b}\nhost:4456 {kept}\n");
        let (_dir, servers) = file(&lines);
        assert_eq!(servers.follow(&host(), c, None).unwrap(), Followed::Switched);
        assert_eq!(text(&servers), format!("host:4456 {c}\nhost:4456 {kept}\n"));
    }

    #[test]
    fn keys_that_come_after_each_other_in_a_ring_are_no_endless_work() {
        let [a, b] = [1, 2].map(pin);
        let (_dir, servers) = file(&format!("host:4456 {a} after={b}\nhost:4456 {b} after={a}\n"));
        servers.follow(&host(), a, None).unwrap();
        assert_eq!(text(&servers), format!("host:4456 {a}\n"));
    }
}
