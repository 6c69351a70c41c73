//! The hours in which a merge is handed over, as a person writes them: `08:00-20:00[,mon-fri][,ZONE]`.

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// Refuses text that is no window.
pub fn window(text: &str) -> Result<String, String> {
    let mut parts = text.split(',').map(str::trim);
    let hours = parts.next().and_then(|hours| hours.split_once('-')).is_some_and(|(from, to)| {
        let (from, to) = (time(from), time(to));
        from.is_some() && to.is_some() && from != to
    });
    if !hours {
        return Err("write the hours from and to, such as 08:00-20:00".to_owned());
    }
    let rest: Vec<&str> = parts.collect();
    let good = match rest.as_slice() {
        [] => true,
        [one] => are_days(one) || is_zone(one),
        [days, zone] => are_days(days) && is_zone(zone),
        _ => false,
    };
    match good {
        true => Ok(text.to_owned()),
        false => Err("behind the hours come days, such as mon-fri, and a time zone, such as Europe/Berlin".to_owned()),
    }
}

/// Minutes of the day.
fn time(text: &str) -> Option<u32> {
    let (hours, minutes) = text.trim().split_once(':')?;
    let number = |text: &str| text.parse::<u32>().ok().filter(|_| text.len() == 2);
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    (minutes < 60 && (hours < 24 || hours == 24 && minutes == 0)).then_some(hours * 60 + minutes)
}

fn are_days(text: &str) -> bool {
    let is_day = |day: &str| DAYS.iter().any(|each| each.eq_ignore_ascii_case(day));
    text.split_once('-').map_or_else(|| is_day(text), |(from, to)| is_day(from) && is_day(to))
}

fn is_zone(text: &str) -> bool {
    let is_fine = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'_' | b'-' | b'+');
    text.bytes().next().is_some_and(|first| first.is_ascii_uppercase()) && text.bytes().all(is_fine)
}

#[cfg(test)]
mod tests {
    use super::window;

    #[test]
    fn hours_days_and_a_zone_are_taken() {
        for good in ["08:00-20:00", "22:00-06:00,sat", "08:00-24:00,Mon-fri", "08:00-20:00,mon-fri,Europe/Berlin"] {
            assert!(window(good).is_ok(), "{good}");
        }
        for bad in
            ["", "8-20", "08:00", "08:00-08:00", "08:00-25:00", "08:60-20:00", "08:00-20:00,noday", "08:00-20:00,,"]
        {
            assert!(window(bad).is_err(), "{bad}");
        }
    }
}
