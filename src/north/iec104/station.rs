//! The controlled station behind one connection: answers interrogations and reads from the latest cycle, and makes orders of
//! commands. It confirms what it does, refuses the rest by the protocol's own causes, and does nothing by itself.

use crate::asdu::{Head, Sign, cause, mirror};
use crate::link::Broken;
use crate::objects::{Object, asdus, totals};
use crate::shown::Shown;
use crate::time;
use iec104::asdu::Asdu;
use iec104::cot::Cot;
use iec104::types::InformationObjects as Objects;
use iec104::types::commands::{Frz, Qoi, Rqt, Sco};
use iec104::types::information_elements::SelectExecute;
use iec104::types::quality_descriptors::Qos;
use iec104::types::time::Cp56Time2a;
use memg_north::desk::Principal;
use memg_north::points::{Point, Shape, Use};
use memg_north::wires::{Reading, Trust, Wires};
use std::time::Duration;
use tokio::time::Instant;

/// An execution follows its selection within this time.
const SELECTED: Duration = Duration::from_secs(30);
/// A command's time tag is not farther than this from the plant's time, ms.
const TAG_MS_MAX: u64 = 30_000;

/// What a master wants to be written.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Order {
    /// The command as it came, for its confirmation.
    octets: Vec<u8>,
    /// Place in the list.
    place: usize,
    value: f64,
}

impl Order {
    /// The command as it came.
    pub fn octets(&self) -> &[u8] {
        &self.octets
    }
}

/// What follows from an ASDU.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Reaction {
    /// ASDUs to be sent.
    pub answers: Vec<Vec<u8>>,
    /// To be carried out; its confirmation follows.
    pub order: Option<Order>,
    /// Why something was refused, for the log.
    pub refused: Option<String>,
}

impl Reaction {
    fn answers(answers: Vec<Vec<u8>>) -> Self {
        Self { answers, ..Self::default() }
    }
}

/// Selected for execution.
#[derive(Debug, Clone, Copy)]
struct Selected {
    place: usize,
    value: f64,
    until: Instant,
}

/// A command's content.
struct Wish {
    value: f64,
    select: bool,
    single: bool,
    time: Option<Cp56Time2a>,
}

/// One master's view of the station.
#[derive(Debug)]
pub(crate) struct Station {
    wires: Wires,
    address: u16,
    by: Principal,
    /// Points whose value depends on who reads.
    own: Vec<bool>,
    shown: Shown,
    selected: Option<Selected>,
    /// Cycles have stopped: nothing is as good as it was.
    stale: bool,
}

impl Station {
    pub fn new(wires: Wires, address: u16, by: Principal) -> Self {
        let own = (0..wires.list.points().len()).map(|place| wires.desk.written(&by, place).is_some()).collect();
        Self { wires, address, by, own, shown: Shown::default(), selected: None, stale: false }
    }

    /// Whether cycles still come.
    pub fn set_stale(&mut self, stale: bool) {
        self.stale = stale;
    }

    /// Data were started: from here on changes are told.
    pub fn start(&mut self) {
        let objects = self.objects();
        self.shown.all(&objects);
        self.selected = None;
    }

    /// What has changed since it was told last, with the time of the cycle.
    pub fn changes(&mut self) -> Vec<Vec<u8>> {
        let objects = self.objects();
        let points = self.wires.list.points();
        let units = points.iter().filter(|point| crate::objects::Form::of(point).is_some()).map(|point| point.unit);
        let changed = self.shown.changes(&objects, units);
        let tag = time::tag(self.wires.live.borrow().unix_ms);
        asdus(self.address, Cot::SpontaneousData, &changed, Some(&tag))
    }

    /// Every point that can be read.
    fn objects(&self) -> Vec<Object> {
        let points = self.wires.list.points().iter().enumerate();
        points.filter_map(|(place, point)| Object::of(point, &self.reading(place))).collect()
    }

    fn reading(&self, place: usize) -> Reading {
        let own = self.own.get(place).is_some_and(|own| *own);
        let own = own.then(|| self.wires.desk.written(&self.by, place)).flatten();
        let mut reading = own.or_else(|| self.wires.live.borrow().readings.get(place).cloned()).unwrap_or_default();
        if self.stale && reading.trust != Trust::Never {
            reading.trust = Trust::Bad;
        }
        reading
    }

    /// Takes what a master sends.
    ///
    /// # Errors
    /// It is no ASDU.
    pub fn take(&mut self, octets: &[u8], now: Instant) -> Result<Reaction, Broken> {
        let head = Head::read(octets).ok_or(Broken::Garbage)?;
        if let Some(cause) = head.refusal(self.address) {
            let refused = Some(format!("type {}, cause {}, station {}", head.kind, head.cause, head.station));
            return Ok(Reaction { refused, ..self.no(octets, cause) });
        }
        // Only one object without sequence comes here: on a sequence of objects without content the parser would panic.
        let asdu = Asdu::parse(octets).map_err(|_| Broken::Garbage)?;
        let (zero, reaction) = match &asdu.information_objects {
            Objects::CIcNa1(o) => (first(o)?.0, self.interrogate(octets, first(o)?.1.qoi)),
            Objects::CCiNa1(o) => (first(o)?.0, self.count(octets, first(o)?.1.rqt, first(o)?.1.frz)),
            Objects::CTsNa1(o) => (first(o)?.0, self.yes(octets)),
            Objects::CTsTa1(o) => (first(o)?.0, self.yes(octets)),
            Objects::CCsNa1(o) => (first(o)?.0, self.refuse(octets, "the gateway's clock is the operating system's")),
            Objects::CRpNa1(o) => (first(o)?.0, self.refuse(octets, "nobody resets the gateway from outside")),
            Objects::CRdNa1(o) => return Ok(self.read(octets, first(o)?.0)),
            _ => return self.command(octets, &head, &asdu.information_objects, now),
        };
        Ok(if zero == 0 { reaction } else { self.no(octets, cause::UNKNOWN_OBJECT) })
    }

    /// Carries out an order; its confirmations, and why it was refused.
    pub async fn carry_out(wires: &Wires, by: &Principal, address: u16, order: Order) -> Reaction {
        let sign = |cause, sign| mirror(&order.octets, cause, sign, address);
        match wires.desk.give(by, order.place, order.value).await {
            Ok(()) => Reaction::answers(vec![
                sign(cause::ACTIVATION_CON, Sign::Positive),
                sign(cause::TERMINATION, Sign::Positive),
            ]),
            Err(refusal) => Reaction {
                refused: Some(refusal.to_string()),
                ..Reaction::answers(vec![sign(cause::ACTIVATION_CON, Sign::Negative)])
            },
        }
    }

    fn interrogate(&mut self, octets: &[u8], qualifier: Qoi) -> Reaction {
        if qualifier != Qoi::Global {
            return self.refuse(octets, "there are no groups");
        }
        let objects = self.objects();
        self.shown.all(&objects);
        let data = asdus(self.address, Cot::InterrogationGeneral, &objects, None);
        self.with_termination(octets, data)
    }

    /// Energy counters, as whole kWh, beside their exact values: at the number after the point's.
    fn count(&self, octets: &[u8], request: Rqt, freeze: Frz) -> Reaction {
        if request != Rqt::ReqCoGen || freeze != Frz::Read {
            return self.refuse(octets, "counters have no groups and cannot be frozen or reset");
        }
        let points = self.wires.list.points().iter().enumerate().filter(|(_, point)| point.unit == "kWh");
        let counters: Vec<Object> =
            points.filter_map(|(place, point)| Object::of(point, &self.reading(place))).collect();
        if counters.is_empty() {
            return self.refuse(octets, "this plant has no counters");
        }
        self.with_termination(octets, totals(self.address, &counters))
    }

    fn with_termination(&self, octets: &[u8], data: Vec<Vec<u8>>) -> Reaction {
        let mut answers = vec![mirror(octets, cause::ACTIVATION_CON, Sign::Positive, self.address)];
        answers.extend(data);
        answers.push(mirror(octets, cause::TERMINATION, Sign::Positive, self.address));
        Reaction::answers(answers)
    }

    fn read(&self, octets: &[u8], address: u32) -> Reaction {
        let place = u16::try_from(address).ok().and_then(|number| self.wires.list.at(number));
        let point = place.and_then(|place| self.wires.list.points().get(place).zip(Some(place)));
        match point.and_then(|(point, place)| Object::of(point, &self.reading(place))) {
            Some(object) => Reaction::answers(asdus(self.address, Cot::Request, &[object], None)),
            None => self.no(octets, cause::UNKNOWN_OBJECT),
        }
    }

    fn command(&mut self, octets: &[u8], head: &Head, objects: &Objects, now: Instant) -> Result<Reaction, Broken> {
        let (address, wish) = wish(objects)?;
        let Some(place) = u16::try_from(address).ok().and_then(|number| self.wires.list.at(number)) else {
            return Ok(self.no(octets, cause::UNKNOWN_OBJECT));
        };
        if head.cause == cause::DEACTIVATION {
            let was = self.selected.take().is_some_and(|selected| selected.place == place);
            let sign = if was { Sign::Positive } else { Sign::Negative };
            return Ok(Reaction::answers(vec![mirror(octets, cause::DEACTIVATION_CON, sign, self.address)]));
        }
        if let Err(why) = self.admit(place, &wish) {
            return Ok(self.refuse(octets, &why));
        }
        if head.test {
            return Ok(self.yes(octets));
        }
        if wish.select {
            self.selected = Some(Selected { place, value: wish.value, until: now + SELECTED });
            return Ok(self.yes(octets));
        }
        let selected = self.selected.take().filter(|selected| now <= selected.until);
        if selected.is_some_and(|selected| (selected.place, selected.value) != (place, wish.value)) {
            return Ok(self.refuse(octets, "something else was selected"));
        }
        let order = Order { octets: octets.to_vec(), place, value: wish.value };
        Ok(Reaction { order: Some(order), ..Reaction::default() })
    }

    /// Whether this master may give such a command at all; the desk judges its value.
    fn admit(&self, place: usize, wish: &Wish) -> Result<(), String> {
        let point = self.wires.list.points().get(place).ok_or("there is no such point")?;
        let Use::Command(least) = point.usage else { return Err(format!("{} cannot be written", point.name)) };
        if self.by.role < least {
            let (name, role) = (&self.by.name, self.by.role.name());
            return Err(format!("{name} is {role}; {} takes the role {}", point.name, least.name()));
        }
        if wish.single && !takes_single(point) {
            return Err(format!("{} is no single command", point.name));
        }
        let moment = wish.time.as_ref().map(|tag| time::unix_ms(tag).ok_or("its time tag is invalid")).transpose()?;
        let plant_ms = self.wires.live.borrow().unix_ms;
        match moment {
            Some(moment) if moment.abs_diff(plant_ms) > TAG_MS_MAX => {
                Err(format!("its time tag is {} s from the plant's time", moment.abs_diff(plant_ms) / 1000))
            }
            _ => Ok(()),
        }
    }

    fn yes(&self, octets: &[u8]) -> Reaction {
        Reaction::answers(vec![mirror(octets, cause::ACTIVATION_CON, Sign::Positive, self.address)])
    }

    fn no(&self, octets: &[u8], cause: u8) -> Reaction {
        Reaction::answers(vec![mirror(octets, cause, Sign::Negative, self.address)])
    }

    fn refuse(&self, octets: &[u8], why: &str) -> Reaction {
        Reaction { refused: Some(why.to_owned()), ..self.no(octets, cause::ACTIVATION_CON) }
    }
}

fn takes_single(point: &Point) -> bool {
    matches!(point.shape, Shape::Flag | Shape::Count)
}

/// The one object, with its address.
fn first<T>(objects: &[iec104::types::GenericObject<T>]) -> Result<(u32, &T), Broken>
where
    T: iec104::types::FromBytes + iec104::types::ToBytes + Default,
{
    objects.first().map(|object| (object.address, &object.object)).ok_or(Broken::Garbage)
}

fn wish(objects: &Objects) -> Result<(u32, Wish), Broken> {
    let single = |sco: &Sco, time: Option<&Cp56Time2a>| Wish {
        value: f64::from(sco.scs as u8),
        select: sco.se == SelectExecute::Select,
        single: true,
        time: time.cloned(),
    };
    let number = |value: f64, qos: &Qos, time: Option<&Cp56Time2a>| Wish {
        value,
        select: qos.se == SelectExecute::Select,
        single: false,
        time: time.cloned(),
    };
    Ok(match objects {
        Objects::CScNa1(o) => first(o).map(|(at, c)| (at, single(&c.sco, None)))?,
        Objects::CScTa1(o) => first(o).map(|(at, c)| (at, single(&c.sco, Some(&c.time))))?,
        Objects::CSeNb1(o) => first(o).map(|(at, c)| (at, number(c.sva.into(), &c.qos, None)))?,
        Objects::CSeTb1(o) => first(o).map(|(at, c)| (at, number(c.sva.into(), &c.qos, Some(&c.time))))?,
        Objects::CSeNc1(o) => first(o).map(|(at, c)| (at, number(c.value.into(), &c.qos, None)))?,
        Objects::CSeTc1(o) => first(o).map(|(at, c)| (at, number(c.value.into(), &c.qos, Some(&c.time))))?,
        _ => return Err(Broken::Garbage),
    })
}

#[cfg(test)]
#[path = "station_tests.rs"]
mod tests;
