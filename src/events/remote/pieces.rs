//! From what is fetched on one thread to what is read on another, with a bound to what lies between.

use std::io::{self, Cursor, Read};

use tokio::sync::mpsc::{Receiver, Sender, channel};

/// Bytes that are handed over at once.
const PIECE: usize = 256 << 10;
/// Pieces that wait to be read.
const AHEAD: usize = 4;

/// Why nothing more comes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failure {
    /// There is no such thing; [`io::ErrorKind::NotFound`] to the reader.
    Gone(&'static str),
    /// Anything else.
    Other(String),
}

impl From<Failure> for io::Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Gone(why) => Self::new(io::ErrorKind::NotFound, why),
            Failure::Other(why) => Self::other(why),
        }
    }
}

/// The end that is filled. What is in it is handed over when it is a piece, and at the end.
pub(super) struct Filling {
    pieces: Sender<Result<Vec<u8>, Failure>>,
    piece: Vec<u8>,
}

/// Nobody reads what is fetched.
pub(super) struct Unread;

/// The end that is read; `K` is kept until it has been.
pub(super) struct Reading<K> {
    pieces: Receiver<Result<Vec<u8>, Failure>>,
    piece: Cursor<Vec<u8>>,
    _kept: K,
}

/// Both ends of a pipe.
pub(super) fn pipe<K>(kept: K) -> (Filling, Reading<K>) {
    let (sender, receiver) = channel(AHEAD);
    let reading = Reading { pieces: receiver, piece: Cursor::default(), _kept: kept };
    (Filling { pieces: sender, piece: Vec::new() }, reading)
}

impl Filling {
    /// Adds bytes; waits while enough lies there unread.
    pub(super) async fn add(&mut self, bytes: &[u8]) -> Result<(), Unread> {
        for bytes in bytes.chunks(PIECE) {
            self.piece.extend_from_slice(bytes);
            if self.piece.len() >= PIECE {
                self.hand_over().await?;
            }
        }
        Ok(())
    }

    async fn hand_over(&mut self) -> Result<(), Unread> {
        let piece = std::mem::take(&mut self.piece);
        if piece.is_empty() {
            return Ok(());
        }
        self.pieces.send(Ok(piece)).await.map_err(|_| Unread)
    }

    /// The end of it: everything was added, or why not.
    pub(super) async fn end(mut self, how: Result<(), Failure>) {
        // Where nobody reads any more, nobody needs to know.
        if self.hand_over().await.is_ok()
            && let Err(why) = how
        {
            let _ = self.pieces.send(Err(why)).await;
        }
    }
}

impl<K> Reading<K> {
    /// Waits for the first bytes, so that what cannot be fetched at all is told from what breaks off.
    pub(super) fn opened(mut self) -> io::Result<Self> {
        self.next()?;
        Ok(self)
    }

    /// Waits for the next piece; none at the end.
    fn next(&mut self) -> io::Result<()> {
        match self.pieces.blocking_recv() {
            Some(Ok(piece)) => self.piece = Cursor::new(piece),
            Some(Err(why)) => return Err(why.into()),
            None => self.piece = Cursor::default(),
        }
        Ok(())
    }
}

impl<K> Read for Reading<K> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.piece.read(into)?;
        if read > 0 || into.is_empty() {
            return Ok(read);
        }
        self.next()?;
        self.piece.read(into)
    }
}
