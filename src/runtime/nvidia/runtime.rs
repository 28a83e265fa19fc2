//! Copies between the host and a GPU by the CUDA runtime, the library that ONNX Runtime's provider uses itself. Its
//! functions are called through their C interfaces, so this file is unsafe code.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::mem::ManuallyDrop;
use std::path::Path;

use libloading::Library;

use crate::runtime::messages::loader_reason;

type Status = c_int;
type Stream = *mut c_void;

const HOST_TO_DEVICE: c_int = 1;
const DEVICE_TO_HOST: c_int = 2;

/// The default stream, which copies use.
const DEFAULT: Stream = std::ptr::null_mut();

/// The CUDA runtime.
#[derive(Debug)]
pub struct Runtime {
    set_device: unsafe extern "C" fn(c_int) -> Status,
    copy: unsafe extern "C" fn(*mut c_void, *const c_void, usize, c_int) -> Status,
    wait: unsafe extern "C" fn(Stream) -> Status,
    describe: unsafe extern "C" fn(Status) -> *const c_char,
    /// Never closed: sessions use it.
    _library: ManuallyDrop<Library>,
}

/// A copy between the host and a GPU.
#[derive(Debug, Clone, Copy)]
pub struct Copy {
    pub from: *const c_void,
    pub to: *mut c_void,
    pub bytes: usize,
    pub is_to_host: bool,
}

impl Runtime {
    /// Opens the library.
    ///
    /// # Errors
    /// The loader's reason.
    pub fn open(path: &Path) -> Result<Self, String> {
        let says = |error: libloading::Error| loader_reason(&error);
        // SAFETY: it was loaded before, so no initialiser runs; the functions have these types since CUDA 2.
        unsafe {
            let library = ManuallyDrop::new(Library::new(path).map_err(says)?);
            Ok(Self {
                set_device: *library.get(b"cudaSetDevice\0").map_err(says)?,
                copy: *library.get(b"cudaMemcpy\0").map_err(says)?,
                wait: *library.get(b"cudaStreamSynchronize\0").map_err(says)?,
                describe: *library.get(b"cudaGetErrorString\0").map_err(says)?,
                _library: library,
            })
        }
    }

    /// Copies to or from the memory of the GPU of this number; returns when the copies are complete.
    ///
    /// # Safety
    /// The addresses of each copy must point to as many bytes as it has; device addresses must be on that GPU.
    ///
    /// # Errors
    /// CUDA's message.
    pub unsafe fn copy(&self, gpu: i32, copies: &[Copy]) -> Result<(), String> {
        // SAFETY: as the caller promises; a number that is no GPU is an error.
        unsafe {
            self.check((self.set_device)(gpu))?;
            for copy in copies {
                let kind = if copy.is_to_host {
                    DEVICE_TO_HOST
                } else {
                    HOST_TO_DEVICE
                };
                self.check((self.copy)(copy.to, copy.from, copy.bytes, kind))?;
            }
            // A copy to the GPU returns when it has read the host's memory.
            if copies.iter().any(|copy| !copy.is_to_host) {
                self.check((self.wait)(DEFAULT))?;
            }
        }
        Ok(())
    }

    fn check(&self, status: Status) -> Result<(), String> {
        if status == 0 {
            return Ok(());
        }
        // SAFETY: the text is a constant of the library, or null.
        let text = unsafe { (self.describe)(status) };
        let text = if text.is_null() {
            "unknown".into()
        } else {
            // SAFETY: it ends in NUL.
            unsafe { CStr::from_ptr(text) }.to_string_lossy()
        };
        Err(format!("CUDA failure {status}: {text}"))
    }
}
