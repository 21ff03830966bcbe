//! Password hashes: made, read from a users file, and checked. Argon2id (RFC 9106) in PHC strings, nothing else.

use std::fmt;

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{ARGON2ID_IDENT, Algorithm, Argon2, Block, Params, Version};
use zeroize::{Zeroize, Zeroizing};

use super::Secret;
use crate::error::{Error, Kind, Result};
use crate::limits::{
    ARGON2_LANES, ARGON2_LANES_MAX, ARGON2_MEMORY_KIB, ARGON2_MEMORY_MAX_KIB, ARGON2_MEMORY_MIN_KIB, ARGON2_OUTPUT,
    ARGON2_OUTPUT_MIN, ARGON2_PASSES, ARGON2_PASSES_MAX, ARGON2_SALT, ARGON2_SALT_MIN, ARGON2_WORK_STRONG_KIB,
    PASSWORD_MAX,
};
use crate::random;
use crate::sync::Mutex;

/// A password's hash whose parameters were found sane. Its `Debug` shows the parameters only.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct StoredHash {
    params: Params,
    salt: Salt,
    output: Output,
}

/// A new argon2id hash of this password as a PHC string, with a random salt and the parameters of [`crate::limits`].
/// Blocks for some 20 milliseconds and takes [`ARGON2_MEMORY_KIB`] of memory.
///
/// # Errors
/// `usage` for an empty password or one over [`PASSWORD_MAX`] bytes; `busy` without memory; `internal` without randomness.
pub fn hash_password(password: &Secret) -> Result<String> {
    let length = password.expose().len();
    if length == 0 {
        return Err(Error::new(Kind::Usage, "the password is empty"));
    }
    if length > PASSWORD_MAX {
        return Err(Error::new(Kind::Usage, format!("the password is longer than {PASSWORD_MAX} bytes")));
    }
    let mut salt = [0; ARGON2_SALT];
    random::fill(&mut salt)?;
    hash_with(password, &salt, ARGON2_MEMORY_KIB, ARGON2_PASSES, ARGON2_LANES)
}

/// How the salt begins of a hash that no password was hashed for: [`User::is_invited`](super::User::is_invited) knows it by that.
const UNCHOSEN: &[u8] = b"invited:";

/// A hash for somebody who has yet to choose a password: nobody knows one that fits, and no two are the same.
///
/// # Errors
/// `internal` without randomness.
pub fn unchosen_password() -> Result<String> {
    let (mut salt, mut output) = ([0; ARGON2_SALT], [0; ARGON2_OUTPUT]);
    for bytes in [&mut salt[..], &mut output[..]] {
        random::fill(bytes)?;
    }
    salt.iter_mut().zip(UNCHOSEN).for_each(|(byte, mark)| *byte = *mark);
    let params = Params::new(ARGON2_MEMORY_KIB, ARGON2_PASSES, ARGON2_LANES, Some(ARGON2_OUTPUT)).map_err(fault)?;
    let (salt, output) = (Salt::new(&salt).map_err(fault)?, Output::new(&output).map_err(fault)?);
    StoredHash { params, salt, output }.to_text()
}

/// A hash with the least parameters that are accepted: for tests, which need many.
///
/// # Errors
/// As [`hash_password`].
#[cfg(feature = "testing")]
pub(crate) fn cheap_hash(password: &Secret) -> Result<String> {
    let mut salt = [0; ARGON2_SALT];
    random::fill(&mut salt)?;
    hash_with(password, &salt, ARGON2_MEMORY_MIN_KIB, 1, 1)
}

fn hash_with(password: &Secret, salt: &[u8], memory_kib: u32, passes: u32, lanes: u32) -> Result<String> {
    let params = Params::new(memory_kib, passes, lanes, Some(ARGON2_OUTPUT)).map_err(fault)?;
    let output = derive(&params, salt, password)?;
    StoredHash { params, salt: Salt::new(salt).map_err(fault)?, output }.to_text()
}

impl StoredHash {
    /// Reads a PHC string. The error says what is wrong and never repeats the text: it may be a plain password.
    pub(super) fn parse(text: &str) -> Result<StoredHash, String> {
        let hash = PasswordHash::new(text).map_err(|_| "is not a password hash".to_owned())?;
        if hash.algorithm != ARGON2ID_IDENT {
            return Err("is not an argon2id hash".into());
        }
        if hash.version != Some(Version::V0x13.into()) {
            return Err("is not of argon2 version 19 (v=19)".into());
        }
        let number =
            |name| hash.params.get_decimal(name).ok_or_else(|| format!("has no usable parameter {name} in its hash"));
        let (memory, passes, lanes) = (number("m")?, number("t")?, number("p")?);
        if hash.params.iter().count() != 3 {
            return Err("has other hash parameters than m, t and p".into());
        }
        if !(ARGON2_MEMORY_MIN_KIB..=ARGON2_MEMORY_MAX_KIB).contains(&memory) {
            return Err(format!(
                "asks for m={memory} KiB of memory: allowed are {ARGON2_MEMORY_MIN_KIB} to {ARGON2_MEMORY_MAX_KIB}"
            ));
        }
        if !(1..=ARGON2_PASSES_MAX).contains(&passes) {
            return Err(format!("asks for t={passes} passes: allowed are 1 to {ARGON2_PASSES_MAX}"));
        }
        if !(1..=ARGON2_LANES_MAX).contains(&lanes) {
            return Err(format!("asks for p={lanes} lanes: allowed are 1 to {ARGON2_LANES_MAX}"));
        }
        let salt = hash.salt.ok_or("has no salt in its hash")?;
        if salt.len() < ARGON2_SALT_MIN {
            return Err(format!("has a salt shorter than {ARGON2_SALT_MIN} bytes"));
        }
        let output = hash.hash.ok_or("has no output in its hash")?;
        if output.len() < ARGON2_OUTPUT_MIN {
            return Err(format!("has an output shorter than {ARGON2_OUTPUT_MIN} bytes"));
        }
        let params = Params::new(memory, passes, lanes, Some(output.len())).map_err(|err| format!("is odd: {err}"))?;
        Ok(StoredHash { params, salt, output })
    }

    /// The PHC string, which [`StoredHash::parse`] reads back.
    pub(super) fn to_text(&self) -> Result<String> {
        let hash = PasswordHash {
            algorithm: ARGON2ID_IDENT,
            version: Some(Version::V0x13.into()),
            params: ParamsString::try_from(&self.params).map_err(fault)?,
            salt: Some(self.salt),
            hash: Some(self.output),
        };
        Ok(hash.to_string())
    }

    /// All that tells it from another hash, in a fixed order.
    pub(super) fn parts(&self) -> [Vec<u8>; 3] {
        let numbers = [self.params.m_cost(), self.params.t_cost(), self.params.p_cost()];
        let numbers = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        [numbers, self.salt.as_ref().to_vec(), self.output.as_ref().to_vec()]
    }

    /// A hash with the parameters of new ones that no known password fits.
    pub(super) fn nobodys() -> Result<StoredHash> {
        let params = Params::new(ARGON2_MEMORY_KIB, ARGON2_PASSES, ARGON2_LANES, Some(ARGON2_OUTPUT)).map_err(fault)?;
        let salt = Salt::new(&[0; ARGON2_SALT]).map_err(fault)?;
        let output = Output::new(&[0; ARGON2_OUTPUT]).map_err(fault)?;
        Ok(StoredHash { params, salt, output })
    }

    /// Whether the password is the one that was hashed. Runs argon2 once; the comparison takes constant time.
    pub(super) fn matches(&self, password: &Secret) -> Result<bool> {
        Ok(derive(&self.params, &self.salt, password)? == self.output)
    }

    /// Whether it is one of [`unchosen_password`].
    pub(super) fn is_unchosen(&self) -> bool {
        self.salt.as_ref().starts_with(UNCHOSEN)
    }

    /// The parameters, if they are below those of new hashes.
    pub(super) fn weak(&self) -> Option<String> {
        let (memory, passes) = (self.params.m_cost(), self.params.t_cost());
        let work = u64::from(memory) * u64::from(passes);
        (work < ARGON2_WORK_STRONG_KIB).then(|| format!("m={memory},t={passes}"))
    }

    /// Memory that checking a password takes, in KiB.
    pub(super) fn memory_kib(&self) -> u32 {
        self.params.m_cost()
    }
}

impl fmt::Debug for StoredHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let params = &self.params;
        write!(f, "argon2id(m={}, t={}, p={})", params.m_cost(), params.t_cost(), params.p_cost())
    }
}

/// Argon2 memory waiting for its next use, wiped. It is kept because giving it back did not work: with glibc 2.36, 250
/// hashes one after the other left the process at 158 MB instead of 22, and 16 at a time at 3.4 GB instead of 0.3. So
/// the process keeps what its busiest moment needed, and no more.
static IDLE: Mutex<Vec<Vec<Block>>> = Mutex::new(Vec::new());

/// Runs argon2id. Its memory is wiped: the first blocks are a fast hash of the password.
fn derive(params: &Params, salt: &[u8], password: &Secret) -> Result<Output> {
    #[cfg(test)]
    tests::count(params);
    let mut memory = take_memory(params.block_count())?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());
    let mut out = Zeroizing::new(vec![0; params.output_len().unwrap_or(ARGON2_OUTPUT)]);
    let done = argon2.hash_password_into_with_memory(password.expose(), salt, &mut out, &mut memory);
    // Block by block, in argon2's own code: that is optimised where ours is not, in tests too, which check many passwords.
    memory.iter_mut().take(params.block_count()).for_each(Zeroize::zeroize);
    IDLE.lock().push(memory);
    done.map_err(fault)?;
    Output::new(&out).map_err(fault)
}

/// At least this many blocks: idle ones if they suffice, else new ones instead of them.
fn take_memory(blocks: usize) -> Result<Vec<Block>> {
    let idle = IDLE.lock().pop();
    if let Some(memory) = idle.filter(|memory| memory.len() >= blocks) {
        return Ok(memory);
    }
    let mut memory = Vec::new();
    memory
        .try_reserve_exact(blocks)
        .map_err(|err| Error::new(Kind::Busy, "not enough memory to check a password").with_source(err))?;
    memory.resize(blocks, Block::new());
    Ok(memory)
}

/// Parameters were checked before, so argon2 has no reason to refuse them.
fn fault(err: impl fmt::Display) -> Error {
    Error::new(Kind::Internal, format!("argon2: {err}"))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use std::cell::RefCell;

    thread_local! {
        static RUNS: RefCell<Vec<(u32, u32, u32)>> = const { RefCell::new(Vec::new()) };
    }

    pub(super) fn count(params: &Params) {
        RUNS.with_borrow_mut(|runs| runs.push((params.m_cost(), params.t_cost(), params.p_cost())));
    }

    /// The parameters (m, t, p) of every argon2 run on this thread since the last call.
    pub(in crate::auth) fn take_runs() -> Vec<(u32, u32, u32)> {
        RUNS.take()
    }

    /// A hash with the least parameters that are accepted, for tests that need many.
    pub(in crate::auth) fn cheap_hash(password: &str) -> String {
        hash_with(&Secret::new(password), b"saltsaltsaltsalt", ARGON2_MEMORY_MIN_KIB, 1, 1).unwrap()
    }

    const SALT_AND_OUTPUT: &str = "c2FsdHNhbHRzYWx0c2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

    #[test]
    fn a_new_hash_has_the_stated_parameters_and_matches_its_password_alone() {
        let text = hash_password(&Secret::new("correct horse")).unwrap();
        assert!(text.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{text}");
        let hash = StoredHash::parse(&text).unwrap();
        assert_eq!((hash.salt.len(), hash.output.len()), (16, 32));
        assert!(hash.matches(&Secret::new("correct horse")).unwrap());
        assert!(!hash.matches(&Secret::new("correct hors")).unwrap());
        assert_ne!(hash_password(&Secret::new("correct horse")).unwrap(), text, "the salt is random");
    }

    #[test]
    fn the_reference_implementation_agrees() {
        // From `argon2 somesalt -id -t 2 -m 16 -p 1 <<< password`, in the reference's test.c.
        let text = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
        assert!(StoredHash::parse(text).unwrap().matches(&Secret::new("password")).unwrap());
    }

    #[test]
    fn empty_and_long_passwords_are_not_hashed() {
        take_runs();
        for password in [vec![], vec![b'x'; PASSWORD_MAX + 1]] {
            assert_eq!(hash_password(&Secret::new(password)).unwrap_err().kind(), Kind::Usage);
        }
        assert_eq!(take_runs(), []);
    }

    #[test]
    fn hostile_parameters_are_refused_before_any_memory_is_taken() {
        take_runs();
        for (head, why) in [
            ("argon2id$v=19$m=4194304,t=2,p=1", "m=4194304"),
            ("argon2id$v=19$m=4294967295,t=2,p=1", "m=4294967295"),
            ("argon2id$v=19$m=42949672960,t=2,p=1", "parameter m"),
            ("argon2id$v=19$m=7167,t=2,p=1", "m=7167"),
            ("argon2id$v=19$m=19456,t=0,p=1", "t=0"),
            ("argon2id$v=19$m=19456,t=17,p=1", "t=17"),
            ("argon2id$v=19$m=19456,t=2,p=0", "p=0"),
            ("argon2id$v=19$m=19456,t=2,p=9", "p=9"),
            ("argon2id$v=19$m=19456,t=2", "parameter p"),
            ("argon2id$v=19$m=19456,t=2,p=1,keyid=AAAA", "other hash parameters"),
            ("argon2id$v=16$m=19456,t=2,p=1", "version 19"),
            ("argon2id$m=19456,t=2,p=1", "version 19"),
            ("argon2i$v=19$m=19456,t=2,p=1", "argon2id"),
            ("argon2d$v=19$m=19456,t=2,p=1", "argon2id"),
        ] {
            let err = StoredHash::parse(&format!("${head}${SALT_AND_OUTPUT}")).unwrap_err();
            assert!(err.contains(why), "{head}: {err}");
        }
        assert_eq!(take_runs(), []);
    }

    #[test]
    fn short_missing_and_repeated_parts_are_refused() {
        let good = format!("$argon2id$v=19$m=19456,t=2,p=1${SALT_AND_OUTPUT}");
        assert!(StoredHash::parse(&good).is_ok());
        for bad in [
            "",
            "hunter2",
            "$argon2id$v=19$m=19456,t=2,p=1",
            "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA",
            "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHM$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
            "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$AAAAAAAAAAAAAAAAAA",
            "$argon2id$v=19$m=19456,m=19456,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
            &format!("{good}$x"),
            &format!(" {good}"),
        ] {
            assert!(StoredHash::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_hash_is_weak_below_every_choice_that_counts_as_strong() {
        let weak = |head: &str| StoredHash::parse(&format!("$argon2id$v=19${head}${SALT_AND_OUTPUT}")).unwrap().weak();
        for strong in ["m=47104,t=1,p=1", "m=19456,t=2,p=1", "m=12288,t=3,p=1", "m=9216,t=4,p=1", "m=7168,t=5,p=1"] {
            assert_eq!(weak(strong), None, "{strong}");
        }
        assert_eq!(weak("m=19456,t=1,p=1").as_deref(), Some("m=19456,t=1"));
        assert_eq!(weak("m=7168,t=4,p=8").as_deref(), Some("m=7168,t=4"));
    }

    #[test]
    fn a_hash_prints_its_parameters_only() {
        let hash = StoredHash::parse(&format!("$argon2id$v=19$m=19456,t=2,p=1${SALT_AND_OUTPUT}")).unwrap();
        assert_eq!(format!("{hash:?}"), "argon2id(m=19456, t=2, p=1)");
    }
}
