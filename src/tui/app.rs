//! The explorer's state. Only [`mod@super::update`] changes it and [`super::view`] draws it. Neither uses files,
//! threads or the terminal, so everything can be tested without them.

use super::active_run::ActiveRun;
use super::album::Album;
use super::browser::{Browser, Tab};
use super::busy::Busy;
use super::command::Command;
use super::environment::Environment;
use super::history_index::HistoryIndex;
use super::keys::{Chord, Keymap};
use super::layer_tree::Row;
use super::layout::{CellSize, QueuePanel, Room, SETTINGS_WIDTH, ScreenLayout, layout};
use super::lens::{Lens, Magnified};
use super::messages::Messages;
use super::next_run::NextRun;
use super::opening::Model;
use super::picture_cache::{self, PictureCache};
use super::popup::Popup;
use super::prompt::Prompt;
use super::replay::Replay;
use super::saved::{PAUSE, SavedModel, SavedState};
use super::showing::{Heat, Showing, Snapshot};
use super::theme::Theme;
use super::undoable::{MAX_UNDOABLE, Undoable};
use crate::ascent::Overlay;
use crate::model::Classes;
use crate::runs::Record;
use crate::runs::history::HistoryEntry;
use crate::runs::queue::{Job, JobId, JobState, Queue};
use crate::runs::target::{LayerPart, Target};
use crate::runs::worker::{ModelInfo, Watched};
use crate::terminal::QueueProgress;
use image::RgbImage;
use ratatui::layout::Size;
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// How often the screen changes during an animation.
const TICK: Duration = Duration::from_millis(100);

/// Delay after the first key of a sequence before its continuations are shown.
const HESITATION: Duration = Duration::from_millis(300);

/// The selection in the browser.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selected {
    tab: Tab,
    /// The layer whose channels are listed.
    layer: Option<usize>,
    item: Option<usize>,
    /// The id of the finished run, in lists of finished runs.
    run: Option<String>,
}

/// A panel that can have the focus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Panel {
    Browser,
    Queue,
}

/// Why a record was requested.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordPurpose {
    RunAgain,
    EditSettings,
}

/// The explorer's state.
#[derive(Debug)]
pub struct App {
    pub environment: Environment,
    pub keymap: Keymap,
    pub theme: Theme,
    pub theme_name: String,
    pub size: Size,
    /// Time since the start, as of the last action.
    pub now: Duration,

    pub model: Model,
    /// The classes of every model opened so far, by its hash.
    classes: HashMap<String, Classes>,
    pub browser: Browser,
    /// Finished runs.
    pub history: HistoryIndex,
    /// Pictures of finished runs in memory.
    pub pictures: PictureCache,
    pub next_run: NextRun,

    pub queue: Queue,
    /// The selected row of the queue.
    pub queue_cursor: usize,
    /// The active runs: those of one batch step together.
    pub running: Vec<ActiveRun>,
    /// Number of workers: each makes one batch at a time.
    pub workers: usize,
    pub paused: bool,
    /// Runs left by another process are queued, but wait for the user's confirmation.
    pub awaiting_confirmation: bool,
    /// The newest picture of each watched run.
    pub snapshots: Vec<Snapshot>,
    /// The runs and the overlay requested from the worker.
    pub watching: Option<(Watched, Overlay)>,
    /// The contents of the picture panel.
    pub shown: Showing,
    /// The record of the shown finished run, once read.
    pub record: Option<Box<Record>>,
    /// The run whose record was requested last.
    pub record_requested: Option<String>,
    /// What was selected when [`Self::shown`] last followed the selection.
    pub followed: Option<Selected>,
    /// The replay of the shown picture, while it is active.
    pub replay: Option<Replay>,
    /// The class activation map over the shown finished picture.
    pub heat: Option<Heat>,
    pub overlay: Overlay,
    /// Whether the picture is full-screen.
    pub zoomed: bool,
    /// The visible part of the full-screen picture.
    pub lens: Lens,
    /// The magnified part, if it is not the full picture.
    pub magnified: Option<Magnified>,
    /// Whether lists are shown as full-screen grids of pictures.
    pub tiled: bool,
    /// The cell size of the grid.
    pub cell: CellSize,

    pub focus: Panel,
    /// Open popups, the topmost last.
    pub popups: Vec<Popup>,
    /// The open prompt.
    pub prompt: Option<Prompt>,
    /// The chords of an incomplete key sequence.
    pub pending: Vec<Chord>,
    /// When the first of these was pressed.
    pub pending_since: Duration,
    pub messages: Messages,
    /// Actions that can be undone, the latest last.
    pub undoable: VecDeque<Undoable>,
    /// A requested record and the reason.
    pub pending_record: Option<(String, RecordPurpose)>,
    /// The opened photos.
    pub photos: Album,
    pub quitting: bool,

    /// The runs since the queue was last empty.
    pub busy: Option<Busy>,
    /// Their progress, as reported last.
    pub progress: Option<QueueProgress>,
    /// Whether the terminal window has the focus, as far as reported.
    pub is_looked_at: bool,

    /// The saved view state of each model.
    pub saved: SavedState,
    /// When it was written last.
    pub saved_at: Duration,
    /// Whether it may have changed since.
    pub unsaved: bool,
    /// The part of a reopened model's view state that waits for the list of finished runs.
    pub returning: Option<Box<SavedModel>>,
    /// The tab and the settings when the opening of a model began.
    pub at_opening: Option<(Tab, Box<NextRun>)>,
    /// Runs whose removal is not over yet.
    pub removing: HashSet<String>,
}

impl App {
    /// The initial state, while `model` is being opened.
    pub fn new(environment: Environment, keymap: Keymap, theme_name: &str, model: String) -> Self {
        let theme = environment
            .themes
            .get(theme_name)
            .unwrap_or_else(|| environment.themes.first())
            .for_depth(environment.terminal.colours);
        Self {
            environment,
            keymap,
            theme,
            theme_name: theme_name.into(),
            size: Size::new(80, 24),
            now: Duration::ZERO,
            model: Model::Opening {
                name: model,
                stage: "opening".into(),
                bytes: None,
                before: None,
            },
            classes: HashMap::new(),
            browser: Browser::default(),
            history: HistoryIndex::default(),
            pictures: PictureCache::default(),
            next_run: NextRun::default(),
            queue: Queue::default(),
            queue_cursor: 0,
            running: Vec::new(),
            workers: 1,
            paused: false,
            awaiting_confirmation: false,
            snapshots: Vec::new(),
            watching: None,
            shown: Showing::Nothing,
            record: None,
            record_requested: None,
            followed: None,
            replay: None,
            heat: None,
            overlay: Overlay::Plain,
            zoomed: false,
            lens: Lens::default(),
            magnified: None,
            tiled: false,
            cell: CellSize::Medium,
            focus: Panel::Browser,
            popups: Vec::new(),
            prompt: None,
            pending: Vec::new(),
            pending_since: Duration::ZERO,
            messages: Messages::default(),
            undoable: VecDeque::new(),
            pending_record: None,
            photos: Album::default(),
            quitting: false,
            busy: None,
            progress: None,
            is_looked_at: true,
            saved: SavedState::default(),
            saved_at: Duration::ZERO,
            unsaved: false,
            returning: None,
            at_opening: None,
            removing: HashSet::new(),
        }
    }

    /// The layout of the screen.
    pub fn layout(&self) -> ScreenLayout {
        let queue = match (self.queue.jobs().is_empty(), self.focus) {
            (true, _) => QueuePanel::Empty,
            (false, Panel::Browser) => QueuePanel::Beside,
            (false, Panel::Queue) => QueuePanel::Focused,
        };
        let room = match (self.zoomed, self.is_grid()) {
            (true, _) => Room::Picture,
            (false, true) => Room::Grid(self.cell),
            (false, false) => Room::Panels,
        };
        let has_settings = |popup: &Popup| matches!(popup, Popup::Settings(_));
        let least_left = if self.popups.iter().any(has_settings) {
            SETTINGS_WIDTH
        } else {
            0
        };
        layout(self.size, room, queue, least_left)
    }

    /// Whether the list is shown as a full-screen grid. The tree of layers never is.
    pub fn is_grid(&self) -> bool {
        self.tiled && (self.browser.tab != Tab::Layers || self.browser.channels.is_some())
    }

    /// The active run in the picture panel.
    pub fn watched(&self) -> Option<&ActiveRun> {
        let Showing::Running(job) = self.shown else {
            return None;
        };
        self.running.iter().find(|live| live.job == job)
    }

    /// The picture of the picture panel, if available: the snapshot of an active run, a frame of a replay, or
    /// a finished picture.
    pub fn shown_picture(&self) -> Option<&Arc<RgbImage>> {
        match &self.shown {
            Showing::Running(job) => self.snapshot(*job).map(|snapshot| &snapshot.picture),
            Showing::Finished(id) => {
                let replay = self.replay.as_ref();
                let frame = replay.and_then(|replay| replay.frame(self.now));
                let heat = self.heat.as_ref().and_then(|heat| heat.picture.as_ref());
                let full = || self.pictures.get(id, picture_cache::Size::Full);
                frame.or(heat).or_else(full)
            }
            Showing::Nothing | Showing::Batch(_) => None,
        }
    }

    /// The job of a target of the open model: the active one, otherwise a queued or failed one.
    pub fn job_of(&self, target: &Target) -> Option<&Job> {
        let jobs = self.queue.jobs().iter().filter(|job| {
            let spec = &job.spec;
            spec.unit == target.unit
                && spec.objective == target.objective
                && !self.is_of_other_model(&spec.model_hash)
        });
        jobs.min_by_key(|job| job.state != JobState::Running)
    }

    /// The active run of a target of the open model.
    pub fn active_run_of(&self, target: &Target) -> Option<&ActiveRun> {
        let job = self.job_of(target)?.id;
        self.running.iter().find(|live| live.job == job)
    }

    /// The newest picture of an active run.
    pub fn snapshot(&self, job: JobId) -> Option<&Snapshot> {
        self.snapshots.iter().find(|snapshot| snapshot.job == job)
    }

    /// Whether a list of finished runs has the focus.
    pub fn in_history(&self) -> bool {
        matches!(self.browser.tab, Tab::History | Tab::Favourites)
    }

    /// The finished run under the cursor, where finished runs are listed.
    pub fn selected_entry(&self) -> Option<&HistoryEntry> {
        let index = self.browser.list().selected()?;
        self.in_history().then(|| self.history.get(index))
    }

    /// The first key of a command for messages; its name if it has no key.
    pub fn key(&self, command: Command) -> String {
        let hint = self.keymap.hint(command);
        hint.unwrap_or_else(|| command.entry().name.into())
    }

    /// Whether a run belongs to another model than the open one.
    pub fn is_of_other_model(&self, hash: &str) -> bool {
        let opened = self.model.opened();
        opened.is_some_and(|opened| opened.hash != hash)
    }

    /// Remembers the class names of a model for its runs while another is open.
    pub fn remember_classes(&mut self, opened: &ModelInfo) {
        let (hash, classes) = (opened.hash.clone(), opened.classes.clone());
        self.classes.insert(hash, classes);
    }

    /// The name of a class, if the model was opened before.
    pub fn class_name(&self, model_hash: &str, class: usize) -> Option<&str> {
        self.classes.get(model_hash)?.name(class)
    }

    /// The record of run `id`, if it is shown and has been read.
    pub fn record_of(&self, id: &str) -> Option<&Record> {
        let record = self.record.as_deref();
        record.filter(|record| record.id == id)
    }

    /// The selection in the browser.
    pub fn selected(&self) -> Selected {
        let browser = &self.browser;
        let channels = browser.channels.as_ref();
        Selected {
            tab: browser.tab,
            layer: channels.map(|channels| channels.layer),
            item: browser.list().selected(),
            run: self.selected_entry().map(|entry| entry.id.clone()),
        }
    }

    /// The latest run of the class, layer or channel under the cursor.
    pub fn entry_of_selection(&self) -> Option<&HistoryEntry> {
        if self.in_history() {
            None
        } else {
            self.entry_of(self.browser.list().selected()?)
        }
    }

    /// The class, layer or channel under the cursor.
    pub fn selected_target(&self) -> Option<Target> {
        self.target_of(self.browser.list().selected()?)
    }

    /// The finished run of a listed item: the run itself, or the latest one of the item's target.
    pub fn entry_of(&self, item: usize) -> Option<&HistoryEntry> {
        if self.in_history() {
            return Some(self.history.get(item));
        }
        let opened = self.model.opened()?;
        self.history.of_target(&opened.hash, &self.target_of(item)?)
    }

    /// The target of a listed item: class, layer or channel.
    pub fn target_of(&self, item: usize) -> Option<Target> {
        let opened = self.model.opened()?;
        let parts = opened.scope();
        let target = match (self.browser.tab, &self.browser.channels) {
            (Tab::Classes, _) => parts.class(item),
            (Tab::Layers, Some(channels)) => {
                Target::of_layer(&opened.layers[channels.layer], LayerPart::Channel(item))
            }
            (Tab::Layers, None) => match self.browser.tree.row(item) {
                Row::Layer(layer) => Target::of_layer(&opened.layers[layer], LayerPart::Whole),
                Row::Scope(_) => return None,
            },
            (Tab::History | Tab::Favourites, _) => return None,
        };
        target.ok()
    }

    /// Whether something on the screen is animated.
    pub fn is_animated(&self) -> bool {
        let waits = matches!(self.model, Model::Opening { .. });
        let blinks = matches!(self.popups.last(), Some(Popup::Compare(compare)) if compare.blink);
        waits || blinks || self.replay.is_some() || self.messages.current(self.now).is_some()
    }

    /// Whether a key sequence has been incomplete for so long that its continuations are shown.
    pub fn hesitates(&self) -> bool {
        !self.pending.is_empty() && self.now >= self.pending_since + HESITATION
    }

    /// When the view state must be saved, if nothing happens.
    fn due(&self) -> Option<Duration> {
        let is_open = self.model.opened().is_some();
        (self.unsaved && is_open).then(|| self.saved_at + PAUSE)
    }

    /// Adds an action that can be undone.
    pub fn remember(&mut self, undoable: Undoable) {
        self.undoable.push_back(undoable);
        if self.undoable.len() > MAX_UNDOABLE {
            self.undoable.pop_front();
        }
    }

    /// The time until the state changes without an event; `None` if it does not.
    pub fn next_tick(&self) -> Option<Duration> {
        let animated = self.is_animated().then(|| self.now + TICK);
        let hesitated = (!self.pending.is_empty() && !self.hesitates())
            .then(|| self.pending_since + HESITATION);
        let next = [animated, hesitated, self.due()];
        let next = next.into_iter().flatten();
        next.min().map(|at| at.saturating_sub(self.now))
    }
}
