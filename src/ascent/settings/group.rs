//! Groups of settings, for panels that show all of them.

use super::{Knob, knob};

/// A group of related settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Group {
    pub title: &'static str,
    /// Keys of its settings.
    pub keys: &'static [&'static str],
}

/// Every setting is in exactly one group.
pub const GROUPS: &[Group] = &[
    Group {
        title: "steps and canvas",
        keys: &[
            "steps",
            "canvas",
            "canvas_scale",
            "octaves",
            "octave_scale",
            "octave_share",
        ],
    },
    Group {
        title: "ascent",
        keys: &[
            "objective",
            "step_size",
            "step_decay",
            "momentum",
            "noise",
            "rescue",
        ],
    },
    Group {
        title: "views",
        keys: &[
            "view_min",
            "view_max",
            "blur",
            "blur_share",
            "view_noise",
            "clip",
            "stochastic_depth",
        ],
    },
    Group {
        title: "gradient pyramid and colour",
        keys: &["levels", "tilt", "chroma", "contrast"],
    },
    Group {
        title: "activation map",
        keys: &["mask", "mask_method", "mask_layer", "mask_memory"],
    },
    Group {
        title: "regularization",
        keys: &["decay", "damping", "total_variation"],
    },
];

/// All settings, group by group.
pub fn in_groups() -> Vec<&'static Knob> {
    let keys = GROUPS.iter().flat_map(|group| group.keys);
    keys.filter_map(|key| knob(key)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ascent::settings::KNOBS;

    #[test]
    fn every_knob_is_in_one_group() {
        let mut keys: Vec<&str> = GROUPS
            .iter()
            .flat_map(|group| group.keys)
            .copied()
            .collect();
        let mut known: Vec<&str> = KNOBS.iter().map(|knob| knob.key).collect();
        keys.sort_unstable();
        known.sort_unstable();
        assert_eq!(keys, known);
        assert_eq!(in_groups().len(), KNOBS.len());
    }
}
