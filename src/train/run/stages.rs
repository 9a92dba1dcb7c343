//! A run in progress: its stages, looks at the validation days, checkpoints and end.

use super::*;

fn cvar95(regrets: &[f64]) -> f64 {
    memg_core::reward::value_at_risk(regrets, 0.95).map_or(f64::NAN, |(_, cvar)| cvar)
}

/// A run in progress.
pub(super) struct Run<'a> {
    pub(super) options: &'a TrainOptions,
    /// As started or resumed; updates may have been cut to keep the time.
    pub(super) config: TrainConfig,
    /// Gradient and TD3 updates that were asked for, before any cut.
    pub(super) planned: [u64; 2],
    pub(super) split: Split,
    pub(super) gradient: GradientTrainer,
    pub(super) td3: Option<Td3>,
    pub(super) done: Done,
    pub(super) best: Option<Best>,
    pub(super) history: Vec<Figures>,
    pub(super) bound: Bound,
    /// Only if risk counts.
    pub(super) tail: Option<TrainingDays>,
    pub(super) rule_cost: f64,
    pub(super) tariff: Option<TariffRange>,
    pub(super) loss: f64,
    pub(super) started: Instant,
    pub(super) reserve_s: f64,
    pub(super) seconds_before: f64,
    pub(super) looked_at: u64,
    pub(super) saved_at: u64,
    pub(super) episodes_saved: usize,
    pub(super) stage_started: (Stage, f64, u64),
    pub(super) files: MetricsFiles,
}

/// Updates made in the first two stages; TD3 counts its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Done {
    pub(super) imitation: u64,
    pub(super) gradient: u64,
}

impl<'a> Run<'a> {
    pub(super) fn new(options: &'a TrainOptions) -> Result<Self, TrainError> {
        let started = Instant::now();
        let config = options.config.clone();
        let split = Split::of(&options.profile, &config.data);
        let days = split.training.rows().len() / 96;
        if days * 96 < config.episodes.steps || split.validation.rows().is_empty() {
            return Err(TrainError::Data(format!("{days} days to train on are too few for these episodes")));
        }
        make_dir(&options.out)?;
        let tariff = tariff_range::tariff_range(config.schema, &split.training);
        let source = Source::new(options.plant, config.schema, (*split.training).clone(), config.episodes.steps);
        let variation = config.episodes.variation();
        let gradient = GradientTrainer::new(options.plant, config.schema, source, variation, config.seed);
        let saved = options.resume.then(|| state::saved_bounds(&options.out.join(CHECKPOINT))).flatten();
        let [validation, training] = saved.map_or([None, None], |(validation, training)| [Some(validation), training]);
        let days = split.validation.rows().len() / 96;
        let bound = match validation.filter(|bound| bound.daily_cost_eur.len() == days) {
            Some(bound) => bound,
            None => bound(&options.plant, &split.validation, None)?,
        };
        // The final table needs the bound of the test days, and the report one more.
        let reserve_s = RESERVE_S.max(20.0 + 2.5 * started.elapsed().as_secs_f64());
        let files = MetricsFiles::open(&options.out, options.resume)?;
        let mut run = Self {
            options,
            planned: [config.gradient.updates, config.td3.updates],
            config,
            split,
            gradient,
            td3: None,
            done: Done::default(),
            best: None,
            history: Vec::new(),
            bound,
            tail: None,
            rule_cost: f64::NAN,
            tariff,
            loss: 0.0,
            started,
            reserve_s,
            seconds_before: 0.0,
            looked_at: 0,
            saved_at: 0,
            episodes_saved: 0,
            stage_started: (Stage::Imitation, 0.0, 0),
            files,
        };
        run.rule_cost = run.cost_of_rule()?;
        if options.resume {
            run.load()?;
        }
        td3::precision(run.config.td3.bf16, fused::Bf16::detect()).map_err(TrainError::Config)?;
        // After loading: how much risk counts is part of what a resumed run continues.
        run.tail = TrainingDays::new(run.config.gradient.risk, &options.plant, &run.split.training, training)?;
        Ok(run)
    }

    pub(super) fn cost_of_rule(&self) -> Result<f64, TrainError> {
        let mut rule = memg_core::rules::GoodRule;
        let found = memg_evaluate::evaluate(self.options.plant, &self.split.validation, None, &mut rule, |_| {})?;
        Ok(found.cost_eur_per_day)
    }

    pub(super) fn stage(&self) -> Stage {
        if self.done.imitation < self.config.imitation.updates {
            Stage::Imitation
        } else if self.done.gradient < self.config.gradient.updates {
            Stage::Gradient
        } else if self.td3.as_ref().map_or(0, Td3::updates) < self.config.td3.updates {
            Stage::Td3
        } else {
            Stage::Done
        }
    }

    pub(super) fn updates(&self) -> u64 {
        self.done.imitation + self.done.gradient + self.td3.as_ref().map_or(0, Td3::updates)
    }

    pub(super) fn advance(&mut self) -> Result<(), TrainError> {
        let stage = self.stage();
        if self.stage_started.0 != stage {
            self.stage_started = (stage, self.seconds(), self.updates());
        }
        match stage {
            Stage::Imitation => {
                self.loss = self.gradient.imitate(&self.config.imitation).loss;
                self.done.imitation += 1;
                if self.stage() != Stage::Imitation {
                    self.gradient.fresh_moments();
                }
            }
            Stage::Gradient => {
                let progress = self.done.gradient as f64 / self.config.gradient.updates.max(1) as f64;
                self.loss = self.gradient.descend(&self.config.gradient, progress, self.threads()).loss;
                self.done.gradient += 1;
            }
            Stage::Td3 => self.advance_td3()?,
            Stage::Done => {}
        }
        Ok(())
    }

    pub(super) fn advance_td3(&mut self) -> Result<(), TrainError> {
        if self.td3.is_none() {
            let mut td3 = self.fresh_td3();
            if let (Some(best), true) = (&self.best, self.done.imitation + self.done.gradient > 0) {
                let tensors: Vec<_> = best
                    .tensors
                    .iter()
                    .map(|(name, shape, data)| fused::NamedTensor {
                        name: format!("actor.{name}"),
                        shape: shape.clone(),
                        data: data.clone(),
                    })
                    .collect();
                td3.start_from(&tensors).map_err(|e| TrainError::Checkpoint(e.to_string()))?;
            }
            self.td3 = Some(td3);
        }
        if let Some(stats) = self.td3.as_mut().and_then(Td3::advance) {
            self.loss = stats.critic_loss;
        }
        Ok(())
    }

    pub(super) fn fresh_td3(&self) -> Td3 {
        let c = &self.config;
        let source = Source::new(self.options.plant, c.schema, (*self.split.training).clone(), c.td3.episode_steps);
        Td3::new(self.options.plant, c.schema, source, c.episodes.variation(), (&c.td3, c.seed, c.threads))
    }

    pub(super) fn threads(&self) -> usize {
        match self.config.threads {
            0 => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            n => n,
        }
    }

    pub(super) fn seconds(&self) -> f64 {
        self.seconds_before + self.started.elapsed().as_secs_f64()
    }

    /// The actor as it is now.
    pub(super) fn actor(&mut self) -> Tensors {
        match &self.td3 {
            Some(td3) => td3.actor().into_iter().map(|t| (t.name.replace("actor.", ""), t.shape, t.data)).collect(),
            None => self.gradient.actor().tensors(),
        }
    }

    pub(super) fn looks_due(&self) -> bool {
        self.updates() >= self.looked_at + self.config.validate_every
    }

    /// Judges the actor on the validation days.
    pub(super) fn look(&mut self) -> Result<(), TrainError> {
        self.looked_at = self.updates();
        let tensors = self.actor();
        let mut policy = policy("model", self.config.schema, self.tariff, &tensors)?;
        let plant = self.options.plant;
        let found = memg_evaluate::evaluate(plant, &self.split.validation, None, policy.as_mut(), |_| {})?;
        let regrets: Vec<f64> =
            found.daily_cost_eur.iter().zip(&self.bound.daily_cost_eur).map(|(cost, best)| cost - best).collect();
        let cvar = cvar95(&regrets);
        let score = found.cost_eur_per_day + self.charge_for_risk(&regrets, policy.as_mut())?;
        let figures = Figures {
            updates: self.updates(),
            stage: self.stage().number(),
            seconds: self.seconds(),
            loss: self.loss,
            validation_cost: found.cost_eur_per_day,
            validation_regret_to_rule: self.to_rule(found.cost_eur_per_day),
            validation_cvar95_regret: cvar,
        };
        if found.violations == 0 && self.best.as_ref().is_none_or(|best| score < best.score) {
            self.best = Some(Best { tensors, score, updates: self.updates(), stage: self.stage() });
        }
        self.files.write(&figures)?;
        self.history.push(figures);
        Ok(())
    }

    /// What risk adds to the score that actors are selected by, EUR: validation days alone are too few for a tail. The
    /// worst training days count more from now on.
    fn charge_for_risk(&mut self, validation: &[f64], actor: &mut dyn Policy) -> Result<f64, TrainError> {
        let Some(tail) = &self.tail else { return Ok(0.0) };
        let mut regrets = tail.regrets(self.options.plant, &self.split.training, actor)?;
        self.gradient.state.emphasis = tail.emphasis(&regrets);
        regrets.extend(validation);
        Ok(tail.risk * cvar95(&regrets))
    }

    pub(super) fn to_rule(&self, cost: f64) -> f64 {
        let best = self.bound.cost_eur_per_day;
        (cost - best) / (self.rule_cost - best)
    }

    /// Cuts updates that would not fit into the time at the stage's rate so far, and brings them back when it goes faster.
    pub(super) fn keep_time(&mut self) {
        let (stage, since, before) = self.stage_started;
        let (elapsed, made) = (self.seconds() - since, self.updates() - before);
        if elapsed < 10.0 || made < 20 || stage != self.stage() {
            return;
        }
        let rate = made as f64 / elapsed;
        // The final table and the report take their time, TD3 takes a tenth.
        let end = self.config.minutes * 60.0
            - self.reserve_s
            - if stage == Stage::Gradient { 0.1 * self.config.minutes * 60.0 } else { 0.0 };
        let possible = ((end - self.seconds()).max(0.0) * rate) as u64;
        let cut =
            |planned: u64, done: u64| if planned - done > possible + possible / 20 { done + possible } else { planned };
        let [gradient, td3] = self.planned;
        match stage {
            Stage::Gradient => self.config.gradient.updates = cut(gradient, self.done.gradient),
            Stage::Td3 => {
                let done = self.td3.as_ref().map_or(0, Td3::updates);
                self.config.td3.updates = cut(td3, done);
                if let Some(td3) = &mut self.td3 {
                    td3.set_updates(self.config.td3.updates);
                }
            }
            Stage::Imitation | Stage::Done => {}
        }
    }

    pub(super) fn progress(&self) -> Progress {
        let (_, since, before) = self.stage_started;
        let (updates, planned) = (self.updates(), self.config.planned_updates());
        let rate = (updates - before) as f64 / (self.seconds() - since).max(1e-3);
        let best = self.history.iter().map(|f| f.validation_regret_to_rule).min_by(f64::total_cmp);
        Progress {
            stage: self.stage(),
            updates,
            planned,
            rate,
            remaining_s: (planned.saturating_sub(updates)) as f64 / rate.max(1e-9),
            validation_regret_to_rule: self.history.last().map(|f| f.validation_regret_to_rule),
            best_regret_to_rule: best,
        }
    }

    pub(super) fn save_due(&self) -> bool {
        let every = self.config.checkpoint_every;
        match &self.td3 {
            Some(td3) => td3.episode_rewards().len() as u64 >= self.episodes_saved as u64 + every,
            None => self.updates() >= self.saved_at + every.max(self.config.validate_every),
        }
    }

    pub(super) fn summary(&self, interrupted: bool) -> Summary {
        let td3_steps = self.td3.as_ref().map_or(0, |td3| td3.progress().steps);
        let lived = 2 * self.config.gradient.episodes as u64 * self.config.episodes.steps as u64;
        Summary {
            interrupted,
            updates: self.updates(),
            steps: td3_steps + self.done.gradient * lived,
            seconds: self.seconds(),
            episode_rewards: self.td3.as_ref().map_or_else(Vec::new, |td3| td3.episode_rewards().to_vec()),
            validation: None,
            test: None,
            model: None,
            refused: None,
            checkpoint: self.options.out.join(CHECKPOINT),
            report: None,
        }
    }
}
