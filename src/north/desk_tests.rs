//! The desk before a control loop that does what it is told and shows it.
#![allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]

use super::*;
use crate::points::Extent;
use std::sync::mpsc as told;

struct Bench {
    desk: Desk,
    /// What control was told, in its order.
    told: told::Receiver<Command>,
    live: watch::Sender<Arc<Snapshot>>,
}

fn bench() -> Bench {
    let list = Arc::new(PointList::of(&Extent { batteries: 1, chps: 1, ..Extent::default() }));
    let mut readings = vec![Reading::default(); list.points().len()];
    for (name, value) in [("limit.import_kw_max", 30.0), ("limit.export_kw_max", 40.0), ("setpoint.chp_kw", 7.0)] {
        readings[list.named(name).unwrap()] = Reading::own(value);
    }
    let limits = ExchangeLimits { import_kw_max: Some(50.0), export_kw_max: None };
    let ordered = ExchangeLimits { import_kw_max: Some(30.0), export_kw_max: None };
    let snapshot = Snapshot { readings, limits, ordered, ..Snapshot::default() };
    let (live, seen) = watch::channel(Arc::new(snapshot));
    let (asks, mut asked) = mpsc::channel::<Ask>(8);
    let (tell, told) = told::channel();
    tokio::spawn(async move {
        while let Some(Ask { command, answer }) = asked.recv().await {
            let _ = tell.send(command);
            let _ = answer.send(Outcome::Done);
        }
    });
    Bench { desk: Desk::new(list, seen, asks, Arc::new(Notify::new())), told, live }
}

fn principal(role: Role, authenticated: bool) -> Principal {
    Principal { name: "scada".into(), role, means: Means::ModbusServer, authenticated }
}

impl Bench {
    async fn write(&self, by: &Principal, values: &[(&str, f64)]) -> Result<Vec<CommandBody>, Refusal> {
        let place = |name: &str| self.desk.list.named(name).unwrap();
        let values: Vec<(usize, f64)> = values.iter().map(|(name, value)| (place(name), *value)).collect();
        self.desk.write(by, &values).await?;
        Ok(self.bodies())
    }

    fn bodies(&self) -> Vec<CommandBody> {
        self.told.try_iter().map(|command| command.body).collect()
    }

    /// Who has control, as the next cycle shows it.
    fn in_charge(&self, name: &str) {
        let now = Snapshot::clone(&self.live.borrow());
        let in_charge = Some((name.to_owned(), Means::ModbusServer));
        self.live.send_replace(Arc::new(Snapshot { in_charge, ..now }));
    }
}

fn powers(battery: f64, chp: f64) -> CommandBody {
    CommandBody::Setpoints(Setpoints { battery: Kilowatts::new(battery), chp: Kilowatts::new(chp), grid: None })
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_is_not_written_stays_and_one_for_a_time_makes_nothing_permanent() {
    let (bench, by) = (bench(), principal(Role::Guard, true));
    let limits = |import_kw_max, export_kw_max| ExchangeLimits { import_kw_max, export_kw_max };
    let told = bench.write(&by, &[("command.export_limit_kw", 20.0)]).await;
    assert_eq!(told, Ok(vec![CommandBody::Limits(limits(Some(50.0), Some(20.0)))]), "the operator's, not the order's");
    let told = bench.write(&by, &[("command.export_limit_kw", 10.0), ("command.limit_s", 60.0)]).await;
    let order = GridOrder { limits: limits(Some(30.0), Some(10.0)), for_s: 60.0 };
    assert_eq!(told, Ok(vec![CommandBody::GridLimit(order)]), "the order's");
}

#[tokio::test(start_paused = true)]
async fn an_address_narrows_and_stops_and_does_nothing_else() {
    let (bench, by) = (bench(), principal(Role::Guard, false));
    for allowed in [("command.import_limit_kw", 30.0), ("command.export_limit_kw", 0.0), ("command.mode", 9.0)] {
        assert!(bench.write(&by, &[allowed]).await.is_ok(), "{allowed:?}");
    }
    let refused = [
        ("command.import_limit_kw", 31.0),
        ("command.export_limit_kw", 40.1),
        ("command.limit_s", 1.0),
        ("command.mode", 3.0),
        ("command.battery_kw", 1.0),
        ("command.acknowledge", 1.0),
        ("command.arm_request", 1.0),
    ];
    bench.bodies();
    for wish in refused {
        assert!(matches!(bench.write(&by, &[wish]).await, Err(Refusal::Forbidden(_))), "{wish:?}");
    }
    assert_eq!(bench.bodies(), [], "control was told nothing");
}

#[tokio::test(start_paused = true)]
async fn a_cyclic_write_is_one_command_and_powers_of_an_earlier_turn_do_not_return() {
    let (bench, by) = (bench(), principal(Role::Operator, true));
    assert_eq!(bench.write(&by, &[("command.mode", 2.0)]).await, Ok(vec![CommandBody::Manual]));
    let both = [("command.battery_kw", -5.0), ("command.chp_kw", 20.0)];
    assert_eq!(bench.write(&by, &both).await, Ok(vec![powers(-5.0, 20.0)]));
    for cyclic in [("command.mode", 2.0), ("command.battery_kw", -5.0)] {
        assert_eq!(bench.write(&by, &[cyclic]).await, Ok(vec![]), "{cyclic:?}");
    }
    // Somebody else had control; taken again, the same power is a wish again, and the CHP stays as it is.
    for mode in [0.0, 2.0] {
        bench.write(&by, &[("command.mode", mode)]).await.unwrap();
    }
    bench.bodies();
    assert_eq!(bench.write(&by, &[("command.battery_kw", -5.0)]).await, Ok(vec![powers(-5.0, 7.0)]));
}

#[tokio::test(start_paused = true)]
async fn what_expires_is_given_back_once_and_never_over_somebody_else() {
    for (holder, expected) in [("scada", vec![CommandBody::Auto]), ("anna", vec![])] {
        let (bench, by) = (bench(), principal(Role::Operator, true));
        tokio::spawn(bench.desk.clone().watch());
        bench.write(&by, &[("command.reversion_s", 5.0), ("command.mode", 2.0)]).await.unwrap();
        bench.in_charge(holder);
        bench.bodies();
        tokio::time::sleep(Duration::from_secs(4)).await;
        bench.write(&by, &[("command.heartbeat", 1.0)]).await.unwrap();
        tokio::time::sleep(Duration::from_secs(4)).await;
        assert_eq!(bench.bodies(), [], "its heart has beaten");
        tokio::time::sleep(Duration::from_secs(20)).await;
        assert_eq!(bench.bodies(), expected, "{holder} has control");
    }
}
