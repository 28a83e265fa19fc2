//! Which keys give which command: the table's defaults, with what the user's `config.toml` says instead.

use super::{Chord, Keys};
use crate::suggest::{did_you_mean, suggestions};
use crate::tui::{COMMANDS, Command, Context};

/// The keys of every command. Within a context no two commands share a key, and none is the beginning of another's
/// sequence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keymap {
    /// In the order of the table.
    bindings: Vec<Binding>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Binding {
    command: Command,
    keys: Vec<Keys>,
}

/// What pressed keys mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Match {
    /// They give this command.
    Command(Command),
    /// They begin a longer sequence.
    Prefix,
    /// They mean nothing.
    None,
}

impl Default for Keymap {
    /// The table's own keys.
    fn default() -> Self {
        Self {
            bindings: COMMANDS
                .iter()
                .map(|entry| Binding {
                    command: entry.command,
                    keys: default_keys(entry.command),
                })
                .collect(),
        }
    }
}

fn default_keys(command: Command) -> Vec<Keys> {
    let read = |text: &&str| text.parse().expect("a test reads every key of the table");
    command.entry().keys.iter().map(read).collect()
}

impl Keymap {
    /// The table's keys with those of `overrides`, `(name of a command, its keys)`, in their place; no keys take a
    /// command off the keyboard. The second value says what could not be taken, by command, and why: that command keeps
    /// its default keys.
    pub fn new(overrides: &[(String, Vec<String>)]) -> (Self, Vec<(String, String)>) {
        let mut keymap = Self::default();
        let mut problems = Vec::new();
        let mut taken: Vec<Command> = Vec::new();
        for (name, keys) in overrides {
            match read_override(name, keys) {
                Ok((command, _)) if taken.contains(&command) => {
                    problems.push((name.clone(), "duplicate: the first one is used".into()));
                }
                Ok((command, keys)) => {
                    keymap.bindings[command as usize].keys = keys;
                    taken.push(command);
                }
                Err(why) => problems.push((name.clone(), why)),
            }
        }
        // Each round gives a command its default back, and the defaults alone have no conflict: it ends.
        while let Some((command, why)) = keymap.conflict(&taken) {
            keymap.bindings[command as usize].keys = default_keys(command);
            taken.retain(|other| *other != command);
            problems.push((command.entry().name.into(), why));
        }
        (keymap, problems)
    }

    /// The first conflict: the command of `overridden` that must give way (of two, the one that came later), and why.
    fn conflict(&self, overridden: &[Command]) -> Option<(Command, String)> {
        let context = |command: Command| command.entry().context;
        for command in overridden.iter().rev() {
            let own = &self.bindings[*command as usize].keys;
            let others = self.bindings.iter().filter(|other| {
                other.command != *command && context(other.command) == context(*command)
            });
            for other in others {
                let collision = own
                    .iter()
                    .flat_map(|keys| other.keys.iter().map(move |theirs| (keys, theirs)))
                    .find(|(keys, theirs)| keys.collides(theirs));
                if let Some((keys, theirs)) = collision {
                    return Some((*command, taken_already(keys, theirs, other.command)));
                }
            }
        }
        None
    }

    /// What the pressed keys mean where `context` has the focus: its own keys win over those that work everywhere.
    ///
    /// `pending` are the chords since the last command, the newest at the end. After [`Match::None`] the caller forgets
    /// them.
    pub fn lookup(&self, context: Context, pending: &[Chord]) -> Match {
        let own = self.lookup_in(context, pending);
        match own {
            Match::None if context != Context::Everywhere => {
                self.lookup_in(Context::Everywhere, pending)
            }
            found => found,
        }
    }

    fn lookup_in(&self, context: Context, pending: &[Chord]) -> Match {
        let bound = self
            .bindings
            .iter()
            .filter(|binding| binding.command.entry().context == context)
            .flat_map(|binding| binding.keys.iter().map(|keys| (keys, binding.command)))
            .find(|(keys, _)| !pending.is_empty() && keys.chords().starts_with(pending));
        match bound {
            Some((keys, command)) if keys.chords().len() == pending.len() => {
                Match::Command(command)
            }
            Some(_) => Match::Prefix,
            None => Match::None,
        }
    }

    /// What can follow the pressed keys where `context` has the focus: the rest of each sequence, as it is written, and
    /// its command; those of the context first, which win over those that work everywhere.
    pub fn continuations(&self, context: Context, pending: &[Chord]) -> Vec<(String, Command)> {
        let contexts = match context {
            Context::Everywhere => vec![context],
            _ => vec![context, Context::Everywhere],
        };
        let mut found: Vec<(String, Command)> = Vec::new();
        for context in contexts {
            let bound = self.bindings.iter();
            let bound = bound.filter(|binding| binding.command.entry().context == context);
            let sequences = bound.flat_map(|binding| {
                let keys = binding.keys.iter();
                keys.map(|keys| (keys.chords(), binding.command))
            });
            for (chords, command) in sequences {
                let Some(rest) = chords.strip_prefix(pending).filter(|rest| !rest.is_empty())
                else {
                    continue;
                };
                let rest: Vec<String> = rest.iter().map(Chord::to_string).collect();
                let rest = rest.join(" ");
                if !found.iter().any(|(known, _)| *known == rest) {
                    found.push((rest, command));
                }
            }
        }
        found
    }

    /// The commands that one key gives, in whatever context.
    pub fn commands_of(&self, chord: Chord) -> impl Iterator<Item = Command> {
        let is_bound = move |binding: &&Binding| {
            let mut keys = binding.keys.iter();
            keys.any(|keys| *keys.chords() == [chord])
        };
        self.bindings
            .iter()
            .filter(is_bound)
            .map(|binding| binding.command)
    }

    /// The keys of a command, the main one first; empty if it has none.
    pub fn keys(&self, command: Command) -> &[Keys] {
        &self.bindings[command as usize].keys
    }

    /// The keys of a command as they are written in `config.toml`.
    pub fn keys_of(&self, command: Command) -> Vec<String> {
        self.keys(command).iter().map(Keys::to_string).collect()
    }

    /// The main key of a command, as short as can be; `None` if it has none.
    pub fn hint(&self, command: Command) -> Option<String> {
        self.keys(command).first().map(Keys::short)
    }
}

fn read_override(name: &str, keys: &[String]) -> Result<(Command, Vec<Keys>), String> {
    let command = Command::named(name).ok_or_else(|| {
        let names = COMMANDS.iter().map(|entry| entry.name);
        format!(
            "no command has this name{}",
            did_you_mean(&suggestions(name, names))
        )
    })?;
    let keys: Vec<Keys> = keys
        .iter()
        .map(|text| text.parse())
        .collect::<Result<_, super::KeyError>>()
        .map_err(|problem| problem.to_string())?;
    if keys.is_empty() && command == Command::Quit {
        return Err("must have a key: nothing else quits the explorer".into());
    }
    for (place, one) in keys.iter().enumerate() {
        if let Some(other) = keys[..place].iter().find(|other| one.collides(other)) {
            return Err(format!("`{one}` and `{other}` cannot both be its keys"));
        }
    }
    Ok((command, keys))
}

fn taken_already(keys: &Keys, theirs: &Keys, other: Command) -> String {
    let name = other.entry().name;
    let what = if keys == theirs {
        format!("`{keys}` is already a key of `{name}`")
    } else {
        format!("`{keys}` collides with `{theirs}`, a key of `{name}`")
    };
    format!("{what}; give `{name}` other keys too, or take another key")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn overrides(given: &[(&str, &[&str])]) -> Vec<(String, Vec<String>)> {
        let owned = |keys: &[&str]| keys.iter().map(|key| key.to_string()).collect();
        given
            .iter()
            .map(|(name, keys)| (name.to_string(), owned(keys)))
            .collect()
    }

    fn pressed(text: &str) -> Vec<Chord> {
        text.parse::<Keys>().unwrap().chords().to_vec()
    }

    #[test]
    fn the_table_has_keys_that_can_be_read_and_no_conflict() {
        let keymap = Keymap::default();
        let all: Vec<Command> = COMMANDS.iter().map(|entry| entry.command).collect();
        assert_eq!(keymap.conflict(&all), None);
        for entry in COMMANDS {
            assert_eq!(keymap.keys_of(entry.command), entry.keys, "{}", entry.name);
            for keys in keymap.keys(entry.command) {
                let found = keymap.lookup(entry.context, keys.chords());
                assert_eq!(found, Match::Command(entry.command), "{keys}");
            }
        }
    }

    #[test]
    fn the_focus_comes_first_and_sequences_wait() {
        let keymap = Keymap::default();
        let look = |context, keys| keymap.lookup(context, &pressed(keys));
        assert_eq!(
            look(Context::Browser, "enter"),
            Match::Command(Command::Run)
        );
        assert_eq!(
            look(Context::Queue, "enter"),
            Match::Command(Command::Watch)
        );
        assert_eq!(
            look(Context::Settings, "l"),
            Match::Command(Command::Increase)
        );
        assert_eq!(look(Context::Browser, "l"), Match::Command(Command::Right));
        assert_eq!(look(Context::Everywhere, "enter"), Match::None);
        assert_eq!(look(Context::Browser, "g"), Match::Prefix);
        assert_eq!(look(Context::Browser, "g g"), Match::Command(Command::Top));
        assert_eq!(look(Context::Browser, "g x"), Match::None);
        assert_eq!(keymap.lookup(Context::Browser, &[]), Match::None);
    }

    #[test]
    fn the_users_keys_take_the_place_of_the_defaults() {
        let (keymap, problems) = Keymap::new(&overrides(&[
            ("quit", &["Q", "Ctrl+Q"]),
            ("pause", &["q"]),
            ("sweep", &[]),
        ]));
        assert_eq!(problems, []);
        assert_eq!(keymap.keys_of(Command::Quit), ["Q", "ctrl-q"]);
        assert_eq!(
            keymap.lookup(Context::Browser, &pressed("q")),
            Match::Command(Command::Pause)
        );
        assert_eq!(keymap.lookup(Context::Browser, &pressed("P")), Match::None);
        assert_eq!(keymap.hint(Command::Sweep), None);
        assert_eq!(keymap.hint(Command::Top).as_deref(), Some("home"));
    }

    #[test]
    fn what_cannot_be_taken_is_named_and_the_default_stays() {
        for (name, keys, why) in [
            ("pause", &["q"][..], "`q` is already a key of `quit`"),
            ("pause", &["g"], "`g` collides with `g g`, a key of `top`"),
            ("pause", &["g g g"], "`g g g` collides with `g g`"),
            (
                "pause",
                &["ctrl-i"],
                "`tab` is already a key of `next-panel`",
            ),
            ("pause", &["x y", "x"], "cannot both be its keys"),
            ("pause", &["hyper-x"], "\"hyper-x\" is not a key"),
            ("quit", &[], "must have a key"),
            ("puase", &["b"], "did you mean `pause`"),
        ] {
            let (keymap, problems) = Keymap::new(&overrides(&[(name, keys)]));
            assert_eq!(keymap, Keymap::default(), "{name}");
            assert_eq!(problems.len(), 1, "{name}");
            assert_eq!(problems[0].0, name);
            assert!(problems[0].1.contains(why), "{}", problems[0].1);
        }
    }

    #[test]
    fn what_can_follow_a_key_is_known_and_the_focus_comes_first() {
        let (keymap, problems) = Keymap::new(&overrides(&[
            ("run-neuron", &["g c"]),
            ("map-here", &["g g"]),
            ("zoom", &["g z x"]),
        ]));
        assert_eq!(problems, []);
        let follow = |context, keys| keymap.continuations(context, &pressed(keys));
        let pair = |keys: &str, command| (keys.to_string(), command);
        assert_eq!(
            follow(Context::Browser, "g"),
            [
                pair("c", Command::RunNeuron),
                pair("g", Command::MapHere),
                pair("z x", Command::Zoom)
            ]
        );
        assert_eq!(
            follow(Context::Queue, "g"),
            [pair("g", Command::Top), pair("z x", Command::Zoom)]
        );
        assert_eq!(follow(Context::Queue, "g z"), [pair("x", Command::Zoom)]);
        assert_eq!(follow(Context::Queue, "g g"), []);
    }

    #[test]
    fn one_key_may_mean_different_things_in_different_contexts() {
        let (keymap, problems) = Keymap::new(&overrides(&[("mark", &["q"])]));
        assert_eq!(problems, []);
        let look = |context| keymap.lookup(context, &pressed("q"));
        assert_eq!(look(Context::Browser), Match::Command(Command::Mark));
        assert_eq!(look(Context::History), Match::Command(Command::Quit));
    }

    #[test]
    fn of_two_that_want_one_key_the_first_has_it_and_defaults_that_come_back_are_checked() {
        let (keymap, problems) = Keymap::new(&overrides(&[("pause", &["Z"]), ("zoom", &["Z"])]));
        assert_eq!(keymap.keys_of(Command::Pause), ["Z"]);
        assert_eq!(keymap.keys_of(Command::Zoom), ["z"]);
        assert_eq!(problems.len(), 1);
        // `zoom` loses `q` to `quit` and so takes `z` back from `pause`.
        let (keymap, problems) = Keymap::new(&overrides(&[("zoom", &["q"]), ("pause", &["z"])]));
        assert_eq!(keymap, Keymap::default());
        assert_eq!(problems.len(), 2);
        let (_, problems) = Keymap::new(&overrides(&[("zoom", &["Z"]), ("zoom", &["U"])]));
        assert!(problems[0].1.contains("duplicate"));
    }
}
