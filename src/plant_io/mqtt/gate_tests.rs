use super::super::arming::{proof_for, system_random};
use super::super::clock::Clock;
use super::super::secret::Secret;
use super::super::station::{Signed, Stamp};
use super::*;
use serde_json::{Value, json};

const START_MS: u64 = 1_700_000_000_000;
const SECRET: &str = "correct horse battery";
const PREFIX: &str = "memg/test";

fn operator(name: &str, role: Role) -> Operator {
    Operator { name: name.into(), role, key: Secret::new(format!("the long key of {name}")) }
}

struct Bench {
    gate: CommandGate,
    clock: Clock,
}

impl Bench {
    /// Operators `anna` (operator), `grid` (guard) and `eve` (viewer); unsigned commands as `trust` says.
    fn new(trust: Option<Role>) -> Self {
        let operators =
            [("anna", Role::Operator), ("bert", Role::Operator), ("grid", Role::Guard), ("eve", Role::Viewer)];
        Self::with(trust, operators.map(|(name, role)| operator(name, role)).to_vec())
    }

    fn with(trust: Option<Role>, operators: Vec<Operator>) -> Self {
        let clock = Clock::starting_at(START_MS);
        let secret = Some(Secret::new(SECRET));
        let commands = Commands { trust_broker_as: trust, arm_secret: secret.clone(), ..Commands::default() };
        let arming = Arming::new(secret, system_random);
        Self { gate: CommandGate::new(PREFIX, &commands, operators, (clock.now(), arming)), clock }
    }

    fn admit(&mut self, kind: CommandKind, payload: &str, delivery: Delivery) -> Admission {
        self.gate.admit(kind, Body::Bytes(payload.as_bytes()), delivery, self.clock.now())
    }

    fn live(&mut self, kind: CommandKind, payload: &str) -> Admission {
        self.admit(kind, payload, Delivery::Live)
    }

    fn refusal(&mut self, payload: &str) -> Option<Refusal> {
        refusal(self.live(CommandKind::Mode, payload))
    }

    /// A signed command of now.
    fn ask(&mut self, name: &str, kind: CommandKind, id: &str, body: &Value) -> Admission {
        let payload = signed(name, kind, id, body, self.clock.now().unix_ms);
        self.live(kind, &payload)
    }
}

fn refusal(admission: Admission) -> Option<Refusal> {
    match admission {
        Admission::Refuse { refusal, .. } => Some(refusal),
        Admission::Deliver(_) | Admission::Challenge { .. } => None,
    }
}

fn body(admission: Admission) -> Option<(String, CommandBody)> {
    match admission {
        Admission::Deliver(command) => Some((command.principal, command.body)),
        Admission::Refuse { .. } | Admission::Challenge { .. } => None,
    }
}

fn nonce(admission: Admission) -> String {
    let Admission::Challenge { nonce, .. } = admission else { panic!("a nonce is offered, not {admission:?}") };
    nonce
}

fn signed(name: &str, kind: CommandKind, id: &str, body: &Value, time_unix_ms: u64) -> String {
    let stamp = Stamp { id: id.into(), time_unix_ms, ttl_s: 30 };
    Signed::new(PREFIX, kind, &operator(name, Role::Viewer), body, stamp).payload
}

fn mode(id: &str, offset_ms: i64, ttl_s: u64) -> String {
    let time = START_MS.saturating_add_signed(offset_ms);
    format!(r#"{{"id":"{id}","time_unix_ms":{time},"ttl_s":{ttl_s},"mode":"shadow"}}"#)
}

fn stop() -> Value {
    json!({ "mode": "safe_stop" })
}

#[tokio::test(start_paused = true)]
async fn a_command_in_time_is_delivered_once() {
    let mut bench = Bench::new(Some(Role::Operator));
    let shadow = Some(("broker".to_owned(), CommandBody::Shadow));
    let first = bench.live(CommandKind::Mode, &mode("a", 0, 10));
    let Admission::Deliver(command) = first.clone() else { panic!("delivered") };
    assert_eq!(body(first), shadow);
    assert_eq!(bench.refusal(&mode("a", 0, 10)), Some(Refusal::Repeated));
    assert_eq!(bench.refusal(&mode("a", 1, 10)), Some(Refusal::Repeated), "a new stamp does not help");
    bench.gate.forget(&command);
    assert_eq!(body(bench.live(CommandKind::Mode, &mode("a", 0, 10))), shadow);
}

#[tokio::test(start_paused = true)]
async fn retained_expired_early_and_future_commands_are_refused_and_told_both_times() {
    let mut bench = Bench::new(Some(Role::Operator));
    for payload in [mode("r", 0, 10).as_str(), "{", &signed("anna", CommandKind::Mode, "r", &stop(), START_MS)] {
        let retained = bench.admit(CommandKind::Mode, payload, Delivery::Retained);
        assert_eq!(refusal(retained), Some(Refusal::Retained), "{payload}");
    }
    let (given, start, here) = (START_MS - 1, START_MS, START_MS);
    assert_eq!(bench.refusal(&mode("b", -1, 10)), Some(Refusal::BeforeStart { given, start }));
    let given = START_MS + 5_001;
    let future = bench.refusal(&mode("f", 5_001, 10)).unwrap();
    assert_eq!(future, Refusal::InFuture { given, here });
    assert!(future.to_string().contains(&given.to_string()) && future.to_string().contains(&here.to_string()));
    assert_eq!(bench.refusal(&mode("g", 5_000, 10)), None);
    tokio::time::advance(Duration::from_secs(11)).await;
    let (given, here) = (START_MS, START_MS + 11_000);
    let expired = bench.refusal(&mode("e", 0, 10)).unwrap();
    assert_eq!(expired, Refusal::Expired { given, ttl_s: 10, here });
    assert!(expired.to_string().contains(&given.to_string()) && expired.to_string().contains(&here.to_string()));
    assert_eq!(bench.refusal(&mode("h", 1_001, 10)), None);
}

#[tokio::test(start_paused = true)]
async fn a_life_must_be_whole_seconds_and_bounded() {
    let mut bench = Bench::new(Some(Role::Operator));
    for ttl_s in ["0", "-1", "61", "1e308", "1.5", "18446744073709551615"] {
        let payload = mode("a", 0, 7).replace(":7", &format!(":{ttl_s}"));
        assert!(matches!(bench.refusal(&payload), Some(Refusal::Malformed(_))), "{ttl_s}");
    }
    let oversize = bench.gate.admit(CommandKind::Mode, Body::Oversize, Delivery::Live, bench.clock.now());
    assert!(matches!(refusal(oversize), Some(Refusal::Malformed(_))));
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_ids_is_refused_instead_of_forgetting_old_ones() {
    let mut bench = Bench::new(Some(Role::Operator));
    for n in 0..IDS_MAX {
        assert_eq!(bench.refusal(&mode(&n.to_string(), 0, 60)), None);
    }
    assert_eq!(bench.refusal(&mode("new", 0, 60)), Some(Refusal::Busy));
    assert_eq!(bench.refusal(&mode("0", 0, 60)), Some(Refusal::Repeated));
    assert_eq!(bench.refusal(&mode("stop", 0, 60).replace("shadow", "safe_stop")), None, "a stop is never too much");
    let other = bench.ask("anna", CommandKind::Mode, "1", &json!({ "mode": "shadow" }));
    assert_eq!(refusal(other), None, "one principal's flood is not another's");
    tokio::time::advance(Duration::from_secs(121)).await;
    assert_eq!(bench.refusal(&mode("later", 121_000, 60)), None, "the flood is over");
}

#[tokio::test(start_paused = true)]
async fn who_signs_is_believed_and_whatever_was_altered_is_not() {
    let mut bench = Bench::new(None);
    let limits = json!({ "import_kw_max": 40.0, "export_kw_max": null });
    let payload = signed("anna", CommandKind::Limit, "1", &limits, START_MS);
    let altered = [
        payload.replace("40.0", "90.0"),
        payload.replace("anna", "bert"),
        payload.replace("anna", "nobody-of-that-name"),
        payload.replace("\"1\"", "\"2\""),
        payload.replace("\"ttl_s\":30", "\"ttl_s\":31"),
        payload.replace(&START_MS.to_string(), &(START_MS + 1).to_string()),
    ];
    for altered in altered {
        assert_ne!(altered, payload);
        assert_eq!(refusal(bench.live(CommandKind::Limit, &altered)), Some(Refusal::WrongMac), "{altered}");
    }
    assert_eq!(refusal(bench.live(CommandKind::Mode, &payload)), Some(Refusal::WrongMac), "another topic");
    assert_eq!(refusal(bench.live(CommandKind::Limit, &payload)), None, "and none of that has used its id up");
    assert_eq!(refusal(bench.live(CommandKind::Limit, &payload)), Some(Refusal::Repeated));
}

#[tokio::test(start_paused = true)]
async fn unsigned_commands_need_the_declaration_that_the_broker_is_trusted() {
    assert_eq!(Bench::new(None).refusal(&mode("a", 0, 10)), Some(Refusal::Unsigned));
    let mut nobody = Bench::with(None, Vec::new());
    for payload in [mode("a", 0, 10), signed("anna", CommandKind::Mode, "b", &stop(), START_MS)] {
        assert_eq!(nobody.refusal(&payload), Some(Refusal::Nobody), "{payload}");
    }
    let mut viewer = Bench::new(Some(Role::Viewer));
    assert!(matches!(viewer.refusal(&mode("a", 0, 10)), Some(Refusal::Role { .. })));
}

#[tokio::test(start_paused = true)]
async fn roles_stop_at_the_gate_before_anything_is_begun() {
    let mut bench = Bench::new(None);
    let empty = json!({});
    for (name, kind) in [("eve", CommandKind::Arm), ("eve", CommandKind::Mode), ("grid", CommandKind::Arm)] {
        let refused = refusal(bench.ask(name, kind, kind.name(), &empty));
        assert!(matches!(refused, Some(Refusal::Role { .. })), "{name} {refused:?}");
    }
    assert_eq!(body(bench.ask("grid", CommandKind::Mode, "s", &stop())), Some(("grid".into(), CommandBody::SafeStop)));
}

#[tokio::test(start_paused = true)]
async fn unsigned_commands_arm_in_two_steps_with_a_proof() {
    let mut bench = Bench::new(Some(Role::Operator));
    let field = |id, fields| format!(r#"{{"id":"{id}","time_unix_ms":{START_MS},"ttl_s":60{fields}}}"#);
    let nonce = nonce(bench.live(CommandKind::Arm, &field("1", String::new())));
    let proof = proof_for(&nonce, SECRET);
    let confirm = field("2", format!(r#","nonce":"{nonce}","proof":"{proof}""#));
    let armed = Some(("broker".into(), CommandBody::Arm));
    assert_eq!(body(bench.live(CommandKind::Confirm, &confirm)), armed);
    let again = bench.live(CommandKind::Confirm, &confirm.replace("\"2\"", "\"3\""));
    assert_eq!(refusal(again), Some(Refusal::Arming(ArmingError::NoSuchNonce)));
}

#[tokio::test(start_paused = true)]
async fn signed_commands_arm_in_two_steps_of_the_same_principal() {
    let mut bench = Bench::new(None);
    let empty = json!({});
    let confirm = json!({ "nonce": nonce(bench.ask("anna", CommandKind::Arm, "1", &empty)) });
    let foreign = bench.ask("bert", CommandKind::Confirm, "1", &confirm);
    assert_eq!(refusal(foreign), Some(Refusal::Arming(ArmingError::NoSuchNonce)));
    let own = bench.ask("anna", CommandKind::Confirm, "2", &confirm);
    assert_eq!(body(own), Some(("anna".into(), CommandBody::Arm)));
}
