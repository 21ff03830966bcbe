//! What is the server's own, and lies apart from what it serves: whoever could write there could become anybody, or have programs
//! of theirs run.

use std::env;
use std::path::{Path, PathBuf};

use sealift::apart::{Own, real, real_name};
use sealift::auth::{Definition, Users};
use sealift::files::Location;
use sealift::server::MetricsAt;
use sealift::{Error, Kind};

use crate::args::{Places, ServeArgs};
use crate::failure::Failure;
use crate::hooks;
use crate::port_file::PortFile;
use crate::settings;

/// A file or folder of the server's own, and the option that says where it is; none if there is none.
struct Named {
    own: Own,
    option: Option<&'static str>,
}

impl Named {
    fn new(what: &'static str, option: Option<&'static str>, path: PathBuf) -> Named {
        let own = Own::new(what, path);
        let own = if what == PROGRAM { own.public() } else { own };
        Named { own: if what == STATE { own.with_all_in_it() } else { own }, option }
    }
}

/// This program, which many may read and nobody may change.
const PROGRAM: &str = "the server's program";

/// Where the server keeps what it makes of its own accord: every name in it is its own.
const STATE: &str = "the server's own state";

/// Where the homes are.
const DATA: &str = "the data folder";

/// The option that names the file with the port.
const PORT_FILE: &str = "--port-file";

/// All that is the server's own.
pub struct Apart {
    data: PathBuf,
    users: PathBuf,
    port_file: Option<PathBuf>,
    own: Vec<Named>,
}

/// Something that lies wrong, in words.
pub struct Misplaced {
    /// What is where.
    pub text: String,
    /// What to do.
    pub next: String,
}

impl From<Misplaced> for Failure {
    fn from(found: Misplaced) -> Failure {
        Failure::from(Error::new(Kind::BadConfig, found.text)).hint(found.next)
    }
}

impl Apart {
    /// What these options name, whether or not it is there.
    pub fn new(places: &Places, args: &ServeArgs) -> Apart {
        let web = places.web_files();
        let mut own = vec![
            Named::new("the key and certificate", Some("--certs"), places.certs.clone()),
            Named::new("the key for browsers", Some("--web-cert"), web.key),
            Named::new("the certificate for browsers", Some("--web-cert"), web.certificate),
            Named::new("the users file", Some("--users"), places.users.clone()),
            Named::new(STATE, Some("--state"), places.state()),
        ];
        // Each may be a link to somewhere else.
        let files = ["key.pem", "cert.pem", "key.next.pem"].map(|name| places.certs.join(name));
        own.extend(files.map(|file| Named::new("the key and certificate", Some("--certs"), file)));
        // Also where there is none: the next start would go by it.
        let file = places.config.clone().unwrap_or_else(|| PathBuf::from(settings::USUAL));
        own.push(Named::new("the settings file", Some("--config"), file));
        own.extend(args.audit_file().map(|file| Named::new("the audit", Some("--audit"), file.to_owned())));
        if let Some(MetricsAt::Socket(socket)) = &args.metrics {
            own.push(Named::new("the socket of the figures", Some("--metrics"), socket.clone()));
        }
        own.extend(args.port_file.iter().map(|file| Named::new("the port file", Some(PORT_FILE), file.clone())));
        // A socket is nothing that is run.
        let hooks = args.hooks.on_upload.iter().filter(|hook| hooks::socket_of(hook).is_none());
        own.extend(hooks.map(|program| Named::new("a program of on_upload", Some("--on-upload"), program.clone())));
        own.extend(env::current_exe().ok().map(|program| Named::new(PROGRAM, None, program)));
        Apart { data: places.data.clone(), users: places.users.clone(), port_file: args.port_file.clone(), own }
    }

    /// What a folder that a users file names later must not meet.
    pub fn own(&self) -> Vec<Own> {
        let data = Own::new(DATA, &*self.data);
        self.own.iter().map(|named| named.own.clone()).chain([data]).collect()
    }

    /// What must not lie where users' folders are and does.
    pub fn in_data(&self) -> Option<Misplaced> {
        let data = real(&self.data)?;
        let Named { own, option } = self.own.iter().find(|named| named.own.lies_in(&data))?;
        let text = format!(
            "{} is inside the data folder {}, from which files are served",
            own.path().display(),
            self.data.display()
        );
        let next = match option {
            Some(option) => format!("Move it out, and say where it is with {option}."),
            None => "Move one of them.".to_owned(),
        };
        Some(Misplaced { text, next })
    }

    /// A port file that would take the place of something else: it replaces what has its name, and is removed at the end.
    pub fn misplaced_port_file(&self) -> Option<Misplaced> {
        let path = self.port_file.as_ref()?;
        let next = || format!("Name a file that is nothing else, such as {PORT_FILE} port.");
        let replaced = real_name(path)?;
        let mut others = self.own.iter().filter(|named| named.option != Some(PORT_FILE));
        if let Some(Named { own, .. }) = others.find(|named| named.own.would_be_replaced(&replaced)) {
            let text = format!("{PORT_FILE} {}: {} is there ({})", path.display(), own.what(), own.path().display());
            return Some(Misplaced { text, next: next() });
        }
        let error = PortFile::prove_replaceable(path).err()?;
        Some(Misplaced { text: format!("{PORT_FILE}: {}", error.text()), next: next() })
    }

    /// Makes sure that what the sandbox leaves to shared folders of later is there, and holds nothing of the server's own.
    ///
    /// # Errors
    /// The first root that does not.
    pub fn refuse_roots(&self, roots: &[PathBuf]) -> Result<(), Failure> {
        roots.iter().try_for_each(|root| self.refuse_root(root))
    }

    /// [`Apart::refuse_roots`] of this one.
    ///
    /// # Errors
    /// Why it is none.
    pub fn refuse_root(&self, root: &Path) -> Result<(), Failure> {
        let shown = format!("--roots {}", root.display());
        let there = root.canonicalize().map_err(|err| Error::file(&shown, err))?;
        match self.met(&there, true) {
            None => Ok(()),
            Some(what) => {
                let text = format!("{shown}: it and {what} are one in the other");
                Err(Failure::from(Error::new(Kind::BadConfig, text))
                    .hint("Name a folder that has nothing of the server in it, such as /srv/shared."))
            }
        }
    }

    /// A shared folder elsewhere that meets what is the server's own, or the data folder.
    pub fn misplaced_folder(&self, users: &Users) -> Option<Misplaced> {
        users.shares().folders().iter().find_map(|folder| {
            let found = self.misplaced(folder)?;
            let text = format!("{}:{}: {}", self.users.display(), folder.line(), found.text);
            Some(Misplaced { text, ..found })
        })
    }

    /// Whether this shared folder lies elsewhere and meets what is the server's own, or the data folder, wherever the users file says it.
    pub fn misplaced(&self, folder: &Definition) -> Option<Misplaced> {
        let Location::Elsewhere(path) = folder.location() else { return None };
        let what = self.met(&real(path)?, folder.is_changed())?;
        let text = format!("path of [folders.{}]: {} and {what} are one in the other", folder.name(), path.display());
        let next = "Share a folder that has nothing of the server in it. One in the data folder has a path that does not begin with a slash.";
        Some(Misplaced { text, next: next.to_owned() })
    }

    /// What this folder meets, in words.
    fn met(&self, folder: &Path, is_changed: bool) -> Option<String> {
        let own = self.own();
        let is_data = |own: &&Own| own.what() == DATA;
        let met = |own: &&Own| own.meets(folder, is_changed);
        let found = own.iter().find(|own| is_data(own) && met(own)).or_else(|| own.iter().find(met))?;
        Some(found.what().to_owned())
    }
}
