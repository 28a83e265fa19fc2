//! Writes a result to a file atomically.

use super::inputs::Inputs;
use super::{Failure, signals};
use anyhow::anyhow;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use ziggurat::files::{self, NewFile, NewFolder};

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

/// A folder for results, created early, so that a path that cannot be created is reported before any work; what is
/// still empty when the result is dropped, or when a signal ends the program, is removed.
///
/// # Errors
/// If it cannot be created.
pub fn new_folder(path: &Path) -> Result<NewFolder, Failure> {
    signals::remove_unfinished_files()?;
    NewFolder::create(path).map_err(|problem| {
        let path = path.display();
        anyhow!("--out {path}: the folder cannot be created: {problem}").into()
    })
}

/// The error of a path whose name does not have the ending of its format: `models are ONNX files` and `onnx`.
pub fn wrong_ending(option: &str, path: &Path, format: &str, ending: &str) -> Failure {
    let shown = path.display();
    Failure::usage(if is_folder(path) {
        anyhow!(
            "{option} {shown}: this is a folder; give the name of a file that ends in .{ending}"
        )
    } else {
        anyhow!("{option} {shown}: {format}; let the name end in .{ending}")
    })
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
pub fn check(path: &Path, inputs: &Inputs) -> Result<(), Failure> {
    if path == Path::new("-") {
        return Err(Failure::usage(anyhow!(
            "-: results are written to files, not to standard output; give a file name (./- for a file of this name)"
        )));
    }
    match inputs.refusal(path) {
        None => Ok(()),
        Some(why) => Err(Failure::usage(anyhow!("{}: {why}", path.display()))),
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
    pub fn new(path: &Path, inputs: &Inputs) -> Result<Self, Failure> {
        check(path, inputs)?;
        signals::remove_unfinished_files()?;
        files::remove_stale(&folder_of(path));
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

/// The folder in which the file at a path is written.
pub fn folder_of(path: &Path) -> PathBuf {
    match files::target(path).parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.into(),
        _ => PathBuf::from("."),
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

    #[test]
    fn standard_output_is_no_file() {
        let Err(Failure::Usage(problem)) = check(Path::new("-"), &Inputs::default()) else {
            panic!("a result may go to standard output");
        };
        assert!(problem.to_string().contains("./-"), "{problem}");
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
