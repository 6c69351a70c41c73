//! Why a delivery failed or waits: from the enhanced status (RFC 3463) where that tells, else from the words, else from the
//! status as far as it goes.

use std::sync::LazyLock;

use regex::Regex;
use regex::bytes::{RegexSet, RegexSetBuilder};
use serde::Serialize;

/// Why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// There is no such mailbox, or no more.
    UserUnknown,
    /// There is no such domain, or it takes no mail.
    DomainUnknown,
    /// The mailbox exists, and takes no mail now.
    MailboxFull,
    /// Switched off.
    MailboxDisabled,
    /// The message is larger than somebody takes.
    TooLarge,
    /// The sending host or domain is on a list of somebody's.
    Blocked,
    /// Taken for spam, or for a virus.
    Content,
    /// Refused by a rule: who may write, how a sender must prove who he is.
    Policy,
    /// Too much in a time.
    Rate,
    /// The remote host cannot be reached, or answers too late.
    Network,
    /// A mail system's own fault.
    System,
    /// A loop.
    Loop,
    /// Nobody says.
    Unknown,
}

impl Class {
    /// As it is spelled in files and options.
    pub fn name(self) -> &'static str {
        match self {
            Class::UserUnknown => "user-unknown",
            Class::DomainUnknown => "domain-unknown",
            Class::MailboxFull => "mailbox-full",
            Class::MailboxDisabled => "mailbox-disabled",
            Class::TooLarge => "too-large",
            Class::Blocked => "blocked",
            Class::Content => "content",
            Class::Policy => "policy",
            Class::Rate => "rate",
            Class::Network => "network",
            Class::System => "system",
            Class::Loop => "loop",
            Class::Unknown => "unknown",
        }
    }
}

/// Statuses that tell enough, without their first digit.
const STATUSES: [(&str, Class); 26] = [
    ("1.1", Class::UserUnknown),
    ("1.2", Class::DomainUnknown),
    ("1.3", Class::UserUnknown),
    ("1.6", Class::UserUnknown),
    ("1.7", Class::Policy),
    ("1.8", Class::Policy),
    ("1.10", Class::DomainUnknown),
    ("2.1", Class::MailboxDisabled),
    ("2.2", Class::MailboxFull),
    ("2.3", Class::TooLarge),
    ("3.2", Class::System),
    ("3.4", Class::TooLarge),
    ("4.3", Class::Network),
    ("4.6", Class::Loop),
    ("6.1", Class::Content),
    ("6.7", Class::Policy),
    ("7.8", Class::Policy),
    ("7.9", Class::Policy),
    ("7.20", Class::Policy),
    ("7.21", Class::Policy),
    ("7.22", Class::Policy),
    ("7.23", Class::Policy),
    ("7.24", Class::Policy),
    ("7.25", Class::Policy),
    ("7.26", Class::Policy),
    ("7.28", Class::Rate),
];

/// What the words mean, those that say most first.
const WORDS: [(&str, Class); 12] = [
    (
        r"quota|mailbox size|mailbox.{0,30}\bfull|full mailbox|folder is full|out of storage|too much mail|insufficient storage|mail ?box space|over ?quota|storage (limit|space)",
        Class::MailboxFull,
    ),
    (
        r"black ?list|block ?list|\brbl\b|dnsbl|spamhaus|spamcop|barracuda|sorbs|reputation|\bbanned\b|bl\.|blocked (by|using|due|for)|has been blocked|listed (in|at|by|on)",
        Class::Blocked,
    ),
    (
        r"rate.?limit|throttl|too many (messages|connections|emails|mails|recipients|concurrent|errors)|(sending|message|hourly|daily|receiving) (limit|rate)|unusual rate|receiving mail (too quickly|at a rate)",
        Class::Rate,
    ),
    (
        r"\bspam\b|virus|malware|phish|message content|content (rejected|filter)|attachment|junk|bulk mail|unsolicited",
        Class::Content,
    ),
    (r"hops|\bloop(s|ing|ed)?\b", Class::Loop),
    (
        r"(message|mail|size).{0,40}(too (large|big|long)|exceed)|exceeds.{0,40}size|size limit|maximum (message )?size",
        Class::TooLarge,
    ),
    (
        r"host.{0,20}(unknown|not found)|unknown (host|domain)|domain( name)?.{0,25}(not found|n't exist|does not exist|no mx)|name service error|name or service not known|nxdomain|no mx|all relevant mx|cannot find your.{0,10}host|could ?n.t find any host|could not find a gateway|no such (domain|host)|nullmx|does not accept mail|bad destination (host|system)",
        Class::DomainUnknown,
    ),
    (
        r"user.?unknown|unknown.?(user|recipient|address|local|mailbox)|(unknown or illegal|illegal|invalid|bad|incorrect).{0,20}(user|recipient|address|mailbox|alias|destination)|no such.{0,20}(user|mailbox|recipient|person|account|address|name|addressee)|no (mailbox|user|account|one|valid recipients?)\b.{0,30}(here|by that|with that|name|were found|found)|(user|mailbox|recipient|account|address|alias|person|addressee|name).{0,40}(not (exist|found|known|listed|recogni[sz]ed|valid|in the directory)|n't exist|unknown|is invalid|no longer valid|wrong)|does(n't| not) (exist|have an?)|mailbox unavailable|no matches|not a valid (user|mailbox|recipient)|not our customer|address rejected([^:]|$)|unroute?able (mail|address)|unknown$|is unknown|unavailable: user|unavailable mailbox|(e-mail users|like recipient)",
        Class::UserUnknown,
    ),
    (
        r"disabled|inactive|suspended|discontinued|not active|deactivated|(account|mailbox) (is |has been )?(closed|locked|expired)|not been collected|not accepting mail|no longer (accept|activ|in use|employ|with)",
        Class::MailboxDisabled,
    ),
    (
        r"\bspf\b|dkim|dmarc|polic(y|ies)|not (permitted|allowed|authori[sz]ed)|access denied|relay|authenticat|denied|prohibited|rejected|restrict|forbidden|permission|members? only|refused to accept|not accepted|no resent-from",
        Class::Policy,
    ),
    (
        r"time(d)?.?out|connection|network|unreachable|no route|connect to|not respond|no answer|did not reach|route|queue too long|expired|exceeded maximum delivery|retry timeout|server unavailable|dns|unable to contact",
        Class::Network,
    ),
    (
        r"configuration|command (died|output)|system (error|resources|failure)|internal|i/o error|temporar|local error|server error|processing|busy|program",
        Class::System,
    ),
];

static WORD_SET: LazyLock<Option<RegexSet>> = LazyLock::new(|| {
    RegexSetBuilder::new(WORDS.iter().map(|(words, _)| words)).case_insensitive(true).unicode(false).build().ok()
});

static STATUS: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(?:^|[^0-9.])([245]\.[0-9]{1,3}\.[0-9]{1,3})(?:$|[^0-9.]|\.(?:$|[^0-9]))").ok());

static REPLY: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(?:^|[^0-9.\[\w])([45][0-5][0-9])(?:[- :,;)#]|$)").ok());

/// The first enhanced status in the text (RFC 3463).
pub(super) fn status_in(text: &str) -> Option<String> {
    let found = STATUS.as_ref()?.captures(text)?;
    Some(found.get(1)?.as_str().to_owned())
}

/// The first reply code of refusal in the text (RFC 5321 section 4.2).
pub(super) fn reply_in(text: &str) -> Option<u16> {
    REPLY.as_ref()?.captures(text)?.get(1)?.as_str().parse().ok()
}

/// The class of what a status, a reply code and words say together.
pub(super) fn class(status: Option<&str>, reply: Option<u16>, text: &str) -> Class {
    let detail = status.and_then(|status| status.split_once('.')).map(|(_, detail)| detail);
    let told = STATUSES.iter().find(|(known, _)| Some(*known) == detail).map(|(_, class)| *class);
    if let Some(class) = told {
        return class;
    }
    let words = WORD_SET.as_ref().and_then(|set| set.matches(text.as_bytes()).iter().next());
    if let Some((_, class)) = words.and_then(|which| WORDS.get(which)) {
        return *class;
    }
    match (detail.and_then(|detail| detail.chars().next()), reply) {
        (Some('1'), _) => Class::UserUnknown,
        (Some('2'), _) => Class::MailboxDisabled,
        (Some('3' | '5'), _) => Class::System,
        (Some('4'), _) => Class::Network,
        (Some('6'), _) => Class::Content,
        (Some('7'), _) => Class::Policy,
        (_, Some(552)) => Class::MailboxFull,
        (_, Some(421)) => Class::Network,
        (_, Some(550 | 551 | 553)) => Class::UserUnknown,
        (_, _) => Class::Unknown,
    }
}
