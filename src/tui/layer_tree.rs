//! The tree of layers by the scopes in their names: `stage1/block2/conv` is in `stage1/block2`, which is in
//! `stage1`.

use std::collections::{HashMap, HashSet};

/// A row of the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Row {
    /// A scope, by its index.
    Scope(usize),
    /// A layer, by its index.
    Layer(usize),
}

/// A common prefix of several layer names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// The label: its own part of the name.
    pub label: String,
    /// Number of layers in it, at any depth.
    pub layers: usize,
    /// The last of these layers: the scope's output.
    pub last: usize,
    /// Number of enclosing scopes.
    depth: usize,
    /// The enclosing scope.
    parent: Option<usize>,
}

/// The tree of a network's layers.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LayerTree {
    scopes: Vec<Scope>,
    children: Vec<Vec<Row>>,
    top: Vec<Row>,
    /// The label of each layer below its scopes, and the enclosing scope.
    layers: Vec<(String, Option<usize>)>,
}

/// Deeper scopes are shown as part of the name.
const MAX_DEPTH: usize = 8;

impl LayerTree {
    /// The tree of layers with these names, in their order. A scope interrupted by other layers starts again,
    /// which keeps the order of the graph.
    pub fn new<'a>(names: impl Iterator<Item = &'a str>) -> Self {
        let names: Vec<&str> = names.collect();
        let separator = match names
            .iter()
            .any(|name| name.trim_matches('/').contains('/'))
        {
            true => '/',
            false => '.',
        };
        let paths: Vec<Vec<&str>> = names.iter().map(|name| path(name, separator)).collect();
        let mut tree = Self::default();
        tree.layers = vec![(String::new(), None); names.len()];
        tree.top = tree.grow(&paths, 0..paths.len(), 0);
        let top = tree.top.clone();
        tree.place(&top, None);
        tree
    }

    /// Sets the enclosing scope of everything below `parent`.
    fn place(&mut self, children: &[Row], parent: Option<usize>) {
        for child in children {
            match *child {
                Row::Layer(layer) => self.layers[layer].1 = parent,
                Row::Scope(scope) => {
                    self.scopes[scope].parent = parent;
                    self.scopes[scope].depth =
                        parent.map_or(0, |parent| self.scopes[parent].depth + 1);
                    let inner = self.children[scope].clone();
                    self.place(&inner, Some(scope));
                }
            }
        }
    }

    /// Builds the rows of the layers in `range`, whose names agree in the first `depth` parts.
    fn grow(
        &mut self,
        paths: &[Vec<&str>],
        range: std::ops::Range<usize>,
        depth: usize,
    ) -> Vec<Row> {
        let mut children = Vec::new();
        let mut start = range.start;
        while start < range.end {
            let head = paths[start][depth];
            let is_leaf = |layer: usize| paths[layer].len() == depth + 1 || depth >= MAX_DEPTH;
            let mut end = start + 1;
            if !is_leaf(start) {
                while end < range.end && !is_leaf(end) && paths[end][depth] == head {
                    end += 1;
                }
            }
            if end == start + 1 {
                self.layers[start].0 = paths[start][depth..].join("/");
                children.push(Row::Layer(start));
            } else {
                let scope = self.scopes.len();
                self.scopes.push(Scope {
                    label: head.to_string(),
                    layers: end - start,
                    last: end - 1,
                    depth: 0,
                    parent: None,
                });
                self.children.push(Vec::new());
                let inner = self.grow(paths, start..end, depth + 1);
                // A scope with a single scope in it is merged with it.
                match inner.as_slice() {
                    &[Row::Scope(only)] => {
                        self.scopes[scope].label = format!("{head}/{}", self.scopes[only].label);
                        self.children[scope] = std::mem::take(&mut self.children[only]);
                    }
                    _ => self.children[scope] = inner,
                }
                children.push(Row::Scope(scope));
            }
            start = end;
        }
        children
    }

    /// The scope at an index.
    pub fn scope(&self, scope: usize) -> &Scope {
        &self.scopes[scope]
    }

    /// The label of a layer below its scopes.
    pub fn label(&self, layer: usize) -> &str {
        &self.layers[layer].0
    }

    /// All scopes.
    pub fn scopes(&self) -> std::ops::Range<usize> {
        0..self.scopes.len()
    }

    /// The name of every scope: the labels from the root, joined by slashes, with a number if it repeats.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        let mut seen: HashMap<String, usize> = HashMap::new();
        for scope in self.scopes() {
            let mut path = vec![self.scopes[scope].label.as_str()];
            let mut around = self.scopes[scope].parent;
            while let Some(outer) = around {
                path.push(&self.scopes[outer].label);
                around = self.scopes[outer].parent;
            }
            path.reverse();
            let name = path.join("/");
            let count = seen.entry(name.clone()).or_default();
            *count += 1;
            names.push(match *count {
                1 => name,
                count => format!("{name} ({count})"),
            });
        }
        names
    }

    /// The list item of a row: layers first, then scopes.
    pub fn item(&self, row: Row) -> usize {
        match row {
            Row::Layer(layer) => layer,
            Row::Scope(scope) => self.layers.len() + scope,
        }
    }

    /// The row of a list item.
    pub fn row(&self, item: usize) -> Row {
        match item.checked_sub(self.layers.len()) {
            None => Row::Layer(item),
            Some(scope) => Row::Scope(scope),
        }
    }

    /// The visible rows if only the scopes of `open` are unfolded.
    pub fn rows(&self, open: &HashSet<usize>) -> Vec<Row> {
        let mut rows = Vec::new();
        self.list(&self.top, open, &mut rows);
        rows
    }

    fn list(&self, children: &[Row], open: &HashSet<usize>, rows: &mut Vec<Row>) {
        for child in children {
            rows.push(*child);
            if let Row::Scope(scope) = *child
                && open.contains(&scope)
            {
                self.list(&self.children[scope], open, rows);
            }
        }
    }

    /// The enclosing scope of a row.
    pub fn parent(&self, row: Row) -> Option<usize> {
        match row {
            Row::Scope(scope) => self.scopes[scope].parent,
            Row::Layer(layer) => self.layers[layer].1,
        }
    }

    /// The layer of a row, or the last one of a scope.
    pub fn last_layer(&self, row: Row) -> usize {
        match row {
            Row::Layer(layer) => layer,
            Row::Scope(scope) => self.scopes[scope].last,
        }
    }

    /// The number of enclosing scopes of a row.
    pub fn depth(&self, row: Row) -> usize {
        self.parent(row)
            .map_or(0, |parent| self.scopes[parent].depth + 1)
    }
}

fn path(name: &str, separator: char) -> Vec<&str> {
    let parts: Vec<&str> = name
        .split(separator)
        .filter(|part| !part.is_empty())
        .collect();
    match parts.is_empty() {
        true => vec![name],
        false => parts,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(tree: &LayerTree, open: &HashSet<usize>) -> Vec<String> {
        let line = |row: &Row| match *row {
            Row::Scope(scope) => {
                let Scope { label, layers, .. } = tree.scope(scope);
                format!("{label}({layers})")
            }
            Row::Layer(layer) => tree.label(layer).to_string(),
        };
        let line = |row: &Row| format!("{}{}", "  ".repeat(tree.depth(*row)), line(row));
        tree.rows(open).iter().map(line).collect()
    }

    #[test]
    fn layers_are_in_the_scopes_of_their_names() {
        let names = [
            "stem/conv",
            "stem/relu",
            "b.1/expand/conv",
            "b.1/expand/relu",
            "b.1/add",
            "head",
        ];
        let tree = LayerTree::new(names.into_iter());
        assert_eq!(shown(&tree, &HashSet::new()), ["stem(2)", "b.1(3)", "head"]);
        let open: HashSet<usize> = tree.scopes().collect();
        assert_eq!(
            shown(&tree, &open),
            [
                "stem(2)",
                "  conv",
                "  relu",
                "b.1(3)",
                "  expand(2)",
                "    conv",
                "    relu",
                "  add",
                "head"
            ]
        );
    }

    #[test]
    fn every_scope_has_a_name_of_its_own() {
        let names = ["a/b/x", "a/b/y", "a/z", "c", "a/x", "a/y"];
        let tree = LayerTree::new(names.into_iter());
        assert_eq!(tree.names(), ["a", "a/b", "a (2)"]);
    }

    #[test]
    fn scopes_without_choice_are_one_and_single_layers_need_none() {
        let names = ["/f/g/0/Conv_output_0", "/f/g/1/Relu_output_0", "/c/Gemm"];
        let tree = LayerTree::new(names.into_iter());
        let open: HashSet<usize> = tree.scopes().collect();
        assert_eq!(
            shown(&tree, &open),
            ["f/g(2)", "  0/Conv_output_0", "  1/Relu_output_0", "c/Gemm"]
        );
    }

    #[test]
    fn the_order_of_the_graph_is_kept_and_dots_do_where_there_are_no_slashes() {
        let tree = LayerTree::new(["a.x", "a.y", "b", "a.z", "", "..."].into_iter());
        assert_eq!(
            shown(&tree, &HashSet::new()),
            ["a(2)", "b", "a/z", "", "..."]
        );
    }
}
