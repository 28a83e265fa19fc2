//! Writes a result to a file atomically.

use super::Failure;
use anyhow::anyhow;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// Whether a path is that of a folder, existing or to be created.
pub fn is_folder(path: &Path) -> bool {
    let text = path.as_os_str().to_string_lossy();
    path.is_dir() || text.ends_with(std::path::is_separator)
}

/// Whether a path is that of a PNG file, by its name.
pub fn is_png(path: &Path) -> bool {
    let ending = path.extension();
    !is_folder(path) && ending.is_some_and(|ending| ending.eq_ignore_ascii_case("png"))
}

/// The error of a path that is neither a PNG file nor a folder.
pub fn neither_png_nor_folder(out: &Path) -> Failure {
    Failure::usage(anyhow!(
        "--out {}: pictures are PNG files; let the name end in .png, or in / if it is a folder",
        out.display()
    ))
}

/// Why nothing can be written to a folder.
pub fn why_not(folder: &Path, problem: &std::io::Error) -> String {
    match problem.kind() {
        std::io::ErrorKind::NotFound => format!("no such folder: {}", folder.display()),
        kind => kind.to_string(),
    }
}

/// A file to be written. Created before anything is computed, so that a path that cannot be written is reported early;
/// removed if it is not finished.
pub struct OutputFile {
    path: PathBuf,
    file: NamedTempFile,
}

impl OutputFile {
    /// A file that will be at `path`; an existing one stays until the new one is complete.
    ///
    /// # Errors
    /// If the folder cannot be written to, or something else than a file has this name.
    pub fn new(path: &Path) -> anyhow::Result<Self> {
        // A link stays a link: what it leads to is written.
        let real = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
        let cannot = || format!("{}: cannot be written", path.display());
        if real.exists() && !real.is_file() {
            return Err(anyhow!("{}: it is no regular file", cannot()));
        }
        let folder = match real.parent() {
            Some(folder) if folder != Path::new("") => folder,
            _ => Path::new("."),
        };
        let mut builder = tempfile::Builder::new();
        builder.prefix(".ziggurat-");
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let file = builder
            .tempfile_in(folder)
            .map_err(|problem| anyhow!("{}: {}", cannot(), why_not(folder, &problem)))?;
        Ok(Self { path: real, file })
    }

    /// Writes the file and moves it to its path.
    ///
    /// # Errors
    /// If it cannot be written; an existing file is then unchanged.
    pub fn finish(
        mut self,
        write: impl FnOnce(&mut BufWriter<&mut std::fs::File>) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let cannot = format!("{}: cannot be written", self.path.display());
        let mut writer = BufWriter::new(self.file.as_file_mut());
        write(&mut writer)
            .and_then(|()| Ok(writer.flush()?))
            .map_err(|problem| anyhow!("{cannot}: {problem}"))?;
        drop(writer);
        self.file
            .as_file()
            .sync_all()
            .map_err(|problem| anyhow!("{cannot}: {problem}"))?;
        self.file
            .persist(&self.path)
            .map_err(|problem| anyhow!("{cannot}: {}", problem.error))
            .map(drop)
    }
}
