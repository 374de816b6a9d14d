use super::*;
use crate::events::engine::text::Comparison;

/// What a field prints for a record; `None` when it is absent.
fn value(field: &str, record: &str) -> Option<String> {
    let (name, argument) = match field.split_once('[') {
        Some((name, argument)) => (name, argument.strip_suffix(']')),
        None => (field, None),
    };
    let field = Field::named(name, argument).unwrap_or_else(|error| panic!("{error}"));
    let record = Record::parse(record.as_bytes()).unwrap();
    let printed = field.printed(&record, 7).map(Cow::into_owned);
    assert_eq!(field.exists(&record, 7), printed.is_some(), "{name} exists and prints");
    printed
}

#[test]
fn every_field_that_is_a_path_reads_it() {
    for (name, key, path) in PATHS {
        let (mut open, mut close) = (format!("{{\"{}\":", key.name()), "}".to_owned());
        for step in path {
            open.push_str(&format!("{{\"{step}\":"));
            close.push('}');
        }
        assert_eq!(value(name, &format!("{open}\"v\"{close}")).as_deref(), Some("v"), "{name}");
        assert_eq!(
            value(name, &format!("{open}null{close}")).as_deref(),
            Some(""),
            "{name} is present when null"
        );
        assert_eq!(
            value(name, &format!("{open}{{\"x\":1}}{close}")).as_deref(),
            Some(""),
            "{name} of an object"
        );
        assert_eq!(value(name, "{}"), None, "{name} is absent");
        if !path.is_empty() {
            assert_eq!(
                value(name, &format!("{{\"{}\":null}}", key.name())),
                None,
                "{name} below null is absent"
            );
        }
    }
}

#[test]
fn every_legacy_name_reads_what_the_new_one_reads() {
    for (old, new) in LEGACY {
        assert_eq!(Field::named(old, None), Field::named(new, None), "{old}");
    }
    assert_eq!(value("aws.requestID", r#"{"requestID":"r"}"#).as_deref(), Some("r"));
    assert_eq!(value("aws.newKey", r#"{"newKey":"n"}"#).as_deref(), Some("n"));
    assert_eq!(Field::named("aws.a.b", None), Err(FieldError::Unknown("aws.a.b".to_owned())));
}

#[test]
fn ct_user_goes_by_the_type_of_identity() {
    let user = |identity: &str| value("ct.user", &format!(r#"{{"userIdentity":{identity}}}"#));
    assert_eq!(user(r#"{"type":"IAMUser","userName":"a"}"#).as_deref(), Some("a"));
    assert_eq!(user(r#"{"type":"Root"}"#), None);
    assert_eq!(user(r#"{"type":"AWSService","invokedBy":"x"}"#).as_deref(), Some("x"));
    assert_eq!(
        user(r#"{"type":"AssumedRole","sessionContext":{"sessionIssuer":{"userName":"r"}}}"#).as_deref(),
        Some("r")
    );
    assert_eq!(user(r#"{"type":"AssumedRole"}"#).as_deref(), Some("AssumedRole"));
    assert_eq!(user(r#"{"type":"AWSAccount","userName":"a"}"#).as_deref(), Some("AWSAccount"));
    assert_eq!(user(r#"{"type":"FederatedUser"}"#).as_deref(), Some("FederatedUser"));
    assert_eq!(user(r#"{"type":"IdentityCenterUser","userName":"a"}"#), None);
    assert_eq!(user(r#"{"userName":"a"}"#), None);
}

#[test]
fn ct_originaluser_is_the_session_or_the_user() {
    let original = |identity: &str| value("ct.originaluser", &format!(r#"{{"userIdentity":{identity}}}"#));
    assert_eq!(original(r#"{"type":"AssumedRole","arn":"x/R/s","principalId":"A:p"}"#).as_deref(), Some("s"));
    assert_eq!(
        original(r#"{"type":"AssumedRole","arn":"x/p/R/s","principalId":"A:p"}"#).as_deref(),
        Some("p")
    );
    assert_eq!(original(r#"{"type":"AssumedRole","principalId":"A:p:q"}"#), None);
    assert_eq!(original(r#"{"type":"Other","userName":"u"}"#).as_deref(), Some("u"));
}

#[test]
fn ct_user_accountid_falls_back_to_the_recipient() {
    let record = r#"{"userIdentity":{"accountId":"1"},"recipientAccountId":"2"}"#;
    assert_eq!(value("ct.user.accountid", record).as_deref(), Some("1"));
    assert_eq!(value("ct.user.accountid", r#"{"recipientAccountId":"2"}"#).as_deref(), Some("2"));
}

#[test]
fn ct_shortsrc_loses_only_the_ending() {
    let short = |source: &str| value("ct.shortsrc", &format!(r#"{{"eventSource":"{source}"}}"#)).unwrap();
    assert_eq!(short("ec2.amazonaws.com"), "ec2");
    assert_eq!(short("ec2.amazonaws.com.cn"), "ec2.amazonaws.com.cn");
}

#[test]
fn ct_request_response_and_additionaleventdata_are_compact_json() {
    for (name, key) in [
        ("ct.request", "requestParameters"),
        ("ct.response", "responseElements"),
        ("ct.additionaleventdata", "additionalEventData"),
    ] {
        assert_eq!(
            value(name, &format!(r#"{{"{key}": {{ "b" : 1, "a": "x y" }} }}"#)).as_deref(),
            Some(r#"{"b":1,"a":"x y"}"#)
        );
        assert_eq!(value(name, &format!(r#"{{"{key}": null}}"#)).as_deref(), Some("null"));
        assert_eq!(value(name, "{}"), None);
    }
}

#[test]
fn ct_resources_are_joined() {
    assert_eq!(
        value("ct.resources", r#"{"resources":[ {"a": 1}, {"b":2} ]}"#).as_deref(),
        Some(r#"{"a":1},{"b":2}"#)
    );
    assert_eq!(value("ct.resources", r#"{"resources":[]}"#), None);
}

#[test]
fn ct_readonly_and_managementevent_are_words() {
    for (name, key) in [("ct.readonly", "readOnly"), ("ct.managementevent", "managementEvent")] {
        assert_eq!(value(name, &format!(r#"{{"{key}":true}}"#)).as_deref(), Some("true"));
        assert_eq!(value(name, &format!(r#"{{"{key}":"true"}}"#)).as_deref(), Some("false"));
        assert_eq!(value(name, r#"{"eventName":"ListBuckets"}"#), None);
    }
}

#[test]
fn ct_sessioncredentialfromconsole_takes_the_text_that_cloudtrail_writes() {
    let from = |text: &str| {
        value("ct.sessioncredentialfromconsole", &format!(r#"{{"sessionCredentialFromConsole":{text}}}"#))
    };
    assert_eq!(from("\"true\"").as_deref(), Some("true"));
    assert_eq!(from("true").as_deref(), Some("true"));
    assert_eq!(from("\"no\"").as_deref(), Some("false"));
}

#[test]
fn ct_info_sums_up() {
    let record = r#"{"eventName":"PutObject","sourceIPAddress":"1.2.3.4","readOnly":false,"errorCode":"x",
        "userIdentity":{"type":"IAMUser","userName":"u"},"requestParameters":{"bucketName":"b","key":"k"},
        "additionalEventData":{"bytesTransferredIn":5}}"#;
    assert_eq!(value("ct.info", record).as_deref(), Some("u via 1.2.3.4 !→ PutObject Size=5 URI=s3://b/k"));
    let service = r#"{"eventName":"Get","sourceIPAddress":"x","userIdentity":{"type":"AWSService","invokedBy":"x"},"requestParameters":{"Host":"h"}}"#;
    assert_eq!(value("ct.info", service).as_deref(), Some("x ← Get Host=h"));
    let info = format!("r u s3 PutObject {}", value("ct.info", record).unwrap());
    let whole = record.replacen('{', r#"{"awsRegion":"r","eventSource":"s3.amazonaws.com","#, 1);
    assert_eq!(value("evt.plugininfo", &whole), Some(info));
}

#[test]
fn s3_uri_and_bytes_and_counts() {
    let get = r#"{"eventName":"GetObject","requestParameters":{"bucketName":"b","key":"k/l"},"additionalEventData":{"bytesTransferredIn":1,"bytesTransferredOut":1500.7}}"#;
    assert_eq!(value("s3.uri", get).as_deref(), Some("s3://b/k/l"));
    assert_eq!(value("s3.uri", r#"{"requestParameters":{"bucketName":"b","key":1}}"#), None);
    assert_eq!(value("s3.bytes", get).as_deref(), Some("1501"));
    assert_eq!(value("s3.bytes.in", get).as_deref(), Some("1"));
    assert_eq!(value("s3.bytes.out", get).as_deref(), Some("1500"));
    assert_eq!(
        value("s3.bytes", r#"{"additionalEventData":{"bytesTransferredOut":2}}"#).as_deref(),
        Some("2")
    );
    assert_eq!(value("s3.bytes", r#"{"additionalEventData":{}}"#), None);
    assert_eq!(value("s3.cnt.get", get).as_deref(), Some("1"));
    assert_eq!(value("s3.cnt.put", get), None);
    assert_eq!(value("s3.cnt.put", r#"{"eventName":"PutObject"}"#).as_deref(), Some("1"));
    assert_eq!(value("s3.cnt.other", get), None);
    assert_eq!(value("s3.cnt.other", r#"{"eventName":"X"}"#).as_deref(), Some("1"));
}

#[test]
fn ec2_name_is_the_last_name_tag_of_an_instance() {
    let record = r#"{"requestParameters":{"tagSpecificationSet":{"items":[
        {"resourceType":"volume","tags":[{"key":"Name","value":"no"}]},
        {"resourceType":"instance","tags":[{"key":"x","value":"y"},{"key":"Name","value":"a"},{"key":"Name","value":"b"}]}]}}}"#;
    assert_eq!(value("ec2.name", record).as_deref(), Some("b"));
    assert_eq!(value("ec2.name", &record.replace("\"b\"", "\"\"")), None);
}

#[test]
fn ec2_imageids_come_from_the_answer_or_the_request() {
    let answer = r#"{"requestParameters":{"imageId":"r"},"responseElements":{"instancesSet":{"items":[{"imageId":"a"},{"imageId":"b"}]}}}"#;
    assert_eq!(value("ec2.imageids", answer).as_deref(), Some("(a,b)"));
    assert_eq!(value("ec2.imageids[1]", answer).as_deref(), Some("(b)"));
    assert_eq!(value("ec2.imageids[2]", answer), None);
    assert_eq!(value("ec2.imageid", answer).as_deref(), Some("a"));
    for request in [
        r#"{"imageId":"r"}"#,
        r#"{"DescribeFastLaunchImagesRequest":{"ImageId":{"content":"r"}}}"#,
        r#"{"launchSpecification":{"imageId":"r"}}"#,
    ] {
        let record = format!(r#"{{"requestParameters":{request}}}"#);
        assert_eq!(value("ec2.imageids", &record).as_deref(), Some("(r)"));
        assert_eq!(value("ec2.imageids[0]", &record).as_deref(), Some("(r)"));
        assert_eq!(value("ec2.imageids[1]", &record), None);
    }
}

#[test]
fn json_value_follows_pointers() {
    let record = r#"{"a":{"b":[0,{"c":"x"}],"d/e":true,"f~g":null,"h":{"i": 1}},"0":"zero"}"#;
    for (pointer, expected) in [
        ("/a/b/1/c", Some("x")),
        ("a/b/0", Some("0")),
        ("/a/d~1e", Some("true")),
        ("/a/f~0g", Some("null")),
        ("/a/h", Some(r#"{"i":1}"#)),
        ("/0", Some("zero")),
        ("/a/b/2", None),
        ("/a/b/x", None),
        ("/a/h/i/j", None),
    ] {
        assert_eq!(value(&format!("json.value[{pointer}]"), record).as_deref(), expected, "{pointer}");
        assert_eq!(value(&format!("jevt.value[{pointer}]"), record).as_deref(), expected, "{pointer}");
    }
}

#[test]
fn json_obj_and_rawtime() {
    let record = r#"{"eventTime":"2024-05-06T07:08:09Z"}"#;
    assert_eq!(value("json.obj", record).as_deref(), Some("{\n  \"eventTime\": \"2024-05-06T07:08:09Z\"\n}"));
    assert_eq!(value("jevt.rawtime", record).as_deref(), Some("1714979289000000000"));
}

#[test]
fn evt_fields() {
    let record = r#"{"eventTime":"2024-05-06T07:08:09Z"}"#;
    assert_eq!(value("evt.num", record).as_deref(), Some("7"));
    assert_eq!(value("evt.rawtime", record).as_deref(), Some("1714979289000000000"));
    assert_eq!(value("evt.time", record).as_deref(), Some("07:08:09.000000000"));
    assert_eq!(value("evt.datetime", record).as_deref(), Some("2024-05-06 07:08:09.000000000"));
    assert_eq!(value("evt.time.iso8601", record).as_deref(), Some("2024-05-06T07:08:09.000000000+0000"));
    assert_eq!(value("evt.source", record).as_deref(), Some("aws_cloudtrail"));
    assert_eq!(value("evt.pluginname", record).as_deref(), Some("cloudtrail"));
}

#[test]
fn names_and_arguments_that_are_wrong_are_told() {
    let error = |name: &str, argument| Field::named(name, argument).expect_err(name).to_string();
    assert_eq!(error("ct.nam", None), "there is no field `ct.nam`");
    assert_eq!(error("proc.name", None), "there is no field `proc.name`");
    assert_eq!(error("json.value", None), "field `json.value` needs an argument, as in `json.value[/a/b]`");
    assert_eq!(error("ct.name", Some("0")), "field `ct.name` takes no argument");
    assert_eq!(error("ec2.imageids", Some("x")), "`x` is no argument for field `ec2.imageids`");
}

#[test]
fn transformers_are_applied_inside_out() {
    let record = Record::parse(
        br#"{"eventName":"a/QmM=","responseElements":{"instancesSet":{"items":[{"imageId":"a"}]}}}"#,
    )
    .unwrap();
    let transformed = |name: &str, transformers: &[&str]| {
        let transformers: Vec<String> = transformers.iter().map(|name| (*name).to_owned()).collect();
        Field::named(name, None).unwrap().transformed(name, &transformers)
    };
    let text = |transformers: &[&str]| {
        transformed("ct.name", transformers).unwrap().text(&record, 1).map(Cow::into_owned)
    };
    assert_eq!(text(&["val"]).as_deref(), Some("a/QmM="));
    assert_eq!(text(&["tolower"]).as_deref(), Some("a/qmm="));
    assert_eq!(text(&["toupper"]).as_deref(), Some("A/QMM="));
    assert_eq!(text(&["basename"]).as_deref(), Some("QmM="));
    assert_eq!(text(&["toupper", "b64", "basename"]).as_deref(), Some("BC"));
    assert_eq!(text(&["b64", "val"]), None, "a text that is no base64 has no value");
    assert_eq!(text(&["len"]).as_deref(), Some("6"));
    assert_eq!(transformed("ct.name", &["len"]).unwrap().number(&record, 1), Some(Number::Whole(6)));
    assert_eq!(transformed("ec2.imageids", &["len"]).unwrap().number(&record, 1), Some(Number::Whole(1)));
    assert!(transformed("ct.name", &["join"]).is_err() && transformed("s3.bytes", &["tolower"]).is_err());
    assert!(transformed("ct.name", &["tolower", "len"]).is_err());
}

#[test]
fn two_numbers_are_compared_as_numbers() {
    let record =
        Record::parse(br#"{"additionalEventData":{"bytesTransferredIn":10,"bytesTransferredOut":9}}"#)
            .unwrap();
    let field = |name| Field::named(name, None).unwrap();
    let relation = TextRelation::Compare(Comparison::Greater);
    assert!(field("s3.bytes.in").relates(relation, &field("s3.bytes.out"), &record, 1));
}
