//! What becomes of bounces that were read: `[bounces]`.

use std::time::Duration;

use super::choice::Named;
use super::form::Form;
use super::key::Key;
use super::table::Table;
use super::values;
use crate::policy::score::Rules;

/// How bounces count, and who is told.
#[derive(Clone, Debug, PartialEq)]
pub struct Bounces {
    /// When an address gets no more mail.
    pub rules: Rules,
    /// How long each report is kept; an address's score and whether it is suppressed stay. Default 90 days.
    pub keep: Duration,
    /// A program, by its absolute path, and its arguments, that is run for each report; default none.
    pub hook: Option<Vec<String>>,
    pub pass_on: PassOn,
}

/// What goes on through the queue's transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PassOn {
    /// What could not be read, the default.
    Unread,
    /// Everything, also what was recorded.
    All,
}

impl Named for PassOn {
    const VALUES: &'static [PassOn] = &[PassOn::Unread, PassOn::All];

    fn word(self) -> &'static str {
        match self {
            PassOn::Unread => "unread",
            PassOn::All => "all",
        }
    }
}

impl Default for Bounces {
    fn default() -> Bounces {
        let keep = Duration::from_secs(90 * 24 * 3_600);
        Bounces { rules: Rules::default(), keep, hook: None, pass_on: PassOn::Unread }
    }
}

pub(super) const TABLE: Table<Bounces> =
    Table { name: "bounces", about: "What becomes of bounces that were read.", keys: KEYS };

type BounceKey = Key<Bounces>;

const KEYS: &[BounceKey] = &[
    BounceKey::new(
        "threshold",
        Form::Fraction(0.1..=1_000.0, |bounces| &mut bounces.rules.threshold),
        "An address whose score reaches it gets no more mail.",
    )
    .otherwise(
        "Default {}: it failed for good on four days, in a row or week after week, for
        each has faded a little when the next comes.",
    ),
    BounceKey::new(
        "soft",
        Form::Fraction(0.0..=1.0, |bounces| &mut bounces.rules.soft),
        "What a failure weighs that may pass; one that will not weighs 1.",
    ),
    BounceKey::new(
        "half_life",
        Form::Time(|bounces| &mut bounces.rules.half_life),
        "After this time a score is half of what it was.",
    ),
    BounceKey::new(
        "keep",
        Form::Time(|bounces| &mut bounces.keep),
        "How long each report is kept.
        Scores, and who is suppressed, stay.",
    ),
    BounceKey::new(
        "pass_on",
        Form::OneOf(|bounces| &mut bounces.pass_on),
        "What goes on through the queue's transport.
        .Qq all
        is for a list manager that reads bounces itself.",
    )
    .otherwise("Default {}: only what is no report, or cannot be read."),
    BounceKey::new(
        "hook",
        Form::Command(|args, _| values::plain_command(args), |bounces| &mut bounces.hook),
        "A program, by its absolute path, and its arguments.
        It is run for each report after that was recorded, with a JSON object on its
        standard input.
        If it fails, or takes longer than a minute, the bounce is tried again like any
        mail, and the hook told again.",
    )
    .otherwise("Default: none.")
    .example("[\"/usr/local/bin/on-bounce\"]"),
];
