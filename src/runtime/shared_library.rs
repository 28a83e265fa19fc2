//! Checks a shared library before the system's loader maps it. The loader trusts what it opens: a file that is cut off
//! ends the process with SIGBUS, and a pipe blocks it.

use crate::files;
use std::path::Path;

/// Checks that the loader can map a file: it is a regular one, a shared library for this machine, and complete. With
/// `function`, that it exports a function of this name.
///
/// On systems other than those with ELF files, only the first bytes are checked.
///
/// # Errors
/// The reason why it cannot be loaded, without the path.
pub(super) fn check(path: &Path, function: Option<&str>) -> Result<(), String> {
    let file = files::open(path).map_err(|problem| problem.to_string())?;
    format::check(file, function)
}

#[cfg(any(target_os = "macos", target_os = "ios", windows))]
mod format {
    use std::fs::File;
    use std::io::Read;

    pub fn check(mut file: File, _function: Option<&str>) -> Result<(), String> {
        let mut start = [0; 4];
        file.read_exact(&mut start)
            .map_err(|_| "it is too short for a shared library".to_string())?;
        let is_library = if cfg!(windows) {
            start.starts_with(b"MZ")
        } else {
            // One architecture, or several in one file.
            [[0xcf, 0xfa, 0xed, 0xfe], [0xca, 0xfe, 0xba, 0xbe]].contains(&start)
        };
        is_library
            .then_some(())
            .ok_or_else(|| "it is no shared library".into())
    }
}

#[cfg(not(any(target_os = "macos", target_os = "ios", windows)))]
mod format {
    use object::NativeEndian;
    use object::elf;
    use object::read::elf::{FileHeader, ProgramHeader, SectionHeader, Sym};
    use object::read::{ReadCache, ReadRef};
    use std::fs::File;

    #[cfg(target_pointer_width = "64")]
    type Header = elf::FileHeader64<NativeEndian>;
    #[cfg(not(target_pointer_width = "64"))]
    type Header = elf::FileHeader32<NativeEndian>;

    /// The machine that this program is built for, where it is known.
    fn machine() -> Option<u16> {
        match std::env::consts::ARCH {
            "x86_64" => Some(elf::EM_X86_64),
            "aarch64" => Some(elf::EM_AARCH64),
            "x86" => Some(elf::EM_386),
            "arm" => Some(elf::EM_ARM),
            "riscv64" | "riscv32" => Some(elf::EM_RISCV),
            "powerpc64" => Some(elf::EM_PPC64),
            "s390x" => Some(elf::EM_S390),
            "loongarch64" => Some(elf::EM_LOONGARCH),
            _ => None,
        }
    }

    pub fn check(file: File, function: Option<&str>) -> Result<(), String> {
        let cut = "it is cut off or damaged";
        let length = file
            .metadata()
            .map_err(|problem| problem.to_string())?
            .len();
        let cache = ReadCache::new(file);
        let data = &cache;
        if data.read_bytes_at(0, 4) != Ok(&elf::ELFMAG[..]) {
            return Err("it is no shared library (no ELF file)".into());
        }
        let other = || {
            format!(
                "it is not built for this machine ({})",
                std::env::consts::ARCH
            )
        };
        let header: &Header = data.read_at(0).map_err(|()| cut.to_string())?;
        if !header.is_supported() {
            return Err(other());
        }
        let endian = header.endian().map_err(|_| other())?;
        if machine().is_some_and(|machine| machine != header.e_machine(endian)) {
            return Err(other());
        }
        if header.e_type(endian) != elf::ET_DYN {
            return Err("it is no shared library".into());
        }
        let damaged = |_| cut.to_string();
        let segments = header.program_headers(endian, data).map_err(damaged)?;
        let is_within =
            |(start, size): (u64, u64)| start.checked_add(size).is_some_and(|end| end <= length);
        let mut segments = segments.iter().map(|segment| segment.file_range(endian));
        if segments.len() == 0 || !segments.all(is_within) {
            return Err(cut.into());
        }
        // They end the file, so that one whose download was stopped lacks them.
        let sections = header.sections(endian, data).map_err(damaged)?;
        let mut ranges = sections
            .iter()
            .filter_map(|section| section.file_range(endian));
        if sections.is_empty() || !ranges.all(is_within) {
            return Err(cut.into());
        }
        let symbols = sections
            .symbols(endian, data, elf::SHT_DYNSYM)
            .map_err(damaged)?;
        let Some(function) = function else {
            return Ok(());
        };
        let is_it = |symbol: &_| {
            let callable = [elf::STT_FUNC, elf::STT_GNU_IFUNC];
            let symbol: &<Header as FileHeader>::Sym = symbol;
            callable.contains(&symbol.st_type())
                && symbol.st_shndx(endian) != elf::SHN_UNDEF
                && symbol.name(endian, symbols.strings()) == Ok(function.as_bytes())
        };
        let found = symbols.iter().any(is_it);
        found
            .then_some(())
            .ok_or_else(|| format!("it is another library: it has no function {function}"))
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use crate::runtime::testing;
    use std::fs::{self, File};
    use std::os::unix::fs::FileExt;
    use tempfile::NamedTempFile;

    const FUNCTION: Option<&str> = Some("OrtGetApiBase");

    /// A copy of this machine's ONNX Runtime.
    fn copy() -> NamedTempFile {
        let file = NamedTempFile::new().unwrap();
        fs::copy(&testing::library().found().path, file.path()).unwrap();
        file
    }

    /// Checks a copy of which the byte at `index` is another one, which is undone.
    fn with_byte(file: &NamedTempFile, index: u64, value: u8) -> Result<(), String> {
        let open = File::options()
            .read(true)
            .write(true)
            .open(file.path())
            .unwrap();
        let mut kept = [0];
        open.read_exact_at(&mut kept, index).unwrap();
        open.write_all_at(&[value], index).unwrap();
        let checked = check(file.path(), FUNCTION);
        open.write_all_at(&kept, index).unwrap();
        checked
    }

    #[test]
    fn a_complete_library_passes() {
        let path = &testing::library().found().path;
        assert_eq!(check(path, FUNCTION), Ok(()));
        assert_eq!(check(path, None), Ok(()));
        let why = check(path, Some("OrtNothing")).unwrap_err();
        assert!(why.contains("no function OrtNothing"), "{why}");
    }

    #[test]
    fn a_file_that_is_cut_off_anywhere_does_not_pass() {
        let file = copy();
        let whole = file.path().metadata().unwrap().len();
        let lengths = [
            whole - 1,
            whole - 4096,
            whole / 2,
            whole / 3,
            4096,
            100,
            64,
            63,
            16,
            4,
            1,
            0,
        ];
        for length in lengths {
            let open = File::options().write(true).open(file.path()).unwrap();
            open.set_len(length).unwrap();
            let why = check(file.path(), None).unwrap_err();
            let expected = if length < 4 {
                "no ELF file"
            } else {
                "cut off or damaged"
            };
            assert!(why.contains(expected), "{length}: {why}");
        }
    }

    #[test]
    fn a_library_whose_end_is_a_hole_does_not_pass() {
        let file = copy();
        let whole = file.path().metadata().unwrap().len();
        let open = File::options().write(true).open(file.path()).unwrap();
        open.set_len(whole / 2).unwrap();
        open.set_len(whole).unwrap();
        assert!(check(file.path(), FUNCTION).is_err());
    }

    #[test]
    fn other_machines_and_other_files_do_not_pass() {
        let file = copy();
        // The class, the byte order, and the machine; then the type of the file.
        for (index, value) in [(4, 1), (5, 2), (18, 0xff)] {
            let why = with_byte(&file, index, value).unwrap_err();
            assert!(why.starts_with("it is not built for this machine"), "{why}");
        }
        let why = with_byte(&file, 16, 2).unwrap_err();
        assert_eq!(why, "it is no shared library");
        fs::write(file.path(), "no library").unwrap();
        let why = check(file.path(), None).unwrap_err();
        assert_eq!(why, "it is no shared library (no ELF file)");
    }

    #[test]
    fn damaged_headers_are_no_panic() {
        let file = copy();
        let header = 64;
        for index in 0..header + 8 * 56 {
            for value in [0, 0x7f, 0xff] {
                drop(with_byte(&file, index, value));
            }
        }
        assert_eq!(check(file.path(), FUNCTION), Ok(()));
    }

    #[test]
    fn a_pipe_is_not_opened() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("libonnxruntime.so");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.unwrap().success());
        let why = check(&pipe, FUNCTION).unwrap_err();
        assert_eq!(why, "a pipe, not a regular file");
    }
}
