import assert from "node:assert/strict";
import test from "node:test";

import { anchor, everything, ofResource, parse, print, usual } from "../../../templates/report/script/fragment.mjs";

test("a view is read back from its fragment", () => {
  const view = {
    ...everything(), verdict: ["fail", "unknown"], account: ["111122223333"], tag: ["team=a,b&c", "env"],
    requirement: "cis-aws-3.0/1.10", resource: "arn:aws:s3:::a b#&=?", q: "ü + %", change: "new", view: "resources", sort: "account",
  };
  assert.deepEqual(parse(print(view)), { view });
});

test("no filter at all is not the usual view", () => {
  assert.deepEqual(parse(print(everything())).view.verdict, []);
  assert.deepEqual(parse("#findings").view, usual());
  assert.deepEqual(usual().verdict, ["fail", "unknown"]);
});

test("choices are separated by commas, and nothing is chosen twice", () => {
  assert.deepEqual(parse("#findings?verdict=fail,pass,fail,&nonsense=1&severity=").view.verdict, ["fail", "pass"]);
});

test("a finding and a place are told apart", () => {
  assert.deepEqual(parse("#finding-0123456789ab"), { finding: "0123456789ab" });
  for (const place of ["", "#answer", "#control-s3", "#finding-<b>", "#findingsx"]) assert.equal(parse(place), null, place);
});

test("places are named as in the static part", () => {
  assert.equal(anchor("req", "cis-aws-3.0-1.10"), "req-cis-aws-3.0-1.10");
  assert.equal(anchor("control", "a_b ü😀"), "control-a_5f_b_20__fc__1f600_");
  assert.equal(ofResource("arn:aws:s3:::x"), "#findings?resource=arn%3Aaws%3As3%3A%3A%3Ax");
});
