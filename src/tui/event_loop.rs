//! The explorer's event loop: events from terminal, worker and disk update the state, and the state is drawn as a
//! frame.

use super::action::{Action, DiskResponse, Effect, ScreenRequest};
use super::app::App;
use super::disk::Disk;
use super::keys::Chord;
use super::screen::{self, Screen, WriteResult};
use super::update::update;
use super::view;
use crate::home::Home;
use crate::runs::worker::{OpenOptions, WorkerCommand, WorkerPool};
use crate::runtime::Provider;
use crate::terminal::{LateResponses, Notify};
use crossterm::event::{
    Event as Input, KeyCode, KeyEvent, KeyEventKind, KeyModifiers, MouseButton, MouseEventKind,
};
use ratatui::buffer::Buffer;
use ratatui::layout::{Rect, Size};
use std::io;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

/// An event of the loop.
enum Event {
    Input(Input),
    /// Standard input is closed.
    InputEnd,
    /// The worker has events.
    Worker,
    Disk(DiskResponse),
    /// A frame is written, or the terminal is closed.
    Written(WriteResult),
    /// SIGTERM, SIGHUP or SIGINT.
    Terminate,
    /// SIGWINCH. The input reader reports it too, but only once it reads.
    Resized,
}

/// Maximum time for the worker to save its state.
const FAREWELL: Duration = Duration::from_secs(3);

/// Options of the event loop.
pub struct ExplorerOptions {
    pub home: Home,
    /// The device of each worker.
    pub providers: Vec<Provider>,
    /// The model to open.
    pub model: OpenOptions,
    /// The models that judge finished pictures: cards or paths.
    pub judges: Vec<String>,
    pub mouse: bool,
    /// How the user is notified that the queue is empty.
    pub notify: Notify,
}

/// Runs the explorer until the user quits or the terminal is closed.
///
/// # Errors
/// If the terminal cannot be entered. A terminal that is closed later is not an error: everything is saved.
pub fn run(mut app: App, options: ExplorerOptions) -> io::Result<()> {
    let (events, received) = mpsc::channel();
    on_signals(&events)?;
    screen::leave_on_panic();
    screen::enter(&app.environment.terminal, options.mouse)?;
    app.workers = options.providers.len();
    let mut workers = WorkerPool::spawn(&options.home, &options.providers, &options.model, {
        let events = events.clone();
        move || drop(events.send(Event::Worker))
    })?;
    workers.send(WorkerCommand::Judges(options.judges));
    workers.send(WorkerCommand::Open(Some(options.model.model)));
    let disk = Disk::start(options.home, app.environment.favourites.clone(), {
        let events = events.clone();
        move |answer| drop(events.send(Event::Disk(answer)))
    });
    let terminal = app.environment.terminal.clone();
    let screen = Screen::start(&terminal, {
        let events = events.clone();
        move |drained| drop(events.send(Event::Written(drained)))
    });
    read_input(&events);
    let (width, height) = crossterm::terminal::size()?;
    app.size = Size::new(width, height);
    let mut event_loop = EventLoop {
        app,
        workers,
        disk,
        screen,
        begun: Instant::now(),
        late: LateResponses::new(&terminal, Instant::now()),
        mouse: options.mouse,
        notify: options.notify,
        over: false,
    };
    let result = event_loop.run(&received);
    event_loop.screen.finish();
    screen::leave();
    event_loop.workers.shut_down(FAREWELL);
    event_loop.disk.finish();
    result
}

fn on_signals(events: &Sender<Event>) -> io::Result<()> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGWINCH};
    let mut signals = signal_hook::iterator::Signals::new([SIGHUP, SIGINT, SIGTERM, SIGWINCH])?;
    let events = events.clone();
    std::thread::spawn(move || {
        for signal in &mut signals {
            drop(events.send(match signal {
                SIGWINCH => Event::Resized,
                _ => Event::Terminate,
            }));
        }
    });
    Ok(())
}

fn read_input(events: &Sender<Event>) {
    let events = events.clone();
    std::thread::spawn(move || {
        while let Ok(input) = crossterm::event::read() {
            if events.send(Event::Input(input)).is_err() {
                return;
            }
        }
        drop(events.send(Event::InputEnd));
    });
}

struct EventLoop {
    app: App,
    workers: WorkerPool,
    disk: Disk,
    screen: Screen,
    begun: Instant,
    late: LateResponses,
    mouse: bool,
    notify: Notify,
    over: bool,
}

impl EventLoop {
    fn run(&mut self, events: &Receiver<Event>) -> io::Result<()> {
        let mut stale = true;
        while !self.over {
            if stale && !self.screen.is_busy() {
                self.draw()?;
                stale = false;
            }
            let event = match self.app.next_tick() {
                Some(wait) => events.recv_timeout(wait),
                None => events.recv().map_err(RecvTimeoutError::from),
            };
            match event {
                Ok(event) => stale |= self.handle(event),
                Err(RecvTimeoutError::Timeout) => {
                    self.dispatch(Action::Tick);
                    stale = true;
                }
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            }
            // Events that arrived meanwhile go into the same frame.
            while let Ok(event) = events.try_recv() {
                stale |= self.handle(event);
            }
        }
        Ok(())
    }

    /// Handles an event; returns whether the screen may have changed.
    fn handle(&mut self, event: Event) -> bool {
        match event {
            Event::Written(Ok(())) => {
                self.screen.drained();
                return false;
            }
            Event::Written(Err(_)) | Event::InputEnd | Event::Terminate => {
                self.dispatch(Action::Terminate);
            }
            Event::Resized => return self.measure(),
            Event::Worker => {
                for report in self.workers.events() {
                    self.dispatch(Action::Report(report));
                }
            }
            Event::Disk(answer) => self.dispatch(Action::Disk(answer)),
            Event::Input(Input::Key(key)) if self.late.filters(&key, Instant::now()) => {
                return false;
            }
            Event::Input(input) => match action(input) {
                Some(action) => self.dispatch(action),
                None => return false,
            },
        }
        true
    }

    /// Updates the terminal's size; returns whether it changed.
    fn measure(&mut self) -> bool {
        let Ok((width, height)) = crossterm::terminal::size() else {
            return false;
        };
        let is_other = self.app.size != Size::new(width, height);
        if is_other {
            self.dispatch(Action::Resize(width, height));
        }
        is_other
    }

    fn dispatch(&mut self, action: Action) {
        let now = self.begun.elapsed();
        for effect in update(&mut self.app, now, action) {
            self.perform(effect);
        }
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Worker(command) => self.workers.send(command),
            Effect::Disk(request) => self.disk.perform(request),
            Effect::Screen(request) => self.show(request),
            Effect::Quit => self.over = true,
        }
    }

    fn show(&mut self, request: ScreenRequest) {
        match request {
            ScreenRequest::Redraw => self.screen.invalidate(),
            ScreenRequest::Copy(text) => self.screen.copy(&text),
            ScreenRequest::QueueProgress(progress) if self.notify != Notify::Off => {
                self.screen.progress(progress);
            }
            ScreenRequest::QueueProgress(_) => {}
            ScreenRequest::Notify(text) => self.screen.notify(self.notify, &text),
            ScreenRequest::Suspend => self.suspend(),
        }
    }

    fn draw(&mut self) -> io::Result<()> {
        let size = self.app.size;
        let mut buffer = Buffer::empty(Rect::new(0, 0, size.width, size.height));
        let drawn = view::draw(&self.app, &mut buffer);
        self.screen.show(buffer, drawn.scene, drawn.cursor)
    }

    /// Restores the terminal, stops the process as Ctrl-Z does, and enters the terminal again.
    fn suspend(&mut self) {
        #[cfg(unix)]
        {
            screen::leave();
            let stopped =
                signal_hook::low_level::emulate_default_handler(signal_hook::consts::SIGTSTP);
            if stopped.is_err()
                || screen::enter(&self.app.environment.terminal, self.mouse).is_err()
            {
                self.dispatch(Action::Terminate);
            }
            self.measure();
            self.screen.invalidate();
            self.show(ScreenRequest::QueueProgress(self.app.progress));
        }
    }
}

/// A key of a zero-width character; commands have keys with a width.
fn letter(key: &KeyEvent) -> Option<Action> {
    let is_plain = (key.modifiers - KeyModifiers::SHIFT).is_empty();
    match key.code {
        KeyCode::Char(letter) if is_plain && key.kind != KeyEventKind::Release => {
            (!letter.is_control()).then_some(Action::Letter(letter))
        }
        _ => None,
    }
}

/// The action of an input event, if any.
fn action(input: Input) -> Option<Action> {
    match input {
        Input::Key(key) => Chord::pressed(&key)
            .map(Action::Key)
            .or_else(|| letter(&key)),
        Input::Paste(text) => Some(Action::Paste(text)),
        Input::Resize(width, height) => Some(Action::Resize(width, height)),
        // A terminal without the focus may have lost its pictures.
        Input::FocusGained => Some(Action::Focus),
        Input::FocusLost => Some(Action::FocusLost),
        Input::Mouse(mouse) => match mouse.kind {
            MouseEventKind::Down(MouseButton::Left) => Some(Action::Click(mouse.column, mouse.row)),
            MouseEventKind::ScrollUp => Some(Action::Wheel(mouse.column, mouse.row, true)),
            MouseEventKind::ScrollDown => Some(Action::Wheel(mouse.column, mouse.row, false)),
            _ => None,
        },
    }
}
