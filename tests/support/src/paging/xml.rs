//! Cutting the lists of an XML answer, by the positions of their elements: what is not cut stays byte
//! for byte.

use std::ops::Range;

use anyhow::{Context, Result, bail, ensure};
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::table::{Form, Listing, MAY_BE_MISSING};

/// Where the lists of an answer are.
#[derive(Debug)]
pub(super) struct Layout<'a> {
    body: &'a str,
    lists: Vec<List>,
    /// The elements that speak of further pages.
    marks: Vec<Range<usize>>,
    /// The text of the token element.
    pub(super) token: Option<String>,
    /// Where the element that holds the lists ends.
    end: usize,
}

#[derive(Debug)]
struct List {
    name: &'static str,
    whole: Range<usize>,
    items: Vec<Range<usize>>,
}

impl<'a> Layout<'a> {
    /// Finds the lists of `listing`, all of which must be there.
    pub(super) fn read(body: &'a str, listing: &Listing) -> Result<Self> {
        let mut scan = Scan::of(listing);
        let mut reader = Reader::from_str(body);
        let mut at = 0;
        loop {
            let event = reader.read_event()?;
            let after = usize::try_from(reader.buffer_position())?;
            match event {
                Event::Start(tag) => scan.open(&tag, at),
                Event::Empty(tag) => {
                    scan.open(&tag, at);
                    scan.close(at..after, body);
                }
                Event::End(_) => scan.close(at..after, body),
                Event::Eof => break,
                _ => {}
            }
            at = after;
        }
        for name in listing.lists {
            let found = scan.lists.iter().filter(|list| list.name == *name).count();
            let is_left_out = found == 0 && MAY_BE_MISSING.contains(name);
            ensure!(
                found == 1 || is_left_out,
                "the answer of {} has {found} elements `{name}`",
                listing.operation
            );
        }
        let end = scan.end.context("the element that holds the lists does not end")?;
        Ok(Self { body, lists: scan.lists, marks: scan.marks, token: scan.token, end })
    }

    /// Items of a list, as text.
    pub(super) fn items(&self, name: &str) -> Vec<&'a str> {
        let list = self.lists.iter().find(|list| list.name == name);
        list.into_iter().flat_map(|list| &list.items).filter_map(|item| self.body.get(item.clone())).collect()
    }

    /// The answer with other items in its lists and `marks` in place of what it said of further pages.
    pub(super) fn with(&self, items: impl Fn(&str) -> Vec<&'a str>, marks: &str) -> Result<String> {
        let mut edits: Vec<(Range<usize>, String)> = Vec::new();
        for list in &self.lists {
            let text = format!("<{0}>{1}</{0}>", list.name, items(list.name).concat());
            edits.push((list.whole.clone(), text));
        }
        edits.extend(self.marks.iter().map(|mark| (mark.clone(), String::new())));
        edits.push((self.end..self.end, marks.to_owned()));
        edits.sort_by_key(|(range, _)| range.start);
        let mut text = String::with_capacity(self.body.len());
        let mut from = 0;
        for (range, replacement) in edits {
            text.push_str(self.body.get(from..range.start).context("elements overlap")?);
            text.push_str(&replacement);
            from = range.end;
        }
        text.push_str(self.body.get(from..).context("elements overlap")?);
        Ok(text)
    }
}

/// The elements open at a point, and what was found so far.
struct Scan<'a> {
    listing: &'a Listing,
    /// Depth of the element that holds the lists; the root has depth 1.
    container: usize,
    open: Vec<(String, usize)>,
    items: Vec<Range<usize>>,
    lists: Vec<List>,
    marks: Vec<Range<usize>>,
    token: Option<String>,
    end: Option<usize>,
}

impl<'a> Scan<'a> {
    fn of(listing: &'a Listing) -> Self {
        Self {
            listing,
            container: if listing.form.has_result() { 2 } else { 1 },
            open: Vec::new(),
            items: Vec::new(),
            lists: Vec::new(),
            marks: Vec::new(),
            token: None,
            end: None,
        }
    }

    fn open(&mut self, tag: &BytesStart<'_>, at: usize) {
        self.open.push((String::from_utf8_lossy(tag.name().as_ref()).into_owned(), at));
    }

    /// The element that was opened last ends; `tag` is its end tag, or the whole of an empty element.
    fn close(&mut self, tag: Range<usize>, body: &str) {
        let depth = self.open.len();
        let Some((name, start)) = self.open.pop() else {
            return;
        };
        if !self.is_in_container(&name, depth) {
            return;
        }
        if depth == self.container {
            self.end = Some(tag.start);
        } else if depth == self.container + 1 {
            self.child(&name, start, tag, body);
        } else if depth == self.container + 2 {
            self.items.push(start..tag.end);
        }
    }

    /// IAM has `ResponseMetadata` beside the element that holds the lists.
    fn is_in_container(&self, name: &str, depth: usize) -> bool {
        let container = match self.container.checked_sub(1).and_then(|index| self.open.get(index)) {
            Some((container, _)) => container,
            None if depth == self.container => name,
            None => return false,
        };
        !self.listing.form.has_result() || container.ends_with("Result")
    }

    fn child(&mut self, name: &str, start: usize, tag: Range<usize>, body: &str) {
        let items = std::mem::take(&mut self.items);
        let form = self.listing.form;
        if let Some(list) = self.listing.lists.iter().find(|list| **list == name) {
            self.lists.push(List { name: list, whole: start..tag.end, items });
        } else if name == form.answer_token() {
            let inner = body.get(start..tag.start).and_then(|text| text.split_once('>'));
            self.token = inner.map(|(_, text)| text.trim().to_owned()).filter(|text| !text.is_empty());
            self.marks.push(start..tag.end);
        } else if Some(name) == form.truncated() {
            self.marks.push(start..tag.end);
        }
    }
}

/// The elements that tell of a next page, or of none.
pub(super) fn marks(form: Form, token: Option<&str>) -> Result<String> {
    let mut marks = String::new();
    if let Some(name) = form.truncated() {
        marks.push_str(&format!("<{name}>{}</{name}>", token.is_some()));
    }
    if let Some(token) = token {
        if token.contains(['<', '&']) {
            bail!("the token `{token}` is not plain");
        }
        let name = form.answer_token();
        marks.push_str(&format!("<{name}>{token}</{name}>"));
    }
    Ok(marks)
}
