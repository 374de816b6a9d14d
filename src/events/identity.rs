//! Where the members of `userIdentity` stand.
//!
//! [userIdentity](https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-user-identity.html)
//! is a third of a record, and what rules ask of any event whatever its name is in it. It is walked once for all of
//! them.

use super::json::{Json, Kind, Walk};

/// A member of `userIdentity`, or of an object in it, that has a place of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Member {
    Kind,
    PrincipalId,
    Arn,
    AccountId,
    AccessKeyId,
    UserName,
    InvokedBy,
    Session,
    Issuer,
    IssuerKind,
    IssuerPrincipalId,
    IssuerArn,
    IssuerAccountId,
    IssuerUserName,
    Attributes,
    MfaAuthenticated,
    CreationDate,
}

impl Member {
    /// How many there are.
    const COUNT: usize = Self::CreationDate as usize + 1;

    /// The member with this name in `userIdentity`, or in the member `parent` of it.
    pub(super) fn named(parent: Option<Self>, name: &[u8]) -> Option<Self> {
        Some(match (parent, name) {
            (None, b"type") => Self::Kind,
            (None, b"principalId") => Self::PrincipalId,
            (None, b"arn") => Self::Arn,
            (None, b"accountId") => Self::AccountId,
            (None, b"accessKeyId") => Self::AccessKeyId,
            (None, b"userName") => Self::UserName,
            (None, b"invokedBy") => Self::InvokedBy,
            (None, b"sessionContext") => Self::Session,
            (Some(Self::Session), b"sessionIssuer") => Self::Issuer,
            (Some(Self::Session), b"attributes") => Self::Attributes,
            (Some(Self::Issuer), b"type") => Self::IssuerKind,
            (Some(Self::Issuer), b"principalId") => Self::IssuerPrincipalId,
            (Some(Self::Issuer), b"arn") => Self::IssuerArn,
            (Some(Self::Issuer), b"accountId") => Self::IssuerAccountId,
            (Some(Self::Issuer), b"userName") => Self::IssuerUserName,
            (Some(Self::Attributes), b"mfaAuthenticated") => Self::MfaAuthenticated,
            (Some(Self::Attributes), b"creationDate") => Self::CreationDate,
            _ => return None,
        })
    }

    /// The member with the name that this text is.
    fn written(parent: Option<Self>, name: Json<'_>) -> Option<Self> {
        let written = name.text().strip_prefix('"')?.strip_suffix('"')?;
        // A name that is spelled with escapes has a backslash, as no member has.
        Self::named(parent, written.as_bytes()).or_else(|| Self::named(parent, name.as_str()?.as_bytes()))
    }

    /// The member at the end of a path of keys below `userIdentity`; `None` for one without a place.
    pub(super) fn at<S: AsRef<str>>(path: &[S]) -> Option<Self> {
        path.iter().try_fold(None, |parent, step| Self::named(parent, step.as_ref().as_bytes()).map(Some))?
    }

    /// Whether it has members with places.
    pub(super) const fn is_parent(self) -> bool {
        matches!(self, Self::Session | Self::Issuer | Self::Attributes)
    }
}

/// The places of the members of one `userIdentity`.
// Places and no texts: a record that finds texts late would be bound to one lifetime.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Identity {
    /// The first byte of each member in the text of the whole, and the one after its last.
    places: [Option<(u32, u32)>; Member::COUNT],
    /// Whether the whole or a parent is a list, whose elements have no places.
    pub(super) has_lists: bool,
}

impl Identity {
    /// Walks a `userIdentity`. Of a key that is given twice the first counts, as for [`Json::get`].
    ///
    /// `None` for one of 4 GiB and more, which has no places.
    pub(super) fn of(whole: Json<'_>) -> Option<Self> {
        u32::try_from(whole.text().len()).ok()?;
        let mut identity = Self::empty();
        identity.members(None, &mut whole.walk());
        Some(identity)
    }

    /// One whose members are yet to be found.
    pub(super) const fn empty() -> Self {
        Self { places: [None; Member::COUNT], has_lists: false }
    }

    /// Notes where a member stands: from its first byte in the text of the whole to the one after its last.
    pub(super) fn note(&mut self, member: Member, start: usize, end: usize) {
        if let Some(place) = self.places.get_mut(member as usize) {
            *place = u32::try_from(start).ok().zip(u32::try_from(end).ok());
        }
    }

    pub(super) fn has(&self, member: Member) -> bool {
        self.places.get(member as usize).is_some_and(Option::is_some)
    }

    /// Notes the members of the next value; the calls go as deep as parents do, which is three levels.
    fn members(&mut self, parent: Option<Member>, walk: &mut Walk<'_>) {
        match walk.kind() {
            Kind::Object => walk.over_bracket(),
            kind => {
                self.has_lists |= kind == Kind::Array;
                walk.value();
                return;
            }
        }
        while let Some(name) = walk.value() {
            let Some(start) = walk.start() else { return };
            let member = Member::written(parent, name);
            let Some(member) = member.filter(|member| !self.has(*member)) else {
                walk.value();
                continue;
            };
            if member.is_parent() {
                self.members(Some(member), walk);
            } else {
                walk.value();
            }
            self.note(member, start, walk.at());
        }
        walk.over_bracket();
    }

    /// The member of the `userIdentity` that was walked.
    pub(super) fn get<'a>(&self, whole: Json<'a>, member: Member) -> Option<Json<'a>> {
        let (start, end) = (*self.places.get(member as usize)?)?;
        whole.part(usize::try_from(start).ok()?, usize::try_from(end).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::record::{Key, Record};

    const PATHS: [&[&str]; 7] = [
        &["type"],
        &["arn"],
        &["sessionContext"],
        &["sessionContext", "sessionIssuer"],
        &["sessionContext", "sessionIssuer", "type"],
        &["sessionContext", "sessionIssuer", "arn"],
        &["sessionContext", "attributes", "mfaAuthenticated"],
    ];

    /// Going step by step is the simpler truth.
    #[test]
    fn members_are_those_that_steps_lead_to() {
        for identity in [
            "null",
            "7",
            r#"{"type":"Root"}"#,
            r#"{ "type" : "A" , "type":"B","\u0061rn":"x", "sessionContext": {"attributes":{"mfaAuthenticated":"true"},
                "sessionIssuer": {"arn": "y", "type": {"type":1}, "type": 2}}, "sessionContext":{"sessionIssuer":3}}"#,
            r#"{"sessionContext":"x","sessionIssuer":{"type":"no"},"attributes":{}}"#,
            r#"{"sessionContext":[{"sessionIssuer":{"type":"R"}}],"arn":[]}"#,
            r#"[{"type":"A"}]"#,
        ] {
            let text = format!(r#"{{"userIdentity":{identity}}}"#);
            let record = Record::parse(text.as_bytes()).unwrap();
            for path in PATHS {
                let steps = path
                    .iter()
                    .try_fold(record.value(Key::UserIdentity).unwrap(), |value, step| value.get(step));
                assert_eq!(record.at(Key::UserIdentity, path), steps, "{identity} {path:?}");
            }
        }
    }

    #[test]
    fn other_paths_have_no_place() {
        assert_eq!(Member::at::<&str>(&[]), None);
        assert_eq!(Member::at(&["sessionIssuer"]), None);
        assert_eq!(Member::at(&["type", "type"]), None);
        assert_eq!(Member::at(&["sessionContext", "sessionIssuer", "type"]), Some(Member::IssuerKind));
    }
}
