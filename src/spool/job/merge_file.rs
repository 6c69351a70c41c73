//! What `job.json` has of a merge beside what it has of every list: how its rows become mails.

use std::fmt;
use std::io;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::post_file::PostFile;
use crate::model::envelope::Origin;
use crate::model::{Address, EntryId, Envelope, Fields};
use crate::policy::rate::Rate;
use crate::policy::units::parse_rate;
use crate::policy::window::Hours;
use crate::sys::random;

/// What is known of a merge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MergeFile {
    /// Its recipients are its rows. There is no message, so it has no bytes.
    #[serde(flatten)]
    pub list: PostFile,
    /// What its envelopes say besides recipients and sender.
    pub origin: Origin,
    /// The column that has a row's address.
    pub address: String,
    /// The domain of its Message-IDs.
    pub host: String,
    /// Their key. Who knows it can make them.
    pub key: MergeKey,
    /// The CRC-32 of the job's copy of its template; see [`template`](crate::spool::merge::template).
    pub template: u32,
    /// The hours in which it is handed over; none: in all.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub window: Option<Hours>,
    /// How fast at most, over all workers and runs.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub rate: Option<JobRate>,
}

/// A rate, as a person writes it; its burst is what one second lets through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JobRate(pub Rate);

impl Serialize for JobRate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0.text())
    }
}

impl<'de> Deserialize<'de> for JobRate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<JobRate, D::Error> {
        let (count, per) = parse_rate(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)?;
        Ok(JobRate(Rate::new(count, per, None)))
    }
}

impl MergeFile {
    /// The envelope of entry `id`, whose rows have these addresses.
    ///
    /// Errors: the sender that is noted is none.
    pub(in crate::spool) fn envelope(&self, id: EntryId, recipients: Vec<Address>) -> io::Result<Envelope> {
        let sender = Address::sender(&self.list.sender).map_err(io::Error::other)?;
        Ok(Envelope { id, sender, recipients, fields: Fields::default(), origin: self.origin.clone() })
    }
}

/// 32 random bytes, of one job alone; 64 hexadecimal digits in `job.json`, which its owner alone may read.
#[derive(Clone, PartialEq, Eq)]
pub struct MergeKey(pub [u8; 32]);

impl MergeKey {
    /// A new one; `None` where the kernel has no random numbers to give.
    pub fn random() -> Option<MergeKey> {
        let mut key = [0; 32];
        for part in key.chunks_exact_mut(8) {
            part.copy_from_slice(&random::number()?.to_ne_bytes());
        }
        Some(MergeKey(key))
    }
}

impl fmt::Debug for MergeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MergeKey")
    }
}

impl Serialize for MergeKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{}", Hex(&self.0)))
    }
}

impl<'de> Deserialize<'de> for MergeKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<MergeKey, D::Error> {
        let text = String::deserialize(deserializer)?;
        let key = parse(&text).ok_or_else(|| serde::de::Error::custom("its key has not 64 hexadecimal digits"))?;
        Ok(MergeKey(key))
    }
}

struct Hex<'h>(&'h [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

fn parse(text: &str) -> Option<[u8; 32]> {
    let mut key = [0; 32];
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    for (byte, digits) in key.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_reads_back_and_is_not_shown() {
        let key = MergeKey::random().expect("random numbers");
        let text = serde_json::to_string(&key).expect("JSON");
        assert_eq!((text.len(), serde_json::from_str::<MergeKey>(&text).expect("our own")), (66, key.clone()));
        assert_ne!(key, MergeKey::random().expect("random numbers"));
        assert_eq!(format!("{key:?}"), "MergeKey");
        for bad in ["", &"0".repeat(63), &"g".repeat(64), &"+0".repeat(32), &"é".repeat(32)] {
            assert!(serde_json::from_str::<MergeKey>(&format!("{bad:?}")).is_err(), "{bad}");
        }
    }
}
