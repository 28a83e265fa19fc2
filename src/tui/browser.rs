//! The browser: layers, classes and finished runs, each a list with its own search.

use super::fuzzy;
use super::layer_tree::{LayerTree, Row};
use super::list_state::ListState;
use crate::model::Classes;
use crate::model::layers::Layer;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;

/// A tab of the browser.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tab {
    Layers,
    #[default]
    Classes,
    History,
    Favourites,
}

impl Tab {
    /// All tabs, in the order of their keys.
    pub const ALL: [Self; 4] = [Self::Layers, Self::Classes, Self::History, Self::Favourites];

    /// The tab's title.
    pub fn title(self) -> &'static str {
        match self {
            Self::Layers => "Layers",
            Self::Classes => "Classes",
            Self::History => "History",
            Self::Favourites => "Favourites",
        }
    }

    /// The tab's title where `room` columns are available for all titles, each with a space on either side.
    pub fn title_within(self, room: u16) -> &'static str {
        let all: usize = Self::ALL.iter().map(|tab| tab.title().len() + 2).sum();
        match self {
            Self::Favourites if usize::from(room) < all => "★",
            _ => self.title(),
        }
    }
}

/// A list of the browser: its tab, and the layer in a list of channels.
pub type ListId = (Tab, Option<usize>);

/// The order of the cells in a grid of channels or classes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CellOrder {
    /// The order of the network.
    #[default]
    Number,
    /// Highest score first.
    Score,
    /// Similar pictures side by side.
    Similarity,
}

impl CellOrder {
    /// The next one.
    pub fn next(self) -> Self {
        match self {
            Self::Number => Self::Score,
            Self::Score => Self::Similarity,
            Self::Similarity => Self::Number,
        }
    }
}

/// The channels of a layer, as a grid.
#[derive(Debug, Clone, PartialEq)]
pub struct Channels {
    /// Index of the layer.
    pub layer: usize,
    pub list: ListState,
}

/// The browser's state.
#[derive(Debug, Clone, Default)]
pub struct Browser {
    pub tab: Tab,
    pub tree: LayerTree,
    /// Unfolded scopes.
    pub open: HashSet<usize>,
    /// Layers and scopes, by their number in the tree.
    pub layers: ListState,
    /// The channels of the entered layer.
    pub channels: Option<Channels>,
    pub classes: ListState,
    /// The order of channels and classes, as requested last.
    pub order: CellOrder,
    /// Finished runs, by their index in the history.
    pub history: ListState,
    pub favourites: ListState,
    searches: [String; 4],
}

impl Browser {
    /// Lists another network.
    pub fn show_network(&mut self, layers: &[Layer], classes: &Classes) {
        self.classes = ListState::default();
        self.searches[Tab::Layers as usize].clear();
        self.searches[Tab::Classes as usize].clear();
        self.show_layers(layers);
        self.list_classes(classes);
    }

    /// Lists other layers.
    pub fn show_layers(&mut self, layers: &[Layer]) {
        self.tree = LayerTree::new(layers.iter().map(|layer| layer.name.as_str()));
        self.open.clear();
        self.channels = None;
        self.layers = ListState::default();
        self.list_layers(layers);
    }

    /// Unfolds scopes and keeps the unfolded ones.
    pub fn unfold(&mut self, scopes: impl Iterator<Item = usize>) {
        self.open.extend(scopes);
        if !self.is_searching_layers() {
            self.layers.set_rows(self.unfolded());
        }
    }

    /// Lists the channels of a layer.
    pub fn show_channels(&mut self, layer: usize, channels: usize) {
        let list = ListState::new(channels);
        self.order = CellOrder::Number;
        self.channels = Some(Channels { layer, list });
    }

    /// Moves the cursor to a channel of the entered layer.
    pub fn go_to_channel(&mut self, channel: usize) {
        if let Some(channels) = &mut self.channels {
            channels.list.go_to(channel);
        }
    }

    /// Moves the cursor to a layer and unfolds its scopes.
    pub fn unfold_to(&mut self, layer: usize) {
        let mut scope = self.tree.parent(Row::Layer(layer));
        while let Some(around) = scope {
            self.open.insert(around);
            scope = self.tree.parent(Row::Scope(around));
        }
        if !self.is_searching_layers() {
            self.layers.set_rows(self.unfolded());
        }
        self.go_to_row(Row::Layer(layer));
    }

    /// The search text of the current tab.
    pub fn search(&self) -> &str {
        &self.searches[self.tab as usize]
    }

    /// Sets the search text of the current tab; the owner of the items must list them again.
    pub fn set_search(&mut self, text: &str) {
        self.searches[self.tab as usize] = text.into();
    }

    /// The search text of a tab.
    pub fn search_of(&self, tab: Tab) -> &str {
        &self.searches[tab as usize]
    }

    /// Lists the layers: the matches of the search, otherwise the tree.
    pub fn list_layers(&mut self, layers: &[Layer]) {
        let search = &self.searches[Tab::Layers as usize];
        let rows = if search.is_empty() {
            self.unfolded()
        } else {
            // A layer's number is its index.
            fuzzy::matches(search, layers.iter().map(|layer| layer.name.as_str()))
        };
        self.layers.set_rows(rows);
        if !search.is_empty() {
            self.layers.go_to_row(0);
        }
    }

    /// Lists the classes that match the search.
    pub fn list_classes(&mut self, classes: &Classes) {
        let search = &self.searches[Tab::Classes as usize];
        let names = (0..classes.len()).map(|index| classes.name(index).unwrap_or_default());
        let mut rows = fuzzy::matches(search, names);
        // A number matches the class with this index.
        if let Ok(index) = search.trim().parse::<usize>()
            && index < classes.len()
        {
            rows.retain(|row| *row != index);
            rows.insert(0, index);
        }
        self.classes.set_rows(rows);
        if !search.is_empty() {
            self.classes.go_to_row(0);
        }
    }

    /// Unfolds or folds a scope.
    pub fn set_open(&mut self, scope: usize, open: bool) {
        if open {
            self.open.insert(scope)
        } else {
            self.open.remove(&scope)
        };
        self.layers.set_rows(self.unfolded());
    }

    /// Folds every scope, or unfolds all if all are folded.
    pub fn fold_all(&mut self) {
        let selected = self.selected_row();
        if self.open.is_empty() {
            self.open.extend(self.tree.scopes());
        } else {
            self.open.clear();
        }
        self.layers.set_rows(self.unfolded());
        // The selected row may be folded into its scope.
        let mut row = selected;
        while let Some(hidden) = row.filter(|row| !self.go_to_row(*row)) {
            row = self.tree.parent(hidden).map(Row::Scope);
        }
    }

    fn unfolded(&self) -> Vec<usize> {
        let rows = self.tree.rows(&self.open);
        rows.into_iter().map(|row| self.tree.item(row)).collect()
    }

    /// The scope or layer under the cursor.
    pub fn selected_row(&self) -> Option<Row> {
        Some(self.tree.row(self.layers.selected()?))
    }

    /// The selected layer, or the one whose channels are listed; `None` in other tabs.
    pub fn selected_layer(&self) -> Option<usize> {
        match (self.tab, &self.channels) {
            (Tab::Layers, Some(channels)) => Some(channels.layer),
            (Tab::Layers, None) => match self.selected_row()? {
                Row::Layer(layer) => Some(layer),
                Row::Scope(_) => None,
            },
            _ => None,
        }
    }

    /// Moves the cursor to a scope or layer; returns whether it is listed.
    pub fn go_to_row(&mut self, row: Row) -> bool {
        self.layers.go_to(self.tree.item(row))
    }

    /// The list that is shown.
    pub fn list(&self) -> &ListState {
        match (self.tab, &self.channels) {
            (Tab::Layers, Some(channels)) => &channels.list,
            (Tab::Layers, None) => &self.layers,
            (Tab::Classes, _) => &self.classes,
            (Tab::History, _) => &self.history,
            (Tab::Favourites, _) => &self.favourites,
        }
    }

    /// The list that is shown.
    pub fn list_mut(&mut self) -> &mut ListState {
        match (self.tab, &mut self.channels) {
            (Tab::Layers, Some(channels)) => &mut channels.list,
            (Tab::Layers, None) => &mut self.layers,
            (Tab::Classes, _) => &mut self.classes,
            (Tab::History, _) => &mut self.history,
            (Tab::Favourites, _) => &mut self.favourites,
        }
    }

    /// The current list: the tab, and the layer in a list of channels.
    pub fn place(&self) -> ListId {
        let channels = self.channels.as_ref().filter(|_| self.tab == Tab::Layers);
        (self.tab, channels.map(|channels| channels.layer))
    }

    /// Whether channels are listed, which are always a grid.
    pub fn is_grid(&self) -> bool {
        self.tab == Tab::Layers && self.channels.is_some()
    }

    /// Whether the layers are search results rather than a tree.
    pub fn is_searching_layers(&self) -> bool {
        !self.searches[Tab::Layers as usize].is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::autodiff::differentiability::Differentiability;
    use crate::model::Layout;

    fn layer(name: &str) -> Layer {
        Layer {
            name: name.into(),
            op: "Conv".into(),
            dims: vec![1, 4, 2, 2],
            layout: Layout::channels_first(&[1, 4, 2, 2]).unwrap(),
            is_activation: true,
            differentiability: Differentiability::Differentiable,
            parameters: 0,
        }
    }

    #[test]
    fn folding_moves_the_cursor_to_the_enclosing_scope() {
        let layers = ["a/b/x", "a/b/y", "a/z", "c"].map(layer);
        let classes = Classes::numbered(3);
        let mut browser = Browser::default();
        browser.show_network(&layers, &classes);
        assert_eq!(browser.layers.len(), 2);
        browser.fold_all();
        assert_eq!(browser.layers.len(), 6);
        assert!(browser.go_to_row(Row::Layer(1)));
        browser.fold_all();
        assert_eq!(browser.selected_row(), Some(Row::Scope(0)));
    }

    #[test]
    fn each_tab_has_its_own_search() {
        let layers = ["a/x", "a/y"].map(layer);
        let classes = Classes::numbered(12);
        let mut browser = Browser::default();
        browser.show_network(&layers, &classes);
        browser.set_search("11");
        browser.list_classes(&classes);
        assert_eq!(browser.classes.rows(), [11]);
        browser.tab = Tab::Layers;
        assert_eq!(browser.search(), "");
        browser.set_search("y");
        browser.list_layers(&layers);
        assert_eq!(browser.layers.rows(), [1]);
        assert!(browser.is_searching_layers());
    }
}
