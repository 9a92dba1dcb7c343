//! The head of an ASDU, and its mirror: whatever is asked for is confirmed or refused by the same octets with another cause.

/// Common address that means every station.
const EVERYBODY: u16 = 0xFFFF;
/// Octets of the head: type, number of objects, cause, originator, common address.
const OCTETS: usize = 6;
const CAUSE: u8 = 0b0011_1111;
const NEGATIVE: u8 = 0b0100_0000;
const TEST: u8 = 0b1000_0000;

/// Causes of transmission that are used here (IEC 60870-5-101, 7.2.3).
pub(crate) mod cause {
    pub(crate) const REQUEST: u8 = 5;
    pub(crate) const ACTIVATION: u8 = 6;
    pub(crate) const ACTIVATION_CON: u8 = 7;
    pub(crate) const DEACTIVATION: u8 = 8;
    pub(crate) const DEACTIVATION_CON: u8 = 9;
    pub(crate) const TERMINATION: u8 = 10;
    pub(crate) const UNKNOWN_TYPE: u8 = 44;
    pub(crate) const UNKNOWN_CAUSE: u8 = 45;
    pub(crate) const UNKNOWN_STATION: u8 = 46;
    pub(crate) const UNKNOWN_OBJECT: u8 = 47;
}

/// Types in control direction that are answered with more than "unknown" (7.2.1).
pub(crate) mod kind {
    pub(crate) const SINGLE: u8 = 45;
    pub(crate) const SCALED: u8 = 49;
    pub(crate) const FLOAT: u8 = 50;
    pub(crate) const SINGLE_TIMED: u8 = 58;
    pub(crate) const SCALED_TIMED: u8 = 62;
    pub(crate) const FLOAT_TIMED: u8 = 63;
    pub(crate) const INTERROGATION: u8 = 100;
    pub(crate) const COUNTERS: u8 = 101;
    pub(crate) const READ: u8 = 102;
    pub(crate) const CLOCK: u8 = 103;
    pub(crate) const TEST: u8 = 104;
    pub(crate) const RESET: u8 = 105;
    pub(crate) const TEST_TIMED: u8 = 107;
}

/// Types that may be sent to every station at once.
const FOR_EVERYBODY: [u8; 4] = [kind::INTERROGATION, kind::COUNTERS, kind::CLOCK, kind::RESET];
const KNOWN: [u8; 13] = [
    kind::SINGLE,
    kind::SCALED,
    kind::FLOAT,
    kind::SINGLE_TIMED,
    kind::SCALED_TIMED,
    kind::FLOAT_TIMED,
    kind::INTERROGATION,
    kind::COUNTERS,
    kind::READ,
    kind::CLOCK,
    kind::TEST,
    kind::RESET,
    kind::TEST_TIMED,
];

/// The head of what a master sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    pub kind: u8,
    pub cause: u8,
    pub test: bool,
    /// One object, with its address: what every command has.
    pub single: bool,
    pub station: u16,
}

impl Head {
    /// `None`: too short to be one.
    pub fn read(octets: &[u8]) -> Option<Self> {
        let [kind, number, cause, _, low, high] = *octets.first_chunk::<OCTETS>()?;
        let station = u16::from_le_bytes([low, high]);
        Some(Self { kind, cause: cause & CAUSE, test: cause & TEST != 0, single: number == 1, station })
    }

    /// Why this station does not look at it any further: the cause of a refusal.
    pub fn refusal(&self, station: u16) -> Option<u8> {
        let for_us = self.station == station || (self.station == EVERYBODY && FOR_EVERYBODY.contains(&self.kind));
        let expected = match self.kind {
            kind::READ => self.cause == cause::REQUEST,
            kind::SINGLE | kind::SCALED | kind::FLOAT | kind::SINGLE_TIMED | kind::SCALED_TIMED | kind::FLOAT_TIMED => {
                matches!(self.cause, cause::ACTIVATION | cause::DEACTIVATION)
            }
            _ => self.cause == cause::ACTIVATION,
        };
        match () {
            () if !KNOWN.contains(&self.kind) => Some(cause::UNKNOWN_TYPE),
            () if !for_us => Some(cause::UNKNOWN_STATION),
            () if !expected => Some(cause::UNKNOWN_CAUSE),
            () if !self.single => Some(cause::ACTIVATION_CON),
            () => None,
        }
    }
}

/// Whether something is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sign {
    Positive,
    Negative,
}

/// The same ASDU with this cause, from `station`.
pub(crate) fn mirror(octets: &[u8], cause: u8, sign: Sign, station: u16) -> Vec<u8> {
    let mut mirrored = octets.to_vec();
    let [low, high] = station.to_le_bytes();
    if let [_, _, third, _, fifth, sixth, ..] = mirrored.as_mut_slice() {
        let negative = if sign == Sign::Negative { NEGATIVE } else { 0 };
        (*third, *fifth, *sixth) = ((*third & TEST) | negative | cause, low, high);
    }
    mirrored
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_for_this_station_is_refused_by_its_cause() {
        let rows: [(&[u8], Option<u8>); 9] = [
            (&[100, 1, 6, 0, 1, 0], None),
            (&[100, 1, 6, 0, 0xFF, 0xFF], None),
            (&[45, 1, 6, 0, 0xFF, 0xFF], Some(cause::UNKNOWN_STATION)),
            (&[100, 1, 6, 0, 2, 0], Some(cause::UNKNOWN_STATION)),
            (&[1, 1, 6, 0, 1, 0], Some(cause::UNKNOWN_TYPE)),
            (&[122, 1, 13, 0, 1, 0], Some(cause::UNKNOWN_TYPE)),
            (&[50, 1, 3, 0, 1, 0], Some(cause::UNKNOWN_CAUSE)),
            (&[50, 2, 6, 0, 1, 0], Some(cause::ACTIVATION_CON)),
            (&[102, 0x81, 5, 0, 1, 0], Some(cause::ACTIVATION_CON)),
        ];
        for (octets, expected) in rows {
            assert_eq!(Head::read(octets).map(|head| head.refusal(1)), Some(expected), "{octets:?}");
        }
        assert_eq!(Head::read(&[100, 1, 6, 0, 1]), None);
    }

    #[test]
    fn a_mirror_keeps_objects_originator_and_test() {
        let asked = [45, 1, 0x80 | 6, 9, 0xFF, 0xFF, 1, 2, 3, 1];
        let refused = [45, 1, 0x80 | 0x40 | 47, 9, 7, 0, 1, 2, 3, 1];
        assert_eq!(mirror(&asked, cause::UNKNOWN_OBJECT, Sign::Negative, 7), refused);
    }
}
