//! Numbers as two registers hold them: IEEE 754, the high word first.

/// A number as it stands in registers.
pub fn cells(value: f32) -> [u16; 2] {
    let bits = value.to_bits();
    [(bits >> 16) as u16, (bits & 0xFFFF) as u16]
}

/// And back.
pub fn float(cells: &[u16]) -> f32 {
    f32::from_bits(u32::from(cells[0]) << 16 | u32::from(cells[1]))
}
