//! What was in an input. Everything found is counted under one name, so the counts add up.

use std::ops::AddAssign;

/// What was found, by what became of it.
///
/// A record in three envelopes is one record: envelopes are not counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Bytes as they were stored or sent.
    pub bytes_read: u64,
    /// Bytes after decompression; equal to `bytes_read` where nothing was compressed.
    pub bytes_inflated: u64,
    /// API events that rules were asked about.
    pub events: u64,
    /// API events that had been delivered already, by `eventID`.
    pub duplicates: u64,
    /// API events outside the times asked for.
    pub outside: u64,
    /// CloudTrail Insights events, which tell of unusual numbers of calls and not of a call.
    pub insights: u64,
    /// Digest files, which are read to verify log files and not for rules.
    pub digests: u64,
    /// Messages that only test a subscription.
    pub control: u64,
    /// Objects announced by a message, to be fetched.
    pub pointers: u64,
    /// JSON objects without `eventTime` (RFC 3339) or `eventType`, which are no CloudTrail events.
    pub unrelated: u64,
    /// What could not be read: broken, cut short, too large.
    pub rejected: u64,
}

impl Counts {
    /// Everything that was found.
    #[must_use]
    pub const fn found(&self) -> u64 {
        self.events + self.duplicates + self.outside + self.skipped() + self.pointers + self.rejected
    }

    /// What is well-formed, but nothing to ask rules about.
    #[must_use]
    pub const fn skipped(&self) -> u64 {
        self.insights + self.digests + self.control + self.unrelated
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.bytes_read += other.bytes_read;
        self.bytes_inflated += other.bytes_inflated;
        self.events += other.events;
        self.duplicates += other.duplicates;
        self.outside += other.outside;
        self.insights += other.insights;
        self.digests += other.digests;
        self.control += other.control;
        self.pointers += other.pointers;
        self.unrelated += other.unrelated;
        self.rejected += other.rejected;
    }
}
