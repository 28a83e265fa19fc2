//! The shells whose scripts Ziggurat can write: those of `clap_complete`, Bash with quoted values, and Nushell.

use clap_complete::engine::{CompletionCandidate, complete};
use clap_complete::env::{Bash, Elvish, EnvCompleter, Fish, Powershell, Shells, Zsh};
use serde::Serialize;
use std::ffi::OsString;
use std::io::{self, Write};
use std::path::Path;

/// All supported shells, in alphabetical order.
pub const SHELLS: Shells<'static> =
    Shells(&[&QuotedBash, &Elvish, &Fish, &Nushell, &Powershell, &Zsh]);

/// Their names, in words.
pub fn listed() -> String {
    let names: Vec<&str> = SHELLS.names().collect();
    match names.as_slice() {
        [others @ .., last] => format!("{} or {last}", others.join(", ")),
        [] => String::new(),
    }
}

/// Bash inserts a completion as it is, so that special characters must be escaped, unless a quote is open.
struct QuotedBash;

const BASH_SCRIPT: &str = r#"_complete_NAME() {
    # Bash divides words at = and :, which are parts of words here, and inserts a reply in place of the last part.
    local line=${COMP_LINE:0:COMP_POINT} words=() word blank i
    for ((i = 0; i <= COMP_CWORD; i++)); do
        blank=${line%%[![:space:]]*}
        line=${line#"$blank"}
        word=${COMP_WORDS[i]}
        ((i == COMP_CWORD)) && word=$line
        if [[ $i == 0 || -n $blank ]]; then
            words+=("$word")
        else
            words[${#words[@]}-1]+=$word
        fi
        line=${line#"$word"}
    done
    local last=$((${#words[@]} - 1))
    local before=${words[last]%"$2"}
    IFS=$'\013' read -r -d '' -a COMPREPLY < <(
        _CLAP_IFS=$'\013' _CLAP_COMPLETE_INDEX=$last VARIABLE=bash COMPLETER -- "${words[@]}"
    )
    COMPREPLY=("${COMPREPLY[@]#"$before"}")
    if [[ ${#COMPREPLY[@]} == 1 && $COMPREPLY == *[=/:] ]]; then
        compopt -o nospace
    fi
}
complete -o bashdefault -o nosort -F _complete_NAME PROGRAM 2>/dev/null ||
    complete -o bashdefault -F _complete_NAME PROGRAM
"#;

impl EnvCompleter for QuotedBash {
    fn name(&self) -> &'static str {
        Bash.name()
    }

    fn is(&self, name: &str) -> bool {
        Bash.is(name)
    }

    fn write_registration(
        &self,
        var: &str,
        name: &str,
        bin: &str,
        completer: &str,
        buf: &mut dyn Write,
    ) -> io::Result<()> {
        let script = BASH_SCRIPT
            .replace("NAME", &name.replace('-', "_"))
            .replace("VARIABLE", var)
            .replace("COMPLETER", completer)
            .replace("PROGRAM", bin);
        buf.write_all(script.as_bytes())
    }

    fn write_complete(
        &self,
        cmd: &mut clap::Command,
        mut args: Vec<OsString>,
        current_dir: Option<&Path>,
        buf: &mut dyn Write,
    ) -> io::Result<()> {
        // Set by the script.
        let index = std::env::var("_CLAP_COMPLETE_INDEX").unwrap_or_default();
        let index: usize = index.parse().unwrap_or(args.len().saturating_sub(1));
        let separator = std::env::var("_CLAP_IFS").unwrap_or("\n".into());
        let word = args.get(index).map(|word| word.to_string_lossy());
        let (quote, typed) = opened(word.as_deref().unwrap_or_default());
        if let Some(word) = args.get_mut(index) {
            *word = typed.into();
        }
        let candidates = complete(cmd, args, index, current_dir)?;
        let values: Vec<String> = candidates
            .iter()
            .map(|candidate| quoted(&candidate.get_value().to_string_lossy(), quote))
            .collect();
        write!(buf, "{}", values.join(&separator))
    }
}

/// The quote that a word starts with, and the text typed so far.
fn opened(word: &str) -> (Option<char>, String) {
    match word.chars().next() {
        Some(quote @ ('"' | '\'')) => (Some(quote), word[1..].to_string()),
        _ => {
            let mut text = String::with_capacity(word.len());
            let mut characters = word.chars();
            while let Some(character) = characters.next() {
                match character {
                    '\\' => text.extend(characters.next()),
                    other => text.push(other),
                }
            }
            (None, text)
        }
    }
}

/// A value in Bash's notation, within the quote that is open already.
fn quoted(value: &str, quote: Option<char>) -> String {
    match quote {
        Some('"') => escaped(value, |c| "\"$`\\".contains(c)),
        Some(_) => value.replace('\'', r"'\''"),
        None => escaped(value, |c| c.is_ascii() && !is_plain(c)),
    }
}

/// A text with a backslash before the characters that need one.
fn escaped(text: &str, needs_backslash: impl Fn(char) -> bool) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if needs_backslash(character) {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

/// Whether Bash takes an ASCII character of a word literally.
fn is_plain(character: char) -> bool {
    character.is_ascii_alphanumeric() || "/_-.,+=:@%^~".contains(character)
}

/// Nushell, whose completers return records.
struct Nushell;

#[derive(Serialize)]
struct Record {
    value: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
}

/// The characters with a meaning in Nushell, also where a bare word is an argument.
const SPECIAL: &str = "'\"`()[]{}$#;|&<>*?!\\";

impl From<&CompletionCandidate> for Record {
    fn from(candidate: &CompletionCandidate) -> Self {
        let value = candidate.get_value().to_string_lossy();
        let needs_quotes = value.contains(|c: char| c.is_whitespace() || SPECIAL.contains(c));
        let help = candidate.get_help().map(ToString::to_string);
        Self {
            value: if needs_quotes {
                format!("{value:?}")
            } else {
                value.into_owned()
            },
            description: help.and_then(|help| help.lines().next().map(str::to_string)),
        }
    }
}

impl EnvCompleter for Nushell {
    fn name(&self) -> &'static str {
        "nushell"
    }

    fn is(&self, name: &str) -> bool {
        name == "nushell" || name == "nu"
    }

    /// An external completer that passes other commands on to the previous one.
    fn write_registration(
        &self,
        var: &str,
        name: &str,
        bin: &str,
        completer: &str,
        buf: &mut dyn Write,
    ) -> io::Result<()> {
        writeln!(
            buf,
            r#"let {name}_previous_completer = $env.config.completions?.external?.completer?
$env.config.completions.external.enable = true
$env.config.completions.external.completer = {{|spans|
    if ($spans | first) == "{bin}" {{
        with-env {{ {var}: "nushell" }} {{ ^{completer} -- ...$spans }} | from json
    }} else if ${name}_previous_completer != null {{
        do ${name}_previous_completer $spans
    }}
}}"#
        )
    }

    fn write_complete(
        &self,
        cmd: &mut clap::Command,
        args: Vec<OsString>,
        current_dir: Option<&Path>,
        buf: &mut dyn Write,
    ) -> io::Result<()> {
        let index = args.len().saturating_sub(1);
        let candidates = complete(cmd, args, index, current_dir)?;
        let records: Vec<Record> = candidates.iter().map(Record::from).collect();
        Ok(serde_json::to_writer(buf, &records)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bash_reads_back_what_was_quoted() {
        for value in [
            "great white shark",
            "it's",
            "a\"b",
            "$HOME",
            "blocks.0/conv:12",
        ] {
            let (quote, typed) = opened(&quoted(value, None));
            assert_eq!((quote, typed.as_str()), (None, value));
        }
        assert_eq!(quoted("a \"b\"", Some('"')), r#"a \"b\""#);
        assert_eq!(quoted("it's", Some('\'')), r"it'\''s");
        assert_eq!(opened("\"great wh"), (Some('"'), "great wh".into()));
    }
}
