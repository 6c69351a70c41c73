//! The fields that all notices have.

use crate::model::{Address, EntryId, Micros};

/// From whom and to whom it is, and what tells it from others.
pub(super) fn head(id: &EntryId, now: Micros, host: &str, to: &Address, subject: &str) -> String {
    format!(
        "From: Mail Delivery System <MAILER-DAEMON@{host}>\nTo: <{to}>\nSubject: {subject}\nDate: {}\n\
         Message-ID: <{id}@{host}>\n",
        now.rfc5322()
    )
}
