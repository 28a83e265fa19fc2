use std::fs;

use super::*;

struct Fixture {
    root: tempfile::TempDir,
    home: Home,
}

impl Fixture {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let home = Home::at(root.path());
        fs::create_dir_all(home.cards()).unwrap();
        Self { root, home }
    }

    /// Puts `model.onnx` on the fixture, with a card beside it.
    fn beside(&self, card: &str) -> Result<Card, Error> {
        let model = self.root.path().join("model.onnx");
        fs::write(self.root.path().join("model.toml"), card).unwrap();
        for_file(&self.home, &model)
    }

    fn own(&self, name: &str, card: &str) {
        fs::write(self.home.cards().join(format!("{name}.toml")), card).unwrap();
    }
}

#[test]
fn every_built_in_card_is_complete() {
    assert_eq!(published().len(), EMBEDDED.len());
    for Published { card, source } in published() {
        let classes = card.classes().unwrap().unwrap();
        assert_eq!(classes.len(), 1000, "{}", card.name);
        assert_eq!(classes.find("flamingo").unwrap(), 130);
        assert!(card.preprocessing.is_some() && card.licence.is_some());
        assert!(source.sha256.len() == 64 && source.bytes > 0);
        assert!(source.sha256.bytes().all(|byte| byte.is_ascii_hexdigit()));
    }
}

#[test]
fn a_card_beside_a_model_is_read() {
    let fixture = Fixture::new();
    let text = "title = 'T'\n[input]\nname = 'x'\nsize = [32, 48]\n[output]\nname = 'y'\n\
                [preprocessing]\nmean = [0]\nstd = [1]\n[classes]\nnames = ['cat', 'dog']\n";
    let card = fixture.beside(text).unwrap();
    assert_eq!(card.name, "model");
    assert_eq!(card.title.as_deref(), Some("T"));
    assert_eq!(card.input.as_deref(), Some("x"));
    assert_eq!(card.input_size, ImageSize::try_from([32, 48]).ok());
    assert_eq!(card.output.as_deref(), Some("y"));
    assert!(card.preprocessing.is_some());
    assert_eq!(card.classes().unwrap().unwrap().find("dog").unwrap(), 1);
}

#[test]
fn a_card_may_say_what_makes_probabilities() {
    let fixture = Fixture::new();
    assert_eq!(
        fixture.beside("[output]\nname = 'y'").unwrap().activation,
        None
    );
    for activation in [Activation::Softmax, Activation::Sigmoid, Activation::None] {
        let text = format!("[output]\nactivation = '{}'", activation.name());
        assert_eq!(fixture.beside(&text).unwrap().activation, Some(activation));
    }
    let error = fixture
        .beside("[output]\nactivation = 'relu'")
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("softmax") && error.contains("model.toml:2"),
        "{error}"
    );
}

#[test]
fn class_names_are_read_from_a_file_beside_the_card() {
    let fixture = Fixture::new();
    fs::write(fixture.root.path().join("names.txt"), "cat\ndog\n").unwrap();
    let card = fixture.beside("[classes]\nfile = './names.txt'").unwrap();
    assert_eq!(card.classes().unwrap().unwrap().len(), 2);
    assert!(card.preprocessing.is_none());
    let card = fixture.beside("[classes]\nfile = 'gone.txt'").unwrap();
    let error = card.classes().unwrap_err().to_string();
    assert!(error.contains("gone.txt"), "{error}");
}

#[test]
fn a_card_beside_a_model_stays_in_its_folder() {
    let fixture = Fixture::new();
    for file in ["../names.txt", "/etc/passwd", "a/../../b"] {
        let error = fixture.beside(&format!("[classes]\nfile = '{file}'"));
        let error = error.unwrap_err().to_string();
        assert!(error.contains("leads out of the card's folder"), "{error}");
    }
}

#[test]
fn mistakes_are_one_line_with_file_line_and_key() {
    let fixture = Fixture::new();
    for (text, line, part) in [
        ("title = 'x'\ncolour = 1", 2, "colour"),
        ("title = 3", 1, "title"),
        ("\n[preprocessing]\nmaen = [1]", 3, "maen"),
        ("[preprocessing]\nmean = ['x']", 2, "mean"),
        ("[preprocessing]\nmean = [0]\nstd = [0]", 1, "std"),
        ("[input]\nsize = [0, 224]", 2, "size"),
        ("[input]\nsize = [0, 224", 2, "size"),
        ("[classes]", 0, "classes"),
        ("[classes]\nnames = []", 0, "classes.names"),
        ("model = 'x.onnx'", 0, "model"),
    ] {
        let error = fixture.beside(text).unwrap_err().to_string();
        assert!(!error.contains('\n') && error.contains(part), "{error}");
        let place = match line {
            0 => "model.toml: ".to_owned(),
            line => format!("model.toml:{line}: "),
        };
        assert!(error.contains(&place), "{text:?} gave {error}");
    }
}

#[test]
fn only_cards_that_come_along_name_a_package() {
    let fixture = Fixture::new();
    let error = fixture.beside(EMBEDDED[0].1).unwrap_err().to_string();
    assert!(error.contains("`source`"), "{error}");
}

#[test]
fn a_users_own_card_comes_before_a_built_in_one() {
    let fixture = Fixture::new();
    let name = EMBEDDED[0].0;
    assert!(matches!(
        by_name(&fixture.home, name),
        Ok(Named::Published(_))
    ));
    fixture.own(
        name,
        "model = '/models/mine.onnx'\n[classes]\nfile = '/names.txt'",
    );
    let Ok(Named::Own(card, model)) = by_name(&fixture.home, name) else {
        panic!("the user's own card was not found");
    };
    assert_eq!(card.name, name);
    assert_eq!(model, Path::new("/models/mine.onnx"));
    assert_eq!(card.names, Names::File("/names.txt".into()));
}

#[test]
fn a_model_named_by_an_own_card_is_relative_to_the_card() {
    let fixture = Fixture::new();
    fixture.own("mine", "model = 'mine.onnx'");
    let Ok(Named::Own(_, model)) = by_name(&fixture.home, "mine") else {
        panic!("the user's own card was not found");
    };
    assert_eq!(model, fixture.home.cards().join("mine.onnx"));
    fixture.own("silent", "title = 'x'");
    let error = by_name(&fixture.home, "silent").unwrap_err().to_string();
    assert!(error.contains("must say `model`"), "{error}");
}

#[test]
fn an_own_card_fits_a_file_of_its_name_unless_it_is_for_another() {
    let fixture = Fixture::new();
    let model = fixture.root.path().join("model.onnx");
    fs::write(&model, "").unwrap();
    fixture.own("model", "title = 'any'");
    assert_eq!(
        for_file(&fixture.home, &model).unwrap().title.as_deref(),
        Some("any")
    );
    fixture.own("model", "title = 'other'\nmodel = '/other/model.onnx'");
    assert_eq!(for_file(&fixture.home, &model).unwrap().title, None);
    let named = format!("title = 'this'\nmodel = '{}'", model.display());
    fixture.own("model", &named);
    assert_eq!(
        for_file(&fixture.home, &model).unwrap().title.as_deref(),
        Some("this")
    );
}

#[test]
fn an_unknown_name_suggests_near_ones() {
    let fixture = Fixture::new();
    fixture.own("mine", "model = 'mine.onnx'");
    let error = by_name(&fixture.home, "eficientnet-lite0")
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("did you mean `efficientnet-lite0`"),
        "{error}"
    );
    assert!(error.contains("mine, efficientnet-lite0"), "{error}");
    assert!(matches!(
        by_name(&fixture.home, "../x"),
        Err(Error::UnknownModel { .. })
    ));
}
