//! Cache of pictures of finished runs: a few large ones and many thumbnails, of bounded size.

use image::RgbImage;
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

/// Maximum number of compared runs.
pub const MAX_COMPARED: usize = 12;

/// The size class of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Size {
    /// Full size, or what a large panel can use.
    Full,
    /// For a small cell of a grid.
    Thumbnail,
    /// For a large cell of a grid.
    Cell,
}

impl Size {
    /// Maximum side, in pixels.
    pub fn longest(self) -> u32 {
        match self {
            Self::Full => 1024,
            Self::Thumbnail => 96,
            Self::Cell => 320,
        }
    }

    /// Maximum number of pictures: at most 27 MB of thumbnails and 37 MB of larger cells. Of full-size
    /// pictures: the compared ones, the shown one, and a few previous ones.
    fn kept(self) -> usize {
        match self {
            Self::Full => MAX_COMPARED + 4,
            Self::Thumbnail => 1000,
            Self::Cell => 120,
        }
    }

    /// The size class for a cell of a grid, `width` pixels wide.
    pub fn of_cell(width: u16) -> Self {
        if u32::from(width) <= Self::Thumbnail.longest() + 16 {
            Self::Thumbnail
        } else {
            Self::Cell
        }
    }
}

/// The pictures, by run id.
#[derive(Debug, Default)]
pub struct PictureCache {
    by_size: [Fifo; 3],
}

#[derive(Debug, Default)]
struct Fifo {
    pictures: HashMap<String, Arc<RgbImage>>,
    /// In the order of insertion.
    order: VecDeque<String>,
    /// Requested, or unavailable.
    asked: HashSet<String>,
}

impl PictureCache {
    /// A run's picture, if it is in memory.
    pub fn get(&self, id: &str, size: Size) -> Option<&Arc<RgbImage>> {
        self.by_size[size as usize].pictures.get(id)
    }

    /// Whether the picture must be requested: it is neither in memory nor requested yet. It is marked as
    /// requested.
    pub fn ask(&mut self, id: &str, size: Size) -> bool {
        let fifo = &mut self.by_size[size as usize];
        !fifo.pictures.contains_key(id) && fifo.asked.insert(id.to_string())
    }

    /// Adds a picture and evicts the oldest if there are too many.
    pub fn put(&mut self, id: &str, size: Size, picture: Arc<RgbImage>) {
        let fifo = &mut self.by_size[size as usize];
        fifo.asked.remove(id);
        if fifo.pictures.insert(id.to_string(), picture).is_none() {
            fifo.order.push_back(id.to_string());
        }
        if fifo.order.len() > size.kept()
            && let Some(oldest) = fifo.order.pop_front()
        {
            fifo.pictures.remove(&oldest);
        }
    }

    /// Removes a run's pictures, because they were deleted or have changed.
    pub fn remove(&mut self, id: &str) {
        for fifo in &mut self.by_size {
            fifo.pictures.remove(id);
            fifo.order.retain(|other| other != id);
            fifo.asked.remove(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_requested_once_and_the_oldest_is_evicted() {
        let mut cache = PictureCache::default();
        assert!(cache.ask("a", Size::Full));
        assert!(!cache.ask("a", Size::Full));
        assert!(cache.ask("a", Size::Thumbnail));
        let picture = Arc::new(RgbImage::new(1, 1));
        cache.put("a", Size::Full, Arc::clone(&picture));
        assert!(cache.get("a", Size::Full).is_some() && !cache.ask("a", Size::Full));
        for index in 0..Size::Full.kept() {
            cache.put(&index.to_string(), Size::Full, Arc::clone(&picture));
        }
        assert!(cache.get("a", Size::Full).is_none());
        assert!(cache.ask("a", Size::Full));
    }
}
