//! A file on the server as an asynchronous reader.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use async_std::channel::bounded;
use futures::future::BoxFuture;
use futures::io::AsyncRead;

use super::answers::Transferred;
use super::flow::Flow;
use super::receive::{Announced, range};
use super::requests::unwanted;
use super::session::Session;
use crate::error::{Error, Kind, Result};
use crate::files::{Mtime, RelPath};
use crate::limits;

/// What is to be done over a connection.
pub(super) type Reading = Box<dyn FnOnce(&mut Session) -> Result<Transferred> + Send>;

/// Which bytes of which file are read.
pub(super) struct Wanted {
    pub(super) path: RelPath,
    pub(super) offset: u64,
    pub(super) length: Option<u64>,
}

pub(super) enum Portion {
    Begun(Announced),
    Bytes(Vec<u8>),
}

/// A file that is being read from a server: an [`AsyncRead`].
///
/// **The bytes are good when the end is reached.** They are handed on before the hash of the whole is known; a read that comes
/// back with 0 says that all of them were those that the server has, and one that fails with
/// [`InvalidData`](io::ErrorKind::InvalidData) that what was read before is not to be used. Every error holds an
/// [`Error`] of this crate.
///
/// No more is fetched than is read: a few MiB wait here, and the server waits with the rest. It does so for a time only: one who
/// takes less than [`limits::RATE_MIN`] bytes a second is cut off.
///
/// Dropped before its end it ends its connection, because what was asked for is on its way.
#[must_use = "nothing is known to be right before it was read to its end"]
pub struct FileReader<'a> {
    flow: Flow<'a, Portion, Transferred>,
    path: RelPath,
    size: u64,
    mtime: Mtime,
    bytes: Vec<u8>,
    at: usize,
    done: Option<Transferred>,
    failed: Option<Error>,
}

impl<'a> FileReader<'a> {
    /// Begins to read, over the connection that `run` has.
    pub(super) async fn begin(
        Wanted { path, offset, length }: Wanted,
        run: impl FnOnce(Reading) -> BoxFuture<'a, Result<Transferred>>,
    ) -> Result<FileReader<'a>> {
        let (hand_on, portions) = bounded(limits::WIRE_BUFFERS);
        let asked = path.clone();
        let work = run(Box::new(move |session| {
            let tell = hand_on.clone();
            // The first of all: there is room.
            let begun = move |announced| drop(tell.try_send(Portion::Begun(announced)));
            range(session, asked, offset, length, false, begun, |bytes| {
                hand_on.send_blocking(Portion::Bytes(bytes.to_vec())).map_err(|_| unwanted())
            })
        }));
        let mut flow = Flow::new(portions, work);
        let Portion::Begun(Announced { size, mtime, .. }) = flow.first().await? else {
            return Err(Error::new(Kind::Internal, format!("{path}: data came before anything was said of it")));
        };
        Ok(FileReader { flow, path, size, mtime, bytes: Vec::new(), at: 0, done: None, failed: None })
    }

    /// The file's path.
    pub fn path(&self) -> &RelPath {
        &self.path
    }

    /// Bytes of the whole file, as the server announced them.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// When it was last modified.
    pub fn mtime(&self) -> Mtime {
        self.mtime
    }

    /// What was read, and its hash: nothing before its end was reached.
    pub fn done(&self) -> Option<Transferred> {
        self.done
    }

    /// The end: what the work came to.
    fn finish(&mut self) -> io::Result<usize> {
        match self.flow.done() {
            Some(Ok(done)) => self.done = Some(done),
            Some(Err(error)) => self.failed = Some(error),
            None => {}
        }
        match &self.failed {
            Some(error) => Err(error.retold().into()),
            None => Ok(0),
        }
    }
}

impl AsyncRead for FileReader<'_> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, space: &mut [u8]) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        if space.is_empty() {
            return Poll::Ready(Ok(0));
        }
        while this.at == this.bytes.len() {
            match ready!(this.flow.poll_portion(cx)) {
                Some(Portion::Bytes(bytes)) => (this.bytes, this.at) = (bytes, 0),
                Some(Portion::Begun(_)) => {}
                None => return Poll::Ready(this.finish()),
            }
        }
        let left = this.bytes.get(this.at..).unwrap_or_default();
        let count = left.len().min(space.len());
        space.get_mut(..count).unwrap_or_default().copy_from_slice(left.get(..count).unwrap_or_default());
        this.at += count;
        Poll::Ready(Ok(count))
    }
}

impl fmt::Debug for FileReader<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileReader").field("path", &self.path).field("size", &self.size).finish_non_exhaustive()
    }
}
