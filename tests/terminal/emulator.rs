//! A terminal in memory at the other end of a pseudo-terminal: it answers like the real ones, and knows what it shows.

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use std::io::{Read, Write};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};
use tattoy_wezterm_term::color::ColorPalette;
use tattoy_wezterm_term::{Line, Terminal, TerminalConfiguration, TerminalSize};

pub const COLUMNS: u16 = 80;
pub const ROWS: u16 = 30;

/// How a terminal behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It knows kitty's protocol.
    Kitty,
    /// It knows sixels.
    Sixel,
    /// It calls itself WezTerm, and knows iTerm2's files.
    Iterm2,
    /// It answers nothing.
    Mute,
    /// It answers everything with nonsense, without end.
    Garbage,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Kitty => "kitty",
            Self::Iterm2 => "WezTerm",
            Self::Sixel | Self::Mute | Self::Garbage => "XTerm",
        }
    }
}

#[derive(Debug)]
struct Configuration {
    kitty: bool,
}

impl TerminalConfiguration for Configuration {
    fn color_palette(&self) -> ColorPalette {
        ColorPalette::default()
    }

    fn enable_kitty_graphics(&self) -> bool {
        self.kitty
    }
}

/// What the terminal says to the program, as far as its kind lets it.
struct Voice {
    kind: Kind,
    keyboard: Keyboard,
}

type Keyboard = Arc<Mutex<Box<dyn Write + Send>>>;

impl Write for Voice {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self.kind {
            Kind::Mute | Kind::Garbage => Ok(bytes.len()),
            _ => self.keyboard.lock().unwrap().write(bytes),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.keyboard.lock().unwrap().flush()
    }
}

/// A program in a terminal.
pub struct Emulator {
    terminal: Arc<Mutex<Terminal>>,
    keyboard: Keyboard,
    child: Box<dyn Child + Send + Sync>,
    // The terminal's end must stay open as long as the program runs.
    _master: Box<dyn MasterPty + Send>,
}

impl Emulator {
    /// Starts a command in a terminal of its own, without what the environment says of the one the tests run in.
    pub fn start(kind: Kind, mut command: CommandBuilder) -> Self {
        let size = PtySize {
            rows: ROWS,
            cols: COLUMNS,
            pixel_width: COLUMNS * 8,
            pixel_height: ROWS * 16,
        };
        let pair = native_pty_system().openpty(size).unwrap();
        for name in ["TMUX", "SSH_TTY", "SSH_CONNECTION", "COLORTERM", "NO_COLOR"] {
            command.env_remove(name);
        }
        command.env("TERM", "xterm-256color");
        let child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let keyboard: Keyboard = Arc::new(Mutex::new(pair.master.take_writer().unwrap()));
        let voice = Voice {
            kind,
            keyboard: keyboard.clone(),
        };
        let size = TerminalSize {
            rows: ROWS.into(),
            cols: COLUMNS.into(),
            pixel_width: usize::from(COLUMNS) * 8,
            pixel_height: usize::from(ROWS) * 16,
            dpi: 0,
        };
        let configuration = Arc::new(Configuration {
            kitty: kind == Kind::Kitty,
        });
        let terminal = Terminal::new(size, configuration, kind.name(), "1", Box::new(voice));
        let terminal = Arc::new(Mutex::new(terminal));
        let (shown, mut output) = (terminal.clone(), pair.master.try_clone_reader().unwrap());
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = output.read(&mut buffer) {
                shown.lock().unwrap().advance_bytes(&buffer[..count]);
            }
        });
        if kind == Kind::Garbage {
            talk_nonsense(keyboard.clone());
        }
        Self {
            terminal,
            keyboard,
            child,
            _master: pair.master,
        }
    }

    /// Types text.
    pub fn type_text(&self, text: &str) {
        let mut keyboard = self.keyboard.lock().unwrap();
        keyboard.write_all(text.as_bytes()).unwrap();
        keyboard.flush().unwrap();
    }

    /// Waits until the program ends and everything it wrote is shown. Panics if it fails, or takes longer than a minute.
    pub fn finish(&mut self) {
        let end = Instant::now() + Duration::from_secs(60);
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                std::thread::sleep(Duration::from_millis(100));
                assert!(status.success(), "{status:?}\n{}", self.text());
                return;
            }
            assert!(Instant::now() < end, "it hangs:\n{}", self.text());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits until the screen shows a text.
    pub fn wait_for(&self, text: &str) {
        let end = Instant::now() + Duration::from_secs(60);
        while !self.text().contains(text) {
            assert!(Instant::now() < end, "no {text:?} in:\n{}", self.text());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// The text on the screen, a line a row.
    pub fn text(&self) -> String {
        let lines = self.lines();
        let lines: Vec<String> = lines
            .iter()
            .map(|line| line.as_str().trim_end().into())
            .collect();
        lines.join("\n")
    }

    /// Column and row of every cell that shows a part of a picture, row by row.
    pub fn picture_cells(&self) -> Vec<(u16, u16)> {
        let lines = self.lines();
        let mut cells = Vec::new();
        for (row, line) in (0..).zip(&lines) {
            for column in 0..COLUMNS {
                let cell = line.get_cell(column.into());
                let images = cell.and_then(|cell| cell.attrs().images());
                if images.is_some_and(|images| !images.is_empty()) {
                    cells.push((column, row));
                }
            }
        }
        cells
    }

    /// The row of the cursor.
    pub fn cursor_row(&self) -> u16 {
        self.lock().cursor_pos().y as u16
    }

    /// The rows on the screen, without what has scrolled away.
    fn lines(&self) -> Vec<Line> {
        let terminal = self.lock();
        let screen = terminal.screen();
        screen.lines_in_phys_range(screen.phys_range(&(0..i64::from(ROWS))))
    }

    fn lock(&self) -> MutexGuard<'_, Terminal> {
        self.terminal.lock().unwrap()
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        // It has ended already, unless the test failed.
        let _ = self.child.kill();
    }
}

/// Sends bytes that are no answer, until the program is gone.
fn talk_nonsense(keyboard: Keyboard) {
    std::thread::spawn(move || {
        let nonsense = b"\x1b[?;;;\x1b]11;rgb:\x1b\\\x1b_Gi=;\x1b\\\x1bP>|\xff\xfe\x1b[6;99999999;t\x00\x1b\x1b".as_slice();
        while keyboard.lock().unwrap().write_all(nonsense).is_ok() {
            std::thread::sleep(Duration::from_millis(1));
        }
    });
}
