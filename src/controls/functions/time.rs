//! Times are text in RFC 3339, with `Z` or an offset such as `+00:00`.

use jiff::Timestamp;

use super::Mistake;

const SECONDS_PER_DAY: f64 = 86_400.0;

/// Days from one time to another, with fraction; negative when `to` is earlier.
///
/// # Errors
///
/// One of them is not a time in RFC 3339.
pub(crate) fn days_between(from: &str, to: &str) -> Result<f64, Mistake> {
    let elapsed = instant(to)?.duration_since(instant(from)?);
    Ok(elapsed.as_secs_f64() / SECONDS_PER_DAY)
}

/// The latest of some times, as it is written there; `None` when there is none.
///
/// # Errors
///
/// One of them is not a time in RFC 3339.
pub(crate) fn newest(times: &[Option<&str>]) -> Result<Option<String>, Mistake> {
    let mut newest: Option<(Timestamp, &str)> = None;
    for time in times.iter().flatten() {
        let at = instant(time)?;
        if newest.is_none_or(|(latest, _)| at > latest) {
            newest = Some((at, time));
        }
    }
    Ok(newest.map(|(_, time)| time.to_owned()))
}

fn instant(time: &str) -> Result<Timestamp, Mistake> {
    time.parse().map_err(|_| Mistake::new(format!("`{}` is not a time in RFC 3339", start(time))))
}

/// Enough of a text to recognize it in a message.
fn start(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_have_a_fraction_and_a_sign() {
        let days = |from, to| days_between(from, to).unwrap();
        assert_eq!(days("2026-01-01T00:00:00Z", "2026-01-02T12:00:00Z"), 1.5);
        assert_eq!(days("2026-01-02T00:00:00Z", "2026-01-01T00:00:00Z"), -1.0);
        assert_eq!(days("2026-01-01T00:00:00Z", "2026-04-01T00:00:00Z"), 90.0);
        assert!(days("2026-01-01T00:00:00Z", "2026-04-01T00:00:00.001Z") > 90.0);
    }

    #[test]
    fn offsets_of_the_credential_report_are_read() {
        let day = days_between("2026-01-01T00:00:00+00:00", "2026-01-02T02:00:00+02:00");
        assert_eq!(day, Ok(1.0));
    }

    #[test]
    fn a_leap_day_is_a_day() {
        assert_eq!(days_between("2024-02-28T00:00:00Z", "2024-03-01T00:00:00Z"), Ok(2.0));
    }

    #[test]
    fn what_is_no_time_is_a_mistake() {
        for time in
            ["", "N/A", "no_information", "2026-01-01", "2026-13-01T00:00:00Z", "12026-01-01T00:00:00Z"]
        {
            assert!(days_between(time, "2026-01-01T00:00:00Z").is_err(), "{time}");
            assert!(days_between("2026-01-01T00:00:00Z", time).is_err(), "{time}");
            assert!(newest(&[Some(time)]).is_err(), "{time}");
        }
        assert!(days_between(&"9".repeat(1_000_000), "").unwrap_err().to_string().len() < 200);
    }

    #[test]
    fn newest_compares_instants_and_keeps_the_text() {
        let times = [
            None,
            Some("2026-01-01T23:00:00-02:00"),
            Some("2026-01-02T00:30:00Z"),
            Some("2025-01-01T00:00:00Z"),
        ];
        assert_eq!(newest(&times), Ok(Some("2026-01-01T23:00:00-02:00".to_owned())));
        assert_eq!(newest(&[None, None]), Ok(None));
        assert_eq!(newest(&[]), Ok(None));
    }
}
