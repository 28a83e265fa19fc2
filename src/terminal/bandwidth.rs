//! How fast the terminal takes what is written, and what follows for the next pictures: how many bytes one may have, and how
//! long to wait before the next. A slow link gets coarser and rarer pictures, and keeps room for text and keys.

use std::time::{Duration, Instant};

/// Most bytes of a picture that moves.
pub const MOVING_BYTES: usize = 50_000;

/// Most bytes of a picture that stands still.
pub const STILL_BYTES: usize = 8 << 20;

/// Fewest bytes that a picture is allowed, on however slow a link.
const MIN_BYTES: usize = 3_000;

/// How long a picture that moves, and one that stands, may keep the link busy.
const BUSY: [Duration; 2] = [Duration::from_millis(100), Duration::from_millis(1000)];

/// Shortest time between two frames on this machine, and over a connection, whose buffers hide how slow it is.
const MIN_PAUSE: [Duration; 2] = [Duration::from_millis(33), Duration::from_millis(100)];

/// Fewest bytes that say something of the speed.
const TELLING: usize = 1_000;

/// What was measured.
#[derive(Debug, Clone)]
pub struct Bandwidth {
    seconds_per_byte: f64,
    shortest_pause: Duration,
    /// When the next frame of a moving picture may be written.
    next: Option<Instant>,
}

impl Bandwidth {
    pub fn new(remote: bool) -> Self {
        let shortest_pause = MIN_PAUSE[usize::from(remote)];
        Self {
            seconds_per_byte: 0.0,
            shortest_pause,
            next: None,
        }
    }

    /// Takes into account that `bytes` were taken in `took`, up to `now`.
    pub fn record(&mut self, bytes: usize, took: Duration, now: Instant) {
        if bytes >= TELLING {
            let measured = took.as_secs_f64() / bytes as f64;
            // A slow link shows within three frames. A single stall is soon forgotten: bytes can be late for many reasons,
            // and early for none.
            let share = if measured < self.seconds_per_byte {
                0.8
            } else {
                0.5
            };
            self.seconds_per_byte += share * (measured - self.seconds_per_byte);
        }
        // As long a pause as the writing took leaves half of the link to everything else.
        self.next = Some(now + took.max(self.shortest_pause));
    }

    /// How long the next frame of a moving picture must wait yet.
    pub fn wait(&self, now: Instant) -> Option<Duration> {
        let left = self.next?.saturating_duration_since(now);
        (!left.is_zero()).then_some(left)
    }

    /// How long so many bytes will probably take.
    pub fn expected(&self, bytes: usize) -> Duration {
        Duration::from_secs_f64(self.seconds_per_byte * bytes as f64)
    }

    /// Most bytes for a picture, one of `count` that are written together.
    pub fn budget(&self, moving: bool, count: usize) -> usize {
        let (most, busy) = match moving {
            true => (MOVING_BYTES, BUSY[0]),
            false => (STILL_BYTES, BUSY[1]),
        };
        let fits = busy.as_secs_f64() / self.seconds_per_byte.max(1e-12);
        let share = fits.min(most as f64) / count.max(1) as f64;
        (share as usize).max(MIN_BYTES)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fast_link_is_used_in_full_and_a_slow_one_sparingly() {
        let start = Instant::now();
        let mut link = Bandwidth::new(false);
        assert_eq!(link.budget(true, 1), MOVING_BYTES);
        for _ in 0..6 {
            link.record(10_000, Duration::from_millis(500), start);
        }
        // 20 KB a second.
        assert!(link.budget(true, 1) < 4_000, "{}", link.budget(true, 1));
        assert!((15_000..25_000).contains(&link.budget(false, 1)));
        assert_eq!(link.wait(start), Some(Duration::from_millis(500)));
        assert_eq!(link.wait(start + Duration::from_secs(1)), None);
        for _ in 0..12 {
            link.record(10_000, Duration::from_micros(100), start);
        }
        assert_eq!(link.budget(true, 1), MOVING_BYTES);
    }

    #[test]
    fn pictures_written_together_share_what_there_is() {
        assert_eq!(Bandwidth::new(true).budget(true, 5), MOVING_BYTES / 5);
        assert_eq!(Bandwidth::new(true).budget(true, 10_000), MIN_BYTES);
    }

    #[test]
    fn frames_over_a_connection_are_rarer() {
        let now = Instant::now();
        let wait = |remote| {
            let mut link = Bandwidth::new(remote);
            link.record(10, Duration::ZERO, now);
            link.wait(now)
        };
        assert!(wait(true) > wait(false));
    }
}
