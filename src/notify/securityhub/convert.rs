//! From findings in the format of Security Hub to the types of its client.

use std::collections::HashMap;

use aws_sdk_securityhub::types::{
    AwsSecurityFinding, Compliance, FindingProviderFields, FindingProviderSeverity, Partition,
    Recommendation, RecordState, Remediation, Resource, StatusReason,
};

use crate::report::asff::{self, AsffFinding, AsffResource};

/// The finding. Severity and types go in as the provider's: [those of the finding
/// itself](https://docs.aws.amazon.com/securityhub/latest/userguide/finding-update-batchimportfindings.html) belong
/// to whoever works on it.
pub(super) fn finding(told: AsffFinding) -> AwsSecurityFinding {
    let provided = told.finding_provider_fields;
    let severity = FindingProviderSeverity::builder()
        .label(provided.severity.label.into())
        .original(provided.severity.original)
        .build();
    let types = provided.types.into_iter().map(str::to_owned).collect();
    AwsSecurityFinding::builder()
        .schema_version(told.schema_version)
        .id(told.id)
        .product_arn(told.product_arn)
        .generator_id(told.generator_id)
        .aws_account_id(told.aws_account_id)
        .created_at(told.created_at)
        .updated_at(told.updated_at)
        .first_observed_at(told.first_observed_at)
        .last_observed_at(told.last_observed_at)
        .title(told.title)
        .description(told.description)
        .set_remediation(told.remediation.map(remediation))
        .set_product_fields(Some(HashMap::from_iter(told.product_fields)))
        .set_resources(Some(told.resources.into_iter().map(resource).collect()))
        .compliance(compliance(told.compliance))
        .record_state(told.record_state.into())
        .finding_provider_fields(
            FindingProviderFields::builder().severity(severity).set_types(Some(types)).build(),
        )
        .build()
}

/// The finding as Security Hub has it, archived. What belongs to whoever works on it is left alone, and so is what
/// Security Hub fills in itself.
pub(super) fn archived(known: &AwsSecurityFinding, at: &str) -> AwsSecurityFinding {
    AwsSecurityFinding::builder()
        .set_schema_version(known.schema_version.clone())
        .set_id(known.id.clone())
        .set_product_arn(known.product_arn.clone())
        .set_generator_id(known.generator_id.clone())
        .set_aws_account_id(known.aws_account_id.clone())
        .set_created_at(known.created_at.clone())
        .updated_at(at)
        .set_first_observed_at(known.first_observed_at.clone())
        .set_last_observed_at(known.last_observed_at.clone())
        .set_title(known.title.clone())
        .set_description(known.description.clone())
        .set_remediation(known.remediation.clone())
        .set_product_fields(known.product_fields.clone().map(|fields| {
            // Security Hub adds its own, and refuses them from others.
            fields.into_iter().filter(|(key, _)| !key.starts_with("aws/")).collect()
        }))
        .set_resources(known.resources.clone())
        .set_compliance(known.compliance.clone())
        .record_state(RecordState::Archived)
        .set_finding_provider_fields(known.finding_provider_fields.clone())
        .build()
}

fn remediation(told: asff::Remediation) -> Remediation {
    let told = told.recommendation;
    let recommendation = Recommendation::builder().text(told.text).set_url(told.url).build();
    Remediation::builder().recommendation(recommendation).build()
}

fn resource(told: AsffResource) -> Resource {
    let tags = Some(HashMap::from_iter(told.tags)).filter(|tags| !tags.is_empty());
    Resource::builder()
        .r#type(told.r#type)
        .id(told.id)
        .partition(Partition::from(told.partition.as_str()))
        .set_region(told.region)
        .set_tags(tags)
        .build()
}

fn compliance(told: asff::Compliance) -> Compliance {
    let reason = |told: asff::StatusReason| {
        StatusReason::builder().reason_code(told.reason_code).description(told.description).build()
    };
    let reasons: Vec<StatusReason> = told.status_reasons.into_iter().map(reason).collect();
    Compliance::builder()
        .status(told.status.into())
        .set_status_reasons(Some(reasons).filter(|reasons| !reasons.is_empty()))
        .set_related_requirements(Some(told.related_requirements).filter(|related| !related.is_empty()))
        .build()
}
