//! The events of the worker until its owner reads them. However rarely it reads, pictures and progress do not pile up:
//! there is at most one of each.

use super::WorkerEvent;
use std::mem::discriminant;
use std::sync::{Mutex, MutexGuard, PoisonError};

type Wake = Box<dyn Fn() + Send>;

/// The unread events.
pub struct Mailbox {
    unread: Mutex<Vec<WorkerEvent>>,
    wake: Mutex<Wake>,
}

impl Mailbox {
    /// `wake` is called when there is a new event to read.
    pub fn new(wake: Wake) -> Self {
        Self {
            unread: Mutex::default(),
            wake: Mutex::new(wake),
        }
    }

    /// Adds an event.
    pub fn post(&self, mut event: WorkerEvent) {
        let mut unread = lock(&self.unread);
        let older =
            replaced(&event).then(|| unread.iter().position(|other| is_newer(&event, other)));
        let older = older.flatten().map(|place| unread.remove(place));
        if let (WorkerEvent::Stepped(new), Some(WorkerEvent::Stepped(old))) = (&mut event, &older) {
            new.replace(old.clone());
        }
        unread.push(event);
        drop(unread);
        // The reader was woken for the older one.
        if older.is_none() {
            lock(&self.wake)();
        }
    }

    /// Takes all events, oldest first.
    pub fn drain(&self) -> Vec<WorkerEvent> {
        std::mem::take(&mut *lock(&self.unread))
    }
}

/// Whether an event is a newer version of an older one. Pictures of two jobs are different things.
fn is_newer(event: &WorkerEvent, older: &WorkerEvent) -> bool {
    match (event, older) {
        (WorkerEvent::Snapshot { job, .. }, WorkerEvent::Snapshot { job: other, .. }) => {
            job == other
        }
        (WorkerEvent::Stage { model, .. }, WorkerEvent::Stage { model: other, .. }) => {
            model == other
        }
        _ => discriminant(event) == discriminant(older),
    }
}

/// Whether only the newest event of its kind matters.
fn replaced(event: &WorkerEvent) -> bool {
    matches!(
        event,
        WorkerEvent::Stepped(_) | WorkerEvent::Snapshot { .. } | WorkerEvent::Stage { .. }
    )
}

/// A panic elsewhere does not invalidate a list of events or a closure.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ascent::Overlay;
    use crate::runs::worker::BatchProgress;
    use image::RgbImage;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn stepped(jobs: &[u64], step: usize) -> WorkerEvent {
        let scores = vec![step as f32; jobs.len()];
        WorkerEvent::Stepped(BatchProgress {
            jobs: jobs.into(),
            step,
            steps: 100,
            octave: 0,
            scores: scores.clone(),
            unread: vec![(step, scores)],
            probabilities: None,
            top: Vec::new(),
            steps_per_second: 1.0,
        })
    }

    fn snapshot(job: u64, step: usize) -> WorkerEvent {
        WorkerEvent::Snapshot {
            job,
            step,
            overlay: Overlay::Plain,
            picture: Arc::new(RgbImage::new(1, 1)),
        }
    }

    fn counted() -> (Mailbox, Arc<AtomicUsize>) {
        let woken = Arc::new(AtomicUsize::new(0));
        let count = woken.clone();
        let wake = move || {
            count.fetch_add(1, Ordering::Relaxed);
        };
        (Mailbox::new(Box::new(wake)), woken)
    }

    #[test]
    fn the_newest_picture_and_step_replace_unread_ones_and_no_score_is_lost() {
        let (mailbox, woken) = counted();
        for step in 1..=50 {
            mailbox.post(stepped(&[3, 4], step));
            mailbox.post(snapshot(0, step));
        }
        assert_eq!(woken.load(Ordering::Relaxed), 2);
        let events = mailbox.drain();
        let [
            WorkerEvent::Stepped(progress),
            WorkerEvent::Snapshot { step: 50, .. },
        ] = &events[..]
        else {
            panic!("{events:?}");
        };
        assert_eq!(progress.step, 50);
        let steps: Vec<usize> = progress.unread.iter().map(|(step, _)| *step).collect();
        assert_eq!(steps, (1..=50).collect::<Vec<_>>());
        assert!(mailbox.drain().is_empty());
    }

    #[test]
    fn each_job_keeps_its_newest_picture() {
        let (mailbox, _) = counted();
        for (job, step) in [(0, 1), (1, 1), (0, 2), (1, 2)] {
            mailbox.post(snapshot(job, step));
        }
        let events = mailbox.drain();
        let pictures = events.iter().map(|event| match event {
            WorkerEvent::Snapshot { job, step, .. } => (*job, *step),
            other => panic!("{other:?}"),
        });
        assert_eq!(pictures.collect::<Vec<_>>(), [(0, 2), (1, 2)]);
    }

    #[test]
    fn other_events_are_delivered_once_and_in_order() {
        let (mailbox, _) = counted();
        mailbox.post(stepped(&[1], 9));
        mailbox.post(WorkerEvent::Cancelled { job: 1 });
        mailbox.post(stepped(&[2], 1));
        mailbox.post(WorkerEvent::Cancelled { job: 2 });
        let events = mailbox.drain();
        let [
            WorkerEvent::Cancelled { job: 1 },
            WorkerEvent::Stepped(progress),
            WorkerEvent::Cancelled { job: 2 },
        ] = &events[..]
        else {
            panic!("{events:?}");
        };
        assert_eq!(progress.unread.len(), 1, "scores of another batch");
    }
}
