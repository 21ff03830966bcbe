//! The data that is transferred, where it lies, and whether it arrived.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::column::{Set, Way};
use crate::process;
use crate::procfs;
use crate::trouble::{Outcome, Trouble};

/// Bytes of a small file.
const SMALL: usize = 4096;
/// Folders that the small files are spread over.
const FOLDERS: u64 = 20;
const BUFFER: usize = 1024 * 1024;
/// The folder that servers serve, and what is in it.
pub const HOME: &str = "home";
/// Where everything is fetched from and sent from.
pub const SOURCE: &str = "source";
/// Where everything sent arrives.
pub const SINK: &str = "sink";
/// File systems by their number (statfs(2)).
const FILE_SYSTEMS: [(u64, &str); 5] = [
    (0x0102_1994, "tmpfs"),
    (0xef53, "ext4"),
    (0x5846_5342, "xfs"),
    (0x9123_683e, "btrfs"),
    (0x794c_7630, "overlayfs"),
];

/// How much data.
#[derive(Debug, Clone, Copy)]
pub struct Amounts {
    /// Bytes of the large file.
    pub file: u64,
    /// How many small files.
    pub small: u64,
    /// How many files of the source tree at most; 0 for none.
    pub tree: u64,
}

impl Amounts {
    /// Room that a run takes at most: the data itself, one copy of one set, and a copy that a server stages.
    pub fn room(self) -> u64 {
        3 * (self.file + self.small * 2 * SMALL as u64 + self.tree * 20 * 1024) + 64 * 1024 * 1024
    }
}

/// A temporary directory with all that a run writes. Everything goes away with it.
///
/// ```text
/// home/source   what is fetched, and what is sent
/// home/sink     where sent data arrives
/// arrival       where fetched data arrives
/// ```
pub struct Area {
    root: TempDir,
    file_system: &'static str,
}

impl Area {
    /// Makes it in `dir`, or where there is room.
    ///
    /// # Errors
    /// When there is no room, or it cannot be written.
    pub fn make(dir: Option<&Path>, room: u64) -> Outcome<Area> {
        let parent = match dir {
            Some(dir) => dir.to_owned(),
            None => [PathBuf::from("/dev/shm"), std::env::temp_dir()]
                .into_iter()
                .find(|dir| free(dir).is_some_and(|free| free >= room))
                .ok_or_else(|| Trouble::new(format!("no room for {} MiB; --dir names a place", room >> 20)))?,
        };
        if free(&parent).is_some_and(|free| free < room) {
            return Err(Trouble::new(format!("{}: no room for {} MiB", parent.display(), room >> 20)));
        }
        let parent = parent.canonicalize().map_err(|err| Trouble::at(&parent, err))?;
        let root = tempfile::Builder::new().prefix("sealift-compare-").tempdir_in(&parent);
        let root = root.map_err(|err| Trouble::at(&parent, err))?;
        let area = Area { file_system: file_system(root.path()), root };
        for dir in [area.source(), area.destination(Way::Up), area.destination(Way::Down)] {
            make_dir(&dir)?;
        }
        Ok(area)
    }

    /// A path in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// What the servers of others serve: a folder that `source` and `sink` are in.
    pub fn home(&self) -> PathBuf {
        self.path(HOME)
    }

    /// What is fetched and what is sent.
    pub fn source(&self) -> PathBuf {
        self.home().join(SOURCE)
    }

    /// Where data that goes this way arrives, unless a peer has a place of its own.
    pub fn destination(&self, way: Way) -> PathBuf {
        match way {
            Way::Down => self.path("arrival"),
            Way::Up => self.home().join(SINK),
        }
    }

    /// Where it is, for the report.
    pub fn describe(&self) -> String {
        format!("{} ({})", self.root.path().display(), self.file_system)
    }

    /// Whether its files are in memory, so that waiting for the disk costs nothing.
    pub fn in_memory(&self) -> bool {
        self.file_system == "tmpfs"
    }

    /// Gives a server that shares its folder with nobody a home in `data`: the same files as `source`, by hard links.
    ///
    /// # Errors
    /// When the links cannot be made.
    pub fn link_home(&self, data: &Path) -> Outcome<()> {
        make_dir(&data.join(HOME).join(SINK))?;
        link_tree(&self.source(), &data.join(HOME).join(SOURCE))
    }

    /// Compares what arrived with what was sent, byte for byte.
    ///
    /// # Errors
    /// That names the first difference.
    pub fn verify(&self, set: Set, destination: &Path) -> Outcome<()> {
        let mut buffers = (vec![0; BUFFER], vec![0; BUFFER]);
        same(&self.source().join(set.entry()), &destination.join(set.entry()), &mut buffers)
    }
}

/// Empties the directory, and waits until the disk has nothing to do: nobody pays for another's writes.
///
/// # Errors
/// When it cannot be emptied.
pub fn freshen(directory: &Path) -> Outcome<()> {
    fs::remove_dir_all(directory).map_err(|err| Trouble::at(directory, err))?;
    make_dir(directory)?;
    File::open(directory).and_then(|dir| Ok(rustix::fs::syncfs(dir)?)).map_err(|err| Trouble::at(directory, err))
}

/// What a set holds.
#[derive(Debug, Clone, Copy, Default)]
pub struct Extent {
    /// Files.
    pub files: u64,
    /// Their bytes together.
    pub bytes: u64,
}

/// The data, and what of it could not be had.
pub struct Data {
    /// Each set that is there.
    pub sets: Vec<(Set, Extent)>,
    /// Why others are not.
    pub missing: Vec<String>,
}

impl Data {
    /// Writes it into the area. The same amounts give the same data, but for the source tree, which is this machine's.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(area: &Area, amounts: Amounts) -> Outcome<Data> {
        let mut noise = noise();
        let source = area.source();
        let mut data = Data { sets: Vec::new(), missing: Vec::new() };
        write_noise(&source.join(Set::File.entry()), amounts.file, &mut noise)?;
        data.sets.push((Set::File, Extent { files: 1, bytes: amounts.file }));

        for folder in 0..FOLDERS {
            make_dir(&source.join(Set::Small.entry()).join(format!("d{folder:02}")))?;
        }
        for at in 0..amounts.small {
            process::check()?;
            let name = format!("{}/d{:02}/f{at:05}", Set::Small.entry(), at % FOLDERS);
            write_noise(&source.join(name), SMALL as u64, &mut noise)?;
        }
        data.sets.push((Set::Small, Extent { files: amounts.small, bytes: amounts.small * SMALL as u64 }));

        if amounts.tree > 0 {
            match write_tree(&source.join(Set::Tree.entry()), amounts.tree)? {
                Ok(extent) => data.sets.push((Set::Tree, extent)),
                Err(why) => data.missing.push(format!("tree: {why}")),
            }
        }
        Ok(data)
    }

    /// What this set holds, if it is there.
    pub fn extent(&self, set: Set) -> Option<Extent> {
        self.sets.iter().find(|(name, _)| *name == set).map(|(_, extent)| *extent)
    }
}

/// Bytes that cannot be compressed, the same in every run.
pub fn noise() -> blake3::OutputReader {
    blake3::Hasher::new().update(b"sealift compare").finalize_xof()
}

/// Writes the next of them into a file.
pub fn write_noise(path: &Path, size: u64, noise: &mut blake3::OutputReader) -> Outcome<()> {
    let fail = |err| Trouble::at(path, err);
    let mut file = File::create(path).map_err(fail)?;
    let mut buffer = vec![0; usize::try_from(size).map_or(BUFFER, |size| size.min(BUFFER))];
    let mut left = size;
    while left > 0 {
        process::check()?;
        noise.fill(&mut buffer);
        let count = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
        file.write_all(buffer.get(..count).unwrap_or_default()).map_err(fail)?;
        left -= count as u64;
    }
    Ok(())
}

/// Copies crates' sources in the order of their names until there are enough files. The inner error says why there is
/// no source to copy.
fn write_tree(to: &Path, files: u64) -> Outcome<Result<Extent, String>> {
    let cargo = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let cargo = cargo.or_else(|| std::env::home_dir().map(|home| home.join(".cargo")));
    let Some(registries) = cargo.map(|cargo| cargo.join("registry/src")) else {
        return Ok(Err("no home directory to look for crates' sources in".to_owned()));
    };
    if !registries.is_dir() {
        return Ok(Err(format!("{} is not there; `cargo fetch` makes it", registries.display())));
    }
    let mut extent = Extent::default();
    for registry in sorted(&registries)? {
        if registry.is_dir() {
            copy_tree(&registry, to, files, &mut extent)?;
        }
    }
    Ok(if extent.files > 0 { Ok(extent) } else { Err(format!("{} is empty", registries.display())) })
}

fn copy_tree(from: &Path, to: &Path, files: u64, extent: &mut Extent) -> Outcome<()> {
    process::check()?;
    for path in sorted(from)? {
        let Some(name) = path.file_name() else { continue };
        let kind = path.symlink_metadata().map_err(|err| Trouble::at(&path, err))?;
        if extent.files == files {
            break;
        } else if kind.is_dir() {
            copy_tree(&path, &to.join(name), files, extent)?;
        } else if kind.is_file() {
            // Not before it has a file: curl would not make an empty folder.
            make_dir(to)?;
            extent.bytes += fs::copy(&path, to.join(name)).map_err(|err| Trouble::at(&path, err))?;
            extent.files += 1;
        }
    }
    Ok(())
}

fn link_tree(from: &Path, to: &Path) -> Outcome<()> {
    process::check()?;
    if !from.is_dir() {
        return fs::hard_link(from, to).map_err(|err| Trouble::at(to, err));
    }
    make_dir(to)?;
    sorted(from)?.iter().try_for_each(|path| link_tree(path, &to.join(path.file_name().unwrap_or_default())))
}

/// Compares two files, or two directories with all below them.
fn same(sent: &Path, arrived: &Path, buffers: &mut (Vec<u8>, Vec<u8>)) -> Outcome<()> {
    process::check()?;
    let differs = |how: &str| Trouble::new(format!("WRONG RESULT: {} {how}", arrived.display()));
    if sent.is_dir() {
        let names = |paths: Vec<PathBuf>| -> Vec<_> {
            paths.iter().filter_map(|path| path.file_name().map(Into::into)).collect()
        };
        let wanted: Vec<PathBuf> = names(sorted(sent)?);
        let found: Vec<PathBuf> = names(sorted(arrived).map_err(|_| differs("is not there"))?);
        if wanted != found {
            return Err(differs(&format!("has {} entries, not the {} sent", found.len(), wanted.len())));
        }
        return wanted.iter().try_for_each(|name| same(&sent.join(name), &arrived.join(name), buffers));
    }
    let mut one = File::open(sent).map_err(|err| Trouble::at(sent, err))?;
    let mut other = File::open(arrived).map_err(|_| differs("is not there"))?;
    loop {
        process::check()?;
        let (left, right) = (&mut buffers.0, &mut buffers.1);
        let count = read_full(&mut one, left).map_err(|err| Trouble::at(sent, err))?;
        let found = read_full(&mut other, right).map_err(|err| Trouble::at(arrived, err))?;
        if left.get(..count) != right.get(..found) {
            return Err(differs("differs from what was sent"));
        }
        if count == 0 {
            return Ok(());
        }
    }
}

/// Reads until the buffer is full or the file ends.
fn read_full(file: &mut File, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read(rest)? {
            0 => break,
            count => filled += count,
        }
    }
    Ok(filled)
}

/// What is in a directory, in the order of the names.
fn sorted(dir: &Path) -> Outcome<Vec<PathBuf>> {
    let entries = fs::read_dir(dir).and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect());
    let mut entries: Vec<PathBuf> = entries.map_err(|err| Trouble::at(dir, err))?;
    entries.sort();
    Ok(entries)
}

/// Makes a directory and those above it.
pub fn make_dir(dir: &Path) -> Outcome<()> {
    fs::create_dir_all(dir).map_err(|err| Trouble::at(dir, err))
}

/// Bytes that can be written there: for files in memory no more than two thirds of the free memory.
fn free(dir: &Path) -> Option<u64> {
    let room = rustix::fs::statvfs(dir).ok()?;
    let free = room.f_bavail * room.f_frsize;
    let memory = procfs::memory_available()? / 3 * 2;
    Some(if file_system(dir) == "tmpfs" { free.min(memory) } else { free })
}

fn file_system(dir: &Path) -> &'static str {
    let number = rustix::fs::statfs(dir).ok().and_then(|stat| u64::try_from(stat.f_type).ok());
    let known = FILE_SYSTEMS.iter().find(|(known, _)| Some(*known) == number);
    known.map_or("another file system", |(_, name)| *name)
}
