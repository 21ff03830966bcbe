//! What a person sees when the server is ready: where it is, its pin, and what to type next.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::SystemTime;

use sealift::auth::{Access, Users};
use sealift::escape::for_people;
use sealift::limits;
use sealift::tls::{Description, Pin};

use crate::args::Places;
use crate::output::{say, shell_word};
use crate::programs::Programs;

/// What the banner tells.
pub struct Banner<'a> {
    /// Files and folders.
    pub places: &'a Places,
    /// The bucket that the files are in, if they are in one.
    pub store: Option<String>,
    /// Who may log in.
    pub users: &'a Users,
    /// Whether this start made their file.
    pub new_users: bool,
    /// Where the server listens.
    pub addresses: &'a [SocketAddr],
    /// Its key's pin.
    pub pin: Pin,
    /// The pin of the key that it announces to have next.
    pub next_pin: Option<Pin>,
    /// How to call the client and the server.
    pub programs: Programs,
    /// The first address's port.
    pub port: u16,
    /// What browsers are shown beside the pinned certificate, if they are served.
    pub web: Option<sealift::Result<Option<Description>>>,
}

/// Prints it on standard output.
pub fn print(banner: &Banner<'_>) {
    say(&banner.text());
}

impl Banner<'_> {
    fn text(&self) -> String {
        let mut out = String::new();
        let mut addresses = self.addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        if self.addresses.iter().any(|address| address.ip().is_unspecified()) {
            addresses.push_str(" (every address of this machine)");
        }
        let mut lines = vec![
            ("address", addresses),
            ("pin", self.pin.to_string()),
            ("pid", std::process::id().to_string()),
            match &self.store {
                Some(store) => ("store", format!("{store} (uploads wait in {})", shown(&self.places.data))),
                None => ("data", shown(&self.places.data)),
            },
            ("users", format!("{} ({})", shown(&self.places.users), self.who())),
        ];
        if let Some(next) = self.next_pin {
            lines.insert(2, ("next", next.to_string()));
        }
        // Writing into a string cannot fail.
        let _ = writeln!(out, "Sealift {} is ready.", env!("CARGO_PKG_VERSION"));
        for (name, value) in lines {
            let _ = writeln!(out, "  {name:<8} {value}");
        }
        let server = self.reachable();
        let pin = self.pin;
        let Programs { sealift, sealiftd } = &self.programs;
        let _ = writeln!(out, "\nTry it:");
        if let Some(home) = self.users.anonymous_home() {
            // Into a bucket nothing is put by a shell.
            let hello = shell_word(&self.places.data.join(home).join("hello.txt").to_string_lossy());
            if self.store.is_none() {
                let _ = writeln!(out, "  echo hello > {hello}");
            }
            let _ = writeln!(out, "  {sealift} --pin {pin} ls {server}/");
            if self.store.is_none() {
                let _ = writeln!(out, "  {sealift} --pin {pin} get {server}/hello.txt .");
            }
        }
        self.browsers(&mut out);
        match self.users.iter().next() {
            None => {
                let options = user_options(self.places);
                let _ = writeln!(out, "\nAdd a user who may write (no restart needed), then upload:");
                let _ = writeln!(out, "  {sealiftd} user add alice{options}");
                let _ = writeln!(out, "  {sealift} --pin {pin} put FILE alice@{server}/");
            }
            Some(user) => {
                let name = shell_word(user.name());
                let _ = writeln!(out, "  {sealift} --pin {pin} ls {name}@{server}/");
            }
        }
        if let Some(home) = self.users.anonymous_home().filter(|_| self.new_users) {
            let home = for_people(self.places.of_home(home).as_bytes());
            let options = user_options(self.places);
            let _ = writeln!(
                out,
                "Anybody who reaches this address may read what you put into {home}. To let nobody in without a login:"
            );
            let _ = writeln!(out, "  {sealiftd} user set anonymous --enabled no{options}");
        }
        out.push('\n');
        out
    }

    /// How a browser gets here, and what it will say.
    fn browsers(&self, out: &mut String) {
        let Some(web) = &self.web else { return };
        let name = match web {
            // A name with a wildcard is none to type.
            Ok(Some(web)) => web.names.iter().find(|name| !name.contains('*')),
            _ => None,
        };
        let address = match name {
            Some(name) => format!("{}:{}", for_people(name.as_bytes()), self.port),
            None => self.host_and_port(),
        };
        let _ = writeln!(out, "  or open https://{address}/ in a browser");
        let certificate = shown(&self.places.web_files().certificate);
        let _ = match web {
            Ok(Some(web)) if web.not_after > SystemTime::now() => Ok(()),
            Ok(Some(_)) => writeln!(out, "  (it will say that {certificate} has expired)"),
            Ok(None) => writeln!(
                out,
                "  (it will warn that it does not know who this is: the certificate is self-made. One that an authority \
                 vouches for is shown instead, if it is {certificate})"
            ),
            Err(error) => writeln!(
                out,
                "  (it will warn that it does not know who this is: {})",
                for_people(error.text().as_bytes())
            ),
        };
    }

    fn who(&self) -> String {
        let named = match self.users.iter().count() {
            0 => "no named users".to_owned(),
            1 => "1 named user".to_owned(),
            n => format!("{n} named users"),
        };
        match self.users.anonymous_home() {
            Some(home) => {
                let mut open = vec![for_people(self.places.of_home(home).as_bytes())];
                open.extend(self.open_folders());
                format!("anybody may read {}, {named}", open.join(" and "))
            }
            None => format!("no anonymous reading, {named}"),
        }
    }

    /// The shared folders that need no login, as they are called on the server.
    fn open_folders(&self) -> Vec<String> {
        let Ok(grants) = self.users.grants_of("anonymous") else { return Vec::new() };
        let may_read = |access: Access| access.contains(Access::LIST) || access.contains(Access::DOWNLOAD);
        let open = grants.folders.iter().filter(|shared| may_read(shared.access));
        open.map(|shared| format!("/{}", for_people(shared.at.as_bytes()))).collect()
    }

    /// The address as a client on this machine writes it, without the port where it is the default.
    fn reachable(&self) -> String {
        match (self.ip(), self.port) {
            (IpAddr::V4(ip), limits::PORT) => ip.to_string(),
            (IpAddr::V6(ip), limits::PORT) => format!("[{ip}]"),
            (ip, port) => SocketAddr::new(ip, port).to_string(),
        }
    }

    /// The address as a browser on this machine writes it, with its port.
    fn host_and_port(&self) -> String {
        SocketAddr::new(self.ip(), self.port).to_string()
    }

    fn ip(&self) -> IpAddr {
        match self.addresses.first().map(SocketAddr::ip) {
            Some(ip) if !ip.is_unspecified() => ip,
            _ => IpAddr::V4(Ipv4Addr::LOCALHOST),
        }
    }
}

/// The options that name a users file and data folder other than the defaults, to follow a command.
pub fn user_options(places: &Places) -> String {
    let mut options = String::new();
    for (option, path, default) in [("--users", &places.users, "users.toml"), ("--data", &places.data, "server_data")] {
        if path != Path::new(default) {
            let _ = write!(options, " {option} {}", shell_word(&path.to_string_lossy()));
        }
    }
    options
}

fn shown(path: &Path) -> String {
    for_people(path.to_string_lossy().as_bytes())
}
