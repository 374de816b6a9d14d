//! Pages: cutting one answer into several, and joining several to one.
//!
//! The emulator answers most lists whole. Here they are cut into contiguous parts, of which some are
//! empty when there are fewer items than pages: AWS answers empty pages that have a next one, too.

mod table;
mod xml;

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Range;

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value};

use crate::answer::Answer;
use crate::wire::Call;
use table::{Form, Listing, find};
use xml::Layout;

/// Whether the server knows how `service:Operation` pages.
#[must_use]
pub fn knows(operation: &str) -> bool {
    find(operation).is_some()
}

/// How often each page of one list was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PagesServed {
    /// The request for the first page.
    pub call: Call,
    /// How many pages the list has.
    pub of: usize,
    /// Page, from 1 → how often it was asked for.
    pub asked: BTreeMap<usize, usize>,
}

impl PagesServed {
    /// Whether every page was asked for.
    #[must_use]
    pub fn was_read_to_its_end(&self) -> bool {
        (1..=self.of).all(|page| self.asked.contains_key(&page))
    }
}

/// The call of the first page, and the page that is asked for, from 1.
///
/// # Errors
/// When the token is not one that [`split`] gave for this very list.
pub(crate) fn asked(call: &Call) -> Result<(Call, usize)> {
    let mut first = call.clone();
    let token = find(&call.operation).and_then(|listing| first.params.remove(listing.form.request_token()));
    let Some(token) = token else {
        return Ok((first, 1));
    };
    let page = token
        .strip_prefix("page-")
        .and_then(|rest| rest.split_once('-'))
        .and_then(|(page, list)| (list == fingerprint(&first)).then(|| page.parse().ok())?)
        .filter(|page| *page > 0);
    match page {
        Some(page) => Ok((first, page)),
        None => bail!("`{token}` is not a token of {first}"),
    }
}

/// The token of a page: only good for the list it was given out with.
fn token(first: &Call, page: usize) -> String {
    format!("page-{page}-{}", fingerprint(first))
}

fn fingerprint(call: &Call) -> String {
    let mut hasher = DefaultHasher::new();
    call.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

/// One page of an answer, with the token of the next. What is not a list, or an error, stays whole.
pub(crate) fn split(first: &Call, answer: Answer, page: usize, of: usize) -> Result<Answer> {
    let Some(listing) = find(&first.operation).filter(|_| answer.is_success()) else {
        return Ok(answer);
    };
    let next = (page < of).then(|| token(first, page + 1));
    let part = |items: usize| (page - 1) * items / of..page * items / of;
    let body = if listing.form.is_json() {
        split_json(listing, &answer.body, part, next.as_deref())
    } else {
        split_xml(listing, &answer.body, part, next.as_deref())
    };
    Ok(Answer { body: body.with_context(|| format!("no pages can be made of {first}"))?, ..answer })
}

fn split_xml(
    listing: &Listing,
    body: &str,
    part: impl Fn(usize) -> Range<usize>,
    next: Option<&str>,
) -> Result<String> {
    let layout = Layout::read(body, listing)?;
    let items = |name: &str| {
        let all = layout.items(name);
        all.get(part(all.len())).unwrap_or_default().to_vec()
    };
    layout.with(items, &xml::marks(listing.form, next)?)
}

fn split_json(
    listing: &Listing,
    body: &str,
    part: impl Fn(usize) -> Range<usize>,
    next: Option<&str>,
) -> Result<String> {
    let mut members: Map<String, Value> = serde_json::from_str(body)?;
    for name in listing.lists {
        let items = list_member(&mut members, name)?;
        *items = items.get(part(items.len())).unwrap_or_default().to_vec();
    }
    set_marks(&mut members, listing.form, next);
    Ok(Value::Object(members).to_string())
}

fn list_member<'a>(members: &'a mut Map<String, Value>, name: &str) -> Result<&'a mut Vec<Value>> {
    let member = members.get_mut(name).and_then(Value::as_array_mut);
    member.with_context(|| format!("the answer has no list `{name}`"))
}

fn set_marks(members: &mut Map<String, Value>, form: Form, next: Option<&str>) {
    if let Some(name) = form.truncated() {
        members.insert(name.to_owned(), Value::Bool(next.is_some()));
    }
    members.remove(form.answer_token());
    members.extend(next.map(|token| (form.answer_token().to_owned(), token.into())));
}

/// Joins the pages of each list, so that a recording holds every list whole. Pages whose first page is
/// missing are left out: nothing leads to them.
pub(crate) fn join(mut answers: BTreeMap<Call, Answer>) -> Result<BTreeMap<Call, Answer>> {
    let mut later: BTreeMap<(Call, String), Answer> = BTreeMap::new();
    let mut whole = BTreeMap::new();
    while let Some((mut call, answer)) = answers.pop_first() {
        let token = find(&call.operation).and_then(|of| call.params.remove(of.form.request_token()));
        match token {
            Some(token) => drop(later.insert((call, token), answer)),
            None => drop(whole.insert(call, answer)),
        }
    }
    for (call, answer) in &mut whole {
        let Some(listing) = find(&call.operation).filter(|_| answer.is_success()) else {
            continue;
        };
        let mut pages = vec![answer.body.clone()];
        let mut next = next_token(listing, &answer.body)?;
        while let Some(token) = next {
            let page = later
                .remove(&(call.clone(), token))
                .filter(Answer::is_success)
                .with_context(|| format!("{call} was not read to its end"))?;
            next = next_token(listing, &page.body)?;
            pages.push(page.body);
        }
        if pages.len() > 1 {
            answer.body = join_pages(listing, &pages)?;
        }
    }
    Ok(whole)
}

fn next_token(listing: &Listing, body: &str) -> Result<Option<String>> {
    if !listing.form.is_json() {
        return Ok(Layout::read(body, listing)?.token);
    }
    let members: Map<String, Value> = serde_json::from_str(body)?;
    let token = members.get(listing.form.answer_token()).and_then(Value::as_str);
    Ok(token.filter(|token| !token.is_empty()).map(str::to_owned))
}

fn join_pages(listing: &Listing, pages: &[String]) -> Result<String> {
    if !listing.form.is_json() {
        let layouts = pages.iter().map(|page| Layout::read(page, listing)).collect::<Result<Vec<_>>>()?;
        let items = |name: &str| layouts.iter().flat_map(|layout| layout.items(name)).collect();
        let first = layouts.first().context("no pages")?;
        return first.with(items, &xml::marks(listing.form, None)?);
    }
    let mut pages = pages.iter().map(|page| serde_json::from_str::<Map<String, Value>>(page));
    let mut whole = pages.next().context("no pages")??;
    for page in pages {
        let mut page = page?;
        for name in listing.lists {
            let more = std::mem::take(list_member(&mut page, name)?);
            list_member(&mut whole, name)?.extend(more);
        }
    }
    set_marks(&mut whole, listing.form, None);
    Ok(Value::Object(whole).to_string())
}

/// Lists that come whole, whatever their length.
static UNPAGED: &[(&str, &str)] = &[("cloudtrail:DescribeTrails", "trailList")];

/// A list, whole, with other items in it; they are handed over as text. What is no list stays as it is.
pub(crate) fn with_items(
    operation: &str,
    body: &str,
    change: impl Fn(Vec<String>) -> Vec<String>,
) -> Result<String> {
    if let Some((_, name)) = UNPAGED.iter().find(|(unpaged, _)| *unpaged == operation) {
        return with_json_items(&[name], body, change);
    }
    let Some(listing) = find(operation) else {
        return Ok(body.to_owned());
    };
    if listing.form.is_json() {
        return with_json_items(listing.lists, body, change);
    }
    let layout = Layout::read(body, listing)?;
    let changed =
        |name: &&'static str| (*name, change(layout.items(name).into_iter().map(str::to_owned).collect()));
    let lists: BTreeMap<&str, Vec<String>> = listing.lists.iter().map(changed).collect();
    let items = |name: &str| lists.get(name).into_iter().flatten().map(String::as_str).collect();
    layout.with(items, &xml::marks(listing.form, None)?)
}

fn with_json_items(
    lists: &[&str],
    body: &str,
    change: impl Fn(Vec<String>) -> Vec<String>,
) -> Result<String> {
    let mut members: Map<String, Value> = serde_json::from_str(body)?;
    for name in lists {
        let items = list_member(&mut members, name)?;
        let changed = change(items.iter().map(Value::to_string).collect());
        *items = changed.iter().map(|item| serde_json::from_str(item)).collect::<Result<_, _>>()?;
    }
    Ok(Value::Object(members).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(operation: &str) -> Call {
        Call {
            account: "123456789012".to_owned(),
            region: "us-east-1".to_owned(),
            operation: operation.to_owned(),
            params: BTreeMap::new(),
        }
    }

    /// Reads all pages as a client does, and gives their bodies.
    fn read(first: &Call, answer: &Answer, of: usize) -> Vec<String> {
        let listing = find(&first.operation).unwrap();
        let mut bodies = Vec::new();
        let mut next = first.clone();
        loop {
            let (base, page) = asked(&next).unwrap();
            assert_eq!((&base, page), (first, bodies.len() + 1));
            let body = split(&base, answer.clone(), page, of).unwrap().body;
            let token = next_token(listing, &body).unwrap();
            bodies.push(body);
            let Some(token) = token else {
                return bodies;
            };
            next.params.insert(listing.form.request_token().to_owned(), token);
        }
    }

    /// Pages joined again are what they were cut from.
    fn rejoined(first: &Call, bodies: &[String], answer: &Answer) -> String {
        let listing = find(&first.operation).unwrap();
        let mut answers = BTreeMap::new();
        let mut next = first.clone();
        for body in bodies {
            answers.insert(next.clone(), Answer { body: body.clone(), ..answer.clone() });
            if let Some(token) = next_token(listing, body).unwrap() {
                next.params.insert(listing.form.request_token().to_owned(), token);
            }
        }
        let mut whole = join(answers).unwrap();
        assert_eq!(whole.len(), 1);
        whole.remove(first).unwrap().body
    }

    #[test]
    fn iam_lists() {
        let first = call("iam:ListUsers");
        let whole = "<?xml version=\"1.0\"?>\n<ListUsersResponse xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\"><ListUsersResult>\
            <Users><member><UserName>a&amp;b</UserName><Tags><member/></Tags></member> <member>c</member></Users>\
            <IsTruncated>false</IsTruncated></ListUsersResult><ResponseMetadata><Users/></ResponseMetadata></ListUsersResponse>";
        let answer = Answer::xml(whole);
        let pages = read(&first, &answer, 3);
        assert_eq!(pages.len(), 3);
        assert!(pages[0].contains("<Users></Users><IsTruncated>true</IsTruncated><Marker>page-2-"));
        assert!(pages[1].contains("<UserName>a&amp;b</UserName><Tags><member/></Tags></member></Users>"));
        assert!(
            pages[2].contains(
                "<Users><member>c</member></Users><IsTruncated>false</IsTruncated></ListUsersResult>"
            )
        );
        assert!(pages[2].contains("<ResponseMetadata><Users/></ResponseMetadata>"));
        assert_eq!(rejoined(&first, &pages, &answer), whole.replace("</member> <", "</member><"));
    }

    #[test]
    fn three_lists_in_one_answer() {
        let first = call("iam:ListEntitiesForPolicy");
        let whole = "<R><ListEntitiesForPolicyResult><PolicyRoles><member>1</member></PolicyRoles><PolicyGroups/>\
            <IsTruncated>false</IsTruncated><PolicyUsers><member>2</member><member>3</member></PolicyUsers>\
            </ListEntitiesForPolicyResult></R>";
        let pages = read(&first, &Answer::xml(whole), 2);
        assert!(pages[0].contains("<PolicyRoles></PolicyRoles><PolicyGroups></PolicyGroups>"));
        assert!(pages[0].contains("<PolicyUsers><member>2</member></PolicyUsers>"));
        assert!(pages[1].contains("<PolicyRoles><member>1</member></PolicyRoles>"));
        assert!(pages[1].contains("<PolicyUsers><member>3</member></PolicyUsers>"));
        let missing = Answer::xml("<R><ListEntitiesForPolicyResult/></R>");
        let error = format!("{:#}", split(&first, missing, 1, 2).unwrap_err());
        assert!(error.contains("has 0 elements `PolicyGroups`"), "{error}");
    }

    #[test]
    fn ec2_lists() {
        let first = call("ec2:DescribeVpcs");
        let whole = "<DescribeVpcsResponse><requestId>r</requestId><vpcSet>\n<item><vpcId>1</vpcId><tagSet><item/></tagSet></item>\
            <item>2</item><item>3</item><item>4</item>\n</vpcSet></DescribeVpcsResponse>";
        let pages = read(&first, &Answer::xml(whole), 3);
        assert!(pages[0].ends_with(&format!(
            "<vpcSet><item><vpcId>1</vpcId><tagSet><item/></tagSet></item></vpcSet><nextToken>{}</nextToken></DescribeVpcsResponse>",
            token(&first, 2)
        )));
        assert!(pages[1].contains("<vpcSet><item>2</item></vpcSet>"));
        assert!(pages[2].ends_with("<vpcSet><item>3</item><item>4</item></vpcSet></DescribeVpcsResponse>"));
    }

    #[test]
    fn buckets() {
        let first = call("s3:ListBuckets");
        let whole = "<ListAllMyBucketsResult><Owner><ID>o</ID></Owner><Buckets><Bucket><Name>a</Name></Bucket></Buckets></ListAllMyBucketsResult>";
        let answer = Answer::xml(whole);
        let pages = read(&first, &answer, 3);
        assert_eq!(pages.len(), 3);
        assert!(pages[0].contains("<Buckets></Buckets><ContinuationToken>"));
        assert!(pages[2].contains("<Name>a</Name>"));
        assert_eq!(rejoined(&first, &pages, &answer), whole);
    }

    #[test]
    fn json_lists() {
        for (operation, member, token) in
            [("organizations:ListAccounts", "Accounts", "NextToken"), ("kms:ListKeys", "Keys", "NextMarker")]
        {
            let first = call(operation);
            let answer = Answer::json(&serde_json::json!({ member: [{"Id": 1}, {"Id": 2}] }));
            let pages = read(&first, &answer, 3);
            assert_eq!(pages.len(), 3);
            let pages: Vec<Value> = pages.iter().map(|page| serde_json::from_str(page).unwrap()).collect();
            let items: Vec<_> = pages.iter().map(|page| page[member].to_string()).collect();
            assert_eq!(items, ["[]", r#"[{"Id":1}]"#, r#"[{"Id":2}]"#]);
            assert!(pages[1][token].is_string() && pages[2].get(token).is_none());
        }
        let empty = Answer::json(&serde_json::json!({}));
        assert!(split(&call("kms:ListKeys"), empty, 1, 2).is_err());
    }

    #[test]
    fn a_token_is_good_for_its_own_list_only() {
        let mut other = call("iam:ListUsers");
        other.params.insert("Marker".to_owned(), token(&call("iam:ListRoles"), 2));
        assert!(asked(&other).unwrap_err().to_string().contains("is not a token of iam:ListUsers"));
        other.params.insert("Marker".to_owned(), token(&call("iam:ListUsers"), 2));
        assert_eq!(asked(&other).unwrap().1, 2);
        // Not a list: a parameter that happens to be called so.
        let mut single = call("ec2:GetEbsEncryptionByDefault");
        single.params.insert("NextToken".to_owned(), "x".to_owned());
        assert_eq!(asked(&single).unwrap(), (single, 1));
    }

    #[test]
    fn errors_and_single_answers_stay_whole() {
        let answer = Answer { status: 400, ..Answer::xml("<Error/>") };
        assert_eq!(split(&call("iam:ListUsers"), answer.clone(), 1, 3).unwrap(), answer);
        let answer = Answer::xml("<GetUserResponse/>");
        assert_eq!(split(&call("iam:GetUser"), answer.clone(), 1, 3).unwrap(), answer);
    }

    #[test]
    fn a_list_recorded_without_its_end_is_refused() {
        let answers = BTreeMap::from([(
            call("organizations:ListRoots"),
            Answer::json(&serde_json::json!({ "Roots": [], "NextToken": "t" })),
        )]);
        assert!(join(answers).unwrap_err().to_string().ends_with("was not read to its end"));
    }
}
