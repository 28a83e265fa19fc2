//! Paths of photos and of exports: typed, completed, and dropped on the terminal.

use super::photo::{found, paste, questions};
use super::support::{Driver, network};
use std::path::PathBuf;
use ziggurat::runs::worker::WorkerEvent;
use ziggurat::runs::worker::photo::{About, Answer};
use ziggurat::terminal::Protocol;
use ziggurat::tui::action::{DiskRequest, DiskResponse, Effect, Lookup};
use ziggurat::tui::completion::Name;

#[test]
fn a_typed_path_opens_the_photo_and_asks_for_the_channels_of_the_selected_layer() {
    let mut explorer = Driver::new(Protocol::Kitty, 120, 40);
    explorer.press("1 f j j");
    explorer.press("I");
    explorer.write("/photos/my cat.jpg");
    let asked = questions(&explorer.press("enter"));
    let [question] = asked.as_slice() else {
        panic!("{asked:?}");
    };
    assert_eq!(question.photo, PathBuf::from("/photos/my cat.jpg"));
    assert_eq!(
        (question.model.as_str(), &question.about),
        ("toy", &About::Photo)
    );
    assert!(explorer.screen().contains("opening"));
    let found = Ok(found(question));
    let effects = explorer.report(WorkerEvent::Photo(Answer {
        question: question.clone(),
        found,
    }));
    let asked = questions(&effects);
    let layer = explorer
        .app
        .browser
        .selected_layer()
        .map(|layer| network().layers[layer].name.clone());
    assert!(
        matches!(&asked[0].about, About::Channels { layer: asked, .. } if Some(asked) == layer.as_ref())
    );
}

#[test]
fn a_tilde_in_a_path_is_the_users_home_folder() {
    let mut explorer = Driver::new(Protocol::Kitty, 120, 40);
    explorer.press("I");
    explorer.write("~/cat.jpg");
    let asked = questions(&explorer.press("enter"));
    assert_eq!(asked[0].photo, PathBuf::from("/home/ada/cat.jpg"));
    let mut explorer = Driver::new(Protocol::Kitty, 120, 40);
    let asked = questions(&paste(&mut explorer, "~/dog.jpg"));
    assert_eq!(asked[0].photo, PathBuf::from("/home/ada/dog.jpg"));
    let mut explorer = Driver::new(Protocol::Kitty, 120, 40);
    explorer.press("m");
    explorer.answer(DiskResponse::Folder {
        folder: "/models".into(),
        choices: Ok(Vec::new()),
    });
    explorer.write("~/nets/");
    let asked = explorer.press("enter");
    let expected = std::path::Path::new("/home/ada/nets/");
    assert!(
        matches!(asked.as_slice(), [Effect::Disk(DiskRequest::Look(Lookup::Folder(folder)))] if folder == expected),
        "{asked:?}"
    );
}

#[test]
fn a_dropped_file_is_opened_and_other_texts_are_not() {
    for text in [
        "'/photos/my cat.jpg' ",
        "/photos/my\\ cat.jpg",
        "file:///photos/my%20cat.jpg\r\n",
    ] {
        let mut explorer = Driver::new(Protocol::Kitty, 120, 40);
        let asked = questions(&paste(&mut explorer, text));
        assert_eq!(asked.len(), 1, "{text}");
        assert_eq!(asked[0].photo, PathBuf::from("/photos/my cat.jpg"));
    }
    let mut explorer = Driver::new(Protocol::Kitty, 120, 40);
    for text in [
        "flamingo",
        "/models/net.onnx",
        "https://example.com/cat.jpg",
    ] {
        assert!(questions(&paste(&mut explorer, text)).is_empty());
        assert!(explorer.screen().contains("no prompt is open"), "{text}");
    }
}

#[test]
fn a_list_of_names_breaks_none_and_says_how_many_more_there_are() {
    let mut explorer = Driver::new(Protocol::Kitty, 80, 24);
    explorer.press("I");
    explorer.write("/photos/");
    explorer.press("tab");
    let names = (0..60).map(|index| Name {
        text: format!("holiday-picture-{index:02}.png"),
        is_folder: false,
    });
    explorer.answer(DiskResponse::Names {
        text: "/photos/".into(),
        names: Ok(names.collect()),
    });
    let messages = explorer.app.messages.iter();
    let report = messages
        .map(|message| message.text.clone())
        .next_back()
        .unwrap();
    let listed = report.matches("holiday-picture-").count();
    assert!((3..=6).contains(&listed), "{report}");
    assert!(
        report.ends_with(&format!("  and {} more", 60 - listed)),
        "{report}"
    );
    let screen = explorer.screen();
    assert_eq!(screen.matches(".png").count(), listed, "{screen}");
}

#[test]
fn a_file_dropped_on_the_line_is_its_path() {
    let mut explorer = Driver::new(Protocol::Kitty, 120, 40);
    explorer.press("I");
    paste(&mut explorer, "'/photos/my cat.jpg'");
    let asked = questions(&explorer.press("enter"));
    assert_eq!(asked[0].photo, PathBuf::from("/photos/my cat.jpg"));
    // Several are opened at once.
    explorer.press("I");
    let asked = questions(&paste(&mut explorer, "/photos/a.png /photos/b.png"));
    assert_eq!(asked[0].photo, PathBuf::from("/photos/a.png"));
    assert_eq!(explorer.app.photos.len(), 3);
}

#[test]
fn tab_completes_the_path_of_a_model_from_the_folder_that_is_listed() {
    let mut explorer = Driver::new(Protocol::Kitty, 120, 40);
    explorer.press("m");
    explorer.answer(DiskResponse::Folder {
        folder: "/models".into(),
        choices: Ok(Vec::new()),
    });
    explorer.write("nets/res");
    let asked = explorer.press("tab");
    assert!(
        matches!(asked.as_slice(), [Effect::Disk(DiskRequest::Look(Lookup::Names(text, folder)))]
            if text == "nets/res" && folder == std::path::Path::new("/models")),
        "{asked:?}"
    );
    let name = |text: &str, is_folder| Name {
        text: text.into(),
        is_folder,
    };
    explorer.answer(DiskResponse::Names {
        text: "nets/res".into(),
        names: Ok(vec![name("resnet.onnx", false), name("rest.txt", false)]),
    });
    let screen = explorer.screen();
    assert!(screen.contains("open: nets/resnet.onnx"), "{screen}");
    // A part of a name chooses from the list, as ever.
    explorer.press("ctrl-u");
    explorer.write("res");
    assert!(explorer.press("tab").is_empty());
}

#[test]
fn tab_completes_the_path_of_a_photo_and_of_an_export() {
    let name = |text: &str, is_folder| Name {
        text: text.into(),
        is_folder,
    };
    let mut explorer = Driver::new(Protocol::Kitty, 120, 40);
    explorer.press("I");
    explorer.write("/photos/c");
    let asked = explorer.press("tab");
    assert!(
        matches!(asked.as_slice(), [Effect::Disk(DiskRequest::Look(Lookup::Names(text, _)))] if text == "/photos/c")
    );
    let names = vec![
        name("cat.jpg", false),
        name("cats", true),
        name("cat.txt", false),
    ];
    explorer.answer(DiskResponse::Names {
        text: "/photos/c".into(),
        names: Ok(names),
    });
    let screen = explorer.screen();
    assert!(
        screen.contains("photo: /photos/cat") && screen.contains("cat.jpg  cats/"),
        "{screen}"
    );
    // What comes late changes nothing.
    explorer.write("s");
    explorer.answer(DiskResponse::Names {
        text: "/photos/cat".into(),
        names: Ok(vec![name("cat.jpg", false)]),
    });
    assert!(
        explorer.screen().contains("photo: /photos/cats "),
        "{}",
        explorer.screen()
    );
    explorer.press("tab");
    explorer.answer(DiskResponse::Names {
        text: "/photos/cats".into(),
        names: Ok(vec![name("cats", true)]),
    });
    assert!(explorer.screen().contains("photo: /photos/cats/"));
    explorer.answer(DiskResponse::Names {
        text: "/photos/cats/".into(),
        names: Err("/photos/cats/: gone".into()),
    });
    assert!(explorer.screen().contains("gone"));

    let mut explorer = Driver::new(Protocol::Kitty, 120, 40);
    explorer.remember(1);
    explorer.press("3 x ctrl-u");
    explorer.write("o");
    assert!(
        matches!(explorer.press("tab").as_slice(), [Effect::Disk(DiskRequest::Look(Lookup::Names(text, _)))] if text == "o")
    );
    let names = vec![name("old.html", false), name("old.jpg", false)];
    explorer.answer(DiskResponse::Names {
        text: "o".into(),
        names: Ok(names),
    });
    assert!(explorer.screen().contains("export to: old.html"));
}
