//! Every command of the explorer, in one table. The keymap, the help, the hints of the status row and the palette
//! are generated from it, so that they agree.

/// Where a command is available. A key is looked up in the focused context first, then in [`Context::Everywhere`]
/// (not while text is typed).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Context {
    /// Whatever has the focus.
    Everywhere,
    /// A list or grid of targets: layers, channels, classes.
    Browser,
    /// The lists of finished runs: history and favourites.
    History,
    /// The queue.
    Queue,
    /// The settings panel.
    Settings,
    /// A list of photos.
    Photos,
    /// A photo, and the channels that it activates most.
    Photo,
    /// A popup that only displays something.
    Popup,
}

impl Context {
    /// All contexts, in the order of the help.
    pub const ALL: [Self; 8] = [
        Self::Everywhere,
        Self::Browser,
        Self::History,
        Self::Queue,
        Self::Settings,
        Self::Photos,
        Self::Photo,
        Self::Popup,
    ];

    /// The name in the help and in `config.toml`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Everywhere => "everywhere",
            Self::Browser => "browser",
            Self::History => "history",
            Self::Queue => "queue",
            Self::Settings => "settings",
            Self::Photos => "photos",
            Self::Photo => "photo",
            Self::Popup => "popup",
        }
    }
}

impl Context {
    /// The name in a message.
    pub fn place(self) -> &'static str {
        match self {
            Self::Everywhere => "every panel",
            Self::Browser => "layers and classes",
            Self::History => "history",
            Self::Queue => "the queue",
            Self::Settings => "the settings",
            Self::Photos => "the list of photos",
            Self::Photo => "a photo",
            Self::Popup => "panels",
        }
    }
}

/// A command's row in the table.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CommandInfo {
    pub command: Command,
    /// The name in the palette and in `config.toml`.
    pub name: &'static str,
    pub context: Context,
    /// Default keys, each a chord or a sequence of chords separated by spaces.
    pub keys: &'static [&'static str],
    /// One or two words for the status row; empty for obvious keys.
    pub hint: &'static str,
    /// One sentence for the help.
    pub help: &'static str,
}

macro_rules! commands {
    ($($context:ident { $($(#[doc = $doc:literal])* $variant:ident $name:literal $hint:literal [$($key:literal),*])* })*) => {
        /// A command of the explorer.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Command { $($($(#[doc = $doc])* $variant,)*)* }

        /// Every command, in the order of the help.
        pub const COMMANDS: &[CommandInfo] = &[$($(CommandInfo {
            command: Command::$variant,
            name: $name,
            context: Context::$context,
            keys: &[$($key),*],
            hint: $hint,
            help: concat!($($doc),*).trim_ascii_start(),
        },)*)*];
    };
}

commands! {
    Everywhere {
        /// Move up.
        Up "up" "" ["up", "k"]
        /// Move down.
        Down "down" "" ["down", "j"]
        /// Move left; fold a scope, or leave a layer's channels.
        Left "left" "" ["left", "h"]
        /// Move right; unfold a scope, or enter a layer's channels.
        Right "right" "" ["right", "l"]
        /// Move up by a page.
        PageUp "page-up" "" ["pageup", "ctrl-b", "ctrl-u"]
        /// Move down by a page.
        PageDown "page-down" "" ["pagedown", "ctrl-f", "ctrl-d"]
        /// Go to the first.
        Top "top" "" ["home", "g g"]
        /// Go to the last.
        Bottom "bottom" "" ["end", "G"]
        /// Next panel.
        NextPanel "next-panel" "panel" ["tab"]
        /// Previous panel.
        PreviousPanel "previous-panel" "" ["backtab"]
        /// Show the layers of the network.
        TabLayers "layers" "" ["1"]
        /// Show the classes of the network.
        TabClasses "classes" "" ["2"]
        /// Show finished runs.
        TabHistory "history" "" ["3"]
        /// Show favourites.
        TabFavourites "favourites" "" ["4"]
        /// Next tab.
        NextTab "next-tab" "" ["]"]
        /// Previous tab.
        PreviousTab "previous-tab" "" ["["]
        /// Fuzzy search in this list; in help and settings, a filter; in a photo, another layer.
        Search "search" "search" ["/"]
        /// Close what is open, or clear the marks or the search.
        Back "back" "" ["esc"]
        /// Change the settings of the next runs.
        Settings "settings" "settings" [","]
        /// Next preset.
        NextPreset "next-preset" "" ["p"]
        /// Next seed.
        NewSeed "new-seed" "" ["n"]
        /// Reset the seed to 0.
        ResetSeed "reset-seed" "" ["N"]
        /// Sweep: queue runs over one or two settings.
        Sweep "sweep" "" ["w"]
        /// Next overlay: picture, heat map over it, heat map, bands, gradient.
        NextOverlay "next-overlay" "overlay" ["o"]
        /// Previous overlay.
        PreviousOverlay "previous-overlay" "" ["O"]
        /// Toggle full screen for the picture: + and - magnify it, arrows move it.
        Zoom "zoom" "zoom" ["z"]
        /// Replay how the shown picture grew.
        Replay "replay" "replay" ["r"]
        /// Toggle the grid: pictures in place of rows, on the whole screen.
        Grid "grid" "grid" ["t"]
        /// Larger cells in the grid; magnify the full-screen picture.
        Larger "larger" "larger" ["+", "="]
        /// Smaller cells in the grid; magnify the full-screen picture less.
        Smaller "smaller" "" ["-"]
        /// Pause or resume the ascent; start the runs left from last time.
        Pause "pause" "pause" ["P"]
        /// Branch: continue a paused run with new settings.
        Branch "branch" "branch" ["B"]
        /// Remove waiting and failed runs from the queue; `undo` restores them.
        Clear "clear" "" ["X"]
        /// Show the next run of the batch, after the last one all of them.
        WatchNext "watch-next" "" ["."]
        /// Toggle favourite; a favourite's picture and settings are saved.
        Favourite "favourite" "favourite" ["s"]
        /// Copy the command that makes the shown picture.
        CopyCommand "copy-command" "" ["y"]
        /// Copy the path of the shown picture.
        CopyPath "copy-path" "" ["Y"]
        /// Undo the last deletion, or bring back settings that were replaced.
        Undo "undo" "" ["u"]
        /// Open another model.
        OpenModel "open-model" "" ["m"]
        /// Open a photo: its classes, and the channels that it activates most; or list a folder of photos.
        OpenPhoto "open-photo" "" ["I"]
        /// Change the theme.
        NextTheme "next-theme" "" ["T"]
        /// Message log.
        Messages "messages" "" ["M"]
        /// Help: every key.
        Help "help" "help" ["?", "f1"]
        /// Command palette.
        Palette "palette" "" [":"]
        /// Redraw the screen.
        Redraw "redraw" "" ["ctrl-l"]
        /// Suspend to the background; `fg` returns.
        Suspend "suspend" "" ["ctrl-z"]
        /// Quit; unfinished runs are kept for next time.
        Quit "quit" "quit" ["q", "ctrl-c"]
    }
    Browser {
        /// Run the marked items, or the selected one.
        Run "run" "run" ["enter"]
        /// Atlas: draw every channel listed, or the marked ones, as a draft in the grid.
        Atlas "atlas" "atlas" ["L"]
        /// Mark or unmark the selected item, and move to the next.
        Mark "mark" "mark" ["space"]
        /// Mark a range: from the last mark to here, or begin one here.
        MarkRange "mark-range" "" ["v"]
        /// Mark all that is listed, or unmark it.
        MarkAll "mark-all" "" ["ctrl-a"]
        /// Run the centre neuron of the selected channel.
        RunNeuron "run-neuron" "" ["c"]
        /// Run the negative of marked or selected classes: a picture that is not of the class.
        RunNot "run-not" "" ["!"]
        /// Run the selected targets in other models, with this seed and these settings.
        RunElsewhere "run-elsewhere" "" ["C"]
        /// Take activation maps at this layer, or at the automatic one.
        MapHere "map-here" "" ["a"]
        /// Sort the grid: by number, score or similarity.
        SortCells "sort-cells" "sort" ["S"]
        /// Export the marked or listed pictures: contact sheet or page.
        ExportCells "export-cells" "export" ["x"]
        /// Fold every scope, or unfold them all.
        FoldAll "fold-all" "" ["f"]
        /// Show or hide internal tensors.
        AllLayers "all-layers" "" ["A"]
    }
    History {
        /// Details: the picture and all its settings.
        Details "details" "details" ["enter", "i"]
        /// Mark or unmark the selected run, and move to the next.
        MarkRun "mark-run" "mark" ["space"]
        /// Mark all listed runs, or unmark them.
        MarkAllRuns "mark-all-runs" "" ["ctrl-a"]
        /// Mark a range: from the last mark to here, or begin one here.
        MarkRunRange "mark-run-range" "" ["v"]
        /// Compare the marked runs side by side, or blink between two.
        Compare "compare" "compare" ["c"]
        /// Delete the marked or selected runs; `undo` restores them.
        Delete "delete" "delete" ["d", "delete"]
        /// Run it again: the same settings, another seed.
        RunAgain "run-again" "" ["R"]
        /// Run the marked or selected runs in other models, with their seeds and settings.
        RunAgainElsewhere "run-again-elsewhere" "" ["C"]
        /// Copy its settings to the settings panel.
        EditSettings "edit-settings" "" ["e"]
        /// Export the marked or selected runs: picture, contact sheet, animation or page.
        Export "export" "export" ["x"]
        /// Cycle the sort order.
        Sort "sort" "" ["S"]
        /// This model's runs, or those of all models.
        ThisModel "this-model" "" ["f"]
    }
    Queue {
        /// Watch the selected run.
        Watch "watch" "watch" ["enter"]
        /// Cancel the selected run.
        Cancel "cancel" "cancel" ["x", "d", "delete"]
        /// Move the selected run up.
        MoveUp "move-up" "" ["K"]
        /// Move the selected run down.
        MoveDown "move-down" "" ["J"]
        /// Retry the selected failed run, or resume the selected paused one.
        Retry "retry" "retry" ["r"]
    }
    Settings {
        /// Type a value for the selected setting.
        EditValue "edit-value" "type" ["enter"]
        /// Increase the selected setting.
        Increase "increase" "more" ["+", "=", "right", "l"]
        /// Decrease the selected setting.
        Decrease "decrease" "less" ["-", "left", "h"]
        /// Reset the selected setting to its default.
        ResetValue "reset-value" "default" ["backspace"]
        /// Reset all settings to their defaults.
        ResetAll "reset-all" "all defaults" ["D"]
        /// Choose a preset from a list.
        ChoosePreset "choose-preset" "" ["c"]
        /// Save these settings as a preset.
        SavePreset "save-preset" "save" ["S"]
    }
    Photos {
        /// Show the selected photo and its channels.
        ShowPhoto "show-photo" "show" ["enter"]
        /// Sort the photos: as opened, by name, by class, by probability.
        SortPhotos "sort-photos" "sort" ["S"]
    }
    Photo {
        /// Run the selected channel.
        RunShown "run-shown" "run" ["enter"]
        /// Run the selected channel's most active neuron.
        RunShownNeuron "run-shown-neuron" "neuron" ["c"]
        /// Channels of the next layer.
        NextLayer "next-layer" "layer" ["]"]
        /// Channels of the previous layer.
        PreviousLayer "previous-layer" "" ["["]
        /// Rank the channels by their maximum, or by their mean again.
        RankShown "rank-shown" "rank" ["S"]
        /// Class activation map of the next class, or none.
        ShownMap "shown-map" "class map" ["a"]
        /// Next photo.
        NextPhoto "next-photo" "next photo" ["n"]
        /// Previous photo.
        PreviousPhoto "previous-photo" "" ["N"]
        /// List the photos that were opened.
        ListPhotos "list-photos" "list" ["L"]
    }
    Popup {
        /// Choose what is selected, or close.
        Accept "accept" "" ["enter"]
        /// Toggle blinking between the first two pictures.
        Blink "blink" "blink" ["b"]
    }
}

impl Command {
    /// The command's row in the table.
    pub fn entry(self) -> &'static CommandInfo {
        // Table and enum are generated from the same list, in the same order.
        &COMMANDS[self as usize]
    }

    /// Whether it only moves the cursor.
    pub fn is_motion(self) -> bool {
        matches!(
            self,
            Self::Up
                | Self::Down
                | Self::Left
                | Self::Right
                | Self::PageUp
                | Self::PageDown
                | Self::Top
                | Self::Bottom
        )
    }

    /// The command with this name.
    pub fn named(name: &str) -> Option<Self> {
        COMMANDS
            .iter()
            .find(|entry| entry.name == name)
            .map(|entry| entry.command)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_command_has_its_own_name_and_explains_itself() {
        let names: HashSet<_> = COMMANDS.iter().map(|entry| entry.name).collect();
        assert_eq!(names.len(), COMMANDS.len());
        for entry in COMMANDS {
            assert_eq!(entry.command.entry(), entry);
            assert_eq!(Command::named(entry.name), Some(entry.command));
            assert!(entry.help.ends_with('.'), "{}", entry.name);
            assert!(!entry.keys.is_empty(), "{}", entry.name);
        }
    }
}
