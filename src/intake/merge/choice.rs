//! Which rows a person wants to see.

use crate::model::Address;

/// Which rows are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// The row of this number in the source, counted from 1.
    Row(u64),
    /// The first row with this address.
    Address(Address),
    /// Those that are most likely to look bad.
    Worst,
}

impl Choice {
    /// Reads a row's number, an address, or `worst`.
    ///
    /// Errors: it is none of these.
    pub fn parse(text: &str) -> Result<Choice, String> {
        if text == "worst" { Ok(Choice::Worst) } else { Choice::parse_row(text) }
    }

    /// Reads a row's number or an address.
    ///
    /// Errors: it is neither.
    pub fn parse_row(text: &str) -> Result<Choice, String> {
        if text.bytes().all(|byte| byte.is_ascii_digit()) {
            let number = text.parse().ok().filter(|&number| number > 0);
            return number.map(Choice::Row).ok_or_else(|| "rows are counted from 1".to_owned());
        }
        match text.parse::<Address>() {
            Ok(address) if !address.domain().is_empty() => Ok(Choice::Address(address)),
            Ok(_) => Err("name a row's number, or an address with an @".to_owned()),
            Err(why) => Err(why.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_an_address_and_the_worst_are_told_apart() {
        assert_eq!(Choice::parse("17"), Ok(Choice::Row(17)));
        assert_eq!(Choice::parse("worst"), Ok(Choice::Worst));
        assert_eq!(Choice::parse("a@x.org"), Ok(Choice::Address("a@x.org".parse().expect("an address"))));
        for bad in ["0", "", "-1", "best", "99999999999999999999", "a b@x.org"] {
            assert!(Choice::parse(bad).is_err(), "{bad}");
        }
        assert!(Choice::parse_row("worst").is_err());
    }
}
