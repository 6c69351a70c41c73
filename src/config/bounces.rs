//! What becomes of bounces that were read: `[bounces]`.

use std::time::Duration;

use serde::Deserialize;

use super::reader::Reader;
use super::scalar::{Command, Scalar, Value};
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

impl PassOn {
    pub const ALL: [PassOn; 2] = [PassOn::Unread, PassOn::All];

    /// As the file spells it.
    pub fn name(self) -> &'static str {
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

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default, expecting = "a table, as in [bounces]")]
pub(super) struct Table {
    pub threshold: Value,
    pub soft: Value,
    pub half_life: Value,
    pub keep: Value,
    pub hook: Command,
    pub pass_on: Value,
}

impl Table {
    pub fn read(&self, reader: &mut Reader<'_>) -> Bounces {
        let default = Bounces::default();
        let rules = Rules {
            threshold: reader.value(
                "bounces.threshold",
                &self.threshold,
                default.rules.threshold,
                values::fraction(0.1, 1_000.0),
            ),
            soft: reader.value("bounces.soft", &self.soft, default.rules.soft, values::fraction(0.0, 1.0)),
            half_life: reader.value("bounces.half_life", &self.half_life, default.rules.half_life, values::some_time),
        };
        let hook = self.hook.as_ref();
        let hook = hook.and_then(|hook| reader.given("bounces.hook", hook, |args| values::plain_command(args)));
        Bounces {
            rules,
            keep: reader.value("bounces.keep", &self.keep, default.keep, values::some_time),
            hook,
            pass_on: reader.value("bounces.pass_on", &self.pass_on, default.pass_on, pass_on),
        }
    }
}

fn pass_on(value: &Scalar) -> Result<PassOn, String> {
    let name = values::text(value)?;
    let found = PassOn::ALL.into_iter().find(|choice| choice.name() == name);
    found.ok_or_else(|| format!("{value} is not possible: \"unread\" or \"all\""))
}
