//! Matrix products and sums of products.

use super::*;

pub fn linear() -> Vec<Case> {
    let mut cases = Vec::new();
    for (a, b) in [
        ([3, 4], [4, 5]),
        ([3, 4], [5, 4]),
        ([4, 3], [4, 5]),
        ([4, 3], [5, 4]),
    ] {
        let (transposed_a, transposed_b) = (i64::from(a[0] == 4), i64::from(b[1] == 4));
        for third in [Missing, x(&[3, 5]), x(&[5]), x(&[3, 1]), x(&[])] {
            let gemm = case("Gemm", &[x(&a), x(&b), third]);
            cases.push(
                gemm.with("transA", transposed_a)
                    .with("transB", transposed_b)
                    .with("alpha", 0.5f32)
                    .with("beta", -3f32),
            );
        }
    }
    cases.push(case(
        "Gemm",
        &[x(&[1, 6]), constant(&[6, 2]), constant(&[2])],
    ));
    cases.push(case("Gemm", &[constant(&[2, 6]), x(&[6, 3])]));
    let shapes: [(&[usize], &[usize]); 10] = [
        (&[3, 4], &[4, 5]),
        (&[4], &[4, 5]),
        (&[3, 4], &[4]),
        (&[4], &[4]),
        (&[2, 3, 4], &[4, 5]),
        (&[3, 4], &[2, 4, 5]),
        (&[2, 1, 3, 4], &[3, 4, 2]),
        (&[4], &[2, 3, 4, 5]),
        (&[2, 3, 4], &[4]),
        (&[2, 3, 4, 1], &[1, 3, 1, 2]),
    ];
    cases.extend(shapes.map(|(a, b)| case("MatMul", &[x(a), x(b)])));
    cases.push(case("MatMul", &[x(&[3, 3]), Again(0)]));
    cases
}

pub fn products() -> Vec<Case> {
    let einsum = |equation: &str, operands: &[&[usize]]| {
        let operands: Vec<Operand> = operands.iter().map(|dims| x(dims)).collect();
        case("Einsum", &operands).with("equation", equation)
    };
    vec![
        einsum("ij,jk->ik", &[&[2, 3], &[3, 4]]),
        einsum("ij , jk -> ki", &[&[2, 3], &[3, 4]]),
        einsum("bhid,bhjd->bhij", &[&[2, 2, 3, 2], &[2, 2, 2, 2]]),
        einsum("ba,ac", &[&[2, 3], &[3, 4]]),
        einsum("...ij,...jk->...ik", &[&[2, 2, 3], &[1, 3, 2]]),
        einsum("i...,i...->...i", &[&[2, 3], &[2, 3]]),
        einsum("i,j->ij", &[&[3], &[4]]),
        einsum("ijk->j", &[&[2, 3, 2]]),
        einsum("ijk->kij", &[&[2, 3, 2]]),
        einsum("ij,j->", &[&[2, 3], &[3]]),
        einsum("ij,k->i", &[&[2, 3], &[4]]),
        einsum("nchw,nvw,vk->nkch", &[&[1, 2, 3, 2], &[1, 2, 2], &[2, 2]]),
    ]
}
