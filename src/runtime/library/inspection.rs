//! Whether a file is a usable ONNX Runtime. `ort` takes that for granted, so that everything it
//! relies on is checked here first.

use super::MINIMUM_MINOR;
use crate::runtime::messages::loader_message;
use crate::runtime::shared_library;
use libloading::Library;
use std::ffi::{c_char, c_void};
use std::mem::ManuallyDrop;
use std::path::Path;

/// The one function that the library exports to programs.
const ENTRY: &str = "OrtGetApiBase";

/// Maximum length of a version in bytes.
const MAX_VERSION: usize = 64;

/// `OrtApiBase` of `onnxruntime_c_api.h`. Either function may be missing in a library that is not ONNX Runtime.
#[repr(C)]
struct ApiBase {
    api: Option<unsafe extern "C" fn(version: u32) -> *const c_void>,
    version: Option<unsafe extern "C" fn() -> *const c_char>,
}

/// Loads a library and returns its version, such as `1.32.0`, or why it cannot be used. A usable one stays loaded. A
/// name without a folder is left to the system's loader.
pub(super) fn inspect(path: &Path) -> Result<String, String> {
    if path.components().count() > 1 {
        shared_library::check(path, Some(ENTRY))?;
    }
    // SAFETY: opening a library runs its initialisers. The file is complete, and it exports the
    // function of ONNX Runtime.
    let library = unsafe { Library::new(path) }.map_err(|error| loader_message(path, &error))?;
    let version = version(&library)?;
    // It is about to be used, and loading it twice would take twice as long.
    let _ = ManuallyDrop::new(library);
    Ok(version)
}

fn version(library: &Library) -> Result<String, String> {
    let other = || "it is another library".to_string();
    // SAFETY: the type is that of onnxruntime_c_api.h, and the result is checked before it is used.
    let base = unsafe {
        let entry = library
            .get::<unsafe extern "C" fn() -> *const ApiBase>(ENTRY)
            .map_err(|_| format!("it has no function {ENTRY}"))?;
        entry().as_ref()
    };
    let base = base.ok_or_else(|| format!("its function {ENTRY} returns nothing"))?;
    let (Some(api), Some(text)) = (base.api, base.version) else {
        return Err(other());
    };
    // SAFETY: the function takes nothing and returns a constant text.
    let text = unsafe { text_at(text()) }.ok_or_else(|| "it states no version".to_string())?;
    let version = leading_numbers(&text);
    let mut numbers = version.split('.').map(str::parse::<u32>);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(1)), Some(Ok(minor))) if minor >= MINIMUM_MINOR => {}
        (Some(Ok(_)), Some(Ok(_))) => {
            return Err(format!(
                "it is version {version}, and 1.{MINIMUM_MINOR} or newer is needed"
            ));
        }
        _ => return Err(other()),
    }
    // SAFETY: the function takes a version of the interface and returns null for one that it does not have.
    if unsafe { api(MINIMUM_MINOR) }.is_null() {
        return Err(format!(
            "it does not have version {MINIMUM_MINOR} of the programming interface"
        ));
    }
    Ok(version.to_string())
}

/// The text at `start`, of at most [`MAX_VERSION`] bytes; `None` for a null pointer, a longer text or other bytes than
/// ASCII.
///
/// # Safety
/// `start` is null, or that many bytes up to the first zero can be read.
unsafe fn text_at(start: *const c_char) -> Option<String> {
    if start.is_null() {
        return None;
    }
    let mut text = String::new();
    for index in 0..MAX_VERSION {
        // SAFETY: no zero precedes this byte.
        match unsafe { start.add(index).read() } as u8 {
            0 => return Some(text),
            byte if byte.is_ascii() => text.push(byte.into()),
            _ => return None,
        }
    }
    None
}

/// The numbers and points that a version begins with: `1.25.0` of `1.25.0-dev`.
fn leading_numbers(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.');
    text[..end.unwrap_or(text.len())].trim_end_matches('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_its_leading_numbers() {
        for (text, expected) in [
            ("1.32.0", "1.32.0"),
            ("1.25.0-dev+abc", "1.25.0"),
            ("1.32.0\n\u{1b}[31mx", "1.32.0"),
            ("1.32.", "1.32"),
            ("x", ""),
        ] {
            assert_eq!(leading_numbers(text), expected, "{text:?}");
        }
    }
}
