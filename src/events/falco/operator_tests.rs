use super::*;
use crate::events::engine::{Engine, Scratch};
use crate::events::record::Record;

const RECORD: &[u8] =
    br#"{"eventName":"GetObject","userAgent":"aws-cli/2.15 Linux/6","errorCode":null,"eventSource":"",
    "requestParameters":{"bucketName":"/usr/bin/x","key":"GetObject","n":12,"o":{"x": 1}},
    "additionalEventData":{"bytesTransferredIn":10,"bytesTransferredOut":20},
    "responseElements":{"instancesSet":{"items":[{"imageId":"a"},{"imageId":"b"}]}}}"#;

fn compiled(condition: &str) -> Result<Predicate, CompileError> {
    let condition = Condition::parse(condition).unwrap_or_else(|error| panic!("{condition}: {error}"));
    compile(&condition, &|_| None).map(|compiled| compiled.predicate)
}

fn holds(condition: &str) -> bool {
    let predicate = compiled(condition).unwrap_or_else(|error| panic!("{condition}: {error}"));
    let record = Record::parse(RECORD).unwrap();
    !Engine::new(&[predicate]).matches(&record, &mut Scratch::default()).is_empty()
}

fn refused(condition: &str) -> String {
    compiled(condition).expect_err(condition).to_string()
}

/// Checks that hold and checks that do not; none of them holds of an absent field.
fn operator(name: &str, yes: &[&str], no: &[&str]) {
    for value in yes {
        assert!(holds(&format!("ct.useragent {name} {value}")), "{name} {value} holds");
        assert!(
            !holds(&format!("ct.errormessage {name} {value}")),
            "{name} {value} does not hold of an absent field"
        );
        assert!(
            holds(&format!("not ct.errormessage {name} {value}")),
            "{name} {value} negated holds of an absent field"
        );
    }
    for value in no {
        assert!(!holds(&format!("ct.useragent {name} {value}")), "{name} {value} does not hold");
    }
}

#[test]
fn equal() {
    operator("=", &["'aws-cli/2.15 Linux/6'"], &["'AWS-CLI/2.15 Linux/6'", "aws-cli"]);
    operator("==", &["'aws-cli/2.15 Linux/6'"], &["''"]);
}

#[test]
fn not_equal() {
    operator("!=", &["x", "''"], &["'aws-cli/2.15 Linux/6'"]);
}

#[test]
fn contains() {
    operator("contains", &["cli", "''"], &["CLI"]);
}

#[test]
fn icontains() {
    operator("icontains", &["CLI", "cli"], &["'cl i'"]);
}

#[test]
fn startswith() {
    operator("startswith", &["aws"], &["AWS", "cli"]);
}

#[test]
fn endswith() {
    operator("endswith", &["Linux/6"], &["linux/6", "Linux"]);
}

#[test]
fn glob() {
    operator("glob", &["aws-cli/?.*", "aws*[5-7]"], &["AWS*", "aws-cli"]);
}

#[test]
fn iglob() {
    operator("iglob", &["AWS*LINUX*", "aws*"], &["AWS"]);
}

#[test]
fn regex() {
    operator("regex", &["'aws-cli/[0-9.]+ .*'"], &["'aws-cli'", "'[0-9.]+'"]);
    assert_eq!(refused("ct.name regex 'a('"), "`a(` can't be used: unclosed group");
}

#[test]
fn less_and_greater() {
    operator("<", &["b"], &["a", "aws-cli"]);
    operator("<=", &["b"], &["a"]);
    operator(">", &["a"], &["b"]);
    operator(">=", &["aws-cli"], &["b"]);
}

#[test]
fn in_a_list() {
    operator("in", &["(x, 'aws-cli/2.15 Linux/6')"], &["(x)", "()", "('AWS-CLI/2.15 Linux/6')"]);
}

#[test]
fn intersects_with_a_list() {
    operator("intersects", &["(x, 'aws-cli/2.15 Linux/6')"], &["(x)"]);
}

#[test]
fn pmatch() {
    assert!(holds("s3.bucket pmatch (/etc, /usr/bin)") && holds("s3.bucket pmatch (/*/bin)"));
    assert!(!holds("s3.bucket pmatch (/usr/bi)") && !holds("ct.errormessage pmatch (/)"));
}

#[test]
fn exists() {
    assert!(holds("ct.error exists") && holds("ct.error = ''") && holds("ct.src exists"));
    assert!(!holds("ct.errormessage exists") && holds("not ct.errormessage exists"));
    assert!(holds(
        "s3.bytes exists and not s3.cnt.put exists and ec2.imageids exists and not ec2.imageids[2] exists"
    ));
}

#[test]
fn oneof_anyof_and_allof() {
    assert!(holds("ct.name startswith oneof (Get, Put)") && !holds("ct.name startswith oneof (Get, G)"));
    assert!(holds("ct.name startswith anyof (Get, G)") && !holds("ct.name startswith anyof (x, y)"));
    assert!(holds("ct.name startswith allof (Get, G)") && !holds("ct.name startswith allof (Get, P)"));
    assert!(holds("ct.name != allof (a, b)") && !holds("ct.name != allof (a, GetObject)"));
    assert!(
        holds("ct.name = allof ()") && !holds("ct.errormessage = allof ()") && !holds("ct.name = oneof ()")
    );
}

#[test]
fn another_field() {
    assert!(holds("ct.name = val(s3.key)") && !holds("ct.name = val(s3.bucket)"));
    assert!(holds("ct.name != val(s3.bucket)") && !holds("ct.name != val(ct.errormessage)"));
    assert!(holds("s3.bytes.in < val(s3.bytes.out)") && !holds("s3.bytes.in >= val(s3.bytes.out)"));
    assert!(holds("tolower(ct.name) = tolower(s3.key)") && holds("ct.name in val(s3.key)"));
    assert!(refused("ct.name regex val(s3.key)").contains("`regex with another field` is not supported"));
    assert!(refused("s3.bytes = val(ct.name)").contains("not supported"));
}

#[test]
fn numbers_are_compared_as_numbers() {
    assert!(holds(
        "s3.bytes > 29 and s3.bytes < 30.5 and s3.bytes = 0x1e and s3.bytes != 3 and s3.bytes in (1, 30.0)"
    ));
    assert!(!holds("s3.bytes > 100") && !holds("s3.cnt.put != 1"));
    assert!(holds("evt.num = 1 and len(ct.name) = 9"));
    assert_eq!(refused("s3.bytes > many"), "`many` is no number, which `s3.bytes` is compared with");
    assert_eq!(
        refused("s3.bytes contains 3"),
        "operator `contains` can't be used with `s3.bytes`, which is a number"
    );
    assert_eq!(
        refused("s3.bytes pmatch (3)"),
        "operator `pmatch` can't be used with `s3.bytes`, which is a number"
    );
}

#[test]
fn lists_are_compared_as_lists() {
    assert!(holds("ec2.imageids in (a, b, c)") && !holds("ec2.imageids in (a)"));
    assert!(holds("ec2.imageids intersects (a, x)") && !holds("ec2.imageids intersects (x)"));
    assert_eq!(
        refused("ec2.imageids = a"),
        "operator `=` can't be used with `ec2.imageids`, which is a list"
    );
    assert!(refused("ec2.imageids > 1").contains("which is a list"));
    assert!(refused("ec2.imageids = val(ct.name)").contains("which is a list"));
}

#[test]
fn json_values_are_compared_as_json_text() {
    assert!(holds("json.value[/requestParameters/n]=12 and jevt.value[/errorCode]=null"));
    assert!(holds("json.value[/requestParameters/o]='{\"x\":1}' and json.value[/errorCode] exists"));
    assert!(!holds("json.value[/requestParameters/none] != all"));
}

#[test]
fn what_is_for_bytes_is_refused() {
    assert_eq!(refused("ct.name bcontains 6174"), "`bcontains, which is for bytes,` is not supported");
}

#[test]
fn macros_that_multiply_are_refused() {
    let mut last = compile(&Condition::parse("ct.name = a").unwrap(), &|_| None).unwrap();
    let twice = Condition::parse("m and m").unwrap();
    let error = loop {
        match compile(&twice, &|_| Some(last.clone())) {
            Ok(larger) => last = larger,
            Err(error) => break error,
        }
    };
    assert_eq!(error, CompileError::TooLarge);
}
