//! Catches panics and turns them into one-line errors. A caught panic prints nothing, so that it spoils neither the
//! screen nor a pipe.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind, set_hook, take_hook};
use std::sync::Once;

/// Maximum characters of a panic message; the rest is dropped.
const MAX_MESSAGE: usize = 200;

thread_local! {
    /// Nesting depth of [`catch`] on this thread.
    static CATCHING: Cell<usize> = const { Cell::new(0) };
    /// File and line of the last caught panic on this thread.
    static LOCATION: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Whether a panic on this thread will be caught. Panic hooks ignore such panics.
pub(crate) fn is_catching() -> bool {
    CATCHING.get() > 0
}

/// Runs `work`. If it panics, the error is the panic message with file and line, in one line.
pub(crate) fn catch<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let others = take_hook();
        set_hook(Box::new(move |panic| {
            if is_catching() {
                record_location(panic);
            } else {
                others(panic);
            }
        }));
    });
    CATCHING.set(CATCHING.get() + 1);
    // The caller drops whatever `work` left half changed.
    let result = catch_unwind(AssertUnwindSafe(work));
    CATCHING.set(CATCHING.get() - 1);
    result.map_err(|panic| format!("{} ({})", panic_message(&*panic), LOCATION.take()))
}

fn record_location(panic: &PanicHookInfo<'_>) {
    let location = panic.location().map_or_else(String::new, |location| {
        let file = location.file().rsplit('/').next().unwrap_or_default();
        format!("{file}:{}", location.line())
    });
    LOCATION.replace(location);
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    let message: String = text
        .unwrap_or("no message")
        .chars()
        .take(MAX_MESSAGE)
        .collect();
    message.escape_debug().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_one_line() {
        assert_eq!(catch(|| 3), Ok(3));
        let why = catch(|| panic!("over\n{}", "there")).unwrap_err();
        assert!(why.starts_with(r"over\nthere (catch_panic.rs:"), "{why}");
        let why = catch(|| catch(|| panic!("inner")).map_err(|why| panic!("outer, {why}")));
        let why: Result<Result<(), String>, String> = why;
        assert!(
            why.unwrap_err()
                .starts_with("outer, inner (catch_panic.rs:")
        );
        assert!(!is_catching());
    }
}
