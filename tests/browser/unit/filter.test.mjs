import assert from "node:assert/strict";
import test from "node:test";
import { gzipSync } from "node:zlib";

import { csv } from "../../../templates/report/script/csv.mjs";
import { decode } from "../../../templates/report/script/data.mjs";
import { Filter, byResource } from "../../../templates/report/script/filter.mjs";
import { everything } from "../../../templates/report/script/fragment.mjs";

/** A block with three controls, two accounts and six findings. */
function block() {
  const control = (id, service, requirements) => ({ id, service, title: `Title of ${id}`, requirements });
  return {
    format: 1,
    verdicts: ["fail", "unknown", "pass", "not_applicable"],
    severities: ["critical", "high", "medium", "low", "informational"],
    statuses: ["fail", "unknown", "pass", "manual", "not_covered", "not_applicable"],
    states: ["ok", "partial", "failed"],
    accounts: { id: ["111122223333", "222233334444"], name: ["prod", "Dev"] },
    regions: ["global", "eu-west-1"],
    types: ["aws.s3.bucket"],
    reasons: ["It is open.", "It is shut."],
    tags: [{}, { team: "Payments", env: "prod" }],
    controls: [
      control("s3-a", "s3", { cis: ["1.1", "1.2"] }), control("s3-b", "s3", { cis: ["1.1"], acme: ["x/y"] }),
      control("iam-c", "iam", {}),
    ],
    frameworks: [{ id: "cis", title: "CIS", requirements: [{ id: "1.1", title: "", accounts: "02" }] }],
    resources: { arn: ["arn:a", "arn:b"], name: ["Alpha", "=beta"], type: [0, 0], tags: [0, 1] },
    paths: ["resource.x"],
    read: { path: [0], value: [{ a: 1 }], cut: [0] },
    evidence: [[], [0]],
    calls: ["s3:GetBucketPolicy"],
    remedies: ["Allow it."],
    statements: [{ Effect: "Allow" }],
    unseen: { account: [1], region: [1], call: [0], cause: ["denied"], code: ["AccessDenied"], message: ["no"], remedy: [0], statement: [1] },
    findings: {
      id: "000000000000 100000000000 200000000000 200000000001a 400000000000 500000000000",
      control: [0, 0, 1, 1, 2, 2], account: [0, 1, 0, 1, 0, 1], region: [1, 1, 1, 1, 0, 0],
      verdict: [2, 0, 0, 1, 3, 0], severity: [1, 1, 0, 0, 3, 3], reason: [1, 0, 0, 0, 1, 0],
      resource: [0, 1, -1, 1, -1, 1], evidence: [1, 0, 0, 0, -1, 0], unseen: [0, 0, 0, 1, 0, 0],
    },
    coverage: { account: [0, 1], region: [1, 1], call: [0, 0], state: [0, 1], answered: [4, 1], unanswered: [0, 2], gone: [0, 0], errors: [[1, 0, 2]] },
    waivers: [
      { reason: "=reason", author: "Ann", ticket: "SEC-1", expires: "2026-12-31", ending: null },
      { reason: "over", author: "Ben", ticket: null, expires: "2026-01-31", ending: "waiver expired on 2026-01-31" },
    ],
    waived: [[1, 0], [5, 1]],
    changed: [],
    risks: [{ score: 65, parts: [{ why: "severity high", points: 30 }] }],
    risk: [],
    new: [1],
  };
}

const read = (content = block()) => decode(gzipSync(JSON.stringify(content)).toString("base64"));
const rows = async (view) => new Filter(await read()).rows({ ...everything(), ...view });

test("a finding has all its parts again", async () => {
  const data = await read();
  const finding = data.finding(3);
  assert.deepEqual([finding.id, finding.control.id, finding.verdict, finding.severity], ["200000000001a", "s3-b", "unknown", "critical"]);
  assert.deepEqual([finding.name, finding.tags.team, finding.accountName, finding.isNew], ["=beta", "Payments", "Dev", false]);
  assert.deepEqual(finding.evidence, [{ path: "resource.x", value: { a: 1 }, cut: true }]);
  assert.deepEqual([finding.unseen.operation, finding.unseen.statement], ["s3:GetBucketPolicy", { Effect: "Allow" }]);
  assert.deepEqual([data.finding(4).evidence, data.finding(4).unseen, data.finding(1).isNew], [[], null, true]);
});

test("a finding is found by its id, by a unique start of it, and never by an ambiguous one", async () => {
  const data = await read();
  assert.equal(data.rowOf("200000000001a"), 3);
  assert.equal(data.rowOf("200000000001abcdef0123456789abcd"), 3);
  assert.equal(data.rowOf("4"), 4);
  for (const id of ["2000", "9", ""]) assert.equal(data.rowOf(id), -1, id);
});

test("keys are combined, values of a key are alternatives, the worst comes first", async () => {
  assert.deepEqual(await rows({}), [2, 1, 5, 3, 0, 4]);
  assert.deepEqual(await rows({ verdict: ["fail", "unknown"] }), [2, 1, 5, 3]);
  assert.deepEqual(await rows({ verdict: ["fail"], service: ["s3"] }), [2, 1]);
  assert.deepEqual(await rows({ account: ["222233334444"], severity: ["critical", "low"] }), [5, 3]);
  assert.deepEqual(await rows({ control: ["iam-c"], region: ["global"] }), [5, 4]);
  assert.deepEqual(await rows({ framework: ["acme"] }), [2, 3]);
  assert.deepEqual(await rows({ requirement: "cis/1.2" }), [1, 0]);
  assert.deepEqual(await rows({ requirement: "acme/x/y" }), [2, 3]);
  assert.deepEqual(await rows({ resource: "arn:b" }), [1, 5, 3]);
  assert.deepEqual(await rows({ change: "new" }), [1]);
  assert.deepEqual(await rows({ account: ["nobody"] }), []);
});

test("what is waived is told, found and exported", async () => {
  const data = await read();
  assert.deepEqual([data.finding(1).waiver.author, data.finding(5).waiver.ending, data.finding(2).waiver], ["Ann", "waiver expired on 2026-01-31", null]);
  assert.deepEqual(await rows({ waiver: ["waived"] }), [1]);
  assert.deepEqual(await rows({ waiver: ["ended"] }), [5]);
  assert.deepEqual(await rows({ waiver: ["waived", "none"], verdict: ["fail"] }), [2, 1]);
  assert.deepEqual([...new Filter(data).counts(everything(), "waiver")], [["none", 4], ["waived", 1], ["ended", 1]]);
  const [, waived, ended] = csv(data, [1, 5]).split("\r\n");
  assert.ok(waived.endsWith(",until 2026-12-31 by Ann (SEC-1): =reason"), waived);
  assert.ok(ended.endsWith(","), ended);
});

test("of the failures the greatest risk comes first", async () => {
  assert.deepEqual(await rows({ verdict: ["fail"] }), [2, 1, 5]);
  const rated = await read({ ...block(), risk: [[5, 0]] });
  assert.deepEqual(new Filter(rated).rows({ ...everything(), verdict: ["fail"] }), [5, 2, 1]);
  assert.deepEqual([rated.finding(5).risk.score, rated.finding(1).risk], [65, null]);
});

test("a tag is asked for by key, or by key and value", async () => {
  assert.deepEqual(await rows({ tag: ["team"] }), [1, 5, 3]);
  assert.deepEqual(await rows({ tag: ["team=Payments"], verdict: ["unknown"] }), [3]);
  assert.deepEqual(await rows({ tag: ["team=payments"] }), []);
});

test("search finds every word anywhere, in whatever case", async () => {
  for (const [q, wanted] of [
    ["ALPHA", [2, 0, 4]], ["dev", [1, 5, 3]], ["title S3-A", [1, 0]], ["shut", [0, 4]], ["payments open", [1, 5, 3]],
    ["111122223333", [2, 0, 4]], ["eu-west arn:a", [2, 0]], ["  ", [2, 1, 5, 3, 0, 4]], ["alpha payments", []],
  ]) assert.deepEqual(await rows({ q }), wanted, q);
});

test("findings can be sorted otherwise", async () => {
  assert.deepEqual(await rows({ sort: "account" }), [2, 0, 4, 1, 5, 3]);
  assert.deepEqual(await rows({ sort: "severity" }), [2, 3, 1, 0, 5, 4]);
});

test("counts are those without the key's own choice", async () => {
  const filter = new Filter(await read());
  const view = { ...everything(), verdict: ["fail"], account: ["111122223333"] };
  assert.deepEqual(Object.fromEntries(filter.counts(view, "verdict")), { fail: 1, unknown: 0, pass: 1, not_applicable: 1 });
  assert.deepEqual(Object.fromEntries(filter.counts(view, "service")), { s3: 1, iam: 0 });
  assert.deepEqual(Object.fromEntries(filter.counts(everything(), "framework")), { cis: 4, acme: 2 });
});

test("resources have their verdicts counted, the worst first", async () => {
  const data = await read();
  const groups = byResource(data, [0, 1, 2, 3, 4, 5]);
  assert.deepEqual(groups.map(({ arn, counts, worst }) => [arn, counts, worst]), [
    ["arn:a", [1, 0, 1, 1], 0], ["arn:b", [2, 1, 0, 0], 1],
  ]);
});

test("accounts of a requirement and calls of an account are found", async () => {
  const data = await read();
  assert.deepEqual(data.accountsBy("cis", "1.1"), [["fail", ["111122223333"]], ["pass", ["222233334444"]]]);
  assert.deepEqual(data.accountsBy("cis", "9"), []);
  const [row] = data.coverageOf("222233334444");
  assert.deepEqual([row.call, row.state, row.answered, row.errors[0].times], ["s3:GetBucketPolicy", "partial", 1, 2]);
});

test("the export has a row for each finding, and no formula", async () => {
  const lines = csv(await read(), [1, 0]).split("\r\n");
  assert.equal(lines.length, 4);
  assert.match(lines[0], /^\ufeffid_prefix,verdict,/);
  assert.match(lines[1], /^100000000000,fail,high,222233334444,Dev,eu-west-1,s3,s3-a,.*,'=beta,arn:b,It is open\.,cis 1\.1; cis 1\.2,/);
});

test("another layout is refused, and so is what is not a block", async () => {
  await assert.rejects(read({ ...block(), format: 2 }), /layout 2/);
  await assert.rejects(decode("AAAA"));
});
