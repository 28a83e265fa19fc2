//! Class names in the `config.json` of Hugging Face Transformers.

use super::py_literal;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

/// Class names in any of their JSON forms.
#[derive(Deserialize)]
#[serde(untagged)]
pub enum Labels {
    Entries(Entries),
    Other(Value),
}

/// The entries of an object, in order; keys may be duplicated.
pub struct Entries(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        struct All;

        impl<'de> Visitor<'de> for All {
            type Value = Entries;

            fn expecting(&self, out: &mut std::fmt::Formatter) -> std::fmt::Result {
                out.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }

        source.deserialize_map(All)
    }
}

impl Labels {
    /// The names by index; `None` unless there is exactly one for each index from 0 on.
    pub fn names(&self) -> Option<Vec<String>> {
        let text = match self {
            Self::Other(value) => value.to_string(),
            Self::Entries(Entries(entries)) => {
                let entry = |(key, value): &(String, Value)| format!("{}: {value}", json!(key));
                let entries: Vec<String> = entries.iter().map(entry).collect();
                format!("{{{}}}", entries.join(", "))
            }
        };
        py_literal::names(&text)
    }
}
