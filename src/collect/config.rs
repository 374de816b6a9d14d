//! AWS Config: the recorder of a region, its state, and where it delivers to.
//!
//! Calls, in every region:
//! [`DescribeConfigurationRecorders`](https://docs.aws.amazon.com/config/latest/APIReference/API_DescribeConfigurationRecorders.html),
//! [`DescribeConfigurationRecorderStatus`](https://docs.aws.amazon.com/config/latest/APIReference/API_DescribeConfigurationRecorderStatus.html)
//! and [`DescribeDeliveryChannels`](https://docs.aws.amazon.com/config/latest/APIReference/API_DescribeDeliveryChannels.html).
//!
//! Quirks: a region has one recorder of the customer at most; asked without a name, AWS answers with that one.
//! Recorders that belong to a service have a service principal and are left out all the same. `lastStatus` is
//! `Success` in the API and `SUCCESS` in AWS's texts, so it is kept in capitals; it is absent until the recorder
//! was started once. Which regions record global types is known when all of them were read, in [`super::across`].

use aws_sdk_config::Client;
use aws_sdk_config::types as sdk;
use schemars::JsonSchema;
use serde::Serialize;

use super::touch::{Change, Target};
use super::{Ask, Collected, Kind, Observed, Per, Row, Scope, answer, missing, text};
use crate::aws::{Call, Place};
use crate::inventory::{Facet, Unseen};

static DESCRIBE_RECORDERS: Call =
    Call::one("config", "DescribeConfigurationRecorders", "\"ConfigurationRecorders\"");
static DESCRIBE_RECORDER_STATUS: Call =
    Call::one("config", "DescribeConfigurationRecorderStatus", "\"ConfigurationRecordersStatus\"");
static DESCRIBE_DELIVERY_CHANNELS: Call =
    Call::one("config", "DescribeDeliveryChannels", "\"DeliveryChannels\"");

/// The resource type of a region's recorder.
pub static REGION: Kind = Kind {
    name: "aws.config.region",
    collection: "config_regions",
    single: true,
    scope: Scope::Regional,
    list: &[],
    facets: &[
        Row { field: "recorder", calls: &[&DESCRIBE_RECORDERS], per: Per::Place },
        Row { field: "status", calls: &[&DESCRIBE_RECORDER_STATUS], per: Per::Place },
        Row { field: "delivery_channels", calls: &[&DESCRIBE_DELIVERY_CHANNELS], per: Per::Place },
        Row { field: "global_types_recorded", calls: &[&DESCRIBE_RECORDERS], per: Per::Place },
    ],
    events: &[Change {
        source: "config.amazonaws.com",
        names: &[
            "AssociateResourceTypes",
            "DeleteConfigurationRecorder",
            "DeleteDeliveryChannel",
            "DisassociateResourceTypes",
            "PutConfigurationRecorder",
            "PutDeliveryChannel",
            "StartConfigurationRecorder",
            "StopConfigurationRecorder",
        ],
        target: Target::Place,
    }],
    schema: ConfigRegion::json_schema,
};

/// AWS Config in one region.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ConfigRegion {
    /// The customer's recorder; null when there is none.
    recorder: Facet<Option<Recorder>>,
    /// State of that recorder; null when there is none.
    status: Facet<Option<RecorderStatus>>,
    /// Where it delivers to.
    delivery_channels: Facet<Vec<DeliveryChannel>>,
    /// Whether a recorder in any region of the account records global types, such as those of IAM.
    global_types_recorded: Facet<bool>,
}

impl Observed for ConfigRegion {
    const KIND: &'static Kind = &REGION;
}

/// What a recorder records.
#[derive(Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Recorder {
    /// Its name.
    name: String,
    /// Whether it records every type of resource that Config supports.
    all_supported: bool,
    /// Whether global types, such as those of IAM, are among them.
    includes_global_types: bool,
}

/// State of a recorder.
#[derive(Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct RecorderStatus {
    /// Whether it is recording now.
    recording: bool,
    /// How its last delivery went, in capitals: `SUCCESS`, `PENDING`, `FAILURE`; null when it was never started.
    last_status: Option<String>,
}

/// Where a recorder delivers to.
#[derive(Debug, Serialize, JsonSchema)]
pub struct DeliveryChannel {
    /// Its name.
    name: String,
    /// Name of the bucket.
    bucket_name: String,
}

/// Collects the state of Config in one region.
pub async fn collect(ask: Ask<'_>) -> Collected {
    if !ask.wanted.kind(&REGION) {
        return Collected::nothing();
    }
    let client = ask.place.config();
    let recorder = async {
        let is_wanted =
            ["recorder", "global_types_recorded"].iter().any(|field| ask.wanted.field(&REGION, field));
        if is_wanted {
            Facet::from(read_recorder(ask.place, &client).await)
        } else {
            Facet::Unknown(ask.not_collected())
        }
    };
    let (recorder, status, delivery_channels, global_types_recorded) = futures::join!(
        recorder,
        ask.fill(&REGION, "status", read_status(ask.place, &client)),
        ask.fill(&REGION, "delivery_channels", read_delivery_channels(ask.place, &client)),
        ask.fill(&REGION, "global_types_recorded", async { Err(ask.later()) }),
    );
    ask.settings(&ConfigRegion { recorder, status, delivery_channels, global_types_recorded })
}

async fn read_recorder(place: &Place, client: &Client) -> Result<Option<Recorder>, Unseen> {
    let call = &DESCRIBE_RECORDERS;
    let reply = place.call(call, || client.describe_configuration_recorders().send()).await?;
    let listed = answer(place, call, reply)?.configuration_recorders;
    let listed = listed.ok_or_else(|| missing(place, call, "ConfigurationRecorders"))?;
    only(place, call, listed.into_iter().filter(is_customers))?
        .map(|found| recorder(found).map_err(|member| missing(place, call, member)))
        .transpose()
}

/// Whether a recorder is the customer's and not a service's.
fn is_customers(recorder: &sdk::ConfigurationRecorder) -> bool {
    recorder.service_principal.is_none() && recorder.recording_scope != Some(sdk::RecordingScope::Internal)
}

fn recorder(found: sdk::ConfigurationRecorder) -> Result<Recorder, &'static str> {
    let name = found.name.filter(|name| !name.is_empty()).ok_or("name")?;
    let group = found.recording_group.ok_or("recordingGroup")?;
    let strategy = group.recording_strategy.and_then(|strategy| strategy.use_only);
    // The strategy is newer than the flag, and AWS sets the flag along with it. Where they differ, it decides.
    let all_supported = match strategy {
        Some(strategy) => strategy == sdk::RecordingStrategyType::AllSupportedResourceTypes,
        None => group.all_supported,
    };
    Ok(Recorder { name, all_supported, includes_global_types: group.include_global_resource_types })
}

async fn read_status(place: &Place, client: &Client) -> Result<Option<RecorderStatus>, Unseen> {
    let call = &DESCRIBE_RECORDER_STATUS;
    let reply = place.call(call, || client.describe_configuration_recorder_status().send()).await?;
    let listed = answer(place, call, reply)?.configuration_recorders_status;
    let listed = listed.ok_or_else(|| missing(place, call, "ConfigurationRecordersStatus"))?;
    let customers = listed.into_iter().filter(|status| status.service_principal.is_none());
    Ok(only(place, call, customers)?.map(|found| status(&found)))
}

fn status(found: &sdk::ConfigurationRecorderStatus) -> RecorderStatus {
    RecorderStatus {
        recording: found.recording,
        last_status: found.last_status.as_ref().map(|status| status.as_str().to_ascii_uppercase()),
    }
}

/// The one that a region has at most; which of two would be meant nobody knows.
fn only<T>(place: &Place, call: &Call, listed: impl Iterator<Item = T>) -> Result<Option<T>, Unseen> {
    let mut listed = listed;
    let first = listed.next();
    match listed.next() {
        None => Ok(first),
        Some(_) => Err(place.malformed(call, "there are two recorders, and a region has one at most")),
    }
}

async fn read_delivery_channels(place: &Place, client: &Client) -> Result<Vec<DeliveryChannel>, Unseen> {
    let call = &DESCRIBE_DELIVERY_CHANNELS;
    let reply = place.call(call, || client.describe_delivery_channels().send()).await?;
    let listed = answer(place, call, reply)?.delivery_channels;
    let listed = listed.ok_or_else(|| missing(place, call, "DeliveryChannels"))?;
    let channel = |found: sdk::DeliveryChannel| {
        Ok(DeliveryChannel {
            name: text(place, call, "name", found.name)?,
            bucket_name: text(place, call, "s3BucketName", found.s3_bucket_name)?,
        })
    };
    listed.into_iter().map(channel).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(all: bool, strategy: Option<&str>) -> sdk::RecordingGroup {
        let strategy = strategy.map(|only| {
            sdk::RecordingStrategy::builder().use_only(sdk::RecordingStrategyType::from(only)).build()
        });
        sdk::RecordingGroup::builder().all_supported(all).set_recording_strategy(strategy).build()
    }

    fn of(group: sdk::RecordingGroup) -> sdk::ConfigurationRecorder {
        sdk::ConfigurationRecorder::builder().name("default").recording_group(group).build()
    }

    #[test]
    fn all_types_but_some_are_not_all() {
        for (flag, strategy, expected) in [
            (true, None, true),
            (false, None, false),
            (true, Some("ALL_SUPPORTED_RESOURCE_TYPES"), true),
            (false, Some("ALL_SUPPORTED_RESOURCE_TYPES"), true),
            (true, Some("EXCLUSION_BY_RESOURCE_TYPES"), false),
            (false, Some("INCLUSION_BY_RESOURCE_TYPES"), false),
        ] {
            let read = recorder(of(group(flag, strategy))).unwrap();
            assert_eq!(read.all_supported, expected, "{flag} {strategy:?}");
        }
        let without = sdk::ConfigurationRecorder::builder().name("default").build();
        assert_eq!(recorder(without), Err("recordingGroup"));
    }

    #[test]
    fn the_recorder_of_a_service_is_not_the_customers() {
        assert!(is_customers(&of(group(true, None))));
        let services =
            sdk::ConfigurationRecorder::builder().service_principal("securityhub.amazonaws.com").build();
        assert!(!is_customers(&services));
        let internal =
            sdk::ConfigurationRecorder::builder().recording_scope(sdk::RecordingScope::Internal).build();
        assert!(!is_customers(&internal));
    }

    #[test]
    fn the_last_status_is_in_capitals_however_it_is_spelled() {
        for spelled in ["Success", "SUCCESS", "success"] {
            let found = sdk::ConfigurationRecorderStatus::builder()
                .recording(true)
                .last_status(sdk::RecorderStatus::from(spelled))
                .build();
            assert_eq!(status(&found).last_status.as_deref(), Some("SUCCESS"), "{spelled}");
        }
        let never = sdk::ConfigurationRecorderStatus::builder().build();
        assert_eq!(status(&never), RecorderStatus { recording: false, last_status: None });
    }
}
