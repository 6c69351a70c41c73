//! What MTAs say in their own words: the tables that `free_text` reads by. A space stands for any white space, line ends and
//! the marks of quoting and framing included; the rest are regular expressions, whatever the case.

/// A recipient with what a list manager puts before him in the senders of VERP.
pub(super) const SERIAL: &str = r"^bounces-(?:[0-9]+|[a-z]+-[0-9a-f]{16})-([^@]+@.+)$";

/// Addresses follow, one a line, or on the same line.
pub(super) const LISTS: &[&str] = &[
    // Exim, kundenserver and their kin.
    r"following address(es|\(es\))? failed",
    r"could not be delivered to (one or more of |all of )?its recipients",
    r"address(es)? to which the message has not yet been delivered (is|are)",
    r"message has not yet been delivered to the following",
    // OpenSMTPD.
    r"for the following list of recipients",
    // Sendmail.
    r"following addresses had (permanent |transient )?(fatal |non-fatal |delivery )?(errors|problems)",
    // qmail and what descends from it.
    r"(n.t|not|un)( been)? able to deliver (your|this|the) (mail |email )?messages?( to| for)? the following",
    r"(n.t|not|un) ?able to deliver the following message",
    r"(was|is) unable to deliver your message to the following",
    r"unable to deliver (your |this |the )?message to the following",
    r"mail was not delivered to the following",
    // Exchange, IIS, Domino, Gmail, Office.
    r"did not reach the following recipient",
    r"did not reach some or all of the intended recipients",
    r"following recipient\(?s?\)? (could not|can.?not) be reached",
    r"following organi[sz]ation rejected your message",
    r"del[ei]very to the following recipients?( or groups)? (failed|was aborted|has failed|has been delayed)( permanently)?",
    r"delivery has failed to these recipients",
    r"your message to the following recipients? (could ?n.t|can.?not|was ?n.t) be delivered",
    r"(was not|wasn.t|could not be|couldn.t be|cannot be|can't be|not) delivered to( the following)?( (user|recipient|address)(s|es|\(s\)|\(es\))?:?\W)?",
    r"message ?(was )?(not|n.t) delivered to the following",
    // MDaemon, MailEnable, Merak, GroupWise, smart hosts.
    r"did not receive (a copy of )?(your|this) message",
    r"failed addresses follow",
    r"failed recipients? -",
    r"the following user(s|\(s\))? (could|can)",
    r"mail to the following recipients could not be delivered",
    r"list of the affected recipient",
    r"undeliverable (mail )?to",
    // Others' languages.
    r"konnte (nicht|leider nicht) (an (die )?folgende|zugestellt)",
    r"n.a pas pu [eê]tre (d[eé]livr[eé]|remis|livr[eé])[eé]?s? ([aà]|aux)",
    r"no (pudo|se pudo|ha podido)( ser)? entreg[a-z]+ (a|al)",
    r"n[aã]o p[oô]de ser (entregue|enviada)",
    r"non (e|è|è) stato possibile (consegnare|recapitare)",
    r"доставить сообщение по следующему",
];

/// The address stands right behind.
pub(super) const NAMED: &[&str] = &[
    r"intended recipient:",
    r"undeliverable address:",
    r"undeliverable (mail )?to:?",
    r"failed recipient:",
    r"error-for:",
    r"recipient: ?\[smtp:",
    r"unknown user:",
    r"invalid final delivery userid:",
    r"delivery failed [0-9]+ attempts:",
    r"mailbox (is )?(full|over quota|exceeds allowed size):",
    r"expanded from:?",
    r"originally addressed to",
    r"quota violation for",
    r"deliver (your |the )?(mail |e-?mail )?message to",
    r"message to:?",
    r"following message, addressed to",
    r"addressed to email address :",
    r"your message was addressed,",
    r"delivery of e?-?mail to this address",
    r"local mailbox",
    r"did not reach the following recipient:",
    r"gateway for",
    r"email you sent to",
];

/// The address stands right behind, and is named only where nobody else is: the alias of somebody who is not told.
pub(super) const ALIASES: &[&str] = &[r"generated from"];

/// The address stands right before.
pub(super) const BEFORE: &[&str] = &[
    r"- no such user here",
    r"is not a valid (user|recipient|mailbox)",
    r"(does not|doesn.t) exist",
    r"was automatically rejected",
];

/// Nothing is lost yet: whatever is told of waits.
pub(super) const WAITS: &[&str] = &[
    r"not yet been delivered",
    r"has been delayed",
    r"is (being |currently )?delayed",
    r"warning message only",
    r"this is (just|only) a warning",
    r"delivery attempts will continue",
    r"will (continue to (try|attempt)|be retried|keep trying|be re-?attempted|try again)",
    r"still (being|trying|waiting|in the queue|undelivered)",
    r"has been postponed",
    r"(no need|not need) to (re-?send|resend)",
    r"wird weiterhin versucht",
    r"noch nicht zugestellt",
];

/// It is over, whatever else is said.
pub(super) const OVER: &[&str] =
    &[r"permanent(ly)?", r"given up", r"giv(e|ing) up on", r"failed recipient", r"could not be delivered after"];

/// What a report says before any address, so that it is one.
pub(super) const REPORTS: &[&str] = &[
    r"this is the .{1,60} program at",
    r"created automatically by (the )?mail delivery software",
    r"automatically generated (delivery status notification|by)",
    r"could ?n.t be delivered",
    r"(could not|can ?not|was not|wasn.t|unable to|failed to)( be)? (deliver|send|sent|process)",
    r"delivery (has )?(failed|failure|problem|error)",
    r"deliver your message",
    r"returned (mail|to sender|message|because)",
    r"user.?unknown|unknown user|no such user|user not known",
    r"mailbox.{0,30}full|quota",
    r"did not reach",
    r"undeliver(able|ed)",
    r"not been delivered|not delivered",
    r"has (not yet )?been (delivered|delayed|postponed)",
    r"encountered (an error|delivery problems)",
    r"error (was|occurred|during|code|for)",
    r"rejected|failed|exceeds",
    r"not (listed|accept|a valid)",
    r"did not exactly match",
    r"invalid",
    r"sorry",
];

/// The message that is told of begins.
pub(super) const ENDS: &[&str] = &[
    r"^[-=*_|># ]*-{2,}.{0,30}(copy of|original message|returned mail|returned message|unsent message|message header|header of|below this line|message text follows|start of|attachment is|adjunto)",
    r"^[-=*_|>#. ]*(below this line|here is a copy|included is a copy|(a )?copy of (the|your) (original )?message|original message (follows|attached|headers)|message headers? follow|your message reads|message text follows|a summary of the undelivered message|the header and top|the first [0-9]+ lines|old message:|original message (as|details))",
    r"^---+ ?forwarded message",
    r"^---+ ?original message",
    r"^>?(return-path|received):\s",
];

/// Whom a text names so that he may be asked, and not because he is told of.
pub(super) const HELPERS: &str = r"^(post ?master|mailer-daemon|abuse|help|helpdesk|support|noc)$";

/// What stands before an address that may be asked.
pub(super) const ASK: &str = r"\b(send|contact|write|e?mail(ing)? to|forward|questions?|assistance|help|support|try( sending)? to|instead|visit|from|sender|return-path)\b";

/// Programs that write nothing but reports.
pub(super) const DAEMONS: &str = r"mailer[-_ .]?daemon|mail[-_ .]delivery[-_ .](sub)?system";

/// Who writes reports.
pub(super) const WRITERS: &[&str] = &[
    r"mailer[-_ .]?daemon",
    r"postmaster",
    r"mail[-_ .]?(delivery|deliver|system|service|server|administrator|gateway|enable)",
    r"delivery[-_ .]?(sub)?system",
    r"system administrator",
    r"mdaemon|jetmail|smtp|imss|virus|inetgw|mxlogic|nondelivery|non-delivery|^ndr@|<ndr@|bounce",
    r"microsoft outlook|exchange server",
];

/// What reports are called.
pub(super) const SUBJECTS: &[&str] = &[
    r"^(un|non.?)deliver",
    r"undeliver(able|ed)",
    r"deliver[yi]?(ed)? (status|fail|problem|error|warning|report|has|notification|delay)",
    r"(mail|message|email)\)? ?(delivery|could not|not delivered|failed|error|not sent)",
    r"fail(ed|ure) (mail|notice|delivery|notification|to deliver)",
    r"returned (mail|to sender|message|email)",
    r"(return|returning) (mail|message|to sender)",
    r"(rejected|failed) mail",
    r"processing error|mail error",
    r"user unknown|unknown user|mailbox (full|unavailable)",
    r"warning: (message|could not|mail)",
    r"non.?remis|nicht zugestellt|unzustellbar|no entregad|non recapitat|onbestelbaar|недостав|не доставлен",
];

/// A program has put it behind the subject of what it returns.
pub(super) const MARKED: &str = r"[(\[] *((mail |message )?(delivery|deliver) (has )?fail(ed|ure)|(was )?not delivered|undeliver(able|ed)|returned mail) *[)\]]\s*$";

/// Somebody answers or passes on.
pub(super) const ANSWERS: &str =
    r"^\s*(\[[^\]]*\]\s*)?(re|aw|sv|antw|fw|fwd|wg|tr|rv|i|vs|doorst|ынт|на)\s*(\[[0-9]+\])?\s*:";

/// A program that answers whoever writes.
pub(super) const AWAY: &[&str] = &[
    r"^(automatic reply|auto(matic)?[-_ ]?(re(ply|sponse|spon)|answer)|autoreply|auto:|out of (the )?office|ooo:|away from|vacation|i am away|on leave)",
    r"\b(out of (the )?office|autoreply|auto-reply|automatic reply|vacation (message|reply))\b",
    r"^(abwesenheit|automatische antwort|abwesend|r[eé]ponse automatique|absence|respuesta autom[aá]tica|fuera de (la )?oficina|risposta automatica|fuori sede|resposta autom[aá]tica|automatisch antwoord|afwezig|autosvar|автоответ)",
];
