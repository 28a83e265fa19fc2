//! Programs that are killed at any moment, several at once, and a disk that is full.

use super::{History, picture, record};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use ziggurat::home::Home;
use ziggurat::runs::{Error, history};

/// Names the home in which this test binary, started as a child, saves runs until it is killed.
const VARIABLE: &str = "ZIGGURAT_TEST_SAVES_INTO";

/// Different runs that a child saves: few, so that most saves replace a run.
const RUNS: u64 = 24;

const KILLS: u64 = 100;

/// The child process of the tests below, no test of its own.
#[test]
fn saves_until_it_is_killed() {
    let Some(root) = std::env::var_os(VARIABLE) else {
        return;
    };
    let home = Home::at(Path::new(&root));
    let frames = [picture(1), picture(2), picture(3)];
    for turn in u64::from(std::process::id()).. {
        let mut run = record("goose", turn % RUNS);
        run.time = turn;
        history::save(&home, &run, &picture(turn), &frames[..turn as usize % 4]).unwrap();
        println!("saved {}", run.id);
        match turn % 5 {
            0 => history::set_favourite(&home, &run.id, turn % 2 == 0).unwrap(),
            // Two children may remove and restore the same run: then one comes too late.
            1 => drop(history::remove(&home, &[&run.id])),
            2 => drop(history::undo(&home)),
            _ => {}
        }
    }
}

fn child(home: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "crashes::saves_until_it_is_killed",
            "--nocapture",
        ])
        .env(VARIABLE, home)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Waits for the child's first save, gives it some more time, and kills it. Returns how often it saved.
fn kill(child: &mut Child, after: Duration) -> usize {
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let saved = |line: &String| line.contains("saved ");
    let first = lines.by_ref().map_while(Result::ok).find(saved);
    assert!(first.is_some(), "the child was not killed");
    std::thread::sleep(after);
    child.kill().unwrap();
    child.wait().unwrap();
    1 + lines.map_while(Result::ok).filter(saved).count()
}

/// A moment in the first thirty milliseconds, different for every number.
fn moment(number: u64) -> Duration {
    let bytes = blake3::hash(&number.to_le_bytes());
    let random = u16::from_le_bytes([bytes.as_bytes()[0], bytes.as_bytes()[1]]);
    Duration::from_micros(u64::from(random) * 30_000 / 65_536)
}

#[test]
fn a_process_killed_at_any_moment_leaves_every_run_intact() {
    let saved = History::new();
    let mut known = std::collections::BTreeSet::new();
    let mut saves = 0;
    for number in 0..KILLS {
        let mut first = child(saved.root());
        let mut second = child(saved.root());
        saves += kill(&mut first, moment(2 * number));
        saves += kill(&mut second, moment(2 * number + 1));
        let verified = history::verify(&saved.home, &|_, _| ()).unwrap();
        assert_eq!(verified.damaged, [], "after kill {number}");
        assert_eq!(verified.unknown, [] as [String; 0]);
        // A run that was there once is there still, or among the removed.
        let mut now = history::removed(&saved.home).unwrap();
        history::scan(&saved.home, &mut |chunk| {
            now.extend(chunk.into_iter().map(|entry| entry.id));
        })
        .unwrap();
        for id in &known {
            assert!(now.contains(id), "{id} was lost by kill {number}");
        }
        known.extend(now);
    }
    assert!(
        saves as u64 > 2 * KILLS,
        "the children hardly saved anything"
    );
    assert!(known.len() as u64 > RUNS / 2);
    saved.output(&["verify"]);
}

/// A small disk; unmounted when dropped.
#[cfg(target_os = "linux")]
struct SmallDisk(tempfile::TempDir);

#[cfg(target_os = "linux")]
impl SmallDisk {
    /// `None` if this user may not mount one.
    fn mount() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=256k", "tmpfs"])
            .arg(folder.path())
            .stderr(Stdio::null())
            .status();
        let mounted = mount.is_ok_and(|status| status.success());
        mounted.then(|| Self(folder))
    }
}

#[cfg(target_os = "linux")]
impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_an_error_and_loses_no_run() {
    let Some(disk) = SmallDisk::mount() else {
        eprintln!("skipped: cannot mount a small disk");
        return;
    };
    let home = Home::at(disk.0.path());
    let save = |seed: u64| history::save(&home, &record("goose", seed), &picture(seed), &[]);
    let full = (0..1000).find_map(|seed| save(seed).err().map(|problem| (seed, problem)));
    let (saved, problem) = full.expect("a small disk holds no thousand runs");
    assert!(matches!(problem, Error::Full(_)), "{problem}");
    assert!(problem.to_string().contains("the disk is full"));
    assert!(saved > 5);
    // Replacing a run on a full disk fails as a whole, too.
    assert!((0..saved).any(|seed| save(seed).is_err()));
    let verified = history::verify(&home, &|_, _| ()).unwrap();
    assert_eq!((verified.intact as u64, verified.unfinished), (saved, 0));
    assert_eq!(verified.damaged, []);
    // Once there is space, all goes on.
    let first = record("goose", 0).id;
    history::remove(&home, &[first]).unwrap();
    history::purge_removed(&home).unwrap();
    save(saved).unwrap();
}
