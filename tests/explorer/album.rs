//! Several photos: a folder or dropped files, as a list.

use super::photo::{found, looking, paste, questions};
use super::support::{Driver, network, picture, work};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use ziggurat::runs::worker::photo::{About, Answer, AnswerContent, Photo, Question};
use ziggurat::runs::worker::{WorkerCommand, WorkerEvent};
use ziggurat::terminal::Protocol;
use ziggurat::tui::action::{DiskRequest, DiskResponse, Effect, Lookup};

/// The network's predictions for the photos of [`listing`]: class and probability.
const SEEN: [(&str, usize, f32); 4] = [
    ("/photos/cat.jpg", 4, 0.973),
    ("/photos/dog.png", 0, 0.412),
    (
        "/photos/fox with a name that is much longer than its column.webp",
        2,
        0.988,
    ),
    ("/photos/gone.png", 9, 0.0),
];

fn seen(question: &Question) -> Result<AnswerContent, String> {
    let path = question.photo.to_str().unwrap();
    match SEEN.iter().find(|(name, ..)| *name == path) {
        Some((_, 9, _)) => Err(format!("{path}: the file ends early, before its picture")),
        Some((_, class, probability)) => Ok(AnswerContent::Photo(Arc::new(Photo {
            picture: picture(),
            size: (640, 480),
            seen: None,
            top: vec![(*class, *probability), (5, 0.01)],
            has_probabilities: true,
        }))),
        None => Ok(found(question)),
    }
}

fn answer(explorer: &mut Driver, question: Question) -> Vec<Effect> {
    let found = seen(&question);
    explorer.report(WorkerEvent::Photo(Answer { question, found }))
}

/// Answers all questions to the worker.
fn examined(explorer: &mut Driver, effects: &[Effect]) {
    let mut open = questions(effects);
    while let Some(question) = open.pop() {
        let effects = answer(explorer, question);
        open.extend(questions(&effects));
    }
}

/// The photos that these effects cancel.
fn left(effects: &[Effect]) -> Vec<&Path> {
    let left = work(effects).into_iter().filter_map(|work| match work {
        WorkerCommand::LeavePhoto(photo) => Some(photo.as_path()),
        _ => None,
    });
    left.collect()
}

/// An explorer with a folder of photos, and its first questions.
fn listing(width: u16, height: u16) -> (Driver, Vec<Effect>) {
    let mut explorer = Driver::new(Protocol::Kitty, width, height);
    explorer.press("I");
    explorer.write("/photos/");
    let asked = explorer.press("enter");
    assert!(
        matches!(asked.as_slice(), [Effect::Disk(DiskRequest::Look(Lookup::Photos(path)))] if path == Path::new("/photos/")),
        "{asked:?}"
    );
    let paths = SEEN.iter().map(|(path, ..)| PathBuf::from(path));
    let effects = explorer.answer(DiskResponse::Photos {
        path: "/photos/".into(),
        found: Ok((paths.collect(), 4)),
    });
    (explorer, effects)
}

/// The names in the list, in order.
fn names(explorer: &Driver) -> Vec<String> {
    let album = &explorer.app.photos;
    let rows = album.list.rows().iter();
    rows.map(|&row| album.get(row).unwrap().name()).collect()
}

#[test]
fn the_list_shows_names_classes_and_the_selected_photo() {
    for (width, height) in [(80, 24), (120, 40)] {
        let (mut explorer, effects) = listing(width, height);
        examined(&mut explorer, &effects);
        insta::assert_snapshot!(format!("album_{width}"), explorer.screen());
    }
}

#[test]
fn photos_are_examined_one_after_another_the_selected_one_first() {
    let (mut explorer, effects) = listing(120, 40);
    let asked = questions(&effects);
    let [first] = asked.as_slice() else {
        panic!("{asked:?}");
    };
    assert_eq!(
        (first.photo.as_path(), &first.about),
        (Path::new("/photos/cat.jpg"), &About::Listed)
    );
    assert!(explorer.screen().contains("examining …"));
    // Moving on does not wait for the old answer.
    let effects = explorer.press("down");
    assert_eq!(left(&effects), [Path::new("/photos/cat.jpg")]);
    let asked = questions(&effects);
    assert_eq!(asked[0].photo, Path::new("/photos/dog.png"));
    let effects = answer(&mut explorer, asked[0].clone());
    assert!(
        explorer.screen().contains("41.2 %"),
        "{}",
        explorer.screen()
    );
    // Then the others, in their order.
    let asked = questions(&effects);
    assert_eq!(asked[0].photo, Path::new("/photos/cat.jpg"));
    // A pending question is cancelled if the user navigates away.
    let effects = explorer.press("esc");
    assert_eq!(left(&effects), [Path::new("/photos/cat.jpg")]);
    assert!(questions(&effects).is_empty());
    assert!(!explorer.screen().contains("dog.png"));
}

#[test]
fn a_photo_that_cannot_be_read_says_why_and_is_not_opened() {
    let (mut explorer, effects) = listing(80, 24);
    examined(&mut explorer, &effects);
    explorer.press("G");
    let screen = explorer.screen();
    assert!(
        screen.contains("cannot be read") && screen.contains("ends early, before its"),
        "{screen}"
    );
    assert!(questions(&explorer.press("enter")).is_empty());
    assert_eq!(explorer.app.popups.len(), 1);
}

#[test]
fn enter_shows_the_channels_and_esc_comes_back_to_the_list() {
    let (mut explorer, effects) = listing(120, 40);
    examined(&mut explorer, &effects);
    let effects = explorer.press("down enter");
    let asked = questions(&effects);
    // The photo itself is there already.
    assert!(
        matches!(asked[0].about, About::Channels { .. }),
        "{asked:?}"
    );
    assert!(explorer.screen().contains("photo · dog.png · 2 of 4"));
    // Leaving does not wait for the channels.
    let effects = explorer.press("n");
    assert_eq!(left(&effects), [Path::new("/photos/dog.png")]);
    let effects = explorer.press("esc");
    assert_eq!(
        explorer.app.photos.selected().unwrap().path,
        Path::new(SEEN[2].0)
    );
    assert_eq!(left(&effects), [Path::new(SEEN[2].0)]);
    assert!(
        explorer.screen().contains("4 photos"),
        "{}",
        explorer.screen()
    );
    explorer.press("enter L");
    assert!(
        explorer.screen().contains("4 photos"),
        "{}",
        explorer.screen()
    );
    assert_eq!(explorer.app.popups.len(), 1);
}

#[test]
fn the_list_is_sorted_and_searched_by_name_and_class() {
    let (mut explorer, effects) = listing(120, 40);
    examined(&mut explorer, &effects);
    explorer.press("S S S");
    let [cat, dog, fox, gone] = ["cat.jpg", "dog.png", "fox", "gone.png"];
    let begins = |names: Vec<String>, wanted: [&str; 4]| {
        let all = names.iter().zip(wanted);
        assert!(
            all.clone().all(|(name, wanted)| name.starts_with(wanted)),
            "{names:?}"
        );
    };
    begins(names(&explorer), [fox, cat, dog, gone]);
    explorer.press("S");
    begins(names(&explorer), [cat, dog, fox, gone]);
    explorer.press("/");
    explorer.write("flamingo");
    assert_eq!(names(&explorer), ["cat.jpg"]);
    explorer.press("enter");
    assert!(
        explorer.screen().contains("/flamingo"),
        "{}",
        explorer.screen()
    );
    explorer.press("esc");
    assert_eq!(names(&explorer).len(), 4);
    explorer.press("/");
    explorer.write("zzz");
    assert!(
        explorer.screen().contains("nothing matches “zzz”"),
        "{}",
        explorer.screen()
    );
    explorer.press("esc");
    assert_eq!(names(&explorer).len(), 4);
}

#[test]
fn several_dropped_files_are_a_list_and_a_dropped_folder_is_looked_into() {
    let mut explorer = looking(120, 40);
    let effects = paste(&mut explorer, "/photos/dog.png /photos/fox.webp");
    assert_eq!(questions(&effects)[0].photo, Path::new("/photos/dog.png"));
    assert_eq!(names(&explorer), ["cat.jpg", "dog.png", "fox.webp"]);
    let mut explorer = Driver::new(Protocol::Kitty, 120, 40);
    let effects = paste(&mut explorer, "'/my photos'\n");
    assert!(
        matches!(effects.as_slice(), [Effect::Disk(DiskRequest::Look(Lookup::Photos(path)))] if path == Path::new("/my photos"))
    );
    explorer.answer(DiskResponse::Photos {
        path: "/my photos".into(),
        found: Err("/my photos: no PNG, JPEG or WebP file lies in this folder".into()),
    });
    let screen = explorer.screen();
    assert!(
        screen.contains("no PNG") && screen.contains("photo: /my photos"),
        "{screen}"
    );
    let mut explorer = Driver::new(Protocol::Kitty, 120, 40);
    paste(&mut explorer, "file://far/photos/a.png");
    assert!(
        explorer.screen().contains("a file of far"),
        "{}",
        explorer.screen()
    );
}

#[test]
fn another_folder_takes_the_place_of_the_photos_before_and_a_file_is_added() {
    let (mut explorer, effects) = listing(120, 40);
    examined(&mut explorer, &effects);
    let paths = ["/trip.2024/a.png", "/trip.2024/b.png"].map(PathBuf::from);
    let effects = explorer.answer(DiskResponse::Photos {
        path: "/trip.2024".into(),
        found: Ok((paths.into(), 2)),
    });
    assert_eq!(names(&explorer), ["a.png", "b.png"]);
    assert_eq!(questions(&effects)[0].photo, Path::new("/trip.2024/a.png"));
    let screen = explorer.screen();
    assert!(
        screen.contains("/trip.2024: 2 photos, in place of 4 photos before"),
        "{screen}"
    );
    explorer.answer(DiskResponse::Photos {
        path: "/photos/cat".into(),
        found: Ok((vec!["/photos/cat".into()], 1)),
    });
    assert_eq!(names(&explorer), ["a.png", "b.png", "cat"]);
    // Several files are added, too.
    paste(&mut explorer, "/photos/dog.png /photos/fox.webp");
    assert_eq!(names(&explorer).len(), 5);
    assert!(
        explorer.screen().contains("2 photos added to the 3 before"),
        "{}",
        explorer.screen()
    );
}

#[test]
fn a_folder_with_more_photos_than_are_listed_says_so_and_another_model_examines_them_again() {
    let mut explorer = Driver::new(Protocol::Kitty, 80, 24);
    let effects = explorer.answer(DiskResponse::Photos {
        path: "/photos".into(),
        found: Ok((
            vec!["/photos/cat.jpg".into(), "/photos/dog.png".into()],
            900,
        )),
    });
    assert!(
        explorer.screen().contains("the first 2 of 900 photos"),
        "{}",
        explorer.screen()
    );
    examined(&mut explorer, &effects);
    assert_eq!(explorer.app.photos.examined(), 2);
    explorer.report(WorkerEvent::Opened(Arc::new(network())));
    assert_eq!(
        (explorer.app.photos.examined(), explorer.app.popups.len()),
        (0, 0)
    );
}

#[test]
fn a_hostile_name_still_opens_its_file() {
    let path = "/photos/\u{202e}gnp.\u{2066}cat";
    let mut explorer = Driver::new(Protocol::Kitty, 80, 24);
    explorer.press("I");
    for letter in path.chars() {
        explorer.act(ziggurat::tui::action::Action::Letter(letter));
    }
    let screen = explorer.screen();
    assert!(screen.contains("/photos/·gnp.·cat"), "{screen}");
    let effects = explorer.press("enter");
    assert!(
        matches!(effects.as_slice(), [Effect::Disk(DiskRequest::Look(Lookup::Photos(found)))] if found == Path::new(path)),
        "{effects:?}"
    );
    let paths = vec![PathBuf::from(path), PathBuf::from("/photos/a\u{1b}[2J.png")];
    explorer.answer(DiskResponse::Photos {
        path: path.into(),
        found: Ok((paths, 2)),
    });
    let screen = explorer.screen();
    assert!(
        !screen.contains(['\u{202e}', '\u{2066}', '\u{1b}']),
        "{screen}"
    );
    assert!(screen.contains("·gnp.·cat"), "{screen}");
}
