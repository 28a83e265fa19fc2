//! The explorer inside tmux, which stands between it and the terminal.

use super::desk::{Desk, OPEN, QUICK};
use super::emulator::{Emulator, Kind};
use super::explorer::run_class;
use portable_pty::CommandBuilder;
use std::process::{Command, Stdio};

/// A tmux server of a test's own; gone when dropped.
struct Tmux {
    socket: String,
    configuration: std::path::PathBuf,
}

impl Tmux {
    /// `None` if there is no tmux on this machine.
    fn new(desk: &Desk, passthrough: bool) -> Option<Self> {
        let version = Command::new("tmux")
            .arg("-V")
            .stdout(Stdio::null())
            .status();
        if !version.is_ok_and(|status| status.success()) {
            eprintln!("skipped: no tmux");
            return None;
        }
        let configuration = desk.path("tmux.conf");
        let switch = if passthrough { "on" } else { "off" };
        let text =
            format!("set -g allow-passthrough {switch}\nset -g default-terminal tmux-256color\n");
        std::fs::write(&configuration, text).unwrap();
        let socket = desk.path("tmux.socket").to_str().unwrap().to_string();
        Some(Self {
            socket,
            configuration,
        })
    }

    fn explorer(&self, desk: &Desk, kind: Kind) -> Emulator {
        let program = desk.command(&[]);
        let mut command = CommandBuilder::new("tmux");
        command.args(["-S", &self.socket, "-f"]);
        command.arg(&self.configuration);
        command.arg("new-session");
        command.args(program.get_argv());
        command.env("ZIGGURAT_HOME", desk.path(""));
        command.env("LC_ALL", "C.UTF-8");
        let terminal = Emulator::start(kind, command);
        terminal.wait_for(OPEN);
        terminal
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        let gone = Command::new("tmux")
            .args(["-S", &self.socket, "kill-server"])
            .stderr(Stdio::null())
            .status();
        drop(gone);
    }
}

/// Runs a class, waits until something is true of the screen, keeps the picture and quits.
fn look(kind: Kind, passthrough: bool, what: &str, shows_picture: fn(&Emulator) -> bool) {
    let desk = Desk::new(20);
    let Some(tmux) = Tmux::new(&desk, passthrough) else {
        return;
    };
    let mut terminal = tmux.explorer(&desk, kind);
    assert!(!shows_picture(&terminal));
    terminal.type_text(QUICK);
    terminal.wait_for("quick");
    run_class(&terminal, "flamingo");
    terminal.wait_until(what, shows_picture);
    terminal.wait_for("flamingo: score");
    terminal.wait_until(what, shows_picture);
    terminal.type_text("s");
    terminal.wait_for("favourite saved");
    terminal.type_text("q");
    terminal.finish();
    assert!(!shows_picture(&terminal), "{}", terminal.text());
    desk.output(&["history", "verify"]);
}

#[test]
fn pictures_pass_to_where_the_panel_is() {
    for kind in [Kind::Kitty, Kind::Sixel] {
        look(kind, true, "picture", |terminal| {
            let cells = terminal.picture_cells();
            // Right of the browser, above the panel of the run.
            !cells.is_empty() && cells.iter().all(|(x, y)| *x > 32 && (1..19).contains(y))
        });
    }
}

#[test]
fn where_tmux_lets_nothing_through_there_are_half_blocks() {
    look(Kind::Kitty, false, "half blocks", |terminal| {
        terminal.text().contains(&"▀".repeat(8))
    });
}
