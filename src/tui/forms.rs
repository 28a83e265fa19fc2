//! Palette commands with an argument.

/// The operation of a form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    Run,
    Set,
    Seed,
    Preset,
    Sweep,
    Open,
    Export,
    Theme,
}

/// A command with an argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Form {
    pub verb: Verb,
    pub name: &'static str,
    /// The placeholder for the argument.
    pub argument: &'static str,
    /// One sentence.
    pub help: &'static str,
    /// A description of valid arguments.
    pub hint: &'static str,
}

/// All forms, in the order of the list.
pub const FORMS: [Form; 8] = [
    Form {
        verb: Verb::Run,
        name: "run",
        argument: "TARGET",
        help: "Run a class, a layer, a channel or a neuron.",
        hint: "CLASS, not:CLASS, LAYER, LAYER:CHANNEL or LAYER:CHANNEL:Y,X",
    },
    Form {
        verb: Verb::Set,
        name: "set",
        argument: "KEY=VALUE",
        help: "Change a setting of the next runs, or several.",
        hint: "KEY=VALUE, for example steps=80",
    },
    Form {
        verb: Verb::Seed,
        name: "seed",
        argument: "N",
        help: "Set the seed of the next runs.",
        hint: "a whole number from 0",
    },
    Form {
        verb: Verb::Preset,
        name: "preset",
        argument: "NAME",
        help: "Apply a preset.",
        hint: "the name of a preset",
    },
    Form {
        verb: Verb::Sweep,
        name: "sweep",
        argument: "KEY=VALUE,VALUE",
        help: "Queue a grid of runs over one or two settings.",
        hint: "KEY=VALUE,VALUE,… or KEY=FROM..TO/COUNT; e.g. tilt=1..1.3/4",
    },
    Form {
        verb: Verb::Open,
        name: "open",
        argument: "MODEL",
        help: "Open another model, or a photo.",
        hint: "a path, or the name of a built-in model",
    },
    Form {
        verb: Verb::Export,
        name: "export",
        argument: "PATH",
        help: "Export the marked, selected or shown runs.",
        hint: "a path; format by extension: .png .gif .apng .html",
    },
    Form {
        verb: Verb::Theme,
        name: "theme",
        argument: "NAME",
        help: "Change the theme.",
        hint: "the name of a theme",
    },
];

/// A completion of the line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completion {
    pub line: String,
    pub help: String,
}

/// The form and the argument of a line; `None` before the argument starts.
pub fn split(line: &str) -> Option<(&'static Form, &str)> {
    let (name, argument) = line.trim_start().split_once(' ')?;
    let form = FORMS.iter().find(|form| form.name == name)?;
    Some((form, argument.trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_split_once_it_has_come_to_an_argument() {
        assert_eq!(split("run"), None);
        assert_eq!(split("runs x"), None);
        let (form, argument) = split(" run  tiger shark ").unwrap();
        assert_eq!((form.verb, argument), (Verb::Run, "tiger shark "));
        assert_eq!(split("set ").unwrap().1, "");
    }

    #[test]
    fn every_form_explains_itself_in_a_line() {
        for form in FORMS {
            assert!(form.help.ends_with('.') && form.help.len() < 60);
            assert!(form.hint.chars().count() <= 72, "{}", form.name);
        }
    }
}
