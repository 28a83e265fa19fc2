//! What a pass puts in place of a node.

use super::proto::{NodeProto, TensorProto};
use super::{Error, Graph};

/// New nodes in topological order, and constants that they read.
#[derive(Debug, Clone, Default)]
pub struct Patch {
    /// The nodes.
    pub nodes: Vec<NodeProto>,
    /// The constants.
    pub constants: Vec<TensorProto>,
}

impl Patch {
    /// Adds a constant and returns its name.
    pub fn constant(&mut self, tensor: TensorProto) -> String {
        let name = tensor.name.clone();
        self.constants.push(tensor);
        name
    }

    /// Appends constants and nodes to `graph`.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if a name is taken, or a node is invalid or reads a value that does not exist.
    pub fn insert_into(self, graph: &mut Graph) -> Result<(), Error> {
        for constant in self.constants {
            graph.insert_constant(constant)?;
        }
        for node in self.nodes {
            graph.insert_node(node)?;
        }
        Ok(())
    }
}

impl From<NodeProto> for Patch {
    fn from(node: NodeProto) -> Self {
        Self {
            nodes: vec![node],
            ..Self::default()
        }
    }
}

impl From<TensorProto> for Patch {
    fn from(constant: TensorProto) -> Self {
        Self {
            constants: vec![constant],
            ..Self::default()
        }
    }
}
