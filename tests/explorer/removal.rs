//! Runs leave the history: deleted here, or by another process.

use super::finished::{explorer, newest_message};
use super::support::flamingo;
use ziggurat::runs::history::HistoryEntry;
use ziggurat::tui::action::{DiskRequest, DiskResponse, Effect};
use ziggurat::tui::showing::Showing;

/// The runs that are to be removed.
fn removed(effects: Vec<Effect>) -> Vec<String> {
    let removed = effects.into_iter().filter_map(|effect| match effect {
        Effect::Disk(DiskRequest::Remove(ids)) => Some(ids),
        _ => None,
    });
    removed.flatten().collect()
}

#[test]
fn what_is_deleted_can_be_brought_back() {
    let mut explorer = explorer();
    let effects = explorer.press("space space d");
    let ids = effects.iter().find_map(|effect| match effect {
        Effect::Disk(DiskRequest::Remove(ids)) => Some(ids.clone()),
        _ => None,
    });
    let ids = ids.unwrap();
    assert_eq!(ids.len(), 2);
    explorer.answer(DiskResponse::Removed(ids.clone()));
    assert_eq!(explorer.app.browser.history.len(), 3);
    let effects = explorer.press("u");
    assert!(matches!(&effects[..], [Effect::Disk(DiskRequest::Restore(back)), ..] if *back == ids));
    // What the disk could not restore is restored by the next key.
    explorer.answer(DiskResponse::NotRestored(ids[1..].to_vec()));
    let effects = explorer.press("u");
    assert!(
        matches!(&effects[..], [Effect::Disk(DiskRequest::Restore(back)), ..] if *back == ids[1..])
    );
    assert!(!matches!(
        explorer.press("u")[..],
        [Effect::Disk(DiskRequest::Restore(_)), ..]
    ));
}

#[test]
fn each_of_several_quick_keys_deletes_the_run_that_is_selected_then() {
    let mut explorer = explorer();
    let listed = explorer.app.browser.history.len();
    let effects = explorer.press("d d d");
    let removed: Vec<String> = effects
        .into_iter()
        .filter_map(|effect| match effect {
            Effect::Disk(DiskRequest::Remove(ids)) => Some(ids),
            _ => None,
        })
        .flatten()
        .collect();
    let different: std::collections::HashSet<&String> = removed.iter().collect();
    assert_eq!((removed.len(), different.len()), (3, 3));
    assert_eq!(explorer.app.browser.history.len(), listed - 3);
    // Runs that could not be removed are listed again, and cannot be undone.
    let still = flamingo(4);
    assert_eq!(still.id, removed[0]);
    explorer.answer(DiskResponse::NotRemoved {
        ids: vec![removed[0].clone()],
        entries: vec![ziggurat::runs::history::HistoryEntry::from_record(
            &still, false,
        )],
        why: "history: Permission denied".into(),
    });
    assert_eq!(explorer.app.browser.history.len(), listed - 2);
    for expected in [&removed[2], &removed[1]] {
        let effects = explorer.press("u");
        let [Effect::Disk(DiskRequest::Restore(back)), ..] = &effects[..] else {
            panic!("{effects:?}")
        };
        assert_eq!(back, std::slice::from_ref(expected));
    }
    assert!(!matches!(
        explorer.press("u")[..],
        [Effect::Disk(DiskRequest::Restore(_)), ..]
    ));
}

#[test]
fn of_runs_that_were_removed_in_part_those_that_are_gone_can_be_restored() {
    let mut explorer = explorer();
    let ids = removed(explorer.press("space space d"));
    assert_eq!(ids.len(), 2);
    let left = (0..5).map(flamingo).find(|run| run.id == ids[1]).unwrap();
    explorer.answer(DiskResponse::NotRemoved {
        ids: ids.clone(),
        entries: vec![HistoryEntry::from_record(&left, false)],
        why: "history: Permission denied".into(),
    });
    assert_eq!(explorer.app.browser.history.len(), 4);
    let effects = explorer.press("u");
    assert!(
        matches!(&effects[..], [Effect::Disk(DiskRequest::Restore(back)), ..] if *back == ids[..1]),
        "{effects:?}"
    );
}

#[test]
fn runs_of_the_command_line_come_and_go_while_the_explorer_is_open() {
    let mut explorer = explorer();
    let shown = explorer.app.shown.clone();
    let mut new = HistoryEntry::from_record(&flamingo(9), false);
    new.time = 9000;
    explorer.answer(DiskResponse::Runs(vec![new.clone()]));
    assert_eq!(explorer.app.browser.history.len(), 6);
    // The cursor and the picture stay where they were.
    assert_eq!(explorer.app.shown, shown);
    explorer.press("g g");
    assert_eq!(explorer.app.shown, Showing::Finished(new.id.clone()));
    explorer.answer(DiskResponse::Gone(vec![new.id.clone()]));
    assert_eq!(explorer.app.browser.history.len(), 5);
    assert_ne!(explorer.app.shown, Showing::Finished(new.id));
}

#[test]
fn marks_of_runs_that_are_gone_are_gone_too() {
    let mut explorer = explorer();
    let marked = explorer.app.selected_entry().unwrap().id.clone();
    explorer.press("space j");
    let selected = explorer.app.selected_entry().unwrap().id.clone();
    explorer.answer(DiskResponse::Gone(vec![marked]));
    assert_eq!(removed(explorer.press("d")), [selected]);
    // Marked in one list, deleted in the other.
    let mut explorer = self::explorer();
    explorer.press("4 space 3 ctrl-a d");
    assert_eq!(explorer.app.browser.favourites.mark_count(), 0);
}

#[test]
fn a_run_that_is_being_removed_does_not_come_back_from_a_look_at_the_folder() {
    let mut explorer = explorer();
    let ids = removed(explorer.press("d"));
    let deleted = (0..5).map(flamingo).find(|run| run.id == ids[0]).unwrap();
    let entry = HistoryEntry::from_record(&deleted, false);
    explorer.answer(DiskResponse::Runs(vec![entry.clone()]));
    assert_eq!(explorer.app.browser.history.len(), 4);
    explorer.answer(DiskResponse::Removed(ids));
    // Then it can only have been restored.
    explorer.answer(DiskResponse::Runs(vec![entry]));
    assert_eq!(explorer.app.browser.history.len(), 5);
}

#[test]
fn export_asks_where_to_and_says_where_it_went() {
    let mut explorer = explorer();
    explorer.press("x");
    explorer.press("ctrl-u");
    explorer.write("/tmp/a.gif");
    let effects = explorer.press("enter");
    assert!(
        matches!(&effects[..], [Effect::Disk(DiskRequest::Export(ids, path))] if ids.len() == 1 && path.ends_with("a.gif"))
    );
    explorer.answer(DiskResponse::Exported("/tmp/a.gif".into()));
    assert!(explorer.screen().contains("exported: /tmp/a.gif"));
}

#[test]
fn an_export_that_fails_keeps_its_path_and_says_why() {
    let mut explorer = explorer();
    explorer.press("x ctrl-u");
    explorer.write("/no/a.png");
    let effects = explorer.press("enter");
    let [Effect::Disk(DiskRequest::Export(ids, path))] = &effects[..] else {
        panic!("{effects:?}");
    };
    let refused = DiskResponse::NotExported {
        ids: ids.clone(),
        path: path.clone(),
        why: "no such folder: /no".into(),
    };
    explorer.answer(refused);
    assert_eq!(newest_message(&explorer), "no such folder: /no");
    assert!(explorer.screen().contains("export to: /no/a.png"));
    explorer.press("ctrl-u");
    explorer.write("/a.png");
    let effects = explorer.press("enter");
    assert!(
        matches!(&effects[..], [Effect::Disk(DiskRequest::Export(same, path))] if same == ids && path.ends_with("a.png")),
        "{effects:?}"
    );
}
