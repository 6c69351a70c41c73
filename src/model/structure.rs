//! Arrays and objects of JSON that a row brings, within bounds: a few bytes of text may become a thousand times as many of
//! memory. What nests deeper, has more values or has a key twice in one object is refused.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// The deepest nesting. A row's line nests once more, and is read with a limit of 128.
pub const DEPTH_MAX: usize = 100;
/// The most values of a row, an array and an object counted as one besides theirs: some MiB of memory.
pub const VALUES_MAX: usize = 10_000;

/// Reads JSON with no more than `left` values, of which those that it has are taken.
///
/// Errors: what is wrong with it.
pub fn parse(text: &str, left: &mut usize) -> Result<Value, String> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let value = Level { left, depth: 0 }.deserialize(&mut reader).map_err(|error| error.to_string())?;
    reader.end().map_err(|error| error.to_string())?;
    Ok(value)
}

/// A value at this depth.
struct Level<'l> {
    left: &'l mut usize,
    depth: usize,
}

impl Level<'_> {
    fn inner<E: Error>(&mut self) -> Result<Level<'_>, E> {
        if self.depth >= DEPTH_MAX {
            return Err(E::custom(format_args!("it nests more than {DEPTH_MAX} deep")));
        }
        Ok(Level { left: self.left, depth: self.depth + 1 })
    }
}

impl<'t> DeserializeSeed<'t> for Level<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'t>>(self, deserializer: D) -> Result<Value, D::Error> {
        match self.left.checked_sub(1) {
            Some(left) => *self.left = left,
            None => return Err(D::Error::custom(format_args!("it has more than {VALUES_MAX} values"))),
        }
        deserializer.deserialize_any(self)
    }
}

impl<'t> Visitor<'t> for Level<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value of JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'t>>(mut self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(self.inner()?)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'t>>(mut self, mut pairs: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(key) = pairs.next_key::<String>()? {
            let value = pairs.next_value_seed(self.inner()?)?;
            if object.contains_key(&key) {
                return Err(A::Error::custom(format_args!("the key {key:?} is there twice")));
            }
            object.insert(key, value);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_within_bounds_is_read_and_counted() {
        let text = r#" {"a": [1, -2, 1.5, true, null, "ü\n"], "b": {"a": {}}} "#;
        let mut left = 10;
        assert_eq!(parse(text, &mut left).as_ref(), Ok(&serde_json::from_str::<Value>(text).expect("JSON")));
        assert_eq!(left, 0);
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(parse(&nested(DEPTH_MAX), &mut 200).is_ok());
        for (bad, why) in [
            (nested(DEPTH_MAX + 1), "more than 100 deep"),
            ("[1,2,3]".to_owned(), "values"),
            (r#"[{"a":1,"a":2}]"#.to_owned(), "\"a\" is there twice"),
            ("[] x".to_owned(), "trailing"),
            ("[".to_owned(), "EOF"),
        ] {
            let mut left = if why == "values" { 3 } else { 200 };
            let error = parse(&bad, &mut left).expect_err(&bad);
            assert!(error.contains(why), "{error}");
        }
    }
}
