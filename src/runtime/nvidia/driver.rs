//! Queries NVIDIA's driver: its version, the GPUs, and their free memory. Its libraries are opened
//! by name at run time and called through their C interfaces, so this file is unsafe code.

use std::ffi::{CStr, c_char, c_int, c_uint, c_void};

use libloading::{Library, Symbol};

use crate::runtime::messages::loader_reason;

/// The driver of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Driver {
    /// The newest CUDA version that it supports: (13, 0).
    pub cuda: (u32, u32),
    /// Its own version, as `nvidia-smi` shows it: `580.65.06`. `None` if its management library is missing.
    pub release: Option<String>,
    /// The GPUs that CUDA shows, in its order; `CUDA_VISIBLE_DEVICES` hides others.
    pub gpus: Vec<Gpu>,
}

/// A GPU, as CUDA numbers them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gpu {
    /// CUDA's number, from 0.
    pub number: u32,
    /// Its product name.
    pub name: String,
    /// Compute capability: (9, 0) for an H100.
    pub capability: (u32, u32),
    /// Free bytes and total bytes; `None` if the management library does not report them.
    pub memory: Option<(u64, u64)>,
}

/// Why the driver cannot be queried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// Its library cannot be opened: the loader's reason.
    NoLibrary(String),
    /// Its library returns an error of this number.
    Refusal(i32),
}

/// The names of the driver's two libraries.
#[derive(Debug, Clone)]
pub struct Names<'a> {
    /// CUDA's driver interface.
    pub cuda: &'a str,
    /// The management library.
    pub management: &'a str,
}

impl Default for Names<'_> {
    fn default() -> Self {
        Self {
            cuda: "libcuda.so.1",
            management: "libnvidia-ml.so.1",
        }
    }
}

type Status = c_int;
type Device = c_int;

/// A GPU's identity, equal in both libraries.
type Uuid = [u8; 16];

const MAJOR: c_int = 75;
const MINOR: c_int = 76;
/// More GPUs than any machine has.
const MAX_GPUS: c_int = 1024;

/// Queries the driver's libraries.
///
/// # Errors
/// [`Trouble`] if CUDA's library is missing or returns an error.
pub fn ask(names: &Names) -> Result<Driver, Trouble> {
    // SAFETY: opening a library runs its initialisers; these are the driver's own.
    let library = unsafe { Library::new(names.cuda) }
        .map_err(|error| Trouble::NoLibrary(loader_reason(&error)))?;
    // CUDA's library must not be closed after it was initialised, whatever fails below.
    let library = std::mem::ManuallyDrop::new(library);
    let management = Management::open(names.management);
    let cuda = Cuda { library: &library };
    let version = cuda.version()?;
    let gpus = cuda
        .gpus()?
        .into_iter()
        .map(|(gpu, uuid)| Gpu {
            memory: management.as_ref().and_then(|found| found.memory(&uuid)),
            ..gpu
        })
        .collect();
    let driver = Driver {
        cuda: version,
        release: management.as_ref().and_then(Management::release),
        gpus,
    };
    Ok(driver)
}

/// A function of a library, or [`Trouble::NoLibrary`] if it has none of this name.
///
/// # Safety
/// The function must have the type `F`.
unsafe fn function<'l, F>(library: &'l Library, name: &CStr) -> Result<Symbol<'l, F>, Trouble> {
    // SAFETY: as the caller promises.
    unsafe { library.get(name.to_bytes_with_nul()) }
        .map_err(|error| Trouble::NoLibrary(loader_reason(&error)))
}

fn check(status: Status) -> Result<(), Trouble> {
    match status {
        0 => Ok(()),
        other => Err(Trouble::Refusal(other)),
    }
}

/// Text that a library wrote into a buffer.
fn text(buffer: &[u8]) -> String {
    let text = CStr::from_bytes_until_nul(buffer).unwrap_or_default();
    crate::text::quoted(&text.to_string_lossy())
        .trim_matches('"')
        .to_string()
}

/// CUDA's driver interface.
struct Cuda<'l> {
    library: &'l Library,
}

impl Cuda<'_> {
    fn version(&self) -> Result<(u32, u32), Trouble> {
        let mut version: c_int = 0;
        // SAFETY: the types are those of cuda.h; the pointer leads to a live variable.
        unsafe {
            let get: Symbol<unsafe extern "C" fn(*mut c_int) -> Status> =
                function(self.library, c"cuDriverGetVersion")?;
            check(get(&mut version))?;
        }
        let version = u32::try_from(version).unwrap_or(0);
        Ok((version / 1000, version % 1000 / 10))
    }

    fn gpus(&self) -> Result<Vec<(Gpu, Uuid)>, Trouble> {
        let mut count: c_int = 0;
        // SAFETY: as above.
        unsafe {
            let initialise: Symbol<unsafe extern "C" fn(c_uint) -> Status> =
                function(self.library, c"cuInit")?;
            check(initialise(0))?;
            let get: Symbol<unsafe extern "C" fn(*mut c_int) -> Status> =
                function(self.library, c"cuDeviceGetCount")?;
            check(get(&mut count))?;
        }
        (0..count.clamp(0, MAX_GPUS))
            .map(|number| self.gpu(number))
            .collect()
    }

    fn gpu(&self, number: c_int) -> Result<(Gpu, Uuid), Trouble> {
        let mut device: Device = 0;
        let mut name = [0u8; 256];
        let mut uuid: Uuid = [0; 16];
        let (mut major, mut minor): (c_int, c_int) = (0, 0);
        // SAFETY: as above; the length is that of the buffer.
        unsafe {
            let get: Symbol<unsafe extern "C" fn(*mut Device, c_int) -> Status> =
                function(self.library, c"cuDeviceGet")?;
            check(get(&mut device, number))?;
            let get: Symbol<unsafe extern "C" fn(*mut c_char, c_int, Device) -> Status> =
                function(self.library, c"cuDeviceGetName")?;
            // One byte less: the last one stays NUL.
            check(get(
                name.as_mut_ptr().cast(),
                name.len() as c_int - 1,
                device,
            ))?;
            let get: Symbol<unsafe extern "C" fn(*mut Uuid, Device) -> Status> =
                function(self.library, c"cuDeviceGetUuid_v2")
                    .or_else(|_| function(self.library, c"cuDeviceGetUuid"))?;
            check(get(&mut uuid, device))?;
            let get: Symbol<unsafe extern "C" fn(*mut c_int, c_int, Device) -> Status> =
                function(self.library, c"cuDeviceGetAttribute")?;
            check(get(&mut major, MAJOR, device))?;
            check(get(&mut minor, MINOR, device))?;
        }
        let unsigned = |value: c_int| u32::try_from(value).unwrap_or(0);
        let gpu = Gpu {
            number: unsigned(number),
            name: text(&name),
            capability: (unsigned(major), unsigned(minor)),
            memory: None,
        };
        Ok((gpu, uuid))
    }
}

/// The management library, initialised.
struct Management {
    library: Library,
}

/// `nvmlMemory_t`.
#[repr(C)]
#[derive(Default)]
struct Memory {
    total: u64,
    free: u64,
    used: u64,
}

impl Management {
    fn open(name: &str) -> Option<Self> {
        // SAFETY: as for CUDA's library.
        let library = unsafe { Library::new(name) }.ok()?;
        // SAFETY: the type is that of nvml.h.
        unsafe {
            let initialise: Symbol<unsafe extern "C" fn() -> Status> =
                function(&library, c"nvmlInit_v2").ok()?;
            check(initialise()).ok()?;
        }
        // From here on, dropping it shuts it down.
        Some(Self { library })
    }

    fn release(&self) -> Option<String> {
        let mut buffer = [0u8; 96];
        // SAFETY: as above; the length is less than that of the buffer.
        unsafe {
            let get: Symbol<unsafe extern "C" fn(*mut c_char, c_uint) -> Status> =
                function(&self.library, c"nvmlSystemGetDriverVersion").ok()?;
            check(get(buffer.as_mut_ptr().cast(), buffer.len() as c_uint - 1)).ok()?;
        }
        Some(text(&buffer)).filter(|text| !text.is_empty())
    }

    /// Free and total bytes of a GPU, or of a part of one.
    fn memory(&self, uuid: &Uuid) -> Option<(u64, u64)> {
        ["GPU", "MIG"].iter().find_map(|kind| {
            let name = std::ffi::CString::new(written(kind, uuid)).ok()?;
            let mut device: *mut c_void = std::ptr::null_mut();
            let mut memory = Memory::default();
            // SAFETY: as above; the name ends in NUL and lives through the call.
            unsafe {
                let find: Symbol<unsafe extern "C" fn(*const c_char, *mut *mut c_void) -> Status> =
                    function(&self.library, c"nvmlDeviceGetHandleByUUID").ok()?;
                check(find(name.as_ptr(), &mut device)).ok()?;
                let get: Symbol<unsafe extern "C" fn(*mut c_void, *mut Memory) -> Status> =
                    function(&self.library, c"nvmlDeviceGetMemoryInfo").ok()?;
                check(get(device, &mut memory)).ok()?;
            }
            Some((memory.free, memory.total))
        })
    }
}

impl Drop for Management {
    fn drop(&mut self) {
        // SAFETY: it was initialised once, and is shut down once.
        unsafe {
            let end: Result<Symbol<unsafe extern "C" fn() -> Status>, _> =
                function(&self.library, c"nvmlShutdown");
            if let Ok(end) = end {
                end();
            }
        }
    }
}

/// A UUID as the management library writes it: `GPU-01234567-89ab-cdef-0123-456789abcdef`.
fn written(kind: &str, uuid: &Uuid) -> String {
    let digits: String = uuid.iter().map(|byte| format!("{byte:02x}")).collect();
    format!(
        "{kind}-{}-{}-{}-{}-{}",
        &digits[..8],
        &digits[8..12],
        &digits[12..16],
        &digits[16..20],
        &digits[20..]
    )
}

#[cfg(test)]
mod tests;
