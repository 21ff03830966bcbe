//! What a transfer does, as a stream: for whoever would rather read than be called.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::stream::Stream;
use futures::task::AtomicWaker;

use super::answers::Transferred;
use super::observer::{Observer, Skip};
use crate::error::Error;
use crate::files::RelPath;
use crate::limits;
use crate::sync::Mutex;

/// Something that a transfer did, as [`Observer`] is told of it. A path is the source's, and may hold control characters.
#[derive(Debug)]
#[non_exhaustive]
pub enum TransferEvent {
    /// So many files and bytes more will come.
    Expected {
        /// Files.
        files: u64,
        /// Their bytes together.
        bytes: u64,
    },
    /// A file begins.
    Started {
        /// Its path where it comes from.
        path: PathBuf,
        /// Its size, if it is known.
        size: Option<u64>,
    },
    /// The file that began last goes on with its first bytes proven to be there already.
    Resumed {
        /// Its path where it comes from.
        path: PathBuf,
        /// How many bytes.
        from: u64,
    },
    /// Bytes of a file were moved. Several such events of one file that nobody has read yet are one.
    Progressed {
        /// Its path where it comes from.
        path: PathBuf,
        /// How many more.
        bytes: u64,
    },
    /// A file is there, verified.
    Finished {
        /// Its path where it comes from.
        path: PathBuf,
        /// What it is called there.
        to: RelPath,
        /// Its size and hash.
        done: Transferred,
    },
    /// A file or folder could not be transferred; the others go on.
    Failed {
        /// Its path where it comes from.
        path: PathBuf,
        /// Why.
        error: Error,
    },
    /// A file is not moved because what is in its place is as new.
    Unchanged {
        /// Its path where it comes from.
        path: PathBuf,
        /// Its size.
        size: u64,
    },
    /// A file would be moved if this were in earnest.
    Planned {
        /// Its path where it comes from.
        path: PathBuf,
        /// What it would be called there.
        to: RelPath,
        /// Its size.
        size: u64,
    },
    /// A link like one of the source is there.
    Linked {
        /// Its path where it comes from.
        path: PathBuf,
        /// What it is called there.
        to: RelPath,
    },
    /// What an earlier mirror had moved out of the way has its name again.
    PutBack {
        /// Its name at the destination.
        path: PathBuf,
    },
    /// Something in a tree was left out.
    Skipped {
        /// Its path where it comes from.
        path: PathBuf,
        /// Why.
        why: Skip,
    },
    /// The connection was lost, and the next try comes after a pause.
    Retrying {
        /// By what it was lost.
        error: Error,
        /// The pause.
        pause: Duration,
    },
    /// So many events are missing here: more than [`limits::EVENTS_WAITING`] had not been read.
    Missed(u64),
}

/// The events of the transfers that tell this observer, in their order. It ends when all of them are over and the observer is
/// dropped.
///
/// A transfer never waits for whoever reads: what nobody reads waits here, up to [`limits::EVENTS_WAITING`] events.
#[derive(Debug)]
pub struct TransferEvents(Arc<Queue>);

impl TransferEvents {
    /// An observer to hand to transfers, and what it is told. Drop what is left of the observer when the last transfer is
    /// begun: the stream goes on until nobody has it.
    ///
    /// ```
    /// # use sealift::testing::TestServer;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # async_std::task::block_on(async {
    /// # let server = TestServer::start(&["alice"]).await?;
    /// # let mut client = server.client("alice").await?;
    /// use futures::stream::StreamExt as _;
    /// use sealift::client::{TransferEvent, TransferEvents, Upload};
    /// use sealift::files::IntoPath;
    ///
    /// let (observer, mut events) = TransferEvents::new();
    /// let jobs = vec![Upload::bytes("hello", "hello.txt".into_path()?)];
    /// let sending = client.upload(jobs, observer);
    /// let telling = async {
    ///     while let Some(event) = events.next().await {
    ///         if let TransferEvent::Finished { to, done, .. } = event {
    ///             println!("{to}: {} bytes", done.size);
    ///         }
    ///     }
    /// };
    /// let (sent, ()) = futures::join!(sending, telling);
    /// assert_eq!(sent?.into_result()?.files, 1);
    /// # Ok(())
    /// # })
    /// # }
    /// ```
    pub fn new() -> (Arc<dyn Observer>, TransferEvents) {
        let queue = Arc::new(Queue { state: Mutex::default(), reader: AtomicWaker::new() });
        (Arc::new(Teller(Arc::clone(&queue))), TransferEvents(queue))
    }
}

impl Stream for TransferEvents {
    type Item = TransferEvent;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<TransferEvent>> {
        // Before it is looked: what comes in between wakes.
        self.0.reader.register(cx.waker());
        let mut state = self.0.state.lock();
        match state.next() {
            Some(event) => Poll::Ready(Some(event)),
            None if state.is_over => Poll::Ready(None),
            None => Poll::Pending,
        }
    }
}

impl Drop for TransferEvents {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        state.is_unread = true;
        state.waiting = VecDeque::new();
    }
}

#[derive(Debug)]
struct Queue {
    state: Mutex<State>,
    reader: AtomicWaker,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<TransferEvent>,
    missed: u64,
    /// Nobody tells any more.
    is_over: bool,
    /// Nobody reads any more.
    is_unread: bool,
}

impl State {
    fn next(&mut self) -> Option<TransferEvent> {
        let missed = std::mem::take(&mut self.missed);
        // What is missing came after all that waits.
        match self.waiting.pop_front() {
            Some(event) => {
                self.missed = missed;
                Some(event)
            }
            None => (missed > 0).then_some(TransferEvent::Missed(missed)),
        }
    }

    fn has_room(&mut self) -> bool {
        let has_room = self.missed == 0 && self.waiting.len() < limits::EVENTS_WAITING;
        self.missed += u64::from(!has_room && !self.is_unread);
        has_room && !self.is_unread
    }
}

/// Tells what it is told.
struct Teller(Arc<Queue>);

impl Teller {
    fn tell(&self, event: impl FnOnce() -> TransferEvent) {
        let mut state = self.0.state.lock();
        if state.has_room() {
            state.waiting.push_back(event());
        }
        drop(state);
        self.0.reader.wake();
    }
}

impl Drop for Teller {
    fn drop(&mut self) {
        self.0.state.lock().is_over = true;
        self.0.reader.wake();
    }
}

impl Observer for Teller {
    fn expected(&self, files: u64, bytes: u64) {
        self.tell(|| TransferEvent::Expected { files, bytes });
    }

    fn started(&self, path: &Path, size: Option<u64>) {
        self.tell(|| TransferEvent::Started { path: path.to_owned(), size });
    }

    fn resumed(&self, path: &Path, from: u64) {
        self.tell(|| TransferEvent::Resumed { path: path.to_owned(), from });
    }

    fn progressed(&self, path: &Path, bytes: u64) {
        let mut state = self.0.state.lock();
        if let Some(TransferEvent::Progressed { path: last, bytes: so_far }) = state.waiting.back_mut()
            && *last == *path
        {
            *so_far = so_far.saturating_add(bytes);
            return;
        }
        drop(state);
        self.tell(|| TransferEvent::Progressed { path: path.to_owned(), bytes });
    }

    fn finished(&self, path: &Path, to: &RelPath, done: &Transferred) {
        self.tell(|| TransferEvent::Finished { path: path.to_owned(), to: to.clone(), done: *done });
    }

    fn failed(&self, path: &Path, error: &Error) {
        self.tell(|| TransferEvent::Failed { path: path.to_owned(), error: error.retold() });
    }

    fn unchanged(&self, path: &Path, size: u64) {
        self.tell(|| TransferEvent::Unchanged { path: path.to_owned(), size });
    }

    fn planned(&self, path: &Path, to: &RelPath, size: u64) {
        self.tell(|| TransferEvent::Planned { path: path.to_owned(), to: to.clone(), size });
    }

    fn linked(&self, path: &Path, to: &RelPath) {
        self.tell(|| TransferEvent::Linked { path: path.to_owned(), to: to.clone() });
    }

    fn put_back(&self, path: &Path) {
        self.tell(|| TransferEvent::PutBack { path: path.to_owned() });
    }

    fn skipped(&self, path: &Path, why: Skip) {
        self.tell(|| TransferEvent::Skipped { path: path.to_owned(), why });
    }

    fn retrying(&self, error: &Error, pause: Duration, _: u64) {
        self.tell(|| TransferEvent::Retrying { error: error.retold(), pause });
    }
}

#[cfg(test)]
mod tests {
    use futures::stream::StreamExt as _;

    use super::*;

    #[test]
    fn bytes_of_a_file_that_nobody_has_read_yet_are_one_event() {
        let (observer, events) = TransferEvents::new();
        let (one, other) = (Path::new("one"), Path::new("other"));
        for (path, bytes) in [(one, 1), (one, 2), (other, 4), (one, 8)] {
            observer.progressed(path, bytes);
        }
        drop(observer);
        let told = async_std::task::block_on(events.collect::<Vec<_>>());
        let told: Vec<_> = told.iter().map(|event| format!("{event:?}")).collect();
        assert_eq!(
            told,
            [
                "Progressed { path: \"one\", bytes: 3 }",
                "Progressed { path: \"other\", bytes: 4 }",
                "Progressed { path: \"one\", bytes: 8 }"
            ]
        );
    }

    #[test]
    fn what_nobody_reads_is_bounded_and_what_is_missing_is_told() {
        let (observer, events) = TransferEvents::new();
        let all = limits::EVENTS_WAITING as u64 + 10;
        (0..all).for_each(|size| observer.started(Path::new("x"), Some(size)));
        drop(observer);
        let told = async_std::task::block_on(events.collect::<Vec<_>>());
        assert_eq!(told.len(), limits::EVENTS_WAITING + 1);
        assert!(matches!(told.last(), Some(TransferEvent::Missed(10))), "{:?}", told.last());
    }

    #[test]
    fn a_transfer_goes_on_when_nobody_reads_any_more() {
        let (observer, events) = TransferEvents::new();
        drop(events);
        (0..10).for_each(|_| observer.progressed(Path::new("x"), 1));
    }

    #[test]
    fn links_that_were_made_and_what_was_put_back_are_told() {
        let (observer, events) = TransferEvents::new();
        observer.linked(Path::new("from/link"), &RelPath::parse(b"link").unwrap());
        observer.put_back(Path::new("aside"));
        drop(observer);
        let told = async_std::task::block_on(events.collect::<Vec<_>>());
        assert!(
            matches!(&told[0], TransferEvent::Linked { path, to } if path == Path::new("from/link") && to.as_bytes() == b"link")
        );
        assert!(matches!(&told[1], TransferEvent::PutBack { path } if path == Path::new("aside")));
    }
}
