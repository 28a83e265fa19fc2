//! The terminal as the explorer uses it: entered and left in one place, so that it is always given back as it was, and
//! written to by threads of their own, so that neither a slow line nor a picture keeps the explorer from its keys.

mod picture_thread;

use crate::catch_panic;
use crate::terminal::{
    Notify, Painter, PlacedPicture, Progress, Terminal, copied, notification, progress,
};
use crossterm::event::{
    DisableBracketedPaste, DisableFocusChange, DisableMouseCapture, EnableBracketedPaste,
    EnableFocusChange, EnableMouseCapture,
};
use crossterm::terminal::{
    BeginSynchronizedUpdate, EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen,
    disable_raw_mode, enable_raw_mode,
};
use crossterm::{cursor, queue};
use picture_thread::Pictures;
use ratatui::backend::{Backend, CrosstermBackend};
use ratatui::buffer::{Buffer, CellDiffOption};
use ratatui::layout::Rect;
use std::io::{self, Write};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;

/// The terminal while it is in our hands.
static ENTERED: Mutex<Option<Terminal>> = Mutex::new(None);

/// Takes the terminal: raw mode, the other screen, the mouse if wanted.
///
/// # Errors
/// If it cannot be written to.
pub fn enter(terminal: &Terminal, mouse: bool) -> io::Result<()> {
    enable_raw_mode()?;
    *entered() = Some(terminal.clone());
    let mut out = io::stdout().lock();
    queue!(
        out,
        EnterAlternateScreen,
        EnableBracketedPaste,
        EnableFocusChange,
        cursor::Hide
    )?;
    if mouse {
        queue!(out, EnableMouseCapture)?;
    }
    out.flush()
}

/// Gives the terminal back, without pictures. May be called at any time and more than once; what cannot be written any more is let be.
pub fn leave() {
    let Some(terminal) = entered().take() else {
        return;
    };
    let mut out = io::stdout().lock();
    let left = crate::terminal::remove_all(&terminal, &mut out).and_then(|()| {
        out.write_all(&progress(&terminal, None))?;
        queue!(
            out,
            DisableMouseCapture,
            DisableFocusChange,
            DisableBracketedPaste,
            cursor::Show,
            LeaveAlternateScreen
        )?;
        out.flush()
    });
    // Nobody is there to read it, or everything went well: raw mode ends in both cases.
    drop(left);
    drop(disable_raw_mode());
}

fn entered() -> MutexGuard<'static, Option<Terminal>> {
    ENTERED
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// Sees to it that a panic gives the terminal back before it says what happened.
pub fn leave_on_panic() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        // One that is caught does not end the explorer.
        if !catch_panic::is_catching() {
            leave();
        }
        before(panic);
    }));
}

/// Whether a frame was written; else the terminal is gone.
pub type WriteResult = Result<(), io::ErrorKind>;

/// A frame to be written.
struct Frame {
    /// Columns and rows of the screen.
    size: (u16, u16),
    /// Text, as the terminal reads it.
    text: Vec<u8>,
    scene: Vec<PlacedPicture>,
    /// Whether all pictures must be drawn again.
    anew: bool,
    cursor: Option<(u16, u16)>,
}

/// The screen: what was drawn last, and the thread that writes.
pub struct Screen {
    shown: Buffer,
    frames: Option<Sender<Frame>>,
    writer: Option<JoinHandle<()>>,
    anew: bool,
    busy: bool,
    /// What goes to the terminal before the next frame.
    pending: Vec<u8>,
    terminal: Terminal,
}

impl Screen {
    /// Starts the thread that writes. `drained` is called whenever it has written a frame, or could not.
    pub fn start(
        terminal: &Terminal,
        drained: impl Fn(WriteResult) + Send + Sync + 'static,
    ) -> Self {
        let (frames, received) = mpsc::channel();
        let drained = Arc::new(drained);
        let pictures = Pictures::start(Painter::new(terminal), {
            let drained = Arc::clone(&drained);
            move |failed| drained(failed)
        });
        let synchronizes = terminal.synchronizes();
        let writer = std::thread::spawn(move || {
            write_frames(pictures, &received, synchronizes, &*drained);
        });
        Self {
            shown: Buffer::empty(Rect::ZERO),
            frames: Some(frames),
            writer: Some(writer),
            anew: true,
            busy: false,
            pending: Vec::new(),
            terminal: terminal.clone(),
        }
    }

    /// Whether a frame is still being written: another would only wait behind it.
    pub fn is_busy(&self) -> bool {
        self.busy
    }

    /// The last frame is written.
    pub fn drained(&mut self) {
        self.busy = false;
    }

    /// Everything is to be drawn again: the screen was resized, or something else has written to it.
    pub fn forget(&mut self) {
        self.anew = true;
    }

    /// Puts a text into the terminal's clipboard, with the next frame.
    pub fn copy(&mut self, text: &str) {
        self.pending.extend(copied(&self.terminal, text));
    }

    /// Shows how far something is beside the window's title, or takes that away, with the next frame.
    pub fn progress(&mut self, how_far: Option<Progress>) {
        self.pending.extend(progress(&self.terminal, how_far));
    }

    /// Tells the user something, whatever they look at, with the next frame.
    pub fn notify(&mut self, way: Notify, text: &str) {
        self.pending.extend(notification(&self.terminal, way, text));
    }

    /// Writes a frame: what of the text has changed, then the pictures.
    ///
    /// # Errors
    /// If the text cannot be put into the terminal's words; writing itself happens later.
    pub fn show(
        &mut self,
        buffer: Buffer,
        scene: Vec<PlacedPicture>,
        cursor: Option<(u16, u16)>,
    ) -> io::Result<()> {
        let mut text = std::mem::take(&mut self.pending);
        let anew = std::mem::take(&mut self.anew) || self.shown.area != buffer.area;
        if anew {
            queue!(
                text,
                crossterm::style::ResetColor,
                crossterm::terminal::Clear(crossterm::terminal::ClearType::All)
            )?;
            self.shown = Buffer::empty(buffer.area);
        }
        let uncovered = with_ground(&self.shown, &buffer);
        let changes = self.shown.diff(&uncovered);
        if !changes.is_empty() {
            CrosstermBackend::new(&mut text).draw(changes.into_iter())?;
        }
        let frame = Frame {
            size: (buffer.area.width, buffer.area.height),
            text,
            scene,
            anew,
            cursor,
        };
        self.shown = buffer;
        if let Some(frames) = &self.frames {
            // A thread that has ended has said why.
            self.busy = frames.send(frame).is_ok();
        }
        Ok(())
    }

    /// Waits until everything is written, and ends the thread.
    pub fn finish(&mut self) {
        self.frames = None;
        if let Some(writer) = self.writer.take() {
            drop(writer.join());
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.finish();
    }
}

/// The frame, in which the cells that a picture newly covers are to be written once more: the picture may leave a part of
/// them free, and what was there before must not be seen in it.
fn with_ground(shown: &Buffer, frame: &Buffer) -> Buffer {
    let mut frame = frame.clone();
    for (cell, before) in frame.content.iter_mut().zip(&shown.content) {
        if before.diff_option != CellDiffOption::Skip {
            cell.set_diff_option(CellDiffOption::None);
        }
    }
    frame
}

fn write_frames(
    mut pictures: Pictures,
    frames: &Receiver<Frame>,
    synchronizes: bool,
    drained: &impl Fn(WriteResult),
) {
    for frame in frames {
        let Frame {
            size,
            text,
            scene,
            anew,
            cursor,
        } = frame;
        let written = pictures.after(size, scene, anew, || {
            write_text(&text, cursor, synchronizes)
        });
        let is_gone = written.is_err();
        drained(written.map_err(|problem| problem.kind()));
        if is_gone {
            break;
        }
    }
    pictures.finish();
}

/// Writes a frame's text, as a synchronized update if the terminal is safe with these.
fn write_text(text: &[u8], cursor: Option<(u16, u16)>, synchronizes: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    queue!(out, cursor::Hide)?;
    if synchronizes {
        queue!(out, BeginSynchronizedUpdate)?;
    }
    out.write_all(text)?;
    if let Some((column, row)) = cursor {
        queue!(out, cursor::MoveTo(column, row))?;
    }
    if synchronizes {
        queue!(out, EndSynchronizedUpdate)?;
    }
    if cursor.is_some() {
        queue!(out, cursor::Show)?;
    }
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A picture may leave a part of its last column free: no letter may be left there, and nothing is written later, when
    /// the picture stands.
    #[test]
    fn the_ground_of_a_picture_is_written_once() {
        let area = Rect::new(0, 0, 2, 1);
        let mut text = Buffer::empty(area);
        text.set_string(0, 0, "ab", ratatui::style::Style::new());
        let mut covered = Buffer::empty(area);
        for cell in &mut covered.content {
            cell.set_diff_option(CellDiffOption::Skip);
        }
        let ground = with_ground(&text, &covered);
        let written = text.diff(&ground);
        assert_eq!(written.len(), 2);
        assert!(written.iter().all(|(_, _, cell)| cell.symbol() == " "));
        assert!(covered.diff(&with_ground(&covered, &covered)).is_empty());
        assert_eq!(covered.diff(&with_ground(&covered, &text)).len(), 2);
    }
}
