use super::axis::{Axis, DigitKind, Pieces, coarsen};

const ROWS: DigitKind = DigitKind::Rows(6);
const COLUMNS: DigitKind = DigitKind::Columns(4);

/// (N, rows, columns, channels).
fn planes() -> Vec<Axis> {
    vec![
        Axis::new(DigitKind::Batch, 1),
        Axis::new(ROWS, 6),
        Axis::new(COLUMNS, 4),
        Axis::new(DigitKind::Channels, 8),
    ]
}

fn turned(axes: &[Axis], order: &[usize]) -> Vec<Axis> {
    order.iter().map(|&at| axes[at].clone()).collect()
}

#[test]
fn windows_are_partitioned_and_merged_again() {
    let mut pieces = Pieces::default();
    let rolled = Axis::concat(&[planes()[1].slice(2, 6), planes()[1].slice(0, 2)]);
    for rows in [planes()[1].clone(), rolled] {
        let mut start = planes();
        start[1] = rows;
        let apart = pieces.reshape(&start, &[1, 2, 3, 2, 2, 8]);
        let windows = pieces.reshape(&turned(&apart, &[0, 1, 3, 2, 4, 5]), &[4, 6, 8]);
        assert!(windows[..2].iter().all(Axis::has_places));
        let apart = pieces.reshape(&windows, &[1, 2, 2, 3, 2, 8]);
        let back = pieces.reshape(&turned(&apart, &[0, 1, 3, 2, 4, 5]), &[1, 6, 4, 8]);
        assert_eq!(back, start);
    }
}

#[test]
fn pieces_that_belong_together_are_one() {
    let row = Axis::new(ROWS, 6);
    let extra = Axis::new(DigitKind::Other, 3);
    let both = Axis::concat(&[extra.clone(), row.clone(), extra.clone()]);
    assert_eq!((both.extent(), both.pieces().len()), (12, 3));
    assert_eq!(both.slice(3, 9), row);
    assert_eq!(both.slice(9, 12), extra);
    assert_eq!(both.slice(0, 9), Axis::concat(&[extra, row.clone()]));
    assert_eq!(Axis::concat(&[row.slice(0, 2), row.slice(2, 6)]), row);
    assert_eq!(row.pick(&[0, 1, 2, 3, 4, 5]), row);
    assert_ne!(row.pick(&[5, 4, 3, 2, 1, 0]), row);
    let channels = Axis::new(DigitKind::Channels, 8);
    assert_eq!(channels.slice(2, 6), Axis::new(DigitKind::Channels, 4));
}

#[test]
fn an_axis_of_more_pieces_than_are_followed_counts_nothing() {
    let row = Axis::new(DigitKind::Rows(1000), 1000);
    let reversed: Vec<usize> = (0..1000).rev().collect();
    assert_eq!(row.pick(&reversed), Axis::new(DigitKind::Other, 1000));
}

#[test]
fn the_pictures_stay_an_axis_of_their_own() {
    let mut pieces = Pieces::default();
    let sequence = vec![
        Axis::new(ROWS, 6),
        Axis::new(DigitKind::Batch, 1),
        Axis::new(DigitKind::Channels, 8),
    ];
    let flat = pieces.reshape(&sequence, &[6, 8]);
    assert_eq!(pieces.reshape(&flat, &[6, 1, 8]), sequence);
    let pooled = pieces.reshape(&planes()[..1], &[1, 1, 1]);
    assert!(pooled[0].is_batch() && !pooled[1].is_batch());
}

#[test]
fn the_higher_digits_alone_are_a_coarser_grid() {
    let mut pieces = Pieces::default();
    let mut apart = pieces.reshape(&planes(), &[1, 3, 2, 2, 2, 8]);
    coarsen(&mut apart);
    assert_eq!(apart[1].line(), Some(DigitKind::Rows(3)));
    assert_eq!(apart[2].line(), None);
    let mut mixed = turned(&apart, &[0, 1, 3, 5]);
    coarsen(&mut mixed);
    assert_eq!(mixed[1], Axis::new(DigitKind::Rows(3), 3));
    assert_eq!(mixed[2], Axis::new(DigitKind::Columns(2), 2));
}

#[test]
fn what_does_not_fit_is_not_followed() {
    let mut pieces = Pieces::default();
    let made = pieces.reshape(&planes(), &[1, 8, 6, 4]);
    assert_eq!(made[0], Axis::new(DigitKind::Batch, 1));
    assert!(made[1..].iter().all(|axis| axis.line().is_none()));
}
