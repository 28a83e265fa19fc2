//! What the classes of finished runs are called today: a card may have named them since.

use super::HistoryEntry;
use crate::ascent::{Kind, Objective, Unit};
use crate::home::Home;
use crate::model::{Classes, ModelSource};
use crate::runs::Record;
use crate::runs::target::safe_title;
use std::collections::HashMap;

/// The class names of the cards in force, read once for each model.
pub struct Naming<'a> {
    home: &'a Home,
    known: HashMap<String, Option<Classes>>,
}

impl<'a> Naming<'a> {
    pub fn new(home: &'a Home) -> Self {
        let known = HashMap::new();
        Self { home, known }
    }

    /// Gives a run of a class the name that the model's card has for it, if there is a card that names classes.
    pub fn apply(&mut self, entry: &mut HistoryEntry) {
        if let Some(title) = self.title(&entry.model, &entry.objective, entry.unit) {
            entry.target = title;
        }
    }

    /// As [`Naming::apply`].
    pub fn apply_to_record(&mut self, record: &mut Record) {
        let spec = &mut record.spec;
        if let Some(title) = self.title(&spec.model, &spec.objective, spec.unit) {
            spec.target = title;
        }
    }

    fn title(&mut self, model: &str, objective: &Objective, unit: Unit) -> Option<String> {
        if !objective.kind.is_of_class() {
            return None;
        }
        if !self.known.contains_key(model) {
            let classes = names(self.home, model);
            self.known.insert(model.into(), classes);
        }
        let name = self.known.get(model)?.as_ref()?.name(unit.index)?;
        let name = safe_title(name);
        (!name.is_empty()).then(|| match objective.kind {
            Kind::NotClass => format!("not {name}"),
            _ => name,
        })
    }
}

/// The class names that a model's card has. A model that is no more, or whose card cannot be read, has none.
fn names(home: &Home, model: &str) -> Option<Classes> {
    match ModelSource::resolve(home, Some(model)).ok()? {
        ModelSource::File(file) => file.card.classes().ok()?,
        ModelSource::Published(published) => published.card.classes().ok()?,
    }
}
