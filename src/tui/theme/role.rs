//! Roles: what the explorer draws, by meaning rather than colour. Themes, views and the documentation share this
//! table.

use ratatui::style::Modifier;

/// A role's row in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RoleInfo {
    pub role: Role,
    /// Its name in theme files.
    pub name: &'static str,
    /// Its use.
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
        pub const ROLES: &[RoleInfo] = &[$(RoleInfo {
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
    /// Ordinary text; its background is that of the screen.
    Text "text" none;
    /// Secondary text: units, shapes, times, counts.
    Dim "dim" DIM;
    /// Items that cannot be chosen, such as a layer that cannot be visualised.
    Disabled "disabled" DIM;
    /// The most important text: the target of the run, the score.
    Accent "accent" BOLD;
    /// The frame of a panel.
    Border "border" DIM;
    /// The frame of the panel that has the focus.
    BorderFocused "border_focused" BOLD;
    /// The name of a panel.
    Title "title" none;
    /// The name of the panel that has the focus.
    TitleFocused "title_focused" BOLD;
    /// A hidden tab.
    Tab "tab" none;
    /// The visible tab.
    TabSelected "tab_selected" REVERSED;
    /// The selected row or cell of a panel without the focus; laid over its text.
    Selection "selection" UNDERLINED;
    /// The selected row or cell of the panel with the focus; laid over its text.
    Cursor "cursor" REVERSED;
    /// A marked item.
    Mark "mark" BOLD;
    /// The matching letters of a search.
    Match "match" UNDERLINED;
    /// A favourite.
    Favourite "favourite" BOLD;
    /// Success: finished, complete, available.
    Good "good" none;
    /// A possible mistake.
    Warning "warning" BOLD;
    /// A failure.
    Bad "bad" BOLD;
    /// The line or bars of a chart.
    Chart "chart" none;
    /// The axes and labels of a chart.
    ChartGrid "chart_grid" DIM;
    /// The filled part of a bar.
    Progress "progress" BOLD;
    /// The empty part of a bar.
    ProgressRest "progress_rest" DIM;
    /// A key, in the status row and in the help.
    Key "key" BOLD;
    /// The label of a key.
    KeyText "key_text" none;
    /// The name of the open model, in the top row.
    Header "header" REVERSED;
    /// Everything else in the top row.
    HeaderText "header_text" none;
    /// Background and text of a popup.
    Popup "popup" none;
    /// Everything below a popup.
    Scrim "scrim" DIM;
    /// Text that is being typed.
    Input "input" UNDERLINED;
}

impl Role {
    /// The role's row in the table.
    pub fn entry(self) -> &'static RoleInfo {
        // Table and enum are generated from the same list, in the same order.
        &ROLES[self as usize]
    }

    /// The role with this name.
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
