//! The terminal device: sends a query and reads the responses, with a strict time limit.

use std::time::Duration;

/// Maximum bytes of responses; more is not a response.
#[cfg(unix)]
const MAX_ANSWER: usize = 8 << 10;

#[cfg(unix)]
pub use device::Tty;
#[cfg(not(unix))]
pub use nothing::Tty;

#[cfg(unix)]
mod device {
    use super::{Duration, MAX_ANSWER};
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use rustix::fs::{Mode, OFlags};
    use rustix::termios::{LocalModes, OptionalActions, QueueSelector, SpecialCodeIndex, Termios};
    use rustix::{process, termios};
    use std::fs::File;
    use std::io::{Read, Write};
    use std::os::fd::AsFd;
    use std::time::Instant;

    /// The terminal of this process. While it exists, keys are not echoed and arrive one by one; dropping it
    /// restores the mode.
    pub struct Tty {
        file: File,
        before: Termios,
    }

    impl Tty {
        /// Opens the terminal of standard input, output or error, otherwise the process's controlling
        /// terminal. `None` if there is none, or if the process is in the background, where a query would
        /// stop it.
        pub fn open() -> Option<Self> {
            let file = standard().or_else(|| open("/dev/tty"))?;
            let foreground = termios::tcgetpgrp(&file);
            if foreground.is_ok_and(|group| group != process::getpgrp()) {
                return None;
            }
            let before = termios::tcgetattr(&file).ok()?;
            let mut quiet = before.clone();
            // Signals stay enabled: Ctrl-C works while a query waits.
            quiet
                .local_modes
                .remove(LocalModes::ICANON | LocalModes::ECHO);
            quiet.special_codes[SpecialCodeIndex::VMIN] = 0;
            quiet.special_codes[SpecialCodeIndex::VTIME] = 0;
            // Not TCSADRAIN: it waits forever if the terminal has stopped its output.
            termios::tcsetattr(&file, OptionalActions::Now, &quiet).ok()?;
            Some(Self { file, before })
        }

        /// Sends a query and collects bytes until they are complete, the time is over, or there are too
        /// many.
        pub fn ask(
            &mut self,
            question: &[u8],
            enough: impl Fn(&[u8]) -> bool,
            limit: Duration,
        ) -> Vec<u8> {
            let end = Instant::now() + limit;
            let mut question = question;
            let mut answer = Vec::new();
            while !question.is_empty() {
                if !self.ready(PollFlags::OUT, end) {
                    return answer;
                }
                match self.file.write(question) {
                    Ok(0) => return answer,
                    Ok(written) => question = &question[written..],
                    Err(problem) if may_try_again(&problem) => {}
                    Err(_) => return answer,
                }
            }
            let mut buffer = [0; 1024];
            while answer.len() < MAX_ANSWER && !enough(&answer) && self.ready(PollFlags::IN, end) {
                match self.file.read(&mut buffer) {
                    Ok(0) => break,
                    Ok(count) => answer.extend_from_slice(&buffer[..count]),
                    Err(problem) if may_try_again(&problem) => {}
                    Err(_) => break,
                }
            }
            answer
        }

        /// Discards unread input.
        pub fn discard(&self) {
            // An error here has no remedy.
            let _ = termios::tcflush(&self.file, QueueSelector::IFlush);
        }

        /// Width and height of a cell in pixels, as reported by the system.
        pub fn cell(&self) -> Option<(u16, u16)> {
            let size = termios::tcgetwinsize(&self.file).ok()?;
            let width = size.ws_xpixel.checked_div(size.ws_col)?;
            let height = size.ws_ypixel.checked_div(size.ws_row)?;
            (width > 0 && height > 0).then_some((width, height))
        }

        fn ready(&self, what: PollFlags, end: Instant) -> bool {
            loop {
                let left = end.saturating_duration_since(Instant::now());
                let Ok(left) = Timespec::try_from(left) else {
                    return false;
                };
                let mut waiting = [PollFd::from_borrowed_fd(self.file.as_fd(), what)];
                match poll(&mut waiting, Some(&left)) {
                    Ok(count) => return count > 0,
                    Err(rustix::io::Errno::INTR) => {}
                    Err(_) => return false,
                }
            }
        }
    }

    impl Drop for Tty {
        fn drop(&mut self) {
            // If this fails, the terminal has disconnected.
            let _ = termios::tcsetattr(&self.file, OptionalActions::Now, &self.before);
        }
    }

    fn may_try_again(problem: &std::io::Error) -> bool {
        use std::io::ErrorKind::{Interrupted, WouldBlock};
        matches!(problem.kind(), Interrupted | WouldBlock)
    }

    /// The device is opened again, because making the shared file non-blocking would affect the shell as well.
    fn standard() -> Option<File> {
        let (stdin, stdout, stderr) = (std::io::stdin(), std::io::stdout(), std::io::stderr());
        let streams = [stdin.as_fd(), stdout.as_fd(), stderr.as_fd()];
        let name = |stream| termios::ttyname(stream, Vec::new()).ok();
        streams
            .into_iter()
            .filter_map(name)
            .find_map(|name| open(name.to_str().ok()?))
    }

    fn open(path: &str) -> Option<File> {
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        rustix::fs::open(path, flags, Mode::empty())
            .ok()
            .map(File::from)
    }
}

/// Platforms without terminal devices.
#[cfg(not(unix))]
mod nothing {
    use super::Duration;

    pub enum Tty {}

    impl Tty {
        pub fn open() -> Option<Self> {
            None
        }

        pub fn ask(&mut self, _: &[u8], _: impl Fn(&[u8]) -> bool, _: Duration) -> Vec<u8> {
            match *self {}
        }

        pub fn discard(&self) {
            match *self {}
        }

        pub fn cell(&self) -> Option<(u16, u16)> {
            match *self {}
        }
    }
}
