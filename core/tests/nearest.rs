//! The filter's closed form against a general QP solver: the chosen point is the nearest one, to the watt.
//!
//! ```text
//! cargo test --release -p memg-core --test nearest -- --nocapture
//! ```
//! 100,000 cases in release, fewer without optimisation; `MEMG_CASES` sets another number. Random plants, weights,
//! anchors, weather and requests. Each CHP state is solved as a QP of its own and the better one counts. The limits are
//! taken from the filter's own rules (the adversary judges those); what is compared is the projection.
#![allow(
    clippy::panic,
    clippy::as_conversions,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]
#![allow(clippy::expect_used, reason = "a test stops at the first surprise")]
#![allow(dead_code, reason = "the adversary's modules are shared, not all of them is needed here")]

#[path = "adversary/checker.rs"]
mod checker;
#[path = "adversary/dice.rs"]
mod dice;
#[path = "adversary/world.rs"]
mod world;

use clarabel::algebra::CscMatrix;
use clarabel::solver::{DefaultSettings, DefaultSolver, IPSolver, NonnegativeConeT, SolverStatus};
use dice::Dice;
use memg_core::constraint::{Anchor, Context, Limits, Priority, limits};
use memg_core::equipment::{FilterWeights, Plant};
use memg_core::memory::ControlMemory;
use memg_core::safety::{Relaxation, SafetyFilter};
use memg_core::setpoints::Setpoints;
use memg_core::situation::Situation;
use memg_core::units::{EurPerKwh, Kilowatts, Watts};

/// Requested battery, CHP and `b - p`, kW, with weights.
struct Wish {
    battery: f64,
    chp: f64,
    difference: f64,
    weights: FilterWeights,
}

impl Wish {
    /// Weighted distance in kW.
    fn distance(&self, (b, p): (f64, f64)) -> f64 {
        let w = &self.weights;
        let (db, dp, dd) = (b - self.battery, p - self.chp, b - p - self.difference);
        (w.battery * db * db + w.chp * dp * dp + w.grid * dd * dd).sqrt()
    }

    /// Longest weighted distance from a point to the whole watts around it: one watt in each direction.
    fn watt(&self) -> f64 {
        1e-3 * (self.weights.battery + self.weights.chp + self.weights.grid).sqrt()
    }
}

#[derive(Debug, Clone, Copy)]
struct Solution {
    point: (f64, f64),
    distance: f64,
    exact: bool,
}

/// Spans of `b`, `p` and `b - p`, kW.
struct Region([(f64, f64); 3]);

impl Region {
    fn is_feasible(&self) -> bool {
        let [b, p, d] = self.0;
        b.0 - p.1 <= d.1 && b.1 - p.0 >= d.0
    }
}

/// Nearest point by interior-point QP; `None` if the solver gives up (a region without interior). In the variables
/// `x = sqrt(w_b) (b - b_0)`, `y = sqrt(w_c) (p - p_0)` around any point of the box the objective is
/// `x^2 + y^2 + w_g (x/sqrt(w_b) - y/sqrt(w_c))^2` plus linear terms, which keeps the solver's tolerance below a watt for
/// all weights and distances.
fn solve(wish: &Wish, region: &Region, around: (f64, f64)) -> Option<Solution> {
    let w = &wish.weights;
    let [battery, chp, difference] = region.0;
    let (b0, p0) = (around.0.clamp(battery.0, battery.1), around.1.clamp(chp.0, chp.1));
    let (sb, sc) = (w.battery.sqrt(), w.chp.sqrt());
    let (x, y) = (1.0 / sb, 1.0 / sc);
    let residual = b0 - p0 - wish.difference;
    let q = [sb * (b0 - wish.battery) + w.grid * residual * x, sc * (p0 - wish.chp) - w.grid * residual * y];
    let (xx, xy, yy) = (1.0 + w.grid * x * x, -w.grid * x * y, 1.0 + w.grid * y * y);
    let rows = [(x, 0.0, battery, b0), (0.0, y, chp, p0), (x, -y, difference, b0 - p0)];
    let ends = rows.iter().flat_map(|(x, y, (low, high), at)| [([*x, *y], high - at), ([-x, -y], at - low)]);
    // A CHP with a single possible power (off, or just started) leaves one unknown.
    let (unknowns, p) =
        if chp.0 < chp.1 { (2, CscMatrix::from(&[[xx, xy], [0.0, yy]])) } else { (1, CscMatrix::from(&[[xx]])) };
    // … and leaves nothing to bound in the other, which would be a region without interior.
    let ends = ends.filter(|(row, _)| unknowns == 2 || row[0] != 0.0);
    let (a, b): (Vec<_>, Vec<_>) = ends.map(|(row, end)| (row[..unknowns].to_vec(), end)).unzip();
    let (solution, exact) = clarabel(&p, &q[..unknowns], &CscMatrix::from(&a), &b)?;
    let point = (b0 + solution[0] * x, p0 + solution.get(1).map_or(0.0, |v| v * y));
    Some(Solution { point, distance: wish.distance(point), exact })
}

/// The solution and whether it has the full accuracy.
fn clarabel(p: &CscMatrix, q: &[f64], a: &CscMatrix, b: &[f64]) -> Option<(Vec<f64>, bool)> {
    let settings = DefaultSettings {
        verbose: false,
        tol_gap_abs: 1e-13,
        tol_gap_rel: 1e-11,
        tol_feas: 1e-10,
        ..DefaultSettings::default()
    };
    let mut solver = DefaultSolver::new(p, q, a, b, &[NonnegativeConeT(b.len())], settings).expect("a well-formed QP");
    solver.solve();
    let status = solver.solution.status;
    let solved = matches!(status, SolverStatus::Solved | SolverStatus::AlmostSolved);
    solved.then_some((solver.solution.x, status == SolverStatus::Solved))
}

struct Case {
    plant: Plant,
    situation: Situation,
    anchor: Anchor,
    request: Setpoints,
}

fn case(plant: Plant, rules: &checker::Rules, dice: &mut Dice) -> Case {
    let b = &rules.battery;
    let (mut situation, _) = world::weather(rules, dice.between(b.soc_min, b.soc_max), 0, dice);
    situation.export_price = EurPerKwh::new(0.05);
    let on = dice.one_in(2);
    let (charge, discharge, chp) = (rules.charge as f64, rules.discharge as f64, rules.chp_max as f64);
    let held = Watts::new(if on { dice.between(rules.chp_min as f64, chp) as i64 } else { 0 });
    let battery = Watts::new(dice.between(-discharge, charge) as i64);
    let anchor =
        ControlMemory::from_measured(battery, held, on, dice.below(6) as i64 * rules.step_ms).anchor(rules.step_ms);
    let exchange = dice.between(-rules.export as f64, rules.import as f64) / 1000.0;
    let request = Setpoints {
        battery: Kilowatts::new(dice.between(-discharge, charge).round() / 1000.0),
        chp: Kilowatts::new(if dice.one_in(4) { 0.0 } else { dice.between(0.0, chp).round() / 1000.0 }),
        grid: (!dice.one_in(4)).then(|| Kilowatts::new((exchange * 1000.0).round() / 1000.0)),
    };
    Case { plant, situation, anchor, request }
}

fn regions(case: &Case, limits: &Limits) -> [Option<Region>; 2] {
    let kw = |low: Watts, high: Watts| (low.kilowatts().get(), high.kilowatts().get());
    let net = case.situation.net_load();
    let strip = kw(limits.grid.low.value - Watts::floor(net), limits.grid.high.value - Watts::ceil(net));
    let battery = kw(limits.battery().low.value, limits.battery().high.value);
    let chp = kw(limits.chps()[0].power.low.value, limits.chps()[0].power.high.value);
    let on = limits.chps()[0].may_run.is_ok() || case.anchor.memory.chp_on();
    let off = limits.chps()[0].may_rest.is_ok() || !case.anchor.memory.chp_on();
    let all = [on.then_some(Region([battery, chp, strip])), off.then_some(Region([battery, (0.0, 0.0), strip]))];
    all.map(|region| region.filter(Region::is_feasible))
}

/// Compares one case; whether the point, too, could be compared.
fn compare(case: &Case) -> Option<bool> {
    let verdict = SafetyFilter::new(case.plant).filter(&case.situation, &case.anchor, &case.request);
    if verdict.relaxation != Relaxation::None {
        return None;
    }
    let context = Context { plant: &case.plant, situation: &case.situation, anchor: &case.anchor };
    let mut weights = case.plant.parameters().filter_weights;
    weights.grid = if case.request.grid.is_some() { weights.grid } else { 0.0 };
    let net = case.situation.net_load().get();
    let difference = case.request.grid.map_or(0.0, |g| g.get() - net);
    let wish = Wish { battery: case.request.battery.get(), chp: case.request.chp.get(), difference, weights };
    let ours =
        (verdict.battery_base.into_iter().sum::<Watts>().kilowatts().get(), verdict.safe.chp().kilowatts().get());
    let regions = regions(case, &limits(&context, Priority::BatteryRamp));
    let feasible = regions.iter().flatten().count();
    let found = regions.map(|region| solve(&wish, &region?, ours));
    if found.iter().flatten().count() < feasible {
        return None;
    }
    let best = found.iter().flatten().min_by(|a, b| a.distance.total_cmp(&b.distance))?;
    let (distance, watt) = (wish.distance(ours), wish.watt());
    let text = || format!("{ours:?} at {distance}, QP {found:?}, wish {:?}, verdict {verdict:?}", case.request);
    assert!(distance <= best.distance + watt + 1e-6, "farther than needed: {}", text());
    assert!(distance >= best.distance - watt - 1e-6, "nearer than possible: {}", text());
    // With both CHP states equally near the point is not unique.
    let unique = found.iter().flatten().all(|o| o.point == best.point || o.distance > best.distance + 2.0 * watt);
    if unique && best.exact {
        let off = (ours.0 - best.point.0).abs().max((ours.1 - best.point.1).abs());
        assert!(off <= 1.01e-3, "{off} kW away: {}", text());
    }
    Some(unique && best.exact)
}

#[test]
fn the_chosen_point_is_the_nearest_one() {
    let wanted = std::env::var("MEMG_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(100_000);
    let mut dice = Dice::new(11);
    let (mut compared, mut points) = (0, 0);
    while compared < wanted {
        let (plant, rules) = world::plant(&mut dice);
        for _ in 0..100 {
            if let Some(unique) = compare(&case(plant, &rules, &mut dice)) {
                compared += 1;
                points += u32::from(unique);
            }
        }
    }
    println!("{compared} cases compared by distance, {points} of them by point");
    assert!(points > compared / 2);
}
