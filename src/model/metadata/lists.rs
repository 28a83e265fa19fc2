//! Lists of class names beside a model: Custom Vision's and Teachable Machine's `labels.txt`, Darknet's `*.names`.

use super::{ExporterMetadata, Stated, py_literal, sidecar};
use std::path::Path;

/// Suffixes of the file name of a list for a single model, after the model's name.
const MODEL_LISTS: [&str; 6] = [
    ".names",
    ".labels",
    ".classes",
    ".labels.txt",
    "_labels.txt",
    "-labels.txt",
];

/// File names of lists for all models of a folder.
const COMMON: [&str; 11] = [
    "labels.txt",
    "classes.txt",
    "class_names.txt",
    "labels.json",
    "classes.json",
    "class_names.json",
    "class_indices.json",
    "id2label.json",
    "imagenet_class_index.json",
    "imagenet_classes.txt",
    "synset.txt",
];

/// Maximum number of examined folder entries.
const MAX_ENTRIES: usize = 1 << 12;

/// The lists beside the model at `path`, those for this model first, and messages about unreadable ones.
pub fn read(path: &Path) -> ExporterMetadata {
    let mut hints = ExporterMetadata::default();
    for folder in sidecar::folders(path) {
        for file in names_of_lists(path, &folder) {
            let read = sidecar::text(&folder.join(&file)).map(|text| {
                names(&text?).ok_or_else(|| "it is not a list of class names".to_string())
            });
            match read {
                None => {}
                Some(Ok(names)) => hints.names.push(Stated::new(names, file)),
                Some(Err(why)) => hints.unmet.push(sidecar::ignored(&file, &why)),
            }
        }
    }
    hints
}

/// The names that a list for the model at `path` may have in a folder, those for this model first.
pub fn names_of_lists(path: &Path, folder: &Path) -> Vec<String> {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let own = MODEL_LISTS.map(|ending| format!("{stem}{ending}"));
    let others = darknet(folder).into_iter();
    let others: Vec<String> = others.filter(|name| !own.contains(name)).collect();
    let names = own.into_iter().chain(COMMON.map(String::from));
    names.chain(others).collect()
}

/// Files of a folder whose names end in `.names`, sorted.
fn darknet(folder: &Path) -> Vec<String> {
    let folder = if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    };
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let names = entries
        .take(MAX_ENTRIES)
        .filter_map(|entry| entry.file_name().into_string().ok());
    let mut names: Vec<String> = names.filter(|name| name.ends_with(".names")).collect();
    names.sort();
    names
}

/// The names in a text: a list or dictionary in JSON or Python syntax, or one name per line.
pub fn names(text: &str) -> Option<Vec<String>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text).trim_end();
    // A text that starts like JSON but cannot be parsed is not a list of lines.
    let is_literal = text.trim_start().starts_with(['{', '[']);
    let lines = || text.lines().map(|line| line.trim().to_owned()).collect();
    let lines = || (!is_literal && !text.is_empty()).then(lines);
    py_literal::names(text).or_else(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_for_this_model_take_precedence() {
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        let found = |model: &str| -> Vec<(String, Vec<String>)> {
            let lists = read(&folder.path().join(model));
            lists
                .names
                .into_iter()
                .map(|list| (list.source, list.value))
                .collect()
        };
        assert!(found("m.onnx").is_empty());
        put("labels.txt", "\u{feff}apple\r\nbruise\r\n\r\n");
        put("z.names", "a\n\nc");
        put("obj.names", "a");
        put("classes.json", r#"{"0": "x", "1": "y"}"#);
        put("m_labels.txt", "own");
        put("notes.txt", "no list");
        put("labels.json", "{\n  \"name\": [1, 2]\n}");
        put("class_names.json", "[{\"id\": 0, \"name\": \"ant\"},\n");
        std::fs::create_dir(folder.path().join("dir.names")).unwrap();
        let list = |source: &str, names: &[&str]| {
            (
                source.to_owned(),
                names
                    .iter()
                    .map(|name| (*name).to_owned())
                    .collect::<Vec<_>>(),
            )
        };
        let common = [
            list("labels.txt", &["apple", "bruise"]),
            list("classes.json", &["x", "y"]),
            list("obj.names", &["a"]),
            list("z.names", &["a", "", "c"]),
        ];
        assert_eq!(found("other.onnx"), common);
        let unmet = read(&folder.path().join("other.onnx")).unmet;
        let expected = [
            "labels.json is ignored: it is not a list of class names",
            "class_names.json is ignored: it is not a list of class names",
            "dir.names is ignored: a folder, not a regular file",
        ];
        assert_eq!(unmet, expected);
        let large = "x\n".repeat(5 << 20);
        put("classes.txt", &large);
        let unmet = read(&folder.path().join("other.onnx")).unmet;
        assert!(unmet.contains(
            &"classes.txt is ignored: 10485760 bytes are too many (at most 8388608)".to_string()
        ));
        put("classes.txt", "Mac\rOS\r");
        let lists = read(&folder.path().join("other.onnx")).names;
        let mac = lists.iter().find(|list| list.source == "classes.txt");
        assert_eq!(mac.unwrap().value, ["Mac", "OS"]);
        std::fs::remove_file(folder.path().join("classes.txt")).unwrap();
        assert_eq!(found("m.onnx")[0], list("m_labels.txt", &["own"]));
        assert_eq!(found("z.onnx")[0].0, "z.names");
        std::fs::create_dir(folder.path().join("onnx")).unwrap();
        assert_eq!(found("onnx/model.onnx"), common);
    }
}
