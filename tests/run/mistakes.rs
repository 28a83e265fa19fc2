//! Wrong options and interrupts.

use super::*;

#[test]
fn usage_errors_are_one_line_and_write_nothing() {
    let sandbox = Sandbox::with_models();
    let cases: [(&[&str], i32, &str); 8] = [
        (&["run", "flamigo"], 2, "flamingo"),
        (
            &["run", "blocks.3/expand/relu7:1"],
            2,
            "blocks.3/expand/relu6",
        ),
        (&["run", "blocks.3/expand/relu6:100000"], 2, "channels"),
        (
            &["run", "flamingo", "--set", "momentum=2"],
            2,
            "out of range",
        ),
        (&["run", "flamingo", "--set", "speed=2"], 2, "no setting"),
        (&["run", "flamingo", "--preset", "best"], 2, "draft"),
        (
            &["run", "flamingo", "--out", "/nowhere/at/all.png"],
            1,
            "/nowhere/at/all.png",
        ),
        (
            &["run", "flamingo", "--provider", "gpu"],
            2,
            "unknown provider",
        ),
    ];
    for (arguments, status, word) in cases {
        let complaint = sandbox.complaint(status, arguments);
        assert!(
            complaint.starts_with("ziggurat: ") && complaint.contains(word),
            "{complaint}"
        );
    }
    let text = sandbox.path("text.png");
    fs::write(&text, "no picture").unwrap();
    assert!(
        sandbox
            .complaint(1, &["run", "--from", &text])
            .contains("text.png")
    );
    assert!(!Path::new(&sandbox.path("home/data/history")).exists());
}

#[test]
fn an_interrupt_saves_the_unfinished_run() {
    let sandbox = Sandbox::with_models();
    let out = sandbox.path("early.png");
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_ziggurat"))
        .env("ZIGGURAT_HOME", sandbox.root())
        .args([
            "run",
            "flamingo",
            "--steps",
            "100000",
            "--out",
            &out,
            "--provider",
            "cpu",
        ])
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(std::time::Duration::from_secs(4));
    let interrupt = std::process::Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status()
        .unwrap();
    assert!(interrupt.success());
    let asked = std::time::Instant::now();
    assert_eq!(child.wait().unwrap().code(), Some(1));
    assert!(asked.elapsed().as_secs() < 5, "{:?}", asked.elapsed());
    let record: Value =
        serde_json::from_str(&fs::read_to_string(sandbox.path("early.json")).unwrap()).unwrap();
    assert_eq!(record["ended"], "stopped");
    assert!(Path::new(&out).is_file());
}
