//! Bandwidth of the terminal, and the resulting limits for pictures: bytes per picture and pause between pictures.
//! A slow link gets coarser and fewer pictures, which leaves bandwidth to text and keys.

use std::time::{Duration, Instant};

/// Maximum bytes of a moving picture.
pub const MOVING_BYTES: usize = 50_000;

/// Maximum bytes of a still picture.
pub const STILL_BYTES: usize = 8 << 20;

/// Minimum byte limit of a picture, even on a slow link.
const MIN_BYTES: usize = 3_000;

/// Maximum time that a moving and a still picture may occupy the link.
const BUSY: [Duration; 2] = [Duration::from_millis(100), Duration::from_millis(1000)];

/// Minimum time between two frames: on this machine, and over a connection, where buffers hide the delay.
const MIN_PAUSE: [Duration; 2] = [Duration::from_millis(33), Duration::from_millis(100)];

/// Minimum bytes for a measurement of the speed.
const TELLING: usize = 1_000;

/// The measured bandwidth.
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

    /// Records that `bytes` were accepted within `took`, until `now`.
    pub fn record(&mut self, bytes: usize, took: Duration, now: Instant) {
        if bytes >= TELLING {
            let measured = took.as_secs_f64() / bytes as f64;
            // A slow link is detected within three frames. A single stall is soon forgotten: many
            // causes delay bytes, none speeds them up.
            let share = if measured < self.seconds_per_byte {
                0.8
            } else {
                0.5
            };
            self.seconds_per_byte += share * (measured - self.seconds_per_byte);
        }
        // A pause as long as the write leaves half of the link to text and keys.
        self.next = Some(now + took.max(self.shortest_pause));
    }

    /// The remaining wait before the next frame of a moving picture.
    pub fn wait(&self, now: Instant) -> Option<Duration> {
        let left = self.next?.saturating_duration_since(now);
        (!left.is_zero()).then_some(left)
    }

    /// The expected time for `bytes`.
    pub fn expected(&self, bytes: usize) -> Duration {
        Duration::from_secs_f64(self.seconds_per_byte * bytes as f64)
    }

    /// The byte limit of a picture, one of `count` written together.
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
    fn a_slow_link_gets_smaller_pictures_than_a_fast_one() {
        let start = Instant::now();
        let mut link = Bandwidth::new(false);
        assert_eq!(link.budget(true, 1), MOVING_BYTES);
        for _ in 0..6 {
            link.record(10_000, Duration::from_millis(500), start);
        }
        // 20 KB per second.
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
    fn pictures_written_together_share_the_byte_limit() {
        assert_eq!(Bandwidth::new(true).budget(true, 5), MOVING_BYTES / 5);
        assert_eq!(Bandwidth::new(true).budget(true, 10_000), MIN_BYTES);
    }

    #[test]
    fn frames_over_a_connection_are_less_frequent() {
        let now = Instant::now();
        let wait = |remote| {
            let mut link = Bandwidth::new(remote);
            link.record(10, Duration::ZERO, now);
            link.wait(now)
        };
        assert!(wait(true) > wait(false));
    }
}
