//! How one MTA's sendmail behaves, and what its exit status and its words are therefore taken for.
//!
//! Evidence counts in this order: it was killed, by us or by others (unknown); a phrase by which this MTA gives its
//! reason; an enhanced status code, or an SMTP reply of class 5 that it quotes; its exit status, by the profile; anything
//! else is a deferral. Output with status 0 is no failure: some sendmails warn at each message.
//!
//! A deferral without an enhanced status code is ambiguous: the sink's fault as likely as the entry's. So is a failure
//! whose words blame this host, or say that the sender was refused before anything was known of the message.

use super::said::{enhanced_status, reply, reply_code, with_said};
use crate::config::Profile;
use crate::model::verdict::Blame;
use crate::model::{Reason, Verdict};
use crate::policy::blame;
use crate::sys::process::Ended;

/// What an exit status says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    Delivered,
    Deferred,
    Failed,
    /// It may have taken the message.
    Unknown,
    /// The command itself could not do its work: nothing about this entry.
    SinkDown,
}

/// How one MTA's sendmail behaves.
#[derive(Debug, PartialEq, Eq)]
pub struct Behaviour {
    pub(super) profile: Profile,
    /// Its spelling of the null sender.
    pub null_sender: &'static str,
    /// Options that it always gets, because it would do something else without.
    pub always: &'static [&'static str],
    /// How it takes `-N`, `-R` and `-V` (RFC 3461); `None` if it does not, or refuses mail because of them.
    pub dsn: Option<Dsn>,
    /// How many recipients it gets at once. More than 1 only where it takes all of them or none, so that those of a refused
    /// hand-over may be handed over again one by one; otherwise a status speaks for one recipient, or for nobody.
    pub at_once: usize,
    /// A recipient after `--` is none of its options, though it begins with a dash.
    pub shields: bool,
    /// It quotes the reply of the server that refused the message.
    pub(super) quotes_replies: bool,
    /// What a line of its output begins with, and means whatever the status is.
    pub(super) phrases: &'static [(&'static str, Meaning)],
    /// The signal that it dies of when it could not hand the message to its own queue.
    pub(super) refused_by: Option<i32>,
    /// It feeds an MTA, so that a refusal may concern this host and not the message.
    pub(super) feeds_an_mta: bool,
    /// What it says where its server refused the sender, to MAIL.
    pub(super) sender_refused: &'static [&'static str],
    /// Statuses that differ from [`GENERIC_STATUSES`].
    pub(super) statuses: &'static [(i32, Meaning)],
    pub(super) signs: MtaSigns,
}

/// How an MTA takes what a submission asked for in delivery status notifications.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dsn {
    /// Its word for `failure` in `-N`.
    pub(super) failure: &'static str,
    /// A shorter `-V` is something else to it; in characters.
    pub(super) shortest_envid: usize,
}

/// What gives an MTA's sendmail away.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct MtaSigns {
    /// Names of the file that its links lead to.
    pub(super) names: &'static [&'static str],
    /// Files that all lie beside a real file called sendmail.
    pub(super) beside: &'static [&'static str],
    /// Folders, one of which a real file called sendmail lies in.
    pub(super) folders: &'static [&'static str],
    /// A text in the program.
    pub(super) mark: &'static str,
}

/// sysexits.h(3head), sh(1)'s 126 and 127, and qmail's 100 and 111. What is not listed is deferred.
const GENERIC_STATUSES: &[(i32, Meaning)] = &[
    (0, Meaning::Delivered),
    (65, Meaning::Failed),  // EX_DATAERR
    (67, Meaning::Failed),  // EX_NOUSER
    (68, Meaning::Failed),  // EX_NOHOST
    (100, Meaning::Failed), // qmail: permanent
    (126, Meaning::SinkDown),
    (127, Meaning::SinkDown),
];

impl Dsn {
    /// The options that pass on what was asked for.
    pub fn options(&self, notify: Option<&str>, ret: Option<&str>, envid: Option<&str>) -> Vec<String> {
        let notify = notify.map(|list| {
            let word = |word: &str| {
                if word.eq_ignore_ascii_case("failure") { self.failure.to_owned() } else { word.to_owned() }
            };
            list.split(',').map(word).collect::<Vec<_>>().join(",")
        });
        let envid = envid.filter(|id| id.len() >= self.shortest_envid).map(str::to_owned);
        let given = [("-N", notify), ("-R", ret.map(str::to_owned)), ("-V", envid)];
        given.into_iter().filter_map(|(option, value)| Some([option.to_owned(), value?])).flatten().collect()
    }
}

impl Behaviour {
    /// The profile's name, as a configuration spells it.
    pub fn name(&self) -> &'static str {
        self.profile.name()
    }

    /// What exit status `code` means.
    pub fn meaning(&self, code: i32) -> Meaning {
        let own = self.statuses.iter().chain(GENERIC_STATUSES).find(|(status, _)| *status == code);
        own.map_or(Meaning::Deferred, |(_, meaning)| *meaning)
    }

    /// The verdict on a command that ended by itself, having said `said`; `Err` if the sink itself is down.
    pub fn verdict(&self, ended: Ended, said: &str) -> Result<Verdict, String> {
        let status = enhanced_status(said).or_else(|| self.refusal(said));
        let code = match ended {
            Ended::Exited(code) => code,
            // The message was within its reach, and who killed it may have done so after it was taken.
            Ended::Signalled(signal) => {
                let text = with_said(&format!("the command died by signal {signal}"), said);
                let refused = self.refused_by == Some(signal);
                let verdict = if refused { Verdict::Deferred } else { Verdict::Unknown };
                return Ok(verdict(Reason::new(&text)));
            }
        };
        let phrase = self.phrase(said);
        let meaning = phrase.unwrap_or_else(|| self.meaning(code));
        let text = || with_said(&format!("exit status {code}{}", sysexit_name(code)), said);
        let reason = || Reason::new(&text()).with_status(status.clone());
        Ok(match (meaning, status.as_deref().and_then(|status| status.chars().next())) {
            (Meaning::SinkDown, _) => return Err(text()),
            (Meaning::Delivered, _) => Verdict::Delivered(reply(said)),
            (Meaning::Unknown, _) => Verdict::Unknown(reason()),
            (Meaning::Deferred | Meaning::Failed, Some('5')) if phrase.is_none() => Verdict::Failed(reason()),
            (Meaning::Deferred | Meaning::Failed, Some('4')) if phrase.is_none() => Verdict::Deferred(reason()),
            (Meaning::Failed, _) => Verdict::Failed(reason()),
            (Meaning::Deferred, _) => Verdict::Deferred(reason()),
        })
    }

    /// Whom a failure blames beside the message, and the number of its cause, by what the command `said`; `None` for
    /// nobody.
    pub fn blame(&self, said: &str, reason: &Reason) -> Option<(Blame, u64)> {
        if !self.feeds_an_mta {
            return None;
        }
        let replies: Vec<&str> = said.lines().filter(|line| reply_code(line).is_some()).collect();
        let code = replies.last().and_then(|line| reply_code(line)?.parse().ok()).unwrap_or(0);
        let quoted = match replies.as_slice() {
            [] if self.quotes_replies => return None,
            [] => with_said("", said),
            lines => lines.join(" "),
        };
        let words = Reason::new(&quoted).with_status(reason.status.clone());
        let of_sender = self.sender_refused.iter().any(|phrase| said.contains(phrase));
        let find = if of_sender { blame::refused_sender } else { blame::refused_later };
        find(code, &words).map(|blame| (blame, blame::cause(code, &words, blame)))
    }

    /// What a phrase in its output means; not in a line that quotes somebody else.
    fn phrase(&self, said: &str) -> Option<Meaning> {
        // Programs write their name, and who it is about, before the reason.
        let begins = |line: &str, phrase: &str| {
            line.starts_with(phrase)
                || line.match_indices(": ").any(|(at, colon)| line[at + colon.len()..].starts_with(phrase))
        };
        let own = || said.lines().map(str::trim).filter(|line| reply_code(line).is_none());
        let found = self.phrases.iter().find(|(phrase, _)| own().any(|line| begins(line, phrase)));
        found.map(|(_, meaning)| *meaning)
    }

    /// The enhanced status of a reply of class 5 that has none of its own (RFC 3463 section 3.1). One of class 4 stays
    /// without: it may be the server's trouble.
    fn refusal(&self, said: &str) -> Option<String> {
        let refused = self.quotes_replies && said.lines().filter_map(reply_code).next_back()?.starts_with('5');
        refused.then(|| "5.0.0".to_owned())
    }
}

fn sysexit_name(code: i32) -> &'static str {
    match code {
        64 => " (usage)",
        65 => " (bad data)",
        66 => " (no input)",
        67 => " (no such user)",
        68 => " (no such host)",
        69 => " (unavailable)",
        70 => " (internal fault)",
        71 => " (system error)",
        72 => " (a system file is missing)",
        73 => " (cannot create)",
        74 => " (input or output error)",
        75 => " (temporary failure)",
        76 => " (protocol)",
        77 => " (no permission)",
        78 => " (configuration)",
        126 => " (cannot be executed)",
        127 => " (not found)",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::super::recognise::resolve;
    use super::super::table::{TABLE, generic, program};
    use super::*;

    fn of(profile: Profile) -> &'static Behaviour {
        resolve(profile, &[]).0
    }

    #[test]
    fn every_profile_but_auto_has_its_row() {
        for profile in Profile::ALL {
            let expected = if profile == Profile::Auto { Profile::Generic } else { profile };
            assert_eq!(of(profile).profile, expected);
        }
        assert_eq!(TABLE.len(), Profile::ALL.len() - 1);
    }

    #[test]
    fn every_status_has_its_meaning() {
        use Meaning::{Deferred, Delivered, Failed, SinkDown, Unknown};
        for code in 0..=255 {
            let sysexits = match code {
                0 => Delivered,
                65 | 67 | 68 | 100 => Failed,
                126 | 127 => SinkDown,
                _ => Deferred,
            };
            for behaviour in &TABLE {
                let expected = match (behaviour.profile, code) {
                    (Profile::Opensmtpd, 75) => Delivered,
                    (Profile::Sendmail, 75) => Unknown,
                    (Profile::Msmtp, 65) | (Profile::Qmail, 65 | 67 | 68) => Deferred,
                    (Profile::Msmtp, 68 | 77 | 78) => SinkDown,
                    _ => sysexits,
                };
                assert_eq!(behaviour.meaning(code), expected, "{} {code}", behaviour.name());
            }
        }
    }

    #[test]
    fn what_a_real_sendmail_says_outweighs_its_status() {
        let kind = |profile, code, said: &str| match of(profile).verdict(Ended::Exited(code), said) {
            Ok(verdict) => verdict.kind().name(),
            Err(_) => "sink down",
        };
        let cases = [
            (Profile::Exim, 1, "exim: message rejected: message too big (max=50000)", "failed"),
            (Profile::Exim, 1, "exim: insufficient disk space", "deferred"),
            (Profile::Postfix, 75, "sendmail: fatal: a@b(0): message file too big", "failed"),
            (Profile::Sendmail, 0, "Insufficient disk space; try again later", "deferred"),
            (Profile::Opensmtpd, 70, "sendmail: command failed: 550 Invalid recipient: <a@b>", "failed"),
            (Profile::Opensmtpd, 70, "sendmail: command failed: 451 Temporary failure", "deferred"),
            (Profile::Opensmtpd, 69, "sendmail: cannot create temporary file", "deferred"),
            (Profile::Courier, 75, "450 Service temporarily unavailable.", "deferred"),
            (Profile::Courier, 67, "523 Message length (50044 bytes) exceeds administrative limit", "failed"),
            (Profile::Nullmailer, 1, "Invalid recipient: a b@@c", "failed"),
            (Profile::Nullmailer, 1, "nullmailer-inject: nullmailer-queue failed: 1", "deferred"),
            (Profile::Msmtp, 75, "msmtp: cannot connect to 127.0.0.1, port 25: Connection refused", "sink down"),
            (Profile::Msmtp, 75, "msmtp: server message: 451 proxy: cannot connect to a", "deferred"),
            (Profile::Msmtp, 65, "msmtp: server message: 450 try later", "deferred"),
            (Profile::Msmtp, 65, "msmtp: server message: 550 no such user", "failed"),
            (Profile::Generic, 75, "550 no such user", "deferred"),
        ];
        for (profile, code, said, expected) in cases {
            assert_eq!(kind(profile, code, said), expected, "{} {code} {said}", profile.name());
        }
    }

    #[test]
    fn a_failure_that_blames_this_host_is_told_by_its_words() {
        let blame = |profile, said: &str| {
            let verdict = of(profile).verdict(Ended::Exited(65), said).expect("the sink is up");
            let Verdict::Failed(reason) = verdict else { panic!("{said}: {verdict:?}") };
            of(profile).blame(said, &reason).map(|(blame, _)| blame)
        };
        let msmtp = |step: &str, reply: &str| {
            format!(
                "msmtp: {step} not accepted by the server\nmsmtp: server message: {reply}\nmsmtp: could not send mail (account default from /etc/msmtprc)"
            )
        };
        let cases = [
            (msmtp("envelope from address a@b", "550 5.7.1 no"), Some(Blame::Either)),
            (msmtp("envelope from address a@b", "550 5.1.8 domain not found"), Some(Blame::Sender)),
            (msmtp("recipient address a@b", "550 5.1.1 no such user"), None),
            (msmtp("recipient address a@b", "550 5.4.5 Daily sending quota exceeded"), Some(Blame::Us)),
        ];
        for (said, expected) in cases {
            assert_eq!(blame(Profile::Msmtp, &said), expected, "{said}");
        }
        assert_eq!(blame(Profile::Generic, "554 5.7.0 hourly limit reached"), Some(Blame::Us));
        assert_eq!(blame(Profile::Generic, "550 5.1.1 <a@b> no such user"), None);
        assert_eq!(program().blame("hourly limit reached", &Reason::new("hourly limit reached")), None);
    }

    #[test]
    fn options_of_dsn_are_spelled_as_each_takes_them() {
        let options = |profile, envid| {
            let dsn = of(profile).dsn.expect("it takes them");
            dsn.options(Some("failure,delay"), None, Some(envid)).join(" ")
        };
        assert_eq!(options(Profile::Postfix, "id"), "-N failure,delay");
        assert_eq!(options(Profile::Courier, "id"), "-N fail,delay -V id");
        for profile in [Profile::Exim, Profile::Msmtp, Profile::Opensmtpd, Profile::Nullmailer, Profile::Generic] {
            assert_eq!(of(profile).dsn, None);
        }
    }

    #[test]
    fn an_enhanced_status_outweighs_the_exit_status() {
        let verdict = |code, said| generic().verdict(Ended::Exited(code), said).expect("the sink is up");
        let failed = verdict(75, "sendmail: 550 5.1.1 <x@y>: no such user\n");
        assert!(matches!(&failed, Verdict::Failed(reason) if reason.status.as_deref() == Some("5.1.1")), "{failed:?}");
        assert!(matches!(verdict(67, "host said 4.2.2 mailbox full"), Verdict::Deferred(_)));
        let warned = verdict(0, "\nwarning: 5.5.5 in the output of a success\n");
        assert_eq!(warned.reply().map(|reply| reply.text()), Some("warning: 5.5.5 in the output of a success"));
        assert_eq!(verdict(0, ""), Verdict::Delivered(None));
        assert!(matches!(verdict(75, "10.5.1.1 is an address"), Verdict::Deferred(reason) if reason.status.is_none()));
        assert!(matches!(generic().verdict(Ended::Signalled(13), ""), Ok(Verdict::Unknown(_))));
        assert!(matches!(of(Profile::Nullmailer).verdict(Ended::Signalled(13), ""), Ok(Verdict::Deferred(_))));
        assert!(matches!(of(Profile::Nullmailer).verdict(Ended::Signalled(9), ""), Ok(Verdict::Unknown(_))));
        assert!(generic().verdict(Ended::Exited(127), "").is_err());
    }
}
