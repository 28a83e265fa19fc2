//! How a finished picture grew, shown again.

use image::RgbImage;
use std::sync::Arc;
use std::time::Duration;

/// How long each frame is seen.
const FRAME: Duration = Duration::from_millis(100);

/// How long the last frame stays, in frames.
const REST: usize = 10;

/// The frames of a run that are being shown.
#[derive(Debug, Clone)]
pub struct Replay {
    /// The run.
    pub id: String,
    frames: Vec<Arc<RgbImage>>,
    /// When the first frame was shown, since the start of the explorer.
    begun: Duration,
}

impl Replay {
    /// Begins to show frames, of which there is at least one.
    pub fn new(id: String, frames: Vec<Arc<RgbImage>>, now: Duration) -> Self {
        Self {
            id,
            frames,
            begun: now,
        }
    }

    /// The frame of this moment; `None` once all have been seen.
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
