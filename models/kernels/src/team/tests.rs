//! What is asked of a step's operands before threads meet them.

use crate::{Format, Isa, Linear, Matrix, Team};

/// Ones in f32.
fn ones(rows: usize, columns: usize, bias: Option<Vec<f32>>) -> Linear {
    let bytes = 1.0_f32.to_le_bytes().repeat(rows * columns);
    let matrix = Matrix::pack(Format::F32, rows, columns, &bytes).unwrap();
    Linear { matrix, bias }
}

#[test]
#[should_panic(expected = "a bias' length")]
fn a_bias_of_another_length_panics_where_it_is_handed_in() {
    let linear = ones(32, 64, Some(vec![0.0; 31]));
    Team::new(1, Isa::Scalar).project(&[0.0; 64], None, [(&linear, &mut [0.0; 32])]);
}
