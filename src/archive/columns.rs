//! Findings as columns: `findings.parquet`, which DuckDB and Athena read as it is.
//!
//! | column | type | what |
//! |---|---|---|
//! | `run_id` | text | the run |
//! | `observed_at` | timestamp, UTC | when the state was observed |
//! | `finding_id` | text | the same in every run |
//! | `account`, `account_name` | text | twelve digits; name in the organization, empty where unknown |
//! | `region` | text | or `global` |
//! | `control`, `control_title` | text | id; the state that is wanted |
//! | `service`, `resource_type` | text | such as `s3`, `aws.s3.bucket` |
//! | `resource_arn`, `resource_name` | text | the resource |
//! | `severity` | text | `informational` … `critical` |
//! | `verdict` | text | `pass`, `fail`, `unknown`, `not_applicable` |
//! | `reason` | text | why, in one sentence |
//! | `failing_since` | timestamp, UTC | first run of an unbroken row of failures; null unless it fails |
//! | `unseen_operation`, `unseen_code` | text | what was not observed and what AWS said; null unless `unknown` |
//! | `frameworks` | list of text | `cis-aws-3.0:1.4`, … |
//! | `evidence`, `tags` | text | JSON |
//!
//! Columns are only ever added, at the end.

use std::sync::Arc;

use arrow_array::builder::{ListBuilder, StringBuilder, TimestampMillisecondBuilder};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Schema, TimeUnit};
use jiff::Timestamp;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::{ParquetError, Result};
use parquet::file::properties::WriterProperties;

use super::RunId;
use crate::findings::Finding;

/// Rows that are held as columns before they are compressed.
const BATCH_ROWS: usize = 8192;
/// Rows that a reader decompresses together.
const GROUP_ROWS: usize = 65_536;

/// A finding with what it does not say itself.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    /// The finding.
    pub finding: &'a Finding,
    /// Name of its account.
    pub account_name: &'a str,
    /// Title of its control.
    pub control_title: &'a str,
    /// Service of its control.
    pub service: &'a str,
    /// Requirements that its control serves, as `framework:requirement`.
    pub frameworks: &'a [String],
    /// When the unbroken row of failures began that it belongs to.
    pub failing_since: Option<Timestamp>,
}

/// The findings of a run as a Parquet file, in the order of the rows.
///
/// # Errors
/// When the library refuses, which is a fault of this program.
pub fn write<'a>(
    run: &RunId,
    observed_at: Timestamp,
    rows: impl Iterator<Item = Row<'a>>,
) -> Result<Vec<u8>> {
    let schema = Arc::new(schema());
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(3)?))
        .set_max_row_group_row_count(Some(GROUP_ROWS))
        .build();
    let mut writer = ArrowWriter::try_new(Vec::new(), Arc::clone(&schema), Some(properties))?;
    let mut columns = Columns::new();
    for row in rows {
        columns.add(run, observed_at, row)?;
        if columns.rows == BATCH_ROWS {
            writer.write(&columns.finish(&schema)?)?;
        }
    }
    if columns.rows > 0 {
        writer.write(&columns.finish(&schema)?)?;
    }
    writer.into_inner()
}

/// Texts that every row has, in order. INVARIANT: as in [`texts`].
const TEXTS: [&str; 14] = [
    "run_id",
    "finding_id",
    "account",
    "account_name",
    "region",
    "control",
    "control_title",
    "service",
    "resource_type",
    "resource_arn",
    "resource_name",
    "severity",
    "verdict",
    "reason",
];

fn texts<'a>(run: &'a RunId, row: &Row<'a>) -> [&'a str; TEXTS.len()] {
    let Row { finding, account_name, control_title, service, .. } = *row;
    [
        run.as_str(),
        finding.id.as_str(),
        finding.account.as_str(),
        account_name,
        finding.region.as_str(),
        finding.control.as_str(),
        control_title,
        service,
        finding.resource_type.as_str(),
        finding.resource_arn.as_str(),
        finding.resource_name.as_str(),
        finding.severity.as_str(),
        finding.verdict.as_str(),
        finding.reason.as_str(),
    ]
}

fn schema() -> Schema {
    let text = |name: &str, nullable| Field::new(name, DataType::Utf8, nullable);
    let time = |name: &str, nullable| {
        Field::new(name, DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into())), nullable)
    };
    let item = Arc::new(Field::new_list_field(DataType::Utf8, true));
    let mut fields: Vec<Field> = TEXTS.iter().map(|name| text(name, false)).collect();
    fields.extend([
        time("observed_at", false),
        time("failing_since", true),
        text("unseen_operation", true),
        text("unseen_code", true),
        Field::new("frameworks", DataType::List(item), false),
        text("evidence", false),
        text("tags", false),
    ]);
    Schema::new(fields)
}

/// Columns that are being filled.
struct Columns {
    rows: usize,
    texts: [StringBuilder; TEXTS.len()],
    observed_at: TimestampMillisecondBuilder,
    failing_since: TimestampMillisecondBuilder,
    unseen_operation: StringBuilder,
    unseen_code: StringBuilder,
    frameworks: ListBuilder<StringBuilder>,
    evidence: StringBuilder,
    tags: StringBuilder,
}

impl Columns {
    fn new() -> Self {
        Self {
            rows: 0,
            texts: std::array::from_fn(|_| StringBuilder::new()),
            observed_at: TimestampMillisecondBuilder::new().with_timezone("UTC"),
            failing_since: TimestampMillisecondBuilder::new().with_timezone("UTC"),
            unseen_operation: StringBuilder::new(),
            unseen_code: StringBuilder::new(),
            frameworks: ListBuilder::new(StringBuilder::new()),
            evidence: StringBuilder::new(),
            tags: StringBuilder::new(),
        }
    }

    fn add(&mut self, run: &RunId, observed_at: Timestamp, row: Row<'_>) -> Result<()> {
        for (column, value) in self.texts.iter_mut().zip(texts(run, &row)) {
            column.append_value(value);
        }
        let unseen = row.finding.unseen.as_ref();
        self.observed_at.append_value(observed_at.as_millisecond());
        self.failing_since.append_option(row.failing_since.map(Timestamp::as_millisecond));
        self.unseen_operation.append_option(unseen.map(|unseen| unseen.operation.as_str()));
        self.unseen_code.append_option(unseen.map(|unseen| unseen.code.as_str()));
        for requirement in row.frameworks {
            self.frameworks.values().append_value(requirement);
        }
        self.frameworks.append(true);
        self.evidence.append_value(json(&row.finding.evidence)?);
        self.tags.append_value(json(&row.finding.tags)?);
        self.rows += 1;
        Ok(())
    }

    /// What was added, as one batch; the columns are empty then.
    fn finish(&mut self, schema: &Arc<Schema>) -> Result<RecordBatch> {
        self.rows = 0;
        let mut columns: Vec<ArrayRef> =
            self.texts.iter_mut().map(|column| Arc::new(column.finish()) as ArrayRef).collect();
        columns.extend([
            Arc::new(self.observed_at.finish()) as ArrayRef,
            Arc::new(self.failing_since.finish()),
            Arc::new(self.unseen_operation.finish()),
            Arc::new(self.unseen_code.finish()),
            Arc::new(self.frameworks.finish()),
            Arc::new(self.evidence.finish()),
            Arc::new(self.tags.finish()),
        ]);
        Ok(RecordBatch::try_new(Arc::clone(schema), columns)?)
    }
}

fn json(value: &impl serde::Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|error| ParquetError::External(Box::new(error)))
}
