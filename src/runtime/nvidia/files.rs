//! Finds NVIDIA's libraries on this machine. A server may have them in many places, often in none
//! that the loader knows: each is searched separately and loaded by its absolute path, after those
//! that it links to.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::builds::{CUDNN, CURAND, Cuda};
use crate::runtime::Package;
use crate::runtime::environments::{Environments, site_packages};
use crate::runtime::messages::loader_message;
use crate::runtime::shared_library;

/// The places that are searched, in this order.
#[derive(Debug, Clone, Default)]
pub struct Surroundings {
    /// The environment that the program is installed in, and the active ones.
    pub(in crate::runtime) environments: Environments,
    /// The folders in which the Python on `PATH` keeps its packages.
    pub sites: Vec<PathBuf>,
    /// The folder of downloaded libraries.
    pub data: PathBuf,
    /// Where CUDA is installed outside the loader's folders.
    pub system: Vec<PathBuf>,
}

/// The place where a library was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Location {
    /// In the environment that the program is installed in.
    Own,
    /// In the active virtual environment.
    VirtualEnv,
    /// In the active conda environment.
    Conda,
    /// Among the packages of the Python on `PATH`.
    Python,
    /// In the data folder, downloaded.
    Data,
    /// On the system, or in a folder on `LD_LIBRARY_PATH`.
    System,
}

impl std::fmt::Display for Location {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Own => "environment of this program",
            Self::VirtualEnv => "virtual environment",
            Self::Conda => "conda environment",
            Self::Python => "Python on PATH",
            Self::Data => "downloaded by Ziggurat",
            Self::System => "system",
        })
    }
}

/// The result of the search for a library.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located {
    /// Its file name.
    pub file: &'static str,
    /// The pinned package that contains it, if there is one.
    pub package: Option<Package>,
    /// Where it was found and loaded from.
    pub found: Option<(Location, PathBuf)>,
    /// Files of this name that cannot be used, each with the reason.
    pub passed_over: Vec<(PathBuf, String)>,
}

/// The libraries of TensorRT, which no pinned package contains.
pub const TENSORRT: [&str; 2] = ["libnvinfer.so.10", "libnvonnxparser.so.10"];

impl Surroundings {
    /// Those of this process; `data` is the folder of downloaded libraries. Runs the Python on `PATH`, if there is one.
    pub fn of_this_process(data: &Path, cuda: &Cuda) -> Self {
        Self {
            environments: Environments::of_this_process(),
            sites: python_sites(),
            data: data.into(),
            system: vec![
                format!("/usr/local/cuda-{}/lib64", cuda.major).into(),
                "/usr/local/cuda/lib64".into(),
                "/opt/cuda/lib64".into(),
            ],
        }
    }

    /// The folders to search for a library of `package`, in this order.
    fn folders(&self, package: Option<Package>) -> Vec<(Location, PathBuf)> {
        let of_site = |site: &Path| {
            let mut folders: Vec<PathBuf> = entries(&site.join("nvidia"), |_| true);
            folders.iter_mut().for_each(|folder| folder.push("lib"));
            folders.push(site.join("tensorrt_libs"));
            folders
        };
        let of_prefix = |prefix: &PathBuf| {
            let sites = site_packages(prefix);
            sites
                .iter()
                .flat_map(|site| of_site(site))
                .collect::<Vec<_>>()
        };
        let placed = |place: Location| move |folder: PathBuf| (place, folder);
        let Environments {
            own,
            virtual_env,
            conda,
            ignored: _,
        } = &self.environments;
        let own = own.iter().flat_map(of_prefix);
        let virtual_env = virtual_env.iter().flat_map(of_prefix);
        let conda = conda.iter().flat_map(|prefix| {
            let mut folders = vec![prefix.join("lib")];
            folders.extend(of_prefix(prefix));
            folders
        });
        let python = self.sites.iter().flat_map(|site| of_site(site));
        // Other versions in the data folder belong to another build.
        let downloaded = package.map(|package| package.folder(&self.data));
        own.map(placed(Location::Own))
            .chain(virtual_env.map(placed(Location::VirtualEnv)))
            .chain(conda.map(placed(Location::Conda)))
            .chain(python.map(placed(Location::Python)))
            .chain(downloaded.into_iter().map(placed(Location::Data)))
            .chain(self.system.iter().cloned().map(placed(Location::System)))
            .collect()
    }

    /// The files of this name that suit a CUDA version, best first.
    fn candidates(
        &self,
        file: &str,
        package: Option<Package>,
        cuda: &Cuda,
    ) -> Vec<(Location, PathBuf)> {
        let has_one_name = [CUDNN, CURAND].contains(&file);
        self.folders(package)
            .into_iter()
            .filter(|(place, folder)| {
                !has_one_name || *place == Location::Data || is_for(folder, cuda.major)
            })
            .map(|(place, folder)| (place, folder.join(file)))
            .filter(|(_, path)| path.is_file())
            .collect()
    }
}

/// Whether the libraries of a folder are for this CUDA version, as far as that can be known: by the
/// folder's name (`nvidia/cu13/lib`), by the package that it is part of, or by the cuBLAS next to
/// them. Some files have the same name for every version.
fn is_for(folder: &Path, major: u32) -> bool {
    let name_of = |folder: Option<&Path>| -> String {
        let name = folder.and_then(Path::file_name).and_then(OsStr::to_str);
        name.unwrap_or_default().into()
    };
    let component = name_of(folder.parent());
    let packages = folder.ancestors().nth(3).map_or_else(Vec::new, |site| {
        entries(site, |name| {
            name.starts_with(&format!("nvidia_{component}_cu"))
        })
    });
    let is_known_for = |version: u32| {
        let start = format!("nvidia_{component}_cu{version}-");
        let is_of_version = |path: &PathBuf| name_of(Some(path)).starts_with(&start);
        component == format!("cu{version}")
            || packages.iter().any(is_of_version)
            || folder.join(format!("libcublas.so.{version}")).exists()
    };
    is_known_for(major) || !Cuda::majors().any(is_known_for)
}

/// The entries of a folder whose name is wanted, by name; none if there is no such folder.
fn entries(folder: &Path, is_wanted: impl Fn(&str) -> bool) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let wanted = |entry: &fs::DirEntry| entry.file_name().to_str().is_some_and(&is_wanted);
    let mut found: Vec<PathBuf> = entries.filter(wanted).map(|entry| entry.path()).collect();
    found.sort();
    found
}

/// Where the Python on `PATH` keeps packages; empty if there is none, or if it does not answer.
fn python_sites() -> Vec<PathBuf> {
    const ASK: &str = "import site, sysconfig\n\
        print(sysconfig.get_path('purelib'), sysconfig.get_path('platlib'), site.getusersitepackages(), \
        *site.getsitepackages(), sep='\\n')";
    /// A Python on a slow network file system takes a few seconds.
    const PATIENCE: Duration = Duration::from_secs(10);
    let ask = |python: &str| {
        let mut command = Command::new(python);
        // Isolated: nothing is imported from the current folder or from folders that variables name.
        answer(command.args(["-I", "-c", ASK]), PATIENCE)
    };
    let text = ["python3", "python"].into_iter().find_map(ask);
    let text = text.unwrap_or_default();
    let mut sites: Vec<PathBuf> = Vec::new();
    for site in text.lines().map(PathBuf::from) {
        if site.is_absolute() && !sites.contains(&site) {
            sites.push(site);
        }
    }
    sites
}

/// The output of a command that succeeds within `patience`; it must be short, as it is read at the end.
fn answer(command: &mut Command, patience: Duration) -> Option<String> {
    let command = command.stdin(Stdio::null()).stderr(Stdio::null());
    let mut child = command.stdout(Stdio::piped()).spawn().ok()?;
    let start = Instant::now();
    while child.try_wait().ok()?.is_none() {
        if start.elapsed() > patience {
            tracing::warn!(?command, "no answer; stopped");
            // Either fails only if it has ended by now.
            let _ = child.kill();
            let _ = child.wait();
            return None;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let output = child.wait_with_output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    output.status.success().then_some(text)
}

/// Finds and loads the libraries that a CUDA version needs, once per process; `data` is the folder
/// of downloaded libraries.
pub fn load(cuda: &'static Cuda, data: &Path) -> Vec<Located> {
    static LOADED: Mutex<Vec<(u32, Vec<Located>)>> = Mutex::new(Vec::new());
    once_per_version(&LOADED, cuda, || {
        let around = Surroundings::of_this_process(data, cuda);
        let needed = cuda.libraries.iter();
        let locate =
            |one: &super::builds::Needed| locate(one.file, Some(one.package), cuda, &around, &open);
        needed.map(locate).collect()
    })
}

/// As [`load`], for TensorRT's own libraries, which must follow CUDA's.
pub fn load_tensorrt(cuda: &'static Cuda, data: &Path) -> Vec<Located> {
    static LOADED: Mutex<Vec<(u32, Vec<Located>)>> = Mutex::new(Vec::new());
    once_per_version(&LOADED, cuda, || {
        let around = Surroundings::of_this_process(data, cuda);
        let files = TENSORRT.into_iter();
        files
            .map(|file| locate(file, None, cuda, &around, &open))
            .collect()
    })
}

fn once_per_version(
    results: &Mutex<Vec<(u32, Vec<Located>)>>,
    cuda: &Cuda,
    search: impl FnOnce() -> Vec<Located>,
) -> Vec<Located> {
    let mut results = results.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, known)) = results.iter().find(|(major, _)| *major == cuda.major) {
        return known.clone();
    }
    let located = search();
    results.push((cuda.major, located.clone()));
    located
}

/// Loads a library, given by its path or by a name for the loader to find, and returns its path.
fn open(name: &Path) -> Result<PathBuf, String> {
    if name.is_absolute() {
        shared_library::check(name, None)?;
    }
    ort::util::preload_dylib(name).map_err(|error| loader_message(name, &error))?;
    Ok(mapped(name).unwrap_or_else(|| name.into()))
}

/// The path from which the loader took a library of this file name, where the system shows it.
fn mapped(name: &Path) -> Option<PathBuf> {
    if name.is_absolute() {
        return Some(name.into());
    }
    let maps = fs::read_to_string("/proc/self/maps").ok()?;
    let file = name.to_str()?;
    let is_it = |path: &&str| {
        let last = path.rsplit('/').next().unwrap_or_default();
        last.starts_with(file)
    };
    let mut paths = maps
        .lines()
        .filter_map(|line| Some(&line[line.find('/')?..]));
    paths.find(is_it).map(PathBuf::from)
}

/// Looks for one library and loads it with `open`; the loader's own folders come last.
fn locate(
    file: &'static str,
    package: Option<Package>,
    cuda: &Cuda,
    around: &Surroundings,
    open: &dyn Fn(&Path) -> Result<PathBuf, String>,
) -> Located {
    let mut passed_over = Vec::new();
    let mut candidates = around.candidates(file, package, cuda);
    candidates.push((Location::System, file.into()));
    let mut found = None;
    for (place, path) in candidates {
        match open(&path) {
            Ok(path) => {
                found = Some((place, path));
                break;
            }
            // The loader finds no such file: it is missing.
            Err(_) if path.is_relative() => {}
            Err(why) => passed_over.push((path, why)),
        }
    }
    Located {
        file,
        package,
        found,
        passed_over,
    }
}

/// The packages that contain what was not found, each once.
pub fn missing_packages(located: &[Located]) -> Vec<Package> {
    let mut packages: Vec<Package> = Vec::new();
    let missing = located.iter().filter(|one| one.found.is_none());
    for package in missing.filter_map(|one| one.package) {
        if !packages.contains(&package) {
            packages.push(package);
        }
    }
    packages
}

/// What is missing, on one line with the remedy; `None` if nothing is.
pub fn complaint(located: &[Located]) -> Option<String> {
    let missing: Vec<&Located> = located.iter().filter(|one| one.found.is_none()).collect();
    let first = missing.first()?;
    let files: Vec<&str> = missing.iter().map(|one| one.file).collect();
    let files = files.join(", ");
    if let Some((path, why)) = first.passed_over.first() {
        return Some(format!(
            "{} cannot be loaded: {why}; `ziggurat setup --gpu` downloads another",
            path.display()
        ));
    }
    let names: Vec<&str> = missing_packages(located)
        .iter()
        .map(|package| package.name)
        .collect();
    Some(match names.as_slice() {
        [] => format!(
            "not found: {files}; install TensorRT 10 (`pip install tensorrt`) in the active environment"
        ),
        names => format!(
            "not found: {files}; `ziggurat setup --gpu` downloads {}, or install {} with pip",
            if missing.len() == 1 { "it" } else { "them" },
            names.join(", ")
        ),
    })
}

/// Of a wheel of NVIDIA's: its libraries side by side, and its licence. Debugging variants and the BLAS replacement for
/// other programs are left out.
pub fn keep(entry: &str) -> Option<PathBuf> {
    let name = entry.rsplit('/').next()?;
    let library = entry.starts_with("nvidia/")
        && entry.contains("/lib/")
        && name.starts_with("lib")
        && name.contains(".so")
        && !name.contains(".alt.")
        && !name.starts_with("libnvblas");
    let licence = entry.contains(".dist-info/") && name.starts_with("License");
    (library || licence).then(|| name.into())
}

/// The CUDA that a provider library is built for, by the runtime that it links to:
/// `libcudart.so.13`. `None` if it is no such library.
pub fn cuda_of(provider: &Path) -> Option<u32> {
    const MARK: &[u8] = b"libcudart.so.";
    let strings = dynamic_strings(provider)?;
    let at = strings.windows(MARK.len()).position(|part| part == MARK)? + MARK.len();
    let digits = strings[at..]
        .iter()
        .take_while(|byte| byte.is_ascii_digit());
    let digits: String = digits.map(|&byte| char::from(byte)).collect();
    digits.parse().ok()
}

/// The table of strings for the loader of a 64-bit little-endian ELF file: names of libraries and symbols.
fn dynamic_strings(path: &Path) -> Option<Vec<u8>> {
    /// Far more than a library has.
    const MAX_BYTES: u64 = 64 << 20;
    const LOAD: u32 = 1;
    const DYNAMIC: u32 = 2;
    const STRING_TABLE: u64 = 5;
    const STRING_SIZE: u64 = 10;
    let mut file = File::open(path).ok()?;
    let mut read = |at: u64, length: u64| {
        let mut bytes = vec![0; usize::try_from(length.min(MAX_BYTES)).ok()?];
        file.seek(SeekFrom::Start(at)).ok()?;
        file.read_exact(&mut bytes).ok()?;
        Some(bytes)
    };
    let word = |bytes: &[u8], at: usize| {
        let part = bytes.get(at..at + 8)?;
        Some(u64::from_le_bytes(part.try_into().ok()?))
    };
    let half = |bytes: &[u8], at: usize| {
        let part = bytes.get(at..at + 4)?;
        Some(u32::from_le_bytes(part.try_into().ok()?))
    };
    let header = read(0, 64)?;
    if !header.starts_with(b"\x7fELF\x02\x01") {
        return None;
    }
    let (size, count) = (half(&header, 54)? & 0xffff, half(&header, 56)? & 0xffff);
    let table = read(word(&header, 32)?, u64::from(size) * u64::from(count))?;
    let segments: Vec<&[u8]> = table
        .chunks_exact(usize::try_from(size.max(1)).ok()?)
        .collect();
    let of_kind = |kind: u32| {
        let segments = segments.iter().copied();
        segments.filter(move |segment| half(segment, 0) == Some(kind))
    };
    let dynamic = of_kind(DYNAMIC).next()?;
    let entries = read(word(dynamic, 8)?, word(dynamic, 32)?)?;
    let entry = |tag: u64| {
        let mut entries = entries.chunks_exact(16);
        let found = entries.find(|entry| word(entry, 0) == Some(tag))?;
        word(found, 8)
    };
    let (address, length) = (entry(STRING_TABLE)?, entry(STRING_SIZE)?);
    // The table is given by its address in memory; the segment that contains it determines its offset in the file.
    let offset = of_kind(LOAD).find_map(|segment| {
        let (start, bytes) = (word(segment, 16)?, word(segment, 32)?);
        let inside = address
            .checked_sub(start)
            .filter(|inside| *inside < bytes)?;
        word(segment, 8)?.checked_add(inside)
    })?;
    read(offset, length)
}

#[cfg(test)]
mod tests;
