//! Panics that are caught: they become one line for the user, and say nothing by themselves, so that neither a picture on
//! the screen nor a pipe is spoilt by them.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind, set_hook, take_hook};
use std::sync::Once;

/// Most characters of a panic's message that are kept.
const LONGEST: usize = 200;

thread_local! {
    /// How many times [`catch`] is at work on this thread.
    static CATCHING: Cell<usize> = const { Cell::new(0) };
    /// Where the last panic that was caught on this thread came from.
    static PLACE: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Whether a panic on this thread will be caught: a panic hook ignores such a panic.
pub(crate) fn are_caught() -> bool {
    CATCHING.get() > 0
}

/// Does `work`, and says in one line what went wrong if it panics.
pub(crate) fn catch<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let others = take_hook();
        set_hook(Box::new(move |panic| match are_caught() {
            true => note(panic),
            false => others(panic),
        }));
    });
    CATCHING.set(CATCHING.get() + 1);
    // What was half changed is dropped by the caller along with the work.
    let done = catch_unwind(AssertUnwindSafe(work));
    CATCHING.set(CATCHING.get() - 1);
    done.map_err(|panic| format!("{} ({})", said(&*panic), PLACE.take()))
}

fn note(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map_or_else(String::new, |location| {
        let file = location.file().rsplit('/').next().unwrap_or_default();
        format!("{file}:{}", location.line())
    });
    PLACE.replace(place);
}

fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    let said: String = text
        .unwrap_or("no more is known")
        .chars()
        .take(LONGEST)
        .collect();
    said.escape_debug().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_one_line_and_what_is_well_stays() {
        assert_eq!(catch(|| 3), Ok(3));
        let why = catch(|| panic!("over\n{}", "there")).unwrap_err();
        assert!(why.starts_with(r"over\nthere (panics.rs:"), "{why}");
        let why = catch(|| catch(|| panic!("inner")).map_err(|why| panic!("outer, {why}")));
        let why: Result<Result<(), String>, String> = why;
        assert!(why.unwrap_err().starts_with("outer, inner (panics.rs:"));
        assert!(!are_caught());
    }
}
