//! The signals that ask the program to end: SIGINT (Ctrl-C), SIGTERM and SIGHUP (the terminal is closed).

use super::Failure;
use anyhow::Context;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

/// Calls `act` with each of the signals, in a thread of its own. SIGHUP stays ignored under
/// `nohup`. SIGINT does not, although a shell ignores it for the background commands of a script:
/// `kill -INT` and Ctrl-C are to end these, too.
///
/// # Errors
/// If the system refuses.
fn on_end(mut act: impl FnMut(i32) + Send + 'static) -> Result<(), Failure> {
    let hang_up = (!is_ignored(SIGHUP)).then_some(SIGHUP);
    let mut signals = Signals::new([SIGINT, SIGTERM].into_iter().chain(hang_up))
        .context("signals cannot be handled")?;
    std::thread::spawn(move || signals.forever().for_each(&mut act));
    Ok(())
}

/// Whether the signals end the work of the program in an orderly way.
static IS_ORDERLY: AtomicBool = AtomicBool::new(false);

/// As [`on_end`], for a program that then ends its work and itself: unfinished files are removed at its end.
///
/// # Errors
/// As [`on_end`].
pub fn end_orderly(act: impl FnMut(i32) + Send + 'static) -> Result<(), Failure> {
    on_end(act)?;
    IS_ORDERLY.store(true, Ordering::SeqCst);
    Ok(())
}

/// From now on, the signals remove unfinished files before they end the program, unless it [ends
/// orderly](end_orderly).
///
/// # Errors
/// As [`on_end`].
pub fn remove_unfinished_files() -> Result<(), Failure> {
    static IS_SET: Mutex<bool> = Mutex::new(false);
    let mut is_set = IS_SET
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner());
    if !*is_set {
        on_end(|signal| {
            if IS_ORDERLY.load(Ordering::SeqCst) {
                return;
            }
            ziggurat::files::remove_unfinished();
            // The first process of a container would ignore it.
            if std::process::id() == 1 {
                signal_hook::low_level::exit(128 + signal);
            }
            drop(emulate_default_handler(signal));
        })?;
        *is_set = true;
    }
    Ok(())
}

/// Whether this process ignores a signal, where the system shows it.
fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = line.map_or(0, |mask| u64::from_str_radix(mask.trim(), 16).unwrap_or(0));
    ignored >> (signal - 1) & 1 == 1
}
