//! The account itself: whom AWS can reach about it, and what controls on absence ("no trail records
//! everything") are about.
//!
//! Calls: [`GetContactInformation`](https://docs.aws.amazon.com/accounts/latest/reference/API_GetContactInformation.html)
//! and [`GetAlternateContact`](https://docs.aws.amazon.com/accounts/latest/reference/API_GetAlternateContact.html) for
//! the security contact, both without `AccountId`: an account is asked about itself, which needs no trusted access.
//!
//! Quirks: names, addresses and telephone numbers are personal data, so that none of them is kept: what is
//! noted of each is whether it is there. `ResourceNotFoundException` says that there is no contact. The contacts of
//! an account in AWS GovCloud (US) are those of
//! [the standard account that it belongs to](https://docs.aws.amazon.com/govcloud-us/latest/UserGuide/govcloud-account-management.html).

use aws_sdk_account::Client;
use aws_sdk_account::types::{self as sdk, AlternateContactType};
use schemars::JsonSchema;
use serde::Serialize;

use super::touch::{Change, Target};
use super::{Ask, Collected, Kind, Observed, Per, Row, Scope, missing};
use crate::aws::{Call, Place};
use crate::inventory::{Facet, Unseen};

static GET_CONTACT_INFORMATION: Call = Call::one("account", "GetContactInformation", "ContactInformation")
    .absent(&["ResourceNotFoundException"]);
static GET_ALTERNATE_CONTACT: Call =
    Call::one("account", "GetAlternateContact", "AlternateContact").absent(&["ResourceNotFoundException"]);

/// The resource type of accounts.
pub static ACCOUNT: Kind = Kind {
    name: "aws.account",
    collection: "",
    single: true,
    scope: Scope::Global,
    list: &[],
    facets: &[
        Row { field: "contact_information", calls: &[&GET_CONTACT_INFORMATION], per: Per::Place },
        Row { field: "security_contact", calls: &[&GET_ALTERNATE_CONTACT], per: Per::Place },
    ],
    events: &[Change {
        source: "account.amazonaws.com",
        names: &["DeleteAlternateContact", "PutAlternateContact", "PutContactInformation"],
        target: Target::Place,
    }],
    schema: Account::json_schema,
};

/// An account. Expressions reach everything in it through `account`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Account {
    /// The owner of the account, as far as it is filled in; null when nothing is.
    contact_information: Facet<Option<ContactInformation>>,
    /// The alternate contact for security; null when there is none.
    security_contact: Facet<Option<SecurityContact>>,
}

impl Observed for Account {
    const KIND: &'static Kind = &ACCOUNT;
}

/// Which details of the account's owner are there. The details themselves are not kept.
#[derive(Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ContactInformation {
    /// Whether there is a name.
    has_full_name: bool,
    /// Whether there is a street address.
    has_address: bool,
    /// Whether there is a city.
    has_city: bool,
    /// Whether there is a postal code.
    has_postal_code: bool,
    /// Whether there is a country.
    has_country: bool,
    /// Whether there is a telephone number.
    has_phone_number: bool,
}

/// Which details of the contact for security are there. The details themselves are not kept.
#[derive(Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct SecurityContact {
    /// Whether there is a name.
    has_name: bool,
    /// Whether there is an e-mail address.
    has_email: bool,
    /// Whether there is a telephone number.
    has_phone_number: bool,
}

/// The account as a resource.
pub async fn collect(ask: Ask<'_>, name: &str) -> Collected {
    if !ask.wanted.kind(&ACCOUNT) {
        return Collected::nothing();
    }
    let client = ask.place.account_management();
    let (contact_information, security_contact) = futures::join!(
        ask.fill(&ACCOUNT, "contact_information", read_contact_information(ask.place, &client)),
        ask.fill(&ACCOUNT, "security_contact", read_security_contact(ask.place, &client)),
    );
    let arn = ask.arn("iam", "", "root");
    let observed = Account { contact_information, security_contact };
    let resource = ask.resource(arn, name.to_owned(), &observed);
    Collected::of(ask.place, &ACCOUNT, vec![resource], Ok(()))
}

async fn read_contact_information(
    place: &Place,
    client: &Client,
) -> Result<Option<ContactInformation>, Unseen> {
    let call = &GET_CONTACT_INFORMATION;
    let Some(output) = place.call(call, || client.get_contact_information().send()).await?.found() else {
        return Ok(None);
    };
    let found = output.contact_information.ok_or_else(|| missing(place, call, "ContactInformation"))?;
    contact_information(&found).map(Some).map_err(|member| missing(place, call, member))
}

/// What is filled in, or the member that is missing: AWS demands each of them, with a character at least.
fn contact_information(found: &sdk::ContactInformation) -> Result<ContactInformation, &'static str> {
    let filled = |text: &str, member| if text.is_empty() { Err(member) } else { Ok(!text.trim().is_empty()) };
    Ok(ContactInformation {
        has_full_name: filled(&found.full_name, "FullName")?,
        has_address: filled(&found.address_line1, "AddressLine1")?,
        has_city: filled(&found.city, "City")?,
        has_postal_code: filled(&found.postal_code, "PostalCode")?,
        has_country: filled(&found.country_code, "CountryCode")?,
        has_phone_number: filled(&found.phone_number, "PhoneNumber")?,
    })
}

async fn read_security_contact(place: &Place, client: &Client) -> Result<Option<SecurityContact>, Unseen> {
    let call = &GET_ALTERNATE_CONTACT;
    let ask = || client.get_alternate_contact().alternate_contact_type(AlternateContactType::Security).send();
    let Some(output) = place.call(call, ask).await?.found() else {
        return Ok(None);
    };
    let found = output.alternate_contact.ok_or_else(|| missing(place, call, "AlternateContact"))?;
    Ok(Some(security_contact(&found)))
}

fn security_contact(found: &sdk::AlternateContact) -> SecurityContact {
    let is_filled = |text: Option<&str>| text.is_some_and(|text| !text.trim().is_empty());
    SecurityContact {
        has_name: is_filled(found.name()),
        has_email: is_filled(found.email_address()),
        has_phone_number: is_filled(found.phone_number()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::canned;

    #[test]
    fn no_contact_is_an_answer_and_a_denial_is_none() {
        let fields = ["contact_information", "security_contact"];
        let nobody = canned::refusing(404, "ResourceNotFoundException", "No contact was found.");
        let nobody = canned::collect(&ACCOUNT, &fields, nobody);
        let denied = canned::collect(&ACCOUNT, &fields, canned::refusing(403, "AccessDeniedException", "no"));
        for field in fields {
            assert_eq!(*nobody.known(field), serde_json::Value::Null, "{field}");
            assert!(denied.is_denied(field), "{field}");
        }
    }

    /// With its id an account would need trusted access, even for itself.
    #[test]
    fn an_account_asks_about_itself_without_its_id() {
        let nobody = canned::refusing(404, "ResourceNotFoundException", "No contact was found.");
        let seen = canned::collect(&ACCOUNT, &["contact_information", "security_contact"], nobody);
        assert_eq!(seen.asked("account:GetContactInformation", "AccountId"), [None]);
        assert_eq!(seen.asked("account:GetAlternateContact", "AccountId"), [None]);
        assert_eq!(seen.asked("account:GetAlternateContact", "AlternateContactType"), [Some("SECURITY")]);
    }

    fn owner(city: &str) -> sdk::ContactInformation {
        sdk::ContactInformation::builder()
            .full_name("Ann Example")
            .address_line1("1 Main Street")
            .city(city)
            .postal_code("12345")
            .country_code("DE")
            .phone_number("+49 30 123")
            .build()
            .unwrap()
    }

    #[test]
    fn blank_is_not_filled_in_and_missing_is_not_understood() {
        assert!(contact_information(&owner("Berlin")).unwrap().has_city);
        assert!(!contact_information(&owner(" \t")).unwrap().has_city);
        assert_eq!(contact_information(&owner("")), Err("City"));
    }

    #[test]
    fn nothing_of_a_contact_is_kept_but_that_it_is_there() {
        let contact =
            sdk::AlternateContact::builder().name("Ann").email_address("a@example.com").phone_number(" ");
        let read = security_contact(&contact.build());
        assert_eq!(
            serde_json::to_value(&read).unwrap(),
            serde_json::json!({ "has_name": true, "has_email": true, "has_phone_number": false })
        );
        let read = serde_json::to_value(contact_information(&owner("Berlin")).unwrap()).unwrap();
        assert!(read.as_object().unwrap().values().all(serde_json::Value::is_boolean), "{read}");
    }
}
