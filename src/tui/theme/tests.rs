use super::*;
use crate::home::testing::temporary_home;
use std::fs;

const DEPTHS: [ColourDepth; 4] = [
    ColourDepth::True,
    ColourDepth::Indexed256,
    ColourDepth::Indexed16,
    ColourDepth::None,
];

/// Roles of text on the background of the screen or a popup, and in rows under the selection or the cursor.
const TEXTS: [Role; 14] = [
    Role::Text,
    Role::Dim,
    Role::Disabled,
    Role::Accent,
    Role::Title,
    Role::TitleFocused,
    Role::Mark,
    Role::Match,
    Role::Favourite,
    Role::Good,
    Role::Warning,
    Role::Bad,
    Role::Key,
    Role::KeyText,
];

/// Text with its own background.
const FILLED: [Role; 5] = [
    Role::TabSelected,
    Role::Header,
    Role::HeaderText,
    Role::Popup,
    Role::Input,
];

/// No text, but must be visible.
const SHAPES: [Role; 3] = [Role::BorderFocused, Role::Chart, Role::Progress];

fn ratio(theme: &Theme, fg: Role, bg: Role) -> f32 {
    let fg = theme.look(fg).fg.unwrap();
    let bg = theme.look(bg).bg.unwrap();
    contrast(fg, bg).unwrap()
}

/// A home with these files in its folder of themes.
fn home(files: &[(&str, &str)]) -> (tempfile::TempDir, Home) {
    let (folder, home) = temporary_home();
    fs::create_dir_all(home.themes()).unwrap();
    for (name, text) in files {
        fs::write(home.themes().join(name), text).unwrap();
    }
    (folder, home)
}

/// The roles of a theme at `depth` that lack contrast; text must have a contrast of `least`.
fn hard_to_read(theme: &Theme, depth: ColourDepth, least: f32) -> Vec<String> {
    let theme = theme.for_depth(depth);
    let mut pairs = Vec::new();
    for on in [Role::Text, Role::Popup, Role::Selection, Role::Cursor] {
        // A row that sets its text's colour is checked with that.
        let laid_over = matches!(on, Role::Selection | Role::Cursor);
        let own = laid_over && theme.look(on).fg.is_some();
        let texts = if own { vec![on] } else { TEXTS.to_vec() };
        pairs.extend(texts.into_iter().map(|role| (role, on, least)));
    }
    pairs.extend(FILLED.map(|role| (role, role, least)));
    pairs.extend(SHAPES.map(|role| (role, Role::Text, 3.0)));
    pairs
        .into_iter()
        .map(|(role, on, least)| (role, on, least, ratio(&theme, role, on)))
        .filter(|(_, _, least, ratio)| ratio < least)
        .map(|(role, on, _, ratio)| {
            format!("{} {depth:?} {role:?} on {on:?}: {ratio}", theme.name())
        })
        .collect()
}

#[test]
fn every_text_of_the_built_in_themes_can_be_read_at_every_depth() {
    let themes = Themes::default();
    let mut hard = Vec::new();
    for theme in &themes.0 {
        for depth in [
            ColourDepth::True,
            ColourDepth::Indexed256,
            ColourDepth::Indexed16,
        ] {
            hard.extend(hard_to_read(theme, depth, LEGIBLE));
        }
    }
    let high = themes.get("high-contrast").unwrap();
    hard.extend(hard_to_read(high, ColourDepth::True, 7.0));
    assert!(hard.is_empty(), "{hard:#?}");
}

#[test]
fn the_cursor_is_seen_at_every_depth() {
    for theme in &Themes::default().0 {
        for depth in DEPTHS {
            let theme = theme.for_depth(depth);
            let seen = |role: Role| {
                let look = theme.look(role);
                let strong = Modifier::REVERSED | Modifier::UNDERLINED;
                (
                    look.bg.or(theme.look(Role::Text).bg),
                    look.modifiers & strong,
                )
            };
            let what = format!("{} {depth:?}", theme.name());
            assert_ne!(seen(Role::Cursor), seen(Role::Text), "{what}");
            assert_ne!(seen(Role::Cursor), seen(Role::Selection), "{what}");
            assert_ne!(seen(Role::Selection), seen(Role::Text), "{what}");
            assert_ne!(seen(Role::TabSelected), seen(Role::Tab), "{what}");
        }
    }
}

#[test]
fn a_terminal_is_sent_only_what_it_can_show() {
    for theme in &Themes::default().0 {
        for (depth, most) in [(ColourDepth::Indexed256, 255), (ColourDepth::Indexed16, 15)] {
            let theme = theme.for_depth(depth);
            for colour in theme
                .looks
                .iter()
                .flat_map(|look| [look.fg, look.bg])
                .flatten()
            {
                assert!(
                    matches!(colour, Colour::Indexed(index) if index <= most),
                    "{colour:?}"
                );
            }
        }
        for entry in ROLES {
            let style = theme.for_depth(ColourDepth::None).style(entry.role);
            assert_eq!((style.fg, style.bg), (None, None));
            assert!(style.add_modifier.contains(entry.bare));
        }
    }
}

#[test]
fn the_built_in_themes_say_every_role_themselves() {
    let themes = Themes::default();
    assert_eq!(
        themes.names().collect::<Vec<_>>(),
        ["dark", "light", "high-contrast", "sixteen"]
    );
    for text in [
        include_str!("../../../themes/dark.toml"),
        include_str!("../../../themes/light.toml"),
        include_str!("../../../themes/high-contrast.toml"),
        include_str!("../../../themes/sixteen.toml"),
    ] {
        let document: toml::Table = text.parse().unwrap();
        let roles = document["roles"].as_table().unwrap();
        let missing: Vec<_> = ROLES
            .iter()
            .filter(|entry| !roles.contains_key(entry.name))
            .collect();
        assert!(
            missing.is_empty() && roles.len() == ROLES.len(),
            "{missing:?}"
        );
        for name in document
            .get("colours")
            .and_then(|colours| colours.as_table())
            .into_iter()
            .flat_map(|table| table.keys())
        {
            assert!(
                text.contains(&format!("g = \"{name}\"")),
                "{name} is not used"
            );
        }
    }
}

#[test]
fn the_users_themes_come_after_the_built_in_ones_or_take_their_place() {
    let (_folder, home) = home(&[
        (
            "sun.toml",
            "base = 'light'\n[colours]\nred = '#c00000'\n[roles]\naccent = { fg = 'red', bold = true }\n",
        ),
        (
            "dark.toml",
            "[roles]\ntext = { fg = 252, bg = 'default' }\n",
        ),
        ("notes.txt", "no theme"),
    ]);
    let (themes, problems) = Themes::load(&home);
    assert_eq!(problems, []);
    let names: Vec<_> = themes.names().collect();
    assert_eq!(names, ["dark", "light", "high-contrast", "sixteen", "sun"]);
    let sun = themes.get("sun").unwrap();
    let red = Style::new()
        .fg(Color::Rgb(192, 0, 0))
        .add_modifier(Modifier::BOLD);
    assert_eq!(sun.style(Role::Accent), red);
    assert_eq!(
        sun.style(Role::Text),
        themes.get("light").unwrap().style(Role::Text)
    );
    let own = Style::new().fg(Color::Indexed(252)).bg(Color::Reset);
    assert_eq!(themes.first().style(Role::Text), own);
    assert_eq!(
        themes.first().style(Role::Dim),
        Themes::default().first().style(Role::Dim)
    );
    // The terminal's own background is unchanged.
    let sixteen = themes.first().for_depth(ColourDepth::Indexed16);
    assert_eq!(sixteen.style(Role::Text).bg, Some(Color::Reset));
    assert_eq!(themes.next("sixteen").name(), "sun");
    assert_eq!(themes.next("sun").name(), "dark");
    assert_eq!(themes.next("none").name(), "dark");
}

#[test]
fn errors_in_a_theme_are_reported_and_the_rest_is_used() {
    let (_folder, home) = home(&[
        (
            "a.toml",
            concat!(
                "base = 'lihgt'\n",
                "[role]\n",
                "[roles]\n",
                "text = { fg = '#12345', bg = 300, bold = true }\n",
                "dimm = { fg = 'red' }\n",
                "good = { fg = 'pink', bold = 'yes', blink = true }\n",
                "bad = 'red'\n",
                "key = { fg = }\n",
                "mark = { fg = 'red' }\n",
            ),
        ),
        ("b\u{1b}.toml", ""),
    ]);
    let (themes, problems) = Themes::load(&home);
    let shown: Vec<String> = problems.iter().map(Problem::to_string).collect();
    for expected in [
        "a.toml:1: base: it must be a theme that comes with Ziggurat: dark, light, high-contrast, sixteen",
        "a.toml:2: role: a theme has `base`, `[colours]` and `[roles]`; did you mean `roles`?",
        "a.toml:4: roles.text.fg: \"#12345\" is not a colour",
        "a.toml:4: roles.text.bg: 300 is not a colour of the palette: 0 to 255",
        "a.toml:5: roles.dimm: unknown role; did you mean `dim`?",
        "a.toml:6: roles.good.fg: \"pink\" is not a colour",
        "a.toml:6: roles.good.bold: it must be true or false",
        "a.toml:6: roles.good.blink: a role has `fg`",
        "a.toml:7: roles.bad: it must be a table",
        "a.toml:8: key: invalid TOML",
        "b\\u{1b}.toml: a theme's file is named",
    ] {
        assert!(
            shown.iter().any(|line| line.starts_with(expected)),
            "{expected}\n{shown:#?}"
        );
    }
    let (theme, dark) = (themes.get("a").unwrap(), themes.first());
    let bold_dark = dark.style(Role::Text).add_modifier(Modifier::BOLD);
    assert_eq!(theme.style(Role::Text), bold_dark);
    assert_eq!(theme.style(Role::Bad), dark.style(Role::Bad));
    assert_eq!(theme.style(Role::Mark), Style::new().fg(Color::Indexed(1)));
}

#[test]
fn hostile_theme_folders_are_handled() {
    let (_folder, home) = home(&[("big.toml", &"x".repeat(1 << 20)), ("nul.toml", "\0\0\0")]);
    fs::create_dir(home.themes().join("folder.toml")).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::symlink;
        symlink("/dev/zero", home.themes().join("endless.toml")).unwrap();
        symlink("loop.toml", home.themes().join("loop.toml")).unwrap();
        symlink("nowhere", home.themes().join("gone.toml")).unwrap();
    }
    for number in 0..200 {
        fs::write(home.themes().join(format!("many-{number:03}.toml")), "").unwrap();
    }
    let (themes, problems) = Themes::load(&home);
    assert!(themes.0.len() <= 104);
    let shown = problems
        .iter()
        .map(Problem::to_string)
        .collect::<Vec<_>>()
        .join("\n");
    for expected in [
        "themes: of 20",
        "big.toml: it is larger",
        "folder.toml: a folder, not a regular file",
    ] {
        assert!(shown.contains(expected), "{expected}\n{shown}");
    }
    assert!(!shown.contains(|character: char| character.is_control() && character != '\n'));
}
