//! Numbers in as few bytes as they need: seven bits a byte, the lowest first, and the top bit of all but the last is set
//! (LEB128). Signed numbers take turns: 0, -1, 1, -2.

/// What is left to read of a record's body. Each read returns `None` where the bytes are not what was written.
#[derive(Debug)]
pub(super) struct Bytes<'b>(pub &'b [u8]);

pub(super) fn put(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push((value as u8) | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

pub(super) fn put_signed(value: i64, out: &mut Vec<u8>) {
    put(((value << 1) ^ (value >> 63)).cast_unsigned(), out);
}

impl<'b> Bytes<'b> {
    pub fn byte(&mut self) -> Option<u8> {
        let (&first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(first)
    }

    pub fn take(&mut self, len: usize) -> Option<&'b [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    /// In the one form that [`put`] gives it: no zeros at its end, no bit too many.
    pub fn number(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if (bits << shift) >> shift != bits || (byte == 0 && shift > 0) {
                return None;
            }
            value |= bits << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    pub fn signed(&mut self) -> Option<i64> {
        let value = self.number()?;
        Some((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
    }

    /// A number of a smaller type.
    pub fn small<T: TryFrom<u64>>(&mut self) -> Option<T> {
        T::try_from(self.number()?).ok()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_read_back(value in any::<u64>(), shift in 0..64u32, signed in any::<i64>()) {
            let mut out = Vec::new();
            put(value >> shift, &mut out);
            put_signed(signed >> shift, &mut out);
            let mut bytes = Bytes(&out);
            prop_assert_eq!(bytes.number(), Some(value >> shift));
            prop_assert_eq!(bytes.signed(), Some(signed >> shift));
            prop_assert!(bytes.0.is_empty());
        }

        #[test]
        fn a_number_has_one_form(bytes in proptest::collection::vec(any::<u8>(), 0..12)) {
            let mut rest = Bytes(&bytes);
            if let Some(value) = rest.number() {
                let mut out = Vec::new();
                put(value, &mut out);
                prop_assert_eq!(&bytes[..bytes.len() - rest.0.len()], &out[..]);
            }
        }
    }

    #[test]
    fn small_numbers_are_short() {
        let len = |value| {
            let mut out = Vec::new();
            put_signed(value, &mut out);
            out.len()
        };
        assert_eq!([0, -1, 63, -64, 64, i64::MAX, i64::MIN].map(len), [1, 1, 1, 1, 2, 10, 10]);
    }
}
