//! Many hostile models, one after the other, and what is wrong with the program that reads them.
//!
//! Models are read in another process, which the test starts from its own program: it gets a [`TestCase`] a line and
//! answers with a [`Verdict`] a line. So what ends a process (a stack that overflows, memory that is refused) and what
//! never ends are seen as well, and the process that sees them goes on with the next model. In that process every model
//! has a thread of its own with as much stack as the program's threads have.

use crate::memory;
use crate::pipeline::{self, Pipeline};
use crate::rng::Rng;
use crate::test_case::{Corpus, TestCase};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};
use ziggurat::onnx::Types;
use ziggurat::runtime;

/// Longest time for one model, and for the same one again: a machine that does something else looks like a hang.
const TIME_LIMIT: Duration = Duration::from_secs(5);
const CONFIRMED_TIME_LIMIT: Duration = Duration::from_secs(30);
/// Most memory for one model: so many times its file, and so much besides.
pub const TIMES: usize = 200;
pub const BESIDES: usize = 256 << 20;
/// What a thread of Rust's has if nobody says otherwise.
const STACK: usize = 2 << 20;
/// All that a process may ask for; ONNX Runtime's share is not counted otherwise.
const ADDRESSES: u64 = 8 << 30;
/// What lines of the conversation begin with.
const MARK: &str = "fuzz> ";

/// What became of a model.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// It was read, or refused with a message.
    Fine(Result<(), String>),
    /// It took too much memory, in bytes.
    Memory(usize),
    /// The program panicked, with this message.
    Panic(String),
    /// It took longer than [`CONFIRMED_TIME_LIMIT`].
    Hang,
    /// The process ended.
    Death(String),
}

static MESSAGE: Mutex<String> = Mutex::new(String::new());

/// Lets a panic's message be read by [`judge`] rather than printed.
fn note_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let text = panic.to_string().replace('\n', " ");
        *MESSAGE
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner()) = text;
    }));
}

/// Sends the model in `folder` on its pipeline.
fn judge(pipeline: Pipeline, folder: &Path, size: usize, shapes: &Types) -> Verdict {
    let before = memory::begin();
    let travel = || match pipeline {
        Pipeline::Passes => pipeline::run_passes(folder, shapes),
        Pipeline::EndToEnd => pipeline::run_end_to_end(folder, runtime::Device::Cpu),
    };
    let outcome = std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK);
        let travel = || std::panic::catch_unwind(AssertUnwindSafe(travel));
        thread
            .spawn_scoped(scope, travel)
            .expect("a thread can be started")
            .join()
    });
    let most = memory::most().saturating_sub(before);
    match outcome {
        Ok(Ok(_)) if most > TIMES * size + BESIDES => Verdict::Memory(most),
        Ok(Ok(outcome)) => Verdict::Fine(outcome),
        _ => Verdict::Panic(
            MESSAGE
                .lock()
                .unwrap_or_else(|poisoned| poisoned.into_inner())
                .clone(),
        ),
    }
}

/// Judges a file in this process; for regressions, whose pipeline ends where it is refused.
pub fn judged(pipeline: Pipeline, bytes: &[u8], shapes: &Types) -> Verdict {
    let folder = tempfile::tempdir().expect("a temporary folder");
    pipeline::put(folder.path(), bytes);
    judge(pipeline, folder.path(), bytes.len(), shapes)
}

/// The other process: reads test cases, answers with verdicts, until there are no more.
pub fn serve() {
    runtime::testing::library();
    let limit = rustix::process::Rlimit {
        current: Some(ADDRESSES),
        maximum: Some(ADDRESSES),
    };
    rustix::process::setrlimit(rustix::process::Resource::As, limit)
        .expect("less is always allowed");
    note_panics();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let models = &Corpus::get().models;
    let mut types: BTreeMap<usize, Types> = BTreeMap::new();
    println!("{MARK}ready");
    for line in std::io::stdin().lines().map_while(Result::ok) {
        let Some(case) = TestCase::read(&line) else {
            break;
        };
        let bytes = case.file();
        let shapes = types
            .entry(case.model)
            .or_insert_with(|| pipeline::types(&models[case.model]).unwrap_or_default());
        pipeline::put(folder.path(), &bytes);
        let answer = match judge(case.pipeline, folder.path(), bytes.len(), shapes) {
            Verdict::Fine(Ok(())) => "fine".into(),
            Verdict::Fine(Err(outcome)) => format!("outcome {}", outcome.replace('\n', " ")),
            Verdict::Memory(most) => format!("memory {most}"),
            Verdict::Panic(message) => format!("panic {message}"),
            Verdict::Hang | Verdict::Death(_) => {
                unreachable!("a process cannot say this of itself")
            }
        };
        println!("{MARK}{answer}");
    }
}

/// The process that reads models.
struct Reader {
    process: Child,
    cases: ChildStdin,
    answers: Receiver<String>,
    report: PathBuf,
}

impl Reader {
    fn start(folder: &Path) -> Self {
        let report = folder.join("stderr");
        let errors = std::fs::File::create(&report).expect("the folder is the test's own");
        let mut process = Command::new(std::env::current_exe().expect("this program has a path"))
            .args([
                "--exact",
                "read_models",
                "--ignored",
                "--nocapture",
                "--test-threads",
                "1",
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(errors)
            .spawn()
            .expect("this program can be started again");
        let cases = process.stdin.take().expect("it is a pipe");
        let output = BufReader::new(process.stdout.take().expect("it is a pipe"));
        let (sender, answers) = channel();
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                // The test harness begins its line with the test's name.
                if let Some(at) = line.find(MARK)
                    && sender.send(line[at + MARK.len()..].to_owned()).is_err()
                {
                    break;
                }
            }
        });
        let mut reader = Self {
            process,
            cases,
            answers,
            report,
        };
        let ready = reader.answers.recv_timeout(Duration::from_secs(120));
        assert!(ready.is_ok(), "no models: {}", reader.last_words());
        reader
    }

    fn judge(&mut self, case: &TestCase, longest: Duration) -> Verdict {
        let sent = writeln!(self.cases, "{}", case.line());
        match sent.map(|()| self.answers.recv_timeout(longest)) {
            Ok(Ok(answer)) => match answer.split_once(' ') {
                Some(("outcome", message)) => Verdict::Fine(Err(message.into())),
                Some(("memory", most)) => Verdict::Memory(most.parse().unwrap_or(usize::MAX)),
                Some(("panic", message)) => Verdict::Panic(message.into()),
                _ => Verdict::Fine(Ok(())),
            },
            Ok(Err(RecvTimeoutError::Timeout)) => Verdict::Hang,
            Ok(Err(RecvTimeoutError::Disconnected)) | Err(_) => Verdict::Death(self.last_words()),
        }
    }

    /// How the process ended, and its last message.
    fn last_words(&mut self) -> String {
        let status = self
            .process
            .wait()
            .map_or_else(|error| error.to_string(), |status| status.to_string());
        let report = std::fs::read_to_string(&self.report).unwrap_or_default();
        let last: Vec<&str> = report.lines().rev().take(4).collect();
        format!(
            "{status}: {}",
            last.into_iter().rev().collect::<Vec<_>>().join(" | ")
        )
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What is wrong, and a model that shows it.
#[derive(Debug)]
pub struct Finding {
    pub verdict: Verdict,
    pub case: TestCase,
    pub times: usize,
}

/// What a campaign saw.
#[derive(Debug, Default)]
pub struct Summary {
    pub models: usize,
    /// Of those, how many reached a gradient.
    pub reached: usize,
    /// Deaths and hangs within ONNX Runtime, which is not this program's doing: it is given what the file says.
    pub foreign: usize,
    pub findings: BTreeMap<String, Finding>,
}

/// Judges models made from `seed` until `end` says so of their number.
pub fn run(pipeline: Pipeline, seed: u64, end: impl Fn(usize) -> bool) -> Summary {
    let mut rng = Rng::new(seed);
    let count = Corpus::get().models.len();
    let cases = (0..).take_while(|&made| !end(made));
    judge_all(cases.map(|_| TestCase::random(pipeline, count, &mut rng)))
}

/// Judges every `step`th extreme of every model.
pub fn sweep(pipeline: Pipeline, step: usize) -> Summary {
    judge_all(Corpus::get().extremes(pipeline).step_by(step))
}

fn judge_all(cases: impl Iterator<Item = TestCase>) -> Summary {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut reader = Reader::start(folder.path());
    let mut summary = Summary::default();
    for case in cases {
        let mut verdict = reader.judge(&case, TIME_LIMIT);
        summary.models += 1;
        if let Verdict::Fine(outcome) = verdict {
            summary.reached += usize::from(outcome.is_ok());
            continue;
        }
        if matches!(verdict, Verdict::Hang | Verdict::Death(_)) {
            reader = Reader::start(folder.path());
            let again = reader.judge(&case, CONFIRMED_TIME_LIMIT);
            if matches!(again, Verdict::Hang | Verdict::Death(_)) {
                reader = Reader::start(folder.path());
            }
            verdict = again;
        }
        if let Verdict::Fine(_) = verdict {
            continue;
        }
        if is_foreign(case.pipeline, &verdict) {
            summary.foreign += 1;
        }
        let known = summary.findings.entry(kind(&verdict));
        known
            .and_modify(|finding| finding.times += 1)
            .or_insert(Finding {
                verdict,
                case,
                times: 1,
            });
    }
    for finding in summary.findings.values_mut() {
        shrink(&mut reader, folder.path(), finding);
    }
    let Summary {
        models,
        reached,
        foreign,
        findings,
    } = &summary;
    println!(
        "{models} models, {reached} of them differentiated; ONNX Runtime ended {foreign} times; {} findings",
        findings.len()
    );
    summary
}

/// Findings of the same kind have one cause, most likely: a panic's place, or how it ended.
fn kind(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Panic(message) => {
            let place = message
                .split_whitespace()
                .find(|word| word.contains(".rs:"));
            place.unwrap_or(message).into()
        }
        Verdict::Memory(_) => "memory".into(),
        Verdict::Hang => "hang".into(),
        Verdict::Death(words) => words.clone(),
        Verdict::Fine(_) => "fine".into(),
    }
}

/// Whether ONNX Runtime ended the process: Rust's own ends say why.
fn is_foreign(pipeline: Pipeline, verdict: &Verdict) -> bool {
    let ours = |words: &str| {
        ["overflowed its stack", "memory allocation of", "panicked"]
            .iter()
            .any(|own| words.contains(own))
    };
    matches!(verdict, Verdict::Death(words) if pipeline == Pipeline::EndToEnd && !ours(words))
}

/// Leaves out the changes that the finding does not need.
fn shrink(reader: &mut Reader, folder: &Path, finding: &mut Finding) {
    let mut place = 0;
    while place < finding.case.changes.len() && finding.case.changes.len() > 1 {
        let mut less = finding.case.clone();
        less.changes.remove(place);
        let verdict = reader.judge(&less, TIME_LIMIT);
        if matches!(verdict, Verdict::Hang | Verdict::Death(_)) {
            *reader = Reader::start(folder);
        }
        if kind(&verdict) == kind(&finding.verdict) {
            (finding.case, finding.verdict) = (less, verdict);
        } else {
            place += 1;
        }
    }
}

/// Writes a finding's model to a file and says where, and what is wrong with it.
pub fn keep(folder: &Path, finding: &Finding) -> String {
    let bytes = finding.case.file();
    let name = blake3::hash(&bytes).to_hex();
    let path = folder.join(format!("{}.onnx", &name[..12]));
    std::fs::create_dir_all(folder).expect("the folder is the test's own");
    std::fs::write(&path, bytes).expect("the folder is the test's own");
    let Finding {
        verdict,
        case,
        times,
    } = finding;
    format!(
        "{verdict:?}\n  {times} times; {} ({case:?})",
        path.display()
    )
}

/// Time that is left until `end`.
pub fn until(end: Instant) -> impl Fn(usize) -> bool {
    move |_| Instant::now() >= end
}
