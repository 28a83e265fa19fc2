//! Everything that decides a picture. The same spec on the same kind of device gives the same picture.

use crate::ascent::{Objective, Settings, Unit};
use serde::{Deserialize, Serialize};

/// Raised whenever the method itself changes, so that older pictures no longer answer for new requests.
const METHOD: u32 = 3;

/// What was asked for, in canonical form.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Which revision of the method makes the picture.
    pub method: u32,
    /// The model as it was asked for: a card's name, or a path.
    pub model: String,
    /// Content hash of the model.
    pub model_hash: String,
    /// The target's title, for people.
    pub target: String,
    pub objective: Objective,
    pub unit: Unit,
    pub seed: u64,
    pub settings: Settings,
}

impl Spec {
    /// A spec of the present method.
    pub fn new(
        model: (&str, &str),
        target: (&str, Objective, Unit),
        seed: u64,
        settings: Settings,
    ) -> Self {
        Self {
            method: METHOD,
            model: model.0.into(),
            model_hash: model.1.into(),
            target: target.0.into(),
            objective: target.1,
            unit: target.2,
            seed,
            settings,
        }
    }

    /// Whether this version of Ziggurat makes the picture in the same way.
    pub fn is_current(&self) -> bool {
        self.method == METHOD
    }

    /// The run's id: 16 hexadecimal digits of a hash of all that decides the picture. How the model is called and the
    /// target's title do not.
    pub fn id(&self) -> String {
        let decisive = (
            self.method,
            &self.model_hash,
            &self.objective,
            &self.unit,
            self.seed,
            &self.settings,
        );
        let text = serde_json::to_string(&decisive)
            .expect("strings and finite numbers can always be written as JSON");
        blake3::hash(text.as_bytes()).to_hex()[..16].to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ascent::Kind;

    fn spec() -> Spec {
        let objective = Objective {
            kind: Kind::Class,
            value: "logits".into(),
        };
        let unit = Unit {
            index: 130,
            position: (0, 0),
        };
        Spec::new(
            ("lite0", "abc"),
            ("flamingo", objective, unit),
            1,
            Settings::default(),
        )
    }

    #[test]
    fn what_decides_the_picture_decides_the_id() {
        let base = spec();
        assert_eq!(base.id(), spec().id());
        let renamed = Spec {
            model: "other".into(),
            target: "130".into(),
            ..spec()
        };
        assert_eq!(base.id(), renamed.id());
        for other in [
            Spec { seed: 2, ..spec() },
            Spec {
                model_hash: "abd".into(),
                ..spec()
            },
            Spec {
                unit: Unit {
                    index: 131,
                    position: (0, 0),
                },
                ..spec()
            },
            Spec {
                settings: Settings {
                    momentum: 0.8,
                    ..Settings::default()
                },
                ..spec()
            },
        ] {
            assert_ne!(base.id(), other.id());
        }
    }

    #[test]
    fn a_spec_survives_json() {
        let text = serde_json::to_string(&spec()).unwrap();
        assert_eq!(serde_json::from_str::<Spec>(&text).unwrap(), spec());
    }
}
