//! The structure of the source tree: modules use only modules on floors below their own, and no modules use each other
//! in a circle. The floors are those of the table in `src/lib.rs`. Files are short, and so are lines of comments.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Maximum number of lines of a source file.
const MAX_LINES: usize = 450;

/// Maximum width of a line of comment, in characters.
const MAX_COMMENT_WIDTH: usize = 120;

/// A module by its path within the crate: `["onnx", "graph"]`.
type Module = Vec<String>;

/// The crate's modules and the references between them.
struct Sources {
    /// File of each module.
    files: BTreeMap<Module, PathBuf>,
    /// From a module to the modules that its code names, with itself excluded.
    references: BTreeMap<Module, BTreeSet<Module>>,
}

#[test]
fn modules_use_only_modules_on_lower_floors() {
    let sources = Sources::read();
    let floors = floors();
    let floor = |module: &Module| floors.get(&module[0]).copied();
    let mut violations = Vec::new();
    for (user, used) in &sources.references {
        for used in used.iter().filter(|used| used[0] != user[0]) {
            // The command line and the binary are above all floors.
            let Some(from) = floor(user) else { continue };
            let is_lower = floor(used).is_some_and(|to| to < from || (from < 0 && to < 0));
            if !is_lower {
                let file = sources.files[user].display();
                violations.push(format!("{file} uses {}", used.join("::")));
            }
        }
    }
    assert!(violations.is_empty(), "{}", violations.join("\n"));
}

#[test]
fn modules_of_a_folder_do_not_use_each_other_in_a_circle() {
    let sources = Sources::read();
    let folders: BTreeSet<&[String]> = sources
        .files
        .keys()
        .flat_map(|module| (0..module.len()).map(|depth| &module[..depth]))
        .collect();
    let mut circles = Vec::new();
    for folder in folders {
        let depth = folder.len();
        // References between the children of the folder, those of their own children included.
        let mut uses: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for (user, used) in &sources.references {
            for used in used {
                let inside = user.starts_with(folder) && used.starts_with(folder);
                if inside && user.len() > depth && used.len() > depth && user[depth] != used[depth]
                {
                    uses.entry(&user[depth]).or_default().insert(&used[depth]);
                }
            }
        }
        for &module in uses.keys() {
            if reachable(&uses, module).contains(module) {
                circles.push(format!("src/{}/{module}", folder.join("/")));
            }
        }
    }
    assert!(circles.is_empty(), "in a circle:\n{}", circles.join("\n"));
}

#[test]
fn every_module_is_on_a_floor() {
    let floors = floors();
    let sources = Sources::read();
    let top: BTreeSet<&String> = sources.files.keys().map(|module| &module[0]).collect();
    for module in top {
        assert!(
            floors.contains_key(module) || module == "cli",
            "src/lib.rs has no floor for {module}"
        );
    }
}

/// Every path in backticks that begins with a folder of this repository exists.
#[test]
fn the_documents_for_developers_name_files_that_exist() {
    for document in ["src/ARCHITECTURE.md", ".github/CONTRIBUTING.md"] {
        let text = fs::read_to_string(root().join(document)).unwrap();
        let quoted = text.split('`').skip(1).step_by(2);
        let paths: Vec<&str> = quoted
            .filter(|text| {
                ["src/", "tests/", ".ci/", ".github/"]
                    .iter()
                    .any(|start| text.starts_with(start))
            })
            .collect();
        assert!(paths.len() > 2, "{document}: {paths:?}");
        for path in paths {
            assert!(root().join(path).exists(), "{document} names {path}");
        }
    }
}

#[test]
fn files_are_short() {
    let long = source_files().into_iter().filter_map(|(file, text)| {
        let count = text.lines().count();
        (count > MAX_LINES).then(|| format!("{}: {count} lines", file.display()))
    });
    let long: Vec<String> = long.collect();
    assert!(
        long.is_empty(),
        "longer than {MAX_LINES} lines:\n{}",
        long.join("\n")
    );
}

#[test]
fn comments_are_narrow() {
    let mut wide = Vec::new();
    for (file, text) in source_files() {
        let is_python = file.extension().is_some_and(|extension| extension == "py");
        for (number, line) in text.lines().enumerate() {
            let code = line.trim_start();
            let is_comment = if is_python {
                code.starts_with('#') || line.contains("  # ")
            } else {
                code.starts_with("//") || code.starts_with('*') || line.contains(" // ")
            };
            if is_comment && line.chars().count() > MAX_COMMENT_WIDTH {
                wide.push(format!("{}:{}", file.display(), number + 1));
            }
        }
    }
    assert!(
        wide.is_empty(),
        "comments wider than {MAX_COMMENT_WIDTH} columns:\n{}",
        wide.join("\n")
    );
}

/// The Rust, JavaScript and Python files of this repository, by their paths in it, with their texts.
fn source_files() -> Vec<(PathBuf, String)> {
    let mut folders: Vec<PathBuf> = ["src", "tests", "python", "packaging"]
        .iter()
        .map(|folder| root().join(folder))
        .collect();
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let extension = path.extension().and_then(|extension| extension.to_str());
            if path.is_dir() {
                folders.push(path);
            } else if matches!(extension, Some("rs" | "js" | "py")) {
                let text = fs::read_to_string(&path).unwrap();
                files.push((path.strip_prefix(root()).unwrap().to_owned(), text));
            }
        }
    }
    assert!(files.len() > 500, "only {} source files", files.len());
    files.sort();
    files
}

/// The modules that `start` uses, directly or through others.
fn reachable<'a>(uses: &BTreeMap<&'a str, BTreeSet<&'a str>>, start: &str) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut worklist: Vec<&str> = vec![start];
    while let Some(module) = worklist.pop() {
        for &next in uses.get(module).into_iter().flatten() {
            if reached.insert(next) {
                worklist.push(next);
            }
        }
    }
    reached
}

/// The floor of each top-level module, from the table in `src/lib.rs`; modules for all are on floor -1.
fn floors() -> BTreeMap<String, i32> {
    let text = fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let rows = text.lines().filter_map(|line| line.strip_prefix("//! | "));
    let mut floors = BTreeMap::new();
    for row in rows {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let floor = match cells[0] {
            "–" => -1,
            number => match number.parse() {
                Ok(floor) => floor,
                Err(_) => continue,
            },
        };
        let names = cells[1]
            .split(',')
            .map(|name| name.trim_matches([' ', '[', ']', '`']));
        floors.extend(names.map(|name| (name.to_owned(), floor)));
    }
    assert!(floors.len() > 10, "the table of floors is not where it was");
    floors
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

impl Sources {
    fn read() -> Self {
        let mut files = BTreeMap::new();
        collect(&root().join("src"), &mut Vec::new(), &mut files);
        let mut references = BTreeMap::new();
        for (module, file) in &files {
            let code = code(&fs::read_to_string(file).unwrap());
            let named = named_paths(&code).into_iter();
            let used = named
                .filter_map(|path| resolve(module, &path, &files))
                .filter(|used| used != module);
            references.insert(module.clone(), used.collect());
        }
        Self { files, references }
    }
}

/// Finds the modules below a folder; tests and the crate's roots are not among them.
fn collect(folder: &Path, path: &mut Module, files: &mut BTreeMap<Module, PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let file = entry.unwrap().path();
        let name = file.file_stem().unwrap().to_str().unwrap().to_owned();
        if ["tests", "testing", "lib", "main"].contains(&name.as_str()) {
            continue;
        }
        if file.is_dir() {
            path.push(name);
            collect(&file, path, files);
            path.pop();
        } else if file.extension().is_some_and(|extension| extension == "rs") {
            let module = match name.as_str() {
                "mod" => path.clone(),
                _ => [path.clone(), vec![name]].concat(),
            };
            files.insert(module, file);
        }
    }
}

/// A file without comments and without its unit tests.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod tests").next().unwrap_or(text);
    let lines = text
        .lines()
        .map(|line| line.split("//").next().unwrap_or(line));
    lines.collect::<Vec<_>>().join("\n")
}

/// Every path that begins with `crate` or `super`, with groups such as `{a, b::c}` expanded.
fn named_paths(code: &str) -> Vec<Module> {
    let mut paths = Vec::new();
    for start in ["crate::", "super::"] {
        for (at, _) in code.match_indices(start) {
            // A path goes on from the second `super` on, and not from there.
            let before = code[..at].chars().next_back();
            if before.is_none_or(|before| !before.is_alphanumeric() && before != ':') {
                expand(&code[at..], Vec::new(), &mut paths);
            }
        }
    }
    paths
}

/// Reads a path, or a group of paths, at the beginning of `text`. Returns what follows it.
fn expand<'a>(mut text: &'a str, mut path: Module, paths: &mut Vec<Module>) -> &'a str {
    loop {
        text = text.trim_start();
        if let Some(mut group) = text.strip_prefix('{') {
            loop {
                group = expand(group, path.clone(), paths).trim_start();
                match group.strip_prefix(',') {
                    Some(more) => group = more,
                    None => return group.strip_prefix('}').unwrap_or(group),
                }
            }
        }
        let end = text.find(|letter: char| !letter.is_alphanumeric() && letter != '_');
        let (name, after) = text.split_at(end.unwrap_or(text.len()));
        path.push(name.to_owned());
        match after.strip_prefix("::") {
            Some(more) => text = more,
            None => {
                paths.push(path);
                return after
                    .split_once(" as ")
                    .map_or(after, |(between, renamed)| {
                        let is_next = between.trim().is_empty();
                        let end = renamed.find([',', '}', ';']).unwrap_or(renamed.len());
                        if is_next { &renamed[end..] } else { after }
                    });
            }
        }
    }
}

/// The module that a path written in `module` leads to, or into.
fn resolve(module: &Module, path: &Module, files: &BTreeMap<Module, PathBuf>) -> Option<Module> {
    let supers = path.iter().take_while(|name| *name == "super").count();
    let mut full: Module = match path[0].as_str() {
        "crate" => path[1..].to_vec(),
        _ => {
            let base = module.len().checked_sub(supers)?;
            [&module[..base], &path[supers..]].concat()
        }
    };
    while !full.is_empty() && !files.contains_key(&full) {
        full.pop();
    }
    (!full.is_empty()).then_some(full)
}
