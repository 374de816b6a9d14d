//! The keys below an address: of a delivered layout only the folders that may hold what is asked for.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;

use aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Output;
use aws_sdk_s3::types::EncodingType;
use futures::StreamExt;
use futures::stream;
use percent_encoding::percent_decode_str;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::super::tell;
use super::{Address, LIST_OBJECTS, Object, Queue, Unread};
use crate::aws::{Place, Reply};
use crate::events::source::files;
use crate::events::source::layout::{Folder, Listing, Question};

/// Listings that run ahead of the one whose objects are fetched.
const LISTINGS_AHEAD: usize = 8;
/// Pages of a listing that wait until its objects are fetched; a page has up to 1,000 keys.
const PAGES_AHEAD: usize = 2;
/// Folders that are looked into at once.
const FOLDERS_AT_ONCE: usize = 16;

/// A part of a listing, or why there is no more of it.
type Page = Result<Vec<String>, String>;

/// Lists an address, and puts what is found in the queue.
pub(super) async fn list(
    address: &Address,
    place: &Place,
    question: &Question,
    queue: &Queue,
) -> Result<(), Unread> {
    let bucket = Bucket::new(address, place, queue.bucket_arn(&address.bucket));
    let listings = match bucket.listings(&address.prefix, question).await {
        Ok(listings) => listings,
        Err(why) => return queue.failed(address.to_string(), why).await,
    };
    let is_timed = question.since.is_some() || question.until.is_some();
    let mut listings = listings.into_iter();
    let mut running: VecDeque<(String, Receiver<Page>)> = VecDeque::new();
    let mut is_empty = true;
    loop {
        while running.len() < LISTINGS_AHEAD
            && let Some(listing) = listings.next()
        {
            running.push_back((listing.prefix.clone(), bucket.begin(listing)));
        }
        let Some((prefix, mut pages)) = running.pop_front() else { break };
        while let Some(page) = pages.recv().await {
            is_empty = false;
            match page {
                Ok(keys) => objects(&bucket, address, keys, question, queue).await?,
                Err(why) => queue.failed(format!("s3://{}/{prefix}", bucket.name), why).await?,
            }
        }
    }
    if is_empty && !is_timed {
        let why = "no object has a key that begins so".to_owned();
        return queue.failed(address.to_string(), why).await;
    }
    Ok(())
}

/// Puts the objects in the queue that may hold what is asked for, and counts the others.
async fn objects(
    bucket: &Bucket,
    address: &Address,
    keys: Vec<String>,
    question: &Question,
    queue: &Queue,
) -> Result<(), Unread> {
    for key in keys {
        let is_named = key == address.prefix;
        if !is_named && (key.ends_with('/') || !files::is_of_events(key.as_ref())) {
            queue.found.other.fetch_add(1, Ordering::Relaxed);
        } else if question.wants(&key) {
            let (place, bucket) = (bucket.place.clone(), bucket.name.clone());
            queue.object(Object { place, bucket, key }).await?;
        } else {
            queue.found.not_asked_for.fetch_add(1, Ordering::Relaxed);
        }
    }
    Ok(())
}

/// A bucket, where it is asked.
#[derive(Debug, Clone)]
pub(in crate::events::remote) struct Bucket {
    pub(in crate::events::remote) name: String,
    pub(in crate::events::remote) arn: String,
    pub(super) place: Place,
}

impl Bucket {
    pub(super) fn new(address: &Address, place: &Place, arn: String) -> Self {
        Self { name: address.bucket.clone(), arn, place: place.clone() }
    }

    /// The listings that find everything below a prefix that may be asked for.
    async fn listings(&self, prefix: &str, question: &Question) -> Result<Vec<Listing>, String> {
        let plain = || vec![Listing { prefix: prefix.to_owned(), start_after: None, end_before: None }];
        if *question == Question::default() {
            return Ok(plain());
        }
        let Some(folder) = self.layout(prefix).await? else { return Ok(plain()) };
        let mut accounts = Vec::new();
        for folder in self.accounts(folder).await? {
            accounts.extend(
                folder.account.clone().filter(|account| question.wants_account(account)).map(|_| folder),
            );
        }
        let regions =
            stream::iter(accounts).map(|folder| self.regions(folder, question)).buffered(FOLDERS_AT_ONCE);
        let listings: Vec<Result<Vec<Listing>, String>> = regions.collect().await;
        Ok(listings.into_iter().collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
    }

    /// The folder of a delivered layout that a prefix leads to, if it does.
    pub(super) async fn layout(&self, prefix: &str) -> Result<Option<Folder>, String> {
        let folder = Folder::parse(prefix);
        // Trails with a prefix of their own have the layout below it.
        if folder.is_some() || !(prefix.is_empty() || prefix.ends_with('/')) {
            return Ok(folder);
        }
        let is_above = self.folders(prefix).await?.iter().any(|folder| folder == "AWSLogs");
        Ok(is_above.then(|| Folder::parse(&format!("{prefix}AWSLogs/"))).flatten())
    }

    /// The folders of accounts in a folder that may be above them.
    pub(super) async fn accounts(&self, folder: Folder) -> Result<Vec<Folder>, String> {
        if folder.account.is_some() {
            return Ok(vec![folder]);
        }
        let mut accounts = Vec::new();
        for name in self.folders(&folder.path()).await? {
            match folder.below(&name) {
                Some(below) if below.account.is_some() => accounts.push(below),
                // The folder of an organization has those of its accounts.
                Some(below) => {
                    let names = self.folders(&below.path()).await?;
                    let found = names.iter().filter_map(|name| below.below(name));
                    accounts.extend(found.filter(|folder| folder.account.is_some()));
                }
                None => {}
            }
        }
        Ok(accounts)
    }

    /// The listings of one account.
    async fn regions(&self, folder: Folder, question: &Question) -> Result<Vec<Listing>, String> {
        let regions = match (&folder.region, question.regions.is_empty()) {
            (Some(region), _) if question.wants_region(region) => vec![region.clone()],
            (Some(_), _) => Vec::new(),
            (None, false) => question.regions.clone(),
            (None, true) => self.folders(&folder.trails()).await?,
        };
        let mut regions = regions;
        regions.sort();
        let of_account =
            Question { accounts: folder.account.clone().into_iter().collect(), regions, ..question.clone() };
        Ok(of_account.listings(&folder.above_account()))
    }

    /// The names of the folders in a folder.
    pub(super) async fn folders(&self, prefix: &str) -> Result<Vec<String>, String> {
        let mut names = Vec::new();
        let mut token = None;
        loop {
            let page = self.page(prefix, None, Some("/"), token.clone()).await?;
            let found = page.common_prefixes().iter().filter_map(|folder| folder.prefix());
            let found = found.map(|folder| decoded(&page, folder));
            names
                .extend(found.filter_map(|folder| {
                    Some(folder.strip_prefix(prefix)?.trim_end_matches('/').to_owned())
                }));
            match self.next(page, token)? {
                Some(next) => token = Some(next),
                None => return Ok(names),
            }
        }
    }

    /// All keys of a listing.
    pub(in crate::events::remote) async fn all(&self, listing: Listing) -> Result<Vec<String>, String> {
        let mut pages = self.begin(listing);
        let mut keys = Vec::new();
        while let Some(page) = pages.recv().await {
            keys.extend(page?);
        }
        Ok(keys)
    }

    /// Begins a listing.
    fn begin(&self, listing: Listing) -> Receiver<Page> {
        let (pages, receiver) = channel(PAGES_AHEAD);
        tokio::spawn(self.clone().run(listing, pages));
        receiver
    }

    async fn run(self, listing: Listing, pages: Sender<Page>) {
        if let Err(why) = self.keys(listing, &pages).await {
            // Where nobody reads any more, nobody needs to know.
            let _ = pages.send(Err(why)).await;
        }
    }

    /// Hands over the keys of a listing page by page; ends early when nobody wants them.
    async fn keys(&self, listing: Listing, pages: &Sender<Page>) -> Result<(), String> {
        let mut token = None;
        loop {
            let page =
                self.page(&listing.prefix, listing.start_after.as_deref(), None, token.clone()).await?;
            let keys = page.contents().iter().filter_map(|object| object.key());
            let keys: Vec<String> = keys.map(|key| decoded(&page, key)).collect();
            let is_beyond = |key: &String| listing.end_before.as_ref().is_some_and(|end| key >= end);
            let is_last = keys.last().is_some_and(is_beyond);
            let keys: Vec<String> = keys.into_iter().take_while(|key| !is_beyond(key)).collect();
            if !keys.is_empty() && pages.send(Ok(keys)).await.is_err() {
                return Ok(());
            }
            match self.next(page, token)? {
                Some(next) if !is_last => token = Some(next),
                _ => return Ok(()),
            }
        }
    }

    async fn page(
        &self,
        prefix: &str,
        start_after: Option<&str>,
        delimiter: Option<&str>,
        token: Option<String>,
    ) -> Result<ListObjectsV2Output, String> {
        let client = self.place.s3();
        let answer = self.place.call(&LIST_OBJECTS, || {
            client
                .list_objects_v2()
                .bucket(&self.name)
                .prefix(prefix)
                .set_start_after(start_after.map(str::to_owned))
                .set_delimiter(delimiter.map(str::to_owned))
                .set_continuation_token(token.clone())
                // A key may have characters that XML cannot hold.
                .encoding_type(EncodingType::Url)
                .send()
        });
        match answer.await {
            Ok(Reply::Answer(page)) => Ok(page),
            Ok(Reply::Absent | Reply::Gone) => Err("there is no such bucket".to_owned()),
            Err(unseen) => Err(tell(&unseen, &LIST_OBJECTS, &self.arn)),
        }
    }

    /// The token of the page after this one, which was asked for by `token`.
    fn next(&self, page: ListObjectsV2Output, token: Option<String>) -> Result<Option<String>, String> {
        let wrong = |what: &str| Err(self.place.malformed(&LIST_OBJECTS, what).to_string());
        match page.next_continuation_token.filter(|next| !next.is_empty()) {
            next @ Some(_) if next == token => wrong("a page announces itself as the next"),
            None if page.is_truncated == Some(true) => wrong("a page announces another and does not name it"),
            next => Ok(next),
        }
    }
}

/// A key or prefix of a page as it is; S3 sends it as the field of a form, with `+` for a blank.
fn decoded(page: &ListObjectsV2Output, text: &str) -> String {
    if page.encoding_type() != Some(&EncodingType::Url) {
        return text.to_owned();
    }
    percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()
}
