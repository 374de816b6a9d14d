import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";

import { command, terraform } from "../../../templates/report/script/remediation.mjs";

const cases = JSON.parse(readFileSync(new URL("../../fixtures/remediation.json", import.meta.url), "utf8"));
const fill = { shell: command, terraform };

for (const { about, language, template, text, by_hand: byHand = [], ...values } of cases) {
  test(`${language}: ${about}`, () => {
    const usual = { name: "acme-logs", arn: "arn:aws:s3:::acme-logs", region: "eu-west-1", account: "111122223333" };
    assert.deepEqual(fill[language](template, { ...usual, ...values }), { text, byHand });
  });
}
