//! The model that ONNX Runtime makes of another one when it optimizes it.

use crate::onnx::file;
use crate::onnx::proto::ModelProto;
use crate::runtime::{Device, Error, Session, SessionOptions};
use std::io;
use std::path::PathBuf;
use tempfile::TempDir;

/// The optimized model. ONNX Runtime writes it to a file only, which is read and removed.
pub(super) fn optimized(model: &ModelProto, options: &SessionOptions) -> Result<ModelProto, Error> {
    let storage = Storage::new().map_err(Error::run)?;
    let options = SessionOptions {
        optimised: Some(storage.path()),
        ..options.clone()
    };
    Session::open_model(model, Device::Cpu.into(), &options)?;
    Ok(file::read(&storage.path())?)
}

/// A file for a short time.
enum Storage {
    /// In memory: needs no folder, and nothing remains of it if the process is killed.
    #[cfg(target_os = "linux")]
    Memory(rustix::fd::OwnedFd),
    Folder(TempDir),
}

impl Storage {
    fn new() -> io::Result<Self> {
        #[cfg(target_os = "linux")]
        if let Ok(file) = rustix::fs::memfd_create("model", rustix::fs::MemfdFlags::CLOEXEC) {
            let memory = Self::Memory(file);
            // Without /proc, it has no path.
            if memory.path().exists() {
                return Ok(memory);
            }
        }
        tempfile::tempdir().map(Self::Folder)
    }

    fn path(&self) -> PathBuf {
        match self {
            #[cfg(target_os = "linux")]
            Self::Memory(file) => {
                use std::os::fd::AsRawFd;
                PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()))
            }
            Self::Folder(folder) => folder.path().join("optimized.onnx"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_of_storage_hold_a_file() {
        for storage in [
            Storage::new().unwrap(),
            Storage::Folder(tempfile::tempdir().unwrap()),
        ] {
            std::fs::write(storage.path(), "model").unwrap();
            assert_eq!(std::fs::read(storage.path()).unwrap(), b"model");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn on_linux_it_is_in_memory() {
        assert!(matches!(Storage::new().unwrap(), Storage::Memory(_)));
    }
}
