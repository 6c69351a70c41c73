//! Numbers and dates of a row as a person reads them.

use minijinja::Value;

/// The most digits behind a number's point.
pub(super) const DIGITS_MAX: usize = 18;

/// The number that a text is, for comparing.
pub(super) fn parse(text: &str) -> Result<Value, String> {
    let text = text.trim();
    if let Ok(whole) = text.parse::<i64>() {
        return Ok(Value::from(whole));
    }
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() => Ok(Value::from(number)),
        Ok(_) | Err(_) => Err(none_of(text)),
    }
}

/// `text` rounded to `digits` behind `point`, thousands apart by `group`.
pub(super) fn format(text: &str, digits: usize, point: &str, group: &str) -> Result<String, String> {
    let text = text.trim();
    let rounded = match text.parse::<i64>() {
        Ok(whole) => format!("{whole}{}{}", if digits > 0 { "." } else { "" }, "0".repeat(digits)),
        Err(_) => match text.parse::<f64>() {
            Ok(number) if number.is_finite() => format!("{number:.digits$}"),
            Ok(_) | Err(_) => return Err(none_of(text)),
        },
    };
    let (sign, rest) = rounded.strip_prefix('-').map_or(("", rounded.as_str()), |rest| ("-", rest));
    let (whole, fraction) = rest.split_once('.').unwrap_or((rest, ""));
    let is_zero = rest.bytes().all(|byte| matches!(byte, b'0' | b'.'));
    let mut out = if is_zero { String::new() } else { sign.to_owned() };
    for (n, digit) in whole.chars().enumerate() {
        if n > 0 && (whole.len() - n).is_multiple_of(3) {
            out.push_str(group);
        }
        out.push(digit);
    }
    if digits > 0 {
        out.push_str(point);
        out.push_str(fraction);
    }
    Ok(out)
}

/// A date, a moment with or without its offset, or seconds since 1970 (in UTC), in the form of strftime.
pub(super) fn date(text: &str, form: &str) -> Result<String, String> {
    use jiff::fmt::strtime;
    let text = text.trim();
    let time = if let Ok(seconds) = text.parse::<i64>() {
        jiff::Timestamp::from_second(seconds).ok().map(strtime::BrokenDownTime::from)
    } else if let Ok(pieces) = jiff::fmt::temporal::Pieces::parse(text) {
        let civil = pieces.date().to_datetime(pieces.time().unwrap_or(jiff::civil::Time::midnight()));
        // The offset that the text has is that of its hours.
        let mut time = strtime::BrokenDownTime::from(civil);
        time.set_offset(pieces.to_numeric_offset());
        Some(time)
    } else {
        None
    };
    let time = time.ok_or_else(|| format!("'{}' is no date of the form 2026-11-30", shown(text)))?;
    time.to_string(form).map_err(|error| format!("the date's form '{}' does not do: {error}", shown(form)))
}

fn none_of(text: &str) -> String {
    format!("'{}' is no number", shown(text))
}

fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_rounded_and_grouped() {
        for (text, digits, point, group, expected) in [
            ("1234567", 0, ".", ",", "1,234,567"),
            ("-1234.5", 2, ",", ".", "-1.234,50"),
            ("999", 2, ".", ",", "999.00"),
            ("0.5", 0, ".", "", "0"),
            ("-0.001", 1, ".", "", "0.0"),
            (" 12 ", 0, ".", "", "12"),
        ] {
            assert_eq!(format(text, digits, point, group).as_deref(), Ok(expected), "{text}");
        }
        for bad in ["", "x", "1,5", "NaN", "inf", "1e999"] {
            assert!(format(bad, 2, ".", "").is_err() && parse(bad).is_err(), "{bad}");
        }
        assert_eq!(parse("7"), Ok(Value::from(7)));
    }

    #[test]
    fn dates_are_written_as_asked() {
        for (text, form, expected) in [
            ("2026-11-30", "%d.%m.%Y", "30.11.2026"),
            ("2026-11-30 14:05:06", "%H:%M", "14:05"),
            ("2026-11-30T14:05:06+02:00", "%H:%M %z", "14:05 +0200"),
            ("2026-11-30T14:05:06Z", "%Y", "2026"),
            ("0", "%Y-%m-%d", "1970-01-01"),
        ] {
            assert_eq!(date(text, form).as_deref(), Ok(expected), "{text}");
        }
        for (text, form) in [("", "%Y"), ("30.11.2026", "%Y"), ("2026-13-01", "%Y"), ("2026-11-30", "%Q%!")] {
            assert!(date(text, form).is_err(), "{text}");
        }
    }
}
