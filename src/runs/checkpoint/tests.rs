use super::*;
use crate::ascent::{AscentProgress, Kind, Objective, RunProgress, Settings, Unit};
use crate::home::testing::temporary_home;
use ndarray::Array4;

fn spec(class: usize) -> Spec {
    let objective = Objective {
        kind: Kind::Class,
        value: "logits".into(),
    };
    let unit = Unit {
        index: class,
        position: (0, 0),
    };
    Spec::new(
        ("m", "h"),
        ("title", objective, unit),
        1,
        Settings::default(),
    )
}

fn checkpoint(classes: &[usize]) -> Checkpoint {
    let runs = classes.len();
    let array = |channels: usize| {
        Array4::from_shape_fn((runs, channels, 6, 5), |(n, c, y, x)| {
            (n * 1000 + c * 100 + y * 10 + x) as f32 / 7.0
        })
    };
    let at = RunProgress {
        drawn: 1 << 40,
        rescue_left: 3,
        dead: false,
        moved: true,
        recognition: 0.4375,
    };
    Checkpoint {
        specs: classes.iter().map(|&class| spec(class)).collect(),
        provider: "cpu".into(),
        saved: AscentState {
            at: AscentProgress {
                step: 2,
                octave: 0,
                step_in_octave: 2,
                rescue: false,
                runs: vec![at; runs],
            },
            canvas: array(3),
            velocity: array(3),
            mask: Some(array(1)),
        },
        scores: vec![vec![0.1, -3e-9]; runs],
        frames: vec![vec![RgbImage::from_pixel(4, 3, image::Rgb([1, 2, 3])); 2]; runs],
        seconds: 0.1 + 0.2,
        companions: Vec::new(),
        versions: ["0.1.0".into(), "1.32.0".into()],
    }
}

#[test]
fn what_is_written_comes_back_bit_for_bit() {
    let (_folder, home) = temporary_home();
    for mut kept in [checkpoint(&[1]), checkpoint(&[1, 2, 3])] {
        write(&home, &kept).unwrap();
        assert_eq!(find(&home, &kept.specs, "cpu").as_ref(), Some(&kept));
        kept.saved.mask = None;
        kept.frames = vec![Vec::new(); kept.specs.len()];
        write(&home, &kept).unwrap();
        assert_eq!(find(&home, &kept.specs, "cpu").as_ref(), Some(&kept));
    }
}

#[test]
fn a_checkpoint_is_found_for_its_batch_and_device_and_for_most_of_the_batch() {
    let (_folder, home) = temporary_home();
    let kept = checkpoint(&[1, 2, 3]);
    write(&home, &kept).unwrap();
    let found = |classes: &[usize], provider| {
        let specs: Vec<Spec> = classes.iter().map(|&class| spec(class)).collect();
        find(&home, &specs, provider).is_some()
    };
    assert!(found(&[1, 2, 3], "cpu") && found(&[1, 3], "cpu"));
    assert!(!found(&[1, 2, 3], "cuda:0") && !found(&[1, 4], "cpu"));
    assert!(!found(&[1], "cpu"), "two thirds would be made for nothing");
    remove(&home, &kept.specs, "cpu");
    assert!(!found(&[1, 2, 3], "cpu"));
    remove(&home, &kept.specs, "cpu");
}

#[test]
fn truncated_and_damaged_files_are_ignored() {
    let (_folder, home) = temporary_home();
    let kept = checkpoint(&[1, 2]);
    write(&home, &kept).unwrap();
    let path = path(&home, &kept.specs, "cpu");
    let whole = fs::read(&path).unwrap();
    for at in (0..whole.len()).step_by(97) {
        let mut changed = whole.clone();
        changed[at] ^= 0x15;
        fs::write(&path, changed).unwrap();
        assert_ne!(find(&home, &kept.specs, "cpu"), Some(kept.clone()), "{at}");
        fs::write(&path, &whole[..at]).unwrap();
        assert_eq!(find(&home, &kept.specs, "cpu"), None, "cut off at {at}");
    }
    fs::write(&path, &whole).unwrap();
    assert!(find(&home, &kept.specs, "cpu").is_some());
}

#[test]
fn sizes_beyond_all_measure_take_no_memory() {
    let (_folder, home) = temporary_home();
    let kept = checkpoint(&[1, 2]);
    write(&home, &kept).unwrap();
    let path = path(&home, &kept.specs, "cpu");
    let whole = fs::read(&path).unwrap();
    let text = b"\"dims\":[2,3,6,5]";
    let at = whole.windows(text.len()).position(|part| part == text);
    for dims in ["[2,3,6,99999999]", "[2,3,9999999999,9999999999]"] {
        let new = format!("\"dims\":{dims}");
        let mut changed = whole.clone();
        changed.splice(at.unwrap()..at.unwrap() + text.len(), new.bytes());
        let start = b"ziggurat checkpoint 1\n".len();
        let length = u32::from_le_bytes(changed[start..start + 4].try_into().unwrap());
        let longer = length + (new.len() - text.len()) as u32;
        changed[start..start + 4].copy_from_slice(&longer.to_le_bytes());
        fs::write(&path, changed).unwrap();
        assert_eq!(find(&home, &kept.specs, "cpu"), None);
    }
}

#[test]
fn a_checkpoint_without_versions_can_be_read() {
    let kept = checkpoint(&[1]);
    let text = r#","versions":["0.1.0","1.32.0"]"#.as_bytes();
    let whole = format::encode(&kept);
    let at = whole.windows(text.len()).position(|part| part == text);
    let at = at.unwrap();
    let mut older = whole[..whole.len() - blake3::OUT_LEN].to_vec();
    older.drain(at..at + text.len());
    let start = b"ziggurat checkpoint 1\n".len();
    let length = u32::from_le_bytes(older[start..start + 4].try_into().unwrap());
    let shorter = length - text.len() as u32;
    older[start..start + 4].copy_from_slice(&shorter.to_le_bytes());
    let hash = blake3::hash(&older);
    older.extend(hash.as_bytes());
    let (_folder, home) = temporary_home();
    write(&home, &kept).unwrap();
    fs::write(path(&home, &kept.specs, "cpu"), older).unwrap();
    let found = find(&home, &kept.specs, "cpu").unwrap();
    assert_eq!(found.versions, [String::new(), String::new()]);
    assert_eq!(found.saved, kept.saved);
}

#[test]
fn checkpoints_of_cancelled_runs_are_removed_an_hour_later_and_those_of_queued_ones_stay() {
    let (_folder, home) = temporary_home();
    let age = |classes: &[usize], age: Duration| {
        let specs: Vec<Spec> = classes.iter().map(|&class| spec(class)).collect();
        let path = path(&home, &specs, "cpu");
        let file = fs::File::options().write(true).open(path).unwrap();
        file.set_modified(SystemTime::now() - age).unwrap();
    };
    for classes in [&[1, 2][..], &[3], &[4], &[5], &[6]] {
        write(&home, &checkpoint(classes)).unwrap();
    }
    // Of 1 and 2, one was cancelled; 3 was cancelled; 4 was too, a moment ago; 5 is queued, but too old; from 6, a
    // branch is queued.
    let mut queue = crate::runs::queue::Queue::default();
    let mut settings = Settings::default();
    settings.set("blur", 1.0.into()).unwrap();
    for queued in [spec(2), spec(5), spec(6).branched(2, &settings).unwrap()] {
        queue.push(queued).unwrap();
    }
    let file = crate::runs::queue::QueueFile::open(&home).unwrap();
    file.save(&queue).unwrap();
    age(&[1, 2], MAX_AGE_UNQUEUED * 2);
    age(&[3], MAX_AGE_UNQUEUED * 2);
    age(&[5], MAX_AGE * 2);
    age(&[6], MAX_AGE_UNQUEUED * 2);
    let left = || {
        let classes = [&[1, 2][..], &[3], &[4], &[5], &[6]];
        classes.map(|classes| {
            let specs: Vec<Spec> = classes.iter().map(|&class| spec(class)).collect();
            find(&home, &specs, "cpu").is_some()
        })
    };
    sweep(&home);
    assert_eq!(left(), [true, false, true, false, true]);

    // Where a queue cannot be read, nothing is known to be cancelled.
    age(&[4], MAX_AGE_UNQUEUED * 2);
    fs::write(home.queues().join("queue-other.json"), "{").unwrap();
    sweep(&home);
    assert_eq!(left(), [true, false, true, false, true]);
}
