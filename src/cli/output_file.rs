//! Writes a result to a file atomically.

use super::{Failure, signals};
use anyhow::anyhow;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use ziggurat::files::{self, NewFile};

/// What a command reads, by name and path: none of its output files may replace it.
pub type Inputs<'a> = &'a [(&'a str, &'a Path)];

/// Whether a path is that of a folder, existing or to be created.
pub fn is_folder(path: &Path) -> bool {
    let text = path.as_os_str().to_string_lossy();
    path.is_dir() || text.ends_with(std::path::is_separator)
}

/// Whether a path is that of a PNG file, by its name.
pub fn is_png(path: &Path) -> bool {
    has_ending(path, "png")
}

/// Whether the name of a file ends in a point and `ending`, in small or capital letters.
pub fn has_ending(path: &Path, ending: &str) -> bool {
    let found = path.extension();
    !is_folder(path) && found.is_some_and(|found| found.eq_ignore_ascii_case(ending))
}

/// The error of a path that is neither a PNG file nor a folder.
pub fn neither_png_nor_folder(out: &Path) -> Failure {
    Failure::usage(anyhow!(
        "--out {}: pictures are PNG files; let the name end in .png, or in / if it is a folder",
        out.display()
    ))
}

/// Why nothing can be written to a folder.
pub fn why_not(folder: &Path, problem: &io::Error) -> String {
    match problem.kind() {
        io::ErrorKind::NotFound => format!("no such folder: {}", folder.display()),
        _ => format!("{problem}{}", remedy(problem.kind())),
    }
}

/// What to do about an error of a file that is written, as the end of its message.
fn remedy(kind: io::ErrorKind) -> &'static str {
    match kind {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "; free some space, or write to another disk"
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "; choose a folder that you may write to"
        }
        _ => "",
    }
}

/// An error for an output path that must not be written: standard output, or an input of the command.
///
/// # Errors
/// Such paths are mistakes on the command line.
pub fn check(path: &Path, inputs: Inputs) -> Result<(), Failure> {
    if path == Path::new("-") {
        return Err(Failure::usage(anyhow!(
            "-: results are written to files, not to standard output; give a file name (./- for a file of this name)"
        )));
    }
    match inputs.iter().find(|(_, input)| files::is_same(path, input)) {
        None => Ok(()),
        Some((what, _)) => Err(Failure::usage(anyhow!(
            "{}: this is {what} that the command reads; choose another name for the result",
            path.display()
        ))),
    }
}

/// A file to be written. Created before anything is computed, so that a path that cannot be written is reported early;
/// removed if it is not finished, also if a signal ends the program.
pub struct OutputFile {
    /// As given.
    path: PathBuf,
    file: NewFile,
}

impl OutputFile {
    /// A file that will be at `path`; an existing one stays until the new one is complete. It may be none of `inputs`.
    ///
    /// # Errors
    /// As [`check`]; if the folder cannot be written to, or something else than a file has this name.
    pub fn new(path: &Path, inputs: Inputs) -> Result<Self, Failure> {
        check(path, inputs)?;
        signals::remove_unfinished_files()?;
        let file = NewFile::create(path).map_err(|problem| {
            let target = files::target(path);
            match target.parent() {
                Some(folder) if is_missing(folder) => {
                    let why = why_not(folder, &problem);
                    let link = if target == path {
                        ""
                    } else {
                        "where the link leads, "
                    };
                    let why = link.to_string() + &why;
                    anyhow!("{}: cannot be written: {why}", path.display())
                }
                _ => cannot(path, &problem.into()),
            }
        })?;
        Ok(Self {
            path: path.to_path_buf(),
            file,
        })
    }

    /// The path of the finished file, to which links on the given one lead.
    pub fn target(&self) -> &Path {
        self.file.path()
    }

    /// Writes the file and moves it to its path.
    ///
    /// # Errors
    /// If it cannot be written; an existing file is then unchanged.
    pub fn finish(
        mut self,
        write: impl FnOnce(&mut BufWriter<&mut NewFile>) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        self.write(write)?;
        Self::finish_all(vec![self])
    }

    /// Writes the file, without moving it to its path.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(
        &mut self,
        write: impl FnOnce(&mut BufWriter<&mut NewFile>) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let mut writer = BufWriter::new(&mut self.file);
        let written = write(&mut writer).and_then(|()| Ok(writer.flush()?));
        // What a failed write left in the buffer is not tried again.
        drop(writer.into_parts());
        written.map_err(|problem| cannot(&self.path, &problem))
    }

    /// Moves written files to their paths.
    ///
    /// # Errors
    /// If one cannot be moved.
    pub fn finish_all(files: Vec<Self>) -> anyhow::Result<()> {
        for Self { path, file } in files {
            file.finish()
                .map_err(|problem| cannot(&path, &problem.into()))?;
        }
        Ok(())
    }
}

/// Whether the folder of a file does not exist.
fn is_missing(folder: &Path) -> bool {
    !folder.as_os_str().is_empty() && !folder.exists()
}

/// The error of a file that could not be written.
fn cannot(path: &Path, problem: &anyhow::Error) -> anyhow::Error {
    let mut causes = problem.chain();
    let system = causes.find_map(|cause| cause.downcast_ref::<io::Error>());
    let why = match system {
        Some(system) => format!("{system}{}", remedy(system.kind())),
        None => problem.to_string(),
    };
    anyhow!("{}: cannot be written: {why}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(path: &Path, inputs: Inputs) -> Option<String> {
        match check(path, inputs) {
            Ok(()) => None,
            Err(Failure::Usage(problem)) => Some(problem.to_string()),
            Err(_) => panic!("another failure"),
        }
    }

    #[test]
    fn no_input_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("model.onnx"), "").unwrap();
        std::fs::hard_link(path("model.onnx"), path("hard.onnx")).unwrap();
        std::os::unix::fs::symlink("model.onnx", path("soft.onnx")).unwrap();
        let model = path("model.onnx");
        let inputs: Inputs = &[
            ("the picture", Path::new("none.png")),
            ("the model", &model),
        ];
        for name in ["model.onnx", "hard.onnx", "soft.onnx"] {
            let why = usage(&path(name), inputs).unwrap();
            assert!(
                why.contains(": this is the model that the command reads"),
                "{why}"
            );
        }
        assert_eq!(usage(&path("new.onnx"), inputs), None);
        assert!(usage(Path::new("-"), inputs).unwrap().contains("./-"));
    }

    #[test]
    fn a_full_disk_is_named_with_a_remedy() {
        let full = io::Error::from(io::ErrorKind::StorageFull);
        let message = cannot(Path::new("a.png"), &full.into()).to_string();
        assert!(
            message.starts_with("a.png: cannot be written: "),
            "{message}"
        );
        assert!(
            message.ends_with("; free some space, or write to another disk"),
            "{message}"
        );
    }
}
