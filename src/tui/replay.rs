//! Replay of a finished run.

use image::RgbImage;
use std::sync::Arc;
use std::time::Duration;

/// Duration of a frame.
const FRAME: Duration = Duration::from_millis(100);

/// Duration of the last frame, in frames.
const REST: usize = 10;

/// The frames of a replay.
#[derive(Debug, Clone)]
pub struct Replay {
    /// The run's id.
    pub id: String,
    frames: Vec<Arc<RgbImage>>,
    /// When the first frame was shown, since the program's start.
    begun: Duration,
}

impl Replay {
    /// Starts a replay of at least one frame.
    pub fn new(id: String, frames: Vec<Arc<RgbImage>>, now: Duration) -> Self {
        Self {
            id,
            frames,
            begun: now,
        }
    }

    /// The current frame; `None` at the end.
    pub fn frame(&self, now: Duration) -> Option<&Arc<RgbImage>> {
        let at = (now.saturating_sub(self.begun).as_millis() / FRAME.as_millis()) as usize;
        let last = self.frames.len().checked_sub(1)?;
        (at <= last + REST).then(|| &self.frames[at.min(last)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_frame_has_its_time_and_the_last_stays_a_little() {
        let frames = (1..=3).map(|side| Arc::new(RgbImage::new(side, side)));
        let replay = Replay::new("a".into(), frames.collect(), Duration::from_secs(5));
        let width = |millis: u64| {
            let frame = replay.frame(Duration::from_millis(5000 + millis));
            frame.map(|frame| frame.width())
        };
        assert_eq!(
            [0, 99, 100, 250, 1200].map(width),
            [1, 1, 2, 3, 3].map(Some)
        );
        assert_eq!(width(1300), None);
        assert!(
            Replay::new("a".into(), Vec::new(), Duration::ZERO)
                .frame(Duration::ZERO)
                .is_none()
        );
    }
}
