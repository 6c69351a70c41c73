//! The Message-ID of a row's mail: `<JOB.ROW.MAC@HOST>`.
//!
//! What holds: it is the same whenever the row is rendered, no two rows share one, and with the job's key it is known to be
//! ours without a look at any file. Nobody without the key makes one.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Characters of the MAC: 96 bits in base 32.
const MAC_LEN: usize = 20;
const DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// Makes and verifies the ids of one job.
#[derive(Clone)]
pub struct MessageIds {
    job: String,
    host: String,
    keyed: Hmac<Sha256>,
}

impl MessageIds {
    /// `job` is the job's id, which has neither blanks nor brackets, `host` a domain; `key` is random, and of this job alone.
    pub fn new(job: &str, host: &str, key: &[u8; 32]) -> MessageIds {
        // A key as long as the hash's block, which a shorter one is filled up to with zeros (RFC 2104 section 2).
        let mut block = [0; 64];
        block[..key.len()].copy_from_slice(key);
        let keyed = Hmac::new(&block.into());
        MessageIds { job: job.to_owned(), host: host.to_owned(), keyed }
    }

    /// The id of a row, without brackets.
    pub fn of(&self, row: u64) -> String {
        let mut out = String::with_capacity(self.job.len() + self.host.len() + MAC_LEN + 24);
        self.push(&mut out, row, &self.mac(row));
        out
    }

    /// The row whose mail has this Message-ID, given with or without its brackets; `None` if it is not of this job.
    pub fn row(&self, text: &str) -> Option<u64> {
        let text = text.trim();
        let text = text.strip_prefix('<').and_then(|text| text.strip_suffix('>')).unwrap_or(text);
        let (begin, _) = text.split_once('@')?;
        let (row, mac) = begin.strip_prefix(&self.job)?.strip_prefix('.')?.split_once('.')?;
        let number: u64 = row.parse().ok()?;
        // One spelling of each number.
        (self.mac(number).as_bytes() == mac.as_bytes() && number.to_string() == row).then_some(number)
    }

    pub(super) fn push(&self, out: &mut String, row: u64, mac: &RowMac) {
        // The digits of a number from its end; format! takes as long as all the rest.
        let (mut digits, mut from, mut left) = ([b'0'; 20], 20, row);
        while from == 20 || left > 0 {
            from -= 1;
            digits[from] = b'0' + (left % 10) as u8;
            left /= 10;
        }
        let number = std::str::from_utf8(&digits[from..]).unwrap_or_default();
        for part in [&self.job, ".", number, ".", mac.as_str(), "@", &self.host] {
            out.push_str(part);
        }
    }

    pub(super) fn mac(&self, row: u64) -> RowMac {
        let mut keyed = self.keyed.clone();
        keyed.update(&row.to_be_bytes());
        let bytes = keyed.finalize().into_bytes();
        let mut digits = [0; MAC_LEN];
        let (mut bits, mut held, mut next) = (0_u32, 0_u32, bytes.iter());
        for digit in &mut digits {
            if bits < 5 {
                held = held << 8 | u32::from(next.next().copied().unwrap_or(0));
                bits += 8;
            }
            bits -= 5;
            *digit = DIGITS[(held >> bits & 31) as usize];
        }
        RowMac(digits)
    }
}

impl std::fmt::Debug for MessageIds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Without the key.
        f.debug_struct("MessageIds").field("job", &self.job).field("host", &self.host).finish_non_exhaustive()
    }
}

/// What nobody can guess of a row; boundaries are made of it, too.
#[derive(Clone, Copy)]
pub(super) struct RowMac([u8; MAC_LEN]);

impl RowMac {
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_known_by_its_mac() {
        let ids = MessageIds::new("abc123", "x.org", &[7; 32]);
        let id = ids.of(42);
        assert!(id.starts_with("abc123.42.") && id.ends_with("@x.org") && id == ids.of(42), "{id}");
        assert_eq!((ids.row(&id), ids.row(&format!(" <{id}> "))), (Some(42), Some(42)));
        assert_eq!(MessageIds::new("abc123", "x.org", &[8; 32]).row(&id), None);
        for row in [0, 9, 10, 1_234_567_890, u64::MAX] {
            assert!(ids.of(row).starts_with(&format!("abc123.{row}.")) && ids.row(&ids.of(row)) == Some(row), "{row}");
        }
        for other in [id.replace(".42.", ".43."), id.replace(".42.", ".042."), id.replace("abc", "abd"), String::new()]
        {
            assert_eq!(ids.row(&other), None, "{other}");
        }
    }
}
