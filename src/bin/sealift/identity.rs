//! Which keys log in, and what has logged in.

use std::cell::RefCell;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use sealift::client::keys::{Agent, KeySource, LoginKey};
use sealift::client::{Present, Welcome};
use sealift::escape::for_people;
use sealift::keys::{KeyKind, PublicKey};
use sealift::proto::Feature;
use sealift::secret::Secret;
use sealift::{Client, Error, Kind, Result, limits};

use super::args::Common;
use super::ask;
use super::config::config_dir;
use super::failure::{Failure, Outcome};
use super::login::Login;
use super::logins;
use super::output::Output;

/// The key that `sealift key new` makes, in the configuration folder.
pub const OWN_KEY: &str = "id_ed25519";

/// Those that ssh makes, below the home; the last two say which key in a FIDO token it is.
const OF_SSH: [&str; 5] = [".ssh/id_ed25519", ".ssh/id_ecdsa", ".ssh/id_rsa", ".ssh/id_ed25519_sk", ".ssh/id_ecdsa_sk"];

/// What logs somebody in.
#[derive(Debug, Clone)]
pub enum Credential {
    /// A password.
    Password(Secret),
    /// Keys, one of which the server knows.
    Keys(Vec<LoginKey>),
    /// The secret of a link.
    Link {
        /// What opens it.
        secret: Secret,
        /// Its password, if it has one.
        password: Option<Secret>,
        /// What the uploads of this command are gone on with by, after a cut.
        uploads: Option<Secret>,
    },
}

impl Credential {
    /// Logs in with it.
    ///
    /// # Errors
    /// As [`Client::login`] and [`Client::login_with_keys`].
    pub async fn log_in(&self, client: &mut Client, user: &str) -> Result<Welcome> {
        match self {
            Credential::Password(password) => client.login(user, password.clone()).await,
            Credential::Keys(keys) => client.login_with_keys(user, keys).await,
            Credential::Link { secret, password, uploads } => {
                client.visit_as(secret.clone(), password.clone(), uploads.clone()).await
            }
        }
    }

    /// The password, if it is one.
    pub fn password(&self) -> Option<&Secret> {
        match self {
            Credential::Password(password) => Some(password),
            Credential::Keys(_) | Credential::Link { .. } => None,
        }
    }

    /// What proves to a server that asks once more that it is the same person.
    pub fn present(&self) -> Present {
        match self {
            Credential::Password(password) => Present::Password(password.clone()),
            Credential::Keys(keys) => Present::Keys(keys.clone()),
            // It proves nothing of anybody: the server refuses it as it does a wrong password.
            Credential::Link { secret, .. } => Present::Password(secret.clone()),
        }
    }
}

/// Which keys are used that nobody named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unasked {
    /// None: a password was given for this command.
    None,
    /// The one that `sealift login` made for there. A password of the environment is for all servers; this is for that one.
    OfLogin,
    /// All there are.
    All,
}

/// The keys, found once for each set of files.
#[derive(Debug, Default)]
pub struct Identities {
    found: RefCell<Vec<(Vec<PathBuf>, Vec<LoginKey>)>>,
}

impl Identities {
    /// The keys to log in with there, in the groups in which they are tried: those that were named; else, as far as they are used
    /// `unasked`, the one that `sealift login` made for there, and then those of the agent and the usual files.
    ///
    /// # Errors
    /// Of a named file that cannot be used.
    pub fn of(&self, common: &Common, login: &Login, unasked: Unasked, out: Output) -> Outcome<Vec<Vec<LoginKey>>> {
        if login.user.is_none() {
            return Ok(Vec::new());
        }
        let named = match common.identity.as_slice() {
            [] => login.settings.identity.iter().cloned().collect(),
            given => given.to_vec(),
        };
        let mut groups = Vec::new();
        if named.is_empty() && unasked != Unasked::None {
            // By itself: an agent may ask somebody before it signs with one of its own.
            match logins::key_of(login) {
                Ok(own) => groups.extend(own.map(|own| vec![own])),
                Err(err) => out.step(&format!("not used: {}", for_people(err.text().as_bytes()))),
            }
        }
        if !named.is_empty() || unasked == Unasked::All {
            groups.push(self.found(named, out)?);
        }
        groups.retain(|keys| !keys.is_empty());
        Ok(groups)
    }

    fn found(&self, named: Vec<PathBuf>, out: Output) -> Outcome<Vec<LoginKey>> {
        let known = self.found.borrow().iter().find(|(files, _)| *files == named).map(|(_, keys)| keys.clone());
        if let Some(keys) = known {
            return Ok(keys);
        }
        let keys = if named.is_empty() { usual(out) } else { of_files(&named, out)? };
        self.found.borrow_mut().push((named, keys.clone()));
        Ok(keys)
    }
}

/// The key that was named on the command line, if one was.
///
/// # Errors
/// Of a file that cannot be used; usage, if several were named.
pub fn named_key(common: &Common, out: Output) -> Outcome<Option<LoginKey>> {
    match common.identity.as_slice() {
        [] => Ok(None),
        [_] => Ok(of_files(&common.identity, out)?.pop()),
        _ => Err(Error::new(Kind::Usage, "one key is enrolled at a time: give -i once").into()),
    }
}

/// That these keys of a group were not tried, to be put behind what became of the others; nothing, if there are none.
pub fn untried(left: &[LoginKey], client: &Client) -> String {
    let are_too_new =
        !client.features().has(Feature::Rsa) && left.iter().all(|key| key.public().kind() == KeyKind::Rsa);
    let (keys, were) = match left.len() {
        0 => return String::new(),
        1 => ("1 more key".to_owned(), "was"),
        count => (format!("{count} more keys"), "were"),
    };
    match are_too_new {
        true => format!(" {keys} {were} not tried: {}.", for_people(Feature::Rsa.missing().text().as_bytes())),
        false => format!(
            " {keys} {were} not tried, since one login takes {} at most: `-i FILE` names the right one ({}).",
            limits::KEY_PROOFS_MAX,
            named(left)
        ),
    }
}

/// The names of these keys, for people.
pub fn named(keys: &[LoginKey]) -> String {
    let name = |key: &LoginKey| match key.comment() {
        "" => key.public().fingerprint(),
        comment => for_people(comment.as_bytes()),
    };
    keys.iter().map(name).collect::<Vec<_>>().join(", ")
}

/// What logged somebody in, as it goes behind the name: of keys the one that the server names, or the only one.
pub fn by(login: &Login, credential: &Credential, fingerprint: Option<&str>) -> String {
    let keys = match credential {
        Credential::Password(_) if login.user.is_some() => return " by password".to_owned(),
        Credential::Password(_) | Credential::Link { .. } => return String::new(),
        Credential::Keys(keys) => keys,
    };
    let named = keys.iter().find(|key| Some(key.public().fingerprint().as_str()) == fingerprint);
    let only = match keys.as_slice() {
        [only] => Some(only),
        _ => None,
    };
    match named.or(only) {
        Some(key) => format!(" by the key {}", described(key)),
        None => format!(" by one of the keys {}", keys.iter().map(described).collect::<Vec<_>>().join(", ")),
    }
}

/// `alice@laptop (SHA256:…, of the agent)`.
fn described(key: &LoginKey) -> String {
    let place = match key.source() {
        KeySource::File(file) => for_people(file.as_os_str().as_encoded_bytes()),
        KeySource::Agent => "of the agent".to_owned(),
        _ => "in memory".to_owned(),
    };
    let fingerprint = key.public().fingerprint();
    match key.comment() {
        "" => format!("{fingerprint} ({place})"),
        comment => format!("{} ({fingerprint}, {place})", for_people(comment.as_bytes())),
    }
}

/// Those of the agent that the environment names.
fn of_agent(out: Output) -> Vec<LoginKey> {
    let Some(agent) = Agent::of_environment() else { return Vec::new() };
    agent.keys().unwrap_or_else(|err| {
        out.step(&format!("no keys of the agent: {}", for_people(err.text().as_bytes())));
        Vec::new()
    })
}

/// Named files: private keys, or public ones whose other half the agent has.
fn of_files(files: &[PathBuf], out: Output) -> Outcome<Vec<LoginKey>> {
    if files.len() > limits::KEY_PROOFS_MAX {
        let text = format!("no more than {} keys are tried", limits::KEY_PROOFS_MAX);
        return Err(Error::new(Kind::Usage, text).into());
    }
    let agent = of_agent(out);
    let in_agent = |public: &PublicKey| agent.iter().find(|key| key.public() == public).cloned();
    let mut keys = Vec::new();
    for file in files {
        // What the agent has it has opened already.
        let held = public_half(file).and_then(|public| in_agent(&public));
        keys.push(match held {
            Some(key) => key,
            None if is_public(file) => {
                let text = format!("{}: the agent does not have the private half of this key", file.display());
                let private = file.with_extension("");
                let step = match private.is_file() {
                    true => format!(
                        "Name the private key itself, {}, or add it to the agent by `ssh-add`.",
                        private.display()
                    ),
                    false => "`ssh-add` gives the agent a key; -i takes a private key as well.".to_owned(),
                };
                return Err(Failure::new(Kind::LoginFailed, text, for_people(step.as_bytes())));
            }
            None => LoginKey::from_file(file, || {
                ask::password(&format!("Passphrase for {}: ", for_people(file.as_os_str().as_encoded_bytes())))
            })
            .map_err(|err| {
                let step = match err.text().contains("passphrase") {
                    true => "An agent (`ssh-add`) opens an encrypted key once.",
                    false => "`sealift key list` shows the keys that log in without -i.",
                };
                Failure::from(err).hinted(Kind::LoginFailed, || step.to_owned())
            })?,
        });
    }
    Ok(keys)
}

/// The keys that there are: the agent's, ours, and ssh's. Those that need a touch are used only where there are no others,
/// and then one, so that nobody touches a token in vain.
pub fn usual(out: Output) -> Vec<LoginKey> {
    let mut keys = of_agent(out);
    let own = config_dir().ok().map(|folder| folder.join(OWN_KEY));
    let home = env::var_os("HOME").filter(|home| !home.is_empty()).map(PathBuf::from);
    let of_ssh = home.iter().flat_map(|home| OF_SSH.iter().map(|file| home.join(file)));
    let files: Vec<PathBuf> = own.into_iter().chain(of_ssh).filter(|file| file.exists()).collect();
    for file in files {
        match LoginKey::from_file(&file, || Ok(None)) {
            Ok(key) if keys.iter().any(|known| known.public() == key.public()) => {}
            Ok(key) => keys.push(key),
            Err(err) => out.step(&format!("not used: {}", for_people(err.text().as_bytes()))),
        }
    }
    let (touched, mut free): (Vec<_>, Vec<_>) = keys.into_iter().partition(|key| key.public().kind().needs_touch());
    if free.is_empty() {
        free.extend(touched.into_iter().next());
    }
    free
}

/// The public half beside a private key, or in the file itself.
fn public_half(file: &Path) -> Option<PublicKey> {
    let beside = {
        let mut name = file.as_os_str().to_owned();
        name.push(".pub");
        PathBuf::from(name)
    };
    let read = |path: &Path| PublicKey::from_openssh(&fs::read_to_string(path).ok()?).ok().map(|(key, _)| key);
    if is_public(file) { read(file) } else { read(&beside) }
}

fn is_public(file: &Path) -> bool {
    file.extension().is_some_and(|extension| extension == "pub")
}
