//! What can be asked of a pool: the same as of a [`Client`](super::Client), from many tasks at once.

use std::path::Path;
use std::sync::Arc;

use futures::FutureExt as _;
use futures::io::AsyncRead;

use super::Pool;
use crate::client::answers::{Hashed, Stat, Transferred};
use crate::client::destination::Destination;
use crate::client::file_reader::{FileReader, Wanted};
use crate::client::jobs::{Download, Summary, Upload};
use crate::client::list_stream::ListStream;
use crate::client::listing::Listing;
use crate::client::observer::Observer;
use crate::client::patience::is_lost_line;
use crate::error::Result;
use crate::files::{IntoPath, RelPath};

/// Asks over a connection, and once more over another one if the first is lost: for what can be repeated.
macro_rules! repeated {
    ($pool:ident, $client:ident => $work:expr) => {{
        let first = {
            let mut $client = $pool.client().await?;
            $work.await
        };
        match first {
            Err(error) if is_lost_line(&error) => {
                $pool.forget_idle();
                let mut $client = $pool.client().await?;
                $work.await
            }
            done => done,
        }
    }};
}

/// Each as the method of the same name of [`Client`](super::Client); after [`Pool::stop`] all fail with
/// [`Kind::Aborted`](crate::Kind::Aborted).
#[allow(clippy::missing_errors_doc, reason = "said once for all of them")]
impl Pool {
    /// Describes one file or folder.
    pub async fn stat(&self, path: impl IntoPath) -> Result<Stat> {
        let path = path.into_path()?;
        repeated!(self, client => client.stat(&path))
    }

    /// Lists a folder, or with `recursive` all below it.
    pub async fn list(&self, path: impl IntoPath, recursive: bool) -> Result<Listing> {
        let path = path.into_path()?;
        repeated!(self, client => client.list(&path, recursive))
    }

    /// The entries of a folder as they come. Its connection is in use until the stream ends or is dropped.
    pub async fn list_stream(&self, path: impl IntoPath, recursive: bool) -> Result<ListStream<'static>> {
        let path = path.into_path()?;
        repeated!(self, client => ListStream::begin(path.clone(), recursive, |reading| {
            async move { client.run(reading).await }.boxed()
        }))
    }

    /// Has the server read and hash a file, or its first `length` bytes.
    pub async fn hash(&self, path: impl IntoPath, length: Option<u64>) -> Result<Hashed> {
        let path = path.into_path()?;
        repeated!(self, client => client.hash(&path, length))
    }

    /// Removes a file, an empty folder, or with `recursive` a whole tree.
    pub async fn remove(&self, path: impl IntoPath, recursive: bool) -> Result<()> {
        let path = path.into_path()?;
        self.client().await?.remove(path, recursive).await
    }

    /// Makes a folder; with `parents` also those above it, and without an error if it is there.
    pub async fn make_dir(&self, path: impl IntoPath, parents: bool) -> Result<()> {
        let path = path.into_path()?;
        self.client().await?.make_dir(path, parents).await
    }

    /// Renames or moves; with `replace` a file that is there is replaced.
    pub async fn rename(&self, from: impl IntoPath, to: impl IntoPath, replace: bool) -> Result<()> {
        let (from, to) = (from.into_path()?, to.into_path()?);
        self.client().await?.rename(from, to, replace).await
    }

    /// Sends these bytes to a file.
    pub async fn put(&self, to: impl IntoPath, bytes: impl AsRef<[u8]> + Send + Sync + 'static) -> Result<Transferred> {
        let (to, bytes) = (to.into_path()?, Arc::new(bytes));
        repeated!(self, client => client.put(&to, Repeatable(Arc::clone(&bytes))))
    }

    /// Sends all that comes out of `from`. Not repeated: what was read is gone.
    pub async fn put_from(
        &self,
        to: impl IntoPath,
        from: impl AsyncRead + Unpin + Send,
        size: impl Into<Option<u64>>,
    ) -> Result<Transferred> {
        let (to, size) = (to.into_path()?, size.into());
        self.client().await?.put_from(to, from, size).await
    }

    /// Sends a local file.
    pub async fn put_file(&self, from: impl AsRef<Path>, to: impl IntoPath) -> Result<Transferred> {
        let (from, to) = (from.as_ref().to_owned(), to.into_path()?);
        repeated!(self, client => client.put_file(&from, &to))
    }

    /// Reads a file. Its connection is in use until the reader is at its end or dropped.
    pub async fn get(&self, path: impl IntoPath) -> Result<FileReader<'static>> {
        self.reader(path.into_path()?, 0, None).await
    }

    /// Reads `length` bytes of a file from `offset` on. Its connection is in use until the reader is at its end or dropped.
    pub async fn get_range(
        &self,
        path: impl IntoPath,
        offset: u64,
        length: impl Into<Option<u64>>,
    ) -> Result<FileReader<'static>> {
        self.reader(path.into_path()?, offset, length.into()).await
    }

    /// Fetches a file to a local one.
    pub async fn get_file(&self, from: impl IntoPath, to: impl AsRef<Path>) -> Result<Transferred> {
        let (from, to) = (from.into_path()?, to.as_ref().to_owned());
        repeated!(self, client => client.get_file(&from, &to))
    }

    /// Sends files, many at once in flight over one connection.
    pub async fn upload(&self, jobs: Vec<Upload>, observer: Arc<dyn Observer>) -> Result<Summary> {
        self.client().await?.upload(jobs, observer).await
    }

    /// Fetches files into a destination, many at once in flight over one connection.
    pub async fn download(
        &self,
        jobs: Vec<Download>,
        into: &Destination,
        observer: Arc<dyn Observer>,
    ) -> Result<Summary> {
        self.client().await?.download(jobs, into, observer).await
    }

    async fn reader(&self, path: RelPath, offset: u64, length: Option<u64>) -> Result<FileReader<'static>> {
        repeated!(self, client => FileReader::begin(Wanted { path: path.clone(), offset, length }, |reading| {
            async move { client.run(reading).await }.boxed()
        }))
    }
}

/// Bytes that are sent again if the first time fails.
struct Repeatable<T>(Arc<T>);

impl<T: AsRef<[u8]>> AsRef<[u8]> for Repeatable<T> {
    fn as_ref(&self) -> &[u8] {
        (*self.0).as_ref()
    }
}
