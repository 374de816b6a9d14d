//! What patterns mean.

use serde_json::json;

use super::*;

/// The example of AWS's guide, and properties of kinds that it does not have.
fn event() -> Value {
    json!({
        "eventType": "UpdateTrail",
        "sourceIPAddress": "111.111.111.111",
        "arrayKey": ["value", "another value"],
        "objectList": [{ "name": "a", "id": 1 }, { "name": "b", "id": 2 }],
        "SomeObject": null,
        "cluster.name": "c",
        "user": { "id": 1, "email": "John.Stiles@example.com" },
        "users": [
            { "id": 2, "email": "John.Doe@example.com" },
            { "id": 3, "email": "Jane.Doe@example.com" },
        ],
        "actions": ["GET", "PUT", "DELETE"],
        "coordinates": [[0, 1, 2], [4, 5, 6], [7, 8, 9]],
        "errorCode": 400,
        "latency": 0.5,
        "ThisFlag": true,
        "text-true": "true",
        "text_12": "12",
        "quoted": "say \"hi\" \\",
    })
}

#[test]
fn what_the_guide_says_matches() {
    decides(
        &event(),
        Match::Yes,
        &[
            r#"{ $.eventType = "UpdateTrail" }"#,
            "{ $.sourceIPAddress != 123.123.* }",
            r#"{ $.arrayKey[0] = "value" }"#,
            "{ $.objectList[1].id = 2 }",
            "{ $.eventType = %Trail% }",
            "{ $.arrayKey[*] = %val.{2}% }",
            r"{ $.* = %111\.111\.111\.1[0-9]{1,2}% }",
            r#"{ $.['cluster.name'] = "c" }"#,
            "{ $.SomeObject IS NULL }",
            "{ $.SomeOtherObject NOT EXISTS }",
            "{ $.ThisFlag IS TRUE }",
            r#"{ ($.user.id = 1) && ($.users[0].email = "John.Doe@example.com") }"#,
            r#"{ $.user.email = "John.Stiles@example.com" || $.coordinates[0][1] = "nonmatch" && $.actions[2] = "nonmatch" }"#,
            "{ $.errorCode = 400}",
            "{ $.errorCode != 500 }",
            "{ $.errorCode = 4e+2 }",
            "{ $.errorCode > +399 }",
            "{ $.errorCode >= 400 }",
            "{ $.errorCode <= 400.0 }",
            "{ $.latency < 50e-2 || $.latency > -1 }",
            "{ $.errorCode = 4* }",
        ],
    );
}

#[test]
fn what_the_guide_says_does_not_match() {
    decides(
        &event(),
        Match::No,
        &[
            r#"{ ($.user.email = "John.Stiles@example.com" || $.coordinates[0][1] = "nonmatch") && $.actions[2] = "nonmatch" }"#,
            r#"{ ($.user.id = 2 && $.users[0].email = "nonmatch") || $.actions[2] = "GET" }"#,
            // Arrays and objects.
            "{ $.users = 1 }",
            "{ $.users != 1 }",
            "{ $.user = * }",
            "{ $.eventType[0] = UpdateTrail }",
            "{ $.errorCode < 400 }",
            "{ $.errorCode > 4e2 }",
        ],
    );
}

#[test]
fn of_a_missing_property_only_its_absence_is_true() {
    decides(
        &event(),
        Match::No,
        &[
            "{ $.missing = x }",
            "{ $.missing != x }",
            "{ $.missing = * }",
            "{ $.missing IS NULL }",
            "{ $.missing IS FALSE }",
            "{ $.missing < 5 }",
            "{ $.missing != 5 }",
            "{ $.missing != %x% }",
            "{ $.missing[*] != x }",
            "{ $.eventType.missing != x }",
            "{ $.SomeObject NOT EXISTS }",
            "{ $.arrayKey[1] NOT EXISTS }",
        ],
    );
    decides(&event(), Match::Yes, &["{ $.arrayKey[2] NOT EXISTS }", "{ $.user.name NOT EXISTS }"]);
}

#[test]
fn case_matters_in_values_and_names_but_not_in_keywords() {
    decides(&event(), Match::No, &["{ $.eventType = updateTrail }", "{ $.eventtype = UpdateTrail }"]);
    decides(&event(), Match::No, &["{ $.eventType = %trail% }", "{ $.eventType = update* }"]);
    decides(&event(), Match::Yes, &["{ $.missing not exists && $.ThisFlag is true }"]);
}

#[test]
fn wildcards_stand_for_any_text() {
    decides(
        &event(),
        Match::Yes,
        &[
            "{ $.eventType = * }",
            "{ $.eventType = \"*\" }",
            "{ $.eventType = ** }",
            "{ $.eventType = Update* }",
            "{ $.eventType = \"*Trail\" }",
            "{ $.eventType = *dateTr* }",
            "{ $.eventType = UpdateTrail* }",
            "{ $.eventType != *Trial }",
        ],
    );
    decides(
        &event(),
        Match::No,
        &["{ $.eventType != * }", "{ $.eventType = Trail* }", "{ $.eventType = *Update }"],
    );
    decides(
        &event(),
        Match::No,
        &["{ $.eventType = Delete*Trail }", "{ $.eventType = UpdateTrail*UpdateTrail }"],
    );
}

#[test]
fn quotation_marks_and_backslashes_are_escaped() {
    decides(&event(), Match::Yes, &[r#"{ $.quoted = "say \"hi\" \\" }"#, r#"{ $.quoted = "say \"*" }"#]);
}

#[test]
fn what_aws_does_not_say_is_undecided() {
    is_undecided(
        &event(),
        &[
            "{ $.eventType = Up*Trail }",
            "{ $.eventType != *p*Trail }",
            "{ $.ThisFlag = true }",
            "{ $.ThisFlag != false }",
            "{ $.SomeObject != x }",
            "{ $.SomeObject = * }",
            "{ $.text-true IS TRUE }",
            "{ $.errorCode = \"400\" }",
            "{ $.text_12 = 12.0 }",
            "{ $.text_12 > 5 }",
            "{ $.actions[*] != GET }",
            "{ $.* NOT EXISTS }",
            "[a, b, c]",
        ],
    );
    decides(&event(), Match::No, &["{ $.ThisFlag = x }", "{ $.actions[*] != * }", "{ $.actions[*] = POST }"]);
    decides(
        &event(),
        Match::Yes,
        &["{ $.actions[*] != POST }", "{ $.objectList[*].id = 2 }", "{ $.text_12 = 12 }"],
    );
}

#[test]
fn what_is_known_outweighs_what_is_not() {
    let unknown = "$.ThisFlag = true";
    decides(&event(), Match::Yes, &[&format!("{{ {unknown} || $.user.id = 1 }}")]);
    decides(&event(), Match::No, &[&format!("{{ {unknown} && $.user.id = 2 }}")]);
    is_undecided(
        &event(),
        &[&format!("{{ {unknown} && $.user.id = 1 }}"), &format!("{{ {unknown} || $.user.id = 2 }}")],
    );
}

#[test]
fn terms_are_looked_for_in_the_text() {
    let event = json!({ "message": "[ERROR 419] MISSING ARGUMENTS", "n": 12 });
    decides(
        &event,
        Match::Yes,
        &[
            "ERROR",
            "ERROR ARGUMENTS",
            "?ERROR ?WARN",
            "\"MISSING ARGUMENTS\"",
            "ERROR -WARN",
            "message",
            "12",
            "%ERROR [0-9]+%",
            "\"\"",
            // Beside another term the ones with a question mark have no effect.
            "?WARN ERROR",
        ],
    );
    decides(
        &event,
        Match::No,
        &["WARN", "error", "ERROR WARN", "?WARN ?INFO", "ERROR -ARGUMENTS", "?ERROR WARN", "%^ERROR$%"],
    );
    is_undecided(&event, &[r#""\"n\":12""#, "\"n, message\"", "%^.ERROR%", "%message.*ERROR%"]);
}

#[test]
fn what_aws_does_not_take_is_not_read() {
    for (pattern, expected) in [
        ("{ }", "expected `(`, or a property such as `$.eventName` at character 3"),
        ("{ $.a = 1", "expected `&&`, `||` or `}` at character 10"),
        ("{ ($.a = 1 }", "expected `&&`, `||` or `)` at character 12"),
        ("{ $.a = 1 } x", "expected the end at character 13"),
        ("{ $.a = 1 && }", "expected `(`, or a property such as `$.eventName` at character 14"),
        ("{ $.a = 1 & $.b = 1 }", "expected `&&`, `||` or `}` at character 11"),
        ("{ $ = 1 }", "expected a property such as `.eventName` at character 4"),
        ("{ $. = 1 }", "expected a property such as `.eventName` at character 5"),
        ("{ $.a == 1 }", "expected a value at character 8"),
        ("{ $.a > x }", "expected a number at character 9"),
        (
            "{ $.a IS NOT NULL }",
            "expected a comparison such as `=`, `NOT EXISTS` or `IS TRUE` at character 10",
        ),
        ("{ !($.a = 1) }", "expected `(`, or a property such as `$.eventName` at character 3"),
        (r#"{ $.ä = "x" && $.b = "\d" }"#, "expected text in quotation marks at character 23"),
        ("{ $.a = %(b)% }", "expected a regular expression of those that AWS supports at character 10"),
        ("{ $.a = %b }", "expected a regular expression of those that AWS supports at character 13"),
        ("!x", "expected a word, or a phrase in quotation marks at character 1"),
    ] {
        let why = pattern.parse::<Pattern>().expect_err(pattern).to_string();
        assert_eq!(why, format!("a filter pattern cannot be read: {expected}"), "{pattern}");
    }
}

#[test]
fn only_the_expressions_that_aws_supports_are_read() {
    for good in [r"\d+\.\w{2}", "^a$", "[^a-z0-9-]", "a|b", "a?b*c+", r"\-", "ab c"] {
        read(&format!("{{ $.a = %{good}% }}"));
    }
    for bad in
        ["a!", "(a)", "ä", "a*+", "a{2}+", "[[a]]", "[a--b]", r"\b", r"\x41", "[", "*", "a{2000}{2000}", "\\"]
    {
        format!("{{ $.a = %{bad}% }}").parse::<Pattern>().expect_err(bad);
    }
}

#[test]
fn hostile_patterns_are_refused() {
    for pattern in [
        format!("{{ {}$.a = 1{} }}", "(".repeat(10_000), ")".repeat(10_000)),
        format!("{{ {}$.a = 1{} }}", "(".repeat(65), ")".repeat(65)),
        format!("{{ {}", "(".repeat(4_000)),
        format!("{{ $.a = {} }}", "x".repeat(5_000)),
        format!("{{ $.a{} = 1 }}", "[99999999999999999999999]"),
    ] {
        pattern.parse::<Pattern>().expect_err("it is too deep or too long");
    }
    let deepest = format!("{{ {}$.a = 1{} }}", "(".repeat(64), ")".repeat(64));
    assert_eq!(read(&deepest), read("{ $.a = 1 }"));
    let stars = format!("{{ $.a = {} }}", "*a".repeat(2_000));
    decides(&json!({ "a": "a".repeat(1_999) }), Match::No, &[&stars]);
}
