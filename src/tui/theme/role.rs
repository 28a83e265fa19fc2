//! Roles: what the explorer draws, by meaning rather than colour. Themes, views and the documentation share this
//! table.

use ratatui::style::Modifier;

/// A role's row in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    pub role: Role,
    /// Its name in theme files.
    pub name: &'static str,
    /// What is drawn with it.
    pub help: &'static str,
    /// The attribute without colours.
    pub bare: Modifier,
}

macro_rules! roles {
    ($($(#[doc = $doc:literal])* $variant:ident $name:literal $bare:ident;)*) => {
        /// The meaning of something on the screen.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Role { $($(#[doc = $doc])* $variant,)* }

        /// Every role, in the order of the theme files.
        pub const ROLES: &[Entry] = &[$(Entry {
            role: Role::$variant,
            name: $name,
            help: concat!($($doc),*).trim_ascii_start(),
            bare: roles!(@bare $bare),
        },)*];
    };
    (@bare none) => { Modifier::empty() };
    (@bare $modifier:ident) => { Modifier::$modifier };
}

roles! {
    /// Ordinary text; its ground is the ground of the whole screen.
    Text "text" none;
    /// What matters less: units, shapes, times, counts.
    Dim "dim" DIM;
    /// What cannot be chosen, such as a layer that cannot be visualised.
    Disabled "disabled" DIM;
    /// The one thing to see first: the target of the run, the score.
    Accent "accent" BOLD;
    /// The frame of a panel.
    Border "border" DIM;
    /// The frame of the panel that has the focus.
    BorderFocused "border_focused" BOLD;
    /// The name of a panel.
    Title "title" none;
    /// The name of the panel that has the focus.
    TitleFocused "title_focused" BOLD;
    /// A tab that is not shown.
    Tab "tab" none;
    /// The tab that is shown.
    TabSelected "tab_selected" REVERSED;
    /// The selected row or cell of a panel without the focus; laid over what is in it.
    Selection "selection" UNDERLINED;
    /// The selected row or cell of the panel with the focus; laid over what is in it.
    Cursor "cursor" REVERSED;
    /// Something that is marked.
    Mark "mark" BOLD;
    /// The letters that a search found.
    Match "match" UNDERLINED;
    /// A favourite.
    Favourite "favourite" BOLD;
    /// It went well: finished, whole, available.
    Good "good" none;
    /// It may not be what was meant.
    Warning "warning" BOLD;
    /// It failed.
    Bad "bad" BOLD;
    /// The line or bars of a chart.
    Chart "chart" none;
    /// The axes and labels of a chart.
    ChartGrid "chart_grid" DIM;
    /// The part of a bar that is done.
    Progress "progress" BOLD;
    /// The part of a bar that is still to come.
    ProgressRest "progress_rest" DIM;
    /// A key, in the status row and in the help.
    Key "key" BOLD;
    /// What a key does.
    KeyText "key_text" none;
    /// The name of what is open, in the top row.
    Header "header" REVERSED;
    /// Everything else in the top row.
    HeaderText "header_text" none;
    /// The ground and text of a panel laid over others.
    Popup "popup" none;
    /// Everything that such a panel is laid over.
    Scrim "scrim" DIM;
    /// Text that is being typed.
    Input "input" UNDERLINED;
}

impl Role {
    /// The role's row in the table.
    pub fn entry(self) -> &'static Entry {
        // Table and enum are generated from the same list, in the same order.
        &ROLES[self as usize]
    }

    /// The role of this name.
    pub fn named(name: &str) -> Option<Self> {
        ROLES
            .iter()
            .find(|entry| entry.name == name)
            .map(|entry| entry.role)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_role_has_its_own_name_and_explains_itself() {
        let names: HashSet<_> = ROLES.iter().map(|entry| entry.name).collect();
        assert_eq!(names.len(), ROLES.len());
        for entry in ROLES {
            assert_eq!(entry.role.entry(), entry);
            assert_eq!(Role::named(entry.name), Some(entry.role));
            assert!(entry.help.ends_with('.'), "{}", entry.name);
        }
    }
}
