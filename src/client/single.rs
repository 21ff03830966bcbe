//! One file at a time: in as bytes, a reader or a local file; out as a reader or a local file. What fails is an error.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;

use futures::FutureExt as _;
use futures::future::{Either, select};
use futures::io::AsyncRead;

use super::answers::Transferred;
use super::connection::Client;
use super::destination::Destination;
use super::feed::feed;
use super::file_reader::{FileReader, Wanted};
use super::jobs::{Download, Summary, Upload, UploadSource};
use super::list_stream::ListStream;
use super::observer::Observer;
use crate::error::{Error, Kind, Result};
use crate::files::{Condition, IntoPath, RelPath};
use crate::sync::Mutex;

impl Client {
    /// Sends these bytes to a file, which appears whole and verified, in place of one that is there. The folder that it goes into
    /// must be there ([`Client::make_dir`]). For conditions and times there is [`Client::upload`].
    ///
    /// # Errors
    /// Whatever kept the file from being stored: [`Kind::Denied`], [`Kind::NotFound`] (the folder), [`Kind::Quota`],
    /// [`Kind::NoSpace`], …; those of the connection.
    pub async fn put(
        &mut self,
        to: impl IntoPath,
        bytes: impl AsRef<[u8]> + Send + Sync + 'static,
    ) -> Result<Transferred> {
        self.put_one(Upload::bytes(bytes, to.into_path()?)).await
    }

    /// Sends all that comes out of `from`, which may take its time, to a file that appears whole and verified. With a `size` the file is
    /// stored only if it is just that long, and the server knows beforehand whether it has room; without one (`None`) it is as long as it
    /// gets.
    ///
    /// # Errors
    /// As [`Client::put`], and if `from` fails: then nothing is stored.
    pub async fn put_from(
        &mut self,
        to: impl IntoPath,
        mut from: impl AsyncRead + Unpin + Send,
        size: impl Into<Option<u64>>,
    ) -> Result<Transferred> {
        let (feeder, fed) = feed(size.into());
        let upload =
            Upload { from: UploadSource::Fed(fed), to: to.into_path()?, condition: Condition::Any, mtime: None };
        let putting = pin!(self.put_one(upload));
        match select(putting, pin!(feeder.run(&mut from))).await {
            // Refused: what the reader still has nobody needs.
            Either::Left((done, _)) => done,
            Either::Right(((), putting)) => putting.await,
        }
    }

    /// Sends a local file, its modification time and mode, to a file that appears whole and verified.
    ///
    /// # Errors
    /// As [`Client::put`], and those of the file.
    pub async fn put_file(&mut self, from: impl AsRef<Path>, to: impl IntoPath) -> Result<Transferred> {
        self.put_one(Upload::file(from.as_ref(), to.into_path()?)).await
    }

    /// Reads a file. What is behind its bytes, and when they are good, says [`FileReader`].
    ///
    /// # Errors
    /// [`Kind::NotFound`], [`Kind::Denied`], [`Kind::IsDirectory`]; those of the connection.
    pub async fn get(&mut self, path: impl IntoPath) -> Result<FileReader<'_>> {
        self.get_range(path, 0, None).await
    }

    /// Reads `length` bytes of a file from `offset` on, fewer if the file ends before; to the end without a `length`.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn get_range(
        &mut self,
        path: impl IntoPath,
        offset: u64,
        length: impl Into<Option<u64>>,
    ) -> Result<FileReader<'_>> {
        let wanted = Wanted { path: path.into_path()?, offset, length: length.into() };
        FileReader::begin(wanted, |reading| self.run(reading).boxed()).await
    }

    /// Fetches a file to a local one, which appears whole, verified and with its modification time, in place of one that is
    /// there.
    ///
    /// # Errors
    /// As [`Client::get`]; [`Kind::Integrity`]; those of the local file.
    pub async fn get_file(&mut self, from: impl IntoPath, to: impl AsRef<Path>) -> Result<Transferred> {
        let (into, name) = place(to.as_ref())?;
        let jobs = vec![Download::new(from.into_path()?, name)];
        let one = Arc::new(One::default());
        let summary = self.download(jobs, &into, Arc::clone(&one) as _).await?;
        one.outcome(summary)
    }

    /// The entries of a folder, or with `recursive` of all below it, as they come.
    ///
    /// # Errors
    /// [`Kind::NotFound`], [`Kind::Denied`], [`Kind::NotDirectory`]; those of the connection.
    pub async fn list_stream(&mut self, path: impl IntoPath, recursive: bool) -> Result<ListStream<'_>> {
        ListStream::begin(path.into_path()?, recursive, |reading| self.run(reading).boxed()).await
    }

    async fn put_one(&mut self, upload: Upload) -> Result<Transferred> {
        let one = Arc::new(One::default());
        let summary = self.upload(vec![upload], Arc::clone(&one) as _).await?;
        one.outcome(summary)
    }
}

/// The folder of a local file, and its name in it.
fn place(file: &Path) -> Result<(Destination, RelPath)> {
    let Some(name) = file.file_name() else {
        return Err(Error::new(Kind::IsDirectory, format!("{}: is a folder", file.display())).at(file));
    };
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    Ok((Destination::open(folder.unwrap_or(Path::new(".")))?, RelPath::parse(OsStr::as_bytes(name))?))
}

/// Remembers what became of the one file there is.
#[derive(Default)]
struct One(Mutex<Option<Transferred>>);

impl One {
    fn outcome(&self, summary: Summary) -> Result<Transferred> {
        summary.into_result()?;
        let done = self.0.lock().take();
        done.ok_or_else(|| Error::new(Kind::Internal, "nothing was said of the file"))
    }
}

impl Observer for One {
    fn finished(&self, _: &Path, _: &RelPath, done: &Transferred) {
        *self.0.lock() = Some(*done);
    }
}
