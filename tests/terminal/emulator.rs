//! An in-memory terminal at the other end of a pseudo-terminal: it responds like real ones and records its screen.

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use std::io::{Read, Write};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};
use tattoy_wezterm_term::color::ColorPalette;
use tattoy_wezterm_term::{Line, Terminal, TerminalConfiguration, TerminalSize};

/// The size of a terminal, unless a test asks for another.
pub const COLUMNS: u16 = 80;
pub const ROWS: u16 = 30;

/// Delay of a late terminal's responses.
const LATENESS: Duration = Duration::from_secs(2);

/// Maximum time that a test waits.
const PATIENCE: Duration = Duration::from_secs(60);

/// Width and height of a cell, in pixels.
const CELL: (u16, u16) = (8, 16);

/// How a terminal behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It knows kitty's protocol.
    Kitty,
    /// It calls itself a kitty with placeholders, though it shows them as text.
    Placeholders,
    /// It knows sixels.
    Sixel,
    /// It calls itself WezTerm, and knows iTerm2's files.
    Iterm2,
    /// It does not respond.
    Mute,
    /// It supports kitty's protocol and responds after two seconds.
    Late,
    /// It responds with endless garbage.
    Garbage,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Kitty | Self::Late | Self::Placeholders => "kitty",
            Self::Iterm2 => "WezTerm",
            Self::Sixel | Self::Mute | Self::Garbage => "XTerm",
        }
    }

    fn version(self) -> &'static str {
        match self {
            Self::Placeholders => "0.41.1",
            _ => "1",
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

/// The terminal's responses to the program.
struct Voice {
    kind: Kind,
    keyboard: Keyboard,
}

type Keyboard = Arc<Mutex<Box<dyn Write + Send>>>;

impl Write for Voice {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self.kind {
            Kind::Mute | Kind::Garbage => {}
            Kind::Late => {
                let (keyboard, bytes) = (self.keyboard.clone(), bytes.to_vec());
                std::thread::spawn(move || {
                    std::thread::sleep(LATENESS);
                    // The program may have ended meanwhile.
                    drop(keyboard.lock().unwrap().write_all(&bytes));
                });
            }
            _ => return self.keyboard.lock().unwrap().write(bytes),
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.keyboard.lock().unwrap().flush()
    }
}

/// A program in a terminal.
pub struct Emulator {
    terminal: Arc<Mutex<Terminal>>,
    keyboard: Keyboard,
    watch: Arc<Mutex<Option<Watch>>>,
    child: Box<dyn Child + Send + Sync>,
    // The terminal's end must stay open as long as the program runs.
    master: Box<dyn MasterPty + Send>,
}

/// A text that a test waits for, and where to report it.
struct Watch {
    text: String,
    seen: Sender<Instant>,
}

impl Emulator {
    /// Starts a command in a new terminal, without the environment variables of the tests' terminal.
    pub fn start(kind: Kind, command: CommandBuilder) -> Self {
        Self::start_sized(kind, (COLUMNS, ROWS), command)
    }

    /// The same in a terminal of another size, in columns and rows.
    pub fn start_sized(
        kind: Kind,
        (columns, rows): (u16, u16),
        mut command: CommandBuilder,
    ) -> Self {
        let pair = native_pty_system()
            .openpty(pty_size(columns, rows))
            .unwrap();
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
        let configuration = Arc::new(Configuration {
            kitty: matches!(kind, Kind::Kitty | Kind::Late | Kind::Placeholders),
        });
        let terminal = Terminal::new(
            terminal_size(columns, rows),
            configuration,
            kind.name(),
            kind.version(),
            Box::new(voice),
        );
        let terminal = Arc::new(Mutex::new(terminal));
        let watch = Arc::new(Mutex::new(None));
        let (shown, watched) = (terminal.clone(), watch.clone());
        let output = pair.master.try_clone_reader().unwrap();
        std::thread::spawn(move || show(output, &shown, &watched));
        if kind == Kind::Garbage {
            talk_nonsense(keyboard.clone());
        }
        Self {
            terminal,
            keyboard,
            watch,
            child,
            master: pair.master,
        }
    }

    /// Gives the terminal another size.
    pub fn resize(&self, columns: u16, rows: u16) {
        self.lock().resize(terminal_size(columns, rows));
        self.master.resize(pty_size(columns, rows)).unwrap();
    }

    /// The process in the terminal.
    pub fn process(&self) -> rustix::process::Pid {
        let id = self.child.process_id().expect("it runs");
        rustix::process::Pid::from_raw(id as i32).expect("no process has number 0")
    }

    /// Sends the process a signal.
    pub fn signal(&self, signal: rustix::process::Signal) {
        rustix::process::kill_process(self.process(), signal).unwrap();
    }

    /// Kills the process, and waits until it is gone.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Types text; returns how long it took until another text appeared on the screen that was not there before.
    pub fn answer_time(&self, typed: &str, text: &str) -> Duration {
        assert!(
            !self.text().contains(text),
            "{text:?} is there already:\n{}",
            self.text()
        );
        let (seen, sight) = mpsc::channel();
        *self.watch.lock().unwrap() = Some(Watch {
            text: text.into(),
            seen,
        });
        let start = Instant::now();
        self.type_text(typed);
        match sight.recv_timeout(PATIENCE) {
            Ok(at) => at - start,
            Err(_) => panic!("no {text:?} in:\n{}", self.text()),
        }
    }

    /// Types text.
    pub fn type_text(&self, text: &str) {
        let mut keyboard = self.keyboard.lock().unwrap();
        keyboard.write_all(text.as_bytes()).unwrap();
        keyboard.flush().unwrap();
    }

    /// Waits until the program ends and everything it wrote is shown. Panics if it fails, or takes longer than a
    /// minute.
    pub fn finish(&mut self) {
        let end = Instant::now() + PATIENCE;
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
        self.wait_until(text, |terminal| terminal.text().contains(text));
    }

    /// Waits until something is true of the terminal; `what` says what, should it not become so.
    pub fn wait_until(&self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let end = Instant::now() + PATIENCE;
        while !is_so(self) {
            assert!(Instant::now() < end, "no {what:?} in:\n{}", self.text());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// The text on the screen, one line per row.
    pub fn text(&self) -> String {
        text(&self.lock())
    }

    /// Column and row of every cell that shows a part of a picture, row by row.
    pub fn picture_cells(&self) -> Vec<(u16, u16)> {
        let lines = lines(&self.lock());
        let mut cells = Vec::new();
        for (row, line) in (0..).zip(&lines) {
            for column in 0..line.len() as u16 {
                let cell = line.get_cell(column.into());
                let images = cell.and_then(|cell| cell.attrs().images());
                if images.is_some_and(|images| !images.is_empty()) {
                    cells.push((column, row));
                }
            }
        }
        cells
    }

    /// Whether the cursor is shown.
    pub fn shows_cursor(&self) -> bool {
        // The type's name is not exported; its default is the visible one.
        self.lock().cursor_pos().visibility == Default::default()
    }

    /// The row of the cursor.
    pub fn cursor_row(&self) -> u16 {
        self.lock().cursor_pos().y as u16
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

/// Shows what the program writes until it ends, and wakes those that wait for a text.
fn show(mut output: impl Read, shown: &Mutex<Terminal>, watched: &Mutex<Option<Watch>>) {
    let mut buffer = [0; 65_536];
    while let Ok(count @ 1..) = output.read(&mut buffer) {
        let mut terminal = shown.lock().unwrap();
        terminal.advance_bytes(&buffer[..count]);
        let mut watch = watched.lock().unwrap();
        if let Some(found) = watch.take_if(|watch| text(&terminal).contains(&watch.text)) {
            // Nobody waits any longer if the patience is over.
            let _ = found.seen.send(Instant::now());
        }
    }
}

/// The rows on the screen, without what has scrolled away.
fn lines(terminal: &Terminal) -> Vec<Line> {
    let screen = terminal.screen();
    let rows = terminal.get_size().rows as i64;
    screen.lines_in_phys_range(screen.phys_range(&(0..rows)))
}

fn text(terminal: &Terminal) -> String {
    let lines = lines(terminal);
    let lines: Vec<String> = lines
        .iter()
        .map(|line| line.as_str().trim_end().into())
        .collect();
    lines.join("\n")
}

fn pty_size(columns: u16, rows: u16) -> PtySize {
    PtySize {
        rows,
        cols: columns,
        pixel_width: columns * CELL.0,
        pixel_height: rows * CELL.1,
    }
}

fn terminal_size(columns: u16, rows: u16) -> TerminalSize {
    TerminalSize {
        rows: rows.into(),
        cols: columns.into(),
        pixel_width: usize::from(columns * CELL.0),
        pixel_height: usize::from(rows * CELL.1),
        dpi: 0,
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
