//! Counts, durations and ages in words.

/// Units of age: minimum age in seconds, length in seconds, and name.
const AGES: &[(u64, u64, &str)] = &[
    (60, 60, "min"),
    (3600, 3600, "h"),
    (2 * 86_400, 86_400, "d"),
    (60 * 86_400, 30 * 86_400, "mo"),
    (2 * 365 * 86_400, 365 * 86_400, "y"),
];

/// A count with its unit: `1 run`, `2 runs`.
pub fn counted(count: usize, kind: &str) -> String {
    match count {
        1 => format!("1 {kind}"),
        count => format!("{count} {kind}s"),
    }
}

/// A duration: `8 s`, `2 min 05 s`, `1 h 20 min`.
pub fn duration(seconds: f64) -> String {
    let seconds = seconds.max(0.0).round().min(1e9) as u64;
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} min", seconds / 3600, seconds / 60 % 60),
    }
}

/// An age: `5 min ago`. Both times are seconds since 1970. A time in the future (a wrong clock) is `just now`.
pub fn age(then: u64, now: u64) -> String {
    let past = now.saturating_sub(then);
    let mut fitting = AGES.iter().rev().filter(|(from, ..)| past >= *from);
    fitting.next().map_or_else(
        || "just now".into(),
        |(_, unit, name)| format!("{} {name} ago", past / unit),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_counts_are_short() {
        const NOW: u64 = 1_000_000_000;
        for (past, expected) in [
            (0, "just now"),
            (59, "just now"),
            (61, "1 min ago"),
            (86_400, "24 h ago"),
            (3 * 86_400, "3 d ago"),
            (90 * 86_400, "3 mo ago"),
            (900 * 86_400, "2 y ago"),
        ] {
            assert_eq!(age(NOW - past, NOW), expected);
        }
        assert_eq!(age(u64::MAX, NOW), "just now");
        for (seconds, expected) in [
            (7.6, "8 s"),
            (125.0, "2 min 05 s"),
            (4800.0, "1 h 20 min"),
            (f64::NAN, "0 s"),
        ] {
            assert_eq!(duration(seconds), expected);
        }
        let counts = [0, 1, 2].map(|count| counted(count, "run"));
        assert_eq!(counts, ["0 runs", "1 run", "2 runs"]);
    }
}
