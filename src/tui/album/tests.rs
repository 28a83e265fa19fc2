use super::*;
use image::RgbImage;

fn found(class: usize, probability: f32) -> Result<Arc<Photo>, String> {
    Ok(Arc::new(Photo {
        picture: Arc::new(RgbImage::new(1, 1)),
        size: (1, 1),
        seen: None,
        top: vec![(class, probability)],
        has_probabilities: true,
    }))
}

fn album() -> Album {
    let mut album = Album::default();
    album.add(["/c.png", "/a.png", "/b.png"].map(PathBuf::from).into());
    let classes = Classes::new(["cat", "dog"], "test").unwrap();
    album.note(Path::new("/c.png"), &found(1, 0.5), &classes);
    album.note(Path::new("/b.png"), &found(0, 0.9), &classes);
    album
}

fn listed(album: &Album) -> Vec<&str> {
    let rows = album.list.rows().iter();
    rows.map(|&row| album.photos[row].path.to_str().unwrap())
        .collect()
}

#[test]
fn every_order_lists_unknown_photos_last_and_keeps_the_cursor() {
    let mut album = album();
    assert_eq!(album.selected().unwrap().path, Path::new("/c.png"));
    for (order, expected) in [
        (PhotoOrder::Opened, ["/c.png", "/a.png", "/b.png"]),
        (PhotoOrder::Name, ["/a.png", "/b.png", "/c.png"]),
        (PhotoOrder::Class, ["/b.png", "/c.png", "/a.png"]),
        (PhotoOrder::Probability, ["/b.png", "/c.png", "/a.png"]),
    ] {
        assert_eq!((album.order(), listed(&album)), (order, expected.into()));
        assert_eq!(album.selected().unwrap().path, Path::new("/c.png"));
        album.cycle_order();
    }
    assert_eq!(album.order(), PhotoOrder::Opened);
}

#[test]
fn a_search_finds_names_and_classes() {
    let mut album = album();
    album.set_search("dog");
    assert_eq!(listed(&album), ["/c.png"]);
    album.set_search("b.p");
    assert_eq!(listed(&album), ["/b.png"]);
    assert_eq!(
        album.beside(Path::new("/b.png"), true),
        Some(Path::new("/b.png"))
    );
    album.set_search("");
    assert_eq!(
        album.beside(Path::new("/b.png"), true),
        Some(Path::new("/c.png"))
    );
    assert_eq!(
        album.beside(Path::new("/c.png"), false),
        Some(Path::new("/b.png"))
    );
}

#[test]
fn the_selected_photo_is_examined_first_and_failures_are_not_retried() {
    let mut album = album();
    assert_eq!((album.urgent(), album.examined()), (None, 2));
    assert_eq!(album.next(), Some(Path::new("/a.png")));
    album.select(Path::new("/a.png"));
    assert_eq!(album.urgent(), Some(Path::new("/a.png")));
    let classes = Classes::new(["cat", "dog"], "test").unwrap();
    album.note(Path::new("/a.png"), &Err("damaged".into()), &classes);
    assert_eq!((album.urgent(), album.next()), (None, None));
    // A picture dropped from memory is examined again when it is selected.
    let others = (0..20).map(|index| PathBuf::from(format!("/{index}.png")));
    album.add(others.collect());
    for index in 0..20 {
        let path = format!("/{index}.png");
        album.note(Path::new(&path), &found(0, 0.1), &classes);
    }
    // The photo under the cursor is kept, however many follow.
    assert_eq!((album.urgent(), album.recent.len()), (None, MAX_RECENT));
    assert!(album.recent(Path::new("/0.png")).is_some());
    album.select(Path::new("/1.png"));
    assert_eq!(album.urgent(), Some(Path::new("/1.png")));
    album.forget_seen();
    assert_eq!((album.examined(), album.len()), (0, 23));
}

#[test]
fn replacing_the_list_keeps_known_predictions() {
    let mut album = album();
    album.set_search("dog");
    let paths = ["/d.png", "/c.png"].map(PathBuf::from);
    assert_eq!(album.replace(paths.into()), 2);
    assert_eq!(
        (listed(&album), album.search()),
        (vec!["/d.png", "/c.png"], "")
    );
    assert_eq!(album.selected().unwrap().path, Path::new("/d.png"));
    // A known prediction is not requested again.
    assert_eq!(
        (album.examined(), album.next()),
        (1, Some(Path::new("/d.png")))
    );
}

#[test]
fn the_oldest_photos_are_dropped() {
    let mut album = album();
    album.add(
        (0..MAX_PHOTOS)
            .map(|index| PathBuf::from(format!("/{index}")))
            .collect(),
    );
    assert_eq!((album.len(), album.list.len()), (MAX_PHOTOS, MAX_PHOTOS));
    assert_eq!(album.selected().unwrap().path, Path::new("/0"));
    album.remove(Path::new("/0"));
    assert_eq!(album.len(), MAX_PHOTOS - 1);
}
