//! What is broken, hostile or cut short costs what is broken, and no more.

use std::io::Cursor;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

#[test]
fn cut_gzip_gives_what_came_before() {
    let text = records(&["a", "b", "c"]).to_string();
    let packed = gzip(&text);
    let (heard, report) = hear(&packed[..packed.len() - 12]);
    assert!(heard.ids.starts_with(&["a".to_owned(), "b".to_owned()]), "{heard:?}");
    let [Problem::Damaged { packing: "gzip", what, packed: read, offset }] = &report.problems[..] else {
        panic!("{report:?}")
    };
    assert_eq!((what.as_str(), *read), ("cut short", packed.len() as u64 - 12));
    assert!(*offset > 0 && *offset <= text.len() as u64);
    let (heard, report) = hear(&packed[..packed.len() - 4]);
    assert_eq!(heard.ids, ["a", "b", "c"], "only the check sum is cut");
    assert!(matches!(report.problems[..], [Problem::Damaged { .. }]));
}

#[test]
fn damaged_gzip_gives_what_came_before() {
    let ids: Vec<_> = (0..20_000).map(|number| format!("{:x}", number * 0x9e37_79b9_u64)).collect();
    let ids: Vec<_> = ids.iter().map(String::as_str).collect();
    let mut packed = gzip(records(&ids).to_string());
    let middle = packed.len() / 2;
    packed[middle..middle + 40].fill(0xff);
    let (heard, report) = hear(packed);
    assert!(heard.ids.len() > 5_000, "{}", heard.ids.len());
    assert!(heard.ids.iter().zip(&ids).take(heard.ids.len() - 1).all(|(heard, id)| heard == id));
    assert!(
        report.problems.iter().any(|problem| matches!(problem, Problem::Damaged { .. })),
        "{:?}",
        report.problems
    );
    let mut check_sum = gzip(records(&["a"]).to_string());
    let at = check_sum.len() - 6;
    check_sum[at] ^= 1;
    let (heard, report) = hear(check_sum);
    assert_eq!(heard.ids, ["a"]);
    assert!(matches!(&report.problems[..], [Problem::Damaged { what, .. }] if what.contains("damaged")));
    let (heard, report) = hear([gzip(records(&["a"]).to_string()), b"more".to_vec()].concat());
    assert_eq!(heard.ids, ["a"]);
    assert!(
        matches!(&report.problems[..], [Problem::Damaged { what, .. }] if what == "followed by something else")
    );
}

#[test]
fn damaged_zstd_gives_what_came_before() {
    let text = records(&["a", "b"]).to_string();
    let packed = zstd::encode_all(text.as_bytes(), 3).unwrap();
    let (_, report) = hear(&packed[..packed.len() - 3]);
    assert!(
        matches!(&report.problems[..], [Problem::Damaged { packing: "zstd", what, .. }] if what == "cut short"),
        "{report:?}"
    );
    let mut wrong = packed;
    let end = wrong.len();
    wrong[end - 20..].fill(0xff);
    assert!(matches!(hear(wrong).1.problems[..], [Problem::Damaged { .. }, ..]));
}

#[test]
fn a_gzip_bomb_is_an_error_of_its_file() {
    let options =
        Options { limits: Limits { inflated_bytes: 1 << 20, ..Limits::default() }, ..Options::default() };
    let bomb = format!("{}{}", record("a"), " ".repeat(3 << 20));
    let (heard, report) = hear_with(&options, gzip(&bomb));
    assert_eq!(heard.ids, ["a"]);
    assert_eq!(report.problems, [Problem::TooLarge { limit: 1 << 20 }]);
    assert_eq!(report.counts.bytes_inflated, 1 << 20);
    assert_eq!(hear_with(&options, bomb).1.problems, [], "what is not compressed cannot grow");
    let fits = format!("{}{}", record("a"), " ".repeat((1 << 20) - record("a").to_string().len()));
    assert_eq!(hear_with(&options, gzip(fits)).1.problems, []);
}

#[test]
fn a_record_that_is_too_large_costs_itself() {
    let options =
        Options { limits: Limits { record_bytes: 1 << 20, ..Limits::default() }, ..Options::default() };
    let mut large = record("large");
    large["requestParameters"] = json!("]}\\".repeat(1 << 20));
    let text = json!({"Records": [record("a"), large, record("b")]}).to_string();
    let offset = text.find("large").unwrap();
    let (heard, report) = hear_with(&options, gzip(text));
    assert_eq!(heard.ids, ["a", "b"]);
    assert!(
        matches!(report.problems[..], [Problem::RecordTooLarge { offset: at, limit: 0x10_0000 }] if at < offset as u64),
        "{:?}",
        report.problems
    );
    let (heard, report) = hear_with(&options, format!("{}\n{large}\n{}\n", record("a"), record("b")));
    assert_eq!((heard.ids.len(), report.counts.rejected), (2, 1));
    let mut allowed = record("c");
    allowed["requestParameters"] = json!("x".repeat(900_000));
    assert_eq!(hear_with(&options, records_of(&[allowed])).0.ids, ["c"]);
}

fn records_of(records: &[Value]) -> String {
    json!({"Records": records}).to_string()
}

#[test]
fn a_huge_record_does_not_fill_the_memory() {
    /// One string without end.
    struct Endless(u64);

    impl Read for Endless {
        fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
            let length = into.len().min(usize::try_from(self.0).unwrap());
            into[..length].fill(b'x');
            self.0 -= length as u64;
            Ok(length)
        }
    }

    let mut heard = Heard::default();
    let mut buffer = Vec::new();
    let start = format!(r#"{{"Records":[{},{{"eventName":""#, record("a"));
    let end = format!(r#""}},{}]}}"#, record("b"));
    let stream = Cursor::new(start).chain(Endless(100 << 20)).chain(Cursor::new(end));
    let report = walk::read(0, Input::stream("huge", stream), &Options::default(), &mut heard, &mut buffer);
    assert_eq!(heard.ids, ["a", "b"]);
    assert!(matches!(report.problems[..], [Problem::RecordTooLarge { .. }]), "{:?}", report.problems);
    assert!(buffer.capacity() <= 40 << 20, "{}", buffer.capacity());
}

#[test]
fn deep_nesting_costs_one_record() {
    let nested = |levels: usize| {
        let mut text = record("deep").to_string();
        text.truncate(text.len() - 1);
        format!("{text},\"x\":{}{}}}", "[".repeat(levels), "]".repeat(levels))
    };
    assert_eq!(ids(nested(127)), ["deep"]);
    for levels in [128, 1_000_000] {
        let (heard, report) = hear(format!("{{\"Records\":[{},{}]}}", nested(levels), record("a")));
        assert_eq!(heard.ids, ["a"]);
        assert!(
            matches!(report.problems[..], [Problem::TooDeep { limit: 128, .. }]),
            "{:?}",
            report.problems
        );
    }
    let mut many = record("wide");
    many["x"] = json!(vec![json!([]); 1000]);
    assert_eq!(ids(many.to_string()), ["wide"]);
}

#[test]
fn lists_and_envelopes_without_end_are_refused() {
    for start in ["[", r#"{"Records":["#, r#"{"detail-type":"x","detail":"#] {
        let (_, report) = hear(start.repeat(100_000));
        assert!(!report.problems.is_empty(), "{start}");
    }
    let mut envelope = record("a");
    for _ in 0..50 {
        envelope = json!({"detail-type": "x", "detail": envelope});
    }
    let (_, report) = hear(envelope.to_string());
    assert!(matches!(report.problems[..], [Problem::TooDeep { .. }]));
}

#[test]
fn text_that_is_not_utf8_costs_one_record() {
    let (a, b) = (record("a").to_string(), record("b").to_string());
    let broken = [&b"{\"eventName\":\"\xff}\",\"x\":{}}"[..]];
    let list = [format!("{{\"Records\":[{a},").as_bytes(), broken[0], format!(",{b}]}}").as_bytes()].concat();
    let lines = [format!("{a}\n").as_bytes(), broken[0], format!("\n{b}").as_bytes()].concat();
    for text in [list, lines] {
        let at = text.iter().position(|byte| *byte == 0xff).unwrap() as u64;
        let (heard, report) = hear(text);
        assert_eq!(heard.ids, ["a", "b"]);
        assert_eq!(report.problems, [Problem::NotUtf8 { offset: at }]);
        assert_eq!(report.counts.rejected, 1);
    }
    let (_, report) = hear(b"{\"eventName\":\"\xc3".to_vec());
    assert_eq!(report.counts.rejected, 1);
}

#[test]
fn broken_records_cost_themselves_and_are_told_with_their_place() {
    let (a, b) = (record("a").to_string(), record("b").to_string());
    for broken in [
        r#"{"eventName":nul}"#,
        r#"{"eventName" "x"}"#,
        "{,}",
        r#"{"eventName":"\x"}"#,
        "{\"eventName\":\"\n\"}",
    ] {
        for (text, start) in
            [(format!("{{\"Records\":[{a},{broken},{b}]}}"), 13), (format!("{a}\n{broken}\n{b}"), 1)]
        {
            let (heard, report) = hear(text);
            assert_eq!(heard.ids, ["a", "b"], "{broken}");
            let [Problem::Malformed { offset, .. }] = report.problems[..] else {
                panic!("{broken}: {report:?}")
            };
            let from = (start + a.len()) as u64;
            assert!(offset >= from && offset <= from + broken.len() as u64, "{broken}: {offset}");
        }
    }
    let (heard, report) = hear(format!("{a}\n{{\"eventName\":\"cut\n{b}\nnoise\n{{\"cut\":{{\n{a}"));
    assert_eq!((heard.ids.len(), report.counts.rejected), (3, 3));
}

#[test]
fn a_list_with_wrong_separators_is_told() {
    let (a, b) = (record("a"), record("b"));
    for text in
        [format!("[{a}{b}]"), format!("[{a},,{b}]"), format!("[{a},]"), format!("{{\"Records\":[{a};{b}]}}")]
    {
        let (heard, report) = hear(format!("{text}\n{b}"));
        assert_eq!(heard.ids.first().map(String::as_str), Some("a"), "{text}");
        assert_eq!(heard.ids.last().map(String::as_str), Some("b"), "{text}");
        assert!(!report.problems.is_empty(), "{text}");
    }
}

#[test]
fn noise_is_one_problem() {
    let (_, report) = hear("time,name\n1,2\n3,4\n");
    assert_eq!((report.counts.rejected, report.problems.len()), (1, 1));
    let noise: Vec<u8> =
        (0..1_000_000_u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let (_, report) = hear(noise);
    assert!(report.problems_found >= 1 && report.problems.len() <= Report::PROBLEMS_KEPT);
}

#[test]
fn keys_given_twice_and_half_surrogates_are_no_problem() {
    let twice = r#"{"eventID":"first","eventTime":"2026-01-02T03:04:05Z","eventType":"AwsApiCall","eventID":"second","x":"\ud800"}"#;
    assert_eq!(ids(twice), ["first"]);
}

#[test]
fn offsets_are_places_in_the_content() {
    let text = records(&["a", "b", "c"]).to_string();
    let (heard, _) = hear(gzip(&text));
    let expected: Vec<_> = text.match_indices(r#"{"eventID""#).map(|(at, _)| at as u64).collect();
    assert_eq!(heard.offsets, expected);
}

#[test]
fn a_file_that_is_not_there_is_a_problem_of_its_own() {
    let mut heard = Heard::default();
    let missing = std::env::temp_dir().join("upright-no-such-file");
    let report = read(3, Input::file(missing), &Options::default(), &mut heard);
    assert!(matches!(report.problems[..], [Problem::Open(_)]));
    assert_eq!(report.input, 3);
}

fn options_for_noise() -> Options {
    let limits = Limits { record_bytes: 10_000, inflated_bytes: 1 << 20, nesting: 20 };
    Options { limits, ..Options::default() }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn noise_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        hear_with(&options_for_noise(), bytes);
    }

    #[test]
    fn noise_that_looks_like_json_never_panics(
        text in r#"([\[\]{}",:\n a1é]|\{"Records":\[|"detail"|"body":|"messageId":1|"logEvents":\[|null){0,60}"#,
    ) {
        hear_with(&options_for_noise(), text.clone());
        hear_with(&options_for_noise(), json!({"messageId": "m", "body": text}).to_string());
    }

    /// Whatever is cut off or changed, the file ends, and the events before it are delivered as they were.
    #[test]
    fn damage_never_invents_events(
        cut in 0.0..1.0_f64,
        change in prop::option::of((0.0..1.0_f64, any::<u8>())),
        packed in any::<bool>(),
    ) {
        let ids: Vec<_> = (0..300).map(|number| format!("id-{number}")).collect();
        let ids: Vec<_> = ids.iter().map(String::as_str).collect();
        let text = records(&ids).to_string();
        let mut bytes = if packed { gzip(&text) } else { text.into_bytes() };
        if let Some((at, byte)) = change {
            let at = (bytes.len() as f64 * at) as usize;
            bytes[at] = byte;
        }
        bytes.truncate((bytes.len() as f64 * cut) as usize);
        let is_empty = bytes.is_empty();
        let (heard, report) = hear(bytes);
        prop_assert!(heard.ids.len() <= ids.len());
        prop_assert!(report.counts.found() <= 310);
        if change.is_none() {
            prop_assert!(heard.ids.iter().zip(&ids).all(|(heard, id)| heard == id));
            prop_assert!(is_empty || report.problems_found > 0);
        }
    }

    /// Where the window happens to end makes no difference.
    #[test]
    fn records_of_any_size_are_found(sizes in prop::collection::vec(0_usize..200_000, 1..12), blanks in 0_usize..70_000) {
        let mut text = String::from("{\"Records\":[");
        for (number, size) in sizes.iter().enumerate() {
            let mut record = record(&number.to_string());
            record["requestParameters"] = json!({"x": "é\"}".repeat(size / 3)});
            text.push_str(if number > 0 { "," } else { "" });
            text.push_str(&" ".repeat(blanks));
            text.push_str(&record.to_string());
        }
        text.push_str("]}");
        let expected: Vec<_> = (0..sizes.len()).map(|number| number.to_string()).collect();
        prop_assert_eq!(ids(text), expected);
    }
}
