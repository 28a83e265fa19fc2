//! Lets judges see finished pictures; commands are handled between two pictures.

use super::WorkerEvent;
use super::thread::WorkerThread;
use crate::runs::{Record, driver, history};
use image::RgbImage;

impl WorkerThread {
    /// Lets the judges see the pictures of these runs; returns whether there are new verdicts. If the worker is shut
    /// down meanwhile, the runs are stored without them.
    pub fn judge(&mut self, runs: &mut [(&mut Record, &RgbImage)]) -> bool {
        if self.judges.is_empty() {
            return false;
        }
        let mut judges = std::mem::take(&mut self.judges);
        let (home, mailbox) = (self.home.clone(), self.mailbox.clone());
        let mut goes_on = || {
            self.handle_all();
            !self.is_ended
        };
        let mut warn = |text: String| {
            tracing::warn!(text, "a finished picture is not judged");
            mailbox.post(WorkerEvent::Notice(text));
        };
        let is_new = driver::judge(&home, &mut judges, runs, &mut goes_on, &mut warn);
        // Other judges may have been set meanwhile.
        if self.judges.is_empty() {
            self.judges = judges;
        }
        is_new
    }

    /// Lets the judges without a verdict see the picture of a stored run, and stores their verdicts.
    pub fn judge_again(&mut self, record: &mut Record, picture: &RgbImage) {
        if !self.judges.is_wanted(&record.spec, &record.verdicts) {
            return;
        }
        if self.judge(&mut [(record, picture)])
            && let Err(problem) = history::add_verdicts(&self.home, &record.id, &record.verdicts)
        {
            let text = format!("the verdicts are not stored: {problem}");
            self.mailbox.post(WorkerEvent::Notice(text));
        }
    }
}
