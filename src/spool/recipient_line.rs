//! A recipient as an entry's head has it: a JSON string, his address; or an object that has his fields besides.

use std::fmt;

use serde::de::value::{MapAccessDeserializer, StrDeserializer};
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::model::Address;
use crate::model::fields::OneFields;

#[derive(Clone, Debug)]
pub(super) enum RecipientLine {
    Plain(Address),
    WithFields(Full),
}

/// The object; a program may add members to it that this one passes over.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Full {
    address: Address,
    #[serde(default)]
    fields: OneFields,
}

impl RecipientLine {
    pub fn of(address: Address, fields: Option<OneFields>) -> RecipientLine {
        match fields {
            None => RecipientLine::Plain(address),
            Some(fields) => RecipientLine::WithFields(Full { address, fields }),
        }
    }

    pub fn into_parts(self) -> (Address, Option<OneFields>) {
        match self {
            RecipientLine::Plain(address) => (address, None),
            RecipientLine::WithFields(Full { address, fields }) => (address, Some(fields)),
        }
    }

    pub fn has_fields(&self) -> bool {
        match self {
            RecipientLine::Plain(_) => false,
            RecipientLine::WithFields(_) => true,
        }
    }
}

impl Serialize for RecipientLine {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            RecipientLine::Plain(address) => address.serialize(serializer),
            RecipientLine::WithFields(full) => full.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for RecipientLine {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<RecipientLine, D::Error> {
        deserializer.deserialize_any(Either)
    }
}

/// The first character decides, so that an address costs no more than alone.
struct Either;

impl<'de> Visitor<'de> for Either {
    type Value = RecipientLine;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an address, or an object with an address and its fields")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<RecipientLine, E> {
        Address::deserialize(StrDeserializer::<E>::new(text)).map(RecipientLine::Plain)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RecipientLine, A::Error> {
        Full::deserialize(MapAccessDeserializer::new(map)).map(RecipientLine::WithFields)
    }
}
