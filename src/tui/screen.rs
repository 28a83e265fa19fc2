//! The terminal of the explorer. It is entered and left here only, so that it is always restored. Separate threads
//! write to it, so that neither a slow line nor a picture delays keys.

mod picture_thread;

use crate::catch_panic;
use crate::terminal::{
    Notify, Painter, PlacedPicture, QueueProgress, Terminal, copied, notification, progress,
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

/// The terminal while the explorer uses it.
static ENTERED: Mutex<Option<Terminal>> = Mutex::new(None);

/// Enters raw mode and the alternate screen, with mouse reporting if wanted.
///
/// # Errors
/// If writing fails.
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

/// Restores the terminal and removes pictures. May be called at any time and repeatedly; write errors are ignored.
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
    // An error means that the terminal is closed; raw mode ends in any case.
    drop(left);
    drop(disable_raw_mode());
}

fn entered() -> MutexGuard<'static, Option<Terminal>> {
    ENTERED
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// Restores the terminal before a panic message is printed.
pub fn leave_on_panic() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        // A caught panic does not end the explorer.
        if !catch_panic::is_catching() {
            leave();
        }
        before(panic);
    }));
}

/// The result of writing a frame; an error means that the terminal is closed.
pub type WriteResult = Result<(), io::ErrorKind>;

/// A frame to write.
struct Frame {
    /// Columns and rows of the screen.
    size: (u16, u16),
    /// Text, as the terminal reads it.
    text: Vec<u8>,
    scene: Vec<PlacedPicture>,
    /// Whether all pictures must be drawn again.
    redraws_all: bool,
    cursor: Option<(u16, u16)>,
}

/// The screen: the last frame, and the writing threads.
pub struct Screen {
    shown: Buffer,
    frames: Option<Sender<Frame>>,
    writer: Option<JoinHandle<()>>,
    redraws_all: bool,
    busy: bool,
    /// Bytes to write before the next frame.
    pending: Vec<u8>,
    terminal: Terminal,
}

impl Screen {
    /// Starts the threads. `drained` is called after each frame, or with the error.
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
            redraws_all: true,
            busy: false,
            pending: Vec::new(),
            terminal: terminal.clone(),
        }
    }

    /// Whether a frame is still being written: another would only wait.
    pub fn is_busy(&self) -> bool {
        self.busy
    }

    /// Records that the last frame is written.
    pub fn drained(&mut self) {
        self.busy = false;
    }

    /// Marks the screen as unknown, after it was resized or written to by others: everything is drawn again.
    pub fn invalidate(&mut self) {
        self.redraws_all = true;
    }

    /// Copies a text to the terminal's clipboard, with the next frame.
    pub fn copy(&mut self, text: &str) {
        self.pending.extend(copied(&self.terminal, text));
    }

    /// Shows or removes the progress, with the next frame.
    pub fn progress(&mut self, how_far: Option<QueueProgress>) {
        self.pending.extend(progress(&self.terminal, how_far));
    }

    /// Notifies the user, with the next frame.
    pub fn notify(&mut self, way: Notify, text: &str) {
        self.pending.extend(notification(&self.terminal, way, text));
    }

    /// Writes a frame: the changed text, then the pictures.
    ///
    /// # Errors
    /// If the text cannot be encoded; writing happens later.
    pub fn show(
        &mut self,
        buffer: Buffer,
        scene: Vec<PlacedPicture>,
        cursor: Option<(u16, u16)>,
    ) -> io::Result<()> {
        let mut text = std::mem::take(&mut self.pending);
        let redraws_all = std::mem::take(&mut self.redraws_all) || self.shown.area != buffer.area;
        if redraws_all {
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
            redraws_all,
            cursor,
        };
        self.shown = buffer;
        if let Some(frames) = &self.frames {
            // A thread that ended has reported its error.
            self.busy = frames.send(frame).is_ok();
        }
        Ok(())
    }

    /// Waits until everything is written, and ends the threads.
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

/// The frame in which newly covered cells of a picture are written once more: the picture may leave a part of them
/// free, where old text must not remain.
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
            redraws_all,
            cursor,
        } = frame;
        let written = pictures.after(size, scene, redraws_all, || {
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

    /// A picture may leave a part of its last column free: old text must be erased there before the picture is
    /// drawn.
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
