//! A TOML file of the user: bounded in size, with line numbers, and parsed past errors.

use super::Problem;
use super::problem::SYNTAX;
use crate::setting_value::SettingValue;
use std::io::Read;
use std::ops::Range;
use std::path::{Path, PathBuf};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Maximum size of a file, in bytes.
pub const MAX_FILE: u64 = 64 << 10;

/// Maximum number of problems reported per file.
const MAX_PROBLEMS: usize = 32;

/// The text of a TOML file.
#[derive(Debug, Clone)]
pub struct Document {
    file: PathBuf,
    text: String,
    /// Byte offset of every line but the first.
    lines: Vec<usize>,
}

/// An entry of a table: key, value and position.
#[derive(Debug, Clone, Copy)]
pub struct Item<'a> {
    pub key: &'a str,
    pub value: &'a DeValue<'a>,
    /// Byte offset of the key.
    pub at: usize,
}

/// The problems of a file, at most `MAX_PROBLEMS`.
#[derive(Debug)]
pub struct Problems<'a> {
    document: &'a Document,
    found: Vec<Problem>,
}

impl Document {
    /// The file at `path`; `None` if it does not exist.
    ///
    /// # Errors
    /// A [`Problem`] if it cannot be read, is larger than [`MAX_FILE`] or is not UTF-8.
    pub fn read(path: &Path) -> Result<Option<Self>, Problem> {
        let problem = |why: String| Problem {
            file: path.into(),
            line: None,
            key: String::new(),
            why,
        };
        let file = match crate::files::open(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(problem(error.to_string())),
            Ok(file) => file,
        };
        let mut bytes = Vec::new();
        file.take(MAX_FILE + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| problem(error.to_string()))?;
        if bytes.len() as u64 > MAX_FILE {
            let most = MAX_FILE >> 10;
            return Err(problem(format!(
                "it is larger than {most} KiB and was not read"
            )));
        }
        let text = String::from_utf8(bytes)
            .map_err(|_| problem("it is not UTF-8 text and was not read".into()))?;
        Ok(Some(Self::new(path.into(), text)))
    }

    /// A document with this text; `file` is the path shown in problems.
    pub fn new(file: PathBuf, text: String) -> Self {
        let lines = text.match_indices('\n').map(|(at, _)| at + 1).collect();
        Self { file, text, lines }
    }

    /// The complete text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The line number, from 1, of the byte at `offset`.
    pub fn line(&self, offset: usize) -> usize {
        1 + self.lines.partition_point(|begin| *begin <= offset)
    }

    /// The file's table and its syntax errors. Parsing continues after an error.
    pub fn parse(&self) -> (Spanned<DeTable<'_>>, Problems<'_>) {
        let mut problems = Problems {
            document: self,
            found: Vec::new(),
        };
        let (table, errors) = DeTable::parse_recoverable(&self.text);
        for error in errors {
            let at = error.span().unwrap_or(Range { start: 0, end: 0 }).start;
            problems.add(at, self.key_before(at), || {
                format!("{SYNTAX}: {}", error.message())
            });
        }
        (table, problems)
    }

    /// The key on the line of `offset`, as far as it can be recognised in invalid TOML.
    fn key_before(&self, offset: usize) -> &str {
        let line = self
            .text
            .get(..offset)
            .and_then(|text| text.rfind('\n'))
            .map_or(0, |end| end + 1);
        let line = self.text[line..].lines().next().unwrap_or_default();
        let (key, _) = line.split_once('=').unwrap_or((line, ""));
        key.trim().trim_matches(['[', ']'])
    }
}

impl Problems<'_> {
    /// Adds a problem with `key` at byte offset `at`.
    pub fn add(&mut self, at: usize, key: &str, why: impl FnOnce() -> String) {
        let why = match self.found.len() {
            0..MAX_PROBLEMS => why(),
            MAX_PROBLEMS => "and more, which are not listed".into(),
            _ => return,
        };
        self.found.push(Problem {
            file: self.document.file.clone(),
            line: Some(self.document.line(at)),
            key: key.into(),
            why,
        });
    }

    /// The line number, from 1, of the byte at `offset`.
    pub fn line(&self, offset: usize) -> usize {
        self.document.line(offset)
    }

    /// The problems, in the order of the file.
    pub fn into_vec(mut self) -> Vec<Problem> {
        self.found.sort_by_key(|problem| problem.line);
        self.found
    }
}

/// The entries of a table, in the order of the file.
pub fn items<'a>(table: &'a DeTable<'a>) -> Vec<Item<'a>> {
    let mut items: Vec<Item<'a>> = table
        .iter()
        .map(|(key, value)| Item {
            key: key.get_ref(),
            value: value.get_ref(),
            at: key.span().start,
        })
        .collect();
    items.sort_by_key(|item| item.at);
    items
}

impl<'a> Item<'a> {
    /// The value as a string.
    ///
    /// # Errors
    /// The expected and the actual type. The other accessors do the same.
    pub fn text(&self) -> Result<&'a str, String> {
        self.value
            .as_str()
            .ok_or_else(|| self.instead("text in quotes"))
    }

    /// The value as a boolean.
    pub fn flag(&self) -> Result<bool, String> {
        self.value
            .as_bool()
            .ok_or_else(|| self.instead("true or false"))
    }

    /// The value as the entries of a table, in the order of the file.
    pub fn table(&self) -> Result<Vec<Item<'a>>, String> {
        self.value
            .as_table()
            .map(items)
            .ok_or_else(|| self.instead("a table"))
    }

    /// The value as a finite number.
    pub fn number(&self) -> Result<f64, String> {
        let number = match self.value {
            DeValue::Integer(whole) => i64::from_str_radix(whole.as_str(), whole.radix())
                .ok()
                .map(|whole| whole as f64),
            DeValue::Float(number) => number.as_str().parse().ok(),
            _ => None,
        };
        number
            .filter(|number| number.is_finite())
            .ok_or_else(|| self.instead("a number"))
    }

    /// The value as a finite number or a string.
    pub fn setting(&self) -> Result<SettingValue, String> {
        match self.value.as_str() {
            Some(text) => Ok(text.into()),
            None => self
                .number()
                .map(SettingValue::Number)
                .map_err(|_| self.instead("a number or text in quotes")),
        }
    }

    /// The value as a list of strings; a single string is a list of one.
    pub fn texts(&self) -> Result<Vec<String>, String> {
        let instead = || self.instead("text in quotes, or several in [ ]");
        match self.value {
            DeValue::String(text) => Ok(vec![text.to_string()]),
            DeValue::Array(values) => values
                .iter()
                .map(|value| {
                    value
                        .get_ref()
                        .as_str()
                        .map(str::to_string)
                        .ok_or_else(instead)
                })
                .collect(),
            _ => Err(instead()),
        }
    }

    fn instead(&self, wanted: &str) -> String {
        format!(
            "it must be {wanted}; a value of type {} is given",
            self.value.type_str()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(text: &str) -> Document {
        Document::new("a.toml".into(), text.into())
    }

    #[test]
    fn parsing_continues_after_an_error() {
        let document = document("a = 1\nb = = 2\nc = \"3\nd = 4\n");
        let (table, problems) = document.parse();
        let problems = problems.into_vec();
        assert!(
            problems
                .iter()
                .any(|problem| problem.line == Some(2) && problem.key == "b")
        );
        assert!(
            problems
                .iter()
                .any(|problem| problem.line == Some(3) && problem.key == "c")
        );
        let values: Vec<_> = items(table.get_ref())
            .iter()
            .filter_map(|item| Some((item.key, item.number().ok()?)))
            .collect();
        assert!(
            values.contains(&("a", 1.0)) && values.contains(&("d", 4.0)),
            "{values:?}"
        );
    }

    #[test]
    fn values_are_read_by_type_and_in_the_order_of_the_file() {
        let document =
            document("z = 0x10\ny = -1.5e3\nx = true\nw = ['a', 'b']\nv = 'c'\nu = inf\n");
        let (table, problems) = document.parse();
        assert_eq!(problems.into_vec(), []);
        let items = items(table.get_ref());
        let keys: Vec<_> = items.iter().map(|item| item.key).collect();
        assert_eq!(keys, ["z", "y", "x", "w", "v", "u"]);
        assert_eq!(items[0].number(), Ok(16.0));
        assert_eq!(items[1].number(), Ok(-1500.0));
        assert_eq!(items[2].flag(), Ok(true));
        assert_eq!(items[3].texts(), Ok(vec!["a".into(), "b".into()]));
        assert_eq!(items[4].texts(), Ok(vec!["c".into()]));
        assert!(items[5].number().is_err());
        assert!(items[0].text().unwrap_err().contains("integer"));
        assert_eq!(document.line(items[5].at), 6);
    }

    #[test]
    fn a_missing_file_is_no_problem_and_an_invalid_one_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        assert!(
            Document::read(&folder.path().join("none"))
                .unwrap()
                .is_none()
        );
        let why = |path: &Path| Document::read(path).unwrap_err().why;
        assert!(why(folder.path()).contains("a folder, not a regular file"));
        let path = folder.path().join("a.toml");
        std::fs::write(&path, [0xff, 0xfe]).unwrap();
        assert!(why(&path).contains("UTF-8"));
        std::fs::write(&path, vec![b'\n'; MAX_FILE as usize + 1]).unwrap();
        assert!(why(&path).contains("larger than 64 KiB"));
    }

    #[test]
    fn hostile_text_is_parsed_fast_with_few_problems() {
        let size = MAX_FILE as usize;
        for pattern in [
            "[", "a=", "=\n", "[[a]]\n", "a.", "\"\"\"", "{", "a=[", "\u{0}", "'\n",
        ] {
            let document = document(&pattern.repeat(size / pattern.len()));
            let (_, problems) = document.parse();
            assert!(problems.into_vec().len() <= MAX_PROBLEMS + 1);
        }
    }
}
