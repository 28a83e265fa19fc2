//! Pictures on the screen: keeps track of what is displayed and writes only the changes of a new scene. Slow
//! terminals get fewer and coarser pictures.

mod covered;
mod encoder;
mod numbers;
mod on_screen;
mod strips;
mod viewers;

pub use covered::covered_cells;

use super::bandwidth::Bandwidth;
use super::placement::{Area, PlacedPicture, without};
use super::protocols::quality::{LADDER, MOVING};
use super::tmux;
use super::{Protocol, Route, Terminal};
use encoder::Encoder;
use numbers::number;
use on_screen::OnScreen;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::{Duration, Instant};
use viewers::Viewers;

/// Maximum encoding time before the rest of a scene is left to the next call.
const PATIENCE: Duration = Duration::from_millis(8);

/// How long a reduced picture is shown before a better one is tried.
const REFINEMENT: Duration = Duration::from_millis(500);

/// Result of [`Painter::paint`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Painted {
    /// Bytes written.
    pub bytes: usize,
    /// Pictures drawn, moved or removed.
    pub changed: usize,
    /// A part of the scene is not on the screen yet: call again after this time with the current scene.
    pub again: Option<Duration>,
}

/// Updates the pictures on the screen to match a scene.
///
/// With [`Protocol::Sixel`] and [`Protocol::Iterm2`] a picture disappears where text is written over it: mark the cells
/// of [`Painter::covered_cells`] as skipped in the text buffer as long as a picture is there. The same holds for
/// placeholders ([`Route::TmuxPlaceholders`]). Otherwise with [`Protocol::Kitty`] the painter removes pictures itself,
/// and the cells below must only stay empty. With [`Protocol::Blocks`] it does nothing.
///
/// Covered cells of a picture ([`PlacedPicture::hidden`]) belong to the text, and the rest stays visible:
/// - kitty stores the picture and gets placements of the visible parts. A picture below the text (a low z-index) would
///   be visible through every cell with the terminal's default background, which some themes use everywhere.
/// - Sixels and iTerm2's files are cut, and only newly visible parts are encoded and sent: nothing when something
///   covers a picture, and the covered part when it disappears; for sixels also the rows above and below it, where an
///   earlier part may have left background. tmux with sixel support drops the complete picture when one of its cells is
///   overwritten, and gets all parts.
/// - Placeholders are text, which other text replaces.
#[derive(Debug)]
pub struct Painter {
    encoder: Encoder,
    /// The clients that may lack the pictures although they show the cells.
    viewers: Option<Viewers>,
    shown: BTreeMap<u32, OnScreen>,
    /// Whether pictures that are no longer tracked may be on the screen.
    has_stale: bool,
    /// Placement ids: the first one, and how many were used at once.
    places: std::ops::Range<u32>,
    /// The quality step for moving pictures.
    level: usize,
    bandwidth: Bandwidth,
}

/// A picture of the scene that is not on the screen.
struct Change<'a> {
    placed: &'a PlacedPicture,
    area: Area,
    /// The uncovered parts of the area; not empty.
    parts: Vec<Area>,
    before: Option<OnScreen>,
    /// Whether the picture stays and only other parts of it become visible.
    is_reveal: bool,
}

impl Painter {
    /// A painter of a screen without pictures.
    pub fn new(terminal: &Terminal) -> Self {
        Self {
            encoder: Encoder::new(terminal),
            viewers: (terminal.route == Route::TmuxPlaceholders).then(Viewers::new),
            shown: BTreeMap::new(),
            has_stale: false,
            places: 0..0,
            level: MOVING,
            bandwidth: Bandwidth::new(terminal.remote),
        }
    }

    /// A painter with new numbers, so that earlier pictures stay.
    pub(super) fn beside_others(terminal: &Terminal) -> Self {
        let first = numbers::unused().div_ceil(2);
        Self {
            places: first..first,
            ..Self::new(terminal)
        }
    }

    /// The cells that a picture covers within its area, on a screen of `columns` × `rows`; empty if it does
    /// not fit.
    pub fn covered_cells(&self, picture: (u32, u32), area: Area, screen: (u16, u16)) -> Area {
        covered_cells(&self.encoder.terminal, picture, area, screen)
    }

    /// Writes the changes that make a screen of `columns` × `rows` show `scene`, after the text was drawn. If
    /// time runs out, the first pictures of the scene are drawn. The cursor's position is restored.
    ///
    /// # Errors
    /// If writing fails. The state of the screen is then unknown: [`Painter::invalidate`] was called.
    pub fn paint(
        &mut self,
        out: &mut impl Write,
        screen: (u16, u16),
        scene: &[PlacedPicture],
    ) -> io::Result<Painted> {
        let painted = self.try_paint(out, screen, scene);
        if painted.is_err() {
            self.invalidate();
        }
        painted
    }

    fn try_paint(
        &mut self,
        out: &mut impl Write,
        screen: (u16, u16),
        scene: &[PlacedPicture],
    ) -> io::Result<Painted> {
        if self.encoder.terminal.protocol == Protocol::Blocks {
            return Ok(Painted::default());
        }
        let start = Instant::now();
        if let Some(viewers) = &mut self.viewers
            && viewers.have_come(start)
        {
            self.invalidate();
        }
        let mut painted = Painted::default();
        let mut bytes = self.removals(screen, scene, &mut painted);
        let (changes, waiting) = self.changes(screen, scene, start);
        painted.again = waiting;
        let moving = changes.iter().filter(|change| change.placed.moving).count();
        for (index, change) in changes.iter().enumerate() {
            if index > 0 && start.elapsed() > PATIENCE {
                painted.again = Some(Duration::ZERO);
                break;
            }
            let count = if change.placed.moving { moving } else { 1 };
            let drawn = match &change.before {
                Some(before) if change.is_reveal => self.revealed(change, before)?,
                _ => self.drawn(change, count)?,
            };
            painted.changed += usize::from(!drawn.is_empty());
            bytes.extend(drawn);
        }
        if !bytes.is_empty() {
            painted.bytes = self.write(out, &bytes)?;
        }
        let refinements = self.shown.values().filter_map(|shown| shown.refinement);
        let now = Instant::now();
        let waits = refinements.map(|due| due.saturating_duration_since(now));
        let viewers = self.viewers.as_ref().filter(|_| !self.shown.is_empty());
        let waits = waits.chain(viewers.map(|viewers| viewers.wait(now)));
        painted.again = painted.again.into_iter().chain(waits).min();
        Ok(painted)
    }

    /// Removes every picture from the screen.
    ///
    /// # Errors
    /// If writing fails.
    pub fn clear(&mut self, out: &mut impl Write) -> io::Result<()> {
        let mut bytes = Vec::new();
        for shown in std::mem::take(&mut self.shown).into_values() {
            bytes.extend(self.encoder.erase(shown.number(), shown.area));
        }
        bytes.extend(self.stale_deleted());
        if !bytes.is_empty() {
            self.write(out, &bytes)?;
        }
        Ok(())
    }

    /// Marks the screen as unknown, after it was cleared, resized or written to by others: everything is drawn
    /// again.
    pub fn invalidate(&mut self) {
        self.shown.clear();
        self.has_stale = true;
        self.encoder.invalidate();
    }

    /// Marks areas of these slots as overwritten by text: their pictures are drawn again there, if they are in
    /// the scene.
    pub fn written_over(&mut self, places: &[(u32, Area)]) {
        for (slot, area) in places {
            if let Some(shown) = self.shown.get_mut(slot) {
                let parts = without(&shown.parts, &[*area]);
                let is_touched = parts != shown.parts;
                match (self.encoder.terminal.protocol, self.encoder.terminal.route) {
                    _ if parts.is_empty() => shown.parts = parts,
                    // A terminal drops the complete picture.
                    (_, Route::Tmux) if is_touched => shown.parts = Vec::new(),
                    // Some terminals store such a picture separately from the text, some in its
                    // cells.
                    (Protocol::Kitty, Route::Direct | Route::TmuxPassthrough) => {
                        shown.is_touched |= is_touched;
                    }
                    _ => shown.parts = parts,
                }
            }
        }
    }

    /// Removes pictures that are not in the scene.
    fn removals(
        &mut self,
        screen: (u16, u16),
        scene: &[PlacedPicture],
        painted: &mut Painted,
    ) -> Vec<u8> {
        let mut bytes = self.stale_deleted();
        let stays = |slot: &u32| {
            let placed = scene.iter().find(|placed| placed.slot == *slot);
            placed.is_some_and(|placed| !self.parts(placed, screen).1.is_empty())
        };
        let gone: Vec<u32> = self
            .shown
            .keys()
            .filter(|slot| !stays(slot))
            .copied()
            .collect();
        for slot in gone {
            if let Some(shown) = self.shown.remove(&slot) {
                painted.changed += 1;
                // A picture without a number disappeared when text was written over it.
                bytes.extend(self.encoder.delete(&[shown.number()]));
            }
        }
        bytes
    }

    /// The area of a picture and its uncovered parts.
    fn parts(&self, placed: &PlacedPicture, screen: (u16, u16)) -> (Area, Vec<Area>) {
        let area = self.covered_cells(placed.picture.dimensions(), placed.area, screen);
        (area, without(&[area], &placed.hidden))
    }

    /// The pictures to draw, and the wait for those that are delayed.
    fn changes<'a>(
        &self,
        screen: (u16, u16),
        scene: &'a [PlacedPicture],
        now: Instant,
    ) -> (Vec<Change<'a>>, Option<Duration>) {
        let mut waiting = None;
        let mut changes = Vec::new();
        for placed in scene {
            let (area, parts) = self.parts(placed, screen);
            let before = self.shown.get(&placed.slot);
            let stands = before.is_some_and(|shown| shown.stands_on(area));
            let is_current = before.is_some_and(|shown| {
                shown.version == placed.version && shown.moving <= placed.moving
            });
            let refinement = before.and_then(|shown| shown.refinement);
            let is_reveal = match (stands, is_current) {
                (true, true) => refinement.is_none_or(|due| now < due),
                (true, false) if placed.moving && self.bandwidth.wait(now).is_some() => {
                    waiting = self.bandwidth.wait(now);
                    true
                }
                _ => false,
            };
            let stays = is_reveal && before.is_some_and(|shown| shown.is_seen_on(&parts));
            if !parts.is_empty() && !stays {
                changes.push(Change {
                    placed,
                    area,
                    parts,
                    before: before.cloned(),
                    is_reveal,
                });
            }
        }
        (changes, waiting)
    }

    /// The bytes that change the visible parts of a picture on the screen.
    fn revealed(&mut self, change: &Change, before: &OnScreen) -> io::Result<Vec<u8>> {
        let Change {
            placed,
            area,
            parts,
            ..
        } = change;
        let bytes = self.encoder.reveal(
            &placed.picture,
            (before.number(), before.size, before.places),
            (*area, parts, &before.parts),
            LADDER[before.level],
        )?;
        let shown = OnScreen {
            parts: parts.clone(),
            places: parts.len(),
            is_touched: false,
            ..before.clone()
        };
        self.shown.insert(placed.slot, shown);
        Ok(bytes)
    }

    /// The bytes that draw a picture in the best quality for the link.
    fn drawn(&mut self, change: &Change, count: usize) -> io::Result<Vec<u8>> {
        let Change {
            placed,
            area,
            ref parts,
            ref before,
            ..
        } = *change;
        let before = before.as_ref();
        let keeps_number = self.encoder.terminal.route == Route::TmuxPlaceholders;
        let mut next = OnScreen {
            place: before.map_or_else(|| self.free_place(), |before| before.place),
            // Placeholder cells contain the picture's number: they can stay if the number does.
            is_second: !keeps_number && before.is_some_and(|before| !before.is_second),
            area,
            version: placed.version,
            moving: placed.moving,
            level: 0,
            parts: parts.clone(),
            is_touched: false,
            size: (0, 0),
            places: parts.len(),
            refinement: None,
        };
        let coarse = before.filter(|before| before.is_refined_by(&next));
        let budget = match coarse {
            // A slow measurement may have been a stall: the second try may cost more and shows the
            // link's real speed.
            Some(_) => 2 * self.budget(false, count),
            None => self.budget(placed.moving, count),
        };
        let number = next.number();
        let show = |encoder: &mut Encoder, level: usize| {
            encoder.show(&placed.picture, number, (area, parts), LADDER[level])
        };
        let first = if placed.moving { self.level } else { 0 };
        let mut level = first;
        let (mut bytes, mut size) = show(&mut self.encoder, level)?;
        while bytes.len() > budget && level + 1 < LADDER.len() {
            level += 1;
            (bytes, size) = show(&mut self.encoder, level)?;
        }
        if let Some(coarse) = coarse.filter(|coarse| coarse.level <= level) {
            // The link is too slow for a better picture.
            let stays = OnScreen {
                refinement: None,
                ..coarse.clone()
            };
            self.shown.insert(placed.slot, stays);
            return Ok(Vec::new());
        }
        next.level = level;
        next.size = size;
        next.refinement = (!placed.moving && level > 0)
            .then(|| Instant::now() + REFINEMENT.max(self.bandwidth.expected(bytes.len())));
        if placed.moving {
            // One step up if there is enough bandwidth: the next frame tries it and steps down if
            // necessary.
            let has_room = bytes.len() < budget / 3 && level > MOVING;
            self.level = if has_room { level - 1 } else { level };
        }
        let stands = before.filter(|before| before.stands_on(area));
        let missing = without(parts, stands.map_or(&[], |before| &before.parts));
        bytes.extend(self.encoder.text(number, area, &missing));
        if let Some(before) = before.filter(|before| before.number() != number) {
            bytes.extend(self.encoder.delete(&[before.number()]));
        }
        self.shown.insert(placed.slot, next);
        Ok(bytes)
    }

    /// The byte limit of a picture, one of `count` written together.
    fn budget(&self, moving: bool, count: usize) -> usize {
        let budget = self.bandwidth.budget(moving, count);
        let Terminal {
            protocol, route, ..
        } = self.encoder.terminal;
        match (protocol, route) {
            // A file cannot be split.
            (Protocol::Iterm2, Route::TmuxPassthrough) => budget.min(tmux::MAX_PIECE),
            _ => budget,
        }
    }

    /// Deletes our pictures that [`Painter::invalidate`] may have left on the screen.
    fn stale_deleted(&mut self) -> Vec<u8> {
        if !std::mem::take(&mut self.has_stale) {
            return Vec::new();
        }
        let first = self.places.start;
        let places = std::mem::replace(&mut self.places, first..first);
        let numbers: Vec<u32> = (2 * places.start..2 * places.end).map(number).collect();
        self.encoder.delete(&numbers)
    }

    /// The lowest number not in use on the screen.
    fn free_place(&mut self) -> u32 {
        let is_free = |place: &u32| self.shown.values().all(|shown| shown.place != *place);
        let place = (self.places.start..).find(is_free).unwrap_or(0);
        self.places.end = self.places.end.max(place + 1);
        place
    }

    /// Writes everything at once, as a synchronized update if possible, and restores the cursor.
    fn write(&mut self, out: &mut impl Write, bytes: &[u8]) -> io::Result<usize> {
        let update = [b"\x1b7", bytes, b"\x1b8"].concat();
        let update = self.encoder.update(&update);
        let start = Instant::now();
        out.write_all(&update)?;
        out.flush()?;
        let now = Instant::now();
        self.bandwidth.record(update.len(), now - start, now);
        Ok(update.len())
    }
}

/// Removes every picture of this process without knowledge of the screen: for abnormal exits. Pictures without a
/// number disappear with the text.
///
/// # Errors
/// If writing fails.
pub fn remove_all(terminal: &Terminal, out: &mut impl Write) -> io::Result<()> {
    out.write_all(&Encoder::new(terminal).delete(&numbers::used()))?;
    out.flush()
}

#[cfg(test)]
mod tests;
