//! `ziggurat schema`: JSON schemas of the files that users write, for editors that check TOML.

use super::{Failure, output};
use serde_json::{Map, Value, json};
use ziggurat::ascent::settings::{Domain, KNOBS};
use ziggurat::config::preset::NAME_PATTERN;
use ziggurat::terminal::PROTOCOLS;
use ziggurat::tui::command::COMMANDS;

#[derive(clap::Args)]
pub struct SchemaArguments {
    /// The file: config (config.toml) or card (a model card)
    file: SchemaFile,
}

/// A file with a schema.
#[derive(Clone, Copy, clap::ValueEnum)]
enum SchemaFile {
    Config,
    Card,
}

pub fn run(arguments: &SchemaArguments) -> Result<(), Failure> {
    let schema = match arguments.file {
        SchemaFile::Config => config()?,
        SchemaFile::Card => include_str!("schema/card.json").to_string(),
    };
    Ok(output::generated(&schema)?)
}

/// The schema of `config.toml`. Settings and commands come from their tables.
fn config() -> serde_json::Result<String> {
    let texts = |items: Value| json!({"oneOf": [items, {"type": "array", "items": items}]});
    let text = |description: &str| json!({"type": "string", "description": description});
    let one_of =
        |names: &[&str], description: &str| json!({"enum": names, "description": description});
    let commands = COMMANDS.iter().map(|command| {
        let mut keys = texts(json!({"type": "string"}));
        keys["description"] = command.help.into();
        keys["default"] = command.keys.into();
        (command.name.to_string(), keys)
    });
    let preset = json!({
        "type": "object",
        "additionalProperties": false,
        "properties": KNOBS.iter().map(|knob| (knob.key.to_string(), setting(knob.domain, knob.help))).collect::<Map<_, _>>(),
    });
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Ziggurat's config.toml",
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "model": text("Default model: a path or the name of a card."),
            "provider": text("Execution provider, as for --provider."),
            "judge": texts(text("Another model that classifies every finished picture.")),
            "graphics": one_of(&PROTOCOLS.map(|(_, name)| name), "Protocol for pictures; detected by default."),
            "blocks": one_of(&["auto", "half", "quadrant", "sextant", "octant"], "Characters for pictures drawn as text."),
            "theme": text("Theme: dark, light, high-contrast, sixteen, or a file of the folder themes."),
            "notify": one_of(&["auto", "bell", "off"], "Notification when the queue is empty."),
            "mouse": {"type": "boolean", "default": true},
            "favourites": text("Folder for favourites: an absolute path, or one that begins with ~/."),
            "keys": {
                "type": "object",
                "additionalProperties": false,
                "description": "Keys of commands; an empty list unbinds a command.",
                "properties": commands.collect::<Map<_, _>>(),
            },
            "presets": {
                "type": "object",
                "additionalProperties": false,
                "description": "Presets: settings that differ from the defaults.",
                "patternProperties": {NAME_PATTERN: preset},
            },
        },
    });
    Ok(serde_json::to_string_pretty(&schema)? + "\n")
}

/// The schema of a setting's value.
fn setting(domain: Domain, help: &str) -> Value {
    let mut schema = match domain {
        Domain::Number {
            range: (least, most),
            whole,
            default,
            automatic,
            ..
        } => {
            let kind = if whole { "integer" } else { "number" };
            let range = json!({"type": kind, "minimum": least, "maximum": most});
            let mut schema = match automatic {
                Some(_) => json!({"anyOf": [range, {"const": "auto"}]}),
                None => range,
            };
            schema["default"] = default.into();
            schema
        }
        Domain::Choice(names) => json!({"enum": names, "default": names.first()}),
        Domain::Layer => json!({"type": "string", "default": ""}),
    };
    schema["description"] = help.trim().into();
    schema
}

#[cfg(test)]
mod tests {
    use super::*;
    use ziggurat::config;

    fn names(schema: &str, place: &str) -> Vec<String> {
        let schema: Value = serde_json::from_str(schema).unwrap();
        let properties = schema.pointer(place).and_then(Value::as_object).unwrap();
        properties.keys().cloned().collect()
    }

    #[test]
    fn the_schema_of_the_configuration_has_every_key() {
        let mut keys = config::keys().map(str::to_string).collect::<Vec<_>>();
        keys.sort();
        assert_eq!(names(&config().unwrap(), "/properties"), keys);
    }

    /// A card's unknown key is reported with the known ones.
    #[test]
    fn the_schema_of_cards_has_every_key() {
        use ziggurat::home::Home;
        use ziggurat::model::card;
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(folder.path());
        let model = folder.path().join("model.onnx");
        for (table, place) in [
            ("", "/properties"),
            ("[input]", "/properties/input/properties"),
            ("[output]", "/properties/output/properties"),
            ("[preprocessing]", "/properties/preprocessing/properties"),
            ("[classes]", "/properties/classes/properties"),
        ] {
            let text = format!("{table}\nnothing = 1\n");
            std::fs::write(model.with_extension("toml"), text).unwrap();
            let message = card::for_file(&home, &model).unwrap_err().to_string();
            let (_, known) = message.split_once("expected ").unwrap();
            let mut known: Vec<String> = known
                .split('`')
                .skip(1)
                .step_by(2)
                .map(str::to_string)
                .collect();
            known.sort();
            assert_eq!(
                names(include_str!("schema/card.json"), place),
                known,
                "{message}"
            );
        }
    }
}
