use super::*;
use crate::ascent::{Kind, Objective, Settings, Unit};
use crate::home::testing::temporary_home;
use crate::setting_value::SettingValue;
use std::fs;

fn spec(class: usize, steps: u32) -> Spec {
    let objective = Objective {
        kind: Kind::Class,
        value: "logits".into(),
    };
    let unit = Unit {
        index: class,
        position: (0, 0),
    };
    let settings = Settings {
        steps,
        ..Settings::default()
    };
    Spec::new(("m", "h"), ("title", objective, unit), 1, settings)
}

fn queue(specs: &[(usize, u32)]) -> Queue {
    let mut queue = Queue::default();
    for &(class, steps) in specs {
        queue.push(spec(class, steps)).unwrap();
    }
    queue
}

fn ids(jobs: &[Job]) -> Vec<JobId> {
    jobs.iter().map(|job| job.id).collect()
}

#[test]
fn a_batch_is_the_first_job_and_those_behind_it_that_can_share_its_steps() {
    let mut queue = queue(&[(0, 9), (1, 9), (2, 9), (3, 5), (4, 9)]);
    assert_eq!(ids(&queue.next_batch(8, 8)), [0, 1, 2]);
    assert_eq!(ids(&queue.next_batch(2, 2)), [0, 1]);
    assert_eq!(ids(&queue.next_batch(0, 0)), [0]);
    queue.started(&[0, 1, 2]);
    // For another worker.
    assert_eq!(ids(&queue.next_batch(8, 8)), [3]);
    for id in [0, 1, 2] {
        queue.finished(id);
    }
    assert_eq!(ids(&queue.next_batch(8, 8)), [3]);
}

#[test]
fn workers_get_parts_and_what_began_together_stays_together() {
    let mut queue = queue(&[(0, 9), (1, 9), (2, 9), (3, 9), (4, 9)]);
    assert_eq!(ids(&queue.next_batch(8, 3)), [0, 1, 2]);
    assert_eq!(ids(&queue.next_batch(2, 3)), [0, 1]);
    queue.started(&[0, 1, 2, 3]);
    queue.pause(|id| Some(id as usize));
    assert_eq!(queue.get(2).unwrap().state, JobState::Paused(2));
    queue.resume(0);
    assert_eq!(ids(&queue.next_batch(8, 1)), [0, 1, 2, 3]);
}

#[test]
fn a_batch_must_share_the_settings_that_the_ascent_names() {
    for key in ascent::BATCH_SETTINGS {
        let mut other = spec(1, 9);
        let other_value = match other.settings.get(key).unwrap() {
            SettingValue::Number(number) => SettingValue::Number(number + 1.0),
            SettingValue::Text(name) if name == "log-probability" => "logit".into(),
            SettingValue::Text(_) => "hires-cam".into(),
        };
        assert!(other.settings.set(key, other_value).is_ok(), "{key}");
        assert!(!shares_steps(&spec(0, 9), &other), "{key}");
    }
    let mut other = spec(1, 9);
    other.settings.momentum = 0.5;
    other.seed = 7;
    assert!(shares_steps(&spec(0, 9), &other));
    other.model_hash = "another".into();
    assert!(!shares_steps(&spec(0, 9), &other));
}

#[test]
fn the_same_run_is_queued_once_and_a_failed_one_waits_again() {
    let mut queue = queue(&[(0, 9), (1, 9)]);
    queue.failed(0, "no memory".into());
    assert_eq!(ids(&queue.next_batch(8, 8)), [1]);
    assert_eq!(queue.push(spec(0, 9)), Ok(0));
    assert_eq!(ids(&queue.next_batch(8, 8)), [0, 1]);
    assert!(!queue.retry(1));
}

#[test]
fn jobs_change_places_but_never_with_one_that_runs() {
    let mut queue = queue(&[(0, 9), (1, 9), (2, 9)]);
    assert!(queue.move_down(0) && queue.move_up(2));
    assert_eq!(ids(queue.jobs()), [1, 2, 0]);
    assert!(!queue.move_up(1) && !queue.move_down(0) && !queue.move_up(99));
    queue.started(&[1]);
    assert!(!queue.move_up(2) && !queue.move_down(1));
    assert_eq!(ids(&queue.clear()), [2, 0]);
    assert_eq!(ids(queue.jobs()), [1]);
}

#[test]
fn a_cleared_queue_can_be_put_back() {
    let mut queue = queue(&[(0, 9), (1, 9)]);
    queue.failed(1, "no memory".into());
    let cleared = queue.clear();
    assert!(queue.is_empty());
    queue.restore(cleared);
    assert_eq!(queue.jobs().len(), 2);
    assert_eq!(queue.jobs()[1].state, JobState::Failed("no memory".into()));
}

#[test]
fn a_full_queue_says_so() {
    let mut queue = Queue::default();
    for class in 0..MAX_JOBS {
        queue.push(spec(class, 9)).unwrap();
    }
    assert_eq!(queue.push(spec(MAX_JOBS, 9)), Err(Full));
}

#[test]
fn only_runs_that_find_no_room_are_surplus() {
    let mut queue = Queue::default();
    for class in 0..MAX_JOBS - 1 {
        queue.push(spec(class, 9)).unwrap();
    }
    let mut left = Queue::default();
    for class in [0, MAX_JOBS, 1, MAX_JOBS + 1, 2] {
        left.push(spec(class, 9)).unwrap();
    }
    assert_eq!(queue.restore(left.clear()), 1);
    assert_eq!(queue.jobs().len(), MAX_JOBS);
}

#[test]
fn a_queue_outlives_its_process_and_its_batch_stays_together() {
    let (_folder, home) = temporary_home();
    let mut queue = queue(&[(0, 9), (1, 9), (2, 9), (3, 9)]);
    queue.failed(3, "no\u{1b}[2J memory".into());
    queue.started(&[0, 1]);
    let file = QueueFile::open(&home).unwrap();
    file.save(&queue).unwrap();
    assert!(orphans(&home).unwrap().0.is_empty(), "its process lives");
    drop(file);

    let (mut found, problems) = orphans(&home).unwrap();
    assert!(found.len() == 1 && problems.is_empty());
    assert!(orphans(&home).unwrap().0.is_empty(), "another is at it");
    let orphan = found.remove(0);
    let mut adopted = Queue::default();
    adopted.push(spec(7, 9)).unwrap();
    adopted.restore(orphan.jobs());
    assert_eq!(adopted.waiting(), 4);
    let why = JobState::Failed("no[2J memory".into());
    assert_eq!(adopted.jobs()[4].state, why);
    adopted.cancel(0);
    let classes = |jobs: Vec<Job>| {
        jobs.iter()
            .map(|job| job.spec.unit.index)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        classes(adopted.next_batch(8, 8)),
        [0, 1],
        "those begun before"
    );
    orphan.remove().unwrap();
    assert!(orphans(&home).unwrap().0.is_empty());
    assert_eq!(fs::read_dir(home.queues()).unwrap().count(), 0);
}

#[test]
fn a_file_with_too_many_jobs_is_an_error_and_is_kept() {
    let (_folder, home) = temporary_home();
    let file = QueueFile::open(&home).unwrap();
    let mut long = Queue::default();
    for class in 0..MAX_JOBS {
        long.push(spec(class, 9)).unwrap();
    }
    for class in 0..3 {
        let mut more = queue(&[(class, 8)]);
        long.jobs.push(more.jobs.remove(0));
    }
    file.save(&long).unwrap();
    let entries = fs::read_dir(home.queues()).unwrap().flatten();
    let mut paths = entries.map(|entry| entry.path());
    let path = paths.find(|path| path.extension().unwrap() == "json");
    let path = path.unwrap();
    let text = fs::read(&path).unwrap();
    let kept = path.with_extension("kept.json");
    let other = QueueFile::open(&home).unwrap();
    other.save(&queue(&[(0, 7)])).unwrap();
    drop((file, other));

    let (mut found, problems) = orphans(&home).unwrap();
    let messages: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert_eq!((found.len(), messages.len()), (1, 2), "{messages:?}");
    let is_about = |what: &str| messages.iter().any(|text| text.contains(what));
    // Whichever of the two came first: the other one has no room.
    let orphan = found.remove(0);
    if orphan.queue.jobs().len() == 1 {
        assert!(is_about("10000 runs exceed the queue"), "{messages:?}");
        orphan.remove().unwrap();
        let (mut found, problems) = orphans(&home).unwrap();
        assert!(
            problems[0]
                .to_string()
                .contains("holds 3 runs more than the 10000")
        );
        found.remove(0).remove().unwrap();
    } else {
        assert!(is_about("holds 3 runs more than the 10000"), "{messages:?}");
        assert!(is_about("1 runs exceed the queue"), "{messages:?}");
        orphan.remove().unwrap();
        let (mut found, problems) = orphans(&home).unwrap();
        assert!(problems.is_empty() && found[0].queue.jobs().len() == 1);
        found.remove(0).remove().unwrap();
    }
    assert_eq!(fs::read(&kept).unwrap(), text);
    assert_eq!(fs::read_dir(home.queues()).unwrap().count(), 1);
}

#[test]
fn paused_jobs_stay_paused_in_the_next_process_and_continue_together() {
    let (_folder, home) = temporary_home();
    let mut queue = queue(&[(0, 9), (1, 9), (2, 8)]);
    queue.started(&[0, 1]);
    queue.pause(|_| Some(5));
    assert_eq!(queue.jobs()[1].state, JobState::Paused(5));
    assert_eq!(queue.next_batch(8, 8).len(), 1);
    let file = QueueFile::open(&home).unwrap();
    file.save(&queue).unwrap();
    drop(file);
    let (found, _) = orphans(&home).unwrap();
    let states: Vec<&JobState> = found[0].queue.jobs().iter().map(|job| &job.state).collect();
    let paused = JobState::Paused(5);
    assert_eq!(states, [&paused, &paused, &JobState::Waiting]);
    let mut next = Queue::default();
    next.restore(found[0].jobs());
    assert_eq!((next.waiting(), next.resume(0), next.waiting()), (1, 2, 3));
    assert_eq!((queue.resume(1), queue.resume(2)), (2, 0));
    assert_eq!(queue.next_batch(8, 8).len(), 2);
    queue.move_to_front(2);
    let order: Vec<JobId> = queue.jobs().iter().map(|job| job.id).collect();
    assert_eq!(order, [2, 0, 1]);
}

#[test]
fn an_empty_queue_leaves_no_trace() {
    let (_folder, home) = temporary_home();
    let file = QueueFile::open(&home).unwrap();
    file.save(&queue(&[(0, 9)])).unwrap();
    file.save(&Queue::default()).unwrap();
    drop(file);
    assert_eq!(fs::read_dir(home.queues()).unwrap().count(), 0);
}

#[test]
fn a_file_that_is_no_queue_is_an_error_and_the_others_are_read() {
    let (_folder, home) = temporary_home();
    let good = QueueFile::open(&home).unwrap();
    good.save(&queue(&[(0, 9)])).unwrap();
    drop(good);
    let entry = fs::read_dir(home.queues()).unwrap().flatten();
    let json = entry
        .map(|entry| entry.path())
        .find(|path| path.extension().unwrap() == "json");
    let text = fs::read_to_string(json.unwrap()).unwrap();
    let hostile = [
        "no json".to_string(),
        "[".repeat(100_000),
        text.replace("\"version\":1", "\"version\":2"),
        text.replace("\"steps\":9", "\"steps\":1e300"),
        text.replace("\"index\":0", "\"index\":-1"),
    ];
    for (number, text) in hostile.iter().enumerate() {
        fs::write(home.queues().join(format!("q{number}.lock")), "").unwrap();
        fs::write(home.queues().join(format!("q{number}.json")), text).unwrap();
    }
    let (found, problems) = orphans(&home).unwrap();
    assert_eq!((found.len(), problems.len()), (1, hostile.len()));
    for (number, problem) in problems.iter().enumerate() {
        let problem = problem.to_string();
        assert!(
            problem.contains(".json") && problem.contains("remove"),
            "{number}: {problem}"
        );
    }
}

#[test]
fn a_long_queue_is_saved_and_read_fast_enough_to_do_it_at_every_change() {
    let (_folder, home) = temporary_home();
    let mut queue = Queue::default();
    for class in 0..2000 {
        queue.push(spec(class, 9)).unwrap();
    }
    let file = QueueFile::open(&home).unwrap();
    let start = std::time::Instant::now();
    file.save(&queue).unwrap();
    drop(file);
    assert_eq!(orphans(&home).unwrap().0[0].queue.jobs().len(), 2000);
    assert!(start.elapsed().as_secs() < 5, "{:?}", start.elapsed());
}
