//! Archives as they are written: entry by entry into memory, from where the answer takes them. Nothing is compressed: most of
//! what is large is so already, and nobody waits for a processor.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt as _;
use std::sync::Arc;

use bytes::Bytes;
use tar::{EntryType, Header};
use zip::write::{SimpleFileOptions, StreamWriter};
use zip::{CompressionMethod, DateTime, ZipWriter};

use crate::error::{Error, Kind, Result};
use crate::escape;
use crate::files::Mtime;
use crate::sync::{Mutex, MutexGuard};

/// What kind of archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For everybody; its directory of all names is at its end, and held in memory until then.
    Zip,
    /// For Unix: names are any bytes, and there may be any number of them.
    Tar,
}

impl Format {
    /// The end of its name, and what a URL calls it.
    pub const fn word(self) -> &'static str {
        match self {
            Format::Zip => "zip",
            Format::Tar => "tar",
        }
    }

    /// As the header has it.
    pub const fn content_type(self) -> &'static str {
        match self {
            Format::Zip => "application/zip",
            Format::Tar => "application/x-tar",
        }
    }
}

/// An archive on its way.
pub enum ArchiveWriter {
    /// With what it has written.
    Zip(Box<ZipWriter<StreamWriter<Sink>>>, Sink),
    /// With what it has written, the bytes that are missing of the present file, and those that fill up its last block.
    Tar(Vec<u8>, u64, usize),
}

/// Tar is made of blocks of so many bytes.
const BLOCK: u64 = 512;

impl ArchiveWriter {
    /// An empty one.
    pub fn new(format: Format) -> ArchiveWriter {
        match format {
            Format::Zip => {
                let sink = Sink::default();
                ArchiveWriter::Zip(Box::new(ZipWriter::new_stream(sink.clone())), sink)
            }
            Format::Tar => ArchiveWriter::Tar(Vec::new(), 0, 0),
        }
    }

    /// A folder. `name` is relative, and has no slash at its end.
    ///
    /// # Errors
    /// As [`ArchiveWriter::file`].
    pub fn folder(&mut self, name: &[u8], mtime: Mtime) -> Result<()> {
        match self {
            ArchiveWriter::Zip(writer, _) => {
                writer.add_directory(zip_name(name)?, zip_options(mtime, 0)).map_err(|_| taken())
            }
            ArchiveWriter::Tar(out, ..) => {
                let mut header = tar_header(mtime, 0);
                header.set_entry_type(EntryType::Directory);
                header.set_mode(0o755);
                tar_entry(out, header, &[name, b"/"].concat())
            }
        }
    }

    /// The beginning of a file of exactly so many bytes; they follow.
    ///
    /// # Errors
    /// [`Kind::BadPath`] for a name that cannot be in such an archive, or is in it already: the file is to be left out.
    pub fn file(&mut self, name: &[u8], size: u64, mtime: Mtime) -> Result<()> {
        match self {
            ArchiveWriter::Zip(writer, _) => {
                writer.start_file(zip_name(name)?, zip_options(mtime, size)).map_err(|_| taken())
            }
            ArchiveWriter::Tar(out, missing, fill) => {
                tar_entry(out, tar_header(mtime, size), name)?;
                *missing = size;
                *fill = usize::try_from(size.next_multiple_of(BLOCK) - size).unwrap_or(0);
                Ok(())
            }
        }
    }

    /// The next bytes of the file.
    ///
    /// # Errors
    /// [`Kind::Internal`] for more than were announced.
    pub fn bytes(&mut self, bytes: &Bytes) -> Result<()> {
        match self {
            ArchiveWriter::Zip(writer, _) => writer.write_all(bytes).map_err(failed),
            ArchiveWriter::Tar(out, missing, _) => {
                *missing = missing.checked_sub(bytes.len() as u64).ok_or_else(|| failed("too many bytes"))?;
                out.extend_from_slice(bytes);
                Ok(())
            }
        }
    }

    /// The file's bytes are all there.
    ///
    /// # Errors
    /// [`Kind::Internal`] if they are fewer than were announced.
    pub fn end_of_file(&mut self) -> Result<()> {
        match self {
            ArchiveWriter::Zip(..) => Ok(()),
            ArchiveWriter::Tar(_, 1.., _) => Err(failed("too few bytes")),
            ArchiveWriter::Tar(out, 0, fill) => {
                out.resize(out.len() + std::mem::take(fill), 0);
                Ok(())
            }
        }
    }

    /// The end of the archive: what was written and not taken yet, and what closes it.
    ///
    /// # Errors
    /// [`Kind::Internal`].
    pub fn end(self) -> Result<Bytes> {
        match self {
            ArchiveWriter::Zip(writer, sink) => {
                writer.finish().map_err(failed)?;
                Ok(sink.take())
            }
            ArchiveWriter::Tar(mut out, ..) => {
                out.resize(out.len() + 2 * BLOCK as usize, 0);
                Ok(Bytes::from(out))
            }
        }
    }

    /// What has been written since the last call.
    pub fn take(&mut self) -> Bytes {
        match self {
            ArchiveWriter::Zip(_, sink) => sink.take(),
            ArchiveWriter::Tar(out, ..) => Bytes::from(std::mem::take(out)),
        }
    }

    /// How much [`ArchiveWriter::take`] would give.
    pub fn len(&self) -> usize {
        match self {
            ArchiveWriter::Zip(_, sink) => sink.lock().len(),
            ArchiveWriter::Tar(out, ..) => out.len(),
        }
    }
}

fn failed(error: impl std::fmt::Display) -> Error {
    Error::new(Kind::Internal, format!("the archive cannot be written: {error}"))
}

fn taken() -> Error {
    Error::new(Kind::BadPath, "another one has the same name in the archive")
}

/// The name in a zip, which is UTF-8. What Windows takes for a separator is none here, and must not become one there.
fn zip_name(name: &[u8]) -> Result<String> {
    let name = String::from_utf8_lossy(name).replace('\\', "_");
    if is_safe(name.as_bytes()) { Ok(name) } else { Err(Error::new(Kind::BadPath, "an archive has no such names")) }
}

/// Whether this stays below the folder that it is unpacked in, wherever that is.
fn is_safe(name: &[u8]) -> bool {
    let mut parts = name.split(|byte| matches!(byte, b'/' | b'\\'));
    parts.all(|part| !matches!(part, b"" | b"." | b".."))
}

fn zip_options(mtime: Mtime, size: u64) -> SimpleFileOptions {
    let when = time::OffsetDateTime::from_unix_timestamp(mtime.secs).ok().and_then(|time| {
        let (year, month, day) = (u16::try_from(time.year()).ok()?, u8::from(time.month()), time.day());
        DateTime::from_date_and_time(year, month, day, time.hour(), time.minute(), time.second()).ok()
    });
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Stored)
        .unix_permissions(0o644)
        .large_file(size >= u64::from(u32::MAX));
    match when {
        Some(when) => options.last_modified_time(when),
        None => options,
    }
}

fn tar_header(mtime: Mtime, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::Regular);
    header.set_mode(0o644);
    header.set_size(size);
    header.set_mtime(mtime.secs.try_into().unwrap_or(0));
    header
}

fn tar_entry(out: &mut Vec<u8>, mut header: Header, name: &[u8]) -> Result<()> {
    let unwanted = |error: io::Error| Error::new(Kind::BadPath, format!("an archive has no such names: {error}"));
    let name = match is_safe(name.strip_suffix(b"/").unwrap_or(name)) {
        true => name.to_vec(),
        // Only Windows would read it so.
        false => name.iter().map(|byte| if *byte == b'\\' { b'_' } else { *byte }).collect(),
    };
    let mut builder = tar::Builder::new(Vec::new());
    builder.append_data(&mut header, OsStr::from_bytes(&name), io::empty()).map_err(unwanted)?;
    // Taken before the end of an archive is written behind it.
    out.append(builder.get_mut());
    Ok(())
}

/// What was left out of an archive and why, in as much memory as it is given.
pub struct LeftOut {
    text: String,
    room: usize,
    unnamed: u64,
    /// Why, each of them once: shown where there is no room for names.
    reasons: BTreeSet<&'static str>,
}

impl LeftOut {
    /// Nothing yet; names as long as they fit in so many bytes.
    pub fn new(room: usize) -> LeftOut {
        LeftOut { text: String::new(), room, unnamed: 0, reasons: BTreeSet::new() }
    }

    /// This one, for this reason.
    pub fn add(&mut self, name: &[u8], why: &'static str) {
        let line = format!("{}: {why}\n", escape::for_people(name));
        self.reasons.insert(why);
        if self.text.len() + line.len() <= self.room {
            self.text.push_str(&line);
        } else {
            self.unnamed += 1;
        }
    }

    /// So many that have no name here.
    pub fn add_unnamed(&mut self, count: u64) {
        self.unnamed += count;
    }

    /// A text that says so; none if nothing was left out.
    pub fn text(mut self) -> Option<String> {
        if self.unnamed > 0 {
            let reasons = self.reasons.into_iter().collect::<Vec<_>>().join("; ");
            self.text.push_str(&format!(
                "and {} more{}{reasons}\n",
                self.unnamed,
                if reasons.is_empty() { "" } else { ": " }
            ));
        }
        (!self.text.is_empty()).then(|| format!("Left out of this archive:\n\n{}", self.text))
    }
}

/// Of what may not be.
pub const MAY_NOT_BE_READ: &str = "it may not be read";

/// Of what has a name that no archive of its kind has room for.
pub const UNNAMEABLE: &str = "it cannot be in such an archive under its name";

/// Why a file that cannot be opened is left out; none if the archive is to be given up instead.
pub fn why_not(kind: Kind) -> Option<&'static str> {
    Some(match kind {
        Kind::NotFound => "it was gone when its turn came",
        Kind::Denied => MAY_NOT_BE_READ,
        Kind::Rotten => "its bytes are not those that were stored: it has rotted",
        Kind::NotRegular | Kind::IsDirectory | Kind::NotDirectory => "it was no file when its turn came",
        Kind::BadPath | Kind::PathTooLong => UNNAMEABLE,
        _ => return None,
    })
}

/// Memory that an archive is written into and that is taken out of it piece by piece.
#[derive(Clone, Default)]
pub struct Sink(Arc<Mutex<Vec<u8>>>);

impl Sink {
    fn take(&self) -> Bytes {
        Bytes::from(std::mem::take(&mut *self.lock()))
    }

    fn lock(&self) -> MutexGuard<'_, Vec<u8>> {
        self.0.lock()
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHEN: Mtime = Mtime { secs: 1_000_000_000, nanos: 0 };

    fn packed(format: Format, names: &[&[u8]]) -> Vec<u8> {
        let mut pack = ArchiveWriter::new(format);
        let mut out = Vec::new();
        for name in names {
            let content = Bytes::from(vec![b'x'; name.len() * 100]);
            if pack.file(name, content.len() as u64, WHEN).is_ok() {
                pack.bytes(&content).unwrap();
                pack.end_of_file().unwrap();
            }
            out.extend(pack.take());
        }
        out.extend(pack.end().unwrap());
        out
    }

    #[test]
    fn no_name_leads_out_of_where_it_is_unpacked() {
        let names: [&[u8]; 6] = [b"a/..\\..\\evil", b"a/b\\c", b"a/ok", b"a/\\\\host\\x", b"a/x\\..", b"a/C:\\x"];
        let tar = packed(Format::Tar, &names);
        let mut archive = tar::Archive::new(&*tar);
        let paths = archive.entries().unwrap().map(|entry| entry.unwrap().path_bytes().into_owned());
        let paths: Vec<Vec<u8>> = paths.collect();
        assert_eq!(paths.len(), names.len());
        assert!(paths.iter().all(|path| is_safe(path)), "{paths:?}");
        assert_eq!((&*paths[1], &*paths[2]), (&b"a/b\\c"[..], &b"a/ok"[..]), "what is harmless stays as it is");
        let zip = packed(Format::Zip, &names);
        let archive = zip::ZipArchive::new(io::Cursor::new(zip)).unwrap();
        let names: Vec<String> = archive.file_names().map(|name| name.unwrap().into_owned()).collect();
        assert!(
            names.len() == 6 && names.iter().all(|name| is_safe(name.as_bytes()) && !name.contains('\\')),
            "{names:?}"
        );
    }

    #[test]
    fn long_and_odd_names_are_kept_and_equal_ones_left_out() {
        let long = [b"a/".as_slice(), &[b'n'; 250]].concat();
        let deep = [b"d/".repeat(300).as_slice(), "ü文".as_bytes()].concat();
        let names: [&[u8]; 4] = [&long, &deep, b"a/\xff", b"a/\xfe"];
        let tar = packed(Format::Tar, &names);
        let mut archive = tar::Archive::new(&*tar);
        for (entry, name) in archive.entries().unwrap().zip(names) {
            let entry = entry.unwrap();
            assert_eq!((&*entry.path_bytes(), entry.size()), (name, name.len() as u64 * 100));
        }
        let zip = packed(Format::Zip, &names);
        let archive = zip::ZipArchive::new(io::Cursor::new(zip)).unwrap();
        assert_eq!(archive.len(), 3, "two names are the same in UTF-8");
        assert!(archive.index_for_name(str::from_utf8(&deep).unwrap()).is_some());
    }

    #[test]
    fn fewer_or_more_bytes_than_announced_are_no_file() {
        let mut pack = ArchiveWriter::new(Format::Tar);
        pack.file(b"a", 3, WHEN).unwrap();
        assert!(pack.bytes(&Bytes::from_static(b"1234")).is_err());
        pack.bytes(&Bytes::from_static(b"12")).unwrap();
        assert!(pack.end_of_file().is_err());
    }
}
