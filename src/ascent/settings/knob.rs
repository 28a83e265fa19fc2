//! A setting's definition: key, help and domain.

use super::SettingError;
use crate::ascent::cam::{self, Method};
use crate::ascent::objective::{CLASS_SCORES, ClassScore};
use crate::setting_value::SettingValue;
use std::ops::RangeInclusive;

/// Maximum length of a layer's name in a setting, in bytes.
const MAX_NAME: usize = 4096;

/// The word for a number that is chosen automatically.
pub const AUTOMATIC: &str = "auto";

/// The definition of a setting.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Knob {
    /// Its name on the command line and in files.
    pub key: &'static str,
    /// One line about its effect.
    pub help: &'static str,
    pub domain: Domain,
}

/// The values that a setting can have.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Domain {
    /// A number.
    Number {
        /// The unit of its value; empty for a plain number.
        unit: &'static str,
        default: f64,
        /// The smallest and the largest value allowed.
        range: (f64, f64),
        /// Whether only whole numbers are valid.
        whole: bool,
        /// The increment of one key press; values become multiples of it.
        step: f64,
        /// The number that means an automatic choice, if there is one.
        automatic: Option<f64>,
        /// A usual value, which follows the automatic choice when it is increased.
        usual: f64,
    },
    /// One of some names; the first is the default.
    Choice(&'static [&'static str]),
    /// The name of a layer; empty, the default, for an automatic choice.
    Layer,
}

/// The names of a table of names and values.
const fn names<T, const N: usize>(table: &'static [(&'static str, T)]) -> [&'static str; N] {
    let mut names = [""; N];
    let mut index = 0;
    while index < N {
        names[index] = table[index].0;
        index += 1;
    }
    names
}

/// The domain of a class activation map method.
pub(super) const METHOD: Domain =
    Domain::Choice(&const { names::<_, { cam::METHODS.len() }>(cam::METHODS) });

/// The domain of a class objective.
pub(super) const CLASS_SCORE: Domain =
    Domain::Choice(&const { names::<_, { CLASS_SCORES.len() }>(CLASS_SCORES) });

/// The domain of a number.
pub(super) const fn real(unit: &'static str, default: f64, range: RangeInclusive<f64>) -> Domain {
    Domain::Number {
        unit,
        default,
        range: (*range.start(), *range.end()),
        whole: false,
        step: 0.05,
        automatic: None,
        usual: 0.0,
    }
}

/// The domain of a whole number.
pub(super) const fn whole(unit: &'static str, default: u32, range: RangeInclusive<u32>) -> Domain {
    Domain::Number {
        unit,
        default: default as f64,
        range: (*range.start() as f64, *range.end() as f64),
        whole: true,
        step: 1.0,
        automatic: None,
        usual: 0.0,
    }
}

impl Domain {
    /// The same number with another step.
    pub(super) const fn by(mut self, by: f64) -> Self {
        if let Self::Number { step, .. } = &mut self {
            *step = by;
        }
        self
    }

    /// The same number, whose smallest value means an automatic choice; `from` is a usual value.
    pub(super) const fn or_automatic(mut self, from: f64) -> Self {
        if let Self::Number {
            range,
            automatic,
            usual,
            ..
        } = &mut self
        {
            *automatic = Some(range.0);
            *usual = from;
        }
        self
    }
}

impl Knob {
    /// The default value.
    pub fn default(&self) -> SettingValue {
        match self.domain {
            Domain::Number { default, .. } => default.into(),
            Domain::Choice(names) => names[0].into(),
            Domain::Layer => "".into(),
        }
    }

    /// The number that means an automatic choice, which can be typed as `AUTOMATIC`; `None` if there is none.
    pub fn automatic(&self) -> Option<f64> {
        match self.domain {
            Domain::Number { automatic, .. } => automatic,
            Domain::Choice(_) | Domain::Layer => None,
        }
    }

    /// The display form of a value that means an automatic choice, `AUTOMATIC`; `None` for other values.
    pub fn shown(&self, value: &SettingValue) -> Option<&'static str> {
        let is_automatic =
            matches!(value, SettingValue::Number(number) if self.automatic() == Some(*number));
        is_automatic.then_some(AUTOMATIC)
    }

    /// The unit of its value; empty if it has none.
    pub fn unit(&self) -> &'static str {
        match self.domain {
            Domain::Number { unit, .. } => unit,
            Domain::Choice(_) | Domain::Layer => "",
        }
    }

    /// Whether only whole numbers are valid.
    pub fn is_whole(&self) -> bool {
        matches!(self.domain, Domain::Number { whole: true, .. })
    }

    /// Parses a value, without checking its range.
    ///
    /// # Errors
    /// [`SettingError::NotANumber`] if the domain is numeric and the text is not a number.
    pub fn read(&self, text: &str) -> Result<SettingValue, SettingError> {
        let text = text.trim();
        match self.domain {
            Domain::Choice(_) | Domain::Layer => Ok(text.into()),
            Domain::Number { .. } => {
                let number = match self.automatic() {
                    Some(automatic) if text == AUTOMATIC => Some(automatic),
                    _ => text.parse().ok().filter(|number: &f64| number.is_finite()),
                };
                number
                    .map(SettingValue::Number)
                    .ok_or_else(|| self.not_a_number(text))
            }
        }
    }

    /// Checks that `value` is within the domain.
    ///
    /// # Errors
    /// [`SettingError`] with the valid values.
    pub fn check(&self, value: &SettingValue) -> Result<(), SettingError> {
        let key = self.key;
        match (self.domain, value) {
            (Domain::Number { range, whole, .. }, &SettingValue::Number(number)) => {
                let inside = (range.0..=range.1).contains(&number);
                if inside && (!whole || number.fract() == 0.0) {
                    Ok(())
                } else {
                    Err(SettingError::OutOfRange {
                        key,
                        value: number,
                        allowed: self.allowed(),
                    })
                }
            }
            (Domain::Number { .. }, SettingValue::Text(text)) => Err(self.not_a_number(text)),
            (_, SettingValue::Number(number)) => Err(SettingError::NotAName {
                key,
                value: *number,
            }),
            (Domain::Choice(names), SettingValue::Text(text))
                if !names.contains(&text.as_str()) =>
            {
                let text: String = text.chars().take(40).collect();
                let why = format!("{text:?} is not one of: {}", names.join(", "));
                Err(SettingError::Name { key, why })
            }
            (Domain::Layer, SettingValue::Text(text)) if text.len() > MAX_NAME => {
                let why = format!("a layer's name of {} bytes is too long", text.len());
                Err(SettingError::Name { key, why })
            }
            (Domain::Layer | Domain::Choice(_), SettingValue::Text(_)) => Ok(()),
        }
    }

    fn not_a_number(&self, text: &str) -> SettingError {
        SettingError::NotANumber {
            key: self.key,
            value: text.chars().take(40).collect(),
        }
    }

    /// The valid values, in words.
    pub fn allowed(&self) -> String {
        match self.domain {
            Domain::Number {
                unit, range, whole, ..
            } => {
                let (least, most) = range;
                let space = if unit.is_empty() { "" } else { " " };
                let whole = if whole { ", whole numbers only" } else { "" };
                format!("{least} to {most}{space}{unit}{whole}")
            }
            Domain::Choice(names) => names.join(", "),
            Domain::Layer => "a layer's name; empty = automatic".into(),
        }
    }

    /// The next value above or below `value`: for numbers the next multiple of their step, within
    /// their range, and a usual value above the automatic choice; names in order. `None` for
    /// layers.
    pub fn turned(&self, value: &SettingValue, up: bool) -> Option<SettingValue> {
        match (self.domain, value) {
            (
                Domain::Number {
                    automatic: Some(automatic),
                    usual,
                    ..
                },
                &SettingValue::Number(number),
            ) if up && number == automatic => Some(usual.into()),
            (Domain::Number { range, step, .. }, &SettingValue::Number(number)) => {
                // A number that is a multiple but for its last digit counts as one.
                let at = number / step;
                let next = if up {
                    (at + 1e-6).floor() + 1.0
                } else {
                    (at - 1e-6).ceil() - 1.0
                };
                let moved = (next * step * 1e6).round() / 1e6;
                Some(moved.clamp(range.0, range.1).into())
            }
            (Domain::Choice(names), SettingValue::Text(name)) => {
                let at = names.iter().position(|known| known == name)?;
                let by = if up { 1 } else { names.len() - 1 };
                Some(names[(at + by) % names.len()].into())
            }
            _ => None,
        }
    }
}

/// The Rust type of a setting.
pub(super) trait Field: Sized {
    fn value(&self) -> SettingValue;

    /// `None` for a value of another type.
    fn from_value(value: SettingValue) -> Option<Self>;
}

impl Field for f64 {
    fn value(&self) -> SettingValue {
        SettingValue::Number(*self)
    }

    fn from_value(value: SettingValue) -> Option<Self> {
        match value {
            SettingValue::Number(number) => Some(number),
            SettingValue::Text(_) => None,
        }
    }
}

impl Field for u32 {
    fn value(&self) -> SettingValue {
        SettingValue::Number(f64::from(*self))
    }

    fn from_value(value: SettingValue) -> Option<Self> {
        f64::from_value(value).map(|number| number as u32)
    }
}

impl Field for Method {
    fn value(&self) -> SettingValue {
        self.name().into()
    }

    fn from_value(value: SettingValue) -> Option<Self> {
        String::from_value(value)?.parse().ok()
    }
}

impl Field for ClassScore {
    fn value(&self) -> SettingValue {
        let named = CLASS_SCORES.iter().find(|(_, score)| score == self);
        named.map_or("", |(name, _)| name).into()
    }

    fn from_value(value: SettingValue) -> Option<Self> {
        let text = String::from_value(value)?;
        let named = CLASS_SCORES.iter().find(|(name, _)| *name == text)?;
        Some(named.1)
    }
}

impl Field for String {
    fn value(&self) -> SettingValue {
        SettingValue::Text(self.clone())
    }

    fn from_value(value: SettingValue) -> Option<Self> {
        match value {
            SettingValue::Text(text) => Some(text),
            SettingValue::Number(_) => None,
        }
    }
}
