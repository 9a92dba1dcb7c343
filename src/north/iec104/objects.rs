//! Points as information objects: which type a point has on the wire, its quality, its time, and ASDUs full of them.
//!
//! | point | answer to an interrogation | of its own accord, with time |
//! |---|---|---|
//! | number, count | `M_ME_NC_1` (13), short float | `M_ME_TF_1` (36) |
//! | state | `M_ME_NB_1` (11), scaled | `M_ME_TE_1` (35) |
//! | flag | `M_SP_NA_1` (1), single point | `M_SP_TB_1` (30) |
//!
//! Texts and commands have no objects that can be read.

use iec104::asdu::Asdu;
use iec104::cot::Cot;
use iec104::types::information_elements::{Siq, Spi};
use iec104::types::quality_descriptors::{Qds, SeqQd};
use iec104::types::time::Cp56Time2a;
use iec104::types::{
    FromBytes, GenericObject, InformationObjects, MItNa1, MMeNb1, MMeNc1, MMeTe1, MMeTf1, MSpNa1, MSpTb1, ToBytes,
};
use iec104::types_id::TypeId;
use memg_north::points::{Point, Shape, Use};
use memg_north::wires::{Reading, Trust};

/// Octets of an ASDU besides its header: 253 of a frame less the control field (4) and the header (6).
const OBJECTS_OCTETS_MAX: usize = 243;
/// Octets of an object's address.
const ADDRESS_OCTETS: usize = 3;

/// How a point's value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Float,
    Scaled,
    Single,
}

impl Form {
    /// `None`: the point cannot be read.
    pub fn of(point: &Point) -> Option<Self> {
        match (point.usage, point.shape) {
            (Use::Command(_), _) | (Use::Read, Shape::Text(_)) => None,
            (Use::Read, Shape::Number | Shape::Count) => Some(Self::Float),
            (Use::Read, Shape::State(_)) => Some(Self::Scaled),
            (Use::Read, Shape::Flag) => Some(Self::Single),
        }
    }
}

/// One object: what is known of a point.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Object {
    pub number: u16,
    pub form: Form,
    pub value: Option<f64>,
    pub trust: Trust,
}

impl Object {
    /// `None`: the point cannot be read.
    pub fn of(point: &Point, reading: &Reading) -> Option<Self> {
        let form = Form::of(point)?;
        Some(Self { number: point.number, form, value: reading.value, trust: reading.trust })
    }

    /// Not topical: a substitute, or it does not move. Invalid: old or out of range. Both: nothing is known, whatever the value says.
    fn quality(&self) -> Qds {
        let (iv, nt) = match (self.trust, self.value) {
            (Trust::Never, _) | (_, None) => (true, true),
            (Trust::Bad, _) => (true, false),
            (Trust::Uncertain, _) => (false, true),
            (Trust::Good, _) => (false, false),
        };
        Qds { iv, nt, ..Qds::default() }
    }

    /// Not a number where nothing is known: whoever does not look at quality must not read a nought.
    fn float(&self) -> f32 {
        self.value.map_or(f32::NAN, |value| value as f32)
    }

    fn scaled(&self) -> i16 {
        self.value.map_or(0, |value| value as i16)
    }

    fn single(&self) -> Siq {
        let Qds { iv, nt, .. } = self.quality();
        let spi = if self.value.is_some_and(|value| value != 0.0) { Spi::On } else { Spi::Off };
        Siq { iv, nt, spi, ..Siq::default() }
    }
}

/// As many ASDUs as all objects take; with `time` the types that have one.
pub(crate) fn asdus(station: u16, cot: Cot, objects: &[Object], time: Option<&Cp56Time2a>) -> Vec<Vec<u8>> {
    let of = |form: Form| objects.iter().filter(move |object| object.form == form);
    let (floats, scaled, singles) = (of(Form::Float), of(Form::Scaled), of(Form::Single));
    let head = Head { station, cot };
    let parts = match time.cloned() {
        None => [
            head.fill(TypeId::M_ME_NC_1, floats, |o| MMeNc1 { value: o.float(), qds: o.quality() }),
            head.fill(TypeId::M_ME_NB_1, scaled, |o| MMeNb1 { sva: o.scaled(), qds: o.quality() }),
            head.fill(TypeId::M_SP_NA_1, singles, |o| MSpNa1 { siq: o.single() }),
        ],
        Some(time) => [
            head.fill(TypeId::M_ME_TF_1, floats, |o| MMeTf1 { value: o.float(), qds: o.quality(), time: time.clone() }),
            head.fill(TypeId::M_ME_TE_1, scaled, |o| MMeTe1 { sva: o.scaled(), qds: o.quality(), time: time.clone() }),
            head.fill(TypeId::M_SP_TB_1, singles, |o| MSpTb1 { siq: o.single(), time: time.clone() }),
        ],
    };
    parts.concat()
}

/// Answers to a counter interrogation: whole kWh, at the number after each point's.
pub(crate) fn totals(station: u16, counters: &[Object]) -> Vec<Vec<u8>> {
    let head = Head { station, cot: Cot::CounterInterrogationGeneral };
    let moved: Vec<Object> = counters.iter().map(|object| Object { number: object.number + 1, ..*object }).collect();
    head.fill(TypeId::M_IT_NA_1, moved.iter(), |object| {
        let iv = object.trust != Trust::Good || object.value.is_none();
        MItNa1 { bcr: object.value.map_or(0, |value| value as i32), sqd: SeqQd { iv, ..SeqQd::default() } }
    })
}

/// What is common to ASDUs.
struct Head {
    station: u16,
    cot: Cot,
}

impl Head {
    fn fill<'a, T>(
        &self,
        type_id: TypeId,
        objects: impl Iterator<Item = &'a Object>,
        element: impl Fn(&Object) -> T,
    ) -> Vec<Vec<u8>>
    where
        T: FromBytes + ToBytes + Default + Clone,
        Vec<GenericObject<T>>: Into<InformationObjects>,
    {
        let one = |object: &Object| GenericObject { address: object.number.into(), object: element(object) };
        let all: Vec<GenericObject<T>> = objects.map(one).collect();
        let most = OBJECTS_OCTETS_MAX / (ADDRESS_OCTETS + type_id.size());
        all.chunks(most).filter_map(|part| self.octets(type_id, part.to_vec().into())).collect()
    }

    fn octets(&self, type_id: TypeId, information_objects: InformationObjects) -> Option<Vec<u8>> {
        let asdu = Asdu {
            type_id,
            cot: self.cot,
            originator_address: 0,
            address_field: self.station,
            sequence: false,
            test: false,
            negative: false,
            information_objects,
        };
        let mut octets = Vec::new();
        // Cannot fail: the number of objects is bounded above.
        asdu.to_bytes(&mut octets).ok().map(|()| octets)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests {
    use super::*;

    fn object(form: Form, value: Option<f64>, trust: Trust) -> Object {
        Object { number: 100, form, value, trust }
    }

    #[test]
    fn quality_says_what_is_known_and_nothing_unknown_reads_as_nought() {
        let rows = [
            (Some(42.5), Trust::Good, (false, false)),
            (Some(42.5), Trust::Uncertain, (false, true)),
            (Some(42.5), Trust::Bad, (true, false)),
            (None, Trust::Never, (true, true)),
            (None, Trust::Good, (true, true)),
        ];
        for (value, trust, (iv, nt)) in rows {
            let [float, single] = [Form::Float, Form::Single].map(|form| object(form, value, trust));
            let quality = float.quality();
            assert_eq!((quality.iv, quality.nt, single.single().iv), (iv, nt, iv), "{value:?} {trust:?}");
            assert_eq!(float.float().is_nan(), value.is_none());
        }
    }

    #[test]
    fn many_points_take_as_many_frames_as_fit_and_all_of_them_arrive() {
        let forms = [Form::Float, Form::Scaled, Form::Single];
        let objects: Vec<Object> = (1..=300)
            .map(|number| Object { number, ..object(forms[usize::from(number % 3)], Some(1.0), Trust::Good) })
            .collect();
        for time in [None, Some(Cp56Time2a::default())] {
            let asdus = asdus(7, Cot::InterrogationGeneral, &objects, time.as_ref());
            let parsed: Vec<Asdu> = asdus.iter().map(|octets| Asdu::parse(octets).unwrap()).collect();
            assert!(asdus.iter().all(|octets| octets.len() <= 249), "a frame holds 253 octets");
            assert_eq!(parsed.iter().map(|asdu| asdu.information_objects.len()).sum::<usize>(), 300);
            assert!(parsed.iter().all(|asdu| asdu.address_field == 7 && asdu.cot == Cot::InterrogationGeneral));
        }
    }
}
