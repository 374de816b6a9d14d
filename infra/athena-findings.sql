-- The findings of all committed runs of an archive in S3, for Athena. Replace BUCKET and PREFIX, twice each, by what
-- `--archive s3://BUCKET/PREFIX` says, and the first day by that of your oldest run.
--
-- Days are partitions that Athena works out itself (partition projection): nothing is to be added when a run is, and
-- a query that names days reads only those. A day is that of the run's start, UTC.

CREATE EXTERNAL TABLE upright_findings (
  run_id           string,
  finding_id       string,
  account          string,
  account_name     string,
  region           string,
  control          string,
  control_title    string,
  service          string,
  resource_type    string,
  resource_arn     string,
  resource_name    string,
  severity         string,
  verdict          string,
  reason           string,
  observed_at      timestamp,
  failing_since    timestamp,
  unseen_operation string,
  unseen_code      string,
  frameworks       array<string>,
  evidence         string,
  tags             string
)
PARTITIONED BY (`day` string)
STORED AS PARQUET
LOCATION 's3://BUCKET/PREFIX/findings/'
TBLPROPERTIES (
  'projection.enabled'        = 'true',
  'projection.day.type'       = 'date',
  'projection.day.format'     = 'yyyy-MM-dd',
  'projection.day.range'      = '2026-01-01,NOW',
  'storage.location.template' = 's3://BUCKET/PREFIX/findings/day=${day}/'
);

-- What fails in the newest run, worst first:
--
--   SELECT severity, account, control, resource_arn, reason
--   FROM upright_findings
--   WHERE run_id = (SELECT max(run_id) FROM upright_findings) AND verdict = 'fail'
--   ORDER BY CASE severity WHEN 'critical' THEN 0 WHEN 'high' THEN 1 WHEN 'medium' THEN 2 WHEN 'low' THEN 3 ELSE 4 END;
--
-- How many findings of each severity failed on each day of a month, by the last run of the day:
--
--   SELECT day, severity, count(*) AS failing
--   FROM upright_findings
--   WHERE day BETWEEN '2026-11-01' AND '2026-11-30' AND verdict = 'fail'
--     AND run_id IN (SELECT max(run_id) FROM upright_findings GROUP BY day)
--   GROUP BY day, severity
--   ORDER BY day, severity;
