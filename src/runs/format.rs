//! Numbers and dates as text for people.

use crate::setting_value::SettingValue;
use std::collections::HashSet;
use std::time::{SystemTime, UNIX_EPOCH};

/// Maximum number of digits added to distinguish numbers: enough for any two of 32 bits.
const MAX_ADDED: usize = 7;

/// A score, to two places, or three digits of a small one: `12.35`, `0.0346`, `-2.1e-9`.
pub fn score(score: f32) -> String {
    score_with(score, 0)
}

/// A score with so many more digits than usual.
fn score_with(score: f32, added: usize) -> String {
    let size = score.abs();
    if !(size > 0.0 && size < 1.0) {
        return format!("{score:.*}", 2 + added);
    }
    match -size.log10().floor() {
        places if places <= 4.0 => format!("{score:.*}", places as usize + 2 + added),
        _ => format!("{score:.*e}", 1 + added),
    }
}

/// Scores side by side: as [`score`] writes them, with enough digits to distinguish those that differ.
pub fn scores(scores: &[f32]) -> Vec<String> {
    distinguished(scores, score_with)
}

/// A probability in percent, to one place: `97.5 %`; `<0.1 %` of one that would be written as 0 and is not.
pub fn percent(probability: f32) -> String {
    percent_with(probability, 0)
}

fn percent_with(probability: f32, added: usize) -> String {
    let (percent, places) = (100.0 * f64::from(probability), 1 + added);
    let least = 0.1_f64.powi(places as i32);
    if percent > 0.0 && percent < least / 2.0 {
        format!("<{least:.places$} %")
    } else {
        format!("{percent:.places$} %")
    }
}

/// Probabilities side by side, as [`scores`].
pub fn percents(probabilities: &[f32]) -> Vec<String> {
    distinguished(probabilities, percent_with)
}

/// Numbers with the fewest added digits that distinguish those that differ.
fn distinguished(numbers: &[f32], text: impl Fn(f32, usize) -> String) -> Vec<String> {
    let texts = |added: usize| -> Vec<String> {
        let each = numbers.iter().map(|number| text(*number, added));
        each.collect()
    };
    let tells = |texts: &Vec<String>| {
        let known: HashSet<&String> = texts.iter().collect();
        let numbers: HashSet<u32> = numbers.iter().map(|number| number.to_bits()).collect();
        known.len() == numbers.len()
    };
    let enough = (0..MAX_ADDED).map(texts).find(tells);
    enough.unwrap_or_else(|| texts(MAX_ADDED))
}

/// A model's name in few words: a card's, or the last part of a path.
pub fn model(model: &str) -> &str {
    model.rsplit(['/', '\\']).next().unwrap_or(model)
}

/// The value of a setting, on one line: `0.12`, `192`, `layer-cam`; `–` for no name.
pub fn value(value: &SettingValue) -> String {
    match value {
        SettingValue::Text(name) if name.is_empty() => "–".into(),
        SettingValue::Text(name) => crate::text::safe(name),
        SettingValue::Number(_) => value.to_string(),
    }
}

/// The date and time, `2026-11-24 08:45 UTC`, of a number of seconds since 1970.
pub fn date(seconds: u64) -> String {
    let time = i64::try_from(seconds).ok();
    let time = time.and_then(|seconds| time::OffsetDateTime::from_unix_timestamp(seconds).ok());
    match time {
        None => "unknown".into(),
        Some(time) => format!(
            "{}-{:02}-{:02} {:02}:{:02} UTC",
            time.year(),
            u8::from(time.month()),
            time.day(),
            time.hour(),
            time.minute()
        ),
    }
}

/// Seconds since 1970.
pub fn unix_now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |time| time.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_of_utc() {
        assert_eq!(date(0), "1970-01-01 00:00 UTC");
        assert_eq!(date(1_795_510_800), "2026-11-24 09:00 UTC");
        assert_eq!(date(u64::MAX), "unknown");
    }

    #[test]
    fn numbers_side_by_side_have_enough_digits_to_distinguish_them() {
        assert_eq!(scores(&[12.3, 2.13, 2.1]), ["12.30", "2.13", "2.10"]);
        assert_eq!(scores(&[2.1301, 2.1304]), ["2.1301", "2.1304"]);
        assert_eq!(scores(&[5.0, 5.0]), ["5.00", "5.00"]);
        assert_eq!(scores(&[0.0346, 0.034_62]), ["0.03460", "0.03462"]);
        assert_eq!(scores(&[-2.1e-9, -2.13e-9]), ["-2.10e-9", "-2.13e-9"]);
        assert_eq!(percents(&[0.975, 0.976]), ["97.5 %", "97.6 %"]);
        assert_eq!(percents(&[0.9999, 1.0]), ["99.99 %", "100.00 %"]);
        // The largest probability below 1 is not 1.
        let almost = f32::from_bits(1.0f32.to_bits() - 1);
        assert_eq!(percents(&[almost, 1.0]), ["99.99999 %", "100.00000 %"]);
        assert_eq!(scores(&[f32::NAN, 1.0]), ["NaN", "1.00"]);
        assert!(scores(&[]).is_empty());
    }

    #[test]
    fn numbers_are_short() {
        let scores = [12.345, -1.0, 0.0, 0.5, -0.034_56, 0.000_123_4, -2.1e-9];
        let expected = "12.35 -1.00 0.00 0.500 -0.0346 0.000123 -2.1e-9";
        assert_eq!(scores.map(score).join(" "), expected);
        assert_eq!(score(f32::NAN), "NaN");
        assert_eq!(percent(0.9876), "98.8 %");
        let values = [192.0.into(), 0.12.into(), "a\u{1b}".into(), "".into()];
        let texts = values.map(|one| value(&one));
        assert_eq!(texts, ["192", "0.12", r"a\u{1b}", "–"]);
    }
}
