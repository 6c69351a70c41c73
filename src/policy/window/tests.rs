use proptest::prelude::*;

use super::*;

/// Summer time in Berlin's manner: forward on the last Sunday of March at 2, back on that of October at 3.
const BERLIN: &str = "CET-1CEST,M3.5.0,M10.5.0/3";

fn window(text: &str) -> Window {
    Window::parse(text, |_| TimeZone::posix(BERLIN).ok()).expect("a window")
}

fn at(text: &str) -> Micros {
    Micros::parse(text).expect("an instant")
}

/// When it opens next, and closes then, in UTC.
fn next(window: &Window, now: &str) -> (String, String) {
    let opens = window.opens_at(at(now));
    let closes = window.open_until(opens).expect("open");
    let short = |at: Micros| at.rfc3339().replace(".000000Z", "Z");
    (short(opens), short(closes))
}

#[track_caller]
fn assert_next(hours: &str, now: &str, opens: &str, closes: &str) {
    assert_eq!(next(&window(hours), now), (opens.to_owned(), closes.to_owned()), "{hours} from {now} on");
}

const HOUR: Duration = Duration::from_secs(3_600);

#[test]
fn hours_days_and_a_zone_are_taken() {
    for good in [
        "08:00-20:00",
        "22:00-06:00,sat",
        "08:00-24:00,mon-fri",
        "00:00-24:00",
        "08:00-20:00,fri-mon,Europe/Berlin",
        "08:30-20:59,Etc/GMT+7",
    ] {
        assert_eq!(good.parse::<Hours>().expect("hours").to_string(), good);
    }
    assert_eq!(" 08:00 - 20:00 , Mon-FRI ".parse::<Hours>().expect("hours").to_string(), "08:00-20:00,mon-fri");
    for bad in ["", "8-20", "08:00", "08:00-08:00", "08:00-25:00", "08:60-20:00", "24:00-06:00", "+8:00-20:00"] {
        assert_eq!(bad.parse::<Hours>(), Err(BadHours::Times), "{bad}");
    }
    for bad in [
        "08:00-20:00,noday",
        "08:00-20:00,,",
        "08:00-20:00,mon-",
        "08:00-20:00,mon,fri",
        "08:00-20:00,Europe/Berlin,mon",
        "08:00-20:00,mon,../../etc/passwd",
        "08:00-20:00,A/../B",
        "08:00-20:00,mon,UTC,UTC",
    ] {
        assert_eq!(bad.parse::<Hours>(), Err(BadHours::Rest), "{bad}");
    }
}

#[test]
fn a_zone_that_is_unknown_gives_no_window() {
    let none = |_: Option<&str>| None;
    let error = Window::parse("08:00-20:00,Europe/Bonn", none).expect_err("unknown").to_string();
    assert!(error.contains("Europe/Bonn") && error.contains("tzdata"), "{error}");
    let asked = std::cell::Cell::new(false);
    let find = |name: Option<&str>| {
        asked.set(name.is_none());
        None
    };
    assert!(Window::parse("08:00-20:00,mon", find).is_err() && asked.get());
}

#[test]
fn it_is_open_from_the_first_instant_and_not_in_the_last() {
    // In winter Berlin is one hour ahead.
    let day = window("08:00-20:00");
    for (now, open) in [
        ("2026-12-01T06:59:59.999999Z", false),
        ("2026-12-01T07:00:00Z", true),
        ("2026-12-01T18:59:59.999999Z", true),
        ("2026-12-01T19:00:00Z", false),
    ] {
        assert_eq!(day.open_until(at(now)).is_some(), open, "{now}");
        assert_eq!(day.opens_at(at(now)) == at(now), open, "{now}");
    }
    assert_next("08:00-20:00", "2026-12-01T19:00:00Z", "2026-12-02T07:00:00Z", "2026-12-02T19:00:00Z");
    assert_next("08:00-20:00", "2026-12-01T12:00:00Z", "2026-12-01T12:00:00Z", "2026-12-01T19:00:00Z");
    assert_next("00:00-24:00,sun", "2026-12-01T12:00:00Z", "2026-12-05T23:00:00Z", "2026-12-06T23:00:00Z");
}

#[test]
fn a_day_is_that_of_the_opening_and_days_go_round() {
    // The first of December 2026 is a Tuesday.
    assert_next("08:00-20:00,mon-fri", "2026-12-04T19:00:00Z", "2026-12-07T07:00:00Z", "2026-12-07T19:00:00Z");
    assert_next("08:00-20:00,fri-mon", "2026-12-01T07:00:00Z", "2026-12-04T07:00:00Z", "2026-12-04T19:00:00Z");
    assert_next("08:00-20:00,fri-mon", "2026-12-06T20:00:00Z", "2026-12-07T07:00:00Z", "2026-12-07T19:00:00Z");
    assert_next("08:00-20:00,fri-mon", "2026-12-07T20:00:00Z", "2026-12-11T07:00:00Z", "2026-12-11T19:00:00Z");
    assert_next("22:00-06:00,sat", "2026-12-05T20:00:00Z", "2026-12-05T21:00:00Z", "2026-12-06T05:00:00Z");
    // On Saturday morning that of Friday is over, and that of Saturday has not begun.
    assert_next("22:00-06:00,sat", "2026-12-05T02:00:00Z", "2026-12-05T21:00:00Z", "2026-12-06T05:00:00Z");
    assert_next("22:00-06:00,sat", "2026-12-06T02:00:00Z", "2026-12-06T02:00:00Z", "2026-12-06T05:00:00Z");
    assert_next("22:00-06:00", "2026-12-06T02:00:00Z", "2026-12-06T02:00:00Z", "2026-12-06T05:00:00Z");
    assert_next("22:00-06:00,sat", "2026-12-06T05:00:00Z", "2026-12-12T21:00:00Z", "2026-12-13T05:00:00Z");
}

#[test]
fn an_hour_that_the_clock_leaves_out_opens_after_the_leap() {
    // On the 29th of March 2026 at 01:00 UTC Berlin's clock goes from 02:00 to 03:00.
    assert_next("02:30-06:00", "2026-03-29T00:00:00Z", "2026-03-29T01:00:00Z", "2026-03-29T04:00:00Z");
    assert_next("01:30-02:30", "2026-03-29T00:45:00Z", "2026-03-29T00:45:00Z", "2026-03-29T01:00:00Z");
    // Of that day nothing is left.
    assert_next("02:15-02:45", "2026-03-28T12:00:00Z", "2026-03-30T00:15:00Z", "2026-03-30T00:45:00Z");
    assert_next("02:15-02:45,sun", "2026-03-28T12:00:00Z", "2026-04-05T00:15:00Z", "2026-04-05T00:45:00Z");
    assert_next("08:00-20:00", "2026-03-28T20:00:00Z", "2026-03-29T06:00:00Z", "2026-03-29T18:00:00Z");
    let night = window("22:00-06:00");
    assert_eq!(night.open_between(at("2026-03-28T12:00:00Z"), at("2026-03-29T12:00:00Z")), 7 * HOUR);
}

#[test]
fn an_hour_that_comes_twice_is_open_twice() {
    // On the 25th of October 2026 at 01:00 UTC Berlin's clock goes from 03:00 back to 02:00.
    assert_next("02:15-02:45", "2026-10-25T00:00:00Z", "2026-10-25T00:15:00Z", "2026-10-25T00:45:00Z");
    assert_next("02:15-02:45", "2026-10-25T00:45:00Z", "2026-10-25T01:15:00Z", "2026-10-25T01:45:00Z");
    assert_next("02:15-02:45", "2026-10-25T01:45:00Z", "2026-10-26T01:15:00Z", "2026-10-26T01:45:00Z");
    let between = |hours: &str| window(hours).open_between(at("2026-10-24T12:00:00Z"), at("2026-10-25T12:00:00Z"));
    assert_eq!((between("02:00-03:00"), between("22:00-06:00")), (2 * HOUR, 9 * HOUR));
}

#[test]
fn open_time_alone_is_counted() {
    let day = window("08:00-20:00,mon-fri");
    let between = |from: &str, to: &str| day.open_between(at(from), at(to));
    // From Friday evening to Monday.
    assert_eq!(between("2026-12-04T18:00:00Z", "2026-12-07T09:00:00Z"), 3 * HOUR);
    assert_eq!(between("2026-12-04T19:00:00Z", "2026-12-07T07:00:00Z"), Duration::ZERO);
    assert_eq!(between("2026-12-07T09:00:00Z", "2026-12-07T08:00:00Z"), Duration::ZERO);
    assert_eq!(between("2026-12-01T08:00:00Z", "2026-12-01T08:00:00.000007Z"), Duration::from_micros(7));
    assert_eq!(day.open_between(Micros(0), Micros(0)), Duration::ZERO);
    assert!(day.open_between(Micros(0), Micros::MAX) > Duration::from_secs(86_400 * 365 * 10));
}

#[test]
fn what_is_due_in_closed_hours_waits_for_the_opening() {
    let day = window("08:00-20:00");
    let (noon, evening, morning) = (at("2026-12-01T12:00:00Z"), at("2026-12-01T21:00:00Z"), at("2026-12-02T07:00:00Z"));
    assert_eq!(day.defers(noon, evening), Some(morning));
    assert_eq!(day.defers(evening, noon), Some(morning));
    assert_eq!((day.defers(evening, at("2026-12-02T09:00:00Z")), day.defers(noon, noon)), (None, None));
    assert_eq!(day.defers(morning, noon), None);
}

/// Whether it is open by the wall clock alone.
fn is_open(window: &Window, now: Micros) -> bool {
    let Hours { from, to, .. } = window.hours;
    let clock = signed(now) + window.offset(signed(now)).0;
    let (day, minute) = (clock.div_euclid(DAY), clock.rem_euclid(DAY) / MINUTE);
    let (from, to) = (i64::from(from), i64::from(to));
    let has = |day| window.hours.has_day(day);
    match from < to {
        true => has(day) && (from..to).contains(&minute),
        false => has(day) && minute >= from || has(day - 1) && minute < to,
    }
}

proptest! {
    #[test]
    fn the_wall_clock_tells_whether_it_is_open(
        from in 0..1_440u16, to in 0..=1_440u16, days in proptest::option::of((0..7u8, 0..7u8)), hour in 0..17_520u64, minute in 0..60u64,
    ) {
        prop_assume!(from != to);
        let hours = Hours { from, to, days, zone: None };
        let window = hours.window(|_| TimeZone::posix(BERLIN).ok()).expect("a window");
        let now = at("2026-01-01T00:00:00Z").plus(Duration::from_secs(hour * 3_600 + minute * 60 + 7));
        prop_assert_eq!(hours.to_string().parse::<Hours>().expect("hours"), hours);
        prop_assert_eq!(window.open_until(now).is_some(), is_open(&window, now));
        let opens = window.opens_at(now);
        prop_assert!(is_open(&window, opens) && opens.since(now) <= 15 * 24 * HOUR);
        prop_assert!(opens == now || !is_open(&window, opens.minus(Duration::from_micros(1))));
        let closes = window.open_until(opens).expect("open");
        prop_assert!(is_open(&window, closes.minus(Duration::from_micros(1))));
        prop_assert_eq!(window.open_between(now, opens), Duration::ZERO);
        prop_assert_eq!(window.open_between(now, closes), closes.since(opens));
        // Minute by minute.
        let end = now.plus(Duration::from_secs(86_400));
        let steps = (0..1_440).filter(|step| is_open(&window, now.plus(Duration::from_secs(step * 60)))).count();
        let counted = window.open_between(now, end).as_secs_f64() / 60.0;
        prop_assert!((counted - steps as f64).abs() <= 4.0, "{} {}", counted, steps);
    }
}
