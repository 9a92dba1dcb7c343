//! The model descriptions of a plant with one of each never change by the way: a host's connections hang on them.

use crate::describe::{Fmi, model_description};
use crate::model::Kind;
use memg_core::equipment::PlantParameters;

/// FNV-1a of a description without the version of the tool.
fn digest(kind: Kind, fmi: Fmi) -> u64 {
    let rows = kind.variables(&PlantParameters::reference(), "rule");
    let text = model_description(fmi, kind, &rows).replace(env!("CARGO_PKG_VERSION"), "");
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Whoever means to change one writes down the new number here.
#[test]
fn descriptions_of_a_plant_with_one_of_each_are_what_they_were() {
    let found = Kind::ALL.map(|kind| [Fmi::Two, Fmi::Three].map(|fmi| digest(kind, fmi)));
    let wanted = [[0x6eda_176b_9240_4803, 0x92be_5e6b_3206_afc7], [0xe46c_fda1_c066_1ab4, 0x8ca6_2feb_3a81_c7b0]];
    assert_eq!(found, wanted, "{found:#x?}");
}
