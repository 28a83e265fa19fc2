use super::*;

#[test]
fn a_map_has_the_pictures_shape() {
    for (plane, picture, expected) in [
        ((7, 7), (224, 224), true),
        ((13, 13), (224, 224), true),
        ((5, 7), (160, 224), true),
        ((112, 112), (223, 223), true),
        ((1, 1), (224, 224), false),
        // Tokens by tokens, and a plane whose channels come last.
        ((197, 197), (224, 224), false),
        ((7, 768), (224, 224), false),
        ((1, 49), (224, 224), false),
    ] {
        let grids = LayoutMap {
            picture,
            ..LayoutMap::default()
        };
        assert_eq!(grids.is_map(plane), expected, "{plane:?} of {picture:?}");
    }
}
