//! [`Store`]: the few things that an archive asks of where it lies.

use std::fmt;

use jiff::Timestamp;

/// Objects under keys, such as `runs/<id>/manifest.json`. A directory or a bucket; in tests one that fails.
///
/// Its methods block. Within an asynchronous task they belong on a thread of their own.
pub trait Store: fmt::Debug + Send + Sync {
    /// Writes an object, whole or not at all, over one that is there.
    ///
    /// # Errors
    /// When it could not be written; it may be there nevertheless.
    fn put(&self, key: &str, bytes: &[u8]) -> Result<(), StoreError>;

    /// Writes an object, whole or not at all, where there is none: of two at once one succeeds.
    ///
    /// # Errors
    /// [`StoreErrorKind::AlreadyThere`], or when it could not be written; it may be there nevertheless.
    fn create(&self, key: &str, bytes: &[u8]) -> Result<(), StoreError>;

    /// Reads an object.
    ///
    /// # Errors
    /// [`StoreErrorKind::NotThere`], or when it cannot be read or has more bytes than `max_bytes`.
    fn get(&self, key: &str, max_bytes: u64) -> Result<Vec<u8>, StoreError>;

    /// Every object below a folder, by key.
    ///
    /// # Errors
    /// When the folder cannot be listed completely.
    fn list(&self, folder: &str) -> Result<Vec<Entry>, StoreError>;

    /// Removes an object; one that is not there is no error.
    ///
    /// # Errors
    /// When it could not be removed.
    fn delete(&self, key: &str) -> Result<(), StoreError>;
}

/// An object of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its key.
    pub key: String,
    /// When it was written last, by the clock of the store.
    pub modified_at: Timestamp,
}

/// Why a store did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{key}` could not be {done}: {message}")]
pub struct StoreError {
    /// The object, or the folder, as the store calls it: a path, or `s3://…`.
    pub key: String,
    /// What was asked: `read`, `written`, …
    pub done: &'static str,
    /// What kind of error it is.
    pub kind: StoreErrorKind,
    /// What the store said.
    pub message: String,
}

/// Kinds of errors of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreErrorKind {
    /// There is no such object.
    NotThere,
    /// There is one already.
    AlreadyThere,
    /// Anything else.
    Refused,
}
